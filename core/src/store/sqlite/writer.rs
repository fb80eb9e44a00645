//! The one thread that writes, and its group commit.
//!
//! It takes what waits, applies the batches one after the other and commits them together: one fsync for up to 64
//! batches. While it syncs, the next group gathers by itself; where many write at once it is given time for that, because
//! a commit takes much the same time for many as for a few. Who writes alone never waits. A group is power-safe when any batch in
//! it must be. A batch that fails leaves no trace: most are refused before they have written anything. Where one has,
//! the group is rolled back and done again without it, this time each batch in a savepoint of its own. Savepoints make
//! SQLite copy every page that they touch, which is more work than all the rest, so they are kept for that case.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::apply::{Applying, Seen};
use super::company::{Group, Habit, QUIET, gather};
use super::connect::close_copy;
use super::failure::{failed, is_of_disk};
use super::fork;
use super::gauges::{Gauges, Place, begin_job};
use super::life::Door;
use super::liveness::Liveness;
use super::row::{first, run};
use super::settings::SqliteSettings;
use crate::base::Clock;
use crate::model::{Error, Result};
use crate::store::events::Bells;
use crate::store::{Durability, Receipt, WriteBatch};

/// Pages of 8 KiB in the log from which on an idle writer moves them into the database.
const IDLE_CHECKPOINT_PAGES: i64 = 512;

/// The same for a writer that never gets idle, so that the log stays bounded.
const BUSY_CHECKPOINT_PAGES: i64 = 4_096;

/// What a page takes.
const PAGE_BYTES: i64 = 8_192;

/// How long the feed of changes is kept for followers.
const FEED_MILLIS: i64 = 24 * 60 * 60 * 1_000;

/// What the writer is asked to do.
pub(super) enum Job {
    Apply(ApplyJob),
    Run(Box<dyn FnOnce(&mut Writer) + Send>),
    /// Finish what came before, and give up every file and lock.
    Suspend(oneshot::Sender<Result<()>>),
    Resume(oneshot::Sender<Result<()>>),
    Close,
}

/// Why the writer has stopped.
pub(super) enum End {
    Closed,
    Suspended(oneshot::Sender<Result<()>>),
    /// It goes on.
    Resumed(oneshot::Sender<Result<()>>),
    /// The disk has failed: nobody knows what of the log it holds.
    Doubted,
}

pub(super) struct ApplyJob {
    pub(super) batch: WriteBatch,
    pub(super) durability: Durability,
    pub(super) reply: oneshot::Sender<Result<Receipt>>,
    /// Its place in the line of those who wait.
    pub(super) place: Place,
}

/// What the writer has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreCounters {
    /// Batches that were applied.
    pub batches: u64,
    /// Commits they took.
    pub commits: u64,
    /// How many of them were power-safe.
    pub power_safe_commits: u64,
    /// How often the log was moved into the database.
    pub checkpoints: u64,
}

/// The same, counted by the writer and read by anybody.
#[derive(Debug, Default)]
pub(super) struct Counting {
    pub(super) batches: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) power_safe_commits: AtomicU64,
    pub(super) checkpoints: AtomicU64,
}

impl Counting {
    pub(super) fn read(&self) -> StoreCounters {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        StoreCounters {
            batches: get(&self.batches),
            commits: get(&self.commits),
            power_safe_commits: get(&self.power_safe_commits),
            checkpoints: get(&self.checkpoints),
        }
    }
}

pub(super) struct Writer {
    pub(super) connection: Connection,
    pub(super) settings: SqliteSettings,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) counting: Arc<Counting>,
    pub(super) gauges: Arc<Gauges>,
    pub(super) bells: Arc<Bells>,
    pub(super) door: Arc<Door>,
    /// What the connection is set to now.
    pub(super) syncs_fully: bool,
    /// How many pages the log had after the last commit.
    pub(super) logged: Arc<AtomicI64>,
    /// How many of the next batches get a savepoint: one beside them has failed half-way.
    pub(super) careful: usize,
    /// So many changes were written here since the index of words was up to date.
    pub(super) unindexed: i64,
    /// True once the disk has failed: on this connection nothing more is promised.
    pub(super) doubted: bool,
    /// Tells others that this store lives. Dropped behind the connection.
    pub(super) liveness: Option<Liveness>,
}

