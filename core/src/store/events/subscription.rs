//! Reading a stream on as it grows.

use std::sync::Arc;

use super::{Bell, MAX_EVENTS, StoredEvent};
use crate::base::StreamId;
use crate::model::Result;
use crate::store::{Store, refusal};

/// Whoever reads a stream as it grows: every event once, in its order. What this process appends is heard at once; what
/// another one appends is read when this one hears of something. While the store is suspended it waits, and goes on where
/// it was. Dropping it ends it.
pub struct Subscription {
    store: Arc<dyn Store>,
    owner: String,
    stream: StreamId,
    after_seq: i64,
    bell: Bell,
}

impl Subscription {
    /// Reads from behind this event on (0 = from the first).
    pub fn new(store: Arc<dyn Store>, owner: impl Into<String>, stream: StreamId, after_seq: i64) -> Self {
        let bell = store.bell(stream);
        Self { store, owner: owner.into(), stream, after_seq, bell }
    }

    /// The next events, at least one: those that are there, at most 256, or the first that comes. A future that is dropped
    /// before it is done has taken nothing away.
    ///
    /// # Errors
    /// `NotFound` (no_stream) when the stream is not there, or not any more; what reading it meets otherwise. Asking again
    /// goes on where it was.
    pub async fn next(&mut self) -> Result<Vec<StoredEvent>> {
        loop {
            self.bell.reset();
            match self.store.events(&self.owner, self.stream, self.after_seq, MAX_EVENTS).await {
                Ok(None) => return Err(refusal::no_stream()),
                Ok(Some(rows)) => {
                    if let Some(last) = rows.events.last() {
                        self.after_seq = last.seq;
                        return Ok(rows.events);
                    }
                }
                Err(error) if error.reason() == "suspended" => {}
                Err(error) => return Err(error),
            }
            self.bell.rung().await;
        }
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription")
            .field("stream", &self.stream)
            .field("after_seq", &self.after_seq)
            .finish_non_exhaustive()
    }
}
