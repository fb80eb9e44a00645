use serde_json::json;

use super::*;
use crate::base::{ErrorKind, Retry};
use crate::model::{Citation, FinishReason, Progress, StreamEventKind};

#[test]
fn text_comes_piece_by_piece_and_the_closing_says_the_rest() {
    let read = read(message(&[
        TEXT_0,
        HELLO_0,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":", \"wörld\"\n"}}"#,
        STOP_0,
    ]))
    .whole();
    assert_eq!(read.parts(), [Part::text("Hello, \"wörld\"\n")]);
    let deltas = read.events.iter().filter(|e| matches!(e.kind, StreamEventKind::Text { .. })).count();
    assert_eq!(deltas, 2);
    assert_eq!(read.closing.id.as_deref(), Some("msg_1"));
    assert_eq!(read.closing.model.as_deref(), Some("claude-test"));
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Stop));
    assert_eq!(read.closing.finish_reason_raw.as_deref(), Some("end_turn"));
    let usage = read.closing.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (7, 9));
    assert_eq!(usage.raw, Some(json!({"input_tokens": 7, "output_tokens": 9}).into()));
    assert_eq!((read.counts.frames, read.counts.json_frames), (7, 7));
}

#[test]
fn every_stop_word_has_its_meaning_and_unknown_ones_are_never_a_stop() {
    for (word, reason) in [
        ("end_turn", FinishReason::Stop),
        ("stop_sequence", FinishReason::Stop),
        ("max_tokens", FinishReason::Length),
        ("model_context_window_exceeded", FinishReason::Length),
        ("tool_use", FinishReason::ToolCalls),
        ("refusal", FinishReason::ContentFilter),
        ("pause_turn", FinishReason::Pause),
        ("something_new", FinishReason::Other),
    ] {
        let delta = format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"{word}"}}}}"#);
        let read = read(sse(&[START, &delta, STOP])).whole();
        assert_eq!(read.closing.finish_reason, Some(reason), "{word}");
        assert_eq!(read.closing.finish_reason_raw.as_deref(), Some(word));
    }
}

#[test]
fn an_end_of_turn_beside_a_call_waits_for_the_tool() {
    let read = read(message(&[TOOL_0, STOP_0])).whole();
    assert_eq!(read.closing.finish_reason, Some(FinishReason::ToolCalls));
    assert_eq!(read.closing.finish_reason_raw.as_deref(), Some("end_turn"));
}

#[test]
fn a_refusal_without_content_is_a_reply_without_parts() {
    let refusal = r#"{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"type":"refusal","category":"x","explanation":"no"}},"usage":{"output_tokens":5}}"#;
    let without_details = r#"{"type":"message_delta","delta":{"stop_reason":"refusal"},"usage":{"output_tokens":5}}"#;
    for refusal in [refusal, without_details] {
        let read = read(sse(&[START, refusal, STOP])).whole();
        assert_eq!(read.parts(), []);
        assert_eq!(read.closing.finish_reason, Some(FinishReason::ContentFilter));
    }
}

#[test]
fn arguments_are_joined_and_parsed_once_at_the_end_of_the_block() {
    let read = read(message(&[
        TOOL_0,
        &json_delta_0(""),
        &json_delta_0("{\"city\": \"C\\u00e1"),
        &json_delta_0("diz\", \"n\": [1, 2"),
        &json_delta_0("]}"),
        STOP_0,
    ]))
    .whole();
    assert_eq!(read.parts(), [call(json!({"city": "Cádiz", "n": [1, 2]}))]);
    let written: String = read
        .events
        .iter()
        .filter_map(|e| match &e.kind {
            StreamEventKind::ToolCallDelta { call_id, name, arguments_delta } => {
                assert_eq!((call_id.as_str(), name.as_str(), e.part_index), ("toolu_1", "look", 0));
                assert!(!arguments_delta.is_empty());
                Some(arguments_delta.as_str())
            }
            _ => None,
        })
        .collect();
    assert_eq!(written, "{\"city\": \"C\\u00e1diz\", \"n\": [1, 2]}");
}

#[test]
fn a_tool_without_arguments_gets_an_empty_object() {
    for pieces in [vec![], vec![""], vec!["", ""], vec![" "]] {
        let deltas: Vec<String> = pieces.iter().map(|piece| json_delta_0(piece)).collect();
        let mut events = vec![TOOL_0];
        events.extend(deltas.iter().map(String::as_str));
        events.push(STOP_0);
        assert_eq!(read(message(&events)).whole().parts(), [call(json!({}))], "{pieces:?}");
    }
}

