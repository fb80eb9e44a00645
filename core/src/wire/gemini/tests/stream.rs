use serde_json::json;

use super::*;
use crate::base::{ErrorKind, Retry};
use crate::model::{Citation, FinishReason, StreamEventKind};

#[test]
fn text_comes_piece_by_piece_over_crlf_and_the_closing_says_the_rest() {
    let read = read(reply(&[r#"{"text": "Hel"}"#, r#"{"text": "lo, \"wörld\"\n"}"#])).whole();
    assert_eq!(read.parts(), [Part::text("Hello, \"wörld\"\n")]);
    assert_eq!(read.events.len(), 2);
    assert_eq!((read.closing.id.as_deref(), read.closing.model.as_deref()), (Some("r1"), Some("gemini-test")));
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Stop));
    assert_eq!(read.closing.finish_reason_raw.as_deref(), Some("STOP"));
    assert_eq!((read.counts.frames, read.counts.json_frames), (3, 3));
}

#[test]
fn every_finish_word_has_its_meaning_and_unknown_ones_are_never_a_stop() {
    for (word, reason) in [
        ("STOP", FinishReason::Stop),
        ("MAX_TOKENS", FinishReason::Length),
        ("SAFETY", FinishReason::ContentFilter),
        ("RECITATION", FinishReason::ContentFilter),
        ("BLOCKLIST", FinishReason::ContentFilter),
        ("PROHIBITED_CONTENT", FinishReason::ContentFilter),
        ("SPII", FinishReason::ContentFilter),
        ("LANGUAGE", FinishReason::ContentFilter),
        ("IMAGE_SAFETY", FinishReason::ContentFilter),
        ("MALFORMED_FUNCTION_CALL", FinishReason::Error),
        ("UNEXPECTED_TOOL_CALL", FinishReason::Error),
        ("TOO_MANY_TOOL_CALLS", FinishReason::Error),
        ("OTHER", FinishReason::Other),
        ("TIRED", FinishReason::Other),
    ] {
        let end = format!(r#"{{"candidates": [{{"finishReason": "{word}"}}]}}"#);
        let read = read(sse(&[&parts(r#"{"text": "a"}"#), &end])).whole();
        assert_eq!(read.closing.finish_reason, Some(reason), "{word}");
        assert_eq!(read.closing.finish_reason_raw.as_deref(), Some(word));
    }
}

#[test]
fn an_unset_finish_word_is_no_end() {
    let unset =
        r#"{"candidates": [{"content": {"parts": [{"text": "a"}]},"finishReason": "FINISH_REASON_UNSPECIFIED"}]}"#;
    let read = read(sse(&[unset]));
    assert!(!read.is_complete);
    assert_eq!(read.error().reason(), "cut");
}

#[test]
fn a_stop_beside_calls_waits_for_the_tools_wherever_the_calls_stand() {
    let one = r#"{"functionCall": {"name": "look","args": {"a": 1}}}"#;
    let two = r#"{"functionCall": {"name": "look"}}"#;
    let expected = [call("", "look", json!({"a": 1})), call("", "look", json!({}))];
    for chunks in [vec![format!("{one},{two}")], vec![one.to_owned(), two.to_owned()]] {
        let read = read(reply(&chunks.iter().map(String::as_str).collect::<Vec<_>>())).whole();
        assert_eq!(read.parts(), expected);
        assert_ne!(read.events[0].part_index, read.events[1].part_index, "each call gets a name of its own");
        assert_eq!(read.closing.finish_reason, Some(FinishReason::ToolCalls));
        assert_eq!(read.closing.finish_reason_raw.as_deref(), Some("STOP"));
    }
}

#[test]
fn an_id_of_a_call_is_kept() {
    let read = read(reply(&[r#"{"functionCall": {"id": "u959","name": "look","args": {}}}"#])).whole();
    assert_eq!(read.parts(), [call("u959", "look", json!({}))]);
}

#[test]
fn half_a_call_that_the_provider_refused_is_an_error_and_not_a_wish_for_tools() {
    let end = r#"{"candidates": [{"content": {"parts": [{"functionCall": {"name": "nope","args": {}}}]},"finishReason": "UNEXPECTED_TOOL_CALL","finishMessage": "undeclared"}]}"#;
    let read = read(sse(&[end])).whole();
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Error));
    assert_eq!(read.parts(), [call("", "nope", json!({}))]);
}

#[test]
fn empty_parts_and_contents_without_parts_say_nothing() {
    let without_parts = r#"{"candidates": [{"content": {"role": "model"},"index": 0}]}"#;
    let without_content = r#"{"candidates": [{"index": 0}]}"#;
    let without_candidates = r#"{"usageMetadata": {"trafficType": "ON_DEMAND"}}"#;
    let empty = parts(r#"{},{"text": ""},{"text": "a"},{"text": null}"#);
    let read = read(sse(&[without_parts, without_content, without_candidates, &empty, STOP])).whole();
    assert_eq!(read.parts(), [Part::text("a")]);
}

#[test]
fn thoughts_are_reasoning_and_each_row_of_words_is_a_part() {
    let read = read(reply(&[
        r#"{"text": "Hm","thought": true}"#,
        r#"{"text": "m.","thought": true},{"text": "Yes"}"#,
        r#"{"text": ", "},{"text": "or?","thought": true},{"text": "no"}"#,
    ]))
    .whole();
    let thought = |text: &str| Part::Reasoning { text: text.into() };
    assert_eq!(read.parts(), [thought("Hmm."), Part::text("Yes, "), thought("or?"), Part::text("no")]);
}

#[test]
fn a_signature_stays_on_the_part_it_came_with() {
    let read = read(reply(&[
        r#"{"text": "Hm","thought": true,"thoughtSignature": "dA=="}"#,
        r#"{"text": "A"}"#,
        r#"{"text": "B","thoughtSignature": "Yg=="}"#,
        r#"{"text": "C"}"#,
        r#"{"functionCall": {"name": "look","args": {}},"thoughtSignature": "Yw=="}"#,
        r#"{"text": "","thoughtSignature": "ZW5k"}"#,
    ]))
    .whole();
    assert_eq!(
        read.parts(),
        [
            Part::Reasoning { text: "Hm".into() },
            signature("dA=="),
            Part::text("A"),
            Part::text("B"),
            signature("Yg=="),
            Part::text("C"),
            call("", "look", json!({})),
            signature("Yw=="),
            opaque("thought_signature", false, json!({"text": "", "thoughtSignature": "ZW5k"})),
        ]
    );
}

#[test]
fn a_finish_word_with_every_chunk_ends_nothing_before_the_stream_does() {
    let chunk = |text: &str| {
        format!(
            r#"{{"candidates": [{{"content": {{"parts": [{{"text": "{text}"}}]}},"finishReason": "STOP","index": 0}}]}}"#
        )
    };
    let stream = sse(&[&chunk("First "), &chunk("Second "), &chunk("Third")]);
    assert_eq!(read(&stream).whole().parts(), [Part::text("First Second Third")]);
    // Half a chunk behind the word shows that it was not the end.
    let error = read(&stream[..stream.len() - 20]).error();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "cut"));
}

#[test]
fn a_stream_without_a_finish_word_was_cut() {
    for stream in [String::new(), "\r\n\r\n".to_owned(), sse(&[&parts(r#"{"text": "a"}"#)])] {
        let read = read(stream);
        assert!(!read.is_complete);
        let error = read.error();
        assert_eq!((error.kind(), error.reason(), error.retry()), (ErrorKind::Truncated, "cut", Retry::Safe));
    }
}

const CANCELLED: &str = "{\r\n  \"error\": {\r\n    \"code\": 499,\r\n    \"message\": \"The operation was cancelled.\",\r\n\r\n    \"status\": \"CANCELLED\"\r\n  }\r\n}\r\n";

#[test]
fn bare_json_over_many_lines_behind_the_events_is_the_error_it_says() {
    let events = sse(&[&parts(r#"{"text": "a"}"#), STOP]);
    let read = read(format!("{events}{CANCELLED}"));
    assert_eq!(read.parts(), [Part::text("a")]);
    let error = read.error();
    let said = error.provider_error().unwrap();
    assert_eq!((said.status, said.kind.as_deref()), (Some(499), Some("CANCELLED")));
    assert_eq!(said.message(), "The operation was cancelled.");
    assert_eq!(error.retry(), Retry::Safe);
}

#[test]
fn half_an_error_behind_the_events_is_no_good_end() {
    let stream = format!("{}{CANCELLED}", sse(&[&parts(r#"{"text": "a"}"#), STOP]));
    for end in [stream.len() - 3, stream.len() - 60, stream.len() - CANCELLED.len() + 1] {
        assert_eq!(read(&stream[..end]).error().reason(), "cut", "{end}");
    }
}

#[test]
fn an_error_is_read_as_an_event_as_an_element_alone_and_in_an_array() {
    let error = r#"{"error": {"code": 503,"message": "The model is overloaded.","status": "UNAVAILABLE"}}"#;
    let a = parts(r#"{"text": "a"}"#);
    for stream in [
        sse(&[&a, error]),
        sse(&[&format!("[{error}]")]),
        format!("[{a},\r\n{error}\r\n]"),
        format!("[{error}]"),
        error.to_owned(),
    ] {
        let error = read(&stream).error();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "overloaded"), "{stream}");
        assert_eq!(error.provider_error().unwrap().status, Some(503));
    }
}

#[test]
fn a_page_is_no_reply() {
    let error = read("\n<html>\nSign in\n</html>").error();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "bad_response"));
    assert_eq!(read("Not found\n").error().reason(), "cut");
}

#[test]
fn what_makes_no_sense_breaks_the_stream_for_good() {
    for stream in
        ["data: {\"candidates\": 1}\r\n\r\n", "data: nonsense\r\n\r\n", "[1]", "[{\"candidates\": {}}]", "[nonsense"]
    {
        let error = read(stream).error();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "malformed"), "{stream}");
    }
    let mut decoder = with_target(GEMINI_API, true, |target| Gemini.decoder(target));
    let mut events = Vec::new();
    assert!(decoder.feed(b"data: {]\n\n", &mut events).is_err());
    assert!(decoder.feed(sse(&[STOP]).as_bytes(), &mut events).is_err());
    assert!(decoder.finish(&mut events).is_err());
}

#[test]
fn an_array_that_is_not_closed_was_cut_though_its_last_element_says_stop() {
    let read = read(format!("[{STOP}\n"));
    assert!(!read.is_complete);
    assert_eq!(read.error().reason(), "cut");
}

#[test]
fn a_server_that_does_not_stream_after_all_is_understood() {
    let whole = STOP.replace(r#""text": """#, r#""text": "All at once.""#);
    for body in [whole.clone(), serde_json::to_string_pretty(&serde_json::from_str::<Json>(&whole).unwrap()).unwrap()] {
        assert_eq!(read(body).whole().parts(), [Part::text("All at once.")]);
    }
}

#[test]
fn half_a_surrogate_pair_is_no_reason_to_lose_a_reply() {
    let read = read(reply(&[r#"{"text": "a\ud83d b"}"#])).whole();
    assert_eq!(read.parts(), [Part::text("a\u{fffd} b")]);
}

#[test]
fn a_blocked_prompt_ends_as_filtered() {
    let blocked = r#"{"promptFeedback": {"blockReason": "MODEL_ARMOR","blockReasonMessage": "x"},"usageMetadata": {"promptTokenCount": 4},"responseId": "r"}"#;
    let read = read(sse(&[blocked])).whole();
    assert_eq!(read.parts(), []);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::ContentFilter));
    assert_eq!(read.closing.finish_reason_raw.as_deref(), Some("promptFeedback:MODEL_ARMOR"));
    assert_eq!(read.closing.usage.unwrap().input_tokens, 4);
}

#[test]
fn feedback_that_blocks_nothing_is_no_end() {
    let read = read(sse(&[r#"{"promptFeedback": {"safetyRatings": []}}"#]));
    assert_eq!(read.error().reason(), "cut");
}

#[test]
fn a_stop_without_a_word_or_a_token_is_asked_again() {
    let end = r#"{"candidates": [{"content": {"role": "model"},"finishReason": "STOP"}],"usageMetadata": {"promptTokenCount": 7}}"#;
    let error = read(sse(&[end])).error();
    assert_eq!((error.kind(), error.reason(), error.retry()), (ErrorKind::Unavailable, "empty_reply", Retry::Safe));
    // Thoughts were paid for: that it has nothing to say is its answer.
    let thought = end.replace(r#""promptTokenCount": 7"#, r#""promptTokenCount": 7,"thoughtsTokenCount": 5"#);
    assert_eq!(read(sse(&[&thought])).whole().parts(), []);
}

#[test]
fn counts_are_the_last_of_each_field_with_thoughts_and_tools_added() {
    let first = r#"{"usageMetadata": {"promptTokenCount": 11,"totalTokenCount": 11,"cachedContentTokenCount": 4,"promptTokensDetails": [{"modality": "AUDIO","tokenCount": 6},{"modality": "TEXT","tokenCount": 5}]}}"#;
    let last = r#"{"candidates": [{"content": {"parts": [{"text": "a"}]},"finishReason": "STOP"}],"usageMetadata": {"promptTokenCount": 11,"candidatesTokenCount": 14,"thoughtsTokenCount": 381,"toolUsePromptTokenCount": 100,"totalTokenCount": 506}}"#;
    let usage = read(sse(&[first, last])).whole().closing.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (111, 395));
    assert_eq!((usage.cache_read_input_tokens, usage.reasoning_output_tokens), (4, 381));
    assert_eq!(usage.details["promptTokensDetails.AUDIO"], 6);
    assert_eq!(usage.details["toolUsePromptTokenCount"], 100);
    assert_eq!(usage.details.len(), 2);
    assert_eq!(usage.raw.unwrap()["cachedContentTokenCount"], 4);
}

#[test]
fn counts_of_thoughts_alone_are_counts_and_a_bare_traffic_type_is_none() {
    let end = |usage: &str| format!(r#"{{"candidates": [{{"finishReason": "MAX_TOKENS"}}],"usageMetadata": {usage}}}"#);
    let usage = |json: &str| read(sse(&[&end(json)])).whole().closing.usage;
    assert_eq!(usage(r#"{"thoughtsTokenCount": 2}"#).unwrap().output_tokens, 2);
    assert_eq!(usage(r#"{"trafficType": "ON_DEMAND"}"#), None);
    assert_eq!(usage("[]"), None);
}

#[test]
fn only_the_first_candidate_is_read() {
    let both = r#"{"candidates": [{"content": {"parts": [{"text": "other"}]},"index": 1,"finishReason": "SAFETY"},{"content": {"parts": [{"text": "first"}]}}]}"#;
    let other = r#"{"candidates": [{"content": {"parts": [{"text": "other"}]},"index": 1,"finishReason": "STOP"}]}"#;
    let read = read(sse(&[both, other, STOP])).whole();
    assert_eq!(read.parts(), [Part::text("first")]);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Stop));
}

#[test]
fn what_a_search_found_is_cited_by_characters_and_kept_whole() {
    let metadata = json!({
        "webSearchQueries": ["q"],
        "searchEntryPoint": {"renderedContent": "<div/>"},
        "groundingChunks": [
            {"web": {"uri": "https://a.example", "title": "A"}},
            {"web": {"uri": "https://b.example", "title": "B"}},
        ],
        "groundingSupports": [
            {"segment": {"startIndex": 6, "endIndex": 12, "text": "größe"}, "groundingChunkIndices": [0, 1]},
            {"segment": {"endIndex": 3, "text": "Übe"}, "groundingChunkIndices": [9]},
        ],
    });
    // `größe` is 7 bytes from byte 6 to 13: a place that lies falls back on the answer as a whole.
    let stream = |metadata: &Json| {
        let found = json!({"candidates": [{"groundingMetadata": metadata}]}).to_string();
        sse(&[&parts(r#"{"text": "Über "}"#), &parts(r#"{"text": "größe!"}"#), &found, STOP])
    };
    let cited = |url: &str, title: &str, start, end| Citation {
        start,
        end,
        url: Some(url.into()),
        title: Some(title.into()),
        quote: Some("größe".into()),
    };
    let both = |start, end| {
        let citations = vec![cited("https://a.example", "A", start, end), cited("https://b.example", "B", start, end)];
        Part::Text { text: "Über größe!".into(), citations }
    };
    assert_eq!(read(stream(&metadata)).whole().parts()[0], both(0, 11));
    let mut right = metadata;
    right["groundingSupports"][0]["segment"]["endIndex"] = json!(13);
    let parts = read(stream(&right)).whole().parts();
    assert_eq!(parts, [both(5, 10), opaque("groundingMetadata", true, right)]);
}

#[test]
fn pages_without_places_and_quotations_are_citations_too() {
    let pages = r#"{"candidates": [{"groundingMetadata": {"groundingChunks": [{"retrievedContext": {"uri": "gs://x","title": "X"}}]}}]}"#;
    let quoted = |name: &str| {
        format!(
            r#"{{"candidates": [{{"citationMetadata": {{"{name}": [{{"startIndex": 1,"endIndex": 3,"uri": "https://q.example","license": "mit"}}]}}}}]}}"#
        )
    };
    for name in ["citationSources", "citations"] {
        // Said twice, counted once.
        let quoted = quoted(name);
        let read = read(sse(&[&parts(r#"{"text": "abcd"}"#), &quoted, &quoted, pages, STOP])).whole();
        let Part::Text { citations, .. } = &read.parts()[0] else { panic!("{:?}", read.parts()) };
        let quote = Citation { start: 1, end: 3, url: Some("https://q.example".into()), ..Citation::default() };
        let page = Citation { url: Some("gs://x".into()), title: Some("X".into()), ..Citation::default() };
        assert_eq!(citations, &[quote, page], "{name}");
    }
}

#[test]
fn arguments_and_replies_beyond_all_measure_are_refused() {
    let long = "x".repeat(1 << 20);
    let error = read(reply(&[&format!(r#"{{"functionCall": {{"name": "look","args": {{"a": "{long}"}}}}}}"#)])).error();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::OutputInvalid, "too_large"));
    let mut decoder = with_target(GEMINI_API, true, |target| Gemini.decoder(target));
    let chunk = sse(&[&parts(&format!(r#"{{"text": "{long}"}}"#))]);
    let mut events = Vec::new();
    let error = (0..40).find_map(|_| {
        events.clear();
        decoder.feed(chunk.as_bytes(), &mut events).err()
    });
    assert_eq!(error.unwrap().reason(), "too_large");
}

#[test]
fn a_gateway_may_say_done() {
    let read = read(format!("{}data: [DONE]\n\n", reply(&[r#"{"text": "a"}"#]))).whole();
    assert!(read.counts.done_sentinel);
    assert_eq!((read.counts.frames, read.counts.json_frames), (3, 2));
}

#[test]
fn a_heartbeat_that_is_a_comment_is_no_event() {
    let read = read(format!(": ping\r\n\r\n{}", reply(&[r#"{"text": "a"}"#]))).whole();
    assert!(read.events.iter().all(|event| matches!(event.kind, StreamEventKind::Text { .. })));
    assert_eq!(read.counts.comments, 1);
}

#[test]
fn a_field_that_is_said_twice_in_one_object_makes_no_sense_unless_nobody_reads_it() {
    for twice in [
        r#"{"candidates": [{"content": {"parts": [{"text": "yes", "text": "no"}]}}]}"#,
        r#"{"candidates": [{"content": {"parts": [{"text": "yes"}]}}], "candidates": []}"#,
        r#"{"candidates": [{"content": {"parts": [{"text": "yes"}]}, "content": {"parts": []}}]}"#,
    ] {
        let error = read(sse(&[twice, STOP])).error();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "malformed"), "{twice}");
    }
    let unread =
        r#"{"candidates": [{"content": {"parts": [{"text": "yes"}]}, "odd": 1, "odd": 2}], "odd": 1, "odd": 2}"#;
    assert_eq!(read(sse(&[unread, STOP])).whole().parts(), [Part::text("yes")]);
}
