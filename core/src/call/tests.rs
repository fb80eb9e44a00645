//! The layers over a scripted inner service, on a clock that stands still until it is moved.
#![allow(clippy::disallowed_methods, reason = "what a test starts ends with its runtime")]

mod admission;
mod breaker;
mod budget;
mod continuing;
mod fallback;
mod hedge;
mod slow;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tower::{Layer as _, Service, ServiceExt as _};

use super::pieces::{Decoded, Piece, Pieces as _};
use super::*;
use crate::base::{Clock, ErrorKind, Ids, ManualClock, Retry, SeededRandom};
use crate::model::{Cost, Error, Part, Progress, Reply, Result, StreamEvent, StreamEventKind, Usage};
use crate::net::{Body, FaultTransport, Faults, NetworkSettings, Replay, ReplayTransport, Transport, TransportFuture};
use crate::policy::{BreakerSettings, FallbackSettings, RetryPolicy, RetrySettings};
use crate::store::MemoryStore;
use crate::wire::{Anthropic, Dialect, Gemini, OpenAiChat, OpenAiResponses};

type Script = Vec<Result<StreamEvent>>;

/// Plays one script for each call; counts calls.
#[derive(Clone)]
struct Scripted {
    scripts: Arc<Mutex<VecDeque<Result<Script>>>>,
    calls: Arc<Mutex<u32>>,
}

impl Scripted {
    fn new(scripts: impl IntoIterator<Item = Result<Script>>) -> Self {
        Self { scripts: Arc::new(Mutex::new(scripts.into_iter().collect())), calls: Arc::default() }
    }

    fn calls(&self) -> u32 {
        *self.calls.lock().unwrap()
    }
}

impl Service<Call> for Scripted {
    type Response = ReplyEvents;
    type Error = Error;
    type Future = BoxFuture<'static, Result<ReplyEvents>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Call) -> Self::Future {
        *self.calls.lock().unwrap() += 1;
        let script = self.scripts.lock().unwrap().pop_front().expect("no script is left");
        Box::pin(async move { script.map(|events| Box::pin(stream::iter(events)) as ReplyEvents) })
    }
}

fn event(kind: StreamEventKind) -> Result<StreamEvent> {
    Ok(StreamEvent::unnumbered(0, kind))
}

fn text(delta: &str) -> Result<StreamEvent> {
    event(StreamEventKind::Text { delta: delta.to_owned() })
}

fn done() -> Result<StreamEvent> {
    event(StreamEventKind::Done { reply: Box::new(Reply::empty("lab", "m")) })
}

fn busy(after_ms: i64) -> Error {
    Error::new(ErrorKind::RateLimited, "server", "busy").with_retry(Retry::After { after_ms })
}

fn down() -> Error {
    Error::new(ErrorKind::Unavailable, "reset", "down").with_retry(Retry::Safe)
}

fn call(context: CallContext) -> Call {
    call_of(ProviderSpec::openai_chat("lab", "http://127.0.0.1:9/v1"), context)
}

pub(super) fn call_of_model(model: &str, context: CallContext) -> Call {
    named(ProviderSpec::openai_chat("lab", "http://127.0.0.1:9/v1"), model, context)
}

fn call_of(spec: ProviderSpec, context: CallContext) -> Call {
    named(spec, "lab/m", context)
}

fn named(spec: ProviderSpec, model: &str, context: CallContext) -> Call {
    let catalogue = Catalogue::bundled().unwrap().with_provider(spec).unwrap();
    let model: ModelRef = model.parse().unwrap();
    let entry = catalogue.provider("lab").unwrap().clone();
    let route = Route::Http(HttpRoute { base_url: entry.address(|_| None).unwrap(), dialect: Arc::new(OpenAiChat) });
    let target = CallTarget::new(model, entry, route, None, 16 << 20);
    Call { request: Arc::default(), target: Arc::new(target), context }
}

/// All layers, with accounts that nothing is written into as long as no budget is set.
fn layers(retry: RetrySettings, fallback: FallbackSettings, clock: &Arc<dyn Clock>) -> Layers {
    let random = Arc::new(SeededRandom::new(7));
    let ids = Ids::new(clock.clone(), random.clone());
    let spawn: Spawn = Arc::new(|_, work| drop(tokio::spawn(work)));
    let (store, holder) = (Arc::new(MemoryStore::new()), "this process".to_owned());
    let accounts = Accounts::new(store, clock.clone(), ids, holder, spawn, Arc::new(|_| {}), CancellationToken::new());
    let random: Arc<dyn crate::base::Random> = random;
    Layers::new(LayerSettings { fallback, retry, ..LayerSettings::default() }, accounts, clock, &random)
}

