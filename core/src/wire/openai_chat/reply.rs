//! Turns the pieces of a reply into events. A whole reply is a reply in one piece.
//!
//! Reasoning, words and refusal each become one part, each call and picture one of its own, numbered in the
//! order in which they appear. What can only be known at the end (calls with their arguments read, signatures,
//! the pages of a search) comes out of [`Reply::finish`].

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::value::RawValue;

use super::calls::Calls;
use super::chunk::{Audio, Choice, Chunk, Content, Message, Piece, Text};
use super::words::{Delta, Words};
use super::{details, usage};
use crate::base::{ErrorKind, Json, Retry};
use crate::model::{Citation, Error, FinishReason, Media, MediaSource, Part, Result, StreamEvent, StreamEventKind};
use crate::wire::{Closing, failure, mime};

/// How much of a reply is held or handed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Words, reasoning and refusal together. Default 32 MiB.
    pub(super) text_bytes: usize,
    /// The arguments of one call. Default 1 MiB.
    pub(super) arguments_bytes: usize,
    /// A sound, as base64. Default 64 MiB.
    pub(super) media_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { text_bytes: 32 << 20, arguments_bytes: 1 << 20, media_bytes: 64 << 20 }
    }
}

/// A reply as far as it has come.
#[derive(Debug)]
pub(super) struct Reply {
    provider: String,
    output_excludes_reasoning: bool,
    limits: Limits,
    pub(super) closing: Closing,
    next_part: i32,
    reasoning_part: Option<i32>,
    text_part: Option<i32>,
    refusal_part: Option<i32>,
    text_bytes: usize,
    /// Some provider sends the message so far beside each delta; it counts only where there are no deltas.
    deltas: bool,
    calls: Calls,
    details: details::Details,
    extra: Option<Json>,
    audio: Vec<u8>,
    pages: Option<Vec<Citation>>,
}

impl Reply {
    pub(super) fn new(provider: &str, output_excludes_reasoning: bool, limits: Limits) -> Self {
        Self {
            provider: provider.to_owned(),
            output_excludes_reasoning,
            limits,
            closing: Closing::default(),
            next_part: 0,
            reasoning_part: None,
            text_part: None,
            refusal_part: None,
            text_bytes: 0,
            deltas: false,
            calls: Calls::default(),
            details: details::Details::default(),
            extra: None,
            audio: Vec::new(),
            pages: None,
        }
    }

    /// True once the provider said why it stopped.
    pub(super) fn is_complete(&self) -> bool {
        self.closing.finish_reason.is_some()
    }

    /// Takes in an event. `payload` is its text, for the account of an error.
    pub(super) fn take(&mut self, chunk: Chunk<'_>, payload: &str, events: &mut Vec<StreamEvent>) -> Result<()> {
        self.take_names(chunk.id, chunk.model);
        for usage in [chunk.x_groq.and_then(|groq| groq.usage), chunk.usage].into_iter().flatten() {
            self.take_usage(usage);
        }
        let flat_error = chunk.choices.is_none()
            && (&*chunk.object == "error"
                || &*chunk.kind == "error"
                || [chunk.detail, chunk.message].into_iter().flatten().any(says_something));
        if flat_error || chunk.error.is_some_and(says_something) {
            return Err(failure::inside_reply(&serde_json::from_str(payload).unwrap_or_default()));
        }
        // The first list that names pages is the same as all later ones, so the last is as good as any.
        if let Some(pages) = pages(chunk.search_results).or_else(|| pages(chunk.citations)) {
            self.pages = Some(pages);
        }
        let Some(choice) = chunk.choices.and_then(|choices| choices.0) else { return Ok(()) };
        self.take_choice(choice, events)
    }

    /// Takes in an event of words alone: the same as [`take`](Self::take) of its general shape.
    pub(super) fn take_words(&mut self, words: Words<'_>, events: &mut Vec<StreamEvent>) -> Result<()> {
        self.take_names(words.id, words.model);
        if let Some(usage) = words.usage {
            self.take_usage(usage);
        }
        let Some(choice) = words.choice else { return Ok(()) };
        if let Some(Delta { content, reasoning, reasoning_content }) = choice.delta {
            self.deltas = true;
            self.reasoning(first(reasoning_content, reasoning), events)?;
            self.go_on(content.0, events)?;
        }
        self.take_finish(choice.finish_reason);
        Ok(())
    }

