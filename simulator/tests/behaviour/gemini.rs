use super::*;

const KEYS_OF_A_REPLY: [&str; 4] = ["candidates", "modelVersion", "responseId", "usageMetadata"];

fn path(call: &str) -> String {
    format!("/v1beta/models/m:{call}")
}

fn asking(words: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [{"text": words}]}]})
}

async fn post(simulator: &Simulator, call: &str, script: &str, body: &Value) -> Reply {
    let mut client = Client::connect(simulator).await;
    client.post(&path(call), Some(script), body).await;
    client.reply().await.unwrap()
}

async fn whole(simulator: &Simulator, script: &str) -> Reply {
    post(simulator, "generateContent", script, &asking("Hi")).await
}

async fn events(simulator: &Simulator, script: &str) -> Reply {
    post(simulator, "streamGenerateContent?alt=sse", script, &asking("Hi")).await
}

fn parts(chunk: &Value) -> &Value {
    &chunk["candidates"][0]["content"]["parts"]
}

fn words(chunks: &[Value]) -> String {
    chunks.iter().filter_map(|chunk| parts(chunk)[0]["text"].as_str()).collect()
}

#[tokio::test]
async fn a_whole_reply_has_the_genuine_shape() {
    let simulator = Simulator::start().await.unwrap();
    let reply = whole(&simulator, "text=Hello;reasoning=Hm, well;usage=11/7;cached=4").await;
    assert_eq!(reply.header("content-type"), Some("application/json; charset=UTF-8"));
    assert_eq!(reply.header("x-request-id"), None, "Google gives its calls no number");
    assert!(reply.text().starts_with("{\n"), "it is written for people: {}", reply.text());
    let json = reply.json();
    assert_eq!(json.as_object().unwrap().keys().collect::<Vec<_>>(), KEYS_OF_A_REPLY);
    assert_eq!(*parts(&json), json!([{"text": "Hm, well", "thought": true}, {"text": "Hello"}]));
    let candidate = &json["candidates"][0];
    assert_eq!((&candidate["finishReason"], &candidate["content"]["role"]), (&json!("STOP"), &json!("model")));
    let usage = &json["usageMetadata"];
    assert_eq!((&usage["promptTokenCount"], &usage["cachedContentTokenCount"]), (&json!(11), &json!(4)));
    assert_eq!((&usage["candidatesTokenCount"], &usage["thoughtsTokenCount"]), (&json!(5), &json!(2)));
    assert_eq!((&usage["totalTokenCount"], &json["modelVersion"]), (&json!(18), &json!("m")));
}

#[tokio::test]
async fn events_end_their_lines_with_crlf_and_the_last_says_why_it_stopped() {
    let simulator = Simulator::start().await.unwrap();
    for script in ["text=Well, hello  you;usage=3/2", "text=Well, hello  you;usage=3/2;crlf"] {
        let reply = events(&simulator, script).await;
        assert_eq!((reply.header("content-type"), &reply.end), (Some("text/event-stream"), &End::Clean));
        let text = reply.text();
        assert_eq!(text.matches('\n').count(), text.matches("\r\n").count());
        assert!(!text.contains("\r\r") && text.ends_with("\r\n\r\n"), "{text:?}");
        let chunks = reply.events();
        assert_eq!(words(&chunks), "Well, hello  you");
        let (last, earlier) = chunks.split_last().unwrap();
        assert_eq!((&last["candidates"][0]["finishReason"], &parts(last)[0]["text"]), (&json!("STOP"), &json!("")));
        assert_eq!((&last["usageMetadata"]["totalTokenCount"], earlier.len()), (&json!(5), 3));
        for chunk in earlier {
            assert_eq!(chunk["candidates"][0].get("finishReason"), None);
            assert_eq!(chunk["usageMetadata"]["promptTokenCount"], 3);
            assert_eq!(chunk["usageMetadata"].get("candidatesTokenCount"), None);
            assert_eq!(chunk["responseId"], last["responseId"]);
        }
    }
    assert!(!events(&simulator, "text=a b;usage=none").await.text().contains("usageMetadata"));
}

