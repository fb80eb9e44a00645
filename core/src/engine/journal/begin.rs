//! How a turn begins: with a message, for one that stands already, or once more.

use super::super::content;
use super::super::conversation::{Conversation, ConversationOptions};
use super::super::degrade::Standing;
use super::super::facts::Seen;
use super::super::kept::Asked;
use super::super::recent::{Said, is_words};
use super::super::rows;
use super::super::tree::Placing;
use super::Journal;
use super::again::Again;
use crate::base::{ErrorKind, MessageId, TurnId};
use crate::call::CallTarget;
use crate::model::{Error, NewMessage, Part, Result, TurnState};
use crate::store::{Durability, NewTurn, Op, Precondition, TurnChange, TurnRecord, WriteBatch};

/// What a turn begins with, besides what is said.
pub(in crate::engine) struct Begins<'a> {
    pub(in crate::engine) turn: TurnId,
    /// The id under which the new message is shown already.
    pub(in crate::engine) said_as: Option<MessageId>,
    pub(in crate::engine) body_hash: [u8; 32],
    pub(in crate::engine) target: &'a CallTarget,
    pub(in crate::engine) placing: Placing,
}

impl Journal {
    /// Saves a new message and its turn.
    pub(in crate::engine) async fn open(
        chat: &Conversation,
        fresh: Option<&ConversationOptions>,
        parts: Vec<Part>,
        asked: Asked<'_>,
        begins: Begins<'_>,
        seen: Seen,
    ) -> Result<Self> {
        let engine = chat.user.engine.clone();
        let Asked { options, kept } = asked;
        let Begins { turn, said_as, body_hash, target, placing } = begins;
        let message = said_as.unwrap_or_else(|| engine.ids.message());
        let reply = engine.ids.message();
        let model = target.model.to_string();
        let said = NewMessage { role: content::role_of(&parts), parts, metadata: options.metadata.clone() };
        let shown = is_words(&said).then(|| NewMessage::new(said.role, said.parts.clone()));
        let mut batch = match seen.version.filter(|_| seen.is_recalled) {
            Some(expected) => WriteBatch::new(&*chat.user.owner, engine.clock.now())
                .require(Precondition::Version { conversation: chat.id, expected }),
            None => rows::begin(chat, fresh),
        };
        batch = rows::append(batch, chat, message, Some(turn), said, placing.message)?;
        batch.preconditions.extend(placing.preconditions);
        batch.ops.extend(placing.ops);
        // Where nothing can come before it, the request leaves as soon as the message is saved, and one batch says both.
        let leaves = !engine.outbox.may_have_work();
        let (state, attempt) = if leaves { (TurnState::Sending, 1) } else { (TurnState::Saved, 0) };
        batch = batch.op(Op::PutTurn(NewTurn {
            id: turn,
            conversation: chat.id,
            state,
            attempt,
            client_id: options.client_id.clone(),
            body_hash,
            message,
            reply,
            model: model.clone(),
            options: kept.clone(),
            holder: engine.holder.clone(),
            lease_until: engine.lease_until(),
        }));
        let standing = Standing::of(chat, options, turn, None);
        if let Some(entry) = &standing.queued {
            batch = batch.op(Op::Enqueue(entry.clone()));
        }
        let mut journal = Self::new(engine.clone(), chat, turn, message, reply, model, standing, 1, attempt);
        if leaves {
            batch = batch.op(Op::PutStep(journal.step(None, None)));
        }
        let receipt = engine.store.apply(batch, Durability::PowerSafe).await?;
        journal.kept = kept;
        (journal.leaves, journal.no_budgets) = (leaves, !receipt.has_budgets);
        journal.said = Said::new(shown, &receipt.placed);
        // It may have been changed between the look and the save.
        let unchanged = receipt.versions.filter(|(before, _)| seen.version == Some(*before));
        journal.known = unchanged.map(|(_, after)| (seen.fact, after));
        Ok(journal.told(TurnState::Saved))
    }

    /// Saves a turn for a message that belonged to none.
    pub(in crate::engine) async fn open_for(
        chat: &Conversation,
        question: MessageId,
        asked: Asked<'_>,
        begins: Begins<'_>,
    ) -> Result<Self> {
        let engine = chat.user.engine.clone();
        let Asked { options, kept } = asked;
        let Begins { turn, body_hash, target, placing, .. } = begins;
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

    /// Takes up a turn that came to rest, for another try.
    pub(in crate::engine) async fn reopen(
        chat: &Conversation,
        record: TurnRecord,
        asked: Asked<'_>,
        begins: Begins<'_>,
    ) -> Result<Self> {
        let engine = &chat.user.engine;
        let Begins { target, placing, .. } = begins;
        match record.turn.state {
            TurnState::Done if placing.regenerates => {}
            TurnState::Interrupted | TurnState::Parked | TurnState::Cancelled | TurnState::Waiting => {}
            TurnState::Done => {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "already_answered",
                    "this turn is answered; ask for it with `attach`",
                ));
            }
            _ => {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "still_running",
                    "this turn is under way; follow it with `attach`",
                ));
            }
        }
        let Asked { options, kept } = asked;
        let (reply, model) = (engine.ids.message(), target.model.to_string());
        let mut standing = Standing::of(chat, options, record.id(), record.queued.as_ref());
        let again = Again::of(&placing, Some(&record));
        again.holds(&mut standing);
        let change = TurnChange {
            state: Some(TurnState::Saved),
            reply: Some(reply),
            model: Some(model.clone()),
            options: Some(kept.clone()),
            not_before: Some(None),
            expires_at: Some(standing.queued.as_ref().and_then(|entry| entry.expires_at)),
            error: Some(None),
            lease: Some(Some((engine.holder.clone(), engine.lease_until()))),
            ..TurnChange::default()
        };
        let mut batch = WriteBatch::new(&*chat.user.owner, engine.clock.now())
            .require(Precondition::Epoch { turn: record.id(), expected: record.epoch })
            .op(Op::AdvanceTurn { id: record.id(), change });
        batch.preconditions.extend(placing.preconditions);
        batch.ops.extend(placing.ops);
        let batch = match &standing.queued {
            Some(entry) => batch.op(Op::Enqueue(entry.clone())),
            None => batch.op(Op::Dequeue { turn: record.id() }),
        };
        engine.store.apply(batch, Durability::PowerSafe).await?;
        let (turn, message, attempt) = (record.id(), record.turn.message_id, record.turn.attempt);
        let epoch = record.epoch + 1;
        let new = Self::new(engine.clone(), chat, turn, message, reply, model, standing, epoch, attempt);
        Ok(Self { kept, again, ..new }.told(TurnState::Saved))
    }
}
