//! Turns that are answered once more: where the answer goes, and what becomes of the turn when there is none.

use super::super::conversation::Conversation;
use super::super::degrade::Standing;
use super::super::kept::Asked;
use super::{Begins, Journal};
use crate::base::MessageId;
use crate::engine::tree::Placing;
use crate::model::{Result, TurnState};
use crate::store::{Durability, NewTurn, Op, Parent, Precondition, TurnChange, TurnRecord, WriteBatch};

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

impl Journal {
    /// Saves a turn for a message that belonged to none.
    pub(in crate::engine) async fn open_for(
        chat: &Conversation,
        question: MessageId,
        asked: Asked<'_>,
        begins: Begins<'_>,
    ) -> Result<Self> {
        let engine = chat.user.engine.clone();
        let Asked { options, kept } = asked;
        let Begins { turn, body_hash, target, placing } = begins;
        let (reply, model) = (engine.ids.message(), target.model.to_string());
        let mut standing = Standing::of(chat, options, turn, None);
        let again = Again::of(&placing, None);
        again.holds(&mut standing);
        let mut batch = WriteBatch::new(&*chat.user.owner, engine.clock.now())
            .require(Precondition::Owns { conversation: chat.id })
            .op(Op::PutTurn(NewTurn {
                id: turn,
                conversation: chat.id,
                state: TurnState::Saved,
                attempt: 0,
                client_id: options.client_id.clone(),
                body_hash,
                message: question,
                reply,
                model: model.clone(),
                options: kept,
                holder: engine.holder.clone(),
                lease_until: engine.lease_until(),
            }));
        batch.preconditions.extend(placing.preconditions);
        batch.ops.extend(placing.ops);
        engine.store.apply(batch, Durability::PowerSafe).await?;
        let journal = Self::new(engine, chat, turn, question, reply, model, standing, 1, 0);
        Ok(Self { again, ..journal }.told(TurnState::Saved))
    }
}
