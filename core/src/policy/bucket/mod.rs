//! How much of a limit is left: a bucket that fills by itself, is drawn from ahead of each request, and gets back what a
//! request did not take.
//!
//! What a provider says about itself only ever lowers what is left here, because its answers come late: each is held
//! against what was left when its own request was sent, so that what has filled up or was drawn since stays counted.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::model::Allowance;

const MINUTE: f64 = 60.0;

/// Less than this is nothing: sums of fractions do not come out even.
const GRAIN: f64 = 1e-6;

/// No wait is believed to be longer.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What is left of one limit.
#[derive(Clone, Debug, PartialEq)]
pub struct Bucket {
    /// What the settings allow each minute.
    allowed: Option<f64>,
    capacity: f64,
    per_second: f64,
    /// Below nothing while a request that took more than was reserved for it is paid off; never by more than the capacity.
    level: f64,
    /// Up to which moment filling is counted.
    counted: Duration,
    /// When the provider says that all is there again, and what was drawn since it said so.
    full: Option<(Duration, f64)>,
}

impl Bucket {
    /// A full bucket of this many each minute.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    pub fn per_minute(allowed: u64, now: Duration) -> Self {
        let allowed = (allowed as f64).max(1.0);
        Self {
            allowed: Some(allowed),
            capacity: allowed,
            per_second: allowed / MINUTE,
            level: allowed,
            counted: now,
            full: None,
        }
    }

    /// A bucket that nobody has set, as the provider describes it.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    pub fn learnt(said: &Allowance, now: Duration) -> Self {
        let capacity = (said.limit as f64).max(1.0);
        let mut bucket =
            Self { allowed: None, capacity, per_second: capacity / MINUTE, level: capacity, counted: now, full: None };
        bucket.observe(said, None, now);
        bucket
    }

    /// How much comes back each minute.
    #[must_use]
    pub fn each_minute(&self) -> f64 {
        self.per_second * MINUTE
    }

    /// What can be drawn now; never below nothing.
    #[must_use]
    pub fn remaining(&mut self, now: Duration) -> f64 {
        self.fill(now);
        self.level.max(0.0)
    }

    /// How long it takes until this much can be drawn. More than the bucket holds is drawn from a full one.
    #[must_use]
    pub fn wait_for(&mut self, amount: f64, now: Duration) -> Duration {
        self.fill(now);
        let missing = amount.min(self.capacity) - self.level;
        if missing <= GRAIN { Duration::ZERO } else { self.time_for(missing, now) }
    }

    /// How long it takes until this much has come in, however often the bucket is emptied meanwhile.
    #[must_use]
    pub fn time_until(&mut self, amount: f64, now: Duration) -> Duration {
        self.fill(now);
        let missing = amount - self.level;
        if missing <= GRAIN { Duration::ZERO } else { self.time_for(missing, now) }
    }

    fn time_for(&self, missing: f64, now: Duration) -> Duration {
        let fills = Duration::try_from_secs_f64(missing / self.per_second).unwrap_or(LONGEST).min(LONGEST);
        // Rounded up, so that it is there when the time is over.
        let fills = fills.saturating_add(Duration::from_nanos(1));
        match self.full {
            Some((at, drawn)) if missing + self.level <= self.capacity - drawn => fills.min(at.saturating_sub(now)),
            _ => fills,
        }
    }

    /// Draws what a request may take. Gives what was drawn, and what is left then.
    pub fn reserve(&mut self, amount: f64, now: Duration) -> Drawn {
        self.fill(now);
        let amount = amount.max(0.0).min(self.capacity);
        self.draw(amount);
        Drawn { amount, left: self.level }
    }

    /// Corrects what was drawn to what the request took.
    pub fn settle(&mut self, drawn: Drawn, took: f64, now: Duration) {
        self.fill(now);
        self.draw(took.max(0.0) - drawn.amount);
    }

    /// Takes in what the provider says. `drawn` is what the request had drawn to which it is the answer, if it had.
    #[expect(clippy::cast_precision_loss, reason = "limits are far below 2^53")]
    pub fn observe(&mut self, said: &Allowance, drawn: Option<Drawn>, now: Duration) {
        self.fill(now);
        let (limit, remaining) = (said.limit.max(1) as f64, said.remaining.min(said.limit) as f64);
        let allowed = self.allowed.unwrap_or(f64::MAX);
        let capacity = limit.min(allowed);
        let per_second = refill(limit, remaining, said.resets_in).min(allowed / MINUTE);
        (self.capacity, self.per_second) = (capacity, per_second);
        let too_much = drawn.map_or(self.level, |drawn| drawn.left) - remaining;
        self.level -= too_much.max(0.0);
        self.level = self.level.clamp(-self.capacity, self.capacity);
        // All of theirs is all of ours only where ours is not the smaller limit.
        let full = said.resets_in.filter(|_| limit <= allowed).map(|after| (now.saturating_add(after), 0.0));
        // Each request moves the moment on: an answer that names an earlier one was written before another.
        if let Some((at, _)) = full
            && self.full.is_none_or(|(known, _)| known <= at)
        {
            self.full = full;
        }
    }

    /// The provider is out of it, whatever is counted here.
    pub fn empty(&mut self, now: Duration) {
        self.fill(now);
        self.level = self.level.min(0.0);
    }

    fn draw(&mut self, amount: f64) {
        self.level = (self.level - amount).clamp(-self.capacity, self.capacity);
        if let Some((_, drawn)) = &mut self.full {
            *drawn = (*drawn + amount).max(0.0);
        }
    }

    /// A clock that stands still or steps back adds nothing.
    fn fill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.counted);
        self.counted = self.counted.max(now);
        self.level = (self.level + passed.as_secs_f64() * self.per_second).min(self.capacity);
        if let Some((_, drawn)) = self.full.take_if(|(at, _)| *at <= now) {
            self.level = self.level.max(self.capacity - drawn);
        }
    }
}

/// What a request has drawn from a bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// How much.
    pub amount: f64,
    /// What was left right after.
    pub left: f64,
}

/// How fast a limit comes back, each second. Most limits are by the minute, and times of the reset are rounded to
/// seconds; only a time far longer than a minute's limit would need tells of a longer window, as a day's.
fn refill(limit: f64, remaining: f64, resets_in: Option<Duration>) -> f64 {
    let by_minute = limit / MINUTE;
    let missing = limit - remaining;
    match resets_in.map(|after| after.as_secs_f64()) {
        Some(after) if missing > 0.0 && after > 2.0 * missing / by_minute + 1.0 => missing / after,
        _ => by_minute,
    }
}
