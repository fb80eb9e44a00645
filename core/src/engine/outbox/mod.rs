//! The outbox: messages that could not be sent and will be, by themselves.

mod drain;
mod send;
mod watch;

use crate::base::{ErrorKind, TurnId};
use crate::model::{Delivery, Error, OutboxItem, Result, TurnState};
use crate::store::{
    Durability, Op, Precondition, QueueEntry, QueueQuery, QueueRow, TurnChange, TurnRecord, WriteBatch,
};

use super::attach;
use super::conversation::not_found;
use super::user::UserScope;
pub(super) use drain::{Drain, settle_recovered, start};
pub(super) use send::{EARLIER_WAITS, earlier};
pub use watch::OutboxWatch;

/// How many messages a list shows.
const MAX_ITEMS: usize = 1_000;

/// One user's messages that wait to be sent, are being sent, or were given up.
#[derive(Clone)]
pub struct Outbox {
    user: UserScope,
}

impl Outbox {
    pub(super) const fn new(user: UserScope) -> Self {
        Self { user }
    }

    /// What is in it, first in first; at most 1,000.
    ///
    /// # Errors
    /// `Storage`, `Closed`.
    pub async fn list(&self) -> Result<Vec<OutboxItem>> {
        let work = async {
            self.user.check()?;
            let query = QueueQuery { conversation: None, moving: false, limit: MAX_ITEMS };
            let rows = self.user.engine.store.queue(&self.user.owner, query).await?;
            Ok(rows.into_iter().map(item).collect())
        };
        work.await.map_err(|e| self.failed(e, "outbox.list"))
    }

    /// Sends a message now, as soon as its provider lets it, and gives it its whole time again. A parked one waits again.
    ///
    /// # Errors
    /// `NotFound` when it is not in the outbox.
    pub async fn retry(&self, turn: TurnId) -> Result<()> {
        self.retry_inner(turn).await.map_err(|e| self.failed(e, "outbox.retry"))
    }

    async fn retry_inner(&self, turn: TurnId) -> Result<()> {
        let engine = &self.user.engine;
        loop {
            let (record, entry) = self.queued(turn).await?;
            if record.turn.state.is_open() {
                return Ok(());
            }
            let now = engine.clock.now();
            let not_before = entry.floor.map_or(now, |floor| floor.max(now));
            let expires_at = Some(engine.outbox.expiry(now));
            // What had parked it stays, in words that say what happens now.
            let error =
                record.turn.error.clone().map(|info| Error::from(info).worded(&engine.sentences).waiting().info());
            let change = TurnChange {
                state: Some(TurnState::Waiting),
                not_before: Some(Some(not_before)),
                expires_at: Some(expires_at),
                error: Some(error),
                ..TurnChange::default()
            };
            let entry = QueueEntry { not_before: Some(not_before), expires_at, crashes: 0, ..entry };
            let batch = self.batch(&record).op(Op::AdvanceTurn { id: turn, change }).op(Op::Enqueue(entry));
            if applied(engine.store.apply(batch, Durability::PowerSafe).await)? {
                engine.watch.tell_turn(&record, TurnState::Waiting);
                engine.outbox.changed(&self.user.owner, turn);
                if record.turn.state == TurnState::Parked {
                    engine.outbox.moved(&self.user.owner, turn, "queued");
                }
                engine.outbox.hurry(&record.model);
                return Ok(());
            }
        }
    }

    /// Takes a message back: it is not sent, or no longer. It stays in its conversation as `cancelled`, and no model is
    /// shown it. What had arrived of an answer is kept, and then the message with it.
    ///
    /// # Errors
    /// `NotFound` when it is not in the outbox, which it also is not once it is answered; `Conflict` (held_elsewhere)
    /// while another process sends it.
    pub async fn discard(&self, turn: TurnId) -> Result<()> {
        self.discard_inner(turn).await.map_err(|e| self.failed(e, "outbox.discard"))
    }

