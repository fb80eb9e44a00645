//! Conversations in a SQLite file.
//!
//! ```text
//! apply ─▶ bounded channel ─▶ one writing thread ─▶ group commit ─▶ answer after COMMIT
//! reads ─▶ bounded queue ─▶ four reading threads (query_only), each read one snapshot
//! ```
//!
//! SQLite runs on threads of its own, so that no caller's executor is blocked, a dropped future cannot leave a
//! transaction open, and there is one writer to wait for instead of a lock to fight over (SQLite's own is unfair).
//! Rejected: `spawn_blocking` for each query (hundreds of threads under load, no group commit), a pool of writers
//! (BUSY by design), a check that a pooled connection is alive (it costs more than a read).
//!
//! Files: the database, SQLite's `-wal` and `-shm` while open, and `.lock`, which tells who else lives.

mod apply;
mod backup;
mod branches;
mod cipher;
mod company;
mod connect;
mod conversations;
mod events;
mod failure;
pub mod fork;
mod gauges;
mod glance;
mod library;
mod life;
mod liveness;
mod migrate;
mod read;
mod readers;
mod recover;
mod row;
mod search;
mod settings;
mod spend;
mod summary;
mod upkeep;
mod verify;
mod whole;
mod writer;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::events::Bells;
use super::{
    Attachment, Bell, BranchQuery, BranchRows, ConversationRows, Due, DueRows, Durability, EntryQuery, EntryRecord,
    EntryRow, EntryVersion, EventRows, LibraryChanges, LibraryKey, ListQuery, MessageRows, PageQuery, QueueQuery,
    QueueRow, Receipt, SearchQuery, SearchRows, SiblingAnchor, Spender, Store, StoreFuture, StreamRecord, SummaryPlace,
    TreeRows, TurnRecord, Upkeep, UsageQuery, WriteBatch, refusal,
};
use crate::base::{AttachmentId, Clock, ConversationId, MessageId, StreamId, Timestamp, TurnId};
use crate::model::{Budget, BudgetStatus, ConversationSummary, Error, Message, Preferences, Result, UsageReport};
use backup::Backups;
use failure::file_failed;
use gauges::{Gauges, Place};
use glance::Glance;
use life::{Door, Life};
use readers::Reads;
use writer::{ApplyJob, Counting, Job, Writer};

pub use cipher::StoreKey;
pub use settings::SqliteSettings;
pub use writer::StoreCounters;

/// How many calls may wait for each channel; further ones wait in their own futures.
const QUEUE: usize = 256;

/// Keeps conversations in a SQLite file. Several stores, also of several processes, may have the same file open.
pub struct SqliteStore {
    path: PathBuf,
    jobs: mpsc::Sender<Job>,
    reads: Reads,
    searches: bool,
    clock: Arc<dyn Clock>,
    door: Arc<Door>,
    counting: Arc<Counting>,
    gauges: Arc<Gauges>,
    readers: usize,
    backups: Arc<Backups>,
    glance: Arc<Glance>,
    bells: Arc<Bells>,
    /// Nothing is ever sent; it ends when the writing thread does.
    alive: watch::Receiver<()>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl std::fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqliteStore").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the file; makes it, and the folders above it, when they are not there (readable for their owner alone).
    /// An older schema is brought up to date. The clock measures, and says
    /// what has expired; no time of it is stored.
    ///
    /// # Errors
    /// `Storage`: not_a_database, not_encrypted, wrong_key, newer_schema, corrupt, read_only, full, busy, io; what is refused
    /// stays as it was. `Invalid`: bad_store_key; unsupported for a key where SQLite cannot encrypt.
    pub async fn open(path: impl AsRef<Path>, settings: SqliteSettings, clock: Arc<dyn Clock>) -> Result<Self> {
        let given = path.as_ref();
        // Absolute, so that a later change of folder, or a name such as `:memory:`, means nothing else.
        let path = std::path::absolute(given).map_err(|error| file_failed(given, error))?;
        let (jobs, waiting_jobs) = mpsc::channel(QUEUE);
        let (reads, waiting_reads) = readers::queue(QUEUE);
        let (opened, opening) = oneshot::channel();
        let (ends, alive) = watch::channel(());
        let counting = Arc::new(Counting::default());
        let (searches, door, backups) = (settings.search, Arc::<Door>::default(), Arc::<Backups>::default());
        let (bells, gauges, glance) = (Arc::<Bells>::default(), Arc::<Gauges>::default(), Arc::<Glance>::default());
        glance.register();
        let readers = settings.readers.max(1);
        let life = Life {
            path: path.clone(),
            settings,
            clock: Arc::clone(&clock),
            counting: Arc::clone(&counting),
            gauges: Arc::clone(&gauges),
            bells: Arc::clone(&bells),
            door: Arc::clone(&door),
            backups: Arc::clone(&backups),
            glance: Arc::clone(&glance),
            reads: waiting_reads,
        };
        let thread = Builder::new()
            .name("tertulia-write".to_owned())
            .spawn(move || {
                life.run(waiting_jobs, opened);
                drop(ends);
            })
            .map_err(|error| file_failed(given, error))?;
        let thread = Mutex::new(Some(thread));
        let store = Self {
            path,
            jobs,
            reads,
            searches,
            clock,
            door,
            counting,
            gauges,
            readers,
            backups,
            glance,
            bells,
            alive,
            thread,
        };
        opening.await.map_err(|_| Error::internal("the writing thread ended while opening"))??;
        Ok(store)
    }

