//! How an engine is.

use std::time::SystemTime;

use super::message::moment;
use super::words::HealthState;
use crate::model;

/// How an engine is at a moment.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Health {
    /// When.
    pub at: SystemTime,
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
    /// Calls that wait in the queue.
    pub queue_waiting: i64,
    /// Replies that are on their way.
    pub open_streams: i64,
    /// All of this and what only operators read (breakers, limits, tasks, what the store was asked), as JSON.
    pub report: String,
}

impl From<model::Health> for Health {
    fn from(health: model::Health) -> Self {
        // Plain data, of which nothing can fail to be JSON.
        let report = serde_json::to_string(&health).unwrap_or_default();
        let model::Health {
            at,
            state,
            store,
            cache,
            outbox,
            outbox_pending,
            providers,
            queue_waiting,
            open_streams,
            breakers: _,
            limits: _,
            tasks: _,
            store_operations: _,
            store_figures: _,
            cache_hits: _,
            cache_misses: _,
            library: _,
        } = health;
        Self {
            at: moment(at),
            state: state.into(),
            store: store.into(),
            cache: cache.into(),
            outbox: outbox.into(),
            outbox_pending,
            providers: providers.into_iter().map(PartHealth::from).collect(),
            queue_waiting,
            open_streams,
            report,
        }
    }
}

/// How a part of the engine is.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct PartHealth {
    /// The part.
    pub name: String,
    /// How it is.
    pub state: HealthState,
    /// Since when, unless it was never otherwise.
    pub since: Option<SystemTime>,
    /// Why, as a reason word, unless it is well.
    pub why: Option<String>,
}

impl From<model::PartHealth> for PartHealth {
    fn from(part: model::PartHealth) -> Self {
        let model::PartHealth { name, state, since, why } = part;
        Self { name, state: state.into(), since: since.map(moment), why }
    }
}
