-- 002 spending: budgets, what is reserved, what was spent.
-- Numbers for words: core/src/store/codes.rs. Times: milliseconds since 1970-01-01 UTC. Money: billionths of a US dollar.
-- Sums saturate; they are never added up by sum(), which fails where they do.

-- It was there before anything was reserved, and too small.
DROP TABLE reservation;

CREATE TABLE budget(
  pk INTEGER PRIMARY KEY AUTOINCREMENT,   -- never given twice: a changed budget is a new one, so that its counters begin anew
  id BLOB NOT NULL UNIQUE CHECK(length(id) = 16),           -- made from scope, key, window and unit
  scope INTEGER NOT NULL,
  key TEXT NOT NULL,                      -- the one user, conversation or run; empty = each apart, or the application
  window INTEGER NOT NULL,
  unit INTEGER NOT NULL,
  amount INTEGER NOT NULL CHECK(amount >= 0),
  warn_at TEXT NOT NULL                   -- shares of the amount, with blanks between them
) STRICT;
CREATE INDEX budget_holds ON budget(scope, key);

-- Where a budget stands in a window. Made from the ledger and the open reservations when it is first needed.
CREATE TABLE budget_counter(
  budget_pk INTEGER NOT NULL,
  started_at INTEGER NOT NULL,            -- of the window; old ones are swept by it
  owner_pk INTEGER NOT NULL,              -- 0 = everybody
  key TEXT NOT NULL,                      -- the conversation or run; otherwise empty
  spent INTEGER NOT NULL CHECK(spent >= 0),
  reserved INTEGER NOT NULL CHECK(reserved >= 0),
  told INTEGER NOT NULL,                  -- how much was spent when alerts were last told
  PRIMARY KEY(budget_pk, started_at, owner_pk, key)
) STRICT, WITHOUT ROWID;

-- What running requests may cost at most. Held by a lease; when it has passed, the worst goes into the ledger.
CREATE TABLE reservation(
  id BLOB PRIMARY KEY CHECK(length(id) = 16),
  owner_pk INTEGER NOT NULL REFERENCES owner(pk),
  conversation_id BLOB CHECK(length(conversation_id) = 16),
  run TEXT,
  model TEXT NOT NULL,                    -- provider/model
  input_tokens INTEGER NOT NULL CHECK(input_tokens >= 0),
  output_tokens INTEGER NOT NULL CHECK(output_tokens >= 0),
  requests INTEGER NOT NULL CHECK(requests > 0),
  nano_usd INTEGER CHECK(nano_usd >= 0),  -- NULL = nobody knows the price
  holder TEXT NOT NULL,
  lease_until INTEGER NOT NULL,
  reserved_at INTEGER NOT NULL            -- what it costs counts for this moment
) STRICT, WITHOUT ROWID;
CREATE INDEX reservation_owner ON reservation(owner_pk);

-- The ledger, summed up by the hour. No foreign keys: it survives what it speaks of.
CREATE TABLE usage_hour(
  owner_pk INTEGER NOT NULL,              -- 0 = everybody
  hour INTEGER NOT NULL,                  -- hours since 1970-01-01 UTC
  model TEXT NOT NULL,
  requests INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cache_read_input_tokens INTEGER NOT NULL,
  cache_creation_input_tokens INTEGER NOT NULL,
  reasoning_output_tokens INTEGER NOT NULL,
  nano_usd INTEGER NOT NULL,
  unknown_cost_requests INTEGER NOT NULL,
  estimated_requests INTEGER NOT NULL,
  PRIMARY KEY(owner_pk, hour, model)
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_part(                  -- the same for one conversation or run of an owner
  owner_pk INTEGER NOT NULL,
  scope INTEGER NOT NULL,
  key TEXT NOT NULL,
  hour INTEGER NOT NULL,
  requests INTEGER NOT NULL,
  input_tokens INTEGER NOT NULL,
  output_tokens INTEGER NOT NULL,
  cache_read_input_tokens INTEGER NOT NULL,
  cache_creation_input_tokens INTEGER NOT NULL,
  reasoning_output_tokens INTEGER NOT NULL,
  nano_usd INTEGER NOT NULL,
  unknown_cost_requests INTEGER NOT NULL,
  estimated_requests INTEGER NOT NULL,
  PRIMARY KEY(owner_pk, scope, key, hour)
) STRICT, WITHOUT ROWID;
