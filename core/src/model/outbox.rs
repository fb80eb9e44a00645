//! A message that is sent by itself, as its user is shown it.

use serde::{Deserialize, Serialize};

use super::turn::Delivery;
use crate::base::{ConversationId, Timestamp, TurnId};

/// A message in the outbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutboxItem {
    /// The turn it began.
    pub turn_id: TurnId,
    /// The conversation it stands in.
    pub conversation_id: ConversationId,
    /// `Pending` while it waits, `Sending`, `Failed` when it is parked; in what `watch` gives also `Sent`, when it has
    /// left the outbox.
    pub delivery: Delivery,
    /// The reason word of what went wrong last.
    pub reason: Option<String>,
    /// How often it was tried.
    pub attempt: i32,
    /// Not sent before this moment; nothing while it is sent, and when it is parked.
    pub not_before: Option<Timestamp>,
    /// Parked when it was not sent before this moment.
    pub expires_at: Option<Timestamp>,
    /// The beginning of its words, at most 160 characters, on one line.
    pub preview: String,
}
