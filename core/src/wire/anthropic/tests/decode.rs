use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::*;
use crate::base::{ErrorKind, Retry};
use crate::model::FinishReason;

fn decode(body: &str) -> Result<(Vec<Part>, Closing), Error> {
    with_target(false, |target| Anthropic.decode(body.as_bytes(), target)).map(|(events, c)| (fold(&events), c))
}

#[test]
fn a_whole_reply_gives_the_same_parts_as_a_streamed_one() {
    let whole = json!({
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-test",
        "content": [
            {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
            {"type": "redacted_thinking", "data": "abc"},
            {"type": "text", "text": "Hello", "citations": [{"type": "char_location", "cited_text": "q", "document_title": "D"}]},
            {"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {"q": 1}},
            {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"a": 1}},
            {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}
        ],
        "stop_reason": "tool_use", "stop_sequence": null,
        "usage": {"input_tokens": 7, "output_tokens": 9}
    });
    let (parts, closing) = decode(&whole.to_string()).unwrap();
    let tool_use = END_TURN.replace("end_turn", "tool_use");
    let streamed = read(sse(&[
        START,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Hm."}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"sig"}}"#,
        r#"{"type":"content_block_stop","index":0}"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"abc"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":"","citations":[]}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"Hello"}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"citations_delta","citation":{"type":"char_location","cited_text":"q","document_title":"D"}}}"#,
        r#"{"type":"content_block_stop","index":2}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"server_tool_use","id":"srv","name":"web_search","input":{}}}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"q\":1}"}}"#,
        r#"{"type":"content_block_stop","index":3}"#,
        r#"{"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"toolu_1","name":"look","input":{}}}"#,
        r#"{"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1}"}}"#,
        r#"{"type":"content_block_stop","index":4}"#,
        r#"{"type":"content_block_start","index":5,"content_block":{"type":"tool_use","id":"toolu_1","name":"look","input":{}}}"#,
        r#"{"type":"content_block_stop","index":5}"#,
        &tool_use,
        STOP,
    ]))
    .whole();
    assert_eq!(parts.len(), 8);
    assert_eq!(parts, streamed.parts());
    assert_eq!(closing.raw, Some(whole));
    assert_eq!(Closing { raw: None, ..closing }, streamed.closing);
}

#[test]
fn an_empty_reply_with_a_stop_sequence_is_a_reply() {
    let (parts, closing) =
        decode(r#"{"id":"m","content":[],"stop_reason":"stop_sequence","stop_sequence":"X"}"#).unwrap();
    assert_eq!(parts, []);
    assert_eq!((closing.finish_reason, closing.usage), (Some(FinishReason::Stop), None));
}

#[test]
fn a_body_that_is_no_message_is_a_bad_response() {
    for body in [
        "",
        "<html>",
        "[]",
        "{}",
        "null",
        "{\"content\":\"x\"}",
        "{\"content\":[1]}",
        "{\"content\":[{\"text\":\"x\"}]}",
    ] {
        let error = decode(body).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "bad_response"), "{body}");
    }
}

#[test]
fn a_whole_reply_cut_anywhere_is_never_a_reply() {
    let body = r#"{"id":"m","content":[{"type":"text","text":"Hé"}],"stop_reason":"end_turn"}"#;
    for end in 0..body.len() {
        let cut = &body.as_bytes()[..end];
        assert!(with_target(false, |target| Anthropic.decode(cut, target)).is_err(), "{end}");
    }
}

#[test]
fn an_error_under_a_good_status_is_an_error() {
    let error = decode(r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"},"request_id":"req_1"}"#);
    let error = error.unwrap_err();
    assert_eq!((error.kind(), error.request_id()), (ErrorKind::RateLimited, Some("req_1")));
}

#[test]
fn bounds_hold_for_whole_replies_too() {
    let body = json!({"content": [{"type": "tool_use", "id": "a", "name": "b", "input": {"x": "y".repeat(1 << 20)}}]});
    assert_eq!(decode(&body.to_string()).unwrap_err().reason(), "too_large");
}

fn classify(status: u16, headers: &[(&'static str, &'static str)], body: &str) -> Error {
    let headers: HeaderMap =
        headers.iter().map(|(n, v)| (http::HeaderName::from_static(n), http::HeaderValue::from_static(v))).collect();
    Anthropic.classify(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
}

#[test]
fn each_status_of_the_api_has_its_kind_and_its_retry() {
    for (status, word, kind, repeats) in [
        (400, "invalid_request_error", ErrorKind::Invalid, false),
        (401, "authentication_error", ErrorKind::Unauthorized, false),
        (402, "billing_error", ErrorKind::QuotaExhausted, false),
        (403, "permission_error", ErrorKind::Unauthorized, false),
        (404, "not_found_error", ErrorKind::NotFound, false),
        (429, "rate_limit_error", ErrorKind::RateLimited, true),
        (500, "api_error", ErrorKind::Unavailable, true),
        (504, "timeout_error", ErrorKind::Unavailable, true),
        (529, "overloaded_error", ErrorKind::Unavailable, true),
    ] {
        let body = format!(r#"{{"type":"error","error":{{"type":"{word}","message":"m"}},"request_id":"req_1"}}"#);
        let error = classify(status, &[], &body);
        assert_eq!((error.kind(), error.retry() != Retry::Never), (kind, repeats), "{status}");
        assert_eq!((error.status(), error.request_id()), (Some(i32::from(status)), Some("req_1")));
    }
}

#[test]
fn a_request_too_large_is_told_by_the_edge_in_its_own_shape() {
    let error =
        classify(413, &[], r#"{"error":{"type":"request_too_large","message":"Request exceeds the maximum size"}}"#);
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "too_large"));
    assert_eq!(error.provider_error().unwrap().message(), "Request exceeds the maximum size");
}

#[test]
fn a_prompt_too_long_says_how_long_it_may_be() {
    let body = r#"{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 3333404 tokens > 200000 maximum"}}"#;
    let info = classify(400, &[("x-should-retry", "false")], body).info();
    assert_eq!(info.kind, ErrorKind::ContextTooLong);
    assert_eq!((info.limit_tokens, info.estimated_tokens), (Some(200_000), Some(3_333_404)));
}

#[test]
fn the_request_id_may_stand_in_the_header_alone_and_be_null_in_the_body() {
    let body =
        r#"{"type":"error","error":{"type":"authentication_error","message":"invalid x-api-key"},"request_id":null}"#;
    assert_eq!(classify(401, &[("request-id", "req_h")], body).request_id(), Some("req_h"));
    assert_eq!(classify(401, &[], body).request_id(), None);
}

#[test]
fn a_wait_named_in_a_header_is_kept() {
    let body = r#"{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}"#;
    let error = classify(429, &[("retry-after", "53")], body);
    assert_eq!(error.retry(), Retry::After { after_ms: 53_000 });
    assert_eq!(error.provider_error().unwrap().retry_after.as_deref(), Some("53"));
}

#[test]
fn a_spend_limit_is_no_matter_of_waiting() {
    let body = r#"{"type":"error","error":{"type":"rate_limit_error","message":"m","details":{"error_code":"enforced_spend_limit_reached"}}}"#;
    assert_eq!(classify(429, &[], body).kind(), ErrorKind::QuotaExhausted);
}
