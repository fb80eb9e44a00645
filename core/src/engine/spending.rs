//! Budgets and what was spent, for the application, a user and a conversation.

use std::pin::Pin;
use std::sync::Arc;

use super::conversation::Conversation;
use super::tertulia::{Inner, Tertulia};
use super::user::UserScope;
use crate::base::{BudgetId, ConversationId, Timestamp};
use crate::model::{Budget, BudgetStatus, Result, UsageBy, UsageReport};
use crate::store::{Durability, Op, Spender, UsageQuery, WriteBatch};

/// Rows of a report, unless told otherwise.
const ROWS: usize = 50;

/// The most rows of a report.
const MAX_ROWS: usize = 200;

impl Tertulia {
    /// Sets a budget, for all calls from now on, in every process that shares the store; one with the same scope, key,
    /// window and unit is replaced. What was spent in its window before counts.
    ///
    /// Each try of a call holds back the most that it can cost from before it waits for its turn
    /// ([`QueueSettings`](crate::QueueSettings)) until it has ended: [`BudgetStatus::reserved`](crate::BudgetStatus::reserved)
    /// says how much. So many calls that wait can use a small budget up until they are answered for less, and others are
    /// refused meanwhile; `max_tokens` makes what is held back small.
    ///
    /// # Errors
    /// `Invalid` (bad_budget), `Storage`, `Closed`.
    pub async fn set_budget(&self, budget: Budget) -> Result<()> {
        budget.check().map_err(|e| e.during("set_budget"))?;
        self.0.change_budgets(Op::PutBudget(budget), "set_budget").await
    }

    /// Takes a budget away, by its [`id`](Budget::id); one that is not set is no error. What was spent is remembered.
    ///
    /// # Errors
    /// `Storage`, `Closed`.
    pub async fn remove_budget(&self, id: BudgetId) -> Result<()> {
        self.0.change_budgets(Op::DeleteBudget { id }, "remove_budget").await
    }

    /// Every budget that is set.
    ///
    /// # Errors
    /// `Storage`, `Closed`.
    pub async fn list_budgets(&self) -> Result<Vec<Budget>> {
        let engine = &self.0;
        let work = async {
            engine.check_open()?;
            engine.store.budgets(None).await
        };
        engine.tasks.on_runtime(work).await.map_err(|e| e.during("list_budgets"))
    }

    /// Where the budgets of the application stand.
    ///
    /// # Errors
    /// `Storage`, `Closed`.
    pub async fn budgets(&self) -> Result<Vec<BudgetStatus>> {
        self.0.standing(Spender::default()).await
    }

    /// What everybody has spent through this store. By model unless told otherwise.
    pub fn usage(&self) -> UsageCall {
        UsageCall::new(self.0.clone(), None)
    }
}

impl UserScope {
    /// Where every budget stands that holds for this user: the user's own, those of his tier, and those of the
    /// application.
    ///
    /// # Errors
    /// `Invalid` (bad_user), `Storage`, `Closed`.
    pub async fn budgets(&self) -> Result<Vec<BudgetStatus>> {
        self.check().map_err(|e| e.during("budgets"))?;
        self.engine.standing(self.spender(None)).await
    }

    /// What this user has spent, deleted conversations included. By model unless told otherwise.
    pub fn usage(&self) -> UsageCall {
        UsageCall::new(self.engine.clone(), Some(self.clone()))
    }

    pub(super) fn spender(&self, conversation: Option<ConversationId>) -> Spender {
        let plan = self.engine.tiers.plan(&self.owner);
        let also = plan.map(|plan| plan.budgets().to_vec()).unwrap_or_default();
        Spender { owner: (*self.owner).to_owned(), conversation, run: None, also }
    }
}

impl Conversation {
    /// Where every budget stands that holds for a call in this conversation.
    ///
    /// # Errors
    /// `Invalid` (bad_user), `Storage`, `Closed`.
    pub async fn budgets(&self) -> Result<Vec<BudgetStatus>> {
        self.user.check().map_err(|e| e.during("budgets"))?;
        self.user.engine.standing(self.user.spender(Some(self.id))).await
    }
}

impl Inner {
    async fn change_budgets(&self, op: Op, operation: &'static str) -> Result<()> {
        let work = async {
            self.check_open()?;
            let batch = WriteBatch::new("", self.clock.now()).op(op);
            self.store.apply(batch, Durability::PowerSafe).await.map(drop)
        };
        self.tasks.on_runtime(work).await.map_err(|e| e.during(operation))
    }

    pub(super) async fn standing(&self, spender: Spender) -> Result<Vec<BudgetStatus>> {
        let work = async {
            self.check_open()?;
            self.store.budget_status(spender, self.clock.now()).await
        };
        self.tasks.on_runtime(work).await.map_err(|e| e.during("budgets"))
    }
}

/// A report on what was spent, before it is awaited.
#[must_use = "nothing happens until it is awaited"]
pub struct UsageCall {
    engine: Arc<Inner>,
    user: Option<UserScope>,
    query: UsageQuery,
}

impl UsageCall {
    fn new(engine: Arc<Inner>, user: Option<UserScope>) -> Self {
        let owner = user.as_ref().map(|user| (*user.owner).to_owned());
        let query = UsageQuery { owner, by: UsageBy::Model, since: None, until: None, after: None, limit: ROWS };
        Self { engine, user, query }
    }

    /// By what it is summed up.
    pub fn by(mut self, by: UsageBy) -> Self {
        self.query.by = by;
        self
    }

    /// From this moment on, rounded down to its hour.
    pub fn since(mut self, since: Timestamp) -> Self {
        self.query.since = Some(since);
        self
    }

    /// Before this moment, rounded up to its hour.
    pub fn until(mut self, until: Timestamp) -> Self {
        self.query.until = Some(until);
        self
    }

    /// Rows behind this key: the `next` of the page before.
    pub fn after(mut self, key: impl Into<String>) -> Self {
        self.query.after = Some(key.into());
        self
    }

    /// At most this many rows, 1 to 200. 50 unless set.
    pub fn limit(mut self, limit: usize) -> Self {
        self.query.limit = limit;
        self
    }

    async fn run(self) -> Result<UsageReport> {
        let Self { engine, user, mut query } = self;
        let work = async {
            match &user {
                Some(user) => user.check()?,
                None => engine.check_open()?,
            }
            query.limit = query.limit.clamp(1, MAX_ROWS);
            engine.store.usage(query).await
        };
        engine.tasks.on_runtime(work).await.map_err(|e| e.during("usage"))
    }
}

impl IntoFuture for UsageCall {
    type Output = Result<UsageReport>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<UsageReport>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
