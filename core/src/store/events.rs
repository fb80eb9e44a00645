//! Streams of events: what happened in something that lasts, numbered from 1 without a gap.
//!
//! Whoever appends says up to which event it has read; if somebody else was faster it is refused and told how far the
//! stream is. So one of many may go on from any point, and what a stream says is always what one writer after the other
//! has seen before it wrote. A snapshot stands beside the events and saves reading all of them. Events are never changed; a
//! stream goes as a whole.

mod bell;
mod subscription;

use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;

pub use bell::Bell;
pub(super) use bell::Bells;
pub use subscription::Subscription;

use super::content::{MAX_CONTENT_BYTES, hash};
use crate::base::{AppendId, StreamId, Timestamp};
use crate::model::{Error, Result};

/// The most that stands in an event's row; longer data goes into a blob.
pub const MAX_EVENT_ROW_BYTES: usize = 8 * 1_024;

/// The most events that are appended at once, and that a page holds.
pub const MAX_EVENTS: usize = 256;

/// The most streams that a page of the list holds.
pub const MAX_STREAMS: usize = 200;

/// A page of events ends with the one that takes it over so many bytes of data.
pub(super) const PAGE_BYTES: usize = 1 << 20;

/// The longest name of an event, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// Bytes that stand in an event or a snapshot, ready to be stored: JSON, unless the host means something else by them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// The bytes.
    pub bytes: Bytes,
    /// SHA-256 of the bytes when they go into a blob.
    pub spilled: Option<[u8; 32]>,
}

impl Payload {
    /// Makes bytes ready to be stored.
    ///
    /// # Errors
    /// `Invalid` (too_large) over 16 MiB.
    pub fn new(bytes: impl Into<Bytes>) -> Result<Self> {
        let bytes = bytes.into();
        if bytes.len() > MAX_CONTENT_BYTES {
            return Err(Error::invalid(
                "too_large",
                format!("an event holds at most {MAX_CONTENT_BYTES} bytes; keep more than that elsewhere and name it"),
            ));
        }
        let spilled = (bytes.len() > MAX_EVENT_ROW_BYTES).then(|| hash(&bytes));
        Ok(Self { bytes, spilled })
    }

    /// Makes a value ready to be stored, as JSON.
    ///
    /// # Errors
    /// `Invalid` (too_large) over 16 MiB; `Internal` when it cannot be JSON.
    pub fn json(value: &impl Serialize) -> Result<Self> {
        let json = serde_json::to_vec(value).map_err(|_| Error::internal("an event could not be written as JSON"))?;
        Self::new(json)
    }
}

/// An event to be appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    /// What happened, in a word of at most 64 bytes.
    pub name: String,
    /// What there is to say of it.
    pub data: Payload,
}

/// Events to be appended together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvents {
    /// The stream, which is made when it is not there and nothing is expected to be.
    pub stream: StreamId,
    /// The number of its last event as far as the writer knows; 0 for a new stream.
    pub expected: i64,
    /// Made anew for each batch by [`Ids`](crate::base::Ids). A batch that is handed in again with its id, because nobody
    /// knows what became of it, is done already and changes nothing. Since no other batch has the same id, only the writer
    /// of these very events can have handed it in; equal events of another writer are a `Conflict` like any other.
    pub id: AppendId,
    /// The events, in their order; 1 to 256.
    pub events: Vec<NewEvent>,
}

impl NewEvents {
    /// The number of the last of them.
    pub(super) fn last(&self) -> i64 {
        self.expected.saturating_add(i64::try_from(self.events.len()).unwrap_or(i64::MAX))
    }

    /// # Errors
    /// `Invalid` (bad_events).
    pub(super) fn check(&self) -> Result<()> {
        let bad = |detail: String| Err(Error::invalid("bad_events", detail));
        if self.events.is_empty() || self.events.len() > MAX_EVENTS {
            return bad(format!("1 to {MAX_EVENTS} events are appended at once, not {}", self.events.len()));
        }
        if !(0..i64::MAX / 2).contains(&self.expected) {
            return bad("the expected version is 0 or the number of the stream's last event".to_owned());
        }
        if self.events.iter().any(|event| event.name.is_empty() || event.name.len() > MAX_NAME_BYTES) {
            return bad(format!("an event has a name of 1 to {MAX_NAME_BYTES} bytes"));
        }
        Ok(())
    }
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    /// Its number in the stream, from 1.
    pub seq: i64,
    /// What happened.
    pub name: String,
    /// What there is to say of it.
    pub data: Bytes,
    /// When it was appended.
    pub at: Timestamp,
}

/// A page of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRows {
    /// The events, in their order.
    pub events: Vec<StoredEvent>,
    /// The number of the stream's last event.
    pub version: i64,
}

/// What the events up to some number make together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The number of the last event in it.
    pub version: i64,
    /// What they make.
    pub data: Bytes,
}

/// A stream of events as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamRecord {
    /// The number of its last event.
    pub version: i64,
    /// Its newest snapshot.
    pub snapshot: Option<Snapshot>,
    /// When its first event was appended.
    pub created_at: Timestamp,
    /// When its last event was appended.
    pub updated_at: Timestamp,
    /// From this moment on it is not there.
    pub expires_at: Option<Timestamp>,
}

/// The moment at which something ends that stays so long from a moment on.
pub(super) fn ends(at: Timestamp, stays: Option<Duration>) -> Option<Timestamp> {
    stays.map(|time| at.plus(time))
}
