use proptest::prelude::*;

use super::*;
use crate::wire::Counts;

/// What a decoder made of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    frames: Vec<(String, String)>,
    stray: String,
    counts: Counts,
    failed: bool,
}

fn sse_with<'a>(limits: FrameLimits, chunks: impl IntoIterator<Item = &'a [u8]>) -> (Seen, u64) {
    let mut decoder = SseDecoder::new(limits);
    let mut frames = Vec::new();
    let mut failed = false;
    'all: for mut chunk in chunks {
        loop {
            match decoder.next(&mut chunk) {
                Ok(Some(frame)) => frames.push((frame.event.to_owned(), frame.data.to_owned())),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "event_too_large"));
                    failed = true;
                    break 'all;
                }
            }
        }
        assert!(chunk.is_empty(), "a used-up chunk is used up");
    }
    if !failed {
        frames.extend(decoder.finish().map(|frame| (frame.event.to_owned(), frame.data.to_owned())));
    }
    let stray = String::from_utf8_lossy(decoder.stray()).into_owned();
    (Seen { frames, stray, counts: decoder.counts(), failed }, decoder.work())
}

fn sse(bytes: &[u8]) -> Seen {
    sse_with(FrameLimits::default(), [bytes]).0
}

fn ndjson<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> (Vec<String>, Counts) {
    let mut decoder = NdjsonDecoder::new(FrameLimits::default());
    let mut lines = Vec::new();
    for mut chunk in chunks {
        while let Some(frame) = decoder.next(&mut chunk).unwrap() {
            lines.push(frame.data.to_owned());
        }
    }
    lines.extend(decoder.finish().map(|frame| frame.data.to_owned()));
    (lines, decoder.counts())
}

fn array<'a>(
    limits: FrameLimits,
    chunks: impl IntoIterator<Item = &'a [u8]>,
) -> (Result<Vec<String>, Error>, bool, u64) {
    let mut decoder = ArrayDecoder::new(limits);
    let mut elements = Vec::new();
    let read = chunks.into_iter().try_for_each(|mut chunk| {
        while let Some(frame) = decoder.next(&mut chunk)? {
            elements.push(frame.data.to_owned());
        }
        assert!(chunk.is_empty(), "a used-up chunk is used up");
        Ok(())
    });
    (read.map(|()| elements), decoder.is_closed(), decoder.work)
}

