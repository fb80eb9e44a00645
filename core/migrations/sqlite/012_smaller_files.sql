-- 012 smaller files: the feed names messages by their keys and says nothing that other rows say, and messages that were made
-- one after the other take one row of it. It holds what has to be read again of messages: changes of conversations and
-- turns, and what is deleted, have numbers and no row; a message that is being written is noted when it ends.
-- What the search has read already is not taken along.
-- The messages of a conversation are found by an index that no change of a message touches: whether what a summary was made of
-- has changed is told by the number on the conversation's virtual root.
-- And from here on `message.content`, where a message is one text and nothing else, is a JSON string: the text. Rows of before
-- stay as they are.

CREATE TABLE smaller_feed(
  seq INTEGER PRIMARY KEY,                -- number of the change; of the last one, where there are more
  message_pk INTEGER NOT NULL,            -- the message that was made or changed; it may be gone
  more INTEGER NOT NULL,                  -- so many before it were made with it: their numbers and keys go on to these
  at INTEGER NOT NULL
) STRICT;
INSERT INTO smaller_feed(seq, message_pk, more, at)
  SELECT f.seq, m.pk, 0, f.at FROM change_feed f CROSS JOIN message m ON m.id = f.entity_id
  WHERE f.seq > (SELECT seq FROM change_cursor WHERE consumer = 'search') AND f.entity = 2 ORDER BY f.seq;
DROP TABLE change_feed;
ALTER TABLE smaller_feed RENAME TO change_feed;

DROP INDEX message_feed;
CREATE INDEX message_of ON message(conv_pk, depth);
