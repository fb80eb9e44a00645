//! What goes wrong, and under which name it comes out.

use super::super::lanes::Voice;
use super::super::reply::{Limits, Place, Reply};
use super::*;
use crate::base::{ErrorKind, Retry};
use crate::model::FinishReason;

fn named(error: &Error) -> (ErrorKind, &str) {
    (error.kind(), error.reason())
}

#[test]
fn an_error_event_is_read_flat_and_nested() {
    let flat = json!({"type": "error", "code": "rate_limit_exceeded", "message": "Slow down. Please try again in 1.5s.", "param": null, "sequence_number": 3});
    let nested = json!({"type": "error", "error": {"type": "tokens", "code": "rate_limit_exceeded", "message": "Slow down. Please try again in 1.5s."}});
    let untyped = json!({"error": {"code": "rate_limit_exceeded", "message": "Slow down. Please try again in 1.5s."}});
    for (event, kind) in [(flat, None), (nested, Some("tokens")), (untyped, None)] {
        let read = read(sse(&[created(), text_delta(0, 0, "Hi"), event, completed(&json!([]))]));
        assert_eq!((read.closing.finish_reason, read.is_complete), (Some(FinishReason::Error), false));
        assert_eq!(read.closing.id.as_deref(), Some("resp_1"));
        assert_eq!(read.parts(), [Part::text("Hi")]);
        let error = read.error();
        assert_eq!(named(&error), (ErrorKind::RateLimited, "provider_limit"));
        assert_eq!(error.retry(), Retry::After { after_ms: 1_500 });
        let said = error.provider_error().unwrap();
        assert_eq!((said.kind.as_deref(), said.code.clone()), (kind, Some(json!("rate_limit_exceeded"))));
        assert!(!format!("{error} {error:?}").contains("Slow down"));
    }
}

#[test]
fn a_reply_that_failed_is_an_error_streamed_and_whole() {
    for (code, expected) in [
        ("server_error", (ErrorKind::Unavailable, "provider_error")),
        ("server_is_overloaded", (ErrorKind::Unavailable, "overloaded")),
        ("insufficient_quota", (ErrorKind::QuotaExhausted, "account")),
        ("invalid_prompt", (ErrorKind::ContentFiltered, "prompt")),
        ("context_length_exceeded", (ErrorKind::ContextTooLong, "provider")),
    ] {
        let response = json!({"id": "resp_1", "status": "failed", "error": {"code": code, "message": "canary"}, "output": [], "usage": usage()});
        let streamed = read(sse(&[created(), json!({"type": "response.failed", "response": response})]));
        assert_eq!(streamed.closing.finish_reason_raw.as_deref(), Some("failed"));
        assert!(streamed.closing.usage.is_some());
        for error in [streamed.error(), decode(&response.to_string()).error()] {
            assert_eq!(named(&error), expected, "{code}");
            assert!(!format!("{error} {error:?}").contains("canary"));
        }
    }
}

#[test]
fn a_failure_without_a_word_is_the_providers() {
    for response in [
        json!({"status": "failed", "error": null, "output": []}),
        json!({"status": "cancelled", "output": []}),
        json!(null),
    ] {
        let error = read(sse(&[json!({"type": "response.failed", "response": response})])).error();
        assert_eq!(named(&error), (ErrorKind::Unavailable, "provider_error"), "{response}");
        assert_eq!(error.retry(), Retry::Safe);
    }
}

#[test]
fn a_stream_without_its_last_event_is_cut() {
    let begun = sse(&[created(), done(0, message("Hi"))]);
    for bytes in ["", "data: [DONE]\n\n", ": alive\n\n", "data: {\"typ", begun.as_str()] {
        let read = read(bytes);
        assert!(!read.is_complete);
        assert_eq!(named(&read.error()), (ErrorKind::Truncated, "cut"), "{bytes}");
    }
}

#[test]
fn what_is_no_event_of_the_dialect_is_malformed() {
    for event in [
        "nonsense",
        "[1]",
        "{\"type\":7}",
        "{\"type\":\"response.output_item.added\"}",
        "{\"type\":\"response.output_item.done\",\"output_index\":\"x\",\"item\":{}}",
        "{\"type\":\"response.output_text.delta\",\"output_index\":-1,\"delta\":\"x\"}",
        "{\"type\":\"response.output_text.delta\",\"output_index\":9007199254740993,\"delta\":\"x\"}",
        "{\"type\":\"response.completed\",\"response\":{\"output\":7}}",
    ] {
        let error = read(format!("data: {}\n\ndata: {event}\n\n", created())).error();
        assert_eq!(named(&error), (ErrorKind::Truncated, "malformed"), "{event}");
    }
}

