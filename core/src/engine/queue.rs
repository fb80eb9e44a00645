//! The queue of a conversation: its turns run one after the other, in the order they were asked for.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio_util::sync::CancellationToken;

use super::conversation::not_found;
use crate::model::Result;

/// The queue of one conversation.
#[derive(Default)]
pub(super) struct Queue {
    lock: Arc<Mutex<()>>,
    deleted: CancellationToken,
    /// How many messages were said here and are not saved yet.
    unsaved: AtomicUsize,
}

/// A message that was said and is not saved yet.
pub(super) struct Unsaved(Arc<Queue>);

impl Drop for Unsaved {
    fn drop(&mut self) {
        self.0.unsaved.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A place in the queue; ends when it is the first.
pub(super) type Place = Pin<Box<dyn Future<Output = Result<InTurn>> + Send>>;

/// The first place. It keeps the queue: were the queue forgotten while somebody is in it, the next one would begin
/// another and go beside him.
pub(super) struct InTurn {
    _lock: OwnedMutexGuard<()>,
    _queue: Arc<Queue>,
}

impl Queue {
    /// Notes a message that is about to be saved, until the note goes.
    pub(super) fn unsaved(self: &Arc<Self>) -> Unsaved {
        self.unsaved.fetch_add(1, Ordering::AcqRel);
        Unsaved(self.clone())
    }

    /// True while messages were said that are not saved yet.
    pub(super) fn has_unsaved(&self) -> bool {
        self.unsaved.load(Ordering::Acquire) > 0
    }

    /// Takes the last place, now: whoever enters later comes later.
    pub(super) async fn enter(self: Arc<Self>) -> Place {
        let mut waiting = Box::pin(self.lock.clone().lock_owned());
        // The lock is fair from its first poll on.
        let first = futures::poll!(&mut waiting);
        Box::pin(async move {
            let lock = match first {
                Poll::Ready(lock) => lock,
                Poll::Pending => tokio::select! {
                    biased;
                    () = self.deleted.cancelled() => return Err(not_found("conversation")),
                    lock = waiting => lock,
                },
            };
            Ok(InTurn { _lock: lock, _queue: self })
        })
    }

    /// The place behind everybody, dissolved or not: for who takes the conversation away.
    pub(super) async fn last(self: Arc<Self>) -> InTurn {
        InTurn { _lock: self.lock.clone().lock_owned().await, _queue: self }
    }

    /// Sends everybody away who waits now: the conversation is about to go.
    pub(super) fn dissolve(&self) {
        self.deleted.cancel();
    }
}
