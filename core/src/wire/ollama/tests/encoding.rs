//! Requests, as the server gets them.

use std::collections::HashMap;

use super::*;
use crate::base::{AttachmentId, ErrorKind};
use crate::model::{
    ChatRequest, Media, MediaSource, NewMessage, OutputSchema, ReasoningEffort, Role, Sampling, ToolChoice, ToolResult,
    ToolSpec,
};

fn request(messages: Vec<NewMessage>) -> ChatRequest {
    ChatRequest { model: "m".to_owned(), messages, ..ChatRequest::default() }
}

fn hello() -> ChatRequest {
    request(vec![NewMessage::user("Hello")])
}

fn try_body(request: &ChatRequest) -> Result<Value, Error> {
    with_target(true, |target| Ok(serde_json::from_slice(Ollama.encode(request, target)?.body()).unwrap()))
}

fn body(request: &ChatRequest) -> Value {
    try_body(request).unwrap()
}

fn refusal(request: &ChatRequest) -> (ErrorKind, String) {
    let error = try_body(request).unwrap_err();
    (error.kind(), error.reason().to_owned())
}

fn messages(messages: Vec<NewMessage>) -> Value {
    body(&request(messages))["messages"].take()
}

fn tool() -> ToolSpec {
    ToolSpec::new("look", "Looks.", json!({"type": "object", "properties": {"a": {"type": "integer"}}}))
}

const UNSUPPORTED: (ErrorKind, &str) = (ErrorKind::Invalid, "unsupported");

fn assert_unsupported(request: &ChatRequest) {
    let (kind, reason) = refusal(request);
    assert_eq!((kind, reason.as_str()), UNSUPPORTED);
}

#[test]
fn a_plain_request_says_no_more_than_it_must_and_never_lets_the_server_drop_messages() {
    let expected = json!({
        "model": "m", "messages": [{"role": "user", "content": "Hello"}],
        "stream": true, "truncate": false, "shift": false
    });
    assert_eq!(body(&hello()), expected);
    let whole: Value =
        with_target(false, |target| serde_json::from_slice(Ollama.encode(&hello(), target).unwrap().body()).unwrap());
    // Left out means streaming here.
    assert_eq!(whole["stream"], json!(false));
    assert_eq!((&whole["truncate"], &whole["shift"]), (&json!(false), &json!(false)));
}

#[test]
fn the_request_goes_to_api_chat_and_accepts_lines() {
    let headers = HashMap::from([("x-title".to_owned(), "t".to_owned())]);
    let request = ChatRequest { extra_headers: headers, ..hello() };
    let sent = with_target(true, |target| Ollama.encode(&request, target)).unwrap();
    assert_eq!(
        (sent.method(), sent.uri().to_string().as_str()),
        (&http::Method::POST, "http://127.0.0.1:11434/api/chat")
    );
    assert_eq!(sent.headers()["accept"], "application/x-ndjson");
    assert_eq!(sent.headers()["content-type"], "application/json");
    assert_eq!(sent.headers()["x-title"], "t");
    assert!(!sent.headers().contains_key("authorization"));
    let whole = with_target(false, |target| Ollama.encode(&request, target)).unwrap();
    assert_eq!(whole.headers()["accept"], "application/json");
    let own = ChatRequest { extra_headers: HashMap::from([("Accept".to_owned(), "*/*".to_owned())]), ..hello() };
    assert_eq!(with_target(true, |target| Ollama.encode(&own, target)).unwrap().headers()["accept"], "*/*");
}

#[test]
fn sampling_stands_in_the_options() {
    let sampling = Sampling {
        temperature: Some(0.5),
        top_p: Some(0.9),
        seed: Some(7),
        stop_sequences: vec!["END".to_owned()],
        max_tokens: Some(50),
        frequency_penalty: Some(0.25),
        presence_penalty: Some(-0.5),
    };
    let expected = json!({
        "temperature": 0.5, "top_p": 0.9, "seed": 7, "num_predict": 50, "frequency_penalty": 0.25,
        "presence_penalty": -0.5, "stop": ["END"]
    });
    assert_eq!(body(&ChatRequest { sampling, ..hello() })["options"], expected);
}

#[test]
fn numbers_that_mean_nothing_or_something_else_here_are_refused() {
    for sampling in [
        Sampling { temperature: Some(f64::NAN), ..Sampling::default() },
        Sampling { presence_penalty: Some(f64::INFINITY), ..Sampling::default() },
        Sampling { max_tokens: Some(0), ..Sampling::default() },
        Sampling { max_tokens: Some(-1), ..Sampling::default() },
    ] {
        assert_eq!(refusal(&ChatRequest { sampling, ..hello() }), (ErrorKind::Invalid, "bad_request".to_owned()));
    }
    assert_eq!(refusal(&ChatRequest { model: String::new(), ..hello() }).1, "unknown_model");
}

