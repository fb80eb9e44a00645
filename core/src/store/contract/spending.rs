//! Money: nothing is overshot, nothing is lost, nothing is counted twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::scene::{NOW, OWNER, STRANGER, Scene, put_conversation, refused};
use crate::base::{ConversationId, ErrorKind, ReservationId, Retry, Timestamp};
use crate::model::{
    Budget, BudgetLimit, BudgetScope, BudgetStatus, Cost, CostSource, Result, Usage, UsageBy, UsageReport, UsageSource,
    UsageTotal, Window,
};
use crate::store::{Durability, LedgerEntry, NewReservation, Op, Receipt, Spender, Store, UsageQuery, WriteBatch};

pub(super) const MINUTE: i64 = 60_000;
pub(super) const HOUR: i64 = 60 * MINUTE;
pub(super) const DAY: i64 = 24 * HOUR;

pub(super) const ONE: ConversationId = ConversationId::from_bytes([1; 16]);
pub(super) const TWO: ConversationId = ConversationId::from_bytes([2; 16]);

/// The first of a month, a Monday too: 2027-02-01.
pub(super) const MONDAY: Timestamp = Timestamp::from_millis(1_801_440_000_000);

pub(super) const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(MONDAY.as_millis() + millis)
}

/// A request of 10 tokens that costs so much.
pub(crate) fn cost(nano_usd: i64) -> LedgerEntry {
    let usage =
        Usage { input_tokens: 7, output_tokens: 3, requests: 1, source: UsageSource::Reported, ..Usage::default() };
    let cost = Cost { nano_usd: Some(nano_usd), source: CostSource::Catalogue, price_date: None };
    LedgerEntry { model: "test/any".to_owned(), conversation: None, run: None, usage, cost }
}

pub(crate) fn of_model(model: &str, entry: LedgerEntry) -> LedgerEntry {
    LedgerEntry { model: model.to_owned(), ..entry }
}

pub(super) fn within(conversation: ConversationId, entry: LedgerEntry) -> LedgerEntry {
    LedgerEntry { conversation: Some(conversation), ..entry }
}

pub(crate) fn reservation(id: ReservationId, worst: LedgerEntry) -> NewReservation {
    NewReservation { id, worst, holder: "this process".to_owned(), lease_until: at(DAY), also: Vec::new() }
}

impl Scene {
    pub(super) async fn at(&self, moment: Timestamp, op: Op) -> Result<Receipt> {
        self.store.apply(WriteBatch::new(self.owner, moment).op(op), Durability::ProcessSafe).await
    }

    pub(crate) async fn set(&self, budget: Budget) {
        self.at(MONDAY, Op::PutBudget(budget)).await.unwrap();
    }

    pub(super) async fn reserve(&self, moment: Timestamp, worst: LedgerEntry) -> Result<ReservationId> {
        let id = self.ids.reservation();
        self.at(moment, Op::Reserve(reservation(id, worst))).await.map(|_| id)
    }

    pub(super) async fn settle(&self, moment: Timestamp, id: ReservationId, entry: LedgerEntry) -> Receipt {
        self.at(moment, Op::Settle { id, entry }).await.unwrap()
    }

    pub(super) async fn charge(&self, moment: Timestamp, entry: LedgerEntry) -> Receipt {
        self.at(moment, Op::Charge(entry)).await.unwrap()
    }

    pub(super) async fn standing_of(&self, moment: Timestamp, who: Spender) -> Vec<BudgetStatus> {
        self.store.budget_status(who, moment).await.unwrap()
    }

    /// Spent, reserved and left of every budget of the owner.
    pub(super) async fn standing(&self, moment: Timestamp) -> Vec<(i64, i64, i64)> {
        let who = Spender { owner: self.owner.to_owned(), ..Spender::default() };
        let all = self.standing_of(moment, who).await;
        all.iter().map(|status| (status.spent, status.reserved, status.remaining)).collect()
    }

    pub(super) async fn usage(&self, by: UsageBy, since: Option<Timestamp>, until: Option<Timestamp>) -> UsageReport {
        let owner = (by != UsageBy::User).then(|| self.owner.to_owned());
        let query = UsageQuery { owner, by, since, until, after: None, limit: 100 };
        self.store.usage(query).await.unwrap()
    }

