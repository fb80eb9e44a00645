use serde_json::json;

use super::*;
use crate::base::{ErrorKind, Retry, Timestamp};

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

/// 2026-11-21T12:00:00Z
const NOON: Timestamp = Timestamp::from_millis(1_795_262_400_000);

#[test]
fn a_price_counts_cached_tokens_once_and_what_costs_anything_costs_at_least_one() {
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
    assert_eq!(price.cost(&usage, NOON).nano_usd, Some(100 * 3_000 + 900 * 300 + 10 * 15_000));
    let tiny = Price { input_nano_usd: 1, ..Price::default() };
    assert_eq!(
        tiny.cost(&Usage { input_tokens: 1, source: UsageSource::Reported, ..Usage::default() }, NOON).nano_usd,
        Some(1)
    );
    assert_eq!(price.cost(&Usage::default(), NOON), Cost::default());
}

fn reported(input_tokens: i64, output_tokens: i64) -> Usage {
    Usage { input_tokens, output_tokens, requests: 1, source: UsageSource::Reported, ..Usage::default() }
}

#[test]
fn a_long_prompt_is_dearer_for_every_token_of_its_call_and_the_border_itself_is_not_long() {
    let tier = |above_input_tokens, input, output| PriceTier {
        above_input_tokens,
        input_nano_usd: input,
        output_nano_usd: output,
        ..PriceTier::default()
    };
    let price = Price {
        input_nano_usd: 1_000_000,
        output_nano_usd: 10_000_000,
        tiers: vec![tier(100, Some(2_000_000), None), tier(200, None, Some(30_000_000))],
        ..Price::default()
    };
    let cost = |input| price.cost(&reported(input, 1), NOON).nano_usd.unwrap();
    assert_eq!((cost(100), cost(101)), (100 + 10, 202 + 10));
    assert_eq!((cost(200), cost(201)), (400 + 10, 402 + 30), "the second tier forgot what the first one said");
}

#[test]
fn a_price_changes_on_its_day_and_at_its_hours() {
    let at = |from_date: Option<&str>, hours: Option<(&str, &str)>, input_nano_usd| PriceChange {
        from_date: from_date.map(str::to_owned),
        from_time: hours.map(|(from, _)| from.to_owned()),
        to_time: hours.map(|(_, to)| to.to_owned()),
        price: Price { input_nano_usd, ..Price::default() },
    };
    let price = Price {
        input_nano_usd: 1_000_000,
        changes: vec![
            at(None, Some(("06:00", "10:00")), 2_000_000),
            at(None, Some(("23:00", "01:00")), 3_000_000),
            at(Some("2026-11-22"), None, 4_000_000),
        ],
        date: Some("2026-11-21".to_owned()),
        ..Price::default()
    };
    price.check().unwrap();
    let cost = |minutes: i64| {
        let at = Timestamp::from_millis(NOON.as_millis() + minutes * 60_000);
        let cost = price.cost(&reported(1, 0), at);
        assert_eq!(cost.price_date.as_deref(), Some("2026-11-21"));
        cost.nano_usd.unwrap()
    };
    assert_eq!((cost(-6 * 60 - 1), cost(-6 * 60), cost(-2 * 60 - 1), cost(-2 * 60)), (1, 2, 2, 1));
    assert_eq!((cost(11 * 60), cost(12 * 60 - 1), cost(12 * 60)), (3, 3, 4), "a day later the day's price holds");
    assert_eq!((cost(-12 * 60), cost(-11 * 60)), (3, 1), "hours across midnight");
}

