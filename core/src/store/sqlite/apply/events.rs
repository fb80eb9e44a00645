//! Ops on streams of events.

use std::time::Duration;

use rusqlite::params;

use super::Applying;
use crate::base::StreamId;
use crate::model::Result;
use crate::store::events::{NewEvents, Payload, ends};
use crate::store::refusal;
use crate::store::sqlite::row::{all, first, run};

/// What is needed of a stream to write into it.
struct Stream {
    pk: i64,
    version: i64,
    is_ours: bool,
    is_over: bool,
    snapshot_version: i64,
    snapshot_hash: Option<[u8; 32]>,
}

impl Applying<'_> {
    /// The stream, whoever's it is, also one whose time is up.
    fn any_stream(&self, id: StreamId) -> Result<Option<Stream>> {
        first(
            self.connection,
            "SELECT s.pk, s.version, o.ext_id = ?2, coalesce(s.expires_at <= ?3, FALSE), coalesce(s.snapshot_version, 0),
             s.snapshot_hash FROM event_stream s JOIN owner o ON o.pk = s.owner_pk WHERE s.id = ?1",
            params![id.as_bytes(), self.owner, self.at.as_millis()],
            |row| {
                Ok(Stream {
                    pk: row.get(0)?,
                    version: row.get(1)?,
                    is_ours: row.get(2)?,
                    is_over: row.get(3)?,
                    snapshot_version: row.get(4)?,
                    snapshot_hash: row.get(5)?,
                })
            },
        )
    }

    fn stream(&self, id: StreamId) -> Result<Stream> {
        self.any_stream(id)?.filter(|stream| stream.is_ours && !stream.is_over).ok_or_else(refusal::no_stream)
    }

    pub(super) fn append_events(&self, new: &NewEvents) -> Result<i64> {
        new.check()?;
        let pk = match self.any_stream(new.stream)? {
            Some(stream) if stream.is_ours && !stream.is_over => {
                if stream.version != new.expected {
                    return if self.has_appended(stream.pk, new)? {
                        Ok(new.last())
                    } else {
                        Err(refusal::stream_moved(stream.version))
                    };
                }
                let sql = "UPDATE event_stream SET version = ?2, updated_at = ?3 WHERE pk = ?1";
                run(self.connection, sql, params![stream.pk, new.last(), self.at.as_millis()])?;
                stream.pk
            }
            _ if new.expected > 0 => return Err(refusal::no_stream()),
            Some(stream) if !stream.is_ours => return Err(refusal::id_taken()),
            found => {
                // One of this owner whose time is up makes room.
                if let Some(stream) = found {
                    self.remove_stream(&stream)?;
                }
                run(
                    self.connection,
                    "INSERT INTO event_stream(id, owner_pk, version, created_at, updated_at) VALUES(?1, ?2, ?3, ?4, ?4)",
                    params![new.stream.as_bytes(), self.owner_pk()?, new.last(), self.at.as_millis()],
                )?;
                self.connection.last_insert_rowid()
            }
        };
        for (seq, event) in (new.expected + 1..).zip(&new.events) {
            run(
                self.connection,
                "INSERT INTO event(stream_pk, seq, at, append_id, name, data_hash, data) VALUES(?, ?, ?, ?, ?, ?, ?)",
                params![
                    pk,
                    seq,
                    self.at.as_millis(),
                    new.id.as_bytes(),
                    event.name,
                    event.data.spilled,
                    self.keep_payload(&event.data)?
                ],
            )?;
        }
        Ok(new.last())
    }

    /// True when these very events stand there already, appended by this batch.
    fn has_appended(&self, pk: i64, new: &NewEvents) -> Result<bool> {
        let found: Option<i64> = first(
            self.connection,
            "SELECT count(*) FROM event WHERE stream_pk = ?1 AND seq > ?2 AND seq <= ?3 AND append_id = ?4",
            params![pk, new.expected, new.last(), new.id.as_bytes()],
            |row| row.get(0),
        )?;
        Ok(found == Some(new.last() - new.expected))
    }

    /// What goes into the row; longer data goes into a blob.
    fn keep_payload<'p>(&self, data: &'p Payload) -> Result<Option<&'p [u8]>> {
        match &data.spilled {
            Some(name) => self.keep_blob(name, &data.bytes).map(|()| None),
            None => Ok(Some(&data.bytes)),
        }
    }

    pub(super) fn put_snapshot(&self, id: StreamId, version: i64, data: &Payload) -> Result<()> {
        let stream = self.stream(id)?;
        if !(1..=stream.version).contains(&version) {
            return Err(refusal::bad_snapshot(stream.version));
        }
        if stream.snapshot_version >= version {
            return Ok(());
        }
        let row = self.keep_payload(data)?;
        run(
            self.connection,
            "UPDATE event_stream SET snapshot_version = ?2, snapshot_hash = ?3, snapshot = ?4 WHERE pk = ?1",
            params![stream.pk, version, data.spilled, row],
        )?;
        stream.snapshot_hash.map_or(Ok(()), |old| self.release_blob(&old))
    }

    pub(super) fn expire_stream(&self, id: StreamId, expires_in: Option<Duration>) -> Result<()> {
        let pk = self.stream(id)?.pk;
        let until = ends(self.at, expires_in).map(|at| at.as_millis());
        run(self.connection, "UPDATE event_stream SET expires_at = ?2 WHERE pk = ?1", params![pk, until]).map(drop)
    }

    pub(super) fn sweep_stream(&self, id: StreamId) -> Result<()> {
        match self.any_stream(id)?.filter(|stream| stream.is_ours && stream.is_over) {
            Some(stream) => self.remove_stream(&stream),
            None => Ok(()),
        }
    }

    /// Also one whose time is up.
    pub(super) fn delete_stream(&self, id: StreamId) -> Result<()> {
        let stream = self.any_stream(id)?.filter(|stream| stream.is_ours).ok_or_else(refusal::no_stream)?;
        self.remove_stream(&stream)
    }

    fn remove_stream(&self, stream: &Stream) -> Result<()> {
        let blobs: Vec<[u8; 32]> = all(
            self.connection,
            "SELECT data_hash FROM event WHERE stream_pk = ? AND data_hash IS NOT NULL",
            [stream.pk],
            |row| row.get(0),
        )?;
        run(self.connection, "DELETE FROM event WHERE stream_pk = ?", [stream.pk])?;
        run(self.connection, "DELETE FROM event_stream WHERE pk = ?", [stream.pk])?;
        blobs.iter().chain(&stream.snapshot_hash).try_for_each(|name| self.release_blob(name))
    }
}
