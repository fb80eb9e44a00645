//! A reply on its way, pulled in batches.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::cancel::{CancelToken, unless};
use super::error::TertuliaError;
use super::event::StreamEvent;
use super::ground::Ground;
use super::reply::Reply;
use crate::engine;

/// A reply on its way. Exists once the message is saved. Freeing it stops the call and keeps what had arrived, unless it
/// was detached or only watches.
#[derive(uniffi::Object)]
pub struct ReplyStream {
    inner: Mutex<engine::ReplyStream>,
    /// Stops the call while somebody reads.
    stopper: CancellationToken,
    turn_id: Option<String>,
    /// Whether leaving it stops the call.
    owns: bool,
    detached: AtomicBool,
    /// Keeps the thread on which the reply is written.
    _ground: Arc<Ground>,
}

impl ReplyStream {
    pub(super) fn new(stream: engine::ReplyStream, ground: Arc<Ground>) -> Self {
        Self {
            stopper: stream.stopper(),
            owns: stream.owns(),
            turn_id: stream.turn_id().map(|id| id.to_string()),
            inner: Mutex::new(stream),
            detached: AtomicBool::new(false),
            _ground: ground,
        }
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
    /// Empty after the last. The token ends the waiting, not the call.
    ///
    /// # Errors
    /// Whatever ended the reply, once; `partial` holds what had arrived. `Cancelled`.
    #[uniffi::method(default(max = 64, cancel = None))]
    pub async fn next_batch(
        &self,
        max: i32,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Vec<StreamEvent>, TertuliaError> {
        let max = usize::try_from(max).unwrap_or(1).max(1);
        let events = unless(cancel, async { self.inner.lock().await.next_batch(max).await }).await?;
        Ok(events.into_iter().map(StreamEvent::from).collect())
    }

    /// Waits for the end and gives the whole reply, however much of it was read. After `cancel`: what had arrived, with
    /// the status `cancelled`. The token ends the waiting, not the call.
    ///
    /// # Errors
    /// Whatever ended the reply; `partial` holds what had arrived. `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn reply(&self, cancel: Option<Arc<CancelToken>>) -> Result<Reply, TertuliaError> {
        unless(cancel, async { self.inner.lock().await.outcome().await }).await.map(Reply::from)
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

    /// Lets the reply go on when this handle is left or freed.
    pub fn detach(&self) {
        self.detached.store(true, Ordering::Release);
    }
}

impl Drop for ReplyStream {
    fn drop(&mut self) {
        if self.detached.load(Ordering::Acquire) {
            self.inner.get_mut().detach();
        }
    }
}
