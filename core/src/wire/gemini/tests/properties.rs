use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::base::ErrorKind;

/// The chunks of a reply with a part of every kind.
fn chunks() -> Vec<String> {
    let mut chunks: Vec<String> = [
        r#"{"text": "Überlegen …","thought": true},{"text": " {\"\\\"[}","thought": true}"#,
        "{}",
        r#"{"text": "日本\n🚀 \"x\" }]"},{"text": "!","thoughtSignature": "c2ln"}"#,
        r#"{"inlineData": {"mimeType": "image/png","data": "iVBORw0KGgo="}}"#,
        r#"{"executableCode": {"language": "PYTHON","code": "print({1: \"]\"})"}}"#,
        r#"{"functionCall": {"name": "look","args": {"a": "\u00e9{"}},"thoughtSignature": "c2lnMg=="},{"functionCall": {"id": "x","name": "look"}}"#,
        r#"{"text": "","thoughtSignature": "ZW5k"}"#,
    ]
    .map(parts)
    .to_vec();
    chunks.push(STOP.to_owned());
    chunks
}

/// The same reply in all framings: an event stream, an array in one line, a pretty-printed one. With each, from which
/// byte on a clean end is a success.
fn framings() -> Vec<(String, usize)> {
    let chunks = chunks();
    let borrowed: Vec<&str> = chunks.iter().map(String::as_str).collect();
    let events = format!("\u{feff}: hello\r\n\r\n{}", sse(&borrowed));
    let compact = format!("[{}]", chunks.join(","));
    let values: Vec<Json> = chunks.iter().map(|chunk| serde_json::from_str(chunk).unwrap()).collect();
    let pretty = format!("{}\n", serde_json::to_string_pretty(&json!(values)).unwrap()).replace('\n', "\r\n");
    let proofs = [events.trim_end().len(), compact.len(), pretty.trim_end().len()];
    [events, compact, pretty].into_iter().zip(proofs).collect()
}

#[test]
fn every_framing_gives_the_same_events_also_byte_by_byte() {
    let framings = framings();
    let first = read(&framings[0].0).whole();
    assert_eq!(first.parts().len(), 10, "{:?}", first.parts());
    for (stream, _) in framings {
        let whole = read(&stream).whole();
        assert_eq!((&whole.events, &whole.closing), (&first.events, &first.closing));
        assert_eq!((whole.counts.frames, whole.counts.json_frames), (8, 8));
        let bytes = read_pieces(stream.as_bytes().chunks(1)).whole();
        assert_eq!((whole.events, whole.closing, whole.counts), (bytes.events, bytes.closing, bytes.counts));
    }
}

#[test]
fn a_cut_at_any_byte_is_no_success_before_the_proof_and_adds_nothing() {
    for (stream, proof) in framings() {
        let whole = read(&stream).whole();
        for end in 0..stream.len() {
            let cut = read(&stream.as_bytes()[..end]);
            assert_eq!(cut.outcome.is_ok(), end >= proof, "cut at {end}: {:?}", cut.outcome);
            if let Err(error) = &cut.outcome {
                assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "cut"), "cut at {end}");
            }
            assert_eq!(cut.events, whole.events[..cut.events.len()], "cut at {end}");
        }
    }
}

proptest! {
    #[test]
    fn any_cutting_gives_the_same_events(cuts in prop::collection::vec(0.0..1.0_f64, 0..40)) {
        for (stream, _) in framings() {
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
    }

    #[test]
    fn no_bytes_make_it_panic(start in prop::sample::select(vec!["", "[", "{", "data: ", "[{"]), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let stream = [start.as_bytes(), &bytes].concat();
        prop_assert!(read(&stream).outcome.is_err());
        prop_assert!(decode(&stream).is_err());
    }

    /// Chunks in any order, dropped and doubled: a result or a typed error, never a panic.
    #[test]
    fn no_order_of_chunks_makes_it_panic(order in prop::collection::vec(0_usize..9, 0..40)) {
        let chunks = chunks();
        let shuffled: Vec<&str> = order.iter().filter_map(|i| chunks.get(*i).map(String::as_str)).collect();
        let read = read(sse(&shuffled));
        match &read.outcome {
            Ok(()) => prop_assert!(read.is_complete),
            Err(error) => prop_assert!(matches!(error.kind(), ErrorKind::Truncated | ErrorKind::Unavailable)),
        }
    }
}
