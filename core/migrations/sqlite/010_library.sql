-- 010 library: small values with a name, each with its versions: settings, prompts, personas, councils, what else a host keeps.
-- The owner '' is the application; no user has this name.

CREATE TABLE library_entry(
  pk INTEGER PRIMARY KEY,
  owner_pk INTEGER NOT NULL REFERENCES owner(pk),
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  version INTEGER NOT NULL CHECK(version > 0),   -- the newest; of one that is deleted the last that there was
  is_deleted INTEGER NOT NULL DEFAULT 0,         -- its number stays, so that no version is ever there twice
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE(owner_pk, kind, name)
) STRICT;
CREATE INDEX library_list ON library_entry(owner_pk, kind, name) WHERE is_deleted = 0;

CREATE TABLE library_version(
  pk INTEGER PRIMARY KEY,
  entry_pk INTEGER NOT NULL REFERENCES library_entry(pk),
  version INTEGER NOT NULL,
  at INTEGER NOT NULL,
  bytes INTEGER NOT NULL,                 -- how long the value is
  value TEXT NOT NULL,                    -- JSON, at most 64 KiB
  UNIQUE(entry_pk, version)
) STRICT;

-- What was changed last, the last 256 of it, for those who remember values: who has heard of a later one than the oldest here
-- knows what of theirs is still true. A user's preferences stand here, too, as kind 'preferences' without a name.
CREATE TABLE library_change(
  seq INTEGER PRIMARY KEY,                -- from 1; a number that is missing may have been of anything
  owner_pk INTEGER NOT NULL REFERENCES owner(pk),
  kind TEXT NOT NULL,
  name TEXT NOT NULL
) STRICT;
