//! What becomes of a message that could not be sent: whether it waits to be sent again, until when, or is parked.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backoff::Backoff;
use super::retry::Failure;
use crate::base::{ErrorKind, Retry};

/// How messages that could not be sent are sent later, by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OutboxSettings {
    /// False leaves every message to `retry`: nothing is sent by itself, nothing waits. True.
    pub enabled: bool,
    /// What a call does that does not say: give a reply that says what became of the message where it would raise
    /// otherwise, and let it wait to be sent. False; true in the profile `mobile`.
    pub degrade: bool,
    /// The upper end of the wait after the first failure. Twice as long after each further one. 1 s.
    pub first_delay_ms: u64,
    /// No wait of our own choosing is longer. 5 min.
    pub max_delay_ms: u64,
    /// A message that was not sent within this time is parked. 24 h.
    pub expires_after_ms: u64,
    /// A message is parked when the process has ended so often in a row while it was being sent: perhaps it is the
    /// message that ends it. 5.
    pub crash_attempts: u32,
}

impl Default for OutboxSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            degrade: false,
            first_delay_ms: 1_000,
            max_delay_ms: 300_000,
            expires_after_ms: 86_400_000,
            crash_attempts: 5,
        }
    }
}

/// How long a message waits before it is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pause {
    /// This long, as nothing better is known.
    pub wait: Duration,
    /// At least this long, whatever is learnt meanwhile: the provider asked for it.
    pub floor: Option<Duration>,
}

/// Decides what becomes of messages that could not be sent.
#[derive(Clone, Copy, Debug)]
pub struct OutboxPolicy {
    settings: OutboxSettings,
}

impl OutboxPolicy {
    /// Decides by these settings.
    #[must_use]
    pub const fn new(settings: OutboxSettings) -> Self {
        Self { settings }
    }

    /// How long a message waits after try `attempt` (from 1) has failed before its first word, or nothing when sending
    /// it again cannot help. `chance` is from 0 up to 1.
    ///
    /// What the provider asked for is a floor; the spread goes upward from it, so that those who were told the same do
    /// not come back together.
    #[must_use]
    pub fn after_failure(&self, attempt: u32, failure: Failure, chance: f64) -> Option<Pause> {
        let asked = match (failure.kind, failure.retry) {
            // Its engine was closed: the next one begins at once.
            (ErrorKind::Closed, _) => return Some(Pause { wait: Duration::ZERO, floor: None }),
            (_, Retry::Never) => return None,
            (_, Retry::After { after_ms }) => u64::try_from(after_ms).ok().map(Duration::from_millis),
            (_, Retry::Safe | Retry::Exhausted) => None,
        };
        let passes = matches!(
            failure.kind,
            ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::RateLimited | ErrorKind::Truncated
        );
        let wait = self.backoff().delay(attempt, chance);
        passes.then(|| Pause {
            wait: wait.max(asked.map_or(wait, |asked| asked.saturating_add(wait.min(asked / 10)))),
            floor: asked,
        })
    }

    /// How long a message waits whose process has ended so often in a row while it was being sent, or nothing when it
    /// has to be parked.
    #[must_use]
    pub fn after_crash(&self, crashes: u32, chance: f64) -> Option<Duration> {
        (crashes < self.settings.crash_attempts).then(|| self.backoff().delay(crashes, chance))
    }

    /// How long a message that is put into the queue now may stay there.
    #[must_use]
    pub const fn lasts(&self) -> Duration {
        Duration::from_millis(self.settings.expires_after_ms)
    }

    const fn backoff(&self) -> Backoff {
        Backoff {
            base: Duration::from_millis(self.settings.first_delay_ms),
            cap: Duration::from_millis(self.settings.max_delay_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn policy() -> OutboxPolicy {
        OutboxPolicy::new(OutboxSettings::default())
    }

    fn failed(kind: ErrorKind, retry: Retry) -> Failure {
        Failure { kind, retry }
    }

    #[test]
    fn waits_double_from_a_second_to_five_minutes_with_full_jitter() {
        let down = failed(ErrorKind::Unavailable, Retry::Exhausted);
        for (attempt, seconds) in [(1, 1), (2, 2), (3, 4), (9, 256), (10, 300), (1_000, 300), (u32::MAX, 300)] {
            for (chance, share) in [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)] {
                let pause = policy().after_failure(attempt, down, chance).unwrap();
                assert_eq!((pause.wait, pause.floor), ((seconds * SECOND).mul_f64(share), None), "attempt {attempt}");
            }
        }
    }

    #[test]
    fn what_the_provider_asked_for_is_a_floor_whatever_chance_says() {
        for asked in [0, 1, 999, 60_000, 7_200_000] {
            let busy = failed(ErrorKind::RateLimited, Retry::After { after_ms: asked });
            let floor = Duration::from_millis(u64::try_from(asked).unwrap());
            for attempt in 1..12 {
                for chance in [0.0, 0.3, 1.0] {
                    let pause = policy().after_failure(attempt, busy, chance).unwrap();
                    assert_eq!(pause.floor, Some(floor));
                    assert!(pause.wait >= floor, "{attempt}, {chance}: {pause:?}");
                    assert!(pause.wait <= floor.mul_f64(1.1).max(300 * SECOND), "{attempt}, {chance}: {pause:?}");
                }
            }
        }
        let never_ends = failed(ErrorKind::Unavailable, Retry::After { after_ms: i64::MAX });
        assert!(policy().after_failure(1, never_ends, 1.0).unwrap().wait > 86_400 * SECOND);
        let nonsense = failed(ErrorKind::Unavailable, Retry::After { after_ms: -5 });
        assert_eq!(policy().after_failure(1, nonsense, 1.0).unwrap(), Pause { wait: SECOND, floor: None });
    }

    #[test]
    fn only_what_passes_by_itself_is_waited_for() {
        use ErrorKind as K;
        for kind in K::ALL {
            let again = policy().after_failure(1, failed(kind, Retry::Safe), 1.0).is_some();
            let passes = matches!(kind, K::Unavailable | K::TimedOut | K::RateLimited | K::Truncated | K::Closed);
            assert_eq!(again, passes, "{kind}");
            let never = policy().after_failure(1, failed(kind, Retry::Never), 1.0).is_some();
            assert_eq!(never, kind == K::Closed, "{kind}: told never");
        }
    }

    #[test]
    fn five_crashes_in_a_row_park_a_message_and_fewer_make_it_wait() {
        for (crashes, wait) in [(1, Some(1)), (2, Some(2)), (3, Some(4)), (4, Some(8)), (5, None), (6, None)] {
            assert_eq!(policy().after_crash(crashes, 1.0), wait.map(|n| n * SECOND), "{crashes}");
        }
    }
}