    pub(super) async fn total(&self) -> UsageTotal {
        self.usage(UsageBy::Model, None, None).await.total
    }
}

fn usd_per_day(nano_usd: i64) -> Budget {
    Budget::new(BudgetLimit::NanoUsd(nano_usd)).per(Window::Day).each(BudgetScope::User)
}

pub(super) async fn a_budget_is_set_replaced_and_taken_away(store: Arc<dyn Store>) {
    let scene = Scene::new(Arc::clone(&store));
    assert!(!store.has_budgets().await.unwrap());
    let each = usd_per_day(5).warn_at([0.07, 0.5, 1.0]);
    scene.set(each.clone()).await;
    assert!(store.has_budgets().await.unwrap());
    assert_eq!(store.budgets(None).await.unwrap().first(), Some(&each));
    let raised = usd_per_day(6);
    assert_eq!(raised.id(), each.id());
    scene.set(raised.clone()).await;
    assert_eq!(store.budgets(None).await.unwrap().first(), Some(&raised));
    assert_eq!(store.budgets(None).await.unwrap().len(), 1);
    let others = [
        Budget::tokens(6).per(Window::Day).each(BudgetScope::User),
        usd_per_day(6).per(Window::Hour),
        usd_per_day(6).of(BudgetScope::User, STRANGER),
        usd_per_day(6).of(BudgetScope::Conversation, ONE.to_string()),
        Budget::usd(0.5),
    ];
    for other in &others {
        assert_ne!(other.id(), raised.id());
        scene.set(other.clone()).await;
    }
    assert_eq!(store.budgets(None).await.unwrap().len(), 6);
    let own = store.budgets(Some(OWNER)).await.unwrap();
    assert_eq!(own.len(), 4, "{own:?}");
    assert!(own.iter().all(|budget| budget.key.is_none()));
    assert_eq!(store.budgets(Some(STRANGER)).await.unwrap().len(), 5);
    for _ in 0..2 {
        scene.apply_op(Op::DeleteBudget { id: raised.id() }).await.unwrap();
        assert_eq!(store.budgets(None).await.unwrap().len(), 5);
    }
}

pub(super) async fn a_budget_that_cannot_be_kept_is_refused(store: Arc<dyn Store>) {
    let scene = Scene::new(Arc::clone(&store));
    for bad in [
        Budget::tokens(-1),
        Budget::usd(f64::NAN),
        Budget::usd(-0.01),
        Budget::tokens(1).of(BudgetScope::User, ""),
        Budget::tokens(1).of(BudgetScope::User, "x".repeat(513)),
        Budget::tokens(1).of(BudgetScope::Application, "ana"),
        Budget::tokens(1).warn_at([0.0]),
        Budget::tokens(1).warn_at([f64::NAN]),
        Budget::tokens(1).warn_at([1.01]),
        Budget::tokens(1).warn_at([0.5; 17]),
    ] {
        refused(scene.apply_op(Op::PutBudget(bad.clone())).await, ErrorKind::Invalid, "bad_budget");
        assert!(!store.has_budgets().await.unwrap(), "{bad:?}");
    }
}

pub(super) async fn many_who_reserve_at_once_are_admitted_exactly_as_often_as_the_budget_allows(store: Arc<dyn Store>) {
    const THREADS: u64 = 8;
    const EACH: usize = 125;
    let admitted = admitted_at_once(&store, THREADS, EACH, 137);
    assert_eq!(admitted, 137);
    let scene = Scene::new(store);
    assert_eq!(scene.standing(NOW).await, [(137, 0, 0)]);
    assert_eq!(scene.total().await.requests, 137);
}

