use http::{HeaderMap, StatusCode};
use serde_json::json;

use super::*;
use crate::base::{ErrorKind, Retry};
use crate::model::{FinishReason, Media, MediaSource};

/// A whole reply of these parts.
fn whole(parts: &Json) -> String {
    let reply = json!({
        "candidates": [{"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 7, "candidatesTokenCount": 3},
        "modelVersion": "gemini-test",
        "responseId": "r1",
    });
    serde_json::to_string_pretty(&reply).unwrap()
}

#[test]
fn a_whole_reply_is_read_as_a_stream_of_one_and_kept_raw() {
    let body = whole(&json!([{"text": "Hm", "thought": true}, {"text": "Yes"}]));
    let (parts, closing) = decode(&body).unwrap();
    assert_eq!(parts, [Part::Reasoning { text: "Hm".into() }, Part::text("Yes")]);
    assert_eq!(closing.finish_reason, Some(FinishReason::Stop));
    assert_eq!(closing.raw.unwrap()["responseId"], "r1");
    assert_eq!(closing.usage.unwrap().output_tokens, 3);
}

#[test]
fn a_picture_is_a_part_between_the_words() {
    let image = json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}, "thoughtSignature": "cA=="});
    let (parts, _) = decode(whole(&json!([{"text": "a"}, {}, image, {"text": "b"}]))).unwrap();
    let media = Media { size_bytes: Some(8), ..Media::data(*b"\x89PNG\r\n\x1a\n", "image/png") };
    assert_eq!(parts, [Part::text("a"), Part::Image { media }, signature("cA=="), Part::text("b")]);
}

