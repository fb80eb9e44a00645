//! Watching an outbox.

use std::collections::VecDeque;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::drain::Change;
use super::{Outbox, item};
use crate::engine::user::UserScope;
use crate::model::{OutboxItem, Result};
use crate::store::{QueueRow, preview};

/// What happens in one user's outbox, as it happens: each message as it stands after a change, the last time when it has
/// left the outbox. A watcher that is far behind gets all that is there now instead.
pub struct OutboxWatch {
    user: UserScope,
    changes: broadcast::Receiver<Change>,
    ready: VecDeque<OutboxItem>,
}

impl OutboxWatch {
    pub(super) fn new(user: UserScope) -> Self {
        let changes = user.engine.outbox.changes.subscribe();
        Self { user, changes, ready: VecDeque::new() }
    }

    /// The next message that has changed; nothing once the engine is closed.
    ///
    /// # Errors
    /// `Storage` when the message cannot be read.
    pub async fn next(&mut self) -> Result<Option<OutboxItem>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            let closing = self.user.engine.outbox.closing.clone();
            let change = tokio::select! {
                biased;
                () = closing.cancelled() => return Ok(None),
                change = self.changes.recv() => change,
            };
            match change {
                Ok(change) if change.owner == self.user.owner => {
                    let shown = self.shown(&change).await.map_err(|e| self.user.engine.failed(e, "outbox.watch"))?;
                    self.ready.extend(shown);
                }
                Ok(_) => {}
                Err(RecvError::Lagged(_)) => self.ready.extend(Outbox::new(self.user.clone()).list().await?),
                Err(RecvError::Closed) => return Ok(None),
            }
        }
    }

    /// The message as it stands now, in the outbox or out of it.
    async fn shown(&self, change: &Change) -> Result<Option<OutboxItem>> {
        let store = &self.user.engine.store;
        let Some(record) = store.turn(&self.user.owner, change.turn).await? else { return Ok(None) };
        let message = store.message(&self.user.owner, record.turn.message_id).await?;
        let preview = message.map(|message| preview(&message.text())).unwrap_or_default();
        Ok(Some(item(QueueRow { record, preview })))
    }
}

impl std::fmt::Debug for OutboxWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboxWatch").field("user", &self.user.id()).finish_non_exhaustive()
    }
}
