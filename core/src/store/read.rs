//! What can be read, as data.

use bytes::Bytes;

use super::batch::QueueEntry;
use crate::base::{AttachmentId, ConversationId, MessageId, Timestamp, TurnId};
use crate::model::{Branch, ConversationSummary, Detail, Message, SearchHit, SearchSort, Turn};

/// Where a page of messages begins. Exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Anchor {
    /// The first messages.
    Start,
    /// The latest messages.
    End,
    /// Those before this one.
    Before(MessageId),
    /// Those after this one, which must be on the branch.
    After(MessageId),
    /// This one, which must be on the branch, and those about it.
    Around(MessageId),
    /// The one that stands at this place of the branch, from 1, and those after it.
    At(i32),
}

/// Which page of a conversation's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageQuery {
    /// On the branch that ends with this message; nothing = on the one that is shown.
    pub upto: Option<MessageId>,
    /// Where it begins.
    pub anchor: Anchor,
    /// How long it is.
    pub size: PageSize,
    /// How much of each message.
    pub detail: Detail,
    /// When this is still the conversation's version, no message is read, and the page holds nothing but it.
    pub unchanged_since: Option<i64>,
}

impl PageQuery {
    /// So many whole messages from here on the branch that is shown.
    #[must_use]
    pub const fn new(anchor: Anchor, limit: usize) -> Self {
        Self { upto: None, anchor, size: PageSize::Messages(limit), detail: Detail::Full, unchanged_since: None }
    }
}

/// How long a page is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageSize {
    /// So many messages.
    Messages(usize),
    /// So many turns, each from a message of the user to the last one before the next; never more than 200 messages.
    Turns(usize),
}

/// A page of messages.
#[derive(Clone, Debug, PartialEq)]
pub struct MessageRows {
    /// In reading order.
    pub items: Vec<Message>,
    /// True when the first message of the branch is among them, or there is none before them.
    pub reached_start: bool,
    /// True when the head is among them, or there is none after them.
    pub reached_end: bool,
    /// The conversation's version.
    pub version: i64,
}

/// A page of a whole conversation.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeRows {
    /// Each before those below it.
    pub items: Vec<TreeRow>,
    /// True when nothing stands behind them.
    pub reached_end: bool,
}

/// A message, and what the tree remembers at it.
#[derive(Clone, Debug, PartialEq)]
pub struct TreeRow {
    /// The message.
    pub message: Message,
    /// Whether the way goes on with it from the message above.
    pub selected: bool,
    /// The last message of the branch that begins here, when it was left.
    pub left: Option<MessageId>,
}

/// Which of the messages that stand below the same parent. Exclusive, but for the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SiblingAnchor {
    /// This one and those about it.
    Around(MessageId),
    /// Those before this one.
    Before(MessageId),
    /// Those after this one.
    After(MessageId),
}

/// Which branches of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BranchQuery {
    /// At most this many.
    pub limit: usize,
    /// Those that end with an older message than this one; nothing = from the newest.
    pub before: Option<MessageId>,
    /// Those that end with a newer message than this one; used alone, for polling.
    pub after: Option<MessageId>,
}

/// A page of branches.
#[derive(Clone, Debug, PartialEq)]
pub struct BranchRows {
    /// The newest last message first.
    pub items: Vec<Branch>,
    /// True when nothing newer exists.
    pub reached_start: bool,
    /// True when nothing older exists.
    pub reached_end: bool,
    /// The conversation's version.
    pub version: i64,
}

/// Which conversations. The pinned ones stand first, and then the latest activity.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// At most this many.
    pub limit: usize,
    /// Those that stand behind the one that is (or was) pinned or not, with this activity number; nothing = from the first.
    pub before: Option<(bool, i64)>,
    /// Newer than this activity number, pinned or not; used alone, for polling.
    pub after: Option<i64>,
    /// Those that are archived instead of those that are not.
    pub archived: bool,
    /// Only those that are pinned, or only those that are not.
    pub pinned: Option<bool>,
    /// Only those with this tag.
    pub tag: Option<String>,
    /// When this is still the list's version, no conversation is read.
    pub unchanged_since: Option<i64>,
}

/// A page of conversations.
#[derive(Clone, Debug, PartialEq)]
pub struct ConversationRows {
    /// In the order of the list, each with its activity number; those that were polled for by activity alone, the latest
    /// first.
    pub items: Vec<(i64, ConversationSummary)>,
    /// True when nothing stands before them, or, when they were polled for, nothing newer exists.
    pub reached_start: bool,
    /// True when nothing stands behind them.
    pub reached_end: bool,
    /// Grows with every change of the owner's conversations, whichever are asked for.
    pub version: i64,
    /// True when this is the version that was known already, and nothing is gone since because its time was up.
    pub is_unchanged: bool,
}

