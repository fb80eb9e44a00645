//! Hand-made bytes for every quirk of the dialect.

mod encode;
mod properties;
mod replies;
mod stream;

use http::Uri;

use super::Gemini;
use crate::base::Json;
use crate::model::{Error, Part, ReplyDraft, StreamEvent, ToolCall};
use crate::wire::{Closing, Counts, Dialect, Quirks, Target};

const PROVIDER: &str = "google";
const GEMINI_API: &str = "https://generativelanguage.googleapis.com/v1beta";

fn with_target<T>(base_url: &'static str, stream: bool, work: impl FnOnce(&Target<'_>) -> T) -> T {
    let base_url = Uri::from_static(base_url);
    let quirks = Quirks::default();
    work(&Target {
        provider: PROVIDER,
        base_url: &base_url,
        quirks: &quirks,
        stream,
        max_output_tokens: None,
        max_event_bytes: 16 << 20,
    })
}

/// What came of reading a stream.
#[derive(Debug)]
struct Read {
    events: Vec<StreamEvent>,
    outcome: Result<(), Error>,
    closing: Closing,
    counts: Counts,
    is_complete: bool,
}

impl Read {
    fn parts(&self) -> Vec<Part> {
        fold(&self.events)
    }

    fn whole(self) -> Self {
        assert!(self.outcome.is_ok(), "{:?}", self.outcome);
        self
    }

    fn error(self) -> Error {
        self.outcome.expect_err("the stream was read to its end")
    }
}

fn fold(events: &[StreamEvent]) -> Vec<Part> {
    let mut draft = ReplyDraft::new();
    events.iter().for_each(|event| draft.push(event));
    draft.into_parts()
}

/// Reads these pieces, then the clean end.
fn read_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut decoder = with_target(GEMINI_API, true, |target| Gemini.decoder(target));
    let mut events = Vec::new();
    let outcome = pieces
        .into_iter()
        .try_for_each(|piece| decoder.feed(piece, &mut events))
        .and_then(|()| decoder.finish(&mut events));
    let (closing, counts, is_complete) = (decoder.closing().clone(), decoder.counts(), decoder.is_complete());
    Read { events, outcome, closing, counts, is_complete }
}

fn read(bytes: impl AsRef<[u8]>) -> Read {
    read_pieces([bytes.as_ref()])
}

fn decode(body: impl AsRef<[u8]>) -> Result<(Vec<Part>, Closing), Error> {
    with_target(GEMINI_API, false, |target| Gemini.decode(body.as_ref(), target))
        .map(|(events, closing)| (fold(&events), closing))
}

/// An event stream of these chunks, with the line ends of the real one.
fn sse(chunks: &[&str]) -> String {
    chunks.iter().map(|data| format!("data: {data}\r\n\r\n")).collect()
}

/// A chunk with these parts and nothing else.
fn parts(parts: &str) -> String {
    format!(r#"{{"candidates": [{{"content": {{"parts": [{parts}],"role": "model"}},"index": 0}}]}}"#)
}

const STOP: &str = r#"{"candidates": [{"content": {"parts": [{"text": ""}],"role": "model"},"finishReason": "STOP","index": 0}],"usageMetadata": {"promptTokenCount": 7,"candidatesTokenCount": 3,"totalTokenCount": 10},"modelVersion": "gemini-test","responseId": "r1"}"#;

/// A reply of these parts.
fn reply(inside: &[&str]) -> String {
    let chunks: Vec<String> = inside.iter().map(|one| parts(one)).chain([STOP.to_owned()]).collect();
    sse(&chunks.iter().map(String::as_str).collect::<Vec<_>>())
}

fn call(id: &str, name: &str, arguments: Json) -> Part {
    Part::ToolCall {
        call: ToolCall { id: id.into(), name: name.into(), arguments, provider_executed: false, free_text: false },
    }
}

fn opaque(name: &str, attached: bool, data: Json) -> Part {
    Part::Opaque { provider: PROVIDER.into(), name: name.into(), attached, data }
}

fn signature(signature: &str) -> Part {
    opaque("thought_signature", true, signature.into())
}
