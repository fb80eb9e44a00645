//! What a model would be shown.

use serde::{Deserialize, Serialize};

/// What a model would be shown of a conversation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextReport {
    /// How many messages.
    pub messages: i64,
    /// How many turns: what a user says and all that answers it is one.
    pub turns: i64,
    /// About how many tokens they are, with instructions, tools and the shape of the answer.
    pub tokens: i64,
    /// How many tokens there is room for, a reserve for the estimate's error included.
    pub limit_tokens: i64,
    /// True when no message is left out.
    pub is_whole: bool,
}
