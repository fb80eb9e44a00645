//! Reading streams of events.

use rusqlite::{Connection, Row, params};

use super::row::{all, first, id, optional, time, visit};
use crate::base::{StreamId, Timestamp};
use crate::model::Result;
use crate::store::events::{MAX_EVENTS, MAX_STREAMS, PAGE_BYTES};
use crate::store::{EventRows, Snapshot, StoredEvent, StreamRecord};

/// Stands behind every id: even the largest is shorter.
const BEHIND_ALL_IDS: [u8; 17] = [0xff; 17];

macro_rules! streams_from {
    ($from:literal) => {
        concat!(
            "SELECT s.version, s.created_at, s.updated_at, s.expires_at, s.snapshot_version, coalesce(s.snapshot, b.data), s.id
             FROM ",
            $from,
            " LEFT JOIN blob_inline b ON b.hash = s.snapshot_hash
             WHERE o.ext_id = ?1 AND (s.expires_at IS NULL OR s.expires_at > ?2) AND "
        )
    };
}

pub(super) const STREAM: &str =
    concat!(streams_from!("event_stream s CROSS JOIN owner o ON o.pk = s.owner_pk"), "s.id = ?3");

pub(super) const STREAMS: &str = concat!(
    streams_from!("owner o CROSS JOIN event_stream s ON s.owner_pk = o.pk"),
    "s.id < ?3 ORDER BY s.id DESC LIMIT ?4"
);

pub(super) const VERSION: &str = "SELECT s.pk, s.version FROM event_stream s CROSS JOIN owner o ON o.pk = s.owner_pk
    WHERE s.id = ?1 AND o.ext_id = ?2 AND (s.expires_at IS NULL OR s.expires_at > ?3)";

pub(super) const EVENTS: &str = "SELECT e.seq, e.name, e.at, coalesce(e.data, b.data) FROM event e
    LEFT JOIN blob_inline b ON b.hash = e.data_hash WHERE e.stream_pk = ?1 AND e.seq > ?2 ORDER BY e.seq LIMIT ?3";

pub(super) const EXPIRED: &str = "SELECT o.ext_id, s.id FROM event_stream s CROSS JOIN owner o ON o.pk = s.owner_pk
    WHERE s.expires_at <= ?1 AND s.expires_at > -9223372036854775808 ORDER BY s.expires_at LIMIT ?2";

pub(super) fn stream(
    connection: &Connection,
    owner: &str,
    stream: StreamId,
    now: Timestamp,
) -> Result<Option<StreamRecord>> {
    first(connection, STREAM, params![owner, now.as_millis(), stream.as_bytes()], record)
}

pub(super) fn streams(
    connection: &Connection,
    owner: &str,
    before: Option<StreamId>,
    limit: usize,
    now: Timestamp,
) -> Result<Vec<(StreamId, StreamRecord)>> {
    let before = before.as_ref().map_or(&BEHIND_ALL_IDS[..], |id| id.as_bytes());
    let limit = i64::try_from(limit.min(MAX_STREAMS)).unwrap_or(i64::MAX);
    let read = |row: &Row<'_>| Ok((id(row, 6, StreamId::from_bytes)?, record(row)?));
    all(connection, STREAMS, params![owner, now.as_millis(), before, limit], read)
}

fn record(row: &Row<'_>) -> rusqlite::Result<StreamRecord> {
    let snapshot = match row.get(4)? {
        Some(version) => Some(Snapshot { version, data: row.get::<_, Vec<u8>>(5)?.into() }),
        None => None,
    };
    Ok(StreamRecord {
        version: row.get(0)?,
        snapshot,
        created_at: time(row, 1)?,
        updated_at: time(row, 2)?,
        expires_at: optional(row, 3, Timestamp::from_millis)?,
    })
}

pub(super) fn events(
    connection: &Connection,
    owner: &str,
    stream: StreamId,
    after_seq: i64,
    limit: usize,
    now: Timestamp,
) -> Result<Option<EventRows>> {
    let place = params![stream.as_bytes(), owner, now.as_millis()];
    let found = first(connection, VERSION, place, |row| Ok((row.get::<_, i64>(0)?, row.get(1)?)))?;
    let Some((pk, version)) = found else { return Ok(None) };
    let mut rows = EventRows { events: Vec::new(), version };
    let limit = i64::try_from(limit.min(MAX_EVENTS)).unwrap_or(i64::MAX);
    let mut bytes = 0;
    visit(connection, EVENTS, [pk, after_seq.max(0), limit], |row| {
        let event = event(row)?;
        bytes += event.data.len();
        rows.events.push(event);
        Ok(bytes <= PAGE_BYTES)
    })?;
    Ok(Some(rows))
}

fn event(row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    Ok(StoredEvent { seq: row.get(0)?, name: row.get(1)?, at: time(row, 2)?, data: row.get::<_, Vec<u8>>(3)?.into() })
}

pub(super) fn expired(connection: &Connection, now: Timestamp, limit: usize) -> Result<Vec<(String, StreamId)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let read = |row: &Row<'_>| Ok((row.get(0)?, id(row, 1, StreamId::from_bytes)?));
    all(connection, EXPIRED, [now.as_millis(), limit], read)
}
