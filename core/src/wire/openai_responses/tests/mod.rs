//! The dialect's behaviour, one sentence a test, on bytes written by hand.

mod encoding;
mod failures;
mod items;
mod properties;
mod streams;

use serde_json::{Value, json};

use super::*;
use crate::model::{Part, Reply, ReplyDraft, StreamEventKind, ToolCall};
use crate::wire::{Counts, Quirks};

const PROVIDER: &str = "acme";

fn with_quirks<T>(quirks: &Quirks, stream: bool, run: impl FnOnce(&Target<'_>) -> T) -> T {
    let base_url = http::Uri::from_static("https://provider.example/v1");
    run(&Target {
        provider: PROVIDER,
        base_url: &base_url,
        quirks,
        stream,
        max_output_tokens: None,
        max_event_bytes: 16 << 20,
    })
}

/// What came of reading a reply.
#[derive(Debug)]
struct Read {
    events: Vec<StreamEvent>,
    outcome: Result<()>,
    closing: Closing,
    counts: Counts,
    is_complete: bool,
}

impl Read {
    fn parts(&self) -> Vec<Part> {
        fold(&self.events)
    }

    fn reply(&self) -> Reply {
        Reply { parts: self.parts(), ..Reply::empty(PROVIDER, "m") }
    }

    #[track_caller]
    fn whole(self) -> Self {
        assert!(self.outcome.is_ok(), "{:?}", self.outcome);
        self
    }

    fn error(self) -> Error {
        self.outcome.expect_err("the reply was read to its end")
    }
}

fn fold(events: &[StreamEvent]) -> Vec<Part> {
    let mut draft = ReplyDraft::new();
    events.iter().for_each(|event| draft.push(event));
    draft.into_parts()
}

/// Reads these pieces, then the clean end.
fn read_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut decoder = with_quirks(&Quirks::default(), true, |target| OpenAiResponses.decoder(target));
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
fn sse(events: &[Value]) -> String {
    events
        .iter()
        .map(|data| format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap_or("message")))
        .collect()
}

/// These events between the beginning and the good end of a reply whose closing output is empty.
fn stream(events: &[Value]) -> Read {
    read(sse(&[&[created()], events, &[completed(&json!([]))]].concat())).whole()
}

fn created() -> Value {
    json!({"type": "response.created", "response": {"id": "resp_1", "model": "m-1", "status": "in_progress", "output": []}})
}

fn completed(output: &Value) -> Value {
    json!({"type": "response.completed", "response": {
        "id": "resp_1", "model": "m-1", "status": "completed", "output": output, "usage": usage(),
    }})
}

fn usage() -> Value {
    json!({
        "input_tokens": 10, "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 2},
        "output_tokens": 7, "output_tokens_details": {"reasoning_tokens": 3}, "total_tokens": 17,
    })
}

fn added(index: i64, item: Value) -> Value {
    json!({"type": "response.output_item.added", "output_index": index, "item": item})
}

fn done(index: i64, item: Value) -> Value {
    json!({"type": "response.output_item.done", "output_index": index, "item": item})
}

fn text_delta(index: i64, content: i64, delta: &str) -> Value {
    json!({"type": "response.output_text.delta", "output_index": index, "content_index": content, "item_id": "msg_1", "delta": delta})
}

fn message(text: &str) -> Value {
    json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": text, "annotations": []}]})
}

fn function_call(id: &str, arguments: &str) -> Value {
    json!({"type": "function_call", "id": format!("fc_{id}"), "call_id": id, "name": "look", "arguments": arguments, "status": "completed"})
}

/// A whole reply with these items.
fn whole(output: Value) -> Read {
    decode(
        &json!({"id": "resp_1", "model": "m-1", "object": "response", "status": "completed", "error": null,
        "incomplete_details": null, "output": output, "usage": usage()})
        .to_string(),
    )
}

fn decode(body: &str) -> Read {
    let decoded = with_quirks(&Quirks::default(), false, |target| OpenAiResponses.decode(body.as_bytes(), target));
    let (outcome, (events, closing)) = match decoded {
        Ok(decoded) => (Ok(()), decoded),
        Err(error) => (Err(error), Default::default()),
    };
    let is_complete = outcome.is_ok();
    Read { events, outcome, closing, counts: Counts::default(), is_complete }
}

fn call(id: &str, arguments: Value) -> Part {
    Part::ToolCall {
        call: ToolCall { id: id.into(), name: "look".into(), arguments, provider_executed: false, free_text: false },
    }
}

fn free_text(id: &str, text: &str) -> Part {
    let Part::ToolCall { call } = call(id, text.into()) else { unreachable!() };
    Part::ToolCall { call: ToolCall { free_text: true, ..call } }
}

fn opaque(name: &str, attached: bool, data: Value) -> Part {
    Part::Opaque { provider: PROVIDER.into(), name: name.into(), attached, data }
}

fn thought(text: &str) -> Part {
    Part::Reasoning { text: text.into() }
}