#[test]
fn a_decoder_that_failed_says_so_again() {
    let mut decoder = with_quirks(&Quirks::default(), true, |target| OpenAiResponses.decoder(target));
    let mut events = Vec::new();
    decoder.feed(b"data: nonsense\n\n", &mut events).unwrap_err();
    let good = sse(&[text_delta(0, 0, "Hi"), completed(&json!([]))]);
    assert_eq!(decoder.feed(good.as_bytes(), &mut events).unwrap_err().reason(), "malformed");
    assert_eq!(decoder.finish(&mut events).unwrap_err().reason(), "malformed");
    assert!(events.is_empty() && !decoder.is_complete());
}

#[test]
fn bodies_that_are_no_reply_are_named() {
    for body in ["", "<html>login</html>", "{\"status\":\"comple", "{}", "7", "{\"output\":7}", "{\"choices\":[]}"] {
        assert_eq!(named(&decode(body).error()), (ErrorKind::Unavailable, "bad_response"), "{body}");
    }
    let running = json!({"status": "in_progress", "output": []}).to_string();
    assert_eq!(named(&decode(&running).error()), (ErrorKind::Unavailable, "bad_response"));
    assert_eq!(named(&read("<html>login</html>").error()), (ErrorKind::Unavailable, "bad_response"));
    for body in
        [r#"{"error":{"code":"insufficient_quota","message":"x"}}"#, r#"[{"error":{"code":"insufficient_quota"}}]"#]
    {
        assert_eq!(decode(body).error().kind(), ErrorKind::QuotaExhausted, "{body}");
        assert_eq!(read(body).error().kind(), ErrorKind::QuotaExhausted, "{body}");
    }
}

#[test]
fn nesting_without_end_is_an_error_and_no_overflow() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(100_000), close.repeat(100_000));
        for event in [
            format!("{{\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{deep}}}"),
            format!("{{\"type\":\"error\",\"error\":{deep}}}"),
            deep.clone(),
        ] {
            read(format!("data: {event}\n\n")).error();
        }
        decode(&deep).error();
        let other = format!(
            "{{\"type\":\"response.completed\",\"other\":{deep},\"response\":{{\"status\":\"completed\",\"usage\":{deep}}}}}"
        );
        assert_eq!(read(format!("data: {other}\n\n")).whole().closing.usage, None);
    }
}

#[test]
fn text_and_arguments_have_a_bound() {
    let limits = Limits { text_bytes: 4, arguments_bytes: 4 };
    let mut events = Vec::new();
    let mut reply = Reply::new(PROVIDER, false, limits);
    let place = Place { output_index: Some(0), ..Place::default() };
    reply.say(Voice::Text, place, "1234".into(), &mut events).unwrap();
    let error = reply.say(Voice::Thought, place, "5".into(), &mut events).unwrap_err();
    assert_eq!(named(&error), (ErrorKind::OutputInvalid, "too_large"));
    let place = Place { output_index: Some(1), ..place };
    reply.write(place, "function_call", "1234".into(), &mut events).unwrap();
    let error = reply.write(place, "function_call", "5".into(), &mut events).unwrap_err();
    assert_eq!(named(&error), (ErrorKind::OutputInvalid, "too_large"));
}

#[test]
fn an_error_status_is_classified() {
    let body = br#"{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","code":"invalid_api_key"}}"#;
    let error = OpenAiResponses.classify(StatusCode::UNAUTHORIZED, &HeaderMap::new(), body);
    assert_eq!(named(&error), (ErrorKind::Unauthorized, "key_rejected"));
}

#[test]
fn an_error_event_and_the_failure_behind_it_are_one_error() {
    let told = json!({"type": "tokens", "code": "rate_limit_exceeded", "message": "m"});
    let failed =
        json!({"id": "resp_1", "status": "failed", "error": {"code": "server_error", "message": "n"}, "output": []});
    let read = read(sse(&[
        created(),
        json!({"type": "error", "error": told}),
        json!({"type": "response.failed", "response": failed}),
    ]));
    let error = read.error();
    assert_eq!(named(&error), (ErrorKind::RateLimited, "provider_limit"), "the first word says it");
    assert_eq!(error.provider_error().unwrap().message(), "m");
}

#[test]
fn a_field_that_is_said_twice_in_one_object_makes_no_sense_unless_nobody_reads_it() {
    let around = |said: &str| {
        let (begin, end) = (sse(&[created()]), sse(&[completed(&json!([]))]));
        read(format!("{begin}data: {said}\n\n{end}"))
    };
    for twice in [
        r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"yes","delta":"no"}"#,
        r#"{"type":"response.output_text.delta","output_index":0,"output_index":1,"content_index":0,"delta":"yes"}"#,
    ] {
        assert_eq!(named(&around(twice).error()), (ErrorKind::Truncated, "malformed"), "{twice}");
    }
    let unread =
        r#"{"type":"response.output_text.delta","output_index":0,"content_index":0,"delta":"yes","odd":1,"odd":2}"#;
    assert_eq!(around(unread).whole().parts(), [Part::text("yes")]);
}
