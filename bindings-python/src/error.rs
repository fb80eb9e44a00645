//! Errors of the engine as Python exceptions. The classes stand in `_errors.py`.

use std::error::Error as _;

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tertulia::{Error, ErrorKind, Retry};

use crate::convert::{FromPython as _, Place, ToPython as _, duration_ms};
use crate::own::Raised;

/// The exception of an error.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let made = classes(py)
        .and_then(|classes| classes.getattr(class_of(error.kind())))
        .and_then(|class| class.call1((error.info().to_python(py)?,)))
        .and_then(|exception| {
            if let Some(account) = error.provider_error() {
                exception.setattr(intern!(py, "provider_words"), account.message())?;
            }
            if let Some(raised) = raised_below(error) {
                exception.setattr(intern!(py, "__cause__"), raised.exception())?;
            }
            Ok(exception)
        });
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(failed) => {
            let unmade = PyRuntimeError::new_err(error.to_string());
            unmade.set_cause(py, Some(failed));
            unmade
        }
    }
}

/// The record of an error that Python code raises: with the sentence of its kind for an end user.
#[pyfunction]
#[pyo3(name = "_error_info")]
pub(crate) fn error_info<'py>(
    kind: &Bound<'py, PyAny>,
    reason: String,
    detail: String,
    retry: &Bound<'py, PyAny>,
    retry_after: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    // `TertuliaError` itself has no kind.
    let kind = ErrorKind::from_python(kind, &Place::named("kind"))?;
    let mut again = Retry::from_python(retry, &Place::named("retry"))?;
    if let Some(after) = retry_after {
        again = Retry::After { after_ms: duration_ms(after, &Place::named("retry_after"))? };
    }
    Error::new(kind, reason, detail).with_retry(again).info().to_python(retry.py())
}

/// The exception that the code of a provider raised, if that is where the error comes from.
fn raised_below(error: &Error) -> Option<&Raised> {
    let mut cause = error.source();
    while let Some(below) = cause {
        if let Some(raised) = below.downcast_ref() {
            return Some(raised);
        }
        cause = below.source();
    }
    None
}

/// True for an exception of ours.
pub(crate) fn is_ours(exception: &Bound<'_, PyAny>) -> bool {
    let base = classes(exception.py()).and_then(|classes| classes.getattr("TertuliaError"));
    base.and_then(|base| exception.is_instance(&base)).unwrap_or(false)
}

/// The failure that a panic is turned into, so that `except Exception` sees it.
pub(crate) fn panicked() -> Error {
    Error::internal("a call panicked; its message stands on standard error. Please report it")
}

fn classes(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static MODULE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let module = MODULE
        .get_or_try_init(py, || Ok::<_, PyErr>(py.import(intern!(py, "tertulia._errors"))?.into_any().unbind()))?;
    Ok(module.bind(py))
}

/// The name of a kind's class. A kind without one fails a test.
pub(crate) const fn class_of(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Invalid => "InvalidError",
        ErrorKind::NotFound => "NotFoundError",
        ErrorKind::Conflict => "ConflictError",
        ErrorKind::Unauthorized => "UnauthorizedError",
        ErrorKind::QuotaExhausted => "QuotaExhaustedError",
        ErrorKind::BudgetExceeded => "BudgetExceededError",
        ErrorKind::RateLimited => "RateLimitedError",
        ErrorKind::Unavailable => "UnavailableError",
        ErrorKind::TimedOut => "TimedOutError",
        ErrorKind::ContextTooLong => "ContextTooLongError",
        ErrorKind::ContentFiltered => "ContentFilteredError",
        ErrorKind::Truncated => "TruncatedError",
        ErrorKind::OutputInvalid => "OutputInvalidError",
        ErrorKind::Cancelled => "CancelledError",
        ErrorKind::Storage => "StorageError",
        ErrorKind::Closed => "ClosedError",
        ErrorKind::Internal => "InternalError",
        _ => "TertuliaError",
    }
}
