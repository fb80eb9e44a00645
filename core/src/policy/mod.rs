//! Floor 2: decisions as pure state machines. `now` and chance are arguments, failures come in plain.

mod adaptive;
mod admission;
mod backoff;
mod breaker;
mod bucket;
mod latch;
mod retry;
mod retry_budget;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use adaptive::Adaptive;
pub use admission::{
    AdmissionQueue, Ask, Lease, LimitOverride, LimitSettings, Limits, Place, QueueSettings, Refusal, Spent, Ticket,
};
pub use backoff::Backoff;
pub use breaker::{Admission, Breaker, BreakerSettings, Change, Health, Permit};
pub use bucket::{Bucket, Drawn};
pub use latch::Latch;
pub use retry::{Decision, Failure, RetryPolicy, RetrySettings};
pub use retry_budget::RetryBudget;
