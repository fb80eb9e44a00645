//! What the store measures of itself: who waits for which thread and how long, and which statements were slow.
//!
//! Nothing is measured statement by statement. Each job of a thread notes the texts of what it runs, which are ours and
//! hold no value, and only when the job took too long are they kept, with the plans that SQLite has for them.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use crate::base::{Clock, Timestamp};
use crate::model::{SlowQuery, SlowStatement, Spread, StoreFigures};

/// Waits are told of so many that ended last.
const WAITS: usize = 512;

/// So many slow jobs are remembered.
const SLOW: usize = 8;

/// So many different statements of each.
const STATEMENTS: usize = 8;

thread_local! {
    /// What the job of this thread has run.
    static RUN: RefCell<Run> = const { RefCell::new(Run { count: 0, texts: Vec::new() }) };
}

struct Run {
    count: i64,
    texts: Vec<&'static str>,
}

/// Notes that this thread runs a statement.
pub(super) fn note(sql: &'static str) {
    RUN.with_borrow_mut(|run| {
        run.count += 1;
        if run.texts.len() < STATEMENTS && !run.texts.contains(&sql) {
            run.texts.push(sql);
        }
    });
}

/// A job begins on this thread.
pub(super) fn begin_job() {
    RUN.with_borrow_mut(|run| {
        run.count = 0;
        run.texts.clear();
    });
}

/// What waits for threads of one kind.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: AtomicI64,
    busy: AtomicI64,
    /// How long those waited that came to their turn last, in microseconds.
    waits: Mutex<VecDeque<u64>>,
}

impl Line {
    fn spread(&self) -> Spread {
        let mut waits: Vec<u64> = lock(&self.waits).iter().copied().collect();
        waits.sort_unstable();
        let at = |of_100: usize| {
            let index = (waits.len() * of_100).div_ceil(100).saturating_sub(1);
            millis(waits.get(index).copied().unwrap_or(0))
        };
        let count = i64::try_from(waits.len()).unwrap_or(i64::MAX);
        Spread { count, p50: at(50), p95: at(95), p99: at(99), max: at(100) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "waits are far below 2^52 microseconds")]
fn millis(micros: u64) -> f64 {
    micros as f64 / 1_000.0
}

/// Somebody's place in a line; given up when it goes, however that happens.
pub(super) struct Place {
    line: Arc<Line>,
    clock: Arc<dyn Clock>,
    since: Option<Duration>,
}

impl Place {
    pub(super) fn take(line: &Arc<Line>, clock: &Arc<dyn Clock>) -> Self {
        line.waiting.fetch_add(1, Ordering::Relaxed);
        Self { line: Arc::clone(line), clock: Arc::clone(clock), since: Some(clock.monotonic()) }
    }

    /// Its turn has come.
    pub(super) fn begin(&mut self) {
        let Some(since) = self.since.take() else { return };
        self.line.waiting.fetch_sub(1, Ordering::Relaxed);
        let took = self.clock.monotonic().saturating_sub(since);
        let mut waits = lock(&self.line.waits);
        if waits.len() == WAITS {
            waits.pop_front();
        }
        waits.push_back(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.since.is_some() {
            self.line.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// A thread that is at work.
pub(super) struct Busy<'a>(&'a Line);

impl<'a> Busy<'a> {
    pub(super) fn begin(line: &'a Line) -> Self {
        line.busy.fetch_add(1, Ordering::Relaxed);
        Self(line)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

/// All that is measured.
#[derive(Debug, Default)]
pub(super) struct Gauges {
    pub(super) writes: Arc<Line>,
    pub(super) reads: Arc<Line>,
    /// Statements of all commits.
    statements: AtomicI64,
    /// What the log held after the last commit, in bytes.
    log_bytes: AtomicI64,
    slow: Mutex<Slow>,
}

#[derive(Debug, Default)]
struct Slow {
    count: i64,
    last: VecDeque<SlowQuery>,
}

impl Gauges {
    /// A group was committed; it left so many pages of this size in the log.
    pub(super) fn committed(&self, pages: i64, page_bytes: i64) {
        self.statements.fetch_add(RUN.with_borrow(|run| run.count), Ordering::Relaxed);
        // A head of 32 bytes, and 24 in front of each page.
        let bytes = if pages > 0 { 32 + pages * (24 + page_bytes) } else { 0 };
        self.log_bytes.store(bytes, Ordering::Relaxed);
    }

    /// The job of this thread took too long. Its connection says how it does what it was asked.
    pub(super) fn slow(&self, name: &'static str, took: Duration, at: Timestamp, connection: &Connection) {
        let texts = RUN.with_borrow(|run| run.texts.clone());
        let statements = texts.into_iter().map(|sql| SlowStatement { sql: plain(sql), plan: plan(connection, sql) });
        let duration_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        let query = SlowQuery { query: name.to_owned(), at, duration_ms, statements: statements.collect() };
        let mut slow = lock(&self.slow);
        slow.count += 1;
        if slow.last.len() == SLOW {
            slow.last.pop_back();
        }
        slow.last.push_front(query);
    }

    pub(super) fn read(&self, readers: usize, batches: u64, commits: u64) -> StoreFigures {
        let get = |counter: &AtomicI64| counter.load(Ordering::Relaxed).max(0);
        let slow = lock(&self.slow);
        StoreFigures {
            writes_waiting: get(&self.writes.waiting),
            write_wait_ms: self.writes.spread(),
            readers: i64::try_from(readers).unwrap_or(i64::MAX),
            readers_busy: get(&self.reads.busy),
            reads_waiting: get(&self.reads.waiting),
            read_wait_ms: self.reads.spread(),
            batches: i64::try_from(batches).unwrap_or(i64::MAX),
            commits: i64::try_from(commits).unwrap_or(i64::MAX),
            statements: get(&self.statements),
            log_bytes: get(&self.log_bytes),
            slow_queries: slow.count,
            last_slow: slow.last.iter().cloned().collect(),
        }
    }
}

/// The text on one line.
fn plain(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How SQLite goes about it, a line for each step; nothing for what has no plan.
fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let steps = || {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
        // What is not bound is NULL.
        let mut rows = statement.raw_query();
        let mut steps = Vec::new();
        while let Some(row) = rows.next()? {
            steps.push(row.get::<_, String>(3)?);
        }
        Ok::<_, rusqlite::Error>(steps)
    };
    steps().unwrap_or_default()
}

fn lock<T>(what: &Mutex<T>) -> MutexGuard<'_, T> {
    what.lock().unwrap_or_else(PoisonError::into_inner)
}
