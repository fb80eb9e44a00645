//! Tells that a budget runs low, or will not last.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use super::watch::{About, Watch};
use crate::base::Timestamp;
use crate::call::AlertSink;
use crate::model::{BudgetAlert, BudgetScope, BudgetStatus, EngineEventKind, Forecast};

/// So many forecasts are remembered, so that none is told twice in a window.
const MAX_TOLD: usize = 4_096;

/// A budget runs low, or will not last.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SpendingAlert {
    /// A share of a budget is spent, as its `warn_at` asks. Told once in each window, to one process.
    Share(BudgetAlert),
    /// A forecast goes beyond a budget. Told once in each window by each engine: when the forecast is asked for, or when
    /// something was spent, at most every ten minutes for each user.
    Forecast {
        /// Where the budget stands.
        status: BudgetStatus,
        /// What is foreseen.
        forecast: Forecast,
    },
}

/// Where alerts go: into the log, and to whoever listens.
pub(super) struct Alerts {
    sink: Arc<dyn Fn(SpendingAlert) + Send + Sync>,
    told: Mutex<HashSet<(String, Timestamp)>>,
}

impl Alerts {
    pub(super) fn new(listener: Option<Arc<dyn Fn(SpendingAlert) + Send + Sync>>, watch: Arc<Watch>) -> Self {
        let sink = Arc::new(move |alert: SpendingAlert| {
            log(&alert);
            tell(&watch, &alert);
            if let Some(listener) = &listener {
                listener(alert);
            }
        });
        Self { sink, told: Mutex::default() }
    }

    /// Where the store's own alerts go.
    pub(super) fn shares(&self) -> AlertSink {
        let sink = self.sink.clone();
        Arc::new(move |alert| sink(SpendingAlert::Share(alert)))
    }

    /// A forecast goes beyond this budget.
    pub(super) fn forecast(&self, status: BudgetStatus, forecast: Forecast) {
        let name = format!("{} {}", status.budget.id(), status.key.as_deref().unwrap_or_default());
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() >= MAX_TOLD {
            told.clear();
        }
        let is_new = told.insert((name, forecast.ends_at));
        drop(told);
        if is_new {
            (self.sink)(SpendingAlert::Forecast { status, forecast });
        }
    }
}

/// Tells who watches the engine.
fn tell(watch: &Watch, alert: &SpendingAlert) {
    let (status, reason) = match alert {
        SpendingAlert::Share(alert) if alert.share >= 1.0 => (&alert.status, "exhausted"),
        SpendingAlert::Share(alert) => (&alert.status, "threshold"),
        SpendingAlert::Forecast { status, .. } => (status, "forecast"),
    };
    let BudgetStatus { budget, key, spent, reserved, resets_at, .. } = status;
    let whose = key.as_deref().map_or_else(String::new, |key| format!(" {key}"));
    let kind = EngineEventKind::BudgetAlert {
        budget: format!("{}{whose}, {}", budget.scope.as_str(), budget.window.as_str()),
        reason: reason.to_owned(),
        spent: spent.saturating_add(*reserved),
        limit: budget.limit.amount(),
        resets_at: *resets_at,
    };
    let owner = key.as_deref().filter(|_| budget.scope == BudgetScope::User);
    watch.tell(About { owner, ..About::default() }, kind);
}

fn log(alert: &SpendingAlert) {
    let (status, message) = match alert {
        SpendingAlert::Share(BudgetAlert { status, .. }) => (status, "a budget runs low"),
        SpendingAlert::Forecast { status, .. } => (status, "a budget will not last until its window ends"),
    };
    let share = if let SpendingAlert::Share(alert) = alert { Some(alert.share) } else { None };
    let foreseen = if let SpendingAlert::Forecast { forecast, .. } = alert { Some(forecast) } else { None };
    let BudgetStatus { budget, key, spent, remaining, .. } = status;
    tracing::warn!(
        target: "tertulia::budget", operation = "alert", scope = budget.scope.as_str(), key = key.as_deref(),
        unit = budget.limit.unit(), limit = budget.limit.amount(), spent, remaining, share,
        expected_nano_usd = foreseen.map(|forecast| forecast.expected_nano_usd), "{message}",
    );
}
