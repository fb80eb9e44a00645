//! Vectors asked for and read, on bytes written by hand.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode, Uri};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::base::{ErrorKind, Retry};
use crate::wire::Quirks;

const DIALECTS: [&dyn EmbedDialect; 3] = [&OpenAiEmbeddings, &GeminiEmbeddings, &OllamaEmbeddings];

fn request(count: usize) -> EmbedRequest {
    EmbedRequest::new("m", vec!["a text"; count])
}

fn sent(dialect: &dyn EmbedDialect, request: &EmbedRequest) -> Result<(String, Value)> {
    let base_url = Uri::from_static("https://provider.example/v1");
    let quirks = Quirks::default();
    let target = Target {
        provider: "p",
        base_url: &base_url,
        quirks: &quirks,
        stream: true,
        max_output_tokens: None,
        max_event_bytes: 16 << 20,
    };
    let sent = dialect.encode(request, &target)?;
    assert_eq!(sent.method(), http::Method::POST);
    assert_eq!(sent.headers()["accept"], "application/json", "vectors never stream");
    Ok((sent.uri().to_string(), serde_json::from_slice(sent.body()).unwrap()))
}

/// These vectors in the words of each family.
fn bodies(vectors: &[Value]) -> [Value; 3] {
    let indexed = |(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector});
    [
        json!({"object": "list", "data": vectors.iter().enumerate().map(indexed).collect::<Vec<_>>(), "model": "m"}),
        json!({"embeddings": vectors.iter().map(|vector| json!({"values": vector})).collect::<Vec<_>>()}),
        json!({"model": "m", "embeddings": vectors, "total_duration": 5}),
    ]
}

fn decode(dialect: &dyn EmbedDialect, body: &Value, request: &EmbedRequest) -> Result<Embeddings> {
    dialect.decode(body.to_string().as_bytes(), request)
}

fn openai(body: &Value, count: usize) -> Result<Embeddings> {
    decode(&OpenAiEmbeddings, body, &request(count))
}

#[track_caller]
fn assert_nonsense(read: Result<Embeddings>) {
    let error = read.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "bad_response"), "{error}");
    assert_eq!(error.retry(), Retry::Safe);
}

fn base64(numbers: &[f32]) -> String {
    STANDARD.encode(numbers.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>())
}

#[test]
fn each_family_is_asked_in_its_own_words() {
    let request = EmbedRequest { dimensions: Some(2), ..EmbedRequest::new("m-1", ["one", "two"]) };
    let (uri, body) = sent(&OpenAiEmbeddings, &request).unwrap();
    assert_eq!(uri, "https://provider.example/v1/embeddings");
    assert_eq!(body, json!({"model": "m-1", "input": ["one", "two"], "encoding_format": "float", "dimensions": 2}));

    let (uri, body) = sent(&OllamaEmbeddings, &request).unwrap();
    assert_eq!(uri, "https://provider.example/v1/api/embed");
    assert_eq!(body, json!({"model": "m-1", "input": ["one", "two"], "truncate": false, "dimensions": 2}));

    let (uri, body) = sent(&GeminiEmbeddings, &request).unwrap();
    assert_eq!(uri, "https://provider.example/v1/models/m-1:batchEmbedContents");
    let one = |text| json!({"model": "models/m-1", "content": {"parts": [{"text": text}]}, "outputDimensionality": 2});
    assert_eq!(body, json!({"requests": [one("one"), one("two")]}));
}

#[test]
fn what_is_left_out_is_not_sent() {
    for (dialect, name) in DIALECTS.into_iter().zip(["dimensions", "outputDimensionality", "dimensions"]) {
        let (_, body) = sent(dialect, &request(1)).unwrap();
        assert!(!body.to_string().contains(name), "{body}");
    }
}

#[test]
fn fields_and_headers_of_the_callers_own_go_along() {
    let request = |extra| EmbedRequest { extra_body: Some(extra), ..request(2) };
    let (_, body) = sent(&OpenAiEmbeddings, &request(json!({"encoding_format": "base64", "user": "u"}))).unwrap();
    assert_eq!((&body["encoding_format"], &body["user"]), (&json!("base64"), &json!("u")));
    let (_, body) = sent(&OllamaEmbeddings, &request(json!({"keep_alive": 0, "options": {"num_ctx": 8}}))).unwrap();
    assert_eq!((&body["keep_alive"], &body["options"]["num_ctx"]), (&json!(0), &json!(8)));
    let (_, body) = sent(&GeminiEmbeddings, &request(json!({"taskType": "RETRIEVAL_QUERY"}))).unwrap();
    for one in body["requests"].as_array().unwrap() {
        assert_eq!((&one["taskType"], &one["model"]), (&json!("RETRIEVAL_QUERY"), &json!("models/m")));
    }
    for dialect in DIALECTS {
        assert_eq!(sent(dialect, &request(json!([1]))).unwrap_err().reason(), "bad_request");
        let headers = HashMap::from([("authorization".to_owned(), "Bearer x".to_owned())]);
        let keyed = EmbedRequest { extra_headers: headers, ..super::tests::request(1) };
        assert_eq!(sent(dialect, &keyed).unwrap_err().reason(), "bad_header");
    }
}

