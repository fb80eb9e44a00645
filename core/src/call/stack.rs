//! The order of the layers, outermost first: trace → cache → retry → breaker → provider. The only place that states it.
//!
//! Later layers take their places here: trace → cache → budget → deadline → fallback → per target [retry → admission →
//! breaker → timeout → provider]. The breaker is inside of the retry, so that it hears of every try.

use std::sync::Arc;
use std::time::Duration;

use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

use super::layers::{BreakerLayer, CacheLayer, RetryLayer, TraceLayer};
use super::service::ProviderService;
use super::target::{Call, ReplyEvents};
use crate::base::{Clock, Random};
use crate::model::Error;
use crate::policy::{BreakerSettings, RetryPolicy, RetrySettings};

/// A call in, its events out.
pub type ChatService = BoxCloneSyncService<Call, ReplyEvents, Error>;

/// Puts the layers around a provider.
#[must_use]
pub fn stack(
    provider: ProviderService,
    cache: CacheLayer,
    retry: RetrySettings,
    breaker: BreakerSettings,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> ChatService {
    let max_wait = Duration::from_millis(retry.max_inline_wait_ms);
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new(clock.clone()))
        .layer(cache)
        .layer(RetryLayer::new(RetryPolicy::new(retry), clock.clone(), random.clone()))
        .layer(BreakerLayer::new(breaker, max_wait, clock.clone(), random.clone()))
        .service(provider);
    BoxCloneSyncService::new(service)
}
