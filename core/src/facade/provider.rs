//! Providers that are a host's own code.
//!
//! ```text
//! engine ──ChatRequest──▶ ProviderCode::answer ──events──▶ OwnReply (64 at most) ──▶ engine
//! ```
//! Dropping the engine's end drops the call of the host's code, which cancels it there, and whatever it still gives is
//! refused.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::Stream;
use futures::future::BoxFuture;
use tokio::sync::mpsc;

use super::chat_request::ChatRequest;
use super::error::TertuliaError;
use super::event::StreamEventKind;
use super::options;
use crate::base::ErrorKind;
use crate::call;
use crate::model::{self, Error, ModelInfo, Result};

/// How many events may wait for who reads them.
const CAPACITY: usize = 64;

/// A provider that is code of yours: a model on this device, a vendor's library, a script for tests. Its models are
/// `name/anything`.
#[derive(Clone, uniffi::Record)]
pub struct Provider {
    /// The prefix of its models: 1 to 64 of a-z, 0-9, `-`, `_` and `.`. It takes the place of a provider of the catalogue
    /// with the same name.
    pub name: String,
    /// What answers. It serves every call, also several at once.
    pub code: Arc<dyn ProviderCode>,
    /// What its models can do and cost, as a JSON object by their bare names; `*` stands for all that are not listed.
    #[uniffi(default)]
    pub models: Option<String>,
}

/// The code of a provider of your own.
#[uniffi::export(with_foreign)]
#[async_trait::async_trait]
pub trait ProviderCode: Send + Sync {
    /// Answers a request: gives every event of the answer to `reply`, and returns when the answer is whole. It is cancelled
    /// when nobody waits for the answer any more.
    ///
    /// It may give words (`Text`, `Reasoning`, `Refusal`), `Citation`, `ToolCall` (whole, or `ToolCallDelta` piece by
    /// piece), `Part` with a picture, sound, document or opaque object, `Usage` (the totals so far; left out, tokens are
    /// estimated), and `Progress` as a sign of life. Beginning and end are the engine's to say. The first event may take
    /// 300 s, every other 90 s.
    ///
    /// # Errors
    /// Whatever ended the answer. An error of ours keeps its kind: before the first content one whose `retry` is `Safe` or
    /// `After` makes the engine ask again, after it the reply is `Truncated` with what had arrived. Anything else is
    /// `Unavailable` (provider_failed) and not asked again, and its words are told to nobody.
    async fn answer(&self, request: ChatRequest, reply: Arc<OwnReply>) -> Result<(), TertuliaError>;
}

/// The answer of a provider of your own, as it is given.
#[derive(uniffi::Object)]
pub struct OwnReply {
    name: Arc<str>,
    events: mpsc::Sender<Result<model::StreamEventKind>>,
}

#[uniffi::export]
impl OwnReply {
    /// Gives the next event, and waits while too many are not read yet. False when nobody reads any more: stop.
    pub async fn give(&self, event: StreamEventKind) -> bool {
        let event = event.given().map_err(|what| {
            let detail = format!("the code of provider `{}` gave {what}", self.name);
            Error::new(ErrorKind::Unavailable, "bad_response", detail)
        });
        self.events.send(event).await.is_ok()
    }
}

/// A provider of a host, for the engine.
struct HostProvider {
    name: Arc<str>,
    models: Vec<ModelInfo>,
    code: Arc<dyn ProviderCode>,
}

impl Provider {
    /// The provider as the engine asks it.
    pub(super) fn own(self) -> Result<impl call::Provider> {
        let models = self.models.as_deref().map(options::models).transpose()?.unwrap_or_default();
        let models = models.into_iter().map(|(id, info)| ModelInfo { id, ..info }).collect();
        Ok(HostProvider { name: self.name.into(), models, code: self.code })
    }
}

impl call::Provider for HostProvider {
    fn name(&self) -> &str {
        &self.name
    }

    fn models(&self) -> Vec<ModelInfo> {
        self.models.clone()
    }

    async fn stream(&self, request: model::ChatRequest) -> Result<call::EventStream> {
        let (sender, events) = mpsc::channel(CAPACITY);
        let reply = Arc::new(OwnReply { name: self.name.clone(), events: sender });
        let (name, code) = (self.name.clone(), self.code.clone());
        let work =
            Box::pin(async move { code.answer(request.into(), reply).await.map_err(|error| failed(&name, &error)) });
        Ok(call::EventStream::new(Answering { events, work: Some(work), failure: None }))
    }
}

/// What the host's code gives, and the call of it. Dropping it cancels that code.
struct Answering {
    /// Stands first: dropped before the work, so that code which is cancelled can give nothing more.
    events: mpsc::Receiver<Result<model::StreamEventKind>>,
    /// Nothing once it has returned.
    work: Option<BoxFuture<'static, Result<()>>>,
    failure: Option<Error>,
}

impl Stream for Answering {
    type Item = Result<model::StreamEventKind>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            // What was given comes before how it ended.
            let given = self.events.poll_recv(cx);
            if let Poll::Ready(Some(event)) = given {
                return Poll::Ready(Some(event));
            }
            let Some(work) = &mut self.work else { return given.map(|_| self.failure.take().map(Err)) };
            let ended = ready!(work.as_mut().poll(cx));
            self.work = None;
            self.failure = ended.err();
            // Whoever has kept the reply gives to nobody from here on.
            self.events.close();
        }
    }
}

/// The error of a host's: one of ours keeps its kind and whether repeating can help, any other is `Unavailable`.
fn failed(name: &str, error: &TertuliaError) -> Error {
    if error.is_foreign() {
        let detail = format!("the code of provider `{name}` threw an error that is none of Tertulia's");
        return Error::new(ErrorKind::Unavailable, "provider_failed", detail);
    }
    error.told()
}
