//! Limits on what may be spent, and where they stand.

use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::window::Window;
use crate::base::{BudgetId, Timestamp};

/// The longest key of a budget, in bytes.
const MAX_KEY_BYTES: usize = 512;

/// How many thresholds a budget may have.
const MAX_THRESHOLDS: usize = 16;

/// A limit on what may be spent within a window. A call reserves the most it can cost before it is sent, so that a
/// budget is never overshot; what it has cost takes the place of the reservation after it.
///
/// Two budgets with the same scope, key, window and unit are the same: setting the second replaces the first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// What is counted together.
    pub scope: BudgetScope,
    /// The one user, conversation or run that it is for; nothing = for each one apart. Always nothing for the application.
    #[serde(default)]
    pub key: Option<String>,
    /// When it begins again.
    pub window: Window,
    /// How much may be spent.
    pub limit: BudgetLimit,
    /// At which shares of the limit an alert is raised: more than 0, at most 1. At most 16 of them.
    #[serde(default)]
    pub warn_at: Vec<f64>,
}

/// What a budget counts together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BudgetScope {
    /// Everything that is spent through this store.
    #[default]
    Application,
    /// What one user spends.
    User,
    /// What one conversation spends.
    Conversation,
    /// What one run spends.
    Run,
}

/// How much may be spent, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum BudgetLimit {
    /// Money, in billionths of a US dollar.
    NanoUsd(i64),
    /// Tokens, those sent in and those written.
    Tokens(i64),
    /// Requests that were sent.
    Requests(i64),
}

impl BudgetLimit {
    /// The amount, in its own unit.
    #[must_use]
    pub fn amount(self) -> i64 {
        match self {
            Self::NanoUsd(amount) | Self::Tokens(amount) | Self::Requests(amount) => amount,
        }
    }

    /// Its unit as a stable word: `nano_usd`, `tokens`, `requests`.
    #[must_use]
    pub fn unit(self) -> &'static str {
        match self {
            Self::NanoUsd(_) => "nano_usd",
            Self::Tokens(_) => "tokens",
            Self::Requests(_) => "requests",
        }
    }

    /// How much of its unit this is; nothing when that is not known.
    #[must_use]
    pub fn of(self, spend: &Spend) -> Option<i64> {
        match self {
            Self::NanoUsd(_) => spend.nano_usd,
            Self::Tokens(_) => Some(spend.tokens),
            Self::Requests(_) => Some(spend.requests),
        }
    }
}

impl BudgetScope {
    /// The scope as a stable word: `application`, `user`, `conversation`, `run`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::User => "user",
            Self::Conversation => "conversation",
            Self::Run => "run",
        }
    }
}

impl Budget {
    /// A limit for the whole application, for ever.
    #[must_use]
    pub fn new(limit: BudgetLimit) -> Self {
        Self { scope: BudgetScope::Application, key: None, window: Window::Total, limit, warn_at: Vec::new() }
    }

    /// A limit in US dollars. What is no number is refused when the budget is set.
    #[must_use]
    pub fn usd(usd: f64) -> Self {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "saturates; what is no number becomes a limit that is refused"
        )]
        let nano_usd = if usd.is_nan() { -1 } else { (usd * 1e9).round() as i64 };
        Self::new(BudgetLimit::NanoUsd(nano_usd))
    }

    /// A limit in tokens.
    #[must_use]
    pub fn tokens(tokens: i64) -> Self {
        Self::new(BudgetLimit::Tokens(tokens))
    }

    /// A limit in requests.
    #[must_use]
    pub fn requests(requests: i64) -> Self {
        Self::new(BudgetLimit::Requests(requests))
    }

    /// Begins again with each window.
    #[must_use]
    pub fn per(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// Holds for each user, conversation or run apart.
    #[must_use]
    pub fn each(mut self, scope: BudgetScope) -> Self {
        (self.scope, self.key) = (scope, None);
        self
    }

    /// Holds for this user, conversation or run alone.
    #[must_use]
    pub fn of(mut self, scope: BudgetScope, key: impl Into<String>) -> Self {
        (self.scope, self.key) = (scope, Some(key.into()));
        self
    }

    /// Raises an alert at these shares of the limit, each once in a window.
    #[must_use]
    pub fn warn_at(mut self, shares: impl IntoIterator<Item = f64>) -> Self {
        self.warn_at = shares.into_iter().collect();
        self
    }

    /// Names the budget: by its scope, key, window and unit, so that budgets that replace each other have one id.
    #[must_use]
    pub fn id(&self) -> BudgetId {
        let each = if self.key.is_some() { "of" } else { "each" };
        let key = self.key.as_deref().unwrap_or_default();
        let (scope, window, unit) = (self.scope.as_str(), self.window.as_str(), self.limit.unit());
        BudgetId::derived(&format!("{scope} {window} {unit} {each} {key}"))
    }

    /// Checks that it can be kept.
    ///
    /// # Errors
    /// `Invalid` (bad_budget) that says what is wrong.
    pub fn check(&self) -> Result<()> {
        let bad = |problem: &str| Err(Error::invalid("bad_budget", problem));
        if self.limit.amount() < 0 {
            return bad("the limit of a budget is a number, and at least 0");
        }
        match &self.key {
            Some(_) if self.scope == BudgetScope::Application => {
                return bad("a budget of the application has no key; for one user choose the scope `user`");
            }
            Some(key) if key.is_empty() || key.len() > MAX_KEY_BYTES => {
                return bad("the key of a budget has 1 to 512 bytes; leave it out to mean each one apart");
            }
            _ => {}
        }
        if self.warn_at.len() > MAX_THRESHOLDS {
            return bad("a budget warns at 16 shares of its limit at most");
        }
        if !self.warn_at.iter().all(|share| *share > 0.0 && *share <= 1.0) {
            return bad("a budget warns at shares of its limit: more than 0, at most 1");
        }
        Ok(())
    }
}

