//! Words, thoughts, pictures, counts.

use super::*;
use crate::base::ErrorKind;
use crate::model::{Citation, FinishReason, MediaSource, UsageSource};

fn usage_of(usage: &Value) -> Option<crate::model::Usage> {
    whole(&json!({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "usage": usage}))
        .unwrap()
        .closing
        .usage
}

#[test]
fn a_whole_reply_and_a_streamed_one_give_the_same_events() {
    let whole = message(
        &json!({"role": "assistant", "reasoning": "hm", "content": "hi", "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "{\"a\":1}"}}]}),
        "tool_calls",
    );
    let streamed = deltas(
        &[
            json!({"reasoning": "hm"}),
            json!({"content": "hi"}),
            json!({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": "{\"a\":1}"}}]}),
        ],
        "tool_calls",
    );
    assert_eq!(whole.events, streamed.events);
    assert_eq!(whole.closing.finish_reason, streamed.closing.finish_reason);
    assert_eq!(whole.closing.raw.as_ref().unwrap()["id"], "r1", "whole replies keep the provider's own object");
    assert_eq!(streamed.closing.raw, None);
}

#[test]
fn azure_opens_with_no_choices_and_empty_names() {
    let read = stream(&[
        json!({"choices": [], "id": "", "model": "", "prompt_filter_results": [{}]}),
        json!({"choices": [{"index": 0, "delta": {"content": "", "role": "assistant"}}], "id": "r1", "model": "m1"}),
        json!({"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": null}], "id": "r2", "model": "m2"}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
    ])
    .unwrap();
    assert_eq!((read.closing.id.as_deref(), read.closing.model.as_deref()), (Some("r1"), Some("m1")));
    assert_eq!(read.parts(), [Part::text("hi")]);
}

#[test]
fn content_may_be_null_absent_a_string_or_a_list_with_thoughts_in_it() {
    let read = deltas(
        &[
            json!({"content": null}),
            json!({"role": "assistant"}),
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "let"}]}]}),
            json!({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": " me"}], "closed": true}, {"type": "text", "text": "a"}]}),
            json!({"content": [{"type": "thinking", "thinking": " see"}, null, 7, ["x"], {"type": "reference", "reference_ids": [1]}, "b"]}),
            json!({"content": "c"}),
            json!({"content": {"odd": [1]}}),
            json!({"content": 7}),
        ],
        "stop",
    );
    assert_eq!(read.parts(), [Part::Reasoning { text: "let me see".to_owned() }, Part::text("abc")]);
}

#[test]
fn the_same_thoughts_under_several_names_are_told_once() {
    let details = json!([{"type": "reasoning.text", "text": "hm", "index": 0}]);
    let read = deltas(
        &[
            json!({"reasoning": "hm", "reasoning_content": "hm", "reasoning_details": details}),
            json!({"reasoning_content": " so"}),
            json!({"reasoning": " what", "reasoning_content": ""}),
            json!({"reasoning": null, "reasoning_details": []}),
            json!({"reasoning_details": [{"type": "reasoning.summary", "summary": "!", "index": 1}]}),
        ],
        "stop",
    );
    assert_eq!(read.parts(), [Part::Reasoning { text: "hm so what!".to_owned() }]);
}

#[test]
fn signed_and_encrypted_thoughts_are_kept_whole_behind_the_reasoning() {
    let read = deltas(
        &[
            json!({"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a", "signature": "", "format": "f", "index": 0}]}),
            json!({"reasoning": "b", "reasoning_details": [{"type": "reasoning.text", "text": "b", "index": 0, "format": "f"}]}),
            json!({"reasoning": null, "reasoning_details": [{"type": "reasoning.text", "text": "", "signature": "sig", "index": 0, "id": null}]}),
            json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "xyz", "index": 1}]}),
            json!({"reasoning_details": [{"type": "reasoning.summary", "summary": "", "index": 2}]}),
            json!({"reasoning_details": [{"type": "reasoning.encrypted", "data": "1"}, {"type": "reasoning.encrypted", "data": "2"}]}),
            json!({"content": "hi"}),
        ],
        "stop",
    );
    let data = json!([
        {"type": "reasoning.text", "text": "ab", "signature": "sig", "format": "f", "index": 0, "id": null},
        {"type": "reasoning.encrypted", "data": "xyz", "index": 1},
        {"type": "reasoning.encrypted", "data": "1"},
        {"type": "reasoning.encrypted", "data": "2"},
    ]);
    let name = "reasoning_details".to_owned();
    assert_eq!(
        read.parts(),
        [
            Part::Reasoning { text: "ab".to_owned() },
            Part::Opaque { provider: "acme".to_owned(), name, attached: true, data },
            Part::text("hi"),
        ]
    );
}

