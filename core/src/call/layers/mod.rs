//! Thin glue around the machines of `policy`. The order is stated in `stack.rs`.

mod admission;
mod breaker;
mod retry;
mod trace;

pub use admission::{AdmissionLayer, is_refusal};
pub use breaker::{BreakerLayer, is_breaker_open};
pub use retry::RetryLayer;
pub use trace::{TraceLayer, failure, level};
