//! What can be written, as data.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;

use super::content::Content;
use super::events::{NewEvents, Payload};
use super::library::NewEntry;
use super::spend::{LedgerEntry, NewReservation};
use super::summary::NewSummary;
use crate::base::{AttachmentId, BudgetId, ConversationId, MessageId, ReservationId, StreamId, Timestamp, TurnId};
use crate::model::{Budget, Cost, ErrorInfo, FinishReason, MessageStatus, PreferencesChange, Role, TurnState, Usage};

/// How safe a batch must be before `apply` ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Durability {
    /// Survives the death of the process. For drafts and steps.
    ProcessSafe,
    /// Survives a power cut. For everything a user is told is saved.
    PowerSafe,
}

/// Ops of one owner that become true together, if every precondition holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteBatch {
    /// Whose data it is.
    pub owner: String,
    /// What must hold.
    pub preconditions: Vec<Precondition>,
    /// What is done, in this order.
    pub ops: Vec<Op>,
    /// When it happens.
    pub at: Timestamp,
}

impl WriteBatch {
    /// An empty batch of this owner.
    #[must_use]
    pub fn new(owner: impl Into<String>, at: Timestamp) -> Self {
        Self { owner: owner.into(), at, ..Self::default() }
    }

    /// Adds a precondition.
    #[must_use]
    pub fn require(mut self, precondition: Precondition) -> Self {
        self.preconditions.push(precondition);
        self
    }

    /// Adds an op.
    #[must_use]
    pub fn op(mut self, op: Op) -> Self {
        self.ops.push(op);
        self
    }

    /// True when the batch makes this turn in this conversation.
    pub(super) fn puts_turn(&self, id: TurnId, conversation: ConversationId) -> bool {
        self.ops.iter().any(|op| matches!(op, Op::PutTurn(new) if new.id == id && new.conversation == conversation))
    }
}

/// What must hold for a batch to be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Precondition {
    /// The conversation is there and the owner's; otherwise `NotFound`.
    Owns {
        /// The conversation.
        conversation: ConversationId,
    },
    /// The conversation's head is this message (nothing = it is empty); otherwise `Conflict` (head_moved).
    Head {
        /// The conversation.
        conversation: ConversationId,
        /// The expected head.
        expected: Option<MessageId>,
    },
    /// The conversation is there, is the owner's (otherwise `NotFound`) and has not changed since this version (otherwise
    /// `Conflict`, version_moved).
    Version {
        /// The conversation.
        conversation: ConversationId,
        /// The expected version.
        expected: i64,
    },
    /// The turn is the owner's (otherwise `NotFound`) and at this epoch (otherwise `Conflict`, epoch_moved).
    Epoch {
        /// The turn.
        turn: TurnId,
        /// The expected epoch.
        expected: i64,
    },
}

