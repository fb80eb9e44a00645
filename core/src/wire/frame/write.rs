//! The other direction: records become events of an event stream, ready to be sent.
//!
//! A record is compact JSON, which escapes every line end within, so no content can end an event or begin a field. What
//! [`SseDecoder`](super::SseDecoder) reads of these bytes is the record, whatever stands in it.

use std::fmt::Write as _;

use bytes::Bytes;
use serde::Serialize;

use crate::model::{Error, Result};

/// A comment: readers skip it, and who is gone is found out by sending it.
pub(crate) const SSE_COMMENT: &[u8] = b": \n\n";

/// How long a reader that lost its connection waits before it comes back.
pub(crate) fn sse_retry(ms: u64) -> Bytes {
    format!("retry: {ms}\n\n").into()
}

/// One event: its number, and one line of JSON.
///
/// # Errors
/// `Internal` when the record cannot be JSON.
pub(crate) fn sse_event(id: i64, record: &impl Serialize) -> Result<Bytes> {
    let json = serde_json::to_string(record)
        .map_err(|e| Error::internal("an event could not be written as JSON").with_source(e))?;
    let mut event = String::with_capacity(json.len() + 32);
    // Writing into a String does not fail.
    let _ = write!(event, "id: {id}\ndata: {json}\n\n");
    Ok(event.into())
}