    fn take_finish(&mut self, reason: Text<'_>) {
        if !reason.is_empty() {
            self.closing.finish_reason = Some(finish_reason(&reason));
            self.closing.finish_reason_raw = Some(reason.0.into_owned());
        }
    }

    fn take_names(&mut self, id: Text<'_>, model: Text<'_>) {
        if self.closing.id.is_none() && !id.is_empty() {
            self.closing.id = Some(id.0.into_owned());
        }
        if self.closing.model.is_none() && !model.is_empty() {
            self.closing.model = Some(model.0.into_owned());
        }
    }

    fn take_choice(&mut self, choice: Choice<'_>, events: &mut Vec<StreamEvent>) -> Result<()> {
        self.deltas |= choice.delta.is_some();
        let message = match choice.delta {
            None if !self.deltas => choice.message,
            delta => delta,
        };
        if let Some(message) = message {
            self.take_message(*message, events)?;
        }
        if let Some(error) = choice.error.filter(|error| says_something(error)) {
            return Err(failure::inside_reply(&serde_json::json!({ "error": error })));
        }
        self.take_finish(choice.finish_reason);
        Ok(())
    }

    #[inline(never)]
    fn take_usage(&mut self, raw: &RawValue) {
        let (usage, cost) = usage::read(raw.get(), self.output_excludes_reasoning);
        self.closing.cost_nano_usd = cost.or(self.closing.cost_nano_usd);
        if usage.is_some() {
            self.closing.usage = usage;
        }
    }

    fn take_message(&mut self, message: Message<'_>, events: &mut Vec<StreamEvent>) -> Result<()> {
        let mut thoughts = first(message.reasoning_content, message.reasoning);
        if let Some(raw) = message.reasoning_details {
            let told = self.details.take(raw, self.limits.text_bytes)?;
            if thoughts.is_empty() {
                thoughts = told;
            }
        }
        self.reasoning(thoughts, events)?;
        match message.content {
            Content::Nothing => {}
            Content::Text(text) => self.text(text.0.into_owned(), events)?,
            Content::Pieces(pieces) => {
                for piece in pieces {
                    self.piece(piece, events)?;
                }
            }
        }
        if !message.refusal.is_empty() {
            self.refusal(message.refusal.0.into_owned(), events)?;
        }
        let limit = self.limits.arguments_bytes;
        match (message.tool_calls, message.function_call) {
            (Some(calls), _) if !calls.is_empty() => {
                for delta in calls {
                    self.calls.take(delta, &mut self.next_part, limit, events)?;
                }
            }
            (_, Some(function)) => self.calls.take_legacy(*function, &mut self.next_part, limit, events)?,
            (_, None) => {}
        }
        if let Some(audio) = message.audio {
            self.audio(*audio, events)?;
        }
        for image in message.images.into_iter().flatten() {
            self.piece(image, events)?;
        }
        if let Some(citations) = message.annotations.and_then(|raw| pages(Some(raw))) {
            for citation in citations {
                let part_index = part(&mut self.text_part, &mut self.next_part);
                events.push(StreamEvent::unnumbered(part_index, StreamEventKind::Citation { citation }));
            }
        }
        if let Some(extra) = message.extra_content.and_then(|raw| serde_json::from_str(raw.get()).ok()) {
            self.extra = Some(extra);
        }
        Ok(())
    }

    fn piece(&mut self, piece: Piece<'_>, events: &mut Vec<StreamEvent>) -> Result<()> {
        if let Some(image) = piece.image_url.filter(|image| !image.url.is_empty()) {
            let media = media_of_url(&image.url);
            let part_index = self.new_part();
            events.push(StreamEvent::unnumbered(part_index, StreamEventKind::Part { part: Part::Image { media } }));
        }
        match piece.thinking {
            Content::Nothing => {}
            Content::Text(text) => self.reasoning(text.0.into_owned(), events)?,
            Content::Pieces(pieces) => {
                for thought in pieces {
                    self.reasoning(thought.text.0.into_owned(), events)?;
                }
            }
        }
        if !piece.refusal.is_empty() {
            self.refusal(piece.refusal.0.into_owned(), events)?;
        }
        match &*piece.kind {
            "thinking" | "reasoning" => self.reasoning(piece.text.0.into_owned(), events),
            _ => self.text(piece.text.0.into_owned(), events),
        }
    }

