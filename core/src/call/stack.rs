//! The order of the layers, outermost first: trace → cache → fallback → per target [hedge → retry → budget → admission →
//! provider]. The only place that states it.
//!
//! What is known of a provider is known of a key: who asks the queue or the breaker says by which key.
//!
//! The deadline is data on the call. Budget, queue and breaker are inside of the retry: every try has a reservation of its
//! own and waits its turn. The queue asks the breaker itself for each call that it lets go, and tells it what came of it.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tower::{Service, ServiceBuilder};

use super::accounts::Accounts;
use super::layers::{
    AdmissionLayer, BreakerLayer, BudgetLayer, CacheLayer, FallbackLayer, HedgeLayer, RetryLayer, TraceLayer,
};
use super::service::ProviderService;
use super::target::{Call, ReplyEvents};
use crate::base::{Clock, Random};
use crate::model::{Error, Result};
use crate::policy::{
    BreakerSettings, CacheSettings, FallbackSettings, LimitSettings, QueueSettings, RetryPolicy, RetrySettings,
};

/// A call in, its events out. Cheap to clone; always ready, as every layer is.
#[derive(Clone)]
pub struct ChatService(Arc<dyn Fn(Call) -> Answering + Send + Sync>);

/// A call that is made.
type Answering = BoxFuture<'static, Result<ReplyEvents>>;

impl ChatService {
    /// A service whose layers need not be named. It is not asked whether it is ready: every layer of this crate always is.
    pub(crate) fn new(service: impl Service<Call, Future = Answering> + Clone + Send + Sync + 'static) -> Self {
        Self(Arc::new(move |call| service.clone().call(call)))
    }
}

impl Service<Call> for ChatService {
    type Response = ReplyEvents;
    type Error = Error;
    type Future = Answering;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        (self.0)(call)
    }
}

/// The settings that layers go by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LayerSettings {
    /// Which replies are kept.
    pub cache: CacheSettings,
    /// Whom calls go on to.
    pub fallback: FallbackSettings,
    /// How failed calls are tried again.
    pub retry: RetrySettings,
    /// When a target is left alone.
    pub breaker: BreakerSettings,
    /// How fast and how many calls may be sent.
    pub limits: LimitSettings,
    /// Who goes first of those that wait.
    pub queue: QueueSettings,
}

/// The layers of an engine, with what they know of its targets.
#[derive(Clone)]
pub struct Layers {
    trace: TraceLayer,
    cache: CacheLayer,
    fallback: FallbackLayer,
    hedge: HedgeLayer,
    retry: RetryLayer,
    budget: BudgetLayer,
    breaker: BreakerLayer,
    admission: AdmissionLayer,
}

impl Layers {
    /// Layers by these settings, which know nothing yet. What calls cost is held back and written down in `accounts`.
    #[must_use]
    pub fn new(settings: LayerSettings, accounts: Accounts, clock: &Arc<dyn Clock>, random: &Arc<dyn Random>) -> Self {
        let LayerSettings { cache, fallback, retry, breaker, limits, queue } = settings;
        let left_alone = BreakerLayer::new(breaker, max_wait(retry), clock.clone(), random.clone());
        Self {
            trace: TraceLayer::new(clock.clone()),
            cache: CacheLayer::new(cache, clock.clone(), &**random),
            fallback: FallbackLayer::new(retry, &breaker, left_alone.clone(), clock.clone()),
            hedge: HedgeLayer::new(fallback, clock.clone()),
            retry: RetryLayer::new(RetryPolicy::new(retry), clock.clone(), random.clone()),
            budget: BudgetLayer::new(accounts),
            admission: AdmissionLayer::new(limits, queue, left_alone.clone(), clock.clone()),
            breaker: left_alone,
        }
    }

    /// The same layers by other settings, which go on with what they know. Calls under way keep the ones they have.
    /// Kept replies stay only where neither the cache's settings nor keys have changed.
    #[must_use]
    pub fn reconfigured(&self, settings: LayerSettings, keeps_replies: bool, random: &dyn Random) -> Self {
        let LayerSettings { cache, fallback, retry, breaker, limits, queue } = settings;
        let left_alone = self.breaker.reconfigured(breaker, max_wait(retry));
        Self {
            trace: self.trace.clone(),
            cache: if keeps_replies { self.cache.clone() } else { self.cache.emptied(cache, random) },
            fallback: self.fallback.reconfigured(retry, left_alone.clone()),
            hedge: self.hedge.reconfigured(fallback),
            retry: self.retry.reconfigured(RetryPolicy::new(retry)),
            budget: self.budget.clone(),
            admission: self.admission.reconfigured(limits, queue, left_alone.clone()),
            breaker: left_alone,
        }
    }

    /// The replies that are kept.
    #[must_use]
    pub fn cache(&self) -> &CacheLayer {
        &self.cache
    }
}

const fn max_wait(retry: RetrySettings) -> Duration {
    Duration::from_millis(retry.max_inline_wait_ms)
}

/// Puts the layers around a provider.
#[must_use]
pub fn stack(provider: ProviderService, layers: &Layers) -> ChatService {
    let keys = Arc::new(provider.clone());
    let service = ServiceBuilder::new()
        .layer(layers.trace.clone())
        .layer(layers.cache.clone())
        .layer(layers.fallback.clone().with_keys(keys.clone()))
        .service(one_target(provider, keys, layers));
    ChatService::new(service)
}

/// What a call goes through at each of its targets.
fn one_target(
    provider: ProviderService,
    keys: Arc<ProviderService>,
    layers: &Layers,
) -> impl Service<Call, Response = ReplyEvents, Error = Error, Future: Send> + Clone + Send + Sync + 'static + use<> {
    ServiceBuilder::new()
        .layer(layers.hedge.clone())
        .layer(layers.retry.clone())
        .layer(layers.budget.clone())
        .layer(layers.admission.clone().with_keys(keys))
        .service(provider)
}
