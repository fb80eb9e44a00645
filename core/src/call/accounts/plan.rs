//! What the user of a call may do by the tier he belongs to.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::{ErrorKind, Retry, Timestamp};
use crate::model::{Budget, BudgetScope, BudgetStatus, Error, Priority, Result, Tier, Window};
use crate::policy::{Minute, MinuteLimits, Taken, TooMuch};

/// The tier of a user, and what the user has done of it in this minute. Clones are one.
#[derive(Clone, Debug)]
pub struct Plan(Arc<State>);

#[derive(Debug)]
struct State {
    name: String,
    tier: Arc<Tier>,
    minute: Arc<Mutex<Minute>>,
}

impl Plan {
    /// The tier of this name, with the minute of this user.
    #[must_use]
    pub fn new(name: impl Into<String>, tier: Arc<Tier>, minute: Arc<Mutex<Minute>>) -> Self {
        Self(Arc::new(State { name: name.into(), tier, minute }))
    }

    /// Refuses a model that is not for users of this tier.
    ///
    /// # Errors
    /// `Unauthorized` (not_allowed).
    pub fn check_model(&self, model: &str) -> Result<()> {
        if self.0.tier.permits(model) {
            return Ok(());
        }
        let detail = format!(
            "users of the tier `{}` may not ask {model}; use one of {}",
            self.0.name,
            self.0.tier.models.join(", ")
        );
        Err(Error::new(ErrorKind::Unauthorized, "not_allowed", detail))
    }

    /// How urgent a call may be that says it is so urgent.
    #[must_use]
    pub fn urgency(&self, said: Priority) -> Priority {
        self.0.tier.priority.map_or(said, |least| said.max(least))
    }

    /// The budgets that hold besides those that are set.
    #[must_use]
    pub fn budgets(&self) -> &[Budget] {
        &self.0.tier.budgets
    }

    /// True when a minute has its limits.
    pub(super) fn limits_minutes(&self) -> bool {
        self.limits() != MinuteLimits::default()
    }

    fn limits(&self) -> MinuteLimits {
        MinuteLimits { requests: self.0.tier.requests_per_minute, tokens: self.0.tier.tokens_per_minute }
    }

    fn minute(&self) -> MutexGuard<'_, Minute> {
        self.0.minute.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tokens_left(&self, now: Timestamp) -> Option<i64> {
        self.minute().tokens_left(self.limits(), now)
    }

    pub(super) fn take(&self, owner: &str, tokens: i64, now: Timestamp) -> Result<Taken> {
        self.minute().take(self.limits(), tokens, now).map_err(|refused| {
            let TooMuch { is_requests, limit, used, resets_at } = refused;
            let budget = if is_requests { Budget::requests(limit) } else { Budget::tokens(limit) };
            let remaining = limit.saturating_sub(used).max(0);
            let status = BudgetStatus {
                budget: budget.per(Window::Minute).each(BudgetScope::User),
                key: Some(owner.to_owned()),
                spent: used,
                reserved: 0,
                remaining,
                resets_at: Some(resets_at),
            };
            let unit = if is_requests { "requests" } else { "tokens" };
            let detail = format!(
                "the tier `{}` allows {limit} {unit} a minute, of which {remaining} are left; the next minute begins at \
                 {resets_at}",
                self.0.name
            );
            let after_ms = resets_at.as_millis().saturating_sub(now.as_millis()).max(0);
            Error::new(ErrorKind::BudgetExceeded, "tier_rate", detail)
                .with_budget(status)
                .with_retry(Retry::After { after_ms })
        })
    }

    pub(super) fn settle(&self, taken: Taken, tokens: i64) {
        self.minute().settle(taken, tokens);
    }

    pub(super) fn give_back(&self, taken: Taken) {
        self.minute().give_back(taken);
    }

    /// Says of a refusal that it is the tier's.
    pub(super) fn explain(&self, refused: Error) -> Error {
        let Some(status) = refused.budget().filter(|status| self.budgets().contains(&status.budget)) else {
            return refused;
        };
        let detail = format!("by the tier `{}`: {}", self.0.name, refused.detail());
        let (status, retry) = (status.clone(), refused.retry());
        Error::new(ErrorKind::BudgetExceeded, "tier_budget", detail).with_budget(status).with_retry(retry)
    }
}
