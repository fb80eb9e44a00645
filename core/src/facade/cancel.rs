//! Stopping a call from outside.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::error::TertuliaError;
use crate::base::ErrorKind;
use crate::model::{Error, Result};

/// Stops the calls that it is given to: each then fails with `Cancelled`, and what had arrived is kept. For languages
/// whose tasks cannot drop a call; in Kotlin, cancelling the job does the same without a token.
#[derive(Default, uniffi::Object)]
pub struct CancelToken(CancellationToken);

#[uniffi::export]
impl CancelToken {
    /// A token that stops nothing yet.
    #[uniffi::constructor]
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    /// Stops every call that holds this token, and every call that will. Returns at once; twice is once.
    pub fn cancel(&self) {
        self.0.cancel();
    }

    /// True once it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_cancelled()
    }
}

/// Waits for the work, or for the token; whoever comes first ends the other.
pub(super) async fn unless<T>(
    cancel: Option<Arc<CancelToken>>,
    work: impl Future<Output = Result<T>>,
) -> Result<T, TertuliaError> {
    let Some(token) = cancel else { return work.await.map_err(TertuliaError::from) };
    tokio::select! {
        biased;
        () = token.0.cancelled() => {
            Err(Error::new(ErrorKind::Cancelled, "cancelled", "the call's token was cancelled").into())
        }
        done = work => done.map_err(TertuliaError::from),
    }
}
