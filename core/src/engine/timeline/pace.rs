//! When a reader is told, and when it is time to look what other processes did.

use std::sync::Arc;
use std::time::Duration;

use crate::base::{Clock, Sleep};
use crate::engine::tertulia::Inner;

/// How often another process on the same file is looked for.
const ELSEWHERE: Duration = Duration::from_millis(1_000);

/// So long nothing is waited for that comes by itself.
const FOR_EVER: Duration = Duration::from_secs(86_400);

pub(super) struct Pace {
    clock: Arc<dyn Clock>,
    interval: Duration,
    told_at: Option<Duration>,
    /// When others are looked for next; nothing for a store that nobody else can open.
    looks_at: Option<Duration>,
}

impl Pace {
    pub(super) fn new(engine: &Inner, interval_ms: u64) -> Self {
        let clock = engine.clock.clone();
        // A store with files may have other processes.
        let looks_at = engine.store.upkeep().map(|_| clock.monotonic() + ELSEWHERE);
        Self { clock, interval: Duration::from_millis(interval_ms), told_at: None, looks_at }
    }

    /// True when it is time to look whether another process has written.
    pub(super) fn may_look_elsewhere(&mut self) -> bool {
        let now = self.clock.monotonic();
        match &mut self.looks_at {
            Some(at) if *at <= now => {
                *at = now + ELSEWHERE;
                true
            }
            _ => false,
        }
    }

    /// True when the reader may be told.
    pub(super) fn is_due(&self, is_urgent: bool) -> bool {
        is_urgent || self.told_at.is_none_or(|at| at + self.interval <= self.clock.monotonic())
    }

    pub(super) fn told(&mut self) {
        self.told_at = Some(self.clock.monotonic());
    }

    /// Ends when it is time to look again.
    pub(super) fn pause(&self, has_news: bool) -> Sleep {
        let now = self.clock.monotonic();
        let told = self.told_at.filter(|_| has_news).map(|at| at + self.interval);
        let at = [told, self.looks_at].into_iter().flatten().min();
        self.clock.sleep(at.map_or(FOR_EVER, |at| at.saturating_sub(now)))
    }
}
