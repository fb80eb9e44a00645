//! Watching an outbox.

use std::collections::VecDeque;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::drain::Change;
use super::{Outbox, item};
use crate::base::TurnId;
use crate::engine::user::UserScope;
use crate::model::{OutboxItem, Result};
use crate::store::{QueueRow, preview};

/// What happens in one user's outbox, as it happens: each message as it stands after a change, the last time when it has
/// left the outbox. A watcher that is far behind gets all that is there now instead.
pub struct OutboxWatch {
    user: UserScope,
    changes: broadcast::Receiver<Change>,
    due: Option<Due>,
    ready: VecDeque<OutboxItem>,
}

/// What has changed and is still to be read.
#[derive(Clone, Copy)]
enum Due {
    Turn(TurnId),
    /// More than was kept for this watcher.
    All,
}

impl OutboxWatch {
    pub(super) fn new(user: UserScope) -> Self {
        let changes = user.engine.outbox.changes.subscribe();
        Self { user, changes, due: None, ready: VecDeque::new() }
    }

    /// The next message that has changed; nothing once the engine is closed. Whoever stops waiting loses nothing.
    ///
    /// # Errors
    /// `Storage` when the message cannot be read; asking again goes on where it failed.
    pub async fn next(&mut self) -> Result<Option<OutboxItem>> {
        loop {
            if let Some(item) = self.ready.pop_front() {
                return Ok(Some(item));
            }
            // Kept until it is read: whoever waits may go meanwhile.
            if let Some(due) = self.due {
                let shown = self.shown(due).await.map_err(|e| self.user.engine.failed(e, "outbox.watch"))?;
                self.due = None;
                self.ready.extend(shown);
                continue;
            }
            let closing = self.user.engine.outbox.closing.clone();
            let change = tokio::select! {
                biased;
                () = closing.cancelled() => return Ok(None),
                change = self.changes.recv() => change,
            };
            self.due = match change {
                Ok(change) if change.owner == self.user.owner => Some(Due::Turn(change.turn)),
                Ok(_) => None,
                Err(RecvError::Lagged(_)) => Some(Due::All),
                Err(RecvError::Closed) => return Ok(None),
            };
        }
    }

    /// What is due as it stands now, in the outbox or out of it.
    async fn shown(&self, due: Due) -> Result<Vec<OutboxItem>> {
        let Due::Turn(turn) = due else { return Outbox::new(self.user.clone()).list().await };
        let store = &self.user.engine.store;
        let Some(record) = store.turn(&self.user.owner, turn).await? else { return Ok(Vec::new()) };
        let message = store.message(&self.user.owner, record.turn.message_id).await?;
        let preview = message.map(|message| preview(&message.text())).unwrap_or_default();
        Ok(vec![item(QueueRow { record, preview })])
    }
}

impl std::fmt::Debug for OutboxWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OutboxWatch").field("user", &self.user.id()).finish_non_exhaustive()
    }
}
