use super::*;

const CHAT: &str = "/api/chat";
const GENERATE: &str = "/api/generate";

fn asking(script: &str, stream: Option<bool>) -> Value {
    let mut body = json!({
        "model": format!("sim:{script}"), "prompt": "Hi", "messages": [{"role": "user", "content": "Hi"}],
    });
    if let Some(stream) = stream {
        body["stream"] = stream.into();
    }
    body
}

async fn whole(simulator: &Simulator, path: &str, script: &str) -> Reply {
    call(simulator, path, &asking(script, Some(false))).await
}

/// Streamed, which is what comes when nothing is said about it.
async fn streamed(simulator: &Simulator, path: &str, script: &str) -> Reply {
    call(simulator, path, &asking(script, None)).await
}

fn lines(reply: &Reply) -> Vec<Value> {
    reply.text().lines().filter(|line| !line.is_empty()).map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn a_whole_reply_of_each_call_has_the_genuine_shape() {
    let simulator = Simulator::start().await.unwrap();
    let script = "text=Hello;reasoning=Hm;usage=11/7";
    let reply = whole(&simulator, CHAT, script).await;
    assert_eq!(reply.header("content-type"), Some("application/json; charset=utf-8"));
    let chat = reply.json();
    assert_eq!(chat["message"], json!({"role": "assistant", "content": "Hello", "thinking": "Hm"}));
    let generated = whole(&simulator, GENERATE, script).await.json();
    assert_eq!((&generated["response"], &generated["thinking"]), (&json!("Hello"), &json!("Hm")));
    assert!(generated["context"].is_array() && chat.get("context").is_none() && generated.get("message").is_none());
    for json in [chat, generated] {
        assert_eq!((&json["done"], &json["done_reason"]), (&json!(true), &json!("stop")));
        assert_eq!((&json["prompt_eval_count"], &json["eval_count"]), (&json!(11), &json!(7)));
        assert!(json["total_duration"].is_u64() && json["created_at"].is_string(), "{json}");
    }
}

#[tokio::test]
async fn a_stream_is_an_object_a_line_and_only_the_last_is_done() {
    let simulator = Simulator::start().await.unwrap();
    for (path, pointer) in [(CHAT, "/message/content"), (GENERATE, "/response")] {
        let reply = streamed(&simulator, path, "text=Well, hello  you;heartbeats=2;usage=3/2").await;
        assert_eq!((reply.header("content-type"), &reply.end), (Some("application/x-ndjson"), &End::Clean));
        assert!(reply.text().ends_with("}\n"));
        let lines = lines(&reply);
        let said: Vec<&str> = lines.iter().map(|line| line.pointer(pointer).unwrap().as_str().unwrap()).collect();
        assert_eq!(said, ["Well,", " hello", "  you", ""], "{path}");
        let (last, earlier) = lines.split_last().unwrap();
        assert!(earlier.iter().all(|line| line["done"] == false && line.get("eval_count").is_none()), "{earlier:?}");
        assert_eq!((&last["done_reason"], &last["prompt_eval_count"]), (&json!("stop"), &json!(3)));
    }
    let reply = streamed(&simulator, CHAT, "text=a b;usage=none").await;
    assert!(!reply.text().contains("eval_count"));
}

#[tokio::test]
async fn calls_come_whole_one_a_line_with_objects_for_arguments() {
    let simulator = Simulator::start().await.unwrap();
    let script = "tool=weather:{\"city\":\"Łódź\"};tool=clock";
    let first = json!({"function": {"name": "weather", "arguments": {"city": "Łódź"}}});
    let second = json!({"function": {"name": "clock", "arguments": {}}});
    let json = whole(&simulator, CHAT, script).await.json();
    assert_eq!((&json["message"]["tool_calls"], &json["done_reason"]), (&json!([first, second]), &json!("stop")));
    let lines = lines(&streamed(&simulator, CHAT, script).await);
    assert_eq!(
        (&lines[0]["message"]["tool_calls"], &lines[1]["message"]["tool_calls"]),
        (&json!([first]), &json!([second]))
    );
    assert_eq!((lines.len(), &lines[2]["done_reason"]), (3, &json!("stop")));
}

#[tokio::test]
async fn what_the_conversation_says_is_read_and_answered() {
    let simulator = Simulator::start().await.unwrap();
    let talk = json!({"model": "echo", "stream": false, "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Good day"},
        {"role": "user", "content": "What is this?", "images": ["aGk="]},
    ]});
    let expected =
        "You said: \"What is this?\". You sent 1 attachment along. I have seen 3 messages in this conversation.";
    assert_eq!(call(&simulator, CHAT, &talk).await.json()["message"]["content"], expected);
    let prompt = json!({"model": "echo", "stream": false, "prompt": "Hello"});
    let expected = "You said: \"Hello\". I have seen 1 message in this conversation.";
    assert_eq!(call(&simulator, GENERATE, &prompt).await.json()["response"], expected);
    let answered = json!({"model": "sim:tool=weather", "stream": false, "messages": [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "weather", "arguments": {}}}]},
        {"role": "tool", "tool_name": "weather", "content": "sunny"},
        {"role": "tool", "tool_name": "clock", "content": "noon"},
    ]});
    let reply = call(&simulator, CHAT, &answered).await.json();
    assert!(reply["message"]["content"].as_str().unwrap().starts_with("The tool answered: sunny, noon."), "{reply}");
}