#[test]
fn an_array_is_read_element_by_element_however_it_is_printed_and_cut() {
    let elements = [r#"{"a": "}]\"{", "b": [1, {"c": []}]}"#, "{}", "{\n  \"d\": \"\\\\\"\n}"];
    let compact = format!("[{}]", elements.join(","));
    let pretty = format!("\u{feff} [\r\n{}\r\n]\r\n", elements.join("\r\n,\r\n"));
    for stream in [compact, pretty] {
        for size in 1..=stream.len() {
            let (read, closed, work) = array(FrameLimits::default(), stream.as_bytes().chunks(size));
            assert_eq!((read.unwrap(), closed), (elements.map(str::to_owned).to_vec(), true), "{size}");
            assert!(work <= stream.len() as u64, "every byte is looked at once");
        }
        let cut = stream.trim_end().len() - 1;
        assert!(!array(FrameLimits::default(), [&stream.as_bytes()[..cut]]).1);
    }
}

#[test]
fn one_object_alone_is_an_array_of_one_and_what_follows_is_passed_over() {
    let (read, closed, _) = array(FrameLimits::default(), [&b"{\"a\": 1}"[..], b"\n{}"]);
    assert_eq!((read.unwrap(), closed), (vec!["{\"a\": 1}".to_owned()], true));
}

#[test]
fn an_array_of_anything_but_objects_is_refused_and_so_is_one_too_long() {
    for nonsense in ["[1]", "[[{}]]", "null", "]", "[\"a\"]"] {
        let error = array(FrameLimits::default(), [nonsense.as_bytes()]).0.unwrap_err();
        assert_eq!(error.reason(), "malformed", "{nonsense}");
    }
    let limits = FrameLimits { max_event_bytes: 100 };
    let fits = format!("[{{\"a\":\"{}\"}}]", "x".repeat(90));
    let long = format!("[{{\"a\":\"{}\"}}]", "x".repeat(100));
    for size in [1, 7, 1000] {
        assert!(array(limits, fits.as_bytes().chunks(size)).0.is_ok());
        assert_eq!(array(limits, long.as_bytes().chunks(size)).0.unwrap_err().reason(), "event_too_large");
    }
}

fn data(bytes: &[u8]) -> Vec<String> {
    sse(bytes).frames.into_iter().map(|(_, data)| data).collect()
}

/// The rules once more, plainly: the whole stream at hand, lines first, then fields.
fn reference(bytes: &[u8]) -> Seen {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut lines: Vec<Vec<u8>> = vec![Vec::new()];
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'\r' if bytes.get(at + 1) == Some(&b'\n') => {
                lines.push(Vec::new());
                at += 1;
            }
            b'\r' | b'\n' => lines.push(Vec::new()),
            byte => lines.last_mut().unwrap().push(byte),
        }
        at += 1;
    }
    let last = lines.len() - 1;
    let mut seen = Seen { frames: Vec::new(), stray: String::new(), counts: Counts::default(), failed: false };
    let (mut event, mut data): (Vec<u8>, Vec<u8>) = (Vec::new(), Vec::new());
    for (number, line) in lines.iter().enumerate() {
        if number == last && line.is_empty() {
            break;
        }
        if line.is_empty() {
            // Every line of data ended in LF here; the last one goes.
            data.pop();
            if !data.is_empty() {
                seen.frames.push((lossy(&event), lossy(&data)));
                seen.stray.clear();
            }
            event.clear();
            data.clear();
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':');
        let (name, value) = colon.map_or((&line[..], &b""[..]), |at| (&line[..at], &line[at + 1..]));
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"" => seen.counts.comments += 1,
            b"data" => {
                data.extend_from_slice(value);
                data.push(b'\n');
            }
            b"event" => event = value.to_vec(),
            b"id" | b"retry" => {}
            _ => {
                seen.counts.stray_lines += 1;
                seen.stray.push_str(&lossy(line));
                seen.stray.push('\n');
            }
        }
    }
    data.pop();
    if !data.is_empty() {
        seen.frames.push((lossy(&event), lossy(&data)));
        seen.counts.unterminated_last_event = true;
    }
    seen.counts.frames = seen.frames.len() as u64;
    seen
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Streams full of what goes wrong: line ends of all kinds, half fields, marks, broken UTF-8.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        8 => prop::sample::select(vec![
            &b"data: "[..], b"data:", b"data", b"event: ping", b"event:", b"id: 7", b"id: a\0b", b"retry: 10", b": comment",
            b":", b" ", b"{\"a\":1}", b"[DONE]", b"\xef\xbb\xbf", b"\xef\xbb", b"\xf0\x9f\x92", b"\xa9", b"\xff", b"\0",
            "\u{e9}".as_bytes(), b"\"error\": {", b"dat", b"data : x",
        ]).prop_map(<[u8]>::to_vec),
        8 => prop::sample::select(vec![&b"\n"[..], b"\r", b"\r\n", b"\n\n", b"\r\r", b"\r\n\r\n", b"\n\r\n"]).prop_map(<[u8]>::to_vec),
        1 => prop::collection::vec(any::<u8>(), 0..6),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

fn cut<'a>(bytes: &'a [u8], cuts: &[prop::sample::Index]) -> Vec<&'a [u8]> {
    let mut at: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    at.extend([0, bytes.len()]);
    at.sort_unstable();
    at.windows(2).map(|pair| &bytes[pair[0]..pair[1]]).collect()
}

proptest! {
    #[test]
    fn any_cutting_gives_what_a_plain_reading_of_the_whole_gives(
        bytes in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let expected = reference(&bytes);
        prop_assert_eq!(&sse(&bytes), &expected, "whole");
        prop_assert_eq!(&sse_with(FrameLimits::default(), bytes.chunks(1)).0, &expected, "byte by byte");
        prop_assert_eq!(&sse_with(FrameLimits::default(), cut(&bytes, &cuts)).0, &expected, "cut");
    }

    #[test]
    fn any_cutting_meets_the_limit_at_the_same_event(
        bytes in stream(),
        limit in 0_usize..40,
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let limits = FrameLimits { max_event_bytes: limit };
        let (whole, _) = sse_with(limits, [&bytes[..]]);
        prop_assert_eq!(&sse_with(limits, bytes.chunks(1)).0.frames, &whole.frames);
        let (pieces, _) = sse_with(limits, cut(&bytes, &cuts));
        prop_assert_eq!((&pieces.frames, pieces.failed), (&whole.frames, whole.failed));
        prop_assert!(whole.frames.iter().all(|(_, data)| data.len() <= limit * 3), "U+FFFD takes three bytes");
    }

    #[test]
    fn any_cutting_gives_the_same_json_lines(
        bytes in stream(),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let expected: Vec<String> =
            text.split(|b| *b == b'\n').map(<[u8]>::trim_ascii).filter(|l| !l.is_empty()).map(lossy).collect();
        prop_assert_eq!(&ndjson([&bytes[..]]).0, &expected);
        prop_assert_eq!(&ndjson(bytes.chunks(1)).0, &expected);
        prop_assert_eq!(&ndjson(cut(&bytes, &cuts)).0, &expected);
    }
}

