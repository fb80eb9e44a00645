//! Every recorded reply of a chat completions server, read whole, byte by byte, and cut off.

use tertulia::wire::openai_chat::OpenAiChat;
use tertulia::wire::{Quirks, Target};
use tertulia_conformance::{Case, Seen, load};

fn cases() -> Vec<Case> {
    load(&["chat"]).unwrap_or_default()
}

fn with_target<T>(case: &Case, read: impl FnOnce(&Target<'_>) -> T) -> T {
    let quirks = Quirks { output_excludes_reasoning: case.expected.provider == "xai", ..Quirks::default() };
    let base_url = http::Uri::from_static("https://provider.example/v1");
    let stream = case.expected.stream;
    read(&Target { provider: &case.expected.provider, base_url: &base_url, quirks: &quirks, stream })
}

fn read(case: &Case, piece: usize) -> Seen {
    with_target(case, |target| match case.expected.stream && case.status.is_success() {
        true => Seen::streamed(case.body.chunks(piece.max(1)), &OpenAiChat, target),
        false => Seen::whole(case, &OpenAiChat, target),
    })
}

#[test]
fn every_recorded_reply_is_read_as_expected_however_it_is_cut() {
    let mut wrong = Vec::new();
    let cases = cases();
    eprintln!("{} recordings; TERTULIA_WIRE_CASES names their folder", cases.len());
    for case in cases {
        for piece in [case.body.len(), 1, 2, 7, 1000] {
            let found = read(&case, piece).differences(&case.expected);
            wrong.extend(found.into_iter().map(|line| format!("{} in pieces of {piece}: {line}", case.name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_recorded_stream_that_is_cut_off_never_passes_for_less_than_the_whole_reply() {
    for case in cases().iter().filter(|case| case.expected.stream && case.status.is_success()) {
        let whole = read(case, case.body.len());
        // Every byte of the last 2 KiB, where the finish stands; before it every 101st.
        let close = case.body.len().saturating_sub(2 << 10);
        for end in (0..close).step_by(101).chain(close..case.body.len()) {
            let seen = with_target(case, |target| Seen::streamed([&case.body[..end]], &OpenAiChat, target));
            if seen.error.is_some() {
                continue;
            }
            assert_eq!(seen.text(), whole.text(), "{} cut at {end}", case.name);
            assert_eq!(seen.reasoning(), whole.reasoning(), "{} cut at {end}", case.name);
            let finish = case.expected.finish_reason_wire_only.as_deref();
            assert!(finish.is_some(), "{} cut at {end} passed for whole", case.name);
            if whole.error.is_none() {
                assert_eq!(seen.parts, whole.parts, "{} cut at {end}", case.name);
                assert_eq!(seen.closing.finish_reason, whole.closing.finish_reason, "{} cut at {end}", case.name);
            }
        }
    }
}
