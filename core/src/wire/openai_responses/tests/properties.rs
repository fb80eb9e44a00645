use proptest::prelude::*;

use super::*;
use crate::base::ErrorKind;

/// A stream with an item of every kind, in the wire's odd habits: pings, comments, CRLF, interleaving.
fn everything() -> String {
    let reasoning =
        json!({"type": "reasoning", "id": "rs_1", "summary": [{"text": "Überlegen …"}], "encrypted_content": "gA=="});
    let plain = sse(&[
        created(),
        json!({"type": "keepalive"}),
        added(0, json!({"type": "reasoning", "id": "rs_1", "summary": []})),
        json!({"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "Überlegen …"}),
        done(0, reasoning),
        added(1, json!({"type": "message", "id": "msg_1", "content": []})),
        text_delta(1, 0, "日本\n🚀 \"x\""),
        json!({"type": "response.output_text.annotation.added", "output_index": 1, "content_index": 0, "annotation": {"type": "url_citation", "url": "https://x.example"}}),
        added(2, function_call("c1", "")),
        json!({"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "{\"a\": \"\\u00e"}),
        text_delta(1, 0, " and more"),
        json!({"type": "response.function_call_arguments.delta", "output_index": 2, "delta": "9\"}"}),
        done(1, message("日本\n🚀 \"x\" and more")),
        done(2, function_call("c1", "{\"a\": \"\\u00e9\"}")),
        done(3, json!({"type": "web_search_call", "id": "ws_1", "action": {"query": "é"}})),
        done(4, json!({"type": "image_generation_call", "id": "ig_1", "result": "iVBORw0KGgo="})),
        added(5, json!({"type": "custom_tool_call", "id": "ctc_1", "call_id": "c2", "name": "look", "input": ""})),
        json!({"type": "response.custom_tool_call_input.delta", "output_index": 5, "delta": "free"}),
        completed(&json!([])),
    ]);
    format!("\u{feff}: hello\n\n{}", plain.replacen("\n\n", "\r\n\r\n", 5))
}

/// Where the JSON of the last event ends: from there on a clean end is a success.
fn proof(stream: &str) -> usize {
    stream.trim_end().len()
}

#[test]
fn every_byte_alone_gives_the_same_events() {
    let stream = everything();
    let whole = read(&stream).whole();
    let bytes = read_pieces(stream.as_bytes().chunks(1)).whole();
    assert_eq!(whole.events, bytes.events);
    assert_eq!((whole.closing, whole.counts), (bytes.closing, bytes.counts));
    assert_eq!(whole.events.iter().filter(|event| event.kind.is_content()).count(), 14);
}

#[test]
fn a_cut_at_any_byte_is_no_success_before_the_proof_and_adds_nothing() {
    let stream = everything();
    let whole = read(&stream).whole();
    let proof = proof(&stream);
    for end in 0..stream.len() {
        let cut = read(&stream.as_bytes()[..end]);
        assert_eq!(cut.outcome.is_ok(), end >= proof, "cut at {end}: {:?}", cut.outcome);
        if let Err(error) = &cut.outcome {
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "cut"), "cut at {end}");
            assert!(!cut.is_complete);
        }
        assert_eq!(cut.events, whole.events[..cut.events.len()], "cut at {end}");
    }
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same_events(cuts in prop::collection::vec(0.0..1.0_f64, 0..40)) {
        let stream = everything();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a share of a small length")]
        let mut cuts: Vec<usize> = cuts.iter().map(|share| (share * stream.len() as f64) as usize).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let pieces = cuts.windows(2).map(|w| &stream.as_bytes()[w[0]..w[1]]);
        let cut = read_pieces(pieces).whole();
        let whole = read(&stream).whole();
        prop_assert_eq!(cut.events, whole.events);
        prop_assert_eq!(cut.closing, whole.closing);
        prop_assert_eq!(cut.counts, whole.counts);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read(&bytes).outcome.is_err());
        prop_assert!(decode(&String::from_utf8_lossy(&bytes)).outcome.is_err());
    }

    /// Events in any order, dropped and doubled: a result or a typed error, never a panic; parts stay in order.
    #[test]
    fn no_order_of_events_makes_it_panic(order in prop::collection::vec(0_usize..24, 0..60)) {
        let stream = everything();
        let all: Vec<&str> = stream.split_inclusive("\n\n").collect();
        let shuffled: String = order.iter().filter_map(|i| all.get(*i).copied()).collect();
        let read = read(&shuffled);
        match &read.outcome {
            Err(error) => prop_assert!(matches!(error.kind(), ErrorKind::Truncated | ErrorKind::Unavailable)),
            Ok(()) => prop_assert!(read.is_complete),
        }
        // However often an item is told, its call is one.
        prop_assert!(read.reply().tool_calls().len() <= 2);
    }
}