#[test]
fn a_finish_may_be_repeated_and_usage_may_stand_anywhere_the_last_counts() {
    let read = stream(&[
        json!({"choices": [{"delta": {"content": "a"}}], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}),
        json!({"choices": [{"delta": {}, "finish_reason": "length"}], "usage": null}),
        json!({"choices": [{"delta": {}, "finish_reason": "length"}], "usage": {"prompt_tokens": 1, "completion_tokens": 5}}),
        json!({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 7}}),
    ])
    .unwrap();
    assert_eq!(read.closing.usage.unwrap().output_tokens, 7);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Length));
}

#[test]
fn usage_is_also_read_where_groq_puts_it() {
    let read = stream(&[
        json!({"choices": [{"delta": {"content": "a"}, "finish_reason": "stop"}], "x_groq": {"id": "q", "usage": {"prompt_tokens": 2, "completion_tokens": 3}}}),
    ])
    .unwrap();
    assert_eq!(read.closing.usage.unwrap().input_tokens, 2);
}

#[test]
fn cached_tokens_are_found_under_all_their_names() {
    for usage in [
        json!({"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4}}),
        json!({"prompt_tokens": 9, "completion_tokens": 1, "prompt_cache_hit_tokens": 4, "prompt_cache_miss_tokens": 5}),
        json!({"prompt_tokens": 9, "completion_tokens": 1, "cached_tokens": 4}),
    ] {
        assert_eq!(usage_of(&usage).unwrap().cache_read_input_tokens, 4, "{usage}");
    }
    let written = json!({"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 3, "audio_tokens": 2}});
    let usage = usage_of(&written).unwrap();
    assert_eq!((usage.cache_creation_input_tokens, usage.requests, usage.source), (3, 1, UsageSource::Reported));
    assert_eq!(usage.details, [("prompt_tokens_details.audio_tokens".to_owned(), 2)].into());
    assert_eq!(usage.raw, Some(written.into()));
}

#[test]
fn reasoning_that_the_output_leaves_out_is_added_when_the_sum_says_so() {
    let counts = |total: Option<i64>| {
        let details = json!({"reasoning_tokens": 121});
        json!({"prompt_tokens": 496, "completion_tokens": 77, "total_tokens": total, "completion_tokens_details": details})
    };
    assert_eq!(usage_of(&counts(Some(694))).unwrap().output_tokens, 198);
    assert_eq!(usage_of(&counts(Some(573))).unwrap().output_tokens, 77);
    assert_eq!(usage_of(&counts(None)).unwrap().output_tokens, 77);
    assert_eq!(
        usage::read(&counts(None).to_string(), true).0.unwrap().output_tokens,
        198,
        "the quirk, where there is no sum"
    );
    assert_eq!(
        usage::read(&counts(Some(573)).to_string(), true).0.unwrap().output_tokens,
        77,
        "the sum goes before the quirk"
    );
    assert_eq!(usage_of(&counts(Some(900))).unwrap().output_tokens, 77, "a sum that fits neither proves nothing");
    let hidden = json!({"prompt_tokens": 35, "completion_tokens": 12, "total_tokens": 109});
    assert_eq!(usage_of(&hidden).unwrap().output_tokens, 12, "hidden thoughts stay as reported");
}

#[test]
fn counts_that_make_no_sense_are_clamped_or_ignored() {
    let usage = usage_of(&json!({"prompt_tokens": -5, "completion_tokens": 16.0, "total_tokens": "x"})).unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (0, 16));
    for nothing in [json!(null), json!({}), json!([]), json!("x"), json!({"prompt_tokens": null, "total_tokens": 3})] {
        assert_eq!(usage_of(&nothing), None, "{nothing}");
    }
    let huge = r#"{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}],"usage":{"prompt_tokens":18446744073709551616,"completion_tokens":1,"total_tokens":-0}}"#;
    let (_, closing) =
        with_quirks(&Quirks::default(), false, |target| OpenAiChat.decode(huge.as_bytes(), target)).unwrap();
    assert_eq!(closing.usage.unwrap().input_tokens, i64::MAX);
}

#[test]
fn a_number_too_large_for_any_counter_costs_the_usage_and_not_the_reply() {
    let read = stream_bytes(b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}],\"created\":1e400,\"usage\":{\"prompt_tokens\":1e400}}\n\n").unwrap();
    assert_eq!((read.closing.usage, read.events.len()), (None, 1));
}

#[test]
fn the_cost_that_a_provider_names_is_kept_in_nano_usd() {
    let cost = |usage: Value| usage::cost_nano_usd(&usage);
    assert_eq!(cost(json!({"cost": 0.000669})), Some(669_000));
    assert_eq!(cost(json!({"cost": 0})), Some(0), "free is not unknown");
    assert_eq!(
        cost(json!({"cost": 0.01, "is_byok": true, "cost_details": {"upstream_inference_cost": 0.02}})),
        Some(30_000_000)
    );
    assert_eq!(cost(json!({"cost": {"total_cost": 0.00504}})), Some(5_040_000));
    assert_eq!(cost(json!({"cost_in_usd_ticks": 3_155_600})), Some(315_560));
    for unknown in [json!({}), json!({"cost": null}), json!({"cost": -1}), json!({"cost": "1"}), json!({"cost": 1e300})]
    {
        assert_eq!(cost(unknown), None);
    }
}

#[test]
fn a_refusal_is_a_part_of_its_own() {
    let read = deltas(
        &[json!({"content": null, "refusal": ""}), json!({"refusal": "I'm "}), json!({"refusal": "sorry"})],
        "stop",
    );
    assert_eq!(read.reply().refusal().as_deref(), Some("I'm sorry"));
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Stop));
    assert_eq!(
        message(&json!({"content": null, "refusal": "no"}), "content_filter").closing.finish_reason,
        Some(FinishReason::ContentFilter)
    );
}