impl fork::Inherited for Mutex<Writer> {
    fn close_copy(&self) {
        if let Ok(mut writer) = self.try_lock() {
            close_copy(&mut writer.connection);
            // The parent's own hold stays.
            writer.liveness = None;
        }
    }
}

impl Writer {
    /// Works until it is told to stop, nobody is left to tell it anything, or the disk fails.
    pub(super) fn work(writer: &Mutex<Self>, jobs: &mut mpsc::Receiver<Job>, waiting: &mut VecDeque<Job>) -> End {
        let settings = lock(writer).settings.clone();
        let most = settings.group_commit_rows.max(1);
        let clock = Arc::clone(&lock(writer).clock);
        let mut last = Group::default();
        let mut habit = Habit::default();
        loop {
            if waiting.is_empty() {
                let Some(job) = jobs.blocking_recv() else { return End::Closed };
                waiting.push_back(job);
            }
            let patience = last.patience(Duration::from_millis(settings.group_commit_ms));
            gather(patience, jobs, waiting, most, &mut habit, || {
                let began = clock.monotonic();
                // This thread is the writer's own and nobody's work waits on it meanwhile. To be woken by the next batch
                // instead would cost as many wakes as there are batches, which is what a group is to save.
                std::thread::sleep(QUIET);
                clock.monotonic() - began
            });
            last = Group::default();
            // What was handed in before is done; what comes after finds the door closed.
            match waiting.pop_front() {
                Some(Job::Close) => return End::Closed,
                Some(Job::Suspend(reply)) => return End::Suspended(reply),
                Some(Job::Resume(reply)) => return End::Resumed(reply),
                Some(job) => waiting.push_front(job),
                None => {}
            }
            let _inside = fork::enter();
            let this = &mut *lock(writer);
            let worked = catch_unwind(AssertUnwindSafe(|| match waiting.front() {
                Some(Job::Apply(_)) => last = this.commit_group(waiting, most),
                _ => {
                    if let Some(Job::Run(work)) = waiting.pop_front() {
                        work(this);
                    }
                }
            }));
            if worked.is_err() {
                // A bug of ours costs the callers of this group their answer, not everybody their store.
                this.roll_back();
                tracing::error!(target: "tertulia::store", operation = "apply", "the writing thread panicked; the group was rolled back");
            }
            let idle = waiting.is_empty() && jobs.is_empty();
            if idle {
                this.index_if_far_behind();
            }
            this.checkpoint(if idle { IDLE_CHECKPOINT_PAGES } else { BUSY_CHECKPOINT_PAGES });
            if this.doubted {
                return End::Doubted;
            }
        }
    }

    /// Looks whether the disk has failed. Nobody is answered before: who hears of it may ask something the next moment, and
    /// shall find that the database has to be opened again.
    pub(super) fn doubt<T>(&mut self, result: &Result<T>) {
        if is_of_disk(result) {
            self.doubted = true;
            self.door.breaks();
        }
    }

