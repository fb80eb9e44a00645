//! Figures of the last while: how many calls, how they ended, and how long everything took.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Figures of the last while.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// How long a while, in milliseconds: at most an hour.
    pub window_ms: i64,
    /// Of all models together.
    pub total: TargetStats,
    /// Of each model that was asked, by name. Only the 64 that were asked last have figures of their own.
    pub targets: Vec<TargetStats>,
}

/// Figures of one model, or of all.
///
/// A call is what an application asks for, a try is one request for it. A call counts at the model that had the last
/// word on it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TargetStats {
    /// The model as `provider/model`; `*` for all together.
    pub model: String,
    /// Calls that ended.
    pub calls: i64,
    /// Those that ended with a whole reply.
    pub succeeded: i64,
    /// Those that were stopped by whoever made them.
    pub cancelled: i64,
    /// The other calls, by kind of error.
    pub errors: HashMap<String, i64>,
    /// The share of whole replies among the calls that were not stopped, from 0 to 1; nothing without such a call.
    pub success_rate: Option<f64>,
    /// Tries that ended, the first of each call included.
    pub attempts: i64,
    /// Those that repeated another one.
    pub retries: i64,
    /// The tries that failed, by kind of error.
    pub attempt_errors: HashMap<String, i64>,
    /// From the call to the first words of its reply, in milliseconds.
    pub first_delta_ms: Spread,
    /// From the call to the end of a whole reply, in milliseconds.
    pub duration_ms: Spread,
    /// What of the time to the first words was the engine's own work: neither the provider's time nor a pause before a
    /// retry, in milliseconds.
    pub added_ms: Spread,
    /// Between two arrivals of words, in milliseconds; of replies that have ended.
    pub delta_gap_ms: Spread,
    /// Output tokens a second, from the first words on.
    pub tokens_per_second: Spread,
    /// The wait in the queue, in milliseconds.
    pub queue_wait_ms: Spread,
    /// The wait for a free connection, in milliseconds; of calls that had to wait.
    pub connection_wait_ms: Spread,
    /// Replies that are on their way now.
    pub open_streams: i64,
    /// Tries that were given up because nothing came in time.
    pub stalls: i64,
    /// Readers that came back to a reply under way.
    pub reattached: i64,
    /// Replies out of the cache.
    pub cache_hits: i64,
    /// Calls whose reply was not in the cache.
    pub cache_misses: i64,
}

/// How values spread. Each figure is within 4% of the exact one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// How many values.
    pub count: i64,
    /// Half of them are not above this; 0 without values.
    pub p50: f64,
    /// 95 of 100 are not above this.
    pub p95: f64,
    /// 99 of 100 are not above this.
    pub p99: f64,
    /// The largest, exactly.
    pub max: f64,
}