/// One thing that is done. An op on something that is not there, or not the owner's, is `NotFound`; a new thing whose
/// id is taken is `Conflict` (id_taken).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
#[expect(
    clippy::large_enum_variant,
    reason = "the largest is written with every turn; a box would be an allocation each"
)]
pub enum Op {
    /// Makes the conversation, unless the owner has it already (then nothing is changed).
    PutConversation(NewConversation),
    /// Changes the conversation's own fields. It keeps its place in the list.
    UpdateConversation {
        /// The conversation.
        id: ConversationId,
        /// What changes.
        change: ConversationChange,
    },
    /// Gives the conversation the times that it had in another store, and the place of the latest activity in the list.
    DateConversation {
        /// The conversation.
        id: ConversationId,
        /// When it began.
        created_at: Timestamp,
        /// When it changed last.
        updated_at: Timestamp,
    },
    /// Deletes the conversation with its messages, turns, drafts, attachments, and blobs that nobody else uses.
    DeleteConversation {
        /// The conversation.
        id: ConversationId,
    },
    /// Changes what the owner prefers. What cannot be is `Invalid` (bad_language, bad_time_zone, too_large).
    UpdatePreferences(PreferencesChange),
    /// Deletes the conversation if its time is up at the batch's moment; if not, or if it is not there, nothing happens.
    SweepConversation {
        /// The conversation.
        id: ConversationId,
    },
    /// Adds a message below its parent, selects it there, and makes it the head (but see [`Parent::Answer`]). The turn
    /// it names may be made by the same batch. A streaming one must name a turn, and shows in the conversation's
    /// preview when it has ended.
    AppendMessage(NewRow),
    /// Shows the branch on which this message stands: the head is the one that it had when it was shown last, on a
    /// branch that never was shown its end. On the branch that is shown already nothing changes. The conversation keeps
    /// its place in the list.
    SwitchTo {
        /// The conversation.
        conversation: ConversationId,
        /// The message.
        message: MessageId,
    },
    /// Makes this message the head, so that the next one begins a branch there. What stands below it stays.
    ForkAt {
        /// The conversation.
        conversation: ConversationId,
        /// The message.
        message: MessageId,
    },
    /// Wipes what a message says, with its attachments and metadata; its row stays, `deleted`, so that everything else
    /// keeps its place. What it took and cost stays. One that is streaming is `Conflict` (still_streaming).
    WipeMessage {
        /// The message.
        id: MessageId,
    },
    /// Removes rows from a message downwards, those without children first, at most so many steps; the receipt says where
    /// to go on. When the branch that is shown goes through it, the head is the message before it from now on. Turns of
    /// removed messages go with them. One that is streaming is `Conflict` (still_streaming), and so is one whose turn is
    /// under way (turn_open). What was removed before stays removed.
    RemoveMessages {
        /// The conversation.
        conversation: ConversationId,
        /// The message with which it ends.
        top: MessageId,
        /// Where the batch before stopped; nothing for the first one, or when it is not there any more.
        from: Option<MessageId>,
        /// How many rows are looked at, at most.
        steps: usize,
    },
    /// Writes what became of a message that was streaming; its draft is deleted. One that has ended already is
    /// `Conflict` (not_streaming).
    EndMessage(MessageEnd),
    /// Takes back a message that will not be answered: it stays, `cancelled`. One that is streaming is `Conflict`
    /// (still_streaming).
    WithdrawMessage {
        /// The message.
        id: MessageId,
    },
    /// Keeps bytes that belong to a message.
    PutAttachment(NewAttachment),
    /// Makes a turn at epoch 1. A message that belonged to none belongs to it from now on. A second turn with the same client id in the conversation is `Conflict` (client_id).
    PutTurn(NewTurn),
    /// Moves a turn on and raises its epoch by one.
    AdvanceTurn {
        /// The turn.
        id: TurnId,
        /// What changes.
        change: TurnChange,
    },
    /// Notes a step of a turn.
    PutStep(NewStep),
    /// Adds to the draft of a streaming message and renews the lease of its turn, whose epoch stays. A message that has
    /// ended is `Conflict` (not_streaming), a number that does not grow is `Conflict` (draft_seq).
    AppendDraft(DraftChunk),
    /// Puts a turn into the send queue; one that is in it already keeps its place and gets the new times.
    Enqueue(QueueEntry),
    /// Takes a turn out of the send queue; one that is not in it is no error.
    Dequeue {
        /// The turn.
        turn: TurnId,
    },
    /// Sets a budget, in place of one with the same scope, key, window and unit. It counts what was spent in its window
    /// before: by the hour, so that one for each minute begins with the first request after it. One that cannot be kept
    /// is `Invalid` (bad_budget). Budgets belong to the store, whoever's the batch is.
    PutBudget(Budget),
    /// Takes a budget away; one that is not set is no error. What was spent is remembered.
    DeleteBudget {
        /// The budget.
        id: BudgetId,
    },
    /// Holds back what a request of the batch's owner may cost, in every budget that holds for it. `BudgetExceeded`
    /// (budget) when one of them has not as much left; the error says which (of several the one that renews last) and
    /// when it renews. `BudgetExceeded` (unknown_price) when a budget in money holds and nobody knows the price.
    Reserve(NewReservation),
    /// Puts what a request has cost in the place of its reservation, also when it is more, and notes it in the ledger.
    /// It counts for the moment at which it was reserved. What is not known counts as reserved, as an estimate. An id
    /// that is not reserved is no error and changes nothing: it is settled already, by its process or by recovery.
    Settle {
        /// The reservation.
        id: ReservationId,
        /// What the request took and cost.
        entry: LedgerEntry,
    },
    /// Gives back what was reserved for a request that was never sent. One that is not reserved is no error.
    Release {
        /// The reservation.
        id: ReservationId,
    },
    /// Notes in the ledger what was spent without a reservation; it counts in every budget that holds, and is never
    /// refused.
    Charge(LedgerEntry),
    /// Appends events to a stream, whose last event is the expected one; otherwise `Conflict` (stream_moved), which tells
    /// its version, unless these very events were appended by this batch before. What cannot be events is `Invalid`
    /// (bad_events).
    AppendEvents(NewEvents),
    /// Keeps what the events of a stream up to this one make together. A snapshot that is older than the one there, or as
    /// old, changes nothing. One of events that are not there is `Invalid` (bad_snapshot).
    PutSnapshot {
        /// The stream.
        id: StreamId,
        /// The number of the last event in it.
        version: i64,
        /// What they make.
        data: Payload,
    },
    /// Says how long a stream stays from now on; nothing = until it is deleted.
    ExpireStream {
        /// The stream.
        id: StreamId,
        /// So long.
        expires_in: Option<Duration>,
    },
    /// Deletes a stream with its events, and blobs that nobody else uses.
    DeleteStream {
        /// The stream.
        id: StreamId,
    },
    /// Deletes the stream if its time is up at the batch's moment; if not, or if it is not there, nothing happens.
    SweepStream {
        /// The stream.
        id: StreamId,
    },
    /// Begins to take out everything of the owner: what he prefers is gone, and until the end of it nothing new is begun for
    /// him, by whichever process: `Conflict` (erasing). Doing it twice is doing it once.
    BeginErasure,
    /// Takes out about so many rows of the owner, where that was begun: turns, messages with their files and words,
    /// conversations, streams with their events. A conversation or stream of which something is taken out is not there any
    /// more. The receipt says what it was, and whether something is left. Sums of what was spent stay.
    EraseSome {
        /// So many rows, or a few more.
        rows: usize,
    },
    /// Ends it: the owner may begin anew. `Conflict` (not_erased) while something is left.
    EndErasure,
    /// Puts a value of the library under its name, as the next version, and forgets the oldest ones. The value that stands
    /// there already changes nothing. Where another version stands there than expected it is `Conflict` (entry_moved). What
    /// can be no kind, name or version is `Invalid` (bad_kind, bad_name, bad_version).
    PutEntry(NewEntry),
    /// Deletes a value of the library with all its versions. Their numbers are not given again.
    DeleteEntry {
        /// What it is.
        kind: String,
        /// Its name.
        name: String,
        /// The version that stands there, as far as the writer knows; otherwise `Conflict` (entry_moved).
        expected: Option<i64>,
    },
    /// Keeps what was said up to a message, in a model's words; where there is one of the same message, nothing happens.
    /// `Conflict` (history_moved) when anything up to there has changed since it was read.
    PutSummary(NewSummary),
    /// Holds on to every reservation of this process, whoever's it is, until this moment.
    RenewReservations {
        /// The process that holds them.
        holder: String,
        /// Until when, unless renewed again.
        until: Timestamp,
    },
}

