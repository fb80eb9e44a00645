//! The dialect's behaviour, one sentence a test, on bytes written by hand.

mod encoding;
mod failures;
mod replies;
mod tools;
mod words;

use serde_json::{Value, json};

use super::*;
use crate::model::{Part, ReplyDraft, StreamEventKind};
use crate::wire::{Counts, Quirks};

fn with_quirks<T>(quirks: &Quirks, stream: bool, run: impl FnOnce(&Target<'_>) -> T) -> T {
    let base_url = http::Uri::from_static("https://provider.example/v1");
    run(&Target {
        provider: "acme",
        base_url: &base_url,
        quirks,
        stream,
        max_output_tokens: None,
        max_event_bytes: 16 << 20,
    })
}

/// What came out of a reply.
#[derive(Debug)]
struct Read {
    events: Vec<StreamEvent>,
    closing: Closing,
    counts: Counts,
}

impl Read {
    fn parts(&self) -> Vec<Part> {
        let mut draft = ReplyDraft::new();
        self.events.iter().for_each(|event| draft.push(event));
        draft.into_parts()
    }

    fn reply(&self) -> crate::model::Reply {
        let mut reply = crate::model::Reply::empty("acme", "m");
        reply.parts = self.parts();
        reply
    }
}

/// Reads a stream whole and in pieces, which must not matter.
fn stream_bytes(bytes: &[u8]) -> Result<Read> {
    let run = |piece: usize| -> Result<Read> {
        with_quirks(&Quirks::default(), true, |target| {
            let mut decoder = OpenAiChat.decoder(target);
            let mut events = Vec::new();
            for piece in bytes.chunks(piece) {
                decoder.feed(piece, &mut events)?;
            }
            decoder.finish(&mut events)?;
            Ok(Read { events, closing: decoder.closing().clone(), counts: decoder.counts() })
        })
    };
    let whole = run(bytes.len().max(1));
    for piece in [1, 3] {
        let again = run(piece);
        match (&whole, &again) {
            (Ok(whole), Ok(again)) => {
                assert_eq!((&whole.events, &whole.closing), (&again.events, &again.closing), "in pieces of {piece}");
            }
            (Err(whole), Err(again)) => assert_eq!(whole.to_string(), again.to_string()),
            other => panic!("pieces of {piece} matter: {other:?}"),
        }
    }
    whole
}

/// A stream of these payloads, with `[DONE]` behind them.
fn stream(payloads: &[Value]) -> Result<Read> {
    let mut bytes = String::new();
    for payload in payloads {
        bytes.push_str(&format!("data: {payload}\n\n"));
    }
    bytes.push_str("data: [DONE]\n\n");
    stream_bytes(bytes.as_bytes())
}

/// Events with these deltas on choice 0, and a finish behind them.
fn deltas(deltas: &[Value], finish: &str) -> Read {
    let mut payloads: Vec<Value> =
        deltas.iter().map(|delta| json!({"choices": [{"index": 0, "delta": delta}]})).collect();
    payloads.push(json!({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]}));
    stream(&payloads).unwrap()
}

fn whole(body: &Value) -> Result<Read> {
    with_quirks(&Quirks::default(), false, |target| {
        let (events, closing) = OpenAiChat.decode(body.to_string().as_bytes(), target)?;
        Ok(Read { events, closing, counts: Counts::default() })
    })
}

fn message(message: &Value, finish: &str) -> Read {
    whole(&json!({"id": "r1", "model": "m1", "choices": [{"index": 0, "message": message, "finish_reason": finish}]}))
        .unwrap()
}
