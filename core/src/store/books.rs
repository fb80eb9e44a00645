//! How money is counted: one arithmetic for every backend, over the little that a backend must be able to look up.
//!
//! A counter stands for one budget, one window and one user, conversation or run. It is made when it is first needed,
//! from what the ledger knows of its window and from what is reserved in it, and kept up from then on:
//!
//! ```text
//! spent    = what the ledger holds for its window
//! reserved = the worst of every open reservation made in its window
//! ```
//!
//! What a request has cost counts in the window in which it was reserved, not in that in which it ended: otherwise what
//! one window admitted would overshoot the next.

use std::ops::Range;

use super::refusal;
use super::spend::{LedgerEntry, NewReservation, Spender};
use crate::base::{ReservationId, Retry, Timestamp};
use crate::model::{
    Budget, BudgetAlert, BudgetScope, BudgetStatus, Cost, CostSource, Result, Spend, Usage, UsageSource, UsageTotal,
    Window,
};

const HOUR_MILLIS: i64 = 3_600_000;

/// What a backend must be able to look up and write down, for one owner, inside the transaction of a batch.
pub(super) trait Books {
    /// The budgets that hold for who spends, each with its number. A number is never given to another budget, nor to a
    /// changed one.
    fn budgets(&self, who: &Spender) -> Result<Vec<(i64, Budget)>>;
    /// The counter, if it was made.
    fn counter(&self, key: &CounterKey) -> Result<Option<Counter>>;
    /// Writes a counter.
    fn put_counter(&mut self, key: &CounterKey, counter: Counter) -> Result<()>;
    /// Forgets some counters of this budget whose windows began before this moment.
    fn sweep(&mut self, budget: i64, before: Timestamp) -> Result<()>;
    /// What the ledger holds for these hours: of everybody, or of this owner, or of one of the owner's parts.
    fn spent(&self, of: &Subject, hours: &Range<i64>) -> Result<UsageTotal>;
    /// The open reservations: of everybody, or of this owner.
    fn open(&self, everybody: bool) -> Result<Vec<Held>>;
    /// A reservation of this owner.
    fn held(&self, id: ReservationId) -> Result<Option<Held>>;
    /// True when the id is taken, whoever's it is.
    fn is_held(&self, id: ReservationId) -> Result<bool>;
    /// Writes a reservation.
    fn hold(&mut self, held: &Held) -> Result<()>;
    /// Forgets a reservation.
    fn let_go(&mut self, id: ReservationId) -> Result<()>;
    /// Adds to the sums of this hour: the owner's and everybody's by model, and those of the conversation and the run.
    fn note(&mut self, entry: &LedgerEntry, total: &UsageTotal, hour: i64) -> Result<()>;
}

/// What a budget counts together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Subject {
    pub(super) scope: BudgetScope,
    /// The conversation or run; empty for the owner and for everybody.
    pub(super) key: String,
}

/// Names a counter.
#[derive(Clone, Debug)]
pub(super) struct CounterKey {
    pub(super) budget: i64,
    pub(super) start: Timestamp,
    pub(super) subject: Subject,
}

/// Where a budget stands, in its own unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counter {
    pub(super) spent: i64,
    pub(super) reserved: i64,
    /// How much was spent when alerts were last told.
    pub(super) told: i64,
}

/// A reservation that is open.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Held {
    pub(super) id: ReservationId,
    pub(super) owner: String,
    pub(super) worst: LedgerEntry,
    pub(super) holder: String,
    pub(super) lease_until: Timestamp,
    pub(super) at: Timestamp,
}

impl Held {
    pub(super) fn new(owner: &str, new: &NewReservation, at: Timestamp) -> Self {
        let NewReservation { id, worst, holder, lease_until, also: _ } = new.clone();
        // What stands in a reservation is no more than what it can be settled with.
        let Spend { nano_usd, requests, .. } = worst.spend();
        let usage = Usage {
            input_tokens: worst.usage.input_tokens.max(0),
            output_tokens: worst.usage.output_tokens.max(0),
            requests: i32::try_from(requests).unwrap_or(i32::MAX),
            source: UsageSource::Estimated,
            ..Usage::default()
        };
        let source = if nano_usd.is_some() { CostSource::Estimated } else { CostSource::Unknown };
        let cost = Cost { nano_usd, source, price_date: None };
        Self { id, owner: owner.to_owned(), worst: LedgerEntry { usage, cost, ..worst }, holder, lease_until, at }
    }

