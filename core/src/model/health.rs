//! How an engine is: one snapshot, from memory.

use serde::{Deserialize, Serialize};

use super::engine_event::BreakerState;
use super::library::LibraryHealth;
use super::stats::Spread;
use crate::base::Timestamp;

/// How an engine is at a moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// When.
    pub at: Timestamp,
    /// The worst that concerns all of it: down when the store is, degraded when any part is not well.
    pub state: HealthState,
    /// Where conversations are kept.
    pub store: PartHealth,
    /// The cache of replies.
    pub cache: PartHealth,
    /// What is to be sent later.
    pub outbox: PartHealth,
    /// How many messages wait there.
    pub outbox_pending: i64,
    /// Every provider that was asked, by name.
    pub providers: Vec<PartHealth>,
    /// Every model that is left alone or was, since the engine was opened.
    pub breakers: Vec<BreakerHealth>,
    /// Limits that were learnt.
    pub limits: Vec<LimitHealth>,
    /// Calls that wait in the queue.
    pub queue_waiting: i64,
    /// Replies that are on their way.
    pub open_streams: i64,
    /// Work in the background, oldest first.
    pub tasks: Vec<TaskHealth>,
    /// What the store was asked since the engine was opened, by name.
    pub store_operations: Vec<OperationHealth>,
    /// What the store measures of itself; nothing of one in memory.
    #[serde(default)]
    pub store_figures: Option<StoreFigures>,
    /// Replies out of the cache since the engine was opened.
    pub cache_hits: i64,
    /// Calls whose reply was not in the cache, since the engine was opened.
    pub cache_misses: i64,
    /// What the library's cache has done and holds.
    pub library: LibraryHealth,
}

/// How well something is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HealthState {
    /// It does what it should.
    #[default]
    Ok,
    /// It does, but not for everybody or not at once.
    Degraded,
    /// It does not.
    Down,
}

/// How a part of the engine is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartHealth {
    /// The part.
    pub name: String,
    /// How it is.
    pub state: HealthState,
    /// Since when, unless it was never otherwise.
    pub since: Option<Timestamp>,
    /// Why, as a reason word, unless it is well.
    pub why: Option<String>,
}

impl PartHealth {
    /// A part that is well and was never otherwise.
    #[must_use]
    pub fn ok(name: impl Into<String>) -> Self {
        Self { name: name.into(), state: HealthState::Ok, since: None, why: None }
    }
}

/// The breaker of a model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BreakerHealth {
    /// The model, as `provider/model`.
    pub model: String,
    /// What it does with calls.
    pub state: BreakerState,
    /// Since when.
    pub since: Timestamp,
    /// Before this moment nothing is sent, while it is open.
    pub until: Option<Timestamp>,
}

/// Limits of a model that were learnt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitHealth {
    /// The model, as `provider/model`.
    pub model: String,
    /// Requests a minute, where that is known.
    pub requests_per_minute: Option<i64>,
    /// Tokens a minute, where that is known.
    pub tokens_per_minute: Option<i64>,
}

/// Work in the background.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskHealth {
    /// What it is called.
    pub name: String,
    /// Whom it works for, where that is one user.
    pub owner: Option<String>,
    /// How long it has been at it, in milliseconds.
    pub age_ms: i64,
}

/// What the store was asked, under one name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperationHealth {
    /// The name.
    pub name: String,
    /// How often it was asked and answered.
    pub calls: i64,
    /// How often the store itself failed.
    pub failures: i64,
    /// How long it took in milliseconds, waiting for its turn included.
    pub duration_ms: Spread,
}

/// What a store measures of itself, since it was opened unless something else is said.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct StoreFigures {
    /// Batches that wait for the one thread that writes.
    pub writes_waiting: i64,
    /// How long the last 512 of them waited for it, in milliseconds.
    pub write_wait_ms: Spread,
    /// Threads that read.
    pub readers: i64,
    /// How many of them are at work.
    pub readers_busy: i64,
    /// Reads that wait for one of them.
    pub reads_waiting: i64,
    /// How long the last 512 reads waited, in milliseconds.
    pub read_wait_ms: Spread,
    /// Batches that were written.
    pub batches: i64,
    /// Commits they took: those that come together share one.
    pub commits: i64,
    /// Statements that were run for them.
    pub statements: i64,
    /// What the log held after the last commit, in bytes.
    pub log_bytes: i64,
    /// Reads and commits that took longer than `store.slow_query_ms`, waiting not counted.
    pub slow_queries: i64,
    /// The last 8 of them, the newest first.
    pub last_slow: Vec<SlowQuery>,
}

/// Something that took a store long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowQuery {
    /// What the store was asked, as in the names of `store_operations`.
    pub query: String,
    /// When it had ended.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub duration_ms: i64,
    /// The statements that it took: the first 8 that differ.
    pub statements: Vec<SlowStatement>,
}

/// A statement of something that took long.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SlowStatement {
    /// Its text, in which no value stands.
    pub sql: String,
    /// How the database goes about it, a line for each step; empty for what has no plan.
    pub plan: Vec<String>,
}
