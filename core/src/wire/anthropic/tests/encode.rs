use std::collections::HashMap;

use insta::assert_snapshot;
use serde_json::json;

use super::*;
use crate::base::ErrorKind;
use crate::model::{
    ChatRequest, Media, MediaSource, NewMessage, OutputSchema, PromptCache, ReasoningEffort, Role, Sampling,
    TextFormat, ToolChoice, ToolResult, ToolSpec,
};

fn ask(text: &str) -> ChatRequest {
    ChatRequest { model: "claude-sonnet-4-5".into(), messages: vec![NewMessage::user(text)], ..Default::default() }
}

fn say(messages: Vec<NewMessage>) -> ChatRequest {
    ChatRequest { messages, ..ask("") }
}

fn encode(request: &ChatRequest) -> Result<http::Request<bytes::Bytes>, Error> {
    with_target(false, |target| Anthropic.encode(request, target))
}

fn body(request: &ChatRequest) -> Json {
    serde_json::from_slice(encode(request).unwrap().body()).unwrap()
}

/// The body as it goes out, in its own order: one field a line, one block a line.
fn text(request: &ChatRequest) -> String {
    let body = encode(request).unwrap();
    let body: serde_json::Map<String, Json> = serde_json::from_slice(body.body()).unwrap();
    let mut out = String::new();
    for (name, value) in &body {
        match value.as_array() {
            Some(turns) if name == "messages" => {
                for turn in turns {
                    assert_eq!(turn.as_object().unwrap().len(), 2);
                    out += &format!("{}:\n{}", turn["role"].as_str().unwrap(), lines(&turn["content"]));
                }
            }
            Some(_) => out += &format!("{name}:\n{}", lines(value)),
            None => out += &format!("{name}: {value}\n"),
        }
    }
    out
}

fn lines(array: &Json) -> String {
    array.as_array().unwrap().iter().map(|item| format!("  {item}\n")).collect()
}

fn refusal(request: &ChatRequest) -> Error {
    let error = encode(request).expect_err("this should be refused");
    assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
    error
}

fn is_unsupported(request: &ChatRequest) {
    assert_eq!(refusal(request).reason(), "unsupported");
}

#[test]
fn the_request_goes_to_messages_with_the_version_and_without_a_key() {
    let request = encode(&ask("Hi")).unwrap();
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), "https://api.anthropic.com/v1/messages");
    assert_eq!(request.headers()["anthropic-version"], "2023-06-01");
    assert_eq!(request.headers()["content-type"], "application/json");
    for key in ["x-api-key", "authorization", "anthropic-beta"] {
        assert!(!request.headers().contains_key(key));
    }
    let streamed = with_target(true, |target| Anthropic.encode(&ask("Hi"), target)).unwrap();
    let body: Json = serde_json::from_slice(streamed.body()).unwrap();
    assert_eq!(body["stream"], true);
}