/// How many of so many requests, from so many threads, a budget for `limit` requests admits. All of them are settled.
pub(crate) fn admitted_at_once(store: &Arc<dyn Store>, threads: u64, each: usize, limit: i64) -> usize {
    let admitted = AtomicUsize::new(0);
    let runtime = || tokio::runtime::Builder::new_current_thread().build().unwrap();
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let admitted = &admitted;
            scope.spawn(move || {
                let scene = Scene::seeded(Arc::clone(store), 100 + thread);
                let one = async || {
                    let id = scene.ids.reservation();
                    match scene.at(NOW, Op::Reserve(reservation(id, cost(1)))).await {
                        Ok(_) => {
                            admitted.fetch_add(1, Ordering::Relaxed);
                            scene.settle(NOW, id, cost(1)).await;
                        }
                        Err(error) => assert_eq!((error.kind(), error.reason()), (ErrorKind::BudgetExceeded, "budget")),
                    }
                };
                runtime().block_on(async {
                    // The first thread sets the budget before anybody reserves: every one does, and it stays the same.
                    scene.set(Budget::requests(limit).warn_at([0.5])).await;
                    futures::future::join_all((0..each).map(|_| one())).await;
                });
            });
        }
    });
    admitted.into_inner()
}

pub(super) async fn what_a_request_has_cost_takes_the_place_of_its_reservation(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.set(usd_per_day(100)).await;
    let cheap = scene.reserve(MONDAY, cost(60)).await.unwrap();
    assert_eq!(scene.standing(MONDAY).await, [(0, 60, 40)]);
    refused(scene.reserve(MONDAY, cost(41)).await, ErrorKind::BudgetExceeded, "budget");
    assert_eq!(scene.standing(MONDAY).await, [(0, 60, 40)]);
    let dear = scene.reserve(MONDAY, cost(40)).await.unwrap();
    scene.settle(MONDAY, cheap, cost(10)).await;
    assert_eq!(scene.standing(MONDAY).await, [(10, 40, 50)]);
    scene.settle(MONDAY, dear, cost(95)).await;
    assert_eq!(scene.standing(MONDAY).await, [(105, 0, 0)], "what is spent is spent, also when it is more");
    refused(scene.reserve(MONDAY, cost(1)).await, ErrorKind::BudgetExceeded, "budget");
    let free = scene.reserve(MONDAY, cost(0)).await.unwrap();
    scene.at(MONDAY, Op::Release { id: free }).await.unwrap();
    assert_eq!(scene.total().await.nano_usd, 105);
    assert_eq!(scene.total().await.requests, 2, "what was never sent is in no ledger");
}

pub(super) async fn a_refusal_says_what_is_left_and_when_it_renews(store: Arc<dyn Store>) {
    let scene = Scene::new(Arc::clone(&store));
    let budget = usd_per_day(100);
    scene.set(budget.clone()).await;
    scene.charge(at(HOUR), cost(70)).await;
    let batch = WriteBatch::new(OWNER, at(HOUR))
        .op(put_conversation(ONE))
        .op(Op::Charge(cost(5)))
        .op(Op::Reserve(reservation(scene.ids.reservation(), cost(26))));
    let error = store.apply(batch, Durability::PowerSafe).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::BudgetExceeded, "budget"));
    let expected = BudgetStatus {
        budget,
        key: Some(OWNER.to_owned()),
        spent: 75,
        reserved: 0,
        remaining: 25,
        resets_at: Some(at(DAY)),
    };
    assert_eq!(error.budget(), Some(&expected));
    assert_eq!(error.info().budget, Some(expected));
    assert_eq!(error.retry(), Retry::After { after_ms: 23 * HOUR });
    assert!(!error.to_string().contains(OWNER), "{error}");
    assert_eq!(store.conversation(OWNER, ONE).await.unwrap(), None, "the whole batch is taken back");
    assert_eq!(scene.standing(at(HOUR)).await, [(70, 0, 30)]);
    assert_eq!(scene.standing(at(DAY)).await, [(0, 0, 100)]);
    scene.set(Budget::requests(0)).await;
    let error = scene.reserve(at(HOUR), cost(31)).await.unwrap_err();
    assert_eq!(error.budget().unwrap().budget.limit, BudgetLimit::Requests(0), "it never renews");
    assert_eq!((error.retry(), error.budget().unwrap().resets_at), (Retry::Never, None));
}