    /// What was written since the store was opened.
    #[must_use]
    pub fn counters(&self) -> StoreCounters {
        self.counting.read()
    }

    async fn write<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T>>) -> Job) -> Result<T> {
        self.door.check()?;
        self.hand_in(job).await
    }

    async fn hand_in<T>(&self, job: impl FnOnce(oneshot::Sender<Result<T>>) -> Job) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.jobs.send(job(reply)).await.map_err(|_| refusal::closed())?;
        answer.await.map_err(|_| self.unanswered())?
    }

    /// Why an answer never came: the store was closed before the question's turn, the disk has failed, or a bug of ours.
    fn unanswered(&self) -> Error {
        match self.door.check() {
            Err(error) => error,
            Ok(()) if self.door.is_broken() => failure::broken(),
            Ok(()) => Error::internal("a thread of the store panicked; the store goes on"),
        }
    }

    /// Runs some work on the writing thread, between two groups.
    async fn run<T: Send + 'static>(&self, work: impl FnOnce(&mut Writer) -> Result<T> + Send + 'static) -> Result<T> {
        self.write(|reply| {
            // Whoever asked may have gone; the work is done all the same.
            Job::Run(Box::new(move |writer| {
                let result = work(writer);
                writer.doubt(&result);
                drop(reply.send(result));
            }))
        })
        .await
    }

    /// Runs a read in one transaction, so that all its statements see the same state, of one moment.
    fn read<'a, T: Send + 'static>(
        &'a self,
        name: &'static str,
        query: impl FnOnce(&Connection, Timestamp) -> Result<T> + Send + 'static,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            self.door.check()?;
            if self.door.is_broken() {
                // Nobody reads. Whoever asks is reason to open the database again.
                self.run(|_| Ok(())).await?;
            }
            let (reply, answer) = oneshot::channel();
            let now = self.clock.now();
            let mut place = Place::take(&self.gauges.reads, &self.clock);
            let work = move |connection: &mut Connection| {
                place.begin();
                if reply.is_closed() {
                    return;
                }
                let result = row::snapshot(connection, |connection| query(connection, now));
                drop(reply.send(result));
            };
            self.reads.hand_in(name, work).await?;
            // It may have come too late for who reads what is left before they go.
            self.door.check()?;
            if self.door.is_broken() {
                return Err(failure::broken());
            }
            answer.await.map_err(|_| self.unanswered())?
        })
    }

    fn join(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!(target: "tertulia::store", operation = "apply", "the writing thread panicked");
        }
    }
}

impl Drop for SqliteStore {
    /// Finishes what was handed in and waits for it, so that no thread outlives its store. Where blocking for some
    /// milliseconds hurts, `close` before.
    fn drop(&mut self) {
        // The writing thread ends when nobody is left who could send it something.
        let (nobody, _) = mpsc::channel(1);
        self.jobs = nobody;
        self.join();
    }
}

