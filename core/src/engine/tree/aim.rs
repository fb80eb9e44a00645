//! Where in the tree a turn goes.

use crate::base::{ErrorKind, MessageId, TurnId};
use crate::engine::attach::rested;
use crate::engine::conversation::{Conversation, not_found};
use crate::engine::options::CallOptions;
use crate::model::{Error, Message, MessageStatus, Result, Role, TurnState};
use crate::store::{Anchor, Op, Parent, Precondition, TurnChange, TurnRecord};

/// What a turn is to do in the tree.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) enum Aim {
    /// A new message, at the end of what the handle shows.
    Say,
    /// A new message in the place of this one.
    Instead(MessageId),
    /// Another try of a turn that came to rest.
    Retry,
    /// Another answer to a question.
    Answer {
        question: MessageId,
        /// The message that answers stand below.
        below: MessageId,
        /// True when the question belongs to no turn yet.
        fresh: bool,
    },
}

/// Where the messages of a turn are put, and what becomes true together with them.
#[derive(Debug)]
pub(in crate::engine) struct Placing {
    /// Where the message goes.
    pub(in crate::engine) message: Parent,
    /// Where the answer goes, when it is not simply the answer to the message. Such a turn is not sent by itself.
    pub(in crate::engine) answer: Option<Parent>,
    /// True when the turn may be answered already.
    pub(in crate::engine) regenerates: bool,
    pub(in crate::engine) preconditions: Vec<Precondition>,
    pub(in crate::engine) ops: Vec<Op>,
    /// The turn that is taken out of the outbox by these.
    pub(in crate::engine) taken_back: Option<TurnId>,
}

impl Placing {
    /// At the end of what is shown, or of what this handle shows.
    pub(in crate::engine) fn of(chat: &Conversation, options: &CallOptions) -> Self {
        let head = |expected| Precondition::Head { conversation: chat.id, expected: Some(expected) };
        Self {
            message: chat.from.map_or(Parent::Head, Parent::Message),
            answer: None,
            regenerates: false,
            preconditions: options.expected_head.map(head).into_iter().collect(),
            ops: Vec::new(),
            taken_back: None,
        }
    }

    /// Another answer below this message, on a branch that is shown from now on.
    pub(in crate::engine) fn another_answer(self, chat: &Conversation, below: MessageId) -> Self {
        let switch = Op::SwitchTo { conversation: chat.id, message: below };
        Self { answer: Some(Parent::Below(below)), ops: vec![switch], ..self }
    }

    /// In the place of this message, which is taken back if nobody has sent it yet.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` (not_editable).
    pub(in crate::engine) async fn instead(mut self, chat: &Conversation, old: MessageId) -> Result<Self> {
        let message = message_of(chat, old).await?;
        if message.role == Role::Assistant {
            let detail = "these are words of a model: `regenerate` asks for others, `edit` changes what was asked";
            return Err(Error::invalid("not_editable", detail));
        }
        self.message = Parent::Beside(old);
        if let Some(record) = unsent(chat, &message).await? {
            self.preconditions.push(Precondition::Epoch { turn: record.id(), expected: record.epoch });
            self.ops.extend(taken_back(record.id()));
            self.ops.push(Op::WithdrawMessage { id: old });
            self.taken_back = Some(record.id());
        }
        Ok(self)
    }
}

/// The turn of this message, when it waits in the send queue.
pub(in crate::engine) async fn unsent(chat: &Conversation, message: &Message) -> Result<Option<TurnRecord>> {
    let Some(turn) = message.turn_id else { return Ok(None) };
    let record = rested(&chat.user.engine, &chat.user.owner, turn).await?;
    let waits = |record: &TurnRecord| {
        record.queued.is_some() && !record.turn.state.is_open() && record.turn.message_id == message.id
    };
    Ok(record.filter(waits))
}

/// What takes a turn out of the send queue.
pub(in crate::engine) fn taken_back(turn: TurnId) -> [Op; 2] {
    let change = TurnChange {
        state: Some(TurnState::Cancelled),
        not_before: Some(None),
        error: Some(None),
        options: Some(None),
        ..TurnChange::default()
    };
    [Op::AdvanceTurn { id: turn, change }, Op::Dequeue { turn }]
}

/// A message of this conversation.
pub(in crate::engine) async fn message_of(chat: &Conversation, id: MessageId) -> Result<Message> {
    let found = chat.user.engine.store.message(&chat.user.owner, id).await?;
    found.filter(|message| message.conversation_id == chat.id).ok_or_else(|| not_found("message in this conversation"))
}

impl Aim {
    /// Another answer to this message, or beside this answer, and the turn to which it belongs.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` (no_question, deleted).
    pub(in crate::engine) async fn answer(chat: &Conversation, id: MessageId) -> Result<(Self, TurnId)> {
        let engine = &chat.user.engine;
        let given = message_of(chat, id).await?;
        let no_question = || Error::invalid("no_question", "nothing was asked here that a model could answer");
        let (question, below) = if given.role == Role::Assistant {
            let below = given.parent_id.ok_or_else(no_question)?;
            let turn = match given.turn_id {
                Some(turn) => engine.store.turn(&chat.user.owner, turn).await?,
                None => None,
            };
            // An answer that came late stands elsewhere than its question.
            let question = turn.map_or(below, |record| record.turn.message_id);
            (message_of(chat, question).await?, below)
        } else {
            (given, id)
        };
        if question.role == Role::Assistant {
            return Err(no_question());
        }
        let withdrawn = question.status == MessageStatus::Cancelled;
        if withdrawn || question.status == MessageStatus::Deleted {
            return Err(deleted());
        }
        let turn = question.turn_id.unwrap_or_else(|| engine.ids.turn());
        Ok((Self::Answer { question: question.id, below, fresh: question.turn_id.is_none() }, turn))
    }

    /// The messages that stand before the one that this turn says, the newest last.
    pub(in crate::engine) async fn before(&self, chat: &Conversation, limit: usize) -> Result<Vec<Message>> {
        let store = &chat.user.engine.store;
        let owner = &chat.user.owner;
        let rows = match (self, chat.from) {
            (Self::Instead(old), _) => store.messages(owner, chat.id, Anchor::Before(*old), limit).await?,
            (_, Some(from)) => store.messages_upto(owner, chat.id, from, Anchor::End, limit).await?,
            _ => store.messages(owner, chat.id, Anchor::End, limit).await?,
        };
        Ok(rows.map(|rows| rows.items).unwrap_or_default())
    }
}

pub(in crate::engine) fn deleted() -> Error {
    Error::invalid("deleted", "the message that would be answered is deleted or was taken back")
}

/// A message that waits to be sent is answered when its turn comes.
pub(in crate::engine) fn waits() -> Error {
    let detail = "this message waits in the outbox and will be answered from there; `outbox().retry` sends it now";
    Error::new(ErrorKind::Conflict, "waits", detail)
}