    fn spender(&self) -> Spender {
        let LedgerEntry { conversation, run, .. } = &self.worst;
        Spender { owner: self.owner.clone(), conversation: *conversation, run: run.clone(), also: Vec::new() }
    }

    /// What goes into the ledger: what is known of it, and the worst of what is not.
    fn settled(&self, entry: &LedgerEntry) -> LedgerEntry {
        let LedgerEntry { conversation, run, .. } = &self.worst;
        let mut entry = LedgerEntry { conversation: *conversation, run: run.clone(), ..entry.clone() };
        if entry.usage.source == UsageSource::Unknown {
            entry.usage = Usage { requests: entry.usage.requests, ..self.worst.usage.clone() };
        }
        if entry.cost.nano_usd.is_none() {
            entry.cost = self.worst.cost.clone();
        }
        entry
    }
}

impl Subject {
    /// What this budget counts together with what this spender spends; nothing when it does not hold for them.
    fn of(budget: &Budget, who: &Spender) -> Option<Self> {
        let key = match budget.scope {
            // Calls of the application itself are no user's.
            BudgetScope::User if who.owner.is_empty() => return None,
            BudgetScope::Application | BudgetScope::User => String::new(),
            BudgetScope::Conversation => who.conversation?.to_string(),
            BudgetScope::Run => who.run.clone()?,
        };
        Some(Self { scope: budget.scope, key })
    }

    /// Whether a reservation of the owner counts in it.
    fn holds(&self, held: &Held) -> bool {
        match self.scope {
            BudgetScope::Application | BudgetScope::User => true,
            BudgetScope::Conversation => held.worst.conversation.is_some_and(|id| id.to_string() == self.key),
            BudgetScope::Run => held.worst.run.as_deref() == Some(self.key.as_str()),
        }
    }

    /// As users see it.
    fn shown(&self, owner: &str) -> Option<String> {
        match self.scope {
            BudgetScope::Application => None,
            BudgetScope::User => Some(owner.to_owned()),
            BudgetScope::Conversation | BudgetScope::Run => Some(self.key.clone()),
        }
    }
}

/// Whether a budget, set for one user, conversation or run, holds for this spender.
pub(super) fn holds(budget: &Budget, who: &Spender) -> bool {
    let Some(key) = budget.key.as_deref() else { return true };
    match budget.scope {
        BudgetScope::Application => true,
        BudgetScope::User => key == who.owner,
        BudgetScope::Conversation => who.conversation.is_some_and(|id| id.to_string() == key),
        BudgetScope::Run => who.run.as_deref() == Some(key),
    }
}

/// Whether a budget may hold for this owner: for everything the owner does, or for some conversation or run of theirs.
pub(super) fn may_hold(budget: &Budget, owner: &str) -> bool {
    match (budget.scope, budget.key.as_deref()) {
        (BudgetScope::User, Some(key)) => key == owner,
        (_, key) => key.is_none(),
    }
}

/// A budget and its counter at some moment.
struct Account {
    key: CounterKey,
    budget: Budget,
    end: Option<Timestamp>,
    counter: Counter,
    made: bool,
}

impl Account {
    fn status(&self, owner: &str) -> BudgetStatus {
        let Counter { spent, reserved, .. } = self.counter;
        let left = i128::from(self.budget.limit.amount()) - i128::from(spent) - i128::from(reserved);
        BudgetStatus {
            budget: self.budget.clone(),
            key: self.key.subject.shown(owner),
            spent,
            reserved,
            remaining: i64::try_from(left.max(0)).unwrap_or(i64::MAX),
            resets_at: self.end,
        }
    }

    /// The shares that are spent now and were not when alerts were last told.
    fn tell(&mut self, owner: &str) -> Vec<BudgetAlert> {
        let Counter { spent, told, .. } = self.counter;
        self.counter.told = told.max(spent);
        let shares = self.budget.warn_at.iter().copied();
        let crossed = shares.filter(|share| {
            let threshold = threshold(self.budget.limit.amount(), *share);
            told < threshold && threshold <= spent
        });
        crossed.map(|share| BudgetAlert { share, status: self.status(owner) }).collect()
    }

