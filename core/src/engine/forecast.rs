//! What a window will have cost at its end.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::tertulia::{Inner, Tertulia};
use super::user::UserScope;
use crate::base::Timestamp;
use crate::model::{BudgetLimit, BudgetScope, BudgetStatus, Error, Forecast, Result, UsageBy, Window};
use crate::policy::forecast::{CONFIDENCE, Piece, outlook, reached_at};
use crate::store::{Spender, UsageQuery};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// So many days are looked back on: four whole weeks and the day that runs.
const DAYS: i64 = 28;

/// With fewer days than these it goes by hours.
const FEW_DAYS: usize = 3;

/// So many hours are looked back on then.
const HOURS: i64 = 24;

/// How long it is at least between two looks at whether the budgets of one user will last.
const PAUSE: Duration = Duration::from_secs(600);

/// How long it is at least between any two looks, so that they cost the same with a thousand users as with one.
const BEAT: Duration = Duration::from_secs(1);

/// So many users are remembered; with more, all of them may be looked at again.
const MAX_LOOKED: usize = 4_096;

/// When it was looked last whether budgets will last.
#[derive(Default)]
pub(super) struct Foresight(Mutex<Looked>);

#[derive(Default)]
struct Looked {
    users: HashMap<Arc<str>, Duration>,
    last: Option<Duration>,
}

impl Foresight {
    /// True when it is time to look at this user's budgets, and those of everybody.
    fn is_time(&self, user: &Arc<str>, now: Duration) -> bool {
        let mut looked = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let since = |at: &Duration, pause| now.saturating_sub(*at) >= pause;
        if looked.last.is_some_and(|at| !since(&at, BEAT)) || looked.users.get(user).is_some_and(|at| !since(at, PAUSE))
        {
            return false;
        }
        if looked.users.len() >= MAX_LOOKED {
            looked.users.clear();
        }
        looked.users.insert(user.clone(), now);
        looked.last = Some(now);
        true
    }
}

impl Tertulia {
    /// What everybody will have spent in this window at its end: an hour, a day, a week or a month. Goes by the last 28
    /// days; how is written at [`policy::forecast`](crate::policy::forecast). One that goes beyond a budget in money of
    /// the application raises an alert.
    ///
    /// # Errors
    /// `Invalid` (bad_window) for a minute and for `Total`; `Storage`, `Closed`.
    pub async fn forecast(&self, window: Window) -> Result<Forecast> {
        self.0.forecast(None, window).await
    }
}

impl UserScope {
    /// What this user will have spent in this window at its end, as [`Tertulia::forecast`] says it for everybody. One
    /// that goes beyond a budget in money of this user raises an alert.
    ///
    /// # Errors
    /// `Invalid` (bad_window, bad_user), `Storage`, `Closed`.
    pub async fn forecast(&self, window: Window) -> Result<Forecast> {
        self.check().map_err(|e| e.during("forecast"))?;
        self.engine.forecast(Some(&self.owner), window).await
    }
}

impl Inner {
    async fn forecast(&self, owner: Option<&str>, window: Window) -> Result<Forecast> {
        let work = async {
            self.check_open()?;
            self.foresee(owner, window).await
        };
        self.tasks.on_runtime(work).await.map_err(|e| e.during("forecast"))
    }

    /// Something was spent for this user: once in a while it is looked whether the budgets last, in a task of its own.
    pub(super) fn has_spent(self: &Arc<Self>, owner: &Arc<str>) {
        if self.foresight.is_time(owner, self.clock.monotonic()) {
            let (engine, owner) = (self.clone(), owner.clone());
            self.tasks.spawn("forecast", Some(owner.clone()), async move {
                if let Err(error) = engine.look_ahead(&owner).await {
                    tracing::warn!(
                        target: "tertulia::budget", operation = "forecast", error_kind = error.kind().as_str(),
                        reason = error.reason(), "it could not be seen whether budgets will last",
                    );
                }
                Ok(())
            });
        }
    }

    /// Raises an alert for each budget in money that will not last.
    async fn look_ahead(&self, owner: &str) -> Result<()> {
        if !self.store.has_budgets().await? {
            return Ok(());
        }
        let spender = Spender { owner: owner.to_owned(), ..Spender::default() };
        let mut seen = Vec::new();
        for BudgetStatus { budget, .. } in self.store.budget_status(spender, self.clock.now()).await? {
            let of = match budget.scope {
                BudgetScope::Application => None,
                // Calls of the application itself are nobody's.
                BudgetScope::User if !owner.is_empty() => Some(owner),
                _ => continue,
            };
            let is_foreseen = matches!(budget.limit, BudgetLimit::NanoUsd(_))
                && !matches!(budget.window, Window::Minute | Window::Total);
            if is_foreseen && !seen.contains(&(of, budget.window)) {
                seen.push((of, budget.window));
                self.foresee(of, budget.window).await?;
            }
        }
        Ok(())
    }

