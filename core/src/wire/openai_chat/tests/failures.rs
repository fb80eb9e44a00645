//! What goes wrong, and under which name it comes out.

use proptest::prelude::*;

use super::*;
use crate::base::{ErrorKind, Retry};

fn kind_and_reason<T: std::fmt::Debug>(result: Result<T>) -> (ErrorKind, String) {
    let error = result.unwrap_err();
    (error.kind(), error.reason().to_owned())
}

fn decode(body: &[u8]) -> Result<(Vec<StreamEvent>, Closing)> {
    with_quirks(&Quirks::default(), false, |target| OpenAiChat.decode(body, target))
}

const CUT: (ErrorKind, &str) = (ErrorKind::Truncated, "cut");
const NONSENSE: (ErrorKind, &str) = (ErrorKind::Unavailable, "bad_response");

fn text(delta: &str) -> Value {
    json!({"choices": [{"index": 0, "delta": {"content": delta}}]})
}

#[test]
fn a_stream_without_a_finish_is_cut() {
    for bytes in ["", "data: [DONE]\n\n", ": alive\n\n", "data: {\"choices\":[]}\n\n", "data: {\"choi"] {
        let error = stream_bytes(bytes.as_bytes()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), CUT, "{bytes}");
    }
    let error = stream(&[text("a")]).unwrap_err();
    assert_eq!((error.kind(), error.reason()), CUT);
}

#[test]
fn an_event_that_is_no_json_is_malformed() {
    for payload in [
        "{\"choices\": 7}",
        "nonsense",
        "[]",
        "[1,2]",
        "{\"choices\":[{\"delta\":{\"tool_calls\":\"x\"}}]}",
        "{} {}",
        "[1",
    ] {
        let bytes = format!("data: {}\n\ndata: {payload}\n\n", text("a"));
        let error = stream_bytes(bytes.as_bytes()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "malformed"), "{payload}");
    }
}

#[test]
fn nesting_without_end_is_an_error_and_no_overflow() {
    for (open, close) in [("[", "]"), ("{\"thinking\":[", "]}"), ("{\"a\":", "}")] {
        for depth in [129, 100_000] {
            let deep = format!("{}{}{}", open.repeat(depth), "1", close.repeat(depth));
            for payload in [
                format!("{{\"choices\":[{{\"delta\":{{\"content\":[{deep}]}}}}]}}"),
                format!("{{\"choices\":[{{\"delta\":{{}}}}],\"usage\":{deep},\"other\":{deep}}}"),
                format!("{{\"error\":{deep}}}"),
                deep.clone(),
            ] {
                assert!(stream_bytes_once(format!("data: {payload}\n\n").as_bytes()).is_err());
                assert!(decode(payload.as_bytes()).is_err());
            }
        }
    }
}

fn stream_bytes_once(bytes: &[u8]) -> Result<()> {
    with_quirks(&Quirks::default(), true, |target| {
        let mut decoder = OpenAiChat.decoder(target);
        decoder.feed(bytes, &mut Vec::new())?;
        decoder.finish(&mut Vec::new())
    })
}

#[test]
fn an_error_in_the_stream_comes_out_as_classified_in_all_its_shapes() {
    let rate_limited = (ErrorKind::RateLimited, "provider_limit".to_owned());
    for error in [
        "data: {\"error\":{\"code\":429,\"message\":\"m\"},\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"error\"}]}\n\n",
        "event: error\ndata: {\"error\":{\"type\":\"rate_limit_error\",\"message\":\"m\"}}\n\n",
        "event: error\ndata: {\"type\":\"error\",\"code\":\"rate_limit_exceeded\",\"message\":\"m\"}\n\n",
        "data: [{\"error\":{\"code\":429,\"message\":\"m\"}}]\n\n",
        "data: {\"error\":{\"status_code\":429,\"message\":\"m\"}}\n\n",
        "data: {\"object\":\"error\",\"message\":\"m\",\"code\":429}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"error\":{\"code\":429,\"message\":\"m\"}}]}\n\n",
        "data: {\"error\":{\"code\":429,\"message\":\"m\"}}",
        "{\n \"error\": {\n  \"code\": 429,\n  \"message\": \"m\"\n }\n}\n",
        "[{\n \"error\": {\n  \"code\": 429,\n  \"message\": \"m\"\n }\n}\n]",
    ] {
        assert_eq!(kind_and_reason(stream_bytes(error.as_bytes())), rate_limited, "alone: {error}");
        let behind = format!("data: {}\n\n{error}", text("a"));
        let failed = stream_bytes(behind.as_bytes()).unwrap_err();
        assert_eq!(
            (failed.kind(), failed.reason()),
            (ErrorKind::RateLimited, "provider_limit"),
            "behind text: {error}"
        );
        assert_eq!(failed.provider_error().unwrap().message(), "m");
    }
    let words = stream_bytes(b"event: error\ndata: upstream broke\n\n").unwrap_err();
    assert_eq!(words.kind(), ErrorKind::Unavailable);
    assert_eq!(words.provider_error().unwrap().message(), "upstream broke");
}

#[test]
fn an_error_behind_the_finish_is_an_error_and_its_usage_is_kept() {
    with_quirks(&Quirks::default(), true, |target| {
        let mut decoder = OpenAiChat.decoder(target);
        let mut events = Vec::new();
        let finish = "data: {\"choices\":[{\"delta\":{\"reasoning\":\"hm\"},\"finish_reason\":\"length\"}]}\n\n";
        decoder.feed(finish.as_bytes(), &mut events).unwrap();
        let error = "data: {\"error\":{\"code\":400,\"message\":\"m\"},\"usage\":{\"prompt_tokens\":43,\"completion_tokens\":10}}\n\n";
        assert!(decoder.feed(error.as_bytes(), &mut events).is_err());
        assert_eq!(decoder.closing().usage.as_ref().unwrap().input_tokens, 43);
        let before = events.len();
        decoder.feed(finish.as_bytes(), &mut events).unwrap();
        assert_eq!(events.len(), before, "after an error nothing is taken in");
        assert!(decoder.finish(&mut events).is_err(), "and it never passes for whole");
    });
}

