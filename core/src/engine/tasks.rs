//! Every task the engine starts, so that none outlives it and none fails unheard.
//!
//! A task has a name and, where it works for one user, an owner; how it ended is looked at. The tasks of listeners stand
//! apart: they are let go last, so that they hear how the others ended.

use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::watch::{About, Watch};
use crate::base::Clock;
use crate::model::{EngineEventKind, Error, Result, TaskHealth};

/// How long tasks have to stop once they were told to.
const STOP_PATIENCE: Duration = Duration::from_secs(2);

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
    clock: Arc<dyn Clock>,
    watch: Arc<Watch>,
    workers: TaskTracker,
    listeners: TaskTracker,
    running: Arc<Mutex<Register>>,
    closing: CancellationToken,
    stop: CancellationToken,
}

/// The tasks that run, by the order they were started in.
#[derive(Default)]
struct Register {
    next: u64,
    tasks: BTreeMap<u64, Running>,
}

struct Running {
    name: &'static str,
    owner: Option<Arc<str>>,
    since: Duration,
    listens: bool,
    abort: Option<AbortHandle>,
}

/// A task's place in the register; it is given up however the task ends.
struct Listed {
    number: u64,
    running: Arc<Mutex<Register>>,
}

impl Drop for Listed {
    fn drop(&mut self) {
        lock(&self.running).tasks.remove(&self.number);
    }
}

fn lock(running: &Mutex<Register>) -> MutexGuard<'_, Register> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tasks {
    pub(super) fn new(handle: Handle, clock: Arc<dyn Clock>, watch: Arc<Watch>) -> Self {
        let (workers, listeners) = (TaskTracker::new(), TaskTracker::new());
        let (closing, stop) = (CancellationToken::new(), CancellationToken::new());
        Self { handle, clock, watch, workers, listeners, running: Arc::default(), closing, stop }
    }

    /// Does the work on the engine's runtime, whoever awaits it.
    pub(crate) fn on_runtime<F: Future>(&self, work: F) -> OnRuntime<F> {
        OnRuntime { handle: self.handle.clone(), work: Box::pin(work) }
    }

    /// Told when the engine begins to close.
    pub(crate) fn closing_token(&self) -> &CancellationToken {
        &self.closing
    }

    /// Waits for what this gives, which is asked on the engine's runtime, whoever awaits it.
    pub(crate) async fn poll_on_runtime<T>(&self, mut ask: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
        poll_fn(|cx| {
            let _entered = self.handle.enter();
            ask(cx)
        })
        .await
    }

    /// Told when the engine's patience with its tasks ends.
    pub(crate) fn stop_token(&self) -> &CancellationToken {
        &self.stop
    }

    /// Starts a task for this user, or for nobody. When it fails or panics, that is logged and told to who watches, and
    /// takes nothing else with it.
    pub(crate) fn spawn(
        &self,
        name: &'static str,
        owner: Option<Arc<str>>,
        work: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        self.start(false, name, owner, work);
    }

    /// Starts the task of a listener, which ends by itself when there is nothing more to hear.
    pub(super) fn spawn_listener(&self, name: &'static str, work: impl Future<Output = ()> + Send + 'static) {
        self.start(true, name, None, work.map(Ok));
    }

    #[expect(clippy::disallowed_methods, reason = "here tasks are tracked")]
    fn start(
        &self,
        listens: bool,
        name: &'static str,
        owner: Option<Arc<str>>,
        work: impl Future<Output = Result<()>> + Send + 'static,
    ) {
        let among = if listens { &self.listeners } else { &self.workers };
        let listed = self.list(name, owner.clone(), listens);
        let (number, watch) = (listed.number, self.watch.clone());
        // Whatever is wrapped around it would hold it twice, and be moved about with it.
        let work = Box::pin(work);
        let work = among.track_future(async move {
            let _listed = listed;
            let reason = match AssertUnwindSafe(work).catch_unwind().await {
                Ok(Ok(())) => return,
                Ok(Err(error)) => error.reason().to_owned(),
                Err(_) => "panicked".to_owned(),
            };
            let owner = owner.as_deref();
            tracing::error!(target: "tertulia::tasks", operation = name, owner, error_kind = "internal", reason, "task failed");
            let about = About { owner, ..About::default() };
            watch.tell(about, EngineEventKind::TaskFailed { task: name.to_owned(), reason });
        });
        let abort = self.handle.spawn(work).abort_handle();
        if let Some(running) = lock(&self.running).tasks.get_mut(&number) {
            running.abort = Some(abort);
        }
    }

    fn list(&self, name: &'static str, owner: Option<Arc<str>>, listens: bool) -> Listed {
        let since = self.clock.monotonic();
        let mut register = lock(&self.running);
        let number = register.next;
        register.next += 1;
        register.tasks.insert(number, Running { name, owner, since, listens, abort: None });
        Listed { number, running: self.running.clone() }
    }

    /// Starts the task that ends all others: nobody waits for it here.
    #[expect(clippy::disallowed_methods, reason = "it ends the tasks that are tracked, and whoever closes awaits it")]
    pub(crate) fn spawn_apart(
        &self,
        work: impl Future<Output = Result<()>> + Send + 'static,
    ) -> BoxFuture<'static, Result<()>> {
        let work = self.handle.spawn(work);
        Box::pin(async move { work.await.unwrap_or_else(|e| Err(Error::internal("closing failed").with_source(e))) })
    }

    /// How many run.
    pub(crate) fn len(&self) -> usize {
        self.workers.len() + self.listeners.len()
    }

    /// Those that run, the oldest first.
    pub(super) fn health(&self) -> Vec<TaskHealth> {
        let now = self.clock.monotonic();
        let register = lock(&self.running);
        let tasks = register.tasks.values();
        tasks
            .map(|task| TaskHealth {
                name: task.name.to_owned(),
                owner: task.owner.as_deref().map(str::to_owned),
                age_ms: i64::try_from(now.saturating_sub(task.since).as_millis()).unwrap_or(i64::MAX),
            })
            .collect()
    }

    /// Waits this long for the tasks to end, then tells them to stop, waits a little for that, and drops those that are
    /// left. The listeners hear all of that and go last.
    pub(crate) async fn close(&self, patience: Duration) {
        self.closing.cancel();
        if !self.ended(&self.workers, patience).await {
            self.stop.cancel();
            self.drop_late(false).await;
        }
        self.watch.end();
        self.drop_late(true).await;
    }

    async fn ended(&self, tasks: &TaskTracker, patience: Duration) -> bool {
        tasks.close();
        tokio::select! {
            () = tasks.wait() => true,
            () = self.clock.sleep(patience) => false,
        }
    }

    /// Waits a little for these tasks to stop by themselves; those that do not are dropped where they wait.
    async fn drop_late(&self, listening: bool) {
        let tasks = if listening { &self.listeners } else { &self.workers };
        if self.ended(tasks, STOP_PATIENCE).await {
            return;
        }
        tracing::error!(target: "tertulia::tasks", operation = "close", error_kind = "internal", running = tasks.len(), "tasks did not stop");
        for task in lock(&self.running).tasks.values().filter(|task| task.listens == listening) {
            if let Some(abort) = &task.abort {
                abort.abort();
            }
        }
    }
}
