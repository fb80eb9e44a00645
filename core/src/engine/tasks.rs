//! Every task the engine starts, so that none outlives it and none fails unheard.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt as _;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::base::Clock;

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
