//! A reply on its way, or a timeline, as server-sent events: an iterator over bytes, for whoever serves a page.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use pyo3::prelude::*;
use tertulia::{Error, Result};
use tokio::sync::Notify;

use super::incoming::{Asked, Events, hand_over};
use super::timeline::Lazy;
use crate::bridge::{Awaitable, Feed, Source, done, step};
use crate::convert::{Place, ToPython as _, duration_ms};

/// How the events are to be told.
#[derive(Clone, Copy)]
pub(super) struct How {
    after_seq: i64,
    heartbeat: Duration,
    detail: bool,
}

impl How {
    pub(super) fn new(after_seq: i64, heartbeat_s: Option<&Bound<'_, PyAny>>, detail: bool) -> PyResult<Self> {
        let heartbeat_ms = match heartbeat_s {
            Some(given) => duration_ms(given, &Place::named("heartbeat_s"))?,
            None => 15_000,
        };
        let heartbeat = Duration::from_millis(u64::try_from(heartbeat_ms).unwrap_or(0));
        Ok(Self { after_seq, heartbeat, detail })
    }
}

/// The engine's end: begun by whoever reads first.
pub(super) struct Telling {
    stage: Stage,
    asked: Arc<Asked>,
    closing: Arc<Closing>,
}

enum Stage {
    New(Told, How),
    Open(Bytewise),
    Over,
}

/// What readers are told of.
#[derive(Clone)]
pub(super) enum Told {
    Reply(Events),
    Timeline(Lazy<tertulia::Timeline>),
}

/// The same, once it is there.
enum Bytewise {
    Reply(Box<tertulia::SseStream>),
    Timeline(Box<tertulia::TimelineSse>),
}

impl Told {
    async fn open(self, how: How) -> Result<Bytewise> {
        Ok(match self {
            Self::Reply(events) => {
                let sse = hand_over(events).await?.sse().after_seq(how.after_seq).heartbeat(how.heartbeat);
                Bytewise::Reply(Box::new(if how.detail { sse.detailed() } else { sse }))
            }
            Self::Timeline(timeline) => {
                let sse = timeline.handle().await?.sse().heartbeat(how.heartbeat);
                Bytewise::Timeline(Box::new(if how.detail { sse.detailed() } else { sse }))
            }
        })
    }
}

impl Bytewise {
    async fn next_batch(&mut self, max: usize) -> Vec<Bytes> {
        match self {
            Self::Reply(sse) => sse.next_batch(max).await,
            Self::Timeline(sse) => sse.next().await.into_iter().collect(),
        }
    }

    fn cancel(&self) {
        if let Self::Reply(sse) = self {
            sse.cancel();
        }
    }

    fn detach(&mut self) {
        if let Self::Reply(sse) = self {
            sse.detach();
        }
    }
}

/// Says that nobody reads on, while somebody may be waiting.
#[derive(Default)]
struct Closing {
    closed: AtomicBool,
    bell: Notify,
}

impl Telling {
    async fn open(&mut self) -> Result<Option<&mut Bytewise>> {
        if let Stage::New(told, how) = &self.stage {
            let opening = told.clone().open(*how).await;
            self.stage = Stage::Over;
            self.stage = Stage::Open(opening?);
        }
        match &mut self.stage {
            Stage::Open(sse) => Ok(Some(sse)),
            Stage::New(..) | Stage::Over => Ok(None),
        }
    }

    /// Lets go of the stream, as whoever drops it does.
    fn end(&mut self) {
        if let Stage::Open(sse) = &mut self.stage
            && self.asked.is_detached()
        {
            sse.detach();
        }
        self.stage = Stage::Over;
    }

    async fn batch(&mut self, max: usize) -> Result<Vec<Bytes>> {
        let (asked, closing) = (Arc::clone(&self.asked), Arc::clone(&self.closing));
        if closing.closed.load(Ordering::Acquire) {
            self.end();
        }
        let Some(sse) = self.open().await? else { return Ok(Vec::new()) };
        loop {
            if asked.is_cancelled() {
                sse.cancel();
            }
            tokio::select! {
                biased;
                () = closing.bell.notified() => {
                    self.end();
                    return Ok(Vec::new());
                }
                batch = sse.next_batch(max) => return Ok(batch),
                () = asked.rung() => {}
            }
        }
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.end();
    }
}

impl Source for Telling {
    type Item = Bytes;

    fn next_batch(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Bytes>, Error>> {
        self.batch(max).boxed()
    }
}

/// What both manners hold.
struct Pieces {
    feed: Feed<Telling>,
    closing: Arc<Closing>,
}

impl Pieces {
    fn new(told: Told, asked: Arc<Asked>, how: How) -> Self {
        let closing = Arc::<Closing>::default();
        let telling = Telling { stage: Stage::New(told, how), asked, closing: Arc::clone(&closing) };
        Self { feed: Feed::new(telling), closing }
    }

    /// Whoever waits for the next piece gets the end.
    fn close(&self) {
        self.closing.closed.store(true, Ordering::Release);
        self.closing.bell.notify_one();
        self.feed.if_idle(Telling::end);
        self.feed.clear();
    }
}

/// Server-sent events: an iterator over bytes, as WSGI takes it.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct SseStream(Pieces);

impl SseStream {
    pub(super) fn new(told: Told, asked: Arc<Asked>, how: How) -> Self {
        Self(Pieces::new(told, asked, how))
    }
}

#[pymethods]
impl SseStream {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.feed.wait(py)?.map(|piece| piece.into_python(py)).transpose()
    }

    /// Lets go of what is told. WSGI servers call it when the reader is gone.
    fn close(&self) {
        self.0.close();
    }
}

/// Server-sent events: an asynchronous iterator over bytes, as ASGI frameworks take it.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct AsyncSseStream(Pieces);

impl AsyncSseStream {
    pub(super) fn new(told: Told, asked: Arc<Asked>, how: How) -> Self {
        Self(Pieces::new(told, asked, how))
    }
}

#[pymethods]
impl AsyncSseStream {
    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(&self, py: Python<'_>) -> PyResult<Awaitable> {
        if let Some(piece) = self.0.feed.take() {
            return Ok(Awaitable::ready(piece.into_python(py)?.unbind()));
        }
        let feed = self.0.feed.clone();
        Ok(Awaitable::inline(async move { feed.next().await.map(step) }))
    }

    /// Lets go of what is told.
    fn aclose(&self) -> Awaitable {
        self.0.close();
        Awaitable::inline(async { Ok(done(())) })
    }
}
