-- 014 streams listed: the streams of an owner, the newest first. The index by owner alone is the beginning of this one.

DROP INDEX event_stream_owner;
CREATE INDEX event_stream_list ON event_stream(owner_pk, id);
