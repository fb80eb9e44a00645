//! A streamed reply.
//!
//! ```text
//! message_start ─▶ (content_block_start ─▶ content_block_delta* ─▶ content_block_stop)* ─▶ message_delta ─▶ message_stop
//! ```
//!
//! `ping` and `error` may come anywhere, events of tomorrow, too. `message_stop` is the proof that the reply is
//! whole: without it the stream was cut, whatever had been said of a stop reason before. Which event it is
//! stands in `data`; the `event:` line is asked only when `data` does not say.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::blocks::Fault;
use super::decode;
use super::message::Message;
use crate::model::{Error, Progress, Result, StreamEvent, StreamEventKind};
use crate::wire::frame::{Frame, FrameLimits, SseDecoder};
use crate::wire::{Closing, Counts, StreamDecoder, Target, failure};

#[derive(Debug)]
pub(super) struct Decoder {
    frames: SseDecoder,
    reading: Reading,
    failed: Option<Error>,
}

/// Everything but the framing, so that a frame may stay borrowed from it.
#[derive(Debug)]
struct Reading {
    provider: String,
    message: Message,
    complete: bool,
    json_frames: u64,
    pings: u64,
    done_sentinel: bool,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    r#type: Option<Cow<'a, str>>,
    index: Option<i64>,
    #[serde(borrow)]
    content_block: Option<&'a RawValue>,
    #[serde(borrow)]
    delta: Option<&'a RawValue>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Start<'a> {
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct MessageDelta {
    stop_reason: Option<String>,
}

impl Decoder {
    pub(super) fn new(target: &Target<'_>) -> Self {
        let provider = target.provider;
        Self {
            frames: SseDecoder::new(FrameLimits::from(target)),
            reading: Reading {
                provider: provider.to_owned(),
                message: Message::new(provider),
                complete: false,
                json_frames: 0,
                pings: 0,
                done_sentinel: false,
            },
            failed: None,
        }
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
        if self.reading.complete {
            return Ok(());
        }
        // A server that does not stream after all answers in one piece, and so does a login page.
        let stray = self.frames.stray().trim_ascii();
        if self.reading.json_frames == 0 && matches!(stray.first(), Some(b'{' | b'<')) {
            let (whole, closing) = decode::whole(stray, &self.reading.provider)?;
            events.extend(whole);
            self.reading.message.closing = closing;
            self.reading.complete = true;
            return Ok(());
        }
        Err(failure::cut())
    }
}

const DONE: &str = "[DONE]";

impl Reading {
    fn frame(&mut self, frame: Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<()> {
        // OpenRouter ends its streams of this dialect as those of the other.
        if frame.data.trim() == DONE {
            self.done_sentinel = true;
            return Ok(());
        }
        let event: Event<'_> = match serde_json::from_str(frame.data) {
            Ok(event) => event,
            Err(_) if self.complete => return Ok(()),
            Err(_) => return Err(failure::malformed()),
        };
        self.json_frames += 1;
        let kind = match &event.r#type {
            Some(kind) => kind,
            None if event.error.is_some() => "error",
            None => frame.event,
        };
        match kind {
            "ping" => {
                self.pings += 1;
                let progress = Progress::Heartbeat { idle_ms: 0 };
                events.push(StreamEvent::unnumbered(0, StreamEventKind::Progress { progress }));
                Ok(())
            }
            "error" => Err(failure::inside_reply(&serde_json::from_str(frame.data).unwrap_or_default())),
            "message_delta" => self.message_delta(&event),
            _ if self.complete => Ok(()),
            "message_start" => self.message_start(&event),
            "content_block_start" => {
                let block = event.content_block.ok_or_else(failure::malformed)?;
                let index = index(&event)?;
                self.message.blocks.start(index, block.get(), events).map_err(fault)
            }
            "content_block_delta" => {
                let delta = event.delta.ok_or_else(failure::malformed)?;
                let index = index(&event)?;
                self.message.blocks.delta(index, delta.get(), events).map_err(fault)
            }
            "content_block_stop" => {
                self.message.blocks.stop(index(&event)?, events);
                Ok(())
            }
            "message_stop" => {
                self.message.blocks.stop_all(events);
                self.complete = true;
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn message_start(&mut self, event: &Event<'_>) -> Result<()> {
        let Some(message) = event.message else { return Ok(()) };
        let start: Start<'_> = serde_json::from_str(message.get()).map_err(|_| failure::malformed())?;
        self.message.name(start.id, start.model);
        if let Some(usage) = start.usage {
            self.message.count(usage.get());
        }
        Ok(())
    }

    fn message_delta(&mut self, event: &Event<'_>) -> Result<()> {
        if let Some(delta) = event.delta {
            let delta: MessageDelta = serde_json::from_str(delta.get()).map_err(|_| failure::malformed())?;
            if let Some(word) = delta.stop_reason {
                self.message.stop(&word);
            }
        }
        if let Some(usage) = event.usage {
            self.message.count(usage.get());
        }
        Ok(())
    }
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
        self.reading.complete
    }

    fn closing(&self) -> &Closing {
        &self.reading.message.closing
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

fn index(event: &Event<'_>) -> Result<i32> {
    event.index.and_then(|index| i32::try_from(index).ok()).filter(|index| *index >= 0).ok_or_else(failure::malformed)
}

fn fault(fault: Fault) -> Error {
    match fault {
        Fault::Malformed => failure::malformed(),
        Fault::TooLarge(what, limit) => failure::too_large(what, limit),
    }
}
