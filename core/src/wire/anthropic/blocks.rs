//! Content blocks as they are written.
//!
//! ```text
//! start(index, block) ─▶ delta(index, …)* ─▶ stop(index)      a streamed block
//! start(index, block) ──────────────────────▶ stop(index)      a block of a whole reply
//! ```
//!
//! Text and thoughts go out as they come; a tool call's arguments are parsed once, at its end. What is neither
//! (signatures, redacted thoughts, the provider's own tools, block types of tomorrow) is kept as it came, to be
//! sent back in its place.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::Map;

use super::names;
use crate::base::Json;
use crate::model::{Citation, Part, StreamEvent, StreamEventKind, ToolCall};
use crate::wire::json;

/// Longest arguments of one call.
const MAX_ARGUMENT_BYTES: usize = 1 << 20;
/// Most that a reply holds in all: text, thoughts, arguments and kept blocks.
const MAX_CONTENT_BYTES: usize = 32 << 20;

/// Why a block cannot be read. The stream and the whole reply each say it in their own kind of error.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// It makes no sense: a shape that its type has not, or a piece of a block that is not open.
    Malformed,
    /// This passed that many bytes.
    TooLarge(&'static str, usize),
}

impl From<serde_json::Error> for Fault {
    fn from(_: serde_json::Error) -> Self {
        Self::Malformed
    }
}

/// The blocks of one message.
#[derive(Debug)]
pub(super) struct Blocks {
    provider: String,
    open: Vec<(i32, Open)>,
    content_bytes: usize,
    has_client_call: bool,
}

#[derive(Debug)]
enum Open {
    Text { chars: usize, citations: Vec<Json> },
    Thinking { wrote: bool, signature: String },
    ToolUse { id: String, name: String, input: Json, arguments: String, further: Map<String, Json> },
    Kept { name: String, data: Map<String, Json>, arguments: String },
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
}

#[derive(Deserialize)]
struct TextStart {
    text: Option<String>,
    citations: Option<Vec<Json>>,
}

#[derive(Deserialize)]
struct ThinkingStart {
    thinking: Option<String>,
    signature: Option<String>,
}

#[derive(Deserialize)]
struct Delta<'a> {
    #[serde(borrow)]
    r#type: Cow<'a, str>,
    text: Option<String>,
    thinking: Option<String>,
    partial_json: Option<String>,
    signature: Option<String>,
    citation: Option<Json>,
}

impl Blocks {
    pub(super) fn new(provider: &str) -> Self {
        Self { provider: provider.to_owned(), open: Vec::new(), content_bytes: 0, has_client_call: false }
    }

    /// True once the model wants a tool to be called that is not the provider's own.
    pub(super) fn has_client_call(&self) -> bool {
        self.has_client_call
    }

    /// A block begins. One that still stood open under this number ends.
    pub(super) fn start(&mut self, index: i32, block: &str, events: &mut Vec<StreamEvent>) -> Result<(), Fault> {
        self.stop(index, events);
        or_mended(block, |block| self.begin(index, block, events))
    }

    /// A block goes on.
    pub(super) fn delta(&mut self, index: i32, delta: &str, events: &mut Vec<StreamEvent>) -> Result<(), Fault> {
        or_mended(delta, |delta| self.go_on(index, delta, events))
    }