    /// Applies the batches at the front and answers them.
    fn commit_group(&mut self, waiting: &mut VecDeque<Job>, most: usize) -> Group {
        let started = self.clock.monotonic();
        begin_job();
        let mut group =
            waiting.iter().take(most).map_while(|job| if let Job::Apply(job) = job { Some(job) } else { None });
        let power_safe = group.any(|job| job.durability == Durability::PowerSafe);
        let mut done: Vec<(ApplyJob, Result<Receipt>)> = Vec::new();
        let mut change = match self.begin(power_safe) {
            Ok(change) => change,
            Err(error) => {
                self.doubt::<()>(&Err(error.clone()));
                for _ in 0..most {
                    let Some(job) = next_batch(waiting) else { break };
                    answer(job, Err(error.clone()));
                }
                return Group::default();
            }
        };
        let first_change = change;
        let has_budgets = Cell::default();
        let patience = Duration::from_millis(self.settings.group_commit_ms);
        while done.len() < most && (done.is_empty() || self.clock.monotonic() - started < patience) {
            let Some(mut job) = next_batch(waiting) else { break };
            job.place.begin();
            let result = self.apply(&job.batch, &mut change, &has_budgets);
            self.doubt(&result);
            if self.connection.is_autocommit() {
                // The batch has failed half-way, or SQLite took the whole transaction back (a full disk, for instance):
                // the ones before it are done again without it.
                answer(job, result.and_then(|_| Err(Error::internal("a transaction ended early"))));
                for (job, result) in done.into_iter().rev() {
                    match result {
                        Ok(_) => waiting.push_front(Job::Apply(job)),
                        Err(error) => answer(job, Err(error)),
                    }
                }
                self.careful = most;
                return Group::default();
            }
            done.push((job, result));
        }
        let all = done.len();
        let batches = done.iter().filter(|(_, result)| result.is_ok()).count();
        let committed =
            self.end(batches > 0, first_change, change, done.last().map_or(0, |(job, _)| job.batch.at.as_millis()));
        self.doubt(&committed);
        if committed.is_ok() && batches > 0 {
            self.unindexed += change - first_change;
            self.counting.batches.fetch_add(batches as u64, Ordering::Relaxed);
            self.counting.commits.fetch_add(1, Ordering::Relaxed);
            self.counting.power_safe_commits.fetch_add(u64::from(power_safe), Ordering::Relaxed);
            self.gauges.committed(self.logged.load(Ordering::Relaxed), PAGE_BYTES);
        }
        let took = self.clock.monotonic() - started;
        if took > Duration::from_millis(self.settings.slow_query_ms) {
            let millis = took.as_millis();
            tracing::warn!(target: "tertulia::store", operation = "apply", %millis, batches, "slow commit");
            self.gauges.slow("apply", took, self.clock.now(), &self.connection);
        }
        for (job, result) in done {
            if committed.is_ok() && result.is_ok() {
                self.bells.ring(&job.batch);
            }
            answer(job, committed.clone().and(result));
        }
        Group { batches: all, took }
    }

    pub(super) fn begin(&mut self, power_safe: bool) -> Result<i64> {
        if self.syncs_fully != power_safe {
            let level = if power_safe { "FULL" } else { "NORMAL" };
            self.connection.pragma_update(None, "synchronous", level).map_err(failed)?;
            self.syncs_fully = power_safe;
        }
        run(&self.connection, "BEGIN IMMEDIATE", [])?;
        last_change(&self.connection).inspect_err(|_| self.roll_back())
    }

    /// Applies one batch. One that fails has written nothing, or the whole transaction is rolled back.
    fn apply(&mut self, batch: &WriteBatch, change: &mut i64, has_budgets: &Cell<Option<bool>>) -> Result<Receipt> {
        let in_savepoint = self.careful > 0;
        self.careful = self.careful.saturating_sub(1);
        if in_savepoint {
            run(&self.connection, "SAVEPOINT batch", [])?;
        }
        let written = self.connection.total_changes();
        let mut applying = Applying {
            connection: &self.connection,
            owner: &batch.owner,
            at: batch.at,
            change: *change,
            made: None,
            seen: Seen::default(),
            has_budgets,
        };
        let result = applying.apply(batch);
        match &result {
            Ok(receipt) => *change = receipt.change_seq,
            Err(_) if self.connection.is_autocommit() => return result,
            Err(_) if in_savepoint => {
                has_budgets.set(None);
                self.or_roll_back("ROLLBACK TO batch")?;
            }
            Err(_) if self.connection.total_changes() != written => self.roll_back(),
            Err(_) => {}
        }
        if in_savepoint {
            self.or_roll_back("RELEASE batch")?;
        }
        result
    }

    /// Runs a statement without which nobody knows what the transaction holds.
    pub(super) fn or_roll_back(&self, sql: &'static str) -> Result<()> {
        run(&self.connection, sql, []).map(drop).inspect_err(|_| self.roll_back())
    }

    fn end(&self, changed: bool, first_change: i64, change: i64, at: i64) -> Result<()> {
        let commit = || {
            if changed {
                set_last_change(&self.connection, change)?;
                trim_feed(&self.connection, 2 * (change - first_change), at)?;
            }
            self.or_roll_back("COMMIT")
        };
        commit().inspect_err(|_| self.roll_back())
    }

