-- 013 found by the tree: the messages of a conversation are those below its virtual root. No index leads to them from its key
-- any more, of which every long conversation had a page of its own that was written with each of its turns.
-- That a message names a conversation which is there would be asked of that index whenever one is deleted. So it is no longer
-- asked of SQLite: `verify` looks at it. The words of the table are all that changes, in the way that SQLite's own page on
-- ALTER TABLE describes for taking out a constraint; no row is written.

PRAGMA writable_schema = ON;
UPDATE sqlite_schema
  SET sql = replace(sql, 'conv_pk INTEGER NOT NULL REFERENCES conversation(pk),', 'conv_pk INTEGER NOT NULL,')
  WHERE type = 'table' AND name = 'message';
PRAGMA writable_schema = RESET;
DROP INDEX message_of;
