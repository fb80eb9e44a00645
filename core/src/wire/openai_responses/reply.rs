//! Turns the events of a reply into ours. A whole reply is a reply whose items come at once.
//!
//! Each item is told as it is written, and once more as a whole when it is done. What was written counts: of the
//! whole only what had not come before is taken, so that servers that send no deltas, or no closing output, or
//! both of them twice, all give the same reply.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::lanes::{Item, Voice};
use super::{annotations, names, usage};
use crate::base::Json;
use crate::model::{FinishReason, Media, Part, Result, StreamEvent, StreamEventKind, ToolCall};
use crate::wire::openai_chat::usage::cost_nano_usd;
use crate::wire::{Closing, failure, json, mime};

/// How much of a reply is held or handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Words, reasoning and refusal together. Default 32 MiB.
    pub(super) text_bytes: usize,
    /// The arguments of one call. Default 1 MiB.
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
    provider: String,
    output_excludes_reasoning: bool,
    limits: Limits,
    pub(super) closing: Closing,
    items: BTreeMap<i64, Item>,
    text_bytes: usize,
    called: bool,
    complete: bool,
}

/// Where an event belongs.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place<'a> {
    pub(super) output_index: Option<i64>,
    pub(super) item_id: Option<&'a RawValue>,
    /// The text within the item.
    pub(super) inner: i64,
}

/// What a reply says of itself, at its beginning and at its end.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Response<'a> {
    id: Option<String>,
    model: Option<String>,
    status: Option<String>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    incomplete_details: Option<Incomplete>,
    #[serde(borrow)]
    output: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Incomplete {
    reason: Option<String>,
}

impl Reply {
    pub(super) fn new(provider: &str, output_excludes_reasoning: bool, limits: Limits) -> Self {
        Self {
            provider: provider.to_owned(),
            output_excludes_reasoning,
            limits,
            closing: Closing::default(),
            items: BTreeMap::new(),
            text_bytes: 0,
            called: false,
            complete: false,
        }
    }

