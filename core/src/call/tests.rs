//! The layers over a scripted inner service, on a clock that stands still until it is moved.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{StreamExt as _, stream};
use tower::{Layer as _, Service, ServiceExt as _};

use super::*;
use crate::base::{Clock, ErrorKind, ManualClock, Retry, SeededRandom};
use crate::model::{Error, Progress, Reply, Result, StreamEvent, StreamEventKind};
use crate::policy::{RetryPolicy, RetrySettings};
use crate::wire::OpenAiChat;

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
    type Response = EventStream;
    type Error = Error;
    type Future = BoxFuture<'static, Result<EventStream>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Call) -> Self::Future {
        *self.calls.lock().unwrap() += 1;
        let script = self.scripts.lock().unwrap().pop_front().expect("no script is left");
        Box::pin(async move { script.map(|events| Box::pin(stream::iter(events)) as EventStream) })
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
    let spec = ProviderSpec::openai_chat("lab", "http://127.0.0.1:9/v1");
    let catalogue = Catalogue::bundled().unwrap().with_provider(spec).unwrap();
    let model: ModelRef = "lab/m".parse().unwrap();
    let entry = catalogue.provider("lab").unwrap().clone();
    let target =
        CallTarget { base_url: entry.base_url.clone(), dialect: Arc::new(OpenAiChat), info: None, model, entry };
    Call { request: Arc::default(), target: Arc::new(target), context }
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

    fn run(&self, settings: RetrySettings) -> BoxFuture<'static, Result<EventStream>> {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let layer = RetryLayer::new(RetryPolicy::new(settings), clock, Arc::new(SeededRandom::new(5)));
        Box::pin(layer.layer(self.inner.clone()).oneshot(call(self.context.clone())))
    }
}

async fn texts(stream: EventStream) -> (String, Option<Error>) {
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

    let bench = Bench::new([Err(down()), Err(down())]);
    let error = bench.run(RetrySettings { base_delay_ms: 0, ..RetrySettings::default() }).await.err().unwrap();
    assert_eq!((error.retry(), bench.inner.calls(), error.attempts().len()), (Retry::Exhausted, 2, 2));
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
