//! What a group of users may do.

use serde::{Deserialize, Serialize};

use super::budget::{Budget, BudgetScope};
use super::error::{Error, Result};
use super::priority::Priority;

/// What each user of a group may do, as those of a plan. What is left out is not limited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Tier {
    /// So many requests in a minute of the clock.
    pub requests_per_minute: Option<i64>,
    /// So many tokens in a minute of the clock, those sent in and those written.
    pub tokens_per_minute: Option<i64>,
    /// Budgets of each user, or of each conversation, besides those that are set: without a key, with a window of an hour
    /// or longer. They raise no alerts.
    pub budgets: Vec<Budget>,
    /// The models that may be asked: by name, as `anthropic/*`, or all of them (`*`, or none named).
    pub models: Vec<String>,
    /// No call goes before others of this class, however urgent it says it is. Nothing: as it says.
    pub priority: Option<Priority>,
}

impl Tier {
    /// Checks that it can be held, and makes budgets without a scope those of each user.
    ///
    /// # Errors
    /// `Invalid` (bad_tier, bad_budget) that says what is wrong.
    pub fn checked(mut self) -> Result<Self> {
        let bad = |problem: &str| Err(Error::invalid("bad_tier", problem));
        let rates = [self.requests_per_minute, self.tokens_per_minute];
        if rates.into_iter().flatten().any(|rate| rate < 0) {
            return bad("a tier allows at least 0 requests and tokens a minute");
        }
        for budget in &mut self.budgets {
            budget.check()?;
            if budget.scope == BudgetScope::Application {
                budget.scope = BudgetScope::User;
            }
            if budget.key.is_some() || budget.scope == BudgetScope::Run {
                return bad("the budgets of a tier are for each user or each conversation of it, and have no key");
            }
            if budget.window == super::Window::Minute {
                return bad("for a minute a tier has `requests_per_minute` and `tokens_per_minute`");
            }
        }
        Ok(self)
    }

    /// Whether a model, as `provider/model`, may be asked.
    #[must_use]
    pub fn permits(&self, model: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(start) => model.starts_with(start),
            None => model == pattern,
        };
        self.models.is_empty() || self.models.iter().any(fits)
    }
}
