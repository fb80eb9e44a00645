//! The store as the engine uses it: every question is timed, what is slow is told, and what fails tells how the store is.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

use super::watch::{About, Watch};
use crate::base::{AttachmentId, Clock, ConversationId, ErrorKind, MessageId, Timestamp, TurnId};
use crate::model::{
    Budget, BudgetStatus, ConversationSummary, EngineEventKind, HealthState, Message, OperationHealth, PartHealth,
    Result, UsageReport,
};
use crate::policy::Buckets;
use crate::store::{
    Anchor, Attachment, BranchQuery, BranchRows, ConversationRows, Due, DueRows, Durability, ListQuery, MessageRows,
    QueueQuery, QueueRow, Receipt, SiblingAnchor, Spender, Store, StoreFuture, TurnRecord, Upkeep, UsageQuery,
    WriteBatch,
};

/// A store that is watched.
pub(super) struct WatchedStore {
    inner: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    watch: Arc<Watch>,
    slow: Duration,
    seen: Mutex<Seen>,
    /// Whoever asks something has it for reading; whoever suspends the store has it for writing until it is resumed. So
    /// what is under way comes to its end, and what comes later waits.
    awake: Arc<RwLock<()>>,
    asleep: Mutex<Option<OwnedRwLockWriteGuard<()>>>,
}

#[derive(Default)]
struct Seen {
    operations: BTreeMap<&'static str, Operation>,
    /// Writing and reading fail apart: a full disk can still be read.
    reading: Pulse,
    writing: Pulse,
}

#[derive(Default)]
struct Operation {
    calls: i64,
    failures: i64,
    /// In microseconds.
    took: Buckets,
}

#[derive(Clone, Default)]
struct Pulse {
    state: HealthState,
    since: Option<Timestamp>,
    why: Option<String>,
}

impl Pulse {
    fn note(&mut self, failed: Option<&str>, at: Timestamp) {
        let state = match failed {
            None => HealthState::Ok,
            // It comes back by itself.
            Some("busy") => HealthState::Degraded,
            Some(_) => HealthState::Down,
        };
        if state != self.state {
            self.since = Some(at);
        }
        (self.state, self.why) = (state, failed.map(str::to_owned));
    }
}

impl WatchedStore {
    pub(super) fn new(inner: Arc<dyn Store>, clock: Arc<dyn Clock>, watch: Arc<Watch>, slow: Duration) -> Self {
        Self { inner, clock, watch, slow, seen: Mutex::default(), awake: Arc::default(), asleep: Mutex::default() }
    }

    fn asleep(&self) -> MutexGuard<'_, Option<OwnedRwLockWriteGuard<()>>> {
        self.asleep.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets what is under way come to its end, frees every file and lock, and lets everything that comes later wait.
    pub(super) async fn suspend(&self) -> Result<()> {
        let alone = Arc::clone(&self.awake).write_owned().await;
        if let Some(upkeep) = self.inner.upkeep() {
            upkeep.suspend().await?;
        }
        *self.asleep() = Some(alone);
        Ok(())
    }

    /// Opens everything again and lets go on who waits.
    pub(super) async fn resume(&self) -> Result<()> {
        if let Some(upkeep) = self.inner.upkeep() {
            upkeep.resume().await?;
        }
        drop(self.asleep().take());
        Ok(())
    }

    /// Nobody waits any longer: the store is about to close.
    pub(super) fn wake(&self) {
        drop(self.asleep().take());
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the store is, and what it was asked.
    pub(super) fn health(&self) -> (PartHealth, Vec<OperationHealth>) {
        let seen = self.seen();
        let worst = if seen.reading.state > seen.writing.state { &seen.reading } else { &seen.writing };
        let part =
            PartHealth { name: "store".to_owned(), state: worst.state, since: worst.since, why: worst.why.clone() };
        let operations = seen.operations.iter().map(|(name, operation)| OperationHealth {
            name: (*name).to_owned(),
            calls: operation.calls,
            failures: operation.failures,
            duration_ms: operation.took.spread(1_000.0),
        });
        (part, operations.collect())
    }

    fn timed<'a, T: Send + 'a>(
        &'a self,
        name: &'static str,
        owner: Option<&str>,
        work: impl Future<Output = Result<T>> + Send + 'a,
    ) -> StoreFuture<'a, T> {
        let owner = owner.filter(|_| self.watch.is_watched()).map(str::to_owned);
        Box::pin(async move {
            let _awake = self.awake.read().await;
            let began = self.clock.monotonic();
            let outcome = work.await;
            let took = self.clock.monotonic().saturating_sub(began);
            let failed = outcome.as_ref().err().filter(|error| error.kind() == ErrorKind::Storage);
            self.note(name, took, failed.map(|error| error.reason()));
            if took > self.slow {
                let duration_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
                let about = About { owner: owner.as_deref(), ..About::default() };
                self.watch.tell(about, EngineEventKind::SlowQuery { query: name.to_owned(), duration_ms });
            }
            outcome
        })
    }