pub(super) async fn every_budget_that_holds_is_asked(store: Arc<dyn Store>) {
    let scene = Scene::new(Arc::clone(&store));
    let stranger = scene.of(STRANGER);
    for budget in [
        Budget::requests(6),
        Budget::requests(4).each(BudgetScope::User),
        Budget::requests(3).of(BudgetScope::User, STRANGER),
        Budget::requests(2).each(BudgetScope::Conversation),
        Budget::requests(1).each(BudgetScope::Run),
        Budget::tokens(1_000).of(BudgetScope::Conversation, ONE.to_string()),
    ] {
        scene.set(budget).await;
    }
    let in_run = |run: &str, entry| LedgerEntry { run: Some(run.to_owned()), ..entry };
    let limit_of = |result: Result<ReservationId>| result.unwrap_err().budget().unwrap().budget.limit.amount();
    scene.reserve(NOW, in_run("r", within(ONE, cost(1)))).await.unwrap();
    assert_eq!(limit_of(scene.reserve(NOW, in_run("r", within(TWO, cost(1)))).await), 1);
    scene.reserve(NOW, within(ONE, cost(1))).await.unwrap();
    assert_eq!(limit_of(scene.reserve(NOW, within(ONE, cost(1))).await), 2);
    scene.reserve(NOW, within(TWO, cost(1))).await.unwrap();
    scene.reserve(NOW, cost(1)).await.unwrap();
    assert_eq!(limit_of(scene.reserve(NOW, cost(1)).await), 4);
    // Another user, who names the same run: neither sees what the first one spends, but the application does.
    stranger.reserve(NOW, in_run("r", cost(1))).await.unwrap();
    stranger.reserve(NOW, cost(1)).await.unwrap();
    assert_eq!(limit_of(stranger.reserve(NOW, cost(1)).await), 6);
    let who = Spender { owner: OWNER.to_owned(), conversation: Some(ONE), run: Some("r".to_owned()), also: Vec::new() };
    let all = scene.standing_of(NOW, who).await;
    let seen: Vec<_> = all.iter().map(|status| (status.key.as_deref(), status.reserved)).collect();
    let one = ONE.to_string();
    let keys = [(None, 6), (Some(OWNER), 4), (Some(one.as_str()), 2), (Some("r"), 1), (Some(one.as_str()), 20)];
    assert_eq!(seen, keys);
}

pub(super) async fn settling_twice_counts_once(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.set(usd_per_day(100)).await;
    let id = scene.reserve(MONDAY, cost(60)).await.unwrap();
    refused(scene.at(MONDAY, Op::Reserve(reservation(id, cost(1)))).await, ErrorKind::Conflict, "id_taken");
    let stranger = scene.of(STRANGER);
    refused(stranger.at(MONDAY, Op::Reserve(reservation(id, cost(1)))).await, ErrorKind::Conflict, "id_taken");
    stranger.settle(MONDAY, id, cost(1)).await;
    stranger.at(MONDAY, Op::Release { id }).await.unwrap();
    assert_eq!(scene.standing(MONDAY).await, [(0, 60, 40)], "another user can neither settle nor release it");
    for _ in 0..2 {
        scene.settle(MONDAY, id, cost(10)).await;
        scene.at(MONDAY, Op::Release { id }).await.unwrap();
        assert_eq!(scene.standing(MONDAY).await, [(10, 0, 90)]);
    }
    assert_eq!(scene.total().await.requests, 1);
    assert_eq!(stranger.total().await, UsageTotal::default());
}

