//! The written side of a turn: what is saved when, and how each end is put down.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::content;
use super::conversation::{Conversation, ConversationOptions};
use super::options::CallOptions;
use super::tertulia::{Inner, LEASE_MS};
use crate::base::{Attempt, ErrorKind, MessageId, Timestamp, TurnId};
use crate::call::CallTarget;
use crate::model::{
    Error, MediaSource, MessageStatus, NewMessage, Part, Reply, ReplyStatus, Result, Role, StreamEvent,
    StreamEventKind, TurnState,
};
use crate::store::{
    Content, DraftChunk, Durability, MAX_CONTENT_BYTES, MessageEnd, NewAttachment, NewConversation, NewRow, NewStep,
    NewTurn, Op, Parent, Precondition, StepKind, TurnChange, TurnRecord, WriteBatch,
};

/// How a call ended.
pub(super) enum Outcome {
    Done(Box<Reply>),
    /// Stopped; what had arrived.
    Cancelled(Vec<Part>),
    Failed(Error),
}

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
    unwritten: Vec<StreamEvent>,
    unwritten_bytes: usize,
    noted_seq: i64,
    /// True while the store refuses what is written.
    struggles: bool,
}

impl Journal {
    /// Saves a new message and its turn.
    pub(super) async fn open(
        chat: &Conversation,
        fresh: Option<&ConversationOptions>,
        turn: TurnId,
        parts: Vec<Part>,
        options: &CallOptions,
        body_hash: [u8; 32],
        target: &CallTarget,
    ) -> Result<Self> {
        let engine = chat.user.engine.clone();
        let (message, reply) = (engine.ids.message(), engine.ids.message());
        let model = target.model.to_string();
        let said = NewMessage { role: content::role_of(&parts), parts, metadata: options.metadata.clone() };
        let mut batch = append(begin(chat, fresh), chat, message, Some(turn), said)?;
        batch = batch.op(Op::PutTurn(NewTurn {
            id: turn,
            conversation: chat.id,
            state: TurnState::Saved,
            client_id: options.client_id.clone(),
            body_hash,
            message,
            reply,
            model: model.clone(),
            holder: engine.holder.clone(),
            lease_until: engine.lease_until(),
        }));
        engine.store.apply(batch, Durability::PowerSafe).await?;
        Ok(Self::new(engine, chat, turn, message, reply, model, 1, 0))
    }

