//! Turns the chunks of a reply into events.
//!
//! Words and thoughts in a row become one part; everything else is a part of its own and ends the row. So does a
//! signature: parts that carry one are neither joined nor split, since it goes back on the very part it came with.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Map;
use serde_json::value::RawValue;

use super::chunk::{Blob, Candidate, Chunk, FileData, FunctionCall, Part};
use super::citations::{Citations, Words};
use super::names;
use super::usage::Counted;
use crate::base::{ErrorKind, Json, Retry};
use crate::model::{self, Error, FinishReason, Media, Result, StreamEvent, StreamEventKind, ToolCall};
use crate::wire::{Closing, failure, json, mime};

/// Longest arguments of one call.
const MAX_ARGUMENT_BYTES: usize = 1 << 20;
/// Most that a reply holds in all: text, thoughts, arguments and kept parts.
const MAX_CONTENT_BYTES: usize = 32 << 20;
/// Most media that a reply holds.
const MAX_MEDIA_BYTES: usize = 64 << 20;
/// What stands in an enum that nobody set.
const UNSET: &str = "FINISH_REASON_UNSPECIFIED";

/// A reply as far as it has come.
#[derive(Debug)]
pub(super) struct Reply {
    provider: String,
    pub(super) closing: Closing,
    counted: Counted,
    next_part: i32,
    /// The part that the next words of this kind belong to.
    open: Option<(Kind, i32)>,
    /// The answer's words by part, for the places that citations name.
    words: Vec<(i32, String)>,
    citations: Citations,
    has_call: bool,
    content_bytes: usize,
    media_bytes: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Answer,
    Thought,
}

impl Reply {
    pub(super) fn new(provider: &str) -> Self {
        Self {
            provider: provider.to_owned(),
            closing: Closing::default(),
            counted: Counted::default(),
            next_part: 0,
            open: None,
            words: Vec::new(),
            citations: Citations::default(),
            has_call: false,
            content_bytes: 0,
            media_bytes: 0,
        }
    }

    /// True once the provider said why it stopped. More may follow: older models say it with every chunk.
    pub(super) fn is_complete(&self) -> bool {
        self.closing.finish_reason.is_some()
    }

