//! The dialect's behaviour, one sentence a test, on bytes written by hand.

mod encoding;
mod failures;
mod properties;
mod replies;

use http::Uri;
use serde_json::{Value, json};

use super::Ollama;
use crate::model::{Error, Part, ReplyDraft, StreamEvent, ToolCall};
use crate::wire::{Closing, Counts, Dialect, Quirks, Target};

fn with_target<T>(stream: bool, work: impl FnOnce(&Target<'_>) -> T) -> T {
    let base_url = Uri::from_static("http://127.0.0.1:11434");
    let quirks = Quirks::default();
    work(&Target {
        provider: "ollama",
        base_url: &base_url,
        quirks: &quirks,
        stream,
        max_output_tokens: None,
        max_event_bytes: 16 << 20,
    })
}

/// What came of reading a reply.
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
        let mut draft = ReplyDraft::new();
        self.events.iter().for_each(|event| draft.push(event));
        draft.into_parts()
    }

    fn whole(self) -> Self {
        assert!(self.outcome.is_ok(), "{:?}", self.outcome);
        self
    }

    fn error(self) -> Error {
        self.outcome.expect_err("the reply was read to its end")
    }
}

/// Reads these pieces, then the clean end.
fn read_pieces<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Read {
    let mut decoder = with_target(true, |target| Ollama.decoder(target));
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

/// A stream of these lines.
fn lines(lines: &[Value]) -> String {
    lines.iter().map(|line| format!("{line}\n")).collect()
}

/// A line that says this.
fn said(message: Value) -> Value {
    json!({"model": "m", "created_at": "2026-11-21T00:00:00Z", "message": message, "done": false})
}

/// The last line.
fn done(reason: &str) -> Value {
    json!({
        "model": "m", "message": {"role": "assistant", "content": ""}, "done": true, "done_reason": reason,
        "total_duration": 5, "prompt_eval_count": 7, "eval_count": 3
    })
}

/// A stream that says this and stops.
fn stream(messages: &[Value]) -> Read {
    let mut all: Vec<Value> = messages.iter().cloned().map(said).collect();
    all.push(done("stop"));
    read(lines(&all)).whole()
}

fn whole(body: &Value) -> Result<Read, Error> {
    decode(body.to_string().as_bytes())
}

fn decode(body: &[u8]) -> Result<Read, Error> {
    let (events, closing) = with_target(false, |target| Ollama.decode(body, target))?;
    Ok(Read { events, outcome: Ok(()), closing, counts: Counts::default(), is_complete: true })
}

fn call(name: &str, arguments: Value) -> Part {
    Part::ToolCall {
        call: ToolCall { id: String::new(), name: name.into(), arguments, provider_executed: false, free_text: false },
    }
}

fn thought(text: &str) -> Part {
    Part::Reasoning { text: text.into() }
}
