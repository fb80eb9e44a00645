-- 009 erasure: everything of an owner is taken out, a part at a time, also when a process ends in the middle of it.

ALTER TABLE owner ADD COLUMN erasing_since INTEGER;         -- from this moment on nothing of this owner is begun; NULL = it may be
CREATE INDEX owner_erasing ON owner(erasing_since) WHERE erasing_since IS NOT NULL;
CREATE INDEX event_stream_owner ON event_stream(owner_pk);
