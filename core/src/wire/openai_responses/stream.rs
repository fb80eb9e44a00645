//! A streamed reply, and a whole one.
//!
//! ```text
//! response.created ─▶ (output_item.added ─▶ …delta* ─▶ …done ─▶ output_item.done)* ─▶ response.completed
//! ```
//!
//! Which event it is stands in `data`; the `event:` line is asked only when `data` does not say. Events of
//! tomorrow are read over.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::lanes::Voice;
use super::names;
use super::reply::{Limits, Place, Reply};
use crate::base::Json;
use crate::model::{Error, Progress, Result, StreamEvent, StreamEventKind};
use crate::wire::frame::{Frame, FrameLimits, SseDecoder};
use crate::wire::{Closing, Counts, StreamDecoder, Target, failure, json};

/// Reads a whole reply.
pub(super) fn whole(body: &[u8], target: &Target<'_>) -> Result<(Vec<StreamEvent>, Closing)> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    // A server that streams though it was not asked to is understood; a page or an empty body is not.
    if ["data:", "event:", ":"].iter().any(|field| text.starts_with(field)) {
        let mut decoder = Decoder::new(target);
        let mut events = Vec::new();
        decoder.feed(text.as_bytes(), &mut events)?;
        decoder.finish(&mut events)?;
        return Ok((events, decoder.reading.reply.closing));
    }
    let mut reply = reply(target);
    let mut events = Vec::new();
    reply.closing.raw = Some(read_whole(text, &mut reply, &mut events)?);
    Ok((events, reply.closing))
}

fn read_whole(text: &str, reply: &mut Reply, events: &mut Vec<StreamEvent>) -> Result<Json> {
    let mended;
    let (raw, body) = match serde_json::from_str::<Json>(text) {
        Ok(body) => (text, body),
        Err(_) => {
            let nonsense = || failure::bad_response("something that is no whole JSON");
            mended = json::mended(text).ok_or_else(nonsense)?;
            (mended.as_str(), serde_json::from_str(&mended).map_err(|_| nonsense())?)
        }
    };
    let says = |name: &str| body.get(name).is_some_and(|value| !value.is_null());
    if !body.get("output").is_some_and(Json::is_array) {
        // A failed reply may have no output; anything else without it is no reply.
        let failed = body.get("status").and_then(Json::as_str) == Some("failed");
        if says("error") || failed || body.is_array() {
            return Err(failure::inside_reply(&body));
        }
        if says("message") || says("detail") {
            return Err(failure::inside_reply(&body));
        }
        return Err(failure::bad_response("JSON that is no reply of the Responses API"));
    }
    let raw: &RawValue = serde_json::from_str(raw).map_err(|_| failure::malformed())?;
    reply.end(raw, None, events)?;
    Ok(body)
}

fn reply(target: &Target<'_>) -> Reply {
    Reply::new(target.provider, target.quirks.output_excludes_reasoning, Limits::default())
}

#[derive(Debug)]
pub(super) struct Decoder {
    frames: SseDecoder,
    reading: Reading,
    failed: Option<Error>,
}

/// Everything but the framing, so that a frame may stay borrowed from it.
#[derive(Debug)]
struct Reading {
    reply: Reply,
    json_frames: u64,
    pings: u64,
    done_sentinel: bool,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    output_index: Option<i64>,
    content_index: Option<i64>,
    summary_index: Option<i64>,
    #[serde(borrow)]
    item_id: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    text: Option<&'a RawValue>,
    #[serde(borrow)]
    refusal: Option<&'a RawValue>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow)]
    input: Option<&'a RawValue>,
    #[serde(borrow)]
    annotation: Option<&'a RawValue>,
    #[serde(borrow)]
    item: Option<&'a RawValue>,
    #[serde(borrow)]
    response: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

const DONE: &str = "[DONE]";

impl Decoder {
    pub(super) fn new(target: &Target<'_>) -> Self {
        Self::with(reply(target), FrameLimits::from(target))
    }

    pub(super) fn with(reply: Reply, limits: FrameLimits) -> Self {
        let reading = Reading { reply, json_frames: 0, pings: 0, done_sentinel: false };
        Self { frames: SseDecoder::new(limits), reading, failed: None }
    }

    fn read(&mut self, mut input: &[u8], events: &mut Vec<StreamEvent>) -> Result<()> {
        while let Some(frame) = self.frames.next(&mut input)? {
            self.reading.frame(frame, events)?;
        }
        Ok(())
    }