#[test]
fn arguments_that_stand_in_the_block_itself_count_when_no_pieces_follow() {
    let start = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"look","input":{"a":1}}}"#;
    assert_eq!(read(message(&[start, STOP_0])).whole().parts(), [call(json!({"a": 1}))]);
}

#[test]
fn arguments_cut_off_by_the_token_limit_are_kept_as_text() {
    let length = r#"{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"output_tokens":9}}"#;
    let read = read(sse(&[START, TOOL_0, &json_delta_0("{\"city\": \"C"), STOP_0, length, STOP])).whole();
    assert_eq!(read.parts(), [call(json!("{\"city\": \"C"))]);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Length));
}

#[test]
fn a_call_made_from_code_execution_keeps_its_caller() {
    let start = |caller: &str| {
        format!(
            r#"{{"type":"content_block_start","index":0,"content_block":{{"type":"tool_use","id":"toolu_1","name":"look","input":{{}},"caller":{caller}}}}}"#
        )
    };
    let direct = read(message(&[&start(r#"{"type":"direct"}"#), STOP_0])).whole();
    assert_eq!(direct.parts(), [call(json!({}))]);
    let code = r#"{"type":"code_execution_20250825","tool_id":"srvtoolu_1"}"#;
    let by_code = read(message(&[&start(code), STOP_0])).whole();
    let caller = json!({"caller": {"type": "code_execution_20250825", "tool_id": "srvtoolu_1"}});
    assert_eq!(by_code.parts(), [call(json!({})), opaque("tool_use", true, caller)]);
}

#[test]
fn thoughts_carry_their_signature() {
    let read = read(message(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Let me "}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"see."}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQB=="}}"#,
        STOP_0,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"Three."}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
    ]))
    .whole();
    let thoughts = Part::Reasoning { text: "Let me see.".into() };
    assert_eq!(read.parts(), [thoughts, opaque("signature", true, json!("EqQB==")), Part::text("Three.")]);
}

#[test]
fn hidden_thoughts_are_kept_whole_because_they_have_no_words() {
    let read = read(message(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQB=="}}"#,
        STOP_0,
    ]))
    .whole();
    let block = json!({"type": "thinking", "thinking": "", "signature": "EqQB=="});
    assert_eq!(read.parts(), [opaque("thinking", false, block)]);
}

#[test]
fn redacted_thoughts_are_kept_as_they_came() {
    let read = read(message(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"redacted_thinking","data":"EqkE+/=="}}"#,
        STOP_0,
    ]))
    .whole();
    assert_eq!(
        read.parts(),
        [opaque("redacted_thinking", false, json!({"type": "redacted_thinking", "data": "EqkE+/=="}))]
    );
}

#[test]
fn the_providers_own_tools_are_never_calls_of_the_client() {
    let read = read(message(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}}"#,
        &json_delta_0(""),
        &json_delta_0("{\"query\": "),
        &json_delta_0("\"x\"}"),
        STOP_0,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"web_search_tool_result","tool_use_id":"srvtoolu_1","content":[{"type":"web_search_result","url":"https://x.example","encrypted_content":"abc"}]}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
    ]))
    .whole();
    let parts = read.parts();
    assert_eq!(
        parts,
        [
            opaque(
                "server_tool_use",
                false,
                json!({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}})
            ),
            opaque(
                "web_search_tool_result",
                false,
                json!({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"type": "web_search_result", "url": "https://x.example", "encrypted_content": "abc"}]})
            ),
        ]
    );
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Stop), "no client has to answer");
    let Part::Opaque { data, .. } = &parts[0] else { unreachable!() };
    let keys: Vec<&String> = data.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["type", "id", "name", "input"], "in the order in which they came");
}

#[test]
fn a_block_type_of_tomorrow_is_kept_with_its_pieces_laid_over_it() {
    let read = read(message(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"compaction","content":"","n":1}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"compaction_delta","content":"So "}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"compaction_delta","content":"far.","n":2}}"#,
        STOP_0,
    ]))
    .whole();
    assert_eq!(
        read.parts(),
        [opaque("compaction", false, json!({"type": "compaction", "content": "So far.", "n": 2}))]
    );
}

