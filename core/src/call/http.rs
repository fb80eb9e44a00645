//! One try of one call at a provider behind HTTP.
//!
//! ```text
//! Call ──dialect.encode──▶ request ──key──▶ transport ──head──▶ GuardedStream (bytes → events, limits, Done)
//!                                                    └─ error status ─▶ dialect.classify ─▶ Error
//! ```
//!
//! A key that the provider rejects is asked for once more at its source, and the try repeated once with the new key;
//! the same for a token that was fetched for a key.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use http::HeaderMap;

use super::auth::{Auth, Signed};
use super::credentials::Credentials;
use super::guard::{GuardedStream, ReplyFrame};
use super::latches::Latches;
use super::limits::Limits;
use super::pieces::Decoded;
use super::target::{Call, HttpRoute, ReplyEvents};
use super::timer::Timer;
use crate::base::{ErrorKind, Retry, Secret};
use crate::model::{Cost, EngineEventKind, Error, Result, Usage, UsageSource};
use crate::net::{Body, ConnectionWait, Transport};
use crate::policy::Measure;
use crate::wire::hints;

/// How much of an error body is read: enough to classify it.
const ERROR_BODY_BYTES: usize = 64 * 1024;

/// Calls providers over HTTP. Cheap to clone.
#[derive(Clone)]
pub(super) struct HttpProvider {
    pub(super) transport: Arc<dyn Transport>,
    pub(super) credentials: Arc<Credentials>,
    pub(super) auth: Arc<Auth>,
    pub(super) latches: Latches,
    pub(super) limits: Limits,
}

impl HttpProvider {
    /// One try.
    pub(super) async fn attempt(&self, call: &Call, route: &HttpRoute) -> Result<ReplyEvents> {
        let started = self.limits.clock.monotonic();
        let mut timer = Timer::default();
        let mut key = self.limits.in_time(call, &mut timer, pin!(self.key(call))).await?;
        self.latches.ask(call, route, key.as_ref())?;
        let mut signed = Signed::default();
        let answered = match (self.exchange(call, route, key.as_ref(), &mut signed, &mut timer).await, &key) {
            (Err(error), Some(rejected))
                if error.reason() == "key_rejected"
                    && (self.auth.rejected(rejected, signed) || self.has_another(call, rejected)) =>
            {
                let again = async {
                    key = self.limits.in_time(call, &mut timer, pin!(self.key(call))).await?;
                    self.exchange(call, route, key.as_ref(), &mut signed, &mut timer).await
                };
                Box::pin(again).await
            }
            (outcome, _) => outcome,
        };
        self.latches.heard(call, route, key.as_ref(), answered.as_ref().err());
        let response = answered?;
        let (head, body) = response.into_parts();
        let request_id = hints::request_id(&head.headers).map(str::to_owned);
        let frame = self.limits.frame(call, started, request_id, timer);
        match content_type(&head.headers) {
            Some(html) if html.eq_ignore_ascii_case("text/html") => Err(not_a_reply("an HTML page")),
            Some(json) if json.eq_ignore_ascii_case("application/json") => {
                Box::pin(self.whole(call, route, frame, body)).await
            }
            _ if call.target.streams() => {
                let decoder = route.dialect.decoder(&call.target.wire(route, true));
                let pieces = Decoded::new(body, decoder, frame.clock.clone());
                Ok(Box::pin(GuardedStream::streamed(call.clone(), frame, pieces)))
            }
            _ => Box::pin(self.whole(call, route, frame, body)).await,
        }
    }

    async fn key(&self, call: &Call) -> Result<Option<Secret>> {
        let context = &call.context;
        self.credentials.resolve(context.owner.as_deref(), &call.target.entry, context.key.as_ref()).await
    }

    /// True when the source of a rejected key may by now have another.
    fn has_another(&self, call: &Call, rejected: &Secret) -> bool {
        self.credentials.rejected(call.context.owner.as_deref(), &call.target.entry.name, rejected)
    }

    /// Sends the request and waits for the head; an error status becomes an error.
    async fn exchange(
        &self,
        call: &Call,
        route: &HttpRoute,
        key: Option<&Secret>,
        signed: &mut Signed,
        timer: &mut Timer,
    ) -> Result<http::Response<Body>> {
        let target = &call.target;
        let mut request = route.dialect.encode(&call.request, &target.wire(route, target.streams()))?;
        *signed = {
            let signing = pin!(self.auth.sign(&target.entry, &route.base_url, key, &mut request));
            self.limits.in_time(call, timer, signing).await?
        };
        let unheard = Unheard::new(call, &self.limits);
        call.context.sent();
        let sent = self.limits.in_time(call, timer, self.transport.send(request).as_mut()).await;
        unheard.heard();
        let response = sent?;
        if let Some(ConnectionWait(wait)) = response.extensions().get() {
            call.context.count(target.name(), &Measure::ConnectionWait(*wait));
        }
        call.context.learn(|| hints::quota(response.headers()));
        if response.status().is_success() {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let read = Box::pin(async {
            let head = pin!(async { Ok(body.head(ERROR_BODY_BYTES).await) });
            self.limits.in_time(call, timer, head).await
        });
        let body = read.await.unwrap_or_default();
        let error = route.dialect.classify(head.status, &head.headers, &body);
        if error.reason() == "key_rejected" {
            call.context.tell(EngineEventKind::KeyRejected { provider: target.entry.name.clone() });
        }
        Err(error.with_status(head.status.as_u16()))
    }

    /// A reply that comes in one piece: the same events as a stream of it.
    async fn whole(&self, call: &Call, route: &HttpRoute, mut frame: ReplyFrame, body: Body) -> Result<ReplyEvents> {
        let all = pin!(body.collect(self.limits.network.max_response_bytes));
        let bytes: Bytes = self.limits.in_time(call, &mut frame.timer, all).await?;
        let target = call.target.wire(route, false);
        let (events, closing) = route.dialect.decode(&bytes, &target)?;
        Ok(Box::pin(GuardedStream::decoded(call.clone(), frame, events, closing)))
    }
}

/// A request whose answer is waited for. Let go of before that, it may have to be paid for all the same: what was sent
/// is noted as lost.
struct Unheard<'a> {
    call: Option<&'a Call>,
    limits: &'a Limits,
}

impl<'a> Unheard<'a> {
    const fn new(call: &'a Call, limits: &'a Limits) -> Self {
        Self { call: Some(call), limits }
    }

    /// It was answered, or could not be.
    fn heard(mut self) {
        self.call = None;
    }
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call {
            let usage = Usage {
                input_tokens: self.limits.tokens.sent(&call.target.model, &call.request),
                requests: 1,
                source: UsageSource::Estimated,
                ..Usage::default()
            };
            let price = call.target.info.as_ref().and_then(|info| info.price.as_ref());
            let cost = price.map_or_else(Cost::default, |price| price.cost(&usage, self.limits.clock.now()));
            call.context.note_lost(usage, cost);
        }
    }
}

/// The error of an answer that is no reply of the dialect.
pub(super) fn not_a_reply(what: &str) -> Error {
    let detail = format!("the provider answered with {what}; check base_url, a proxy, or a login page in between");
    Error::new(ErrorKind::Unavailable, "bad_response", detail).with_retry(Retry::Safe)
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim())
}
