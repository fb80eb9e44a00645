//! Cuts a stream of JSON into its items: the values at the top, or, where a list stands there, what stands in the list.
//! One item is in memory at a time, so that a list is read as lines are. What is inside of an item is for who reads it.

use std::io::{BufRead, ErrorKind};

use memchr::memchr_iter;

use super::{MAX_DEPTH, MAX_ITEM_BYTES};
use crate::model::{Error, Result};

/// Where an item stands in its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    /// The line on which it begins, from 1.
    pub(super) line: i64,
    /// Its number, from 1.
    pub(super) item: i64,
    /// The number of the list at the top in which it stands; 0 = it stands at the top itself.
    pub(super) list: i64,
}

impl At {
    /// The error of an item that stands here.
    pub(super) fn refused(self, reason: &'static str, what: &str) -> Error {
        Error::invalid(reason, format!("line {}, item {}: {what}", self.line, self.item))
    }
}

/// The items of a file.
pub(super) struct Items<R> {
    input: R,
    bytes: Vec<u8>,
    at: At,
    lists: i64,
    limit: usize,
}

/// Where the end of an item is looked for.
#[derive(Default)]
struct Scan {
    depth: usize,
    in_text: bool,
    escaped: bool,
}

impl Scan {
    /// How many of these bytes belong to the item, and whether it ends with them.
    fn of(&mut self, bytes: &[u8]) -> (usize, bool) {
        for (index, byte) in bytes.iter().enumerate() {
            if self.in_text {
                match byte {
                    _ if self.escaped => self.escaped = false,
                    b'\\' => self.escaped = true,
                    b'"' => self.in_text = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'{' | b'[' => {
                    self.depth += 1;
                    if self.depth > MAX_DEPTH {
                        return (index + 1, false);
                    }
                }
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return (index + 1, true);
                    }
                }
                _ => {}
            }
        }
        (bytes.len(), false)
    }
}

impl<R: BufRead> Items<R> {
    pub(super) fn new(input: R) -> Self {
        let at = At { line: 1, item: 0, list: 0 };
        Self { input, bytes: Vec::new(), at, lists: 0, limit: MAX_ITEM_BYTES }
    }

    #[cfg(test)]
    pub(super) fn with_limit(input: R, limit: usize) -> Self {
        Self { limit, ..Self::new(input) }
    }

    /// The next item, or nothing at the end.
    ///
    /// # Errors
    /// `Invalid`: malformed, truncated, too_deep, too_large, unreadable_file.
    pub(super) fn next(&mut self) -> Result<Option<(At, &[u8])>> {
        // What one long item took is not kept for all others.
        if self.bytes.capacity() > 1 << 20 {
            self.bytes = Vec::new();
        }
        self.bytes.clear();
        loop {
            let Some(byte) = self.peek()? else {
                let is_whole = self.at.list == 0;
                return if is_whole { Ok(None) } else { Err(self.here("truncated", "the list has no end")) };
            };
            match byte {
                b' ' | b'\t' | b'\r' | b'\n' => {}
                b',' if self.at.list != 0 => {}
                // The mark of the order of bytes, with which some programs begin a file.
                0xef | 0xbb | 0xbf if self.at.item == 0 && self.lists == 0 => {}
                b'[' if self.at.list == 0 => {
                    self.lists += 1;
                    self.at.list = self.lists;
                }
                b']' if self.at.list != 0 => self.at.list = 0,
                b'{' | b'[' => break,
                _ => return Err(self.here("malformed", "JSON with an object or a list is expected here")),
            }
            self.at.line += i64::from(byte == b'\n');
            self.input.consume(1);
        }
        self.at.item += 1;
        let at = self.at;
        self.collect(at)?;
        Ok(Some((at, &self.bytes)))
    }

    /// Takes the bytes of one item.
    fn collect(&mut self, at: At) -> Result<()> {
        let mut scan = Scan::default();
        loop {
            let found = fill(&mut self.input)?;
            if found.is_empty() {
                return Err(at.refused("truncated", "the file breaks off in the middle of it"));
            }
            let (taken, is_whole) = scan.of(found);
            if scan.depth > MAX_DEPTH {
                let what = format!("it is nested deeper than {MAX_DEPTH} levels");
                return Err(at.refused("too_deep", &what));
            }
            if self.bytes.len() + taken > self.limit {
                return Err(at.refused("too_large", &format!("it is longer than {} bytes", self.limit)));
            }
            let taken = found.get(..taken).unwrap_or(found);
            self.at.line += i64::try_from(memchr_iter(b'\n', taken).count()).unwrap_or(0);
            self.bytes.extend_from_slice(taken);
            let taken = taken.len();
            self.input.consume(taken);
            if is_whole {
                return Ok(());
            }
        }
    }

    fn peek(&mut self) -> Result<Option<u8>> {
        fill(&mut self.input).map(|bytes| bytes.first().copied())
    }

    fn here(&self, reason: &'static str, what: &str) -> Error {
        At { item: self.at.item + 1, ..self.at }.refused(reason, what)
    }
}

fn fill(input: &mut impl BufRead) -> Result<&[u8]> {
    // Asked once more, the buffer is what it was: the borrow of the first answer may not leave a loop.
    loop {
        match input.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    input.fill_buf().map_err(unreadable)
}

/// The error of a file that cannot be read.
pub(super) fn unreadable(error: std::io::Error) -> Error {
    Error::invalid("unreadable_file", "the file could not be read; see the source for why").with_source(error)
}