#[test]
fn citations_stand_for_their_whole_block_and_are_kept_for_the_way_back() {
    let web = r#"{"type":"web_search_result_location","url":"https://x.example/a","title":"A","cited_text":"so it is","encrypted_index":"EoX"}"#;
    let page = r#"{"type":"page_location","document_index":0,"document_title":"Doc","cited_text":"p","start_page_number":1,"end_page_number":2}"#;
    let cite = |c: &str| {
        format!(r#"{{"type":"content_block_delta","index":0,"delta":{{"type":"citations_delta","citation":{c}}}}}"#)
    };
    let read = read(message(&[
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":"","citations":[]}}"#,
        &cite(web),
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Así"}}"#,
        &cite(page),
        STOP_0,
    ]))
    .whole();
    let citations = vec![
        Citation {
            start: 0,
            end: 3,
            url: Some("https://x.example/a".into()),
            title: Some("A".into()),
            quote: Some("so it is".into()),
        },
        Citation { start: 0, end: 3, url: None, title: Some("Doc".into()), quote: Some("p".into()) },
    ];
    let raw: Json = serde_json::from_str(&format!("[{web},{page}]")).unwrap();
    assert_eq!(read.parts(), [Part::Text { text: "Así".into(), citations }, opaque("citations", true, raw)]);
}

#[test]
fn blocks_may_be_written_in_turns_and_come_out_in_their_order() {
    let read = read(message(&[
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"text","text":""}}"#,
        TEXT_0,
        r#"{"type":"content_block_delta","index":1,"delta":{"type":"text_delta","text":"world"}}"#,
        HELLO_0,
        r#"{"type":"content_block_stop","index":1}"#,
        STOP_0,
    ]))
    .whole();
    assert_eq!(read.parts(), [Part::text("Hello"), Part::text("world")]);
}

