//! What a response says about when to come back. Pure reading; whether to listen is the policy's to decide.
//!
//! Headers first (`retry-after-ms`, then `retry-after` in seconds or as a date), then the body: Google's
//! `RetryInfo`, and the "try again in 41.7s" that OpenAI and Groq write into their sentences. A value that
//! makes no sense, lies in the past or says zero is as good as none.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

use crate::base::{Json, Timestamp};

mod quota;

#[cfg(test)]
mod tests;

pub use quota::quota;

/// The longest wait that is believed: a week. Longer ones are mistakes, as the year 2036 or `1e9`.
pub const LONGEST_WAIT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What the headers of a response say besides its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// How long to wait before the call is repeated.
    pub retry_after: Option<Duration>,
    /// The header that says so, as written; also when it makes no sense.
    pub retry_after_written: Option<String>,
    /// Whether the provider wants the call to be repeated (`x-should-retry`).
    pub should_retry: Option<bool>,
    /// The provider's id of the request.
    pub request_id: Option<String>,
}

/// Reads the headers. Dates are measured from the response's own `Date`, or else from `now`; with neither
/// they say nothing.
#[must_use]
pub fn read(headers: &HeaderMap, now: Option<Timestamp>) -> Hints {
    let now = text(headers, DATE.as_str()).and_then(date_millis).or(now.map(Timestamp::as_millis));
    let millis = written(headers, "retry-after-ms", |text| number(text, 1.0));
    let seconds = written(headers, RETRY_AFTER.as_str(), |text| {
        number(text, 1_000.0).or_else(|| wait_until(date_millis(text)?, now?))
    });
    let heard = match (&millis, &seconds) {
        (Some((_, Some(_))), _) | (_, None) => millis,
        _ => seconds,
    };
    let (retry_after_written, retry_after) = heard.unzip();
    Hints {
        retry_after: retry_after.flatten(),
        retry_after_written: retry_after_written.map(str::to_owned),
        should_retry: text(headers, "x-should-retry").and_then(|text| text.parse().ok()),
        request_id: REQUEST_ID_HEADERS.iter().find_map(|name| text(headers, name)).map(str::to_owned),
    }
}

/// The headers that name a request, the likeliest first. `cf-ray` names a hop, not a request.
const REQUEST_ID_HEADERS: [&str; 4] = ["x-request-id", "request-id", "apim-request-id", "x-generation-id"];

/// The provider's id of the request that a response answers.
#[must_use]
pub fn request_id(headers: &HeaderMap) -> Option<&str> {
    REQUEST_ID_HEADERS.iter().find_map(|name| text(headers, name))
}

/// The wait that a sentence names: "try again in 6m0.5s", "retry in 250ms", "try again in 20 seconds".
#[must_use]
pub fn wait_in_text(sentence: &str) -> Option<Duration> {
    let at = ["try again in ", "retry in ", "retry after ", "Try again in "]
        .iter()
        .find_map(|words| sentence.find(words).map(|at| at + words.len()))?;
    let mut rest = &sentence[at..];
    let mut millis = 0.0;
    while rest.starts_with(|c: char| c.is_ascii_digit()) {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        // A full stop behind the number ends the sentence rather than the number.
        let value: f64 = rest[..digits].trim_end_matches('.').parse().ok()?;
        rest = rest[digits..].trim_start();
        let letters = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        millis += value * unit_millis(&rest[..letters])?;
        rest = rest[letters..].trim_start();
    }
    believable(millis)
}

fn unit_millis(unit: &str) -> Option<f64> {
    Some(match unit {
        "ms" | "millisecond" | "milliseconds" => 1.0,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000.0,
        "h" | "hour" | "hours" => 3_600_000.0,
        "d" | "day" | "days" => 86_400_000.0,
        _ => return None,
    })
}

/// The wait that Google's `error.details` name: the `retryDelay` ("46s") of a `RetryInfo`, as read and as written.
#[must_use]
pub fn retry_info(details: &Json) -> Option<(Duration, &str)> {
    let written = details.as_array()?.iter().find_map(|detail| detail.get("retryDelay")?.as_str())?;
    Some((number(written.strip_suffix('s')?, 1_000.0)?, written))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok().map(str::trim).filter(|text| !text.is_empty())
}

/// The first of the headers of this name that makes sense, or else the first at all.
fn written<'a>(
    headers: &'a HeaderMap,
    name: &str,
    read: impl Fn(&str) -> Option<Duration>,
) -> Option<(&'a str, Option<Duration>)> {
    let mut all = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).map(str::trim);
    let first = all.next()?;
    std::iter::once(first).chain(all).find_map(|text| Some((text, Some(read(text)?)))).or(Some((first, None)))
}

fn number(text: &str, millis_per_unit: f64) -> Option<Duration> {
    believable(text.parse::<f64>().ok()? * millis_per_unit)
}

fn believable(millis: f64) -> Option<Duration> {
    // NaN fails the comparison.
    (millis > 0.0).then(|| Duration::try_from_secs_f64(millis / 1_000.0).ok())?.filter(|wait| *wait <= LONGEST_WAIT)
}

fn date_millis(text: &str) -> Option<i64> {
    let since = httpdate::parse_http_date(text).ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}

fn wait_until(date: i64, now: i64) -> Option<Duration> {
    let wait = Duration::from_millis(u64::try_from(date.checked_sub(now)?).ok()?);
    (!wait.is_zero() && wait <= LONGEST_WAIT).then_some(wait)
}