    async fn discard_inner(&self, turn: TurnId) -> Result<()> {
        let engine = &self.user.engine;
        loop {
            let (record, _) = self.queued(turn).await?;
            engine.recent.forget(record.conversation_id);
            let (record, live) =
                attach::standing(engine, record).await?.ok_or_else(|| not_found("message in the outbox"))?;
            if record.turn.state.is_open() {
                let Some(live) = live else {
                    let detail = "another process sends this message; discard it there";
                    return Err(Error::new(ErrorKind::Conflict, "held_elsewhere", detail));
                };
                live.stopper.cancel();
                live.log.wait(usize::MAX).await;
                let rested = engine.store.turn(&self.user.owner, turn).await?;
                match rested {
                    Some(record) if record.turn.state == TurnState::Cancelled && record.turn.reply_id.is_none() => {
                        let batch = self.batch(&record).op(Op::WithdrawMessage { id: record.turn.message_id });
                        if applied(engine.store.apply(batch, Durability::PowerSafe).await)? {
                            return Ok(());
                        }
                        // Somebody sends it anew.
                        continue;
                    }
                    Some(record) if record.turn.state == TurnState::Cancelled => return Ok(()),
                    // It had come to rest before it heard of it.
                    _ => continue,
                }
            }
            let change = TurnChange {
                state: Some(TurnState::Cancelled),
                not_before: Some(None),
                error: Some(None),
                options: Some(None),
                ..TurnChange::default()
            };
            let batch = self
                .batch(&record)
                .op(Op::AdvanceTurn { id: turn, change })
                .op(Op::Dequeue { turn })
                .op(Op::WithdrawMessage { id: record.turn.message_id });
            if applied(engine.store.apply(batch, Durability::PowerSafe).await)? {
                engine.watch.tell_turn(&record, TurnState::Cancelled);
                engine.outbox.changed(&self.user.owner, turn);
                engine.outbox.moved(&self.user.owner, turn, "discarded");
                engine.outbox.may_go_on();
                return Ok(());
            }
        }
    }

    /// What happens in it from now on, in this process. To miss nothing, watch first and list then.
    #[must_use]
    pub fn watch(&self) -> OutboxWatch {
        OutboxWatch::new(self.user.clone())
    }

    /// The turn with its entry.
    async fn queued(&self, turn: TurnId) -> Result<(TurnRecord, QueueEntry)> {
        self.user.check()?;
        let record = attach::rested(&self.user.engine, &self.user.owner, turn).await?;
        let record = record.ok_or_else(|| not_found("message in the outbox"))?;
        let entry = record.queued.clone().ok_or_else(|| not_found("message in the outbox"))?;
        Ok((record, entry))
    }

    fn failed(&self, error: Error, operation: &'static str) -> Error {
        self.user.engine.failed(error, operation)
    }

    fn batch(&self, record: &TurnRecord) -> WriteBatch {
        WriteBatch::new(&*self.user.owner, self.user.engine.clock.now())
            .require(Precondition::Epoch { turn: record.id(), expected: record.epoch })
    }
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").field("user", &self.user.id()).finish_non_exhaustive()
    }
}

/// False when somebody else was faster.
fn applied<T>(result: Result<T>) -> Result<bool> {
    match result {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}

/// A row of the queue as its user is shown it.
fn item(row: QueueRow) -> OutboxItem {
    let QueueRow { record, preview } = row;
    let delivery = match record.turn.state {
        // It is taken up already.
        TurnState::Saved => Delivery::Sending,
        state => Delivery::from(state),
    };
    OutboxItem {
        turn_id: record.turn.id,
        conversation_id: record.conversation_id,
        delivery,
        reason: record.turn.error.map(|error| error.reason),
        attempt: record.turn.attempt,
        not_before: record.queued.as_ref().and_then(|entry| entry.not_before),
        expires_at: record.queued.as_ref().and_then(|entry| entry.expires_at),
        preview,
    }
}
