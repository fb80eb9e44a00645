//! JSON, one value a line.

use super::lines::{Ends, Line, Lines, TooLong};
use super::{Frame, FrameLimits, text, too_large};
use crate::model::Result;
use crate::wire::Counts;

/// Reads lines of JSON from bytes.
#[derive(Debug)]
pub(crate) struct NdjsonDecoder {
    limits: FrameLimits,
    lines: Lines,
    scratch: String,
    counts: Counts,
}

impl NdjsonDecoder {
    pub(crate) fn new(limits: FrameLimits) -> Self {
        Self { limits, lines: Lines::new(Ends::Lf), scratch: String::new(), counts: Counts::default() }
    }

    /// The next line that is not blank, or nothing when the chunk is used up; what remains is kept.
    ///
    /// # Errors
    /// `Unavailable` (event_too_large). Feed nothing after it.
    pub(crate) fn next<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8]) -> Result<Option<Frame<'s>>> {
        loop {
            // A line borrowed from the decoder cannot leave a loop that may go on, so it is fetched again.
            let line = match self.lines.next(input, self.limits.max_event_bytes) {
                Err(TooLong) => return Err(too_large(self.limits)),
                Ok(None) => return Ok(None),
                Ok(Some(Line::InChunk(line))) if line.trim_ascii().is_empty() => continue,
                Ok(Some(Line::Joined(line))) if line.trim_ascii().is_empty() => continue,
                Ok(Some(Line::InChunk(line))) => Some(line),
                Ok(Some(Line::Joined(_))) => None,
            };
            self.counts.frames += 1;
            let line = line.unwrap_or_else(|| self.lines.handed_out()).trim_ascii();
            return Ok(Some(Frame { event: "", data: text(line, &mut self.scratch) }));
        }
    }

    /// The stream has ended. The line that it left without its end, if there is one.
    pub(crate) fn finish(&mut self) -> Option<Frame<'_>> {
        let line = self.lines.rest()?.trim_ascii();
        if line.is_empty() {
            return None;
        }
        self.counts.frames += 1;
        self.counts.unterminated_last_event = true;
        Some(Frame { event: "", data: text(line, &mut self.scratch) })
    }

    /// Lines, and the unterminated one; the rest is the dialect's to count.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    #[cfg(test)]
    pub(super) fn work(&self) -> u64 {
        self.lines.work
    }
}