    pub(super) fn roll_back(&self) {
        if !self.connection.is_autocommit() && run(&self.connection, "ROLLBACK", []).is_err() {
            tracing::error!(target: "tertulia::store", operation = "apply", "a transaction could not be rolled back");
        }
    }

    /// How many pages of the log are not in the database yet; nothing when nobody can say.
    pub(super) fn unmoved(&self) -> Option<i64> {
        // NOOP only says how many pages there are and how many of them are moved already.
        let (all, moved) = self.log("PRAGMA wal_checkpoint(NOOP)").ok()?;
        Some(all - moved)
    }

    /// How many pages the log has, up to the last commit; nothing when nobody can say.
    pub(super) fn log_pages(&self) -> Option<u64> {
        u64::try_from(self.log("PRAGMA wal_checkpoint(NOOP)").ok()?.0).ok()
    }

    fn log(&self, sql: &str) -> rusqlite::Result<(i64, i64)> {
        let mut statement = self.connection.prepare_cached(sql)?;
        statement.query_row([], |row| Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?)))
    }

    /// Moves the log into the database when it has grown to so many pages.
    fn checkpoint(&mut self, pages: i64) {
        // To ask is a statement that is made ready anew each time.
        if self.logged.load(Ordering::Relaxed) < pages || self.unmoved().is_none_or(|unmoved| unmoved < pages) {
            return;
        }
        match self.log("PRAGMA wal_checkpoint(PASSIVE)") {
            Ok(_) => drop(self.counting.checkpoints.fetch_add(1, Ordering::Relaxed)),
            Err(error) => {
                let error = failed(error);
                tracing::warn!(target: "tertulia::store", operation = "apply", %error, "the log could not be moved into the database");
                self.doubt::<()>(&Err(error));
            }
        }
    }
}

/// Moves the whole log into the database and empties it. False when somebody still reads from it.
pub(super) fn empty_log(connection: &Connection) -> Result<bool> {
    let busy = first(connection, "PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))?;
    Ok(busy == Some(0))
}

/// Nobody else uses it but the child of a fork, to close its copy.
fn lock(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The batch at the front, unless something else is to be done first.
fn next_batch(waiting: &mut VecDeque<Job>) -> Option<ApplyJob> {
    match waiting.pop_front()? {
        Job::Apply(job) => Some(job),
        other => {
            waiting.push_front(other);
            None
        }
    }
}

fn answer(job: ApplyJob, result: Result<Receipt>) {
    // Whoever asked may have gone; the batch stays.
    drop(job.reply.send(result));
}

/// The last number given to a change.
pub(super) fn last_change(connection: &Connection) -> Result<i64> {
    let found = first(connection, "SELECT value FROM seq WHERE name = 'change'", [], |row| row.get(0))?;
    found.ok_or_else(|| Error::internal("the counter of changes is missing"))
}

pub(super) fn set_last_change(connection: &Connection, change: i64) -> Result<()> {
    run(connection, "UPDATE seq SET value = ? WHERE name = 'change'", [change]).map(drop)
}

/// Forgets some of the oldest changes that are a day old and that every follower has read.
fn trim_feed(connection: &Connection, most: i64, now: i64) -> Result<()> {
    // Mostly there is none, and a look at one row says so. One from the future, of a clock that was set back, says nothing
    // about those behind it.
    let oldest = first(connection, "SELECT at FROM change_feed ORDER BY seq LIMIT 1", [], |row| row.get::<_, i64>(0))?;
    if oldest.is_none_or(|at| (now.saturating_sub(FEED_MILLIS)..=now).contains(&at)) {
        return Ok(());
    }
    run(
        connection,
        "DELETE FROM change_feed WHERE at < ?1 AND seq IN (SELECT seq FROM change_feed
         WHERE seq <= coalesce((SELECT min(seq) FROM change_cursor), 9223372036854775807) ORDER BY seq LIMIT ?2)",
        [now.saturating_sub(FEED_MILLIS), most],
    )
    .map(drop)
}
