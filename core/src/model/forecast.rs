//! What will have been spent at the end of a window.

use serde::{Deserialize, Serialize};

use crate::base::Timestamp;

/// What will have been spent at the end of a window, if spending goes on as it did in the last weeks. Amounts are
/// billionths of a US dollar; calls whose cost nobody knows are not in them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Forecast {
    /// What is spent in the window so far.
    pub spent_nano_usd: i64,
    /// What is spent at its end, most likely.
    pub expected_nano_usd: i64,
    /// The lower end of the interval; never below what is spent.
    pub low_nano_usd: i64,
    /// The upper end of the interval.
    pub high_nano_usd: i64,
    /// How likely the end is within the interval: 0.9.
    pub confidence: f64,
    /// When the window ends.
    pub ends_at: Timestamp,
    /// When a budget in money for this window is used up, if spending goes on as expected; nothing when none is, or none
    /// is set.
    pub exceeds_at: Option<Timestamp>,
}
