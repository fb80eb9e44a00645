//! The written side of a turn: what is saved when, and how each end is put down.

mod again;
mod begin;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use again::Again;
pub(super) use begin::Begins;

use super::content;
use super::conversation::Conversation;
use super::degrade::{Standing, degraded};
use super::draft::Unwritten;
use super::facts::Fact;
use super::kept::cost_left;
use super::outcome::{Outcome, message_status, too_long};
use super::recent::Said;
use super::rows;
use super::tertulia::{Inner, LEASE_MS};
use super::watch::About;
use crate::base::{Attempt, ErrorKind, MessageId, Timestamp, TurnId};
use crate::call::Bill;
use crate::model::{EngineEventKind, Error, MessageStatus, Part, Reply, Result, Role, StreamEvent, TurnState};
use crate::store::{
    Content, DraftChunk, Durability, MessageEnd, NewRow, NewStep, Op, Parent, Precondition, StepKind, TurnChange,
    WriteBatch,
};

/// Pauses between the tries to put a turn to rest.
const SETTLE_PAUSES_MS: [u64; 4] = [20, 100, 500, 1_000];

/// A third of the lease: two signs of life may be late before another process takes the turn to be dead.
pub(super) const LEASE_THIRD: Duration = Duration::from_millis(LEASE_MS.unsigned_abs() / 3);

/// The journal of one turn. Every write raises the epoch; who finds another epoch has lost the turn and stops.
pub(super) struct Journal {
    engine: Arc<Inner>,
    owner: Arc<str>,
    chat: Conversation,
    turn: TurnId,
    message: MessageId,
    reply: MessageId,
    model: String,
    epoch: i64,
    attempt: i32,
    /// True once the reply has a row of its own.
    has_row: bool,
    /// What was said, when that is words alone and this is the first try.
    said: Option<Said>,
    unwritten: Unwritten,
    noted_seq: i64,
    /// True while the store refuses what is written.
    struggles: bool,
    standing: Standing,
    /// What is kept of the call's options.
    kept: Option<Bytes>,
    /// True once the answer stands behind another message than the one that it answers.
    displaced: bool,
    again: Again,
    /// True when the save has written down already that the request leaves.
    leaves: bool,
    /// What the reply has cost, to be written down with it.
    bill: Option<Bill>,
    /// True when the save found that no budget is set.
    no_budgets: bool,
    /// What the conversation says of itself, and the version of which that is known to be true.
    known: Option<(Arc<Fact>, i64)>,
}

impl Journal {
    fn told(self, state: TurnState) -> Self {
        self.tell(state);
        self
    }

    /// Tells who watches that the turn is in another state. It is written down by now.
    fn tell(&self, state: TurnState) {
        let watch = &self.engine.watch;
        if watch.is_watched() {
            let about = About { owner: Some(&self.owner), conversation: Some(self.chat.id), turn: Some(self.turn) };
            watch.tell(about, EngineEventKind::TurnChanged { state, model: self.model.clone() });
        }
    }

    #[expect(clippy::too_many_arguments, reason = "private; each is a field")]
    fn new(
        engine: Arc<Inner>,
        chat: &Conversation,
        turn: TurnId,
        message: MessageId,
        reply: MessageId,
        model: String,
        standing: Standing,
        epoch: i64,
        attempt: i32,
    ) -> Self {
        Self {
            engine,
            owner: chat.user.owner.clone(),
            chat: chat.clone(),
            turn,
            message,
            reply,
            model,
            epoch,
            attempt,
            has_row: false,
            said: None,
            unwritten: Unwritten::default(),
            noted_seq: 0,
            struggles: false,
            standing,
            kept: None,
            displaced: false,
            again: Again::default(),
            leaves: false,
            bill: None,
            no_budgets: false,
            known: None,
        }
    }

    /// Another model than the one that was asked answers.
    pub(super) fn answered_by(&mut self, model: String) {
        self.model = model;
    }

    /// The tries so far leave so much of what the call may cost.
    pub(super) fn cost_left(&mut self, nano_usd: i64) {
        self.kept = cost_left(self.kept.take(), nano_usd);
    }

    /// The id that the answer has, or will have.
    pub(super) const fn reply(&self) -> MessageId {
        self.reply
    }

    /// Where the answer goes, when it is not simply the answer to the message.
    pub(super) const fn parent(&self) -> Option<Parent> {
        self.again.parent
    }

    /// The message that is answered.
    pub(super) const fn message(&self) -> MessageId {
        self.message
    }

    /// True when the save found that no budget is set; once.
    pub(super) fn take_no_budgets(&mut self) -> bool {
        std::mem::take(&mut self.no_budgets)
    }

