//! Floor 2: decisions as pure state machines. `now` and chance are arguments, failures come in plain.

mod backoff;
mod breaker;
mod fallback;
mod hedge;
mod latch;
mod retry;
mod retry_budget;
mod splice;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use breaker::{Admission, Breaker, BreakerSettings, Change, Health, Permit};
pub use fallback::{Course, FallbackSettings, Leg, MidStream, Standing, outweighs};
pub use hedge::Hedge;
pub use latch::Latches;
pub use retry::{Decision, Failure, RetryPolicy, RetrySettings};
pub use retry_budget::RetryBudget;
pub use splice::Splice;
