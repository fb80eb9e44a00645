//! However the network cuts a stream, it is the same stream, and a cut one is no success.

use proptest::prelude::*;

use super::*;
use crate::base::ErrorKind;

/// A stream with everything in it, in odd habits: a mark, blank lines, CRLF, escapes.
fn everything() -> String {
    let plain = lines(&[
        said(json!({"role": "assistant", "content": "", "thinking": "Überlegen …"})),
        said(json!({"content": "日本\n🚀 \"x\""})),
        said(json!({"content": "", "tool_calls": [
            {"function": {"name": "look", "arguments": {"a": {"b": ["é", 1]}}}},
            {"function": {"name": "hear", "arguments": {}}},
        ]})),
        said(json!({"content": "", "tool_calls": [{"id": "c", "function": {"name": "look", "arguments": {}}}]})),
        said(json!({"content": " Ende."})),
        done("stop"),
    ]);
    format!("\u{feff}{}\n", plain.replacen('\n', "\r\n\n", 2))
}

/// Where the JSON of the last line ends: from there on a clean end is a success.
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
    assert_eq!(whole.events.len(), 6);
}

#[test]
fn a_cut_at_any_byte_is_no_success_before_the_proof_and_adds_nothing() {
    let stream = everything();
    let whole = read(&stream).whole();
    for end in 0..stream.len() {
        let cut = read(&stream.as_bytes()[..end]);
        assert_eq!(cut.outcome.is_ok(), end >= proof(&stream), "cut at {end}: {:?}", cut.outcome);
        assert_eq!(cut.events, whole.events[..cut.events.len()], "cut at {end}");
        if let Err(error) = &cut.outcome {
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "cut"), "cut at {end}");
            assert!(!cut.is_complete);
        }
    }
}

#[test]
fn a_whole_reply_that_is_cut_at_any_byte_is_no_success() {
    let mut body = done("stop");
    body["message"]["content"] = json!("日本 \"x\"\n{}");
    let body = body.to_string();
    for end in 0..body.len() {
        assert!(decode(&body.as_bytes()[..end]).is_err(), "cut at {end}");
    }
    assert!(decode(body.as_bytes()).is_ok());
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
        let (cut, whole) = (read_pieces(pieces).whole(), read(&stream).whole());
        prop_assert_eq!(cut.events, whole.events);
        prop_assert_eq!(cut.closing, whole.closing);
        prop_assert_eq!(cut.counts, whole.counts);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(read(&bytes).outcome.is_err());
        prop_assert!(decode(&bytes).is_err());
    }

    /// Lines in any order, dropped and doubled: a reply only where one of them proves its end.
    #[test]
    fn no_order_of_lines_is_a_success_without_the_last_one(order in prop::collection::vec(0_usize..8, 0..30)) {
        let stream = everything();
        let all: Vec<&str> = stream.trim_start_matches('\u{feff}').split_inclusive('\n').filter(|line| line.trim().len() > 2).collect();
        let shuffled: String = order.iter().filter_map(|i| all.get(*i).copied()).collect();
        let read = read(&shuffled);
        let proven = order.iter().any(|i| *i == all.len() - 1);
        prop_assert_eq!(read.outcome.is_ok() && read.is_complete, proven, "{:?}", read.outcome);
    }
}
