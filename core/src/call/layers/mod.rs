//! Thin glue around the machines of `policy`. The order is stated in `stack.rs`.

mod retry;
mod trace;

pub use retry::RetryLayer;
pub use trace::{TraceLayer, failure, level};
