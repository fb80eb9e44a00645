use serde_json::json;

use super::*;
use crate::base::{ErrorKind, Retry};

fn text(index: i32, delta: &str) -> StreamEvent {
    StreamEvent::unnumbered(index, StreamEventKind::Text { delta: delta.to_owned() })
}

#[test]
fn a_draft_joins_deltas_of_a_part_and_orders_parts_by_number() {
    let mut draft = ReplyDraft::new();
    assert!(draft.is_empty());
    draft.push(&text(1, "Hel"));
    draft.push(&StreamEvent::unnumbered(0, StreamEventKind::Reasoning { delta: "hm".to_owned() }));
    draft.push(&StreamEvent::unnumbered(
        0,
        StreamEventKind::Part {
            part: Part::Opaque {
                provider: "anthropic".to_owned(),
                name: "signature".to_owned(),
                attached: true,
                data: json!("sig"),
            },
        },
    ));
    draft.push(&StreamEvent::unnumbered(0, StreamEventKind::Reasoning { delta: "m".to_owned() }));
    draft.push(&text(1, "lo"));
    let parts = draft.into_parts();
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[0], Part::Reasoning { text: "hmm".to_owned() });
    assert!(matches!(&parts[1], Part::Opaque { attached: true, .. }));
    assert_eq!(parts[2], Part::text("Hello"));
}

#[test]
fn a_cost_is_printed_as_money_or_as_unknown() {
    let cost = |nano_usd| Cost { nano_usd, ..Cost::default() }.to_string();
    assert_eq!(cost(None), "unknown");
    assert_eq!(cost(Some(0)), "$0.0000");
    assert_eq!(cost(Some(1_200_000)), "$0.0012");
    assert_eq!(cost(Some(12_345_678_900)), "$12.3457");
    assert_eq!(cost(Some(42_000)), "$0.00004");
    assert_eq!(cost(Some(7)), "$0.000000007");
}

#[test]
fn a_price_counts_cached_tokens_once_and_rounds_up() {
    let price = Price {
        input_nano_usd: 3_000_000_000,
        output_nano_usd: 15_000_000_000,
        cache_read_nano_usd: Some(300_000_000),
        ..Price::default()
    };
    let usage = Usage {
        input_tokens: 1_000,
        cache_read_input_tokens: 900,
        output_tokens: 10,
        source: UsageSource::Reported,
        ..Usage::default()
    };
    assert_eq!(price.cost(&usage).nano_usd, Some(100 * 3_000 + 900 * 300 + 10 * 15_000));
    let tiny = Price { input_nano_usd: 1, ..Price::default() };
    assert_eq!(
        tiny.cost(&Usage { input_tokens: 1, source: UsageSource::Reported, ..Usage::default() }).nano_usd,
        Some(1)
    );
    assert_eq!(price.cost(&Usage::default()), Cost::default());
}

#[test]
fn an_error_tells_the_end_user_what_happened_and_whether_the_message_is_kept() {
    let error = Error::new(ErrorKind::RateLimited, "server", "429").with_retry(Retry::After { after_ms: 2_500 });
    assert_eq!(error.user_message(), "The assistant is very busy. Try again in 3 s.");
    assert_eq!(error.retry_after(), Some(std::time::Duration::from_millis(2_500)));
    let kept = error.with_turn(crate::base::TurnId::from_bytes([1; 16]));
    assert!(kept.user_message().ends_with("Your message was saved."));
    assert_eq!(kept.info().reason, "server");
}

#[test]
fn an_error_shows_neither_the_providers_words_nor_the_partial_reply() {
    let error = Error::new(ErrorKind::Invalid, "bad_request", "the provider refused the request")
        .with_provider_error(ProviderError::new("canary: my prompt"))
        .with_partial(vec![Part::text("canary: partial")])
        .during("conversation.send");
    let shown = format!("{error} {error:?} {:?}", error.provider_error());
    assert!(!shown.contains("canary"), "{shown}");
    assert_eq!(error.to_string(), "invalid (bad_request) in conversation.send: the provider refused the request");
}