/// A conversation to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewConversation {
    /// Its id.
    pub id: ConversationId,
    /// Its title.
    pub title: Option<String>,
    /// Instructions that stand before its messages.
    pub system: Option<String>,
    /// The model it speaks with.
    pub model: Option<String>,
    /// What the host puts beside it.
    pub metadata: HashMap<String, String>,
    /// What it can be found by in a list; each stands there once.
    pub tags: Vec<String>,
    /// How long it stays; nothing = until it is deleted.
    pub expires_in: Option<Duration>,
}

/// Changes of a conversation. Nothing = stays as it is; an inner nothing = is cleared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ConversationChange {
    /// Its title.
    pub title: Option<Option<String>>,
    /// Instructions that stand before its messages.
    pub system: Option<Option<String>>,
    /// The model it speaks with.
    pub model: Option<Option<String>>,
    /// What the host puts beside it.
    pub metadata: Option<HashMap<String, String>>,
    /// Whether it stands before all others in lists.
    pub pinned: Option<bool>,
    /// Whether lists leave it out unless it is asked for.
    pub archived: Option<bool>,
    /// How long it stays from now on; cleared = until it is deleted.
    pub expires_in: Option<Option<Duration>>,
    /// What it can be found by in a list, in place of what it was found by before; each stands there once.
    pub tags: Option<Vec<String>>,
}

