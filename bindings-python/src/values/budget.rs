//! Budgets, where they stand, and what was spent.

use std::collections::HashMap;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tertulia::base::BudgetId;
use tertulia::model::{
    Budget as BudgetRecord, BudgetLimit, BudgetScope, BudgetStatus as StatusRecord, Forecast as ForecastRecord,
    Tier as TierRecord, UsageReport as ReportRecord, UsageRow as RowRecord, UsageTotal as TotalRecord, Window,
};

use crate::convert::{Fields, FromPython, InItem, OutItem, Place, ToPython, invalid, json, plain};
use crate::error::raise;

values! {
    /// A limit on what may be spent within a window.
    Budget(record BudgetRecord) { scope, key, window, limit, warn_at }
    matches(scope, key) shows(scope, key, window, limit) hashes(scope, key, window)
    + {
        /// Names the budget.
        #[getter]
        fn id(&self) -> String {
            self.0.get().id().to_string()
        }

        /// How much may be spent, in its own unit.
        #[getter]
        fn amount(&self) -> i64 {
            self.0.get().limit.amount()
        }

        /// Of what: `nano_usd`, `tokens`, `requests`.
        #[getter]
        fn unit(&self) -> &'static str {
            self.0.get().limit.unit()
        }
    }

    /// Where a budget stands for one user, conversation or run, or for the application.
    BudgetStatus(record StatusRecord) { budget, key, spent, reserved, remaining, resets_at }
    matches(budget, key) shows(key, spent, reserved, remaining, resets_at) hashes(key, spent, reserved)

    /// What some calls took and cost together.
    UsageTotal(record TotalRecord) {
        requests, input_tokens, output_tokens, cache_read_input_tokens, cache_creation_input_tokens,
        reasoning_output_tokens, nano_usd, unknown_cost_requests, estimated_requests,
    }
    matches(requests) shows(requests, input_tokens, output_tokens, nano_usd) hashes(requests, nano_usd)

    /// One line of a report on what was spent.
    UsageRow(record RowRecord) { key, usage }
    matches(key, usage) shows(key, usage) hashes(key)

    /// What was spent within some time.
    UsageReport(record ReportRecord) { total, rows, next }
    matches(total, rows) shows(total, rows, next) hashes(next)

    /// What each user of a group may do.
    Tier(record TierRecord) { requests_per_minute, tokens_per_minute, budgets, models, priority }
    matches(requests_per_minute, tokens_per_minute) shows(requests_per_minute, tokens_per_minute, models)
    hashes(requests_per_minute, tokens_per_minute, models, priority)

    /// What will have been spent at the end of a window.
    Forecast(record ForecastRecord) {
        spent_nano_usd, expected_nano_usd, low_nano_usd, high_nano_usd, confidence, ends_at, exceeds_at,
    }
    matches(spent_nano_usd, expected_nano_usd)
    shows(spent_nano_usd, expected_nano_usd, low_nano_usd, high_nano_usd, exceeds_at)
    hashes(spent_nano_usd, expected_nano_usd, ends_at)
}

records!(
    Budget = BudgetRecord,
    BudgetStatus = StatusRecord,
    UsageTotal = TotalRecord,
    UsageRow = RowRecord,
    UsageReport = ReportRecord,
    Tier = TierRecord,
    Forecast = ForecastRecord
);

impl OutItem for BudgetRecord {}
impl InItem for BudgetRecord {}
impl OutItem for StatusRecord {}
impl OutItem for RowRecord {}
impl InItem for RowRecord {}

impl ToPython for BudgetLimit {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, self)
    }
}

impl FromPython for BudgetLimit {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        serde_json::from_value(json(value, at)?).map_err(|_| {
            let detail = format!("{at} must be {{'nano_usd': …}}, {{'tokens': …}} or {{'requests': …}}");
            invalid(value.py(), "bad_budget", detail)
        })
    }
}

/// The keywords of `set_budget`.
const KEYWORDS: &[&str] =
    &["usd", "nano_usd", "tokens", "requests", "per", "each", "user", "conversation", "run", "warn_at"];