pub(super) async fn a_budget_set_at_noon_counts_the_morning(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let in_run = LedgerEntry { run: Some("r".to_owned()), ..within(ONE, cost(5)) };
    scene.charge(at(-1), in_run.clone()).await;
    scene.charge(at(HOUR), in_run.clone()).await;
    scene.of(STRANGER).charge(at(HOUR), in_run.clone()).await;
    let open = scene.reserve(at(2 * HOUR), in_run.clone()).await.unwrap();
    scene.reserve(at(-DAY), cost(1_000)).await.unwrap();
    let noon = 12 * HOUR;
    scene.charge(at(noon - 1), in_run.clone()).await;
    scene.charge(at(noon), in_run.clone()).await;
    let moment = at(noon + 10 * MINUTE);
    let windows = [(Window::Hour, 5, 0), (Window::Day, 15, 5), (Window::Week, 15, 5), (Window::Month, 15, 5)];
    let windows = windows.into_iter().chain([(Window::Total, 20, 5)]);
    let who = Spender { owner: OWNER.to_owned(), conversation: Some(ONE), run: Some("r".to_owned()), also: Vec::new() };
    for (window, spent, reserved) in windows {
        for scope in [BudgetScope::Application, BudgetScope::User, BudgetScope::Conversation, BudgetScope::Run] {
            let budget = Budget::new(BudgetLimit::NanoUsd(10_000)).each(scope).per(window);
            scene.at(moment, Op::PutBudget(budget.clone())).await.unwrap();
            let all = scene.standing_of(moment, who.clone()).await;
            let [status] = all.as_slice() else { panic!("{all:?}") };
            let strangers = if scope == BudgetScope::Application && window != Window::Hour { 5 } else { 0 };
            let elsewhere = if matches!(scope, BudgetScope::Application | BudgetScope::User) && window == Window::Total
            {
                1_000
            } else {
                0
            };
            assert_eq!((status.spent, status.reserved), (spent + strangers, reserved + elsewhere), "{budget:?}");
            scene.apply_op(Op::DeleteBudget { id: budget.id() }).await.unwrap();
        }
    }
    // It also takes over what is open.
    scene.set(usd_per_day(100)).await;
    scene.settle(moment, open, cost(2)).await;
    assert_eq!(scene.standing(moment).await, [(17, 0, 83)]);
}

pub(super) async fn a_request_counts_for_the_moment_at_which_it_was_reserved(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.set(usd_per_day(100)).await;
    let late = scene.reserve(at(DAY - 1), cost(80)).await.unwrap();
    assert_eq!(scene.standing(at(DAY)).await, [(0, 0, 100)]);
    scene.reserve(at(DAY), cost(100)).await.unwrap();
    scene.settle(at(DAY + 1), late, cost(80)).await;
    assert_eq!(scene.standing(at(DAY + 1)).await, [(0, 100, 0)], "what Monday admitted does not overshoot Tuesday");
    let days = scene.usage(UsageBy::Day, None, None).await.rows;
    assert_eq!(days.iter().map(|row| (row.key.as_str(), row.usage.nano_usd)).collect::<Vec<_>>(), [("2027-02-01", 80)]);
}

pub(super) async fn each_window_begins_with_nothing_spent(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let windows = [Window::Minute, Window::Hour, Window::Day, Window::Week, Window::Month];
    for (number, window) in windows.into_iter().enumerate() {
        let budget = Budget::requests(1).per(window).each(BudgetScope::User);
        scene.set(budget.clone()).await;
        // Far from what was spent for the windows before.
        let mut moment = at(i64::try_from(number).unwrap() * 1_000 * DAY);
        for _ in 0..12 {
            let (start, end) = (window.bounds(moment).0, window.bounds(moment).1.unwrap());
            let id = scene.reserve(start, cost(1)).await.unwrap();
            let last = Timestamp::from_millis(end.as_millis() - 1);
            refused(scene.reserve(last, cost(1)).await, ErrorKind::BudgetExceeded, "budget");
            scene.at(last, Op::Release { id }).await.unwrap();
            let again = scene.reserve(last, cost(1)).await.unwrap();
            scene.at(last, Op::Release { id: again }).await.unwrap();
            let kept = scene.reserve(last, cost(1)).await.unwrap();
            scene.settle(end, kept, cost(1)).await;
            moment = end;
        }
        scene.apply_op(Op::DeleteBudget { id: budget.id() }).await.unwrap();
    }
}