#[test]
fn sounds_pictures_thoughts_long_caches_searches_and_requests_have_prices_of_their_own() {
    let price = Price {
        input_nano_usd: 1_000_000,
        output_nano_usd: 10_000_000,
        cache_read_nano_usd: Some(100_000),
        cache_creation_nano_usd: Some(1_250_000),
        cache_creation_1h_nano_usd: Some(2_000_000),
        input_audio_nano_usd: Some(3_000_000),
        cache_read_audio_nano_usd: Some(300_000),
        output_audio_nano_usd: Some(20_000_000),
        output_image_nano_usd: Some(30_000_000),
        output_reasoning_nano_usd: Some(5_000_000),
        request_nano_usd: Some(7),
        web_search_nano_usd: Some(9),
        ..Price::default()
    };
    let counted = |details: &[(&str, i64)]| Usage {
        cache_read_input_tokens: 100,
        cache_creation_input_tokens: 200,
        reasoning_output_tokens: 10,
        details: details.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect(),
        ..reported(1_000, 100)
    };
    let cost = |details: &[(&str, i64)]| price.cost(&counted(details), NOON).nano_usd.unwrap();
    let plain = 700 + 10 + 250 + 90 * 10 + 10 * 5 + 7;
    assert_eq!(cost(&[]), plain);
    assert_eq!(cost(&[("ephemeral_1h_input_tokens", 200)]), plain + 150);
    assert_eq!(cost(&[("prompt_tokens_details.audio_tokens", 50)]), plain + 100);
    assert_eq!(cost(&[("promptTokensDetails.AUDIO", 50), ("cacheTokensDetails.AUDIO", 50)]), plain + 10);
    assert_eq!(cost(&[("output_tokens_details.audio_tokens", 10)]), plain + 100);
    assert_eq!(cost(&[("candidatesTokensDetails.IMAGE", 10)]), plain + 200);
    assert_eq!(cost(&[("web_search_requests", 2)]), plain + 18);
    let simple = Price { input_nano_usd: 1_000_000, output_nano_usd: 10_000_000, ..Price::default() };
    assert_eq!(simple.cost(&counted(&[("promptTokensDetails.AUDIO", 50)]), NOON).nano_usd, Some(1_000 + 1_000));
}

#[test]
fn counts_beyond_all_reason_cost_much_and_never_overflow() {
    let price = Price { input_nano_usd: i64::MAX, output_nano_usd: i64::MAX, ..Price::default() };
    let usage = Usage { cache_read_input_tokens: i64::MAX, ..reported(i64::MIN, i64::MAX) };
    assert_eq!(price.cost(&usage, NOON).nano_usd, Some(i64::MAX));
    let everything = Usage { cache_read_input_tokens: i64::MAX, cache_creation_input_tokens: i64::MAX, ..usage };
    assert_eq!(price.cost(&everything, NOON).nano_usd, Some(i64::MAX));
    assert_eq!(price.cost(&reported(-5, -5), NOON).nano_usd, Some(0));
}

#[test]
fn a_price_of_one_tier_reads_as_it_always_did_and_is_written_as_short() {
    let text = r#"{"input_nano_usd":3000000000,"output_nano_usd":15000000000,"date":"2026-11-21"}"#;
    let price: Price = serde_json::from_str(text).unwrap();
    assert_eq!(price.cost(&reported(1_000_000, 0), NOON).nano_usd, Some(3_000_000_000));
    assert_eq!(serde_json::to_string(&price).unwrap(), text);
}

#[test]
fn a_price_that_cannot_be_counted_with_is_refused() {
    let change = |from: &str, time: Option<&str>, to: Option<&str>| Price {
        changes: vec![PriceChange {
            from_date: Some(from.to_owned()),
            from_time: time.map(str::to_owned),
            to_time: to.map(str::to_owned),
            price: Price::default(),
        }],
        ..Price::default()
    };
    let tiers = |above: [i64; 2]| Price {
        tiers: above.map(|above_input_tokens| PriceTier { above_input_tokens, ..PriceTier::default() }).to_vec(),
        ..Price::default()
    };
    assert!(change("2027-01-01", Some("06:00"), Some("10:00")).check().is_ok());
    assert!(tiers([1, 2]).check().is_ok());
    for (price, word) in [
        (Price { input_nano_usd: -1, ..Price::default() }, "below nothing"),
        (tiers([2, 1]), "shortest prompt"),
        (tiers([1, 1]), "shortest prompt"),
        (change("1.1.2027", None, None), "from_date"),
        (change("2027-01-01", Some("6:00"), Some("10:00")), "pair"),
        (change("2027-01-01", Some("06:00"), None), "pair"),
        (
            Price {
                changes: vec![PriceChange { price: change("2027-01-01", None, None), ..PriceChange::default() }],
                ..Price::default()
            },
            "of its own",
        ),
    ] {
        let error = price.check().unwrap_err();
        assert_eq!(error.reason(), "bad_price");
        assert!(error.detail().contains(word), "{error}");
    }
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
