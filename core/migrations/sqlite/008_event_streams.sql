-- 008 event streams: what happened in something that lasts, one after the other, for those who build it up again from there.

CREATE TABLE event_stream(
  pk INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK(length(id) = 16),
  owner_pk INTEGER NOT NULL REFERENCES owner(pk),
  version INTEGER NOT NULL CHECK(version > 0),   -- number of its last event
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  expires_at INTEGER,                     -- from this moment on it is not there, swept or not; NULL = it stays
  snapshot_version INTEGER,               -- of the last event in the snapshot; NULL = none
  snapshot_hash BLOB CHECK(length(snapshot_hash) = 32),     -- a longer one stands in this blob
  snapshot BLOB CHECK(length(snapshot) <= 8192),
  CHECK((snapshot_version IS NULL) = (snapshot IS NULL AND snapshot_hash IS NULL))
) STRICT;
CREATE INDEX event_stream_expiry ON event_stream(expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX event_stream_snapshot ON event_stream(snapshot_hash) WHERE snapshot_hash IS NOT NULL;

CREATE TABLE event(
  stream_pk INTEGER NOT NULL REFERENCES event_stream(pk),
  seq INTEGER NOT NULL,                   -- from 1, without a gap
  at INTEGER NOT NULL,
  append_id BLOB NOT NULL CHECK(length(append_id) = 16),    -- of the batch it came in: one that comes twice is known by it
  name TEXT NOT NULL,
  data_hash BLOB CHECK(length(data_hash) = 32),             -- longer data stands in this blob
  data BLOB CHECK(length(data) <= 8192),
  PRIMARY KEY(stream_pk, seq),
  CHECK((data IS NULL) <> (data_hash IS NULL))
) STRICT, WITHOUT ROWID;
CREATE INDEX event_data ON event(data_hash) WHERE data_hash IS NOT NULL;