pub(super) async fn an_alert_is_told_once_for_each_share_and_window(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.set(usd_per_day(100).warn_at([0.07, 0.5, 0.8, 1.0])).await;
    let shares = |receipt: &Receipt| receipt.alerts.iter().map(|alert| alert.share).collect::<Vec<_>>();
    assert_eq!(shares(&scene.charge(MONDAY, cost(6)).await), [0.0; 0]);
    assert_eq!(shares(&scene.charge(MONDAY, cost(1)).await), [0.07]);
    let id = scene.ids.reservation();
    let receipt = scene.at(MONDAY, Op::Reserve(reservation(id, cost(90)))).await.unwrap();
    assert_eq!(shares(&receipt), [0.0; 0], "what is only reserved may come back");
    let receipt = scene.settle(MONDAY, id, cost(75)).await;
    assert_eq!(shares(&receipt), [0.5, 0.8]);
    let status = &receipt.alerts[0].status;
    assert_eq!((status.spent, status.reserved, status.remaining), (82, 0, 18));
    assert_eq!(shares(&scene.charge(MONDAY, cost(1)).await), [0.0; 0]);
    assert_eq!(shares(&scene.charge(MONDAY, cost(500)).await), [1.0]);
    assert_eq!(shares(&scene.charge(at(DAY), cost(51)).await), [0.07, 0.5], "a new day");
    // The same once more changes nothing; a changed one begins anew.
    scene.set(usd_per_day(100).warn_at([0.07, 0.5, 0.8, 1.0])).await;
    assert_eq!(shares(&scene.charge(at(DAY), cost(1)).await), [0.0; 0]);
    scene.set(usd_per_day(1_000).warn_at([0.05, 0.5])).await;
    assert_eq!(shares(&scene.charge(at(DAY), cost(1)).await), [0.05]);
    // One that is set late tells what is spent already, to whoever spends or reserves next.
    scene.set(Budget::new(BudgetLimit::NanoUsd(700)).warn_at([0.9])).await;
    let id = scene.ids.reservation();
    assert_eq!(shares(&scene.at(at(DAY), Op::Reserve(reservation(id, cost(1)))).await.unwrap()), [0.9]);
}

pub(super) async fn an_unknown_price_is_no_price_of_nothing(store: Arc<dyn Store>) {
    let scene = Scene::new(Arc::clone(&store));
    let unknown = LedgerEntry { cost: Cost::default(), ..cost(0) };
    let open = scene.reserve(MONDAY, unknown.clone()).await.unwrap();
    scene.set(usd_per_day(100)).await;
    refused(scene.reserve(MONDAY, unknown.clone()).await, ErrorKind::BudgetExceeded, "unknown_price");
    scene.settle(MONDAY, open, unknown.clone()).await;
    scene.charge(MONDAY, unknown.clone()).await;
    scene.charge(MONDAY, cost(4)).await;
    assert_eq!(scene.standing(MONDAY).await, [(4, 0, 96)]);
    let total = scene.total().await;
    assert_eq!((total.requests, total.unknown_cost_requests, total.nano_usd, total.input_tokens), (3, 2, 4, 21));
    scene.apply_op(Op::DeleteBudget { id: usd_per_day(1).id() }).await.unwrap();
    scene.set(Budget::tokens(100)).await;
    scene.reserve(MONDAY, unknown).await.unwrap();
}

pub(super) async fn what_is_not_known_is_settled_as_it_was_reserved(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.set(usd_per_day(1_000)).await;
    scene.set(Budget::tokens(1_000)).await;
    let usage = Usage { input_tokens: 100, output_tokens: 200, requests: 1, ..Usage::default() };
    let worst = LedgerEntry { usage, ..cost(50) };
    let nothing = LedgerEntry { usage: Usage::default(), cost: Cost::default(), ..cost(0) };
    let id = scene.reserve(MONDAY, worst.clone()).await.unwrap();
    scene.settle(MONDAY, id, nothing.clone()).await;
    assert_eq!(scene.standing(MONDAY).await, [(50, 0, 950), (300, 0, 700)]);
    // The provider names the price alone, or the tokens alone.
    let id = scene.reserve(MONDAY, worst.clone()).await.unwrap();
    scene.settle(MONDAY, id, LedgerEntry { cost: cost(20).cost, ..nothing.clone() }).await;
    let id = scene.reserve(MONDAY, worst).await.unwrap();
    scene.settle(MONDAY, id, LedgerEntry { usage: cost(0).usage, ..nothing }).await;
    assert_eq!(scene.standing(MONDAY).await, [(120, 0, 880), (610, 0, 390)]);
    let total = scene.total().await;
    assert_eq!((total.requests, total.estimated_requests, total.unknown_cost_requests), (3, 3, 0));
}

