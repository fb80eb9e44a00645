//! Calls of tools, in all the ways in which they come.

use super::*;
use crate::base::ErrorKind;
use crate::model::{FinishReason, ToolCall};
use crate::wire::openai_chat::reply::{Limits, Reply};

fn call(id: &str, name: &str, arguments: Value) -> ToolCall {
    ToolCall { id: id.to_owned(), name: name.to_owned(), arguments, provider_executed: false, free_text: false }
}

fn piece(index: Value, id: Value, name: Value, arguments: Value) -> Value {
    json!({"index": index, "id": id, "type": "function", "function": {"name": name, "arguments": arguments}})
}

/// The calls out of deltas that each hold these pieces.
fn calls(pieces: &[Vec<Value>]) -> Vec<ToolCall> {
    let pieces: Vec<Value> = pieces.iter().map(|pieces| json!({"tool_calls": pieces})).collect();
    deltas(&pieces, "tool_calls").reply().tool_calls()
}

const NULL: Value = Value::Null;

#[test]
fn arguments_come_in_fragments_and_are_read_once_whole() {
    let read = deltas(
        &[
            json!({"tool_calls": [piece(json!(0), json!("c1"), json!("f"), json!(""))]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": "{\"a\":"}}]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": "\"\\u00"}}]}),
            json!({"tool_calls": [{"index": 0, "function": {"arguments": "e9\"}"}}]}),
        ],
        "tool_calls",
    );
    assert_eq!(read.reply().tool_calls(), [call("c1", "f", json!({"a": "é"}))]);
    let told: Vec<_> = read
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            StreamEventKind::ToolCallDelta { call_id, name, arguments_delta } => {
                Some((call_id.as_str(), name.as_str(), arguments_delta.as_str()))
            }
            _ => None,
        })
        .collect();
    assert_eq!(told, [("c1", "f", ""), ("c1", "f", "{\"a\":"), ("c1", "f", "\"\\u00"), ("c1", "f", "e9\"}")]);
}

#[test]
fn parallel_calls_may_interleave() {
    let calls = calls(&[
        vec![piece(json!(0), json!("a"), json!("f"), json!("")), piece(json!(1), json!("b"), json!("g"), json!(""))],
        vec![piece(json!(1), NULL, NULL, json!("{\"x\":")), piece(json!(0), NULL, NULL, json!("{\"y\":"))],
        vec![piece(json!(0), NULL, NULL, json!("1}")), piece(json!(1), NULL, NULL, json!("2}"))],
    ]);
    assert_eq!(calls, [call("a", "f", json!({"y": 1})), call("b", "g", json!({"x": 2}))]);
}

#[test]
fn whole_calls_in_one_delta_are_kept_apart_with_and_without_an_index() {
    for index in [NULL, json!(0)] {
        let both = vec![
            piece(index.clone(), json!("a"), json!("f"), json!("{\"x\":1}")),
            piece(index.clone(), json!("b"), json!("f"), json!("{\"x\":1}")),
        ];
        let expected = [call("a", "f", json!({"x": 1})), call("b", "f", json!({"x": 1}))];
        assert_eq!(calls(std::slice::from_ref(&both)), expected, "index {index}, one delta");
        assert_eq!(calls(&[vec![both[0].clone()], vec![both[1].clone()]]), expected, "index {index}, two deltas");
    }
}

#[test]
fn calls_without_ids_are_kept_apart_by_name_and_wholeness() {
    for index in [NULL, json!(0)] {
        for id in [NULL, json!("")] {
            let of = |name: &str, arguments: &str| piece(index.clone(), id.clone(), json!(name), json!(arguments));
            let calls =
                calls(&[vec![of("f", "{\"x\":1}"), of("f", "{\"x\":2}")], vec![of("g", "")], vec![of("h", "{}")]]);
            let expected = [
                call("", "f", json!({"x": 1})),
                call("", "f", json!({"x": 2})),
                call("", "g", json!({})),
                call("", "h", json!({})),
            ];
            assert_eq!(calls, expected, "index {index}, id {id}");
        }
    }
}