    fn write(self, books: &mut impl Books) -> Result<()> {
        if self.made {
            books.sweep(self.key.budget, self.key.start)?;
        }
        books.put_counter(&self.key, self.counter)
    }
}

/// The least amount that is this share of a limit. What a product of floats has too much is cut off.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "a share of a limit needs no last digit"
)]
fn threshold(limit: i64, share: f64) -> i64 {
    let limit = limit as f64;
    ((limit * share - limit * 1e-9).ceil() as i64).max(1)
}

/// The accounts of every budget that holds for who spends, in the windows that hold this moment. `now` is later when
/// something is settled: windows that are over and forgotten are left out.
fn accounts(books: &impl Books, who: &Spender, at: Timestamp, now: Timestamp) -> Result<Vec<Account>> {
    let mut accounts = Vec::new();
    let mut budgets = books.budgets(who)?;
    budgets.sort_by_key(|(number, _)| *number);
    for (number, budget) in budgets {
        let Some(subject) = Subject::of(&budget, who) else { continue };
        let (start, end) = budget.window.bounds(at);
        let key = CounterKey { budget: number, start, subject };
        let found = books.counter(&key)?;
        let over = end.is_some_and(|end| end <= now);
        let counter = match found {
            Some(counter) => counter,
            None if over => continue,
            None => first_count(books, &budget, &key.subject, (start, end))?,
        };
        accounts.push(Account { key, budget, end, counter, made: found.is_none() });
    }
    Ok(accounts)
}

/// The accounts of the budgets that hold besides those that are set. They have no counters: what was spent is summed up
/// from the ledger each time, so that they may change with every call.
fn besides(books: &impl Books, who: &Spender, at: Timestamp) -> Result<Vec<Account>> {
    let mut accounts = Vec::new();
    for budget in &who.also {
        let Some(subject) = Subject::of(budget, who) else { continue };
        let (start, end) = budget.window.bounds(at);
        let counter = first_count(books, budget, &subject, (start, end))?;
        let key = CounterKey { budget: 0, start, subject };
        accounts.push(Account { key, budget: budget.clone(), end, counter, made: false });
    }
    Ok(accounts)
}

/// What a counter begins with.
fn first_count(
    books: &impl Books,
    budget: &Budget,
    subject: &Subject,
    (start, end): (Timestamp, Option<Timestamp>),
) -> Result<Counter> {
    let spent = if budget.window == Window::Minute {
        // The ledger knows hours. A counter of a minute is made by the first request in it.
        UsageTotal::default()
    } else {
        let until = end.map_or(i64::MAX, |end| end.as_millis().div_euclid(HOUR_MILLIS));
        books.spent(subject, &(start.as_millis().div_euclid(HOUR_MILLIS)..until))?
    };
    let spent = Spend {
        nano_usd: Some(spent.nano_usd),
        tokens: spent.input_tokens.saturating_add(spent.output_tokens),
        requests: spent.requests,
    };
    let within = |at: Timestamp| start <= at && end.is_none_or(|end| at < end);
    let reserved = books
        .open(subject.scope == BudgetScope::Application)?
        .iter()
        .filter(|held| within(held.at) && subject.holds(held))
        .fold(0_i64, |sum, held| sum.saturating_add(budget.limit.of(&held.worst.spend()).unwrap_or(0)));
    Ok(Counter { spent: budget.limit.of(&spent).unwrap_or(0), reserved, told: 0 })
}

/// Where every budget stands that holds for who spends.
pub(super) fn status(books: &impl Books, who: &Spender, at: Timestamp) -> Result<Vec<BudgetStatus>> {
    let accounts = accounts(books, who, at, at)?.into_iter().chain(besides(books, who, at)?);
    Ok(accounts.map(|account| account.status(&who.owner)).collect())
}

