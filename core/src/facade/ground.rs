//! The thread that the engine of one border stands on.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::oneshot;
use tokio_util::task::AbortOnDropHandle;

use super::cancel::{CancelToken, unless};
use super::error::TertuliaError;
use crate::base::ErrorKind;
use crate::model::{Error, Result};

/// A runtime of one thread. Every handle of an engine holds it; the last one frees it.
///
/// Work is done on it and never on the caller's thread, which in an app draws the screen.
pub(super) struct Ground(Mutex<Option<Runtime>>);

impl Ground {
    /// Starts the thread.
    pub(super) fn new() -> Result<Arc<Self>> {
        let runtime =
            Builder::new_multi_thread().worker_threads(1).thread_name("tertulia").enable_all().build().map_err(
                |e| {
                    Error::new(ErrorKind::Internal, "no_thread", "the system refused a thread for the engine")
                        .with_source(e)
                },
            )?;
        Ok(Arc::new(Self(Mutex::new(Some(runtime)))))
    }

    /// Where tasks are started.
    pub(super) fn handle(&self) -> Result<Handle> {
        let runtime = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        runtime.as_ref().map(|runtime| runtime.handle().clone()).ok_or_else(closed)
    }

    /// Does the work on the engine's thread. Dropping the future, or cancelling the token, drops the work.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        cancel: Option<Arc<CancelToken>>,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T, TertuliaError> {
        let (give, take) = oneshot::channel();
        self.finish(cancel, Box::pin(async move { drop(give.send(work.await)) })).await?;
        take.await.unwrap_or_else(|_| Err(closed())).map_err(TertuliaError::from)
    }

    /// Does the work on the caller's thread, with this one for what waits. Nothing once the thread is gone.
    pub(super) async fn beside<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let handle = self.handle().ok()?;
        let mut work = std::pin::pin!(work);
        let done = poll_fn(|cx| {
            let _entered = handle.enter();
            work.as_mut().poll(cx)
        });
        Some(done.await)
    }

    /// Of one kind for all work: were there one for each, apps would carry a hundred.
    #[expect(clippy::disallowed_methods, reason = "awaited here, and aborted with whoever waits")]
    async fn finish(
        &self,
        cancel: Option<Arc<CancelToken>>,
        work: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) -> Result<(), TertuliaError> {
        let handle = self.handle()?;
        // The work begins only when the token has had its say.
        let done = async move {
            match AbortOnDropHandle::new(handle.spawn(work)).await {
                Ok(()) => Ok(()),
                Err(error) if error.is_panic() => Err(Error::internal("a call panicked; the engine goes on")),
                Err(_) => Err(closed()),
            }
        };
        unless(cancel, done).await
    }

    /// Frees the thread without waiting for it.
    pub(super) fn free(&self) {
        let runtime = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Not by dropping: the last handle may go on the very thread that would be waited for.
        if let Some(runtime) = runtime {
            runtime.shutdown_background();
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        self.free();
    }
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "closed", "this engine was closed; open another one")
}
