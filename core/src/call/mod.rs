//! Floor 3: the way of one call to a provider and back.
//!
//! ```text
//! Call ─▶ trace ─▶ cache ─▶ fallback ─▶ hedge ─▶ retry ─▶ budget ─▶ admission · breaker ─▶ provider
//!         provider: http (dialect · key · transport), or own (the application's code)
//!              └─▶ GuardedStream: events, limits, the reply; ends everything the call holds
//! ```

pub mod accounts;
mod alternatives;
mod auth;
mod cache;
pub mod catalog;
mod context;
pub mod credentials;
mod crowd;
mod guard;
mod http;
mod latches;
mod layers;
mod limits;
mod meter;
mod own;
mod pieces;
mod service;
mod stack;
mod target;
mod timer;
mod tokens;
mod witness;

#[cfg(test)]
mod tests;

pub use accounts::{Accounts, AlertSink, Bill, BillSlot, CostLimit, Held, Plan, Spawn};
pub use alternatives::{Alternative, Alternatives, MakeRequest};
pub use auth::{Auth, Signed};
pub use cache::CacheState;
pub use catalog::{AuthScheme, AwsScope, Catalogue, MediaLimits, ModelRef, ProviderEntry, ProviderSpec};
pub use context::{CallContext, Carried, ProgressSink, QuotaSink, Share};
pub use credentials::{CallKey, Credentials, Environment, KeyFile, KeyFuture, KeyPrint, KeySource, SystemEnvironment};
pub use layers::{
    AdmissionLayer, BreakerLayer, BudgetLayer, CacheLayer, FallbackLayer, HedgeLayer, RetryLayer, TraceLayer, failure,
    is_breaker_open, is_refusal, level,
};
pub use meter::{Heard, Meter};
pub use own::{EventStream, OwnCode, Provider};
pub use service::ProviderService;
pub use stack::{ChatService, LayerSettings, Layers, stack};
pub use target::{Call, CallTarget, HttpRoute, ReplyEvents, Route};
pub use tokens::TokenCounts;
pub use witness::Witness;
