//! What a search finds.

use serde::{Deserialize, Serialize};

use crate::base::{ConversationId, MessageId};

/// What stands first among the messages that a search finds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SearchSort {
    /// The newest message.
    #[default]
    Recent,
    /// The message that fits best, among the newest 2,000 that are found at all.
    Relevance,
}

/// A message that a search has found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchHit {
    /// The message.
    pub message_id: MessageId,
    /// The conversation it stands in.
    pub conversation_id: ConversationId,
    /// How well it fits: more is better. To be compared within one search alone; 0 where the newest stand first.
    pub score: f64,
    /// The place in the message where it was found, about 160 characters on one line.
    pub snippet: Vec<Span>,
    /// True when the message is on the branch that is shown; `switch_to` shows the others.
    pub on_current_branch: bool,
}

/// A piece of text with one look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The text.
    pub text: String,
    /// True for words that were looked for.
    pub hit: bool,
}