#[test]
fn a_piece_for_a_block_that_is_not_open_makes_no_sense() {
    for events in [
        &[HELLO_0][..],
        &[TEXT_0, HELLO_0, STOP_0, HELLO_0],
        &[TEXT_0, r#"{"type":"content_block_delta","index":7,"delta":{"type":"text_delta","text":"x"}}"#],
        &[TEXT_0, r#"{"type":"content_block_delta","index":-1,"delta":{"type":"text_delta","text":"x"}}"#],
        &[TEXT_0, r#"{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}"#],
        &[TEXT_0, r#"{"type":"content_block_delta","index":99999999999,"delta":{"type":"text_delta","text":"x"}}"#],
        &[TEXT_0, r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"x"}}"#],
        &[TEXT_0, r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":5}}"#],
        &[TEXT_0, r#"{"type":"content_block_delta","index":0}"#],
        &[r#"{"type":"content_block_start","index":0}"#],
        &[r#"{"type":"content_block_start","index":0,"content_block":{}}"#],
    ] {
        let error = read(message(events)).error();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "malformed"), "{events:?}");
    }
}

#[test]
fn the_end_of_a_block_that_is_not_open_changes_nothing() {
    let read = read(message(&[STOP_0, TEXT_0, HELLO_0, STOP_0, STOP_0])).whole();
    assert_eq!(read.parts(), [Part::text("Hello")]);
}

#[test]
fn a_block_begun_anew_ends_the_one_before_it() {
    let read = read(message(&[TOOL_0, &json_delta_0("{}"), TEXT_0, HELLO_0, STOP_0])).whole();
    assert_eq!(read.parts(), [call(json!({})), Part::text("Hello")]);
}

#[test]
fn blocks_left_open_end_with_the_message() {
    let read = read(message(&[TOOL_0, &json_delta_0("{\"a\":1}")])).whole();
    assert_eq!(read.parts(), [call(json!({"a": 1}))]);
}

#[test]
fn a_message_that_begins_twice_keeps_its_first_name() {
    let again = START.replace("msg_1", "msg_2").replace("\"input_tokens\":7", "\"input_tokens\":8");
    let read = read(sse(&[START, &again, TEXT_0, HELLO_0, STOP_0, END_TURN, STOP])).whole();
    assert_eq!(read.closing.id.as_deref(), Some("msg_1"));
    assert_eq!(read.closing.usage.unwrap().input_tokens, 8);
}

#[test]
fn a_message_that_never_begins_is_read_all_the_same() {
    let read = read(sse(&[TEXT_0, HELLO_0, STOP_0, END_TURN, STOP])).whole();
    assert_eq!(read.parts(), [Part::text("Hello")]);
    assert_eq!((read.closing.id, read.closing.model), (None, None));
    assert_eq!(read.closing.usage.unwrap().output_tokens, 9);
}

#[test]
fn pings_are_signs_of_life_anywhere() {
    let ping = r#"{"type": "ping"}"#;
    let read = read(sse(&[ping, START, TEXT_0, ping, HELLO_0, STOP_0, END_TURN, STOP, ping])).whole();
    assert_eq!(read.counts.pings, 3);
    let heartbeats = read
        .events
        .iter()
        .filter(|e| matches!(e.kind, StreamEventKind::Progress { progress: Progress::Heartbeat { idle_ms: 0 } }));
    assert_eq!(heartbeats.count(), 3);
    assert_eq!(read.parts(), [Part::text("Hello")]);
}

#[test]
fn events_and_fields_of_tomorrow_are_read_over() {
    let read = read(message(&[
        r#"{"type":"content_block_enriched","index":0,"mood":"good"}"#,
        TEXT_0,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"mood_delta","text":7}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello","mood":{"a":[1]}},"x":null}"#,
        STOP_0,
    ]))
    .whole();
    assert_eq!(read.parts(), [Part::text("Hello")]);
}

#[test]
fn data_says_what_an_event_is_and_its_name_only_when_data_does_not() {
    let other_name = message(&[TEXT_0, HELLO_0, STOP_0]).replace("event: content_block_delta", "event: ping");
    assert_eq!(read(other_name).whole().parts(), [Part::text("Hello")]);
    let no_names: String = message(&[TEXT_0, HELLO_0, STOP_0])
        .lines()
        .filter(|l| !l.starts_with("event:"))
        .map(|l| l.to_owned() + "\n")
        .collect();
    assert_eq!(read(no_names).whole().parts(), [Part::text("Hello")]);
    let only_name = format!("{}event: message_stop\ndata: {{}}\n\n", sse(&[START, TEXT_0, HELLO_0, STOP_0, END_TURN]));
    assert_eq!(read(only_name).whole().parts(), [Part::text("Hello")]);
}

#[test]
fn a_done_sentinel_behind_the_end_is_read_over() {
    let read = read(message(&[TEXT_0, HELLO_0, STOP_0]) + "event: data\ndata: [DONE] \n\n").whole();
    assert!(read.counts.done_sentinel);
    assert_eq!((read.counts.frames, read.counts.json_frames), (7, 6));
}

#[test]
fn a_done_sentinel_alone_proves_nothing() {
    let error = read(sse(&[START, TEXT_0, HELLO_0, STOP_0, END_TURN]) + "data: [DONE]\n\n").error();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "cut"));
}

#[test]
fn blanks_behind_the_last_brace_belong_to_no_event() {
    let padded = message(&[TEXT_0, HELLO_0, STOP_0]).replace("}\n\n", "}            \n\n");
    assert_eq!(read(padded).whole().parts(), [Part::text("Hello")]);
    let inside = message(&[TEXT_0, HELLO_0, STOP_0]).replace(STOP, r#"{"type":"message_stop"          }"#);
    assert!(read(inside).whole().is_complete);
}

#[test]
fn line_ends_a_byte_order_mark_and_comments_change_nothing() {
    let plain = message(&[TEXT_0, HELLO_0, STOP_0]);
    for (what, bytes) in [
        ("crlf", plain.replace('\n', "\r\n")),
        ("cr", plain.replace('\n', "\r")),
        ("bom", format!("\u{feff}{plain}")),
        ("comments", format!(": hello\n\n{}", plain.replace("\n\n", "\n: more\n\n"))),
        ("no blank after the colon", plain.replace(": ", ":")),
    ] {
        let read = read(bytes).whole();
        assert_eq!(read.parts(), [Part::text("Hello")], "{what}");
        assert_eq!(read.counts.frames, 6, "{what}");
    }
}

#[test]
fn a_last_event_without_its_blank_line_counts_when_it_is_whole() {
    let whole = message(&[TEXT_0, HELLO_0, STOP_0]);
    let read = read(whole.trim_end()).whole();
    assert!(read.counts.unterminated_last_event);
    assert_eq!(read.counts.frames, 6);
    let half = &whole.trim_end()[..whole.trim_end().len() - 1];
    assert_eq!(super::read(half).error().reason(), "cut");
}

#[test]
fn a_stop_reason_without_the_end_of_the_message_is_no_proof() {
    let read = read(sse(&[START, TEXT_0, HELLO_0, STOP_0, END_TURN]));
    assert!(!read.is_complete);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Stop), "what was said is known");
    let error = read.error();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "cut"));
}