pub(super) async fn hostile_amounts_never_wrap(store: Arc<dyn Store>) {
    let scene = Scene::new(Arc::clone(&store));
    for budget in [
        Budget::new(BudgetLimit::NanoUsd(i64::MAX)).warn_at([1.0]),
        Budget::tokens(i64::MAX),
        Budget::requests(i64::MAX).each(BudgetScope::User),
    ] {
        scene.set(budget).await;
    }
    let most = Usage {
        input_tokens: i64::MAX,
        output_tokens: i64::MAX,
        cache_read_input_tokens: i64::MAX,
        requests: i32::MAX,
        source: UsageSource::Reported,
        ..Usage::default()
    };
    let dear = LedgerEntry { usage: most, ..within(ONE, cost(i64::MAX)) };
    let least = Usage { input_tokens: i64::MIN, output_tokens: -5, requests: i32::MIN, ..cost(0).usage };
    let less = LedgerEntry { usage: least, ..within(ONE, cost(i64::MIN)) };
    let id = scene.reserve(NOW, dear.clone()).await.unwrap();
    refused(scene.reserve(NOW, dear.clone()).await, ErrorKind::BudgetExceeded, "budget");
    refused(scene.reserve(NOW, cost(1)).await, ErrorKind::BudgetExceeded, "budget");
    let other = scene.reserve(NOW, less.clone()).await.unwrap();
    let full = (0, i64::MAX, 0);
    let requests = i64::from(i32::MAX) + 1;
    assert_eq!(scene.standing(NOW).await, [full, full, (0, requests, i64::MAX - requests)]);
    scene.settle(NOW, other, less.clone()).await;
    scene.settle(NOW, id, dear.clone()).await;
    for _ in 0..3 {
        scene.charge(NOW, dear.clone()).await;
        scene.charge(NOW, less.clone()).await;
    }
    let spent = (i64::MAX, 0, 0);
    let requests = 4 * i64::from(i32::MAX) + 4;
    assert_eq!(scene.standing(NOW).await, [spent, spent, (requests, 0, i64::MAX - requests)]);
    for by in [UsageBy::Model, UsageBy::Day, UsageBy::Conversation, UsageBy::User] {
        let report = scene.usage(by, None, None).await;
        assert_eq!((report.total.nano_usd, report.total.requests), (i64::MAX, requests), "{by:?}");
        assert_eq!(report.rows[0].usage, report.total, "{by:?}");
    }
    // Times at both ends of the clock.
    for budget in [Budget::new(BudgetLimit::NanoUsd(0)), Budget::tokens(0)] {
        scene.apply_op(Op::DeleteBudget { id: budget.id() }).await.unwrap();
    }
    for moment in [i64::MIN, i64::MAX].map(Timestamp::from_millis) {
        for window in [Window::Minute, Window::Hour, Window::Day, Window::Week, Window::Month] {
            scene.set(Budget::requests(9).per(window).each(BudgetScope::User)).await;
        }
        let id = scene.reserve(moment, cost(0)).await.unwrap();
        scene.settle(moment, id, cost(1)).await;
        scene.charge(moment, cost(1)).await;
    }
    for hostile in ["", "'; DROP TABLE budget; --", "\0", "%_", "ünï"] {
        let entry = LedgerEntry { run: Some(hostile.to_owned()), ..of_model(hostile, cost(0)) };
        scene.set(Budget::tokens(50).each(BudgetScope::Run)).await;
        let id = scene.reserve(at(DAY), entry.clone()).await.unwrap();
        scene.settle(at(DAY), id, entry).await;
        let who = Spender { owner: OWNER.to_owned(), run: Some(hostile.to_owned()), ..Spender::default() };
        let all = scene.standing_of(at(DAY), who).await;
        let of_run = all.iter().find(|status| status.budget.scope == BudgetScope::Run).unwrap();
        assert_eq!((of_run.spent, of_run.key.as_deref()), (10, Some(hostile)));
    }
}