    /// Takes in one chunk. Says whether it answered at all.
    ///
    /// # Errors
    /// What the chunk says went wrong, `Truncated` (malformed), `OutputInvalid` (too_large).
    pub(super) fn take(&mut self, data: &str, events: &mut Vec<StreamEvent>) -> Result<bool> {
        match serde_json::from_str::<Chunk<'_>>(data) {
            Ok(chunk) => self.chunk(chunk, data, events),
            Err(_) => {
                let mended = json::mended(data).ok_or_else(failure::malformed)?;
                let chunk = serde_json::from_str(&mended).map_err(|_| failure::malformed())?;
                self.chunk(chunk, &mended, events)
            }
        }
    }

    fn chunk(&mut self, chunk: Chunk<'_>, data: &str, events: &mut Vec<StreamEvent>) -> Result<bool> {
        let named = |word: Option<std::borrow::Cow<'_, str>>| word.filter(|w| !w.is_empty()).map(|w| w.into_owned());
        if self.closing.id.is_none() {
            self.closing.id = named(chunk.response_id);
        }
        if self.closing.model.is_none() {
            self.closing.model = named(chunk.model_version);
        }
        if let Some(usage) = chunk.usage_metadata {
            self.counted.merge(usage.get());
            self.closing.usage = self.counted.usage();
        }
        if chunk.error.is_some_and(|error| error.get() != "null") {
            return Err(failure::inside_reply(&serde_json::from_str(data).unwrap_or_default()));
        }
        // The index of the first candidate is left out as often as it is 0.
        let is_first = |candidate: &Candidate<'_>| candidate.index.unwrap_or(0) == 0;
        if let Some(candidate) = chunk.candidates.into_iter().flatten().find(is_first) {
            self.candidate(candidate, events)?;
            return Ok(true);
        }
        let blocked = chunk.prompt_feedback.and_then(|feedback| feedback.block_reason);
        if let Some(reason) = blocked.filter(|_| !self.is_complete()) {
            self.closing.finish_reason = Some(FinishReason::ContentFilter);
            self.closing.finish_reason_raw = Some(format!("promptFeedback:{reason}"));
            return Ok(true);
        }
        Ok(false)
    }

    fn candidate(&mut self, candidate: Candidate<'_>, events: &mut Vec<StreamEvent>) -> Result<()> {
        for part in candidate.content.and_then(|content| content.parts).into_iter().flatten() {
            self.part(part, events)?;
        }
        if let Some(metadata) = candidate.grounding_metadata {
            self.citations.take_grounding(metadata)?;
        }
        if let Some(metadata) = candidate.citation_metadata {
            self.citations.take_quoted(metadata)?;
        }
        if let Some(word) = candidate.finish_reason.filter(|word| !word.is_empty() && word != UNSET) {
            self.closing.finish_reason = Some(finish_reason(&word));
            self.closing.finish_reason_raw = Some(word.into_owned());
        }
        if self.has_call && self.closing.finish_reason == Some(FinishReason::Stop) {
            self.closing.finish_reason = Some(FinishReason::ToolCalls);
        }
        Ok(())
    }

    fn part(&mut self, raw: &RawValue, events: &mut Vec<StreamEvent>) -> Result<()> {
        let mended;
        let (part, raw): (Part<'_>, &str) = match serde_json::from_str(raw.get()) {
            Ok(part) => (part, raw.get()),
            Err(_) => {
                mended = json::mended(raw.get()).ok_or_else(failure::malformed)?;
                (serde_json::from_str(&mended).map_err(|_| failure::malformed())?, &mended)
            }
        };
        let is_thought = part.thought == Some(true);
        let signature = part.thought_signature.filter(|signature| !signature.is_empty());
        let kind = match (part.text, part.function_call, part.inline_data, part.file_data) {
            (Some(text), None, None, None) if !text.is_empty() => {
                let kind = if is_thought { Kind::Thought } else { Kind::Answer };
                return self.text(kind, text, signature, events);
            }
            (_, Some(call), ..) => self.call(call, raw)?,
            // A picture that is only thought of is not shown.
            (_, None, Some(blob), _) if !is_thought => self.media(blob)?,
            (_, None, None, Some(file)) if !is_thought => linked(file),
            _ => return self.keep(raw, signature.is_some(), events),
        };
        let index = self.new_part();
        events.push(StreamEvent::unnumbered(index, kind));
        self.sign(index, signature, events)
    }

    fn text(
        &mut self,
        kind: Kind,
        text: String,
        signature: Option<String>,
        events: &mut Vec<StreamEvent>,
    ) -> Result<()> {
        self.count(text.len())?;
        let index = match self.open {
            Some((open, index)) if open == kind && signature.is_none() => index,
            _ => self.new_part(),
        };
        if kind == Kind::Answer {
            match self.words.last_mut() {
                Some((last, words)) if *last == index => words.push_str(&text),
                _ => self.words.push((index, text.clone())),
            }
        }
        self.open = signature.is_none().then_some((kind, index));
        events.push(StreamEvent::unnumbered(
            index,
            match kind {
                Kind::Answer => StreamEventKind::Text { delta: text },
                Kind::Thought => StreamEventKind::Reasoning { delta: text },
            },
        ));
        self.sign(index, signature, events)
    }

    fn call(&mut self, call: FunctionCall, raw: &str) -> Result<StreamEventKind> {
        if raw.len() > MAX_ARGUMENT_BYTES {
            return Err(failure::too_large("arguments of a tool call", MAX_ARGUMENT_BYTES));
        }
        self.count(raw.len())?;
        self.has_call = true;
        let call = ToolCall {
            id: call.id.unwrap_or_default(),
            name: call.name.unwrap_or_default(),
            arguments: call.args.unwrap_or_else(|| Json::Object(Map::new())),
            provider_executed: false,
            free_text: false,
        };
        Ok(StreamEventKind::ToolCall { call })
    }

    fn media(&mut self, blob: Blob<'_>) -> Result<StreamEventKind> {
        let data = STANDARD.decode(blob.data.unwrap_or_default().as_bytes()).map_err(|_| failure::malformed())?;
        self.media_bytes += data.len();
        if self.media_bytes > MAX_MEDIA_BYTES {
            return Err(failure::too_large("media", MAX_MEDIA_BYTES));
        }
        let mime_type = blob.mime_type.filter(|mime| !mime.is_empty());
        let mime_type = mime_type.or_else(|| mime::guess(&data).map(str::to_owned)).unwrap_or_default();
        let size_bytes = i64::try_from(data.len()).ok();
        let media = Media { size_bytes, ..Media::data(data, mime_type) };
        Ok(StreamEventKind::Part { part: of_type(media) })
    }

    /// A part of none of the known kinds: kept as it came, unless there is nothing in it.
    fn keep(&mut self, raw: &str, signed: bool, events: &mut Vec<StreamEvent>) -> Result<()> {
        let data: Map<String, Json> = serde_json::from_str(raw).map_err(|_| failure::malformed())?;
        let is_kind = |name: &String| !["text", "thought", "thoughtSignature", "partMetadata"].contains(&&**name);
        let kind = data.iter().find(|(name, value)| is_kind(name) && !value.is_null()).map(|(name, _)| name.clone());
        // Words without a word in them may still carry the signature of the whole answer.
        let Some(name) = kind.or_else(|| signed.then(|| names::SIGNATURE.to_owned())) else { return Ok(()) };
        self.count(raw.len())?;
        let index = self.new_part();
        let part = self.opaque(&name, false, Json::Object(data));
        events.push(StreamEvent::unnumbered(index, StreamEventKind::Part { part }));
        Ok(())
    }

    fn sign(&mut self, index: i32, signature: Option<String>, events: &mut Vec<StreamEvent>) -> Result<()> {
        if let Some(signature) = signature {
            self.count(signature.len())?;
            let part = self.opaque(names::SIGNATURE, true, Json::String(signature));
            events.push(StreamEvent::unnumbered(index, StreamEventKind::Part { part }));
        }
        Ok(())
    }

    /// The number of a part that begins here, which ends the row of words before it.
    fn new_part(&mut self) -> i32 {
        self.open = None;
        self.next_part += 1;
        self.next_part - 1
    }

    fn opaque(&self, name: &str, attached: bool, data: Json) -> model::Part {
        model::Part::Opaque { provider: self.provider.clone(), name: name.to_owned(), attached, data }
    }

    fn count(&mut self, bytes: usize) -> Result<()> {
        self.content_bytes = self.content_bytes.saturating_add(bytes);
        match self.content_bytes > MAX_CONTENT_BYTES {
            true => Err(failure::too_large("a reply", MAX_CONTENT_BYTES)),
            false => Ok(()),
        }
    }

    /// The reply is whole: what could not be told before.
    ///
    /// # Errors
    /// `Unavailable` (empty_reply) when the model stopped without having said or thought anything.
    pub(super) fn finish(&mut self, events: &mut Vec<StreamEvent>) -> Result<()> {
        let wrote = self.closing.usage.as_ref().is_some_and(|usage| usage.output_tokens > 0);
        if self.closing.finish_reason == Some(FinishReason::Stop) && self.next_part == 0 && !wrote {
            let detail = "the model stopped without a word; ask again, or use another model";
            return Err(Error::new(ErrorKind::Unavailable, "empty_reply", detail).with_retry(Retry::Safe));
        }
        let words: Vec<Words<'_>> =
            self.words.iter().map(|(part_index, text)| Words { part_index: *part_index, text }).collect();
        let (citations, grounding) = self.citations.finish(&words);
        let kept = grounding.map(|data| self.opaque(names::GROUNDING, true, data));
        let at = self.words.last().map_or(self.next_part, |(index, _)| *index);
        let citations = citations.into_iter().map(|(index, citation)| (index, StreamEventKind::Citation { citation }));
        let kept = kept.into_iter().map(|part| (at, StreamEventKind::Part { part }));
        events.extend(citations.chain(kept).map(|(index, kind)| StreamEvent::unnumbered(index, kind)));
        Ok(())
    }
}

