-- 011 summaries: what was said up to a message, in a model's words, for windows that leave it out.
-- Made from the messages alone, and made again when it is gone: no export holds it, no version counts it.

CREATE TABLE summary(
  message_pk INTEGER PRIMARY KEY REFERENCES message(pk),    -- the last message in it; all above that one are in it, too
  conv_pk INTEGER NOT NULL REFERENCES conversation(pk),
  depth INTEGER NOT NULL,                 -- the message's own
  created_at INTEGER NOT NULL,
  model TEXT NOT NULL,                    -- who wrote it, as provider/model
  text TEXT NOT NULL
) STRICT;
CREATE INDEX summary_depth ON summary(conv_pk, depth);
