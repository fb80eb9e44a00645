//! Turns the pieces of a reply into events. A whole reply is a reply in one piece.
//!
//! Thoughts and words become one part each, every call one of its own, numbered in the order in which they appear.
//! Calls come whole, several in a line or one a line, and go on at once.

use super::chunk::{Call, Chunk, Said};
use crate::base::Json;
use crate::model::{FinishReason, Result, StreamEvent, StreamEventKind, ToolCall, Usage, UsageSource};
use crate::wire::{Closing, failure};

/// How much of a reply is handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Words and thoughts together. Default 32 MiB.
    pub(super) text_bytes: usize,
    /// The arguments of one call, as JSON. Default 1 MiB.
    pub(super) arguments_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { text_bytes: 32 << 20, arguments_bytes: 1 << 20 }
    }
}

/// A reply as far as it has come.
#[derive(Debug)]
pub(super) struct Reply {
    limits: Limits,
    pub(super) closing: Closing,
    next_part: i32,
    reasoning_part: Option<i32>,
    text_part: Option<i32>,
    text_bytes: usize,
    called: bool,
}

impl Reply {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            closing: Closing::default(),
            next_part: 0,
            reasoning_part: None,
            text_part: None,
            text_bytes: 0,
            called: false,
        }
    }

    /// True once the server said why it stopped.
    pub(super) fn is_complete(&self) -> bool {
        self.closing.finish_reason.is_some()
    }

    /// Takes in a line. `raw` is all that stands in it, for usage and for the account of an error.
    ///
    /// # Errors
    /// What the line says went wrong, `OutputInvalid` (too_large).
    pub(super) fn take(&mut self, chunk: Chunk, raw: &Json, events: &mut Vec<StreamEvent>) -> Result<()> {
        if chunk.error.is_some_and(|error| !error.is_null() && error != "") {
            return Err(failure::inside_reply(raw));
        }
        if self.is_complete() {
            return Ok(());
        }
        if self.closing.model.is_none() {
            self.closing.model = chunk.model.filter(|model| !model.is_empty());
        }
        for said in [chunk.message, Some(chunk.generated.into())].into_iter().flatten() {
            self.said(said, events)?;
        }
        if chunk.done == Some(true) {
            self.closing.usage = usage(raw);
            // No reason: the model's runner was cut off, and the server closes the reply all the same.
            if let Some(reason) = chunk.done_reason.filter(|reason| !reason.is_empty()) {
                self.closing.finish_reason = Some(self.finish_reason(&reason));
                self.closing.finish_reason_raw = Some(reason);
            }
        }
        Ok(())
    }

    fn said(&mut self, said: Said, events: &mut Vec<StreamEvent>) -> Result<()> {
        if let Some(delta) = said.thinking.filter(|thinking| !thinking.is_empty()) {
            self.count(&delta)?;
            let index = part(&mut self.reasoning_part, &mut self.next_part);
            events.push(StreamEvent::unnumbered(index, StreamEventKind::Reasoning { delta }));
        }
        if let Some(delta) = said.content.filter(|content| !content.is_empty()) {
            self.count(&delta)?;
            let index = part(&mut self.text_part, &mut self.next_part);
            events.push(StreamEvent::unnumbered(index, StreamEventKind::Text { delta }));
        }
        for call in said.tool_calls.into_iter().flatten() {
            let kind = StreamEventKind::ToolCall { call: self.call(call)? };
            events.push(StreamEvent::unnumbered(part(&mut None, &mut self.next_part), kind));
        }
        Ok(())
    }

    fn call(&mut self, call: Call) -> Result<ToolCall> {
        self.called = true;
        let limit = self.limits.arguments_bytes;
        let arguments = match call.function.arguments {
            Json::Null => Json::Object(serde_json::Map::new()),
            // What is no JSON stays the text it is.
            Json::String(text) if text.trim().is_empty() => Json::Object(serde_json::Map::new()),
            Json::String(text) => serde_json::from_str(&text).unwrap_or(Json::String(text)),
            arguments => arguments,
        };
        if arguments.to_string().len() > limit {
            return Err(failure::too_large("arguments of a tool", limit));
        }
        let (id, name) = (call.id.unwrap_or_default(), call.function.name.unwrap_or_default());
        Ok(ToolCall { id, name, arguments, provider_executed: false, free_text: false })
    }

    fn count(&mut self, words: &str) -> Result<()> {
        self.text_bytes += words.len();
        if self.text_bytes > self.limits.text_bytes {
            return Err(failure::too_large("text", self.limits.text_bytes));
        }
        Ok(())
    }

    /// Our reason. The server knows no word for calls.
    fn finish_reason(&self, word: &str) -> FinishReason {
        match word {
            "stop" if self.called => FinishReason::ToolCalls,
            "stop" => FinishReason::Stop,
            "length" => FinishReason::Length,
            // `load` and `unload` answer a request without messages.
            _ => FinishReason::Other,
        }
    }

    /// The reply has ended.
    ///
    /// # Errors
    /// `Truncated` (cut) when the server did not say why.
    pub(super) fn finish(&self) -> Result<()> {
        if self.is_complete() { Ok(()) } else { Err(failure::cut()) }
    }
}

/// The number of a part, given out when it first appears.
fn part(slot: &mut Option<i32>, next: &mut i32) -> i32 {
    *slot.get_or_insert_with(|| {
        *next += 1;
        *next - 1
    })
}

/// What it took. A count of 0 is left out by the server: without either there was nothing to count.
fn usage(raw: &Json) -> Option<Usage> {
    let names = ["prompt_eval_count", "eval_count"];
    let counted: serde_json::Map<String, Json> =
        names.iter().filter_map(|name| Some(((*name).to_owned(), raw.get(*name)?.clone()))).collect();
    let [input, output] = names.map(|name| counted.get(name).and_then(Json::as_i64).map(|count| count.max(0)));
    (input.is_some() || output.is_some()).then(|| Usage {
        input_tokens: input.unwrap_or(0),
        output_tokens: output.unwrap_or(0),
        requests: 1,
        source: UsageSource::Reported,
        raw: Some(Json::Object(counted).into()),
        ..Usage::default()
    })
}
