//! Limits on what may be spent, and where they stand.

use std::sync::Arc;
use std::time::SystemTime;

use super::cancel::CancelToken;
use super::conversation::Conversation;
use super::error::TertuliaError;
use super::id;
use super::message::moment;
use super::tertulia::Tertulia;
use super::user::UserScope;
use super::words::words;
use crate::model;

#[uniffi::export]
impl Tertulia {
    /// Sets a budget, for all calls from now on, in every process that shares the store; one with the same scope, key,
    /// window and unit is replaced. What was spent in its window before counts.
    ///
    /// Each try of a call holds back the most that it can cost until it has ended. So many calls that wait can use a small
    /// budget up until they are answered for less, and others are refused meanwhile; `max_tokens` makes what is held back
    /// small.
    ///
    /// # Errors
    /// `Invalid` (bad_budget), `Storage`, `Closed`.
    #[uniffi::method(default(cancel = None))]
    pub async fn set_budget(&self, budget: Budget, cancel: Option<Arc<CancelToken>>) -> Result<(), TertuliaError> {
        let engine = self.engine.clone();
        self.ground.run(cancel, async move { engine.set_budget(budget.into()).await }).await
    }

    /// Takes a budget away, by its id; one that is not set is no error. What was spent is remembered.
    ///
    /// # Errors
    /// `Invalid` (bad_id), `Storage`, `Closed`.
    #[uniffi::method(default(cancel = None))]
    pub async fn remove_budget(&self, id: String, cancel: Option<Arc<CancelToken>>) -> Result<(), TertuliaError> {
        let (engine, id) = (self.engine.clone(), id::id(&id, "remove_budget")?);
        self.ground.run(cancel, async move { engine.remove_budget(id).await }).await
    }

    /// Every budget that is set.
    ///
    /// # Errors
    /// `Storage`, `Closed`.
    #[uniffi::method(default(cancel = None))]
    pub async fn list_budgets(&self, cancel: Option<Arc<CancelToken>>) -> Result<Vec<Budget>, TertuliaError> {
        let engine = self.engine.clone();
        let budgets = self.ground.run(cancel, async move { engine.list_budgets().await }).await?;
        Ok(budgets.into_iter().map(Budget::from).collect())
    }

    /// Where the budgets of the application stand.
    ///
    /// # Errors
    /// `Storage`, `Closed`.
    #[uniffi::method(default(cancel = None))]
    pub async fn budgets(&self, cancel: Option<Arc<CancelToken>>) -> Result<Vec<BudgetStatus>, TertuliaError> {
        let engine = self.engine.clone();
        self.ground.run(cancel, async move { engine.budgets().await }).await.map(standing)
    }
}

#[uniffi::export]
impl UserScope {
    /// Where every budget stands that holds for this user: the user's own, those of his tier, and those of the application.
    ///
    /// # Errors
    /// `Invalid` (bad_user), `Storage`, `Closed`.
    #[uniffi::method(default(cancel = None))]
    pub async fn budgets(&self, cancel: Option<Arc<CancelToken>>) -> Result<Vec<BudgetStatus>, TertuliaError> {
        let user = self.user.clone();
        self.ground.run(cancel, async move { user.budgets().await }).await.map(standing)
    }
}

#[uniffi::export]
impl Conversation {
    /// Where every budget stands that holds for a call in this conversation.
    ///
    /// # Errors
    /// `Invalid` (bad_user), `Storage`, `Closed`.
    #[uniffi::method(default(cancel = None))]
    pub async fn budgets(&self, cancel: Option<Arc<CancelToken>>) -> Result<Vec<BudgetStatus>, TertuliaError> {
        let chat = self.chat.clone();
        self.ground.run(cancel, async move { chat.budgets().await }).await.map(standing)
    }
}

fn standing(all: Vec<model::BudgetStatus>) -> Vec<BudgetStatus> {
    all.into_iter().map(BudgetStatus::from).collect()
}

