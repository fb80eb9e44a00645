//! What goes wrong, and under which name it comes out.

use http::{HeaderMap, StatusCode};

use super::*;
use crate::base::{ErrorKind, Retry};
use crate::wire::StreamDecoder as _;
use crate::wire::frame::FrameLimits;
use crate::wire::ollama::reply::{Limits, Reply};
use crate::wire::ollama::stream::LineStream;

const CUT: (ErrorKind, &str) = (ErrorKind::Truncated, "cut");
const NONSENSE: (ErrorKind, &str) = (ErrorKind::Unavailable, "bad_response");

fn is(error: &Error) -> (ErrorKind, &str) {
    (error.kind(), error.reason())
}

fn status(status: u16, body: &str) -> Error {
    Ollama.classify(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
}

#[test]
fn a_line_with_an_error_under_a_good_status_ends_the_stream() {
    let text =
        lines(&[said(json!({"content": "Yes"})), json!({"error": "an error was encountered while running the model"})]);
    let read = read(text);
    assert_eq!(read.parts(), [Part::text("Yes")]);
    let error = read.error();
    assert_eq!(is(&error), (ErrorKind::Unavailable, "provider_error"));
    assert_eq!(error.retry(), Retry::Safe);
    let account = error.provider_error().unwrap();
    assert_eq!((account.message(), account.status), ("an error was encountered while running the model", Some(200)));
    assert!(!error.to_string().contains("encountered"), "the server's words are not ours: {error}");
}

#[test]
fn an_error_is_heard_even_behind_the_end_and_in_a_whole_reply() {
    let error = json!({"error": "out of memory"});
    assert_eq!(is(&read(lines(&[done("stop"), error.clone()])).error()), (ErrorKind::Unavailable, "provider_error"));
    assert_eq!(is(&whole(&error).unwrap_err()), (ErrorKind::Unavailable, "provider_error"));
    for nothing in [json!(null), json!("")] {
        let mut last = done("stop");
        last["error"] = nothing;
        assert!(read(lines(&[last])).outcome.is_ok());
    }
}

#[test]
fn done_without_a_reason_is_cut_off() {
    for reason in [json!(""), json!(null)] {
        let mut last = done("stop");
        last["done_reason"] = reason;
        let read = read(lines(&[said(json!({"content": "half"})), last.clone()]));
        assert!(!read.is_complete);
        assert_eq!(is(&read.error()), CUT);
        assert_eq!(is(&whole(&last).unwrap_err()), CUT);
    }
    let mut last = done("stop");
    last.as_object_mut().unwrap().remove("done_reason");
    assert_eq!(is(&read(lines(&[last])).error()), CUT);
}

#[test]
fn a_reason_without_done_is_no_end() {
    let mut last = done("stop");
    last["done"] = json!(false);
    assert_eq!(is(&read(lines(&[last.clone()])).error()), CUT);
    assert_eq!(is(&whole(&last).unwrap_err()), CUT);
}

#[test]
fn nothing_and_half_a_line_are_cut_and_a_page_makes_no_sense() {
    for text in ["", "\n\n", "{\"model\":", "\u{feff}"] {
        assert_eq!(is(&read(text).error()), CUT, "{text:?}");
    }
    for text in ["<html>\nLogin\n</html>", "<html>Login</html>", "data: {}\n\n", "[1]\n", "7\n", "{\"done\": 7}\n"] {
        assert_eq!(is(&read(text).error()), NONSENSE, "{text:?}");
    }
    for body in ["", "<html>Login</html>", "[]", "{\"model\": ", "{\"done\": \"yes\"}", "null"] {
        assert_eq!(is(&decode(body.as_bytes()).unwrap_err()), NONSENSE, "{body:?}");
    }
}

#[test]
fn a_line_that_is_no_json_after_good_ones_is_malformed() {
    for line in ["nonsense", "[1,2]", "{\"message\": 7}", "{\"message\": {\"content\": [1]}}", "{\"a\": 1"] {
        let text = format!("{}{line}\n{}", lines(&[said(json!({"content": "a"}))]), lines(&[done("stop")]));
        let read = read(text);
        assert_eq!(read.parts(), [Part::text("a")], "{line}");
        assert_eq!(is(&read.error()), (ErrorKind::Truncated, "malformed"), "{line}");
    }
    let deep =
        format!("{}{}\n", lines(&[said(json!({"content": "a"}))]), "{\"a\":".repeat(200) + "1" + &"}".repeat(200));
    assert_eq!(is(&read(deep).error()), (ErrorKind::Truncated, "malformed"));
}

#[test]
fn a_decoder_that_failed_takes_no_more() {
    let mut decoder = with_target(true, |target| Ollama.decoder(target));
    let mut events = Vec::new();
    assert!(decoder.feed(b"{\"error\":\"x\"}\n", &mut events).is_err());
    decoder.feed(lines(&[said(json!({"content": "a"})), done("stop")]).as_bytes(), &mut events).unwrap();
    assert!(events.is_empty() && !decoder.is_complete());
    assert_eq!(is(&decoder.finish(&mut events).unwrap_err()), CUT);
}

#[test]
fn more_than_fits_is_refused() {
    let limits = Limits { text_bytes: 10, arguments_bytes: 20 };
    let frames = FrameLimits { max_event_bytes: 400 };
    let read = |lines: String| {
        let mut stream = LineStream::new(Reply::new(limits), frames);
        let mut events = Vec::new();
        stream.feed(lines.as_bytes(), &mut events).and_then(|()| stream.finish(&mut events))
    };
    let text = |words: &str| said(json!({"content": words}));
    assert!(read(lines(&[text("12345"), said(json!({"thinking": "67890"})), done("stop")])).is_ok());
    let error = read(lines(&[text("12345"), said(json!({"thinking": "678901"})), done("stop")])).unwrap_err();
    assert_eq!(is(&error), (ErrorKind::OutputInvalid, "too_large"));
    let look = |words: &str| said(json!({"tool_calls": [{"function": {"name": "a", "arguments": {"a": words}}}]}));
    assert!(read(lines(&[look("123456789012"), done("stop")])).is_ok());
    assert_eq!(
        is(&read(lines(&[look("1234567890123"), done("stop")])).unwrap_err()),
        (ErrorKind::OutputInvalid, "too_large")
    );
    let error = read(lines(&[text(&"x".repeat(400))])).unwrap_err();
    assert_eq!(is(&error), (ErrorKind::Unavailable, "event_too_large"));
}

#[test]
fn a_full_queue_may_be_tried_again() {
    let error = status(503, r#"{"error":"server busy, please try again.  maximum pending requests exceeded"}"#);
    assert_eq!(is(&error), (ErrorKind::Unavailable, "overloaded"));
    assert_eq!((error.retry(), error.status()), (Retry::Safe, Some(503)));
}

#[test]
fn a_model_that_was_not_pulled_is_unknown_and_a_wrong_address_is_a_bad_url() {
    for body in
        [r#"{"error":"model 'llama9' not found"}"#, r#"{"error":"model \"llama9\" not found, try pulling it first"}"#]
    {
        let error = status(404, body);
        assert_eq!(is(&error), (ErrorKind::Invalid, "unknown_model"));
        assert_eq!(error.retry(), Retry::Never);
        assert!(!error.to_string().contains("llama9"));
    }
    assert_eq!(is(&status(404, "404 page not found")), (ErrorKind::Invalid, "bad_url"));
}

#[test]
fn a_history_that_does_not_fit_is_too_long_in_every_place() {
    let words = json!({"error": "the input length exceeds the context length"});
    assert_eq!(status(400, &words.to_string()).kind(), ErrorKind::ContextTooLong);
    assert_eq!(read(format!("{words}\n")).error().kind(), ErrorKind::ContextTooLong);
    assert_eq!(whole(&words).unwrap_err().kind(), ErrorKind::ContextTooLong);
}

#[test]
fn other_statuses_mean_what_they_mean_elsewhere() {
    for (code, body, kind, reason) in [
        (400, r#"{"error":"\"llama3\" does not support thinking"}"#, ErrorKind::Invalid, "bad_request"),
        (401, r#"{"error":"unauthorized","signin_url":"https://x.example"}"#, ErrorKind::Unauthorized, "key_rejected"),
        (500, r#"{"error":"model runner has unexpectedly stopped"}"#, ErrorKind::Unavailable, "provider_error"),
        (499, r#"{"error":"request canceled"}"#, ErrorKind::Unavailable, "provider_error"),
    ] {
        let error = status(code, body);
        assert_eq!(is(&error), (kind, reason), "{code}");
        assert!(!error.provider_error().unwrap().message().is_empty());
    }
}

#[test]
fn a_field_that_is_said_twice_in_one_object_makes_no_sense_unless_nobody_reads_it() {
    let first = said(json!({"content": "yes"}));
    let end = done("stop");
    for twice in [
        r#"{"message":{"content":"yes","content":"no"},"done":false}"#,
        r#"{"message":{"content":"yes"},"message":{"content":"no"},"done":false}"#,
    ] {
        let error = read(format!("{first}\n{twice}\n{end}\n")).error();
        assert_eq!(is(&error), (ErrorKind::Truncated, "malformed"), "{twice}");
    }
    let unread = r#"{"message":{"content":"!","odd":1,"odd":2},"done":false,"odd":1,"odd":2}"#;
    assert_eq!(read(format!("{first}\n{unread}\n{end}\n")).whole().parts(), [Part::text("yes!")]);
}
