//! Budgets, reservations and the ledger: what the arithmetic of `store/books.rs` looks up and writes down.

use std::ops::Range;

use rusqlite::{Connection, Row, params};

use super::row::{Coded, all, first, run, visit};
use crate::base::{BudgetId, ConversationId, ReservationId, Timestamp};
use crate::model::{
    Budget, BudgetLimit, BudgetScope, BudgetStatus, Cost, Error, Result, Usage, UsageReport, UsageTotal,
};
use crate::store::books::{self, Books, Counter, CounterKey, Held, Subject};
use crate::store::usage::{self, Each, Ledger};
use crate::store::{LedgerEntry, NewReservation, Spender, UsageQuery};

/// Stands for everybody where an owner would stand.
const EVERYBODY: i64 = 0;

/// An owner who is not in the table yet.
const NOBODY: i64 = -1;

/// How many old counters are forgotten when a new one is made.
const SWEPT: i64 = 4;

macro_rules! figures {
    () => {
        "requests, input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens,
         reasoning_output_tokens, nano_usd, unknown_cost_requests, estimated_requests"
    };
}

/// Adds to a sum that is there. What is too large for a number becomes the largest.
macro_rules! add_figures {
    () => {
        "DO UPDATE SET requests = CAST(requests + excluded.requests AS INTEGER),
         input_tokens = CAST(input_tokens + excluded.input_tokens AS INTEGER),
         output_tokens = CAST(output_tokens + excluded.output_tokens AS INTEGER),
         cache_read_input_tokens = CAST(cache_read_input_tokens + excluded.cache_read_input_tokens AS INTEGER),
         cache_creation_input_tokens = CAST(cache_creation_input_tokens + excluded.cache_creation_input_tokens AS INTEGER),
         reasoning_output_tokens = CAST(reasoning_output_tokens + excluded.reasoning_output_tokens AS INTEGER),
         nano_usd = CAST(nano_usd + excluded.nano_usd AS INTEGER),
         unknown_cost_requests = CAST(unknown_cost_requests + excluded.unknown_cost_requests AS INTEGER),
         estimated_requests = CAST(estimated_requests + excluded.estimated_requests AS INTEGER)"
    };
}

macro_rules! held {
    ($rest:literal) => {
        concat!(
            "SELECT r.id, o.ext_id, r.conversation_id, r.run, r.model, r.input_tokens, r.output_tokens, r.requests,
             r.nano_usd, r.holder, r.lease_until, r.reserved_at FROM reservation r CROSS JOIN owner o ON o.pk = r.owner_pk ",
            $rest
        )
    };
}

/// The budgets that hold for an owner, a conversation and a run.
pub(super) const HOLDING: &str = "SELECT scope, key, window, unit, amount, warn_at, pk FROM budget WHERE scope = 1
    OR (scope = 2 AND key IN ('', ?1)) OR (scope = 3 AND key IN ('', ?2)) OR (scope = 4 AND key IN ('', ?3))";

pub(super) const BY_HOUR: &str = concat!(
    "SELECT ",
    figures!(),
    ", hour, model FROM usage_hour WHERE owner_pk = ? AND hour >= ? AND hour < ? ORDER BY hour, model"
);

pub(super) const BY_PART: &str = concat!(
    "SELECT ",
    figures!(),
    " FROM usage_part WHERE owner_pk = ? AND scope = ? AND key = ? AND hour >= ? AND hour < ?"
);

pub(super) const BY_CONVERSATION: &str = concat!(
    "SELECT ",
    figures!(),
    ", key FROM usage_part WHERE owner_pk = ? AND scope = 3 AND key > ? AND hour >= ? AND hour < ? ORDER BY key, hour"
);

/// From one name on, without that one itself when it stands there a second time.
pub(super) const BY_OWNER: &str = concat!(
    "SELECT ",
    figures!(),
    ", ext_id FROM owner o CROSS JOIN usage_hour u ON u.owner_pk = o.pk
     WHERE o.ext_id >= ? AND o.ext_id IS NOT ? AND u.hour >= ? AND u.hour < ? ORDER BY o.ext_id"
);

/// The reservations whose lease has passed.
pub(super) const LOST: &str = held!("WHERE r.lease_until <= ? ORDER BY r.reserved_at, r.id");

fn read_total(row: &Row<'_>) -> rusqlite::Result<UsageTotal> {
    let mut total = UsageTotal::default();
    for (index, figure) in total.figures_mut().into_iter().enumerate() {
        *figure = row.get(index)?;
    }
    Ok(total)
}

