//! What a batch over many conversations tells: while it is under way, and when it is over.

use serde::{Deserialize, Serialize};

use super::error::ErrorInfo;
use super::transfer::ExportReport;
use crate::base::{ConversationId, MessageId};

/// What an item of a batch does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BatchVerb {
    /// Deletes a conversation.
    Delete,
    /// Changes fields of a conversation.
    Update,
    /// Puts tags on a conversation.
    Tag,
    /// Takes tags off a conversation.
    Untag,
    /// Puts one tag in the place of another.
    Retag,
    /// Adds messages to a conversation, which may begin with them.
    Append,
    /// Says a message anew.
    Edit,
    /// Writes conversations into a file.
    Export,
}

impl BatchVerb {
    /// The stable word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delete => "delete",
            Self::Update => "update",
            Self::Tag => "tag",
            Self::Untag => "untag",
            Self::Retag => "retag",
            Self::Append => "append",
            Self::Edit => "edit",
            Self::Export => "export",
        }
    }
}

/// What became of an item of a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BatchState {
    /// It was not come to: the batch was cancelled before.
    #[default]
    Skipped,
    /// It is done; in a dry run: it would be.
    Done,
    /// It was refused, and nothing of it is done.
    Refused,
}

impl BatchState {
    /// The stable word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Done => "done",
            Self::Refused => "refused",
        }
    }
}

/// One item of a batch, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatchItem {
    /// Its place in the batch, from 0. A verb that is given several conversations makes one item of each.
    pub index: i64,
    /// What it does.
    pub verb: BatchVerb,
    /// What became of it.
    pub state: BatchState,
    /// Its conversation; nothing for an export.
    pub conversation_id: Option<ConversationId>,
    /// The messages that it adds.
    pub message_ids: Vec<MessageId>,
    /// What it has written into its file.
    pub export: Option<ExportReport>,
    /// Why it was refused, and what to do about it.
    pub error: Option<ErrorInfo>,
}

/// What a batch has done, or would do.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BatchReport {
    /// True when nothing was written.
    pub dry_run: bool,
    /// How many items are done.
    pub done: i64,
    /// How many were refused.
    pub refused: i64,
    /// How many were not come to.
    pub skipped: i64,
    /// All of them, in their order.
    pub items: Vec<BatchItem>,
}

/// What an erasure has taken out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureReport {
    /// How many conversations, those among them whose time was up.
    pub conversations: i64,
    /// How many messages, on all branches.
    pub messages: i64,
    /// How many streams of events.
    pub streams: i64,
    /// How many values of the user's libraries, deleted ones among them.
    pub entries: i64,
    /// True when the files of the store hold no byte of it any more. False when another program read from the store's log
    /// the whole time: what is left there goes with the next `checkpoint` that it does not hinder.
    pub scrubbed: bool,
}

/// What a batch is doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BatchPhase {
    /// It looks at every item. Nothing is written yet.
    #[default]
    Checking,
    /// It waits until turns are over that it would come between.
    Waiting,
    /// It writes files, which have no name yet.
    Exporting,
    /// It writes.
    Writing,
    /// It is over.
    Over,
}

impl BatchPhase {
    /// The stable word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Checking => "checking",
            Self::Waiting => "waiting",
            Self::Exporting => "exporting",
            Self::Writing => "writing",
            Self::Over => "over",
        }
    }
}

/// How far a batch is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BatchProgress {
    /// What it is doing. A batch may come back to an earlier phase: one that does what it can goes on part by part, and what
    /// has changed under its hands is looked at again.
    pub phase: BatchPhase,
    /// How many items are through: looked at while it is `checking`, otherwise done or refused.
    pub done: i64,
    /// How many there are.
    pub total: i64,
}
