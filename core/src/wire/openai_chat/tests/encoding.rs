//! Requests, as the provider gets them.

use std::collections::HashMap;

use super::*;
use crate::base::{AttachmentId, ErrorKind};
use crate::model::{
    GrammarSyntax, Media, MediaSource, NewMessage, OutputSchema, PromptCache, ReasoningEffort, Role, Sampling,
    TextFormat, ToolCall, ToolChoice, ToolResult, ToolSpec,
};

fn request(messages: Vec<NewMessage>) -> ChatRequest {
    ChatRequest { model: "m".to_owned(), messages, ..ChatRequest::default() }
}

fn body_with(request: &ChatRequest, quirks: &Quirks) -> Result<Value> {
    with_quirks(quirks, true, |target| Ok(serde_json::from_slice(OpenAiChat.encode(request, target)?.body()).unwrap()))
}

fn body(request: &ChatRequest) -> Value {
    body_with(request, &Quirks::default()).unwrap()
}

fn messages(messages: Vec<NewMessage>) -> Value {
    body(&request(messages))["messages"].take()
}

fn user(parts: Vec<Part>) -> NewMessage {
    NewMessage::new(Role::User, parts)
}

fn tool_call(id: &str, arguments: Value) -> Part {
    Part::ToolCall {
        call: ToolCall {
            id: id.to_owned(),
            name: "f".to_owned(),
            arguments,
            provider_executed: false,
            free_text: false,
        },
    }
}

fn tool_result(id: &str, output: Value) -> ToolResult {
    ToolResult { call_id: id.to_owned(), output, is_error: false, media: Vec::new() }
}

fn refused(part: Part) -> (ErrorKind, String) {
    let error = body_with(&request(vec![user(vec![part])]), &Quirks::default()).unwrap_err();
    (error.kind(), error.reason().to_owned())
}

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

#[test]
fn a_request_goes_to_the_path_below_the_base_url_and_carries_no_key() {
    let quirks = Quirks { query: Some("api-version=1".to_owned()), ..Quirks::default() };
    with_quirks(&quirks, true, |target| {
        let sent = OpenAiChat.encode(&request(vec![NewMessage::user("hi")]), target).unwrap();
        assert_eq!(
            (sent.method().as_str(), sent.uri().to_string().as_str()),
            ("POST", "https://provider.example/v1/chat/completions?api-version=1")
        );
        let mut names: Vec<_> = sent.headers().keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["accept", "content-type"]);
        assert_eq!(sent.headers()["accept"], "text/event-stream");
    });
    let quirks = Quirks { chat_path: Some("/api/chat".to_owned()), ..Quirks::default() };
    with_quirks(&quirks, false, |target| {
        let sent = OpenAiChat.encode(&request(vec![]), target).unwrap();
        assert_eq!(sent.uri().path(), "/v1/api/chat");
        assert_eq!(sent.headers()["accept"], "application/json");
        assert_eq!(std::str::from_utf8(sent.body()).unwrap(), r#"{"model":"m","messages":[]}"#);
    });
}

