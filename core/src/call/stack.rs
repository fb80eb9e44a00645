//! The order of the layers, outermost first: trace → retry → breaker → provider. The only place that states it.
//!
//! Later layers take their places here: trace → cache → budget → deadline → fallback → per target [retry → admission →
//! breaker → timeout → provider]. The breaker is inside of the retry, so that it hears of every try.

use std::sync::Arc;
use std::time::Duration;

use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

use super::layers::{BreakerLayer, RetryLayer, TraceLayer};
use super::service::ProviderService;
use super::target::{Call, ReplyEvents};
use crate::base::{Clock, Random};
use crate::model::Error;
use crate::policy::{BreakerSettings, RetryPolicy, RetrySettings};

/// A call in, its events out.
pub type ChatService = BoxCloneSyncService<Call, ReplyEvents, Error>;

/// The layers of an engine, with what they know of its targets.
#[derive(Clone)]
pub struct Layers {
    trace: TraceLayer,
    retry: RetryLayer,
    breaker: BreakerLayer,
}

impl Layers {
    /// Layers by these settings, which know nothing yet.
    #[must_use]
    pub fn new(
        retry: RetrySettings,
        breaker: BreakerSettings,
        clock: &Arc<dyn Clock>,
        random: &Arc<dyn Random>,
    ) -> Self {
        Self {
            trace: TraceLayer::new(clock.clone()),
            retry: RetryLayer::new(RetryPolicy::new(retry), clock.clone(), random.clone()),
            breaker: BreakerLayer::new(breaker, max_wait(retry), clock.clone(), random.clone()),
        }
    }

    /// The same layers by other settings, which go on with what they know. Calls under way keep the ones they have.
    #[must_use]
    pub fn reconfigured(&self, retry: RetrySettings, breaker: BreakerSettings) -> Self {
        Self {
            trace: self.trace.clone(),
            retry: self.retry.reconfigured(RetryPolicy::new(retry)),
            breaker: self.breaker.reconfigured(breaker, max_wait(retry)),
        }
    }
}

const fn max_wait(retry: RetrySettings) -> Duration {
    Duration::from_millis(retry.max_inline_wait_ms)
}

/// Puts the layers around a provider.
#[must_use]
pub fn stack(provider: ProviderService, layers: &Layers) -> ChatService {
    let Layers { trace, retry, breaker } = layers.clone();
    let service = ServiceBuilder::new().layer(trace).layer(retry).layer(breaker).service(provider);
    BoxCloneSyncService::new(service)
}
