//! Floor 3: the way of one call to a provider and back.
//!
//! ```text
//! Call ─▶ trace ─▶ retry ─▶ provider ─▶ dialect · key · transport
//!                              └─▶ GuardedStream: events, limits, the reply; ends everything the call holds
//! ```

mod auth;
pub mod catalog;
mod context;
pub mod credentials;
mod guard;
mod layers;
mod provider;
mod stack;

#[cfg(test)]
mod tests;

pub use auth::{Auth, Signed};
pub use catalog::{AuthScheme, AwsScope, Catalogue, MediaLimits, ModelRef, ProviderEntry, ProviderSpec};
pub use context::{CallContext, ProgressSink};
pub use credentials::{CallKey, Credentials, Environment, KeyFile, KeyFuture, KeySource, SystemEnvironment};
pub use layers::{RetryLayer, TraceLayer, failure, level};
pub use provider::{Call, CallTarget, EventStream, Provider};
pub use stack::{ChatService, stack};