#[test]
fn keep_alive_and_options_of_the_callers_own_go_along_beside_ours() {
    let request = ChatRequest {
        sampling: Sampling { seed: Some(1), ..Sampling::default() },
        extra_body: Some(json!({"keep_alive": "10m", "options": {"num_ctx": 32768}, "logprobs": true})),
        ..hello()
    };
    let body = body(&request);
    assert_eq!(body["keep_alive"], "10m");
    assert_eq!(body["options"], json!({"seed": 1, "num_ctx": 32768}));
    assert_eq!((&body["logprobs"], &body["truncate"], &body["shift"]), (&json!(true), &json!(false), &json!(false)));
}

#[test]
fn effort_turns_thinking_on_or_off_and_has_levels_where_the_model_knows_them() {
    let think = |model: &str, effort| {
        body(&ChatRequest { model: model.to_owned(), reasoning_effort: effort, ..hello() }).get("think").cloned()
    };
    use ReasoningEffort::{High, Low, Medium, Minimal, Off};
    assert_eq!(think("qwen3:4b", None), None);
    assert_eq!(think("qwen3:4b", Some(Off)), Some(json!(false)));
    for effort in [Minimal, Low, Medium, High] {
        assert_eq!(think("qwen3:4b", Some(effort)), Some(json!(true)), "{effort:?}");
    }
    for (effort, word) in [(Minimal, "low"), (Low, "low"), (Medium, "medium"), (High, "high")] {
        assert_eq!(think("hf.co/x/GPT-OSS:20b", Some(effort)), Some(json!(word)));
    }
    assert_eq!(think("gpt-oss", Some(Off)), Some(json!(false)));
}

