-- 001 conversations: trees of small rows, journals of turns, drafts, bytes, the feed of changes.
-- Forward only, one transaction (the migrator opens and commits it and sets user_version). Never edited once released.
-- Numbers for words: core/src/store/codes.rs. Times: milliseconds since 1970-01-01 UTC. Money: billionths of a US dollar.
-- Nothing is deleted by cascade: deletes go through the engine, which also keeps counts, blobs and indexes true.

CREATE TABLE owner(
  pk INTEGER PRIMARY KEY,
  ext_id TEXT NOT NULL UNIQUE,            -- the host's own name for the user
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE conversation(
  pk INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK(length(id) = 16),
  owner_pk INTEGER NOT NULL REFERENCES owner(pk),
  root_pk INTEGER NOT NULL,               -- the virtual root, so that editing the first message makes an ordinary sibling
  head_pk INTEGER,                        -- the last message of the branch that is shown; NULL = empty
  head_id BLOB,                           -- its id, so that a list needs no second table
  head_depth INTEGER NOT NULL DEFAULT 0,
  activity_seq INTEGER NOT NULL,          -- number of the last message begun or ended: the order of the list, without ties
  version INTEGER NOT NULL,               -- number of the last change of this row
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  message_count INTEGER NOT NULL DEFAULT 0 CHECK(message_count >= 0),   -- on all branches
  input_tokens INTEGER NOT NULL DEFAULT 0 CHECK(input_tokens >= 0),
  output_tokens INTEGER NOT NULL DEFAULT 0 CHECK(output_tokens >= 0),
  cost_nano_usd INTEGER NOT NULL DEFAULT 0 CHECK(cost_nano_usd >= 0),
  last_role INTEGER,
  last_preview TEXT,                      -- at most 160 characters
  title TEXT,
  model TEXT,                             -- provider/model
  metadata TEXT,                          -- JSON object of strings; NULL = empty
  system TEXT                             -- last, because it may be long
) STRICT;
CREATE UNIQUE INDEX conversation_list ON conversation(owner_pk, activity_seq);

-- A tree by parent pointer and jump pointer (Myers). A page costs as much as the page, at any depth, on any branch.
CREATE TABLE message(
  pk INTEGER PRIMARY KEY,                 -- milliseconds of creation << 21 | counter: the order of rows is that of time
  conv_pk INTEGER NOT NULL REFERENCES conversation(pk),
  parent_pk INTEGER REFERENCES message(pk) DEFERRABLE INITIALLY DEFERRED,   -- NULL only for the virtual root
  depth INTEGER NOT NULL,                 -- 0 for the virtual root
  jump_pk INTEGER NOT NULL,               -- an ancestor further away; the root's own for the root
  jump_depth INTEGER NOT NULL,
  sibling_ix INTEGER NOT NULL,
  child_count INTEGER NOT NULL DEFAULT 0,
  selected_child_pk INTEGER,              -- which branch goes on from here; set on append and on switch
  id BLOB UNIQUE CHECK(length(id) = 16),  -- NULL only for the virtual root
  turn_id BLOB CHECK(length(turn_id) = 16),
  role INTEGER NOT NULL,                  -- 0 for the virtual root
  status INTEGER NOT NULL,                -- 0 for the virtual root
  change_seq INTEGER NOT NULL,            -- number of the last change of this row
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  finish_reason INTEGER,
  model TEXT,
  usage TEXT,                             -- JSON, all token classes and the provider's own object
  cost TEXT,                              -- JSON
  metadata TEXT,                          -- JSON object of strings; NULL = empty
  content_hash BLOB CHECK(length(content_hash) = 32),       -- longer content stands in this blob
  content BLOB CHECK(length(content) <= 65536),             -- JSON array of parts
  CHECK((id IS NULL) = (depth = 0)),
  CHECK((parent_pk IS NULL) = (depth = 0)),
  CHECK((content IS NULL) <> (content_hash IS NULL))
) STRICT;
CREATE UNIQUE INDEX message_sibling ON message(parent_pk, sibling_ix);   -- a double append fails loudly
CREATE UNIQUE INDEX message_feed ON message(conv_pk, change_seq);

-- One message of the user and the way to its answer.
CREATE TABLE turn(
  pk INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK(length(id) = 16),
  conv_pk INTEGER NOT NULL REFERENCES conversation(pk),
  state INTEGER NOT NULL,
  epoch INTEGER NOT NULL,                 -- raised with every move; replies are committed by compare-and-set on it
  attempt INTEGER NOT NULL,
  last_seq INTEGER NOT NULL,              -- number of the last event
  message_id BLOB NOT NULL CHECK(length(message_id) = 16),
  reply_id BLOB NOT NULL CHECK(length(reply_id) = 16),      -- of the answer, there or to come
  client_id TEXT,                         -- the host's own id for the message
  body_hash BLOB NOT NULL CHECK(length(body_hash) = 32),    -- same client id, other body = conflict
  model TEXT NOT NULL,                    -- provider/model
  not_before INTEGER,
  expires_at INTEGER,
  holder TEXT,                            -- who works on it
  lease_until INTEGER NOT NULL,           -- and until when unless renewed; 0 = nobody
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  error TEXT                              -- JSON: kind, reason and the rest of what went wrong last
) STRICT;
CREATE UNIQUE INDEX turn_client ON turn(conv_pk, client_id);
CREATE INDEX turn_open ON turn(lease_until) WHERE state IN (1, 2, 3);    -- saved, sending, streaming

CREATE TABLE turn_step(
  turn_pk INTEGER NOT NULL REFERENCES turn(pk),
  ix INTEGER NOT NULL,                    -- from 1
  kind INTEGER NOT NULL,
  target TEXT NOT NULL,                   -- the model that was asked, or the tool
  error TEXT,                             -- the error's kind; NULL while it runs and when it went well
  started_at INTEGER NOT NULL,
  ended_at INTEGER,
  data BLOB NOT NULL,                     -- JSON facts, no prompt text
  PRIMARY KEY(turn_pk, ix)
) STRICT, WITHOUT ROWID;

-- Turns that will be sent by themselves.
CREATE TABLE send_queue(
  turn_pk INTEGER PRIMARY KEY REFERENCES turn(pk),
  conv_pk INTEGER NOT NULL REFERENCES conversation(pk),
  not_before INTEGER NOT NULL,
  expires_at INTEGER,
  enqueued_seq INTEGER NOT NULL           -- first in, first out inside a conversation
) STRICT;
CREATE INDEX send_queue_due ON send_queue(not_before);
CREATE INDEX send_queue_order ON send_queue(conv_pk, enqueued_seq);

-- Money that a running call may spend. Held by a lease, so that a dead process frees what it held.
CREATE TABLE reservation(
  id BLOB PRIMARY KEY CHECK(length(id) = 16),
  owner_pk INTEGER NOT NULL REFERENCES owner(pk),
  turn_id BLOB CHECK(length(turn_id) = 16),
  amount_nano_usd INTEGER NOT NULL CHECK(amount_nano_usd >= 0),
  holder TEXT NOT NULL,
  lease_until INTEGER NOT NULL,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX reservation_owner ON reservation(owner_pk, lease_until);

-- What has arrived of a reply: append-only, folded into the message and deleted when it ends.
-- Holder and lease are the turn's (a streaming message always has one), so a draft needs no head of its own.
CREATE TABLE draft_chunk(
  message_pk INTEGER NOT NULL REFERENCES message(pk),
  seq INTEGER NOT NULL,                   -- number of the last event in it
  part_ix INTEGER NOT NULL,
  data BLOB NOT NULL,                     -- JSON array of events
  PRIMARY KEY(message_pk, seq)
) STRICT, WITHOUT ROWID;

-- Bytes by their SHA-256, kept once and counted: attachments and content too long for a row.
CREATE TABLE blob(
  hash BLOB PRIMARY KEY CHECK(length(hash) = 32),
  size INTEGER NOT NULL,
  refs INTEGER NOT NULL CHECK(refs >= 0),
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE blob_inline(                 -- the bytes of those that stand in this file
  pk INTEGER PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE REFERENCES blob(hash),
  data BLOB NOT NULL
) STRICT;

CREATE TABLE attachment(
  pk INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE CHECK(length(id) = 16),
  owner_pk INTEGER NOT NULL REFERENCES owner(pk),
  message_pk INTEGER NOT NULL REFERENCES message(pk),
  part_ix INTEGER NOT NULL,
  hash BLOB NOT NULL,                     -- counted in blob.refs, so no foreign key that would need an index
  mime_type TEXT NOT NULL,
  name TEXT,
  created_at INTEGER NOT NULL
) STRICT;
CREATE INDEX attachment_message ON attachment(message_pk, part_ix);

-- Every change, for whoever follows (search index, other processes, sync). Not the queue of messages to send.
CREATE TABLE change_feed(
  seq INTEGER PRIMARY KEY,                -- the store-wide number, also in activity_seq, version, change_seq
  owner_pk INTEGER NOT NULL,
  conversation_id BLOB NOT NULL,
  entity INTEGER NOT NULL,
  entity_id BLOB NOT NULL,
  op INTEGER NOT NULL,
  at INTEGER NOT NULL
) STRICT;

CREATE TABLE change_cursor(               -- how far each follower has read; the feed is trimmed behind the last
  consumer TEXT PRIMARY KEY,
  seq INTEGER NOT NULL,
  at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE seq(                         -- counters of the store; 'change' = the last number given to a change
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO seq(name, value) VALUES('change', 0);

CREATE TABLE lease(                       -- work that one process at a time may do
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  generation INTEGER NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
