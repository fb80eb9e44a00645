//! The layer that leaves a target alone: who waits, who is refused, who asks.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use futures::FutureExt as _;
use tokio::task::JoinSet;

use super::*;
use crate::model::{BreakerState, EngineEventKind};
use crate::policy::Measure;

const SECOND: Duration = Duration::from_secs(1);

/// Longer than the first opening lasts, whatever chance says.
const OPENING: Duration = Duration::from_secs(6);

/// A target behind a breaker that tells who asks it, and answers when it is told to.
struct Target {
    clock: ManualClock,
    layer: BreakerLayer,
    is_down: Arc<AtomicBool>,
    asked: Arc<AtomicU32>,
    answers: Arc<tokio::sync::Semaphore>,
    waits: Arc<Mutex<Vec<i64>>>,
}

impl Target {
    fn new(settings: BreakerSettings) -> Self {
        let clock = ManualClock::default();
        let random = Arc::new(SeededRandom::new(5));
        let layer = BreakerLayer::new(settings, 60 * SECOND, Arc::new(clock.clone()), random);
        Self {
            clock,
            layer,
            is_down: Arc::default(),
            asked: Arc::default(),
            answers: Arc::new(tokio::sync::Semaphore::new(0)),
            waits: Arc::default(),
        }
    }

    /// Down, and known to be.
    async fn open() -> Self {
        let target = Self::new(BreakerSettings::default());
        target.is_down.store(true, Ordering::SeqCst);
        for _ in 0..10 {
            assert_eq!(target.ask(target.context()).await.err().unwrap().reason(), "reset");
        }
        target.is_down.store(false, Ordering::SeqCst);
        target
    }

    fn context(&self) -> CallContext {
        let mut context = CallContext::new("test");
        context.deadline = Some(self.clock.monotonic() + 600 * SECOND);
        let waits = self.waits.clone();
        context.progress = Some(Arc::new(move |progress| match progress {
            Progress::Waiting { reason, wait_ms } if reason == "breaker_open" => waits.lock().unwrap().push(wait_ms),
            _ => {}
        }));
        context
    }

    fn service(&self) -> ChatService {
        let (is_down, asked, answers) = (self.is_down.clone(), self.asked.clone(), self.answers.clone());
        let inner = tower::service_fn(move |_: Call| {
            asked.fetch_add(1, Ordering::SeqCst);
            let (is_down, answers) = (is_down.clone(), answers.clone());
            async move {
                if is_down.load(Ordering::SeqCst) {
                    return Err(down());
                }
                let answer = answers.acquire_owned().await.unwrap();
                let events = stream::iter([text("hi"), done()]).inspect(move |_| {
                    let _held = &answer;
                });
                Ok(Box::pin(events) as ReplyEvents)
            }
        });
        ChatService::new(self.layer.layer(inner))
    }

