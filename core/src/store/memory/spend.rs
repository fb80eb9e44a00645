//! Budgets, reservations and the ledger.

use std::ops::Range;

use super::state::State;
use crate::base::{BudgetId, ReservationId, Timestamp};
use crate::model::{Budget, BudgetScope, BudgetStatus, Result, UsageReport, UsageTotal};
use crate::store::books::{self, Books, Counter, CounterKey, Held, Subject};
use crate::store::usage::{self, Each, Ledger};
use crate::store::{LedgerEntry, Spender, UsageQuery};

/// A counter: its budget, the beginning of its window, whose it is (nothing = everybody's), the conversation or run.
pub(super) type CounterRow = (i64, Timestamp, Option<String>, String);

/// How many old counters are forgotten when a new one is made.
const SWEPT: usize = 4;

/// The books of one owner.
pub(super) struct OwnerBooks<'a> {
    pub(super) state: &'a mut State,
    pub(super) owner: &'a str,
}

impl OwnerBooks<'_> {
    fn row(&self, key: &CounterKey) -> CounterRow {
        let CounterKey { budget, start, subject } = key;
        (*budget, *start, self.whose(subject), subject.key.clone())
    }

    fn whose(&self, subject: &Subject) -> Option<String> {
        (subject.scope != BudgetScope::Application).then(|| self.owner.to_owned())
    }
}

impl Books for OwnerBooks<'_> {
    fn budgets(&self, who: &Spender) -> Result<Vec<(i64, Budget)>> {
        let all = self.state.budgets.iter().map(|(_, row)| row);
        Ok(all.filter(|(_, budget)| books::holds(budget, who)).cloned().collect())
    }

    fn counter(&self, key: &CounterKey) -> Result<Option<Counter>> {
        Ok(self.state.counters.get(&self.row(key)).copied())
    }

    fn put_counter(&mut self, key: &CounterKey, counter: Counter) -> Result<()> {
        self.state.counters.put(self.row(key), counter);
        Ok(())
    }

    fn sweep(&mut self, budget: i64, before: Timestamp) -> Result<()> {
        let first = (budget, Timestamp::from_millis(i64::MIN), None, String::new());
        let old = self.state.counters.range(first..(budget, before, None, String::new()));
        let old: Vec<CounterRow> = old.take(SWEPT).map(|(row, _)| row.clone()).collect();
        for row in old {
            self.state.counters.remove(&row);
        }
        Ok(())
    }

    fn spent(&self, of: &Subject, hours: &Range<i64>) -> Result<UsageTotal> {
        let mut sum = UsageTotal::default();
        match of.scope {
            BudgetScope::Application | BudgetScope::User => {
                let whose = self.whose(of);
                self.state.by_hour(whose.as_deref(), hours, &mut |_, _, more| sum.add(more))?;
            }
            BudgetScope::Conversation | BudgetScope::Run => {
                let row = |hour| (self.owner.to_owned(), of.scope, of.key.clone(), hour);
                self.state.usage_parts.range(row(hours.start)..row(hours.end)).for_each(|(_, more)| sum.add(more));
            }
        }
        Ok(sum)
    }

    fn open(&self, everybody: bool) -> Result<Vec<Held>> {
        let all = self.state.reservations.iter().map(|(_, held)| held);
        Ok(all.filter(|held| everybody || held.owner == self.owner).cloned().collect())
    }

    fn held(&self, id: ReservationId) -> Result<Option<Held>> {
        Ok(self.state.reservations.get(&id).filter(|held| held.owner == self.owner).cloned())
    }

    fn is_held(&self, id: ReservationId) -> Result<bool> {
        Ok(self.state.reservations.get(&id).is_some())
    }

    fn hold(&mut self, held: &Held) -> Result<()> {
        self.state.reservations.put(held.id, held.clone());
        Ok(())
    }

    fn let_go(&mut self, id: ReservationId) -> Result<()> {
        self.state.reservations.remove(&id);
        Ok(())
    }

    fn note(&mut self, entry: &LedgerEntry, total: &UsageTotal, hour: i64) -> Result<()> {
        for whose in [None, Some(self.owner.to_owned())] {
            let row = (whose, hour, entry.model.clone());
            if self.state.usage_hours.edit(&row, |sum| sum.add(total)).is_none() {
                self.state.usage_hours.put(row, *total);
            }
        }
        let conversation = entry.conversation.map(|id| (BudgetScope::Conversation, id.to_string()));
        let run = entry.run.clone().map(|run| (BudgetScope::Run, run));
        for (scope, key) in conversation.into_iter().chain(run) {
            let row = (self.owner.to_owned(), scope, key, hour);
            if self.state.usage_parts.edit(&row, |sum| sum.add(total)).is_none() {
                self.state.usage_parts.put(row, *total);
            }
        }
        Ok(())
    }
}

