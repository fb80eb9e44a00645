//! When a second request is worth its price because the first one is unusually slow (Dean and Barroso, "The Tail at
//! Scale", 2013), and how many there may be.

use std::collections::VecDeque;
use std::time::Duration;

use super::fallback::FallbackSettings;

/// So many answers are remembered.
const SAMPLES: usize = 128;

/// With fewer answers than these nobody knows what is usual.
const ENOUGH: usize = 20;

/// Requests that were saved up and not used: no more than this many at once.
const MAX_SAVED: f64 = 10.0;

/// What is known of one target.
#[derive(Clone, Debug)]
pub struct Hedge {
    share: f64,
    at_first: Duration,
    saved: f64,
    took: VecDeque<Duration>,
}

impl Hedge {
    /// Nothing is known yet, and nothing saved.
    #[must_use]
    pub fn new(settings: &FallbackSettings) -> Self {
        let at_first = Duration::from_millis(settings.hedge_delay_ms);
        Self { share: settings.hedge_share.clamp(0.0, 1.0), at_first, saved: 0.0, took: VecDeque::new() }
    }

    /// Goes on by other settings with what it has learnt.
    pub fn adopt(&mut self, settings: &FallbackSettings) {
        let Self { share, at_first, .. } = Self::new(settings);
        (self.share, self.at_first) = (share, at_first);
        if share <= 0.0 {
            self.saved = 0.0;
        }
    }

    /// A call begins. Gives how long its first content may take before a second request.
    #[must_use]
    pub fn begin(&mut self) -> Duration {
        self.saved = (self.saved + self.share).min(MAX_SAVED);
        if self.took.len() < ENOUGH {
            return self.at_first;
        }
        let mut took: Vec<Duration> = self.took.iter().copied().collect();
        let at = (took.len() * 95).div_ceil(100) - 1;
        *took.select_nth_unstable(at).1
    }

    /// Pays for a second request; false when there have been enough of them.
    #[must_use]
    pub fn spend(&mut self) -> bool {
        // Twenty twentieths are a little less than one.
        let can = self.saved >= 1.0 - 1e-9;
        if can {
            self.saved = (self.saved - 1.0).max(0.0);
        }
        can
    }

    /// A first content came after this long; or had not come by then, when it was no longer waited for.
    pub fn saw(&mut self, took: Duration) {
        if self.took.len() == SAMPLES {
            self.took.pop_front();
        }
        self.took.push_back(took);
    }
}