#[test]
fn a_plain_question_says_no_more_than_it_must() {
    assert_snapshot!(text(&ask("Hi \"you\"\n")), @r#"
    model: "claude-sonnet-4-5"
    max_tokens: 4096
    user:
      {"type":"text","text":"Hi \"you\"\n"}
    "#);
}

#[test]
fn a_full_request_says_all_of_it() {
    let request = ChatRequest {
        system: Some("Be brief.".into()),
        sampling: Sampling {
            temperature: Some(0.5),
            stop_sequences: vec!["END".into()],
            max_tokens: Some(100),
            frequency_penalty: Some(0.0),
            ..Default::default()
        },
        tools: vec![
            ToolSpec::new("look", "Looks.", json!({"type": "object", "properties": {"q": {"type": "string"}}})),
            ToolSpec { strict: true, ..ToolSpec::new("now", "", json!({})) },
        ],
        tool_choice: Some(ToolChoice::Tool { name: "look".into() }),
        parallel_tools: Some(false),
        output_schema: Some(OutputSchema { name: "answer".into(), schema: json!({"type": "object"}), strict: true }),
        end_user: Some("u-1".into()),
        ..ask("Hi")
    };
    assert_snapshot!(text(&request), @r#"
    model: "claude-sonnet-4-5"
    max_tokens: 100
    system:
      {"type":"text","text":"Be brief."}
    user:
      {"type":"text","text":"Hi"}
    tools:
      {"name":"look","description":"Looks.","input_schema":{"type":"object","properties":{"q":{"type":"string"}}}}
      {"name":"now","input_schema":{"type":"object"},"strict":true}
    tool_choice: {"type":"tool","name":"look","disable_parallel_tool_use":true}
    output_config: {"format":{"type":"json_schema","schema":{"type":"object"}}}
    temperature: 0.5
    stop_sequences:
      "END"
    metadata: {"user_id":"u-1"}
    "#);
}

#[test]
fn a_conversation_with_tools_and_thoughts_goes_back_as_it_came() {
    let request = say(vec![
        NewMessage::user("Weather?"),
        NewMessage::new(
            Role::Assistant,
            [
                Part::Reasoning { text: "I should look.".into() },
                opaque("signature", true, json!("sig==")),
                opaque("redacted_thinking", false, json!({"type": "redacted_thinking", "data": "Eqk"})),
                Part::text("Let me look."),
                opaque(
                    "server_tool_use",
                    false,
                    json!({"type": "server_tool_use", "id": "srv", "name": "web_search", "input": {"z": 1, "a": 2}}),
                ),
                opaque(
                    "web_search_tool_result",
                    false,
                    json!({"type": "web_search_tool_result", "tool_use_id": "srv", "content": []}),
                ),
                Part::Text { text: "Cited.".into(), citations: vec![] },
                opaque("citations", true, json!([{"type": "web_search_result_location", "encrypted_index": "E"}])),
                call(json!({"city": "Cádiz"})),
                opaque("tool_use", true, json!({"caller": {"type": "code_execution_20250825", "tool_id": "srv"}})),
            ],
        ),
        NewMessage::new(
            Role::Tool,
            [Part::tool_result(ToolResult {
                call_id: "toolu_1".into(),
                output: json!("24 °C"),
                is_error: false,
                media: vec![],
            })],
        ),
    ]);
    assert_snapshot!(text(&request), @r#"
    model: "claude-sonnet-4-5"
    max_tokens: 4096
    user:
      {"type":"text","text":"Weather?"}
    assistant:
      {"type":"thinking","thinking":"I should look.","signature":"sig=="}
      {"type":"redacted_thinking","data":"Eqk"}
      {"type":"text","text":"Let me look."}
      {"type":"server_tool_use","id":"srv","name":"web_search","input":{"z":1,"a":2}}
      {"type":"web_search_tool_result","tool_use_id":"srv","content":[]}
      {"type":"text","text":"Cited.","citations":[{"type":"web_search_result_location","encrypted_index":"E"}]}
      {"type":"tool_use","id":"toolu_1","name":"look","input":{"city":"Cádiz"},"caller":{"type":"code_execution_20250825","tool_id":"srv"}}
    user:
      {"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"24 °C"}]}
    "#);
}

#[test]
fn what_came_in_a_reply_goes_back_in_the_next_request_byte_for_byte() {
    let content = json!([
        {"type": "thinking", "thinking": "Hm.", "signature": "sig=="},
        {"type": "thinking", "thinking": "", "signature": "hidden=="},
        {"type": "redacted_thinking", "data": "Eqk"},
        {"type": "text", "text": "Hello", "citations": [{"cited_text": "q", "type": "x", "encrypted_index": "E"}]},
        {"type": "server_tool_use", "id": "srv", "name": "s", "input": {"z": 1, "a": [1.5, null]}, "caller": {"type": "direct"}},
        {"type": "s_tool_result", "tool_use_id": "srv", "content": {"k": "v"}},
        {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"a": 1}, "caller": {"type": "code", "tool_id": "srv"}},
    ]);
    let reply = json!({"content": content, "stop_reason": "tool_use"}).to_string();
    let (events, _) = with_target(false, |target| Anthropic.decode(reply.as_bytes(), target)).unwrap();
    let request = say(vec![NewMessage::user("Hi"), NewMessage::new(Role::Assistant, fold(&events))]);
    assert_eq!(body(&request)["messages"][1]["content"].to_string(), content.to_string());
}

#[test]
fn what_only_another_provider_could_read_stays_behind() {
    let foreign = |name: &str, attached| Part::Opaque {
        provider: "openai".into(),
        name: name.into(),
        attached,
        data: json!("secret"),
    };
    let request = say(vec![
        NewMessage::user("Hi"),
        NewMessage::new(
            Role::Assistant,
            [
                Part::Reasoning { text: "thoughts of another".into() },
                foreign("signature", true),
                foreign("reasoning", false),
                Part::ToolCall {
                    call: ToolCall {
                        id: "ws_1".into(),
                        name: "web".into(),
                        arguments: json!({}),
                        provider_executed: true,
                        free_text: false,
                    },
                },
                Part::Refusal { text: "I cannot.".into() },
                Part::Text { text: "Cited.".into(), citations: vec![] },
                foreign("citations", true),
            ],
        ),
        NewMessage::new(
            Role::Tool,
            [Part::tool_result(ToolResult {
                call_id: "ws_1".into(),
                output: json!("x"),
                is_error: false,
                media: vec![],
            })],
        ),
        NewMessage::user("And?"),
    ]);
    let messages = body(&request)["messages"].clone();
    assert_eq!(
        messages,
        json!([
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "I cannot."}, {"type": "text", "text": "Cited."}]},
            {"role": "user", "content": [{"type": "text", "text": "And?"}]},
        ])
    );
}

