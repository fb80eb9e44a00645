//! Timelines and live lists, pulled batch by batch.

use std::sync::{Arc, OnceLock};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use pyo3::prelude::*;
use tertulia::model::{ConversationSummary, TimelineDiff};
use tertulia::{Error, ErrorKind, MessageId, Result, TimelineFocus};
use tokio::sync::Mutex;

use super::chat::Open;
use super::sse::{AsyncSseStream, How, SseStream, Told};
use super::user::User;
use crate::bridge::{Awaitable, Feed, Source, generation, step};
use crate::convert::{FromPython, Place, ToPython as _};

/// What opens an engine's handle.
type Opener<H> = Arc<dyn Fn() -> BoxFuture<'static, Result<H>> + Send + Sync>;

/// An engine's handle that is opened by its first use.
pub(super) struct Lazy<H> {
    opened: Arc<OnceLock<H>>,
    /// What opens it, one at a time, and again when it failed.
    opener: Arc<Mutex<Opener<H>>>,
    generation: u64,
}

impl<H> Clone for Lazy<H> {
    fn clone(&self) -> Self {
        Self { opened: self.opened.clone(), opener: self.opener.clone(), generation: self.generation }
    }
}

impl<H: Clone + Send + Sync + 'static> Lazy<H> {
    fn new(open: impl Fn() -> BoxFuture<'static, Result<H>> + Send + Sync + 'static) -> Self {
        let opener: Opener<H> = Arc::new(open);
        Self { opened: Arc::default(), opener: Arc::new(Mutex::new(opener)), generation: generation() }
    }

    pub(super) async fn handle(self) -> Result<H> {
        if self.generation != generation() {
            return Err(Error::new(ErrorKind::Closed, "forked", "this was begun by the parent process"));
        }
        if let Some(handle) = self.opened.get() {
            return Ok(handle.clone());
        }
        let opener = self.opener.lock().await;
        if let Some(handle) = self.opened.get() {
            return Ok(handle.clone());
        }
        let handle = opener().await?;
        Ok(self.opened.get_or_init(|| handle).clone())
    }

    /// The handle, where it is open already.
    fn opened(&self) -> Option<&H> {
        self.opened.get().filter(|_| self.generation == generation())
    }
}

/// A handle, and the batches of changes that are pulled from it: one whose reader has gone is there for the next.
pub(super) struct Pulled<H>
where
    Lazy<H>: Source,
{
    lazy: Lazy<H>,
    batches: Feed<Lazy<H>>,
}

impl<H> Pulled<H>
where
    Lazy<H>: Source,
{
    fn new(lazy: Lazy<H>) -> Self {
        Self { batches: Feed::new(lazy.clone()), lazy }
    }
}

impl Source for Lazy<tertulia::Timeline> {
    type Item = Vec<TimelineDiff>;

    fn next_batch(&mut self, _max: usize) -> BoxFuture<'_, Result<Vec<Self::Item>>> {
        let handle = self.clone().handle();
        async move { Ok(handle.await?.next().await?.into_iter().collect()) }.boxed()
    }
}

impl Source for Lazy<tertulia::ConversationsWatch> {
    type Item = Vec<TimelineDiff<ConversationSummary>>;

    fn next_batch(&mut self, _max: usize) -> BoxFuture<'_, Result<Vec<Self::Item>>> {
        let handle = self.clone().handle();
        async move { Ok(handle.await?.next().await?.into_iter().collect()) }.boxed()
    }
}

fn message_id(value: Option<&Bound<'_, PyAny>>, name: &'static str) -> PyResult<Option<MessageId>> {
    value.map(|value| FromPython::from_python(value, &Place::named(name))).transpose()
}

fn focus(
    py: Python<'_>,
    message: Option<&Bound<'_, PyAny>>,
    branch: Option<&Bound<'_, PyAny>>,
) -> PyResult<Option<TimelineFocus>> {
    match (message_id(message, "message")?, message_id(branch, "branch")?) {
        (None, None) => Ok(None),
        (Some(id), None) => Ok(Some(TimelineFocus::Message { id })),
        (None, Some(head)) => Ok(Some(TimelineFocus::Branch { head })),
        (Some(_), Some(_)) => Err(crate::convert::invalid(
            py,
            "bad_focus",
            "a timeline is at a `message` or on a `branch`, not both".to_owned(),
        )),
    }
}

/// The timeline of a conversation.
pub(super) fn timeline(
    py: Python<'_>,
    open: Open,
    message: Option<&Bound<'_, PyAny>>,
    branch: Option<&Bound<'_, PyAny>>,
    utc_offset_minutes: i32,
    read_upto: Option<&Bound<'_, PyAny>>,
) -> PyResult<Pulled<tertulia::Timeline>> {
    let (focus, read_upto) = (focus(py, message, branch)?, message_id(read_upto, "read_upto")?);
    let open = Arc::new(open);
    Ok(Pulled::new(Lazy::new(move || {
        let open = open.clone();
        async move {
            let call = open.chat().await?.timeline().utc_offset_minutes(utc_offset_minutes).read_upto(read_upto);
            match focus {
                Some(focus) => call.focus(focus).await,
                None => call.await,
            }
        }
        .boxed()
    })))
}