    fn begin(&mut self, index: i32, block: &str, events: &mut Vec<StreamEvent>) -> Result<(), Fault> {
        let kind: Typed<'_> = serde_json::from_str(block)?;
        let open = match &*kind.r#type {
            "text" => {
                let start: TextStart = serde_json::from_str(block)?;
                let text = start.text.unwrap_or_default();
                let chars = text.chars().count();
                self.write(index, text, |delta| StreamEventKind::Text { delta }, events)?;
                Open::Text { chars, citations: start.citations.unwrap_or_default() }
            }
            "thinking" => {
                let start: ThinkingStart = serde_json::from_str(block)?;
                let text = start.thinking.unwrap_or_default();
                let wrote = !text.is_empty();
                self.write(index, text, |delta| StreamEventKind::Reasoning { delta }, events)?;
                Open::Thinking { wrote, signature: start.signature.unwrap_or_default() }
            }
            "tool_use" => {
                if block.len() > MAX_ARGUMENT_BYTES {
                    return Err(Fault::TooLarge("arguments of a tool call", MAX_ARGUMENT_BYTES));
                }
                let mut fields: Map<String, Json> = serde_json::from_str(block)?;
                self.count(block.len())?;
                fields.remove("type");
                let mut word = |name: &str| match fields.shift_remove(name) {
                    Some(Json::String(word)) => word,
                    _ => String::new(),
                };
                let (id, name) = (word("id"), word("name"));
                let input = fields.shift_remove("input").unwrap_or(Json::Null);
                // Called by the model itself, which is what a call without this field means, too.
                fields.retain(|name, value| !(value.is_null() || name == "caller" && value["type"] == "direct"));
                self.has_client_call = true;
                Open::ToolUse { id, name, input, arguments: String::new(), further: fields }
            }
            other => {
                let data = serde_json::from_str(block)?;
                self.count(block.len())?;
                Open::Kept { name: other.to_owned(), data, arguments: String::new() }
            }
        };
        self.open.push((index, open));
        Ok(())
    }

    fn go_on(&mut self, index: i32, delta: &str, events: &mut Vec<StreamEvent>) -> Result<(), Fault> {
        let Some(at) = self.open.iter().rposition(|(i, _)| *i == index) else {
            return Err(Fault::Malformed);
        };
        // The type alone first: a delta of tomorrow may use these names for other shapes.
        let kind: Typed<'_> = serde_json::from_str(delta)?;
        if let (_, Open::Kept { data, arguments, .. }) = &mut self.open[at] {
            let added = fold(data, arguments, delta)?;
            return self.count(added);
        }
        if !matches!(
            &*kind.r#type,
            "text_delta" | "thinking_delta" | "input_json_delta" | "signature_delta" | "citations_delta"
        ) {
            return Ok(());
        }
        let delta: Delta<'_> = serde_json::from_str(delta)?;
        match (&*delta.r#type, &mut self.open[at].1) {
            ("text_delta", Open::Text { chars, .. }) => {
                let text = delta.text.unwrap_or_default();
                *chars += text.chars().count();
                self.write(index, text, |delta| StreamEventKind::Text { delta }, events)
            }
            ("citations_delta", Open::Text { citations, .. }) => {
                citations.extend(delta.citation);
                Ok(())
            }
            ("thinking_delta", Open::Thinking { wrote, .. }) => {
                let text = delta.thinking.unwrap_or_default();
                *wrote |= !text.is_empty();
                self.write(index, text, |delta| StreamEventKind::Reasoning { delta }, events)
            }
            ("signature_delta", Open::Thinking { signature, .. }) => {
                *signature = delta.signature.unwrap_or_default();
                let bytes = signature.len();
                self.count(bytes)
            }
            ("input_json_delta", Open::ToolUse { id, name, arguments, .. }) => {
                let piece = delta.partial_json.unwrap_or_default();
                if piece.is_empty() {
                    return Ok(());
                }
                if arguments.len() + piece.len() > MAX_ARGUMENT_BYTES {
                    return Err(Fault::TooLarge("arguments of a tool call", MAX_ARGUMENT_BYTES));
                }
                arguments.push_str(&piece);
                let bytes = piece.len();
                let kind =
                    StreamEventKind::ToolCallDelta { call_id: id.clone(), name: name.clone(), arguments_delta: piece };
                events.push(StreamEvent::unnumbered(index, kind));
                self.count(bytes)
            }
            _ => Err(Fault::Malformed),
        }
    }

    /// A block ends. Nothing happens when none stands open under this number.
    pub(super) fn stop(&mut self, index: i32, events: &mut Vec<StreamEvent>) {
        if let Some(at) = self.open.iter().rposition(|(i, _)| *i == index) {
            let (_, open) = self.open.remove(at);
            self.close(index, open, events);
        }
    }

    /// Every block ends: the message is over.
    pub(super) fn stop_all(&mut self, events: &mut Vec<StreamEvent>) {
        for (index, open) in std::mem::take(&mut self.open) {
            self.close(index, open, events);
        }
    }

    fn close(&self, index: i32, open: Open, events: &mut Vec<StreamEvent>) {
        let mut push = |kind| events.push(StreamEvent::unnumbered(index, kind));
        match open {
            Open::Text { chars, citations } => {
                if citations.is_empty() {
                    return;
                }
                for raw in &citations {
                    push(StreamEventKind::Citation { citation: citation(raw, chars) });
                }
                push(self.opaque(names::CITATIONS, true, Json::Array(citations)));
            }
            Open::Thinking { signature, .. } if signature.is_empty() => {}
            Open::Thinking { wrote: true, signature } => {
                push(self.opaque(names::SIGNATURE, true, Json::String(signature)));
            }
            // Hidden thoughts: there is no part for the signature to belong to, so the block goes back whole.
            Open::Thinking { wrote: false, signature } => {
                let block = serde_json::json!({ "type": names::THINKING, "thinking": "", "signature": signature });
                push(self.opaque(names::THINKING, false, block));
            }
            Open::ToolUse { id, name, input, arguments, further } => {
                let arguments = match arguments.trim() {
                    "" if input.is_null() => serde_json::json!({}),
                    "" => input,
                    _ => parsed(arguments),
                };
                push(StreamEventKind::ToolCall {
                    call: ToolCall { id, name, arguments, provider_executed: false, free_text: false },
                });
                if !further.is_empty() {
                    push(self.opaque(names::TOOL_USE, true, Json::Object(further)));
                }
            }
            Open::Kept { name, mut data, arguments } => {
                if !arguments.trim().is_empty() {
                    data.insert("input".to_owned(), parsed(arguments));
                }
                push(self.opaque(&name, false, Json::Object(data)));
            }
        }
    }

    fn opaque(&self, name: &str, attached: bool, data: Json) -> StreamEventKind {
        let part = Part::Opaque { provider: self.provider.clone(), name: name.to_owned(), attached, data };
        StreamEventKind::Part { part }
    }

    fn write(
        &mut self,
        index: i32,
        text: String,
        kind: impl FnOnce(String) -> StreamEventKind,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Fault> {
        self.count(text.len())?;
        if !text.is_empty() {
            events.push(StreamEvent::unnumbered(index, kind(text)));
        }
        Ok(())
    }

    fn count(&mut self, bytes: usize) -> Result<(), Fault> {
        self.content_bytes = self.content_bytes.saturating_add(bytes);
        if self.content_bytes > MAX_CONTENT_BYTES { Err(Fault::TooLarge("a reply", MAX_CONTENT_BYTES)) } else { Ok(()) }
    }
}

