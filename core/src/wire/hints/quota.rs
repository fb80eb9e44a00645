//! What the headers of a response say about the provider's limits.
//!
//! | who | headers | the reset as |
//! |---|---|---|
//! | OpenAI, Azure, Groq, … | `x-ratelimit-{limit,remaining,reset}-{requests,tokens}` | `6m0s`, `1s`, `120ms` |
//! | Anthropic | `anthropic-ratelimit-{requests,tokens,input-tokens,output-tokens}-{limit,remaining,reset}` | RFC 3339 |
//! | Anthropic, subscriptions | `anthropic-ratelimit-unified-{status,reset}` | seconds since 1970 |
//! | OpenRouter and others | `x-ratelimit-{limit,remaining,reset}` | milliseconds or seconds since 1970, or seconds |
//!
//! A moment is measured from the response's own `Date`: the two clocks need not agree. What is negative, too large,
//! no number, or lies in the past says nothing.

use std::time::Duration;

use http::HeaderMap;
use http::header::DATE;

use super::{believable, date_millis, text, unit_millis, wait_until};
use crate::base::Timestamp;
use crate::model::{Allowance, Quota};

/// More than this each minute, or day, is nobody's limit.
const MOST: u64 = 1 << 50;

/// What all of their names begin with.
const FAMILIES: [&str; 2] = ["x-ratelimit-", "anthropic-ratelimit-"];

/// Reads the limits.
#[must_use]
pub fn quota(headers: &HeaderMap) -> Quota {
    // Most responses say nothing.
    if !headers.keys().any(|name| FAMILIES.iter().any(|family| name.as_str().starts_with(family))) {
        return Quota::default();
    }
    let now = text(headers, DATE.as_str()).and_then(date_millis);
    let usual = |unit: &str| {
        let of = |what: &str| format!("x-ratelimit-{what}{unit}");
        allowance(headers, &of("limit"), &of("remaining"), &of("reset"), now)
    };
    let anthropic = |unit: &str| {
        let of = |what: &str| format!("anthropic-ratelimit-{unit}-{what}");
        allowance(headers, &of("limit"), &of("remaining"), &of("reset"), now)
    };
    let is_shut = text(headers, "anthropic-ratelimit-unified-status") == Some("rejected");
    Quota {
        requests: usual("-requests").or_else(|| anthropic("requests")).or_else(|| usual("")),
        tokens: usual("-tokens").or_else(|| anthropic("tokens")),
        input_tokens: anthropic("input-tokens"),
        output_tokens: anthropic("output-tokens"),
        shut_for: is_shut.then(|| reset(text(headers, "anthropic-ratelimit-unified-reset")?, now)).flatten(),
    }
}

/// One limit; nothing unless both the limit and what is left of it make sense.
fn allowance(headers: &HeaderMap, limit: &str, remaining: &str, resets: &str, now: Option<i64>) -> Option<Allowance> {
    let count = |name: &str| text(headers, name)?.parse::<u64>().ok();
    let limit = count(limit).filter(|limit| (1..=MOST).contains(limit))?;
    let remaining = count(remaining)?.min(limit);
    Some(Allowance { limit, remaining, resets_in: text(headers, resets).and_then(|written| reset(written, now)) })
}

/// How long until a moment that is written in any of the ways: a duration of Go, a date, a number.
fn reset(written: &str, now: Option<i64>) -> Option<Duration> {
    if let Ok(number) = written.parse::<f64>() {
        // What is as large as the years since 1970 counts from there.
        return match number {
            _ if number >= 1e11 => wait_until(whole(number)?, now?),
            _ if number >= 1e9 => wait_until(whole(number * 1_000.0)?, now?),
            _ => believable(number * 1_000.0),
        };
    }
    go_duration(written).or_else(|| wait_until(Timestamp::from_rfc3339(written)?.as_millis(), now?))
}

#[expect(clippy::cast_possible_truncation, reason = "far below 2^53")]
fn whole(number: f64) -> Option<i64> {
    (number < 1e15).then_some(number as i64)
}

/// A duration as Go writes it: `1h2m3.5s`, `120ms`.
fn go_duration(written: &str) -> Option<Duration> {
    let (mut rest, mut millis) = (written, 0.0);
    while !rest.is_empty() {
        let number = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|end| *end > 0)?;
        let (value, after) = rest.split_at(number);
        let unit = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit);
        millis += value.parse::<f64>().ok()? * if matches!(unit, "us" | "µs") { 0.001 } else { unit_millis(unit)? };
        rest = after;
    }
    believable(millis)
}
