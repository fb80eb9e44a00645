//! The layer that holds money back, around a target that answers when it likes.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use super::*;
use crate::model::{Budget, BudgetScope, BudgetStatus};
use crate::store::{Durability, MemoryStore, Op, Spender, Store, WriteBatch};

/// A target that never answers.
#[derive(Clone)]
struct Silent {
    /// True when the request leaves before the silence.
    sends: bool,
    asked: Arc<AtomicBool>,
}

impl Service<Call> for Silent {
    type Response = ReplyEvents;
    type Error = Error;
    type Future = BoxFuture<'static, Result<ReplyEvents>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        if self.sends {
            call.context.meter.as_ref().unwrap().sent();
        }
        self.asked.store(true, Ordering::SeqCst);
        Box::pin(std::future::pending())
    }
}

struct Desk {
    clock: ManualClock,
    store: Arc<MemoryStore>,
    tasks: TaskTracker,
    layer: BudgetLayer,
}

impl Desk {
    async fn new() -> Self {
        let clock = ManualClock::at(crate::base::Timestamp::from_millis(1_800_000_000_000));
        let (store, tasks) = (Arc::new(MemoryStore::new()), TaskTracker::new());
        let ids = Ids::new(Arc::new(clock.clone()), Arc::new(SeededRandom::new(7)));
        let tracker = tasks.clone();
        let accounts = Accounts::new(
            store.clone(),
            Arc::new(clock.clone()),
            ids,
            "this process".to_owned(),
            Arc::new(move |_, work| drop(tracker.spawn(work))),
            Arc::new(|_| {}),
            tokio_util::sync::CancellationToken::new(),
        );
        let desk = Self { clock, store, tasks, layer: BudgetLayer::new(accounts) };
        let budget = Op::PutBudget(Budget::requests(10).each(BudgetScope::User));
        let batch = WriteBatch::new("", desk.clock.now()).op(budget);
        desk.store.apply(batch, Durability::PowerSafe).await.unwrap();
        desk
    }

    async fn standing(&self) -> BudgetStatus {
        let who = Spender { owner: "ana".to_owned(), ..Spender::default() };
        self.store.budget_status(who, self.clock.now()).await.unwrap().remove(0)
    }

    /// A call that is on its way.
    async fn asking(&self, sends: bool) -> JoinSet<()> {
        let asked: Arc<AtomicBool> = Arc::default();
        let service = self.layer.layer(Silent { sends, asked: asked.clone() });
        let mut context = CallContext::new("test");
        context.owner = Some("ana".into());
        let call = call(context);
        let mut asking = JoinSet::new();
        asking.spawn(async move { drop(service.oneshot(call).await) });
        while !asked.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
        asking
    }

    /// Ends when every task has: none may outlive its reservation.
    async fn idle(&self) {
        self.tasks.close();
        self.tasks.wait().await;
        self.tasks.reopen();
    }
}

#[tokio::test]
async fn a_reservation_lives_as_long_as_its_call() {
    let desk = Desk::new().await;
    let mut asking = desk.asking(true).await;
    for tens in 1..=30 {
        while desk.clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        desk.clock.advance(Duration::from_secs(10));
        while desk.clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        desk.store.recover(desk.clock.now()).await.unwrap();
        assert_eq!(desk.standing().await.reserved, 1, "after {tens}0 s somebody took the call to be dead");
    }
    asking.shutdown().await;
    desk.idle().await;
    let status = desk.standing().await;
    assert_eq!((status.reserved, status.spent), (0, 1), "what was sent may be billed");
}

#[tokio::test]
async fn what_nobody_renews_is_settled_at_its_worst() {
    let desk = Desk::new().await;
    let mut asking = desk.asking(true).await;
    // All at once: no task of ours comes in between.
    desk.clock.advance(Duration::from_secs(31));
    desk.store.recover(desk.clock.now()).await.unwrap();
    assert_eq!((desk.standing().await.reserved, desk.standing().await.spent), (0, 1));
    asking.shutdown().await;
    desk.idle().await;
    assert_eq!(desk.standing().await.spent, 1, "settled once");
}

#[tokio::test]
async fn a_call_that_is_dropped_before_it_is_sent_costs_nothing() {
    let desk = Desk::new().await;
    let mut asking = desk.asking(false).await;
    assert_eq!(desk.standing().await.reserved, 1);
    asking.shutdown().await;
    desk.idle().await;
    let status = desk.standing().await;
    assert_eq!((status.reserved, status.spent), (0, 0));
}

#[tokio::test]
async fn wherever_a_call_is_dropped_nothing_stays_reserved() {
    for polls in 0..12 {
        let desk = Desk::new().await;
        let service = desk.layer.layer(Silent { sends: false, asked: Arc::default() });
        let mut context = CallContext::new("test");
        context.owner = Some("ana".into());
        let mut work = Box::pin(service.oneshot(call(context)));
        for _ in 0..polls {
            assert!(futures::poll!(&mut work).is_pending(), "poll {polls}");
            tokio::task::yield_now().await;
        }
        drop(work);
        desk.idle().await;
        let status = desk.standing().await;
        assert_eq!((status.reserved, status.spent), (0, 0), "dropped after {polls} polls");
    }
}

#[tokio::test]
async fn every_try_has_a_reservation_of_its_own_and_refusals_of_the_provider_give_it_back() {
    let desk = Desk::new().await;
    let refused = || Error::new(ErrorKind::RateLimited, "server", "busy").with_status(429);
    let inner = Scripted::new([Err(refused()), Ok(vec![text("a"), done()])]);
    let service = desk.layer.layer(inner.clone());
    for _ in 0..2 {
        let mut context = CallContext::new("test");
        context.owner = Some("ana".into());
        if let Ok(events) = service.clone().oneshot(call(context)).await {
            events.for_each(|_| async {}).await;
        }
    }
    desk.idle().await;
    let status = desk.standing().await;
    assert_eq!((inner.calls(), status.reserved, status.spent), (2, 0, 1));
}
