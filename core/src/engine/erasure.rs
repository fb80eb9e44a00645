//! Taking out everything of a user.
//!
//! A mark in the store says that it has begun, and with it nothing new is begun for the user by any process. So what there is
//! only gets less, until the mark is taken away in the same transaction that finds nothing left. Who is killed in the middle
//! leaves the mark; the next engine that opens the store goes on.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::tertulia::Inner;
use super::user::UserScope;
use crate::base::ErrorKind;
use crate::model::{ErasureReport, Error, Result};
use crate::store::{Durability, Op, WriteBatch};

/// About so many rows go in one transaction: others get their turn between two.
const ROWS: usize = 500;

/// So many erasures that were begun are gone on with when an engine opens; more of them when the next one does.
const MOST: usize = 1_000;

/// How often, and how long apart, the log is tried to be emptied while somebody reads from it.
const TRIES: usize = 50;
const APART: Duration = Duration::from_millis(100);

impl UserScope {
    /// Takes out everything of this user: conversations with all branches, messages, files, drafts, turns, what waits in the
    /// outbox, streams of events, libraries, what the user prefers, and the words of all of it in the search index; then what is left
    /// of them in free places of the store's files. Turns that run here are stopped first. The sums of what was spent stay,
    /// and budgets go on counting them: they hold no content. Files that were exported, backups, and logs of other programs
    /// are not the store's.
    ///
    /// While it is under way, whoever begins a conversation for this user, in any process, hears `Conflict` (erasing). When
    /// it is over, there was a moment at which nothing of the user was there; from then on the id is that of somebody new.
    /// It is done in parts, between which others write; the last ones take time in proportion to the search index of all
    /// users. It goes on when this future is dropped, and at the next opening of the store when the process ends before. Doing
    /// it again does what is left.
    ///
    /// # Errors
    /// `Storage`; `Closed`. What is done then stays done.
    pub async fn erase(&self) -> Result<ErasureReport> {
        let begun = self.check().map(|()| begin(&self.engine, self.owner.clone()));
        let done = match begun {
            Ok(done) => done.await.unwrap_or_else(|_| Err(stopped())),
            Err(error) => Err(error),
        };
        done.map_err(|e| self.engine.failed(e, "user.erase"))
    }
}

/// Goes on with what ended processes have begun.
pub(super) async fn go_on(engine: &Arc<Inner>) -> Result<()> {
    for owner in engine.store.erasing(MOST).await? {
        drop(begin(engine, owner.into()));
    }
    Ok(())
}

/// Does it as a task of its own, whoever waits.
fn begin(engine: &Arc<Inner>, owner: Arc<str>) -> oneshot::Receiver<Result<ErasureReport>> {
    let (reply, answer) = oneshot::channel();
    let (work, of) = (engine.clone(), owner.clone());
    engine.tasks.spawn("erasure", Some(owner), async move {
        let stop = work.tasks.stop_token().clone();
        let done = tokio::select! {
            biased;
            () = stop.cancelled() => Err(stopped()),
            done = work.erase(&of) => done,
        };
        let told = done.as_ref().map(drop).map_err(Error::clone);
        // Whoever asked hears of it; else the log does.
        reply.send(done).map_or(told, |()| Ok(()))
    });
    answer
}

fn stopped() -> Error {
    let detail = "the engine was closed before all was erased; open it again, and it goes on";
    Error::new(ErrorKind::Closed, "closed", detail)
}

impl Inner {
    async fn erase(&self, owner: &Arc<str>) -> Result<ErasureReport> {
        let apply = |op| self.store.apply(WriteBatch::new(&**owner, self.clock.now()).op(op), Durability::PowerSafe);
        let mut report = ErasureReport::default();
        apply(Op::BeginErasure).await?;
        loop {
            self.end_turns(owner).await;
            loop {
                let began = self.clock.monotonic();
                let erased = apply(Op::EraseSome { rows: ROWS }).await?.erased;
                // Other processes would find the store taken each time they look.
                self.clock.sleep(self.clock.monotonic().saturating_sub(began)).await;
                report.conversations += erased.conversations;
                report.messages += erased.messages;
                report.streams += erased.streams;
                report.entries += erased.entries;
                if !erased.more {
                    break;
                }
            }
            self.forget_all();
            report.scrubbed = self.scrub().await?;
            match apply(Op::EndErasure).await {
                // Somebody who knew a conversation that was not hidden yet was faster.
                Err(error) if error.reason() == "not_erased" => {}
                ended => break ended.map(|_| report),
            }
        }
    }

    /// Stops what is under way here for this user, and waits for its end.
    async fn end_turns(&self, owner: &Arc<str>) {
        self.stop_runs(owner, None);
        let of_owner = |live: &&super::tertulia::Live| live.owner == *owner;
        let chats: Vec<_> = self.live().values().filter(of_owner).map(|live| live.conversation).collect();
        for chat in chats {
            drop(self.alone_in(owner, chat).await);
        }
    }

    /// What is remembered of what was read may be of anybody: it is read again.
    fn forget_all(&self) {
        self.recent.forget_all();
        self.facts.forget_all();
        self.current().layers.cache().forget_all();
        self.feeds.tell_all();
    }

    /// True when nothing is left in the files.
    async fn scrub(&self) -> Result<bool> {
        let Some(upkeep) = self.store.upkeep() else { return Ok(true) };
        if upkeep.scrub().await? {
            return Ok(true);
        }
        for _ in 0..TRIES {
            self.clock.sleep(APART).await;
            if upkeep.checkpoint().await? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