#[test]
fn a_filtered_reply_has_no_message_at_all() {
    let read =
        whole(&json!({"choices": [{"index": 0, "finish_reason": "content_filter", "content_filter_results": {}}]}))
            .unwrap();
    assert_eq!((read.events, read.closing.finish_reason), (vec![], Some(FinishReason::ContentFilter)));
}

#[test]
fn finish_words_are_read_and_unknown_ones_are_kept() {
    for (word, reason) in [
        ("stop", FinishReason::Stop),
        ("eos", FinishReason::Stop),
        ("length", FinishReason::Length),
        ("model_length", FinishReason::Length),
        ("tool_calls", FinishReason::ToolCalls),
        ("function_call", FinishReason::ToolCalls),
        ("content_filter", FinishReason::ContentFilter),
        ("brand_new", FinishReason::Other),
    ] {
        let closing = deltas(&[json!({"content": "x"})], word).closing;
        assert_eq!((closing.finish_reason, closing.finish_reason_raw.as_deref()), (Some(reason), Some(word)));
    }
}

#[test]
fn only_the_first_of_several_answers_is_read() {
    let read = stream(&[
        json!({"choices": [{"index": 1, "delta": {"content": "other"}}, {"index": 0, "delta": {"content": "a"}}]}),
        json!({"choices": [{"index": 1, "delta": {"content": "other"}, "finish_reason": "length"}]}),
        json!({"choices": [{"index": 0, "delta": {"content": "b"}, "finish_reason": "stop"}]}),
        json!({"choices": [{"index": 1, "delta": {"content": "late"}}]}),
    ])
    .unwrap();
    assert_eq!(read.parts(), [Part::text("ab")]);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Stop));
}