/// Something that was spent or may be spent, in all units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spend {
    /// Billionths of a US dollar; nothing when nobody knows the price.
    pub nano_usd: Option<i64>,
    /// Tokens, those sent in and those written.
    pub tokens: i64,
    /// Requests.
    pub requests: i64,
}

/// Where a budget stands for one user, conversation or run, or for the application. Amounts are in the unit of its
/// limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetStatus {
    /// The budget.
    pub budget: Budget,
    /// For which user, conversation or run; nothing for the application.
    pub key: Option<String>,
    /// What was spent in the running window.
    pub spent: i64,
    /// What running calls may spend at most.
    pub reserved: i64,
    /// What is left for further calls; never below 0.
    pub remaining: i64,
    /// When the next window begins; nothing = never.
    pub resets_at: Option<Timestamp>,
}

/// A share of a budget that is now spent, and was not before. Told once for each window, to one process alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct BudgetAlert {
    /// The share of the limit, as it stands in `Budget::warn_at`.
    pub share: f64,
    /// Where the budget stands now.
    pub status: BudgetStatus,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_json_with_units_in_its_names() {
        let budget = Budget::usd(5.0).per(Window::Day).each(BudgetScope::User).warn_at([0.5, 0.8]);
        let json = serde_json::json!({
            "scope": "user", "key": null, "window": "day", "limit": { "nano_usd": 5_000_000_000_i64 }, "warn_at": [0.5, 0.8],
        });
        assert_eq!(serde_json::to_value(&budget).unwrap(), json);
        assert_eq!(serde_json::from_value::<Budget>(json).unwrap(), budget);
        let short = serde_json::json!({ "scope": "run", "window": "total", "limit": { "tokens": 7 } });
        assert_eq!(serde_json::from_value::<Budget>(short).unwrap(), Budget::tokens(7).each(BudgetScope::Run));
    }

    #[test]
    fn dollars_become_whole_billionths() {
        let nano = |usd: f64| Budget::usd(usd).limit.amount();
        assert_eq!((nano(0.1), nano(0.000_000_001), nano(1e300)), (100_000_000, 1, i64::MAX));
        for bad in [f64::NAN, f64::NEG_INFINITY, -1.0] {
            assert!(nano(bad) < 0);
            assert_eq!(Budget::usd(bad).check().unwrap_err().reason(), "bad_budget");
        }
    }

    #[test]
    fn budgets_that_replace_each_other_have_one_id_and_all_others_their_own() {
        let ana = Budget::tokens(5).of(BudgetScope::User, "ana");
        assert_eq!(ana.id(), Budget::tokens(9).warn_at([0.5]).of(BudgetScope::User, "ana").id());
        let others = [
            Budget::tokens(5).each(BudgetScope::User),
            Budget::requests(5).of(BudgetScope::User, "ana"),
            Budget::tokens(5).of(BudgetScope::Conversation, "ana"),
            Budget::tokens(5).per(Window::Day).of(BudgetScope::User, "ana"),
            Budget::tokens(5).of(BudgetScope::User, "each "),
            Budget::tokens(5),
        ];
        let ids: std::collections::HashSet<_> = others.iter().chain([&ana]).map(Budget::id).collect();
        assert_eq!(ids.len(), 7);
        // Ids are kept in databases.
        assert_eq!(Budget::tokens(5).id(), Budget::tokens(6).id());
    }
}