/// Below which message a new one is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parent {
    /// Below the head.
    Head,
    /// Below this one, which must stand in the same conversation.
    Message(MessageId),
    /// As the answer to this one: below it, beside other answers of the same turn. Where the conversation has gone on
    /// below it in another turn, below the head, so that nothing that was said since is hidden. Where another branch is
    /// shown by now, that one stays shown.
    Answer(MessageId),
    /// As another answer to this one: below it, beside what stands there. Where another branch is shown by now, that one
    /// stays shown.
    Below(MessageId),
    /// In the place of this one: below the same parent.
    Beside(MessageId),
    /// Where it stood in another store, as the last child so far. It is made at the moment at which it was said, and
    /// nothing is shown because of it.
    Restored {
        /// The message above it; nothing = it stands at the beginning.
        below: Option<MessageId>,
        /// Whether the way goes on with it from there.
        selected: bool,
    },
    /// At the beginning.
    Start,
}

/// A message to be added.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRow {
    /// Its id.
    pub id: MessageId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Where it is put.
    pub parent: Parent,
    /// Its turn.
    pub turn: Option<TurnId>,
    /// Who speaks.
    pub role: Role,
    /// Where it stands in its life.
    pub status: MessageStatus,
    /// What is said.
    pub content: Content,
    /// The model that writes it.
    pub model: Option<String>,
    /// What the host puts beside it.
    pub metadata: HashMap<String, String>,
    /// Why the model stopped, for a message that is whole already.
    pub finish_reason: Option<FinishReason>,
    /// What it took; counted into the conversation.
    pub usage: Option<Usage>,
    /// What it cost; counted into the conversation.
    pub cost: Option<Cost>,
    /// When it was said, if that was before the batch.
    pub created_at: Option<Timestamp>,
}

/// What became of a streaming message.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageEnd {
    /// The message.
    pub id: MessageId,
    /// Where it stands in its life now.
    pub status: MessageStatus,
    /// What is said.
    pub content: Content,
    /// Why the model stopped.
    pub finish_reason: Option<FinishReason>,
    /// What it took; counted into the conversation.
    pub usage: Option<Usage>,
    /// What it cost; counted into the conversation.
    pub cost: Option<Cost>,
}

/// Bytes to be kept with a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewAttachment {
    /// Their id.
    pub id: AttachmentId,
    /// The message, which may be added in the same batch.
    pub message: MessageId,
    /// The part of the message.
    pub part_index: i32,
    /// What they are.
    pub mime_type: String,
    /// A name to show.
    pub name: Option<String>,
    /// The bytes; equal bytes are kept once.
    pub data: Bytes,
}

