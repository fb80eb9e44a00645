use http::Uri;
use serde_json::json;

use super::*;
use crate::base::ErrorKind;
use crate::wire::Quirks;

fn encoded(list: ModelList, base_url: &str, query: Option<&str>, page: Option<&str>) -> Request<Bytes> {
    let quirks = Quirks { query: query.map(str::to_owned), ..Quirks::default() };
    let base_url: Uri = base_url.parse().unwrap();
    let target = Target {
        provider: "lab",
        base_url: &base_url,
        quirks: &quirks,
        stream: false,
        max_output_tokens: None,
        max_event_bytes: 1024,
    };
    list.encode(&target, page).unwrap()
}

fn decoded(list: ModelList, body: &Json) -> ListedPage {
    list.decode(body.to_string().as_bytes()).unwrap()
}

fn listed(name: &str, context_window: Option<i64>, max_output_tokens: Option<i64>) -> ListedModel {
    ListedModel { name: name.to_owned(), context_window, max_output_tokens }
}

#[test]
fn each_family_is_asked_at_its_own_place_and_for_its_next_page() {
    for (list, base, query, page, uri) in [
        (ModelList::OpenAi, "https://x.example/v1", None, None, "https://x.example/v1/models"),
        (
            ModelList::OpenAi,
            "https://x.example/v1",
            Some("api-version=1"),
            None,
            "https://x.example/v1/models?api-version=1",
        ),
        (ModelList::Anthropic, "https://x.example/v1", None, None, "https://x.example/v1/models?limit=1000"),
        (
            ModelList::Anthropic,
            "https://x.example/v1",
            None,
            Some("a b"),
            "https://x.example/v1/models?limit=1000&after_id=a%20b",
        ),
        (ModelList::Gemini, "https://x.example/v1beta", None, None, "https://x.example/v1beta/models?pageSize=1000"),
        (
            ModelList::Gemini,
            "https://x.example/v1beta",
            None,
            Some("=/+&"),
            "https://x.example/v1beta/models?pageSize=1000&pageToken=%3D%2F%2B%26",
        ),
        (ModelList::Ollama, "http://127.0.0.1:11434", None, None, "http://127.0.0.1:11434/api/tags"),
    ] {
        let request = encoded(list, base, query, page);
        assert_eq!((request.method(), request.uri().to_string()), (&Method::GET, uri.to_owned()));
        assert_eq!(request.headers().contains_key("anthropic-version"), list == ModelList::Anthropic);
    }
}

#[test]
fn every_dialect_has_its_list() {
    for (dialect, list) in [
        ("openai_chat", ModelList::OpenAi),
        ("openai_responses", ModelList::OpenAi),
        ("anthropic", ModelList::Anthropic),
        ("gemini", ModelList::Gemini),
        ("ollama", ModelList::Ollama),
    ] {
        assert_eq!(ModelList::of(dialect), Some(list));
    }
    assert_eq!(ModelList::of("morse"), None);
}

#[test]
fn lists_in_openais_form_are_read_with_what_their_providers_add() {
    let page = decoded(
        ModelList::OpenAi,
        &json!({"object": "list", "data": [
            {"id": "gpt-5", "object": "model"},
            {"id": "groq", "context_window": 131_072, "max_completion_tokens": 32_768},
            {"id": "router", "context_length": 200_000, "top_provider": {"max_completion_tokens": 64_000}},
            {"id": "vllm", "max_model_len": 4_096, "max_completion_tokens": null},
        ]}),
    );
    assert_eq!(page.next, None);
    assert_eq!(
        page.models,
        [
            listed("gpt-5", None, None),
            listed("groq", Some(131_072), Some(32_768)),
            listed("router", Some(200_000), Some(64_000)),
            listed("vllm", Some(4_096), None)
        ]
    );
    assert_eq!(decoded(ModelList::OpenAi, &json!([{"id": "bare"}])).models, [listed("bare", None, None)]);
}

#[test]
fn pages_say_where_the_next_one_begins() {
    let more = json!({"data": [{"id": "a", "max_input_tokens": 9, "max_tokens": 5}], "has_more": true, "last_id": "a"});
    let page = decoded(ModelList::Anthropic, &more);
    assert_eq!((page.models, page.next.as_deref()), (vec![listed("a", Some(9), Some(5))], Some("a")));
    let last = json!({"data": [{"id": "b"}], "has_more": false, "last_id": "b"});
    assert_eq!(decoded(ModelList::Anthropic, &last).next, None);

    let more = json!({"models": [{"name": "models/gemini-x", "inputTokenLimit": 7, "outputTokenLimit": 3}], "nextPageToken": "t"});
    let page = decoded(ModelList::Gemini, &more);
    assert_eq!((page.models, page.next.as_deref()), (vec![listed("gemini-x", Some(7), Some(3))], Some("t")));
    assert_eq!(decoded(ModelList::Gemini, &json!({})), ListedPage::default(), "an empty page has no list");
    assert_eq!(
        decoded(ModelList::Ollama, &json!({"models": [{"name": "llama3.3:70b", "model": "llama3.3:70b"}]})).models,
        [listed("llama3.3:70b", None, None)]
    );
}

#[test]
fn one_strange_entry_loses_no_other() {
    let page = decoded(
        ModelList::OpenAi,
        &json!({"data": [7, {"id": null}, {}, {"id": "a", "context_window": "many"}, {"id": "b", "context_window": -1}]}),
    );
    assert_eq!(page.models, [listed("a", None, None), listed("b", None, None)]);
}

#[test]
fn what_is_no_list_is_an_error_and_an_error_in_a_good_reply_is_that_error() {
    for list in [ModelList::OpenAi, ModelList::Anthropic, ModelList::Gemini, ModelList::Ollama] {
        for body in ["", "<html>", "7", "\"x\"", "{\"data\": 7, \"models\": 7}"] {
            let error = list.decode(body.as_bytes()).unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "bad_response"), "{list:?} {body}");
        }
        let refused = json!({"error": {"type": "authentication_error", "message": "invalid x-api-key"}});
        assert_eq!(
            list.decode(refused.to_string().as_bytes()).unwrap_err().kind(),
            ErrorKind::Unauthorized,
            "{list:?}"
        );
        let error = list.classify(StatusCode::UNAUTHORIZED, &HeaderMap::new(), b"{}");
        assert_eq!(error.kind(), ErrorKind::Unauthorized);
    }
}
