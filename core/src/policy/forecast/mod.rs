//! What a window will have cost at its end, with an interval that says how sure that is.
//!
//! **The model of spending.** What is spent in one piece of time tells nothing about the next one, and equal pieces are
//! alike in the long run: calls come at random and cost what they cost (a compound Poisson process, or anything else with
//! independent increments). Rate and variance come from the pieces that are past, each weighed by its length, so that
//! the piece that is not over yet counts, too.
//!
//! **The interval** is the prediction interval of such a process: with `n` pieces of `T` in all, a rate `m` and a variance
//! `s²` in a unit of time, the rest `R` of the window brings `m·R ± t(n−1)·s·√(R + R²/T)`: the chance of what comes and
//! the doubt about the rate. It never begins below what is spent. Where spending has a rhythm (no calls at night), the
//! pieces should be as long as the rhythm, as days are.

#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::base::Timestamp;

/// How sure the interval is: nine in ten.
pub const CONFIDENCE: f64 = 0.9;

/// The 95% quantile of Student's distribution by its degrees of freedom, from 1 on.
const STUDENT: [f64; 30] = [
    6.314, 2.920, 2.353, 2.132, 2.015, 1.943, 1.895, 1.860, 1.833, 1.812, 1.796, 1.782, 1.771, 1.761, 1.753, 1.746,
    1.740, 1.734, 1.729, 1.725, 1.721, 1.717, 1.714, 1.711, 1.708, 1.706, 1.703, 1.701, 1.699, 1.697,
];

/// The same for any more of them.
const NORMAL: f64 = 1.645;

/// What was spent in a piece of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// How long it was.
    pub lasted: Duration,
    /// What was spent in it.
    pub nano_usd: i64,
}

/// What a window will have cost at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outlook {
    /// Most likely.
    pub expected: i64,
    /// One in twenty windows ends below this.
    pub low: i64,
    /// One in twenty windows ends above this.
    pub high: i64,
}

/// The end of a window of which `spent` is spent and `left` is left, after these pieces of time; pieces that took no
/// time are passed over. With fewer than two pieces there is no variance to go by: then half and twice of what is
/// expected to come bound it, which is a guess.
#[must_use]
pub fn outlook(pieces: &[Piece], spent: i64, left: Duration) -> Outlook {
    let pieces: Vec<(f64, f64)> = pieces
        .iter()
        .filter(|piece| !piece.lasted.is_zero())
        .map(|piece| (piece.lasted.as_secs_f64(), float(piece.nano_usd)))
        .collect();
    let past: f64 = pieces.iter().map(|(lasted, _)| lasted).sum();
    let rate = if past > 0.0 { pieces.iter().map(|(_, cost)| cost).sum::<f64>() / past } else { 0.0 };
    let left = left.as_secs_f64();
    let comes = rate * left;
    let (below, above) = match pieces.len() {
        0 => (0.0, 0.0),
        1 => (comes / 2.0, comes),
        n => {
            let squares: f64 = pieces.iter().map(|(lasted, cost)| (cost - rate * lasted).powi(2) / lasted).sum::<f64>();
            #[expect(clippy::cast_precision_loss, reason = "a count of pieces")]
            let variance = squares / (n - 1) as f64;
            let quantile = STUDENT.get(n - 2).copied().unwrap_or(NORMAL);
            let half = quantile * (variance * (left + left * left / past)).sqrt();
            (half, half)
        }
    };
    let end = |comes: f64| spent.saturating_add(whole(comes.max(0.0)));
    Outlook { expected: end(comes), low: end(comes - below), high: end(comes + above) }
}

/// When a limit is reached, if spending goes on as expected: `now` when it is reached already, nothing when not before
/// the end of the window.
#[must_use]
pub fn reached_at(outlook: &Outlook, spent: i64, limit: i64, now: Timestamp, left: Duration) -> Option<Timestamp> {
    if spent >= limit {
        return Some(now);
    }
    let comes = outlook.expected.saturating_sub(spent);
    if outlook.expected < limit || comes <= 0 {
        return None;
    }
    let share = float(limit - spent) / float(comes);
    Some(Timestamp::from_millis(now.as_millis().saturating_add(whole(left.as_secs_f64() * 1_000.0 * share))))
}

#[expect(clippy::cast_precision_loss, reason = "a forecast is no account: 53 bits say more than it knows")]
const fn float(nano: i64) -> f64 {
    nano as f64
}

#[expect(clippy::cast_possible_truncation, reason = "a float beyond the whole numbers becomes the largest of them")]
fn whole(float: f64) -> i64 {
    float.round() as i64
}
