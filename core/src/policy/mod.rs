//! Floor 2: decisions as pure state machines. `now` and chance are arguments, failures come in plain.

mod backoff;
mod breaker;
mod outbox;
mod retry;
mod retry_budget;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use breaker::{Admission, Breaker, BreakerSettings, Change, Health, Permit};
pub use outbox::{OutboxPolicy, OutboxSettings, Pause};
pub use retry::{Decision, Failure, RetryPolicy, RetrySettings};
pub use retry_budget::RetryBudget;