#[test]
fn fragments_without_an_index_go_on_with_the_last_call_or_the_one_of_their_id() {
    let calls = calls(&[
        vec![piece(NULL, json!("a"), json!("f"), json!("{\"x\""))],
        vec![piece(NULL, NULL, NULL, json!(":1}"))],
        vec![piece(NULL, json!("b"), json!("g"), json!("{\"y\""))],
        vec![piece(NULL, json!("b"), json!("g"), json!(":2}"))],
    ]);
    assert_eq!(calls, [call("a", "f", json!({"x": 1})), call("b", "g", json!({"y": 2}))]);
}

#[test]
fn a_name_that_is_said_again_with_every_fragment_opens_no_new_call() {
    let of = |arguments: &str| vec![piece(json!(0), json!("a"), json!("f"), json!(arguments))];
    assert_eq!(calls(&[of("{\"x\":"), of("1"), of("}")]), [call("a", "f", json!({"x": 1}))]);
}

#[test]
fn the_same_index_with_a_new_id_is_a_new_call() {
    let calls = calls(&[
        vec![piece(json!(0), json!("a"), json!("f"), json!("{\"x\":"))],
        vec![piece(json!(0), json!("b"), json!("g"), json!("{"))],
        vec![piece(json!(0), NULL, NULL, json!("}"))],
    ]);
    assert_eq!(calls, [call("a", "f", json!("{\"x\":")), call("b", "g", json!({}))]);
}

#[test]
fn no_arguments_are_an_empty_object_and_cut_ones_stay_text() {
    for (arguments, read) in [
        (json!(""), json!({})),
        (json!("  "), json!({})),
        (json!(null), json!({})),
        (json!("null"), json!({})),
        (json!("{}"), json!({})),
        (json!({"a": 1}), json!({"a": 1})),
        (json!("{\"a\": \"unter"), json!("{\"a\": \"unter")),
        (json!("[1]"), json!([1])),
        (json!("{\"a\":\"\\ud83d\"}"), json!({"a": "\u{fffd}"})),
    ] {
        let whole =
            message(&json!({"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": arguments}}]}), "length");
        assert_eq!(whole.reply().tool_calls(), [call("c", "f", read)], "{arguments}");
        assert_eq!(whole.closing.finish_reason, Some(FinishReason::Length));
    }
}

#[test]
fn arguments_nested_too_deeply_stay_text() {
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let read =
        message(&json!({"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": deep}}]}), "tool_calls");
    assert_eq!(read.reply().tool_calls()[0].arguments, json!(deep));
}

#[test]
fn a_call_on_the_finishing_chunk_and_a_stop_with_calls_are_calls() {
    let chunk = |finish: &str| {
        let calls = json!([piece(json!(0), json!("a"), json!("f"), json!("{}"))]);
        json!({"choices": [{"index": 0, "delta": {"content": "", "tool_calls": calls}, "finish_reason": finish}]})
    };
    for finish in ["tool_calls", "stop"] {
        let read = stream(&[chunk(finish)]).unwrap();
        assert_eq!(read.closing.finish_reason, Some(FinishReason::ToolCalls));
        assert_eq!(read.closing.finish_reason_raw.as_deref(), Some(finish));
        assert_eq!(read.reply().tool_calls().len(), 1);
    }
}

#[test]
fn the_function_call_of_old_is_a_call() {
    let read = deltas(
        &[
            json!({"function_call": {"name": "f", "arguments": ""}}),
            json!({"function_call": {"arguments": "{\"a\":1}"}}),
        ],
        "function_call",
    );
    assert_eq!(read.reply().tool_calls(), [call("", "f", json!({"a": 1}))]);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::ToolCalls));
}

