//! Framing: bytes off the network become frames, however the network cut them; and back, for those whom we tell.
//!
//! ```text
//! chunk ──▶ Lines (BOM, LF · CR · CRLF, carry-over) ──▶ SseDecoder ──▶ Frame { event, data }
//!                                                  └──▶ NdjsonDecoder ─▶ Frame { data }
//! chunk ──▶ ArrayDecoder (braces outside of strings) ──▶ Frame { data }
//!
//! let mut input = chunk;
//! while let Some(frame) = frames.next(&mut input)? { … }      // no allocation when the frame stands whole in the chunk
//! ```
//!
//! The rules are those of WHATWG (Server-sent events, 9.2.6) with two differences that real servers ask for: an
//! event that the end of the stream leaves without its blank line is kept and flagged, and one byte that is
//! no UTF-8 spoils only its own event. `id` and `retry` are read over: no provider resumes by them.
//!
//! Written by hand because the popular crate panics on a byte order mark, loses every later event after one
//! bad byte and takes quadratic time for long lines. Every byte is looked at once and copied at most twice.

mod array;
mod lines;
mod ndjson;
mod sse;
#[cfg(any(feature = "engine", test))]
mod write;

#[cfg(test)]
mod tests;

pub(crate) use array::ArrayDecoder;
pub(crate) use ndjson::NdjsonDecoder;
pub(crate) use sse::SseDecoder;
#[cfg(any(feature = "engine", test))]
pub(crate) use write::{SSE_COMMENT, sse_event, sse_retry};

use crate::base::ErrorKind;
use crate::model::Error;

/// One event of a stream. Borrowed: from the chunk where it stands whole in it, else from the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// Its name; empty when it has none.
    pub(crate) event: &'a str,
    /// What it carries, never empty. Bytes that were no UTF-8 stand as U+FFFD.
    pub(crate) data: &'a str,
}

/// How much a framing decoder holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameLimits {
    /// The longest event, with its field names, in bytes. Default 16 MiB: pictures in base64 are legal.
    pub(crate) max_event_bytes: usize,
}

impl From<&super::Target<'_>> for FrameLimits {
    fn from(target: &super::Target<'_>) -> Self {
        Self { max_event_bytes: target.max_event_bytes }
    }
}

impl Default for FrameLimits {
    fn default() -> Self {
        Self { max_event_bytes: 16 << 20 }
    }
}

/// Buffers that one large event blew up are given back; smaller ones are kept for the next event.
const KEPT_BUFFER_BYTES: usize = 256 << 10;

fn empty(buffer: &mut Vec<u8>) {
    buffer.clear();
    if buffer.capacity() > KEPT_BUFFER_BYTES {
        *buffer = Vec::new();
    }
}

/// The bytes as text; what is no UTF-8 goes through `scratch`.
fn text<'a>(bytes: &'a [u8], scratch: &'a mut String) -> &'a str {
    match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(_) => {
            *scratch = String::from_utf8_lossy(bytes).into_owned();
            scratch
        }
    }
}

fn too_large(limits: FrameLimits) -> Error {
    Error::new(
        ErrorKind::Unavailable,
        "event_too_large",
        format!(
            "the provider sent an event of more than {} bytes; use another model or target",
            limits.max_event_bytes
        ),
    )
}
