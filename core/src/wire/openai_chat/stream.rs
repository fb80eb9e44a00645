//! A streamed reply.

use super::chunk::Chunk;
use super::reply::Reply;
use super::words::Words;
use crate::base::Json;
use crate::model::{Result, StreamEvent};
use crate::wire::frame::{Frame, FrameLimits, SseDecoder};
use crate::wire::{Closing, Counts, StreamDecoder, failure, json};

/// Reads a streamed reply.
#[derive(Debug)]
pub(super) struct ChatStream {
    frames: SseDecoder,
    reader: Reader,
    failed: bool,
}

/// What reads the events, apart from the framing that lends them.
#[derive(Debug)]
struct Reader {
    reply: Reply,
    counts: Counts,
    /// How many events in a row were no words alone.
    others: u32,
}

/// So many events in a row that are no words alone, and the stream is taken to be one of something else.
const MANY_OTHERS: u32 = 8;

impl ChatStream {
    pub(super) fn new(reply: Reply, limits: FrameLimits) -> Self {
        Self {
            frames: SseDecoder::new(limits),
            reader: Reader { reply, counts: Counts::default(), others: 0 },
            failed: false,
        }
    }

    pub(super) fn into_closing(self) -> Closing {
        self.reader.reply.closing
    }

    fn read(&mut self, mut bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<()> {
        while let Some(frame) = self.frames.next(&mut bytes)? {
            self.reader.take(frame, events)?;
        }
        Ok(())
    }

    fn end(&mut self, events: &mut Vec<StreamEvent>) -> Result<()> {
        if let Some(frame) = self.frames.finish() {
            // Half an event is no event: what counts is whether the reply was whole before it.
            if serde_json::from_str::<serde::de::IgnoredAny>(frame.data).is_ok() || frame.data.trim() == DONE {
                self.reader.take(frame, events)?;
            }
        }
        if !self.reader.reply.is_complete() {
            self.read_stray(events)?;
        }
        self.reader.reply.finish(events)
    }

    /// There is no finish: an error without framing, a reply of a server that does not stream, something that
    /// is no reply at all, or a cut.
    fn read_stray(&mut self, events: &mut Vec<StreamEvent>) -> Result<()> {
        let stray = std::str::from_utf8(self.frames.stray()).unwrap_or_default().trim();
        if stray.is_empty() {
            return Err(failure::cut());
        }
        let alone = self.frames.counts().frames == 0;
        match serde_json::from_str::<Json>(stray) {
            Ok(payload) if looks_like_error(&payload) => Err(failure::inside_reply(&payload)),
            Ok(payload) if alone && payload.get("choices").is_some() => {
                let chunk = serde_json::from_str(stray).map_err(|_| failure::malformed())?;
                self.reader.reply.take(chunk, stray, events)?;
                if self.reader.reply.is_complete() { Ok(()) } else { Err(failure::cut()) }
            }
            _ if alone => Err(failure::bad_response("something that is no event stream")),
            _ => Err(failure::cut()),
        }
    }
}

const DONE: &str = "[DONE]";

fn looks_like_error(payload: &Json) -> bool {
    let payload = payload.as_array().and_then(|all| all.first()).unwrap_or(payload);
    ["error", "detail", "message"].iter().any(|name| payload.get(name).is_some_and(|value| !value.is_null()))
}

impl Reader {
    fn take(&mut self, frame: Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<()> {
        let data = frame.data.trim_ascii();
        // What is no object, as the last event of a stream, need not be tried: an error takes long to make.
        let may_be_words = frame.event.is_empty() && data.starts_with('{');
        if may_be_words && !self.counts.done_sentinel && self.others < MANY_OTHERS {
            if let Ok(words) = serde_json::from_str::<Words<'_>>(data) {
                self.others = 0;
                self.counts.json_frames += 1;
                return self.reply.take_words(words, events);
            }
            self.others += 1;
        }
        self.take_other(frame, events)
    }

    /// An event that is more than words, or none at all.
    #[inline(never)]
    fn take_other(&mut self, frame: Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<()> {
        let data = frame.data.trim_ascii();
        if data.starts_with('{')
            && let Ok(chunk) = serde_json::from_str::<Chunk<'_>>(data)
        {
            self.counts.json_frames += 1;
            return self.chunk(chunk, frame, events);
        }
        if data == DONE {
            self.counts.done_sentinel = true;
        }
        if data.is_empty() || self.counts.done_sentinel {
            return Ok(());
        }
        match serde_json::from_str::<Json>(data) {
            Ok(payload) if payload.is_array() && looks_like_error(&payload) => {
                return Err(failure::inside_reply(&payload));
            }
            Err(_) if frame.event == "error" => {
                return Err(failure::inside_reply(&serde_json::json!({ "error": data })));
            }
            _ => {}
        }
        let mended = json::mended(data).ok_or_else(failure::malformed)?;
        let chunk = serde_json::from_str::<Chunk<'_>>(&mended).map_err(|_| failure::malformed())?;
        self.counts.json_frames += 1;
        self.chunk(chunk, Frame { data: &mended, ..frame }, events)
    }

    fn chunk(&mut self, chunk: Chunk<'_>, frame: Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<()> {
        if &*chunk.kind == "ping" || (frame.event == "ping" && chunk.choices.is_none()) {
            self.counts.pings += 1;
            return Ok(());
        }
        if self.counts.done_sentinel {
            return Ok(());
        }
        if frame.event == "error" {
            return Err(failure::inside_reply(&serde_json::from_str(frame.data).unwrap_or_default()));
        }
        self.reply.take(chunk, frame.data, events)
    }
}

impl StreamDecoder for ChatStream {
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<()> {
        if self.failed {
            return Ok(());
        }
        let read = self.read(bytes, events);
        self.failed = read.is_err();
        read
    }

    fn finish(&mut self, events: &mut Vec<StreamEvent>) -> Result<()> {
        if std::mem::replace(&mut self.failed, true) {
            return Err(failure::cut());
        }
        self.end(events)
    }

    fn is_complete(&self) -> bool {
        self.reader.reply.is_complete()
    }

    fn closing(&self) -> &Closing {
        &self.reader.reply.closing
    }

    fn take_closing(&mut self) -> Closing {
        std::mem::take(&mut self.reader.reply.closing)
    }

    fn counts(&self) -> Counts {
        Counts {
            json_frames: self.reader.counts.json_frames,
            pings: self.reader.counts.pings,
            done_sentinel: self.reader.counts.done_sentinel,
            ..self.frames.counts()
        }
    }
}
