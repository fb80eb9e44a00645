//! A streamed reply: JSON, one object a line.

use super::chunk;
use super::reply::Reply;
use crate::model::{Result, StreamEvent};
use crate::wire::frame::{Frame, FrameLimits, NdjsonDecoder};
use crate::wire::{Closing, Counts, StreamDecoder, failure};

/// Reads a streamed reply.
#[derive(Debug)]
pub(super) struct LineStream {
    lines: NdjsonDecoder,
    reader: Reader,
    failed: bool,
}

/// What reads the lines, apart from the framing that lends them.
#[derive(Debug)]
struct Reader {
    reply: Reply,
    json_lines: u64,
}

impl LineStream {
    pub(super) fn new(reply: Reply, limits: FrameLimits) -> Self {
        Self { lines: NdjsonDecoder::new(limits), reader: Reader { reply, json_lines: 0 }, failed: false }
    }

    pub(super) fn into_closing(self) -> Closing {
        self.reader.reply.closing
    }

    fn read(&mut self, mut bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<()> {
        while let Some(line) = self.lines.next(&mut bytes)? {
            self.reader.take(line, events)?;
        }
        Ok(())
    }
}

impl Reader {
    fn take(&mut self, line: Frame<'_>, events: &mut Vec<StreamEvent>) -> Result<()> {
        let first = self.json_lines == 0;
        let (raw, chunk) = chunk::parse(line.data).map_err(|why| match first {
            // Nothing made sense so far: most likely this is no Ollama at all.
            true => failure::bad_response(why),
            false => failure::malformed(),
        })?;
        self.json_lines += 1;
        self.reply.take(chunk, &raw, events)
    }
}

impl StreamDecoder for LineStream {
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
        if let Some(line) = self.lines.finish() {
            // Half a line is no line: what counts is whether the reply was whole before it.
            let half = serde_json::from_str::<serde::de::IgnoredAny>(line.data).is_err();
            if !half || (self.reader.json_lines == 0 && line.data.starts_with(|c: char| c.is_ascii() && c != '{')) {
                self.reader.take(line, events)?;
            }
        }
        self.reader.reply.finish()
    }

    fn is_complete(&self) -> bool {
        self.reader.reply.is_complete()
    }

    fn closing(&self) -> &Closing {
        &self.reader.reply.closing
    }

    fn counts(&self) -> Counts {
        Counts { json_frames: self.reader.json_lines, ..self.lines.counts() }
    }
}
