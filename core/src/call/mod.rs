//! Floor 3: the way of one call to a provider and back.
//!
//! ```text
//! Call ─▶ trace ─▶ retry ─▶ admission · breaker ─▶ provider ─▶ http: dialect · key · transport, or own: the application's code
//!                                                      └─▶ GuardedStream: events, limits, the reply; ends everything the call holds
//! ```

mod auth;
pub mod catalog;
mod context;
pub mod credentials;
mod guard;
mod http;
mod latches;
mod layers;
mod limits;
mod own;
mod pieces;
mod service;
mod stack;
mod target;

#[cfg(test)]
mod tests;

pub use auth::{Auth, Signed};
pub use catalog::{AuthScheme, AwsScope, Catalogue, MediaLimits, ModelRef, ProviderEntry, ProviderSpec};
pub use context::{CallContext, ProgressSink, QuotaSink};
pub use credentials::{CallKey, Credentials, Environment, KeyFile, KeyFuture, KeySource, SystemEnvironment};
pub use layers::{AdmissionLayer, BreakerLayer, RetryLayer, TraceLayer, failure, is_breaker_open, is_refusal, level};
pub use own::{EventStream, OwnCode, Provider};
pub use service::ProviderService;
pub use stack::{ChatService, stack};
pub use target::{Call, CallTarget, HttpRoute, ReplyEvents, Route};