#[test]
fn a_finish_of_another_answer_is_no_proof_of_this_one() {
    let error = stream(&[
        json!({"choices": [{"index": 0, "delta": {"content": "a"}}]}),
        json!({"choices": [{"index": 1, "delta": {}, "finish_reason": "stop"}]}),
    ])
    .unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "cut"));
}

#[test]
fn citations_of_the_words_come_with_them() {
    let annotation = json!({"type": "url_citation", "url_citation": {"url": "https://a", "title": "A", "start_index": 2, "end_index": 5, "content": "q"}});
    let read = message(&json!({"content": "words", "annotations": [annotation, {"type": "file_citation"}, 7]}), "stop");
    let (url, title, quote) = (Some("https://a".to_owned()), Some("A".to_owned()), Some("q".to_owned()));
    let citations = vec![Citation { start: 2, end: 5, url, title, quote }];
    assert_eq!(read.parts(), [Part::Text { text: "words".to_owned(), citations }]);
}

#[test]
fn pages_of_a_search_become_citations_once_and_the_message_so_far_is_ignored() {
    let chunk = |delta: &str, so_far: &str, finish: Value| {
        json!({
            "choices": [{"index": 0, "delta": {"content": delta}, "message": {"content": so_far}, "finish_reason": finish}],
            "citations": ["https://a", "https://b"],
            "search_results": [{"title": "A", "url": "https://a", "snippet": "s"}, {"title": "B", "url": "https://b"}],
        })
    };
    let last = json!({"choices": [{"index": 0, "message": {"content": "ab"}, "finish_reason": "stop"}]});
    let read = stream(&[chunk("a", "a", json!(null)), chunk("b", "ab", json!(null)), last]).unwrap();
    let [Part::Text { text, citations }] = &read.parts()[..] else { panic!("{:?}", read.parts()) };
    assert_eq!(text, "ab");
    let pages: Vec<_> = citations.iter().map(|c| (c.url.as_deref().unwrap(), c.title.as_deref().unwrap())).collect();
    assert_eq!(pages, [("https://a", "A"), ("https://b", "B")]);
    let bare = whole(
        &json!({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}], "citations": ["https://c"]}),
    )
    .unwrap();
    assert_eq!(bare.events.len(), 2);
}

#[test]
fn a_stream_that_has_messages_in_place_of_deltas_is_read_by_them() {
    let read =
        stream(&[json!({"choices": [{"index": 0, "message": {"content": "all at once"}, "finish_reason": "stop"}]})])
            .unwrap();
    assert_eq!(read.parts(), [Part::text("all at once")]);
}

#[test]
fn a_sound_comes_in_pieces_and_its_words_are_words() {
    let read = deltas(
        &[
            json!({"audio": {"id": "a1", "transcript": "hel"}}),
            json!({"audio": {"data": "UklG"}}),
            json!({"audio": {"data": "RgAAAABXQVZF", "transcript": "lo"}}),
            json!({"audio": {"expires_at": 1}}),
        ],
        "stop",
    );
    let parts = read.parts();
    assert_eq!(parts[0], Part::text("hello"));
    let Part::Audio { media } = &parts[1] else { panic!("{parts:?}") };
    assert_eq!(media.mime_type.as_deref(), Some("audio/wav"));
    assert_eq!(media.source, MediaSource::Data { data: b"RIFF\0\0\0\0WAVE".to_vec() });
}

