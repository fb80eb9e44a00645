//! Second requests for slow calls: when, how many, and what becomes of the one that is not heard.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::model::{ModelInfo, NewMessage, Price, UsageSource};

const SECOND: Duration = Duration::from_secs(1);

const HEDGED: FallbackSettings = FallbackSettings {
    targets: Vec::new(),
    mid_stream: crate::policy::MidStream::Surface,
    hedge: true,
    hedge_share: 1.0,
    hedge_delay_ms: 2_000,
};

/// A model behind all layers, whose answers come from a list over a transport that never loses one.
struct Slow {
    clock: ManualClock,
    service: ChatService,
    transport: Arc<ReplayTransport>,
    seed: u64,
}

impl Slow {
    fn new(settings: FallbackSettings, retry: RetrySettings, replays: impl IntoIterator<Item = Replay>) -> Self {
        let seed = 5;
        let clock = ManualClock::default();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let random: Arc<dyn crate::base::Random> = Arc::new(SeededRandom::new(seed));
        let transport = Arc::new(ReplayTransport::new(replays));
        let provider = ProviderService::new(
            transport.clone(),
            Arc::new(Credentials::new(shared.clone(), |_: &str| None)),
            shared.clone(),
            Ids::new(shared.clone(), random.clone()),
            Arc::new(NetworkSettings::default()),
        );
        let service = stack(provider, &layers(retry, settings, &shared));
        Self { clock, service, transport, seed }
    }

    fn hedged(replays: impl IntoIterator<Item = Replay>) -> Self {
        Self::new(HEDGED, RetrySettings::default(), replays)
    }

    /// A call of a model that costs a nano-USD a token in and two a token out, with a question of twenty tokens.
    fn call(&self) -> Call {
        let mut call = super::call(CallContext::new("test"));
        let price = Price { input_nano_usd: 1_000_000, output_nano_usd: 2_000_000, ..Price::default() };
        Arc::get_mut(&mut call.target).unwrap().info = Some(ModelInfo { price: Some(price), ..ModelInfo::default() });
        Arc::make_mut(&mut call.request).messages.push(NewMessage::user("x".repeat(80)));
        call
    }

    fn requests(&self) -> usize {
        self.transport.requests().len()
    }
}

fn says(words: &str) -> Replay {
    let usage = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":20,\"completion_tokens\":3}}\n\n";
    let end = "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
    sse().piece(format!("{}{end}{usage}data: [DONE]\n\n", delta(serde_json::json!({"content": words}))))
}

async fn reply(events: ReplyEvents) -> Reply {
    match events.collect::<Vec<_>>().await.pop().unwrap().unwrap().kind {
        StreamEventKind::Done { reply } => *reply,
        other => panic!("it ended with {other:?}"),
    }
}

#[tokio::test]
async fn a_slow_call_is_asked_a_second_time_and_pays_for_both() {
    let slow = Slow::hedged([sse().stalls(), says("hi")]);
    let call = slow.call();
    let context = call.context.clone();
    let mut work = Box::pin(slow.service.clone().oneshot(call));
    assert!(futures::poll!(&mut work).is_pending());
    slow.clock.advance(SECOND * 2 - Duration::from_nanos(1));
    assert!(futures::poll!(&mut work).is_pending());
    assert_eq!(slow.requests(), 1);
    slow.clock.advance(Duration::from_nanos(1));
    let reply = reply(work.await.unwrap()).await;
    assert_eq!((reply.text().as_str(), slow.requests()), ("hi", 2));
    let usage = &reply.usage;
    assert_eq!((usage.input_tokens, usage.output_tokens, usage.requests), (20 + 18, 3, 2));
    assert_eq!((usage.source, reply.cost.nano_usd), (UsageSource::Estimated, Some(20 + 18 + 6)), "{:?}", reply.cost);
    let kinds: Vec<_> = context.attempts().iter().map(|attempt| (attempt.kind, attempt.duration_ms)).collect();
    assert_eq!(kinds, [(Some(ErrorKind::Cancelled), 2_000), (None, 0)], "seed {}", slow.seed);
}

#[tokio::test]
async fn nothing_is_asked_twice_unless_it_is_wanted_slow_and_within_the_share() {
    let off = Slow::new(FallbackSettings::default(), RetrySettings::default(), [sse().stalls()]);
    let mut work = Box::pin(off.service.clone().oneshot(off.call()));
    assert!(futures::poll!(&mut work).is_pending());
    off.clock.advance(60 * SECOND);
    assert!(futures::poll!(&mut work).is_pending());
    assert_eq!(off.requests(), 1, "off by default");

    let quick = Slow::hedged([says("hi")]);
    assert_eq!(reply(quick.service.clone().oneshot(quick.call()).await.unwrap()).await.usage.requests, 1);

    // One in twenty: nineteen slow calls wait, the twentieth is asked twice.
    let settings = FallbackSettings { hedge_share: 0.05, ..HEDGED };
    let replays = (0..20).map(|_| sse().stalls()).chain([says("hi")]);
    let slow = Slow::new(settings, RetrySettings::default(), replays);
    for call in 1..=20 {
        let mut work = Box::pin(slow.service.clone().oneshot(slow.call()));
        assert!(futures::poll!(&mut work).is_pending());
        slow.clock.advance(2 * SECOND);
        assert_eq!(futures::poll!(&mut work).is_ready(), call == 20, "call {call}");
        assert_eq!(slow.requests(), call + call / 20);
    }
}

