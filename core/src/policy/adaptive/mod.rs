//! How fast to send when a provider says "too fast" and nothing else: seven tenths of what was sent, then up again along
//! a cubic curve, slow near the rate that was too much (CUBIC, RFC 9438, for rates as in the AWS SDKs' adaptive mode).
//!
//! Asleep until the first refusal, and again when there was none for long.

#[cfg(test)]
mod tests;

use std::time::Duration;

/// What is left of a rate that was too much.
const BETA: f64 = 0.7;
/// How steeply the rate grows, in requests per second and second cubed.
const SCALE: f64 = 0.4;
/// No rate is lower, in requests each second.
const SLOWEST: f64 = 0.5;
/// How long a cut is left to show its effect.
const SETTLES: Duration = Duration::from_secs(1);
/// So long after the old rate was reached again without a refusal, it is forgotten.
const FORGETS: Duration = Duration::from_secs(60);

/// The pace of one target.
#[derive(Clone, Debug, Default)]
pub struct Adaptive {
    sent: Meter,
    curb: Option<Curb>,
}

#[derive(Clone, Copy, Debug)]
struct Curb {
    /// The rate that was too much.
    too_fast: f64,
    /// When it was.
    since: Duration,
    rate: f64,
    /// What may be sent now.
    level: f64,
    /// Up to which moment that is counted.
    counted: Duration,
}

impl Adaptive {
    /// How long it takes until so many more may be sent.
    #[must_use]
    pub fn wait_for(&mut self, requests: f64, now: Duration) -> Duration {
        self.fill(now);
        self.curb.map_or(Duration::ZERO, |curb| {
            let missing = requests - curb.level;
            if missing <= 1e-6 {
                return Duration::ZERO;
            }
            Duration::try_from_secs_f64(missing / curb.rate)
                .unwrap_or(Duration::MAX)
                .saturating_add(Duration::from_nanos(1))
        })
    }

    /// A request is sent.
    pub fn sent(&mut self, now: Duration) {
        self.fill(now);
        self.sent.count(now);
        if let Some(curb) = &mut self.curb {
            curb.level = (curb.level - 1.0).max(0.0);
        }
    }

    /// A request was not sent after all.
    pub fn unsent(&mut self) {
        if let Some(curb) = &mut self.curb {
            curb.level = (curb.level + 1.0).min(burst(curb.rate));
        }
    }

    /// A request that was sent at `sent_at` was answered with "too fast". Of many that were under way together only the
    /// first counts, and of those that are sent within a second of it none: most providers count by the second or longer,
    /// and the second is spent.
    pub fn throttled(&mut self, sent_at: Duration, now: Duration) {
        self.fill(now);
        let measured = self.sent.rate(now);
        let (rate, level) = match self.curb {
            Some(curb) if sent_at < curb.since + SETTLES => return,
            Some(curb) => (measured.min(curb.rate), curb.level.min(1.0)),
            None => (measured, 1.0),
        };
        let too_fast = rate.max(SLOWEST);
        self.curb = Some(Curb { too_fast, since: now, rate: (too_fast * BETA).max(SLOWEST), level, counted: now });
    }

    /// A request was answered as it should be.
    pub fn succeeded(&mut self, now: Duration) {
        self.fill(now);
        let measured = self.sent.rate(now);
        let Some(curb) = &mut self.curb else { return };
        let (back, passed) = (back_after(curb.too_fast), now.saturating_sub(curb.since).as_secs_f64());
        if passed > back + FORGETS.as_secs_f64() {
            self.curb = None;
            return;
        }
        let cubic = SCALE * (passed - back).powi(3) + curb.too_fast;
        // Nobody knows whether a rate is right that was not tried.
        curb.rate = cubic.min(2.0 * measured).max(SLOWEST);
    }

    /// The rate that is kept to, in requests each second; nothing while asleep.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        self.curb.map(|curb| curb.rate)
    }

    fn fill(&mut self, now: Duration) {
        if let Some(curb) = &mut self.curb {
            let passed = now.saturating_sub(curb.counted).as_secs_f64();
            curb.counted = curb.counted.max(now);
            curb.level = (curb.level + passed * curb.rate).min(burst(curb.rate));
        }
    }
}

/// What may be sent at once after a pause: a second's worth.
fn burst(rate: f64) -> f64 {
    rate.max(1.0)
}

/// After how many seconds the curve is back at the rate that was too much.
fn back_after(too_fast: f64) -> f64 {
    (too_fast * (1.0 - BETA) / SCALE).cbrt()
}

/// Counts what was sent in this second and the one before.
#[derive(Clone, Copy, Debug, Default)]
struct Meter {
    second: u64,
    count: u32,
    before: u32,
}

impl Meter {
    fn count(&mut self, now: Duration) {
        self.turn(now);
        self.count = self.count.saturating_add(1);
    }

    /// Requests each second: the larger of the two counts.
    fn rate(&mut self, now: Duration) -> f64 {
        self.turn(now);
        f64::from(self.count.max(self.before))
    }

    fn turn(&mut self, now: Duration) {
        let second = now.as_secs();
        if second > self.second {
            self.before = if second == self.second + 1 { self.count } else { 0 };
            (self.second, self.count) = (second, 0);
        }
    }
}
