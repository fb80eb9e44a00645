//! Rust values as Python ones, made when they are read.

use std::collections::HashMap;

use bytes::Bytes;
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDateTime, PyDelta, PyDict, PyString, PyTuple, PyTzInfo};
use tertulia::base::{AttachmentId, BudgetId, ConversationId, Cursor, MessageId, Retry, RunId, Timestamp, TurnId};
use tertulia::model::{
    BatchPhase, BatchState, BatchVerb, BreakerState, BudgetScope, CostSource, Delivery, FinishReason, HealthState,
    ImportFormat, MessageStatus, Priority, ReplyStatus, RetryAfterSource, Role, RunStatus, StoreProblemKind, TurnState,
    UsageBy, UsageSource, Window,
};
use tertulia::{ErrorKind, Json, UnreadJson};

use super::plain::{plain, word};

/// A value that Python can have.
pub(crate) trait ToPython {
    /// Makes the Python value.
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>>;

    /// Makes it of a value that nobody else needs, without a copy where that is possible.
    fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>>
    where
        Self: Sized,
    {
        self.to_python(py)
    }
}

macro_rules! scalars {
    ($($type:ty),*) => {
        $(impl ToPython for $type {
            fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                Ok((*self).into_pyobject(py)?.to_owned().into_any())
            }
        })*
    };
}

scalars!(bool, i32, i64, u16, f64);

macro_rules! texts {
    ($($type:ty),*) => {
        $(impl ToPython for $type {
            fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                Ok(PyString::new(py, &self.to_string()).into_any())
            }
        })*
    };
}

texts!(BudgetId, ConversationId, MessageId, RunId, TurnId, AttachmentId, Cursor);

macro_rules! words {
    ($($type:ty),*) => {
        $(impl ToPython for $type {
            fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                word(py, self)
            }
        })*
    };
}

words!(BatchPhase, BatchState, BatchVerb, ImportFormat);
words!(BudgetScope, UsageBy, Window, BreakerState, Delivery, HealthState, Priority, RetryAfterSource, StoreProblemKind);
words!(Role, MessageStatus, FinishReason, ReplyStatus, RunStatus, TurnState, UsageSource, CostSource, ErrorKind);

impl ToPython for () {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(py.None().into_bound(py))
    }
}

impl ToPython for String {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyString::new(py, self).into_any())
    }
}

impl ToPython for &str {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyString::new(py, self).into_any())
    }
}

impl ToPython for Vec<u8> {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyBytes::new(py, self).into_any())
    }
}

impl ToPython for Bytes {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(PyBytes::new(py, self).into_any())
    }
}

impl ToPython for Json {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, self)
    }
}

impl ToPython for UnreadJson {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, self)
    }
}

/// 1970-01-01 UTC.
pub(super) fn epoch(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static EPOCH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let made = EPOCH.get_or_try_init(py, || {
        let utc = PyTzInfo::utc(py)?.to_owned();
        Ok::<_, PyErr>(PyDateTime::new(py, 1970, 1, 1, 0, 0, 0, 0, Some(&utc))?.into_any().unbind())
    })?;
    Ok(made.bind(py))
}

impl ToPython for Timestamp {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        // By sum, not by `fromtimestamp`: a float loses milliseconds far from 1970.
        let beyond = |_| PyOverflowError::new_err("this time is beyond what a datetime can say");
        let days = i32::try_from(self.as_millis().div_euclid(86_400_000)).map_err(beyond)?;
        let millis = i32::try_from(self.as_millis().rem_euclid(86_400_000)).map_err(beyond)?;
        epoch(py)?.add(PyDelta::new(py, days, millis / 1_000, millis % 1_000 * 1_000, true)?)
    }
}

impl ToPython for Retry {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            // How long stands in `retry_after_ms` beside it.
            Self::After { .. } => Ok(PyString::intern(py, "after").into_any()),
            other => word(py, other),
        }
    }
}

impl<T: ToPython> ToPython for Option<T> {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.as_ref().map_or_else(|| Ok(py.None().into_bound(py)), |value| value.to_python(py))
    }

    fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        self.map_or_else(|| Ok(py.None().into_bound(py)), |value| value.into_python(py))
    }
}

impl<T: ToPython> ToPython for Box<T> {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        (**self).to_python(py)
    }
}

/// Values that a tuple may hold. Bytes are no tuple of numbers.
pub(crate) trait Item: ToPython {}

impl Item for String {}
impl Item for MessageId {}
impl Item for f64 {}

impl<T: Item> ToPython for Vec<T> {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let items = self.iter().map(|item| item.to_python(py)).collect::<PyResult<Vec<_>>>()?;
        Ok(PyTuple::new(py, items)?.into_any())
    }
}

impl<T: ToPython> ToPython for HashMap<String, T> {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let dict = PyDict::new(py);
        let mut entries: Vec<_> = self.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key); // the same message always looks the same
        for (key, value) in entries {
            dict.set_item(key, value.to_python(py)?)?;
        }
        Ok(dict.into_any())
    }
}
