//! What is odd about streams.

use super::*;
use crate::model::{FinishReason, Progress};

fn text_of(read: &Read) -> String {
    read.reply().text()
}

#[test]
fn streamed_items_count_when_the_closing_output_is_empty() {
    let read = stream(&[
        added(0, json!({"type": "message", "id": "msg_1", "content": []})),
        text_delta(0, 0, "Hel"),
        text_delta(0, 0, "lo"),
        json!({"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "Hello"}),
        done(0, message("Hello")),
        added(1, function_call("c1", "")),
        json!({"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{\"a\""}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 1, "delta": ":1}"}),
        json!({"type": "response.function_call_arguments.done", "output_index": 1, "arguments": "{\"a\":1}"}),
        done(1, function_call("c1", "{\"a\":1}")),
    ]);
    assert_eq!(read.parts(), [Part::text("Hello"), call("c1", json!({"a": 1}))]);
    let deltas: Vec<&str> = read
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            StreamEventKind::Text { delta } => Some(delta.as_str()),
            StreamEventKind::ToolCallDelta { arguments_delta, .. } => Some(arguments_delta.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(deltas, ["Hel", "lo", "", "{\"a\"", ":1}"]);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::ToolCalls));
}

#[test]
fn items_that_are_told_twice_count_once() {
    let items = json!([message("Hello"), function_call("c1", "{}")]);
    let events = [created(), text_delta(0, 0, "Hello"), done(0, message("Hello")), done(1, function_call("c1", "{}"))];
    let twice = [&events[..], &events[1..], &[completed(&items)]].concat();
    assert_eq!(read(sse(&twice)).whole().parts(), [Part::text("Hello"), call("c1", json!({}))]);
}

#[test]
fn items_that_only_the_closing_output_holds_are_told_then() {
    let items = json!([message("Hello"), function_call("c1", "{}")]);
    let read = read(sse(&[created(), completed(&items)])).whole();
    assert_eq!(read.parts(), [Part::text("Hello"), call("c1", json!({}))]);
}

#[test]
fn an_item_that_the_closing_output_lists_at_another_place_counts_once() {
    let search = json!({"type": "web_search_call", "id": "ws_1"});
    let events = [
        created(),
        done(0, search),
        text_delta(1, 0, "Hi"),
        done(1, message("Hi")),
        completed(&json!([message("Hi")])),
    ];
    assert_eq!(text_of(&read(sse(&events)).whole()), "Hi");
    let late = [created(), done(3, message("Hi")), completed(&json!([message("Hi")]))];
    assert_eq!(text_of(&read(sse(&late)).whole()), "Hi");
}

#[test]
fn what_was_streamed_counts_when_the_closing_text_differs() {
    let read = stream(&[
        text_delta(0, 0, "streamed"),
        json!({"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "closing"}),
        done(0, message("closing, too")),
    ]);
    assert_eq!(text_of(&read), "streamed");
}

#[test]
fn a_text_without_deltas_is_told_when_it_is_done() {
    let read = stream(&[
        json!({"type": "response.output_text.done", "output_index": 0, "content_index": 0, "text": "at once"}),
        done(0, message("at once")),
    ]);
    assert_eq!(text_of(&read), "at once");
}

#[test]
fn interleaved_items_stand_in_the_order_of_their_index() {
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "E"});
    let read = stream(&[
        text_delta(2, 0, "c"),
        added(1, function_call("c1", "")),
        text_delta(2, 1, "d"),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 1, "delta": "b"}),
        json!({"type": "response.function_call_arguments.delta", "output_index": 1, "delta": "{}"}),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "a"}),
        text_delta(2, 0, "C"),
        done(1, function_call("c1", "{}")),
        done(0, reasoning.clone()),
    ]);
    let expected = [
        thought("a"),
        thought("b"),
        opaque("reasoning", true, reasoning),
        call("c1", json!({})),
        Part::text("cC"),
        Part::text("d"),
    ];
    assert_eq!(read.parts(), expected);
}

#[test]
fn an_index_that_is_missing_is_told_by_the_id_or_is_the_last() {
    let event = |id: Option<&str>, delta: &str| {
        let mut event = json!({"type": "response.function_call_arguments.delta", "delta": delta});
        if let Some(id) = id {
            event["item_id"] = id.into();
        }
        event
    };
    let read = stream(&[
        added(0, function_call("a", "")),
        added(1, function_call("b", "")),
        event(Some("fc_a"), "[1]"),
        event(None, "[2]"),
    ]);
    assert_eq!(read.parts(), [call("a", json!([1])), call("b", json!([2]))]);
}

#[test]
fn item_ids_that_change_with_every_event_do_no_harm() {
    let mut first = text_delta(0, 0, "a");
    first["item_id"] = "x1".into();
    let mut second = text_delta(0, 0, "b");
    second["item_id"] = "x2".into();
    let mut last = message("ab");
    last["id"] = "x3".into();
    assert_eq!(
        stream(&[added(0, json!({"type": "message", "id": "x0"})), first, second, done(0, last)]).parts(),
        [Part::text("ab")]
    );
}

#[test]
fn free_text_is_streamed_as_it_is_written() {
    let head = json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "look", "input": ""});
    let read = stream(&[
        added(0, head),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "*** "}),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "Patch"}),
        json!({"type": "response.custom_tool_call_input.done", "output_index": 0, "input": "*** Patch"}),
    ]);
    assert_eq!(read.parts(), [free_text("c1", "*** Patch")]);
}