    async fn foresee(&self, owner: Option<&str>, window: Window) -> Result<Forecast> {
        let now = self.clock.now();
        let (start, Some(end)) = window.bounds(now) else { return Err(bad_window()) };
        if window == Window::Minute {
            return Err(bad_window());
        }
        let spent = self.spent(owner, start, None).await?;
        let mut pieces = self.days(owner, now).await?;
        if pieces.len() < FEW_DAYS {
            pieces = self.hours(owner, now).await?;
        }
        let left = length(now, end);
        let outlook = outlook(&pieces, spent, left);
        let mut forecast = Forecast {
            spent_nano_usd: spent,
            expected_nano_usd: outlook.expected,
            low_nano_usd: outlook.low,
            high_nano_usd: outlook.high,
            confidence: CONFIDENCE,
            ends_at: end,
            exceeds_at: None,
        };
        let spender = Spender { owner: owner.unwrap_or_default().to_owned(), ..Spender::default() };
        let scope = if owner.is_some() { BudgetScope::User } else { BudgetScope::Application };
        let standing = self.store.budget_status(spender, now).await?;
        let mut exceeded = Vec::new();
        for status in standing {
            let BudgetLimit::NanoUsd(limit) = status.budget.limit else { continue };
            if (status.budget.scope, status.budget.window) != (scope, window) {
                continue;
            }
            if let Some(at) = reached_at(&outlook, spent, limit, now, left) {
                forecast.exceeds_at = Some(forecast.exceeds_at.map_or(at, |before| before.min(at)));
                exceeded.push(status);
            }
        }
        exceeded.into_iter().for_each(|status| self.alerts.forecast(status, forecast));
        Ok(forecast)
    }

    /// What was spent from this moment on, before that one.
    async fn spent(&self, owner: Option<&str>, since: Timestamp, until: Option<Timestamp>) -> Result<i64> {
        let query = query(owner, since, until, 1);
        Ok(self.store.usage(query).await?.total.nano_usd)
    }

    /// The days from the first one on of which something is known; the last one is not over.
    async fn days(&self, owner: Option<&str>, now: Timestamp) -> Result<Vec<Piece>> {
        let today = now.as_millis().div_euclid(DAY_MS) * DAY_MS;
        let report = self.store.usage(query(owner, moment(today - DAYS * DAY_MS), None, 64)).await?;
        let days = (-DAYS..=0).map(|ago| today + ago * DAY_MS);
        let days = days.map(|from| {
            let name = moment(from).to_string();
            let row = report.rows.iter().find(|row| name.starts_with(&row.key));
            let lasted = length(moment(from), moment((from + DAY_MS).min(now.as_millis())));
            (row.is_some(), Piece { lasted, nano_usd: row.map_or(0, |row| row.usage.nano_usd) })
        });
        Ok(days.skip_while(|(is_known, _)| !is_known).map(|(_, piece)| piece).collect())
    }

    /// The hours from the first one on in which something was spent; the last one is not over.
    async fn hours(&self, owner: Option<&str>, now: Timestamp) -> Result<Vec<Piece>> {
        let this = now.as_millis().div_euclid(HOUR_MS) * HOUR_MS;
        let mut pieces = Vec::new();
        for ago in (0..HOURS).rev() {
            let from = this - ago * HOUR_MS;
            let nano_usd = self.spent(owner, moment(from), Some(moment(from + HOUR_MS))).await?;
            if nano_usd > 0 || !pieces.is_empty() {
                pieces.push(Piece {
                    lasted: length(moment(from), moment((from + HOUR_MS).min(now.as_millis()))),
                    nano_usd,
                });
            }
        }
        Ok(pieces)
    }
}

fn query(owner: Option<&str>, since: Timestamp, until: Option<Timestamp>, limit: usize) -> UsageQuery {
    let owner = owner.map(str::to_owned);
    UsageQuery { owner, by: UsageBy::Day, since: Some(since), until, after: None, limit }
}

const fn moment(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn length(from: Timestamp, to: Timestamp) -> Duration {
    Duration::from_millis(u64::try_from(to.as_millis().saturating_sub(from.as_millis())).unwrap_or(0))
}

fn bad_window() -> Error {
    Error::invalid("bad_window", "a forecast is for an hour, a day, a week or a month")
}
