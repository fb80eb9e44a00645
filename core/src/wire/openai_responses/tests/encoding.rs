//! What goes out.

use super::*;
use crate::base::{ErrorKind, Json};
use crate::model::{
    GrammarSyntax, Media, MediaSource, NewMessage, OutputSchema, PromptCache, ReasoningEffort, Role, Sampling,
    TextFormat, ToolChoice, ToolResult, ToolSpec,
};

fn encode_with(quirks: &Quirks, stream: bool, request: &ChatRequest) -> Result<Json> {
    let request = with_quirks(quirks, stream, |target| OpenAiResponses.encode(request, target))?;
    Ok(serde_json::from_slice(request.body()).unwrap())
}

fn encode(request: &ChatRequest) -> Json {
    encode_with(&Quirks::default(), false, request).unwrap()
}

/// OpenAI's own: tools of free text are known.
fn custom() -> Quirks {
    Quirks { custom_tools: true, ..Quirks::default() }
}

fn input_with(quirks: &Quirks, messages: Vec<NewMessage>) -> Json {
    encode_with(quirks, false, &asking(messages)).unwrap()["input"].clone()
}

fn asking(messages: Vec<NewMessage>) -> ChatRequest {
    ChatRequest { model: "gpt-5".into(), messages, ..ChatRequest::default() }
}

fn input(messages: Vec<NewMessage>) -> Json {
    encode(&asking(messages))["input"].clone()
}

fn assistant(parts: Vec<Part>) -> NewMessage {
    NewMessage::new(Role::Assistant, parts)
}

fn answer(id: &str, output: Json) -> ToolResult {
    ToolResult { call_id: id.into(), output, is_error: false, media: Vec::new() }
}

fn reasoning(id: &str) -> Json {
    json!({"type": "reasoning", "id": id, "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "gA=="})
}

#[test]
fn a_request_says_everything_it_was_asked_to() {
    let request = ChatRequest {
        system: Some("Be kind.".into()),
        sampling: Sampling { temperature: Some(0.5), top_p: Some(0.9), max_tokens: Some(100), ..Sampling::default() },
        reasoning_effort: Some(ReasoningEffort::Low),
        tools: vec![ToolSpec::new("look", "Looks.", json!({"type": "object"}))],
        tool_choice: Some(ToolChoice::Tool { name: "look".into() }),
        parallel_tools: Some(false),
        output_schema: Some(OutputSchema { name: "out".into(), schema: json!({"type": "object"}), strict: true }),
        prompt_cache: Some(PromptCache { system: true, messages: vec![], one_hour: false, key: Some("k".into()) }),
        end_user: Some("u".into()),
        provider_metadata: [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())].into(),
        extra_body: Some(json!({"reasoning": {"summary": "auto"}, "truncation": "auto"})),
        extra_headers: [("x-title".to_owned(), "mine".to_owned())].into(),
        ..asking(vec![NewMessage::user("Hi")])
    };
    let body = encode_with(&Quirks::default(), true, &request).unwrap();
    let expected = json!({
        "model": "gpt-5", "instructions": "Be kind.", "stream": true, "store": false,
        "input": [{"type": "message", "role": "user", "content": "Hi"}],
        "include": ["reasoning.encrypted_content"], "reasoning": {"effort": "low", "summary": "auto"},
        "temperature": 0.5, "top_p": 0.9, "max_output_tokens": 100, "parallel_tool_calls": false,
        "tools": [{"type": "function", "name": "look", "description": "Looks.", "parameters": {"type": "object"}, "strict": false}],
        "tool_choice": {"type": "function", "name": "look"},
        "text": {"format": {"type": "json_schema", "name": "out", "schema": {"type": "object"}, "strict": true}},
        "prompt_cache_key": "k", "user": "u", "metadata": {"a": "1", "b": "2"}, "truncation": "auto",
    });
    assert_eq!(body, expected);
    let sent = with_quirks(&Quirks::default(), true, |target| OpenAiResponses.encode(&request, target)).unwrap();
    assert_eq!(sent.uri(), "https://provider.example/v1/responses");
    assert_eq!((sent.method(), &sent.headers()["x-title"]), (&http::Method::POST, &"mine".parse().unwrap()));
}

#[test]
fn a_plain_request_says_no_more_than_it_must() {
    let expected = json!({
        "model": "gpt-5", "input": [{"type": "message", "role": "user", "content": "Hi"}],
        "store": false, "include": ["reasoning.encrypted_content"],
    });
    assert_eq!(encode(&asking(vec![NewMessage::user("Hi")])), expected);
}

#[test]
fn models_that_never_reason_are_not_asked_for_encrypted_reasoning() {
    for (model, asked) in [
        ("gpt-5", true),
        ("o4-mini", true),
        ("grok-4.3", true),
        ("openai/gpt-5.1", true),
        ("gpt-4o", false),
        ("gpt-4.1-nano", false),
        ("openai/gpt-4o", false),
        ("gpt-5-chat-latest", false),
    ] {
        let body = encode(&ChatRequest { model: model.into(), ..asking(vec![NewMessage::user("Hi")]) });
        assert_eq!((body.get("include").is_some(), &body["store"]), (asked, &json!(false)), "{model}");
    }
}

#[test]
fn what_the_dialect_cannot_say_is_refused() {
    let sampling = |sampling| ChatRequest { sampling, ..asking(vec![]) };
    for request in [
        sampling(Sampling { seed: Some(1), ..Sampling::default() }),
        sampling(Sampling { frequency_penalty: Some(0.0), ..Sampling::default() }),
        sampling(Sampling { presence_penalty: Some(0.1), ..Sampling::default() }),
        sampling(Sampling { stop_sequences: vec!["x".into()], ..Sampling::default() }),
        ChatRequest { reasoning_tokens: Some(10), ..asking(vec![]) },
    ] {
        let error = encode_with(&Quirks::default(), false, &request).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "unsupported"), "{error}");
    }
    for request in [
        sampling(Sampling { temperature: Some(f64::NAN), ..Sampling::default() }),
        ChatRequest { tool_choice: Some(ToolChoice::Required), ..asking(vec![]) },
        asking(vec![NewMessage::new(Role::User, [call("c", json!({}))])]),
    ] {
        let error = encode_with(&Quirks::default(), false, &request).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_request"), "{error}");
    }
}