#[test]
fn a_finish_word_that_means_failure_is_a_failure() {
    for word in ["error", "insufficient_system_resource"] {
        let error = stream(&[json!({"choices": [{"delta": {"content": "a"}, "finish_reason": word}]})]).unwrap_err();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Safe), "{word}");
    }
}

#[test]
fn an_event_that_never_ends_is_refused() {
    with_quirks(&Quirks::default(), true, |target| {
        let mut stream = ChatStream::new(OpenAiChat.reply(target), FrameLimits { max_event_bytes: 1_000 });
        let error = stream.feed(&[b'x'; 2_000], &mut Vec::new()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "event_too_large"));
    });
}

#[test]
fn a_page_in_place_of_a_stream_or_a_reply_is_a_bad_response() {
    for page in ["<!doctype html>\n<html><body>Please log in</body></html>\n", "plain words"] {
        let error = stream_bytes(page.as_bytes()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), NONSENSE);
        assert_eq!(error.retry(), Retry::Safe);
        assert!(!error.to_string().contains("log in"));
        let error = decode(page.as_bytes()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), NONSENSE);
    }
}

#[test]
fn a_whole_reply_that_makes_no_sense_is_a_bad_response() {
    for body in [
        "",
        " \n",
        "null",
        "7",
        "{}",
        "{\"choices\":[]}",
        "{\"choices\":null}",
        "{\"choices\":7}",
        "{\"choices\":[{\"mess",
        "{\"hello\":1}",
    ] {
        let error = decode(body.as_bytes()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), NONSENSE, "{body}");
    }
    assert_eq!(decode(&[0xff, 0xfe, 0x00]).unwrap_err().kind(), ErrorKind::Unavailable);
}

#[test]
fn an_error_under_a_good_status_is_the_error_it_names() {
    for (body, kind) in [
        (json!({"error": {"code": "content_filter", "message": "m", "status": 400}}), ErrorKind::ContentFiltered),
        (json!({"error": {"code": 402, "message": "m"}, "choices": null}), ErrorKind::QuotaExhausted),
        (json!({"error": "model overloaded"}), ErrorKind::Unavailable),
        (json!({"detail": "Too Many Requests"}), ErrorKind::Unavailable),
        (json!([{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message": "m"}}]), ErrorKind::Invalid),
        (
            json!({"choices": [{"message": {"content": ""}, "finish_reason": "error", "error": {"code": 502, "message": "m"}}]}),
            ErrorKind::Unavailable,
        ),
    ] {
        assert_eq!(whole(&body).unwrap_err().kind(), kind, "{body}");
    }
    let fine =
        json!({"error": null, "detail": null, "choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]});
    assert!(whole(&fine).is_ok());
}

#[test]
fn error_statuses_are_classified() {
    let error = OpenAiChat.classify(
        StatusCode::TOO_MANY_REQUESTS,
        &HeaderMap::new(),
        b"{\"error\":{\"message\":\"Please try again in 20ms.\"}}",
    );
    assert_eq!((error.kind(), error.retry()), (ErrorKind::RateLimited, Retry::After { after_ms: 20 }));
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_fall_over(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = stream_bytes(&bytes);
        let _ = decode(&bytes);
    }

    #[test]
    fn no_value_in_the_wrong_place_makes_the_decoder_fall_over(
        field in prop::sample::select(vec![
            "content", "reasoning", "reasoning_details", "refusal", "tool_calls", "function_call", "annotations", "audio", "images",
            "extra_content", "role",
        ]),
        value in prop::sample::select(vec![
            json!(null), json!(true), json!(-1), json!(1e300), json!("x"), json!([]), json!([null]), json!([[1]]), json!({}),
            json!([{"type": 7, "text": null, "index": 3, "function": null, "url": 1, "image_url": null}]), json!({"name": null, "data": "%"}),
        ]),
    ) {
        let delta = json!({field: value, "content": "x"});
        for payload in [
            json!({"choices": [{"delta": delta, "finish_reason": "stop"}]}),
            json!({"choices": [{"message": delta, "finish_reason": value}], "usage": value, "id": value, "model": value, "x_groq": null}),
        ] {
            let _ = stream(std::slice::from_ref(&payload));
            let _ = whole(&payload);
        }
    }
}

#[test]
fn a_field_that_is_said_twice_in_one_object_makes_no_sense_unless_nobody_reads_it() {
    let end = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    for twice in [
        r#"{"choices":[{"delta":{"content":"yes"}}],"choices":[{"delta":{"content":"no"}}]}"#,
        r#"{"choices":[{"delta":{"content":"yes","content":"no"}}]}"#,
        r#"{"choices":[{"delta":{"content":"yes"},"delta":{"content":"no"}}]}"#,
    ] {
        let error = stream_bytes(format!("data: {twice}\n\n{end}").as_bytes()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "malformed"), "{twice}");
    }
    let unread = r#"{"choices":[{"delta":{"content":"yes"},"odd":1,"odd":2}],"odd":1,"odd":{"odd":1,"odd":2}}"#;
    let read = stream_bytes(format!("data: {unread}\n\n{end}").as_bytes()).unwrap();
    assert_eq!(read.parts(), [Part::text("yes")]);
}
