use super::*;

const RESPONSES: &str = "/v1/responses";

fn asking(script: &str, stream: bool) -> Value {
    json!({"model": format!("sim:{script}"), "stream": stream, "input": "Hi"})
}

fn kinds(events: &[Value]) -> Vec<&str> {
    events.iter().filter_map(|event| event["type"].as_str()).collect()
}

#[tokio::test]
async fn a_whole_reply_of_responses_has_items_and_counts() {
    let simulator = Simulator::start().await.unwrap();
    let reply = call(&simulator, RESPONSES, &asking("text=Hello;reasoning=Hm;usage=11/7;cached=4", false)).await.json();
    assert_eq!((&reply["object"], &reply["status"]), (&json!("response"), &json!("completed")));
    assert_eq!(reply["output"][0]["summary"][0]["text"], "Hm");
    assert_eq!(reply["output"][1]["content"][0]["text"], "Hello");
    assert_eq!(reply["usage"]["input_tokens_details"]["cached_tokens"], 4);
    assert_eq!((&reply["usage"]["input_tokens"], &reply["usage"]["output_tokens"]), (&json!(11), &json!(7)));
}

#[tokio::test]
async fn a_streamed_call_of_responses_is_announced_written_and_done() {
    let simulator = Simulator::start().await.unwrap();
    let events = call(&simulator, RESPONSES, &asking("tool=weather:{\"city\":\"Oslo\"}", true)).await.events();
    let kinds = kinds(&events);
    assert_eq!(kinds[..3], ["response.created", "response.in_progress", "response.output_item.added"]);
    assert_eq!(kinds[kinds.len() - 2..], ["response.output_item.done", "response.completed"]);
    let written: String = events
        .iter()
        .filter(|event| event["type"] == "response.function_call_arguments.delta")
        .filter_map(|event| event["delta"].as_str())
        .collect();
    assert_eq!(written, "{\"city\":\"Oslo\"}");
    let item = &events.last().unwrap()["response"]["output"][0];
    assert_eq!((&item["name"], &item["arguments"]), (&json!("weather"), &json!(written)));
    assert!(item["call_id"] != item["id"], "the two ids are different things: {item}");
}

#[tokio::test]
async fn chat_and_responses_answer_the_same_script_each_in_its_own_words() {
    let simulator = Simulator::start().await.unwrap();
    for _ in 0..2 {
        let chat = whole(&simulator, OPENAI, "text=Hello").await.json();
        let responses = call(&simulator, RESPONSES, &asking("text=Hello", false)).await.json();
        assert_eq!((&chat["object"], &responses["object"]), (&json!("chat.completion"), &json!("response")));
    }
}

#[tokio::test]
async fn responses_say_why_they_ended_and_what_the_tool_answered() {
    let simulator = Simulator::start().await.unwrap();
    let events = call(&simulator, RESPONSES, &asking("text=Hel;finish=length", true)).await.events();
    let last = events.last().unwrap();
    assert_eq!(last["type"], "response.incomplete");
    assert_eq!(last["response"]["incomplete_details"]["reason"], "max_output_tokens");
    let input = json!([
        {"type": "message", "role": "system", "content": "Be kind."},
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Weather?"}]},
        {"type": "reasoning", "id": "rs_1", "summary": []},
        {"type": "function_call", "call_id": "c1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "sunny"},
    ]);
    let reply = call(&simulator, RESPONSES, &json!({"model": "echo", "input": input})).await.json();
    let expected = "The tool answered: sunny. I have seen 3 messages in this conversation.";
    assert_eq!(reply["output"][0]["content"][0]["text"], expected);
}