    fn end(&mut self, events: &mut Vec<StreamEvent>) -> Result<()> {
        if let Some(frame) = self.frames.finish() {
            // A last event without its blank line counts when it is whole; half of one says nothing.
            if serde_json::from_str::<&RawValue>(frame.data).is_ok() || frame.data.trim() == DONE {
                self.reading.frame(frame, events)?;
            }
        }
        if self.reading.reply.is_complete() {
            return Ok(());
        }
        // A server that does not stream after all answers in one piece, and so does a login page.
        let stray = String::from_utf8_lossy(self.frames.stray().trim_ascii());
        if self.reading.json_frames == 0 && stray.starts_with(['{', '[', '<']) {
            return read_whole(&stray, &mut self.reading.reply, events).map(|_| ());
        }
        Err(failure::cut())
    }
}

impl Reading {
    fn frame(&mut self, frame: Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<()> {
        let data = frame.data.trim_ascii();
        if data == DONE {
            self.done_sentinel = true;
            return Ok(());
        }
        let event: Event<'_> = match serde_json::from_str(data) {
            Ok(event) => event,
            Err(_) if self.reply.is_complete() => return Ok(()),
            Err(_) if frame.event == "error" => {
                return Err(failure::inside_reply(&serde_json::json!({ "error": data })));
            }
            Err(_) => return Err(failure::malformed()),
        };
        self.json_frames += 1;
        let kind = match &event.r#type {
            Some(kind) => kind,
            None if event.error.is_some_and(|error| error.get() != "null") => "error",
            None => frame.event,
        };
        if matches!(kind, "ping" | "keepalive") {
            self.pings += 1;
            let progress = Progress::Heartbeat { idle_ms: 0 };
            events.push(StreamEvent::unnumbered(0, StreamEventKind::Progress { progress }));
            return Ok(());
        }
        if self.reply.is_complete() {
            return Ok(());
        }
        if kind == "error" {
            self.reply.failed("failed");
            return Err(failure::inside_reply(&account(data)));
        }
        self.event(kind, &event, events)
    }

    fn event(&mut self, kind: &str, event: &Event<'_>, events: &mut Vec<StreamEvent>) -> Result<()> {
        let Some(kind) = kind.strip_prefix("response.") else { return Ok(()) };
        let reply = &mut self.reply;
        let place = |inner: Option<i64>| Place {
            output_index: event.output_index,
            item_id: event.item_id,
            inner: inner.unwrap_or(0),
        };
        let content = place(event.content_index);
        let summary = place(event.summary_index);
        match kind {
            "created" | "in_progress" | "queued" => {
                event.response.into_iter().for_each(|response| reply.name(response));
                Ok(())
            }
            "output_item.added" => reply.open(content, event.item.ok_or_else(failure::malformed)?, events),
            "output_item.done" => reply.close(content, event.item.ok_or_else(failure::malformed)?, events),
            "output_text.delta" => reply.say(Voice::Text, content, string(event.delta)?, events),
            "output_text.done" => reply.said(Voice::Text, content, string(event.text)?, events),
            "output_text.annotation.added" => match event.annotation {
                Some(annotation) => reply.cite(content, annotation, events),
                None => Ok(()),
            },
            "refusal.delta" => reply.say(Voice::Refusal, content, string(event.delta)?, events),
            "refusal.done" => reply.said(Voice::Refusal, content, string(event.refusal)?, events),
            "reasoning_summary_text.delta" => reply.say(Voice::Summary, summary, string(event.delta)?, events),
            "reasoning_summary_text.done" => reply.said(Voice::Summary, summary, string(event.text)?, events),
            "reasoning_text.delta" => reply.say(Voice::Thought, content, string(event.delta)?, events),
            "reasoning_text.done" => reply.said(Voice::Thought, content, string(event.text)?, events),
            "function_call_arguments.delta" => reply.write(content, "function_call", string(event.delta)?, events),
            "function_call_arguments.done" => reply.written(content, "function_call", string(event.arguments)?, events),
            "custom_tool_call_input.delta" => reply.write(content, names::CUSTOM_CALL, string(event.delta)?, events),
            "custom_tool_call_input.done" => reply.written(content, names::CUSTOM_CALL, string(event.input)?, events),
            "completed" | "incomplete" | "failed" | "cancelled" => {
                let nothing = RawValue::NULL;
                reply.end(event.response.unwrap_or(nothing), Some(kind), events)
            }
            _ => Ok(()),
        }
    }
}

/// What an `error` event tells. The documented form is flat and its `type` only says that it is an error.
fn account(data: &str) -> Json {
    let mut payload: Json = serde_json::from_str(data).unwrap_or_default();
    if payload.get("error").is_none_or(Json::is_null)
        && let Some(flat) = payload.as_object_mut()
    {
        flat.remove("type");
        flat.remove("error");
    }
    payload
}

/// The text of a field; nothing where it is no text.
fn string(raw: Option<&RawValue>) -> Result<String> {
    let Some(raw) = raw.map(RawValue::get).filter(|raw| raw.starts_with('"')) else { return Ok(String::new()) };
    let read = serde_json::from_str(raw).ok();
    read.or_else(|| serde_json::from_str(&json::mended(raw)?).ok()).ok_or_else(failure::malformed)
}

impl StreamDecoder for Decoder {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.read(bytes, events).inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) -> Result<()> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.end(events).inspect_err(|error| self.failed = Some(error.clone()))
    }

    fn is_complete(&self) -> bool {
        self.reading.reply.is_complete()
    }

    fn closing(&self) -> &Closing {
        &self.reading.reply.closing
    }

    fn counts(&self) -> Counts {
        Counts {
            json_frames: self.reading.json_frames,
            pings: self.reading.pings,
            done_sentinel: self.reading.done_sentinel,
            ..self.frames.counts()
        }
    }
}