#[test]
fn messages_of_one_speaker_become_one_turn_with_tool_answers_first() {
    let result = |id: &str| ToolResult { call_id: id.into(), output: Json::Null, is_error: false, media: vec![] };
    let use_of = |id: &str| Part::ToolCall {
        call: ToolCall {
            id: id.into(),
            name: "look".into(),
            arguments: Json::Null,
            provider_executed: false,
            free_text: false,
        },
    };
    let request = say(vec![
        NewMessage::user("one"),
        NewMessage::user("two"),
        NewMessage::new(Role::Assistant, [use_of("a")]),
        NewMessage::new(Role::Assistant, [use_of("b")]),
        NewMessage::user("hurry"),
        NewMessage::new(Role::Tool, [Part::tool_result(result("a"))]),
        NewMessage::new(Role::Tool, [Part::tool_result(result("b"))]),
    ]);
    let turns: Vec<String> = body(&request)["messages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|turn| {
            let kinds = turn["content"].as_array().unwrap().iter();
            let kinds: Vec<&str> = kinds.map(|b| b["type"].as_str().unwrap()).collect();
            format!("{} {}", turn["role"].as_str().unwrap(), kinds.join(" "))
        })
        .collect();
    assert_eq!(turns, ["user text text", "assistant tool_use tool_use", "user tool_result tool_result text"]);
}

#[test]
fn instructions_from_anywhere_stand_at_the_top() {
    let request = ChatRequest {
        system: Some("One.".into()),
        ..say(vec![
            NewMessage::system("Two."),
            NewMessage::user("Hi"),
            NewMessage::system("Three."),
            NewMessage::system(" "),
        ])
    };
    let body = body(&request);
    assert_eq!(
        body["system"],
        json!([{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}, {"type": "text", "text": "Three."}])
    );
    assert_eq!(body["messages"].as_array().unwrap().len(), 1);
    is_unsupported(&say(vec![
        NewMessage::new(Role::System, [Part::image(Media::url("https://x.example/a.png"))]),
        NewMessage::user("Hi"),
    ]));
}

