//! Failures that go the other way: out of a host's code.

use super::error::{Retry, TertuliaError};
use super::words::ErrorKind;
use crate::{base, model};

/// Marks what a host's code threw that is no error of ours.
const THREW: &str = "host_threw";

/// An error of this kind, for a provider or a key source of your own to throw. `reason` is a stable machine word, `detail` a
/// sentence for developers; neither may hold a prompt or a key. With `retry` the engine may ask again before the first
/// content.
#[uniffi::export(default(retry = None))]
#[must_use]
pub fn failure(kind: ErrorKind, reason: String, detail: String, retry: Option<Retry>) -> TertuliaError {
    model::Error::new(kind.into(), reason, detail)
        .with_retry(retry.map_or(base::Retry::Never, base::Retry::from))
        .into()
}

impl From<uniffi::UnexpectedUniFFICallbackError> for TertuliaError {
    /// Its words, which may hold anything, stay out of it.
    fn from(_: uniffi::UnexpectedUniFFICallbackError) -> Self {
        model::Error::new(base::ErrorKind::Internal, THREW, "a host's code threw an error of its own").into()
    }
}

impl TertuliaError {
    /// True for anything else than an error of ours.
    pub(super) fn is_foreign(&self) -> bool {
        matches!(self, Self::Internal { info } if info.reason == THREW)
    }

    /// What it says of the failure. What it says of a turn is about another one.
    pub(super) fn told(&self) -> model::Error {
        let info = self.info();
        let retry = match (info.retry, info.retry_after_ms) {
            (Retry::After { .. }, Some(after_ms)) => base::Retry::After { after_ms },
            (retry, _) => retry.into(),
        };
        model::Error::new(info.kind.into(), info.reason.clone(), info.detail.clone()).with_retry(retry)
    }
}

impl From<Retry> for base::Retry {
    fn from(retry: Retry) -> Self {
        match retry {
            Retry::Never => Self::Never,
            Retry::Safe => Self::Safe,
            Retry::After { after_ms } => Self::After { after_ms },
            Retry::Exhausted => Self::Exhausted,
        }
    }
}