    /// What was said, to be taken once.
    pub(super) fn take_said(&mut self) -> Option<Said> {
        self.said.take()
    }

    /// The request leaves now.
    pub(super) async fn sending(&mut self) -> Result<()> {
        if std::mem::take(&mut self.leaves) {
            self.tell(TurnState::Sending);
            return Ok(());
        }
        self.attempt += 1;
        let change = TurnChange {
            state: Some(TurnState::Sending),
            attempt: Some(self.attempt),
            lease: self.lease(),
            ..TurnChange::default()
        };
        let batch = self.advance(change).op(Op::PutStep(self.step(None, None)));
        self.apply(batch, Durability::ProcessSafe).await
    }

    /// A sign of life: nobody takes the turn to be dead for another lease. One that cannot be written is tried again
    /// later.
    ///
    /// # Errors
    /// `Conflict` when another process has taken the turn.
    pub(super) async fn keep(&mut self) -> Result<()> {
        let batch = self.advance(TurnChange { lease: self.lease(), ..TurnChange::default() });
        let kept = self.apply(batch, Durability::ProcessSafe).await;
        self.bear(kept).map(|_| ())
    }

    fn lease(&self) -> Option<Option<(String, Timestamp)>> {
        Some(Some((self.engine.holder.clone(), self.engine.lease_until())))
    }

    /// A store that struggles does not end a reply that is paid for: what was not written is tried again.
    fn bear(&mut self, written: Result<()>) -> Result<bool> {
        match written {
            Err(error) if error.kind() == ErrorKind::Storage => {
                tracing::warn!(
                    target: "tertulia::turn", operation = "draft", owner = &*self.owner, conversation = %self.chat.id,
                    turn = %self.turn, model = self.model, error_kind = "storage", reason = error.reason(),
                    "the draft could not be written; it is tried again",
                );
                self.struggles = true;
                Ok(false)
            }
            written => {
                self.struggles = false;
                written.map(|()| true)
            }
        }
    }

    /// Takes in what must be in the draft.
    pub(super) fn note(&mut self, event: &StreamEvent) {
        self.unwritten.note(event);
    }

    /// The number of the newest event that was noted. Gives how many bytes wait to be written; none while the store
    /// struggles, because then the clock decides alone when to try again.
    pub(super) fn noted(&mut self, seq: i64) -> usize {
        self.noted_seq = seq;
        if self.struggles { 0 } else { self.unwritten.bytes() }
    }

    /// True while the draft lacks something.
    pub(super) fn has_unwritten(&self) -> bool {
        !self.unwritten.events().is_empty()
    }

    /// Writes what the draft lacks; the first time, the reply gets its row. What cannot be written waits for the next
    /// time.
    ///
    /// # Errors
    /// `Conflict` when another process has taken the turn.
    pub(super) async fn write_draft(&mut self) -> Result<()> {
        let data = serde_json::to_vec(self.unwritten.events())
            .map_err(|e| Error::internal("a draft could not be written as JSON").with_source(e))?;
        let chunk = DraftChunk {
            message: self.reply,
            seq: self.noted_seq,
            part_index: self.unwritten.events().first().map_or(0, |event| event.part_index),
            data: data.into(),
            lease_until: self.engine.lease_until(),
        };
        let mut batch = if self.has_row {
            self.batch()
        } else {
            let row = self.row(MessageStatus::Streaming, Content::encode(&[])?);
            let change = TurnChange { state: Some(TurnState::Streaming), ..TurnChange::default() };
            self.advance(change).op(Op::AppendMessage(row))
        };
        batch = batch.op(Op::AppendDraft(chunk));
        let written = self.apply(batch, Durability::ProcessSafe).await;
        if self.bear(written)? {
            self.has_row = true;
            self.unwritten.clear();
        }
        Ok(())
    }