#[test]
fn pictures_come_as_bytes_where_they_are_bytes() {
    let images = json!([
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw=="}},
        {"type": "image_url", "image_url": {"url": "https://a/b.png"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,%%%"}},
    ]);
    let parts = message(&json!({"content": "look", "images": images}), "stop").parts();
    let sources: Vec<_> =
        parts.iter().filter_map(|p| if let Part::Image { media } = p { Some(&media.source) } else { None }).collect();
    assert_eq!(sources[0], &MediaSource::Data { data: vec![0x89, 0x50, 0x4e, 0x47] });
    assert_eq!(sources[1], &MediaSource::Url { url: "https://a/b.png".to_owned() });
    assert_eq!(sources.len(), 3);
}

#[test]
fn logprobs_padding_and_unknown_fields_are_passed_over() {
    let read = stream_bytes(
        b": comment\r\n\r\nevent: ping\r\ndata: {\"type\":\"ping\"}\r\n\r\nevent: chunk\r\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\",\"future\":{\"x\":[1]}},\"logprobs\":{\"content\":[{\"token\":\"\\ud83d\"}]},\"finish_reason\":\"stop\"}],\"obfuscation\":\"xx\"}   \r\n\r\ndata: {\"choices\":[]}\r\n\r\ndata: {\"note\":1}\n\ndata: [DONE] \n\n",
    )
    .unwrap();
    assert_eq!(read.parts(), [Part::text("a")]);
    assert_eq!((read.counts.pings, read.counts.comments, read.counts.frames, read.counts.json_frames), (1, 1, 5, 4));
    assert!(read.counts.done_sentinel);
}

#[test]
fn half_a_surrogate_pair_becomes_the_replacement_character() {
    let read =
        stream_bytes(b"data: {\"choices\":[{\"delta\":{\"content\":\"a\\ud83d\"},\"finish_reason\":\"stop\"}]}\n\n")
            .unwrap();
    assert_eq!(read.parts(), [Part::text("a\u{fffd}")]);
    let body = br#"{"choices":[{"message":{"content":"\ude00b"},"finish_reason":"stop"}]}"#;
    let (events, _) = with_quirks(&Quirks::default(), false, |target| OpenAiChat.decode(body, target)).unwrap();
    assert_eq!(events[0].kind, StreamEventKind::Text { delta: "\u{fffd}b".to_owned() });
}

#[test]
fn what_comes_after_done_is_ignored_and_done_is_not_needed() {
    let chunk = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
    let after = format!(
        "{chunk}data: [DONE]\n\ndata: {{\"choices\":[{{\"delta\":{{\"content\":\"b\"}}}}]}}\n\ndata: [DONE]\n\ndata: nonsense\n\n"
    );
    for bytes in [chunk, &after, chunk.trim_end(), &format!("{chunk}data: {{\"usa")] {
        assert_eq!(stream_bytes(bytes.as_bytes()).unwrap().parts(), [Part::text("a")], "{bytes}");
    }
}

#[test]
fn it_is_complete_from_the_finish_word_on() {
    with_quirks(&Quirks::default(), true, |target| {
        let mut decoder = OpenAiChat.decoder(target);
        let mut events = Vec::new();
        decoder.feed(b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"}}]}\n\n", &mut events).unwrap();
        assert!(!decoder.is_complete());
        decoder.feed(b"data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n", &mut events).unwrap();
        assert!(decoder.is_complete());
    });
}

#[test]
fn an_empty_reply_is_a_reply() {
    let read = deltas(&[json!({"content": ""})], "stop");
    assert_eq!((read.events, read.closing.finish_reason), (vec![], Some(FinishReason::Stop)));
}

#[test]
fn a_server_that_streams_unasked_or_does_not_stream_when_asked_is_understood() {
    let sse = b"data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n";
    let (events, _) = with_quirks(&Quirks::default(), false, |target| OpenAiChat.decode(sse, target)).unwrap();
    assert_eq!(events.len(), 1);
    let json = br#"{"id":"r","choices":[{"message":{"content":"a"},"finish_reason":"stop"}]}"#;
    let read = stream_bytes(json).unwrap();
    assert_eq!((read.parts(), read.closing.id.as_deref()), (vec![Part::text("a")], Some("r")));
}

#[test]
fn comments_before_the_first_event_and_blanks_behind_done_are_nothing() {
    let comments = ": OPENROUTER PROCESSING\n\n".repeat(17);
    let chunk = "data: {\"choices\":[{\"delta\":{\"content\":\"a\"},\"finish_reason\":\"stop\"}]}\n\n";
    for line_end in ["\n", "\r\n"] {
        let bytes = format!("{comments}{chunk}data: [DONE] ").replace('\n', line_end);
        let read = stream_bytes(bytes.as_bytes()).unwrap();
        assert_eq!(read.parts(), [Part::text("a")]);
        assert_eq!((read.counts.comments, read.counts.frames), (17, 2));
        assert!(read.counts.done_sentinel && read.counts.unterminated_last_event);
    }
}

#[test]
fn a_role_with_every_chunk_and_a_finish_said_twice_change_nothing() {
    let read = stream(&[
        json!({"choices": [{"delta": {"role": "assistant", "content": "a"}}]}),
        json!({"choices": [{"delta": {"role": "assistant", "content": "b"}}]}),
        json!({"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": "stop"}]}),
        json!({"choices": [{"delta": {"role": "assistant", "content": ""}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 2}}),
    ])
    .unwrap();
    assert_eq!(read.parts(), [Part::text("ab")]);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Stop));
    assert_eq!(read.closing.usage.unwrap().output_tokens, 2);
}

