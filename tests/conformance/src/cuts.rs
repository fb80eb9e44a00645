//! Where bodies are cut, and from which byte on a cut body is a whole reply.

use serde_json::Value;
use tertulia::base::{Random, SeededRandom};

use crate::case::Case;
use crate::read::is_success;

/// How many bytes the decoder reads in all for the cuts of one case. Every byte is a cut while that fits; of a
/// longer body every border between events, the bytes around them, the last ones and as many others as fit.
const CUT_BUDGET_BYTES: usize = 24 << 20;
/// The bytes at the end of which each one is a cut, however long the body.
const TAIL_BYTES: usize = 256;

/// From this many bytes on the body proves that the reply is whole. Nothing: it never does.
///
/// Found without the decoders: lines, JSON, and the one field that each API ends with.
pub(crate) fn proof(case: &Case) -> Option<usize> {
    proofs(case).first().copied()
}

/// From this many bytes on the body also holds all that the reply says. Older Gemini models say with every event why
/// they stopped: there only a clean end of HTTP tells that an event was the last.
pub(crate) fn last_proof(case: &Case) -> Option<usize> {
    let proofs = proofs(case);
    if case.api == "gemini" { proofs.last().copied() } else { proofs.first().copied() }
}

fn proofs(case: &Case) -> Vec<usize> {
    if !is_success(case.status) {
        return Vec::new();
    }
    let end_of_text = case.body.trim_ascii_end().len();
    // One JSON value: the reply of a whole case, and of a server that does not stream.
    if !case.stream || serde_json::from_slice::<Value>(&case.body[..end_of_text]).is_ok() {
        return vec![end_of_text];
    }
    let is_ndjson = case.api.starts_with("ollama_");
    let ends = lines(&case.body).filter_map(|(start, line)| {
        let data = if is_ndjson { line } else { line.strip_prefix(b"data:")? };
        let end = start + line.trim_ascii_end().len();
        let data = data.trim_ascii();
        let is_last = match case.api.as_str() {
            "messages" => field(data, |event| event["type"] == "message_stop"),
            "responses" => field(data, |event| {
                matches!(event["type"].as_str(), Some("response.completed" | "response.incomplete" | "response.failed"))
            }),
            "chat" => data == b"[DONE]" || field(data, finishes),
            "ollama_chat" | "ollama_generate" => field(data, |line| {
                line["done"] == true && line["done_reason"].as_str().is_some_and(|reason| !reason.is_empty())
            }),
            "gemini" => field(data, finishes_or_is_blocked),
            // A dialect whose end nobody described here yet: its last event.
            _ => end >= end_of_text,
        };
        is_last.then_some(end)
    });
    ends.collect()
}

fn field(data: &[u8], is: impl FnOnce(&Value) -> bool) -> bool {
    serde_json::from_slice(data).is_ok_and(|event| is(&event))
}

/// The first candidate has said why it stopped.
fn finishes(event: &Value) -> bool {
    event["choices"].as_array().into_iter().flatten().any(|choice| {
        choice["index"].as_i64().unwrap_or(0) == 0 && choice["finish_reason"].as_str().is_some_and(|r| !r.is_empty())
    })
}

/// The first candidate has said why it stopped, or there is none because the prompt was refused.
fn finishes_or_is_blocked(event: &Value) -> bool {
    let mut candidates = event["candidates"].as_array().into_iter().flatten();
    let first = candidates.find(|candidate| candidate["index"].as_i64().unwrap_or(0) == 0);
    let word = first.map_or(&event["promptFeedback"]["blockReason"], |candidate| &candidate["finishReason"]);
    word.as_str().is_some_and(|word| !word.is_empty())
}

/// The lines of a body with the place where each begins. Ends in LF, CR or both.
fn lines(body: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut start = 0;
    body.split(|byte| matches!(byte, b'\n' | b'\r')).map(move |line| {
        let at = start;
        start += line.len() + 1;
        (at, line)
    })
}

/// The borders between events: behind every blank line, or behind every line where none is blank.
pub(crate) fn borders(body: &[u8]) -> Vec<usize> {
    let behind = |blank: &[u8]| {
        let ends = body.windows(blank.len()).enumerate().filter(|(_, window)| *window == blank);
        ends.map(|(at, _)| at + blank.len()).collect::<Vec<_>>()
    };
    let mut all: Vec<usize> = [&b"\n\n"[..], b"\r\n\r\n", b"\r\r"].into_iter().flat_map(behind).collect();
    if all.is_empty() {
        all = behind(b"\n");
    }
    all.sort_unstable();
    all.dedup();
    all
}

/// Where the decoder is cut: every byte, or as many as are affordable.
pub(crate) fn all_affordable(body: &[u8], random: &SeededRandom) -> Vec<usize> {
    let length = body.len();
    if length * length / 2 <= CUT_BUDGET_BYTES {
        return (0..length).collect();
    }
    let mut cuts: Vec<usize> = (length - TAIL_BYTES..length).collect();
    cuts.extend(borders(body).into_iter().flat_map(|at| [at - 1, at, at + 1]).filter(|at| *at < length));
    let affordable = CUT_BUDGET_BYTES * 2 / length;
    cuts.extend((cuts.len()..affordable).map(|_| below(random, length)));
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

/// Some places in a body, ascending, at most `most` of them.
pub(crate) fn some_places(length: usize, most: usize, random: &SeededRandom) -> Vec<usize> {
    let mut places: Vec<usize> = (0..1 + below(random, most)).map(|_| below(random, length)).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// A number from 0 up to, not including, `end`; 0 when there is none.
pub(crate) fn below(random: &SeededRandom, end: usize) -> usize {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "bodies are far shorter than 2^52 bytes"
    )]
    let place = (random.unit() * end as f64) as usize;
    place.min(end.saturating_sub(1))
}
