//! What a whole reply has cost, on its way to whoever writes the reply down.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::target::Call;
use super::Accounts;
use crate::model::BudgetAlert;
use crate::store::Op;

/// Where a call leaves its bill for the turn that it belongs to, which writes it down with its reply: one batch in the
/// place of two. Clones are one.
#[derive(Clone, Default)]
pub struct BillSlot(Arc<Mutex<Option<Bill>>>);

impl BillSlot {
    /// Leaves the bill of the reply.
    pub(super) fn put(&self, bill: Bill) {
        // One that was there before is written down where it goes.
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).replace(bill));
    }

    /// Takes it, if one was left.
    #[must_use]
    pub fn take(&self) -> Option<Bill> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// What a whole reply has cost. Let go before it is written down, it writes itself down, in a batch of its own.
pub struct Bill {
    accounts: Accounts,
    call: Call,
    op: Option<Op>,
}

impl Bill {
    pub(super) const fn new(accounts: Accounts, call: Call, op: Op) -> Self {
        Self { accounts, call, op: Some(op) }
    }

    /// What is to be written.
    #[must_use]
    pub fn op(&self) -> Option<Op> {
        self.op.clone()
    }

    /// It was written; the store had this to say about budgets.
    pub fn written(mut self, alerts: Vec<BudgetAlert>) {
        self.op = None;
        self.accounts.alert(alerts);
    }
}

impl Drop for Bill {
    fn drop(&mut self) {
        if let Some(op) = self.op.take() {
            self.accounts.write(&self.call, move |_| op.clone(), false);
        }
    }
}
