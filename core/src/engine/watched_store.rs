//! The store as the engine uses it: every question is timed, what is slow is told, and what fails tells how the store is.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

use super::timeline::Feeds;
use super::watch::{About, Watch};
use crate::base::{AttachmentId, Clock, ConversationId, ErrorKind, MessageId, StreamId, Timestamp, TurnId};
use crate::model::{
    Budget, BudgetStatus, ConversationSummary, EngineEventKind, HealthState, Message, OperationHealth, PartHealth,
    Preferences, Result, StoreFigures, UsageReport,
};
use crate::policy::Buckets;
use crate::store::{
    Anchor, Attachment, Bell, BranchQuery, BranchRows, ConversationRows, Due, DueRows, Durability, EntryQuery,
    EntryRecord, EntryRow, EntryVersion, EventRows, LibraryChanges, LibraryKey, ListQuery, MessageRows, PageQuery,
    QueueQuery, QueueRow, Receipt, SearchQuery, SearchRows, SiblingAnchor, Spender, Store, StoreFuture, StreamRecord,
    SummaryPlace, TreeRows, TurnRecord, Upkeep, UsageQuery, WriteBatch,
};

/// So long nothing was written when it is time to index what was.
const QUIET_MS: u64 = 1_000;

/// A store that is watched.
pub(super) struct WatchedStore {
    inner: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    watch: Arc<Watch>,
    feeds: Arc<Feeds>,
    slow: Duration,
    seen: Mutex<Seen>,
    /// When the last batch was written, in milliseconds of the clock.
    wrote: AtomicU64,
    indexing: AtomicBool,
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
    pub(super) fn new(
        inner: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
        watch: Arc<Watch>,
        feeds: Arc<Feeds>,
        slow: Duration,
    ) -> Self {
        let (wrote, indexing) = (AtomicU64::default(), AtomicBool::default());
        let (seen, awake, asleep) = (Mutex::default(), Arc::default(), Mutex::default());
        Self { inner, clock, watch, feeds, slow, seen, wrote, indexing, awake, asleep }
    }

    fn is_quiet(&self) -> bool {
        millis(self.clock.monotonic()).saturating_sub(self.wrote.load(Ordering::Relaxed)) >= QUIET_MS
    }

    /// Brings the index of words up to date as long as nobody writes, so that it takes no turn's time. What is left then
    /// is done by the next search.
    pub(super) async fn index_while_quiet(&self, closing: CancellationToken) -> Result<()> {
        if self.indexing.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let mut done = Ok(false);
        while matches!(done, Ok(false)) && self.is_quiet() && !closing.is_cancelled() {
            done = self.index().await;
        }
        self.indexing.store(false, Ordering::Relaxed);
        done.map(drop)
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

    /// What the store measures of itself; nothing of one that does not.
    pub(super) fn figures(&self) -> Option<StoreFigures> {
        self.inner.upkeep().map(Upkeep::figures)
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
            if name == "apply" {
                self.wrote.store(millis(began), Ordering::Relaxed);
            }
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
        let pulse = if matches!(name, "apply" | "recover" | "index") { &mut seen.writing } else { &mut seen.reading };
        if failed.is_some() || pulse.state != HealthState::Ok {
            pulse.note(failed, self.clock.now());
        }
    }
}

fn millis(moment: Duration) -> u64 {
    u64::try_from(moment.as_millis()).unwrap_or(u64::MAX)
}

#[deny(clippy::missing_trait_methods)]
impl Store for WatchedStore {
    fn apply(&self, batch: WriteBatch, durability: Durability) -> StoreFuture<'_, Receipt> {
        let owner = batch.owner.clone();
        let noted = self.feeds.noted(&batch);
        let applied = self.timed("apply", Some(&owner), self.inner.apply(batch, durability));
        let Some(noted) = noted else { return applied };
        Box::pin(async move {
            let receipt = applied.await?;
            self.feeds.tell(&owner, &noted, &receipt);
            Ok(receipt)
        })
    }

