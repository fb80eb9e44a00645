//! What can be read, as data.

use bytes::Bytes;

use crate::base::{AttachmentId, ConversationId, MessageId, Timestamp, TurnId};
use crate::model::{ConversationSummary, Message, Turn};

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
    /// Those after this one, which must be on the current branch.
    After(MessageId),
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

/// Which conversations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListQuery {
    /// At most this many.
    pub limit: usize,
    /// Older than this activity number; nothing = from the latest.
    pub before: Option<i64>,
    /// Newer than this activity number; used alone, for polling.
    pub after: Option<i64>,
}

/// A page of conversations.
#[derive(Clone, Debug, PartialEq)]
pub struct ConversationRows {
    /// The latest activity first, each with its activity number.
    pub items: Vec<(i64, ConversationSummary)>,
    /// True when nothing newer exists.
    pub reached_start: bool,
    /// True when nothing older exists.
    pub reached_end: bool,
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
