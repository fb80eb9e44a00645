use super::*;

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn texts(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["choices"][0]["delta"]["content"].as_str()).collect()
}

#[tokio::test]
async fn echo_quotes_the_user_and_counts_the_messages_of_the_conversation() {
    let simulator = Simulator::start().await.unwrap();
    let conversation = json!([
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Good day"},
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {}}]},
    ]);
    let expected =
        "You said: \"What is this?\". You sent 1 attachment along. I have seen 3 messages in this conversation.";
    let reply = call(&simulator, OPENAI, &json!({"model": "echo", "messages": conversation})).await.json();
    assert_eq!(reply["choices"][0]["message"]["content"], expected);

    let conversation = json!([
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": [{"type": "text", "text": "Good day"}]},
        {"role": "user", "content": [{"type": "text", "text": "What is this?"}, {"type": "image", "source": {}}]},
    ]);
    let request = json!({"model": "claude", "max_tokens": 9, "system": "Be kind.", "messages": conversation});
    assert_eq!(call(&simulator, ANTHROPIC, &request).await.json()["content"][0]["text"], expected);
    let first = call(&simulator, ANTHROPIC, &body("echo", false, "Hi")).await.json();
    assert_eq!(first["content"][0]["text"], "You said: \"Hi\". I have seen 1 message in this conversation.");
}

#[tokio::test]
async fn a_whole_openai_reply_has_the_genuine_shape() {
    let simulator = Simulator::start().await.unwrap();
    let reply = whole(&simulator, OPENAI, "text=Hello%3B you;reasoning=Hm;usage=11/7;cached=4").await;
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    let json = reply.json();
    assert_eq!(
        keys(&json),
        ["id", "object", "created", "model", "choices", "usage", "service_tier", "system_fingerprint"]
    );
    assert_eq!(json["object"], "chat.completion");
    assert_eq!(json["model"], "sim:text=Hello%3B you;reasoning=Hm;usage=11/7;cached=4");
    let choice = &json["choices"][0];
    assert_eq!((&choice["message"]["content"], &choice["finish_reason"]), (&json!("Hello; you"), &json!("stop")));
    assert_eq!((&choice["message"]["reasoning_content"], &choice["message"]["refusal"]), (&json!("Hm"), &Value::Null));
    let usage = &json["usage"];
    assert_eq!(
        (&usage["prompt_tokens"], &usage["completion_tokens"], &usage["total_tokens"]),
        (&json!(11), &json!(7), &json!(18))
    );
    assert_eq!(usage["prompt_tokens_details"]["cached_tokens"], 4);
    assert_eq!(usage["completion_tokens_details"]["reasoning_tokens"], 1);
}

#[tokio::test]
async fn every_reply_has_ids_of_its_own_that_are_the_same_in_all_its_events() {
    let simulator = Simulator::start().await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..3 {
        for path in [OPENAI, ANTHROPIC] {
            let reply = stream(&simulator, path, "text=Hello you").await;
            let header = reply.header(if path == OPENAI { "x-request-id" } else { "request-id" }).unwrap().to_owned();
            assert!(header.starts_with("req_") && header.len() == 16, "{header}");
            ids.push(header);
            let mut inside: Vec<String> = reply
                .events()
                .iter()
                .filter_map(|event| event["id"].as_str().or_else(|| event["message"]["id"].as_str()))
                .map(str::to_owned)
                .collect();
            inside.dedup();
            assert_eq!(inside.len(), 1, "{inside:?}");
            ids.append(&mut inside);
        }
    }
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), count), (12, 12));
}

#[tokio::test]
async fn an_openai_stream_opens_with_the_role_comes_word_by_word_and_ends_with_finish_and_done() {
    let simulator = Simulator::start().await.unwrap();
    let reply = stream(&simulator, OPENAI, "text=Well, hello  you").await;
    assert_eq!((reply.status, reply.end), (200, End::Clean));
    let reply = stream(&simulator, OPENAI, "text=Well, hello  you").await;
    assert_eq!(reply.header("content-type"), Some("text/event-stream; charset=utf-8"));
    let events = reply.events();
    assert_eq!(events[0]["choices"][0]["delta"], json!({"role": "assistant", "content": "", "refusal": null}));
    assert_eq!(texts(&events), ["", "Well,", " hello", "  you"]);
    let [.., finish, done] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&finish["choices"][0]["finish_reason"], &finish["choices"][0]["delta"]), (&json!("stop"), &json!({})));
    assert_eq!(done, "[DONE]");
    for event in &events[..events.len() - 1] {
        assert_eq!(event["object"], "chat.completion.chunk");
        assert!(event.get("usage").is_none(), "usage was not asked for: {event}");
    }
}

