//! The layer in which calls wait for their turn: who goes first, who is told what, who is refused, what comes back.

use std::sync::atomic::{AtomicU32, Ordering};

use futures::FutureExt as _;
use tokio::task::JoinSet;

use super::*;
use crate::model::{Allowance, Priority, Quota, RetryAfterSource};
use crate::policy::{BreakerSettings, CacheSettings, LimitSettings, QueueSettings};

const SECOND: Duration = Duration::from_secs(1);

type Answer = Arc<dyn Fn(u32, &Call) -> Result<()> + Send + Sync>;

/// A provider behind the queue: it answers when it is told to, and as it is told.
struct Target {
    clock: ManualClock,
    layer: AdmissionLayer,
    asked: Arc<AtomicU32>,
    answers: Arc<tokio::sync::Semaphore>,
    answer: Answer,
    order: Arc<Mutex<Vec<&'static str>>>,
    told: Arc<Mutex<Vec<Progress>>>,
}

impl Target {
    fn new(limits: LimitSettings, queue: QueueSettings) -> Self {
        let clock = ManualClock::default();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let random = Arc::new(SeededRandom::new(5));
        let breaker = BreakerLayer::new(BreakerSettings::default(), 60 * SECOND, shared.clone(), random);
        Self {
            clock,
            layer: AdmissionLayer::new(limits, queue, breaker, shared),
            asked: Arc::default(),
            answers: Arc::new(tokio::sync::Semaphore::new(0)),
            answer: Arc::new(|_, _| Ok(())),
            order: Arc::default(),
            told: Arc::default(),
        }
    }

    fn with_permits(permits: u32) -> Self {
        Self::new(LimitSettings { max_concurrent: permits, ..LimitSettings::default() }, QueueSettings::default())
    }

    fn answering(mut self, answer: impl Fn(u32, &Call) -> Result<()> + Send + Sync + 'static) -> Self {
        self.answer = Arc::new(answer);
        self
    }

    fn context(&self, operation: &'static str, priority: Priority) -> CallContext {
        let mut context = CallContext::new(operation);
        context.deadline = Some(self.clock.monotonic() + 600 * SECOND);
        context.priority = priority;
        let told = self.told.clone();
        context.progress = Some(Arc::new(move |progress| told.lock().unwrap().push(progress)));
        context
    }

    fn service(&self) -> ChatService {
        let (asked, answers, order) = (self.asked.clone(), self.answers.clone(), self.order.clone());
        let answer = self.answer.clone();
        let inner = tower::service_fn(move |call: Call| {
            let number = asked.fetch_add(1, Ordering::SeqCst) + 1;
            order.lock().unwrap().push(call.context.operation);
            let (answers, answered) = (answers.clone(), answer(number, &call));
            async move {
                answered?;
                let answer = answers.acquire_owned().await.unwrap();
                answer.forget();
                Ok(Box::pin(stream::iter([text("hi"), done()])) as ReplyEvents)
            }
        });
        ChatService::new(self.layer.layer(inner))
    }

