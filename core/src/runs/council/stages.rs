//! How the time of a council is cut. The chairman's slice is reserved from the beginning: however long the members take, it
//! is left, and what they do not need comes on top of it.

use std::time::Duration;

/// Of what is not the chairman's, so much is for answers, in hundredths; the rest is for reviews.
const ANSWERS_PERCENT: u32 = 60;

/// Of what the chairman has when it begins, so much is its own when another one can take its place, in hundredths.
const FIRST_CHAIRMAN_PERCENT: u32 = 60;

/// When the stages of a council end at the latest, counted from its beginning. A stage that is done earlier gives its time
/// to those behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stages {
    /// The answers.
    pub answers: Duration,
    /// The reviews; the chairman's reserved slice begins here.
    pub reviews: Duration,
    /// All of it.
    pub end: Duration,
}

impl Stages {
    /// Cuts this much time, of which this share is the chairman's.
    pub(super) fn new(timeout: Duration, chairman_share: f64) -> Self {
        let reserved = timeout.mul_f64(if chairman_share.is_finite() { chairman_share.clamp(0.0, 1.0) } else { 0.0 });
        let reviews = timeout.saturating_sub(reserved);
        Self { answers: hundredths(reviews, ANSWERS_PERCENT), reviews, end: timeout }
    }

    /// The end of the chairman's time when it begins now. With another one to take its place, that one has the rest.
    pub(super) fn chairman(&self, now: Duration, has_fallback: bool) -> Duration {
        let left = self.end.saturating_sub(now);
        self.end.min(now) + if has_fallback { hundredths(left, FIRST_CHAIRMAN_PERCENT) } else { left }
    }
}

fn hundredths(whole: Duration, percent: u32) -> Duration {
    whole / 100 * percent
}