#[test]
fn requests_that_ask_for_nothing_are_refused() {
    for dialect in DIALECTS {
        let reason = |request: EmbedRequest| {
            let error = sent(dialect, &request).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            error.reason().to_owned()
        };
        assert_eq!(reason(request(0)), "bad_request");
        assert_eq!(reason(EmbedRequest { model: String::new(), ..request(1) }), "unknown_model");
        for dimensions in [0, -1] {
            assert_eq!(reason(EmbedRequest { dimensions: Some(dimensions), ..request(1) }), "bad_request");
        }
    }
}

#[test]
fn a_model_of_googles_leads_nowhere_else() {
    let uri = |model: &str| sent(&GeminiEmbeddings, &EmbedRequest::new(model, ["a"])).map(|(uri, _)| uri);
    assert_eq!(uri("models/gemini-embedding-001").unwrap(), uri("gemini-embedding-001").unwrap());
    for model in ["models/", "a/../../b", "a?key=1", "a#b", "a b", "a%2fb", "ä"] {
        assert_eq!(uri(model).unwrap_err().reason(), "unknown_model", "{model}");
    }
}

#[test]
fn every_family_gives_the_vectors_in_the_order_of_the_texts() {
    let vectors = [json!([0.25, -0.5, 1]), json!([1e-3, 0, -1.5])];
    for (dialect, body) in DIALECTS.into_iter().zip(bodies(&vectors)) {
        let read = decode(dialect, &body, &request(2)).unwrap();
        assert_eq!(read.vectors, [[0.25, -0.5, 1.0], [1e-3, 0.0, -1.5]], "{}", dialect.name());
        assert_eq!((read.dimensions(), read.usage), (3, None));
    }
}

#[test]
fn vectors_go_where_their_index_says() {
    let entry = |index: Value, number: f32| json!({"index": index, "embedding": [number]});
    let body = json!({"data": [entry(json!(2), 2.0), entry(json!(0), 0.5), entry(json!(1), 1.0)], "model": ""});
    let read = openai(&body, 3).unwrap();
    assert_eq!((read.vectors, read.model), (vec![vec![0.5], vec![1.0], vec![2.0]], None));
    // Some imitators send no index.
    let unnumbered = json!({"data": [{"embedding": [0.5]}, {"index": null, "embedding": [1.0]}]});
    assert_eq!(openai(&unnumbered, 2).unwrap().vectors, [[0.5], [1.0]]);
    for (a, b) in [(0, 0), (1, 1), (0, 2), (5, 6)] {
        assert_nonsense(openai(&json!({"data": [entry(json!(a), 1.0), entry(json!(b), 2.0)]}), 2));
    }
    assert_nonsense(openai(&json!({"data": [entry(json!(-1), 1.0)]}), 1));
}

#[test]
fn base64_holds_little_endian_floats() {
    let numbers = [0.1_f32, -2.5, f32::MIN_POSITIVE, 3.0e38];
    let body = json!({"data": [{"index": 0, "embedding": base64(&numbers)}]});
    assert_eq!(openai(&body, 1).unwrap().vectors, [numbers]);
    for broken in ["AACAPw", "AACAPwA=", "AACA", "####", ""] {
        assert_nonsense(openai(&json!({"data": [{"index": 0, "embedding": broken}]}), 1));
    }
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        assert_nonsense(openai(&json!({"data": [{"index": 0, "embedding": base64(&[1.0, number])}]}), 1));
    }
}

#[test]
fn numbers_that_are_none_or_have_no_end_are_refused() {
    for number in ["1e39", "-1e39", "1e400", "null", "\"0.5\"", "true", "[0.5]", "NaN", "Infinity"] {
        for (dialect, body) in DIALECTS.into_iter().zip(bodies(&[json!([0.5, "HERE"])])) {
            let body = body.to_string().replace("\"HERE\"", number);
            assert_nonsense(dialect.decode(body.as_bytes(), &request(1)));
        }
    }
}

#[test]
fn wrong_counts_and_wrong_lengths_are_refused() {
    for (vectors, count, dimensions) in [
        (json!([]), 1, None),
        (json!([[1.0]]), 2, None),
        (json!([[1.0], [2.0]]), 1, None),
        (json!([[]]), 1, None),
        (json!([[1.0, 2.0], [1.0]]), 2, None),
        (json!([[1.0], []]), 2, None),
        (json!([[1.0, 2.0]]), 1, Some(3)),
        (json!([[1.0, 2.0]]), 1, Some(1)),
    ] {
        let request = EmbedRequest { dimensions, ..request(count) };
        for (dialect, body) in DIALECTS.into_iter().zip(bodies(vectors.as_array().unwrap())) {
            assert_nonsense(decode(dialect, &body, &request));
        }
    }
    let request = EmbedRequest { dimensions: Some(2), ..request(1) };
    for (dialect, body) in DIALECTS.into_iter().zip(bodies(&[json!([1, 2])])) {
        assert_eq!(decode(dialect, &body, &request).unwrap().dimensions(), 2);
    }
}

