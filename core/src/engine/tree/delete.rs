//! Deleting messages.

use std::pin::Pin;

use super::aim::{message_of, taken_back};
use crate::base::ErrorKind;
use crate::base::MessageId;
use crate::engine::attach::rested;
use crate::engine::conversation::Conversation;
use crate::model::{Error, Result};
use crate::store::{Durability, Op, Precondition, WriteBatch};

/// How many rows one transaction of a removal looks at: others get their turn between two.
const STEPS: usize = 500;

/// The deletion of a message, before it is awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct DeleteCall {
    chat: Conversation,
    message: MessageId,
    subtree: bool,
}

impl DeleteCall {
    pub(super) const fn new(chat: Conversation, message: MessageId) -> Self {
        Self { chat, message, subtree: false }
    }

    /// Removes the message altogether, and everything below it on all branches, with the turns. Waits until the turns of
    /// the conversation that are under way are over. Done in batches: who is stopped in the middle of it has removed a
    /// part, and calls it again.
    pub const fn subtree(mut self) -> Self {
        self.subtree = true;
        self
    }

    async fn wipe(&self) -> Result<()> {
        let (chat, id) = (&self.chat, self.message);
        let engine = &chat.user.engine;
        let message = message_of(chat, id).await?;
        let mut batch = WriteBatch::new(&*chat.user.owner, engine.clock.now());
        let mut left_queue = None;
        if let Some(turn) = message.turn_id
            && let Some(record) = rested(engine, &chat.user.owner, turn).await?
            && record.turn.message_id == id
        {
            if record.turn.state.is_open() {
                let detail = "this message is being answered; stop its turn first";
                return Err(Error::new(ErrorKind::Conflict, "turn_open", detail).with_turn(turn));
            }
            // Whoever takes it up meanwhile has read it.
            batch = batch.require(Precondition::Epoch { turn, expected: record.epoch });
            if record.queued.is_some() {
                left_queue = Some(turn);
                batch.ops.extend(taken_back(turn));
            }
        }
        engine.store.apply(batch.op(Op::WipeMessage { id }), Durability::PowerSafe).await?;
        engine.recent.forget(chat.id);
        if let Some(turn) = left_queue {
            engine.outbox.changed(&chat.user.owner, turn);
            engine.outbox.may_go_on();
        }
        Ok(())
    }

    async fn remove(&self) -> Result<()> {
        let (chat, top) = (&self.chat, self.message);
        let engine = &chat.user.engine;
        message_of(chat, top).await?;
        let _turn = engine.queue(chat.id).enter().await.await?;
        let mut from = None;
        loop {
            let op = Op::RemoveMessages { conversation: chat.id, top, from, steps: STEPS };
            let batch = WriteBatch::new(&*chat.user.owner, engine.clock.now()).op(op);
            let removed = engine.store.apply(batch, Durability::PowerSafe).await;
            engine.recent.forget(chat.id);
            from = removed?.goes_on;
            if from.is_none() {
                engine.outbox.may_go_on();
                return Ok(());
            }
        }
    }
}

impl IntoFuture for DeleteCall {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let done = match self.chat.user.check() {
                Ok(()) if self.subtree => self.remove().await,
                Ok(()) => self.wipe().await,
                Err(error) => Err(error),
            };
            done.map_err(|e| self.chat.failed(e, "conversation.delete_message"))
        })
    }
}
