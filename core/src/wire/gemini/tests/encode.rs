use std::collections::HashMap;

use serde_json::json;

use super::*;
use crate::model::{
    ChatRequest, Media, MediaSource, NewMessage, OutputSchema, ReasoningEffort, Result, Role, Sampling, TextFormat,
    ToolChoice, ToolResult, ToolSpec,
};

const VERTEX: &str = "https://europe-west4-aiplatform.googleapis.com/v1/projects/p/locations/l/publishers/google";

fn request(messages: Vec<NewMessage>) -> ChatRequest {
    ChatRequest { model: "gemini-2.5-flash".into(), messages, ..ChatRequest::default() }
}

fn hello() -> ChatRequest {
    request(vec![NewMessage::user("Hello")])
}

fn send(request: &ChatRequest) -> Result<http::Request<bytes::Bytes>> {
    with_target(GEMINI_API, false, |target| Gemini.encode(request, target))
}

fn body(request: &ChatRequest) -> Json {
    serde_json::from_slice(send(request).unwrap().body()).unwrap()
}

fn contents(messages: Vec<NewMessage>) -> Json {
    body(&request(messages))["contents"].clone()
}

fn refused(request: &ChatRequest) -> String {
    let error = send(request).unwrap_err();
    assert_eq!(error.kind(), crate::base::ErrorKind::Invalid);
    error.reason().to_owned()
}

fn assistant(parts: Vec<Part>) -> NewMessage {
    NewMessage::new(Role::Assistant, parts)
}

fn result(id: &str, output: Json) -> Part {
    Part::tool_result(ToolResult { call_id: id.into(), output, is_error: false, media: Vec::new() })
}

#[test]
fn the_model_and_the_way_of_answering_stand_in_the_url() {
    let url = |base: &'static str, model: &str, stream: bool| {
        let request = ChatRequest { model: model.into(), ..hello() };
        with_target(base, stream, |target| Gemini.encode(&request, target)).unwrap().uri().to_string()
    };
    assert_eq!(url(GEMINI_API, "gemini-3-pro", false), format!("{GEMINI_API}/models/gemini-3-pro:generateContent"));
    assert_eq!(
        url(VERTEX, "gemini-3-pro", true),
        format!("{VERTEX}/models/gemini-3-pro:streamGenerateContent?alt=sse")
    );
    assert_eq!(
        url(GEMINI_API, "tunedModels/mine-1", false),
        format!("{GEMINI_API}/tunedModels/mine-1:generateContent")
    );
    for model in ["", "a b", "a:b", "a?key=x", "../secrets", "a/../b", "a//b", "a%2e", "ä", "/a"] {
        assert_eq!(refused(&ChatRequest { model: model.into(), ..hello() }), "unknown_model", "{model:?}");
    }
}

