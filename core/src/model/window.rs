//! Stretches of time over which something is counted, all in UTC.

use serde::{Deserialize, Serialize};

use crate::base::{Timestamp, civil_from_days, days_from_civil};

const MINUTE_MILLIS: i64 = 60_000;
const HOUR_MILLIS: i64 = 60 * MINUTE_MILLIS;
const DAY_MILLIS: i64 = 24 * HOUR_MILLIS;

/// How long something is counted before it begins again at nothing. In UTC: days begin at midnight, weeks on Monday,
/// months on their first day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Window {
    /// A minute of the clock.
    Minute,
    /// An hour of the clock.
    Hour,
    /// A day.
    Day,
    /// A week, from Monday.
    Week,
    /// A month of the calendar.
    Month,
    /// For ever.
    #[default]
    Total,
}

impl Window {
    /// The window as a stable word: `minute`, `hour`, `day`, `week`, `month`, `total`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Total => "total",
        }
    }

    /// When the window that holds this moment began, and when the next one begins (nothing = never). The end is no part
    /// of it.
    #[must_use]
    pub fn bounds(self, at: Timestamp) -> (Timestamp, Option<Timestamp>) {
        let even = |length: i64, offset: i64| {
            let number = (i128::from(at.as_millis()) + i128::from(offset)).div_euclid(i128::from(length));
            let start = number * i128::from(length) - i128::from(offset);
            (start, start + i128::from(length))
        };
        let (start, end) = match self {
            Self::Minute => even(MINUTE_MILLIS, 0),
            Self::Hour => even(HOUR_MILLIS, 0),
            Self::Day => even(DAY_MILLIS, 0),
            // The first day of 1970 was a Thursday.
            Self::Week => even(7 * DAY_MILLIS, 3 * DAY_MILLIS),
            Self::Month => {
                let (year, month, _) = civil_from_days(at.as_millis().div_euclid(DAY_MILLIS));
                let next = if month == 12 { (year + 1, 1) } else { (year, month + 1) };
                let first = |(year, month)| i128::from(days_from_civil(year, month, 1)) * i128::from(DAY_MILLIS);
                (first((year, month)), first(next))
            }
            Self::Total => return (Timestamp::from_millis(i64::MIN), None),
        };
        let moment = |millis: i128| {
            Timestamp::from_millis(i64::try_from(millis).unwrap_or(if millis < 0 { i64::MIN } else { i64::MAX }))
        };
        (moment(start), Some(moment(end)))
    }
}
