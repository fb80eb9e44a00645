//! A conversation as a list shows it.

use std::collections::HashMap;
use std::time::SystemTime;

use super::message::moment;
use super::words::Role;
use crate::model;

/// A conversation as a list shows it.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct ConversationSummary {
    /// Names it.
    pub id: String,
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
    pub head_id: Option<String>,
    /// How many messages stand on that branch: the position of the last one.
    pub depth: i32,
    /// Tokens sent in, over all turns.
    pub input_tokens: i64,
    /// Tokens written by models, over all turns.
    pub output_tokens: i64,
    /// What it cost in billionths of a US dollar, as far as prices are known.
    pub cost_nano_usd: i64,
    /// When it began.
    pub created_at: SystemTime,
    /// When it changed last.
    pub updated_at: SystemTime,
    /// Grows with every change of the conversation.
    pub version: i64,
    /// True when it stands before all others in lists.
    pub pinned: bool,
    /// True when lists leave it out unless it is asked for.
    pub archived: bool,
    /// From this moment on it is not there any more.
    pub expires_at: Option<SystemTime>,
    /// What it can be found by in a list.
    pub tags: Vec<String>,
}

impl From<model::ConversationSummary> for ConversationSummary {
    fn from(summary: model::ConversationSummary) -> Self {
        let model::ConversationSummary {
            id,
            title,
            system,
            model,
            metadata,
            message_count,
            last_preview,
            last_role,
            head_id,
            depth,
            input_tokens,
            output_tokens,
            cost_nano_usd,
            created_at,
            updated_at,
            version,
            pinned,
            archived,
            expires_at,
            tags,
        } = summary;
        Self {
            id: id.to_string(),
            title,
            system,
            model,
            metadata,
            message_count,
            last_preview,
            last_role: last_role.map(Role::from),
            head_id: head_id.map(|id| id.to_string()),
            depth,
            input_tokens,
            output_tokens,
            cost_nano_usd,
            created_at: moment(created_at),
            updated_at: moment(updated_at),
            version,
            pinned,
            archived,
            expires_at: expires_at.map(moment),
            tags,
        }
    }
}