/// The live list of a user's conversations.
pub(super) fn conversations(user: User) -> Pulled<tertulia::ConversationsWatch> {
    let user = Arc::new(user);
    Pulled::new(Lazy::new(move || {
        let user = user.clone();
        async move { user.open().await?.watch_conversations() }.boxed()
    }))
}

twins! {
    /// What a screen shows of a conversation: an iterator over batches of changes.
    Timeline / AsyncTimeline (Pulled<tertulia::Timeline>), "timeline.";
    verbs {
        /// The next batch of changes; nothing once the engine is closed.
        fn next(&self, _py) {
            self.0.batches.clone().next()
        }

        /// Loads older messages. True when the first one is there.
        #[pyo3(signature = (count = 50))]
        fn load_older(&self, _py, count: usize) {
            let handle = self.0.lazy.clone().handle();
            async move { handle.await?.load_older(count).await }
        }

        /// Loads newer messages. True when the newest are there.
        #[pyo3(signature = (count = 50))]
        fn load_newer(&self, _py, count: usize) {
            let handle = self.0.lazy.clone().handle();
            async move { handle.await?.load_newer(count).await }
        }

        /// Shows another part of the conversation.
        #[pyo3(signature = (*, message = None, branch = None))]
        fn focus(&self, py, message: Option<&Bound<'_, PyAny>>, branch: Option<&Bound<'_, PyAny>>) {
            let (focus, handle) = (self::focus(py, message, branch)?.unwrap_or_default(), self.0.lazy.clone().handle());
            async move { handle.await?.focus(focus).await }
        }

        /// Moves the unread marker behind this message, or takes it away.
        fn set_read(&self, _py, upto: Option<&Bound<'_, PyAny>>) {
            let (upto, handle) = (message_id(upto, "upto")?, self.0.lazy.clone().handle());
            async move { handle.await?.set_read(upto).await }
        }
    }
    both {
        /// Says which rows are seen.
        fn set_visible(&self, first: usize, last: usize) {
            if let Some(timeline) = self.0.lazy.opened() {
                timeline.set_visible(first, last);
            }
        }

        /// Takes a refused message off the screen.
        fn dismiss(&self, message_id: &Bound<'_, PyAny>) -> PyResult<bool> {
            let id = FromPython::from_python(message_id, &Place::named("message_id"))?;
            Ok(self.0.lazy.opened().is_some_and(|timeline| timeline.dismiss(id)))
        }
    }
    sync {
        /// The batches as bytes for readers outside of the program.
        #[pyo3(signature = (heartbeat_s = None, *, detail = false))]
        fn sse(&self, heartbeat_s: Option<&Bound<'_, PyAny>>, detail: bool) -> PyResult<SseStream> {
            Ok(SseStream::new(Told::Timeline(self.0.lazy.clone()), Arc::default(), How::new(0, heartbeat_s, detail)?))
        }

        fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
            slf
        }

        fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
            self.0.batches.wait(py)?.map(|batch| batch.into_python(py)).transpose()
        }
    }
    async {
        /// The batches as bytes for readers outside of the program.
        #[pyo3(signature = (heartbeat_s = None, *, detail = false))]
        fn sse(&self, heartbeat_s: Option<&Bound<'_, PyAny>>, detail: bool) -> PyResult<AsyncSseStream> {
            Ok(AsyncSseStream::new(Told::Timeline(self.0.lazy.clone()), Arc::default(), How::new(0, heartbeat_s, detail)?))
        }

        fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
            slf
        }

        fn __anext__(&self) -> Awaitable {
            let batches = self.0.batches.clone();
            Awaitable::spawned(async move { batches.next().await.map(step) })
        }
    }
}

twins! {
    /// A user's conversations: an iterator over batches of changes.
    ConversationsWatch / AsyncConversationsWatch (Pulled<tertulia::ConversationsWatch>), "conversations.";
    verbs {
        /// The next batch of changes; nothing once the engine is closed.
        fn next(&self, _py) {
            self.0.batches.clone().next()
        }

        /// Shows more conversations. True when there are no more.
        #[pyo3(signature = (count = 50))]
        fn load_older(&self, _py, count: usize) {
            let handle = self.0.lazy.clone().handle();
            async move { handle.await?.load_older(count).await }
        }
    }
    both {}
    sync {
        fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
            slf
        }

        fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
            self.0.batches.wait(py)?.map(|batch| batch.into_python(py)).transpose()
        }
    }
    async {
        fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
            slf
        }

        fn __anext__(&self) -> Awaitable {
            let batches = self.0.batches.clone();
            Awaitable::spawned(async move { batches.next().await.map(step) })
        }
    }
}
