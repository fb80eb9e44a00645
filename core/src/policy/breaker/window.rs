//! The share of failures within the last while.

use std::time::Duration;

const BUCKETS: usize = 10;

/// Tries and failures of the last while, in ten buckets that expire one by one: an idle target forgets by itself.
#[derive(Clone, Debug)]
pub(super) struct Window {
    bucket: Duration,
    counts: [Count; BUCKETS],
}

#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Which bucket since the clock began, from 1; 0 for none.
    number: u128,
    tries: u32,
    failures: u32,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        let bucket = (length / 10).max(Duration::from_nanos(1));
        Self { bucket, counts: [Count::default(); BUCKETS] }
    }

    pub(super) fn succeeded(&mut self, now: Duration) {
        let count = self.at(now);
        count.tries = count.tries.saturating_add(1);
    }

    /// A try has failed; not a `new` one when it was counted as a success before.
    pub(super) fn failed(&mut self, now: Duration, new: bool) {
        let count = self.at(now);
        count.tries = count.tries.saturating_add(u32::from(new));
        count.failures = count.failures.saturating_add(1);
    }

    /// Tries and failures.
    pub(super) fn counts(&self, now: Duration) -> (u32, u32) {
        let newest = self.number(now);
        let live = self.counts.iter().filter(|count| count.number + BUCKETS as u128 > newest);
        live.fold((0, 0), |(tries, failures): (u32, u32), count| {
            (tries.saturating_add(count.tries), failures.saturating_add(count.failures))
        })
    }

    pub(super) fn is_empty(&self, now: Duration) -> bool {
        self.counts(now) == (0, 0)
    }

    pub(super) fn clear(&mut self) {
        self.counts = [Count::default(); BUCKETS];
    }

    const fn number(&self, now: Duration) -> u128 {
        now.as_nanos() / self.bucket.as_nanos() + 1
    }

    #[expect(clippy::indexing_slicing, reason = "a remainder of the number of buckets")]
    fn at(&mut self, now: Duration) -> &mut Count {
        let number = self.number(now);
        let count = &mut self.counts[(number % BUCKETS as u128) as usize];
        if count.number != number {
            *count = Count { number, ..Count::default() };
        }
        count
    }
}
