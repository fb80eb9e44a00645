//! Messages and the conversations they stand in.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::part::{Part, text_of};
use super::reply::FinishReason;
use super::usage::{Cost, Usage};
use crate::base::{ConversationId, MessageId, Timestamp, TurnId};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Role {
    /// The instructions.
    System,
    /// The person, or the program in its place.
    User,
    /// The model.
    Assistant,
    /// Tools, answering the model's calls.
    Tool,
}

/// Where a message stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MessageStatus {
    /// Kept, not answered yet.
    Pending,
    /// Being written by the model.
    Streaming,
    /// Whole.
    Complete,
    /// Broke off; holds what had arrived.
    Interrupted,
    /// Stopped; holds what had arrived.
    Cancelled,
    /// Deleted; the content is gone.
    Deleted,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// Names it.
    pub id: MessageId,
    /// The conversation it stands in.
    pub conversation_id: ConversationId,
    /// The turn it belongs to.
    pub turn_id: Option<TurnId>,
    /// The message before it on its branch; nothing for the first.
    pub parent_id: Option<MessageId>,
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub parts: Vec<Part>,
    /// Where it stands in its life.
    pub status: MessageStatus,
    /// When it was saved.
    pub created_at: Timestamp,
    /// The model that wrote it, as `provider/model`.
    pub model: Option<String>,
    /// Why the model stopped.
    pub finish_reason: Option<FinishReason>,
    /// What it took; an estimate for an answer that broke off or was stopped, nothing when its process was killed.
    pub usage: Option<Usage>,
    /// What it cost.
    pub cost: Option<Cost>,
    /// Its place on the branch, from 1.
    pub depth: i32,
    /// Its place among the answers to the same message, from 0.
    pub sibling_index: i32,
    /// How many there are.
    pub sibling_count: i32,
    /// What the host put beside it; never sent to a provider.
    pub metadata: HashMap<String, String>,
    /// Grows with every change of the message.
    pub version: i64,
}

impl Message {
    /// All words of the message.
    #[must_use]
    pub fn text(&self) -> String {
        text_of(&self.parts)
    }
}

/// How much of each message a page holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Detail {
    /// Where it stands in the tree, whose it is, its status and its version: no parts, no model, no figures, no metadata.
    Ids,
    /// The same, and the beginning of its words: one text of at most 160 characters on one line; no part when it has none.
    Previews,
    /// All of it.
    #[default]
    Full,
}

/// A message that is not stored yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NewMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub parts: Vec<Part>,
    /// What the host puts beside it; stored, never sent.
    #[serde(default, skip_serializing_if = "HashMap::is_empty")]
    pub metadata: HashMap<String, String>,
}

impl NewMessage {
    /// A message of this role.
    #[must_use]
    pub fn new(role: Role, parts: impl IntoIterator<Item = impl Into<Part>>) -> Self {
        Self { role, parts: parts.into_iter().map(Into::into).collect(), metadata: HashMap::new() }
    }

    /// Words of the user.
    #[must_use]
    pub fn user(text: impl Into<String>) -> Self {
        Self::new(Role::User, [Part::text(text)])
    }

    /// Words of the model.
    #[must_use]
    pub fn assistant(text: impl Into<String>) -> Self {
        Self::new(Role::Assistant, [Part::text(text)])
    }

    /// Instructions.
    #[must_use]
    pub fn system(text: impl Into<String>) -> Self {
        Self::new(Role::System, [Part::text(text)])
    }

    /// All words of the message.
    #[must_use]
    pub fn text(&self) -> String {
        text_of(&self.parts)
    }
}

/// A conversation as a list shows it: everything from one row, nothing counted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConversationSummary {
    /// Names it.
    pub id: ConversationId,
    /// Its title.
    pub title: Option<String>,
    /// Instructions that stand before its messages.
    pub system: Option<String>,
    /// The model it speaks with unless told otherwise, as `provider/model`.
    pub model: Option<String>,
    /// What the host put beside it.
    pub metadata: HashMap<String, String>,
    /// How many messages it holds, on all branches.
    pub message_count: i64,
    /// The beginning of the last message, at most 160 characters.
    pub last_preview: Option<String>,
    /// Who spoke last.
    pub last_role: Option<Role>,
    /// The last message of the branch that is shown.
    pub head_id: Option<MessageId>,
    /// How many messages stand on that branch: the position of the last one.
    #[serde(default)]
    pub depth: i32,
    /// Tokens sent in, over all turns.
    pub input_tokens: i64,
    /// Tokens written by models, over all turns.
    pub output_tokens: i64,
    /// What it cost in nano-USD, as far as prices are known.
    pub cost_nano_usd: i64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it changed last.
    pub updated_at: Timestamp,
    /// Grows with every change of the conversation.
    pub version: i64,
    /// True when it stands before all others in lists.
    #[serde(default)]
    pub pinned: bool,
    /// True when lists leave it out unless it is asked for.
    #[serde(default)]
    pub archived: bool,
    /// From this moment on it is not there any more.
    #[serde(default)]
    pub expires_at: Option<Timestamp>,
    /// What it can be found by in a list.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// A branch of a conversation: the way from its beginning to a message behind which nothing was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Branch {
    /// Its last message; `switch_to` shows the branch.
    pub head_id: MessageId,
    /// How many messages stand on it.
    pub depth: i32,
    /// Who spoke last.
    pub last_role: Role,
    /// The beginning of the last message, at most 160 characters; nothing while it is being written.
    pub last_preview: Option<String>,
    /// When the last message was saved.
    pub created_at: Timestamp,
    /// True for the branch that is shown.
    pub is_current: bool,
}
