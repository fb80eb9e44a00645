//! Cuts bytes into lines. Every byte is looked at once, whatever the chunks.

use memchr::{memchr, memchr2};

use super::empty;

const BOM: [u8; 3] = [0xef, 0xbb, 0xbf];

/// What ends a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ends {
    /// LF, CR or CRLF: event streams.
    Any,
    /// LF alone: JSON lines, in which a CR is a blank.
    Lf,
}

/// A line without its end.
#[derive(Debug)]
pub(super) enum Line<'s, 'i> {
    /// It stands whole in the chunk.
    InChunk(&'i [u8]),
    /// It began in an earlier chunk.
    Joined(&'s [u8]),
}

/// The line does not fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

#[derive(Debug)]
pub(super) struct Lines {
    ends: Ends,
    /// How many bytes of the byte order mark were met; 3 when its place is behind us.
    bom: usize,
    /// The last line ended in CR: a LF that follows belongs to it. Found out with the next byte, so that
    /// a lone CR does not wait for one.
    after_cr: bool,
    /// The beginning of a line whose end has not come.
    partial: Vec<u8>,
    /// `partial` was handed out and goes with the next call.
    handed_out: bool,
    /// Bytes looked at and bytes copied, so that tests can prove linear time without a clock.
    #[cfg(test)]
    pub(super) work: u64,
}

impl Lines {
    pub(super) fn new(ends: Ends) -> Self {
        Self {
            ends,
            bom: 0,
            after_cr: false,
            partial: Vec::new(),
            handed_out: false,
            #[cfg(test)]
            work: 0,
        }
    }

    /// The next line of the chunk, or nothing when the chunk is used up. A line longer than `room` is refused.
    pub(super) fn next<'s, 'i>(
        &'s mut self,
        input: &mut &'i [u8],
        room: usize,
    ) -> Result<Option<Line<'s, 'i>>, TooLong> {
        self.forget_handed_out();
        self.skip_bom(input);
        if self.after_cr && !input.is_empty() {
            self.after_cr = false;
            *input = input.strip_prefix(b"\n").unwrap_or(input);
        }
        let chunk: &'i [u8] = input;
        let end = match self.ends {
            Ends::Any => memchr2(b'\n', b'\r', chunk),
            Ends::Lf => memchr(b'\n', chunk),
        };
        let found = &chunk[..end.unwrap_or(chunk.len())];
        self.note_work(found.len() + 1);
        if self.partial.len() + found.len() > room {
            return Err(TooLong);
        }
        let Some(end) = end else {
            self.keep(found);
            *input = &[];
            return Ok(None);
        };
        self.after_cr = chunk[end] == b'\r';
        *input = &chunk[end + 1..];
        if self.partial.is_empty() {
            return Ok(Some(Line::InChunk(found)));
        }
        self.keep(found);
        self.handed_out = true;
        Ok(Some(Line::Joined(&self.partial)))
    }

    /// The joined line that was handed out last.
    pub(super) fn handed_out(&self) -> &[u8] {
        &self.partial
    }

    /// What stands after the last line end.
    pub(super) fn rest(&mut self) -> Option<&[u8]> {
        self.forget_handed_out();
        if self.bom < BOM.len() {
            self.partial.extend_from_slice(&BOM[..self.bom]);
            self.bom = BOM.len();
        }
        self.handed_out = true;
        (!self.partial.is_empty()).then_some(&self.partial)
    }

    fn forget_handed_out(&mut self) {
        if std::mem::take(&mut self.handed_out) {
            empty(&mut self.partial);
        }
    }

    fn skip_bom(&mut self, input: &mut &[u8]) {
        while self.bom < BOM.len() {
            match input.split_first() {
                None => return,
                Some((first, rest)) if *first == BOM[self.bom] => {
                    self.bom += 1;
                    *input = rest;
                }
                Some(_) => {
                    self.partial.extend_from_slice(&BOM[..self.bom]);
                    self.bom = BOM.len();
                }
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.note_work(bytes.len());
        self.partial.extend_from_slice(bytes);
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "counts in tests only"))]
    fn note_work(&mut self, _bytes: usize) {
        #[cfg(test)]
        {
            self.work += _bytes as u64;
        }
    }
}
