//! Items as a whole reply holds them.

use super::*;
use crate::model::{Citation, FinishReason, MediaSource};

#[test]
fn a_whole_reply_gives_its_parts_and_what_it_took() {
    let reasoning = json!({"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": "gA=="});
    let read = whole(json!([reasoning, message("Hello"), function_call("c1", r#"{"a":1}"#)])).whole();
    let expected =
        [thought("Hm."), opaque("reasoning", true, reasoning), Part::text("Hello"), call("c1", json!({"a": 1}))];
    assert_eq!(read.parts(), expected);
    let closing = &read.closing;
    assert_eq!((closing.id.as_deref(), closing.model.as_deref()), (Some("resp_1"), Some("m-1")));
    assert_eq!(closing.finish_reason, Some(FinishReason::ToolCalls));
    assert_eq!(closing.finish_reason_raw.as_deref(), Some("completed"));
    let took = closing.usage.clone().unwrap();
    assert_eq!((took.input_tokens, took.output_tokens, took.reasoning_output_tokens), (10, 7, 3));
    assert_eq!((took.cache_read_input_tokens, took.cache_creation_input_tokens, took.requests), (4, 2, 1));
    assert_eq!(took.raw, Some(usage().into()));
    assert_eq!(closing.raw.as_ref().unwrap()["output"][1]["id"], "msg_1");
}

#[test]
fn a_streamed_reply_and_a_whole_one_give_the_same_parts() {
    let items = [
        json!({"type": "reasoning", "id": "rs_1", "encrypted_content": "gA==",
            "summary": [{"text": "One."}, {"text": "Two."}], "content": [{"type": "reasoning_text", "text": "Raw."}]}),
        json!({"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "q"}}),
        message("Hello"),
        function_call("c1", "{}"),
        json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "look", "input": "free text"}),
    ];
    let events: Vec<Value> = (0..).zip(&items).map(|(index, item)| done(index, item.clone())).collect();
    let streamed = stream(&events);
    let whole = whole(items.to_vec().into()).whole();
    assert_eq!(streamed.parts(), whole.parts());
    assert_eq!(streamed.closing, Closing { raw: None, ..whole.closing });
    let thoughts: Vec<Part> = streamed.parts().into_iter().filter(|p| matches!(p, Part::Reasoning { .. })).collect();
    assert_eq!(thoughts, [thought("One."), thought("Two."), thought("Raw.")]);
}

#[test]
fn encrypted_reasoning_is_kept_byte_for_byte_also_without_a_summary() {
    let item = r#"{"type":"reasoning","id":"rs_1","summary":[],"z":1.50,"encrypted_content":"gAAA/+==","a":null}"#;
    let read = decode(&format!(r#"{{"status":"completed","output":[{item}]}}"#)).whole();
    let [Part::Opaque { name, attached: false, data, .. }] = &read.parts()[..] else { panic!("{:?}", read.parts()) };
    assert_eq!(name, "reasoning");
    assert_eq!(data.to_string(), item.replace("1.50", "1.5"));
}

#[test]
fn reasoning_that_holds_nothing_is_no_part() {
    let read = whole(json!([{"type": "reasoning", "id": "rs_1", "summary": []}, message("Hi")])).whole();
    assert_eq!(read.parts(), [Part::text("Hi")]);
}

#[test]
fn items_of_the_provider_are_opaque_and_no_calls_of_ours() {
    for kind in [
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "computer_call",
        "mcp_call",
        "mcp_list_tools",
        "tool_search_call",
        "compaction",
        "something_of_tomorrow",
    ] {
        let item = json!({"type": kind, "id": "x_1", "status": "completed", "deep": {"b": 1, "a": [null]}});
        let read = whole(json!([item, message("Hi")])).whole();
        assert_eq!(read.parts(), [opaque(kind, false, item), Part::text("Hi")]);
        assert_eq!(read.closing.finish_reason, Some(FinishReason::Stop));
    }
}

#[test]
fn the_id_of_a_call_is_its_call_id() {
    let read = whole(json!([function_call("call_9", "{}")])).whole();
    assert_eq!(read.reply().tool_calls()[0].id, "call_9");
    let without = json!({"type": "function_call", "id": "fc_7", "name": "look", "arguments": ""});
    assert_eq!(whole(json!([without])).whole().reply().tool_calls()[0].id, "fc_7");
}

#[test]
fn arguments_are_read_or_stay_the_text_they_are() {
    for (written, arguments) in [
        (json!(r#"{"a":[1]}"#), json!({"a": [1]})),
        (json!(""), json!({})),
        (json!(null), json!({})),
        (json!({"a": 1}), json!({"a": 1})),
        (json!("{\"a\": \"half"), json!("{\"a\": \"half")),
    ] {
        let item = json!({"type": "function_call", "call_id": "c1", "name": "look", "arguments": written});
        assert_eq!(whole(json!([item])).whole().parts(), [call("c1", arguments)], "{written}");
    }
}

#[test]
fn a_tool_of_free_text_gets_its_text_even_when_it_looks_like_json() {
    let item =
        json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": "c1", "name": "look", "input": "{\"a\": 1}"});
    let read = whole(json!([item])).whole();
    assert_eq!(read.parts(), [free_text("c1", "{\"a\": 1}")]);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::ToolCalls));
}

#[test]
fn a_picture_becomes_a_part_and_its_item_is_kept_without_it() {
    let item = json!({"type": "image_generation_call", "id": "ig_1", "status": "completed", "output_format": "webp", "result": "iVBORw0KGgoB"});
    let read = whole(json!([item, message("There.")])).whole();
    let [Part::Image { media }, Part::Opaque { name, attached: false, data, .. }, Part::Text { .. }] =
        &read.parts()[..]
    else {
        panic!("{:?}", read.parts());
    };
    // The bytes say better what they are than the item does.
    assert_eq!((media.mime_type.as_deref(), media.size_bytes), (Some("image/png"), Some(9)));
    assert_eq!(media.source, MediaSource::Data { data: b"\x89PNG\r\n\x1a\n\x01".to_vec() });
    assert_eq!((name.as_str(), &data["result"], &data["id"]), ("image_generation_call", &json!(null), &json!("ig_1")));
}

#[test]
fn a_picture_that_failed_or_is_no_base64_stays_an_item() {
    for result in [json!(null), json!(""), json!("%%%")] {
        let item = json!({"type": "image_generation_call", "id": "ig_1", "status": "failed", "result": result});
        let read = whole(json!([item])).whole();
        assert_eq!(read.parts(), [opaque("image_generation_call", false, item)]);
    }
}

#[test]
fn annotations_become_citations_of_pages_and_files() {
    let item = json!({"type": "message", "content": [
        {"type": "output_text", "text": "Ünï says so.", "annotations": [
            {"type": "url_citation", "start_index": 0, "end_index": 3, "url": "https://x.example", "title": "X"},
            {"type": "file_citation", "index": 5, "file_id": "file_1", "filename": "a.pdf"},
            {"type": "file_path", "index": 2},
            "nonsense",
        ]},
        {"type": "output_text", "text": "And more."},
    ]});
    let page =
        Citation { start: 0, end: 3, url: Some("https://x.example".into()), title: Some("X".into()), quote: None };
    let file = Citation { start: 5, end: 5, url: None, title: Some("a.pdf".into()), quote: None };
    let parts = whole(json!([item])).whole().parts();
    assert_eq!(parts[0], Part::Text { text: "Ünï says so.".into(), citations: vec![page, file] });
    assert_eq!(parts[1], Part::text("And more."));
}

#[test]
fn a_refusal_is_a_part_and_the_phase_of_a_message_is_kept() {
    let item = json!({"type": "message", "phase": "final_answer", "content": [{"type": "refusal", "refusal": "No."}]});
    let read = whole(json!([item])).whole();
    let refusal = Part::Refusal { text: "No.".into() };
    assert_eq!(read.parts(), [refusal, opaque("phase", true, json!("final_answer"))]);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Stop));
}

#[test]
fn half_a_surrogate_pair_loses_one_character_and_no_reply() {
    let read = decode(
        r#"{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"a\ud83d b"}]}]}"#,
    );
    assert_eq!(read.whole().parts(), [Part::text("a\u{fffd} b")]);
    let delta = r#"{"type":"response.output_text.delta","output_index":0,"delta":"a\ud83d b"}"#;
    let read = self::read(format!("data: {delta}\n\ndata: {}\n\n", completed(&json!([])))).whole();
    assert_eq!(read.parts(), [Part::text("a\u{fffd} b")]);
}

#[test]
fn a_server_that_streams_unasked_is_understood_and_so_is_one_that_does_not_stream() {
    let bytes = sse(&[created(), text_delta(0, 0, "Hi"), completed(&json!([]))]);
    assert_eq!(decode(&bytes).whole().parts(), [Part::text("Hi")]);
    let body = json!({"id": "resp_1", "status": "completed", "output": [message("Hi")]});
    let read = self::read(body.to_string()).whole();
    assert_eq!((read.parts(), read.is_complete), (vec![Part::text("Hi")], true));
}

#[test]
fn output_that_leaves_reasoning_out_is_told_by_the_sum_or_by_the_quirk() {
    let took = |wire: Value, quirk| super::usage::read(&wire, quirk).map(|u| (u.input_tokens, u.output_tokens));
    let wire = |total: Option<i64>| {
        let mut wire = json!({"input_tokens": 5, "output_tokens": 2, "output_tokens_details": {"reasoning_tokens": 3}});
        if let Some(total) = total {
            wire["total_tokens"] = total.into();
        }
        wire
    };
    assert_eq!(took(wire(Some(10)), false), Some((5, 5)));
    assert_eq!(took(wire(Some(7)), true), Some((5, 2)));
    assert_eq!(took(wire(None), true), Some((5, 5)));
    assert_eq!(took(wire(None), false), Some((5, 2)));
    assert_eq!(took(json!({"total_tokens": 3}), false), None);
}

#[test]
fn a_cost_that_the_provider_names_is_kept() {
    let body = json!({"status": "completed", "output": [], "usage": {"input_tokens": 1, "output_tokens": 1, "cost_in_usd_ticks": 10_112_000}});
    assert_eq!(decode(&body.to_string()).whole().closing.cost_nano_usd, Some(1_011_200));
}
