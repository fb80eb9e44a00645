-- 003 outbox: turns that are sent by themselves. Nothing was ever put into the first table of this name.

DROP TABLE send_queue;
CREATE TABLE send_queue(
  turn_pk INTEGER PRIMARY KEY REFERENCES turn(pk),
  conv_pk INTEGER NOT NULL REFERENCES conversation(pk),
  owner_pk INTEGER NOT NULL REFERENCES owner(pk),
  enqueued_seq INTEGER NOT NULL,          -- first in, first out inside a conversation
  not_before INTEGER,                     -- NULL = it does not wait for a moment: somebody works on it, or it is parked
  not_before_at_all INTEGER,              -- what the provider asked for; good news elsewhere do not shorten it
  expires_at INTEGER,
  crashes INTEGER NOT NULL DEFAULT 0,     -- how often in a row a process ended while it worked on it
  set_at INTEGER NOT NULL                 -- when these times were set: a clock that went back is told by it
) STRICT;
CREATE INDEX send_queue_due ON send_queue(not_before) WHERE not_before IS NOT NULL;
CREATE INDEX send_queue_order ON send_queue(conv_pk, enqueued_seq);
CREATE INDEX send_queue_owner ON send_queue(owner_pk, enqueued_seq);

ALTER TABLE turn ADD COLUMN options BLOB; -- JSON: what the call asked for, so that it can be sent again; never a key