    /// True once the provider said that the reply is over.
    pub(super) const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The reply begins, or goes on.
    pub(super) fn name(&mut self, response: &RawValue) {
        // Only a name: without it the reply is as good.
        if let Ok(response) = serde_json::from_str::<Response<'_>>(response.get()) {
            self.take_name(response.id, response.model);
        }
    }

    fn take_name(&mut self, id: Option<String>, model: Option<String>) {
        let known = &mut self.closing;
        known.id = known.id.take().or(id.filter(|id| !id.is_empty()));
        known.model = known.model.take().or(model.filter(|model| !model.is_empty()));
    }

    /// An item begins.
    pub(super) fn open(&mut self, place: Place<'_>, raw: &RawValue, events: &mut Vec<StreamEvent>) -> Result<()> {
        let item = parsed(raw)?;
        let index = self.index(place);
        self.take_head(index, &item, events).map(|_| ())
    }

    /// An item is whole.
    pub(super) fn close(&mut self, place: Place<'_>, raw: &RawValue, events: &mut Vec<StreamEvent>) -> Result<()> {
        let item = parsed(raw)?;
        let index = self.index(place);
        self.take_whole(index, item, events)
    }

    /// The next words of a text.
    pub(super) fn say(
        &mut self,
        voice: Voice,
        place: Place<'_>,
        delta: String,
        events: &mut Vec<StreamEvent>,
    ) -> Result<()> {
        let index = self.index(place);
        self.tell(index, voice, place.inner, delta, events)
    }

    /// The whole of a text, which counts where no words of it came before.
    pub(super) fn said(
        &mut self,
        voice: Voice,
        place: Place<'_>,
        text: String,
        events: &mut Vec<StreamEvent>,
    ) -> Result<()> {
        let index = self.index(place);
        self.fill(index, voice, place.inner, text, events)
    }

    /// A source of a text.
    pub(super) fn cite(&mut self, place: Place<'_>, raw: &RawValue, events: &mut Vec<StreamEvent>) -> Result<()> {
        let annotation = parsed(raw)?;
        let index = self.index(place);
        let lane = self.item(index, "message")?.lane(Voice::Text, place.inner);
        lane.cited += 1;
        let part_index = lane.part_index;
        if let Some(citation) = annotations::citation(&annotation) {
            events.push(StreamEvent::unnumbered(part_index, StreamEventKind::Citation { citation }));
        }
        Ok(())
    }

    /// The next characters of the arguments of a call.
    pub(super) fn write(
        &mut self,
        place: Place<'_>,
        kind: &str,
        delta: String,
        events: &mut Vec<StreamEvent>,
    ) -> Result<()> {
        let index = self.index(place);
        let limit = self.limits.arguments_bytes;
        let item = self.item(index, kind)?;
        if item.done || delta.is_empty() {
            return Ok(());
        }
        if item.call.arguments.len() + delta.len() > limit {
            return Err(failure::too_large("arguments of a tool", limit));
        }
        item.call.arguments.push_str(&delta);
        let (call_id, name) = (item.call.id.clone(), item.call.name.clone());
        let kind = StreamEventKind::ToolCallDelta { call_id, name, arguments_delta: delta };
        events.push(StreamEvent::unnumbered(item.part_index(), kind));
        Ok(())
    }

    /// The arguments of a call as a whole, which count where none were written.
    pub(super) fn written(
        &mut self,
        place: Place<'_>,
        kind: &str,
        arguments: String,
        events: &mut Vec<StreamEvent>,
    ) -> Result<()> {
        let index = self.index(place);
        if !self.item(index, kind)?.call.arguments.is_empty() {
            return Ok(());
        }
        self.write(Place { output_index: Some(index), ..place }, kind, arguments, events)
    }

    /// The reply is over. `word` is what the event says of it, where it says so.
    ///
    /// # Errors
    /// What went wrong, when it failed.
    pub(super) fn end(&mut self, raw: &RawValue, word: Option<&str>, events: &mut Vec<StreamEvent>) -> Result<()> {
        let response: Option<Response<'_>> = serde_json::from_str(raw.get()).map_err(|_| failure::malformed())?;
        let response = response.unwrap_or_default();
        self.take_name(response.id, response.model);
        if let Some(wire) = response.usage.and_then(|raw| serde_json::from_str::<Json>(raw.get()).ok()) {
            self.closing.usage = usage::read(&wire, self.output_excludes_reasoning);
            self.closing.cost_nano_usd = cost_nano_usd(&wire);
        }
        let status = response.status.as_deref().or(word).unwrap_or("completed").to_owned();
        let error = response.error.filter(|error| error.get() != "null");
        if error.is_some() || matches!(status.as_str(), "failed" | "cancelled") {
            self.failed(&status);
            return Err(failure::inside_reply(&serde_json::json!({ "error": error })));
        }
        if matches!(status.as_str(), "queued" | "in_progress") && word.is_none() {
            return Err(failure::bad_response("a reply that it has not finished"));
        }
        for (index, raw) in (0..).zip(response.output.unwrap_or_default()) {
            let item = parsed(raw)?;
            if self.is_news(index, &item) {
                self.take_whole(index, item, events)?;
            }
        }
        let open: Vec<i64> = self.items.iter().filter(|(_, item)| !item.done).map(|(index, _)| *index).collect();
        for index in open {
            self.finish_call(index, events)?;
        }
        let reason = response.incomplete_details.and_then(|details| details.reason);
        self.closing.finish_reason = Some(match (status.as_str(), reason.as_deref()) {
            ("completed", _) if self.called => FinishReason::ToolCalls,
            ("completed", _) => FinishReason::Stop,
            (_, Some("max_output_tokens" | "max_tokens")) => FinishReason::Length,
            (_, Some("content_filter")) => FinishReason::ContentFilter,
            _ => FinishReason::Other,
        });
        self.closing.finish_reason_raw = Some(match reason.filter(|_| status != "completed") {
            Some(reason) => format!("{status}:{reason}"),
            None => status,
        });
        self.complete = true;
        Ok(())
    }

    /// The reply broke off with an error.
    pub(super) fn failed(&mut self, word: &str) {
        self.closing.finish_reason = Some(FinishReason::Error);
        self.closing.finish_reason_raw = Some(word.to_owned());
    }

    /// Which item an event belongs to: its index says it, its id where there is none, else the item that came last.
    /// The index goes first because some gateways give an item another id in each event.
    fn index(&self, place: Place<'_>) -> i64 {
        place.output_index.unwrap_or_else(|| {
            let id = place.item_id.and_then(|raw| serde_json::from_str::<String>(raw.get()).ok());
            let named = id.filter(|id| !id.is_empty());
            let named = named.and_then(|id| self.items.iter().find(|(_, item)| item.id == id));
            named.or(self.items.last_key_value()).map_or(0, |(index, _)| *index)
        })
    }

    /// The item at this index; `kind` is what it must be when nobody announced it.
    fn item(&mut self, index: i64, kind: &str) -> Result<&mut Item> {
        match self.items.entry(index) {
            std::collections::btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            std::collections::btree_map::Entry::Vacant(new) => Ok(new.insert(Item::at(index, kind)?)),
        }
    }

    /// True for an item of the closing output that was not told before.
    fn is_news(&self, index: i64, item: &Json) -> bool {
        let id = word(item, "id");
        match self.items.get(&index) {
            Some(known) => !known.done && known.kind == word(item, "type"),
            None => id.is_empty() || self.items.values().all(|known| known.id != id),
        }
    }

    fn tell(
        &mut self,
        index: i64,
        voice: Voice,
        inner: i64,
        delta: String,
        events: &mut Vec<StreamEvent>,
    ) -> Result<()> {
        if delta.is_empty() {
            return Ok(());
        }
        self.text_bytes += delta.len();
        if self.text_bytes > self.limits.text_bytes {
            return Err(failure::too_large("text", self.limits.text_bytes));
        }
        let (unannounced, kind) = match voice {
            Voice::Text => ("message", StreamEventKind::Text { delta }),
            Voice::Refusal => ("message", StreamEventKind::Refusal { delta }),
            Voice::Summary | Voice::Thought => (names::REASONING, StreamEventKind::Reasoning { delta }),
        };
        let item = self.item(index, unannounced)?;
        if item.done {
            return Ok(());
        }
        let lane = item.lane(voice, inner);
        lane.spoke = true;
        events.push(StreamEvent::unnumbered(lane.part_index, kind));
        Ok(())
    }

    fn fill(
        &mut self,
        index: i64,
        voice: Voice,
        inner: i64,
        text: String,
        events: &mut Vec<StreamEvent>,
    ) -> Result<()> {
        let known = self.items.get_mut(&index).is_some_and(|item| item.lane(voice, inner).spoke);
        if known { Ok(()) } else { self.tell(index, voice, inner, text, events) }
    }

    /// What an item says of itself from the beginning.
    fn take_head(&mut self, index: i64, wire: &Json, events: &mut Vec<StreamEvent>) -> Result<&mut Item> {
        let announced = !self.items.contains_key(&index);
        let item = self.item(index, word(wire, "type"))?;
        let fill = |slot: &mut String, value: &str| {
            if slot.is_empty() {
                slot.push_str(value);
            }
        };
        fill(&mut item.id, word(wire, "id"));
        if is_call(&item.kind) {
            // The answer must name the call, not the item.
            let call_id = Some(word(wire, "call_id")).filter(|id| !id.is_empty()).unwrap_or(word(wire, "id"));
            fill(&mut item.call.id, call_id);
            fill(&mut item.call.name, word(wire, "name"));
            if announced {
                let (call_id, name) = (item.call.id.clone(), item.call.name.clone());
                let kind = StreamEventKind::ToolCallDelta { call_id, name, arguments_delta: String::new() };
                events.push(StreamEvent::unnumbered(item.part_index(), kind));
            }
        }
        Ok(item)
    }

    fn take_whole(&mut self, index: i64, wire: Json, events: &mut Vec<StreamEvent>) -> Result<()> {
        let item = self.take_head(index, &wire, events)?;
        if item.done {
            return Ok(());
        }
        match item.kind.as_str() {
            "message" => self.take_message(index, &wire, events)?,
            names::REASONING => self.take_reasoning(index, wire, events)?,
            kind if is_call(kind) => {
                let kind = kind.to_owned();
                let place = Place { output_index: Some(index), ..Place::default() };
                let field = if kind == names::CUSTOM_CALL { "input" } else { "arguments" };
                let arguments = match wire.get(field) {
                    Some(Json::String(text)) => text.clone(),
                    None | Some(Json::Null) => String::new(),
                    // Some servers send the JSON itself.
                    Some(arguments) => arguments.to_string(),
                };
                self.written(place, &kind, arguments, events)?;
                self.finish_call(index, events)?;
            }
            names::IMAGE_CALL => self.take_image(index, wire, events)?,
            kind => {
                let (kind, part_index) = (kind.to_owned(), item.part_index());
                let part = self.opaque(&kind, false, wire);
                events.push(StreamEvent::unnumbered(part_index, StreamEventKind::Part { part }));
            }
        }
        self.item(index, "")?.done = true;
        Ok(())
    }

    fn take_message(&mut self, index: i64, wire: &Json, events: &mut Vec<StreamEvent>) -> Result<()> {
        for (inner, piece) in (0..).zip(list(wire, "content")) {
            match word(piece, "type") {
                "output_text" | "text" => {
                    self.fill(index, Voice::Text, inner, word(piece, "text").to_owned(), events)?;
                    let lane = self.item(index, "message")?.lane(Voice::Text, inner);
                    let (part_index, told) = (lane.part_index, lane.cited);
                    let sources = list(piece, "annotations");
                    lane.cited = told.max(sources.len());
                    for citation in sources.iter().skip(told).filter_map(annotations::citation) {
                        events.push(StreamEvent::unnumbered(part_index, StreamEventKind::Citation { citation }));
                    }
                }
                "refusal" => self.fill(index, Voice::Refusal, inner, word(piece, "refusal").to_owned(), events)?,
                "reasoning_text" => self.fill(index, Voice::Thought, inner, word(piece, "text").to_owned(), events)?,
                _ => {}
            }
        }
        let phase = word(wire, "phase");
        let item = self.item(index, "message")?;
        if !phase.is_empty() && item.spoke() {
            let part_index = item.behind();
            let part = self.opaque(names::PHASE, true, phase.into());
            events.push(StreamEvent::unnumbered(part_index, StreamEventKind::Part { part }));
        }
        Ok(())
    }

    fn take_reasoning(&mut self, index: i64, wire: Json, events: &mut Vec<StreamEvent>) -> Result<()> {
        for (field, voice) in [("summary", Voice::Summary), ("content", Voice::Thought)] {
            for (inner, piece) in (0..).zip(list(&wire, field)) {
                self.fill(index, voice, inner, word(piece, "text").to_owned(), events)?;
            }
        }
        let item = self.item(index, names::REASONING)?;
        let (part_index, spoke) = (item.behind(), item.spoke());
        if spoke || !word(&wire, "encrypted_content").is_empty() {
            let part = self.opaque(names::REASONING, spoke, wire);
            events.push(StreamEvent::unnumbered(part_index, StreamEventKind::Part { part }));
        }
        Ok(())
    }

    /// The picture is a part of its own; the item is kept without it, so that it is stored once.
    fn take_image(&mut self, index: i64, mut wire: Json, events: &mut Vec<StreamEvent>) -> Result<()> {
        let part_index = self.item(index, names::IMAGE_CALL)?.part_index();
        let bytes = STANDARD.decode(word(&wire, "result")).ok().filter(|bytes| !bytes.is_empty());
        if let Some(bytes) = bytes {
            let named = match word(&wire, "output_format") {
                "jpeg" | "jpg" => "image/jpeg",
                "webp" => "image/webp",
                _ => "image/png",
            };
            let mime_type = mime::guess(&bytes).unwrap_or(named);
            let size_bytes = i64::try_from(bytes.len()).ok();
            let media = Media { size_bytes, ..Media::data(bytes, mime_type) };
            events.push(StreamEvent::unnumbered(part_index, StreamEventKind::Part { part: Part::Image { media } }));
            wire["result"] = Json::Null;
        }
        let part = self.opaque(names::IMAGE_CALL, false, wire);
        events.push(StreamEvent::unnumbered(part_index, StreamEventKind::Part { part }));
        Ok(())
    }

    /// A call is whole, or as whole as it will be.
    fn finish_call(&mut self, index: i64, events: &mut Vec<StreamEvent>) -> Result<()> {
        let item = self.item(index, "")?;
        if !is_call(&item.kind) {
            return Ok(());
        }
        item.done = true;
        let custom = item.kind == names::CUSTOM_CALL;
        let (call, part_index) = (std::mem::take(&mut item.call), item.part_index());
        let arguments = if custom { Json::String(call.arguments) } else { json::arguments(call.arguments) };
        let call = ToolCall { id: call.id, name: call.name, arguments, provider_executed: false, free_text: custom };
        events.push(StreamEvent::unnumbered(part_index, StreamEventKind::ToolCall { call }));
        self.called = true;
        Ok(())
    }

    fn opaque(&self, name: &str, attached: bool, data: Json) -> Part {
        Part::Opaque { provider: self.provider.clone(), name: name.to_owned(), attached, data }
    }
}

/// True for calls that the caller must answer.
fn is_call(kind: &str) -> bool {
    kind == "function_call" || kind == names::CUSTOM_CALL
}

fn parsed(raw: &RawValue) -> Result<Json> {
    let read = serde_json::from_str(raw.get()).ok();
    read.or_else(|| serde_json::from_str(&json::mended(raw.get())?).ok()).ok_or_else(failure::malformed)
}

fn word<'a>(wire: &'a Json, name: &str) -> &'a str {
    wire.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn list<'a>(wire: &'a Json, name: &str) -> &'a [Json] {
    wire.get(name).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}