    fn ask(&self, context: CallContext) -> BoxFuture<'static, Result<String>> {
        let work = self.service().oneshot(call(context));
        Box::pin(async move {
            match texts(work.await?).await {
                (_, Some(error)) => Err(error),
                (said, None) => Ok(said),
            }
        })
    }

    fn asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }

    fn order(&self) -> Vec<&'static str> {
        self.order.lock().unwrap().clone()
    }

    /// Ends when so much was told.
    async fn told(&self, count: usize, of: impl Fn(&Progress) -> bool) {
        for _ in 0..10_000_000 {
            if self.told.lock().unwrap().iter().filter(|progress| of(progress)).count() >= count {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("only {:?}", self.told.lock().unwrap().len());
    }
}

fn is_queued(progress: &Progress) -> bool {
    matches!(progress, Progress::Queued { .. })
}

fn is_blocked(progress: &Progress) -> bool {
    matches!(progress, Progress::Waiting { reason, .. } if reason == "breaker_open")
}

#[tokio::test]
async fn of_a_hundred_in_the_background_and_one_in_front_the_one_is_next() {
    let target = Target::with_permits(1);
    let mut calls = JoinSet::new();
    calls.spawn(target.ask(target.context("first", Priority::Interactive)));
    while target.asked() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..100 {
        calls.spawn(target.ask(target.context("background", Priority::Background)));
    }
    target.told(100, is_queued).await;
    calls.spawn(target.ask(target.context("interactive", Priority::Interactive)));
    target.told(101, is_queued).await;
    assert_eq!(target.asked(), 1, "one permit");
    let last = target.told.lock().unwrap().last().cloned();
    assert!(matches!(last, Some(Progress::Queued { position: 0, .. })), "{last:?}");
    target.answers.add_permits(102);
    while let Some(said) = calls.join_next().await {
        assert_eq!(said.unwrap().unwrap(), "hi");
    }
    assert_eq!(target.order()[..2], ["first", "interactive"]);
    assert_eq!(target.asked(), 102);
}

#[tokio::test]
async fn a_permit_is_held_until_the_reply_has_ended_or_is_dropped() {
    let target = Target::with_permits(1);
    target.answers.add_permits(10);
    let open = |context| target.service().oneshot(call(context));
    let mut events = open(target.context("first", Priority::Interactive)).await.unwrap();
    let mut second = open(target.context("second", Priority::Interactive));
    assert!(futures::poll!(&mut second).is_pending());
    assert!(events.next().await.unwrap().unwrap().kind.is_content());
    assert!(futures::poll!(&mut second).is_pending(), "it speaks still");
    drop(events);
    let mut events = second.await.unwrap();
    let mut third = open(target.context("third", Priority::Interactive));
    assert!(futures::poll!(&mut third).is_pending());
    let _ = events.next().await;
    let _ = events.next().await;
    // The last event is out; the stream itself is kept.
    let third = third.await.unwrap();
    drop((third, events));
    assert_eq!(target.ask(target.context("fourth", Priority::Interactive)).await.unwrap(), "hi");
}

#[tokio::test]
async fn a_call_that_goes_away_while_it_waits_or_is_called_leaves_nothing_behind() {
    let target = Target::with_permits(1);
    let mut first = target.ask(target.context("first", Priority::Interactive));
    assert!(futures::poll!(&mut first).is_pending());
    let context = target.context("stopped", Priority::Interactive);
    let cancel = context.cancel.clone();
    let mut stopped = target.ask(context);
    let mut dropped = target.ask(target.context("dropped", Priority::Interactive));
    let mut called = target.ask(target.context("called", Priority::Interactive));
    let mut last = target.ask(target.context("last", Priority::Interactive));
    for waiting in [&mut stopped, &mut dropped, &mut called, &mut last] {
        assert!(futures::poll!(waiting).is_pending());
    }
    cancel.cancel();
    assert_eq!(stopped.await.unwrap_err().kind(), ErrorKind::Cancelled);
    drop(dropped);
    target.answers.add_permits(1);
    assert_eq!(first.await.unwrap(), "hi");
    // It has been let go, and goes away before it knows.
    drop(called);
    target.answers.add_permits(1);
    assert_eq!(last.await.unwrap(), "hi");
    assert_eq!(target.order(), ["first", "last"]);
    assert_eq!(target.clock.sleepers(), 0);
}

#[tokio::test]
async fn what_the_server_asks_of_one_call_holds_all_and_who_cannot_wait_is_refused() {
    let target = Target::with_permits(10).answering(|number, _| if number == 1 { Err(busy(20_000)) } else { Ok(()) });
    target.answers.add_permits(10);
    let error = target.ask(target.context("first", Priority::Interactive)).await.unwrap_err();
    assert_eq!(error.retry_after_source(), Some(RetryAfterSource::Server));
    let mut context = target.context("hurried", Priority::Interactive);
    context.deadline = Some(target.clock.monotonic() + 20 * SECOND);
    let error = target.ask(context).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::RateLimited, "queue_deadline"));
    assert_eq!((error.retry_after(), error.retry_after_source()), (Some(20 * SECOND), Some(RetryAfterSource::Server)));
    assert_eq!((error.provider(), error.model()), (Some("lab"), Some("m")));
    let mut patient = target.ask(target.context("patient", Priority::Interactive));
    target.clock.advance(19 * SECOND);
    assert!(futures::poll!(&mut patient).is_pending());
    assert_eq!(target.asked(), 1);
    target.clock.advance(SECOND);
    assert_eq!(patient.await.unwrap(), "hi");
}

