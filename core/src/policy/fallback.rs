//! Whom a call goes on to when its target fails: in which order, with how many tries, for how long.
//!
//! Every target is asked at most once, in one pass, so the list cannot loop. A target that is known to be down, or that
//! refused our key or account not long ago, goes last; of those the one that is likely to be back first is the last of
//! all, because the last one is waited for.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::retry::RetrySettings;
use crate::base::ErrorKind;

/// What becomes of a reply that breaks off after its first content. No delivered byte is ever repeated, whatever stands
/// here. Before the first content a call is tried again and goes on to its next target in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum MidStream {
    /// The call fails with `Truncated`, which holds what had arrived.
    #[default]
    Surface,
    /// Begins anew elsewhere while nothing was delivered; after the first content it is `Surface`.
    Restart,
    /// Asks again, the same model or the next target, with what had arrived as the beginning of the answer, and goes on
    /// behind it. For answers in words alone: one that called a tool, showed a picture or has to fit a schema is
    /// surfaced. The model may lose its thread.
    Continue,
}

/// Whom calls go on to, and what else is done for them when a target is slow or breaks off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FallbackSettings {
    /// The models to go on to, as `provider/model`, in this order; for calls that name none themselves. None.
    pub targets: Vec<String>,
    /// What becomes of a reply that breaks off after its first content. `surface`.
    pub mid_stream: MidStream,
    /// Asks a second time, at the same model, when the first content takes unusually long; who answers first is heard.
    /// Costs money. False.
    pub hedge: bool,
    /// At most this share of the requests is asked a second time, from 0 to 1. 0.05.
    pub hedge_share: f64,
    /// How long the first content may take before the second request, as long as fewer than 20 answers of the model were
    /// measured; then it is what 95 of 100 of them took. 2 s.
    pub hedge_delay_ms: u64,
}

impl Default for FallbackSettings {
    fn default() -> Self {
        Self {
            targets: Vec::new(),
            mid_stream: MidStream::default(),
            hedge: false,
            hedge_share: 0.05,
            hedge_delay_ms: 2_000,
        }
    }
}

/// What is known of a target before it is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its breaker leaves it alone for so long.
    pub left_alone: Option<Duration>,
    /// It refused our key or account, and nothing says that it would not do so again.
    pub latched: bool,
    /// How many tokens it has room for; nothing when that is not known.
    pub window: Option<i64>,
}

/// One target's part of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leg {
    /// Which target, by its place in the list; 0 is the call's own.
    pub target: usize,
    /// How many tries it has.
    pub attempts: u32,
    /// How long it has until its first content: an equal share of what is left for all that are still to come.
    pub time: Duration,
    /// True when there are others behind it.
    pub others: bool,
}

/// The way of one call from target to target.
#[derive(Clone, Debug)]
pub struct Course {
    windows: Vec<Option<i64>>,
    /// Whom to ask, the next one first.
    ahead: VecDeque<usize>,
    max_attempts: u32,
    per_target: u32,
    has_begun: bool,
}

impl Course {
    /// A way through these targets, which begins with the first that is well, counted from `first` on: with the call's
    /// own (0), or with who began an answer that is to be continued.
    #[must_use]
    pub fn new(standings: &[Standing], first: usize, retry: &RetrySettings) -> Self {
        let mut order: Vec<usize> = (0..standings.len()).collect();
        order.rotate_left(first.min(standings.len()));
        // Stable: who is well keeps the order of the list.
        order.sort_by_key(|&at| {
            let Standing { left_alone, latched, .. } = standings[at];
            let wait = if latched { Duration::MAX } else { left_alone.unwrap_or_default() };
            (latched || left_alone.is_some(), Reverse(wait))
        });
        let alone = standings.len() < 2;
        Self {
            windows: standings.iter().map(|standing| standing.window).collect(),
            ahead: order.into(),
            max_attempts: retry.max_attempts,
            per_target: if alone { retry.max_attempts } else { retry.max_attempts_per_target },
            has_begun: false,
        }
    }

    /// Whom to ask now, when so many tries were made and so much time is left; nothing when nobody or no time is left.
    /// Every target has at least one try, and all of them together no more than `max_attempts` beyond that.
    #[must_use]
    pub fn next(&mut self, attempts: u32, left: Duration) -> Option<Leg> {
        // Who asks first and too late shall hear so from whom he asks.
        if std::mem::replace(&mut self.has_begun, true) && left.is_zero() {
            return None;
        }
        let target = self.ahead.pop_front()?;
        let behind = u32::try_from(self.ahead.len()).unwrap_or(u32::MAX);
        let kept = self.max_attempts.saturating_sub(attempts).saturating_sub(behind);
        let time = left / behind.saturating_add(1);
        Some(Leg { target, attempts: self.per_target.min(kept).max(1), time, others: behind > 0 })
    }

    /// Takes in that this target failed. True when another one may do better: not when the call itself is to blame, was
    /// stopped, or must not be paid for. What only an alternative finds wrong with the call says nothing about the rest.
    #[must_use]
    pub fn failed(&mut self, target: usize, kind: ErrorKind) -> bool {
        match kind {
            ErrorKind::Unavailable
            | ErrorKind::RateLimited
            | ErrorKind::TimedOut
            // Before anything was delivered; afterwards nobody is asked any more.
            | ErrorKind::Truncated
            | ErrorKind::QuotaExhausted
            | ErrorKind::Unauthorized => true,
            ErrorKind::ContextTooLong => {
                if let Some(too_small) = self.windows[target] {
                    self.ahead.retain(|&at| self.windows[at].is_none_or(|window| window > too_small));
                }
                true
            }
            ErrorKind::Invalid | ErrorKind::NotFound => target != 0,
            _ => false,
        }
    }
}

/// Which of two failures speaks for the call when no target is left: the later one, unless only the earlier one passes
/// by itself, or the later one only says that an alternative cannot take the call.
#[must_use]
pub const fn outweighs(earlier: ErrorKind, later: ErrorKind) -> bool {
    weight(earlier) > weight(later)
}

const fn weight(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Unavailable | ErrorKind::RateLimited | ErrorKind::TimedOut | ErrorKind::Truncated => 2,
        ErrorKind::Invalid | ErrorKind::NotFound => 0,
        _ => 1,
    }
}
