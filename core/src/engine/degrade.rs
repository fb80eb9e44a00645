//! What becomes of a turn that fails after its message is saved: where it stands in the send queue, and the reply that
//! tells of it.

use std::sync::Arc;
use std::time::Duration;

use super::conversation::Conversation;
use super::options::CallOptions;
use super::outbox::{Drain, EARLIER_WAITS};
use super::tertulia::Inner;
use crate::base::{Timestamp, TurnId};
use crate::model::{Error, Reply, ReplyStatus, TurnState};
use crate::policy::{Failure, Pause};
use crate::store::{Op, QueueEntry, TurnChange, WriteBatch};

/// How a turn stands to failing.
pub(super) struct Standing {
    engine: Arc<Inner>,
    owner: Arc<str>,
    /// True when its caller gets a reply where he would get an error otherwise.
    pub(super) degrades: bool,
    /// Its entry in the send queue while it is worked on; nothing when it is not sent by itself.
    pub(super) queued: Option<QueueEntry>,
    /// True when it was in the queue before it was taken up.
    was_queued: bool,
    /// How long it waits, once it has failed.
    pause: Option<Pause>,
}

impl Standing {
    /// Of a turn that is about to be sent; `before` is the entry that it has already.
    pub(super) fn of(chat: &Conversation, options: &CallOptions, turn: TurnId, before: Option<&QueueEntry>) -> Self {
        let engine = chat.user.engine.clone();
        let settings = engine.current().settings.outbox;
        let degrades = options.degrade.unwrap_or(settings.degrade);
        // A key that came with the call is kept nowhere: sent later, the message would be on somebody else's account.
        // Whomever it may go on to.
        let has_own_key = options.key.is_some() || chat.user.has_keys();
        let queued = (degrades && settings.enabled && !has_own_key).then(|| match before {
            // One that had been given up and is sent all the same has its whole time again.
            Some(entry) if entry.expires_at.is_none_or(|expiry| expiry > engine.clock.now()) => {
                QueueEntry { not_before: None, floor: None, ..entry.clone() }
            }
            _ => QueueEntry { expires_at: Some(engine.outbox.expiry(engine.clock.now())), ..QueueEntry::new(turn) },
        });
        let was_queued = before.is_some();
        Self { engine, owner: chat.user.owner.clone(), degrades, queued, was_queued, pause: None }
    }

    /// Where the turn comes to rest after this failure, of which no word had arrived.
    pub(super) fn after(&mut self, error: &Error, model: &str, attempt: i32) -> TurnState {
        let failure = Failure { kind: error.kind(), retry: error.retry() };
        let outbox = &self.engine.outbox;
        self.pause = match &self.queued {
            // It comes up when the one before it is gone.
            Some(_) if error.reason() == EARLIER_WAITS => Some(Pause { wait: Duration::ZERO, floor: None }),
            Some(_) => outbox.pause(model, failure, attempt, self.engine.clock.monotonic()),
            None => None,
        };
        if self.pause.is_some() { TurnState::Waiting } else { TurnState::Parked }
    }

    /// The error in the sentences of this engine, for a turn that rests in this state.
    pub(super) fn worded(&self, error: Error, state: TurnState) -> Error {
        let error = error.worded(&self.engine.sentences);
        if state == TurnState::Waiting { error.waiting() } else { error }
    }

    /// The batch that puts the turn to rest in this state, with what that means for the queue.
    pub(super) fn leave(
        &self,
        turn: TurnId,
        state: TurnState,
        change: TurnChange,
        advance: impl FnOnce(TurnChange) -> WriteBatch,
    ) -> WriteBatch {
        let Some(entry) = &self.queued else { return advance(change) };
        match (state, self.pause) {
            (TurnState::Waiting, Some(pause)) => {
                let entry = waiting(entry, pause, self.engine.clock.now());
                let change = TurnChange { not_before: Some(entry.not_before), ..change };
                advance(change).op(Op::Enqueue(entry))
            }
            (TurnState::Parked, _) => advance(change).op(Op::Enqueue(QueueEntry { crashes: 0, ..entry.clone() })),
            _ => advance(change).op(Op::Dequeue { turn }),
        }
    }

    /// Tells those who watch, and the drain, where the turn came to rest.
    pub(super) fn tell(&self, turn: TurnId, state: TurnState) {
        let moved = match state {
            // It came in.
            TurnState::Waiting if !self.was_queued => Some("queued"),
            TurnState::Waiting => None,
            TurnState::Parked => self.queued.as_ref().map(|_| "parked"),
            // It left.
            TurnState::Cancelled if self.was_queued => Some("discarded"),
            _ if self.was_queued => Some("sent"),
            _ => None,
        };
        if let Some(moved) = moved {
            self.engine.outbox.moved(&self.owner, turn, moved);
        }
        if self.queued.is_none() {
            return;
        }
        if state == TurnState::Waiting {
            self.engine.outbox.has_work();
        }
        self.engine.outbox.changed(&self.owner, turn);
    }
}

/// The entry of a turn that waits this long. It comes up at its expiry at the latest.
pub(super) fn waiting(entry: &QueueEntry, pause: Pause, now: Timestamp) -> QueueEntry {
    let not_before = Drain::after(now, pause.wait);
    QueueEntry {
        not_before: Some(entry.expires_at.map_or(not_before, |expiry| expiry.min(not_before))),
        floor: pause.floor.map(|floor| Drain::after(now, floor)),
        crashes: 0,
        ..entry.clone()
    }
}

/// The reply that tells what became of a message whose turn rests in this state.
pub(super) fn degraded(model: &str, error: Error, state: TurnState) -> Reply {
    let (provider, name) = model.split_once('/').unwrap_or(("", model));
    let mut reply = Reply::empty(provider, name);
    reply.status = match state {
        TurnState::Waiting => ReplyStatus::Waiting,
        TurnState::Parked => ReplyStatus::Parked,
        TurnState::Cancelled => ReplyStatus::Cancelled,
        _ => ReplyStatus::Interrupted,
    };
    if let Some((usage, cost)) = error.spent() {
        (reply.usage, reply.cost) = (usage.clone(), cost.clone());
    }
    reply.parts = error.partial().to_vec();
    reply.request_id = error.request_id().map(str::to_owned);
    reply.attempts = error.attempts().to_vec();
    reply.error = Some(error.with_partial(Vec::new()).info());
    reply
}