#[tokio::test]
async fn usage_ends_an_openai_stream_only_when_it_is_asked_for() {
    let simulator = Simulator::start().await.unwrap();
    let mut request = body("sim:text=a b;usage=3/2", true, "Hi");
    request["stream_options"] = json!({"include_usage": true});
    let events = call(&simulator, OPENAI, &request).await.events();
    let [earlier @ .., usage, _done] = &events[..] else { panic!("{events:?}") };
    assert!(earlier.iter().all(|event| event["usage"].is_null() && event.get("usage").is_some()), "{earlier:?}");
    assert_eq!((&usage["choices"], &usage["usage"]["total_tokens"]), (&json!([]), &json!(5)));
    request["model"] = json!("sim:text=a b;usage=none");
    let reply = call(&simulator, OPENAI, &request).await;
    assert!(!reply.text().contains("\"usage\""), "{}", reply.text());
}

#[tokio::test]
async fn a_whole_anthropic_reply_has_the_genuine_shape() {
    let simulator = Simulator::start().await.unwrap();
    let json = whole(&simulator, ANTHROPIC, "text=Hello;reasoning=Hm;usage=11/7;cached=4").await.json();
    assert_eq!(keys(&json), ["model", "id", "type", "role", "content", "stop_reason", "stop_sequence", "usage"]);
    assert_eq!(json["content"][0]["type"], "thinking");
    assert_eq!(json["content"][1], json!({"type": "text", "text": "Hello"}));
    assert_eq!((&json["stop_reason"], &json["stop_sequence"]), (&json!("end_turn"), &Value::Null));
    let usage = &json["usage"];
    assert_eq!(
        (&usage["input_tokens"], &usage["cache_read_input_tokens"], &usage["output_tokens"]),
        (&json!(7), &json!(4), &json!(7))
    );
}

