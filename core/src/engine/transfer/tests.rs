//! The cutting of JSON into its items, however its bytes come.

use std::io::BufReader;

use super::items::{At, Items};
use crate::base::{Random as _, SeededRandom};
use crate::model::Result;

/// All items of a text that is read so many bytes at a time.
fn items(text: &[u8], chunk: usize, limit: usize) -> Result<Vec<(At, String)>> {
    let mut items = Items::with_limit(BufReader::with_capacity(chunk, text), limit);
    let mut all = Vec::new();
    while let Some((at, bytes)) = items.next()? {
        all.push((at, String::from_utf8_lossy(bytes).into_owned()));
    }
    Ok(all)
}

#[test]
fn items_are_the_same_however_their_bytes_come() {
    let text = "\u{feff}{\"a\":\"}\\\"{\\\\\"}\n\n[{\"b\":[[1]]},\n {\"c\":\"]\"} , [2,{}]]\r\n{\n\"d\"\n:0}";
    let at = |line, item, list| At { line, item, list };
    let expected = [
        (at(1, 1, 0), "{\"a\":\"}\\\"{\\\\\"}"),
        (at(3, 2, 1), "{\"b\":[[1]]}"),
        (at(4, 3, 1), "{\"c\":\"]\"}"),
        (at(4, 4, 1), "[2,{}]"),
        (at(5, 5, 0), "{\n\"d\"\n:0}"),
    ];
    let expected: Vec<_> = expected.map(|(at, item)| (at, item.to_owned())).into();
    for chunk in 1..20 {
        assert_eq!(items(text.as_bytes(), chunk, 100).unwrap(), expected, "by {chunk}");
    }
}

#[test]
fn an_item_longer_than_the_limit_is_refused_before_it_is_held() {
    let text = format!("[{{}},\n\"\"]{{\"a\":\"{}\"}}", "x".repeat(1_000));
    let error = items(text.as_bytes(), 64, 100).unwrap_err();
    assert_eq!(error.reason(), "malformed", "a text is no item");
    let text = text.replace("\"\"]", "{}]\n");
    assert_eq!(items(text.as_bytes(), 64, 1_008).unwrap().len(), 3);
    let error = items(text.as_bytes(), 64, 1_007).unwrap_err();
    assert_eq!(error.reason(), "too_large");
    assert!(error.to_string().contains("line 3, item 3"), "{error}");
}

#[test]
fn no_bytes_at_all_make_it_panic_or_hold_more_than_the_limit() {
    for seed in 1..=400 {
        let random = SeededRandom::new(seed);
        let mut bytes = [0; 64];
        random.fill(&mut bytes);
        // Mostly signs that mean something.
        let signs = b"{}[]\",\\ \n:a1\xef\xbb\xbf\x00";
        let text: Vec<u8> = bytes.iter().map(|byte| signs[usize::from(*byte) % signs.len()]).collect();
        for (_, item) in items(&text, 7, 32).unwrap_or_default() {
            assert!(item.len() <= 32 * 3, "seed {seed}");
        }
        let mut told = |_| Ok(());
        drop(super::source::read(&text[..], "ana", &mut told));
    }
}