#[test]
fn an_error_event_is_classified_by_its_type_at_any_place() {
    let error = r#"{"type":"error","error":{"details":null,"type":"overloaded_error","message":"Overloaded"}}"#;
    let all = [START, TEXT_0, HELLO_0, STOP_0, END_TURN, STOP];
    for place in 0..=all.len() {
        let read = read(sse(&[&all[..place], &[error]].concat()));
        let text: String = if place > 2 { "Hello".into() } else { String::new() };
        assert_eq!(crate::model::text_of(&read.parts()), text);
        let error = read.error();
        assert_eq!((error.kind(), error.retry()), (ErrorKind::Unavailable, Retry::Safe), "after {place} events");
        let said = error.provider_error().unwrap();
        assert_eq!(
            (said.status, said.kind.as_deref(), said.message()),
            (Some(200), Some("overloaded_error"), "Overloaded")
        );
    }
}

#[test]
fn each_error_type_inside_a_stream_has_its_kind() {
    for (word, kind) in [
        ("invalid_request_error", ErrorKind::Invalid),
        ("authentication_error", ErrorKind::Unauthorized),
        ("permission_error", ErrorKind::Unauthorized),
        ("billing_error", ErrorKind::QuotaExhausted),
        ("not_found_error", ErrorKind::NotFound),
        ("request_too_large", ErrorKind::Invalid),
        ("rate_limit_error", ErrorKind::RateLimited),
        ("timeout_error", ErrorKind::Unavailable),
        ("api_error", ErrorKind::Unavailable),
        ("overloaded_error", ErrorKind::Unavailable),
        ("an_error_of_tomorrow", ErrorKind::Unavailable),
    ] {
        let event = format!(r#"{{"type":"error","error":{{"type":"{word}","message":"m"}},"request_id":"req_9"}}"#);
        let error = read(sse(&[START, &event])).error();
        assert_eq!(error.kind(), kind, "{word}");
        assert_eq!(error.request_id(), Some("req_9"));
    }
}

#[test]
fn an_error_without_a_type_of_event_is_one_all_the_same() {
    let error = read("data: {\"error\":{\"type\":\"api_error\",\"message\":\"m\"}}\n\n").error();
    assert_eq!(error.provider_error().unwrap().kind.as_deref(), Some("api_error"));
}

#[test]
fn a_server_that_does_not_stream_is_read_all_the_same() {
    let whole = r#"{"type":"message","id":"msg_1","model":"m","content":[{"type":"text","text":"Hello"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":2}}"#;
    let read = read(whole).whole();
    assert_eq!(read.parts(), [Part::text("Hello")]);
    assert!(read.is_complete);
    let error = super::read(r#"{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}"#).error();
    assert_eq!(error.provider_error().unwrap().kind.as_deref(), Some("overloaded_error"));
}

#[test]
fn a_page_in_place_of_a_stream_is_a_bad_response() {
    let error = read("<html><body>Please log in: wifi</body></html>").error();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "bad_response"));
}

#[test]
fn an_empty_stream_is_a_cut_one() {
    for bytes in ["", "\n\n", ": keep-alive\n\n", "event: message_stop\n\n"] {
        assert_eq!(read(bytes).error().reason(), "cut", "{bytes:?}");
    }
}

#[test]
fn nonsense_between_events_is_malformed_and_ends_the_stream() {
    for nonsense in ["data: {\n\n", "data: 5\n\n", "data: \"x\"\n\n", "data: {\"type\":1}\n\n", "data: [1]\n\n"] {
        let mut decoder = with_target(true, |target| Anthropic.decoder(target));
        let mut events = Vec::new();
        let error = decoder.feed(nonsense.as_bytes(), &mut events).unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "malformed"), "{nonsense}");
        let again = decoder.feed(message(&[TEXT_0, HELLO_0]).as_bytes(), &mut events).unwrap_err();
        assert_eq!(again.reason(), "malformed");
        assert_eq!(decoder.finish(&mut events).unwrap_err().reason(), "malformed");
        assert!(events.is_empty());
    }
}

