//! The tables of the memory store and the rows in them.

use std::collections::HashMap;

use bytes::Bytes;

use super::spend::CounterRow;
use super::table::{Table, Transacted};
use crate::base::{
    AppendId, AttachmentId, BudgetId, ConversationId, MessageId, ReservationId, StreamId, Timestamp, TurnId,
};
use crate::model::{
    Budget, BudgetScope, ConversationSummary, Cost, ErrorInfo, FinishReason, MessageStatus, Preferences, Result, Role,
    TurnState, Usage, UsageTotal,
};
use crate::store::books::{Counter, Held};
use crate::store::refusal;
use crate::store::{Content, EntryValue, LibraryKey, NewStep, QueueEntry, hash};

#[derive(Clone, Debug)]
pub(super) struct ConversationRow {
    pub(super) owner: String,
    pub(super) shown: ConversationSummary,
    pub(super) activity: i64,
    /// How many messages stand at the beginning.
    pub(super) beginnings: i32,
    /// Which of them goes on.
    pub(super) selected: Option<MessageId>,
    /// The number of the last deletion.
    pub(super) deletion: i64,
}

/// Where a conversation stands in the list of its owner.
pub(super) type ListKey = (String, bool, bool, i64);

impl ConversationRow {
    pub(super) fn list_key(&self) -> ListKey {
        (self.owner.clone(), self.shown.archived, self.shown.pinned, self.activity)
    }
}

#[derive(Clone, Debug)]
pub(super) enum Body {
    Row(Bytes),
    Blob([u8; 32]),
}

#[derive(Clone, Debug)]
pub(super) struct MessageRow {
    pub(super) conversation: ConversationId,
    pub(super) parent: Option<MessageId>,
    pub(super) depth: i32,
    /// An ancestor further away; nothing = the beginning, at depth 0.
    pub(super) jump: Option<MessageId>,
    pub(super) jump_depth: i32,
    pub(super) sibling_index: i32,
    pub(super) children: i32,
    /// Which of them goes on.
    pub(super) selected: Option<MessageId>,
    /// The head when the branch that begins here was left.
    pub(super) left: Option<MessageId>,
    /// Milliseconds and number of the batch that made it: the order of what was made.
    pub(super) made: (i64, i64),
    pub(super) turn: Option<TurnId>,
    pub(super) role: Role,
    pub(super) status: MessageStatus,
    pub(super) body: Body,
    pub(super) created_at: Timestamp,
    pub(super) model: Option<String>,
    pub(super) finish_reason: Option<FinishReason>,
    pub(super) usage: Option<Usage>,
    pub(super) cost: Option<Cost>,
    pub(super) metadata: HashMap<String, String>,
    pub(super) version: i64,
}

