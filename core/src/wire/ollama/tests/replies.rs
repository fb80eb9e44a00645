//! Replies, whole and streamed.

use super::*;
use crate::model::{FinishReason, UsageSource};

#[test]
fn thoughts_and_words_become_a_part_each() {
    let read = stream(&[
        json!({"role": "assistant", "content": "", "thinking": "Hm"}),
        json!({"content": "Ol", "thinking": "."}),
        json!({"content": "á", "thinking": null}),
    ]);
    assert_eq!(read.parts(), [thought("Hm."), Part::text("Olá")]);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Stop));
    assert_eq!(read.closing.model.as_deref(), Some("m"));
    assert_eq!((read.counts.frames, read.counts.json_frames), (4, 4));
}

#[test]
fn calls_in_one_line_or_one_a_line_are_the_same_calls() {
    let a = json!({"function": {"name": "look", "arguments": {"city": "Cádiz"}}});
    let b = json!({"function": {"index": 1, "name": "look", "arguments": {"city": "Cádiz"}}});
    let together = stream(&[json!({"content": "", "tool_calls": [a, b]})]);
    let apart = stream(&[json!({"content": "", "tool_calls": [a]}), json!({"content": "", "tool_calls": [b]})]);
    let expected = call("look", json!({"city": "Cádiz"}));
    assert_eq!(together.parts(), [expected.clone(), expected]);
    assert_eq!(together.events, apart.events);
}

#[test]
fn a_call_has_an_empty_id_unless_the_server_gives_one() {
    let read = stream(&[
        json!({"tool_calls": [{"function": {"name": "a", "arguments": {}}}]}),
        json!({"tool_calls": [{"id": "call_1", "function": {"name": "a", "arguments": {}}}]}),
    ]);
    let ids: Vec<String> = read
        .parts()
        .into_iter()
        .map(|part| if let Part::ToolCall { call } = part { call.id } else { panic!("{part:?}") })
        .collect();
    assert_eq!(ids, ["", "call_1"]);
}

#[test]
fn stop_with_calls_is_tool_calls_and_keeps_the_servers_word() {
    let read = stream(&[json!({"tool_calls": [{"function": {"name": "a", "arguments": {}}}]})]);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::ToolCalls));
    assert_eq!(read.closing.finish_reason_raw.as_deref(), Some("stop"));
    // On the last line itself, too.
    let mut last = done("stop");
    last["message"]["tool_calls"] = json!([{"function": {"name": "a", "arguments": {}}}]);
    assert_eq!(whole(&last).unwrap().closing.finish_reason, Some(FinishReason::ToolCalls));
}