struct Bench {
    clock: ManualClock,
    inner: Scripted,
    context: CallContext,
    heard: Arc<Mutex<Vec<Progress>>>,
}

impl Bench {
    fn new(scripts: impl IntoIterator<Item = Result<Script>>) -> Self {
        let heard: Arc<Mutex<Vec<Progress>>> = Arc::default();
        let mut context = CallContext::new("test");
        let sink = heard.clone();
        context.progress = Some(Arc::new(move |progress| sink.lock().unwrap().push(progress)));
        Self { clock: ManualClock::default(), inner: Scripted::new(scripts), context, heard }
    }

    fn run(&self, settings: RetrySettings) -> BoxFuture<'static, Result<ReplyEvents>> {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let layer = RetryLayer::new(RetryPolicy::new(settings), clock, Arc::new(SeededRandom::new(5)));
        Box::pin(layer.layer(self.inner.clone()).oneshot(call(self.context.clone())))
    }
}

async fn texts(stream: ReplyEvents) -> (String, Option<Error>) {
    let mut said = String::new();
    let mut failed = None;
    for item in stream.collect::<Vec<_>>().await {
        match item {
            Ok(StreamEvent { kind: StreamEventKind::Text { delta }, .. }) => said.push_str(&delta),
            Ok(_) => {}
            Err(error) => failed = Some(error),
        }
    }
    (said, failed)
}

#[tokio::test]
async fn a_call_that_failed_is_tried_again_after_the_servers_delay_and_says_so() {
    let bench = Bench::new([Err(busy(2_000)), Ok(vec![text("hi"), done()])]);
    let mut work = bench.run(RetrySettings::default());
    assert!(futures::poll!(&mut work).is_pending());
    bench.clock.advance(Duration::from_millis(1_999));
    assert!(futures::poll!(&mut work).is_pending());
    assert_eq!(bench.inner.calls(), 1, "the server's delay is a floor");
    bench.clock.advance(Duration::from_millis(250));
    let (said, failed) = texts(work.await.unwrap()).await;
    assert_eq!((said.as_str(), failed.is_none()), ("hi", true));
    let attempts = bench.context.attempts();
    assert_eq!(attempts.len(), 2);
    assert_eq!(attempts[0].kind, Some(ErrorKind::RateLimited));
    assert!((2_000..=2_200).contains(&attempts[1].delay_ms), "{attempts:?}");
    assert!(matches!(
        bench.heard.lock().unwrap()[..],
        [Progress::Retrying { attempt: 2, kind: ErrorKind::RateLimited, .. }]
    ));
}

#[tokio::test]
async fn a_stream_that_fails_before_its_first_content_is_tried_again() {
    let beat = || event(StreamEventKind::Progress { progress: Progress::Heartbeat { idle_ms: 0 } });
    let bench = Bench::new([Ok(vec![beat(), Err(down())]), Ok(vec![beat(), text("ok"), done()])]);
    let work = bench.run(RetrySettings { base_delay_ms: 0, ..RetrySettings::default() });
    let (said, failed) = texts(work.await.unwrap()).await;
    assert_eq!((said.as_str(), failed.is_none(), bench.inner.calls()), ("ok", true, 2));
}

#[tokio::test]
async fn nothing_is_tried_again_after_the_first_content() {
    let bench = Bench::new([Ok(vec![text("half"), Err(down())])]);
    let (said, failed) = texts(bench.run(RetrySettings::default()).await.unwrap()).await;
    assert_eq!(said, "half");
    assert_eq!(failed.unwrap().kind(), ErrorKind::Unavailable);
    assert_eq!(bench.inner.calls(), 1);
}

#[tokio::test]
async fn what_cannot_help_is_asked_once_and_what_is_spent_says_so() {
    let refused = || Error::invalid("bad_request", "no");
    let bench = Bench::new([Err(refused())]);
    let error = bench.run(RetrySettings::default()).await.err().unwrap();
    assert_eq!((error.kind(), bench.inner.calls(), error.attempts().len()), (ErrorKind::Invalid, 1, 1));

    let bench = Bench::new((0..6).map(|_| Err(down())));
    let error = bench.run(RetrySettings { base_delay_ms: 0, ..RetrySettings::default() }).await.err().unwrap();
    assert_eq!((error.retry(), bench.inner.calls(), error.attempts().len()), (Retry::Exhausted, 6, 6));
}