#[derive(Clone, Debug)]
pub(super) struct TurnRow {
    pub(super) conversation: ConversationId,
    pub(super) state: TurnState,
    pub(super) epoch: i64,
    pub(super) attempt: i32,
    pub(super) last_seq: i64,
    pub(super) client_id: Option<String>,
    pub(super) body_hash: [u8; 32],
    pub(super) message: MessageId,
    pub(super) reply: MessageId,
    pub(super) model: String,
    pub(super) options: Option<Bytes>,
    pub(super) not_before: Option<Timestamp>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) error: Option<ErrorInfo>,
    pub(super) lease: Option<(String, Timestamp)>,
    pub(super) created_at: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct QueuedRow {
    pub(super) entry: QueueEntry,
    pub(super) conversation: ConversationId,
    pub(super) seq: i64,
    pub(super) set_at: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct AttachmentRow {
    pub(super) message: MessageId,
    pub(super) mime_type: String,
    pub(super) name: Option<String>,
    pub(super) hash: [u8; 32],
}

#[derive(Clone, Debug)]
pub(super) struct Blob {
    pub(super) data: Bytes,
    pub(super) refs: u64,
}

#[derive(Clone, Debug)]
pub(super) struct StreamRow {
    pub(super) owner: String,
    pub(super) version: i64,
    pub(super) snapshot: Option<(i64, Body)>,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) expires_at: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub(super) struct EventRow {
    pub(super) append: AppendId,
    pub(super) name: String,
    pub(super) data: Body,
    pub(super) at: Timestamp,
}

/// What stands under a name of the library; of what is deleted the number stays.
#[derive(Clone, Debug)]
pub(super) struct Shelved {
    pub(super) version: i64,
    pub(super) is_deleted: bool,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
}

#[derive(Clone, Debug)]
pub(super) struct SummaryRow {
    pub(super) at: Timestamp,
    pub(super) model: String,
    pub(super) text: String,
}

/// Everything that is kept.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) closed: bool,
    /// What is to expire until now is not there.
    pub(super) now: Timestamp,
    pub(super) change: i64,
    /// The number of the last deletion of a conversation, whoever's it was.
    pub(super) deletion: i64,
    pub(super) conversations: Table<ConversationId, ConversationRow>,
    /// By owner, whether it is archived, whether it is pinned, and activity.
    pub(super) by_activity: Table<ListKey, ConversationId>,
    /// By owner.
    pub(super) preferences: Table<String, Preferences>,
    pub(super) messages: Table<MessageId, MessageRow>,
    pub(super) messages_of: Table<(ConversationId, MessageId), ()>,
    /// By parent and place among its children.
    pub(super) siblings: Table<(ConversationId, Option<MessageId>, i32), MessageId>,
    /// Messages without children, in the order of what was made.
    pub(super) leaves: Table<(ConversationId, (i64, i64)), MessageId>,
    pub(super) turns: Table<TurnId, TurnRow>,
    pub(super) turns_of: Table<(ConversationId, TurnId), ()>,
    pub(super) clients: Table<(ConversationId, String), TurnId>,
    pub(super) steps: Table<(TurnId, i32), NewStep>,
    pub(super) queue: Table<TurnId, QueuedRow>,
    pub(super) drafts: Table<(MessageId, i64), Bytes>,
    pub(super) attachments: Table<AttachmentId, AttachmentRow>,
    pub(super) attachments_of: Table<(MessageId, AttachmentId), ()>,
    pub(super) blobs: Table<[u8; 32], Blob>,
    /// The last number given to a budget.
    pub(super) budget_number: i64,
    pub(super) budgets: Table<BudgetId, (i64, Budget)>,
    pub(super) counters: Table<CounterRow, Counter>,
    pub(super) reservations: Table<ReservationId, Held>,
    /// By owner (nothing = everybody), hour and model.
    pub(super) usage_hours: Table<(Option<String>, i64, String), UsageTotal>,
    /// By owner, kind of part, conversation or run, and hour.
    pub(super) usage_parts: Table<(String, BudgetScope, String, i64), UsageTotal>,
    pub(super) streams: Table<StreamId, StreamRow>,
    pub(super) events: Table<(StreamId, i64), EventRow>,
    /// Owners of whom everything is being taken out.
    pub(super) erasing: Table<String, ()>,
    pub(super) library: Table<LibraryKey, Shelved>,
    pub(super) library_versions: Table<(LibraryKey, i64), (Timestamp, EntryValue)>,
    /// The last of them.
    pub(super) library_changes: Table<i64, LibraryKey>,
    /// By how far down the last message in it stands.
    pub(super) summaries: Table<(ConversationId, i32, MessageId), SummaryRow>,
}