#[test]
fn a_schema_is_the_format() {
    let schema = json!({"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "integer"}}});
    let output_schema = Some(OutputSchema { name: "answer".into(), schema: schema.clone(), strict: true });
    let text = body(&ChatRequest { output_schema, ..hello() })["format"].to_string();
    assert_eq!(text, schema.to_string(), "the order of the fields steers the model");
}

#[test]
fn tools_are_offered_and_left_out_when_none_may_be_called() {
    let mut strict = tool();
    strict.strict = true;
    let bare = ToolSpec::new("bare", "", Value::Null);
    let with = |tool_choice| ChatRequest { tools: vec![strict.clone(), bare.clone()], tool_choice, ..hello() };
    let expected = json!([
        {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": tool().parameters}},
        {"type": "function", "function": {
            "name": "bare", "description": "", "parameters": {"type": "object", "properties": {}}
        }}
    ]);
    for choice in [None, Some(ToolChoice::Auto)] {
        assert_eq!(body(&with(choice))["tools"], expected);
    }
    assert_eq!(body(&with(Some(ToolChoice::Never))).get("tools"), None);
    let odd = ToolSpec::new("odd", "", json!([]));
    assert_eq!(refusal(&ChatRequest { tools: vec![odd], ..hello() }).1, "bad_request");
}

#[test]
fn what_the_server_cannot_be_told_is_refused_rather_than_dropped() {
    let tools = vec![tool()];
    for request in [
        ChatRequest { tool_choice: Some(ToolChoice::Required), tools: tools.clone(), ..hello() },
        ChatRequest { tool_choice: Some(ToolChoice::Tool { name: "look".into() }), tools: tools.clone(), ..hello() },
        ChatRequest { parallel_tools: Some(false), tools, ..hello() },
        ChatRequest { reasoning_tokens: Some(100), ..hello() },
        ChatRequest { provider_metadata: HashMap::from([("a".to_owned(), "b".to_owned())]), ..hello() },
    ] {
        assert_unsupported(&request);
    }
    // Who asks is nothing that changes the answer.
    assert_eq!(
        body(&ChatRequest { end_user: Some("u".into()), parallel_tools: Some(false), ..hello() }),
        body(&hello())
    );
}

#[test]
fn instructions_words_thoughts_and_calls_stand_where_they_belong() {
    let look = |id: &str, arguments| Part::ToolCall {
        call: ToolCall { id: id.into(), name: "look".into(), arguments, provider_executed: false, free_text: false },
    };
    let request = ChatRequest {
        system: Some("Be brief.".into()),
        ..request(vec![
            NewMessage::new(Role::User, [Part::text("One, "), Part::text("two.")]),
            NewMessage::new(Role::Assistant, [thought("Hm."), Part::text("I look."), look("c1", json!({"a": 1}))]),
            NewMessage::new(
                Role::Tool,
                [Part::tool_result(ToolResult {
                    call_id: "c1".into(),
                    output: json!({"b": [2]}),
                    is_error: false,
                    media: Vec::new(),
                })],
            ),
            NewMessage::system("Now in Spanish."),
            NewMessage::assistant("Hola."),
        ])
    };
    let expected = json!([
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "One, two."},
        {"role": "assistant", "content": "I look.", "thinking": "Hm.",
         "tool_calls": [{"id": "c1", "function": {"name": "look", "arguments": {"a": 1}}}]},
        {"role": "tool", "content": "{\"b\":[2]}", "tool_name": "look", "tool_call_id": "c1"},
        {"role": "system", "content": "Now in Spanish."},
        {"role": "assistant", "content": "Hola."},
    ]);
    assert_eq!(body(&request)["messages"], expected);
}

#[test]
fn answers_stand_behind_their_calls_name_their_tool_and_say_that_they_failed() {
    let named = |id: &str, name: &str| Part::ToolCall {
        call: ToolCall {
            id: id.into(),
            name: name.into(),
            arguments: json!({}),
            provider_executed: false,
            free_text: false,
        },
    };
    let answer = |id: &str, output: Value, is_error| {
        let media = vec![Media::data(vec![1, 2, 3], "image/png")];
        Part::tool_result(ToolResult { call_id: id.into(), output, is_error, media })
    };
    let sent = messages(vec![
        NewMessage::new(Role::Assistant, [named("c1", "look"), named("c2", "hear")]),
        NewMessage::new(
            Role::User,
            [
                Part::text("And?"),
                answer("c2", json!("boom"), true),
                answer("c1", json!("ok"), false),
                answer("c9", json!(1), true),
            ],
        ),
    ]);
    let expected = json!([
        {"role": "tool", "content": "Error: boom", "images": ["AQID"], "tool_name": "hear", "tool_call_id": "c2"},
        {"role": "tool", "content": "ok", "images": ["AQID"], "tool_name": "look", "tool_call_id": "c1"},
        {"role": "tool", "content": "Error: 1", "images": ["AQID"], "tool_call_id": "c9"},
        {"role": "user", "content": "And?"},
    ]);
    assert_eq!(sent.as_array().unwrap()[1..], *expected.as_array().unwrap());
}

#[test]
fn arguments_are_an_object_whatever_the_model_wrote() {
    for (arguments, sent) in [
        (json!({"a": 1}), json!({"a": 1})),
        (Value::Null, json!({})),
        (json!("{\"a\": 1"), json!({"invalid_json": "{\"a\": 1"})),
        (json!([1]), json!({"invalid_json": [1]})),
    ] {
        let messages = messages(vec![NewMessage::new(Role::Assistant, [call("look", arguments)])]);
        // A call without an id has none on the wire either.
        assert_eq!(messages[0]["tool_calls"], json!([{"function": {"name": "look", "arguments": sent}}]));
    }
}

#[test]
fn pictures_go_along_in_base64() {
    let png = b"\x89PNG\r\n\x1a\n".to_vec();
    let guessed = Media { mime_type: None, ..Media::data(png.clone(), "") };
    let sent = messages(vec![NewMessage::new(
        Role::User,
        [
            Part::image(Media::data(png, "image/png")),
            Part::text("What is it?"),
            Part::image(guessed),
            Part::image(Media::url("data:image/png;base64,AQID")),
        ],
    )]);
    let expected = json!([{"role": "user", "content": "What is it?",
        "images": ["iVBORw0KGgo=", "iVBORw0KGgo=", "AQID"]}]);
    assert_eq!(sent, expected);
}

#[test]
fn media_that_the_server_does_not_take_are_refused() {
    let pdf = || Media::data(b"%PDF-1.7".to_vec(), "application/pdf");
    let file = MediaSource::ProviderFile { provider: "ollama".into(), id: "f".into() };
    for part in [
        Part::image(Media::url("https://x.example/a.png")),
        Part::image(Media::url("data:text/plain,hello")),
        Part::image(Media::url("data:application/pdf;base64,AQID")),
        Part::image(pdf()),
        Part::image(Media { source: file, ..pdf() }),
        Part::file(pdf()),
        Part::audio(Media::data(vec![1], "audio/wav")),
    ] {
        assert_unsupported(&request(vec![NewMessage::new(Role::User, [part])]));
    }
    let unread = Media { source: MediaSource::Attachment { id: AttachmentId::from_bytes([7; 16]) }, ..pdf() };
    let error = refusal(&request(vec![NewMessage::new(Role::User, [Part::image(unread)])]));
    assert_eq!(error.0, ErrorKind::Internal);
}

#[test]
fn what_belongs_to_another_provider_or_says_nothing_is_left_out() {
    let opaque =
        Part::Opaque { provider: "anthropic".into(), name: "thinking".into(), attached: false, data: json!({}) };
    let hosted = ToolCall {
        id: "s".into(),
        name: "web".into(),
        arguments: json!({}),
        provider_executed: true,
        free_text: false,
    };
    let answered = ToolResult { call_id: "s".into(), output: json!("x"), is_error: false, media: Vec::new() };
    let sent = messages(vec![
        NewMessage::user("Hello"),
        NewMessage::new(
            Role::Assistant,
            [opaque, Part::ToolCall { call: hosted }, Part::tool_result(answered), thought("only thoughts")],
        ),
    ]);
    assert_eq!(sent, json!([{"role": "user", "content": "Hello"}]));
    let error = refusal(&request(vec![NewMessage::new(Role::User, [call("look", json!({}))])]));
    assert_eq!(error, (ErrorKind::Invalid, "bad_request".to_owned()));
}