/// A turn to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewTurn {
    /// Its id.
    pub id: TurnId,
    /// Its conversation.
    pub conversation: ConversationId,
    /// Where it stands.
    pub state: TurnState,
    /// How often it was tried.
    pub attempt: i32,
    /// The host's own id for the message.
    pub client_id: Option<String>,
    /// Says whether a second message with the same client id is the same: a hash of its content.
    pub body_hash: [u8; 32],
    /// The user's message.
    pub message: MessageId,
    /// The id that the answer will have.
    pub reply: MessageId,
    /// The model that is asked, as `provider/model`.
    pub model: String,
    /// What the call asked for, as JSON, so that it can be sent again; never a key.
    pub options: Option<Bytes>,
    /// Who works on it.
    pub holder: String,
    /// Until when, unless renewed.
    pub lease_until: Timestamp,
}

/// What changes on a turn. Nothing = stays as it is; an inner nothing = is cleared.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TurnChange {
    /// Where it stands.
    pub state: Option<TurnState>,
    /// How often it was tried.
    pub attempt: Option<i32>,
    /// The number of the last event.
    pub last_seq: Option<i64>,
    /// The id that the answer will have.
    pub reply: Option<MessageId>,
    /// The model that is asked.
    pub model: Option<String>,
    /// What the call asked for, as JSON.
    pub options: Option<Option<Bytes>>,
    /// Not to be sent before this moment.
    pub not_before: Option<Option<Timestamp>>,
    /// Given up after this moment.
    pub expires_at: Option<Option<Timestamp>>,
    /// What went wrong last.
    pub error: Option<Option<ErrorInfo>>,
    /// Who works on it, and until when.
    pub lease: Option<Option<(String, Timestamp)>>,
}

/// What a step of a turn was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StepKind {
    /// One try of the call.
    Attempt,
    /// One call of a tool.
    Tool,
}

/// A step to be noted. A second step with the same turn and index replaces the first.
#[derive(Clone, Debug, PartialEq)]
pub struct NewStep {
    /// The turn.
    pub turn: TurnId,
    /// Its number in the turn, from 1.
    pub index: i32,
    /// What it was.
    pub kind: StepKind,
    /// The model that was asked, or the tool.
    pub target: String,
    /// The error's kind, or nothing while it runs and when it went well.
    pub error: Option<String>,
    /// Facts, as JSON; no prompt text.
    pub data: Bytes,
    /// When it ended, or nothing while it runs.
    pub ended_at: Option<Timestamp>,
}

/// A piece of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftChunk {
    /// The streaming message.
    pub message: MessageId,
    /// The number of the last event in it; grows.
    pub seq: i64,
    /// The first part it touches.
    pub part_index: i32,
    /// The events as JSON (`[{"part_index":0,"type":"text","delta":"…"},…]`).
    pub data: Bytes,
    /// Until when its writer holds the turn, unless renewed.
    pub lease_until: Timestamp,
}

/// A turn in the send queue, or to be put into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueEntry {
    /// The turn.
    pub turn: TurnId,
    /// Not before this moment. Nothing while it waits for none: somebody works on it, or it is parked.
    pub not_before: Option<Timestamp>,
    /// What the provider asked for: not before this moment, whatever else is learnt meanwhile.
    pub floor: Option<Timestamp>,
    /// Given up after this moment.
    pub expires_at: Option<Timestamp>,
    /// How often in a row a process ended while it worked on it.
    pub crashes: i32,
}

impl QueueEntry {
    /// An entry that waits for no moment.
    #[must_use]
    pub const fn new(turn: TurnId) -> Self {
        Self { turn, not_before: None, floor: None, expires_at: None, crashes: 0 }
    }

    /// The entry when the process has ended that worked on it: due at once, with one crash more.
    pub(super) fn after_crash(self, now: Timestamp) -> Self {
        Self { not_before: Some(now), floor: None, crashes: self.crashes.saturating_add(1), ..self }
    }
}
