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

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Window; 6] = [Window::Minute, Window::Hour, Window::Day, Window::Week, Window::Month, Window::Total];

    fn bounds(window: Window, at: Timestamp) -> (String, String) {
        let (start, end) = window.bounds(at);
        (start.to_string(), end.expect("it ends").to_string())
    }

    #[test]
    fn windows_begin_and_end_with_the_clock_and_the_calendar_of_utc() {
        // 2028-02-29T23:59:59.999Z, a Tuesday.
        let at = Timestamp::from_millis(1_835_481_599_999);
        assert_eq!(at.to_string(), "2028-02-29T23:59:59.999Z");
        for (window, start, end) in [
            (Window::Minute, "2028-02-29T23:59:00.000Z", "2028-03-01T00:00:00.000Z"),
            (Window::Hour, "2028-02-29T23:00:00.000Z", "2028-03-01T00:00:00.000Z"),
            (Window::Day, "2028-02-29T00:00:00.000Z", "2028-03-01T00:00:00.000Z"),
            (Window::Week, "2028-02-28T00:00:00.000Z", "2028-03-06T00:00:00.000Z"),
            (Window::Month, "2028-02-01T00:00:00.000Z", "2028-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(bounds(window, at), (start.to_owned(), end.to_owned()));
        }
        assert_eq!(Window::Total.bounds(at), (Timestamp::from_millis(i64::MIN), None));
        // Before 1970, and over the end of a year.
        let at = Timestamp::from_millis(-1);
        assert_eq!(bounds(Window::Month, at).0, "1969-12-01T00:00:00.000Z");
        assert_eq!(bounds(Window::Month, at).1, "1970-01-01T00:00:00.000Z");
        assert_eq!(bounds(Window::Week, at).0, "1969-12-29T00:00:00.000Z");
    }

    #[test]
    fn every_moment_is_in_its_window_and_the_next_one_begins_where_it_ends() {
        for window in ALL {
            let mut at = Timestamp::from_millis(-63_000_000_000_000);
            for _ in 0..3_000 {
                let (start, end) = window.bounds(at);
                let Some(end) = end else { break };
                assert!(start <= at && at < end, "{window:?} {at}");
                let last = Timestamp::from_millis(end.as_millis() - 1);
                assert_eq!((window.bounds(last).0, window.bounds(last).1), (start, Some(end)), "{window:?} {at}");
                assert_eq!(window.bounds(end).0, end, "{window:?} {at}");
                at = end;
            }
            for millis in [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX] {
                let at = Timestamp::from_millis(millis);
                let (start, end) = window.bounds(at);
                assert!(start <= at && end.is_none_or(|end| at <= end), "{window:?} {millis}");
            }
        }
    }
}
