//! Providers that are the application's own code: a function from a request to events.
//!
//! ```text
//! Call ──ChatRequest──▶ Provider::stream ──▶ EventStream ──▶ Arriving (order, numbers, bounds) ──▶ GuardedStream
//! ```
//! Everything around a call is what it is for a provider behind HTTP: retries before the first content, time limits,
//! the longest reply, usage and cost, the way of a stop. What the code gives is not trusted: an event that is out of
//! place, a panic, or too much of anything ends the reply with an error.

mod arriving;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream, stream};

use super::catalog::ProviderEntry;
use super::guard::GuardedStream;
use super::limits::Limits;
use super::target::{Call, ReplyEvents};
use super::timer::Timer;
use crate::base::ErrorKind;
use crate::model::{ChatRequest, Error, ModelInfo, Result, StreamEventKind};
use arriving::Arriving;

/// A provider that is code of yours: a model in your own process, a vendor's library, a router, a script for tests.
///
/// Given to [`TertuliaBuilder::with_provider`](crate::TertuliaBuilder::with_provider), it is used like any other: its
/// models are `name/anything`. One value serves every call, also several at once.
///
/// # Examples
/// ```
/// use tertulia::{ChatRequest, EventStream, Provider, Result, Tertulia};
///
/// struct House;
///
/// impl Provider for House {
///     fn name(&self) -> &str {
///         "house"
///     }
///
///     async fn stream(&self, request: ChatRequest) -> Result<EventStream> {
///         let said = request.messages.last().map(|message| message.text()).unwrap_or_default();
///         Ok(EventStream::from(format!("You said: {said}")))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<()> {
/// let tertulia = Tertulia::builder().store("memory:").with_provider(House).model("house/any").open().await?;
/// assert_eq!(tertulia.ask("hello").await?.text(), "You said: hello");
/// tertulia.close().await
/// # }
/// ```
pub trait Provider: Send + Sync + 'static {
    /// The prefix of its models: 1 to 64 of a-z, 0-9, `-`, `_` and `.`. Asked once, when the engine is opened.
    fn name(&self) -> &str;

    /// What is known of its models: window, output limit, prices, capabilities. The `id` of each is the bare name; `*`
    /// stands for all others. None unless told, and any name is a model then. Asked once, when the engine is opened.
    fn models(&self) -> Vec<ModelInfo> {
        Vec::new()
    }

    /// Answers a request. `request.model` is the bare name.
    ///
    /// The stream's normal end is the proof that the reply is whole. Dropping the stream, or the future before there is
    /// one, is how the call is stopped. Neither may block its thread. The engine's time limits hold: 300 s to the first
    /// event, as for every provider that may load a model first, and 90 s between two, of which a
    /// [`Heartbeat`](crate::Progress::Heartbeat) is one.
    ///
    /// # Errors
    /// Whatever ended the call. Kind and [`Retry`](crate::Retry) decide what becomes of it as they do everywhere:
    /// before the first content an error with `Safe` or `After` makes the engine ask again, after it the reply is
    /// `Truncated` with what had arrived. A panic is `Unavailable` (provider_failed).
    fn stream(&self, request: ChatRequest) -> impl Future<Output = Result<EventStream>> + Send;
}

/// What a provider of your own answers: what happens, in its order.
///
/// It may give words (`Text`, `Reasoning`, `Refusal`), `Citation`, `ToolCall` (whole, or `ToolCallDelta` piece by
/// piece), `Part` with a picture, sound, document or opaque object, `Usage` (the totals so far; left out, tokens are
/// estimated), and `Progress` as a sign of life. The beginning and the end (`Started`, `Done`), the numbers of events
/// and parts, and the names of tool calls without one are the engine's.
pub struct EventStream(Pin<Box<dyn Stream<Item = Result<StreamEventKind>> + Send>>);

impl EventStream {
    /// The events of this stream.
    #[must_use]
    pub fn new(events: impl Stream<Item = Result<StreamEventKind>> + Send + 'static) -> Self {
        Self(Box::pin(events))
    }
}

impl Stream for EventStream {
    type Item = Result<StreamEventKind>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(cx)
    }
}

impl From<Vec<StreamEventKind>> for EventStream {
    fn from(events: Vec<StreamEventKind>) -> Self {
        Self::new(stream::iter(events.into_iter().map(Ok)))
    }
}

/// A whole answer in words.
impl From<String> for EventStream {
    fn from(text: String) -> Self {
        Self::from(vec![StreamEventKind::Text { delta: text }])
    }
}

/// A whole answer in words.
impl From<&str> for EventStream {
    fn from(text: &str) -> Self {
        Self::from(text.to_owned())
    }
}

impl fmt::Debug for EventStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventStream")
    }
}

/// [`Provider`] for which the compiler need not know whose it is.
trait Erased: Send + Sync {
    fn stream(&self, request: ChatRequest) -> BoxFuture<'_, Result<EventStream>>;
}

impl<P: Provider> Erased for P {
    fn stream(&self, request: ChatRequest) -> BoxFuture<'_, Result<EventStream>> {
        Box::pin(Provider::stream(self, request))
    }
}

/// A provider of the application's own. Cheap to clone.
#[derive(Clone)]
pub struct OwnCode {
    name: Arc<str>,
    models: Arc<Vec<ModelInfo>>,
    code: Arc<dyn Erased>,
}

impl OwnCode {
    /// The provider, asked for its name and models.
    #[must_use]
    pub fn new(provider: impl Provider) -> Self {
        Self { name: provider.name().into(), models: Arc::new(provider.models()), code: Arc::new(provider) }
    }

    /// The prefix of its models.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the catalogue shall know of it.
    ///
    /// # Errors
    /// `Invalid` (bad_provider) for a name that cannot be a prefix, and for a price that cannot be counted with.
    pub fn entry(&self) -> Result<ProviderEntry> {
        let models: BTreeMap<_, _> = self.models.iter().map(|info| (info.id.clone(), info.clone())).collect();
        ProviderEntry::own(self.name(), models)
    }

    /// One try.
    pub(super) async fn attempt(&self, call: &Call, limits: &Limits) -> Result<ReplyEvents> {
        let started = limits.clock.monotonic();
        let request = ChatRequest::clone(&call.request);
        call.context.sent();
        let opening = AssertUnwindSafe(async { self.code.stream(request).await }).catch_unwind();
        let opened = async {
            let opened = opening.await.unwrap_or_else(|_| Err(panicked(&self.name)));
            opened.map_err(Error::of_another_call)
        };
        let mut timer = Timer::default();
        let events = limits.in_time(call, &mut timer, pin!(opened)).await?;
        let arriving = Arriving::new(self.name.clone(), events, limits.network.max_response_bytes);
        Ok(Box::pin(GuardedStream::streamed(call.clone(), limits.frame(call, started, None, timer), arriving)))
    }
}

impl fmt::Debug for OwnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("OwnCode").field(&self.name).finish()
    }
}

/// The failure that a panic of the code is turned into. Its words, which may hold anything, stay out of it.
fn panicked(name: &str) -> Error {
    let detail = format!("the code of provider `{name}` panicked; its message stands on standard error");
    Error::new(ErrorKind::Unavailable, "provider_failed", detail)
}