    /// Writes down how the turn ended, once and for all. Gives, too, whether the answer stands right behind its message.
    pub(super) async fn settle(
        mut self,
        outcome: Outcome,
        last_seq: i64,
        attempts: Vec<Attempt>,
        bill: Option<Bill>,
    ) -> (TurnState, Result<Reply>, bool) {
        self.bill = bill;
        let (state, parts) = match &outcome {
            Outcome::Done(reply) => (TurnState::Done, reply.parts.clone()),
            Outcome::Cancelled(stopped) => (TurnState::Cancelled, stopped.partial().to_vec()),
            Outcome::Failed(error) if error.partial().is_empty() && !self.has_row => {
                (self.standing.after(error, &self.model, self.attempt), Vec::new())
            }
            Outcome::Failed(error) => (TurnState::Interrupted, error.partial().to_vec()),
        };
        let (state, outcome, parts, words) = match rows::content_of(&parts) {
            Ok(words) => (state, outcome, parts, words),
            Err(error) => {
                let parts = rows::shortened(parts);
                let mut failed = too_long(&error).with_partial(parts.clone());
                if let Some((usage, cost)) = outcome.spent() {
                    failed = failed.with_spent(usage.clone(), cost.clone());
                }
                (TurnState::Interrupted, Outcome::Failed(failed), parts, None)
            }
        };
        let outcome = match outcome {
            Outcome::Failed(error) => Outcome::Failed(self.standing.worded(error.with_turn(self.turn), state)),
            outcome => outcome,
        };
        let (state, written) = self.insist(state, &parts, words.as_ref(), &outcome, last_seq).await;
        self.standing.tell(self.turn, state);
        match self.known.take() {
            Some((fact, version)) => self.engine.facts.keep(&self.owner, self.chat.id, fact, version),
            None => self.engine.facts.forget(self.chat.id),
        }
        let has_message = self.has_row;
        let of_turn = |reply: &mut Reply, this: &Self| {
            reply.conversation_id = Some(this.chat.id);
            reply.turn_id = Some(this.turn);
            reply.message_id = has_message.then_some(this.reply);
        };
        if let Err(error) = written {
            // The reply is in hand but not kept; the turn stays open and is put to rest at the next open.
            let error = self.standing.worded(error.with_turn(self.turn).with_partial(parts), state);
            return (state, self.failed(error.with_attempts(attempts), state), false);
        }
        let settled = match outcome {
            Outcome::Done(mut reply) => {
                of_turn(&mut reply, &self);
                if !self.engine.current().settings.store.keep_raw {
                    reply.raw = None;
                }
                Ok(*reply)
            }
            Outcome::Cancelled(stopped) => {
                let (provider, model) = self.model.split_once('/').unwrap_or(("", &self.model));
                let mut reply = Reply::cancelled(provider, model, &stopped);
                reply.parts = parts;
                of_turn(&mut reply, &self);
                Ok(reply)
            }
            Outcome::Failed(error) => self.failed(error.with_attempts(attempts), state),
        };
        (state, settled, !self.displaced)
    }

    /// What the caller gets of a turn that did not end well: the error, or with `degrade` the reply that tells of it.
    fn failed(&self, error: Error, state: TurnState) -> Result<Reply> {
        if !self.standing.degrades {
            return Err(error);
        }
        let mut reply = degraded(&self.model, error, state);
        reply.conversation_id = Some(self.chat.id);
        reply.turn_id = Some(self.turn);
        reply.message_id = self.has_row.then_some(self.reply);
        Ok(reply)
    }

    /// Puts the turn to rest, and tries again while the store struggles; at the very last without what was said, so that
    /// at least the turn is not left open.
    async fn insist(
        &mut self,
        state: TurnState,
        parts: &[Part],
        words: Option<&Content>,
        outcome: &Outcome,
        last_seq: i64,
    ) -> (TurnState, Result<()>) {
        let mut result = Ok(());
        for pause_ms in SETTLE_PAUSES_MS {
            result = self.put_to_rest(state, parts, words, outcome, last_seq).await;
            match &result {
                Err(error) if error.kind() == ErrorKind::Storage => {
                    self.engine.clock.sleep(Duration::from_millis(pause_ms)).await;
                }
                // Whoever has taken the turn sends it now.
                Err(error) if error.reason() == "epoch_moved" && self.standing.queued.is_some() && !self.has_row => {
                    return (TurnState::Waiting, result);
                }
                _ => return (state, result),
            }
        }
        if !self.has_row {
            let error = result.as_ref().err().map(|e| e.clone().with_turn(self.turn).info());
            let change = TurnChange {
                state: Some(TurnState::Parked),
                last_seq: Some(last_seq),
                error: Some(error),
                lease: Some(None),
                ..TurnChange::default()
            };
            let batch = self.advance(self.again.rest(change));
            // If this fails too, the lease ends and the turn is put to rest by whoever asks for it next: one that is in
            // the queue is sent again then.
            if self.apply(batch, Durability::PowerSafe).await.is_err() && self.standing.queued.is_some() {
                return (TurnState::Waiting, result);
            }
            return (TurnState::Parked, result);
        }
        (TurnState::Interrupted, result)
    }