#[tokio::test]
async fn what_the_server_sent_back_unseen_goes_out_once_more_within_the_same_try_and_costs_no_budget() {
    let unseen = || Error::new(ErrorKind::Unavailable, "unprocessed", "sent back").with_retry(Retry::Safe);
    let settings = RetrySettings { max_attempts: 1, budget_capacity: 0, ..RetrySettings::default() };
    let bench = Bench::new([Err(unseen()), Ok(vec![text("ok"), done()])]);
    let (said, failed) = texts(bench.run(settings).await.unwrap()).await;
    assert_eq!((said.as_str(), failed.is_none(), bench.inner.calls()), ("ok", true, 2));
    assert_eq!(bench.context.attempts().len(), 1);
    assert!(bench.heard.lock().unwrap().is_empty(), "nobody hears of a retry");

    let bench = Bench::new([Err(unseen()), Err(unseen())]);
    let error = bench.run(settings).await.err().unwrap();
    assert_eq!((error.retry(), bench.inner.calls(), error.attempts().len()), (Retry::Exhausted, 2, 1), "once a try");

    let bench = Bench::new([Err(unseen()), Err(unseen()), Err(unseen()), Ok(vec![text("ok"), done()])]);
    let again = RetrySettings { base_delay_ms: 0, max_attempts: 2, ..RetrySettings::default() };
    let (said, _) = texts(bench.run(again).await.unwrap()).await;
    assert_eq!((said.as_str(), bench.inner.calls(), bench.context.attempts().len()), ("ok", 4, 2));
}

#[tokio::test]
async fn all_calls_of_a_model_pay_their_retries_from_one_budget_and_other_models_from_theirs() {
    let good = || Ok(vec![text("ok"), done()]);
    let scripts = [Err(down()), Err(down()), Err(down()), Err(down()), good(), good(), good(), Err(down()), good()];
    let bench = Bench::new(scripts);
    let settings = RetrySettings { base_delay_ms: 0, budget_capacity: 1, ..RetrySettings::default() };
    let clock: Arc<dyn Clock> = Arc::new(bench.clock.clone());
    let layer = RetryLayer::new(RetryPolicy::new(settings), clock, Arc::new(SeededRandom::new(5)));
    let service = layer.layer(bench.inner.clone());
    let asked = async |model: &str| {
        let before = bench.inner.calls();
        let call = call_of_model(model, bench.context.clone());
        let outcome = service.clone().oneshot(call).await;
        (outcome.map_err(|e| e.retry()).is_ok(), bench.inner.calls() - before)
    };
    assert_eq!(asked("lab/m").await, (false, 2), "one retry is paid");
    assert_eq!(asked("lab/m").await, (false, 1), "none is left");
    assert_eq!(asked("lab/other").await, (true, 2), "another model has its own");
    assert_eq!(asked("lab/m").await, (true, 1));
    assert_eq!(asked("lab/m").await, (true, 1), "two successes earn one");
    assert_eq!(asked("lab/m").await, (true, 2));
}

#[tokio::test]
async fn a_wait_that_would_pass_the_deadline_is_not_begun_and_the_hint_is_kept() {
    let mut bench = Bench::new([Err(busy(5_000))]);
    bench.context.deadline = Some(Duration::from_secs(5));
    let error = bench.run(RetrySettings::default()).await.err().unwrap();
    assert_eq!(bench.inner.calls(), 1);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(5)));
}

#[tokio::test]
async fn stopping_a_call_ends_the_wait_before_its_next_try() {
    let bench = Bench::new([Err(busy(60_000))]);
    let mut work = bench.run(RetrySettings::default());
    assert!(futures::poll!(&mut work).is_pending());
    bench.context.cancel.cancel();
    assert_eq!(work.await.err().unwrap().kind(), ErrorKind::Cancelled);
    assert_eq!(bench.inner.calls(), 1);
}