#[tokio::test]
async fn a_delay_that_comes_while_others_wait_ends_the_wait_of_those_who_have_no_time_for_it() {
    let target = Target::with_permits(1).answering(|number, _| if number == 2 { Err(busy(30_000)) } else { Ok(()) });
    let mut first = target.ask(target.context("first", Priority::Interactive));
    let mut second = target.ask(target.context("second", Priority::Interactive));
    let mut context = target.context("hurried", Priority::Interactive);
    context.deadline = Some(10 * SECOND);
    let mut hurried = target.ask(context);
    for waiting in [&mut first, &mut second, &mut hurried] {
        assert!(futures::poll!(waiting).is_pending());
    }
    target.answers.add_permits(1);
    assert_eq!(first.await.unwrap(), "hi");
    assert_eq!(second.await.unwrap_err().reason(), "server");
    let error = hurried.await.unwrap_err();
    assert_eq!((error.reason(), error.retry_after()), ("queue_deadline", Some(30 * SECOND)));
    assert_eq!(target.clock.monotonic(), Duration::ZERO, "at once");
}

#[tokio::test]
async fn a_refusal_of_the_queue_is_neither_a_try_nor_tried_again() {
    let limits = LimitSettings { requests_per_minute: Some(1), ..LimitSettings::default() };
    let target = Target::new(limits, QueueSettings { max_waiting: 1, ..QueueSettings::default() });
    target.answers.add_permits(10);
    let clock: Arc<dyn Clock> = Arc::new(target.clock.clone());
    let retry = RetryLayer::new(RetryPolicy::new(RetrySettings::default()), clock, Arc::new(SeededRandom::new(5)));
    let service = ChatService::new(retry.layer(target.service()));
    assert_eq!(target.ask(target.context("first", Priority::Interactive)).await.unwrap(), "hi");
    let mut context = target.context("hurried", Priority::Interactive);
    context.deadline = Some(59 * SECOND);
    let error = service.clone().oneshot(call(context.clone())).await.err().unwrap();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::RateLimited, "queue_deadline"));
    assert_eq!(error.retry_after_source(), Some(RetryAfterSource::Bucket));
    assert!((59 * SECOND..=61 * SECOND).contains(&error.retry_after().unwrap()), "{error:?}");
    assert!(error.attempts().is_empty() && context.attempts().is_empty());
    let mut waiting = target.ask(target.context("waiting", Priority::Interactive));
    assert!(futures::poll!(&mut waiting).is_pending());
    let error = service.oneshot(call(target.context("late", Priority::Interactive))).await.err().unwrap();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "queue_full"));
    assert!(matches!(error.retry(), Retry::After { .. }) && error.attempts().is_empty());
    assert_eq!(target.asked(), 1);
    // Somebody more urgent than who waits takes its place.
    let mut context = target.context("background", Priority::Background);
    context.deadline = None;
    drop(waiting);
    let mut background = target.ask(context);
    assert!(futures::poll!(&mut background).is_pending());
    let mut urgent = target.ask(target.context("urgent", Priority::Interactive));
    assert!(futures::poll!(&mut urgent).is_pending());
    assert_eq!(background.await.unwrap_err().reason(), "queue_full");
    target.clock.advance(61 * SECOND);
    assert_eq!(urgent.await.unwrap(), "hi");
}

