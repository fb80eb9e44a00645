//! Floor 2: decisions as pure state machines. `now` and chance are arguments, failures come in plain.

mod adaptive;
mod admission;
mod backoff;
mod bound;
mod breaker;
mod bucket;
mod estimate;
mod fallback;
mod figures;
mod fingerprint;
pub mod forecast;
mod hedge;
mod latch;
mod minute;
mod outbox;
mod refusals;
mod reply_cache;
mod retry;
mod retry_budget;
mod splice;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use adaptive::Adaptive;
pub use admission::{
    AdmissionQueue, Ask, Learnt, Lease, LimitOverride, LimitSettings, Limits, Place, QueueSettings, Refusal, Spent,
    Ticket,
};
pub use backoff::Backoff;
pub use bound::{Bound, Room};
pub use breaker::{Admission, Breaker, BreakerSettings, Change, Health, Permit};
pub use bucket::{Bucket, Drawn};
#[cfg(feature = "tiktoken")]
pub use estimate::exact_tokens;
pub use estimate::{Calibration, tokens, tokens_of_message, tokens_of_parts, tokens_of_request};
pub use fallback::{Course, FallbackSettings, Leg, MidStream, Standing, outweighs};
pub use figures::{Buckets, Figures, Measure};
pub use fingerprint::{Fingerprint, KeyId, LEFT_OUT, Question};
pub use hedge::Hedge;
pub use latch::Latch;
pub use minute::{Minute, MinuteLimits, Taken, TooMuch};
pub use outbox::{OutboxPolicy, OutboxSettings, Pause};
pub use refusals::Refusals;
pub use reply_cache::{CacheMode, CacheSettings, is_keepable};
pub use retry::{Decision, Failure, RetryPolicy, RetrySettings};
pub use retry_budget::RetryBudget;
pub use splice::Splice;