    fn conversation(&self, owner: &str, id: ConversationId) -> StoreFuture<'_, Option<ConversationSummary>> {
        self.timed("conversation", Some(owner), self.inner.conversation(owner, id))
    }

    fn conversations(&self, owner: &str, query: ListQuery) -> StoreFuture<'_, ConversationRows> {
        self.timed("conversations", Some(owner), self.inner.conversations(owner, query))
    }

    fn page(
        &self,
        owner: &str,
        conversation: ConversationId,
        query: PageQuery,
    ) -> StoreFuture<'_, Option<MessageRows>> {
        self.timed("page", Some(owner), self.inner.page(owner, conversation, query))
    }

    fn open(
        &self,
        owner: &str,
        conversation: ConversationId,
        query: PageQuery,
    ) -> StoreFuture<'_, Option<(ConversationSummary, MessageRows)>> {
        self.timed("open", Some(owner), self.inner.open(owner, conversation, query))
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

    fn summary(
        &self,
        owner: &str,
        conversation: ConversationId,
        before: Option<MessageId>,
    ) -> StoreFuture<'_, Option<SummaryPlace>> {
        self.timed("summary", Some(owner), self.inner.summary(owner, conversation, before))
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

    fn tree(
        &self,
        owner: &str,
        conversation: ConversationId,
        after: Option<MessageId>,
        limit: usize,
    ) -> StoreFuture<'_, Option<TreeRows>> {
        self.timed("tree", Some(owner), self.inner.tree(owner, conversation, after, limit))
    }

    fn known(&self, owner: &str, conversation: ConversationId, ids: Vec<MessageId>) -> StoreFuture<'_, Vec<MessageId>> {
        self.timed("known", Some(owner), self.inner.known(owner, conversation, ids))
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

    fn search(&self, owner: &str, query: SearchQuery) -> StoreFuture<'_, Option<SearchRows>> {
        self.timed("search", Some(owner), self.inner.search(owner, query))
    }

    fn index(&self) -> StoreFuture<'_, bool> {
        self.timed("index", None, self.inner.index())
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

    fn preferences(&self, owner: &str) -> StoreFuture<'_, Preferences> {
        self.timed("preferences", Some(owner), self.inner.preferences(owner))
    }

    fn entry(&self, key: LibraryKey, version: Option<i64>) -> StoreFuture<'_, Option<EntryRecord>> {
        let owner = key.owner.clone();
        self.timed("entry", Some(&owner), self.inner.entry(key, version))
    }

    fn entries(&self, owner: &str, query: EntryQuery) -> StoreFuture<'_, Vec<EntryRow>> {
        self.timed("entries", Some(owner), self.inner.entries(owner, query))
    }

    fn entry_versions(&self, key: LibraryKey, before: Option<i64>, limit: usize) -> StoreFuture<'_, Vec<EntryVersion>> {
        let owner = key.owner.clone();
        self.timed("entry_versions", Some(&owner), self.inner.entry_versions(key, before, limit))
    }

    fn library_changes(&self, since: i64) -> Option<LibraryChanges> {
        self.inner.library_changes(since)
    }

    fn expired(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<(String, ConversationId)>> {
        self.timed("expired", None, self.inner.expired(now, limit))
    }

    fn stream(&self, owner: &str, id: StreamId) -> StoreFuture<'_, Option<StreamRecord>> {
        self.timed("stream", Some(owner), self.inner.stream(owner, id))
    }

    fn streams(
        &self,
        owner: &str,
        before: Option<StreamId>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<(StreamId, StreamRecord)>> {
        self.timed("streams", Some(owner), self.inner.streams(owner, before, limit))
    }

    fn events(&self, owner: &str, id: StreamId, after_seq: i64, limit: usize) -> StoreFuture<'_, Option<EventRows>> {
        self.timed("events", Some(owner), self.inner.events(owner, id, after_seq, limit))
    }

    fn expired_streams(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<(String, StreamId)>> {
        self.timed("expired_streams", None, self.inner.expired_streams(now, limit))
    }

    fn erasing(&self, limit: usize) -> StoreFuture<'_, Vec<String>> {
        self.timed("erasing", None, self.inner.erasing(limit))
    }

    fn bell(&self, stream: StreamId) -> Bell {
        self.inner.bell(stream)
    }

    fn recover(&self, now: Timestamp) -> StoreFuture<'_, Vec<TurnRecord>> {
        let work = async move {
            let records = self.inner.recover(now).await?;
            if !records.is_empty() {
                let turns = i64::try_from(records.len()).unwrap_or(i64::MAX);
                self.watch.tell_all(EngineEventKind::StoreRepaired { turns });
                self.feeds.tell_all();
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

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;
    use crate::base::ManualClock;
    use crate::store::contract::scene::Scene;
    use crate::store::{SqliteSettings, SqliteStore};

    #[tokio::test]
    async fn nothing_is_indexed_while_somebody_writes() {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::default();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let path = folder.path().join("chat.db");
        let store = SqliteStore::open(&path, SqliteSettings::default(), shared.clone()).await.unwrap();
        let watch = Arc::new(Watch::new(shared.clone()));
        let store = Arc::new(WatchedStore::new(Arc::new(store), shared, watch, Arc::default(), Duration::from_secs(1)));
        let scene = Scene::new(store.clone());
        let indexed = async || {
            store.index_while_quiet(CancellationToken::new()).await.unwrap();
            store.health().1.iter().filter(|operation| operation.name == "index").map(|found| found.calls).sum::<i64>()
        };
        clock.advance(Duration::from_secs(60));
        scene.new_conversation().await;
        assert_eq!(indexed().await, 0);
        clock.advance(Duration::from_millis(999));
        assert_eq!(indexed().await, 0);
        clock.advance(Duration::from_millis(1));
        let calls = indexed().await;
        assert!(calls >= 2, "{calls}");
        let closing = CancellationToken::new();
        closing.cancel();
        store.index_while_quiet(closing).await.unwrap();
        assert_eq!(indexed().await, calls + 1, "who closes is not held up");
    }
}
