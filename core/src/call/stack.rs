//! The order of the layers, outermost first: trace → retry → budget → breaker → provider. The only place that states it.
//!
//! Later layers take their places here: trace → cache → deadline → fallback → per target [retry → budget →
//! admission → breaker → timeout → provider]. Budget and breaker are inside of the retry: every try has a reservation of
//! its own, and the breaker hears of every one.

use std::sync::Arc;
use std::time::Duration;

use tower::ServiceBuilder;
use tower::util::BoxCloneSyncService;

use super::accounts::Accounts;
use super::layers::{BreakerLayer, BudgetLayer, RetryLayer, TraceLayer};
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
    retry: RetrySettings,
    breaker: BreakerSettings,
    accounts: Accounts,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
) -> ChatService {
    let max_wait = Duration::from_millis(retry.max_inline_wait_ms);
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new(clock.clone()))
        .layer(RetryLayer::new(RetryPolicy::new(retry), clock.clone(), random.clone()))
        .layer(BudgetLayer::new(accounts))
        .layer(BreakerLayer::new(breaker, max_wait, clock.clone(), random.clone()))
        .service(provider);
    BoxCloneSyncService::new(service)
}