    /// Takes up a turn that came to rest, for another try.
    pub(super) async fn reopen(chat: &Conversation, record: TurnRecord, target: &CallTarget) -> Result<Self> {
        let engine = &chat.user.engine;
        match record.turn.state {
            TurnState::Interrupted | TurnState::Parked | TurnState::Cancelled | TurnState::Waiting => {}
            TurnState::Done => {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "already_answered",
                    "this turn is answered; ask for it with `attach`",
                ));
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "still_running",
                    "this turn is under way; follow it with `attach`",
                ));
            }
        }
        let (reply, model) = (engine.ids.message(), target.model.to_string());
        let change = TurnChange {
            state: Some(TurnState::Saved),
            reply: Some(reply),
            model: Some(model.clone()),
            error: Some(None),
            lease: Some(Some((engine.holder.clone(), engine.lease_until()))),
            ..TurnChange::default()
        };
        let batch = WriteBatch::new(&*chat.user.owner, engine.clock.now())
            .require(Precondition::Epoch { turn: record.id(), expected: record.epoch })
            .op(Op::AdvanceTurn { id: record.id(), change });
        engine.store.apply(batch, Durability::PowerSafe).await?;
        let (turn, message, attempt) = (record.id(), record.turn.message_id, record.turn.attempt);
        Ok(Self::new(engine.clone(), chat, turn, message, reply, model, record.epoch + 1, attempt))
    }

    #[expect(clippy::too_many_arguments, reason = "private; each is a field")]
    fn new(
        engine: Arc<Inner>,
        chat: &Conversation,
        turn: TurnId,
        message: MessageId,
        reply: MessageId,
        model: String,
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
            unwritten: Vec::new(),
            unwritten_bytes: 0,
            noted_seq: 0,
            struggles: false,
        }
    }

    /// The id that the answer has, or will have.
    pub(super) const fn reply(&self) -> MessageId {
        self.reply
    }

    /// The message that is answered.
    pub(super) const fn message(&self) -> MessageId {
        self.message
    }

    /// The request leaves now.
    pub(super) async fn sending(&mut self) -> Result<()> {
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
        self.unwritten_bytes += weight(&event.kind);
        if let Some(last) = self.unwritten.last_mut()
            && last.part_index == event.part_index
            && join(&mut last.kind, &event.kind)
        {
            return;
        }
        self.unwritten.push(event.clone());
    }

    /// The number of the newest event that was noted. Gives how many bytes wait to be written; none while the store
    /// struggles, because then the clock decides alone when to try again.
    pub(super) fn noted(&mut self, seq: i64) -> usize {
        self.noted_seq = seq;
        if self.struggles { 0 } else { self.unwritten_bytes }
    }

    /// True while the draft lacks something.
    pub(super) fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Writes what the draft lacks; the first time, the reply gets its row. What cannot be written waits for the next
    /// time.
    ///
    /// # Errors
    /// `Conflict` when another process has taken the turn.
    pub(super) async fn write_draft(&mut self) -> Result<()> {
        let data = serde_json::to_vec(&self.unwritten)
            .map_err(|e| Error::internal("a draft could not be written as JSON").with_source(e))?;
        let chunk = DraftChunk {
            message: self.reply,
            seq: self.noted_seq,
            part_index: self.unwritten.first().map_or(0, |event| event.part_index),
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
            self.unwritten_bytes = 0;
        }
        Ok(())
    }

    /// Writes down how the turn ended, once and for all.
    pub(super) async fn settle(
        mut self,
        outcome: Outcome,
        last_seq: i64,
        attempts: Vec<Attempt>,
    ) -> (TurnState, Result<Reply>) {
        let (state, parts) = match &outcome {
            Outcome::Done(reply) => (TurnState::Done, reply.parts.clone()),
            Outcome::Cancelled(parts) => (TurnState::Cancelled, parts.clone()),
            Outcome::Failed(error) if error.partial().is_empty() && !self.has_row => (TurnState::Parked, Vec::new()),
            Outcome::Failed(error) => (TurnState::Interrupted, error.partial().to_vec()),
        };
        let (state, outcome, parts) = match Content::encode(&without_bytes(parts.clone())) {
            Ok(_) => (state, outcome, parts),
            Err(error) => {
                let parts = shortened(parts);
                (TurnState::Interrupted, Outcome::Failed(too_long(&error).with_partial(parts.clone())), parts)
            }
        };
        let written = self.insist(state, &parts, &outcome, last_seq).await;
        let has_message = self.has_row;
        let of_turn = |reply: &mut Reply, this: &Self| {
            reply.conversation_id = Some(this.chat.id);
            reply.turn_id = Some(this.turn);
            reply.message_id = has_message.then_some(this.reply);
        };
        if let Err(error) = written {
            // The reply is in hand but not kept; the turn stays open and is put to rest at the next open.
            return (state, Err(error.with_partial(parts).with_attempts(attempts)));
        }
        let settled = match outcome {
            Outcome::Done(mut reply) => {
                of_turn(&mut reply, &self);
                if !self.engine.settings.store.keep_raw {
                    reply.raw = None;
                }
                Ok(*reply)
            }
            Outcome::Cancelled(parts) => {
                let (provider, model) = self.model.split_once('/').unwrap_or(("", &self.model));
                let mut reply = Reply::empty(provider, model);
                reply.status = ReplyStatus::Cancelled;
                reply.parts = parts;
                of_turn(&mut reply, &self);
                Ok(reply)
            }
            Outcome::Failed(error) => Err(error.with_attempts(attempts)),
        };
        (state, settled)
    }

    /// Puts the turn to rest, and tries again while the store struggles; at the very last without what was said, so that
    /// at least the turn is not left open.
    async fn insist(&mut self, state: TurnState, parts: &[Part], outcome: &Outcome, last_seq: i64) -> Result<()> {
        let mut result = Ok(());
        for pause_ms in SETTLE_PAUSES_MS {
            result = self.put_to_rest(state, parts.to_vec(), outcome, last_seq).await;
            match &result {
                Err(error) if error.kind() == ErrorKind::Storage => {
                    self.engine.clock.sleep(Duration::from_millis(pause_ms)).await;
                }
                _ => return result,
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
            let batch = self.advance(change);
            // If this fails too, the lease ends and the turn is put to rest by whoever asks for it next.
            let _ = self.apply(batch, Durability::PowerSafe).await;
        }
        result
    }

    async fn put_to_rest(
        &mut self,
        state: TurnState,
        mut parts: Vec<Part>,
        outcome: &Outcome,
        last_seq: i64,
    ) -> Result<()> {
        let (usage, cost, finish_reason) = match outcome {
            Outcome::Done(reply) => (Some(reply.usage.clone()), Some(reply.cost.clone()), reply.finish_reason),
            _ => (None, None, None),
        };
        let error = match outcome {
            Outcome::Failed(error) => Some(error.clone().with_turn(self.turn)),
            _ => None,
        };
        let kind = error.as_ref().map(|e| e.kind().as_str().to_owned());
        let change = TurnChange {
            state: Some(state),
            last_seq: Some(last_seq),
            error: Some(error.map(|e| e.with_partial(Vec::new()).info())),
            lease: Some(None),
            ..TurnChange::default()
        };
        let mut batch = self.advance(change);
        let attachments = content::detach_bytes(&mut parts, &self.engine.ids);
        // An answer without a word (a filter, a tool-less stop) is an answer; a failure without one is none.
        if self.has_row || !parts.is_empty() || state == TurnState::Done {
            let content = Content::encode(&parts)?;
            let status = message_status(state);
            batch = batch.op(if self.has_row {
                Op::EndMessage(MessageEnd { id: self.reply, status, content, finish_reason, usage, cost })
            } else {
                let row = self.row(status, content);
                Op::AppendMessage(NewRow { finish_reason, usage, cost, ..row })
            });
            for bytes in attachments {
                batch = batch.op(put_attachment(self.reply, bytes));
            }
        }
        let has_row = batch.ops.iter().any(|op| matches!(op, Op::EndMessage(_) | Op::AppendMessage(_)));
        if self.attempt > 0 {
            batch = batch.op(Op::PutStep(self.step(kind, Some(self.engine.clock.now()))));
        }
        self.apply(batch, Durability::PowerSafe).await?;
        self.has_row = has_row;
        Ok(())
    }

    fn row(&self, status: MessageStatus, content: Content) -> NewRow {
        NewRow {
            id: self.reply,
            conversation: self.chat.id,
            parent: Parent::Message(self.message),
            turn: Some(self.turn),
            role: Role::Assistant,
            status,
            content,
            model: Some(self.model.clone()),
            metadata: std::collections::HashMap::new(),
            finish_reason: None,
            usage: None,
            cost: None,
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
        let advances = batch.ops.iter().filter(|op| matches!(op, Op::AdvanceTurn { .. })).count();
        self.engine.store.apply(batch, durability).await?;
        self.epoch += i64::try_from(advances).unwrap_or(0);
        Ok(())
    }
}

/// A batch that begins this conversation, or needs it to be there.
pub(super) fn begin(chat: &Conversation, fresh: Option<&ConversationOptions>) -> WriteBatch {
    let batch = WriteBatch::new(&*chat.user.owner, chat.user.engine.clock.now());
    match fresh {
        Some(fresh) => batch.op(Op::PutConversation(NewConversation {
            id: chat.id,
            title: fresh.title.clone(),
            system: fresh.system.clone(),
            model: fresh.model.clone(),
            metadata: fresh.metadata.clone(),
        })),
        None => batch.require(Precondition::Owns { conversation: chat.id }),
    }
}

/// Adds a whole message below the head; its bytes in hand become attachments.
pub(super) fn append(
    mut batch: WriteBatch,
    chat: &Conversation,
    id: MessageId,
    turn: Option<TurnId>,
    mut message: NewMessage,
) -> Result<WriteBatch> {
    let attachments = content::detach_bytes(&mut message.parts, &chat.user.engine.ids);
    batch = batch.op(Op::AppendMessage(NewRow {
        id,
        conversation: chat.id,
        parent: Parent::Head,
        turn,
        role: message.role,
        status: MessageStatus::Complete,
        content: Content::encode(&message.parts)?,
        model: None,
        metadata: message.metadata,
        finish_reason: None,
        usage: None,
        cost: None,
    }));
    for bytes in attachments {
        batch = batch.op(put_attachment(id, bytes));
    }
    Ok(batch)
}

fn put_attachment(message: MessageId, bytes: content::Bytes) -> Op {
    Op::PutAttachment(NewAttachment {
        id: bytes.id,
        message,
        part_index: bytes.part_index,
        mime_type: bytes.mime_type,
        name: bytes.name,
        data: bytes.data,
    })
}

fn weight(kind: &StreamEventKind) -> usize {
    match kind {
        StreamEventKind::Text { delta } | StreamEventKind::Reasoning { delta } | StreamEventKind::Refusal { delta } => {
            delta.len()
        }
        StreamEventKind::ToolCallDelta { arguments_delta, .. } => arguments_delta.len(),
        _ => 64,
    }
}

/// Joins adjacent deltas of one voice.
fn join(last: &mut StreamEventKind, next: &StreamEventKind) -> bool {
    match (last, next) {
        (StreamEventKind::Text { delta }, StreamEventKind::Text { delta: more })
        | (StreamEventKind::Reasoning { delta }, StreamEventKind::Reasoning { delta: more })
        | (StreamEventKind::Refusal { delta }, StreamEventKind::Refusal { delta: more }) => {
            delta.push_str(more);
            true
        }
        _ => false,
    }
}

/// The status of a message that ended this way.
fn message_status(state: TurnState) -> MessageStatus {
    match state {
        TurnState::Done => MessageStatus::Complete,
        TurnState::Cancelled => MessageStatus::Cancelled,
        _ => MessageStatus::Interrupted,
    }
}

/// The parts without bytes in hand, which are kept apart.
fn without_bytes(mut parts: Vec<Part>) -> Vec<Part> {
    for media in parts.iter_mut().flat_map(content::media_of) {
        if matches!(media.source, MediaSource::Data { .. }) {
            media.source = MediaSource::Url { url: String::new() };
        }
    }
    parts
}

/// The beginning of a reply that is longer than the store keeps.
fn shortened(parts: Vec<Part>) -> Vec<Part> {
    let mut left = MAX_CONTENT_BYTES / 8;
    let mut kept = Vec::new();
    for part in parts {
        let Part::Text { mut text, citations } = part else { continue };
        let mut end = text.len().min(left);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        left -= end;
        kept.push(Part::Text { text, citations });
    }
    kept
}

fn too_long(cause: &Error) -> Error {
    Error::new(ErrorKind::Truncated, "too_large", "the reply is longer than a message may be; its beginning is kept")
        .with_source(cause.clone())
}
