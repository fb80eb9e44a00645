//! A store whose process dies.

use std::sync::atomic::{AtomicU32, Ordering};

use tertulia::store::{Durability, Op, Receipt, Store, StoreFuture, WriteBatch};
use tokio::sync::Notify;

use super::over::Between;

/// A machine that loses its power after so many writes: none of the later ones is ever done, nor answered.
pub struct Mortal {
    left: AtomicU32,
    /// Rings when it is over.
    pub died: Notify,
}

impl Mortal {
    pub fn after(writes: u32) -> Self {
        Self { left: AtomicU32::new(writes), died: Notify::new() }
    }
}

impl Between for Mortal {
    fn write<'a>(
        &'a self,
        store: &'a dyn Store,
        batch: WriteBatch,
        durability: Durability,
    ) -> StoreFuture<'a, Receipt> {
        // Heartbeats and sweeps come at times of their own.
        let counts = batch.ops.iter().any(|op| {
            matches!(op, Op::AppendEvents(_) | Op::AppendMessage(_) | Op::PutTurn(_) | Op::AdvanceTurn { .. })
        });
        let take = |left: u32| left.checked_sub(u32::from(counts));
        if self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_err() {
            self.left.store(0, Ordering::Release);
            self.died.notify_waiters();
            self.died.notify_one();
            return Box::pin(std::future::pending());
        }
        store.apply(batch, durability)
    }

    fn closes(&self) -> bool {
        false
    }
}