#[test]
fn tools_of_free_text_have_text_for_arguments() {
    let read = message(
        &json!({"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "sql", "input": "{}"}}]}),
        "tool_calls",
    );
    assert_eq!(read.reply().tool_calls(), [ToolCall { free_text: true, ..call("c", "sql", json!("{}")) }]);
}

#[test]
fn what_a_provider_hangs_on_a_call_is_kept_behind_it() {
    let extra = json!({"google": {"thought_signature": "sig"}});
    let calls = json!([{"id": "", "function": {"name": "f", "arguments": "{}"}, "extra_content": extra}]);
    let parts = message(&json!({"tool_calls": calls, "extra_content": {"m": 1}}), "tool_calls").parts();
    let opaque =
        |attached, data| Part::Opaque { provider: "acme".to_owned(), name: "extra_content".to_owned(), attached, data };
    assert_eq!(
        parts,
        [Part::ToolCall { call: call("", "f", json!({})) }, opaque(true, extra), opaque(false, json!({"m": 1}))]
    );
}

#[test]
fn a_call_is_told_whole_only_when_the_reply_is() {
    let bytes = b"data: {\"choices\":[{\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]}}]}\n\n";
    with_quirks(&Quirks::default(), true, |target| {
        let mut decoder = OpenAiChat.decoder(target);
        let mut events = Vec::new();
        decoder.feed(bytes, &mut events).unwrap();
        assert_eq!(decoder.finish(&mut events).unwrap_err().kind(), ErrorKind::Truncated);
        assert!(events.iter().all(|event| matches!(event.kind, StreamEventKind::ToolCallDelta { .. })));
    });
}

#[test]
fn arguments_text_and_sounds_are_bounded() {
    let limits = Limits { text_bytes: 10, arguments_bytes: 10, media_bytes: 10 };
    let take = |deltas: &[Value]| {
        let mut reply = Reply::new("acme", false, limits);
        let mut events = Vec::new();
        deltas.iter().try_for_each(|delta| {
            let text = json!({"choices": [{"delta": delta}]}).to_string();
            reply.take(serde_json::from_str(&text).unwrap(), &text, &mut events)
        })
    };
    let arguments = |text: &str| json!({"tool_calls": [{"index": 0, "function": {"arguments": text}}]});
    assert!(take(&[arguments("12345"), arguments("67890")]).is_ok());
    assert!(take(&[json!({"content": "12345"}), json!({"reasoning": "67890"})]).is_ok());
    for deltas in [
        vec![arguments("12345"), arguments("678901")],
        vec![json!({"content": "12345"}), json!({"reasoning": "678901"})],
        vec![json!({"refusal": "12345678901"})],
        vec![json!({"audio": {"data": "UklGRgAAAABXQVZF"}})],
        vec![json!({"reasoning_details": [{"text": "long enough"}]})],
    ] {
        let error = take(&deltas).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::OutputInvalid, "too_large"), "{deltas:?}");
    }
    assert_eq!(Limits::default().arguments_bytes, 1 << 20);
}

#[test]
fn arguments_that_were_cut_stay_text_though_the_finish_says_tool_calls() {
    let half = json!("{\"city\": \"C");
    let read = deltas(&[json!({"tool_calls": [piece(json!(0), json!("a"), json!("f"), half.clone())]})], "tool_calls");
    assert_eq!(read.reply().tool_calls(), [call("a", "f", half)]);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::ToolCalls));
}

#[test]
fn free_text_comes_in_fragments_and_may_be_empty_or_cut() {
    let custom = |name: &str, input: &str| json!({"tool_calls": [{"index": 0, "id": if name.is_empty() { "" } else { "c" }, "type": "custom", "custom": {"name": name, "input": input}}]});
    for (pieces, text, finish) in [
        (vec![custom("sql", ""), custom("", "SELECT "), custom("", "\"1\"")], "SELECT \"1\"", "tool_calls"),
        (vec![custom("sql", "")], "", "tool_calls"),
        (vec![custom("sql", "{\"a\": ")], "{\"a\": ", "length"),
    ] {
        let read = deltas(&pieces, finish);
        let expected = ToolCall { free_text: true, ..call("c", "sql", json!(text)) };
        assert_eq!(read.reply().tool_calls(), [expected], "{pieces:?}");
    }
}
