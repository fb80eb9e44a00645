//! Messages.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::part::{self, Part};
use super::reply::{Cost, Usage};
use super::words::{FinishReason, MessageStatus, Role};
use crate::base::Timestamp;
use crate::model;

/// A stored message.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Message {
    /// Names it.
    pub id: String,
    /// The conversation it stands in.
    pub conversation_id: String,
    /// The turn it belongs to.
    pub turn_id: Option<String>,
    /// The message before it on its branch; nothing for the first.
    pub parent_id: Option<String>,
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub parts: Vec<Part>,
    /// Where it stands in its life.
    pub status: MessageStatus,
    /// When it was saved.
    pub created_at: SystemTime,
    /// The model that wrote it, as `provider/model`.
    pub model: Option<String>,
    /// Why the model stopped.
    pub finish_reason: Option<FinishReason>,
    /// What it took.
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

impl From<model::Message> for Message {
    fn from(message: model::Message) -> Self {
        let model::Message {
            id,
            conversation_id,
            turn_id,
            parent_id,
            role,
            parts,
            status,
            created_at,
            model,
            finish_reason,
            usage,
            cost,
            depth,
            sibling_index,
            sibling_count,
            metadata,
            version,
        } = message;
        Self {
            id: id.to_string(),
            conversation_id: conversation_id.to_string(),
            turn_id: turn_id.map(|id| id.to_string()),
            parent_id: parent_id.map(|id| id.to_string()),
            role: role.into(),
            parts: part::all(parts),
            status: status.into(),
            created_at: moment(created_at),
            model,
            finish_reason: finish_reason.map(FinishReason::from),
            usage: usage.map(Usage::from),
            cost: cost.map(Cost::from),
            depth,
            sibling_index,
            sibling_count,
            metadata,
            version,
        }
    }
}

/// The moment as the language's own type. Before 1970 is 1970: no clock of a message goes there.
pub(super) fn moment(at: Timestamp) -> SystemTime {
    UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millis()).unwrap_or(0))
}

/// A message that is not stored yet.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct NewMessage {
    /// Who speaks.
    pub role: Role,
    /// What is said.
    pub parts: Vec<Part>,
    /// What the host puts beside it; stored, never sent.
    #[uniffi(default)]
    pub metadata: HashMap<String, String>,
}

impl TryFrom<NewMessage> for model::NewMessage {
    type Error = model::Error;

    fn try_from(message: NewMessage) -> model::Result<Self> {
        let NewMessage { role, parts, metadata } = message;
        Ok(Self { role: role.into(), parts: part::taken(parts)?, metadata })
    }
}

/// All messages, as the engine takes them.
pub(super) fn taken(messages: Vec<NewMessage>) -> model::Result<Vec<model::NewMessage>> {
    messages.into_iter().map(model::NewMessage::try_from).collect()
}