#[test]
fn json_too_deep_is_malformed_and_overflows_nothing() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let event = format!(r#"{{"type":"content_block_start","index":0,"content_block":{{"type":"x","y":{deep}}}}}"#);
    assert_eq!(read(format!("data: {event}\n\n")).error().reason(), "malformed");
}

#[test]
fn one_byte_that_is_no_utf8_spoils_only_itself() {
    let mut bytes = message(&[TEXT_0, HELLO_0, STOP_0]).into_bytes();
    let at = bytes.windows(5).position(|w| w == b"Hello").unwrap();
    bytes[at] = 0xff;
    assert_eq!(read(bytes).whole().parts(), [Part::text("\u{fffd}ello")]);
}

#[test]
fn usage_is_merged_field_by_field_and_cached_input_counts_as_input() {
    let start = r#"{"type":"message_start","message":{"usage":{"input_tokens":4,"cache_creation_input_tokens":10,"cache_read_input_tokens":20,"cache_creation":{"ephemeral_5m_input_tokens":3,"ephemeral_1h_input_tokens":7},"output_tokens":1,"service_tier":"standard"}}}"#;
    let delta = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"input_tokens":6,"cache_read_input_tokens":null,"output_tokens":50,"output_tokens_details":{"thinking_tokens":30},"server_tool_use":{"web_search_requests":2}}}"#;
    let usage = read(sse(&[start, delta, STOP])).whole().closing.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (36, 50));
    assert_eq!((usage.cache_read_input_tokens, usage.cache_creation_input_tokens), (20, 10));
    assert_eq!(usage.reasoning_output_tokens, 30);
    assert_eq!(usage.details["ephemeral_1h_input_tokens"], 7);
    assert_eq!(usage.details["web_search_requests"], 2);
    assert_eq!(usage.raw.unwrap()["service_tier"], "standard");
}

#[test]
fn counts_that_make_no_sense_are_no_counts() {
    let delta =
        |usage: &str| format!(r#"{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{usage}}}"#);
    for none in [
        "null",
        "{}",
        "[]",
        "\"x\"",
        r#"{"output_tokens":null}"#,
        r#"{"output_tokens":18446744073709551616}"#,
        r#"{"output_tokens":1e400}"#,
    ] {
        let read = read(sse(&[TEXT_0, HELLO_0, &delta(none), STOP])).whole();
        assert_eq!(read.closing.usage, None, "{none}");
    }
    let negative = read(sse(&[&delta(r#"{"input_tokens":-5,"output_tokens":-0}"#), STOP])).whole();
    let usage = negative.closing.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (0, 0));
    let huge = format!(r#"{{"input_tokens":{0},"cache_read_input_tokens":{0},"output_tokens":1}}"#, i64::MAX);
    let usage = read(sse(&[&delta(&huge), STOP])).whole().closing.usage.unwrap();
    assert_eq!(usage.input_tokens, i64::MAX);
}

#[test]
fn usage_known_from_the_beginning_survives_a_cut() {
    let read = read(sse(&[START, TEXT_0, HELLO_0]));
    assert_eq!(read.closing.usage.as_ref().unwrap().input_tokens, 7);
    assert_eq!(read.error().reason(), "cut");
}

#[test]
fn arguments_beyond_a_mebibyte_are_refused_and_just_that_much_is_not() {
    let stream = |bytes: usize| {
        let piece = json_delta_0(&"x".repeat(1 << 10));
        let rest = json_delta_0(&"x".repeat(bytes % (1 << 10)));
        let mut events = vec![TOOL_0];
        events.extend(std::iter::repeat_n(piece.as_str(), bytes >> 10));
        events.extend([rest.as_str(), STOP_0]);
        message(&events)
    };
    read(stream(1 << 20)).whole();
    let error = read(stream((1 << 20) + 1)).error();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::OutputInvalid, "too_large"));
    let kept = stream((1 << 20) + 1).replace("tool_use", "server_tool_use");
    assert_eq!(read(kept).error().reason(), "too_large");
}

#[test]
fn text_beyond_32_mebibytes_is_refused() {
    let piece = HELLO_0.replace("Hello", &"x".repeat(4 << 20));
    let mut decoder = with_target(true, |target| Anthropic.decoder(target));
    let mut events = Vec::new();
    decoder.feed(sse(&[START, TEXT_0]).as_bytes(), &mut events).unwrap();
    let bytes = sse(&[&piece]);
    for _ in 0..8 {
        decoder.feed(bytes.as_bytes(), &mut events).unwrap();
        events.clear();
    }
    let error = decoder.feed(sse(&[HELLO_0]).as_bytes(), &mut events).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::OutputInvalid, "too_large"));
    assert!(events.is_empty());
}

#[test]
fn an_event_beyond_16_mebibytes_is_refused() {
    let error = read(sse(&[&HELLO_0.replace("Hello", &"x".repeat(16 << 20))])).error();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "event_too_large"));
}