#[tokio::test]
async fn signs_of_life_before_the_first_content_are_heard_while_it_is_waited_for() {
    let bench = Bench::new([]);
    let inner = tower::service_fn(|_: Call| async {
        let beat = event(StreamEventKind::Progress { progress: Progress::Heartbeat { idle_ms: 7 } });
        Ok(Box::pin(stream::iter([beat]).chain(stream::pending())) as ReplyEvents)
    });
    let clock: Arc<dyn Clock> = Arc::new(bench.clock.clone());
    let policy = RetryPolicy::new(RetrySettings::default());
    let layer = RetryLayer::new(policy, clock, Arc::new(SeededRandom::new(5)));
    let mut work = Box::pin(layer.layer(inner).oneshot(call(bench.context.clone())));
    assert!(futures::poll!(&mut work).is_pending());
    assert_eq!(*bench.heard.lock().unwrap(), [Progress::Heartbeat { idle_ms: 7 }]);
}

/// One provider whose answers come from a list, on a clock that stands still.
struct Guarded {
    clock: ManualClock,
    settings: NetworkSettings,
    replay: Replay,
    /// How long the head takes.
    latency: Duration,
    local: bool,
}

impl Guarded {
    fn new(replay: Replay) -> Self {
        let (clock, settings) = (ManualClock::default(), NetworkSettings::default());
        Self { clock, settings, replay, latency: Duration::ZERO, local: false }
    }

    fn run(&self) -> BoxFuture<'static, Result<ReplyEvents>> {
        self.run_with(CallContext::new("test"))
    }

    fn run_with(&self, context: CallContext) -> BoxFuture<'static, Result<ReplyEvents>> {
        let faults = Faults { latency: self.latency..=self.latency, ..Faults::default() };
        let replays = ReplayTransport::new([self.replay.clone()]);
        let random = Arc::new(SeededRandom::new(5));
        self.run_over(FaultTransport::new(replays, faults, Arc::new(self.clock.clone()), random), context)
    }

    fn run_over(&self, transport: impl Transport, context: CallContext) -> BoxFuture<'static, Result<ReplyEvents>> {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let random = Arc::new(SeededRandom::new(5));
        let credentials = Credentials::new(clock.clone(), |_: &str| None);
        let ids = Ids::new(clock.clone(), random);
        let settings = Arc::new(self.settings.clone());
        let provider = ProviderService::new(Arc::new(transport), Arc::new(credentials), clock, ids, settings);
        let spec = ProviderSpec::openai_chat("lab", "http://127.0.0.1:9/v1").local(self.local);
        Box::pin(provider.oneshot(call_of(spec, context)))
    }
}

fn sse() -> Replay {
    Replay::status(200).header("content-type", "text/event-stream")
}

fn delta(delta: serde_json::Value) -> String {
    format!("data: {}\n\n", serde_json::json!({"choices": [{"index": 0, "delta": delta}]}))
}

fn fragment(arguments: &str) -> String {
    delta(
        serde_json::json!({"tool_calls": [{"index": 0, "id": "c1", "function": {"name": "f", "arguments": arguments}}]}),
    )
}

const END: &str =
    "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";

#[tokio::test]
async fn a_reply_that_breaks_off_inside_a_tool_call_is_truncated_for_the_reader_has_seen_it_begin() {
    let bench =
        Guarded::new(sse().piece(delta(serde_json::json!({"content": ""})) + &fragment("{\"a\":")).breaks(down()));
    let events: Vec<_> = bench.run().await.unwrap().collect().await;
    assert!(matches!(&events[0], Ok(e) if matches!(e.kind, StreamEventKind::ToolCallDelta { .. })), "{events:?}");
    let error = events.last().unwrap().as_ref().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "cut"));
}

#[tokio::test]
async fn a_reply_that_breaks_off_before_anything_was_seen_fails_as_it_is() {
    let events: Vec<_> = Guarded::new(sse().breaks(down())).run().await.unwrap().collect().await;
    assert_eq!(events[0].as_ref().unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn the_time_to_the_first_byte_goes_on_behind_an_early_head() {
    for (local, head_ms, limit_ms) in [(false, 0, 90_000), (false, 50_000, 90_000), (true, 250_000, 300_000)] {
        let mut bench = Guarded::new(sse().stalls());
        (bench.local, bench.latency) = (local, Duration::from_millis(head_ms));
        let mut opening = bench.run();
        if head_ms > 0 {
            assert!(futures::poll!(&mut opening).is_pending());
            bench.clock.advance(bench.latency);
        }
        let mut events = opening.await.unwrap();
        let mut next = events.next();
        bench.clock.advance(Duration::from_millis(limit_ms - head_ms - 1));
        assert!(futures::poll!(&mut next).is_pending(), "local {local}, head after {head_ms} ms");
        bench.clock.advance(Duration::from_millis(1));
        let error = next.await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::TimedOut, "first_byte"), "{local} {head_ms}");
    }
}

