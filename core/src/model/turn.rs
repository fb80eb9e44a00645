//! A turn: one message of the user and the way to its answer.

use serde::{Deserialize, Serialize};

use super::error::ErrorInfo;
use crate::base::{MessageId, Timestamp, TurnId};

/// Where a turn stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TurnState {
    /// The message is on disk; nothing was sent.
    Saved,
    /// The request is on its way.
    Sending,
    /// The answer is arriving.
    Streaming,
    /// Kept; it will be sent by itself.
    Waiting,
    /// Answered.
    Done,
    /// Broke off; holds what had arrived. `retry` asks again.
    Interrupted,
    /// Kept; `retry` sends it.
    Parked,
    /// Stopped; holds what had arrived.
    Cancelled,
}

impl TurnState {
    /// True while some process works, or should work, on the turn.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Saved | Self::Sending | Self::Streaming)
    }
}

/// The tick in a bubble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Delivery {
    /// Kept, not sent.
    Pending,
    /// On its way.
    Sending,
    /// Reached the model.
    Sent,
    /// Will not be sent by itself.
    Failed,
}

impl From<TurnState> for Delivery {
    fn from(state: TurnState) -> Self {
        match state {
            TurnState::Saved | TurnState::Waiting => Self::Pending,
            TurnState::Sending => Self::Sending,
            TurnState::Streaming | TurnState::Done | TurnState::Interrupted | TurnState::Cancelled => Self::Sent,
            TurnState::Parked => Self::Failed,
        }
    }
}

/// One message of the user and the way to its answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Turn {
    /// Names it.
    pub id: TurnId,
    /// Where it stands.
    pub state: TurnState,
    /// How often it was tried.
    pub attempt: i32,
    /// The user's message.
    pub message_id: MessageId,
    /// The answer, once there is one.
    pub reply_id: Option<MessageId>,
    /// The number of the last event. Numbers grow; they leap when a process ends in the middle of the turn.
    pub last_seq: i64,
    /// Not to be sent before this moment.
    pub not_before: Option<Timestamp>,
    /// Given up after this moment.
    pub expires_at: Option<Timestamp>,
    /// What went wrong last.
    pub error: Option<ErrorInfo>,
}