#[test]
fn blanks_alone_are_no_words_and_do_not_end_an_answer_to_go_on_with() {
    let request =
        say(vec![NewMessage::user("Hi"), NewMessage::new(Role::Assistant, ["\n\n", "Well, "]), NewMessage::user("  ")]);
    assert_eq!(
        body(&request)["messages"],
        json!([
            {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
            {"role": "assistant", "content": [{"type": "text", "text": "Well,"}]},
        ])
    );
    assert_eq!(refusal(&say(vec![NewMessage::user(" \n")])).reason(), "empty_message");
    assert_eq!(refusal(&say(vec![])).reason(), "empty_message");
}

#[test]
fn pictures_and_documents_go_along_in_every_way_the_api_takes_them() {
    let named = |media: Media, name: &str| Media { name: Some(name.into()), ..media };
    let request = say(vec![NewMessage::new(
        Role::User,
        [
            Part::image(Media::data(*b"\x89PNG\r\n\x1a\n", "image/png")),
            Part::image(Media::data(*b"\xff\xd8", "image/jpg")),
            Part::image(Media::url("https://x.example/a.png")),
            Part::image(Media::url("data:image/gif;base64,R0lG")),
            Part::file(named(Media::data(*b"%PDF-", "application/pdf"), "a.pdf")),
            Part::file(named(Media::data("dos\n", "text/markdown; charset=utf-8"), "b.md")),
            Part::file(Media::url("https://x.example/a.pdf")),
            Part::file(Media { mime_type: Some("image/webp".into()), ..Media::url("https://x.example/a") }),
            Part::file(provider_file("anthropic", "file_1")),
        ],
    )]);
    let sent = encode(&request).unwrap();
    assert_eq!(sent.headers()["anthropic-beta"], "files-api-2025-04-14");
    let body: Json = serde_json::from_slice(sent.body()).unwrap();
    assert_snapshot!(lines(&body["messages"][0]["content"]), @r#"
    {"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}
    {"type":"image","source":{"type":"base64","media_type":"image/jpeg","data":"/9g="}}
    {"type":"image","source":{"type":"url","url":"https://x.example/a.png"}}
    {"type":"image","source":{"type":"base64","media_type":"image/gif","data":"R0lG"}}
    {"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="},"title":"a.pdf"}
    {"type":"document","source":{"type":"text","media_type":"text/plain","data":"dos\n"},"title":"b.md"}
    {"type":"document","source":{"type":"url","url":"https://x.example/a.pdf"}}
    {"type":"image","source":{"type":"url","url":"https://x.example/a"}}
    {"type":"document","source":{"type":"file","file_id":"file_1"}}
    "#);
}

#[test]
fn media_that_the_api_does_not_take_are_refused() {
    let user = |part: Part| say(vec![NewMessage::new(Role::User, [part])]);
    is_unsupported(&user(Part::audio(Media::data(*b"RIFF", "audio/wav"))));
    is_unsupported(&user(Part::image(Media::data(*b"x", "image/tiff"))));
    is_unsupported(&user(Part::file(Media::data(*b"PK", "application/zip"))));
    is_unsupported(&user(Part::file(Media::data(*b"\xff\xfe", "text/plain"))));
    is_unsupported(&user(Part::image(Media::url("http://x.example/a.png"))));
    is_unsupported(&user(Part::image(Media::url("data:image/png,abc"))));
    is_unsupported(&user(Part::file(provider_file("openai", "file_1"))));
    is_unsupported(&user(Part::file(Media {
        mime_type: Some("text/csv".into()),
        ..Media::url("https://x.example/a")
    })));
    let of_the_model = NewMessage::new(Role::Assistant, [Part::image(Media::data(*b"\x89PNG", "image/png"))]);
    is_unsupported(&say(vec![NewMessage::user("Hi"), of_the_model]));
    let unread = encode(&user(Part::image(Media::path("/a.png")))).unwrap_err();
    assert_eq!(unread.kind(), ErrorKind::Internal);
}

#[test]
fn answers_of_tools_carry_text_json_media_and_failure() {
    let result = |output: Json, is_error, media| {
        Part::tool_result(ToolResult { call_id: "call.1:x".into(), output, is_error, media })
    };
    let request = say(vec![NewMessage::new(
        Role::Tool,
        [
            result(json!("plain"), false, vec![]),
            result(json!({"t": 24}), false, vec![]),
            result(json!(""), false, vec![]),
            result(json!("no such city"), true, vec![]),
            result(
                json!("see"),
                false,
                vec![Media::data(*b"\x89PNG\r\n\x1a\n", "image/png"), Media::data(*b"%PDF-", "application/pdf")],
            ),
        ],
    )]);
    assert_snapshot!(lines(&body(&request)["messages"][0]["content"]), @r#"
    {"type":"tool_result","tool_use_id":"call_1_x","content":[{"type":"text","text":"plain"}]}
    {"type":"tool_result","tool_use_id":"call_1_x","content":[{"type":"text","text":"{\"t\":24}"}]}
    {"type":"tool_result","tool_use_id":"call_1_x"}
    {"type":"tool_result","tool_use_id":"call_1_x","content":[{"type":"text","text":"no such city"}],"is_error":true}
    {"type":"tool_result","tool_use_id":"call_1_x","content":[{"type":"text","text":"see"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}},{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"JVBERi0="}}]}
    "#);
    is_unsupported(&say(vec![NewMessage::new(
        Role::Tool,
        [result(json!("x"), false, vec![Media::data(*b"RIFF", "audio/wav")])],
    )]));
}

#[test]
fn calls_of_other_providers_fit_this_one() {
    let foreign = |arguments| Part::ToolCall {
        call: ToolCall {
            id: "functions.look:0".into(),
            name: "look".into(),
            arguments,
            provider_executed: false,
            free_text: false,
        },
    };
    let request = say(vec![
        NewMessage::user("Hi"),
        NewMessage::new(Role::Assistant, [foreign(json!({"a": 1})), foreign(json!("{\"a\": "))]),
        NewMessage::new(
            Role::Tool,
            [Part::tool_result(ToolResult {
                call_id: "functions.look:0".into(),
                output: json!("x"),
                is_error: false,
                media: vec![],
            })],
        ),
    ]);
    let messages = body(&request)["messages"].clone();
    assert_eq!(messages[1]["content"][0]["id"], "functions_look_0");
    assert_eq!(messages[1]["content"][1]["input"], json!({"malformed_arguments": "{\"a\": "}));
    assert_eq!(messages[2]["content"][0]["tool_use_id"], "functions_look_0");
}

#[test]
fn a_part_in_a_message_of_the_wrong_role_is_refused() {
    is_unsupported(&say(vec![NewMessage::new(Role::User, [call(json!({}))])]));
    let result = ToolResult { call_id: "a".into(), output: json!("x"), is_error: false, media: vec![] };
    is_unsupported(&say(vec![NewMessage::user("Hi"), NewMessage::new(Role::Assistant, [Part::tool_result(result)])]));
}

#[test]
fn marks_stand_behind_the_instructions_and_the_named_messages() {
    let cache = PromptCache { system: true, messages: vec![0, 2], one_hour: true, key: Some("unused here".into()) };
    let request = ChatRequest {
        system: Some("Long.".into()),
        tools: vec![ToolSpec::new("look", "", json!({}))],
        prompt_cache: Some(cache.clone()),
        ..say(vec![
            NewMessage::user("a"),
            NewMessage::new(Role::Assistant, [Part::text("b")]),
            NewMessage::new(
                Role::Assistant,
                [
                    Part::text("c"),
                    opaque("redacted_thinking", false, json!({"type": "redacted_thinking", "data": "E"})),
                ],
            ),
            NewMessage::user("d"),
        ])
    };
    let mark = json!({"type": "ephemeral", "ttl": "1h"});
    let sent = body(&request);
    assert_eq!(sent["system"][0]["cache_control"], mark);
    assert_eq!(sent["tools"][0].get("cache_control"), None, "the mark behind the instructions keeps the tools, too");
    assert_eq!(sent["messages"][0]["content"][0]["cache_control"], mark);
    assert_eq!(sent["messages"][1]["content"][0].get("cache_control"), None);
    assert_eq!(sent["messages"][1]["content"][1]["cache_control"], mark, "the last block that may carry one");
    assert_eq!(sent["messages"][1]["content"][2], json!({"type": "redacted_thinking", "data": "E"}));
    assert_eq!(sent["messages"][2]["content"][0].get("cache_control"), None);

    let five_minutes = ChatRequest {
        system: None,
        prompt_cache: Some(PromptCache { messages: vec![], one_hour: false, ..cache }),
        ..request
    };
    assert_eq!(body(&five_minutes)["tools"][0]["cache_control"], json!({"type": "ephemeral"}));
    // The provider's own entry stays as it is, so the mark goes before it.
    let mut beside = five_minutes.clone();
    beside.tools.push(ToolSpec::of_provider(PROVIDER, json!({"type": "web_search_20250305", "name": "web_search"})));
    assert_eq!(body(&beside)["tools"][0]["cache_control"], json!({"type": "ephemeral"}));
    assert_eq!(body(&beside)["tools"][1].get("cache_control"), None);
}

#[test]
fn more_marks_than_the_api_takes_or_marks_beside_the_messages_are_refused() {
    let with = |system, messages: Vec<i32>| ChatRequest {
        prompt_cache: Some(PromptCache { system, messages, one_hour: false, key: None }),
        ..say((0..6).map(|n| NewMessage::user(n.to_string())).collect())
    };
    assert!(encode(&with(true, vec![0, 1, 2])).is_ok());
    assert!(encode(&with(false, vec![0, 1, 2, 3, 3, 3])).is_ok());
    is_unsupported(&with(true, vec![0, 1, 2, 3]));
    is_unsupported(&with(false, vec![6]));
    is_unsupported(&with(false, vec![-1]));
}

#[test]
fn thinking_is_asked_for_in_the_words_of_the_models_generation() {
    let think = |model: &str, effort, tokens, max_tokens| {
        let request = ChatRequest {
            model: model.into(),
            reasoning_effort: effort,
            reasoning_tokens: tokens,
            sampling: Sampling { max_tokens, ..Default::default() },
            ..ask("Hi")
        };
        let body = body(&request);
        format!("{} {} {}", body["thinking"], body["output_config"], body["max_tokens"])
    };
    let (high, low, off) = (Some(ReasoningEffort::High), Some(ReasoningEffort::Minimal), Some(ReasoningEffort::Off));
    let rows = [
        think("claude-sonnet-4-5", None, None, None),
        think("claude-sonnet-4-5", None, Some(2000), None),
        think("claude-sonnet-4-5", None, Some(2000), Some(2001)),
        think("claude-sonnet-4-5", high, Some(2000), Some(9000)),
        think("claude-sonnet-4-5", high, None, None),
        think("claude-sonnet-4-5", high, None, Some(2000)),
        think("claude-sonnet-4-5", high, None, Some(1025)),
        think("claude-sonnet-4-5", low, None, None),
        think("claude-sonnet-4-5", off, None, None),
        think("claude-sonnet-4-5", high, Some(0), None),
        think("claude-opus-4-6", None, Some(2000), None),
        think("claude-opus-4-6", high, None, None),
        think("claude-opus-4-7", low, None, Some(500)),
        think("claude-opus-4-7", off, None, None),
        think("claude-opus-5", off, None, None),
        think("claude-fable-5", off, None, None),
        think("glm-4.6", high, None, None),
    ];
    assert_snapshot!(rows.join("\n"), @r#"
    null null 4096
    {"type":"enabled","budget_tokens":2000} null 6096
    {"type":"enabled","budget_tokens":2000} null 2001
    {"type":"enabled","budget_tokens":2000} null 9000
    {"type":"enabled","budget_tokens":16384} null 20480
    {"type":"enabled","budget_tokens":1600} null 2000
    {"type":"enabled","budget_tokens":1024} null 1025
    {"type":"enabled","budget_tokens":1024} null 5120
    null null 4096
    null null 4096
    {"type":"enabled","budget_tokens":2000} null 6096
    {"type":"adaptive","display":"summarized"} {"effort":"high"} 20480
    {"type":"adaptive","display":"summarized"} {"effort":"low"} 500
    null null 4096
    {"type":"disabled"} null 4096
    null {"effort":"low"} 4096
    {"type":"enabled","budget_tokens":16384} null 20480
    "#);
}

#[test]
fn thinking_that_the_model_would_refuse_is_refused_here() {
    let think = |model: &str, effort, tokens, max_tokens| ChatRequest {
        model: model.into(),
        reasoning_effort: effort,
        reasoning_tokens: tokens,
        sampling: Sampling { max_tokens, ..Default::default() },
        ..ask("Hi")
    };
    is_unsupported(&think("claude-sonnet-4-5", None, Some(1023), None));
    is_unsupported(&think("claude-sonnet-4-5", None, Some(-1), None));
    is_unsupported(&think("claude-sonnet-4-5", None, Some(2000), Some(2000)));
    is_unsupported(&think("claude-sonnet-4-5", Some(ReasoningEffort::Low), None, Some(1024)));
    is_unsupported(&think("claude-opus-4-7", None, Some(2000), None));
    let thinking = think("claude-sonnet-4-5", None, Some(2000), None);
    let sampled = |temperature, top_p| ChatRequest {
        sampling: Sampling { temperature, top_p, ..Default::default() },
        ..thinking.clone()
    };
    assert!(encode(&sampled(Some(1.0), None)).is_ok() && encode(&sampled(None, Some(0.95))).is_ok());
    is_unsupported(&sampled(Some(0.5), None));
    is_unsupported(&sampled(None, Some(0.5)));
    let forced = ChatRequest {
        tools: vec![ToolSpec::new("look", "", json!({}))],
        tool_choice: Some(ToolChoice::Required),
        ..thinking.clone()
    };
    is_unsupported(&forced);
    assert!(encode(&ChatRequest { tool_choice: Some(ToolChoice::Never), ..forced }).is_ok());
}

#[test]
fn what_the_api_has_no_word_for_is_refused() {
    let with = |sampling| ChatRequest { sampling, ..ask("Hi") };
    is_unsupported(&with(Sampling { seed: Some(1), ..Default::default() }));
    is_unsupported(&with(Sampling { frequency_penalty: Some(0.1), ..Default::default() }));
    is_unsupported(&with(Sampling { presence_penalty: Some(-0.1), ..Default::default() }));
    is_unsupported(&with(Sampling { temperature: Some(1.1), ..Default::default() }));
    is_unsupported(&with(Sampling { temperature: Some(f64::NAN), ..Default::default() }));
    is_unsupported(&with(Sampling { top_p: Some(1.1), ..Default::default() }));
    is_unsupported(&with(Sampling { max_tokens: Some(0), ..Default::default() }));
    let labels = HashMap::from([("team".to_owned(), "a".to_owned())]);
    is_unsupported(&ChatRequest { provider_metadata: labels, ..ask("Hi") });
    assert_eq!(refusal(&ChatRequest { model: String::new(), ..ask("Hi") }).reason(), "unknown_model");
}

#[test]
fn every_choice_of_tools_has_its_word() {
    let choose = |tool_choice, parallel_tools| {
        let tools = vec![ToolSpec::new("look", "", Json::Null)];
        body(&ChatRequest { tools, tool_choice, parallel_tools, ..ask("Hi") })["tool_choice"].clone()
    };
    assert_eq!(choose(None, None), Json::Null);
    assert_eq!(choose(None, Some(true)), Json::Null);
    assert_eq!(choose(None, Some(false)), json!({"type": "auto", "disable_parallel_tool_use": true}));
    assert_eq!(choose(Some(ToolChoice::Auto), None), json!({"type": "auto"}));
    assert_eq!(choose(Some(ToolChoice::Never), Some(false)), json!({"type": "none"}));
    assert_eq!(
        choose(Some(ToolChoice::Required), Some(false)),
        json!({"type": "any", "disable_parallel_tool_use": true})
    );
    let named = ToolChoice::Tool { name: "look".into() };
    assert_eq!(choose(Some(named), Some(true)), json!({"type": "tool", "name": "look"}));
    let required = ChatRequest { tool_choice: Some(ToolChoice::Required), ..ask("Hi") };
    assert_eq!(refusal(&required).reason(), "bad_request");
    let never = ChatRequest { tool_choice: Some(ToolChoice::Never), ..ask("Hi") };
    assert_eq!(body(&never).get("tool_choice"), None);
    let tools = vec![ToolSpec::new("look", "", json!("string"))];
    is_unsupported(&ChatRequest { tools, ..ask("Hi") });
}

#[test]
fn fields_and_headers_of_the_callers_own_go_over_everything_else() {
    let request = ChatRequest {
        extra_body: Some(json!({"max_tokens": 7, "service_tier": "auto"})),
        extra_headers: HashMap::from([
            ("anthropic-beta".to_owned(), "context-1m-2025-08-07".to_owned()),
            ("anthropic-version".to_owned(), "2026-10-21".to_owned()),
        ]),
        ..say(vec![NewMessage::new(Role::User, [Part::file(provider_file("anthropic", "file_1"))])])
    };
    let sent = encode(&request).unwrap();
    let body: Json = serde_json::from_slice(sent.body()).unwrap();
    assert_eq!((&body["max_tokens"], &body["service_tier"]), (&json!(7), &json!("auto")));
    let betas: Vec<_> = sent.headers().get_all("anthropic-beta").iter().collect();
    assert_eq!(betas, ["context-1m-2025-08-07,files-api-2025-04-14"]);
    assert_eq!(sent.headers()["anthropic-version"], "2026-10-21");
    let key = ChatRequest { extra_headers: HashMap::from([("X-Api-Key".to_owned(), "k".to_owned())]), ..ask("Hi") };
    refusal(&key);
    refusal(&ChatRequest { extra_body: Some(json!([1])), ..ask("Hi") });
}

fn provider_file(provider: &str, id: &str) -> Media {
    let source = MediaSource::ProviderFile { provider: provider.into(), id: id.into() };
    Media { source, mime_type: None, name: None, size_bytes: None }
}

#[test]
fn a_budget_waits_for_the_next_question_when_calls_were_made_without_thoughts() {
    let answer = || {
        let result = ToolResult { call_id: "toolu_1".into(), output: json!("x"), is_error: false, media: vec![] };
        NewMessage::new(Role::Tool, [Part::tool_result(result)])
    };
    let thinks = |model: &str, messages: Vec<NewMessage>| {
        let request =
            ChatRequest { model: model.into(), reasoning_effort: Some(ReasoningEffort::Low), ..say(messages) };
        body(&request)["thinking"]["type"].as_str().map(str::to_owned)
    };
    let asked = || NewMessage::user("Hi");
    let bare = || NewMessage::new(Role::Assistant, [call(json!({}))]);
    let thought = || {
        let thoughts =
            [Part::Reasoning { text: "Hm.".into() }, opaque("signature", true, json!("sig")), call(json!({}))];
        NewMessage::new(Role::Assistant, thoughts)
    };
    let budget = "claude-sonnet-4-5";
    let on = || Some("enabled".to_owned());
    assert_eq!(thinks(budget, vec![asked(), bare(), answer()]), None);
    assert_eq!(thinks(budget, vec![asked(), bare(), answer(), bare(), answer()]), None);
    assert_eq!(thinks(budget, vec![asked(), bare(), answer(), asked()]), None, "in one turn with the answer");
    assert_eq!(thinks(budget, vec![asked(), thought(), answer()]), on());
    assert_eq!(thinks(budget, vec![asked(), thought(), answer(), bare(), answer()]), on(), "thought of once is enough");
    assert_eq!(thinks(budget, vec![asked(), bare(), answer(), NewMessage::assistant("So."), asked()]), on());
    assert_eq!(thinks("claude-opus-4-7", vec![asked(), bare(), answer()]).as_deref(), Some("adaptive"));
}

#[test]
fn on_vertex_the_model_stands_in_the_path_and_the_version_in_the_body() {
    let base_url = http::Uri::from_static("https://aiplatform.googleapis.com/v1/projects/p/publishers/anthropic");
    let quirks = Quirks { raw_predict: true, ..Quirks::default() };
    let sent = |model: &str, stream: bool| {
        let target = Target {
            provider: "vertex-anthropic",
            base_url: &base_url,
            quirks: &quirks,
            stream,
            max_output_tokens: None,
            max_event_bytes: 16 << 20,
        };
        Anthropic.encode(&ChatRequest { model: model.to_owned(), ..ask("hi") }, &target)
    };
    for (stream, call) in [(false, "rawPredict"), (true, "streamRawPredict")] {
        let request = sent("claude-sonnet-4-5@20250929", stream).unwrap();
        assert_eq!(request.uri().to_string(), format!("{base_url}/models/claude-sonnet-4-5@20250929:{call}"));
        let body: Json = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(body["anthropic_version"], "vertex-2023-10-16");
        assert_eq!((body.get("model"), body.get("stream").is_some()), (None, stream));
    }
    for model in ["..", "a/b", "../../other", "a?b", "a%2fb", "a b"] {
        assert_eq!(sent(model, true).unwrap_err().reason(), "unknown_model", "{model}");
    }
    assert_eq!(body(&ask("hi")).get("anthropic_version"), None);
}

#[test]
fn newer_models_are_told_nothing_of_how_to_choose_words_and_older_ones_one_thing_at_a_time() {
    let sampled = |model: &str, temperature, top_p| ChatRequest {
        model: model.into(),
        sampling: Sampling { temperature, top_p, ..Sampling::default() },
        ..ask("Hi")
    };
    let told = |request: &ChatRequest| {
        let body = body(request);
        (body.get("temperature").cloned(), body.get("top_p").cloned())
    };
    for model in ["claude-opus-4-7", "claude-sonnet-5"] {
        is_unsupported(&sampled(model, Some(0.2), None));
        is_unsupported(&sampled(model, None, Some(0.9)));
        assert_eq!(told(&sampled(model, Some(1.0), Some(1.0))), (None, None), "what they do anyway");
    }
    is_unsupported(&sampled("claude-sonnet-4-5", Some(0.2), Some(0.9)));
    assert_eq!(told(&sampled("claude-sonnet-4-6", None, Some(0.9))), (None, Some(json!(0.9))));
    // Where nothing is known for certain, the provider answers.
    for model in ["kimi-k2", "claude-latest", "anthropic/claude-opus-5"] {
        assert_eq!(told(&sampled(model, Some(0.2), Some(0.9))), (Some(json!(0.2)), Some(json!(0.9))), "{model}");
    }
}

#[test]
fn a_tool_of_free_text_is_a_function_of_one_text() {
    let mut called = call(json!("*** Patch"));
    if let Part::ToolCall { call } = &mut called {
        call.free_text = true;
    }
    let body = body(&ChatRequest {
        tools: vec![ToolSpec::free_text("look", "Looks.", TextFormat::Text)],
        ..say(vec![NewMessage::user("Hi"), NewMessage::new(Role::Assistant, [called])])
    });
    assert_eq!(body["messages"][1]["content"][0]["input"], json!({"input": "*** Patch"}));
    assert_eq!(body["tools"][0]["input_schema"]["required"], json!(["input"]));
}

#[test]
fn the_providers_own_tools_stand_as_they_are_beside_ours_and_those_of_others_are_left_out() {
    let search = json!({"type": "web_search_20250305", "name": "web_search", "max_uses": 2});
    let body = body(&ChatRequest {
        tools: vec![
            ToolSpec::new("look", "Looks.", json!({"type": "object"})),
            ToolSpec::of_provider(PROVIDER, search.clone()),
            ToolSpec::of_provider("openai", json!({"type": "web_search"})),
        ],
        tool_choice: Some(ToolChoice::Tool { name: "web_search".into() }),
        ..ask("Hi")
    });
    assert_eq!(
        body["tools"],
        json!([{"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}, search])
    );
    let theirs =
        ChatRequest { tools: vec![ToolSpec::of_provider("openai", json!({"type": "web_search"}))], ..ask("Hi") };
    assert_eq!(self::body(&theirs).get("tools"), None);
    let forced = ChatRequest { tool_choice: Some(ToolChoice::Required), ..theirs };
    assert_eq!(refusal(&forced).reason(), "bad_request");
    let broken = ChatRequest { tools: vec![ToolSpec::of_provider(PROVIDER, json!("web_search"))], ..ask("Hi") };
    assert_eq!(refusal(&broken).reason(), "bad_request");
}