    fn audio(&mut self, audio: Audio<'_>, events: &mut Vec<StreamEvent>) -> Result<()> {
        if self.audio.len() + audio.data.len() > self.limits.media_bytes {
            return Err(failure::too_large("a sound", self.limits.media_bytes));
        }
        // Each piece is base64 of its own.
        let bytes = STANDARD.decode(audio.data.as_bytes()).map_err(|_| failure::malformed())?;
        self.audio.extend_from_slice(&bytes);
        self.text(audio.transcript.0.into_owned(), events)
    }

    fn text(&mut self, delta: String, events: &mut Vec<StreamEvent>) -> Result<()> {
        if delta.is_empty() {
            return Ok(());
        }
        let part_index = part(&mut self.text_part, &mut self.next_part);
        self.words(part_index, delta.len(), StreamEventKind::Text { delta }, events)
    }

    /// Text; without an event of its own where the last one, of the same bytes, is text of the same part.
    fn go_on(&mut self, delta: Cow<'_, str>, events: &mut Vec<StreamEvent>) -> Result<()> {
        match events.last_mut() {
            Some(StreamEvent { part_index, kind: StreamEventKind::Text { delta: before }, .. })
                if Some(*part_index) == self.text_part =>
            {
                self.text_bytes += delta.len();
                self.limit()?;
                before.push_str(&delta);
                Ok(())
            }
            _ => self.text(delta.into_owned(), events),
        }
    }

    fn reasoning(&mut self, delta: String, events: &mut Vec<StreamEvent>) -> Result<()> {
        if delta.is_empty() {
            return Ok(());
        }
        let part_index = part(&mut self.reasoning_part, &mut self.next_part);
        self.words(part_index, delta.len(), StreamEventKind::Reasoning { delta }, events)
    }

    fn refusal(&mut self, delta: String, events: &mut Vec<StreamEvent>) -> Result<()> {
        let part_index = part(&mut self.refusal_part, &mut self.next_part);
        self.words(part_index, delta.len(), StreamEventKind::Refusal { delta }, events)
    }

    fn words(&mut self, index: i32, bytes: usize, kind: StreamEventKind, events: &mut Vec<StreamEvent>) -> Result<()> {
        self.text_bytes += bytes;
        self.limit()?;
        events.push(StreamEvent::unnumbered(index, kind));
        Ok(())
    }

    fn limit(&self) -> Result<()> {
        if self.text_bytes > self.limits.text_bytes {
            return Err(failure::too_large("text", self.limits.text_bytes));
        }
        Ok(())
    }

    fn new_part(&mut self) -> i32 {
        part(&mut None, &mut self.next_part)
    }

    /// The reply is whole: what could not be told before.
    pub(super) fn finish(&mut self, events: &mut Vec<StreamEvent>) -> Result<()> {
        if self.closing.finish_reason == Some(FinishReason::Error) {
            let detail =
                "the provider stopped with an error that it does not explain; ask again, or use another target";
            let error = Error::new(ErrorKind::Unavailable, "provider_error", detail);
            return Err(error.with_retry(Retry::Safe));
        }
        let mut part = |index, part| events.push(StreamEvent::unnumbered(index, StreamEventKind::Part { part }));
        if !self.audio.is_empty() {
            let data = std::mem::take(&mut self.audio);
            // The one format without a beginning of its own.
            let mime_type = mime::guess(&data).unwrap_or("audio/pcm");
            part(self.next_part, Part::Audio { media: Media::data(data, mime_type) });
            self.next_part += 1;
        }
        if let Some(data) = self.details.finish() {
            let index = self.reasoning_part.unwrap_or(self.next_part);
            let attached = self.reasoning_part.is_some();
            part(index, self.opaque("reasoning_details", attached, data));
        }
        if let Some(data) = self.extra.take() {
            part(self.next_part, self.opaque("extra_content", false, data));
            self.next_part += 1;
        }
        for citation in self.pages.take().unwrap_or_default() {
            let part_index = self::part(&mut self.text_part, &mut self.next_part);
            events.push(StreamEvent::unnumbered(part_index, StreamEventKind::Citation { citation }));
        }
        if !self.calls.is_empty() && self.closing.finish_reason == Some(FinishReason::Stop) {
            self.closing.finish_reason = Some(FinishReason::ToolCalls);
        }
        for finished in self.calls.finish() {
            let kind = StreamEventKind::ToolCall { call: finished.call };
            events.push(StreamEvent::unnumbered(finished.part_index, kind));
            if let Some(data) = finished.extra {
                let part = opaque(&self.provider, "extra_content", true, data);
                events.push(StreamEvent::unnumbered(finished.part_index, StreamEventKind::Part { part }));
            }
        }
        Ok(())
    }

