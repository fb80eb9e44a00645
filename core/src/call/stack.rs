//! The order of the layers, outermost first: trace → cache → fallback → per target [hedge → retry → budget → breaker →
//! provider]. The only place that states it.
//!
//! The deadline is data on the call. Budget and breaker are inside of the retry: every try has a reservation of its own,
//! and the breaker hears of every one. Admission will take its place between the two.

use std::sync::Arc;
use std::time::Duration;

use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder};

use super::accounts::Accounts;
use super::layers::{BreakerLayer, BudgetLayer, CacheLayer, FallbackLayer, HedgeLayer, RetryLayer, TraceLayer};
use super::service::ProviderService;
use super::target::{Call, ReplyEvents};
use crate::base::{Clock, Random};
use crate::model::Error;
use crate::policy::{BreakerSettings, FallbackSettings, RetryPolicy, RetrySettings};

/// A call in, its events out.
pub type ChatService = BoxCloneSyncService<Call, ReplyEvents, Error>;

/// What the layers go by.
#[derive(Clone)]
pub struct Layers {
    /// Replies that are kept.
    pub cache: CacheLayer,
    /// Whom calls go on to.
    pub fallback: FallbackSettings,
    /// How failed calls are tried again.
    pub retry: RetrySettings,
    /// Where what calls cost is held back and written down.
    pub accounts: Accounts,
    /// When a target is left alone.
    pub breaker: BreakerSettings,
}

/// Puts the layers around a provider.
#[must_use]
pub fn stack(
    provider: ProviderService,
    layers: Layers,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> ChatService {
    let max_wait = Duration::from_millis(layers.retry.max_inline_wait_ms);
    let breaker = BreakerLayer::new(layers.breaker, max_wait, clock.clone(), random.clone());
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new(clock.clone()))
        .layer(layers.cache.clone())
        .layer(FallbackLayer::new(layers.retry, &layers.breaker, breaker.clone(), clock.clone()))
        .service(one_target(provider, layers, breaker, clock, random));
    BoxCloneSyncService::new(service)
}

/// What a call goes through at each of its targets.
fn one_target(
    provider: ProviderService,
    layers: Layers,
    breaker: BreakerLayer,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> impl Service<Call, Response = ReplyEvents, Error = Error, Future: Send> + Clone + Send + Sync + 'static {
    ServiceBuilder::new()
        .layer(HedgeLayer::new(layers.fallback, clock.clone()))
        .layer(RetryLayer::new(RetryPolicy::new(layers.retry), clock.clone(), random.clone()))
        .layer(BudgetLayer::new(layers.accounts))
        .layer(breaker)
        .service(provider)
}
