//! Every task the engine starts, so that none outlives it and none fails unheard.

use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt as _, Stream, StreamExt as _};
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::base::Clock;
use crate::model::{Error, Result};

/// Work that is done on the engine's runtime wherever it is awaited: sockets and timers find their driver.
pub(crate) struct OnRuntime<F> {
    handle: Handle,
    work: Pin<Box<F>>,
}

impl<F: Future> Future for OnRuntime<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = &mut *self;
        let _entered = this.handle.enter();
        this.work.as_mut().poll(cx)
    }
}

/// The engine's tasks.
#[derive(Clone)]
pub(crate) struct Tasks {
    handle: Handle,
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, tracker: TaskTracker::new(), stop: CancellationToken::new() }
    }

    /// Does the work on the engine's runtime, whoever awaits it.
    pub(crate) fn on_runtime<F: Future>(&self, work: F) -> OnRuntime<F> {
        OnRuntime { handle: self.handle.clone(), work: Box::pin(work) }
    }

    /// The next item of a stream that lives on the engine's runtime, whoever awaits it.
    pub(crate) async fn next_on_runtime<S: Stream + Unpin>(&self, stream: &mut S) -> Option<S::Item> {
        poll_fn(|cx| {
            let _entered = self.handle.enter();
            stream.poll_next_unpin(cx)
        })
        .await
    }

    /// Told when the engine's patience with its tasks ends.
    pub(crate) fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Starts a task. One that panics is reported, and takes nothing else with it.
    pub(crate) fn spawn(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        let work = self.tracker.track_future(async move {
            if AssertUnwindSafe(work).catch_unwind().await.is_err() {
                tracing::error!(target: "tertulia::tasks", operation = name, error_kind = "internal", "task failed");
            }
        });
        drop(self.handle.spawn(work));
    }

    /// Starts the task that ends all others: nobody waits for it here.
    pub(crate) fn spawn_apart(
        &self,
        work: impl Future<Output = Result<()>> + Send + 'static,
    ) -> BoxFuture<'static, Result<()>> {
        let work = self.handle.spawn(work);
        Box::pin(async move { work.await.unwrap_or_else(|e| Err(Error::internal("closing failed").with_source(e))) })
    }

    /// How many run.
    pub(crate) fn len(&self) -> usize {
        self.tracker.len()
    }

    /// Waits this long for the tasks to end, then tells them to stop and waits a little for that.
    pub(crate) async fn close(&self, clock: &dyn Clock, patience: Duration) {
        self.tracker.close();
        tokio::select! {
            () = self.tracker.wait() => return,
            () = clock.sleep(patience) => {}
        }
        self.stop.cancel();
        tokio::select! {
            () = self.tracker.wait() => {}
            () = clock.sleep(Duration::from_secs(2)) => {
                tracing::error!(target: "tertulia::tasks", operation = "close", error_kind = "internal", running = self.tracker.len(), "tasks did not stop");
            }
        }
    }
}