#[test]
fn effort_and_choice_have_their_words() {
    for (effort, word) in [
        (ReasoningEffort::Off, "none"),
        (ReasoningEffort::Minimal, "minimal"),
        (ReasoningEffort::Medium, "medium"),
        (ReasoningEffort::High, "high"),
    ] {
        let request = ChatRequest { reasoning_effort: Some(effort), ..asking(vec![]) };
        assert_eq!(encode(&request)["reasoning"], json!({"effort": word}));
    }
    for (choice, word) in [(ToolChoice::Auto, "auto"), (ToolChoice::Never, "none"), (ToolChoice::Required, "required")]
    {
        let tools = vec![ToolSpec { strict: true, ..ToolSpec::new("look", "", json!({})) }];
        let body = encode(&ChatRequest { tools, tool_choice: Some(choice), ..asking(vec![]) });
        assert_eq!((&body["tool_choice"], &body["tools"][0]["strict"]), (&json!(word), &json!(true)));
    }
}

#[test]
fn a_server_without_schemas_is_told_in_words() {
    let quirks = Quirks { json_object_only: true, developer_role: true, ..Quirks::default() };
    let output_schema = Some(OutputSchema { name: "out".into(), schema: json!({"type": "object"}), strict: true });
    let request =
        ChatRequest { system: Some("Be kind.".into()), output_schema, ..asking(vec![NewMessage::system("s")]) };
    let body = encode_with(&quirks, false, &request).unwrap();
    assert_eq!(body["text"], json!({"format": {"type": "json_object"}}));
    let told = body["instructions"].as_str().unwrap();
    assert!(told.starts_with("Be kind.\n\n") && told.ends_with(r#"{"type":"object"}"#), "{told}");
    assert_eq!(body["input"][0]["role"], "developer");
}

#[test]
fn a_conversation_with_reasoning_calls_and_answers_goes_back_in_its_order() {
    let first = reasoning("rs_1");
    let search = json!({"type": "web_search_call", "id": "ws_1", "status": "completed"});
    let got = input(vec![
        NewMessage::system("Be short."),
        NewMessage::user("Look."),
        assistant(vec![
            thought("Hm."),
            opaque("reasoning", true, first.clone()),
            opaque("web_search_call", false, search.clone()),
            Part::text("I "),
            Part::text("look."),
            opaque("phase", true, json!("commentary")),
            call("c1", json!({"a": 1})),
            call("c2", json!("{\"half")),
        ]),
        NewMessage::new(
            Role::Tool,
            [answer("c1", json!({"ok": true})), ToolResult { is_error: true, ..answer("c2", json!("no")) }],
        ),
        assistant(vec![Part::text("Done.")]),
    ]);
    let expected = json!([
        {"type": "message", "role": "system", "content": "Be short."},
        {"type": "message", "role": "user", "content": "Look."},
        first,
        search,
        {"type": "message", "role": "assistant", "content": "I look.", "phase": "commentary"},
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{\"a\":1}"},
        {"type": "function_call", "call_id": "c2", "name": "look", "arguments": "{\"invalid_json\":\"{\\\"half\"}"},
        {"type": "function_call_output", "call_id": "c1", "output": "{\"ok\":true}"},
        {"type": "function_call_output", "call_id": "c2", "output": "Error: no"},
        {"type": "message", "role": "assistant", "content": "Done."},
    ]);
    assert_eq!(got, expected);
}

#[test]
fn kept_items_go_back_byte_for_byte() {
    let item = r#"{"type":"reasoning","z":1,"id":"rs_1","summary":[],"encrypted_content":"gAAA/+==","a":null}"#;
    let reply = decode(&format!(r#"{{"status":"completed","output":[{item},{}]}}"#, message("Hi"))).whole();
    let request = asking(vec![assistant(reply.parts()), NewMessage::user("And?")]);
    let sent = with_quirks(&Quirks::default(), false, |target| OpenAiResponses.encode(&request, target)).unwrap();
    let body = String::from_utf8(sent.body().to_vec()).unwrap();
    assert!(body.contains(&format!("[{item},")), "{body}");
}

#[test]
fn a_picture_goes_back_inside_the_item_that_made_it() {
    let item = json!({"type": "image_generation_call", "id": "ig_1", "result": "iVBORw0KGgoB", "status": "completed"});
    let reply = whole(json!([item, message("There.")])).whole();
    let got = input(vec![assistant(reply.parts()), NewMessage::user("And?")]);
    assert_eq!(got[0], item);
    assert_eq!(got.as_array().unwrap().len(), 3);
    // For anybody else it is a picture.
    let parts = reply.parts().into_iter().filter(|part| !matches!(part, Part::Opaque { .. })).collect();
    let got = input(vec![assistant(parts), NewMessage::user("And?")]);
    assert_eq!((&got[0]["content"], &got[1]["role"]), (&json!("There."), &json!("user")));
    assert_eq!(got[1]["content"][1]["image_url"], "data:image/png;base64,iVBORw0KGgoB");
}

#[test]
fn a_call_of_free_text_goes_back_as_what_it_was() {
    let item =
        json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "look", "input": "*** Patch"});
    let reply = whole(json!([item])).whole();
    let answers = NewMessage::new(Role::Tool, [answer("c1", json!("done"))]);
    let got = input_with(&custom(), vec![assistant(reply.parts()), answers.clone()]);
    let expected = json!([
        {"type": "custom_tool_call", "call_id": "c1", "name": "look", "input": "*** Patch"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": "done"},
    ]);
    assert_eq!(got, expected);
    // Elsewhere the whole conversation would be refused for such an item.
    let got = input(vec![assistant(reply.parts()), answers]);
    let expected = json!([
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": r#"{"input":"*** Patch"}"#},
        {"type": "function_call_output", "call_id": "c1", "output": "done"},
    ]);
    assert_eq!(got, expected);
}

#[test]
fn what_another_provider_or_dialect_left_stays_behind() {
    let foreign =
        Part::Opaque { provider: "other".into(), name: "reasoning".into(), attached: false, data: reasoning("rs") };
    let got = input(vec![assistant(vec![
        foreign,
        opaque("reasoning_details", false, json!([{"type": "reasoning.encrypted"}])),
        opaque("server_tool_use", false, json!({"type": "server_tool_use"})),
        opaque("phase", true, json!(7)),
        thought("Hm."),
        Part::text("Hi"),
    ])]);
    assert_eq!(got, json!([{"type": "message", "role": "assistant", "content": "Hi"}]));
}

#[test]
fn reasoning_that_nothing_followed_or_that_is_only_an_id_stays_behind() {
    let interrupted = assistant(vec![thought("Hm."), opaque("reasoning", true, reasoning("rs_1"))]);
    let got = input(vec![NewMessage::user("a"), interrupted.clone(), NewMessage::user("b")]);
    assert_eq!(got.as_array().unwrap().len(), 2);
    assert_eq!(input(vec![interrupted.clone()]), json!([]));
    // What it led to may stand in the next message.
    let got = input(vec![interrupted, assistant(vec![Part::text("So.")])]);
    assert_eq!(got[0], reasoning("rs_1"));
    let bare = json!({"type": "reasoning", "id": "rs_2", "summary": [{"text": "Hm."}]});
    let got = input(vec![assistant(vec![opaque("reasoning", true, bare), Part::text("So.")])]);
    assert_eq!(got.as_array().unwrap().len(), 1);
}

#[test]
fn pictures_sounds_and_files_are_pieces_of_a_message() {
    let named = |source| Media { source, mime_type: None, name: Some("a.txt".into()), size_bytes: None };
    let known = || MediaSource::ProviderFile { provider: PROVIDER.into(), id: "file_1".into() };
    let png = b"\x89PNG\r\n\x1a\n".to_vec();
    let got = input(vec![NewMessage::new(
        Role::User,
        vec![
            Part::text("See"),
            Part::image(named(MediaSource::Data { data: png })),
            Part::image(Media::url("https://x.example/a.png")),
            Part::image(named(known())),
            Part::audio(Media::data(b"RIFF".to_vec(), "audio/wav")),
            Part::file(Media::data(b"%PDF-".to_vec(), "application/pdf")),
            Part::file(named(MediaSource::Data { data: b"x".to_vec() })),
            Part::file(Media::url("https://x.example/a.pdf")),
            Part::file(Media::url("data:application/pdf;base64,AA==")),
            Part::file(named(known())),
        ],
    )]);
    let expected = json!([
        {"type": "input_text", "text": "See"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"},
        {"type": "input_image", "image_url": "https://x.example/a.png", "detail": "auto"},
        {"type": "input_image", "file_id": "file_1", "detail": "auto"},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
        {"type": "input_file", "filename": "a.txt", "file_data": "data:application/octet-stream;base64,eA=="},
        {"type": "input_file", "file_url": "https://x.example/a.pdf"},
        {"type": "input_file", "filename": "document", "file_data": "data:application/pdf;base64,AA=="},
        {"type": "input_file", "file_id": "file_1"},
    ]);
    assert_eq!(got[0]["content"], expected);
}

#[test]
fn an_answer_with_a_picture_is_a_list() {
    let media = vec![
        Media::data(b"\x89PNG\r\n\x1a\n".to_vec(), "image/png"),
        Media::data(b"%PDF-".to_vec(), "application/pdf"),
    ];
    let result = ToolResult { media, is_error: true, ..answer("c1", json!("late")) };
    let got = input(vec![assistant(vec![call("c1", json!({}))]), NewMessage::new(Role::Tool, [result])]);
    let expected = json!([
        {"type": "input_text", "text": "Error: late"},
        {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo=", "detail": "auto"},
        {"type": "input_file", "filename": "document.pdf", "file_data": "data:application/pdf;base64,JVBERi0="},
    ]);
    assert_eq!(got[1]["output"], expected);
}

#[test]
fn media_that_the_dialect_does_not_take_are_refused() {
    let foreign = MediaSource::ProviderFile { provider: "other".into(), id: "f".into() };
    let of = |source| Media { source, mime_type: None, name: None, size_bytes: None };
    for part in [
        Part::image(Media::data(b"????".to_vec(), "")),
        Part::audio(Media::url("https://x.example/a.wav")),
        Part::audio(Media::data(b"OggS".to_vec(), "audio/ogg")),
        Part::file(of(foreign)),
    ] {
        let request = asking(vec![NewMessage::new(Role::User, [part])]);
        let error = encode_with(&Quirks::default(), false, &request).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "unsupported"), "{error}");
    }
    let request = asking(vec![NewMessage::new(Role::User, [Part::image(Media::path("/a.png"))])]);
    let error = encode_with(&Quirks::default(), false, &request).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Internal);
}

#[test]
fn answers_stand_before_the_words_beside_them() {
    let beside = NewMessage::new(Role::User, vec![Part::text("And now?"), answer("c1", json!("ok")).into()]);
    let got = input(vec![assistant(vec![call("c1", json!({}))]), beside]);
    let kinds: Vec<&str> = got.as_array().unwrap().iter().filter_map(|item| item["type"].as_str()).collect();
    assert_eq!(kinds, ["function_call", "function_call_output", "message"]);
}

#[test]
fn tools_of_free_text_and_the_providers_own_have_entries_of_their_own() {
    let grammar = TextFormat::Grammar { syntax: GrammarSyntax::Lark, definition: "start: /a+/".into() };
    let request = ChatRequest {
        tools: vec![
            ToolSpec::free_text("patch", "Applies.", TextFormat::Text),
            ToolSpec::free_text("sql", "Asks.", grammar),
            ToolSpec::of_provider(PROVIDER, json!({"type": "web_search"})),
            ToolSpec::of_provider("anthropic", json!({"type": "web_search_20250305"})),
        ],
        tool_choice: Some(ToolChoice::Tool { name: "sql".into() }),
        ..asking(vec![])
    };
    let body = encode_with(&custom(), false, &request).unwrap();
    let expected = json!([
        {"type": "custom", "name": "patch", "description": "Applies.", "format": {"type": "text"}},
        {"type": "custom", "name": "sql", "description": "Asks.",
            "format": {"type": "grammar", "syntax": "lark", "definition": "start: /a+/"}},
        {"type": "web_search"},
    ]);
    assert_eq!((&body["tools"], &body["tool_choice"]), (&expected, &json!({"type": "custom", "name": "sql"})));

    let elsewhere = encode(&request);
    let function = &elsewhere["tools"][1];
    assert_eq!((&function["type"], &function["strict"]), (&json!("function"), &json!(false)));
    assert_eq!(function["parameters"]["required"], json!(["input"]));
    assert_eq!(elsewhere["tool_choice"], json!({"type": "function", "name": "sql"}));
}

#[test]
fn the_providers_own_tools_are_chosen_by_their_type_and_those_of_others_not_at_all() {
    let server = json!({"type": "mcp", "server_label": "docs", "server_url": "https://x.example"});
    let of = |choice: &str| ChatRequest {
        tools: vec![
            ToolSpec::new("look", "Looks.", json!({"type": "object"})),
            ToolSpec::of_provider(PROVIDER, json!({"type": "web_search"})),
            ToolSpec::of_provider(PROVIDER, server.clone()),
            ToolSpec::of_provider("anthropic", json!({"type": "bash_20250124", "name": "bash"})),
        ],
        tool_choice: Some(ToolChoice::Tool { name: choice.into() }),
        ..asking(vec![])
    };
    for (choice, expected) in [
        ("look", json!({"type": "function", "name": "look"})),
        ("web_search", json!({"type": "web_search"})),
        ("mcp", json!({"type": "mcp", "server_label": "docs"})),
        ("of_my_extra_body", json!({"type": "function", "name": "of_my_extra_body"})),
    ] {
        assert_eq!(encode(&of(choice))["tool_choice"], expected, "{choice}");
    }
    let refused = encode_with(&Quirks::default(), false, &of("bash")).unwrap_err();
    assert_eq!(refused.reason(), "bad_request");
}

#[test]
fn text_that_was_no_json_is_no_call_of_free_text() {
    let got = input_with(&custom(), vec![assistant(vec![call("c1", json!("{\"half")), free_text("c2", "{\"half")])]);
    assert_eq!((&got[0]["type"], &got[1]["type"]), (&json!("function_call"), &json!("custom_tool_call")));
}
