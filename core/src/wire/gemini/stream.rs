//! A streamed reply: events of an event stream, or elements of a JSON array where `alt=sse` was lost on the way.
//!
//! Which of the two it is, the first byte tells. Errors come as an event, as an element, or as bare JSON over many
//! lines behind the events.

use serde::de::IgnoredAny;

use super::reply::Reply;
use crate::base::Json;
use crate::model::{Error, Result, StreamEvent};
use crate::wire::frame::{ArrayDecoder, Frame, FrameLimits, SseDecoder};
use crate::wire::{Closing, Counts, StreamDecoder, failure};

#[derive(Debug)]
pub(super) struct Decoder {
    limits: FrameLimits,
    framing: Framing,
    reading: Reading,
    failed: Option<Error>,
}

#[derive(Debug)]
enum Framing {
    /// Nothing but blanks, or the beginning of a byte order mark, was there so far.
    Unknown,
    Events(Box<SseDecoder>),
    Array(Box<ArrayDecoder>),
}

/// Everything but the framing, so that a frame may stay borrowed from it.
#[derive(Debug)]
struct Reading {
    reply: Reply,
    json_frames: u64,
    done_sentinel: bool,
}

const DONE: &str = "[DONE]";

impl Decoder {
    pub(super) fn new(provider: &str, limits: FrameLimits) -> Self {
        let reading = Reading { reply: Reply::new(provider), json_frames: 0, done_sentinel: false };
        Self { limits, framing: Framing::Unknown, reading, failed: None }
    }

    pub(super) fn into_closing(self) -> Closing {
        self.reading.reply.closing
    }

    fn read(&mut self, mut input: &[u8], events: &mut Vec<StreamEvent>) -> Result<()> {
        if matches!(self.framing, Framing::Unknown) {
            // Blank lines and a mark before the first byte mean nothing to either framing.
            let is_blank = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, 0xef | 0xbb | 0xbf);
            let Some(first) = input.iter().position(|byte| !is_blank(byte)) else { return Ok(()) };
            input = &input[first..];
            self.framing = match input[0] {
                b'[' | b'{' => Framing::Array(Box::new(ArrayDecoder::new(self.limits))),
                _ => Framing::Events(Box::new(SseDecoder::new(self.limits))),
            };
        }
        match &mut self.framing {
            Framing::Unknown => {}
            Framing::Events(frames) => {
                while let Some(frame) = frames.next(&mut input)? {
                    self.reading.frame(frame, events)?;
                }
            }
            Framing::Array(frames) => {
                while let Some(frame) = frames.next(&mut input)? {
                    self.reading.frame(frame, events)?;
                }
            }
        }
        Ok(())
    }

    fn end(&mut self, events: &mut Vec<StreamEvent>) -> Result<()> {
        match &mut self.framing {
            Framing::Unknown => return Err(failure::cut()),
            Framing::Events(frames) => {
                if let Some(frame) = frames.finish() {
                    // Half an event behind a finish word is a cut all the same: older models say the word every time.
                    let is_whole = serde_json::from_str::<IgnoredAny>(frame.data).is_ok() || frame.data.trim() == DONE;
                    if !is_whole {
                        return Err(failure::cut());
                    }
                    self.reading.frame(frame, events)?;
                }
                stray(frames.stray(), frames.counts().frames == 0)?;
            }
            Framing::Array(frames) if !frames.is_closed() => return Err(failure::cut()),
            Framing::Array(_) => {}
        }
        if !self.reading.reply.is_complete() {
            return Err(failure::cut());
        }
        self.reading.reply.finish(events)
    }
}

/// What stands behind the events: the error that ended them, half of one, or something that is no reply at all.
fn stray(bytes: &[u8], alone: bool) -> Result<()> {
    let stray = bytes.trim_ascii();
    if !matches!(stray.first(), Some(b'{' | b'[')) {
        let is_page = alone && stray.starts_with(b"<");
        return if is_page { Err(failure::bad_response("something that is no event stream")) } else { Ok(()) };
    }
    match serde_json::from_slice::<Json>(stray) {
        Ok(payload) => Err(failure::inside_reply(&payload)),
        Err(_) => Err(failure::cut()),
    }
}

impl Reading {
    fn frame(&mut self, frame: Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<()> {
        let data = frame.data.trim_ascii();
        if data == DONE {
            // Some gateway ends all its streams alike.
            self.done_sentinel = true;
            return Ok(());
        }
        if data.starts_with('[') {
            return Err(failure::inside_reply(&serde_json::from_str(data).map_err(|_| failure::malformed())?));
        }
        self.json_frames += 1;
        self.reply.take(data, events).map(|_| ())
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
        match &self.framing {
            Framing::Array(frames) => frames.is_closed() && self.reading.reply.is_complete(),
            _ => self.reading.reply.is_complete(),
        }
    }

    fn closing(&self) -> &Closing {
        &self.reading.reply.closing
    }

    fn counts(&self) -> Counts {
        let frames = match &self.framing {
            Framing::Unknown => Counts::default(),
            Framing::Events(frames) => frames.counts(),
            Framing::Array(frames) => frames.counts(),
        };
        Counts { json_frames: self.reading.json_frames, done_sentinel: self.reading.done_sentinel, ..frames }
    }
}