    fn note(&self, name: &'static str, took: Duration, failed: Option<&str>) {
        let mut seen = self.seen();
        let operation = seen.operations.entry(name).or_default();
        operation.calls += 1;
        operation.failures += i64::from(failed.is_some());
        operation.took.record(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
        let pulse = if matches!(name, "apply" | "recover") { &mut seen.writing } else { &mut seen.reading };
        if failed.is_some() || pulse.state != HealthState::Ok {
            pulse.note(failed, self.clock.now());
        }
    }
}

#[deny(clippy::missing_trait_methods)]
impl Store for WatchedStore {
    fn apply(&self, batch: WriteBatch, durability: Durability) -> StoreFuture<'_, Receipt> {
        let owner = batch.owner.clone();
        self.timed("apply", Some(&owner), self.inner.apply(batch, durability))
    }

    fn conversation(&self, owner: &str, id: ConversationId) -> StoreFuture<'_, Option<ConversationSummary>> {
        self.timed("conversation", Some(owner), self.inner.conversation(owner, id))
    }

    fn conversations(&self, owner: &str, query: ListQuery) -> StoreFuture<'_, ConversationRows> {
        self.timed("conversations", Some(owner), self.inner.conversations(owner, query))
    }

    fn messages(
        &self,
        owner: &str,
        conversation: ConversationId,
        anchor: Anchor,
        limit: usize,
    ) -> StoreFuture<'_, Option<MessageRows>> {
        self.timed("messages", Some(owner), self.inner.messages(owner, conversation, anchor, limit))
    }

    fn messages_upto(
        &self,
        owner: &str,
        conversation: ConversationId,
        last: MessageId,
        anchor: Anchor,
        limit: usize,
    ) -> StoreFuture<'_, Option<MessageRows>> {
        let work = self.inner.messages_upto(owner, conversation, last, anchor, limit);
        self.timed("messages_upto", Some(owner), work)
    }

    fn siblings(
        &self,
        owner: &str,
        conversation: ConversationId,
        anchor: SiblingAnchor,
        limit: usize,
    ) -> StoreFuture<'_, Option<MessageRows>> {
        self.timed("siblings", Some(owner), self.inner.siblings(owner, conversation, anchor, limit))
    }

    fn branches(
        &self,
        owner: &str,
        conversation: ConversationId,
        query: BranchQuery,
    ) -> StoreFuture<'_, Option<BranchRows>> {
        self.timed("branches", Some(owner), self.inner.branches(owner, conversation, query))
    }

    fn message(&self, owner: &str, id: MessageId) -> StoreFuture<'_, Option<Message>> {
        self.timed("message", Some(owner), self.inner.message(owner, id))
    }

    fn turn(&self, owner: &str, id: TurnId) -> StoreFuture<'_, Option<TurnRecord>> {
        self.timed("turn", Some(owner), self.inner.turn(owner, id))
    }

    fn turn_of_client(
        &self,
        owner: &str,
        conversation: ConversationId,
        client_id: &str,
    ) -> StoreFuture<'_, Option<TurnRecord>> {
        self.timed("turn_of_client", Some(owner), self.inner.turn_of_client(owner, conversation, client_id))
    }

    fn attachment(&self, owner: &str, id: AttachmentId) -> StoreFuture<'_, Option<Attachment>> {
        self.timed("attachment", Some(owner), self.inner.attachment(owner, id))
    }

    fn queue_due(&self, now: Timestamp, due: Due, limit: usize) -> StoreFuture<'_, DueRows> {
        self.timed("queue_due", None, self.inner.queue_due(now, due, limit))
    }

    fn queue(&self, owner: &str, query: QueueQuery) -> StoreFuture<'_, Vec<QueueRow>> {
        self.timed("queue", Some(owner), self.inner.queue(owner, query))
    }

    fn has_budgets(&self) -> StoreFuture<'_, bool> {
        self.timed("has_budgets", None, self.inner.has_budgets())
    }

    fn budgets(&self, owner: Option<&str>) -> StoreFuture<'_, Vec<Budget>> {
        self.timed("budgets", owner, self.inner.budgets(owner))
    }

    fn budget_status(&self, spender: Spender, at: Timestamp) -> StoreFuture<'_, Vec<BudgetStatus>> {
        let owner = spender.owner.clone();
        self.timed("budget_status", Some(&owner), self.inner.budget_status(spender, at))
    }

    fn usage(&self, query: UsageQuery) -> StoreFuture<'_, UsageReport> {
        self.timed("usage", None, self.inner.usage(query))
    }

    fn recover(&self, now: Timestamp) -> StoreFuture<'_, Vec<TurnRecord>> {
        let work = async move {
            let records = self.inner.recover(now).await?;
            if !records.is_empty() {
                let turns = i64::try_from(records.len()).unwrap_or(i64::MAX);
                self.watch.tell_all(EngineEventKind::StoreRepaired { turns });
            }
            Ok(records)
        };
        self.timed("recover", None, work)
    }

    fn upkeep(&self) -> Option<&dyn Upkeep> {
        self.inner.upkeep()
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        self.inner.close()
    }
}