#[tokio::test]
async fn an_anthropic_stream_has_the_genuine_sequence_of_events() {
    let simulator = Simulator::start().await.unwrap();
    let reply = stream(&simulator, ANTHROPIC, "text=Hello you;reasoning=Hm;tool=clock;tool=add:{\"a\":1}").await;
    let names: Vec<String> =
        reply.text().lines().filter_map(|line| line.strip_prefix("event: ").map(str::to_owned)).collect();
    let events = reply.events();
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(names, types, "the event's name and its type agree");
    assert_eq!(
        types,
        [
            "message_start",
            "content_block_start",
            "ping",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_stop",
            "content_block_start",
            "content_block_delta",
            "content_block_delta",
            "content_block_delta",
            "content_block_delta",
            "content_block_stop",
            "message_delta",
            "message_stop",
        ]
    );
    let deltas: Vec<&str> = events.iter().filter_map(|event| event["delta"]["type"].as_str()).collect();
    assert_eq!(
        deltas,
        [
            "thinking_delta",
            "signature_delta",
            "text_delta",
            "text_delta",
            "input_json_delta",
            "input_json_delta",
            "input_json_delta",
            "input_json_delta",
            "input_json_delta",
        ]
    );
    assert_eq!(events[0]["message"]["stop_reason"], Value::Null);
    assert_eq!(events[events.len() - 2]["delta"]["stop_reason"], "tool_use");
    let starts: Vec<&Value> = events.iter().filter(|event| event["type"] == "content_block_start").collect();
    assert_eq!(starts.iter().map(|event| event["index"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3]);
    assert_eq!(
        (&starts[3]["content_block"]["name"], &starts[3]["content_block"]["input"]),
        (&json!("add"), &json!({}))
    );
    assert!(starts[3]["content_block"]["id"].as_str().unwrap().starts_with("toolu_"));
}

#[tokio::test]
async fn tool_calls_come_whole_or_in_fragments_that_join_to_the_same() {
    let simulator = Simulator::start().await.unwrap();
    let script = "tool=weather:{\"city\":\"Łódź\",\"days\":[1,2]};tool=clock;fragments=5";
    let arguments = "{\"city\":\"Łódź\",\"days\":[1,2]}";
    let reply = whole(&simulator, OPENAI, script).await.json();
    let choice = &reply["choices"][0];
    assert_eq!((&choice["finish_reason"], &choice["message"]["content"]), (&json!("tool_calls"), &Value::Null));
    let calls = choice["message"]["tool_calls"].as_array().unwrap();
    assert_eq!(
        (&calls[0]["function"]["name"], &calls[0]["function"]["arguments"]),
        (&json!("weather"), &json!(arguments))
    );
    assert_eq!((&calls[1]["function"]["name"], &calls[1]["function"]["arguments"]), (&json!("clock"), &json!("{}")));
    assert_ne!(calls[0]["id"], calls[1]["id"]);

    let events = stream(&simulator, OPENAI, script).await.events();
    let deltas: Vec<&Value> = events
        .iter()
        .map(|event| &event["choices"][0]["delta"]["tool_calls"][0])
        .filter(|call| !call.is_null())
        .collect();
    let joined: String = deltas
        .iter()
        .filter(|call| call["index"] == 0)
        .map(|call| call["function"]["arguments"].as_str().unwrap())
        .collect();
    assert_eq!(joined, arguments);
    assert_eq!(deltas.iter().filter(|call| call["index"] == 0).count(), 6, "one opening and five fragments");
    assert_eq!(deltas.iter().filter(|call| call.get("id").is_some()).count(), 2);

    let content = &whole(&simulator, ANTHROPIC, script).await.json()["content"];
    assert_eq!((&content[0]["type"], &content[0]["input"]["city"]), (&json!("tool_use"), &json!("Łódź")));
    let events = stream(&simulator, ANTHROPIC, script).await.events();
    let joined: String = events
        .iter()
        .filter(|event| event["index"] == 0)
        .filter_map(|event| event["delta"]["partial_json"].as_str())
        .collect();
    assert_eq!(joined, arguments);
}

#[tokio::test]
async fn once_a_tool_has_answered_the_reply_is_text_unless_it_loops() {
    let simulator = Simulator::start().await.unwrap();
    let request = |model: &str| {
        json!({"model": model, "messages": [
            {"role": "user", "content": "Weather?"},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "a", "type": "function", "function": {"name": "weather", "arguments": "{}"}}]},
            {"role": "tool", "tool_call_id": "a", "content": "sunny"},
        ]})
    };
    let answer = call(&simulator, OPENAI, &request("sim:tool=weather")).await.json();
    assert_eq!(
        answer["choices"][0]["message"]["content"],
        "The tool answered: sunny. I have seen 3 messages in this conversation."
    );
    let answer = call(&simulator, OPENAI, &request("sim:tool=weather;text=Take a hat")).await.json();
    assert_eq!(answer["choices"][0]["message"]["content"], "Take a hat");
    let answer = call(&simulator, OPENAI, &request("sim:tool=weather;loop")).await.json();
    assert_eq!(answer["choices"][0]["finish_reason"], "tool_calls");

    let request = json!({"model": "sim:tool=weather", "max_tokens": 9, "messages": [
        {"role": "user", "content": "Weather?"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "weather", "input": {}}]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "sunny"}]}]},
    ]});
    let answer = call(&simulator, ANTHROPIC, &request).await.json();
    assert_eq!(answer["stop_reason"], "end_turn");
    assert!(answer["content"][0]["text"].as_str().unwrap().starts_with("The tool answered: sunny."), "{answer}");
}

#[tokio::test]
async fn refusals_and_finish_words_go_on_the_wire_as_each_dialect_writes_them() {
    let simulator = Simulator::start().await.unwrap();
    let choice = &whole(&simulator, OPENAI, "refusal=I will not").await.json()["choices"][0];
    assert_eq!((&choice["message"]["refusal"], &choice["message"]["content"]), (&json!("I will not"), &Value::Null));
    assert_eq!(whole(&simulator, ANTHROPIC, "refusal=No").await.json()["stop_reason"], "refusal");
    for (path, pointer) in [(OPENAI, "/choices/0/finish_reason"), (ANTHROPIC, "/stop_reason")] {
        let reply = whole(&simulator, path, "text=x;finish=made_up").await.json();
        assert_eq!(reply.pointer(pointer).unwrap(), "made_up");
    }
}

#[tokio::test]
async fn models_are_listed_as_the_caller_s_provider_lists_them() {
    let simulator = Simulator::start().await.unwrap();
    simulator.set_script("gpt-4o", tertulia_simulator::Script::say("Hi"));
    let mut client = Client::connect(&simulator).await;
    client.send("GET /v1/models HTTP/1.1\r\n\r\n").await;
    let json = client.reply().await.unwrap().json();
    assert_eq!(
        (&json["object"], &json["data"][2]["id"], &json["data"][2]["object"]),
        (&json!("list"), &json!("gpt-4o"), &json!("model"))
    );
    client.send("GET /v1/models?limit=5 HTTP/1.1\r\nanthropic-version: 2023-06-01\r\n\r\n").await;
    let json = client.reply().await.unwrap().json();
    assert_eq!(
        (&json["has_more"], &json["data"][0]["type"], &json["last_id"]),
        (&json!(false), &json!("model"), &json!("gpt-4o"))
    );
}
