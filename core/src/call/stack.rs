//! The order of the layers, outermost first: trace → fallback → per target [hedge → retry → budget → breaker → provider].
//! The only place that states it.
//!
//! Later layers take their places here: trace → cache → fallback → per target [hedge → retry → budget → admission →
//! breaker → provider]. The deadline is data on the call. Budget and breaker are inside of the retry: every try has a
//! reservation of its own, and the breaker hears of every one.

use std::sync::Arc;
use std::time::Duration;

use tower::util::BoxCloneSyncService;
use tower::{Service, ServiceBuilder};

use super::accounts::Accounts;
use super::layers::{BreakerLayer, BudgetLayer, FallbackLayer, HedgeLayer, RetryLayer, TraceLayer};
use super::service::ProviderService;
use super::target::{Call, ReplyEvents};
use crate::base::{Clock, Random};
use crate::model::Error;
use crate::policy::{BreakerSettings, FallbackSettings, RetryPolicy, RetrySettings};

/// A call in, its events out.
pub type ChatService = BoxCloneSyncService<Call, ReplyEvents, Error>;

/// Puts the layers around a provider.
#[must_use]
pub fn stack(
    provider: ProviderService,
    retry: RetrySettings,
    breaker: BreakerSettings,
    fallback: FallbackSettings,
    accounts: Accounts,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> ChatService {
    let max_wait = Duration::from_millis(retry.max_inline_wait_ms);
    let left_alone = BreakerLayer::new(breaker, max_wait, clock.clone(), random.clone());
    let one = one_target(provider, retry, fallback, accounts, left_alone.clone(), clock, random);
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new(clock.clone()))
        .layer(FallbackLayer::new(retry, &breaker, left_alone, clock.clone()))
        .service(one);
    BoxCloneSyncService::new(service)
}

/// What a call goes through at each of its targets.
fn one_target(
    provider: ProviderService,
    retry: RetrySettings,
    fallback: FallbackSettings,
    accounts: Accounts,
    breaker: BreakerLayer,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> impl Service<Call, Response = ReplyEvents, Error = Error, Future: Send> + Clone + Send + Sync + 'static {
    ServiceBuilder::new()
        .layer(HedgeLayer::new(fallback, clock.clone()))
        .layer(RetryLayer::new(RetryPolicy::new(retry), clock.clone(), random.clone()))
        .layer(BudgetLayer::new(accounts))
        .layer(breaker)
        .service(provider)
}
