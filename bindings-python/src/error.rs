//! Errors of the engine as Python exceptions. The classes stand in `_errors.py`.

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tertulia::{Error, ErrorKind};

use crate::convert::ToPython as _;

/// The exception of an error.
pub(crate) fn raise(py: Python<'_>, error: &Error) -> PyErr {
    let made = classes(py)
        .and_then(|classes| classes.getattr(class_of(error.kind())))
        .and_then(|class| class.call1((error.info().to_python(py)?,)))
        .and_then(|exception| {
            if let Some(account) = error.provider_error() {
                exception.setattr(intern!(py, "provider_words"), account.message())?;
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
