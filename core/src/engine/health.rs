//! What is asked of whoever watches: events, figures, health.

use std::collections::BTreeMap;
use std::time::Duration;

use super::tertulia::Tertulia;
use super::watch::Events;
use crate::model::{BreakerState, Health, HealthState, PartHealth, Stats};

impl Tertulia {
    /// What happens in the engine from now on: retries, breakers, limits, budgets, the outbox, turns, failed tasks, the
    /// store, rejected keys. Ends when the engine is closed.
    ///
    /// # Examples
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> tertulia::Result<()> {
    /// use tertulia::{EngineEventKind, Tertulia, TurnState};
    ///
    /// let tertulia = Tertulia::builder().store("memory:").model("echo/any").open().await?;
    /// let mut events = tertulia.events();
    /// tertulia.user("ana").new_conversation().send("hello").await?;
    /// tertulia.close().await?;
    /// let mut last = None;
    /// while let Some(event) = events.next().await {
    ///     last = Some(event.kind);
    /// }
    /// assert!(matches!(last, Some(EngineEventKind::TurnChanged { state: TurnState::Done, .. })));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "nobody hears what is not read"]
    pub fn events(&self) -> Events {
        self.0.watch.events()
    }

    /// The figures of the last while, for each model and in all: in whole seconds up to a minute, in whole minutes up to
    /// an hour. From memory.
    #[must_use]
    pub fn stats(&self, window: Duration) -> Stats {
        self.0.watch.stats(window)
    }

    /// How the engine is now. From memory.
    #[must_use]
    pub fn health(&self) -> Health {
        let engine = &self.0;
        let now = engine.clock.now();
        let mut words = engine.watch.last_words();
        for breaker in words.breakers.values_mut() {
            if breaker.state == BreakerState::Open && breaker.until.is_some_and(|until| until <= now) {
                // The next call finds out.
                breaker.state = BreakerState::HalfOpen;
            }
        }
        let (models, open_streams, queue_waiting) = engine.watch.asked();
        let mut providers: BTreeMap<String, PartHealth> = BTreeMap::new();
        for model in &models {
            let name = provider_of(model);
            providers.entry(name.to_owned()).or_insert_with(|| PartHealth::ok(name));
        }
        for breaker in words.breakers.values() {
            let name = provider_of(&breaker.model);
            let part = providers.entry(name.to_owned()).or_insert_with(|| PartHealth::ok(name));
            let state = if breaker.state == BreakerState::Closed { HealthState::Ok } else { HealthState::Down };
            if state > part.state || part.since.is_none() {
                let why = (state != HealthState::Ok).then(|| "breaker_open".to_owned());
                *part = PartHealth { name: part.name.clone(), state, since: Some(breaker.since), why };
            }
        }
        for part in providers.values_mut().filter(|part| part.state == HealthState::Down) {
            let is_open = |model: &str| words.breakers.get(model).is_some_and(|b| b.state != BreakerState::Closed);
            // Some of its models answer.
            if models.iter().any(|model| provider_of(model) == part.name && !is_open(model)) {
                part.state = HealthState::Degraded;
            }
        }
        let (store, store_operations) = engine.watched_store.health();
        let mut outbox = PartHealth { since: words.outbox_since, ..PartHealth::ok("outbox") };
        if words.outbox_pending > 0 {
            (outbox.state, outbox.why) = (HealthState::Degraded, Some("pending".to_owned()));
        }
        let providers: Vec<PartHealth> = providers.into_values().collect();
        // A provider that is down is not all of the engine; a store that is down is.
        let of_parts = providers.iter().chain([&outbox]).map(|part| part.state.min(HealthState::Degraded));
        let state = of_parts.fold(store.state, HealthState::max);
        Health {
            at: now,
            state,
            store,
            cache: PartHealth::ok("cache"),
            outbox,
            outbox_pending: words.outbox_pending,
            providers,
            breakers: words.breakers.into_values().collect(),
            limits: words.limits.into_values().collect(),
            queue_waiting,
            open_streams,
            tasks: engine.tasks.health(),
            store_operations,
            store_figures: engine.watched_store.figures(),
            cache_hits: words.cache_hits,
            cache_misses: words.cache_misses,
            library: engine.library.health(),
        }
    }
}

fn provider_of(model: &str) -> &str {
    model.split_once('/').map_or(model, |(provider, _)| provider)
}