#[test]
fn usage_is_told_in_each_familys_words() {
    let with = |dialect: &dyn EmbedDialect, at: usize, name: &str, usage: Value| {
        let mut body = bodies(&[json!([1])])[at].take();
        body[name] = usage;
        decode(dialect, &body, &request(1)).unwrap().usage
    };
    for usage in [
        with(&OpenAiEmbeddings, 0, "usage", json!({"prompt_tokens": 8, "total_tokens": 8})),
        with(&GeminiEmbeddings, 1, "usageMetadata", json!({"promptTokenCount": 8})),
        with(&OllamaEmbeddings, 2, "prompt_eval_count", json!(8)),
    ] {
        let usage = usage.unwrap();
        assert_eq!((usage.input_tokens, usage.output_tokens, usage.requests), (8, 0, 1));
        assert_eq!(usage.source, UsageSource::Reported);
        assert!(usage.raw.is_some());
    }
    assert_eq!(with(&OpenAiEmbeddings, 0, "usage", json!({"total_tokens": 8})), None);
    assert_eq!(with(&OpenAiEmbeddings, 0, "usage", json!("much")), None);
}

#[test]
fn a_single_reply_of_gemini_is_a_batch_of_one() {
    let body = json!({"embedding": {"values": [0.5, 1]}});
    assert_eq!(decode(&GeminiEmbeddings, &body, &request(1)).unwrap().vectors, [[0.5, 1.0]]);
    assert_nonsense(decode(&GeminiEmbeddings, &body, &request(2)));
}

#[test]
fn an_error_under_a_good_status_is_that_error_and_a_page_makes_no_sense() {
    for dialect in DIALECTS {
        let error = decode(dialect, &json!({"error": {"message": "slow down", "code": 429}}), &request(1)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::RateLimited, "{}", dialect.name());
        assert_eq!(error.provider_error().unwrap().message(), "slow down");
        for body in
            ["", "<html>Login</html>", "{}", "[]", "null", "{\"data\": 7, \"embeddings\": 7}", "{\"error\": null}"]
        {
            assert_nonsense(dialect.decode(body.as_bytes(), &request(1)));
        }
    }
}

#[test]
fn error_statuses_are_read_as_for_chats() {
    let status = |code: u16, body: &str| {
        OllamaEmbeddings.classify(StatusCode::from_u16(code).unwrap(), &HeaderMap::new(), body.as_bytes())
    };
    assert_eq!(status(404, r#"{"error":"model 'x' not found"}"#).reason(), "unknown_model");
    assert_eq!(
        status(400, r#"{"error":"the input length exceeds the context length"}"#).kind(),
        ErrorKind::ContextTooLong
    );
    assert_eq!(status(503, r#"{"error":"server busy"}"#).reason(), "overloaded");
}

#[test]
fn a_cut_at_any_byte_is_no_success() {
    let vectors = [json!([0.25, -0.5]), json!([1.5, 2])];
    for (dialect, body) in DIALECTS.into_iter().zip(bodies(&vectors)) {
        let body = body.to_string();
        for end in 0..body.len() {
            assert_nonsense(dialect.decode(&body.as_bytes()[..end], &request(2)));
        }
        assert!(dialect.decode(body.as_bytes(), &request(2)).is_ok());
    }
}

proptest! {
    #[test]
    fn every_finite_number_comes_back_as_it_was(
        numbers in prop::collection::vec(prop::num::f32::NORMAL | prop::num::f32::SUBNORMAL | prop::num::f32::ZERO, 1..50),
    ) {
        let vector = json!(numbers.iter().copied().map(f64::from).collect::<Vec<_>>());
        for (dialect, body) in DIALECTS.into_iter().zip(bodies(&[vector])) {
            prop_assert_eq!(&decode(dialect, &body, &request(1)).unwrap().vectors[0], &numbers);
        }
        let body = json!({"data": [{"embedding": base64(&numbers)}]});
        prop_assert_eq!(&openai(&body, 1).unwrap().vectors[0], &numbers);
    }

    #[test]
    fn any_order_of_entries_is_put_right(order in Just((0_usize..20).collect::<Vec<_>>()).prop_shuffle()) {
        #[expect(clippy::cast_precision_loss, reason = "numbers below 20")]
        let entries: Vec<Value> = order.iter().map(|i| json!({"index": i, "embedding": [*i as f32]})).collect();
        let read = openai(&json!({"data": entries}), 20).unwrap();
        let numbers: Vec<f32> = read.vectors.into_iter().flatten().collect();
        prop_assert!(numbers.is_sorted(), "{:?}", numbers);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for dialect in DIALECTS {
            prop_assert!(dialect.decode(&bytes, &request(1)).is_err());
        }
    }
}
