//! The order of the layers, outermost first: trace → retry → admission → breaker → provider. The only place that states it.
//!
//! Later layers take their places here: trace → cache → budget → deadline → fallback → per target [retry → admission →
//! breaker → timeout → provider]. Queue and breaker are inside of the retry, so that they hear of every try; the queue
//! asks the breaker itself for each call that it lets go.

use std::sync::Arc;
use std::time::Duration;

use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

use super::layers::{AdmissionLayer, BreakerLayer, RetryLayer, TraceLayer};
use super::service::ProviderService;
use super::target::{Call, ReplyEvents};
use crate::base::{Clock, Random};
use crate::model::Error;
use crate::policy::{BreakerSettings, LimitSettings, QueueSettings, RetryPolicy, RetrySettings};

/// A call in, its events out.
pub type ChatService = BoxCloneSyncService<Call, ReplyEvents, Error>;

/// Puts the layers around a provider.
#[must_use]
pub fn stack(
    provider: ProviderService,
    retry: RetrySettings,
    breaker: BreakerSettings,
    limits: LimitSettings,
    queue: QueueSettings,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> ChatService {
    let max_wait = Duration::from_millis(retry.max_inline_wait_ms);
    let breaker = BreakerLayer::new(breaker, max_wait, clock.clone(), random.clone());
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new(clock.clone()))
        .layer(RetryLayer::new(RetryPolicy::new(retry), clock.clone(), random.clone()))
        .layer(AdmissionLayer::new(limits, queue, breaker, clock.clone()))
        .service(provider);
    BoxCloneSyncService::new(service)
}
