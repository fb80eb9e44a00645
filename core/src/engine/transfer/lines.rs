//! The lines of the engine's own format.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::{AttachmentId, ConversationId, MessageId, Timestamp};
use crate::model::{Cost, FinishReason, MessageStatus, Part, Preferences, Role, Usage};

/// The name that the first line gives the format.
pub(super) const FORMAT: &str = "tertulia.conversations";

/// The version of the format that is written, and the newest that is read.
pub(super) const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct First {
    pub(super) format: String,
    pub(super) version: u32,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Line<'a> {
    /// What the owner prefers.
    Preferences(Preferences),
    /// A conversation begins.
    Conversation(Box<ConversationLine>),
    /// A message of it, behind the one above it.
    Message(Box<MessageLine>),
    /// Bytes of a message before.
    #[serde(borrow)]
    File(FileLine<'a>),
    /// The branch that ends with this message was shown: those that begin furthest down first; last, the one that is.
    Shown(MessageId),
    /// The file is whole.
    End(EndLine),
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ConversationLine {
    pub(super) id: ConversationId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) system: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<String>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) metadata: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) tags: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) pinned: bool,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) archived: bool,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<Timestamp>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MessageLine {
    pub(super) id: MessageId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) parent: Option<MessageId>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) selected: bool,
    pub(super) role: Role,
    #[serde(default = "complete", skip_serializing_if = "is_complete")]
    pub(super) status: MessageStatus,
    pub(super) parts: Vec<Part>,
    pub(super) created_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) model: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) finish_reason: Option<FinishReason>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<Usage>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) cost: Option<Cost>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) metadata: BTreeMap<String, String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FileLine<'a> {
    pub(super) id: AttachmentId,
    pub(super) message: MessageId,
    pub(super) part: i32,
    pub(super) mime_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<String>,
    /// Base64.
    #[serde(borrow)]
    pub(super) data: Cow<'a, str>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct EndLine {
    pub(super) conversations: i64,
    pub(super) messages: i64,
}

const fn complete() -> MessageStatus {
    MessageStatus::Complete
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_complete(status: &MessageStatus) -> bool {
    *status == MessageStatus::Complete
}
