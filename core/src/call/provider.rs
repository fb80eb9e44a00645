//! The innermost service: one try of one call at one provider.
//!
//! ```text
//! Call ──dialect.encode──▶ request ──key──▶ transport ──head──▶ GuardedStream (bytes → events, limits, Done)
//!                                                    └─ error status ─▶ dialect.classify ─▶ Error
//! ```
//!
//! A key that the provider rejects is asked for once more at its source, and the try repeated once with the new key;
//! the same for a token that was fetched for a key.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Uri};
use tower::Service;

use super::auth::{Auth, Signed};
use super::catalog::{ModelRef, ProviderEntry};
use super::context::CallContext;
use super::credentials::Credentials;
use super::guard::{GuardedStream, ReplyFrame};
use crate::base::{Clock, ErrorKind, Ids, Retry, Secret};
use crate::model::{ChatRequest, Error, ModelInfo, Result, StreamEvent};
use crate::net::{Body, NetworkSettings, Transport};
use crate::wire::{Dialect, Target, hints};

/// How much of an error body is read: enough to classify it.
const ERROR_BODY_BYTES: usize = 64 * 1024;

/// One call: what is asked, of whom, and what it carries with it.
#[derive(Clone)]
pub struct Call {
    /// What is asked.
    pub request: Arc<ChatRequest>,
    /// Of whom.
    pub target: Arc<CallTarget>,
    /// What it carries with it.
    pub context: CallContext,
}

/// Whom a call is for, with everything needed to speak to them.
pub struct CallTarget {
    /// The model as `provider/model`.
    pub model: ModelRef,
    /// The provider's entry.
    pub entry: Arc<ProviderEntry>,
    /// Where it is.
    pub base_url: Uri,
    /// What it speaks.
    pub dialect: Arc<dyn Dialect>,
    /// What is known of the model.
    pub info: Option<ModelInfo>,
    /// The longest event of a stream, in bytes.
    pub max_event_bytes: usize,
}

impl CallTarget {
    /// The target in the words of its dialect.
    pub(crate) fn wire(&self, stream: bool) -> Target<'_> {
        let max_output_tokens = self.info.as_ref().and_then(|info| info.max_output_tokens);
        let (provider, quirks) = (&*self.entry.name, &self.entry.quirks);
        let max_event_bytes = self.max_event_bytes;
        Target { provider, base_url: &self.base_url, quirks, stream, max_output_tokens, max_event_bytes }
    }

    /// False only when the catalogue says that the model answers in one piece.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.info.as_ref().and_then(|info| info.capabilities.streaming) != Some(false)
    }

    /// True when the first byte may take long: the model thinks first, or is loaded first.
    fn slow_start(&self) -> bool {
        self.entry.local || self.info.as_ref().and_then(|info| info.capabilities.reasoning) == Some(true)
    }
}

/// The events of one reply. The last one is `Done`; an error ends it.
pub type EventStream = std::pin::Pin<Box<dyn futures::Stream<Item = Result<StreamEvent>> + Send>>;

/// The innermost service. Cheap to clone; always ready.
#[derive(Clone)]
pub struct Provider {
    transport: Arc<dyn Transport>,
    ids: Ids,
    credentials: Arc<Credentials>,
    auth: Arc<Auth>,
    clock: Arc<dyn Clock>,
    network: Arc<NetworkSettings>,
}

