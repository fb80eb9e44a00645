use http::{HeaderName, HeaderValue};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())).collect()
}

fn answered(status: u16, body: &str) -> Error {
    of_response(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
}

fn account(error: &Error) -> (&ProviderError, &str) {
    let account = error.provider_error().unwrap();
    (account, account.message())
}

/// Kind, reason and retry of errors with a status, one line each.
#[test]
fn every_status_and_word_means_what_the_table_says() {
    use ErrorKind::*;
    let never = Retry::Never;
    let safe = Retry::Safe;
    let with = |code: &str| json!({"error": {"code": code, "message": "m", "type": null}}).to_string();
    let typed = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "m"}}).to_string();
    let saying = |message: &str| json!({"error": {"message": message}}).to_string();
    for (status, body, kind, reason, retry) in [
        (400, saying("m"), Invalid, "bad_request", never),
        (400, with("context_length_exceeded"), ContextTooLong, "provider", never),
        (400, saying("prompt is too long: 210000 tokens > 200000 maximum"), ContextTooLong, "provider", never),
        (400, typed("exceed_context_size_error"), ContextTooLong, "provider", never),
        (400, with("content_filter"), ContentFiltered, "prompt", never),
        (400, saying("Output blocked by content filtering policy"), ContentFiltered, "prompt", never),
        (400, saying("Your credit balance is too low to access the API."), QuotaExhausted, "account", never),
        (400, saying("You have reached your specified API usage limits."), QuotaExhausted, "account", never),
        (400, saying("API key not valid. Please pass a valid API key."), Unauthorized, "key_rejected", never),
        (400, r#"{"code":"Client specified an invalid argument","error":"Incorrect API key provided: x"}"#.to_owned(), Unauthorized, "key_rejected", never),
        (400, saying("foo/bar is not a valid model ID"), Invalid, "unknown_model", never),
        (400, with("tool_use_failed"), OutputInvalid, "malformed_output", safe),
        (401, saying("m"), Unauthorized, "key_rejected", never),
        (401, String::new(), Unauthorized, "key_rejected", never),
        (402, saying("m"), QuotaExhausted, "account", never),
        (403, saying("m"), Unauthorized, "not_allowed", never),
        (403, json!({"error": {"code": 403, "message": "m", "metadata": {"reasons": ["violence"]}}}).to_string(), ContentFiltered, "prompt", never),
        (404, with("model_not_found"), Invalid, "unknown_model", never),
        (404, saying("model: claude-x"), Invalid, "unknown_model", never),
        (404, saying("Previous response with id 'r' not found."), NotFound, "provider_object", never),
        (404, saying("Invalid URL (POST /v2/chat)"), Invalid, "bad_url", never),
        (404, r#"{"error":{"code":404,"message":"File Not Found","type":"not_found_error"}}"#.to_owned(), Invalid, "bad_url", never),
        (404, r#"{"detail":"Not Found"}"#.to_owned(), Invalid, "bad_url", never),
        (404, r#"{"error":{"code":"404","message":"Resource not found"}}"#.to_owned(), Invalid, "bad_url", never),
        (404, typed("not_found_error"), NotFound, "provider_object", never),
        (404, saying("File not found: file_1"), NotFound, "provider_object", never),
        (400, saying("This prompt contains sensitive words that violate Google's Responsible AI practices."), ContentFiltered, "prompt", never),
        (404, "<html>nothing here</html>".to_owned(), Invalid, "bad_url", never),
        (405, String::new(), Invalid, "bad_request", never),
        (407, String::new(), Unavailable, "proxy", never),
        (408, saying("m"), TimedOut, "provider", safe),
        (409, saying("m"), Unavailable, "provider_error", safe),
        (413, saying("m"), Invalid, "too_large", never),
        (413, saying("Request too large for model on tokens per minute (TPM): Limit 6000"), ContextTooLong, "provider", never),
        (422, saying("m"), Invalid, "bad_request", never),
        (429, saying("m"), RateLimited, "provider_limit", safe),
        (429, with("insufficient_quota"), QuotaExhausted, "account", never),
        (429, json!({"error": {"type": "rate_limit_error", "message": "m", "details": {"error_code": "enforced_spend_limit_reached"}}}).to_string(), QuotaExhausted, "account", never),
        (429, saying("Quota exceeded for metric: requests, limit: 0, model: m"), QuotaExhausted, "account", never),
        (429, saying("too many tokens in a minute, context length"), RateLimited, "provider_limit", safe),
        (429, saying("Request too large … The input or output tokens must be reduced"), ContextTooLong, "provider", never),
        (429, saying("try again in 41.7s"), RateLimited, "provider_limit", Retry::After { after_ms: 41_700 }),
        (429, saying("limit: 0, please retry in 2s"), RateLimited, "provider_limit", Retry::After { after_ms: 2_000 }),
        (499, String::new(), Unavailable, "provider_error", safe),
        (500, saying("m"), Unavailable, "provider_error", safe),
        (500, saying("context window"), Unavailable, "provider_error", safe),
        (502, "<html>Bad gateway</html>".to_owned(), Unavailable, "provider_error", safe),
        (503, saying("m"), Unavailable, "overloaded", safe),
        (504, typed("timeout_error"), Unavailable, "provider_error", safe),
        (529, typed("overloaded_error"), Unavailable, "overloaded", safe),
    ] {
        let error = answered(status, &body);
        assert_eq!((error.kind(), error.reason(), error.retry()), (kind, reason, retry), "{status} {body}");
        assert_eq!(error.status(), Some(i32::from(status)));
    }
}

#[test]
fn an_error_inside_a_reply_is_classified_by_its_words() {
    use ErrorKind::*;
    for (payload, kind, reason) in [
        (json!({"type": "error", "error": {"type": "overloaded_error", "message": "m"}}), Unavailable, "overloaded"),
        (
            json!({"type": "error", "error": {"type": "rate_limit_error", "message": "m"}}),
            RateLimited,
            "provider_limit",
        ),
        (
            json!({"type": "error", "error": {"type": "authentication_error", "message": "m"}}),
            Unauthorized,
            "key_rejected",
        ),
        (json!({"error": {"code": 429, "message": "m"}}), RateLimited, "provider_limit"),
        (json!({"error": {"code": 502, "message": "m"}}), Unavailable, "provider_error"),
        (json!({"error": {"code": 402, "message": "m"}}), QuotaExhausted, "account"),
        (json!({"error": {"code": "server_is_overloaded", "type": "server_error"}}), Unavailable, "overloaded"),
        (json!({"error": {"code": "content_filter", "status": 400}}), ContentFiltered, "prompt"),
        (json!({"error": {"code": "insufficient_quota"}}), QuotaExhausted, "account"),
        (json!({"error": {"status_code": 400, "code": "tool_use_failed"}}), OutputInvalid, "malformed_output"),
        (json!({"error": {"status_code": 413, "message": "m"}}), Invalid, "too_large"),
        (json!({"type": "error", "code": "rate_limit_exceeded", "message": "m"}), RateLimited, "provider_limit"),
        (json!({"error": "something broke"}), Unavailable, "provider_error"),
        (json!([{"error": {"code": 499, "status": "CANCELLED", "message": "m"}}]), Unavailable, "provider_error"),
        (json!({}), Unavailable, "provider_error"),
        (json!("odd"), Unavailable, "provider_error"),
    ] {
        let error = inside_reply(&payload);
        assert_eq!((error.kind(), error.reason()), (kind, reason), "{payload}");
    }
}

#[test]
fn every_shape_of_error_body_gives_its_words() {
    let detail = json!([{"type": "extra", "msg": "one"}, {"msg": "two", "loc": ["body"]}]);
    for (body, message, kind, code) in [
        (json!({"error": {"message": "m", "type": "t", "code": "c", "param": "p"}}), "m", Some("t"), Some(json!("c"))),
        (json!({"error": {"message": "m", "code": 7}}), "m", None, Some(json!(7))),
        (json!({"error": "m", "code": "c"}), "m", None, Some(json!("c"))),
        (json!({"error": "m"}), "m", None, None),
        (json!({"object": "error", "message": "m", "type": "t", "code": null}), "m", Some("t"), None),
        (json!({"object": "error", "message": {"detail": detail}, "type": "t"}), "one; two", Some("t"), None),
        (json!({"detail": "m"}), "m", None, None),
        (json!({"detail": detail}), "one; two", None, None),
        (
            json!({"code": 400, "message": "m", "type": "BadRequestError"}),
            "m",
            Some("BadRequestError"),
            Some(json!(400)),
        ),
        (
            json!([{"error": {"code": 400, "message": "m", "status": "INVALID_ARGUMENT"}}]),
            "m",
            Some("INVALID_ARGUMENT"),
            Some(json!(400)),
        ),
        (json!({"error": {"message": null, "code": {"odd": 1}, "type": 3}}), "", None, None),
        (json!({"error": null, "message": "m"}), "m", None, None),
    ] {
        let account = Account::of_json(&body).unwrap();
        assert_eq!((account.message.as_str(), account.kind.as_deref(), account.code), (message, kind, code), "{body}");
    }
    assert_eq!(Account::of_json(&json!([])), None);
    assert_eq!(Account::of_json(&json!(3)), None);
}

/// What a llama.cpp says when half a letter of UTF-8 has no place in the JSON that a schema asked for.
#[test]
fn output_that_the_server_itself_cannot_read_is_the_models_fault_and_may_be_asked_for_again() {
    let body = r#"{"error":{"code":500,"message":"The model produced output that does not match the expected peg-native format","type":"server_error"}}"#;
    for error in [answered(500, body), inside_reply(&serde_json::from_str(body).unwrap())] {
        assert_eq!((error.kind(), error.reason()), (ErrorKind::OutputInvalid, "malformed_output"));
        assert_eq!(error.retry(), Retry::Safe);
    }
}

#[test]
fn what_the_provider_behind_a_router_wrote_is_kept_and_read() {
    let raw = "llama is temporarily rate-limited, please retry in 12s";
    let error = answered(
        429,
        &json!({"error": {"code": 429, "message": "Provider returned error", "metadata": {"raw": raw}}}).to_string(),
    );
    assert_eq!(error.retry(), Retry::After { after_ms: 12_000 });
    let (account, message) = account(&error);
    assert_eq!((message, account.upstream.as_deref()), ("Provider returned error", Some(raw)));
}

#[test]
fn headers_say_when_to_come_back_and_who_was_asked() {
    let headers = headers(&[("retry-after", "1"), ("retry-after-ms", "0"), ("request-id", "r1")]);
    let error = of_response(StatusCode::TOO_MANY_REQUESTS, &headers, b"{\"error\":{\"code\":\"RateLimitReached\"}}");
    assert_eq!(error.retry(), Retry::After { after_ms: 1_000 });
    assert_eq!(error.request_id(), Some("r1"));
    let (account, _) = account(&error);
    assert_eq!(account.retry_after.as_deref(), Some("1"));
    assert_eq!(account.status, Some(429));
}

#[test]
fn what_waiting_does_not_mend_is_never_repeated_whatever_the_headers_say() {
    let eager = headers(&[("retry-after", "5"), ("x-should-retry", "true")]);
    for (status, body) in [(429, r#"{"error":{"code":"insufficient_quota"}}"#), (400, "{}"), (401, "{}"), (413, "{}")] {
        let error = of_response(StatusCode::from_u16(status).unwrap(), &eager, body.as_bytes());
        assert_eq!(error.retry(), Retry::Never, "{status}");
        assert_eq!(error.retry_after(), None);
    }
    let tired = headers(&[("x-should-retry", "false")]);
    assert_eq!(of_response(StatusCode::INTERNAL_SERVER_ERROR, &tired, b"").retry(), Retry::Never);
}

#[test]
fn money_in_flight_at_openrouter_goes_by_itself() {
    let body =
        json!({"error": {"code": 402, "message": "m", "metadata": {"limit_source": "openrouter_in_flight_budget"}}});
    let status = StatusCode::PAYMENT_REQUIRED;
    let error = of_response(status, &headers(&[("retry-after", "2")]), body.to_string().as_bytes());
    assert_eq!((error.kind(), error.retry()), (ErrorKind::RateLimited, Retry::After { after_ms: 2_000 }));
    assert_eq!(of_response(status, &HeaderMap::new(), body.to_string().as_bytes()).kind(), ErrorKind::QuotaExhausted);
}

#[test]
fn a_context_that_is_too_long_says_how_many_tokens_fit() {
    for (message, limit, estimated) in [
        (
            "request (60023 tokens) exceeds the available context size (32768 tokens), try increasing it",
            Some(32_768),
            Some(60_023),
        ),
        (
            "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).",
            Some(1_048_576),
            Some(1_200_000),
        ),
        ("prompt is too long: 3333404 tokens > 200000 maximum", Some(200_000), Some(3_333_404)),
        (
            "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
            Some(8_192),
            Some(9_001),
        ),
        ("context length exceeded", None, None),
    ] {
        let info = answered(400, &json!({"error": {"message": message}}).to_string()).info();
        assert_eq!(
            (info.kind, info.limit_tokens, info.estimated_tokens),
            (ErrorKind::ContextTooLong, limit, estimated)
        );
    }
}

#[test]
fn the_providers_words_stay_out_of_everything_that_is_logged() {
    let body = json!({"error": {"message": "canary in message", "param": "p", "metadata": {"raw": "canary upstream"}}});
    for status in [400, 401, 402, 403, 404, 408, 413, 429, 500, 503, 529] {
        for body in [body.to_string(), "canary as plain text".to_owned()] {
            let error = answered(status, &body);
            assert!(!format!("{error} {error:?} {:?}", error.provider_error()).contains("canary"), "{status}");
            assert!(account(&error).1.contains("canary"));
        }
    }
}

#[test]
fn a_page_of_a_proxy_is_kept_short() {
    let error = answered(502, &"x".repeat(1 << 20));
    assert_eq!(account(&error).1.len(), 4 << 10);
}

proptest! {
    #[test]
    fn no_body_makes_the_reading_fail(status in 100_u16..1000, body in prop::collection::vec(any::<u8>(), 0..200)) {
        let error = of_response(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), &body);
        prop_assert!(error.provider_error().is_some());
    }

    #[test]
    fn no_json_makes_the_reading_fail(
        field in prop::sample::select(vec!["error", "message", "detail", "code", "type", "status", "details", "metadata"]),
        inner in prop::sample::select(vec!["message", "raw", "retryDelay", "code", "msg", "status_code"]),
        value in prop::sample::select(vec![json!(null), json!(1e300), json!(-1), json!([[[]]]), json!([{}]), json!("x"), json!(true)]),
    ) {
        for body in [json!({field: value}), json!({field: {inner: value}}), json!({"error": {field: {inner: value}}}), json!({"error": {field: [{inner: value}]}})] {
            prop_assert!(inside_reply(&body).provider_error().is_some());
        }
    }
}

#[test]
fn the_body_counts_whatever_type_its_headers_name() {
    let body =
        json!({"error": {"message": "m", "type": "invalid_request_error", "code": "invalid_api_key"}}).to_string();
    for kind in ["text/plain; charset=utf-8", "application/json", "text/html"] {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", kind.parse().unwrap());
        let error = of_response(StatusCode::UNAUTHORIZED, &headers, body.as_bytes());
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, "key_rejected"), "{kind}");
        assert_eq!(error.provider_error().unwrap().message(), "m");
    }
}
