//! Where a turn stands.

use std::sync::Arc;
use std::time::SystemTime;

use super::cancel::CancelToken;
use super::conversation::Conversation;
use super::error::{ErrorInfo, TertuliaError};
use super::id::id;
use super::message::moment;
use super::words::TurnState;
use crate::model;

/// One message of the user and the way to its answer.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Turn {
    /// Names it.
    pub id: String,
    /// Where it stands.
    pub state: TurnState,
    /// How often it was tried.
    pub attempt: i32,
    /// The user's message.
    pub message_id: String,
    /// The answer, once there is one.
    pub reply_id: Option<String>,
    /// The number of the last event. Numbers grow; they leap when a process ends in the middle of the turn.
    pub last_seq: i64,
    /// Not to be sent before this moment.
    pub not_before: Option<SystemTime>,
    /// Given up after this moment.
    pub expires_at: Option<SystemTime>,
    /// What went wrong last.
    pub error: Option<ErrorInfo>,
}

impl From<model::Turn> for Turn {
    fn from(turn: model::Turn) -> Self {
        let model::Turn { id, state, attempt, message_id, reply_id, last_seq, not_before, expires_at, error } = turn;
        Self {
            id: id.to_string(),
            state: state.into(),
            attempt,
            message_id: message_id.to_string(),
            reply_id: reply_id.map(|id| id.to_string()),
            last_seq,
            not_before: not_before.map(moment),
            expires_at: expires_at.map(moment),
            error: error.map(ErrorInfo::from),
        }
    }
}

#[uniffi::export]
impl Conversation {
    /// Where a turn stands.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` (bad_id); `Storage`; `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn turn(&self, turn_id: String, cancel: Option<Arc<CancelToken>>) -> Result<Turn, TertuliaError> {
        let (chat, turn) = (self.chat.clone(), id(&turn_id, "conversation.turn")?);
        self.ground.run(cancel, async move { chat.turn(turn).await }).await.map(Turn::from)
    }
}
