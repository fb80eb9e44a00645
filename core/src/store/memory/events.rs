//! Streams of events.

use std::ops::Bound;

use bytes::Bytes;

use super::state::{Body, EventRow, State, StreamRow};
use crate::base::{ErrorKind, StreamId, Timestamp};
use crate::model::{Error, Result};
use crate::store::events::{MAX_EVENTS, MAX_STREAMS, NewEvents, PAGE_BYTES, Payload};
use crate::store::{EventRows, Snapshot, StoredEvent, StreamRecord, refusal};

impl State {
    /// The stream, unless its time is up.
    fn stream(&self, owner: &str, id: StreamId) -> Result<&StreamRow> {
        let row = self.kept_stream(owner, id).filter(|row| row.expires_at.is_none_or(|at| at > self.now));
        row.ok_or_else(refusal::no_stream)
    }

    /// Also one whose time is up.
    fn kept_stream(&self, owner: &str, id: StreamId) -> Option<&StreamRow> {
        self.streams.get(&id).filter(|row| row.owner == owner)
    }

    pub(super) fn append_events(&mut self, owner: &str, new: &NewEvents, at: Timestamp) -> Result<i64> {
        new.check()?;
        let id = new.stream;
        match self.stream(owner, id).map(|row| row.version) {
            Ok(version) if version == new.expected => {}
            Ok(_) if self.has_appended(new) => return Ok(new.last()),
            Ok(version) => return Err(refusal::stream_moved(version)),
            Err(error) if new.expected > 0 => return Err(error),
            Err(_) => {
                if self.kept_stream(owner, id).is_some() {
                    // One of this owner whose time is up makes room.
                    self.delete_stream(owner, id)?;
                } else if self.streams.get(&id).is_some() {
                    return Err(refusal::id_taken());
                }
                self.may_begin(owner)?;
                let owner = owner.to_owned();
                let row =
                    StreamRow { owner, version: 0, snapshot: None, created_at: at, updated_at: at, expires_at: None };
                self.streams.put(id, row);
            }
        }
        for (seq, event) in (new.expected + 1..).zip(&new.events) {
            let data = self.keep_payload(&event.data);
            self.events.put((id, seq), EventRow { append: new.id, name: event.name.clone(), data, at });
        }
        self.streams.edit(&id, |row| (row.version, row.updated_at) = (new.last(), at));
        Ok(new.last())
    }

    /// True when these very events stand there already, appended by this batch.
    fn has_appended(&self, new: &NewEvents) -> bool {
        let mut rows = (new.expected + 1..=new.last()).map(|seq| self.events.get(&(new.stream, seq)));
        rows.all(|row| row.is_some_and(|row| row.append == new.id))
    }

    fn keep_payload(&mut self, data: &Payload) -> Body {
        match data.spilled {
            Some(name) => {
                self.keep_blob(name, &data.bytes);
                Body::Blob(name)
            }
            None => Body::Row(data.bytes.clone()),
        }
    }

    fn payload(&self, body: &Body) -> Result<Bytes> {
        let found = match body {
            Body::Row(data) => Some(data),
            Body::Blob(name) => self.blobs.get(name).map(|blob| &blob.data),
        };
        let lost = || Error::new(ErrorKind::Storage, "corrupt", "the data of an event is missing");
        found.cloned().ok_or_else(lost)
    }

    pub(super) fn put_snapshot(&mut self, owner: &str, id: StreamId, version: i64, data: &Payload) -> Result<()> {
        let row = self.stream(owner, id)?;
        if !(1..=row.version).contains(&version) {
            return Err(refusal::bad_snapshot(row.version));
        }
        let old = row.snapshot.clone();
        if old.as_ref().is_some_and(|(there, _)| *there >= version) {
            return Ok(());
        }
        let body = self.keep_payload(data);
        if let Some((_, old)) = old {
            self.release_content(&old);
        }
        self.streams.edit(&id, |row| row.snapshot = Some((version, body)));
        Ok(())
    }

    pub(super) fn expire_stream(&mut self, owner: &str, id: StreamId, expires_at: Option<Timestamp>) -> Result<()> {
        self.stream(owner, id)?;
        self.streams.edit(&id, |row| row.expires_at = expires_at);
        Ok(())
    }

    pub(super) fn sweep_stream(&mut self, owner: &str, id: StreamId) -> Result<()> {
        let is_gone = self.kept_stream(owner, id).is_some() && self.stream(owner, id).is_err();
        if is_gone { self.delete_stream(owner, id) } else { Ok(()) }
    }

    /// Also one whose time is up.
    pub(super) fn delete_stream(&mut self, owner: &str, id: StreamId) -> Result<()> {
        self.kept_stream(owner, id).ok_or_else(refusal::no_stream)?;
        let seqs: Vec<i64> = self.events.range((id, i64::MIN)..=(id, i64::MAX)).map(|((_, seq), _)| *seq).collect();
        for seq in seqs {
            if let Some(row) = self.events.remove(&(id, seq)) {
                self.release_content(&row.data);
            }
        }
        if let Some((_, body)) = self.streams.remove(&id).and_then(|row| row.snapshot) {
            self.release_content(&body);
        }
        Ok(())
    }

    pub(super) fn stream_record(&self, owner: &str, id: StreamId) -> Result<Option<StreamRecord>> {
        self.stream(owner, id).ok().map(|row| self.record_of(row)).transpose()
    }

    fn record_of(&self, row: &StreamRow) -> Result<StreamRecord> {
        let snapshot = row.snapshot.as_ref().map(|(version, body)| {
            let data = self.payload(body)?;
            Ok::<_, Error>(Snapshot { version: *version, data })
        });
        Ok(StreamRecord {
            version: row.version,
            snapshot: snapshot.transpose()?,
            created_at: row.created_at,
            updated_at: row.updated_at,
            expires_at: row.expires_at,
        })
    }

    pub(super) fn streams_listed(
        &self,
        owner: &str,
        before: Option<StreamId>,
        limit: usize,
    ) -> Result<Vec<(StreamId, StreamRecord)>> {
        let before = before.map_or(Bound::Unbounded, Bound::Excluded);
        let newest_first = self.streams.range((Bound::Unbounded, before)).rev();
        let there = newest_first.filter_map(|(id, _)| Some((*id, self.stream(owner, *id).ok()?)));
        there.take(limit.min(MAX_STREAMS)).map(|(id, row)| Ok((id, self.record_of(row)?))).collect()
    }

    pub(super) fn events_of(
        &self,
        owner: &str,
        id: StreamId,
        after_seq: i64,
        limit: usize,
    ) -> Result<Option<EventRows>> {
        let Ok(StreamRow { version, .. }) = self.stream(owner, id) else { return Ok(None) };
        let mut rows = EventRows { events: Vec::new(), version: *version };
        let mut bytes = 0;
        let behind = self.events.range((id, after_seq.max(0).saturating_add(1))..=(id, i64::MAX));
        for ((_, seq), row) in behind.take(limit.min(MAX_EVENTS)) {
            let data = self.payload(&row.data)?;
            bytes += data.len();
            rows.events.push(StoredEvent { seq: *seq, name: row.name.clone(), data, at: row.at });
            if bytes > PAGE_BYTES {
                break;
            }
        }
        Ok(Some(rows))
    }

    pub(super) fn expired_streams(&self, now: Timestamp, limit: usize) -> Vec<(String, StreamId)> {
        let gone = self.streams.iter().filter(|(_, row)| row.expires_at.is_some_and(|at| at <= now));
        gone.take(limit).map(|(id, row)| (row.owner.clone(), *id)).collect()
    }
}