    async fn put_to_rest(
        &mut self,
        state: TurnState,
        parts: &[Part],
        words: Option<&Content>,
        outcome: &Outcome,
        last_seq: i64,
    ) -> Result<()> {
        let (usage, cost) = outcome.spent().map(|(usage, cost)| (usage.clone(), cost.clone())).unzip();
        let finish_reason = if let Outcome::Done(reply) = outcome { reply.finish_reason } else { None };
        let error = match outcome {
            Outcome::Failed(error) => Some(error.clone().with_turn(self.turn)),
            _ => None,
        };
        let kind = error.as_ref().map(|e| e.kind().as_str().to_owned());
        let change = TurnChange {
            state: Some(state),
            last_seq: Some(last_seq),
            error: Some(error.map(|e| e.with_partial(Vec::new()).info())),
            options: match state {
                // What is answered is not asked for again.
                TurnState::Done => Some(None),
                // What its tries have cost, the next one may not.
                TurnState::Waiting => Some(self.kept.clone()),
                _ => None,
            },
            lease: Some(None),
            ..TurnChange::default()
        };
        // An answer without a word (a filter, a tool-less stop) is an answer; a failure without one is none.
        let is_answer = self.has_row || !parts.is_empty() || state == TurnState::Done;
        let change = if is_answer { change } else { self.again.rest(change) };
        let mut batch = self.standing.leave(self.turn, state, change, |change| self.advance(change));
        if is_answer {
            let (content, attachments) = match words {
                Some(words) => (words.clone(), Vec::new()),
                None => {
                    let mut parts = parts.to_vec();
                    let attachments = content::detach_bytes(&mut parts, &self.engine.ids);
                    (Content::encode(&parts)?, attachments)
                }
            };
            let status = message_status(state);
            batch = batch.op(if self.has_row {
                Op::EndMessage(MessageEnd { id: self.reply, status, content, finish_reason, usage, cost })
            } else {
                let row = self.row(status, content);
                Op::AppendMessage(NewRow { finish_reason, usage, cost, ..row })
            });
            for bytes in attachments {
                batch = batch.op(rows::put_attachment(self.reply, bytes));
            }
        }
        let has_row = batch.ops.iter().any(|op| matches!(op, Op::EndMessage(_) | Op::AppendMessage(_)));
        if self.attempt > 0 {
            batch = batch.op(Op::PutStep(self.step(kind, Some(self.engine.clock.now()))));
        }
        if let Some(op) = self.bill.as_ref().and_then(Bill::op) {
            batch = batch.op(op);
        }
        self.apply(batch, Durability::PowerSafe).await?;
        self.has_row = has_row;
        Ok(())
    }

    fn row(&self, status: MessageStatus, content: Content) -> NewRow {
        NewRow {
            id: self.reply,
            conversation: self.chat.id,
            parent: self.again.parent.unwrap_or(Parent::Answer(self.message)),
            turn: Some(self.turn),
            role: Role::Assistant,
            status,
            content,
            model: Some(self.model.clone()),
            metadata: std::collections::HashMap::new(),
            finish_reason: None,
            usage: None,
            cost: None,
            created_at: None,
        }
    }

    fn step(&self, error: Option<String>, ended_at: Option<Timestamp>) -> NewStep {
        NewStep {
            turn: self.turn,
            index: self.attempt,
            kind: StepKind::Attempt,
            target: self.model.clone(),
            error,
            data: Bytes::from_static(b"{}"),
            ended_at,
        }
    }

    fn batch(&self) -> WriteBatch {
        WriteBatch::new(&*self.owner, self.engine.clock.now())
            .require(Precondition::Epoch { turn: self.turn, expected: self.epoch })
    }

    fn advance(&self, change: TurnChange) -> WriteBatch {
        self.batch().op(Op::AdvanceTurn { id: self.turn, change })
    }

    async fn apply(&mut self, batch: WriteBatch, durability: Durability) -> Result<()> {
        let mut states = Vec::new();
        for op in &batch.ops {
            if let Op::AdvanceTurn { change, .. } = op {
                states.push(change.state);
            }
        }
        let charges = batch.ops.iter().any(|op| matches!(op, Op::Charge(_)));
        let receipt = self.engine.store.apply(batch, durability).await?;
        self.displaced |= receipt.placed.iter().any(|placed| placed.parent != Some(self.message));
        if let Some(bill) = self.bill.take_if(|_| charges) {
            bill.written(receipt.alerts);
        }
        if let (Some((_, version)), Some((before, after))) = (&mut self.known, receipt.versions) {
            // Changed by somebody else meanwhile, it has to be read anew.
            if *version == before {
                *version = after;
            } else {
                self.known = None;
            }
        }
        self.epoch += i64::try_from(states.len()).unwrap_or(0);
        states.into_iter().flatten().for_each(|state| self.tell(state));
        Ok(())
    }
}