impl ConversationRows {
    /// A page of these, of which there is one more than were asked for if there are more.
    pub(super) fn new(mut items: Vec<(i64, ConversationSummary)>, query: &ListQuery, version: i64) -> Self {
        let has_more = items.len() > query.limit;
        items.truncate(query.limit);
        let polls = query.after.is_some();
        if polls {
            items.reverse();
        }
        // The place that a page leads on from lies outside of it, so behind that there is always something.
        let reached_start = if polls { !has_more } else { query.before.is_none() };
        Self { items, reached_start, reached_end: !polls && !has_more, version, is_unchanged: false }
    }

    /// The page is as it was.
    pub(super) const fn unchanged(version: i64) -> Self {
        Self { items: Vec::new(), reached_start: false, reached_end: false, version, is_unchanged: true }
    }
}

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SearchQuery {
    /// Words, "phrases", -exclusions, beginnings*, as they were typed.
    pub words: String,
    /// Only in this conversation.
    pub conversation: Option<ConversationId>,
    /// What stands first.
    pub sort: SearchSort,
    /// At most this many.
    pub limit: usize,
    /// Where the page before ended.
    pub after: Option<SearchPlace>,
}

/// A place in what a search has found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchPlace {
    /// The last message before it.
    pub message: MessageId,
    /// The backend's own number: of that message, in the order of what was saved; where the best stand first, of the
    /// newest message that was found.
    pub order: i64,
    /// Where the best stand first, how many stand before it.
    pub count: u16,
}

impl SearchPlace {
    /// Where the next page begins, given where the message stands now; it may have been deleted.
    pub(super) fn goes_on_at(self, position: Option<usize>) -> usize {
        position.map_or(usize::from(self.count), |at| at + 1)
    }
}

/// A page of what a search has found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SearchRows {
    /// The newest or the best first.
    pub items: Vec<SearchHit>,
    /// Where the next page goes on; nothing when there is none.
    pub next: Option<SearchPlace>,
}

/// A turn with what only the engine needs.
#[derive(Clone, Debug, PartialEq)]
pub struct TurnRecord {
    /// Whose it is.
    pub owner: String,
    /// Its conversation.
    pub conversation_id: ConversationId,
    /// What hosts see of it.
    pub turn: Turn,
    /// Raised with every change.
    pub epoch: i64,
    /// The model that is asked, as `provider/model`.
    pub model: String,
    /// The host's own id for the message.
    pub client_id: Option<String>,
    /// A hash of the message's content.
    pub body_hash: [u8; 32],
    /// The id that the answer has, or will have.
    pub reply: MessageId,
    /// When it began.
    pub created_at: Timestamp,
    /// What the call asked for, as JSON.
    pub options: Option<Bytes>,
    /// Its entry in the send queue, if it is there.
    pub queued: Option<QueueEntry>,
}

/// Which turns of the send queue are due.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Due {
    /// Those whose moment has come.
    Timed {
        /// Without those that wait for one of these models, as `provider/model`.
        except: Vec<String>,
    },
    /// Those that wait for this model (nothing = for any), as soon as the provider lets them, whatever their moment.
    Eager {
        /// The model, as `provider/model`.
        model: Option<String>,
    },
}

/// What of the send queue is due.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DueRows {
    /// Of each conversation the first turn that is not parked, if it waits and is due; the earliest first.
    pub items: Vec<TurnRecord>,
    /// The next moment after now for which something waits.
    pub next: Option<Timestamp>,
    /// How many turns wait, due or not; no more than 10,000 are counted.
    pub waiting: i64,
}

/// Which turns of a user's send queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueQuery {
    /// Only those of this conversation.
    pub conversation: Option<ConversationId>,
    /// Without those that are parked.
    pub moving: bool,
    /// At most this many.
    pub limit: usize,
}

/// A turn in the send queue.
#[derive(Clone, Debug, PartialEq)]
pub struct QueueRow {
    /// The turn.
    pub record: TurnRecord,
    /// The beginning of its message, at most 160 characters, on one line.
    pub preview: String,
}

impl TurnRecord {
    /// Names it.
    #[must_use]
    pub fn id(&self) -> TurnId {
        self.turn.id
    }
}

/// Stored bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// Their id.
    pub id: AttachmentId,
    /// What they are.
    pub mime_type: String,
    /// A name to show.
    pub name: Option<String>,
    /// The bytes.
    pub data: Bytes,
}
