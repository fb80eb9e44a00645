//! A reply on its way, pulled in batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::cancel::{CancelToken, unless};
use super::conversation_change::length;
use super::error::TertuliaError;
use super::event::StreamEvent;
use super::ground::Ground;
use super::reply::Reply;
use super::sse::SseStream;
use crate::engine::Gathered;
use crate::{engine, model};

/// A reply on its way. Exists once the message is saved. Freeing it stops the call and keeps what had arrived, unless it
/// was detached or only watches.
#[derive(uniffi::Object)]
pub struct ReplyStream {
    /// Nothing once it was handed over to `sse`.
    inner: Mutex<Option<Gathered>>,
    /// Stops the call while somebody reads.
    stopper: CancellationToken,
    turn_id: Option<String>,
    /// Whether leaving it stops the call.
    owns: bool,
    detached: Arc<AtomicBool>,
    /// Keeps the thread on which the reply is written.
    ground: Arc<Ground>,
}

impl ReplyStream {
    pub(super) fn new(stream: engine::ReplyStream, ground: Arc<Ground>) -> Self {
        Self {
            stopper: stream.stopper(),
            owns: stream.owns(),
            turn_id: stream.turn_id().map(|id| id.to_string()),
            inner: Mutex::new(Some(Gathered::new(stream))),
            detached: Arc::default(),
            ground,
        }
    }

    async fn batch(&self, max: usize, gather: Duration) -> model::Result<Vec<model::StreamEvent>> {
        let mut inner = self.inner.lock().await;
        let held = held(&mut inner)?;
        if let Some(events) = self.ground.beside(held.next_batch(max, gather)).await {
            return events;
        }
        // The thread is gone with the engine, and whatever is left is there without waiting.
        held.stream.next_batch(max).await
    }
}

#[uniffi::export]
impl ReplyStream {
    /// The turn, unless nothing is stored.
    #[must_use]
    pub fn turn_id(&self) -> Option<String> {
        self.turn_id.clone()
    }

    /// Waits for at least one event and gives all that are there, at most `max` (at least 1), adjacent deltas joined.
    /// Empty after the last. Words that follow words come no sooner than `gather_ms` after these (33, which is 30 times a
    /// second, unless set; 0: as they come), because each batch costs as much as many words. The first words, whatever
    /// else happens and the end come at once. Where nothing is stored nothing waits. The token ends the waiting, not the
    /// call.
    ///
    /// # Errors
    /// Whatever ended the reply, once; `partial` holds what had arrived. `Cancelled`.
    #[uniffi::method(default(max = 64, gather_ms = 33, cancel = None))]
    pub async fn next_batch(
        &self,
        max: i32,
        gather_ms: i64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Vec<StreamEvent>, TertuliaError> {
        let max = usize::try_from(max).unwrap_or(1).max(1);
        let events = unless(cancel, self.batch(max, length(gather_ms))).await?;
        Ok(events.into_iter().map(StreamEvent::from).collect())
    }

    /// Waits for the end and gives the whole reply, however much of it was read. After `cancel`: what had arrived, with
    /// the status `cancelled`. The token ends the waiting, not the call.
    ///
    /// # Errors
    /// Whatever ended the reply; `partial` holds what had arrived. `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn reply(&self, cancel: Option<Arc<CancelToken>>) -> Result<Reply, TertuliaError> {
        unless(cancel, async { held(&mut *self.inner.lock().await)?.stream.outcome().await }).await.map(Reply::from)
    }

    /// The events as bytes for readers outside of the program (`text/event-stream`), behind the event `after_seq`: what a
    /// browser sends as `Last-Event-ID`. After `heartbeat_ms` (15,000 unless set, at least 100) without an event comes a
    /// comment, so that proxies keep the connection and a reader that is gone is found out. Readers are told the answer
    /// and how it ended; with `detail` also thoughts, tools, progress and usage.
    ///
    /// It takes the stream over: from then on this handle only cancels and detaches.
    ///
    /// # Errors
    /// `Invalid` (handed_over) when it was taken over before, or somebody reads at this very moment.
    #[uniffi::method(default(after_seq = 0, heartbeat_ms = None, detail = false))]
    #[expect(clippy::result_large_err, reason = "a border has no boxes; the error is written to bytes at once")]
    pub fn sse(
        &self,
        after_seq: i64,
        heartbeat_ms: Option<i64>,
        detail: bool,
    ) -> Result<Arc<SseStream>, TertuliaError> {
        let stream = self.inner.try_lock().ok().and_then(|mut held| held.take()).ok_or_else(handed_over)?;
        let mut sse = stream.stream.sse().after_seq(after_seq);
        if let Some(every) = heartbeat_ms {
            sse = sse.heartbeat(length(every));
        }
        if detail {
            sse = sse.detailed();
        }
        Ok(Arc::new(SseStream::new(sse, self.detached.clone(), self.ground.clone())))
    }

    /// Stops the call, closes its connection and keeps what had arrived. Returns at once.
    pub fn cancel(&self) {
        self.stopper.cancel();
    }

    /// Stops the call as freeing this handle does: not when it was detached, or only watches. For whoever stops reading
    /// before the end and keeps the handle. Returns at once.
    pub fn leave(&self) {
        if self.owns && !self.detached.load(Ordering::Acquire) {
            self.cancel();
        }
    }

    /// Lets the reply go on when this handle is left, or it or the one that took it over is freed.
    pub fn detach(&self) {
        self.detached.store(true, Ordering::Release);
    }
}

impl Drop for ReplyStream {
    fn drop(&mut self) {
        if self.detached.load(Ordering::Acquire)
            && let Some(stream) = self.inner.get_mut()
        {
            stream.stream.detach();
        }
    }
}

fn held(inner: &mut Option<Gathered>) -> model::Result<&mut Gathered> {
    inner.as_mut().ok_or_else(handed_over)
}

fn handed_over() -> model::Error {
    let detail = "this stream is read elsewhere; `attach` with its turn reads it again";
    model::Error::invalid("handed_over", detail)
}
