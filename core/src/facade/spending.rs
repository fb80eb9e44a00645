//! What was spent, and what will have been.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::budget::Window;
use super::cancel::CancelToken;
use super::error::TertuliaError;
use super::message::moment;
use super::tertulia::Tertulia;
use super::user::UserScope;
use super::words::words;
use crate::base::Timestamp;
use crate::{engine, model};

#[uniffi::export]
impl Tertulia {
    /// What everybody has spent through this store, by model unless told otherwise. `since` is rounded down to its hour,
    /// `until` up; `after` is the `next` of the page before; at most `limit` rows (1 to 200).
    ///
    /// # Errors
    /// `Invalid` (bad_usage_query) by conversation; `Storage`, `Closed`.
    #[uniffi::method(default(by = None, since = None, until = None, after = None, limit = 50, cancel = None))]
    pub async fn usage(
        &self,
        by: Option<UsageBy>,
        since: Option<SystemTime>,
        until: Option<SystemTime>,
        after: Option<String>,
        limit: i32,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<UsageReport, TertuliaError> {
        let call = usage(self.engine.usage(), by, since, until, after, limit);
        self.ground.run(cancel, call.into_future()).await.map(UsageReport::from)
    }

    /// What everybody will have spent in this window at its end: an hour, a day, a week or a month. Goes by the last 28
    /// days. One that goes beyond a budget in money of the application raises an alert.
    ///
    /// # Errors
    /// `Invalid` (bad_window) for a minute and for `Total`; `Storage`, `Closed`.
    #[uniffi::method(default(cancel = None))]
    pub async fn forecast(&self, window: Window, cancel: Option<Arc<CancelToken>>) -> Result<Forecast, TertuliaError> {
        let engine = self.engine.clone();
        self.ground.run(cancel, async move { engine.forecast(window.into()).await }).await.map(Forecast::from)
    }
}

#[uniffi::export]
impl UserScope {
    /// What this user has spent, deleted conversations included; by model unless told otherwise. `since` is rounded down
    /// to its hour, `until` up; `after` is the `next` of the page before; at most `limit` rows (1 to 200).
    ///
    /// # Errors
    /// `Invalid` (bad_user; bad_usage_query by user); `Storage`, `Closed`.
    #[uniffi::method(default(by = None, since = None, until = None, after = None, limit = 50, cancel = None))]
    pub async fn usage(
        &self,
        by: Option<UsageBy>,
        since: Option<SystemTime>,
        until: Option<SystemTime>,
        after: Option<String>,
        limit: i32,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<UsageReport, TertuliaError> {
        let call = usage(self.user.usage(), by, since, until, after, limit);
        self.ground.run(cancel, call.into_future()).await.map(UsageReport::from)
    }

    /// What this user will have spent in this window at its end: an hour, a day, a week or a month. Goes by the last 28
    /// days. One that goes beyond a budget in money of this user raises an alert.
    ///
    /// # Errors
    /// `Invalid` (bad_window, bad_user), `Storage`, `Closed`.
    #[uniffi::method(default(cancel = None))]
    pub async fn forecast(&self, window: Window, cancel: Option<Arc<CancelToken>>) -> Result<Forecast, TertuliaError> {
        let user = self.user.clone();
        self.ground.run(cancel, async move { user.forecast(window.into()).await }).await.map(Forecast::from)
    }
}

fn usage(
    mut call: engine::UsageCall,
    by: Option<UsageBy>,
    since: Option<SystemTime>,
    until: Option<SystemTime>,
    after: Option<String>,
    limit: i32,
) -> engine::UsageCall {
    call = call.limit(usize::try_from(limit).unwrap_or(0));
    if let Some(by) = by {
        call = call.by(by.into());
    }
    if let Some(since) = since {
        call = call.since(timestamp(since));
    }
    if let Some(until) = until {
        call = call.until(timestamp(until));
    }
    if let Some(after) = after {
        call = call.after(after);
    }
    call
}

/// The moment of the other language. Before 1970 is 1970: nothing was spent then.
fn timestamp(at: SystemTime) -> Timestamp {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

words! {
    /// By what a report sums up.
    UsageBy as model::UsageBy {
        /// By model, as `provider/model`.
        Model,
        /// By day of UTC, as `2026-11-21`.
        Day,
        /// By conversation. Only for one user.
        Conversation,
        /// By user. Only for the whole application.
        User,
    }
}

/// What was spent within some time.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct UsageReport {
    /// All of it, also what stands on other pages.
    pub total: UsageTotal,
    /// This page, in the order of the keys.
    pub rows: Vec<UsageRow>,
    /// The last key of this page when more follow; nothing on the last page.
    pub next: Option<String>,
}

impl From<model::UsageReport> for UsageReport {
    fn from(report: model::UsageReport) -> Self {
        let model::UsageReport { total, rows, next } = report;
        Self { total: total.into(), rows: rows.into_iter().map(UsageRow::from).collect(), next }
    }
}

/// One line of a report.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct UsageRow {
    /// The model, day, conversation or user.
    pub key: String,
    /// What it took and cost.
    pub usage: UsageTotal,
}

impl From<model::UsageRow> for UsageRow {
    fn from(row: model::UsageRow) -> Self {
        let model::UsageRow { key, usage } = row;
        Self { key, usage: usage.into() }
    }
}

/// What some calls took and cost together. Sums stop at the largest number instead of beginning anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct UsageTotal {
    /// How many requests were sent.
    pub requests: i64,
    /// Everything that was sent in, cached and cache-written tokens included.
    pub input_tokens: i64,
    /// Everything that was written, reasoning included.
    pub output_tokens: i64,
    /// How much of the input came from a provider's cache.
    pub cache_read_input_tokens: i64,
    /// How much of the input was written to a provider's cache.
    pub cache_creation_input_tokens: i64,
    /// How much of the output was reasoning.
    pub reasoning_output_tokens: i64,
    /// What is known of the cost, in billionths of a US dollar. The requests of `unknown_cost_requests` are not in it.
    pub nano_usd: i64,
    /// Requests whose cost nobody knows.
    pub unknown_cost_requests: i64,
    /// Requests whose tokens or cost are an estimate.
    pub estimated_requests: i64,
}

