//! Budgets, reservations and the ledger.

use rusqlite::Connection;

use crate::base::Timestamp;
use crate::model::{Budget, BudgetStatus, Result, UsageReport};
use crate::store::{Spender, UsageQuery};

pub(super) fn has_budgets(_: &Connection) -> Result<bool> {
    Ok(false)
}

pub(super) fn budgets(_: &Connection, _: Option<&str>) -> Result<Vec<Budget>> {
    Ok(Vec::new())
}

pub(super) fn budget_status(_: &Connection, _: &Spender, _: Timestamp) -> Result<Vec<BudgetStatus>> {
    Ok(Vec::new())
}

pub(super) fn usage(_: &Connection, _: &UsageQuery) -> Result<UsageReport> {
    Ok(UsageReport::default())
}
