//! When a target is left alone because it is down, and when it is asked again.
//!
//! ```text
//!          a streak or a rate of failures            the time is over
//!  closed ───────────────────────────────▶ open ───────────────────────▶ half open
//!    ▲                                      ▲ └───────────── probe fails ──────┘ │
//!    └───────────────────────── the probe is answered ───────────────────────────┘
//! ```
//!
//! The usual five failures in a row, or half of the last twenty, open a breaker that has nothing to fear: where three
//! calls fail in ten, by themselves, that happens all day. Ten in a row *and* three seconds without any success do not.
//! What comes back from before the last change of state changes nothing more, so that a late failure does not open what
//! has just recovered.

mod settings;
mod window;

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use settings::BreakerSettings;
use window::Window;

use super::retry::Failure;
use crate::base::{ErrorKind, Retry};

/// A streak of failures means nothing while successes come in between: none for this long.
const QUIET: Duration = Duration::from_secs(3);

/// How a try ended, as far as its target's health is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Health {
    /// The target did what was asked, or began to.
    Good,
    /// The target is to blame. It may have said for how long it wants to be left alone.
    Bad(Option<Duration>),
    /// The target is busy: it lives, but not for us. It may have said for how long.
    Busy(Option<Duration>),
    /// The target answered, and the caller is to blame.
    Alive,
    /// Nothing was learnt: stopped, or failed before the target was asked.
    Unknown,
}

impl Health {
    /// What a failed try says of its target; `answered` is true when the target itself refused it.
    #[must_use]
    pub fn of(failure: Failure, answered: bool) -> Self {
        let after = match failure.retry {
            Retry::After { after_ms } => u64::try_from(after_ms).ok().map(Duration::from_millis),
            _ => None,
        };
        match failure.kind {
            ErrorKind::Unavailable | ErrorKind::TimedOut | ErrorKind::Truncated => Self::Bad(after),
            ErrorKind::RateLimited => Self::Busy(after),
            ErrorKind::Cancelled
            | ErrorKind::Closed
            | ErrorKind::Storage
            | ErrorKind::BudgetExceeded
            | ErrorKind::Internal => Self::Unknown,
            _ if answered => Self::Alive,
            _ => Self::Unknown,
        }
    }
}

/// Leave to make one try. Every permit is given back with [`Breaker::record`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a probe that is never given back keeps its breaker half open for ever"]
pub struct Permit {
    /// In which period of the breaker it was given.
    period: u64,
    counted: bool,
}

/// What a call may do now.
#[derive(Debug, PartialEq, Eq)]
pub enum Admission {
    /// Make a try.
    Pass(Permit),
    /// Come back after this long. Without a time: as soon as the probe that is under way has ended.
    Wait(Option<Duration>),
}

/// What a try has changed. Who waits should ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// The target is left alone for this long.
    Opened(Duration),
    /// The target is back.
    Closed,
    /// The probe was handed back; another call may have it.
    Freed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    Open { until: Duration },
    HalfOpen,
}

/// The breaker of one target.
#[derive(Clone, Debug)]
pub struct Breaker {
    settings: BreakerSettings,
    state: State,
    /// Counts the changes of state.
    period: u64,
    /// Failures since the last success.
    streak: u32,
    succeeded: Option<Duration>,
    window: Window,
    /// How often it has opened since it was last closed.
    openings: u32,
    /// Before this moment the server wants nothing of us.
    not_before: Duration,
}

impl Breaker {
    /// A closed breaker.
    #[must_use]
    pub fn new(settings: BreakerSettings) -> Self {
        Self {
            settings,
            state: State::Closed,
            period: 0,
            streak: 0,
            succeeded: None,
            window: Window::new(Duration::from_millis(settings.window_ms)),
            openings: 0,
            not_before: Duration::ZERO,
        }
    }

    /// Asks for leave to make a try at this moment of the clock. While half open, exactly one permit is out.
    #[must_use]
    pub fn admit(&mut self, now: Duration) -> Admission {
        match self.state {
            State::Closed => {}
            State::HalfOpen => return Admission::Wait(None),
            State::Open { until } => {
                let left = until.max(self.not_before).saturating_sub(now);
                if !left.is_zero() {
                    return Admission::Wait(Some(left));
                }
                self.change(State::HalfOpen);
            }
        }
        Admission::Pass(Permit { period: self.period, counted: false })
    }

    /// What [`Self::admit`] would answer, without asking for leave: nothing when a try may be made.
    #[must_use]
    pub fn blocks(&self, now: Duration) -> Option<Option<Duration>> {
        match self.state {
            State::Closed => None,
            State::HalfOpen => Some(None),
            State::Open { until } => {
                let left = until.max(self.not_before).saturating_sub(now);
                (!left.is_zero()).then_some(Some(left))
            }
        }
    }

