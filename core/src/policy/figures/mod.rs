//! Figures of the last hour, without an exporter: for each model and in all, in bounded memory.
//!
//! ```text
//! Measure ─▶ the model's second, the second of all ─▶ (when the second is over) its minute
//! stats(window) ◀─ the sum of the slices within the window
//! ```

mod buckets;
mod history;
mod measure;
mod slice;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

pub use buckets::Buckets;
use history::{History, LONGEST};
pub use measure::Measure;

use crate::model::Stats;

/// So many models have figures of their own; with more of them the one that was not asked for longest loses its own.
const MAX_TARGETS: usize = 64;

/// Counts and measures what happens to calls.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    all: Target,
    targets: BTreeMap<String, Target>,
}

#[derive(Clone, Debug, Default)]
struct Target {
    history: History,
    open_streams: i64,
    waiting: i64,
}

impl Target {
    fn record(&mut self, what: &Measure, now: Duration) {
        match what {
            Measure::StreamOpened => self.open_streams += 1,
            // Whoever opened it may have been forgotten meanwhile.
            Measure::StreamClosed => self.open_streams = (self.open_streams - 1).max(0),
            Measure::QueueEntered => self.waiting += 1,
            Measure::QueueLeft(_) => self.waiting = (self.waiting - 1).max(0),
            _ => {}
        }
        self.history.record(what, now);
    }
}

impl Figures {
    /// Takes in what happened to a call of this model at this moment of the clock.
    pub fn record(&mut self, model: &str, what: &Measure, now: Duration) {
        self.all.record(what, now);
        if let Some(target) = self.targets.get_mut(model) {
            return target.record(what, now);
        }
        if self.targets.len() >= MAX_TARGETS {
            let idle = self.targets.iter().min_by_key(|(_, target)| target.history.latest());
            if let Some(name) = idle.map(|(name, _)| name.clone()) {
                self.targets.remove(&name);
            }
        }
        self.targets.entry(model.to_owned()).or_default().record(what, now);
    }

    /// The figures of the last while up to this moment: in whole seconds up to a minute, in whole minutes up to an hour.
    /// A longer window is an hour.
    #[must_use]
    pub fn stats(&self, window: Duration, now: Duration) -> Stats {
        let window = window.min(LONGEST);
        let of = |name: &str, target: &Target| target.history.over(window, now).stats(name, target.open_streams);
        let targets: Vec<_> = self
            .targets
            .iter()
            .map(|(name, target)| of(name, target))
            .filter(|stats| stats.calls + stats.attempts + stats.open_streams + stats.cache_hits + stats.reattached > 0)
            .collect();
        let window_ms = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        Stats { window_ms, total: of("*", &self.all), targets }
    }

    /// Replies that are on their way now.
    #[must_use]
    pub const fn open_streams(&self) -> i64 {
        self.all.open_streams
    }

    /// Calls that wait in the queue now.
    #[must_use]
    pub const fn waiting(&self) -> i64 {
        self.all.waiting
    }

    /// The models that have figures of their own.
    pub fn models(&self) -> impl Iterator<Item = &str> {
        self.targets.keys().map(String::as_str)
    }

    /// How many slices are held in all.
    #[cfg(test)]
    fn history_slices(&self) -> usize {
        self.targets.values().chain([&self.all]).map(|target| target.history.slices()).sum()
    }
}