/// A limit on what may be spent within a window. A call reserves the most it can cost before it is sent, so that a
/// budget is never overshot; what it has cost takes the place of the reservation after it.
///
/// Two budgets with the same scope, key, window and unit are the same: setting the second replaces the first.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Budget {
    /// How much may be spent.
    pub limit: BudgetLimit,
    /// When it begins again.
    pub window: Window,
    /// What is counted together.
    pub scope: BudgetScope,
    /// The one user, conversation or run that it is for; nothing = for each one apart. Always nothing for the application.
    #[uniffi(default)]
    pub key: Option<String>,
    /// At which shares of the limit an alert is raised: more than 0, at most 1. At most 16 of them.
    #[uniffi(default)]
    pub warn_at: Vec<f64>,
}

#[uniffi::export]
impl Budget {
    /// Names the budget: by its scope, key, window and unit, so that budgets that replace each other have one id.
    #[must_use]
    pub fn id(&self) -> String {
        model::Budget::from(self.clone()).id().to_string()
    }
}

impl From<model::Budget> for Budget {
    fn from(budget: model::Budget) -> Self {
        let model::Budget { scope, key, window, limit, warn_at } = budget;
        Self { limit: limit.into(), window: window.into(), scope: scope.into(), key, warn_at }
    }
}

impl From<Budget> for model::Budget {
    fn from(budget: Budget) -> Self {
        let Budget { limit, window, scope, key, warn_at } = budget;
        Self { scope: scope.into(), key, window: window.into(), limit: limit.into(), warn_at }
    }
}

/// How much may be spent, and of what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum BudgetLimit {
    /// Money.
    NanoUsd {
        /// In billionths of a US dollar.
        nano_usd: i64,
    },
    /// Tokens.
    Tokens {
        /// Those sent in and those written.
        tokens: i64,
    },
    /// Requests.
    Requests {
        /// Those that were sent.
        requests: i64,
    },
}

impl From<model::BudgetLimit> for BudgetLimit {
    fn from(limit: model::BudgetLimit) -> Self {
        match limit {
            model::BudgetLimit::NanoUsd(nano_usd) => Self::NanoUsd { nano_usd },
            model::BudgetLimit::Tokens(tokens) => Self::Tokens { tokens },
            model::BudgetLimit::Requests(requests) => Self::Requests { requests },
        }
    }
}

impl From<BudgetLimit> for model::BudgetLimit {
    fn from(limit: BudgetLimit) -> Self {
        match limit {
            BudgetLimit::NanoUsd { nano_usd } => Self::NanoUsd(nano_usd),
            BudgetLimit::Tokens { tokens } => Self::Tokens(tokens),
            BudgetLimit::Requests { requests } => Self::Requests(requests),
        }
    }
}

words! {
    /// What a budget counts together.
    BudgetScope as model::BudgetScope {
        /// Everything that is spent through this store.
        Application,
        /// What one user spends.
        User,
        /// What one conversation spends.
        Conversation,
        /// What one run spends.
        Run,
    }
}

words! {
    /// How long something is counted before it begins again at nothing. In UTC: days begin at midnight, weeks on Monday,
    /// months on their first day.
    Window as model::Window {
        /// A minute of the clock.
        Minute,
        /// An hour of the clock.
        Hour,
        /// A day.
        Day,
        /// A week, from Monday.
        Week,
        /// A month of the calendar.
        Month,
        /// For ever.
        Total,
    }
}

/// Where a budget stands for one user, conversation or run, or for the application. Amounts are in the unit of its
/// limit.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
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
    pub resets_at: Option<SystemTime>,
}

impl From<model::BudgetStatus> for BudgetStatus {
    fn from(status: model::BudgetStatus) -> Self {
        let model::BudgetStatus { budget, key, spent, reserved, remaining, resets_at } = status;
        Self { budget: budget.into(), key, spent, reserved, remaining, resets_at: resets_at.map(moment) }
    }
}