#[tokio::test]
async fn without_alt_sse_a_stream_is_an_array_that_is_closed_only_when_the_reply_is_whole() {
    let simulator = Simulator::start().await.unwrap();
    let array = |script: &'static str| {
        let simulator = &simulator;
        async move { post(simulator, "streamGenerateContent", script, &asking("Hi")).await }
    };
    let reply = array("text=Well, hello you;heartbeats=1").await;
    assert_eq!(reply.header("content-type"), Some("application/json; charset=UTF-8"));
    assert!(reply.chunks.len() > 3, "it grows");
    assert_eq!(words(reply.json().as_array().unwrap()), "Well, hello you");
    let cut = array("text=Well, hello you;truncate=1").await;
    assert_eq!(cut.end, End::Clean);
    assert!(serde_json::from_slice::<Value>(&cut.body).is_err(), "{}", cut.text());
    let broken = array("text=a b c;error_after=2").await.json();
    assert_eq!((&broken[2]["error"]["status"], broken.as_array().unwrap().len()), (&json!("UNAVAILABLE"), 3));
    assert_eq!(array("error=server").await.json()[0]["error"]["code"], 500);
}

#[tokio::test]
async fn calls_come_whole_without_ids_and_end_with_stop() {
    let simulator = Simulator::start().await.unwrap();
    let script = "tool=weather:{\"city\":\"Łódź\"};tool=clock";
    let json = whole(&simulator, script).await.json();
    let expected = json!([
        {"functionCall": {"name": "weather", "args": {"city": "Łódź"}}},
        {"functionCall": {"name": "clock", "args": {}}},
    ]);
    assert_eq!((parts(&json), &json["candidates"][0]["finishReason"]), (&expected, &json!("STOP")));
    let chunks = events(&simulator, script).await.events();
    assert_eq!((&parts(&chunks[0])[0], &parts(&chunks[1])[0]), (&expected[0], &expected[1]));
}

#[tokio::test]
async fn what_the_conversation_says_is_read_and_answered() {
    let simulator = Simulator::start().await.unwrap();
    let talk = json!({"systemInstruction": {"parts": [{"text": "Be kind."}]}, "contents": [
        {"role": "user", "parts": [{"text": "Hello"}]},
        {"role": "model", "parts": [{"text": "Good day"}]},
        {"parts": [{"text": "What is this?"}, {"inlineData": {"mimeType": "image/png", "data": ""}}]},
    ]});
    let reply = post(&simulator, "generateContent", "", &talk).await.json();
    let expected =
        "You said: \"What is this?\". You sent 1 attachment along. I have seen 3 messages in this conversation.";
    assert_eq!(parts(&reply)[0]["text"], expected);
    let answered = json!({"contents": [
        {"role": "user", "parts": [{"text": "Weather?"}]},
        {"role": "model", "parts": [{"functionCall": {"name": "weather", "args": {}}}]},
        {"role": "user", "parts": [
            {"functionResponse": {"name": "weather", "response": {"result": "sunny"}}},
            {"functionResponse": {"name": "clock", "response": {"hour": 12, "zone": "UTC"}}},
        ]},
    ]});
    let reply = post(&simulator, "generateContent", "tool=weather", &answered).await.json();
    let text = parts(&reply)[0]["text"].as_str().unwrap();
    assert!(text.starts_with("The tool answered: sunny, {\"hour\":12,\"zone\":\"UTC\"}."), "{text}");
    let reply = post(&simulator, "generateContent", "tool=weather;loop", &answered).await.json();
    assert!(parts(&reply)[0]["functionCall"].is_object());
}