#[test]
fn an_event_that_stands_whole_in_the_chunk_is_borrowed_from_it() {
    let chunk = b"event: delta\r\ndata: {\"a\":1}\r\n\r\n: ping\n\ndata: {\"b\":2}\n\n".to_vec();
    let range = chunk.as_ptr_range();
    let mut decoder = SseDecoder::new(FrameLimits::default());
    let mut input = &chunk[..];
    let mut frames = 0;
    while let Some(frame) = decoder.next(&mut input).unwrap() {
        assert!(range.contains(&frame.data.as_ptr()), "{} was copied", frame.data);
        assert!(frame.event.is_empty() || range.contains(&frame.event.as_ptr()));
        frames += 1;
    }
    assert_eq!(frames, 2);
}

#[test]
fn a_lone_cr_ends_the_line_without_waiting_for_the_next_byte() {
    let mut decoder = SseDecoder::new(FrameLimits::default());
    let mut input = &b"data: a\r\r"[..];
    assert_eq!(decoder.next(&mut input).unwrap().map(|frame| frame.data), Some("a"));
    let mut input = &b"\ndata: b\r\n\r"[..];
    assert_eq!(decoder.next(&mut input).unwrap().map(|frame| frame.data), Some("b"));
}

#[test]
fn one_space_is_stripped_and_lines_of_data_are_joined() {
    assert_eq!(data(b"data:  a\ndata:b\ndata\ndata: c\n\n"), [" a\nb\n\nc"]);
}

#[test]
fn a_byte_order_mark_is_dropped_at_the_start_and_nowhere_else() {
    assert_eq!(data(b"\xef\xbb\xbfdata: a\n\ndata: \xef\xbb\xbfb\n\n"), ["a", "\u{feff}b"]);
    let seen = sse(b"\xef\xbbdata: a\n\ndata: b\n\n");
    assert_eq!((seen.frames.len(), seen.counts.stray_lines), (1, 1), "half a mark belongs to the line");
}

#[test]
fn a_byte_that_is_no_utf8_spoils_only_its_own_event() {
    assert_eq!(data(b"data: a\xffb\n\ndata: c\n\n"), ["a\u{fffd}b", "c"]);
}

#[test]
fn an_unterminated_last_event_is_kept_and_flagged() {
    for (bytes, flagged) in
        [(&b"data: a\n\ndata: b"[..], true), (b"data: a\n\ndata: b\n", true), (b"data: a\n\ndata: b\n\n", false)]
    {
        let seen = sse(bytes);
        assert_eq!(seen.frames.len(), 2);
        assert_eq!(seen.counts.unterminated_last_event, flagged, "{}", lossy(bytes));
    }
}

#[test]
fn comments_are_counted_and_events_without_data_are_none() {
    let seen = sse(b": OPENROUTER PROCESSING\n\n:\n\nevent: ping\n\ndata:\n\nid: a\0b\nretry: x\ndata: z\n\n");
    assert_eq!(seen.frames, [(String::new(), "z".to_owned())]);
    assert_eq!((seen.counts.comments, seen.counts.frames, seen.counts.stray_lines), (2, 1, 0));
}

#[test]
fn bare_json_behind_the_events_is_kept_bounded_and_can_be_read() {
    let seen = sse(b"data: a\r\n\r\n{\n  \"error\": {\n    \"code\": 499\n  }\n}\n");
    assert_eq!(seen.frames.len(), 1);
    assert_eq!(seen.counts.stray_lines, 5);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&seen.stray).unwrap()["error"]["code"], 499);
    let flood = "stray\n".repeat(100_000);
    let seen = sse(flood.as_bytes());
    assert_eq!(seen.counts.stray_lines, 100_000);
    assert!(seen.stray.len() <= 64 << 10);
}

