//! The innermost service: one try of one call, by the way that its target names.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use tower::Service;

use super::auth::Auth;
use super::credentials::{CallKey, Credentials, KeyPrint};
use super::http::HttpProvider;
use super::latches::Latches;
use super::limits::Limits;
use super::target::{Call, CallTarget, ReplyEvents, Route};
use super::timer::Timer;
use super::tokens::TokenCounts;
use crate::base::{Clock, Ids};
use crate::model::{Error, Result};
use crate::net::{NetworkSettings, Transport};

/// After so long a refused key is tried again.
const LATCHED_PROBE: Duration = Duration::from_secs(600);

/// The innermost service. Cheap to clone; always ready.
#[derive(Clone)]
pub struct ProviderService(Arc<HttpProvider>);

impl ProviderService {
    /// Calls over this transport, with these keys, within these limits. `ids` names tool calls that come without a name.
    #[must_use]
    pub fn new(
        transport: Arc<dyn Transport>,
        credentials: Arc<Credentials>,
        clock: Arc<dyn Clock>,
        ids: Ids,
        network: Arc<NetworkSettings>,
    ) -> Self {
        let auth = Arc::new(Auth::new(transport.clone(), clock.clone(), network.clone()));
        let latches = Latches::new(LATCHED_PROBE, clock.clone());
        let limits = Limits { clock, network, ids, tokens: TokenCounts::new() };
        Self(Arc::new(HttpProvider { transport, credentials, auth, latches, limits }))
    }

    /// A key that the provider has refused is tried again by one call each so long. 10 min unless set.
    #[must_use]
    pub fn with_latched_probe(mut self, pause: Duration) -> Self {
        let http = Arc::make_mut(&mut self.0);
        http.latches = Latches::new(pause, http.limits.clock.clone());
        self
    }

    /// What it has learnt about the tokens of its models: to be shared with whoever else estimates them.
    #[must_use]
    pub fn tokens(&self) -> TokenCounts {
        self.0.limits.tokens.clone()
    }

    /// The same service with other keys and limits. The tokens that were fetched stay.
    #[must_use]
    pub fn reconfigured(&self, credentials: Arc<Credentials>, network: Arc<NetworkSettings>) -> Self {
        let HttpProvider { transport, auth, limits, latches, .. } = (*self.0).clone();
        Self(Arc::new(HttpProvider { transport, auth, latches, credentials, limits: Limits { network, ..limits } }))
    }

    /// Which key a call of this owner takes at this target, as [`Credentials::known`] says. Code of the application's own
    /// takes none.
    pub(super) fn known_key(
        &self,
        owner: Option<&str>,
        target: &CallTarget,
        key: Option<&CallKey>,
    ) -> Option<Option<KeyPrint>> {
        target.http().map_or(Some(None), |_| self.0.credentials.known(owner, &target.entry.name, key))
    }

    /// Which key the next try of this call takes, within the limits of a try.
    ///
    /// # Errors
    /// What a key source said went wrong; the limit that passed.
    pub(super) async fn key_print(&self, call: &Call) -> Result<Option<KeyPrint>> {
        let Call { target, context, .. } = call;
        let (owner, key) = (context.owner.as_deref(), context.key.as_ref());
        if let Some(known) = self.known_key(owner, target, key) {
            return Ok(known);
        }
        let print = self.0.credentials.print(owner, &target.entry.name, key);
        let print = self.0.limits.in_time(call, &mut Timer::default(), pin!(print)).await;
        print.map_err(|e| e.with_target(&target.model.provider, &target.model.model))
    }

    /// What signs its requests: to be shared with whoever else signs for the same providers.
    #[must_use]
    pub fn auth(&self) -> Arc<Auth> {
        self.0.auth.clone()
    }
}

impl Service<Call> for ProviderService {
    type Response = ReplyEvents;
    type Error = Error;
    type Future = BoxFuture<'static, Result<ReplyEvents>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let Self(http) = self.clone();
        Box::pin(async move {
            let model = &call.target.model;
            let outcome = match &call.target.route {
                Route::Http(route) => http.attempt(&call, route).await,
                Route::Own(code) => code.attempt(&call, &http.limits).await,
            };
            outcome.map_err(|e| e.with_target(&model.provider, &model.model))
        })
    }
}