    /// Takes in how a try went. `chance` is from 0 up to 1. A reply that breaks off after its first content is recorded
    /// twice, as `Good` and then as `Bad`, and counts as one try that failed. Gives what it has changed.
    #[must_use]
    pub fn record(&mut self, permit: &mut Permit, health: Health, now: Duration, chance: f64) -> Option<Change> {
        let first = !std::mem::replace(&mut permit.counted, true);
        if let Health::Bad(Some(after)) | Health::Busy(Some(after)) = health {
            self.not_before = self.not_before.max(now.saturating_add(after));
        }
        if permit.period != self.period {
            return None;
        }
        match (self.state, health) {
            (State::HalfOpen, Health::Good | Health::Alive) => {
                self.close();
                // From here on it is a try like any other.
                permit.period = self.period;
                if health == Health::Good {
                    self.good(now, first);
                }
                Some(Change::Closed)
            }
            (State::HalfOpen, Health::Bad(_) | Health::Busy(_)) => Some(self.open(now, chance)),
            (State::HalfOpen, Health::Unknown) => {
                self.change(State::Open { until: now });
                Some(Change::Freed)
            }
            (State::Closed, Health::Bad(_) | Health::Busy(_)) => {
                self.window.failed(now, first);
                if matches!(health, Health::Bad(_)) {
                    self.streak = self.streak.saturating_add(1);
                }
                self.is_dead(now).then(|| self.open(now, chance))
            }
            (State::Closed, Health::Good) => {
                self.good(now, first);
                None
            }
            (State::Closed, Health::Alive | Health::Unknown) | (State::Open { .. }, _) => None,
        }
    }

    /// How long it will be left alone, nothing when a try may be made now; none at all while a probe is under way, which
    /// may end at any moment.
    #[must_use]
    pub fn left_alone(&self, now: Duration) -> Option<Duration> {
        match self.state {
            State::Closed => None,
            State::HalfOpen => Some(Duration::ZERO),
            State::Open { until } => {
                Some(until.max(self.not_before).saturating_sub(now)).filter(|left| !left.is_zero())
            }
        }
    }

    /// Goes on by other settings, in the state it is in: who is left alone stays so for as long as it was said.
    pub fn adopt(&mut self, settings: BreakerSettings) {
        if settings.window_ms != self.settings.window_ms {
            self.window = Window::new(Duration::from_millis(settings.window_ms));
        }
        self.settings = settings;
    }

    /// How long a call should stay away that may not wait for the probe.
    #[must_use]
    pub const fn pause(&self) -> Duration {
        Duration::from_millis(self.settings.open_ms)
    }

    /// True when nothing is known that a new one would not know.
    #[must_use]
    pub fn is_fresh(&self, now: Duration) -> bool {
        self.state == State::Closed && self.streak == 0 && self.window.is_empty(now)
    }

    fn good(&mut self, now: Duration, first: bool) {
        self.streak = 0;
        self.succeeded = Some(now);
        // Whatever the server asked for, it serves us again.
        self.not_before = Duration::ZERO;
        if first {
            self.window.succeeded(now);
        }
    }

    fn is_dead(&self, now: Duration) -> bool {
        let s = &self.settings;
        let quiet = self.succeeded.is_none_or(|at| now.saturating_sub(at) >= QUIET);
        let (tries, failures) = self.window.counts(now);
        (self.streak >= s.consecutive_failures && quiet)
            || (tries >= s.min_attempts && f64::from(failures) > s.failure_rate * f64::from(tries))
    }

    /// Each opening in a row lasts twice as long, spread by a fifth to both sides.
    fn open(&mut self, now: Duration, chance: f64) -> Change {
        let s = &self.settings;
        let doubled = s.open_ms.saturating_mul(1_u64.checked_shl(self.openings).unwrap_or(u64::MAX));
        let max = Duration::from_millis(s.max_open_ms);
        let lasts = Duration::from_millis(doubled).min(max).mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0)).min(max);
        self.openings = self.openings.saturating_add(1);
        self.change(State::Open { until: now.saturating_add(lasts) });
        Change::Opened(lasts.max(self.not_before.saturating_sub(now)))
    }

    fn close(&mut self) {
        self.streak = 0;
        self.openings = 0;
        self.window.clear();
        self.not_before = Duration::ZERO;
        self.change(State::Closed);
    }

    const fn change(&mut self, state: State) {
        self.state = state;
        self.period += 1;
    }
}