fn of_type(media: Media) -> model::Part {
    match media.mime_type.as_deref().unwrap_or_default() {
        mime if mime.starts_with("image/") => model::Part::Image { media },
        mime if mime.starts_with("audio/") => model::Part::Audio { media },
        _ => model::Part::File { media },
    }
}

fn linked(file: FileData) -> StreamEventKind {
    let media = Media { mime_type: file.mime_type, ..Media::url(file.file_uri.unwrap_or_default()) };
    StreamEventKind::Part { part: of_type(media) }
}

fn finish_reason(word: &str) -> FinishReason {
    match word {
        "STOP" => FinishReason::Stop,
        "MAX_TOKENS" => FinishReason::Length,
        "SAFETY"
        | "RECITATION"
        | "BLOCKLIST"
        | "PROHIBITED_CONTENT"
        | "SPII"
        | "LANGUAGE"
        | "MODEL_ARMOR"
        | "IMAGE_SAFETY"
        | "IMAGE_PROHIBITED_CONTENT"
        | "IMAGE_RECITATION" => FinishReason::ContentFilter,
        "MALFORMED_FUNCTION_CALL"
        | "UNEXPECTED_TOOL_CALL"
        | "TOO_MANY_TOOL_CALLS"
        | "MISSING_THOUGHT_SIGNATURE"
        | "MALFORMED_RESPONSE" => FinishReason::Error,
        _ => FinishReason::Other,
    }
}