#[tokio::test]
async fn an_error_is_a_sentence_with_a_status_or_a_line_without_one() {
    let simulator = Simulator::start().await.unwrap();
    for (class, status) in [
        ("invalid", 400),
        ("auth", 401),
        ("billing", 402),
        ("permission", 403),
        ("not_found", 404),
        ("conflict", 409),
        ("too_large", 413),
        ("context", 400),
        ("filtered", 400),
        ("rate_limit", 429),
        ("quota", 429),
        ("server", 500),
        ("overloaded", 503),
        ("timeout", 504),
    ] {
        for reply in [
            whole(&simulator, CHAT, &format!("error={class}")).await,
            streamed(&simulator, GENERATE, &format!("error={class}")).await,
        ] {
            let json = reply.json();
            assert_eq!((reply.status, json["error"].is_string()), (status, true), "{class}: {json}");
            assert_eq!(json.as_object().unwrap().len(), 1, "{class}: {json}");
        }
    }
    let reply = streamed(&simulator, CHAT, "text=one two three;error_after=2;message=it died").await;
    let lines = lines(&reply);
    assert_eq!((reply.status, lines.len(), &lines[2]), (200, 3, &json!({"error": "it died"})));
    let reply = call(&simulator, CHAT, &json!({"messages": []})).await;
    assert_eq!((reply.status, reply.json()), (400, json!({"error": "model is required"})));
}

#[tokio::test]
async fn faults_break_lines_as_they_break_events() {
    let simulator = Simulator::start().await.unwrap();
    let truncated = streamed(&simulator, CHAT, "text=one two three;truncate=2").await;
    assert_eq!((truncated.end == End::Clean, lines(&truncated).len()), (true, 2));
    assert_eq!(streamed(&simulator, CHAT, "text=one two three;cut=1").await.end, End::Cut);
    let garbled = streamed(&simulator, CHAT, "text=one two three;garbage=json").await.text();
    let broken = garbled.lines().filter(|line| !line.is_empty());
    assert_eq!(broken.filter(|line| serde_json::from_str::<Value>(line).is_err()).count(), 1, "{garbled}");
    assert!(streamed(&simulator, CHAT, "text=a b;crlf").await.text().contains("}\r\n{"));
    assert_eq!(whole(&simulator, CHAT, "text=x;finish=length").await.json()["done_reason"], "length");
}