/// Reads a piece, and once more with its halves of surrogate pairs mended when it could not be read.
fn or_mended(piece: &str, mut read: impl FnMut(&str) -> Result<(), Fault>) -> Result<(), Fault> {
    match read(piece) {
        Err(Fault::Malformed) => read(&json::mended(piece).ok_or(Fault::Malformed)?),
        done => done,
    }
}

/// Arguments as JSON, or as the text they are when they are none.
fn parsed(arguments: String) -> Json {
    let mended = || serde_json::from_str(&json::mended(&arguments)?).ok();
    serde_json::from_str(&arguments).ok().or_else(mended).unwrap_or(Json::String(arguments))
}

/// Lays a delta over a block that is kept: text is joined, everything else replaced. Says how many bytes came.
fn fold(data: &mut Map<String, Json>, arguments: &mut String, delta: &str) -> Result<usize, Fault> {
    let fields: Map<String, Json> = serde_json::from_str(delta)?;
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("type", _) => {}
            ("partial_json", Json::String(piece)) => {
                if arguments.len() + piece.len() > MAX_ARGUMENT_BYTES {
                    return Err(Fault::TooLarge("arguments of a tool call", MAX_ARGUMENT_BYTES));
                }
                arguments.push_str(&piece);
            }
            (_, Json::String(more)) => match data.get_mut(&name) {
                Some(Json::String(text)) => text.push_str(&more),
                _ => {
                    data.insert(name, Json::String(more));
                }
            },
            (_, value) => {
                data.insert(name, value);
            }
        }
    }
    Ok(delta.len())
}

/// A citation stands for the whole block; the places it names are in the source, not in the text.
fn citation(raw: &Json, chars: usize) -> Citation {
    let word = |name: &str| raw.get(name).and_then(Json::as_str).map(str::to_owned);
    Citation {
        start: 0,
        end: i32::try_from(chars).unwrap_or(i32::MAX),
        url: word("url").or_else(|| word("source").filter(|source| source.starts_with("http"))),
        title: word("title").or_else(|| word("document_title")),
        quote: word("cited_text"),
    }
}
