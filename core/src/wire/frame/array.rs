//! A JSON array that comes piece by piece, its elements one by one.

use super::{Frame, FrameLimits, empty, text, too_large};
use crate::model::Result;
use crate::wire::{Counts, failure};

/// Reads the objects of a JSON array, or one object alone, from bytes.
///
/// It looks only for where an object ends: braces and brackets outside of strings. What stands in it is for the
/// reader of the object.
#[derive(Debug)]
pub(crate) struct ArrayDecoder {
    limits: FrameLimits,
    place: Place,
    is_array: bool,
    /// How many braces and brackets of the element are open.
    depth: usize,
    in_string: bool,
    /// The last byte was a backslash in a string.
    escaped: bool,
    /// The beginning of an element whose end has not come.
    held: Vec<u8>,
    handed_out: bool,
    scratch: String,
    counts: Counts,
    /// Bytes looked at, so that tests can prove linear time without a clock.
    #[cfg(test)]
    pub(super) work: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Before,
    Between,
    Element,
    Behind,
}

impl ArrayDecoder {
    pub(crate) fn new(limits: FrameLimits) -> Self {
        Self {
            limits,
            place: Place::Before,
            is_array: false,
            depth: 0,
            in_string: false,
            escaped: false,
            held: Vec::new(),
            handed_out: false,
            scratch: String::new(),
            counts: Counts::default(),
            #[cfg(test)]
            work: 0,
        }
    }

    /// The next object that the chunk completes, or nothing when the chunk is used up; what remains is kept.
    ///
    /// # Errors
    /// `Unavailable` (event_too_large), `Truncated` (malformed) when there is something else than objects. Feed
    /// nothing after it.
    pub(crate) fn next<'s, 'i: 's>(&'s mut self, input: &mut &'i [u8]) -> Result<Option<Frame<'s>>> {
        if std::mem::take(&mut self.handed_out) {
            empty(&mut self.held);
        }
        while self.place != Place::Element {
            let Some((&byte, rest)) = input.split_first() else { return Ok(None) };
            match (self.place, byte) {
                (_, b' ' | b'\t' | b'\r' | b'\n') | (Place::Between, b',') | (Place::Behind, _) => {}
                // A byte order mark.
                (Place::Before, 0xef | 0xbb | 0xbf) => {}
                (Place::Before, b'[') => {
                    self.is_array = true;
                    self.place = Place::Between;
                }
                (Place::Between, b']') => self.place = Place::Behind,
                (Place::Before | Place::Between, b'{') => {
                    self.place = Place::Element;
                    // The brace itself is read with the rest of the element.
                    continue;
                }
                _ => return Err(failure::malformed()),
            }
            *input = rest;
            self.looked_at(1);
        }
        let chunk: &'i [u8] = input;
        let end = self.end_of_element(chunk);
        let piece = &chunk[..end.unwrap_or(chunk.len())];
        *input = &chunk[piece.len()..];
        if self.held.len() + piece.len() > self.limits.max_event_bytes {
            return Err(too_large(self.limits));
        }
        if end.is_none() {
            self.held.extend_from_slice(piece);
            return Ok(None);
        }
        self.place = if self.is_array { Place::Between } else { Place::Behind };
        self.counts.frames += 1;
        let element = match self.held.is_empty() {
            true => piece,
            false => {
                self.held.extend_from_slice(piece);
                self.handed_out = true;
                &self.held
            }
        };
        Ok(Some(Frame { event: "", data: text(element, &mut self.scratch) }))
    }

    /// True once the array, or the one object, is closed.
    pub(crate) fn is_closed(&self) -> bool {
        self.place == Place::Behind
    }

    /// How many objects there were.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Where the element ends in this chunk.
    fn end_of_element(&mut self, chunk: &[u8]) -> Option<usize> {
        let mut at = 0;
        while at < chunk.len() {
            if self.escaped {
                self.escaped = false;
                at += 1;
                continue;
            }
            if self.in_string {
                let Some(found) = memchr::memchr2(b'"', b'\\', &chunk[at..]) else { break };
                at += found + 1;
                self.escaped = chunk[at - 1] == b'\\';
                self.in_string = self.escaped;
                continue;
            }
            match chunk[at] {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => self.depth -= 1,
                _ => {}
            }
            at += 1;
            if self.depth == 0 {
                self.looked_at(at);
                return Some(at);
            }
        }
        self.looked_at(chunk.len());
        None
    }

    #[cfg_attr(not(test), expect(clippy::unused_self, reason = "counted in tests only"))]
    fn looked_at(&mut self, bytes: usize) {
        #[cfg(test)]
        {
            self.work += bytes as u64;
        }
        #[cfg(not(test))]
        let _ = bytes;
    }
}