    fn ask(&self, context: CallContext) -> BoxFuture<'static, Result<String>> {
        self.ask_model("lab/m", context)
    }

    fn ask_model(&self, model: &str, context: CallContext) -> BoxFuture<'static, Result<String>> {
        let work = self.service().oneshot(call_of_model(model, context));
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

    fn waits(&self) -> Vec<i64> {
        self.waits.lock().unwrap().clone()
    }

    /// Ends when so many waits were told of.
    async fn told(&self, waits: usize) {
        for _ in 0..10_000_000 {
            if self.waits.lock().unwrap().len() >= waits {
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("only {} of {waits} waits were told of", self.waits.lock().unwrap().len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_callers_one_asks_and_all_go_on_when_it_is_answered() {
    let target = Target::open().await;
    let mut callers = JoinSet::new();
    for _ in 0..1_000 {
        callers.spawn(target.ask(target.context()));
    }
    target.told(1_000).await;
    // Who tells that it waits has not yet begun to.
    while target.clock.sleepers() < 1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(target.asked(), 10, "nothing is sent while it is open");
    target.clock.advance(OPENING);
    target.told(1_999).await;
    assert_eq!(target.asked(), 11, "one probe");
    target.answers.add_permits(1_000);
    while let Some(said) = callers.join_next().await {
        assert_eq!(said.unwrap().unwrap(), "hi");
    }
    assert_eq!(target.asked(), 1_010);
    assert_eq!(target.waits().len(), 1_999, "nobody waited again");
}

#[tokio::test]
async fn who_waits_is_told_how_long_and_goes_on_the_moment_the_probe_is_answered() {
    let target = Target::open().await;
    let mut first = target.ask(target.context());
    assert!(futures::poll!(&mut first).is_pending());
    assert!((4_000..=6_000).contains(&target.waits()[0]), "{:?}", target.waits());
    target.clock.advance(OPENING);
    assert!(futures::poll!(&mut first).is_pending());
    let mut second = target.ask(target.context());
    assert!(futures::poll!(&mut second).is_pending());
    assert_eq!((target.asked(), target.waits()[1]), (11, 0));
    target.answers.add_permits(2);
    assert_eq!(first.await.unwrap(), "hi");
    assert_eq!(second.now_or_never().expect("it waits still").unwrap(), "hi");
}

#[tokio::test]
async fn a_probe_that_fails_makes_all_wait_longer_and_one_that_is_dropped_is_handed_on() {
    let target = Target::open().await;
    let (mut first, mut second) = (target.ask(target.context()), target.ask(target.context()));
    assert!(futures::poll!(&mut first).is_pending());
    assert!(futures::poll!(&mut second).is_pending());
    target.clock.advance(OPENING);
    assert!(futures::poll!(&mut first).is_pending());
    assert!(futures::poll!(&mut second).is_pending());
    assert_eq!(target.asked(), 11);
    drop(first);
    target.is_down.store(true, Ordering::SeqCst);
    let mut third = target.ask(target.context());
    assert_eq!(second.await.unwrap_err().reason(), "reset", "it has become the probe");
    assert!(futures::poll!(&mut third).is_pending());
    assert_eq!(target.asked(), 12);
    assert!((8_000..=12_000).contains(target.waits().last().unwrap()), "{:?}", target.waits());
}

#[tokio::test]
async fn who_cannot_wait_is_refused_at_once_and_told_when_to_come_back() {
    let target = Target::open().await;
    let mut context = target.context();
    context.deadline = Some(target.clock.monotonic() + 3 * SECOND);
    let error = target.ask(context).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unavailable, "breaker_open"));
    assert_eq!((error.provider(), error.model()), (Some("lab"), Some("m")));
    let after = error.retry_after().unwrap();
    assert!((4 * SECOND..=OPENING).contains(&after), "{after:?}");
    assert_eq!(target.asked(), 10);
    // While a probe is under way it is waited for, as long as there is time.
    target.clock.advance(OPENING);
    let mut probe = target.ask(target.context());
    assert!(futures::poll!(&mut probe).is_pending());
    let mut context = target.context();
    context.deadline = Some(target.clock.monotonic() + 3 * SECOND);
    let mut late = target.ask(context);
    assert!(futures::poll!(&mut late).is_pending());
    target.clock.advance(3 * SECOND);
    assert_eq!(late.await.unwrap_err().retry_after(), Some(5 * SECOND));
    assert_eq!(target.asked(), 11);
}

#[tokio::test]
async fn stopping_a_call_ends_its_wait() {
    let target = Target::open().await;
    let context = target.context();
    let cancel = context.cancel.clone();
    let mut work = target.ask(context);
    assert!(futures::poll!(&mut work).is_pending());
    cancel.cancel();
    assert_eq!(work.await.unwrap_err().kind(), ErrorKind::Cancelled);
    assert_eq!((target.asked(), target.clock.sleepers()), (10, 0));
}

#[tokio::test]
async fn other_models_go_on_and_a_breaker_that_is_switched_off_never_opens() {
    let target = Target::open().await;
    target.answers.add_permits(1);
    assert_eq!(target.ask_model("lab/other", target.context()).await.unwrap(), "hi");
    let target = Target::new(BreakerSettings { enabled: false, ..BreakerSettings::default() });
    target.is_down.store(true, Ordering::SeqCst);
    for _ in 0..50 {
        assert_eq!(target.ask(target.context()).await.unwrap_err().reason(), "reset");
    }
    assert_eq!(target.asked(), 50);
}

/// A breaker with the scripts behind it, and retries in front.
fn retried(bench: &Bench, settings: RetrySettings) -> ChatService {
    let clock: Arc<dyn Clock> = Arc::new(bench.clock.clone());
    let random = Arc::new(SeededRandom::new(5));
    let breaker = BreakerLayer::new(BreakerSettings::default(), 60 * SECOND, clock.clone(), random.clone());
    let retry = RetryLayer::new(RetryPolicy::new(settings), clock, random);
    ChatService::new(retry.layer(breaker.layer(bench.inner.clone())))
}

#[tokio::test]
async fn a_refusal_is_neither_a_try_nor_paid_for_and_keeps_its_hint() {
    let floor =
        || Error::new(ErrorKind::Unavailable, "overloaded", "down").with_retry(Retry::After { after_ms: 90_000 });
    let ok = || Ok(vec![text("ok"), done()]);
    let bench = Bench::new((0..10).map(|_| Err(floor())).chain([Err(down()), ok(), Err(down()), ok()]));
    let service = retried(&bench, RetrySettings { base_delay_ms: 0, budget_capacity: 1, ..RetrySettings::default() });
    let ask = |context: CallContext| service.clone().oneshot(call(context));
    for _ in 0..10 {
        assert_eq!(ask(CallContext::new("test")).await.err().unwrap().reason(), "overloaded");
    }
    // Longer than any call waits: refused, however much time there is.
    for _ in 0..3 {
        let context = CallContext::new("test");
        let error = ask(context.clone()).await.err().unwrap();
        assert_eq!((error.reason(), error.retry()), ("breaker_open", Retry::After { after_ms: 90_000 }));
        assert_eq!((error.attempts().len(), context.attempts().len(), bench.inner.calls()), (0, 0, 10));
    }
    // The one retry that the budget holds is there still: the same model at another address has a breaker of its own.
    let elsewhere = call_of(ProviderSpec::openai_chat("lab", "http://127.0.0.1:8/v1"), CallContext::new("test"));
    let (said, _) = texts(service.clone().oneshot(elsewhere).await.unwrap()).await;
    assert_eq!((said.as_str(), bench.inner.calls()), ("ok", 12));
    // The probe fails, its call waits for the next, which is its own, too.
    bench.clock.advance(90 * SECOND);
    let mut work = Box::pin(ask(bench.context.clone()));
    assert!(futures::poll!(&mut work).is_pending());
    assert_eq!(bench.inner.calls(), 13);
    assert!(matches!(bench.heard.lock().unwrap()[..], [Progress::Retrying { .. }, Progress::Waiting { .. }]));
    bench.clock.advance(60 * SECOND);
    let (said, _) = texts(work.await.unwrap()).await;
    assert_eq!((said.as_str(), bench.context.attempts().len()), ("ok", 2));
}

#[tokio::test]
async fn replies_that_break_off_count_as_failures_and_what_the_caller_got_wrong_does_not() {
    let cut = || Ok(vec![text("half"), Err(Error::new(ErrorKind::Truncated, "cut", "broke off"))]);
    let wrong = || Err(Error::invalid("bad_request", "no").with_status(400));
    let bench = Bench::new((0..30).map(|_| wrong()).chain((0..20).map(|_| cut())));
    let service = retried(&bench, RetrySettings { max_attempts: 1, ..RetrySettings::default() });
    for number in 1..=50 {
        match service.clone().oneshot(call(bench.context.clone())).await {
            Ok(events) => assert_eq!(texts(events).await.1.unwrap().reason(), "cut"),
            Err(error) => assert_eq!(error.reason(), "bad_request", "call {number}"),
        }
    }
    let mut context = bench.context.clone();
    context.deadline = Some(SECOND);
    let error = service.oneshot(call(context)).await.err().unwrap();
    assert_eq!((error.reason(), bench.inner.calls()), ("breaker_open", 50));
}

/// Notes how models are told to stand.
#[derive(Default)]
struct Told(Mutex<Vec<BreakerState>>);

impl Witness for Told {
    fn tell(&self, _: &CallContext, what: EngineEventKind) {
        if let EngineEventKind::BreakerChanged { state, .. } = what {
            self.0.lock().unwrap().push(state);
        }
    }

    fn count(&self, _: &str, _: &Measure) {}
}

#[tokio::test]
async fn every_key_has_its_own_and_a_model_is_told_to_be_back_as_soon_as_one_is_answered_after_the_pause() {
    let target = Target::new(BreakerSettings::default());
    target.answers.add_permits(10);
    let told = Arc::new(Told::default());
    let ask = |key: &str| {
        let mut context = target.context();
        context.key = Some(CallKey { provider: "lab".to_owned(), key: key.into() });
        context.max_wait = Some(Duration::ZERO);
        context.witness = Some(told.clone());
        target.ask(context)
    };
    target.is_down.store(true, Ordering::SeqCst);
    for _ in 0..10 {
        assert_eq!(ask("ana").await.unwrap_err().reason(), "reset");
    }
    target.is_down.store(false, Ordering::SeqCst);
    assert_eq!(ask("ana").await.unwrap_err().reason(), "breaker_open");
    assert_eq!(ask("bob").await.unwrap(), "hi");
    assert_eq!(*told.0.lock().unwrap(), [BreakerState::Open], "hers is open still");
    target.clock.advance(OPENING);
    assert_eq!(ask("bob").await.unwrap(), "hi");
    assert_eq!(*told.0.lock().unwrap(), [BreakerState::Open, BreakerState::Closed]);
    assert_eq!((ask("bob").await.unwrap(), ask("ana").await.unwrap()), ("hi".to_owned(), "hi".to_owned()));
    assert_eq!(target.asked(), 14);
}
