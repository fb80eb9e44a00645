//! Hand-made bytes for every quirk of the dialect.

mod decode;
mod encode;
mod properties;
mod stream;

use http::Uri;

use super::Anthropic;
use crate::base::Json;
use crate::model::{Error, Part, ReplyDraft, StreamEvent, ToolCall};
use crate::wire::{Closing, Counts, Dialect, Quirks, Target};

const PROVIDER: &str = "anthropic";

fn with_target<T>(stream: bool, work: impl FnOnce(&Target<'_>) -> T) -> T {
    let base_url = Uri::from_static("https://api.anthropic.com/v1");
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
    let mut decoder = with_target(true, |target| Anthropic.decoder(target));
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

/// A stream of these events, each named after the `type` in its data.
fn sse(events: &[&str]) -> String {
    events
        .iter()
        .map(|data| {
            let kind = serde_json::from_str::<Json>(data).ok().and_then(|d| Some(d.get("type")?.as_str()?.to_owned()));
            format!("event: {}\ndata: {data}\n\n", kind.unwrap_or_default())
        })
        .collect()
}

const START: &str = r#"{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-test","content":[],"stop_reason":null,"usage":{"input_tokens":7,"output_tokens":1}}}"#;
const END_TURN: &str =
    r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":9}}"#;
const STOP: &str = r#"{"type":"message_stop"}"#;
const TEXT_0: &str = r#"{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}"#;
const HELLO_0: &str = r#"{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}"#;
const STOP_0: &str = r#"{"type":"content_block_stop","index":0}"#;
const TOOL_0: &str = r#"{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"toolu_1","name":"look","input":{}}}"#;

fn json_delta_0(piece: &str) -> String {
    serde_json::json!({"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": piece}})
        .to_string()
}

/// A message with these events between its beginning and its end.
fn message(events: &[&str]) -> String {
    sse(&[&[START], events, &[END_TURN, STOP]].concat())
}

fn call(arguments: Json) -> Part {
    Part::ToolCall {
        call: ToolCall {
            id: "toolu_1".into(),
            name: "look".into(),
            arguments,
            provider_executed: false,
            free_text: false,
        },
    }
}

fn opaque(name: &str, attached: bool, data: Json) -> Part {
    Part::Opaque { provider: PROVIDER.into(), name: name.into(), attached, data }
}
