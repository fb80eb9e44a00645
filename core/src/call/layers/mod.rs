//! Thin glue around the machines of `policy`. The order is stated in `stack.rs`.

mod breaker;
mod cache;
mod retry;
mod trace;

pub use breaker::{BreakerLayer, is_breaker_open};
pub use cache::CacheLayer;
pub use retry::RetryLayer;
pub use trace::{TraceLayer, failure, level};