/// The budget that the keywords of `set_budget` describe.
pub(crate) fn described(py: Python<'_>, given: Option<&Bound<'_, PyDict>>) -> PyResult<BudgetRecord> {
    let fields = Fields::of_keywords("set_budget", py, given);
    fields.only(KEYWORDS)?;
    let one = |what: &str| PyTypeError::new_err(format!("set_budget() takes {what}"));
    let limits = [
        fields.take::<Option<f64>>("usd")?.map(BudgetRecord::usd),
        fields.take::<Option<i64>>("nano_usd")?.map(|limit| BudgetRecord::new(BudgetLimit::NanoUsd(limit))),
        fields.take::<Option<i64>>("tokens")?.map(BudgetRecord::tokens),
        fields.take::<Option<i64>>("requests")?.map(BudgetRecord::requests),
    ];
    let mut limits = limits.into_iter().flatten();
    let (Some(budget), None) = (limits.next(), limits.next()) else {
        return Err(one("one of usd, nano_usd, tokens and requests"));
    };
    let of = |scope: BudgetScope, name: &str| -> PyResult<Option<(BudgetScope, Option<String>)>> {
        Ok(fields.take::<Option<String>>(name)?.map(|key| (scope, Some(key))))
    };
    let scopes = [
        fields.take::<Option<BudgetScope>>("each")?.map(|scope| (scope, None)),
        of(BudgetScope::User, "user")?,
        of(BudgetScope::Conversation, "conversation")?,
        of(BudgetScope::Run, "run")?,
    ];
    let mut scopes = scopes.into_iter().flatten();
    let budget = match (scopes.next(), scopes.next()) {
        (None, _) => budget,
        (Some((scope, None)), None) => budget.each(scope),
        (Some((scope, Some(key))), None) => budget.of(scope, key),
        _ => return Err(one("one of each, user, conversation and run at most")),
    };
    let window = fields.take::<Option<Window>>("per")?.unwrap_or_default();
    let budget = budget.per(window).warn_at(fields.take::<Vec<f64>>("warn_at")?);
    budget.check().map_err(|e| raise(py, &e.during("set_budget")))?;
    Ok(budget)
}

/// Tiers by name, as an engine is made with them: each as `set_tier` takes it, or a `Tier`.
pub(crate) fn tiers(given: &Bound<'_, PyAny>) -> PyResult<Vec<(String, TierRecord)>> {
    let at = Place::named("tiers");
    let named: HashMap<String, Bound<'_, PyAny>> = given
        .extract()
        .map_err(|_| invalid(given.py(), "wrong_type", "tiers must be a dict of tiers by their names"))?;
    let mut tiers = Vec::with_capacity(named.len());
    for (name, value) in named {
        let tier = match value.cast::<PyDict>() {
            Ok(dict) => tier(given.py(), Some(dict))?,
            Err(_) => TierRecord::from_python(&value, &at)?,
        };
        tiers.push((name, tier));
    }
    Ok(tiers)
}

/// The tier that the keywords of `set_tier` describe. Its budgets may be described as `set_budget` takes them.
pub(crate) fn tier(py: Python<'_>, given: Option<&Bound<'_, PyDict>>) -> PyResult<TierRecord> {
    let fields = Fields::of_keywords("set_tier", py, given);
    fields.only(&["requests_per_minute", "tokens_per_minute", "budgets", "models", "priority"])?;
    let mut budgets = Vec::new();
    if let Some(listed) = fields.raw("budgets")?.filter(|listed| !listed.is_none()) {
        for (index, item) in listed.try_iter()?.enumerate() {
            let item = item?;
            budgets.push(match item.cast::<PyDict>() {
                Ok(dict) if !dict.contains("limit")? => described(py, Some(dict))?,
                _ => BudgetRecord::from_python(&item, &Place::named("budgets").item(index))?,
            });
        }
    }
    let tier = TierRecord {
        requests_per_minute: fields.take("requests_per_minute")?,
        tokens_per_minute: fields.take("tokens_per_minute")?,
        budgets,
        models: fields.take("models")?,
        priority: fields.take("priority")?,
    };
    tier.checked().map_err(|e| raise(py, &e.during("set_tier")))
}

/// The id of a budget, or of the budget itself.
pub(crate) fn id_of(value: &Bound<'_, PyAny>) -> PyResult<BudgetId> {
    match value.cast::<Budget>() {
        Ok(budget) => Ok(budget.get().0.get().id()),
        Err(_) => BudgetId::from_python(value, &Place::named("budget")),
    }
}
