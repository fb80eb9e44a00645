//! How long to wait before the next try: exponential with full jitter, so that callers that failed together do not
//! come back together ("Exponential Backoff and Jitter", AWS Architecture Blog, 2015).

use std::time::Duration;

/// Exponential waits between a base and a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The upper end of the first wait.
    pub base: Duration,
    /// No wait is longer.
    pub cap: Duration,
}

impl Backoff {
    /// The wait before try `attempt + 1`, where `attempt` counts from 1 and `chance` is from 0 up to 1.
    #[must_use]
    pub fn delay(&self, attempt: u32, chance: f64) -> Duration {
        let doubled = self.base.saturating_mul(1_u32.checked_shl(attempt.saturating_sub(1)).unwrap_or(u32::MAX));
        doubled.min(self.cap).mul_f64(chance.clamp(0.0, 1.0))
    }
}
