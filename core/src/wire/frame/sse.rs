//! Server-sent events.

use super::lines::{Ends, Line, Lines, TooLong};
use super::{Frame, FrameLimits, empty, text, too_large};
use crate::model::Result;
use crate::wire::Counts;

/// How much of the lines that belong to no field is kept.
const MAX_STRAY_BYTES: usize = 64 << 10;

/// Reads server-sent events from bytes.
#[derive(Debug)]
pub(crate) struct SseDecoder {
    limits: FrameLimits,
    lines: Lines,
    /// Name and data of the event that is being read, as far as they do not stand in the chunk.
    event: Vec<u8>,
    data: Vec<u8>,
    has_data: bool,
    /// An event was handed out from the two buffers above, which go with the next call.
    handed_out: bool,
    event_scratch: String,
    data_scratch: String,
    stray: Vec<u8>,
    counts: Counts,
}

/// What a line says.
enum Field<'a> {
    Blank,
    Comment,
    Event(&'a [u8]),
    Data(&'a [u8]),
    /// `id` and `retry`.
    Unused,
    /// The whole line.
    Stray(&'a [u8]),
}

impl<'a> Field<'a> {
    fn of(line: &'a [u8]) -> Self {
        let colon = memchr::memchr(b':', line);
        let name = &line[..colon.unwrap_or(line.len())];
        let value = colon.map_or(&line[line.len()..], |at| &line[at + 1..]);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match name {
            b"data" => Self::Data(value),
            b"event" => Self::Event(value),
            b"id" | b"retry" => Self::Unused,
            b"" if colon.is_some() => Self::Comment,
            b"" => Self::Blank,
            _ => Self::Stray(line),
        }
    }
}

impl SseDecoder {
    pub(crate) fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            lines: Lines::new(Ends::Any),
            event: Vec::new(),
            data: Vec::new(),
            has_data: false,
            handed_out: false,
            event_scratch: String::new(),
            data_scratch: String::new(),
            stray: Vec::new(),
            counts: Counts::default(),
        }
    }

    /// The next event that the chunk completes, or nothing when the chunk is used up; what remains is kept.
    /// Events without data are no events.
    ///
    /// # Errors
    /// `Unavailable` (event_too_large). Feed nothing after it.
    pub(crate) fn next<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8]) -> Result<Option<Frame<'s>>> {
        self.forget_handed_out();
        // The event's name and its first line of data while they stand in this chunk.
        let mut event: Option<&'i [u8]> = None;
        let mut data: Option<&'i [u8]> = None;
        loop {
            let room = self.limits.max_event_bytes.saturating_sub(self.data.len() + data.map_or(0, <[u8]>::len));
            let field = match self.lines.next(input, room).map_err(|TooLong| too_large(self.limits))? {
                None => {
                    if let Some(event) = event {
                        replace(&mut self.event, event);
                    }
                    if let Some(data) = data {
                        self.data.extend_from_slice(data);
                        self.has_data = true;
                    }
                    return Ok(None);
                }
                Some(Line::InChunk(line)) => match Field::of(line) {
                    // Borrowed from the chunk, and so for longer than this turn of the loop.
                    Field::Event(value) => {
                        event = Some(value);
                        continue;
                    }
                    Field::Data(value) if data.is_none() && !self.has_data => {
                        data = Some(value);
                        continue;
                    }
                    other => other,
                },
                Some(Line::Joined(line)) => Field::of(line),
            };
            match field {
                Field::Comment => self.counts.comments += 1,
                Field::Unused => {}
                Field::Stray(line) => {
                    self.counts.stray_lines += 1;
                    keep_stray(&mut self.stray, line);
                }
                Field::Event(value) => replace(&mut self.event, value),
                Field::Data(value) => {
                    if let Some(first) = data.take() {
                        self.data.extend_from_slice(first);
                        self.has_data = true;
                    }
                    if self.has_data {
                        self.data.push(b'\n');
                    }
                    self.data.extend_from_slice(value);
                    self.has_data = true;
                }
                Field::Blank if data.is_none_or(<[u8]>::is_empty) && self.data.is_empty() => {
                    (event, data) = (None, None);
                    self.event.clear();
                    self.has_data = false;
                }
                Field::Blank => {
                    self.handed_out = true;
                    self.counts.frames += 1;
                    return Ok(Some(Frame {
                        event: text(event.unwrap_or(&self.event), &mut self.event_scratch),
                        data: text(data.unwrap_or(&self.data), &mut self.data_scratch),
                    }));
                }
            }
        }
    }

    /// The stream has ended. The event that it left without its blank line, if there is one.
    pub(crate) fn finish(&mut self) -> Option<Frame<'_>> {
        self.forget_handed_out();
        match self.lines.rest().map(Field::of) {
            Some(Field::Comment) => self.counts.comments += 1,
            Some(Field::Event(value)) => replace(&mut self.event, value),
            Some(Field::Data(value)) => {
                if self.has_data {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(value);
            }
            Some(Field::Stray(line)) => {
                self.counts.stray_lines += 1;
                keep_stray(&mut self.stray, line);
            }
            Some(Field::Unused | Field::Blank) | None => {}
        }
        if self.data.is_empty() {
            return None;
        }
        self.handed_out = true;
        self.counts.frames += 1;
        self.counts.unterminated_last_event = true;
        Some(Frame {
            event: text(&self.event, &mut self.event_scratch),
            data: text(&self.data, &mut self.data_scratch),
        })
    }

    /// The lines that belonged to no field since the last event, joined by LF, at most 64 KiB: one provider
    /// writes its error as bare JSON behind the events.
    pub(crate) fn stray(&self) -> &[u8] {
        &self.stray
    }

    /// Frames, comments, stray lines and the unterminated event; the rest is the dialect's to count.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    #[cfg(test)]
    pub(super) fn work(&self) -> u64 {
        self.lines.work
    }

    fn forget_handed_out(&mut self) {
        if std::mem::take(&mut self.handed_out) {
            self.event.clear();
            empty(&mut self.data);
            self.has_data = false;
            self.stray.clear();
        }
    }
}

fn replace(buffer: &mut Vec<u8>, bytes: &[u8]) {
    buffer.clear();
    buffer.extend_from_slice(bytes);
}

fn keep_stray(stray: &mut Vec<u8>, line: &[u8]) {
    if stray.len() + line.len() < MAX_STRAY_BYTES {
        stray.extend_from_slice(line);
        stray.push(b'\n');
    }
}