#[tokio::test]
async fn nothing_is_asked_twice_after_a_failure_or_a_wait_that_the_server_asked_for() {
    let pushed_back = Replay::status(429).header("retry-after", "10").piece("{}");
    for failure in [pushed_back, sse().breaks(down())] {
        let retry = RetrySettings { base_delay_ms: 60_000, max_delay_ms: 60_000, ..RetrySettings::default() };
        let slow = Slow::new(HEDGED, retry, [failure, says("hi")]);
        let mut work = Box::pin(slow.service.clone().oneshot(slow.call()));
        assert!(futures::poll!(&mut work).is_pending());
        slow.clock.advance(2 * SECOND);
        assert!(futures::poll!(&mut work).is_pending());
        assert_eq!(slow.requests(), 1, "the retry waits, and nobody goes round it");
        slow.clock.advance(60 * SECOND);
        assert_eq!(reply(work.await.unwrap()).await.text(), "hi");
        assert_eq!(slow.requests(), 2);
    }
}

#[tokio::test]
async fn nothing_is_asked_twice_past_an_open_breaker() {
    let slow = Slow::new(
        HEDGED,
        RetrySettings { max_attempts: 1, ..RetrySettings::default() },
        (0..10).map(|_| sse().breaks(down())).chain([says("back")]),
    );
    for _ in 0..10 {
        assert!(slow.service.clone().oneshot(slow.call()).await.is_err());
    }
    let mut work = Box::pin(slow.service.clone().oneshot(slow.call()));
    assert!(futures::poll!(&mut work).is_pending());
    slow.clock.advance(2 * SECOND);
    assert!(futures::poll!(&mut work).is_pending());
    assert_eq!(slow.requests(), 10, "it is left alone, by the second request as well");
    slow.clock.advance(5 * SECOND);
    assert_eq!(reply(work.await.unwrap()).await.text(), "back");
    assert_eq!(slow.requests(), 11);
}

#[tokio::test]
async fn a_second_request_is_never_tried_again_and_its_failure_harms_nobody() {
    let slow = Slow::hedged([sse().stalls(), sse().breaks(down())]);
    let mut work = Box::pin(slow.service.clone().oneshot(slow.call()));
    assert!(futures::poll!(&mut work).is_pending());
    slow.clock.advance(2 * SECOND);
    assert!(futures::poll!(&mut work).is_pending());
    slow.clock.advance(30 * SECOND);
    assert!(futures::poll!(&mut work).is_pending(), "the first one may still come");
    assert_eq!(slow.requests(), 2);
}

#[tokio::test]
async fn the_second_request_may_save_a_first_one_that_fails() {
    let retry = RetrySettings { max_attempts: 1, ..RetrySettings::default() };
    let (failing, answering) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let gates = Arc::new([failing, answering]);
    let count = Arc::new(AtomicU32::new(0));
    let (opens, counted) = (gates.clone(), count.clone());
    let inner = tower::service_fn(move |_: Call| {
        let (gates, number) = (opens.clone(), counted.fetch_add(1, Ordering::SeqCst));
        async move {
            gates[number as usize].notified().await;
            if number == 0 { Err(down()) } else { Ok(Box::pin(stream::iter([text("hi"), done()])) as ReplyEvents) }
        }
    });
    let clock = ManualClock::default();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let retry = RetryLayer::new(RetryPolicy::new(retry), shared.clone(), Arc::new(SeededRandom::new(5)));
    let service = HedgeLayer::new(HEDGED, shared).layer(retry.layer(inner));
    let mut work = Box::pin(service.oneshot(super::call(CallContext::new("test"))));
    assert!(futures::poll!(&mut work).is_pending());
    clock.advance(2 * SECOND);
    assert!(futures::poll!(&mut work).is_pending());
    gates[0].notify_one();
    assert!(futures::poll!(&mut work).is_pending());
    gates[1].notify_one();
    assert_eq!(texts(work.await.unwrap()).await.0, "hi");
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn when_both_answer_at_once_exactly_one_is_heard_and_the_other_is_let_go_of() {
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let (asked, alive) = (Arc::new(AtomicU32::new(0)), Arc::new(()));
    let (opens, counted, held) = (gate.clone(), asked.clone(), Arc::downgrade(&alive));
    let inner = tower::service_fn(move |_: Call| {
        let (gate, number) = (opens.clone(), counted.fetch_add(1, Ordering::SeqCst));
        let connection = held.upgrade();
        async move {
            let answer = gate.acquire_owned().await;
            let events = stream::iter([text(if number == 0 { "first" } else { "second" }), done()]);
            Ok(Box::pin(events.inspect(move |_| {
                let _held = (&connection, &answer);
            })) as ReplyEvents)
        }
    });
    let clock = ManualClock::default();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let retry =
        RetryLayer::new(RetryPolicy::new(RetrySettings::default()), shared.clone(), Arc::new(SeededRandom::new(5)));
    let service = HedgeLayer::new(HEDGED, shared).layer(retry.layer(inner));
    let context = CallContext::new("test");
    let mut work = Box::pin(service.oneshot(super::call(context.clone())));
    assert!(futures::poll!(&mut work).is_pending());
    clock.advance(2 * SECOND);
    assert!(futures::poll!(&mut work).is_pending());
    assert_eq!((asked.load(Ordering::SeqCst), Arc::strong_count(&alive)), (2, 3));
    gate.add_permits(2);
    let events = work.await.unwrap();
    assert_eq!(Arc::strong_count(&alive), 2, "the connection of the other is closed before anything is read");
    assert_eq!(texts(events).await.0, "first");
    let kinds: Vec<_> = context.attempts().iter().map(|attempt| attempt.kind).collect();
    assert_eq!(kinds, [Some(ErrorKind::Cancelled), None]);
}
