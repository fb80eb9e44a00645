//! Floor 2: decisions as pure state machines. `now` and chance are arguments, failures come in plain.

mod backoff;
mod retry;

#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use retry::{Decision, Failure, RetryPolicy, RetrySettings};
