//! Messages that are sent by themselves, as handles of another language.

use std::sync::Arc;
use std::time::SystemTime;

use super::cancel::CancelToken;
use super::error::TertuliaError;
use super::ground::Ground;
use super::id::id;
use super::message::moment;
use super::pull::{Pull, Source};
use super::words::Delivery;
use crate::{engine, model};

/// One user's messages that wait to be sent, are being sent, or were given up.
#[derive(uniffi::Object)]
pub struct Outbox {
    outbox: engine::Outbox,
    ground: Arc<Ground>,
}

impl Outbox {
    pub(super) fn new(outbox: engine::Outbox, ground: Arc<Ground>) -> Self {
        Self { outbox, ground }
    }
}

#[uniffi::export]
impl Outbox {
    /// What is in it, first in first; at most 1,000.
    ///
    /// # Errors
    /// `Storage`, `Closed`, `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn list(&self, cancel: Option<Arc<CancelToken>>) -> Result<Vec<OutboxItem>, TertuliaError> {
        let outbox = self.outbox.clone();
        let items = self.ground.run(cancel, async move { outbox.list().await }).await?;
        Ok(items.into_iter().map(OutboxItem::from).collect())
    }

    /// Sends a message now, as soon as its provider lets it, and gives it its whole time again. A parked one waits again.
    ///
    /// # Errors
    /// `NotFound` when it is not in the outbox; `Invalid` (bad_id), `Storage`, `Closed`, `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn retry(&self, turn_id: String, cancel: Option<Arc<CancelToken>>) -> Result<(), TertuliaError> {
        let (outbox, turn) = (self.outbox.clone(), id(&turn_id, "outbox.retry")?);
        self.ground.run(cancel, async move { outbox.retry(turn).await }).await
    }

    /// Takes a message back: it is not sent, or no longer. It stays in its conversation as `Cancelled`, and no model is
    /// shown it. What had arrived of an answer is kept, and then the message with it.
    ///
    /// # Errors
    /// `NotFound` when it is not in the outbox, which it also is not once it is answered; `Conflict` (held_elsewhere)
    /// while another process sends it; `Invalid` (bad_id), `Storage`, `Closed`, `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn discard(&self, turn_id: String, cancel: Option<Arc<CancelToken>>) -> Result<(), TertuliaError> {
        let (outbox, turn) = (self.outbox.clone(), id(&turn_id, "outbox.discard")?);
        self.ground.run(cancel, async move { outbox.discard(turn).await }).await
    }

    /// What happens in it from now on, in this process. To miss nothing, watch first and list then.
    #[must_use]
    pub fn watch(&self) -> Arc<OutboxWatch> {
        Arc::new(OutboxWatch(Pull::new(self.outbox.watch(), self.ground.clone())))
    }
}

/// What happens in one user's outbox, as it happens: each message as it stands after a change, the last time when it has
/// left the outbox. A watcher that is far behind gets all that is there now instead. Freeing it ends it.
#[derive(uniffi::Object)]
pub struct OutboxWatch(Pull<engine::OutboxWatch>);

impl Source for engine::OutboxWatch {
    type Item = OutboxItem;

    async fn next(&mut self) -> model::Result<Option<Self::Item>> {
        Ok(Self::next(self).await?.map(OutboxItem::from))
    }
}

#[uniffi::export]
impl OutboxWatch {
    /// The next message that has changed; nothing once the engine is closed. The token ends the waiting and loses nothing.
    ///
    /// # Errors
    /// `Storage` when the message cannot be read; `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn next(&self, cancel: Option<Arc<CancelToken>>) -> Result<Option<OutboxItem>, TertuliaError> {
        self.0.next(cancel).await
    }
}

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct OutboxItem {
    /// The turn it began.
    pub turn_id: String,
    /// The conversation it stands in.
    pub conversation_id: String,
    /// `Pending` while it waits, `Sending`, `Failed` when it is parked; in what `watch` gives also `Sent`, when it has
    /// left the outbox.
    pub delivery: Delivery,
    /// The reason word of what went wrong last.
    pub reason: Option<String>,
    /// How often it was tried.
    pub attempt: i32,
    /// Not sent before this moment; nothing while it is sent, and when it is parked.
    pub not_before: Option<SystemTime>,
    /// Parked when it was not sent before this moment.
    pub expires_at: Option<SystemTime>,
    /// The beginning of its words, at most 160 characters, on one line.
    pub preview: String,
}

impl From<model::OutboxItem> for OutboxItem {
    fn from(item: model::OutboxItem) -> Self {
        let model::OutboxItem { turn_id, conversation_id, delivery, reason, attempt, not_before, expires_at, preview } =
            item;
        Self {
            turn_id: turn_id.to_string(),
            conversation_id: conversation_id.to_string(),
            delivery: delivery.into(),
            reason,
            attempt,
            not_before: not_before.map(moment),
            expires_at: expires_at.map(moment),
            preview,
        }
    }
}
