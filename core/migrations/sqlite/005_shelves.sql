-- 005 shelves: conversations that are pinned, archived, tagged, or gone from a moment on; what an owner prefers.

ALTER TABLE conversation ADD COLUMN is_pinned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN is_archived INTEGER NOT NULL DEFAULT 0;
ALTER TABLE conversation ADD COLUMN expires_at INTEGER;     -- from this moment on it is not there, swept or not; NULL = it stays
ALTER TABLE conversation ADD COLUMN tags TEXT;              -- JSON array of strings; NULL = none

-- The instructions stand last again: they may be long, and what stands behind them would be as slow to read.
ALTER TABLE conversation RENAME COLUMN system TO instructions;
ALTER TABLE conversation ADD COLUMN system TEXT;
UPDATE conversation SET system = instructions WHERE instructions IS NOT NULL;
ALTER TABLE conversation DROP COLUMN instructions;

DROP INDEX conversation_list;
CREATE UNIQUE INDEX conversation_list ON conversation(owner_pk, is_archived, is_pinned, activity_seq);
CREATE INDEX conversation_expiry ON conversation(expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX conversation_expiry_of ON conversation(owner_pk, expires_at) WHERE expires_at IS NOT NULL;

-- The list once more for each tag: the columns after the tag are the conversation's own.
CREATE TABLE conversation_tag(
  owner_pk INTEGER NOT NULL,
  tag TEXT NOT NULL,
  is_archived INTEGER NOT NULL,
  is_pinned INTEGER NOT NULL,
  activity_seq INTEGER NOT NULL,
  conv_pk INTEGER NOT NULL REFERENCES conversation(pk),
  PRIMARY KEY(owner_pk, tag, is_archived, is_pinned, activity_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX conversation_tag_of ON conversation_tag(conv_pk);

-- Number of the last change of the owner's list that was no activity: with that of the last activity its version.
ALTER TABLE owner ADD COLUMN list_seq INTEGER NOT NULL DEFAULT 0;
ALTER TABLE owner ADD COLUMN preferences TEXT;              -- JSON object; NULL = none