impl State {
    pub(super) fn tables(&mut self) -> [&mut dyn Transacted; 28] {
        [
            &mut self.conversations,
            &mut self.by_activity,
            &mut self.preferences,
            &mut self.messages,
            &mut self.messages_of,
            &mut self.siblings,
            &mut self.leaves,
            &mut self.turns,
            &mut self.turns_of,
            &mut self.clients,
            &mut self.steps,
            &mut self.queue,
            &mut self.drafts,
            &mut self.attachments,
            &mut self.attachments_of,
            &mut self.blobs,
            &mut self.budgets,
            &mut self.counters,
            &mut self.reservations,
            &mut self.usage_hours,
            &mut self.usage_parts,
            &mut self.streams,
            &mut self.events,
            &mut self.erasing,
            &mut self.library,
            &mut self.library_versions,
            &mut self.library_changes,
            &mut self.summaries,
        ]
    }

    pub(super) fn next_change(&mut self) -> i64 {
        self.change += 1;
        self.change
    }

    pub(super) fn conversation(&self, owner: &str, id: ConversationId) -> Result<&ConversationRow> {
        let row = self.kept(owner, id).filter(|row| row.shown.expires_at.is_none_or(|at| at > self.now));
        row.ok_or_else(refusal::no_conversation)
    }

    /// Also one whose time is up.
    pub(super) fn kept(&self, owner: &str, id: ConversationId) -> Option<&ConversationRow> {
        self.conversations.get(&id).filter(|row| row.owner == owner)
    }

    /// Changes a conversation, and where it stands in the list.
    pub(super) fn edit_listed(&mut self, id: ConversationId, change: impl FnOnce(&mut ConversationRow)) {
        let keys = self.conversations.edit(&id, |row| {
            let old = row.list_key();
            change(row);
            (old, row.list_key())
        });
        if let Some((old, new)) = keys.filter(|(old, new)| old != new) {
            self.by_activity.remove(&old);
            self.by_activity.put(new, id);
        }
    }

    pub(super) fn message(&self, owner: &str, id: MessageId) -> Result<&MessageRow> {
        self.messages
            .get(&id)
            .filter(|row| self.conversation(owner, row.conversation).is_ok())
            .ok_or_else(refusal::no_message)
    }

    pub(super) fn turn(&self, owner: &str, id: TurnId) -> Result<&TurnRow> {
        self.turns
            .get(&id)
            .filter(|row| self.conversation(owner, row.conversation).is_ok())
            .ok_or_else(refusal::no_turn)
    }

    pub(super) fn keep_blob(&mut self, name: [u8; 32], data: &Bytes) {
        if self.blobs.edit(&name, |blob| blob.refs += 1).is_none() {
            self.blobs.put(name, Blob { data: data.clone(), refs: 1 });
        }
    }

    pub(super) fn release_blob(&mut self, name: [u8; 32]) {
        let left = self.blobs.edit(&name, |blob| {
            blob.refs -= 1;
            blob.refs
        });
        if left == Some(0) {
            self.blobs.remove(&name);
        }
    }

    pub(super) fn keep_content(&mut self, content: &Content) -> Body {
        match content.spilled {
            Some(name) => {
                self.keep_blob(name, &content.json);
                Body::Blob(name)
            }
            None => Body::Row(content.json.clone()),
        }
    }

    pub(super) fn release_content(&mut self, body: &Body) {
        if let Body::Blob(name) = body {
            self.release_blob(*name);
        }
    }

    pub(super) fn keep_bytes(&mut self, data: &Bytes) -> [u8; 32] {
        let name = hash(data);
        self.keep_blob(name, data);
        name
    }

    /// The draft of a message, in the order of its pieces.
    pub(super) fn draft(&self, message: MessageId) -> impl DoubleEndedIterator<Item = (i64, &Bytes)> {
        self.drafts.range((message, i64::MIN)..=(message, i64::MAX)).map(|((_, seq), data)| (*seq, data))
    }

    pub(super) fn delete_draft(&mut self, message: MessageId) {
        let pieces: Vec<i64> = self.draft(message).map(|(seq, _)| seq).collect();
        for seq in pieces {
            self.drafts.remove(&(message, seq));
        }
    }
}