#[tokio::test]
async fn once_the_body_has_begun_silence_is_idle() {
    let mut bench = Guarded::new(sse().piece(": waiting\n\n").stalls());
    bench.local = true;
    let mut events = bench.run().await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().kind, heartbeat());
    let mut next = events.next();
    assert!(futures::poll!(&mut next).is_pending());
    bench.clock.advance(Duration::from_millis(89_999));
    assert!(futures::poll!(&mut next).is_pending());
    bench.clock.advance(Duration::from_millis(1));
    assert_eq!(next.await.unwrap().unwrap_err().reason(), "idle");
}

/// Answers with a body whose pieces the test hands in one by one.
struct Fed(Mutex<Option<mpsc::Receiver<String>>>);

impl Transport for Fed {
    fn send(&self, _: ::http::Request<bytes::Bytes>) -> TransportFuture<'_> {
        let pieces = self.0.lock().unwrap().take().expect("one request");
        let pieces = stream::unfold(pieces, |mut pieces| async { Some((Ok(pieces.recv().await?.into()), pieces)) });
        let head = ::http::Response::builder().header("content-type", "text/event-stream");
        Box::pin(std::future::ready(Ok(head.body(Body::new(pieces)).unwrap())))
    }
}

#[tokio::test]
async fn a_limit_that_moves_away_with_every_event_is_kept_to_the_millisecond() {
    let (feed, pieces) = mpsc::channel(1);
    let bench = Guarded::new(Replay::silence());
    let mut events = bench.run_over(Fed(Mutex::new(Some(pieces))), CallContext::new("test")).await.unwrap();
    for word in 0..5 {
        let mut next = events.next();
        assert!(futures::poll!(&mut next).is_pending(), "word {word}");
        bench.clock.advance(Duration::from_secs(80));
        assert!(futures::poll!(&mut next).is_pending(), "word {word}");
        feed.send(delta(serde_json::json!({"content": "word "}))).await.unwrap();
        assert_eq!(next.await.unwrap().unwrap().kind, StreamEventKind::text("word "));
    }
    let mut next = events.next();
    assert!(futures::poll!(&mut next).is_pending());
    bench.clock.advance(Duration::from_millis(89_999));
    assert!(futures::poll!(&mut next).is_pending());
    bench.clock.advance(Duration::from_millis(1));
    let error = next.await.unwrap().unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "stalled"));
}

fn words(text: &str) -> String {
    delta(serde_json::json!({"content": text}))
}

#[tokio::test]
async fn what_came_before_a_failure_is_delivered_though_both_are_there_at_once() {
    let nonsense = "data: {\"choices\": 1}\n\n";
    for replay in [sse().piece(words("one ")).piece(words("two")), sse().piece(words("one ") + &words("two"))] {
        for broken in [replay.clone().piece(nonsense), replay.breaks(down())] {
            let (said, error) = texts(Guarded::new(broken).run().await.unwrap()).await;
            assert_eq!(said, "one two");
            let error = error.unwrap();
            assert_eq!((error.kind(), error.partial()), (ErrorKind::Truncated, &[Part::text("one two")][..]));
        }
    }
}

#[tokio::test]
async fn whoever_lets_go_of_a_reply_pays_for_what_had_come_unread() {
    const MORE: &str = "there was a king who had twelve daughters ";
    let lost = async |unread: usize| {
        let mut context = CallContext::new("test");
        let meter = Meter::default();
        context.meter = Some(meter.clone());
        // All of it comes in one piece, in two voices: words of one would be one event.
        let more = delta(serde_json::json!({"refusal": MORE}));
        let replay = sse().piece(words("Once upon a time ") + &more.repeat(unread));
        let mut events = Guarded::new(replay.stalls()).run_with(context.clone()).await.unwrap();
        assert_eq!(events.next().await.unwrap().unwrap().kind, StreamEventKind::text("Once upon a time "));
        drop(events);
        (context.take_lost()[0].0.output_tokens, meter.heard().bytes)
    };
    let (tokens, bytes) = lost(0).await;
    assert_eq!(bytes, "Once upon a time ".len());
    let (more_tokens, more_bytes) = lost(10).await;
    assert!(more_tokens > 10 * tokens, "{more_tokens} {tokens}");
    assert_eq!(more_bytes, bytes + 10 * MORE.len());
}

