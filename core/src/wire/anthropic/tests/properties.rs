use proptest::prelude::*;

use super::*;
use crate::base::ErrorKind;

/// A stream with a block of every kind, in the wire's odd habits: pings, comments, CRLF, padding.
fn everything() -> String {
    let plain = message(&[
        r#"{"type": "ping"}"#,
        r#"{"type":"content_block_start","index":0,"content_block":{"type":"thinking","thinking":"","signature":""}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"Überlegen …"}}"#,
        r#"{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"EqQB"}}"#,
        r#"{"type":"content_block_stop","index":0             }"#,
        r#"{"type":"content_block_start","index":1,"content_block":{"type":"redacted_thinking","data":"EqkE"}}"#,
        r#"{"type":"content_block_stop","index":1}"#,
        r#"{"type":"content_block_start","index":2,"content_block":{"type":"text","text":"","citations":[]}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"citations_delta","citation":{"type":"web_search_result_location","url":"https://x.example","title":"T","cited_text":"q","encrypted_index":"E"}}}"#,
        r#"{"type":"content_block_delta","index":2,"delta":{"type":"text_delta","text":"日本\n🚀 \"x\""}}"#,
        r#"{"type":"content_block_stop","index":2}"#,
        r#"{"type":"content_block_start","index":3,"content_block":{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search","input":{}}}"#,
        r#"{"type":"content_block_delta","index":3,"delta":{"type":"input_json_delta","partial_json":"{\"q\": 1}"}}"#,
        r#"{"type":"content_block_stop","index":3}"#,
        r#"{"type":"content_block_start","index":4,"content_block":{"type":"tool_use","id":"toolu_1","name":"look","input":{}}}"#,
        r#"{"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":"{\"a\": \"\\u00e"}}"#,
        r#"{"type":"content_block_delta","index":4,"delta":{"type":"input_json_delta","partial_json":"9\"}"}}"#,
        r#"{"type":"content_block_stop","index":4}"#,
    ]);
    let crlf = plain.replacen("\n\n", "\r\n\r\n", 5);
    format!("\u{feff}: hello\n\n{crlf}")
}

/// Where the JSON of `message_stop` ends: from there on a clean end is a success.
fn proof(stream: &str) -> usize {
    stream.find(STOP).unwrap() + STOP.len()
}

#[test]
fn every_byte_alone_gives_the_same_events() {
    let stream = everything();
    let whole = read(&stream).whole();
    let bytes = read_pieces(stream.as_bytes().chunks(1)).whole();
    assert_eq!(whole.events, bytes.events);
    assert_eq!((whole.closing, whole.counts), (bytes.closing, bytes.counts));
    assert_eq!(whole.events.iter().filter(|e| e.kind.is_content()).count(), 9);
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
        let read = read(&bytes);
        prop_assert!(read.outcome.is_err());
    }

    /// Events in any order, dropped and doubled: a result or a typed error, never a panic; text is never made up.
    #[test]
    fn no_order_of_events_makes_it_panic(order in prop::collection::vec(0_usize..24, 0..60)) {
        let stream = everything();
        let all: Vec<&str> = stream.split_inclusive("\n\n").collect();
        let shuffled: String = order.iter().filter_map(|i| all.get(*i).copied()).collect();
        let read = read(&shuffled);
        if let Err(error) = &read.outcome {
            prop_assert!(matches!(error.kind(), ErrorKind::Truncated | ErrorKind::Unavailable));
        } else {
            prop_assert!(read.is_complete);
        }
    }
}