#[tokio::test]
async fn a_later_try_that_is_refused_tells_what_the_provider_said_and_when_to_come_back() {
    let server = |kind| Error::new(kind, "server", "the disk is full").with_retry(Retry::Safe).with_status(500);
    let retries = RetrySettings { base_delay_ms: 1_000, throttle_base_delay_ms: 1_000, ..RetrySettings::default() };
    let retrying = |target: &Target| {
        let (clock, random) = (Arc::new(target.clock.clone()), Arc::new(SeededRandom::new(5)));
        RetryLayer::new(RetryPolicy::new(retries), clock, random).layer(target.service())
    };
    // The queue: who waits when the next try comes up has the only place there is.
    let queue = QueueSettings { max_waiting: 1, ..QueueSettings::default() };
    let target = Target::new(LimitSettings { max_concurrent: 1, ..LimitSettings::default() }, queue);
    let target = target.answering(move |number, _| if number == 1 { Err(server(ErrorKind::TimedOut)) } else { Ok(()) });
    let context = target.context("first", Priority::Interactive);
    let mut first = Box::pin(retrying(&target).oneshot(call(context.clone())));
    assert!(futures::poll!(&mut first).is_pending());
    let mut holding = target.ask(target.context("holding", Priority::Interactive));
    let mut waiting = target.ask(target.context("waiting", Priority::Interactive));
    assert!(futures::poll!(&mut holding).is_pending() && futures::poll!(&mut waiting).is_pending());
    target.clock.advance(SECOND);
    let error = first.await.err().unwrap();
    assert_eq!((error.kind(), error.reason(), error.status()), (ErrorKind::TimedOut, "server", Some(500)));
    assert!(matches!(error.retry(), Retry::After { .. }), "{error:?}");
    assert_eq!((error.attempts().len(), context.attempts().len(), target.asked()), (1, 1, 2), "one try was made");

    // The breaker: ten failures open it, which the retries of the last call find.
    let target = Target::with_permits(1).answering(move |_, _| Err(server(ErrorKind::Unavailable)));
    for _ in 0..9 {
        let _ = target.ask(target.context("down", Priority::Interactive)).await;
    }
    let mut context = target.context("last", Priority::Interactive);
    context.deadline = Some(target.clock.monotonic() + 3 * SECOND);
    let mut last = Box::pin(retrying(&target).oneshot(call(context.clone())));
    assert!(futures::poll!(&mut last).is_pending());
    target.clock.advance(SECOND);
    let error = last.await.err().unwrap();
    assert_eq!((error.reason(), error.status(), error.attempts().len()), ("server", Some(500), 1), "{error:?}");
    assert!(matches!(error.retry(), Retry::After { after_ms: 1_000.. }), "when it may be back: {error:?}");
    assert_eq!(error.retry_after_source(), Some(RetryAfterSource::Assumed));
}