#[test]
fn half_a_surrogate_pair_spoils_only_itself() {
    let half = HELLO_0.replace("Hello", "a\\ud83d b");
    let arguments = json_delta_0("{\"a\": \"\\ude00\"}");
    let tool = TOOL_0.replace("\"index\":0", "\"index\":1");
    let arguments = arguments.replace("\"index\":0", "\"index\":1");
    let read = read(message(&[TEXT_0, &half, STOP_0, &tool, &arguments])).whole();
    assert_eq!(read.parts(), [Part::text("a\u{fffd} b"), call(json!({"a": "\u{fffd}"}))]);
}

#[test]
fn words_stand_before_and_behind_the_providers_own_tools() {
    let block = |index: u32, start: &str, delta: &str| {
        format!(
            r#"{{"type":"content_block_start","index":{index},"content_block":{start}}}|{{"type":"content_block_delta","index":{index},"delta":{delta}}}|{{"type":"content_block_stop","index":{index}}}"#
        )
    };
    let text = |index, words: &str| {
        block(index, r#"{"type":"text","text":""}"#, &format!(r#"{{"type":"text_delta","text":"{words}"}}"#))
    };
    let tool = block(
        1,
        r#"{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}"#,
        r#"{"type":"input_json_delta","partial_json":"{\"query\":\"x\"}"}"#,
    );
    let all = [text(0, "I look. "), tool, text(2, "There.")].join("|");
    let read = read(message(&all.split('|').collect::<Vec<_>>())).whole();
    let parts = read.parts();
    assert_eq!((&parts[0], &parts[2], parts.len()), (&Part::text("I look. "), &Part::text("There."), 3));
    assert!(matches!(&parts[1], Part::Opaque { name, attached: false, .. } if name == "server_tool_use"));
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Stop));
}

#[test]
fn a_field_that_is_said_twice_in_one_object_makes_no_sense_unless_nobody_reads_it() {
    for twice in [
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"yes"},"delta":{"type":"text_delta","text":"no"}}"#,
        r#"{"type":"content_block_delta","index":0,"index":1,"delta":{"type":"text_delta","text":"yes"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"yes","text":"no"}}"#,
    ] {
        let error = read(message(&[TEXT_0, twice, STOP_0])).error();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "malformed"), "{twice}");
    }
    let unread = r#"{"type":"content_block_delta","index":0,"odd":1,"odd":2,"delta":{"type":"text_delta","text":"yes","odd":1,"odd":2}}"#;
    assert_eq!(read(message(&[TEXT_0, unread, STOP_0])).whole().parts(), [Part::text("yes")]);
}

#[test]
fn words_count_up_to_the_end_of_the_message_and_none_behind_it() {
    let more = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" there"}}"#;
    // Between the word of why it stops and the end, and behind the end.
    let before = read(sse(&[START, TEXT_0, HELLO_0, END_TURN, more, STOP_0, STOP])).whole();
    assert_eq!(before.parts(), [Part::text("Hello there")]);
    let behind = read(sse(&[START, TEXT_0, HELLO_0, STOP_0, END_TURN, STOP, more, TEXT_0, HELLO_0])).whole();
    assert_eq!(behind.parts(), [Part::text("Hello")]);
}

#[test]
fn whoever_is_said_to_speak_the_words_are_those_of_the_answer() {
    let user = START.replace("\"assistant\"", "\"user\"");
    let read = read(sse(&[&user, TEXT_0, HELLO_0, STOP_0, END_TURN, STOP])).whole();
    assert_eq!(read.parts(), [Part::text("Hello")]);
}

#[test]
fn of_counts_that_become_smaller_on_the_way_the_last_ones_count() {
    let counted =
        |output: i64| json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": output}}).to_string();
    let usage = read(message(&[TEXT_0, &counted(30), &counted(20), HELLO_0, STOP_0])).whole().closing.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (7, 9));
}
