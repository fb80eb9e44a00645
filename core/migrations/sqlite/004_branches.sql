-- 004 branches: moving about in the tree. Of the virtual root, `change_seq` is from now on the number of the last deletion
-- in its conversation.

-- On the first message of a branch that is not shown: the head that it had when it was left. NULL = it was never shown.
-- `selected_child_pk` leads on from there; on the way to it, it may be older.
ALTER TABLE message ADD COLUMN left_pk INTEGER;

-- The ends of all branches, the newest last.
CREATE INDEX message_leaf ON message(conv_pk, pk) WHERE child_count = 0 AND id IS NOT NULL;