#[tokio::test]
async fn too_fast_always_says_for_how_long_and_who_says_so() {
    let throttled = || Error::new(ErrorKind::RateLimited, "provider_limit", "too fast").with_retry(Retry::Safe);
    let target = Target::with_permits(10).answering(move |number, call| {
        if number > 1 {
            let requests = Some(Allowance { limit: 60, remaining: 0, resets_in: Some(60 * SECOND) });
            call.context.learn(|| Quota { requests, ..Quota::default() });
        }
        Err(throttled())
    });
    let ask = |operation| target.ask(target.context(operation, Priority::Interactive));
    let off = LimitSettings { adaptive: false, ..LimitSettings::default() };
    let unlimited = Target::new(off, QueueSettings::default()).answering(move |_, _| Err(throttled()));
    let error = unlimited.ask(unlimited.context("assumed", Priority::Interactive)).await.unwrap_err();
    assert_eq!(error.retry_after_source(), Some(RetryAfterSource::Assumed));
    assert_eq!((error.retry_after(), error.retry()), (Some(60 * SECOND), Retry::Safe), "a guess is no floor");
    assert_eq!(ask("first").await.unwrap_err().reason(), "provider_limit");
    let error = ask("second").await.unwrap_err();
    assert_eq!((error.retry_after_source(), error.retry()), (Some(RetryAfterSource::Bucket), Retry::Safe));
    assert!((SECOND..2 * SECOND).contains(&error.retry_after().unwrap()), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn half_open_sends_exactly_one_probe_of_a_thousand_callers() {
    let target = Target::with_permits(64).answering(|number, _| if number <= 10 { Err(down()) } else { Ok(()) });
    for _ in 0..10 {
        assert_eq!(target.ask(target.context("down", Priority::Interactive)).await.unwrap_err().reason(), "reset");
    }
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        calls.spawn(target.ask(target.context("waiting", Priority::Normal)));
    }
    target.told(1_000, is_blocked).await;
    assert_eq!(target.asked(), 10, "nothing is sent while it is open");
    target.clock.advance(6 * SECOND);
    while target.asked() < 11 {
        tokio::task::yield_now().await;
    }
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(target.asked(), 11, "one probe");
    target.answers.add_permits(1_000);
    while let Some(said) = calls.join_next().await {
        assert_eq!(said.unwrap().unwrap(), "hi");
    }
    assert_eq!(target.asked(), 1_010);
}

#[tokio::test]
async fn a_target_that_is_down_is_waited_for_in_the_order_of_the_queue() {
    let target = Target::with_permits(1).answering(|number, _| if number <= 10 { Err(down()) } else { Ok(()) });
    for _ in 0..10 {
        let _ = target.ask(target.context("down", Priority::Interactive)).await;
    }
    let mut background = target.ask(target.context("background", Priority::Background));
    assert!(futures::poll!(&mut background).is_pending());
    let mut urgent = target.ask(target.context("urgent", Priority::Interactive));
    assert!(futures::poll!(&mut urgent).is_pending());
    let mut context = target.context("hurried", Priority::Interactive);
    context.deadline = Some(SECOND);
    assert_eq!(target.ask(context).await.unwrap_err().reason(), "breaker_open");
    target.answers.add_permits(2);
    target.clock.advance(6 * SECOND);
    let (one, two) = tokio::join!(background, urgent);
    assert_eq!((one.unwrap(), two.unwrap()), ("hi".to_owned(), "hi".to_owned()));
    assert_eq!(target.order()[10..], ["urgent", "background"]);
}

#[tokio::test]
async fn all_who_wait_at_their_deadline_end_and_leave_nothing_behind() {
    let target = Target::with_permits(1);
    let mut held = target.ask(target.context("held", Priority::Interactive));
    assert!(futures::poll!(&mut held).is_pending());
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        let mut context = target.context("waiting", Priority::Normal);
        context.deadline = Some(30 * SECOND);
        calls.spawn(target.ask(context));
    }
    target.told(1_000, is_queued).await;
    target.clock.advance(30 * SECOND);
    while let Some(ended) = calls.join_next().await {
        let error = ended.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::RateLimited, "queue_deadline"));
        assert!(error.retry_after().is_some());
    }
    assert_eq!(target.asked(), 1);
    target.answers.add_permits(2);
    assert_eq!(held.await.unwrap(), "hi");
    assert_eq!(target.ask(target.context("next", Priority::Interactive)).await.unwrap(), "hi");
}

#[tokio::test]
async fn who_waits_hears_how_it_moves_up() {
    let target = Target::with_permits(1);
    let mut calls: Vec<_> = (0..3).map(|_| target.ask(target.context("call", Priority::Interactive))).collect();
    for waiting in &mut calls {
        assert!(futures::poll!(waiting).is_pending());
    }
    let positions = || -> Vec<i32> {
        let told = target.told.lock().unwrap();
        told.iter()
            .filter_map(|p| if let Progress::Queued { position, .. } = p { Some(*position) } else { None })
            .collect()
    };
    assert_eq!(positions(), [0, 1]);
    target.answers.add_permits(1);
    let mut last = calls.pop().unwrap();
    let mut second = calls.pop().unwrap();
    assert_eq!(calls.pop().unwrap().await.unwrap(), "hi");
    assert!(futures::poll!(&mut second).is_pending());
    target.clock.advance(SECOND);
    assert!(futures::poll!(&mut last).is_pending());
    assert_eq!(positions(), [0, 1, 0], "at most once a second");
}

