//! Thin glue around the machines of `policy`. The order is stated in `stack.rs`.

mod admission;
mod breaker;
mod budget;
mod cache;
mod continuing;
mod fallback;
mod hedge;
mod retry;
mod trace;

pub use admission::{AdmissionLayer, is_refusal};
pub use breaker::{BreakerLayer, is_breaker_open};
pub use budget::BudgetLayer;
pub use cache::CacheLayer;
pub use fallback::FallbackLayer;
pub use hedge::HedgeLayer;
pub use retry::RetryLayer;
pub use trace::{TraceLayer, failure, level};