#[test]
fn every_reason_to_be_done_has_its_word() {
    for (word, reason) in [
        ("stop", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("load", FinishReason::Other),
        ("unload", FinishReason::Other),
        ("a word of tomorrow", FinishReason::Other),
    ] {
        let read = read(lines(&[said(json!({"content": "x"})), done(word)])).whole();
        assert_eq!(read.closing.finish_reason, Some(reason), "{word}");
        assert_eq!(read.closing.finish_reason_raw.as_deref(), Some(word));
    }
    let cut_calls = [said(json!({"tool_calls": [{"function": {"name": "a", "arguments": {}}}]})), done("length")];
    assert_eq!(read(lines(&cut_calls)).whole().closing.finish_reason, Some(FinishReason::Length));
}

#[test]
fn arguments_that_are_no_object_are_read_as_far_as_they_go() {
    for (wire, arguments) in [
        (json!({"a": {"b": [1, null, 1.5]}}), json!({"a": {"b": [1, null, 1.5]}})),
        (json!(null), json!({})),
        (json!(""), json!({})),
        (json!("{\"a\": 1}"), json!({"a": 1})),
        (json!("{\"a\": "), json!("{\"a\": ")),
    ] {
        let read = stream(&[json!({"tool_calls": [{"function": {"name": "look", "arguments": wire}}]})]);
        assert_eq!(read.parts(), [call("look", arguments)]);
    }
    let read = stream(&[json!({"tool_calls": [{"function": {"name": "look"}}]}), json!({"tool_calls": null})]);
    assert_eq!(read.parts(), [call("look", json!({}))]);
}

#[test]
fn counts_that_are_left_out_are_zero_and_none_at_all_is_no_usage() {
    let usage = |counts: Value| {
        let mut last = json!({"model": "m", "done": true, "done_reason": "stop", "total_duration": 9});
        last.as_object_mut().unwrap().extend(counts.as_object().unwrap().clone());
        read(lines(&[last])).whole().closing.usage
    };
    let both = usage(json!({"prompt_eval_count": 7, "eval_count": 3})).unwrap();
    assert_eq!((both.input_tokens, both.output_tokens, both.requests), (7, 3, 1));
    assert_eq!(both.source, UsageSource::Reported);
    assert_eq!(both.raw, Some(json!({"prompt_eval_count": 7, "eval_count": 3}).into()));
    let cached = usage(json!({"eval_count": 3})).unwrap();
    assert_eq!((cached.input_tokens, cached.output_tokens, cached.raw), (0, 3, Some(json!({"eval_count": 3}).into())));
    let odd = usage(json!({"prompt_eval_count": -7, "eval_count": "3"})).unwrap();
    assert_eq!((odd.input_tokens, odd.output_tokens), (0, 0));
    assert_eq!(usage(json!({})), None);
}

#[test]
fn replies_of_generate_are_read_like_those_of_chat() {
    let read = read(lines(&[
        json!({"model": "g", "response": "", "thinking": "Hm.", "done": false}),
        json!({"model": "g", "response": "Yes", "done": false}),
        json!({"model": "g", "response": ".", "done": true, "done_reason": "stop", "context": [1, 2], "eval_count": 2}),
    ]))
    .whole();
    assert_eq!(read.parts(), [thought("Hm."), Part::text("Yes.")]);
    assert_eq!(read.closing.model.as_deref(), Some("g"));
    let one = json!({"model": "g", "response": "Yes.", "thinking": "Hm.", "done": true, "done_reason": "stop"});
    assert_eq!(whole(&one).unwrap().parts(), read.parts());
}

#[test]
fn a_whole_reply_gives_what_a_stream_gives_and_keeps_the_object() {
    let mut body = done("stop");
    body["message"] = json!({"role": "assistant", "content": "Olá", "thinking": "Hm.",
        "tool_calls": [{"function": {"name": "look", "arguments": {}}}]});
    let whole = whole(&body).unwrap();
    assert_eq!(whole.parts(), [thought("Hm."), Part::text("Olá"), call("look", json!({}))]);
    assert_eq!(whole.closing.raw.as_ref(), Some(&body));
    let streamed = read(lines(&[body])).whole();
    assert_eq!(whole.events, streamed.events);
    assert_eq!(Closing { raw: None, ..whole.closing }, streamed.closing);
}

#[test]
fn a_stream_that_nobody_asked_for_is_read_all_the_same() {
    let streamed = lines(&[said(json!({"content": "a"})), said(json!({"content": "b"})), done("stop")]);
    let read = decode(format!("\u{feff}{streamed}").as_bytes()).unwrap();
    assert_eq!(read.parts(), [Part::text("ab")]);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Stop));
}

#[test]
fn fields_of_tomorrow_blank_lines_and_crlf_change_nothing() {
    let mut later = said(json!({"content": "b", "mood": {"a": [1]}, "images": null}));
    later["logprobs"] = json!([{"token": "b"}]);
    later["remote_model"] = json!("m-cloud");
    let text = lines(&[said(json!({"content": "a"})), later, done("stop")]).replace('\n', "\r\n\r\n");
    assert_eq!(read(text).whole().parts(), [Part::text("ab")]);
}

#[test]
fn half_a_surrogate_pair_does_not_cost_the_reply() {
    let text = lines(&[said(json!({"content": "a#"})), done("stop")]).replace('#', "\\ud83d");
    assert_eq!(read(&text).whole().parts(), [Part::text("a\u{fffd}")]);
}

#[test]
fn the_last_line_counts_without_its_end_and_nothing_counts_behind_it() {
    let text = lines(&[said(json!({"content": "a"})), done("stop")]);
    let read_on = read(text.trim_end()).whole();
    assert!(read_on.counts.unterminated_last_event);
    assert_eq!(read_on.parts(), [Part::text("a")]);
    let behind = format!("{text}{}{}", lines(&[said(json!({"content": "more"})), done("length")]), "{\"half");
    let read_on = read(behind).whole();
    assert_eq!(read_on.parts(), [Part::text("a")]);
    assert_eq!(read_on.closing.finish_reason, Some(FinishReason::Stop));
}