#[test]
fn everything_that_can_be_asked_is_asked() {
    let request = ChatRequest {
        system: Some("Be brief.".to_owned()),
        sampling: Sampling {
            temperature: Some(0.5),
            top_p: Some(0.9),
            seed: Some(7),
            stop_sequences: vec!["END".to_owned()],
            max_tokens: Some(100),
            frequency_penalty: Some(0.1),
            presence_penalty: Some(-0.1),
        },
        reasoning_effort: Some(ReasoningEffort::Low),
        tools: vec![ToolSpec { strict: true, ..ToolSpec::new("f", "Does f.", json!({"type": "object"})) }],
        tool_choice: Some(ToolChoice::Tool { name: "f".to_owned() }),
        parallel_tools: Some(false),
        output_schema: Some(OutputSchema {
            name: "answer".to_owned(),
            schema: json!({"type": "object"}),
            strict: true,
        }),
        prompt_cache: Some(PromptCache { system: true, messages: vec![0], one_hour: false, key: Some("k".to_owned()) }),
        end_user: Some("u1".to_owned()),
        provider_metadata: HashMap::from([("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())]),
        ..request(vec![NewMessage::user("hi")])
    };
    let text = with_quirks(&Quirks::default(), true, |target| {
        String::from_utf8(OpenAiChat.encode(&request, target).unwrap().body().to_vec()).unwrap()
    });
    insta::assert_snapshot!(text, @r#"{"model":"m","messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"hi"}],"stream":true,"stream_options":{"include_usage":true},"temperature":0.5,"top_p":0.9,"frequency_penalty":0.1,"presence_penalty":-0.1,"seed":7,"max_tokens":100,"stop":["END"],"reasoning_effort":"low","tools":[{"type":"function","function":{"name":"f","description":"Does f.","parameters":{"type":"object"},"strict":true}}],"tool_choice":{"type":"function","function":{"name":"f"}},"parallel_tool_calls":false,"response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":{"type":"object"},"strict":true}},"prompt_cache_key":"k","user":"u1","metadata":{"a":"1","b":"2"}}"#);
}

#[test]
fn quirks_say_it_otherwise() {
    let mut request = ChatRequest {
        system: Some("s".to_owned()),
        sampling: Sampling { max_tokens: Some(9), seed: Some(7), ..Sampling::default() },
        reasoning_effort: Some(ReasoningEffort::Off),
        output_schema: Some(OutputSchema { name: "a".to_owned(), schema: json!({"type": "object"}), strict: true }),
        ..request(vec![])
    };
    let quirks = Quirks {
        max_completion_tokens: true,
        no_stream_options: true,
        seed_field: Some("random_seed".to_owned()),
        developer_role: true,
        json_object_only: true,
        reasoning_object: true,
        ..Quirks::default()
    };
    let told =
        "s\n\nAnswer with a JSON object that fits this JSON schema, and with nothing else:\n{\"type\":\"object\"}";
    let expected = json!({
        "model": "m",
        "messages": [{"role": "developer", "content": told}],
        "stream": true,
        "random_seed": 7,
        "max_completion_tokens": 9,
        "reasoning": {"effort": "none"},
        "response_format": {"type": "json_object"},
    });
    assert_eq!(body_with(&request, &quirks).unwrap(), expected);
    request.reasoning_tokens = Some(2_000);
    assert_eq!(body_with(&request, &quirks).unwrap()["reasoning"], json!({"max_tokens": 2_000}));
    let error = body_with(&request, &Quirks::default()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "unsupported"), "never dropped in silence");
}

#[test]
fn a_history_with_tools_goes_back_in_the_order_that_the_dialect_wants() {
    let mut answer = tool_result("c1", json!({"sum": 3}));
    answer.media = vec![Media::data(PNG, "image/png")];
    let failed = ToolResult { is_error: true, ..tool_result("c2", json!("no such city")) };
    let text = messages(vec![
        NewMessage::user("add"),
        NewMessage::new(
            Role::Assistant,
            [
                Part::Reasoning { text: "hm".to_owned() },
                Part::text("I add."),
                Part::text(" Twice."),
                tool_call("c1", json!({"a": 1})),
                tool_call("c2", json!("{\"cut")),
            ],
        ),
        NewMessage::new(Role::Tool, [Part::tool_result(answer)]),
        NewMessage::new(Role::User, [Part::text("and?"), Part::tool_result(failed)]),
        NewMessage::new(Role::Assistant, [tool_call("c3", json!({}))]),
        NewMessage::new(Role::Tool, [Part::tool_result(tool_result("c3", json!("ok")))]),
        NewMessage::new(Role::System, [Part::text("a"), Part::text("b")]),
        NewMessage::new(Role::Assistant, [Part::Reasoning { text: "unsaid".to_owned() }]),
        NewMessage::new(Role::Assistant, [Part::Refusal { text: "I won't".to_owned() }]),
    ]);
    insta::assert_json_snapshot!(text, @r#"
    [
      {
        "role": "user",
        "content": "add"
      },
      {
        "role": "assistant",
        "content": "I add. Twice.",
        "tool_calls": [
          {
            "id": "c1",
            "type": "function",
            "function": {
              "name": "f",
              "arguments": "{\"a\":1}"
            }
          },
          {
            "id": "c2",
            "type": "function",
            "function": {
              "name": "f",
              "arguments": "{\"invalid_json\":\"{\\\"cut\"}"
            }
          }
        ]
      },
      {
        "role": "tool",
        "tool_call_id": "c1",
        "content": "{\"sum\":3}"
      },
      {
        "role": "tool",
        "tool_call_id": "c2",
        "content": "Error: no such city"
      },
      {
        "role": "user",
        "content": [
          {
            "type": "text",
            "text": "Belongs to the answer of tool call c1:"
          },
          {
            "type": "image_url",
            "image_url": {
              "url": "data:image/png;base64,iVBORw0KGgo="
            }
          }
        ]
      },
      {
        "role": "user",
        "content": "and?"
      },
      {
        "role": "assistant",
        "content": null,
        "tool_calls": [
          {
            "id": "c3",
            "type": "function",
            "function": {
              "name": "f",
              "arguments": "{}"
            }
          }
        ]
      },
      {
        "role": "tool",
        "tool_call_id": "c3",
        "content": "ok"
      },
      {
        "role": "system",
        "content": "ab"
      },
      {
        "role": "assistant",
        "content": "I won't"
      }
    ]
    "#);
}

#[test]
fn media_of_every_kind_have_their_shape() {
    let mut pdf = Media::data(b"%PDF-1.7".to_vec(), "");
    pdf.name = Some("a.pdf".to_owned());
    let known = MediaSource::ProviderFile { provider: "acme".to_owned(), id: "file-1".to_owned() };
    let parts = vec![
        Part::text("look"),
        Part::image(Media::url("https://a/b.png")),
        Part::image(Media { mime_type: None, ..Media::data(PNG, "") }),
        Part::audio(Media::data(b"RIFF\0\0\0\0WAVE".to_vec(), "")),
        Part::audio(Media::data(vec![1], "audio/mp3")),
        Part::file(pdf),
        Part::file(Media::url("https://a/b.pdf")),
        Part::file(Media { source: known, ..Media::url("") }),
    ];
    insta::assert_json_snapshot!(messages(vec![user(parts)]), @r#"
    [
      {
        "role": "user",
        "content": [
          {
            "type": "text",
            "text": "look"
          },
          {
            "type": "image_url",
            "image_url": {
              "url": "https://a/b.png"
            }
          },
          {
            "type": "image_url",
            "image_url": {
              "url": "data:image/png;base64,iVBORw0KGgo="
            }
          },
          {
            "type": "input_audio",
            "input_audio": {
              "data": "UklGRgAAAABXQVZF",
              "format": "wav"
            }
          },
          {
            "type": "input_audio",
            "input_audio": {
              "data": "AQ==",
              "format": "mp3"
            }
          },
          {
            "type": "file",
            "file": {
              "filename": "a.pdf",
              "file_data": "data:application/pdf;base64,JVBERi0xLjc="
            }
          },
          {
            "type": "file",
            "file": {
              "filename": "document",
              "file_data": "https://a/b.pdf"
            }
          },
          {
            "type": "file",
            "file": {
              "file_id": "file-1"
            }
          }
        ]
      }
    ]
    "#);
}

#[test]
fn media_that_chat_completions_do_not_take_are_refused() {
    let unsupported = (ErrorKind::Invalid, "unsupported".to_owned());
    let foreign = MediaSource::ProviderFile { provider: "other".to_owned(), id: "x".to_owned() };
    for part in [
        Part::audio(Media::url("https://a/b.wav")),
        Part::audio(Media::data(vec![1, 2], "audio/ogg")),
        Part::audio(Media::data(vec![1, 2], "")),
        Part::image(Media::data(vec![1, 2], "")),
        Part::file(Media { source: foreign, ..Media::url("") }),
    ] {
        assert_eq!(refused(part.clone()), unsupported, "{part:?}");
    }
    let attachment = MediaSource::Attachment { id: AttachmentId::from_bytes([0; 16]) };
    for media in [Media::path("/etc/passwd"), Media { source: attachment, ..Media::url("") }] {
        for part in [Part::image(media.clone()), Part::audio(media.clone()), Part::file(media)] {
            assert_eq!(refused(part), (ErrorKind::Internal, "bug".to_owned()), "somebody forgot to load it");
        }
    }
    assert_eq!(refused(tool_call("c", json!({}))), (ErrorKind::Invalid, "bad_request".to_owned()));
}

#[test]
fn pictures_of_the_model_follow_in_a_message_of_the_user() {
    let sent = messages(vec![
        NewMessage::new(Role::Assistant, [Part::text("Here."), Part::image(Media::data(PNG, "image/png"))]),
        NewMessage::user("Make it blue."),
    ]);
    let roles: Vec<_> = sent.as_array().unwrap().iter().map(|message| message["role"].as_str().unwrap()).collect();
    assert_eq!(roles, ["assistant", "user", "user"]);
    assert_eq!(sent[1]["content"][1]["image_url"]["url"], "data:image/png;base64,iVBORw0KGgo=");
}

#[test]
fn opaque_parts_go_back_to_their_provider_and_to_nobody_else() {
    let opaque = |provider: &str, name: &str, attached, data| Part::Opaque {
        provider: provider.to_owned(),
        name: name.to_owned(),
        attached,
        data,
    };
    let sent = messages(vec![NewMessage::new(
        Role::Assistant,
        [
            Part::Reasoning { text: "hm".to_owned() },
            opaque("acme", "reasoning_details", true, json!([{"signature": "s1"}])),
            opaque("other", "reasoning_details", true, json!([{"signature": "foreign"}])),
            opaque("acme", "thinking_block", true, json!({"of": "another dialect"})),
            Part::text("a"),
            tool_call("c1", json!({})),
            opaque("acme", "extra_content", true, json!({"sig": 1})),
            opaque("acme", "reasoning_details", false, json!([{"data": "d2"}])),
            Part::text("b"),
            opaque("acme", "extra_content", true, json!({"of": "the words"})),
        ],
    )]);
    let function = json!({"name": "f", "arguments": "{}"});
    let expected = json!([{
        "role": "assistant",
        "content": "ab",
        "tool_calls": [{"id": "c1", "type": "function", "function": function, "extra_content": {"sig": 1}}],
        "extra_content": {"of": "the words"},
        "reasoning_details": [{"signature": "s1"}, {"data": "d2"}],
    }]);
    assert_eq!(sent, expected);
}

#[test]
fn what_a_decoder_kept_goes_back_as_it_came() {
    let details = json!([{"type": "reasoning.text", "text": "hm", "signature": "s", "index": 0}]);
    let calls = json!([{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{\"b\":1,\"a\":2}"}, "extra_content": {"g": {"sig": "x"}}}]);
    let wire = json!({"role": "assistant", "content": "hi", "tool_calls": calls, "reasoning": "hm", "reasoning_details": details});
    let parts = message(&wire, "tool_calls").parts();
    let sent = messages(vec![NewMessage::new(Role::Assistant, parts)]);
    let expected = json!([{"role": "assistant", "content": "hi", "tool_calls": calls, "reasoning_details": details}]);
    assert_eq!(sent, expected);
}

#[test]
fn reasoning_goes_back_where_the_provider_wants_it() {
    let quirks = Quirks { replay_reasoning_field: Some("reasoning_content".to_owned()), ..Quirks::default() };
    let reasoning = |text: &str| Part::Reasoning { text: text.to_owned() };
    let history = vec![NewMessage::new(Role::Assistant, [reasoning("a"), reasoning("b"), tool_call("c1", json!({}))])];
    let sent = body_with(&request(history), &quirks).unwrap();
    assert_eq!(sent["messages"][0]["reasoning_content"], "ab");
    assert_eq!(sent["messages"][0]["content"], json!(null));
}

#[test]
fn extra_fields_lie_over_everything_and_extra_headers_go_along() {
    let mut request = request(vec![NewMessage::user("hi")]);
    request.sampling.temperature = Some(0.5);
    request.extra_body = Some(json!({"temperature": 1, "stream_options": {"x": 1}, "provider": {"order": ["a"]}}));
    request.extra_headers = HashMap::from([("X-Title".to_owned(), "app".to_owned())]);
    let sent = body(&request);
    assert_eq!((&sent["temperature"], &sent["provider"]), (&json!(1), &json!({"order": ["a"]})));
    assert_eq!(sent["stream_options"], json!({"include_usage": true, "x": 1}));
    request.extra_headers = HashMap::from([("Authorization".to_owned(), "Bearer canary".to_owned())]);
    let error = body_with(&request, &Quirks::default()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_header"));
    assert!(!format!("{error:?}").contains("canary"));
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let mut nan = request(vec![]);
    nan.sampling.temperature = Some(f64::NAN);
    let mut forced = request(vec![]);
    forced.tool_choice = Some(ToolChoice::Required);
    for request in [nan, forced] {
        let error = body_with(&request, &Quirks::default()).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_request"));
    }
    let mut idle = request(vec![]);
    idle.tool_choice = Some(ToolChoice::Auto);
    idle.parallel_tools = Some(true);
    let sent = body(&idle);
    assert!(sent.get("tool_choice").is_none() && sent.get("parallel_tool_calls").is_none(), "no tools, no choice");
}

#[test]
fn the_same_request_is_always_the_same_bytes() {
    let mut request = request(vec![NewMessage::user("é \"quoted\" \u{1f600}\n")]);
    request.provider_metadata = (0..20).map(|n| (format!("k{n}"), "v".to_owned())).collect();
    let encode = |request: &ChatRequest| {
        with_quirks(&Quirks::default(), true, |t| OpenAiChat.encode(request, t).unwrap().into_body())
    };
    let first = encode(&request);
    for _ in 0..5 {
        request.provider_metadata = request.provider_metadata.clone().into_iter().collect();
        assert_eq!(encode(&request), first);
    }
}

#[test]
fn tools_of_free_text_are_custom_where_they_are_known_and_functions_elsewhere() {
    let grammar = TextFormat::Grammar { syntax: GrammarSyntax::Regex, definition: "^a+$".into() };
    let call = |free_text| ToolCall {
        id: "c".into(),
        name: "sql".into(),
        arguments: json!("aa"),
        provider_executed: false,
        free_text,
    };
    let calls = [true, false].map(|free_text| Part::ToolCall { call: call(free_text) });
    let request = ChatRequest {
        tools: vec![
            ToolSpec::free_text("sql", "Asks.", grammar),
            ToolSpec::of_provider("acme", json!({"type": "web_search"})),
            ToolSpec::of_provider("other", json!({"type": "search"})),
        ],
        tool_choice: Some(ToolChoice::Tool { name: "sql".into() }),
        ..request(vec![NewMessage::user("Hi"), NewMessage::new(Role::Assistant, calls)])
    };
    let known = body_with(&request, &Quirks { custom_tools: true, ..Quirks::default() }).unwrap();
    let custom = json!({"name": "sql", "description": "Asks.",
        "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "^a+$"}}});
    assert_eq!(known["tools"], json!([{"type": "custom", "custom": custom}, {"type": "web_search"}]));
    assert_eq!(known["tool_choice"], json!({"type": "custom", "custom": {"name": "sql"}}));
    let made = &known["messages"][1]["tool_calls"];
    assert_eq!(made[0], json!({"id": "c", "type": "custom", "custom": {"name": "sql", "input": "aa"}}));
    assert_eq!(made[1]["function"]["arguments"], r#"{"invalid_json":"aa"}"#);

    let elsewhere = body(&request);
    let function = &elsewhere["tools"][0]["function"];
    assert_eq!(function["parameters"]["required"], json!(["input"]));
    let told = function["parameters"]["properties"]["input"]["description"].as_str().unwrap();
    assert!(told.ends_with("regular expression:\n^a+$"), "{told}");
    assert_eq!(elsewhere["tool_choice"], json!({"type": "function", "function": {"name": "sql"}}));
    assert_eq!(elsewhere["messages"][1]["tool_calls"][0]["function"]["arguments"], r#"{"input":"aa"}"#);
}
