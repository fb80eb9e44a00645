//! What groups of users may do.

use std::collections::HashMap;

use super::budget::Budget;
use super::error::TertuliaError;
use super::tertulia::Tertulia;
use super::user::UserScope;
use super::words::Priority;
use crate::model;

#[uniffi::export]
#[expect(clippy::result_large_err, reason = "a border has no boxes; the error is written to bytes at once")]
impl Tertulia {
    /// Says what users of this tier may do, for all of their calls from now on; calls under way end as they began. Tiers
    /// are kept in memory: set them after the opening.
    ///
    /// # Errors
    /// `Invalid` (bad_tier, bad_budget).
    pub fn set_tier(&self, name: String, tier: Tier) -> Result<(), TertuliaError> {
        Ok(self.engine.set_tier(name, tier.into())?)
    }

    /// Takes a tier away. Who belongs to it may do whatever the budgets allow, until it is set again.
    pub fn remove_tier(&self, name: String) {
        self.engine.remove_tier(&name);
    }

    /// The tiers that are set, by name.
    #[must_use]
    pub fn tiers(&self) -> HashMap<String, Tier> {
        self.engine.tiers().into_iter().map(|(name, tier)| (name, tier.into())).collect()
    }

    /// Says that a user belongs to a tier, or to none. Kept in memory.
    ///
    /// # Errors
    /// `Invalid` (unknown_tier, bad_user); `Closed`.
    pub fn assign_tier(&self, user: String, tier: Option<String>) -> Result<(), TertuliaError> {
        Ok(self.engine.assign_tier(user, tier.as_deref())?)
    }
}

#[uniffi::export]
impl UserScope {
    /// The tier that this user belongs to.
    #[must_use]
    pub fn tier(&self) -> Option<String> {
        self.user.tier()
    }
}

/// What each user of a group may do, as those of a plan. What is left out is not limited.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Tier {
    /// So many requests in a minute of the clock.
    #[uniffi(default)]
    pub requests_per_minute: Option<i64>,
    /// So many tokens in a minute of the clock, those sent in and those written.
    #[uniffi(default)]
    pub tokens_per_minute: Option<i64>,
    /// Budgets of each user, or of each conversation, besides those that are set: without a key, with a window of an hour
    /// or longer. One of the application's scope is one of each user. They raise no alerts.
    #[uniffi(default)]
    pub budgets: Vec<Budget>,
    /// The models that may be asked: by name, or by a beginning with `*` behind it; none named: all of them.
    #[uniffi(default)]
    pub models: Vec<String>,
    /// No call goes before others of this class, however urgent it says it is. Nothing: as it says.
    #[uniffi(default)]
    pub priority: Option<Priority>,
}

impl From<model::Tier> for Tier {
    fn from(tier: model::Tier) -> Self {
        let model::Tier { requests_per_minute, tokens_per_minute, budgets, models, priority } = tier;
        let budgets = budgets.into_iter().map(Budget::from).collect();
        Self { requests_per_minute, tokens_per_minute, budgets, models, priority: priority.map(Priority::from) }
    }
}

impl From<Tier> for model::Tier {
    fn from(tier: Tier) -> Self {
        let Tier { requests_per_minute, tokens_per_minute, budgets, models, priority } = tier;
        let budgets = budgets.into_iter().map(model::Budget::from).collect();
        Self { requests_per_minute, tokens_per_minute, budgets, models, priority: priority.map(model::Priority::from) }
    }
}
