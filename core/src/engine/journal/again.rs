//! Turns that are answered once more: where the answer goes, and what becomes of the turn when there is none.

use super::super::degrade::Standing;
use crate::base::MessageId;
use crate::engine::tree::Placing;
use crate::model::TurnState;
use crate::store::{Parent, TurnChange, TurnRecord};

/// What a turn has been before.
#[derive(Default)]
pub(super) struct Again {
    /// Where the answer goes, when it is not simply the answer to the message.
    pub(super) parent: Option<Parent>,
    /// The answer that it has already.
    answer: Option<MessageId>,
}

impl Again {
    pub(super) fn of(placing: &Placing, record: Option<&TurnRecord>) -> Self {
        let answered = record.filter(|record| record.turn.state == TurnState::Done);
        Self { parent: placing.answer, answer: answered.map(|record| record.reply) }
    }

    /// Whoever asks for an answer in a certain place waits for it; sent by itself later, it would hide what was said since.
    pub(super) fn holds(&self, standing: &mut Standing) {
        if self.parent.is_some() {
            standing.queued = None;
        }
    }

    /// How the turn rests when no word of another answer came: answered, if it was before.
    pub(super) fn rest(&self, change: TurnChange) -> TurnChange {
        match self.answer {
            Some(reply) => TurnChange {
                state: Some(TurnState::Done),
                reply: Some(reply),
                error: Some(None),
                options: Some(None),
                ..change
            },
            None => change,
        }
    }
}