fn read_budget(row: &Row<'_>) -> rusqlite::Result<Budget> {
    let key: String = row.get(1)?;
    let (unit, amount): (i64, i64) = (row.get(3)?, row.get(4)?);
    let limit = match unit {
        1 => BudgetLimit::NanoUsd(amount),
        2 => BudgetLimit::Tokens(amount),
        3 => BudgetLimit::Requests(amount),
        _ => return Err(rusqlite::Error::IntegralValueOutOfRange(3, unit)),
    };
    let shares: String = row.get(5)?;
    Ok(Budget {
        scope: row.get::<_, Coded<_>>(0)?.0,
        key: (!key.is_empty()).then_some(key),
        window: row.get::<_, Coded<_>>(2)?.0,
        limit,
        warn_at: shares.split_whitespace().filter_map(|share| share.parse().ok()).collect(),
    })
}

fn unit_code(limit: BudgetLimit) -> i64 {
    match limit {
        BudgetLimit::NanoUsd(_) => 1,
        BudgetLimit::Tokens(_) => 2,
        BudgetLimit::Requests(_) => 3,
    }
}

fn read_held(row: &Row<'_>) -> rusqlite::Result<Held> {
    let owner: String = row.get(1)?;
    let usage =
        Usage { input_tokens: row.get(5)?, output_tokens: row.get(6)?, requests: row.get(7)?, ..Usage::default() };
    let worst = LedgerEntry {
        model: row.get(4)?,
        conversation: row.get::<_, Option<[u8; 16]>>(2)?.map(ConversationId::from_bytes),
        run: row.get(3)?,
        usage,
        cost: Cost { nano_usd: row.get(8)?, ..Cost::default() },
    };
    let (holder, lease_until) = (row.get(9)?, Timestamp::from_millis(row.get(10)?));
    let new =
        NewReservation { id: ReservationId::from_bytes(row.get(0)?), worst, holder, lease_until, also: Vec::new() };
    Ok(Held::new(&owner, &new, Timestamp::from_millis(row.get(11)?)))
}

/// The books of one owner.
pub(super) struct SqlBooks<'a> {
    connection: &'a Connection,
    owner_pk: i64,
    /// True when it is known that no budget is set.
    has_none: bool,
}

impl<'a> SqlBooks<'a> {
    /// For reading; the owner may be unknown.
    pub(super) fn open(connection: &'a Connection, owner: &str) -> Result<Self> {
        let owner_pk = find_owner(connection, owner)?.unwrap_or(NOBODY);
        Ok(Self::known(connection, owner_pk))
    }

    /// Of an owner whose key is known.
    pub(super) const fn known(connection: &'a Connection, owner_pk: i64) -> Self {
        Self { connection, owner_pk, has_none: false }
    }

    /// Where no budget is set, none is looked for.
    pub(super) const fn without_budgets(self) -> Self {
        Self { has_none: true, ..self }
    }

    /// For writing.
    pub(super) fn of(connection: &'a Connection, owner: &str, at: Timestamp) -> Result<Self> {
        let mut owner_pk = find_owner(connection, owner)?;
        if owner_pk.is_none() {
            let insert = "INSERT INTO owner(ext_id, created_at) VALUES(?, ?) RETURNING pk";
            owner_pk = first(connection, insert, params![owner, at.as_millis()], |row| row.get(0))?;
        }
        let owner_pk = owner_pk.ok_or_else(|| Error::internal("an owner could not be noted"))?;
        Ok(Self::known(connection, owner_pk))
    }

    fn pk_of(&self, subject: &Subject) -> i64 {
        if subject.scope == BudgetScope::Application { EVERYBODY } else { self.owner_pk }
    }
}

fn find_owner(connection: &Connection, owner: &str) -> Result<Option<i64>> {
    first(connection, "SELECT pk FROM owner WHERE ext_id = ?", [owner], |row| row.get(0))
}