#[test]
fn a_copy_of_a_context_is_changed_alone_and_what_happens_is_known_to_all() {
    let one = CallContext::new("test");
    let mut other = one.clone();
    other.deadline = Some(Duration::from_secs(5));
    assert_eq!((one.deadline, other.deadline), (None, Some(Duration::from_secs(5))));
    other.note_lost(Usage::default(), Cost::default());
    other.cancel.cancel();
    assert!(one.cancel.is_cancelled() && one.take_lost().len() == 1);
}

const fn heartbeat() -> StreamEventKind {
    StreamEventKind::Progress { progress: Progress::Heartbeat { idle_ms: 0 } }
}

#[tokio::test]
async fn comments_are_heartbeats_in_every_dialect_at_most_one_a_second_and_none_beside_words() {
    let dialects: [Arc<dyn Dialect>; 4] =
        [Arc::new(OpenAiChat), Arc::new(OpenAiResponses), Arc::new(Anthropic), Arc::new(Gemini)];
    let call = call(CallContext::new("test"));
    let Route::Http(route) = &call.target.route else { panic!("no HTTP") };
    for dialect in dialects {
        let (clock, name) = (ManualClock::default(), dialect.name());
        let pieces = [
            (0, ": OPENROUTER PROCESSING\n\n", true),
            (999, ": OPENROUTER PROCESSING\n\n", false),
            (1, ": half a com", false),
            (0, "ment\n\n", true),
            (60_000, ":\n:\n:\n", true),
            (0, "\n", false),
            (1_000, "data: [DONE", false),
            (0, ": no comment", false),
        ];
        let body = Body::new(stream::iter(pieces.map(|(_, bytes, _)| Ok(bytes.into()))));
        let mut decoded = Decoded::new(body, dialect.decoder(&call.target.wire(route, true)), Arc::new(clock.clone()));
        for (wait_ms, bytes, beats) in pieces {
            clock.advance(Duration::from_millis(wait_ms));
            let mut events = Vec::new();
            let piece = std::future::poll_fn(|cx| decoded.poll_piece(cx, &mut events)).await;
            assert!(matches!(piece, Ok(Piece::More)), "{name} {bytes:?}");
            let kinds: Vec<_> = events.into_iter().map(|event| event.kind).collect();
            assert_eq!(kinds, if beats { vec![heartbeat()] } else { vec![] }, "{name} {bytes:?}");
        }
    }
    let words = delta(serde_json::json!({"content": "Hi"}));
    let both = Guarded::new(sse().piece(format!(": hello\n\n{words}{END}")));
    let events: Vec<_> = both.run().await.unwrap().map(|event| event.unwrap().kind).collect().await;
    assert_eq!((events.len(), &events[0]), (2, &StreamEventKind::text("Hi")), "{events:?}");
}

#[tokio::test]
async fn a_ping_that_is_no_event_of_its_dialect_is_a_heartbeat_too_and_tells_for_how_long_nothing_else_came() {
    let ping = "event: ping\ndata: {\"type\":\"ping\"}\n\n";
    let bench = Guarded::new(sse().piece(ping).stalls());
    let mut events = bench.run().await.unwrap();
    bench.clock.advance(Duration::from_millis(1_500));
    let beat = StreamEventKind::Progress { progress: Progress::Heartbeat { idle_ms: 1_500 } };
    assert_eq!(events.next().await.unwrap().unwrap().kind, beat);
}

#[tokio::test]
async fn refusals_and_arguments_of_tools_count_towards_the_longest_reply_and_count_once() {
    let refusal = |text: &str| delta(serde_json::json!({"refusal": text}));
    let long = format!("\"{}\"", "x".repeat(30));
    let cases = [
        ("a short refusal", refusal("no, and no again") + END, true),
        ("a long refusal", refusal(&"no ".repeat(20)) + END, false),
        ("short arguments", fragment(&long) + END, true),
        ("long arguments", fragment("\"") + &fragment(&"x".repeat(60)) + &fragment("\"") + END, false),
    ];
    for (what, body, fits) in cases {
        let mut bench = Guarded::new(sse().piece(body));
        bench.settings.max_text_bytes = 40;
        let events: Vec<_> = bench.run().await.unwrap().collect().await;
        let last = events.last().unwrap();
        match last {
            Ok(done) => assert!(fits && matches!(done.kind, StreamEventKind::Done { .. }), "{what}: {done:?}"),
            Err(error) => {
                assert!(!fits, "{what}: {error:?}");
                assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "too_large"), "{what}");
            }
        }
    }
}