#[test]
fn refusals_and_plain_thoughts_are_streamed() {
    let read = stream(&[
        json!({"type": "response.reasoning_text.delta", "output_index": 0, "content_index": 0, "delta": "Hm."}),
        json!({"type": "response.refusal.delta", "output_index": 1, "content_index": 0, "delta": "No"}),
        json!({"type": "response.refusal.delta", "output_index": 1, "content_index": 0, "delta": "."}),
        json!({"type": "response.refusal.done", "output_index": 1, "content_index": 0, "refusal": "No."}),
    ]);
    assert_eq!(read.parts(), [thought("Hm."), Part::Refusal { text: "No.".into() }]);
}

#[test]
fn a_source_that_comes_as_an_event_and_again_with_its_item_counts_once() {
    let source =
        json!({"type": "url_citation", "start_index": 0, "end_index": 2, "url": "https://x.example", "title": "X"});
    let mut item = message("Hi");
    item["content"][0]["annotations"] = json!([source, {"type": "url_citation", "url": "https://y.example"}]);
    let read = stream(&[
        text_delta(0, 0, "Hi"),
        json!({"type": "response.output_text.annotation.added", "output_index": 0, "content_index": 0, "annotation_index": 0, "annotation": source}),
        done(0, item),
    ]);
    let [Part::Text { text, citations }] = &read.parts()[..] else { panic!("{:?}", read.parts()) };
    let urls: Vec<_> = citations.iter().filter_map(|citation| citation.url.as_deref()).collect();
    assert_eq!((text.as_str(), urls), ("Hi", vec!["https://x.example", "https://y.example"]));
}

#[test]
fn a_reply_that_was_cut_short_by_a_limit_says_which() {
    let ended = |reason: &str| {
        let end = json!({"type": "response.incomplete", "response": {
            "id": "resp_1", "status": "incomplete", "incomplete_details": {"reason": reason}, "output": []}});
        let events = [
            created(),
            added(0, function_call("c1", "")),
            json!({"type": "response.function_call_arguments.delta", "output_index": 0, "delta": "{\"a\": \"ha"}),
            end,
        ];
        read(sse(&events)).whole()
    };
    for (reason, finish, raw) in [
        ("max_output_tokens", FinishReason::Length, "incomplete:max_output_tokens"),
        ("content_filter", FinishReason::ContentFilter, "incomplete:content_filter"),
        ("a word of tomorrow", FinishReason::Other, "incomplete:a word of tomorrow"),
    ] {
        let read = ended(reason);
        assert_eq!((read.closing.finish_reason, read.closing.finish_reason_raw.as_deref()), (Some(finish), Some(raw)));
        assert_eq!(read.parts(), [call("c1", json!("{\"a\": \"ha"))], "half a call stays the text it is");
    }
}

#[test]
fn pings_comments_unknown_events_and_a_done_line_do_no_harm() {
    let mut bytes = String::from(": hello\n\n");
    bytes.push_str(&sse(&[
        created(),
        json!({"type": "keepalive", "sequence_number": 1}),
        json!({"type": "response.image_generation_call.partial_image", "output_index": 0, "partial_image_b64": "AA=="}),
        json!({"type": "response.of_tomorrow", "delta": {"an": "object"}, "text": 7}),
        json!({"type": "codex.rate_limits", "x": 1}),
        text_delta(0, 0, "Hi"),
        completed(&json!([])),
        text_delta(0, 0, "behind the end"),
    ]));
    bytes.push_str("data: [DONE]\n\n");
    let read = read(bytes).whole();
    assert_eq!(text_of(&read), "Hi");
    assert_eq!((read.counts.pings, read.counts.comments, read.counts.done_sentinel), (1, 1, true));
    assert_eq!((read.counts.frames, read.counts.json_frames), (9, 8));
    let beat = StreamEventKind::Progress { progress: Progress::Heartbeat { idle_ms: 0 } };
    assert!(read.events.iter().any(|event| event.kind == beat));
}

#[test]
fn an_event_whose_data_names_no_type_is_told_by_its_line() {
    let bytes = format!(
        "event: response.output_text.delta\ndata: {{\"output_index\":0,\"delta\":\"Hi\"}}\n\nevent: response.completed\ndata: {}\n\n",
        json!({"response": {"status": "completed"}})
    );
    assert_eq!(text_of(&read(bytes).whole()), "Hi");
}

#[test]
fn the_first_id_and_model_that_are_not_empty_count() {
    let events = [
        json!({"type": "response.created", "response": {"id": "", "model": ""}}),
        json!({"type": "response.in_progress", "response": {"id": "resp_2", "model": "m-2"}}),
        completed(&json!([])),
    ];
    let closing = read(sse(&events)).whole().closing;
    assert_eq!((closing.id.as_deref(), closing.model.as_deref()), (Some("resp_2"), Some("m-2")));
}

#[test]
fn padding_beside_a_delta_is_passed_over() {
    let mut padded = text_delta(0, 0, "Hi");
    padded["obfuscation"] = json!("x7Kq");
    assert_eq!(text_of(&stream(&[padded])), "Hi");
}

#[test]
fn free_text_may_be_empty_and_what_a_limit_cut_off_is_told_by_the_finish() {
    let head = json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "look", "input": ""});
    let empty = stream(&[added(0, head.clone()), done(0, head.clone())]);
    assert_eq!(empty.parts(), [free_text("c1", "")]);
    let end = json!({"type": "response.incomplete", "response": {
        "id": "resp_1", "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": []}});
    let delta = json!({"type": "response.custom_tool_call_input.delta", "output_index": 0, "delta": "*** Be"});
    let cut = read(sse(&[created(), added(0, head), delta, end])).whole();
    assert_eq!(cut.parts(), [free_text("c1", "*** Be")]);
    assert_eq!(cut.closing.finish_reason, Some(FinishReason::Length));
}
