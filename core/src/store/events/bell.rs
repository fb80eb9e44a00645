//! Hearing that a stream has changed, without looking again and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;

use crate::base::StreamId;
use crate::store::{Op, WriteBatch};

/// The bells of the streams that somebody listens to.
#[derive(Debug, Default)]
pub(in crate::store) struct Bells {
    hung: Mutex<HashMap<StreamId, watch::Sender<()>>>,
}

impl Bells {
    fn lock(&self) -> MutexGuard<'_, HashMap<StreamId, watch::Sender<()>>> {
        self.hung.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A bell of this stream. What happens from now on rings it.
    pub(in crate::store) fn bell(self: &Arc<Self>, stream: StreamId) -> Bell {
        let heard = self.lock().entry(stream).or_insert_with(|| watch::Sender::new(())).subscribe();
        Bell { stream, heard, bells: Arc::clone(self) }
    }

    /// Rings for what this batch, which is kept by now, has done to streams.
    pub(in crate::store) fn ring(&self, batch: &WriteBatch) {
        for op in &batch.ops {
            if matches!(op, Op::EraseSome { .. }) {
                // Which streams that were, nobody says.
                self.ring_all();
                continue;
            }
            let stream = match op {
                Op::AppendEvents(new) => &new.stream,
                Op::DeleteStream { id } | Op::SweepStream { id } => id,
                _ => continue,
            };
            if let Some(bell) = self.lock().get(stream) {
                bell.send_replace(());
            }
        }
    }

    /// Rings for everybody: the store has come back, or goes.
    pub(in crate::store) fn ring_all(&self) {
        for bell in self.lock().values() {
            bell.send_replace(());
        }
    }

    #[cfg(test)]
    fn hung(&self) -> usize {
        self.lock().len()
    }
}

/// Rings when a stream may have changed: by a batch that this store has applied, not by one of another process.
#[derive(Debug)]
pub struct Bell {
    stream: StreamId,
    heard: watch::Receiver<()>,
    bells: Arc<Bells>,
}

impl Bell {
    /// One that never rings, for stores without streams.
    #[must_use]
    pub fn silent(stream: StreamId) -> Self {
        Arc::<Bells>::default().bell(stream)
    }

    /// From here on only what comes later rings.
    pub fn reset(&mut self) {
        self.heard.mark_unchanged();
    }

    /// Ends when it has rung since it was made or reset.
    pub async fn rung(&mut self) {
        // The sender lives as long as this.
        let _ = self.heard.changed().await;
    }
}

impl Drop for Bell {
    fn drop(&mut self) {
        let mut hung = self.bells.lock();
        if hung.get(&self.stream).is_some_and(|bell| bell.receiver_count() <= 1) {
            hung.remove(&self.stream);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::base::Timestamp;

    #[test]
    fn a_bell_rings_for_its_own_stream_and_is_taken_down_with_its_last_listener() {
        let (bells, stream) = (Arc::<Bells>::default(), StreamId::from_bytes([1; 16]));
        let (mut one, mut two) = (bells.bell(stream), bells.bell(stream));
        let mut other = bells.bell(StreamId::from_bytes([2; 16]));
        assert_eq!((one.rung().now_or_never(), bells.hung()), (None, 2));
        let batch = WriteBatch::new("ana", Timestamp::default()).op(Op::DeleteStream { id: stream });
        bells.ring(&batch);
        bells.ring(&batch);
        assert_eq!((one.rung().now_or_never(), one.rung().now_or_never()), (Some(()), None));
        two.reset();
        assert_eq!((two.rung().now_or_never(), other.rung().now_or_never()), (None, None));
        bells.ring_all();
        assert_eq!((two.rung().now_or_never(), other.rung().now_or_never()), (Some(()), Some(())));
        drop(one);
        assert_eq!(bells.hung(), 2);
        drop((two, other));
        assert_eq!(bells.hung(), 0);
    }
}
