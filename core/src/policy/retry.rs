//! Whether a failed try is repeated, and when. The only retry decision in the product.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::Backoff;
use super::retry_budget::RetryBudget;
use crate::base::{ErrorKind, Retry};

/// How often and how fast a failed call is tried again, before its first content.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetrySettings {
    /// Tries in all. 6: five retries.
    pub max_attempts: u32,
    /// Tries of one target when the call has another to go on to. 3.
    pub max_attempts_per_target: u32,
    /// The upper end of the first wait after a failure. 500 ms.
    pub base_delay_ms: u64,
    /// The longest wait after a failure. 8 s.
    pub max_delay_ms: u64,
    /// The upper end of the first wait when the provider is busy. 1 s.
    pub throttle_base_delay_ms: u64,
    /// The longest wait of our own choosing when the provider is busy. 20 s.
    pub throttle_max_delay_ms: u64,
    /// A server that asks for a longer wait than this is not waited for inside the call. 60 s.
    pub max_inline_wait_ms: u64,
    /// How many retries a target is worth: each costs one, and without any left a failure is final. 100.
    pub budget_capacity: u32,
    /// What a success gives back of it. 0.5.
    pub budget_refund: f64,
}

impl Default for RetrySettings {
    fn default() -> Self {
        Self {
            max_attempts: 6,
            max_attempts_per_target: 3,
            base_delay_ms: 500,
            max_delay_ms: 8_000,
            throttle_base_delay_ms: 1_000,
            throttle_max_delay_ms: 20_000,
            max_inline_wait_ms: 60_000,
            budget_capacity: 100,
            budget_refund: 0.5,
        }
    }
}

impl RetrySettings {
    /// Waits that double from `base_delay_ms` up to `max_delay_ms`, for `max_attempts` tries in all.
    #[must_use]
    pub const fn exponential(max_attempts: u32, base_delay_ms: u64, max_delay_ms: u64) -> Self {
        Self {
            max_attempts,
            max_attempts_per_target: 3,
            base_delay_ms,
            max_delay_ms,
            throttle_base_delay_ms: base_delay_ms,
            throttle_max_delay_ms: max_delay_ms,
            max_inline_wait_ms: 60_000,
            budget_capacity: 100,
            budget_refund: 0.5,
        }
    }
}

/// A failed try, in plain words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What to do about it.
    pub kind: ErrorKind,
    /// Whether repeating can help.
    pub retry: Retry,
}

/// What to do after a failed try.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this long.
    Wait(Duration),
    /// Repeating can help, but not inside this call: too many tries, too long a wait, or no budget.
    Exhausted,
    /// Repeating cannot help.
    Never,
}

/// Decides after each failed try.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    settings: RetrySettings,
}

impl RetryPolicy {
    /// Decides by these settings.
    #[must_use]
    pub const fn new(settings: RetrySettings) -> Self {
        Self { settings }
    }

    /// The same with so many tries. With `others` to go on to, a server that asks for more than our own longest wait is
    /// not waited for.
    #[must_use]
    pub fn within(mut self, attempts: u32, others: bool) -> Self {
        self.settings.max_attempts = attempts;
        if others {
            self.settings.max_inline_wait_ms = self.settings.max_inline_wait_ms.min(self.settings.max_delay_ms);
        }
        self
    }

    /// A full budget for one target.
    #[must_use]
    pub fn budget(&self, now: Duration) -> RetryBudget {
        RetryBudget::new(&self.settings, now)
    }

    /// Makes a budget that is in use one of these settings.
    pub fn adopt(&self, budget: &mut RetryBudget) {
        budget.adopt(&self.settings);
    }

    /// Decides after try `attempt` (from 1), with this much left until the deadline, at this moment of the clock.
    /// `chance` is from 0 up to 1. A retry is paid from the target's budget.
    ///
    /// The server's delay is a floor; jitter on it goes upward only, by at most a tenth.
    #[must_use]
    pub fn decide(
        &self,
        attempt: u32,
        failure: Failure,
        left: Duration,
        chance: f64,
        budget: &mut RetryBudget,
        now: Duration,
    ) -> Decision {
        let s = &self.settings;
        let floor = match failure.retry {
            Retry::Never => return Decision::Never,
            Retry::Exhausted => return Decision::Exhausted,
            Retry::Safe => None,
            Retry::After { after_ms } => Some(Duration::from_millis(u64::try_from(after_ms).unwrap_or(0))),
        };
        if attempt >= s.max_attempts {
            return Decision::Exhausted;
        }
        let wait = match floor {
            Some(floor) if floor > Duration::from_millis(s.max_inline_wait_ms) => return Decision::Exhausted,
            Some(floor) => floor + floor.mul_f64(0.1 * chance),
            None if failure.kind == ErrorKind::RateLimited => {
                millis(s.throttle_base_delay_ms, s.throttle_max_delay_ms).delay(attempt, chance)
            }
            None => millis(s.base_delay_ms, s.max_delay_ms).delay(attempt, chance),
        };
        if wait < left && budget.spend(now) { Decision::Wait(wait) } else { Decision::Exhausted }
    }
}

const fn millis(base: u64, cap: u64) -> Backoff {
    Backoff { base: Duration::from_millis(base), cap: Duration::from_millis(cap) }
}
