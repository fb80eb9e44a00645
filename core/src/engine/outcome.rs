//! How a call ended, and what that makes of its turn.

use crate::base::ErrorKind;
use crate::model::{Cost, Error, MessageStatus, Reply, TurnState, Usage};

/// How a call ended.
pub(super) enum Outcome {
    Done(Box<Reply>),
    /// Stopped; with what had arrived.
    Cancelled(Error),
    Failed(Error),
}

impl Outcome {
    /// What the reply took and cost, whole or not.
    pub(super) fn spent(&self) -> Option<(&Usage, &Cost)> {
        match self {
            Self::Done(reply) => Some((&reply.usage, &reply.cost)),
            Self::Cancelled(error) | Self::Failed(error) => error.spent(),
        }
    }
}

/// The status of a message that ended this way.
pub(super) fn message_status(state: TurnState) -> MessageStatus {
    match state {
        TurnState::Done => MessageStatus::Complete,
        TurnState::Cancelled => MessageStatus::Cancelled,
        _ => MessageStatus::Interrupted,
    }
}

/// What becomes of a call whose reply is longer than a message may be.
pub(super) fn too_long(cause: &Error) -> Error {
    Error::new(ErrorKind::Truncated, "too_large", "the reply is longer than a message may be; its beginning is kept")
        .with_source(cause.clone())
}