#[tokio::test]
async fn each_class_of_error_has_googles_status_word_and_details() {
    let simulator = Simulator::start().await.unwrap();
    for (class, status, word, detail) in [
        ("invalid", 400, "INVALID_ARGUMENT", None),
        ("auth", 400, "INVALID_ARGUMENT", Some(("reason", "API_KEY_INVALID"))),
        ("billing", 403, "PERMISSION_DENIED", Some(("reason", "BILLING_DISABLED"))),
        ("permission", 403, "PERMISSION_DENIED", None),
        ("not_found", 404, "NOT_FOUND", None),
        ("conflict", 409, "ABORTED", None),
        ("too_large", 400, "INVALID_ARGUMENT", None),
        ("context", 400, "INVALID_ARGUMENT", None),
        ("filtered", 400, "INVALID_ARGUMENT", None),
        ("rate_limit", 429, "RESOURCE_EXHAUSTED", Some(("@type", "type.googleapis.com/google.rpc.QuotaFailure"))),
        ("quota", 429, "RESOURCE_EXHAUSTED", Some(("@type", "type.googleapis.com/google.rpc.QuotaFailure"))),
        ("server", 500, "INTERNAL", None),
        ("overloaded", 503, "UNAVAILABLE", None),
        ("timeout", 504, "DEADLINE_EXCEEDED", None),
    ] {
        for reply in
            [whole(&simulator, &format!("error={class}")).await, events(&simulator, &format!("error={class}")).await]
        {
            let error = &reply.json()["error"];
            assert_eq!(
                (reply.status, &error["code"], &error["status"]),
                (status, &json!(status), &json!(word)),
                "{class}"
            );
            assert!(error["message"].is_string(), "{class}");
            let found = detail.map(|(name, _)| error["details"][0][name].as_str().unwrap());
            assert_eq!(found, detail.map(|(_, value)| value), "{class}");
        }
    }
    let error = &whole(&simulator, "error=rate_limit;retry_after=7").await.json()["error"];
    assert_eq!(error["details"][1]["retryDelay"], "7s");
    let reply = whole(&simulator, "status=418;message=Tea").await;
    assert_eq!((reply.status, &reply.json()["error"]["message"]), (418, &json!("Tea")));
}

#[tokio::test]
async fn an_error_within_events_comes_bare_behind_them() {
    let simulator = Simulator::start().await.unwrap();
    let reply = events(&simulator, "text=one two three;error_after=2;error=server").await;
    let text = reply.text();
    let (before, bare) = text.split_once("\r\n\r\n{").unwrap();
    assert_eq!((before.matches("data: ").count(), bare.contains("data:")), (2, false));
    let bare: Value = serde_json::from_str(&format!("{{{bare}")).unwrap();
    assert_eq!(bare["error"]["status"], "INTERNAL");
}

#[tokio::test]
async fn what_is_refused_is_stopped_for_safety_without_content() {
    let simulator = Simulator::start().await.unwrap();
    let json = whole(&simulator, "refusal=I will not").await.json();
    let candidate = &json["candidates"][0];
    assert_eq!((&candidate["finishReason"], &candidate["content"]), (&json!("SAFETY"), &json!({})));
    assert_eq!(candidate["finishMessage"], "I will not");
    assert_eq!(
        whole(&simulator, "text=x;finish=MAX_TOKENS").await.json()["candidates"][0]["finishReason"],
        "MAX_TOKENS"
    );
}

#[tokio::test]
async fn the_model_is_read_from_any_path_and_its_name_may_be_a_script() {
    let simulator = Simulator::start().await.unwrap();
    for (path, model) in [
        ("/v1beta/models/gemini-x:generateContent", "gemini-x"),
        ("/v1/projects/p/locations/l/publishers/google/models/gemini-x:generateContent?key=k", "gemini-x"),
        ("/v1beta/tunedModels/mine:generateContent", "mine"),
        ("/v1beta/models/sim%3Atext=Hello%20you:generateContent", "sim:text=Hello you"),
    ] {
        let json = call(&simulator, path, &asking("Hi")).await.json();
        assert_eq!(json["modelVersion"], model, "{path}");
        assert_eq!(parts(&json)[0]["text"] == "Hello you", model.starts_with("sim:"), "{path}");
    }
    let reply = call(&simulator, "/v1beta/models/gemini-x:countTokens", &asking("Hi")).await;
    assert_eq!(reply.status, 404);
    let reply = call(&simulator, &path("generateContent"), &json!({"messages": []})).await;
    assert_eq!((reply.status, &reply.json()["error"]["status"]), (400, &json!("INVALID_ARGUMENT")));
}