impl Books for SqlBooks<'_> {
    fn budgets(&self, who: &Spender) -> Result<Vec<(i64, Budget)>> {
        if self.has_none {
            return Ok(Vec::new());
        }
        let conversation = who.conversation.map(|id| id.to_string());
        all(self.connection, HOLDING, params![who.owner, conversation, who.run], |row| {
            Ok((row.get(6)?, read_budget(row)?))
        })
    }

    fn counter(&self, key: &CounterKey) -> Result<Option<Counter>> {
        first(
            self.connection,
            "SELECT spent, reserved, told FROM budget_counter WHERE budget_pk = ? AND started_at = ? AND owner_pk = ? AND key = ?",
            params![key.budget, key.start.as_millis(), self.pk_of(&key.subject), key.subject.key],
            |row| Ok(Counter { spent: row.get(0)?, reserved: row.get(1)?, told: row.get(2)? }),
        )
    }

    fn put_counter(&mut self, key: &CounterKey, counter: Counter) -> Result<()> {
        let Counter { spent, reserved, told } = counter;
        run(
            self.connection,
            "INSERT INTO budget_counter(budget_pk, started_at, owner_pk, key, spent, reserved, told) VALUES(?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT DO UPDATE SET spent = excluded.spent, reserved = excluded.reserved, told = excluded.told",
            params![
                key.budget,
                key.start.as_millis(),
                self.pk_of(&key.subject),
                key.subject.key,
                spent,
                reserved,
                told
            ],
        )
        .map(drop)
    }

    fn sweep(&mut self, budget: i64, before: Timestamp) -> Result<()> {
        run(
            self.connection,
            "DELETE FROM budget_counter WHERE (budget_pk, started_at, owner_pk, key) IN (SELECT budget_pk, started_at, owner_pk, key
             FROM budget_counter WHERE budget_pk = ? AND started_at < ? ORDER BY started_at, owner_pk, key LIMIT ?)",
            params![budget, before.as_millis(), SWEPT],
        )
        .map(drop)
    }

    fn spent(&self, of: &Subject, hours: &Range<i64>) -> Result<UsageTotal> {
        let mut sum = UsageTotal::default();
        let mut add = |row: &Row<'_>| {
            sum.add(&read_total(row)?);
            Ok(true)
        };
        let pk = self.pk_of(of);
        match of.scope {
            BudgetScope::Application | BudgetScope::User => {
                visit(self.connection, BY_HOUR, params![pk, hours.start, hours.end], &mut add)?;
            }
            BudgetScope::Conversation | BudgetScope::Run => {
                let values = params![pk, Coded(of.scope), of.key, hours.start, hours.end];
                visit(self.connection, BY_PART, values, &mut add)?;
            }
        }
        Ok(sum)
    }

    fn open(&self, everybody: bool) -> Result<Vec<Held>> {
        if everybody {
            all(self.connection, held!(""), [], read_held)
        } else {
            all(self.connection, held!("WHERE r.owner_pk = ?"), [self.owner_pk], read_held)
        }
    }

    fn held(&self, id: ReservationId) -> Result<Option<Held>> {
        let sql = held!("WHERE r.id = ? AND r.owner_pk = ?");
        first(self.connection, sql, params![id.as_bytes(), self.owner_pk], read_held)
    }

    fn is_held(&self, id: ReservationId) -> Result<bool> {
        let sql = "SELECT 1 FROM reservation WHERE id = ?";
        first(self.connection, sql, [id.as_bytes()], |_| Ok(())).map(|found| found.is_some())
    }

    fn hold(&mut self, held: &Held) -> Result<()> {
        let LedgerEntry { model, conversation, run: of_run, usage, cost } = &held.worst;
        run(
            self.connection,
            "INSERT INTO reservation(id, owner_pk, conversation_id, run, model, input_tokens, output_tokens, requests, nano_usd,
             holder, lease_until, reserved_at) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                held.id.as_bytes(),
                self.owner_pk,
                conversation.as_ref().map(ConversationId::as_bytes),
                of_run,
                model,
                usage.input_tokens,
                usage.output_tokens,
                usage.requests,
                cost.nano_usd,
                held.holder,
                held.lease_until.as_millis(),
                held.at.as_millis(),
            ],
        )
        .map(drop)
    }

    fn let_go(&mut self, id: ReservationId) -> Result<()> {
        run(self.connection, "DELETE FROM reservation WHERE id = ?", [id.as_bytes()]).map(drop)
    }

    fn note(&mut self, entry: &LedgerEntry, total: &UsageTotal, hour: i64) -> Result<()> {
        let f = total.figures();
        for owner_pk in [self.owner_pk, EVERYBODY] {
            run(
                self.connection,
                concat!(
                    "INSERT INTO usage_hour(owner_pk, hour, model, ",
                    figures!(),
                    ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT ",
                    add_figures!()
                ),
                params![owner_pk, hour, entry.model, f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8]],
            )?;
        }
        let conversation = entry.conversation.map(|id| (BudgetScope::Conversation, id.to_string()));
        let of_run = entry.run.clone().map(|run| (BudgetScope::Run, run));
        for (scope, key) in conversation.into_iter().chain(of_run) {
            run(
                self.connection,
                concat!(
                    "INSERT INTO usage_part(owner_pk, scope, key, hour, ",
                    figures!(),
                    ") VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT ",
                    add_figures!()
                ),
                params![self.owner_pk, Coded(scope), key, hour, f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8]],
            )?;
        }
        Ok(())
    }
}