#[test]
fn media_are_told_apart_by_their_type_and_files_stay_where_they_are() {
    let (parts, _) = decode(whole(&json!([
        {"inlineData": {"mimeType": "audio/L16;rate=24000", "data": "AAA="}},
        {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0="}},
        {"fileData": {"mimeType": "image/png", "fileUri": "gs://x/y"}},
    ])))
    .unwrap();
    assert!(matches!(&parts[0], Part::Audio { media } if media.mime_type.as_deref() == Some("audio/L16;rate=24000")));
    assert!(matches!(&parts[1], Part::File { media } if media.size_bytes == Some(5)));
    assert!(matches!(&parts[2], Part::Image { media } if media.source == MediaSource::Url { url: "gs://x/y".into() }));
}

#[test]
fn half_a_surrogate_pair_costs_one_character_and_not_the_reply() {
    let body = whole(&json!([{"text": "aXXb"}])).replace("XX", "\\ud83d");
    assert_eq!(decode(body).unwrap().0, [Part::text("a\u{fffd}b")]);
}

#[test]
fn bytes_that_are_no_base64_break_the_reply() {
    let error = decode(whole(&json!([{"inlineData": {"mimeType": "image/png", "data": "%%"}}]))).unwrap_err();
    assert_eq!(error.reason(), "malformed");
}

#[test]
fn a_picture_that_is_only_thought_of_is_not_shown() {
    let image = json!({"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}, "thought": true});
    let (parts, _) = decode(whole(&json!([image, {"text": "a"}]))).unwrap();
    assert_eq!(parts, [opaque("inlineData", false, image), Part::text("a")]);
}

#[test]
fn code_that_the_provider_ran_and_parts_of_tomorrow_are_kept_as_they_came() {
    let code = json!({"executableCode": {"language": "PYTHON", "code": "1"}});
    let result = json!({"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}});
    let new = json!({"dream": {"of": "sheep"}, "thoughtSignature": "eA=="});
    let (parts, closing) = decode(whole(&json!([code, result, new]))).unwrap();
    assert_eq!(
        parts,
        [
            opaque("executableCode", false, code),
            opaque("codeExecutionResult", false, result),
            opaque("dream", false, new)
        ]
    );
    assert_eq!(closing.finish_reason, Some(FinishReason::Stop), "the provider's own tools are no calls");
}

#[test]
fn a_blocked_prompt_is_a_reply_and_nothing_at_all_is_none() {
    let (parts, closing) = decode(r#"{"promptFeedback": {"blockReason": "SAFETY"}}"#).unwrap();
    assert_eq!((parts, closing.finish_reason), (vec![], Some(FinishReason::ContentFilter)));
    for nothing in ["{}", "", "[", "<html>", "null", "{\"candidates\": []}", "{\"candi", r#"{"usageMetadata": {}}"#] {
        let error = decode(nothing).unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Truncated), "{nothing}: {error:?}");
    }
}

#[test]
fn a_server_that_streams_though_it_was_not_asked_to_is_understood() {
    let chunk = parts(r#"{"text": "a"}"#);
    for body in [sse(&[&chunk, STOP]), format!("[{chunk}\n,\r\n{STOP}]")] {
        let (parts, closing) = decode(body).unwrap();
        assert_eq!((parts, closing.id.as_deref()), (vec![Part::text("a")], Some("r1")));
    }
}

#[test]
fn an_error_under_a_good_status_is_an_error() {
    let error = r#"{"error": {"code": 500, "message": "Internal", "status": "INTERNAL"}}"#;
    for body in [error.to_owned(), format!("[{error}]")] {
        let error = decode(body).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "provider_error"));
    }
}

fn classify(status: u16, body: &Json) -> Error {
    Gemini.classify(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.to_string().as_bytes())
}

/// A 429 as Google writes it.
fn exhausted(message: &str, details: &Json) -> Json {
    json!({"error": {"code": 429, "message": message, "status": "RESOURCE_EXHAUSTED", "details": details}})
}

fn violation(id: &str, value: &str) -> Json {
    json!({"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [{"quotaId": id, "quotaValue": value}]})
}

fn retry_info(delay: &str) -> Json {
    json!({"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay})
}

#[test]
fn a_bad_key_is_a_400_and_no_bad_request() {
    let body = json!({"error": {
        "code": 400, "message": "API key not valid. Please pass a valid API key.", "status": "INVALID_ARGUMENT",
        "details": [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "API_KEY_INVALID"}],
    }});
    let error = classify(400, &body);
    assert_eq!((error.kind(), error.reason(), error.retry()), (ErrorKind::Unauthorized, "key_rejected", Retry::Never));
    let plain = json!({"error": {"code": 400, "message": "Unknown name", "status": "INVALID_ARGUMENT"}});
    assert_eq!(classify(400, &plain).reason(), "bad_request");
}

#[test]
fn a_limit_of_the_minute_is_waited_for_as_long_as_the_body_says() {
    let minute = violation("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "5");
    for body in [
        exhausted(
            "Quota exceeded for metric: x, limit: 5\nPlease retry in 46.5s.",
            &json!([minute, retry_info("46s")]),
        ),
        json!([exhausted("m", &json!([minute, retry_info("46s")]))]),
    ] {
        let error = classify(429, &body);
        assert_eq!((error.kind(), error.retry()), (ErrorKind::RateLimited, Retry::After { after_ms: 46_000 }));
        assert_eq!(error.provider_error().unwrap().retry_after.as_deref(), Some("46s"));
    }
}

#[test]
fn a_quota_of_the_day_and_one_of_nothing_are_never_repeated() {
    let info = |limit: &str, value: &str| {
        json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "RATE_LIMIT_EXCEEDED",
                "metadata": {"quota_limit": limit, "quota_limit_value": value}}])
    };
    for body in [
        exhausted(
            "m",
            &json!([violation("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "20"), retry_info("36s")]),
        ),
        exhausted(
            "m",
            &json!([violation("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "0"), retry_info("36s")]),
        ),
        exhausted(
            "Quota exceeded for metric: x, limit: 0, model: m\nPlease retry in 36.4s.",
            &json!([retry_info("36s")]),
        ),
        exhausted("m", &info("RequestsPerDay", "100")),
        exhausted("m", &info("GenerateContentRequestsPerMinutePerProjectPerRegion", "0")),
    ] {
        let error = classify(429, &body);
        assert_eq!((error.kind(), error.retry()), (ErrorKind::QuotaExhausted, Retry::Never), "{body}");
    }
    let error = classify(429, &exhausted("Resource has been exhausted (e.g. check quota).", &json!([])));
    assert_eq!((error.kind(), error.retry()), (ErrorKind::RateLimited, Retry::Safe));
}