#[test]
fn a_plain_request_says_nothing_that_was_not_asked_for() {
    let sent = send(&hello()).unwrap();
    assert_eq!(sent.headers()["content-type"], "application/json");
    assert!(!sent.headers().contains_key("x-goog-api-key"), "keys are put on by the call floor");
    assert_eq!(body(&hello()), json!({"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]}));
}

#[test]
fn instructions_stand_apart_wherever_they_were_given() {
    let mut request = request(vec![NewMessage::user("a"), NewMessage::system("Be brief."), NewMessage::user("b")]);
    request.system = Some("Be kind.".into());
    let body = body(&request);
    assert_eq!(body["systemInstruction"], json!({"parts": [{"text": "Be kind."}, {"text": "Be brief."}]}));
    assert_eq!(body["contents"], json!([{"role": "user", "parts": [{"text": "a"}, {"text": "b"}]}]));
}

#[test]
fn sampling_and_the_shape_of_the_answer_go_by_the_names_of_the_api() {
    let schema =
        json!({"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "additionalProperties": false});
    let request = ChatRequest {
        sampling: Sampling {
            temperature: Some(0.5),
            top_p: Some(0.25),
            seed: Some(-7),
            stop_sequences: vec!["END".into()],
            max_tokens: Some(100),
            frequency_penalty: Some(1.0),
            presence_penalty: Some(-1.0),
        },
        output_schema: Some(OutputSchema { name: "a".into(), schema: schema.clone(), strict: true }),
        reasoning_effort: Some(ReasoningEffort::Low),
        ..hello()
    };
    assert_eq!(
        body(&request)["generationConfig"],
        json!({
            "temperature": 0.5, "topP": 0.25, "seed": -7, "stopSequences": ["END"], "maxOutputTokens": 100,
            "presencePenalty": -1.0, "frequencyPenalty": 1.0,
            "responseMimeType": "application/json", "responseJsonSchema": schema,
            "thinkingConfig": {"includeThoughts": true, "thinkingBudget": 2048},
        })
    );
    let newer = ChatRequest { model: "gemini-3.8-flash".into(), ..request };
    assert_eq!(
        body(&newer)["generationConfig"]["thinkingConfig"],
        json!({"includeThoughts": true, "thinkingLevel": "LOW"})
    );
}

#[test]
fn tools_are_declared_with_their_schemas_and_chosen_by_mode() {
    let schema = json!({"type": "object", "properties": {"q": {"type": "string"}}, "$defs": {}});
    let mut request = ChatRequest {
        tools: vec![
            ToolSpec::new("look", "Looks.", schema.clone()),
            ToolSpec::new("now", "", Json::Null),
            ToolSpec::new("bare", "", json!({"properties": {}})),
        ],
        ..hello()
    };
    assert_eq!(
        body(&request)["tools"],
        json!([{"functionDeclarations": [
            {"name": "look", "description": "Looks.", "parametersJsonSchema": schema},
            {"name": "now"},
            {"name": "bare", "parametersJsonSchema": {"type": "object", "properties": {}}},
        ]}])
    );
    assert_eq!(body(&request)["toolConfig"], Json::Null);
    for (choice, config) in [
        (ToolChoice::Auto, json!({"mode": "AUTO"})),
        (ToolChoice::Never, json!({"mode": "NONE"})),
        (ToolChoice::Required, json!({"mode": "ANY"})),
        (ToolChoice::Tool { name: "now".into() }, json!({"mode": "ANY", "allowedFunctionNames": ["now"]})),
    ] {
        request.tool_choice = Some(choice);
        assert_eq!(body(&request)["toolConfig"], json!({"functionCallingConfig": config}));
    }
    request.tool_choice = None;
    request.tools[0].strict = true;
    assert_eq!(body(&request)["toolConfig"]["functionCallingConfig"]["mode"], "VALIDATED");
}

#[test]
fn calls_and_answers_are_tied_by_name_id_and_order() {
    let messages = vec![
        NewMessage::user("Look twice."),
        assistant(vec![call("c1", "look", json!({"a": 1})), call("c2", "hear", Json::Null)]),
        NewMessage::new(Role::Tool, [result("c2", json!({"b": 2}))]),
        NewMessage::new(Role::User, [Part::text("Well?"), result("c1", "seen".into())]),
    ];
    assert_eq!(
        contents(messages),
        json!([
            {"role": "user", "parts": [{"text": "Look twice."}]},
            {"role": "model", "parts": [
                {"functionCall": {"id": "c1", "name": "look", "args": {"a": 1}}},
                {"functionCall": {"id": "c2", "name": "hear", "args": {}}},
            ]},
            {"role": "user", "parts": [
                {"functionResponse": {"id": "c1", "name": "look", "response": {"output": "seen"}}},
                {"functionResponse": {"id": "c2", "name": "hear", "response": {"output": {"b": 2}}}},
                {"text": "Well?"},
            ]},
        ])
    );
}

#[test]
fn a_tool_that_failed_says_so_and_an_answer_to_no_call_is_refused() {
    let failed = ToolResult { call_id: "c1".into(), output: "no network".into(), is_error: true, media: Vec::new() };
    let asked = assistant(vec![call("c1", "look", json!("{\"cut of"))]);
    let sent = contents(vec![asked, NewMessage::new(Role::Tool, [Part::tool_result(failed)])]);
    assert_eq!(sent[0]["parts"][0]["functionCall"]["args"], json!({"malformed_arguments": "{\"cut of"}));
    assert_eq!(sent[1]["parts"][0]["functionResponse"]["response"], json!({"error": "no network"}));
    let orphan = NewMessage::new(Role::Tool, [result("c9", "x".into())]);
    assert_eq!(refused(&request(vec![NewMessage::user("a"), orphan])), "unsupported");
}

#[test]
fn signatures_go_back_byte_for_byte_on_the_part_they_came_with() {
    let stream = reply(&[
        r#"{"text": "Hm","thought": true,"thoughtSignature": "dA+/="}"#,
        r#"{"text": "unsigned","thought": true}"#,
        r#"{"text": "A"},{"text": "B","thoughtSignature": "Yg=="}"#,
        r#"{"executableCode": {"language": "PYTHON","code": "1"},"thoughtSignature": "eA=="}"#,
        r#"{"functionCall": {"id": "u9","name": "look","args": {}},"thoughtSignature": "Yw=="}"#,
        r#"{"text": "","thoughtSignature": "ZW5k"}"#,
    ]);
    let said = assistant(read(stream).whole().parts());
    assert_eq!(
        contents(vec![NewMessage::user("a"), said])[1]["parts"],
        json!([
            {"text": "Hm", "thought": true, "thoughtSignature": "dA+/="},
            {"text": "A"},
            {"text": "B", "thoughtSignature": "Yg=="},
            {"executableCode": {"language": "PYTHON", "code": "1"}, "thoughtSignature": "eA=="},
            {"functionCall": {"id": "u9", "name": "look", "args": {}}, "thoughtSignature": "Yw=="},
            {"text": "", "thoughtSignature": "ZW5k"},
        ])
    );
}

#[test]
fn what_belongs_to_another_provider_or_dialect_stays_behind() {
    let of = |provider: &str, name: &str, attached, data: Json| Part::Opaque {
        provider: provider.into(),
        name: name.into(),
        attached,
        data,
    };
    let said = assistant(vec![
        Part::Reasoning { text: "theirs".into() },
        of("anthropic", "signature", true, "sig".into()),
        of("anthropic", "redacted_thinking", false, json!({"type": "redacted_thinking"})),
        Part::text("Yes"),
        of("other", "thought_signature", true, "sig".into()),
        of("google", "extra_content", true, json!({"google": {"thought_signature": "x"}})),
        of("google", "extra_content", false, json!({"google": {}})),
        of("google", "groundingMetadata", true, json!({"webSearchQueries": []})),
        Part::ToolCall {
            call: ToolCall {
                id: "s1".into(),
                name: "web".into(),
                arguments: json!({}),
                provider_executed: true,
                free_text: false,
            },
        },
    ]);
    let answer = NewMessage::new(Role::Tool, [result("s1", "found".into())]);
    assert_eq!(
        contents(vec![NewMessage::user("a"), said, answer, NewMessage::user("b")]),
        json!([
            {"role": "user", "parts": [{"text": "a"}]},
            {"role": "model", "parts": [{"text": "Yes"}]},
            {"role": "user", "parts": [{"text": "b"}]},
        ])
    );
}

#[test]
fn unsigned_calls_since_the_last_question_are_excused_where_the_model_checks_them() {
    let step = |a: &str, b: &str| assistant(vec![call(a, "look", json!({})), call(b, "look", json!({}))]);
    let answers = |a: &str, b: &str| NewMessage::new(Role::Tool, [result(a, "x".into()), result(b, "x".into())]);
    let signed = assistant(vec![call("5", "look", json!({})), signature("real")]);
    let messages = vec![
        NewMessage::user("first"),
        step("1", "2"),
        answers("1", "2"),
        NewMessage::user("second"),
        step("3", "4"),
        answers("3", "4"),
        signed,
        NewMessage::new(Role::Tool, [result("5", "x".into())]),
    ];
    let signatures = |model: &str| -> Vec<Json> {
        let sent = body(&ChatRequest { model: model.into(), ..request(messages.clone()) });
        let parts = sent["contents"].as_array().unwrap().iter().flat_map(|c| c["parts"].as_array().unwrap());
        parts.filter(|p| p.get("functionCall").is_some()).map(|p| p["thoughtSignature"].clone()).collect()
    };
    let (none, excuse, real) = (Json::Null, json!("skip_thought_signature_validator"), json!("real"));
    let newer = [none.clone(), none.clone(), excuse, none.clone(), real.clone()];
    assert_eq!(signatures("gemini-3.8-flash"), newer);
    assert_eq!(signatures("gemini-2.5-flash"), [none.clone(), none.clone(), none.clone(), none, real]);
}

#[test]
fn media_go_as_bytes_or_by_their_address() {
    let png = Media { mime_type: None, ..Media::data(*b"\x89PNG\r\n\x1a\n", "") };
    let handed_over = |id: &str| Media {
        source: MediaSource::ProviderFile { provider: "google".into(), id: id.into() },
        mime_type: Some("application/pdf".into()),
        ..Media::url("")
    };
    let parts = vec![
        Part::image(png),
        Part::image(Media::data(*b"x", "image/jpg")),
        Part::audio(Media::data(*b"x", "audio/wav")),
        Part::image(Media::url("data:image/webp;base64,eA==")),
        Part::image(Media::url("https://x.example/a/b.PNG?c=d.pdf")),
        Part::file(Media::url("gs://bucket/c")),
        Part::file(handed_over("files/abc")),
        Part::file(handed_over("https://y.example/v1beta/files/abc")),
    ];
    assert_eq!(
        contents(vec![NewMessage::new(Role::User, parts)])[0]["parts"],
        json!([
            {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
            {"inlineData": {"mimeType": "image/jpeg", "data": "eA=="}},
            {"inlineData": {"mimeType": "audio/wav", "data": "eA=="}},
            {"inlineData": {"mimeType": "image/webp", "data": "eA=="}},
            {"fileData": {"mimeType": "image/png", "fileUri": "https://x.example/a/b.PNG?c=d.pdf"}},
            {"fileData": {"fileUri": "gs://bucket/c"}},
            {"fileData": {"mimeType": "application/pdf", "fileUri": format!("{GEMINI_API}/files/abc")}},
            {"fileData": {"mimeType": "application/pdf", "fileUri": "https://y.example/v1beta/files/abc"}},
        ])
    );
}

#[test]
fn media_that_nobody_could_read_are_refused() {
    let theirs = MediaSource::ProviderFile { provider: "openai".into(), id: "file-1".into() };
    for media in [
        Media { mime_type: None, ..Media::data(*b"what is this", "") },
        Media::url("http://x.example/a.png"),
        Media::url("data:text/plain,hello"),
        Media::url("data:nothing"),
        Media { source: theirs, ..Media::url("") },
    ] {
        let message = NewMessage::new(Role::User, [Part::image(media.clone())]);
        assert_eq!(refused(&request(vec![message])), "unsupported", "{media:?}");
    }
    let message = NewMessage::new(Role::User, [Part::image(Media::path("a.png"))]);
    assert_eq!(send(&request(vec![message])).unwrap_err().kind(), crate::base::ErrorKind::Internal);
}

#[test]
fn media_of_a_tool_stand_in_its_answer_or_behind_it_with_older_models() {
    let media = vec![Media::data(*b"x", "image/png")];
    let seen = ToolResult { call_id: "c1".into(), output: "seen".into(), is_error: false, media };
    let messages =
        vec![assistant(vec![call("c1", "look", json!({}))]), NewMessage::new(Role::Tool, [Part::tool_result(seen)])];
    let blob = json!({"inlineData": {"mimeType": "image/png", "data": "eA=="}});
    let answer = json!({"id": "c1", "name": "look", "response": {"output": "seen"}});
    assert_eq!(
        contents(messages.clone())[1]["parts"],
        json!([{"functionResponse": answer}, {"text": "Belongs to the answer of the tool look:"}, blob])
    );
    let newer = body(&ChatRequest { model: "gemini-3.8-flash".into(), ..request(messages) });
    let mut with_media = answer;
    with_media["parts"] = json!([blob]);
    assert_eq!(newer["contents"][1]["parts"], json!([{"functionResponse": with_media}]));
}

#[test]
fn fields_of_the_caller_are_laid_over_the_body_and_headers_added() {
    let request = ChatRequest {
        sampling: Sampling { top_p: Some(0.5), ..Sampling::default() },
        extra_body: Some(json!({"generationConfig": {"topK": 40}, "cachedContent": "cachedContents/1"})),
        extra_headers: HashMap::from([("x-team".into(), "a".into())]),
        ..hello()
    };
    assert_eq!(send(&request).unwrap().headers()["x-team"], "a");
    let body = body(&request);
    assert_eq!(body["generationConfig"], json!({"topP": 0.5, "topK": 40}));
    assert_eq!(body["cachedContent"], "cachedContents/1");
    let key = ChatRequest { extra_headers: HashMap::from([("x-goog-api-key".into(), "k".into())]), ..hello() };
    assert_eq!(refused(&key), "bad_header");
}

#[test]
fn labels_go_to_vertex_only() {
    let request = ChatRequest { provider_metadata: HashMap::from([("team".into(), "a".into())]), ..hello() };
    assert_eq!(refused(&request), "unsupported");
    let sent = with_target(VERTEX, false, |target| Gemini.encode(&request, target)).unwrap();
    assert_eq!(serde_json::from_slice::<Json>(sent.body()).unwrap()["labels"], json!({"team": "a"}));
}

#[test]
fn what_the_api_cannot_say_is_refused_and_not_forgotten() {
    let tool = || vec![ToolSpec::new("look", "", Json::Null)];
    let sampling = |sampling| ChatRequest { sampling, ..hello() };
    for (case, request, reason) in [
        ("end user", ChatRequest { end_user: Some("u".into()), ..hello() }, "unsupported"),
        ("one call", ChatRequest { parallel_tools: Some(false), tools: tool(), ..hello() }, "unsupported"),
        ("seed", sampling(Sampling { seed: Some(1 << 40), ..Sampling::default() }), "unsupported"),
        ("no tokens", sampling(Sampling { max_tokens: Some(0), ..Sampling::default() }), "unsupported"),
        ("NaN", sampling(Sampling { temperature: Some(f64::NAN), ..Sampling::default() }), "bad_request"),
        ("no tool", ChatRequest { tool_choice: Some(ToolChoice::Required), ..hello() }, "bad_request"),
        ("schema", ChatRequest { tools: vec![ToolSpec::new("a", "", json!(1))], ..hello() }, "unsupported"),
        ("nothing said", request(vec![NewMessage::user("")]), "empty_message"),
        ("a call of the user", request(vec![NewMessage::new(Role::User, [call("1", "a", json!({}))])]), "unsupported"),
        ("a nameless call", request(vec![assistant(vec![call("1", "", json!({}))])]), "unsupported"),
        (
            "a picture as instruction",
            request(vec![NewMessage::new(Role::System, [Part::image(Media::url("https://x"))])]),
            "unsupported",
        ),
    ] {
        assert_eq!(refused(&request), reason, "{case}");
    }
}

#[test]
fn the_providers_own_tools_beside_functions_are_announced_as_the_api_wants() {
    let look = || ToolSpec::new("look", "", json!({"type": "object", "properties": {}}));
    let search = || ToolSpec::of_provider(PROVIDER, json!({"googleSearch": {}}));
    let with = |tools| body(&ChatRequest { tools, ..request(vec![NewMessage::user("Hi")]) });
    let both = with(vec![look(), search(), ToolSpec::of_provider("openai", json!({"type": "web_search"}))]);
    assert_eq!(both["tools"].as_array().unwrap().len(), 2);
    assert_eq!(both["tools"][1], json!({"googleSearch": {}}));
    let expected = json!({"functionCallingConfig": {"mode": "VALIDATED"}, "includeServerSideToolInvocations": true});
    assert_eq!(both["toolConfig"], expected);
    let alone = with(vec![search()]);
    assert_eq!((&alone["tools"], alone.get("toolConfig")), (&json!([{"googleSearch": {}}]), None));
    let forced = ChatRequest {
        tools: vec![search()],
        tool_choice: Some(ToolChoice::Required),
        ..request(vec![NewMessage::user("Hi")])
    };
    assert_eq!(send(&forced).unwrap_err().reason(), "unsupported");
    for (name, reason) in [("look", None), ("googleSearch", Some("unsupported")), ("web_search", Some("bad_request"))] {
        let named = ChatRequest {
            tools: vec![look(), search(), ToolSpec::of_provider("openai", json!({"type": "web_search"}))],
            tool_choice: Some(ToolChoice::Tool { name: name.into() }),
            ..request(vec![NewMessage::user("Hi")])
        };
        assert_eq!(send(&named).err().map(|error| error.reason().to_owned()).as_deref(), reason, "{name}");
    }
}

#[test]
fn a_tool_of_free_text_is_a_function_of_one_text() {
    let mut called = call("c1", "patch", json!("*** Patch"));
    if let Part::ToolCall { call } = &mut called {
        call.free_text = true;
    }
    let tools = vec![ToolSpec::free_text("patch", "", TextFormat::Text)];
    let messages = vec![NewMessage::user("Hi"), NewMessage::new(Role::Assistant, [called])];
    let body = body(&ChatRequest { tools, ..request(messages) });
    assert_eq!(body["contents"][1]["parts"][0]["functionCall"]["args"], json!({"input": "*** Patch"}));
    let declared = &body["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"];
    assert_eq!(declared["required"], json!(["input"]));
}