impl Store for SqliteStore {
    fn apply(&self, batch: WriteBatch, durability: Durability) -> StoreFuture<'_, Receipt> {
        Box::pin(async move {
            let place = Place::take(&self.gauges.writes, &self.clock);
            self.write(move |reply| Job::Apply(ApplyJob { batch, durability, reply, place })).await
        })
    }

    fn conversation(&self, owner: &str, id: ConversationId) -> StoreFuture<'_, Option<ConversationSummary>> {
        let owner = owner.to_owned();
        self.read("conversation", move |connection, now| conversations::conversation(connection, &owner, id, now))
    }

    fn conversations(&self, owner: &str, query: ListQuery) -> StoreFuture<'_, ConversationRows> {
        let owner = owner.to_owned();
        self.read("conversations", move |connection, now| conversations::conversations(connection, &owner, &query, now))
    }

    fn page(
        &self,
        owner: &str,
        conversation: ConversationId,
        query: PageQuery,
    ) -> StoreFuture<'_, Option<MessageRows>> {
        let owner = owner.to_owned();
        self.read("page", move |connection, now| read::page(connection, &owner, conversation, &query, now))
    }

    fn open(
        &self,
        owner: &str,
        conversation: ConversationId,
        query: PageQuery,
    ) -> StoreFuture<'_, Option<(ConversationSummary, MessageRows)>> {
        let owner = owner.to_owned();
        self.read("open", move |connection, now| read::open(connection, &owner, conversation, &query, now))
    }

    fn summary(
        &self,
        owner: &str,
        conversation: ConversationId,
        before: Option<MessageId>,
    ) -> StoreFuture<'_, Option<SummaryPlace>> {
        let owner = owner.to_owned();
        self.read("summary", move |connection, now| summary::summary(connection, &owner, conversation, before, now))
    }

    fn siblings(
        &self,
        owner: &str,
        conversation: ConversationId,
        anchor: SiblingAnchor,
        limit: usize,
    ) -> StoreFuture<'_, Option<MessageRows>> {
        let owner = owner.to_owned();
        self.read("siblings", move |connection, now| {
            branches::siblings(connection, &owner, conversation, anchor, limit, now)
        })
    }

    fn branches(
        &self,
        owner: &str,
        conversation: ConversationId,
        query: BranchQuery,
    ) -> StoreFuture<'_, Option<BranchRows>> {
        let owner = owner.to_owned();
        self.read("branches", move |connection, now| branches::branches(connection, &owner, conversation, query, now))
    }

    fn tree(
        &self,
        owner: &str,
        conversation: ConversationId,
        after: Option<MessageId>,
        limit: usize,
    ) -> StoreFuture<'_, Option<TreeRows>> {
        let owner = owner.to_owned();
        self.read("tree", move |connection, now| whole::tree(connection, &owner, conversation, (after, limit), now))
    }

    fn known(&self, owner: &str, conversation: ConversationId, ids: Vec<MessageId>) -> StoreFuture<'_, Vec<MessageId>> {
        let owner = owner.to_owned();
        self.read("known", move |connection, now| whole::known(connection, &owner, conversation, ids, now))
    }

    fn message(&self, owner: &str, id: MessageId) -> StoreFuture<'_, Option<Message>> {
        let owner = owner.to_owned();
        self.read("message", move |connection, now| read::message(connection, &owner, id, now))
    }

    fn search(&self, owner: &str, query: SearchQuery) -> StoreFuture<'_, Option<SearchRows>> {
        let (owner, query): (Arc<str>, _) = (owner.into(), Arc::new(query));
        Box::pin(async move {
            if !self.searches {
                return Err(refusal::search_off());
            }
            let mut indexed = None;
            loop {
                let (owner, query) = (Arc::clone(&owner), Arc::clone(&query));
                let read = move |connection: &Connection, now| search::search(connection, &owner, &query, indexed, now);
                match self.read("search", read).await? {
                    search::Found::Rows(rows) => return Ok(rows),
                    search::Found::Behind { until } => {
                        while !self.run(move |writer| writer.index(Some(until))).await? {}
                        indexed = Some(until);
                    }
                }
            }
        })
    }

    fn index(&self) -> StoreFuture<'_, bool> {
        Box::pin(async move { if self.searches { self.run(|writer| writer.index(None)).await } else { Ok(true) } })
    }

    fn turn(&self, owner: &str, id: TurnId) -> StoreFuture<'_, Option<TurnRecord>> {
        let owner = owner.to_owned();
        self.read("turn", move |connection, now| read::turn(connection, &owner, id, now))
    }

    fn turn_of_client(
        &self,
        owner: &str,
        conversation: ConversationId,
        client_id: &str,
    ) -> StoreFuture<'_, Option<TurnRecord>> {
        let (owner, client_id) = (owner.to_owned(), client_id.to_owned());
        self.read("turn_of_client", move |connection, now| {
            read::turn_of_client(connection, &owner, conversation, &client_id, now)
        })
    }

    fn queue_due(&self, now: Timestamp, due: Due, limit: usize) -> StoreFuture<'_, DueRows> {
        self.read("queue_due", move |connection, _| read::queue_due(connection, now, due, limit))
    }

    fn queue(&self, owner: &str, query: QueueQuery) -> StoreFuture<'_, Vec<QueueRow>> {
        let owner = owner.to_owned();
        self.read("queue", move |connection, now| read::queue(connection, &owner, query, now))
    }

    fn attachment(&self, owner: &str, id: AttachmentId) -> StoreFuture<'_, Option<Attachment>> {
        let owner = owner.to_owned();
        self.read("attachment", move |connection, now| read::attachment(connection, &owner, id, now))
    }

    fn has_budgets(&self) -> StoreFuture<'_, bool> {
        self.read("has_budgets", |connection, _| spend::has_budgets(connection))
    }

    fn budgets(&self, owner: Option<&str>) -> StoreFuture<'_, Vec<Budget>> {
        let owner = owner.map(str::to_owned);
        self.read("budgets", move |connection, _| spend::budgets(connection, owner.as_deref()))
    }

    fn budget_status(&self, spender: Spender, at: Timestamp) -> StoreFuture<'_, Vec<BudgetStatus>> {
        self.read("budget_status", move |connection, _| spend::budget_status(connection, &spender, at))
    }

    fn usage(&self, query: UsageQuery) -> StoreFuture<'_, UsageReport> {
        self.read("usage", move |connection, _| spend::usage(connection, &query))
    }

    fn preferences(&self, owner: &str) -> StoreFuture<'_, Preferences> {
        let owner = owner.to_owned();
        self.read("preferences", move |connection, _| conversations::preferences(connection, &owner))
    }

    fn entry(&self, key: LibraryKey, version: Option<i64>) -> StoreFuture<'_, Option<EntryRecord>> {
        self.read("entry", move |connection, _| library::entry(connection, &key, version))
    }

    fn entries(&self, owner: &str, query: EntryQuery) -> StoreFuture<'_, Vec<EntryRow>> {
        let owner = owner.to_owned();
        self.read("entries", move |connection, _| library::entries(connection, &owner, &query))
    }

    fn entry_versions(&self, key: LibraryKey, before: Option<i64>, limit: usize) -> StoreFuture<'_, Vec<EntryVersion>> {
        self.read("entry_versions", move |connection, _| library::versions(connection, &key, before, limit))
    }

    fn library_changes(&self, since: i64) -> Option<LibraryChanges> {
        self.glance.changes(since)
    }

    fn expired(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<(String, ConversationId)>> {
        self.read("expired", move |connection, _| conversations::expired(connection, now, limit))
    }

    fn stream(&self, owner: &str, id: StreamId) -> StoreFuture<'_, Option<StreamRecord>> {
        let owner = owner.to_owned();
        self.read("stream", move |connection, now| events::stream(connection, &owner, id, now))
    }

    fn streams(
        &self,
        owner: &str,
        before: Option<StreamId>,
        limit: usize,
    ) -> StoreFuture<'_, Vec<(StreamId, StreamRecord)>> {
        let owner = owner.to_owned();
        self.read("streams", move |connection, now| events::streams(connection, &owner, before, limit, now))
    }

    fn events(&self, owner: &str, id: StreamId, after_seq: i64, limit: usize) -> StoreFuture<'_, Option<EventRows>> {
        let owner = owner.to_owned();
        self.read("events", move |connection, now| events::events(connection, &owner, id, after_seq, limit, now))
    }

    fn expired_streams(&self, now: Timestamp, limit: usize) -> StoreFuture<'_, Vec<(String, StreamId)>> {
        self.read("expired_streams", move |connection, _| events::expired(connection, now, limit))
    }

    fn erasing(&self, limit: usize) -> StoreFuture<'_, Vec<String>> {
        self.read("erasing", move |connection, _| apply::erase::erasing(connection, limit))
    }

    fn bell(&self, stream: StreamId) -> Bell {
        self.bells.bell(stream)
    }

    fn recover(&self, now: Timestamp) -> StoreFuture<'_, Vec<TurnRecord>> {
        Box::pin(async move {
            let (records, reservations) = self.run(move |writer| recover::recover(&mut writer.connection, now)).await?;
            if !records.is_empty() || reservations > 0 {
                tracing::info!(target: "tertulia::store", operation = "recover", turns = records.len(), reservations, "what ended processes left open was put to rest");
            }
            Ok(records)
        })
    }

    fn upkeep(&self) -> Option<&dyn Upkeep> {
        Some(self)
    }

    fn close(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            self.door.close();
            self.bells.ring_all();
            // Refused only when the writer is gone already. Sent by every caller, in case the first one was dropped.
            drop(self.jobs.send(Job::Close).await);
            let mut alive = self.alive.clone();
            while alive.changed().await.is_ok() {}
            self.join();
            Ok(())
        })
    }
}