#[test]
fn a_choice_without_a_delta_may_end_a_stream_as_filtered() {
    let read = stream(&[
        json!({"choices": [{"index": 0, "delta": {"content": "a"}}]}),
        json!({"choices": [{"index": 0, "finish_reason": "content_filter", "content_filter_results": {}}]}),
    ])
    .unwrap();
    assert_eq!((read.parts(), read.closing.finish_reason), (vec![Part::text("a")], Some(FinishReason::ContentFilter)));
}

#[test]
fn more_reasoning_than_output_stays_as_the_provider_counted() {
    for total in [53, 54] {
        let details = json!({"reasoning_tokens": 11});
        let counts = json!({"prompt_tokens": 43, "completion_tokens": 10, "total_tokens": total, "completion_tokens_details": details});
        let usage = usage_of(&counts).unwrap();
        assert_eq!((usage.output_tokens, usage.reasoning_output_tokens), (10, 11), "{counts}");
    }
}

#[test]
fn a_piece_without_a_choice_between_two_words_is_read_over() {
    let word = |text: &str| json!({"choices": [{"index": 0, "delta": {"content": text}}]});
    for nothing in [json!({"choices": []}), json!({"choices": null}), json!({})] {
        let end = json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]});
        let read = stream(&[word("one "), nothing.clone(), word("two"), nothing.clone(), end]).unwrap();
        assert_eq!(read.parts(), [Part::text("one two")], "{nothing}");
        assert_eq!(read.events.len(), 1, "words that come together are one event: {nothing}");
    }
}

#[test]
fn words_behind_the_finish_count_up_to_the_end_of_the_stream() {
    let read = stream(&[
        json!({"choices": [{"index": 0, "delta": {"content": "one "}}]}),
        json!({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}),
        json!({"choices": [{"index": 0, "delta": {"content": "two"}}]}),
    ])
    .unwrap();
    assert_eq!(read.parts(), [Part::text("one two")]);
    assert_eq!(read.closing.finish_reason, Some(FinishReason::Stop));
}

#[test]
fn whoever_is_said_to_speak_the_words_are_those_of_the_answer() {
    for role in [json!("user"), json!("system"), json!("tool"), json!(""), json!(null), json!(7)] {
        let read = deltas(
            &[
                json!({"role": "assistant", "content": "one "}),
                json!({"role": role, "content": "two "}),
                json!({"content": "three"}),
            ],
            "stop",
        );
        assert_eq!(read.parts(), [Part::text("one two three")], "{role}");
    }
}

#[test]
fn of_counts_that_become_smaller_on_the_way_the_last_ones_count() {
    let counted = |output: i64| json!({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": output}});
    let end = json!({"choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": "stop"}]});
    let usage = stream(&[counted(5), counted(7), end, counted(3)]).unwrap().closing.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (9, 3));
}
