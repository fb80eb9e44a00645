//! What a model would be shown.

use serde::{Deserialize, Serialize};

use crate::base::{MessageId, Timestamp};

/// What a model would be shown of a conversation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextReport {
    /// How many messages, a summary in front of them not counted.
    pub messages: i64,
    /// How many turns: what a user says and all that answers it is one.
    pub turns: i64,
    /// About how many tokens they are, with the summary, instructions, tools and the shape of the answer.
    pub tokens: i64,
    /// How many tokens there is room for, a reserve for the estimate's error included.
    pub limit_tokens: i64,
    /// True when no message is left out.
    pub is_whole: bool,
    /// The summary that would stand in front, for what is left out; nothing while none is written, or none is wanted.
    #[serde(default)]
    pub summary: Option<SummaryReport>,
}

/// A summary of what was said before the messages that a model is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryReport {
    /// The last message in it. What stands between this one and the first one that is shown is left out.
    pub upto: MessageId,
    /// About how many tokens it is, as it stands in front.
    pub tokens: i64,
    /// The model that wrote it, as `provider/model`.
    pub model: String,
    /// When it was written.
    pub created_at: Timestamp,
}
