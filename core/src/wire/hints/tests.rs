use http::{HeaderName, HeaderValue};

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(HeaderName::from_static(name), HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn wait(pairs: &[(&'static str, &str)]) -> Option<u128> {
    read(&headers(pairs), None).retry_after.map(|wait| wait.as_millis())
}

#[test]
fn milliseconds_go_before_seconds_unless_they_say_nothing() {
    assert_eq!(wait(&[("retry-after-ms", "1500.5"), ("retry-after", "9")]), Some(1_500));
    assert_eq!(wait(&[("retry-after-ms", "x"), ("retry-after", "0.25")]), Some(250));
    let azure = read(&headers(&[("retry-after", "1"), ("retry-after-ms", "0")]), None);
    assert_eq!(azure.retry_after, Some(Duration::from_secs(1)));
    assert_eq!(azure.retry_after_written.as_deref(), Some("1"));
}

#[test]
fn a_wait_that_makes_no_sense_is_ignored_but_kept_as_written() {
    for nonsense in ["0", "-5", "1e9", "NaN", "inf", "-inf", "soon", "5 seconds", "1e400", "9".repeat(400).as_str()] {
        let hints = read(&headers(&[("retry-after", nonsense)]), None);
        assert_eq!(hints.retry_after, None, "{nonsense}");
        assert_eq!(hints.retry_after_written.as_deref(), Some(nonsense));
    }
    assert_eq!(wait(&[("retry-after", "")]), None);
    assert_eq!(wait(&[]), None);
}

#[test]
fn of_doubled_headers_the_first_that_makes_sense_counts() {
    assert_eq!(wait(&[("retry-after", "-1"), ("retry-after", "7"), ("retry-after", "8")]), Some(7_000));
}

#[test]
fn a_date_is_measured_from_the_date_of_the_response() {
    let date = ("date", "Sat, 21 Nov 2026 09:30:00 GMT");
    assert_eq!(wait(&[date, ("retry-after", "Sat, 21 Nov 2026 09:30:41 GMT")]), Some(41_000));
    assert_eq!(wait(&[date, ("retry-after", "Saturday, 21-Nov-26 09:31:00 GMT")]), Some(60_000), "RFC 850");
    assert_eq!(wait(&[date, ("retry-after", "Sat, 21 Nov 2026 09:29:59 GMT")]), None, "past");
    assert_eq!(wait(&[date, ("retry-after", "Sat, 22 Nov 2036 09:29:59 GMT")]), None, "ten years");
    assert_eq!(wait(&[("retry-after", "Sat, 21 Nov 2026 09:30:41 GMT")]), None, "measured from nothing");
    let now = Some(Timestamp::from_millis(1_795_253_400_000));
    let hints = read(&headers(&[("retry-after", "Sat, 21 Nov 2026 09:30:41 GMT")]), now);
    assert_eq!(hints.retry_after, Some(Duration::from_secs(41)));
}

#[test]
fn should_retry_and_the_request_id_are_read() {
    let hints = read(&headers(&[("x-should-retry", "false"), ("cf-ray", "no"), ("request-id", "req_1")]), None);
    assert_eq!((hints.should_retry, hints.request_id.as_deref()), (Some(false), Some("req_1")));
    let hints = read(&headers(&[("x-should-retry", "maybe"), ("cf-ray", "no")]), None);
    assert_eq!((hints.should_retry, hints.request_id), (None, None));
    let both = headers(&[("apim-request-id", "b"), ("x-request-id", "a")]);
    assert_eq!(request_id(&both), Some("a"));
}

#[test]
fn the_wait_is_found_in_a_sentence() {
    for (sentence, millis) in [
        ("Rate limit reached. Please try again in 41.7s. Visit …", Some(41_700)),
        ("Please try again in 250ms.", Some(250)),
        ("Please try again in 7m26.4s.", Some(446_400)),
        ("please try again in 1h0m2s", Some(3_602_000)),
        ("Please retry in 18.5s", Some(18_500)),
        ("Try again in 20 seconds.", Some(20_000)),
        ("try again in 2 days, 3 hours", Some(172_800_000)),
        ("Please try again in a moment", None),
        ("try again in 5 parsecs", None),
        ("try again in 0s", None),
        ("try again in 999999999999h", None),
        ("try again in 1.2.3s", None),
        ("try again in ", None),
        ("nothing", None),
    ] {
        assert_eq!(wait_in_text(sentence).map(|wait| wait.as_millis()), millis, "{sentence}");
    }
}

#[test]
fn googles_retry_info_is_read() {
    let details = serde_json::json!([{"@type": "Help"}, {"@type": "RetryInfo", "retryDelay": "46.5s"}]);
    assert_eq!(retry_info(&details), Some((Duration::from_millis(46_500), "46.5s")));
    assert_eq!(retry_info(&serde_json::json!([{"retryDelay": "-1s"}])), None);
    assert_eq!(retry_info(&serde_json::json!({"retryDelay": "1s"})), None);
}

mod limits {
    use super::*;
    use crate::model::{Allowance, Quota};

    fn ms(millis: u64) -> Option<Duration> {
        Some(Duration::from_millis(millis))
    }

    fn all(limit: u64, remaining: u64, resets_in: Option<Duration>) -> Option<Allowance> {
        Some(Allowance { limit, remaining, resets_in })
    }

    fn read(pairs: &[(&'static str, &str)]) -> Quota {
        quota(&headers(pairs))
    }

    const DATE: (&str, &str) = ("date", "Sat, 21 Nov 2026 09:30:00 GMT");

    #[test]
    fn openais_are_read_with_the_durations_of_go() {
        for (written, resets_in) in [
            ("6m0s", ms(360_000)),
            ("1s", ms(1_000)),
            ("120ms", ms(120)),
            ("1m30.951s", ms(90_951)),
            ("1h2m3.5s", ms(3_723_500)),
            ("17", ms(17_000)),
            ("0s", None),
            ("s", None),
            ("1x", None),
            ("-1s", None),
            ("1..2s", None),
            ("99999999999h", None),
            ("", None),
        ] {
            let said = read(&[
                ("x-ratelimit-limit-requests", "60"),
                ("x-ratelimit-remaining-requests", "59"),
                ("x-ratelimit-reset-requests", "1s"),
                ("x-ratelimit-limit-tokens", "150000"),
                ("x-ratelimit-remaining-tokens", "149984"),
                ("x-ratelimit-reset-tokens", written),
            ]);
            assert_eq!(said.requests, all(60, 59, ms(1_000)));
            let tokens = said.tokens.unwrap();
            assert_eq!((tokens.limit, tokens.remaining), (150_000, 149_984));
            assert_eq!(tokens.resets_in, resets_in, "{written}");
        }
    }

    #[test]
    fn anthropics_are_read_with_dates_that_the_responses_own_date_makes_durations() {
        let said = |reset: &str| {
            read(&[
                DATE,
                ("anthropic-ratelimit-requests-limit", "50"),
                ("anthropic-ratelimit-requests-remaining", "49"),
                ("anthropic-ratelimit-requests-reset", reset),
                ("anthropic-ratelimit-input-tokens-limit", "40000"),
                ("anthropic-ratelimit-input-tokens-remaining", "39000"),
                ("anthropic-ratelimit-output-tokens-limit", "8000"),
                ("anthropic-ratelimit-output-tokens-remaining", "0"),
                ("anthropic-ratelimit-output-tokens-reset", "2026-11-21T09:30:41Z"),
            ])
        };
        for (reset, resets_in) in [
            ("2026-11-21T09:30:02Z", ms(2_000)),
            ("2026-11-21T10:30:00.25+01:00", ms(250)),
            ("2026-11-21t08:00:01-01:30", ms(1_000)),
            ("2026-11-20T09:30:02Z", None),
            ("2036-11-21T09:30:02Z", None),
            ("2026-13-21T09:30:02Z", None),
            ("2026-11-21T09:30:02", None),
            ("2026-11-21T09:30", None),
            ("2026-11-21T0x:30:02Z", None),
            ("soon", None),
        ] {
            let said = said(reset);
            assert_eq!(said.requests, all(50, 49, resets_in), "{reset}");
            assert_eq!(said.input_tokens, all(40_000, 39_000, None));
            assert_eq!((said.output_tokens, said.tokens), (all(8_000, 0, ms(41_000)), None));
        }
        let without_date = read(&[
            ("anthropic-ratelimit-tokens-limit", "10"),
            ("anthropic-ratelimit-tokens-remaining", "3"),
            ("anthropic-ratelimit-tokens-reset", "2026-11-21T09:30:41Z"),
        ]);
        assert_eq!(without_date.tokens, all(10, 3, None), "measured from nothing");
    }

    #[test]
    fn a_clock_that_is_a_day_off_changes_nothing() {
        for (date, reset) in [
            ("Fri, 20 Nov 2026 09:30:00 GMT", "2026-11-20T09:31:00Z"),
            ("Sun, 22 Nov 2026 09:30:00 GMT", "2026-11-22T09:31:00Z"),
        ] {
            let said = read(&[
                ("date", date),
                ("anthropic-ratelimit-requests-limit", "5"),
                ("anthropic-ratelimit-requests-remaining", "4"),
                ("anthropic-ratelimit-requests-reset", reset),
            ]);
            assert_eq!(said.requests, all(5, 4, ms(60_000)), "{date}");
        }
    }

    #[test]
    fn an_account_that_is_shut_says_until_when() {
        let shut = |status, reset: &str| {
            read(&[DATE, ("anthropic-ratelimit-unified-status", status), ("anthropic-ratelimit-unified-reset", reset)])
                .shut_for
        };
        // 2026-11-21 09:30 is 1,795,253,400.
        assert_eq!(shut("rejected", "1795257000"), ms(3_600_000));
        assert_eq!(shut("allowed", "1795257000"), None);
        assert_eq!(shut("rejected", "1795253399"), None, "past");
        assert_eq!(shut("rejected", "99999999999999999999"), None);
        assert_eq!(shut("rejected", "NaN"), None);
    }

    #[test]
    fn the_plain_form_counts_requests_with_a_reset_in_seconds_or_since_1970() {
        for (reset, resets_in) in [("30", ms(30_000)), ("1795253460", ms(60_000)), ("1795253460500", ms(60_500))] {
            let said = read(&[
                DATE,
                ("x-ratelimit-limit", "20"),
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", reset),
            ]);
            assert_eq!(said.requests, all(20, 0, resets_in), "{reset}");
        }
    }

    #[test]
    fn what_makes_no_sense_says_nothing() {
        assert!(quota(&HeaderMap::new()).is_empty());
        for nonsense in ["-1", "0", "", "x", "1.5", "NaN", "99999999999999999999999", "1e3", " "] {
            let said = read(&[("x-ratelimit-limit-requests", nonsense), ("x-ratelimit-remaining-requests", "1")]);
            assert!(said.is_empty(), "limit {nonsense}: {said:?}");
        }
        for nonsense in ["-1", "", "x", "1.5", "NaN", "99999999999999999999999"] {
            let said = read(&[("x-ratelimit-limit-requests", "9"), ("x-ratelimit-remaining-requests", nonsense)]);
            assert!(said.is_empty(), "remaining {nonsense}: {said:?}");
        }
        assert!(read(&[("x-ratelimit-remaining-requests", "1")]).is_empty(), "of how many?");
        let more = read(&[("x-ratelimit-limit-requests", "9"), ("x-ratelimit-remaining-requests", "10")]);
        assert_eq!(more.requests, all(9, 9, None));
    }
}