#[tokio::test]
async fn a_key_of_ones_own_has_limits_of_its_own() {
    let limits = LimitSettings { requests_per_minute: Some(1), ..LimitSettings::default() };
    let target = Target::new(limits, QueueSettings::default());
    target.answers.add_permits(10);
    let with = |key: Option<&str>| {
        let mut context = target.context("call", Priority::Interactive);
        context.deadline = Some(SECOND);
        context.key = key.map(|key| CallKey { provider: "lab".to_owned(), key: key.into() });
        target.ask(context)
    };
    for key in [None, Some("ana"), Some("bob")] {
        assert_eq!(with(key).await.unwrap(), "hi");
        assert_eq!(with(key).await.unwrap_err().reason(), "queue_deadline", "{key:?}");
    }
}

#[tokio::test]
async fn a_call_that_others_wait_for_is_as_urgent_as_the_most_urgent_of_them() {
    let target = Target::with_permits(1);
    let settings = CacheSettings { enabled: true, ..CacheSettings::default() };
    let cache = CacheLayer::new(settings, Arc::new(target.clock.clone()), &SeededRandom::new(5));
    let shared = |operation, priority| {
        let work = cache.layer(target.service()).oneshot(call(target.context(operation, priority)));
        async move { texts(work.await.unwrap()).await.0 }
    };
    let mut held = target.ask(target.context("held", Priority::Interactive));
    assert!(futures::poll!(&mut held).is_pending());
    let mut before = target.ask(target.context("before", Priority::Background));
    assert!(futures::poll!(&mut before).is_pending());
    let mut begins = Box::pin(shared("shared", Priority::Background));
    assert!(futures::poll!(&mut begins).is_pending());
    let mut joins = Box::pin(shared("unheard of", Priority::Interactive));
    assert!(futures::poll!(&mut joins).is_pending());
    target.answers.add_permits(3);
    let (held, before, one, other) = tokio::join!(held, before, begins, joins);
    assert_eq!((held.unwrap(), before.unwrap(), one.as_str(), other.as_str()), ("hi".into(), "hi".into(), "hi", "hi"));
    assert_eq!(target.order(), ["held", "shared", "before"]);
}

#[tokio::test]
async fn keys_without_number_are_known_in_bounded_memory_and_who_is_in_use_is_not_forgotten() {
    let limits = LimitSettings { requests_per_minute: Some(1), ..LimitSettings::default() };
    let target = Target::new(limits, QueueSettings::default());
    target.answers.add_permits(5_000);
    let with = |key: String| {
        let mut context = target.context("call", Priority::Interactive);
        context.deadline = Some(SECOND);
        context.key = Some(CallKey { provider: "lab".to_owned(), key: key.into() });
        context
    };
    // Its reply is not read to its end.
    let held = target.service().oneshot(call(with("held".to_owned()))).await.unwrap();
    for number in 0..3_000 {
        assert_eq!(target.ask(with(format!("key {number}"))).await.unwrap(), "hi", "{number}");
        assert!(target.layer.known() <= 1_024, "{number}: {}", target.layer.known());
    }
    assert_eq!(target.ask(with("held".to_owned())).await.unwrap_err().reason(), "queue_deadline");
    assert_eq!(target.ask(with("key 2999".to_owned())).await.unwrap_err().reason(), "queue_deadline");
    assert_eq!(target.ask(with("key 0".to_owned())).await.unwrap(), "hi", "the longest unused is forgotten");
    drop(held);
}

