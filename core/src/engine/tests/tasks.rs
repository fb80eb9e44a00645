//! Tasks that fail, tasks that do not stop, and who hears of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::super::tasks::Tasks;
use super::super::watch::Watch;
use crate::base::{ErrorKind, ManualClock};
use crate::model::{EngineEvent, EngineEventKind, Error};

struct Bench {
    clock: ManualClock,
    watch: Arc<Watch>,
    tasks: Tasks,
}

impl Bench {
    fn new() -> Self {
        let clock = ManualClock::default();
        let watch = Arc::new(Watch::new(Arc::new(clock.clone())));
        let tasks = Tasks::new(Handle::current(), Arc::new(clock.clone()), watch.clone());
        Self { clock, watch, tasks }
    }

    /// Ends when so many pauses wait for the clock.
    async fn sleeping(&self, sleepers: usize) {
        while self.clock.sleepers() < sleepers {
            tokio::task::yield_now().await;
        }
    }
}

fn failure(task: &str, reason: &str) -> EngineEventKind {
    EngineEventKind::TaskFailed { task: task.to_owned(), reason: reason.to_owned() }
}

/// Sets this when it is dropped.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn an_error_and_a_panic_of_a_task_are_told_with_its_name_and_owner_and_end_nothing_else() {
    let bench = Bench::new();
    let mut events = bench.watch.events();
    bench.tasks.spawn("quiet", None, async { Ok(()) });
    let error = Error::new(ErrorKind::Storage, "full", "canary");
    bench.tasks.spawn("drain", Some("ana".into()), async move { Err(error) });
    let EngineEvent { owner, kind, .. } = events.next().await.unwrap();
    assert_eq!((owner.as_deref(), kind), (Some("ana"), failure("drain", "full")));
    bench.tasks.spawn("sweep", None, async { panic!("a bug") });
    let EngineEvent { owner, kind, .. } = events.next().await.unwrap();
    assert_eq!((owner, kind), (None, failure("sweep", "panicked")));
    bench.tasks.close(Duration::from_secs(5)).await;
    assert_eq!(events.next().await, None, "what ends well is no event");
    assert_eq!(bench.tasks.health(), []);
}

#[tokio::test]
async fn tasks_are_listed_oldest_first_with_their_age() {
    let bench = Bench::new();
    let stop = bench.tasks.stop_token().clone();
    let wait = || {
        let stop = stop.clone();
        async move {
            stop.cancelled().await;
            Ok(())
        }
    };
    bench.tasks.spawn("first", Some("ana".into()), wait());
    bench.clock.advance(Duration::from_millis(1_500));
    bench.tasks.spawn("second", None, wait());
    let listed: Vec<_> = bench.tasks.health().into_iter().map(|task| (task.name, task.owner, task.age_ms)).collect();
    assert_eq!(listed, [("first".to_owned(), Some("ana".to_owned()), 1_500), ("second".to_owned(), None, 0)]);
    stop.cancel();
    bench.tasks.close(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn closing_ends_tasks_within_a_bound_even_those_that_do_not_stop_when_told() {
    let bench = Bench::new();
    let (dropped, deaf) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (held, listener) = (Dropped(dropped.clone()), Dropped(deaf.clone()));
    bench.tasks.spawn("deaf", None, async move {
        let _held = held;
        std::future::pending().await
    });
    bench.tasks.spawn_listener("on_event", async move {
        let _listener = listener;
        std::future::pending::<()>().await;
    });
    let tasks = bench.tasks.clone();
    let mut closing = JoinSet::new();
    closing.spawn(async move { tasks.close(Duration::from_secs(5)).await });
    // 5 s of patience, 2 s to stop, 2 s for who listens.
    for patience in [5, 2, 2] {
        bench.sleeping(1).await;
        assert!(closing.try_join_next().is_none());
        bench.clock.advance(Duration::from_secs(patience));
        while bench.clock.sleepers() > 0 {
            tokio::task::yield_now().await;
        }
    }
    closing.join_next().await.unwrap().unwrap();
    while !(dropped.load(Ordering::SeqCst) && deaf.load(Ordering::SeqCst)) {
        tokio::task::yield_now().await;
    }
    assert_eq!((bench.tasks.health(), bench.tasks.len()), (vec![], 0));
}

#[tokio::test]
async fn a_listener_hears_how_the_last_task_ended() {
    let bench = Bench::new();
    let mut events = bench.watch.events();
    let stop = bench.tasks.stop_token().clone();
    bench.tasks.spawn("late", None, async move {
        stop.cancelled().await;
        Err(Error::new(ErrorKind::Closed, "closed", "too late"))
    });
    let mut closing = Box::pin(bench.tasks.close(Duration::from_secs(5)));
    assert!((&mut closing).now_or_never().is_none());
    bench.clock.advance(Duration::from_secs(5));
    closing.await;
    assert_eq!(events.next().await.map(|event| event.kind), Some(failure("late", "closed")));
    assert_eq!(events.next().await, None);
}