impl From<model::UsageTotal> for UsageTotal {
    fn from(total: model::UsageTotal) -> Self {
        let model::UsageTotal {
            requests,
            input_tokens,
            output_tokens,
            cache_read_input_tokens,
            cache_creation_input_tokens,
            reasoning_output_tokens,
            nano_usd,
            unknown_cost_requests,
            estimated_requests,
        } = total;
        Self {
            requests,
            input_tokens,
            output_tokens,
            cache_read_input_tokens,
            cache_creation_input_tokens,
            reasoning_output_tokens,
            nano_usd,
            unknown_cost_requests,
            estimated_requests,
        }
    }
}

/// What will have been spent at the end of a window, if spending goes on as it did in the last weeks. Amounts are
/// billionths of a US dollar; calls whose cost nobody knows are not in them.
#[derive(Clone, Copy, Debug, PartialEq, uniffi::Record)]
pub struct Forecast {
    /// What is spent in the window so far.
    pub spent_nano_usd: i64,
    /// What is spent at its end, most likely.
    pub expected_nano_usd: i64,
    /// The lower end of the interval; never below what is spent.
    pub low_nano_usd: i64,
    /// The upper end of the interval.
    pub high_nano_usd: i64,
    /// How likely the end is within the interval: 0.9.
    pub confidence: f64,
    /// When the window ends.
    pub ends_at: SystemTime,
    /// When a budget in money for this window is used up, if spending goes on as expected; nothing when none is, or none
    /// is set.
    pub exceeds_at: Option<SystemTime>,
}

impl From<model::Forecast> for Forecast {
    fn from(forecast: model::Forecast) -> Self {
        let model::Forecast {
            spent_nano_usd,
            expected_nano_usd,
            low_nano_usd,
            high_nano_usd,
            confidence,
            ends_at,
            exceeds_at,
        } = forecast;
        Self {
            spent_nano_usd,
            expected_nano_usd,
            low_nano_usd,
            high_nano_usd,
            confidence,
            ends_at: moment(ends_at),
            exceeds_at: exceeds_at.map(moment),
        }
    }
}
