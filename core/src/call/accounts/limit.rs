//! What one call may cost in all of its tries.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::{ErrorKind, Timestamp};
use crate::model::{Cost, CostSource, Error, Price, Result};
use crate::policy::{Bound, Room};

/// What one call may cost in all of its tries, whatever budgets there are. Clones are one.
#[derive(Clone, Debug)]
pub struct CostLimit(Arc<State>);

#[derive(Debug)]
struct State {
    limit: i64,
    /// What its tries have cost, and may cost while they run.
    taken: Mutex<i64>,
}

impl CostLimit {
    /// At most so many nano-USD.
    #[must_use]
    pub fn new(nano_usd: i64) -> Self {
        Self(Arc::new(State { limit: nano_usd, taken: Mutex::default() }))
    }

    /// Takes what a try can cost, with as long an answer as there is room for.
    ///
    /// # Errors
    /// `BudgetExceeded` (max_cost, unknown_price).
    pub(super) fn take(&self, bound: Bound, price: Option<&Price>, at: Timestamp) -> Result<(Bound, i64)> {
        let Some(price) = price else {
            return Err(Error::new(
                ErrorKind::BudgetExceeded,
                "unknown_price",
                "nobody knows what this model costs, so `max_cost_usd` cannot be held: load a catalogue with its price, \
                 or leave the limit out",
            ));
        };
        let mut taken = self.taken();
        let left = self.0.limit.saturating_sub(*taken);
        let Some(bound) = bound.within(Room { nano_usd: Some(left), tokens: None }, Some(price), at) else {
            let named = |nano_usd| Cost { nano_usd: Some(nano_usd), source: CostSource::Estimated, price_date: None };
            let detail = format!(
                "the call may cost {} more by its `max_cost_usd`, and another try of it can cost {}: raise the limit, or \
                 lower `max_tokens`",
                named(left.max(0)),
                named(bound.nano_usd(price, at)),
            );
            return Err(Error::new(ErrorKind::BudgetExceeded, "max_cost", detail));
        };
        let nano_usd = bound.nano_usd(price, at);
        *taken = taken.saturating_add(nano_usd);
        Ok((bound, nano_usd))
    }

    /// Notes what was spent before, by whom this limit did not know.
    pub(crate) fn spend(&self, nano_usd: i64) {
        let mut taken = self.taken();
        *taken = taken.saturating_add(nano_usd);
    }

    /// What is left of it, in nano-USD.
    #[must_use]
    pub fn left(&self) -> i64 {
        self.0.limit.saturating_sub(*self.taken()).max(0)
    }

    /// Gives back what was taken and not spent.
    pub(super) fn put_back(&self, nano_usd: i64) {
        let mut taken = self.taken();
        *taken = taken.saturating_sub(nano_usd);
    }

    /// Tells this limit from all others that are in use.
    pub(in crate::call) fn id(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    fn taken(&self) -> MutexGuard<'_, i64> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