impl Provider {
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
        Self { transport, ids, credentials, auth, clock, network }
    }

    /// What signs its requests: to be shared with whoever else signs for the same providers.
    #[must_use]
    pub fn auth(&self) -> Arc<Auth> {
        self.auth.clone()
    }

    async fn attempt(&self, call: &Call) -> Result<EventStream> {
        let started = self.clock.monotonic();
        let key = self.in_time(call, self.key(call)).await?;
        let mut signed = Signed::default();
        let response = match (self.exchange(call, key.as_ref(), &mut signed).await, &key) {
            (Err(error), Some(rejected))
                if error.reason() == "key_rejected"
                    && (self.auth.rejected(rejected, signed) || self.has_another(call, rejected)) =>
            {
                let fresh = self.in_time(call, self.key(call)).await?;
                self.exchange(call, fresh.as_ref(), &mut signed).await?
            }
            (outcome, _) => outcome?,
        };
        let (head, body) = response.into_parts();
        let frame = ReplyFrame {
            started,
            first_byte: self.first_byte(call),
            request_id: hints::request_id(&head.headers).map(str::to_owned),
            limits: self.network.clone(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            estimated_input_tokens: estimate_input(&call.request),
        };
        match content_type(&head.headers).as_deref() {
            Some("text/html") => Err(not_a_reply("an HTML page")),
            Some("application/json") => self.whole(call, frame, body).await,
            _ if call.target.streams() => Ok(Box::pin(GuardedStream::streamed(call.clone(), frame, body))),
            _ => self.whole(call, frame, body).await,
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
    async fn exchange(&self, call: &Call, key: Option<&Secret>, signed: &mut Signed) -> Result<http::Response<Body>> {
        let target = &call.target;
        let mut request = target.dialect.encode(&call.request, &target.wire(target.streams()))?;
        *signed = self.in_time(call, self.auth.sign(&target.entry, &target.base_url, key, &mut request)).await?;
        let response = self.in_time(call, self.transport.send(request)).await?;
        if response.status().is_success() {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let body = self.in_time(call, async { Ok(body.head(ERROR_BODY_BYTES).await) }).await.unwrap_or_default();
        let error = target.dialect.classify(head.status, &head.headers, &body);
        Err(error.with_status(head.status.as_u16()))
    }

    /// A reply that comes in one piece: the same events as a stream of it.
    async fn whole(&self, call: &Call, frame: ReplyFrame, body: Body) -> Result<EventStream> {
        let bytes: Bytes = self.in_time(call, body.collect(self.network.max_response_bytes)).await?;
        let target = call.target.wire(false);
        let (events, closing) = call.target.dialect.decode(&bytes, &target)?;
        Ok(Box::pin(GuardedStream::decoded(call.clone(), frame, events, closing)))
    }

    /// How long the first byte may take.
    fn first_byte(&self, call: &Call) -> Duration {
        let network = &self.network;
        Duration::from_millis(if call.target.slow_start() {
            network.slow_first_byte_timeout_ms
        } else {
            network.first_byte_timeout_ms
        })
    }

    /// Gives up at the first-byte limit (for whole replies: at the deadline), or when the call is stopped.
    async fn in_time<T>(&self, call: &Call, work: impl Future<Output = Result<T>> + Send) -> Result<T> {
        let (reason, limit) = if call.target.streams() {
            ("first_byte", self.first_byte(call))
        } else {
            ("total", Duration::from_millis(self.network.total_timeout_ms))
        };
        let left = call.context.left(self.clock.monotonic());
        let (reason, limit) = if left < limit { ("total", left) } else { (reason, limit) };
        tokio::select! {
            biased;
            () = call.context.cancel.cancelled() => Err(Error::new(ErrorKind::Cancelled, "stopped", "the call was stopped")),
            done = work => done,
            () = self.clock.sleep(limit) => Err(timed_out(reason, limit)),
        }
    }
}

impl Service<Call> for Provider {
    type Response = EventStream;
    type Error = Error;
    type Future = BoxFuture<'static, Result<EventStream>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let model = &call.target.model;
            this.attempt(&call).await.map_err(|e| e.with_target(&model.provider, &model.model))
        })
    }
}

/// The error of a limit that passed before any content.
pub(super) fn timed_out(reason: &'static str, limit: Duration) -> Error {
    let seconds = limit.as_millis();
    Error::new(
        ErrorKind::TimedOut,
        reason,
        format!("the provider sent nothing within the {reason} limit of {seconds} ms"),
    )
    .with_retry(Retry::Safe)
}

/// The error of an answer that is no reply of the dialect.
pub(super) fn not_a_reply(what: &str) -> Error {
    let detail = format!("the provider answered with {what}; check base_url, a proxy, or a login page in between");
    Error::new(ErrorKind::Unavailable, "bad_response", detail).with_retry(Retry::Safe)
}

fn content_type(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(http::header::CONTENT_TYPE)?.to_str().ok()?;
    Some(value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase())
}

/// Tokens by the rule of thumb of four bytes each; only for replies whose provider reports nothing.
fn estimate_input(request: &ChatRequest) -> i64 {
    let words: usize = request.messages.iter().map(|m| m.text().len()).sum();
    i64::try_from((words + request.system.as_ref().map_or(0, String::len)).div_ceil(4)).unwrap_or(i64::MAX)
}