impl Ledger for State {
    fn by_hour(
        &self,
        owner: Option<&str>,
        hours: &Range<i64>,
        each: &mut dyn FnMut(i64, &str, &UsageTotal),
    ) -> Result<()> {
        let row = |hour| (owner.map(str::to_owned), hour, String::new());
        if hours.start < hours.end {
            self.usage_hours
                .range(row(hours.start)..row(hours.end))
                .for_each(|((_, hour, model), sum)| each(*hour, model, sum));
        }
        Ok(())
    }

    fn by_conversation(&self, owner: &str, after: &str, hours: &Range<i64>, each: &mut Each<'_>) -> Result<()> {
        let scope = BudgetScope::Conversation;
        let rows = self.usage_parts.range((owner.to_owned(), scope, after.to_owned(), i64::MIN)..);
        rows.take_while(|((whose, of, ..), _)| whose == owner && *of == scope)
            .filter(|((_, _, key, hour), _)| key.as_str() > after && hours.contains(hour))
            .all(|((_, _, key, _), sum)| each(key, sum));
        Ok(())
    }

    fn by_owner(&self, after: Option<&str>, hours: &Range<i64>, each: &mut Each<'_>) -> Result<()> {
        let rows = self.usage_hours.range((Some(after.unwrap_or_default().to_owned()), i64::MIN, String::new())..);
        rows.filter_map(|((whose, hour, _), sum)| Some((whose.as_deref()?, hour, sum)))
            .filter(|(whose, hour, _)| after.is_none_or(|after| *whose > after) && hours.contains(hour))
            .all(|(whose, _, sum)| each(whose, sum));
        Ok(())
    }
}

impl State {
    pub(super) fn books<'a>(&'a mut self, owner: &'a str) -> OwnerBooks<'a> {
        OwnerBooks { state: self, owner }
    }

    pub(super) fn put_budget(&mut self, budget: &Budget) -> Result<()> {
        budget.check()?;
        let id = budget.id();
        if self.budgets.get(&id).is_some_and(|(_, set)| set == budget) {
            return Ok(());
        }
        self.delete_budget(id);
        // A changed budget gets a number of its own, so that its counters begin anew, from the ledger.
        self.budget_number += 1;
        self.budgets.put(id, (self.budget_number, budget.clone()));
        Ok(())
    }

    pub(super) fn delete_budget(&mut self, id: BudgetId) {
        let Some((number, _)) = self.budgets.remove(&id) else { return };
        let first = (number, Timestamp::from_millis(i64::MIN), None, String::new());
        let all = self.counters.range(first..).take_while(|((of, ..), _)| *of == number);
        let all: Vec<CounterRow> = all.map(|(row, _)| row.clone()).collect();
        for row in all {
            self.counters.remove(&row);
        }
    }

    pub(super) fn renew_reservations(&mut self, holder: &str, until: Timestamp) {
        let mine = self.reservations.iter().filter(|(_, held)| held.holder == holder);
        let mine: Vec<ReservationId> = mine.map(|(id, _)| *id).collect();
        for id in mine {
            self.reservations.edit(&id, |held| held.lease_until = until);
        }
    }

    /// Settles what nobody holds any more.
    pub(super) fn recover_reservations(&mut self, now: Timestamp) -> Result<()> {
        let lost = self.reservations.iter().filter(|(_, held)| held.lease_until <= now);
        let lost: Vec<Held> = lost.map(|(_, held)| held.clone()).collect();
        lost.iter().try_for_each(|held| books::settle_at_worst(&mut self.books(&held.owner), held, now))
    }

    pub(super) fn has_budgets(&self) -> bool {
        self.budgets.iter().next().is_some()
    }

    pub(super) fn budgets_of(&self, owner: Option<&str>) -> Vec<Budget> {
        let all = self.budgets.iter().map(|(_, (_, budget))| budget);
        all.filter(|budget| owner.is_none_or(|owner| books::may_hold(budget, owner))).cloned().collect()
    }

    pub(super) fn budget_status(&mut self, who: &Spender, at: Timestamp) -> Result<Vec<BudgetStatus>> {
        books::status(&self.books(&who.owner), who, at)
    }

    pub(super) fn usage(&self, query: &UsageQuery) -> Result<UsageReport> {
        usage::report(self, query)
    }
}