/// What somebody asks who has others to go on to, or who asks a second time beside himself.
fn share(others: bool, queues: bool) -> Option<Share> {
    Some(Share { attempts: 1, begin_by: 600 * SECOND, others, queues })
}

#[tokio::test]
async fn who_goes_at_once_or_not_at_all_takes_no_place_in_the_queue() {
    let target = Target::with_permits(1);
    let hurried = || {
        let mut context = target.context("hurried", Priority::Interactive);
        context.share = share(false, false);
        target.ask(context)
    };
    target.answers.add_permits(1);
    assert_eq!(hurried().await.unwrap(), "hi", "at once");
    let mut held = target.ask(target.context("held", Priority::Interactive));
    assert!(futures::poll!(&mut held).is_pending());
    let error = hurried().now_or_never().expect("it waits").unwrap_err();
    assert_eq!((error.kind(), error.reason(), is_refusal(&error)), (ErrorKind::RateLimited, "queue_deadline", true));
    let mut waits = target.ask(target.context("waits", Priority::Background));
    assert!(futures::poll!(&mut waits).is_pending());
    assert!(hurried().now_or_never().expect("it waits").is_err());
    let told = target.told.lock().unwrap().clone();
    assert!(matches!(told[..], [Progress::Queued { position: 0, .. }]), "one alone has waited: {told:?}");
    target.answers.add_permits(2);
    assert_eq!((held.await.unwrap(), waits.await.unwrap()), ("hi".to_owned(), "hi".to_owned()));
    assert_eq!(target.order(), ["hurried", "held", "waits"]);
}

#[tokio::test]
async fn nobody_waits_for_a_target_that_wants_nothing_who_may_ask_another_or_may_not_wait_inside() {
    let target = Target::with_permits(10).answering(|number, _| if number == 1 { Err(busy(20_000)) } else { Ok(()) });
    target.answers.add_permits(1);
    assert!(target.ask(target.context("first", Priority::Interactive)).await.is_err());
    let mut with_others = target.context("with others", Priority::Interactive);
    with_others.share = share(true, true);
    let mut impatient = target.context("impatient", Priority::Interactive);
    impatient.max_wait = Some(Duration::ZERO);
    for context in [with_others, impatient] {
        let error = target.ask(context.clone()).now_or_never().expect("it waits").unwrap_err();
        assert_eq!(
            (error.reason(), error.retry_after()),
            ("queue_deadline", Some(20 * SECOND)),
            "{}",
            context.operation
        );
    }
    let mut alone = target.context("alone", Priority::Interactive);
    alone.share = share(false, true);
    let mut alone = target.ask(alone);
    assert!(futures::poll!(&mut alone).is_pending());
    target.clock.advance(20 * SECOND);
    assert_eq!(alone.await.unwrap(), "hi");
}

#[tokio::test]
async fn who_waits_for_a_permit_hears_that_it_has_to_wait_for_a_limit_as_well() {
    let target = Target::with_permits(1).answering(|number, call| {
        if number == 1 {
            let requests = Some(Allowance { limit: 60, remaining: 0, resets_in: Some(60 * SECOND) });
            call.context.learn(|| Quota { requests, ..Quota::default() });
        }
        Ok(())
    });
    // Nobody listens, so that nothing but the queue itself wakes who waits.
    let unheard = |operation| {
        let mut context = target.context(operation, Priority::Interactive);
        context.progress = None;
        target.ask(context)
    };
    let (mut first, mut second) = (unheard("first"), unheard("second"));
    assert!(futures::poll!(&mut first).is_pending());
    assert!(futures::poll!(&mut second).is_pending());
    target.answers.add_permits(2);
    assert_eq!(first.await.unwrap(), "hi");
    assert!(futures::poll!(&mut second).is_pending(), "the permit is back, and the minute is used up");
    target.clock.advance(61 * SECOND);
    assert_eq!(second.now_or_never().expect("nobody has woken it").unwrap(), "hi");
}