#[test]
fn parts_and_events_read_back_from_their_json() {
    let parts = vec![
        Part::text("hi"),
        Part::image(Media::data(vec![0, 255, 7], "image/png")),
        Part::ToolCall {
            call: ToolCall {
                id: "c1".to_owned(),
                name: "f".to_owned(),
                arguments: json!({"b": 1, "a": [true]}),
                provider_executed: false,
                free_text: false,
            },
        },
        Part::Opaque {
            provider: "anthropic".to_owned(),
            name: "signature".to_owned(),
            attached: true,
            data: json!({"z": 1, "a": 2}),
        },
    ];
    let text = serde_json::to_string(&parts).unwrap();
    assert_eq!(serde_json::from_str::<Vec<Part>>(&text).unwrap(), parts);
    assert!(text.contains(r#"{"z":1,"a":2}"#), "the order of keys is kept: {text}");

    let started = StreamEventKind::Started { turn_id: None, message_id: None, model: "openai/gpt-5".to_owned() };
    let started =
        StreamEvent { turn_id: Some(crate::base::TurnId::from_bytes([1; 16])), ..StreamEvent::unnumbered(0, started) };
    let text = serde_json::to_string(&started).unwrap();
    assert_eq!(serde_json::from_str::<StreamEvent>(&text).unwrap(), started, "{text}");

    let event = StreamEvent { seq: 3, ..self::text(1, "x") };
    let json = serde_json::to_value(&event).unwrap();
    assert_eq!(json["type"], "text");
    assert_eq!(serde_json::from_value::<StreamEvent>(json).unwrap(), event);
}

#[test]
fn the_sentence_for_the_end_user_agrees_with_whether_the_message_is_kept() {
    for kind in ErrorKind::ALL {
        let lost = Error::new(kind, "reason", "detail");
        let kept = lost.clone().with_turn(crate::base::TurnId::from_bytes([1; 16])).user_message();
        let lost = lost.user_message();
        assert!(!lost.contains("was saved"), "{kind}: {lost}");
        let said = kept.strip_suffix(" Your message was saved.").unwrap_or_else(|| panic!("{kind}: {kept}"));
        if kind == ErrorKind::Storage {
            assert_eq!(lost, "Your message could not be saved, so it was not sent.");
            assert_eq!(said, "The answer could not be saved.");
        } else {
            assert_eq!(said, lost, "{kind}");
        }
    }
}

#[test]
fn what_is_kept_of_a_stream_is_what_a_draft_takes_in() {
    let delta = || "x".to_owned();
    let call =
        || ToolCall { id: delta(), name: delta(), arguments: json!({}), provider_executed: false, free_text: false };
    let kinds = [
        (StreamEventKind::Started { turn_id: None, message_id: None, model: delta() }, false),
        (StreamEventKind::Text { delta: delta() }, true),
        (StreamEventKind::Reasoning { delta: delta() }, true),
        (StreamEventKind::Refusal { delta: delta() }, true),
        (StreamEventKind::Citation { citation: Citation::default() }, true),
        (StreamEventKind::ToolCallDelta { call_id: delta(), name: delta(), arguments_delta: delta() }, false),
        (StreamEventKind::ToolCall { call: call() }, true),
        (StreamEventKind::ToolResult { result: call().result("y") }, true),
        (StreamEventKind::Part { part: Part::text("x") }, true),
        (StreamEventKind::Progress { progress: Progress::Heartbeat { idle_ms: 1 } }, false),
        (StreamEventKind::Usage { usage: Usage::default(), cost: Cost::default() }, false),
        (StreamEventKind::Done { reply: Box::new(Reply::empty("p", "m")) }, false),
        (StreamEventKind::Other { name: delta(), data: json!(1) }, false),
    ];
    for (kind, kept) in kinds {
        let mut draft = ReplyDraft::new();
        draft.push_kind(0, &kind);
        assert_eq!((kind.is_kept(), draft.is_empty()), (kept, !kept), "{kind:?}");
    }
}