/// The sums of the ledger, for reports.
struct SqlLedger<'a>(&'a Connection);

impl Ledger for SqlLedger<'_> {
    fn by_hour(
        &self,
        owner: Option<&str>,
        hours: &Range<i64>,
        each: &mut dyn FnMut(i64, &str, &UsageTotal),
    ) -> Result<()> {
        let pk = match owner {
            Some(owner) => find_owner(self.0, owner)?.unwrap_or(NOBODY),
            None => EVERYBODY,
        };
        visit(self.0, BY_HOUR, params![pk, hours.start, hours.end], |row| {
            let model: String = row.get(10)?;
            each(row.get(9)?, &model, &read_total(row)?);
            Ok(true)
        })
    }

    fn by_conversation(&self, owner: &str, after: &str, hours: &Range<i64>, each: &mut Each<'_>) -> Result<()> {
        let pk = find_owner(self.0, owner)?.unwrap_or(NOBODY);
        visit(self.0, BY_CONVERSATION, params![pk, after, hours.start, hours.end], |row| {
            let key: String = row.get(9)?;
            Ok(each(&key, &read_total(row)?))
        })
    }

    fn by_owner(&self, after: Option<&str>, hours: &Range<i64>, each: &mut Each<'_>) -> Result<()> {
        let from = after.unwrap_or_default();
        visit(self.0, BY_OWNER, params![from, after, hours.start, hours.end], |row| {
            let owner: String = row.get(9)?;
            Ok(each(&owner, &read_total(row)?))
        })
    }
}

pub(super) fn has_budgets(connection: &Connection) -> Result<bool> {
    first(connection, "SELECT 1 FROM budget LIMIT 1", [], |_| Ok(())).map(|found| found.is_some())
}

pub(super) fn budgets(connection: &Connection, owner: Option<&str>) -> Result<Vec<Budget>> {
    match owner {
        None => all(connection, "SELECT scope, key, window, unit, amount, warn_at FROM budget", [], read_budget),
        Some(owner) => all(connection, HOLDING, params![owner, None::<String>, None::<String>], read_budget),
    }
}

pub(super) fn budget_status(connection: &Connection, who: &Spender, at: Timestamp) -> Result<Vec<BudgetStatus>> {
    books::status(&SqlBooks::open(connection, &who.owner)?, who, at)
}

pub(super) fn usage(connection: &Connection, query: &UsageQuery) -> Result<UsageReport> {
    usage::report(&SqlLedger(connection), query)
}

pub(super) fn put_budget(connection: &Connection, budget: &Budget) -> Result<()> {
    budget.check()?;
    let id = budget.id();
    let sql = "SELECT scope, key, window, unit, amount, warn_at FROM budget WHERE id = ?";
    if first(connection, sql, [id.as_bytes()], read_budget)?.as_ref() == Some(budget) {
        return Ok(());
    }
    delete_budget(connection, id)?;
    let shares: Vec<String> = budget.warn_at.iter().map(f64::to_string).collect();
    run(
        connection,
        "INSERT INTO budget(id, scope, key, window, unit, amount, warn_at) VALUES(?, ?, ?, ?, ?, ?, ?)",
        params![
            id.as_bytes(),
            Coded(budget.scope),
            budget.key.as_deref().unwrap_or_default(),
            Coded(budget.window),
            unit_code(budget.limit),
            budget.limit.amount(),
            shares.join(" "),
        ],
    )
    .map(drop)
}

pub(super) fn delete_budget(connection: &Connection, id: BudgetId) -> Result<()> {
    let sql = "DELETE FROM budget WHERE id = ? RETURNING pk";
    let Some(pk) = first(connection, sql, [id.as_bytes()], |row| row.get::<_, i64>(0))? else { return Ok(()) };
    run(connection, "DELETE FROM budget_counter WHERE budget_pk = ?", [pk]).map(drop)
}

pub(super) fn renew(connection: &Connection, holder: &str, until: Timestamp) -> Result<()> {
    let sql = "UPDATE reservation SET lease_until = ?2 WHERE holder = ?1";
    run(connection, sql, params![holder, until.as_millis()]).map(drop)
}

/// Settles what nobody holds any more.
pub(super) fn recover(connection: &Connection, now: Timestamp) -> Result<usize> {
    let lost = all(connection, LOST, [now.as_millis()], read_held)?;
    for held in &lost {
        books::settle_at_worst(&mut SqlBooks::of(connection, &held.owner, now)?, held, now)?;
    }
    Ok(lost.len())
}
