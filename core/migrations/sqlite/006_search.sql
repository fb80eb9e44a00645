-- 006 search: the index of words. Which words there are is decided in core/src/store/search; here blanks divide them.
-- It is filled behind the writes that it follows: change_cursor 'search' says how far it has read the feed, seq
-- 'search_rest' up to which message it has gone through what is older than the cursor (no row = all of it).

CREATE VIRTUAL TABLE message_fts USING fts5(
  text,                                   -- the words of a message, in their order
  parts,                                  -- what names in code are made of
  scope,                                  -- ¦o<owner_pk> ¦c<conv_pk> ¦r<role>: no word of a text has this sign
  content='', contentless_delete=1,       -- the words alone: the text stands in its message and nowhere else
  tokenize='ascii'
);