#[test]
fn sixteen_mebibytes_pass_and_one_byte_more_does_not() {
    let limits = FrameLimits::default();
    let mut line = b"data: ".to_vec();
    line.resize(limits.max_event_bytes, b'x');
    line.extend_from_slice(b"\n\n");
    for chunk in [line.len(), 4096] {
        let (seen, _) = sse_with(limits, line.chunks(chunk));
        assert_eq!(seen.frames[0].1.len(), limits.max_event_bytes - 6);
    }
    line.insert(6, b'x');
    for chunk in [line.len(), 4096] {
        let (seen, _) = sse_with(limits, line.chunks(chunk));
        assert!(seen.failed && seen.frames.is_empty());
    }
}

#[test]
fn a_line_that_never_ends_is_refused_at_the_limit() {
    let mut decoder = SseDecoder::new(FrameLimits { max_event_bytes: 1000 });
    let mut fed = 0;
    while fed < 10_000 {
        fed += 100;
        if decoder.next(&mut &[b'x'; 100][..]).is_err() {
            break;
        }
    }
    assert_eq!(fed, 1_100);
}

#[test]
fn work_grows_with_the_bytes_and_not_with_the_chunks() {
    let long = [b"data: ".to_vec(), vec![b'x'; 1 << 20], b"\n\n".to_vec()].concat();
    let many = "data: {}\n\n".repeat(100_000);
    let lines = "data: {}\n".repeat(100_000);
    for bytes in [&long[..], many.as_bytes(), lines.as_bytes()] {
        for chunk in [1, 7, 4096, bytes.len()] {
            let (_, work) = sse_with(FrameLimits::default(), bytes.chunks(chunk));
            assert!(work <= 3 * bytes.len() as u64 + 16, "{work} for {} bytes in chunks of {chunk}", bytes.len());
        }
    }
    let mut decoder = NdjsonDecoder::new(FrameLimits::default());
    for mut chunk in long.chunks(1) {
        while decoder.next(&mut chunk).unwrap().is_some() {}
    }
    assert!(decoder.work() <= 3 * long.len() as u64 + 16);
}

#[test]
fn a_million_events_that_say_nothing_are_none_and_cost_their_bytes_and_no_more() {
    for nothing in ["\n", ":\n\n", "event: ping\n\n", "id: 1\n\n", "retry: 1\n\n"] {
        let bytes = nothing.repeat(1_000_000);
        let (seen, work) = sse_with(FrameLimits::default(), bytes.as_bytes().chunks(4_096));
        assert_eq!((seen.frames.len(), seen.stray.as_str(), seen.failed), (0, "", false), "{nothing:?}");
        assert!(work <= 3 * bytes.len() as u64 + 16, "{work} for {} bytes of {nothing:?}", bytes.len());
    }
    let (lines, counts) = ndjson("\n".repeat(1_000_000).as_bytes().chunks(4_096));
    assert_eq!((lines.len(), counts.frames), (0, 0));
}

#[test]
fn a_last_json_line_without_its_end_is_kept_and_flagged() {
    let (lines, counts) = ndjson([&b"{\"a\":1}\r\n\n{\"b\""[..], b":2}"]);
    assert_eq!(lines, ["{\"a\":1}", "{\"b\":2}"]);
    assert_eq!((counts.frames, counts.unterminated_last_event), (2, true));
}

proptest! {
    #[test]
    fn what_is_written_as_an_event_is_read_back_whatever_stands_in_it(
        said in proptest::collection::vec(r"(?s)([\r\n\x00-\x1f:\u{85}\u{2028}\u{feff}]|data: |\n\nid: 7\n|.){0,60}", 0..6),
        chunk in 1_usize..40,
    ) {
        let mut bytes = sse_retry(3_000).to_vec();
        for (id, said) in (1..).zip(&said) {
            bytes.extend(sse_event(id, &serde_json::json!({"type": "text", "delta": said})).unwrap());
            bytes.extend(SSE_COMMENT);
        }
        let ids: Vec<String> = (1..=said.len()).map(|id| format!("id: {id}")).collect();
        let written = String::from_utf8(bytes.clone()).unwrap();
        let lines = written.split(['\n', '\r']).filter(|line| line.starts_with("id"));
        prop_assert_eq!(lines.collect::<Vec<_>>(), ids);
        let (seen, _) = sse_with(FrameLimits::default(), bytes.chunks(chunk));
        let read: Vec<String> = seen
            .frames
            .iter()
            .map(|(_, data)| serde_json::from_str::<serde_json::Value>(data).unwrap()["delta"].as_str().unwrap().to_owned())
            .collect();
        prop_assert_eq!(read, said);
        prop_assert!(!seen.counts.unterminated_last_event);
    }
}
