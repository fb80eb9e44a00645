//! What is told of an engine: events, figures, health.

use tertulia::model::{
    BreakerHealth as BreakerRecord, EngineEvent as EventRecord, EngineEventKind, Health as HealthRecord,
    LimitHealth as LimitRecord, OperationHealth as OperationRecord, PartHealth as PartRecord, SlowQuery as SlowRecord,
    SlowStatement as StatementRecord, Spread as SpreadRecord, Stats as StatsRecord, StoreFigures as FiguresRecord,
    TargetStats as TargetRecord, TaskHealth as TaskRecord,
};

use pyo3::prelude::*;

use crate::convert::{FromPython, InItem, OutItem, Place, ToPython, invalid, json, plain};

values! {
    /// Something that happened in an engine.
    EngineEvent(record EventRecord) { at, owner, conversation_id, turn_id, kind }
    matches(kind) shows(at, owner, kind) hashes(at, owner, turn_id)
    + {
        /// What happened, in a word.
        #[getter]
        fn r#type<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            plain(py, &self.0.get().kind)?.get_item("type")
        }
    }

    /// How values spread.
    Spread(record SpreadRecord) { count, p50, p95, p99, max }
    matches(count) shows(count, p50, p95, p99, max) hashes(count)

    /// Figures of one model, or of all.
    TargetStats(record TargetRecord) {
        model, calls, succeeded, cancelled, errors, success_rate, attempts, retries, attempt_errors, first_delta_ms,
        duration_ms, added_ms, delta_gap_ms, tokens_per_second, queue_wait_ms, connection_wait_ms, open_streams, stalls,
        reattached, cache_hits, cache_misses,
    }
    matches(model) shows(model, calls, success_rate, retries) hashes(model, calls, succeeded)

    /// Figures of the last while.
    Stats(record StatsRecord) { window_ms, total, targets }
    matches(window_ms) shows(window_ms, total, targets) hashes(window_ms)

    /// How a part of the engine is.
    PartHealth(record PartRecord) { name, state, since, why }
    matches(name, state) shows(name, state, since, why) hashes(name, state, since)

    /// The breaker of a model.
    BreakerHealth(record BreakerRecord) { model, state, since, until }
    matches(model, state) shows(model, state, since) hashes(model, state, since)

    /// Limits of a model that were learnt.
    LimitHealth(record LimitRecord) { model, requests_per_minute, tokens_per_minute }
    matches(model) shows(model, requests_per_minute, tokens_per_minute) hashes(model)

    /// Work in the background.
    TaskHealth(record TaskRecord) { name, owner, age_ms }
    matches(name) shows(name, owner, age_ms) hashes(name, owner)

    /// What the store was asked, under one name.
    OperationHealth(record OperationRecord) { name, calls, failures, duration_ms }
    matches(name) shows(name, calls, failures) hashes(name, calls)

    /// A statement of something that took long.
    SlowStatement(record StatementRecord) { sql, plan }
    matches(sql) shows(sql, plan) hashes(sql)

    /// Something that took a store long.
    SlowQuery(record SlowRecord) { query, at, duration_ms, statements }
    matches(query) shows(query, at, duration_ms) hashes(query, at, duration_ms)

    /// What a store measures of itself.
    StoreFigures(record FiguresRecord) {
        writes_waiting, write_wait_ms, readers, readers_busy, reads_waiting, read_wait_ms, batches, commits, statements,
        log_bytes, slow_queries, last_slow,
    }
    matches(writes_waiting) shows(writes_waiting, readers_busy, reads_waiting, batches, commits, slow_queries)
    hashes(batches, commits, statements)

    /// How an engine is at a moment.
    Health(record HealthRecord) {
        at, state, store, cache, outbox, outbox_pending, providers, breakers, limits, queue_waiting, open_streams, tasks,
    store_operations, cache_hits, cache_misses, library, store_figures,
    }
    matches(state) shows(state, at) hashes(at, state)
}

records!(
    EngineEvent = EventRecord,
    Spread = SpreadRecord,
    TargetStats = TargetRecord,
    Stats = StatsRecord,
    PartHealth = PartRecord,
    BreakerHealth = BreakerRecord,
    LimitHealth = LimitRecord,
    TaskHealth = TaskRecord,
    OperationHealth = OperationRecord,
    SlowStatement = StatementRecord,
    SlowQuery = SlowRecord,
    StoreFigures = FiguresRecord,
    Health = HealthRecord
);

macro_rules! items {
    ($($record:ty),*) => {
        $(
            impl OutItem for $record {}
            impl InItem for $record {}
        )*
    };
}

items!(TargetRecord, PartRecord, BreakerRecord, LimitRecord, TaskRecord, OperationRecord, StatementRecord, SlowRecord);

impl ToPython for EngineEventKind {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, self)
    }
}

impl FromPython for EngineEventKind {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        let bad = |_| invalid(value.py(), "unknown_word", format!("{at} must be a dict as `event.kind` gives it"));
        serde_json::from_value(json(value, at)?).map_err(bad)
    }
}
