//! The short way for events of words: what it takes it reads as the general shape does, and it leaves the rest alone.

use proptest::prelude::*;

use super::super::words::Words;
use super::*;

/// What a reply makes of one event; nothing where it cannot be read so.
type Made = Option<(Vec<StreamEvent>, Closing)>;

/// What a reply makes of one event, by the short way and by the general one.
fn both(payload: &str) -> (Made, Made) {
    with_quirks(&Quirks::default(), true, |target| {
        let short = serde_json::from_str::<Words<'_>>(payload).ok().map(|words| {
            let (mut reply, mut events) = (OpenAiChat.reply(target), Vec::new());
            reply.take_words(words, &mut events).unwrap();
            (events, reply.closing)
        });
        let general = serde_json::from_str::<Chunk<'_>>(payload).ok().and_then(|chunk| {
            let (mut reply, mut events) = (OpenAiChat.reply(target), Vec::new());
            reply.take(chunk, payload, &mut events).ok()?;
            Some((events, reply.closing))
        });
        (short, general)
    })
}

#[test]
fn events_of_words_go_the_short_way_whatever_the_order_of_their_fields() {
    for payload in [
        r#"{"id":"r","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,"delta":{"content":"Hi"},"logprobs":null,"finish_reason":null}],"usage":null}"#,
        r#"{"choices":[{"finish_reason":null,"delta":{"content":"a \"b\"\n","role":"assistant"}}],"model":"m","id":"r"}"#,
        r#"{"x":[{"deep":[1,{}]}],"choices":[{"delta":{"content":null,"reasoning_content":"hm"},"content_filter_results":{},"index":0}],"error":null}"#,
        r#"{"choices":[{"delta":{"reasoning":"a","reasoning_content":"b","content":"c","tool_calls":null}}]}"#,
        r#"{"choices":[{"delta":{}}]}"#,
        r#"{"choices":[{"index":0,"delta":{},"logprobs":null,"finish_reason":"stop"}],"usage":null}"#,
        r#"{"choices":[{"finish_reason":"length"}],"id":"r"}"#,
        r#"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":8,"completion_tokens_details":{"reasoning_tokens":1}}}"#,
        r#"{"usage":{"prompt_tokens":1,"cost":0.5},"choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}"#,
    ] {
        let (short, general) = both(payload);
        assert!(short.is_some(), "{payload}");
        assert_eq!(short, general, "{payload}");
    }
}

#[test]
fn what_is_more_than_words_is_left_to_the_general_shape() {
    for payload in [
        r#"{"choices":[{"delta":{"content":"a"}}],"x_groq":{"usage":{"prompt_tokens":1}}}"#,
        r#"{"choices":null,"usage":{"prompt_tokens":1}}"#,
        r#"{"choices":[{"index":1,"delta":{"content":"other"}}]}"#,
        r#"{"choices":[{"index":0,"delta":{"content":"a"}},{"index":1,"delta":{"content":"b"}}]}"#,
        r#"{"choices":[{"delta":{"content":[{"type":"text","text":"a"}]}}]}"#,
        r#"{"choices":[{"delta":{"content":"a","refusal":"no"}}]}"#,
        r#"{"choices":[{"delta":{"tool_calls":[]}}]}"#,
        r#"{"choices":[{"message":{"content":"a"}}]}"#,
        r#"{"choices":[{"delta":{"content":"a"},"error":{"code":1}}]}"#,
        r#"{"choices":[{"delta":{"content":"a"}}],"error":{"message":"no"}}"#,
        r#"{"choices":[{"delta":{"content":"a","content":"b"}}]}"#,
        r#"{"type":"ping","choices":[{"delta":{"content":"a"}}]}"#,
        r#"{"choices":[{"delta":{"content":"a\ud83d"}}]}"#,
        r#"{"object":"error","message":"no"}"#,
        r#"{"error":null}"#,
        r#"{"choices":{"delta":{}}}"#,
        r#"[{"choices":[{"delta":{"content":"a"}}]}]"#,
        r#"{"choices":[{"delta":{"content":"a"}}]"#,
    ] {
        assert!(serde_json::from_str::<Words<'_>>(payload).is_err(), "{payload}");
    }
}

#[test]
fn a_stream_of_something_else_is_read_to_its_end_and_so_are_the_words_behind_it() {
    let call = |arguments: &str| json!({"tool_calls": [{"index": 0, "id": "c", "function": {"name": "f", "arguments": arguments}}]});
    let mut pieces = vec![json!({"content": "before "})];
    pieces.extend((0..20).map(|_| call("1")));
    pieces.extend([json!({"content": "after"}), json!({"content": "wards"})]);
    let read = deltas(&pieces, "tool_calls");
    let said: String = read.reply().text();
    assert_eq!(said, "before afterwards");
    assert_eq!(read.reply().tool_calls()[0].arguments, json!(11_111_111_111_111_111_111_u64));
    assert_eq!(read.counts.json_frames, 24);
}

/// An object of some of these fields in any order, with any of these values.
fn object(names: &'static [&'static str], values: Vec<Value>) -> impl Strategy<Value = Value> {
    let picked = prop::sample::subsequence(names, 0..=names.len()).prop_shuffle();
    let value = prop::sample::select(values);
    (picked, prop::collection::vec(value, names.len()))
        .prop_map(|(names, values)| names.into_iter().map(str::to_owned).zip(values).collect::<serde_json::Map<_, _>>())
        .prop_map(Value::Object)
}

fn values() -> Vec<Value> {
    let few = [json!(null), json!("x"), json!("y\n"), json!(""), json!(0), json!([]), json!({}), json!(true)];
    // What may be there without being more than words, more often.
    few.into_iter().chain([json!(null), json!(null), json!(null), json!("é")]).collect()
}

proptest! {
    #[test]
    fn what_the_short_way_takes_the_general_shape_reads_the_same(
        delta in object(&["content", "reasoning", "reasoning_content", "refusal", "tool_calls", "role", "audio", "images"], values()),
        choice in object(&["index", "finish_reason", "logprobs", "error", "message", "other"], values()),
        top in object(&["id", "model", "object", "type", "usage", "error", "detail", "x_groq", "created"], values()),
        at in 0_usize..10,
    ) {
        let mut choice: Vec<(String, Value)> = choice.as_object().unwrap().clone().into_iter().collect();
        choice.insert(at.min(choice.len()), ("delta".to_owned(), delta));
        let choices = json!([choice.into_iter().collect::<serde_json::Map<_, _>>()]);
        let mut top: Vec<(String, Value)> = top.as_object().unwrap().clone().into_iter().collect();
        top.insert(at.min(top.len()), ("choices".to_owned(), choices));
        let payload = Value::Object(top.into_iter().collect()).to_string();
        let (short, general) = both(&payload);
        if short.is_some() {
            prop_assert_eq!(short, general, "{}", payload);
        }
    }
}
