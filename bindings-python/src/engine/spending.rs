//! The report on what was spent, from keywords.

use pyo3::prelude::*;
use tertulia::engine::UsageCall;
use tertulia::{Result, Timestamp, UsageBy, UsageReport};

use crate::convert::{FromPython, Place};

/// What a report shall hold.
pub(super) struct Query {
    by: UsageBy,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    after: Option<String>,
    limit: usize,
}

impl Query {
    pub(super) fn read(
        by: Option<&Bound<'_, PyAny>>,
        since: Option<&Bound<'_, PyAny>>,
        until: Option<&Bound<'_, PyAny>>,
        after: Option<String>,
        limit: usize,
    ) -> PyResult<Self> {
        let moment = |value: Option<&Bound<'_, PyAny>>, name| match value {
            Some(value) => Option::<Timestamp>::from_python(value, &Place::named(name)),
            None => Ok(None),
        };
        let by = by.map_or(Ok(UsageBy::Model), |by| UsageBy::from_python(by, &Place::named("by")))?;
        Ok(Self { by, since: moment(since, "since")?, until: moment(until, "until")?, after, limit })
    }

    /// Asks for it.
    pub(super) async fn ask(self, call: UsageCall) -> Result<UsageReport> {
        let mut call = call.by(self.by).limit(self.limit);
        if let Some(since) = self.since {
            call = call.since(since);
        }
        if let Some(until) = self.until {
            call = call.until(until);
        }
        if let Some(after) = self.after {
            call = call.after(after);
        }
        call.await
    }
}
