//! How many retries a target is worth: each costs one token, each success gives some back, and an idle target earns a
//! little by itself.
//!
//! Against independent failures the budget never runs dry as long as successes pay for it; in a long outage it does, and
//! then every call is one request. A share of the requests, the usual rule, would refuse a third of the retries that 30%
//! of failures need. Bounded like gRPC's retry throttling (proposal A6), refilled by successes.

use std::time::Duration;

use super::retry::RetrySettings;

/// One token comes back in this time, whatever happens.
const IDLE_REFILL: Duration = Duration::from_secs(10);

/// What is left of a target's budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    capacity: f64,
    refund: f64,
    tokens: f64,
    /// Up to which moment idle refill is counted.
    counted: Duration,
}

impl RetryBudget {
    /// A full budget at this moment of the clock.
    #[must_use]
    pub fn new(settings: &RetrySettings, now: Duration) -> Self {
        let capacity = f64::from(settings.budget_capacity);
        Self { capacity, refund: settings.budget_refund.max(0.0), tokens: capacity, counted: now }
    }

    /// Goes on by other settings. What is missing stays missing, as far as the new size allows.
    pub fn adopt(&mut self, settings: &RetrySettings) {
        let capacity = f64::from(settings.budget_capacity);
        self.tokens = (self.tokens + capacity - self.capacity).clamp(0.0, capacity);
        self.capacity = capacity;
        self.refund = settings.budget_refund.max(0.0);
    }

    /// Pays for one retry. False when there is not enough: then there is no retry.
    #[must_use]
    pub fn spend(&mut self, now: Duration) -> bool {
        self.refill(now);
        let can = self.tokens >= 1.0;
        if can {
            self.tokens -= 1.0;
        }
        can
    }

    /// A try has succeeded.
    pub fn earn(&mut self, now: Duration) {
        self.refill(now);
        self.tokens = (self.tokens + self.refund).min(self.capacity);
    }

    /// True when nothing is missing, so that a new one would be the same.
    #[must_use]
    pub fn is_full(&mut self, now: Duration) -> bool {
        self.refill(now);
        self.tokens >= self.capacity
    }

    /// A clock that stands still or steps back adds nothing.
    fn refill(&mut self, now: Duration) {
        let idle = now.saturating_sub(self.counted);
        self.counted = self.counted.max(now);
        self.tokens = (self.tokens + idle.as_secs_f64() / IDLE_REFILL.as_secs_f64()).min(self.capacity);
    }
}