pub(super) async fn recovery_settles_at_its_worst_what_the_dead_had_reserved(store: Arc<dyn Store>) {
    let scene = Scene::new(Arc::clone(&store));
    scene.set(usd_per_day(100).warn_at([0.2])).await;
    let id = scene.ids.reservation();
    let dead = NewReservation { lease_until: at(MINUTE), ..reservation(id, within(ONE, cost(30))) };
    scene.at(MONDAY, Op::Reserve(dead.clone())).await.unwrap();
    let holder = "a living process".to_owned();
    let living = NewReservation { id: scene.ids.reservation(), holder: holder.clone(), ..dead };
    let living_id = living.id;
    scene.at(MONDAY, Op::Reserve(living)).await.unwrap();
    // Renewed by a batch of another user: a process renews all that it holds at once.
    scene.of(STRANGER).at(MONDAY, Op::RenewReservations { holder, until: at(HOUR) }).await.unwrap();
    store.recover(at(MINUTE - 1)).await.unwrap();
    assert_eq!(scene.standing(MONDAY).await, [(0, 60, 40)]);
    for _ in 0..2 {
        store.recover(at(MINUTE)).await.unwrap();
        assert_eq!(scene.standing(MONDAY).await, [(30, 30, 40)]);
    }
    let total = scene.total().await;
    assert_eq!((total.requests, total.estimated_requests, total.nano_usd), (1, 1, 30));
    // Who was only taken for dead settles late: the money is counted already.
    scene.settle(at(2 * MINUTE), id, within(ONE, cost(2))).await;
    assert_eq!(scene.standing(MONDAY).await, [(30, 30, 40)]);
    let receipt = scene.settle(at(2 * MINUTE), living_id, within(ONE, cost(2))).await;
    assert_eq!(receipt.alerts.len(), 1, "what recovery has spent is told to the next who spends");
    store.recover(at(DAY)).await.unwrap();
    assert_eq!(scene.standing(MONDAY).await, [(32, 0, 68)]);
}

pub(super) async fn budgets_that_come_with_a_request_hold_besides_those_that_are_set(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    scene.charge(MONDAY, cost(10)).await;
    let also = vec![usd_per_day(25)];
    let who = Spender { owner: scene.owner.to_owned(), also: also.clone(), ..Spender::default() };
    let reserve = async |worst| {
        let id = scene.ids.reservation();
        let new = NewReservation { also: also.clone(), ..reservation(id, worst) };
        scene.at(at(HOUR), Op::Reserve(new)).await.map(|_| id)
    };
    // What is spent and what is reserved counts, with or without a budget that is set.
    let first = reserve(cost(10)).await.unwrap();
    let status = scene.standing_of(at(HOUR), who.clone()).await.remove(0);
    assert_eq!((status.spent, status.reserved, status.remaining), (10, 10, 5));
    let error = reserve(cost(6)).await.unwrap_err();
    assert_eq!((error.kind(), error.budget().unwrap().budget.clone()), (ErrorKind::BudgetExceeded, also[0].clone()));
    scene.settle(at(HOUR), first, cost(1)).await;
    let status = scene.standing_of(at(HOUR), who.clone()).await.remove(0);
    assert_eq!((status.spent, status.reserved, status.remaining), (11, 0, 14));
    reserve(cost(14)).await.unwrap();
    reserve(cost(1)).await.unwrap_err();
    // Nobody else has heard of it, and a new day begins with all of it.
    scene.reserve(at(HOUR), cost(100)).await.unwrap();
    assert_eq!(scene.standing_of(at(DAY), who).await[0].remaining, 25);
}

pub(super) async fn what_the_application_spends_itself_is_no_users(store: Arc<dyn Store>) {
    let scene = Scene::new(Arc::clone(&store));
    scene.set(usd_per_day(5)).await;
    scene.set(usd_per_day(50).each(BudgetScope::Application)).await;
    let new = reservation(scene.ids.reservation(), cost(20));
    store.apply(WriteBatch::new("", at(HOUR)).op(Op::Reserve(new)), Durability::ProcessSafe).await.unwrap();
    let standing = scene.standing_of(at(HOUR), Spender::default()).await;
    assert_eq!((standing.len(), standing[0].reserved), (1, 20));
}
