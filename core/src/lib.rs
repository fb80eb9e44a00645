//! *The conversation engine you embed.*
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::allow_attributes, reason = "tests may panic")
)]

pub mod base;
#[cfg(feature = "engine")]
pub mod call;
pub mod model;
#[cfg(feature = "engine")]
pub mod net;
#[cfg(feature = "engine")]
pub mod store;
pub mod wire;

pub use base::{ErrorKind, Json};
pub use model::{Error, Result};
