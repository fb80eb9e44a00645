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
