-- 007 open turns: the same index. A list of three states makes every change of a turn build a table for it first.

DROP INDEX turn_open;
CREATE INDEX turn_open ON turn(lease_until) WHERE state >= 1 AND state <= 3;    -- saved, sending, streaming
