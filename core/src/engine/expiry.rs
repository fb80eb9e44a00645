//! Sweeping away conversations and streams of events whose time is up. Nobody sees them any more from that moment on; this
//! frees what they take.

use std::sync::Arc;

use super::tertulia::Inner;
use crate::base::ConversationId;
use crate::model::Result;
use crate::store::{Durability, Op, WriteBatch};

/// So many of each between two looks at the store.
const ROUND: usize = 64;

/// Looks for what has expired, and starts a task that sweeps it away, if there is anything.
pub(super) async fn sweep(engine: &Arc<Inner>) -> Result<()> {
    let mut expired = engine.store.expired(engine.clock.now(), ROUND).await?;
    let mut streams = engine.store.expired_streams(engine.clock.now(), ROUND).await?;
    if expired.is_empty() && streams.is_empty() {
        return Ok(());
    }
    let (weak, closing) = (Arc::downgrade(engine), engine.tasks.closing_token().clone());
    engine.tasks.spawn("expiry", None, async move {
        while let Some(engine) = weak.upgrade().filter(|_| !closing.is_cancelled()) {
            for (owner, id) in &expired {
                engine.sweep_one(owner, *id).await?;
            }
            for (owner, id) in &streams {
                let batch = WriteBatch::new(owner, engine.clock.now()).op(Op::SweepStream { id: *id });
                engine.store.apply(batch, Durability::ProcessSafe).await?;
            }
            if expired.len() < ROUND && streams.len() < ROUND {
                break;
            }
            expired = engine.store.expired(engine.clock.now(), ROUND).await?;
            streams = engine.store.expired_streams(engine.clock.now(), ROUND).await?;
        }
        Ok(())
    });
    Ok(())
}

impl Inner {
    async fn sweep_one(&self, owner: &str, id: ConversationId) -> Result<()> {
        // Its owner may have begun it anew.
        if self.store.conversation(owner, id).await?.is_some() {
            return Ok(());
        }
        self.stop_turns(owner, id);
        let queue = self.dissolve_queue(id);
        let _turn = queue.last().await;
        let batch = WriteBatch::new(owner, self.clock.now()).op(Op::SweepConversation { id });
        self.recent.forget(id);
        self.facts.forget(id);
        self.store.apply(batch, Durability::ProcessSafe).await.map(|_| ())
    }

    /// Stops what is under way in this conversation.
    pub(super) fn stop_turns(&self, owner: &str, conversation: ConversationId) {
        self.stop_runs(owner, Some(conversation));
        for live in self.live().values().filter(|live| live.conversation == conversation && *live.owner == *owner) {
            live.stopper.cancel();
        }
    }
}