/// Holds back what a request may cost, or refuses.
pub(super) fn reserve(
    books: &mut impl Books,
    owner: &str,
    new: &NewReservation,
    at: Timestamp,
) -> Result<Vec<BudgetAlert>> {
    if books.is_held(new.id)? {
        return Err(refusal::id_taken());
    }
    let held = Held::new(owner, new, at);
    let worst = held.worst.spend();
    let who = Spender { also: new.also.clone(), ..held.spender() };
    let mut accounts = accounts(books, &who, at, at)?;
    let mut besides = besides(books, &who, at)?;
    let mut short: Vec<(BudgetStatus, i64)> = Vec::new();
    for account in accounts.iter_mut().chain(&mut besides) {
        let limit = account.budget.limit;
        let Some(amount) = limit.of(&worst) else {
            return Err(refusal::unknown_price(account.status(owner)));
        };
        let Counter { spent, reserved, .. } = account.counter;
        let all = i128::from(spent) + i128::from(reserved) + i128::from(amount);
        if amount > 0 && all > i128::from(limit.amount()) {
            short.push((account.status(owner), amount));
        }
        account.counter.reserved = reserved.saturating_add(amount);
    }
    // Who waits for any but the last to renew is refused again.
    let renews = |status: &BudgetStatus| status.resets_at.unwrap_or(Timestamp::from_millis(i64::MAX));
    if let Some((status, amount)) = short.into_iter().max_by_key(|(status, _)| renews(status)) {
        let wait = |end: Timestamp| Retry::After { after_ms: end.as_millis().saturating_sub(at.as_millis()) };
        let retry = status.resets_at.map_or(Retry::Never, wait);
        return Err(refusal::over_budget(status, amount).with_retry(retry));
    }
    let mut alerts = Vec::new();
    for mut account in accounts {
        alerts.append(&mut account.tell(owner));
        account.write(books)?;
    }
    books.hold(&held)?;
    Ok(alerts)
}

/// Puts what a request has cost in the place of what was reserved for it.
pub(super) fn settle(
    books: &mut impl Books,
    id: ReservationId,
    entry: &LedgerEntry,
    now: Timestamp,
) -> Result<Vec<BudgetAlert>> {
    let Some(held) = books.held(id)? else { return Ok(Vec::new()) };
    let entry = held.settled(entry);
    end(books, &held, Some(&entry), now, true)
}

/// Gives back what was reserved.
pub(super) fn release(books: &mut impl Books, id: ReservationId, now: Timestamp) -> Result<()> {
    let Some(held) = books.held(id)? else { return Ok(()) };
    end(books, &held, None, now, false).map(drop)
}

/// Settles what a dead process held at its worst. No alert is told, since nobody here listens: the next one who spends
/// gets it.
pub(super) fn settle_at_worst(books: &mut impl Books, held: &Held, now: Timestamp) -> Result<()> {
    end(books, held, Some(&held.worst), now, false).map(drop)
}

fn end(
    books: &mut impl Books,
    held: &Held,
    entry: Option<&LedgerEntry>,
    now: Timestamp,
    tells: bool,
) -> Result<Vec<BudgetAlert>> {
    let worst = held.worst.spend();
    let spend = entry.map(LedgerEntry::spend);
    let mut alerts = Vec::new();
    // The counters come first: one that is made here begins with this reservation as an open one.
    for mut account in accounts(books, &held.spender(), held.at, now)? {
        let limit = account.budget.limit;
        let amount = |spend: &Spend| limit.of(spend).unwrap_or(0);
        let counter = &mut account.counter;
        counter.reserved = counter.reserved.saturating_sub(amount(&worst)).max(0);
        counter.spent = counter.spent.saturating_add(spend.as_ref().map_or(0, amount));
        if tells && account.end.is_none_or(|end| now < end) {
            alerts.append(&mut account.tell(&held.owner));
        }
        account.write(books)?;
    }
    books.let_go(held.id)?;
    if let Some(entry) = entry {
        note(books, entry, held.at)?;
    }
    Ok(alerts)
}

/// Notes what was spent without a reservation.
pub(super) fn charge(
    books: &mut impl Books,
    owner: &str,
    entry: &LedgerEntry,
    at: Timestamp,
) -> Result<Vec<BudgetAlert>> {
    let who =
        Spender { owner: owner.to_owned(), conversation: entry.conversation, run: entry.run.clone(), also: Vec::new() };
    let spend = entry.spend();
    let mut alerts = Vec::new();
    for mut account in accounts(books, &who, at, at)? {
        let amount = account.budget.limit.of(&spend).unwrap_or(0);
        account.counter.spent = account.counter.spent.saturating_add(amount);
        alerts.append(&mut account.tell(owner));
        account.write(books)?;
    }
    note(books, entry, at)?;
    Ok(alerts)
}

fn note(books: &mut impl Books, entry: &LedgerEntry, at: Timestamp) -> Result<()> {
    books.note(entry, &entry.total(), at.as_millis().div_euclid(HOUR_MILLIS))
}
