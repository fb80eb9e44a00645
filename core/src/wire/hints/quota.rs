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
    go_duration(written).or_else(|| wait_until(rfc3339_millis(written)?, now?))
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

/// Milliseconds since 1970 of a moment as RFC 3339 writes it: `2026-11-21T09:30:00Z`, `…:00.5+01:00`.
fn rfc3339_millis(written: &str) -> Option<i64> {
    let bytes = written.as_bytes();
    let digits = |from: usize, to: usize| -> Option<i64> {
        let part = written.get(from..to)?;
        part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse().ok())?
    };
    let is = |at: usize, among: &[u8]| bytes.get(at).is_some_and(|byte| among.contains(byte));
    if !(is(4, b"-") && is(7, b"-") && is(10, b"Tt ") && is(13, b":") && is(16, b":")) {
        return None;
    }
    let (year, month, day) = (digits(0, 4)?, digits(5, 7)?, digits(8, 10)?);
    let (hour, minute, second) = (digits(11, 13)?, digits(14, 16)?, digits(17, 19)?);
    if !((1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60) {
        return None;
    }
    let mut rest = written.get(19..)?;
    let mut millis = 0;
    if let Some(fraction) = rest.strip_prefix('.') {
        let end = fraction.find(|c: char| !c.is_ascii_digit()).unwrap_or(fraction.len());
        millis = format!("{:0<3}", fraction.get(..end)?).get(..3)?.parse().ok()?;
        rest = fraction.get(end..)?;
    }
    let offset = match rest.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] if [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()) => {
            let two = |tens: u8, ones: u8| i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
            let minutes = two(*h1, *h2) * 60 + two(*m1, *m2);
            if *sign == b'-' { -minutes } else { minutes }
        }
        _ => return None,
    };
    // Days from a civil date, after Howard Hinnant's `days_from_civil`.
    let (y, m) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let era = y.div_euclid(400);
    let of_era = y - era * 400;
    let of_year = (153 * m + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset * 60;
    Some(seconds * 1_000 + millis)
}