    fn opaque(&self, name: &str, attached: bool, data: Json) -> Part {
        opaque(&self.provider, name, attached, data)
    }
}

fn opaque(provider: &str, name: &str, attached: bool, data: Json) -> Part {
    Part::Opaque { provider: provider.to_owned(), name: name.to_owned(), attached, data }
}

/// The number of a part, given out when it first appears.
fn part(slot: &mut Option<i32>, next: &mut i32) -> i32 {
    *slot.get_or_insert_with(|| {
        *next += 1;
        *next - 1
    })
}

fn says_something(raw: &RawValue) -> bool {
    !matches!(raw.get(), "null" | "\"\"" | "{}" | "[]" | "false")
}

fn finish_reason(word: &str) -> FinishReason {
    match word {
        "stop" | "eos" | "end_turn" | "stop_sequence" => FinishReason::Stop,
        "length" | "max_tokens" | "model_length" => FinishReason::Length,
        "tool_calls" | "function_call" | "tool_use" => FinishReason::ToolCalls,
        "content_filter" | "sensitive" => FinishReason::ContentFilter,
        "refusal" => FinishReason::Refusal,
        // DeepSeek was too busy to go on.
        "error" | "insufficient_system_resource" => FinishReason::Error,
        _ => FinishReason::Other,
    }
}

/// Sources: OpenAI's annotations, or the pages of a search, as objects or as bare URLs. Nothing for an empty list.
fn pages(raw: Option<&RawValue>) -> Option<Vec<Citation>> {
    let list: Vec<Json> = serde_json::from_str(raw?.get()).ok()?;
    let citations: Vec<Citation> = list.iter().filter_map(citation).collect();
    (!citations.is_empty()).then_some(citations)
}

fn citation(source: &Json) -> Option<Citation> {
    if let Some(url) = source.as_str() {
        return Some(Citation { url: Some(url.to_owned()), ..Citation::default() });
    }
    let source = source.get("url_citation").unwrap_or(source);
    let word = |name: &str| source.get(name).and_then(Json::as_str).filter(|word| !word.is_empty()).map(str::to_owned);
    let place = |name: &str| {
        source.get(name).and_then(Json::as_i64).and_then(|place| i32::try_from(place).ok()).unwrap_or(0).max(0)
    };
    let url = Some(word("url")?);
    let quote = word("content").or_else(|| word("snippet"));
    Some(Citation { start: place("start_index"), end: place("end_index"), url, title: word("title"), quote })
}

/// The same thoughts under several names are the same thoughts.
fn first(one: Text<'_>, other: Text<'_>) -> String {
    if one.is_empty() { other.0.into_owned() } else { one.0.into_owned() }
}

/// A picture in a `data:` URL becomes bytes in hand; any other URL stays one.
fn media_of_url(url: &str) -> Media {
    let bytes = url
        .strip_prefix("data:")
        .and_then(|rest| rest.split_once(";base64,"))
        .and_then(|(mime, data)| Some((mime, STANDARD.decode(data).ok()?)));
    match bytes {
        Some((mime, data)) => {
            let size = i64::try_from(data.len()).ok();
            Media { size_bytes: size, ..Media::data(data, mime) }
        }
        None => {
            Media { source: MediaSource::Url { url: url.to_owned() }, mime_type: None, name: None, size_bytes: None }
        }
    }
}
