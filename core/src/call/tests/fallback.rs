//! The layer that goes from target to target: who is asked, how often, for how long, and what is left at the end.

use std::collections::HashMap;

use tower::ServiceBuilder;

use super::*;
use crate::base::Attempt;
use crate::model::{ModelInfo, NewMessage};
use crate::policy::MidStream;

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// What a model was asked.
#[derive(Clone, Debug)]
pub(super) struct Heard {
    pub(super) model: String,
    pub(super) share: Option<Share>,
    pub(super) key: Option<String>,
    pub(super) messages: Vec<NewMessage>,
}

/// Several models behind the layers, each of which answers by a list of its own; one without a list never answers.
pub(super) struct Round {
    pub(super) clock: ManualClock,
    pub(super) retry: RetrySettings,
    pub(super) breaker: BreakerSettings,
    pub(super) context: CallContext,
    pub(super) heard: Arc<Mutex<Vec<Progress>>>,
    scripts: Arc<Mutex<HashMap<String, VecDeque<Result<Script>>>>>,
    asked: Arc<Mutex<Vec<Heard>>>,
    layers: Option<(FallbackLayer, RetryLayer, BreakerLayer)>,
}

impl Round {
    pub(super) fn new<const N: usize>(scripts: [(&str, Vec<Result<Script>>); N]) -> Self {
        let heard: Arc<Mutex<Vec<Progress>>> = Arc::default();
        let mut context = CallContext::new("test");
        let sink = heard.clone();
        context.progress = Some(Arc::new(move |progress| sink.lock().unwrap().push(progress)));
        context.deadline = Some(600 * SECOND);
        let scripts = scripts.into_iter().map(|(model, list)| (model.to_owned(), list.into())).collect();
        Self {
            clock: ManualClock::default(),
            retry: RetrySettings { base_delay_ms: 0, throttle_base_delay_ms: 0, ..RetrySettings::default() },
            breaker: BreakerSettings::default(),
            context,
            heard,
            scripts: Arc::new(Mutex::new(scripts)),
            asked: Arc::default(),
            layers: None,
        }
    }

    /// A call of the first model that may go on to the others.
    pub(super) fn call(&self, models: &[&str], mid_stream: MidStream) -> Call {
        let windows: Vec<(&str, Option<i64>)> = models.iter().map(|model| (*model, None)).collect();
        self.call_with(&windows, mid_stream)
    }

    pub(super) fn call_with(&self, models: &[(&str, Option<i64>)], mid_stream: MidStream) -> Call {
        let mut targets = models.iter().map(|(model, window)| target(model, *window));
        let own = targets.next().unwrap();
        let targets = targets.map(|target| {
            let provider = target.entry.name.clone();
            let key = CallKey { provider, key: format!("key-of-{}", target.model.model).into() };
            Alternative { target, key: Some(key) }
        });
        let make: MakeRequest = Arc::new(|target| {
            Box::pin(async move {
                if target.model.model == "unfit" {
                    return Err(Error::invalid("unsupported", "it takes no pictures"));
                }
                let mut request = crate::model::ChatRequest { model: target.model.model.clone(), ..Default::default() };
                request.messages.push(NewMessage::user("hi"));
                Ok(Arc::new(request))
            })
        });
        let mut call = call_of_model("lab/m", self.context.clone());
        call.target = own;
        call.context.alternatives = Some(Arc::new(Alternatives { targets: targets.collect(), make, mid_stream }));
        call
    }

    pub(super) fn run(&mut self, call: Call) -> BoxFuture<'static, Result<ReplyEvents>> {
        let clock: Arc<dyn Clock> = Arc::new(self.clock.clone());
        let random = Arc::new(SeededRandom::new(5));
        let (retry, breaker) = (self.retry, self.breaker);
        let layers = self.layers.get_or_insert_with(|| {
            let left_alone = BreakerLayer::new(breaker, 60 * SECOND, clock.clone(), random.clone());
            let fallback = FallbackLayer::new(retry, &breaker, left_alone.clone(), clock.clone());
            (fallback, RetryLayer::new(RetryPolicy::new(retry), clock, random), left_alone)
        });
        let (scripts, asked) = (self.scripts.clone(), self.asked.clone());
        let inner = tower::service_fn(move |call: Call| {
            let model = call.target.model.to_string();
            asked.lock().unwrap().push(Heard {
                model: model.clone(),
                share: call.context.share,
                key: call.context.key.as_ref().map(|key| key.key.expose().to_owned()),
                messages: call.request.messages.clone(),
            });
            let script =
                scripts.lock().unwrap().get_mut(&model).map(|list| list.pop_front().expect("no script is left"));
            async move {
                match script {
                    Some(script) => script.map(|events| Box::pin(stream::iter(events)) as ReplyEvents),
                    None => std::future::pending().await,
                }
            }
        });
        let (fallback, retry, breaker) = layers.clone();
        let service = ServiceBuilder::new().layer(fallback).layer(retry).layer(breaker).service(inner);
        Box::pin(service.oneshot(call))
    }

    /// Runs a call of these models and gives what was said, or how it failed.
    pub(super) async fn ask(&mut self, models: &[&str]) -> Result<String> {
        let call = self.call(models, MidStream::Surface);
        match texts(self.run(call).await?).await {
            (said, None) => Ok(said),
            (_, Some(error)) => Err(error),
        }
    }

    /// The models that were asked so far, in order.
    pub(super) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(|heard| heard.model.clone()).collect()
    }

    pub(super) fn requests(&self) -> Vec<Heard> {
        self.asked.lock().unwrap().clone()
    }

    fn fallbacks(&self) -> Vec<(String, String)> {
        let heard = self.heard.lock().unwrap();
        let both = heard.iter().filter_map(|progress| match progress {
            Progress::FellBack { from_model, to_model } => Some((from_model.clone(), to_model.clone())),
            _ => None,
        });
        both.collect()
    }
}

pub(super) fn target(model: &str, window: Option<i64>) -> Arc<CallTarget> {
    let mut target = Arc::into_inner(call_of_model(model, CallContext::new("test")).target).unwrap();
    target.info = Some(ModelInfo { context_window: window, ..ModelInfo::default() });
    Arc::new(target)
}

pub(super) fn good(said: &str) -> Result<Script> {
    Ok(vec![text(said), done()])
}

fn failed(kind: ErrorKind) -> Result<Script> {
    Err(Error::new(kind, "test", "refused").with_status(400))
}

fn tries(attempts: &[Attempt]) -> Vec<(&str, Option<ErrorKind>)> {
    attempts.iter().map(|attempt| (attempt.model.as_str(), attempt.kind)).collect()
}

#[tokio::test]
async fn a_call_goes_on_to_the_next_model_after_three_tries_and_says_so() {
    let mut round = Round::new([("lab/a", vec![Err(down()), Err(down()), Err(down())]), ("lab/b", vec![good("hi")])]);
    let call = round.call(&["lab/a", "lab/b", "lab/c"], MidStream::Surface);
    round.retry.max_attempts = 8;
    let context = call.context.clone();
    assert_eq!(texts(round.run(call).await.unwrap()).await.0, "hi");
    assert_eq!(round.asked(), ["lab/a", "lab/a", "lab/a", "lab/b"]);
    assert_eq!(round.fallbacks(), [("lab/a".to_owned(), "lab/b".to_owned())]);
    let down = Some(ErrorKind::Unavailable);
    assert_eq!(tries(&context.attempts()), [("lab/a", down), ("lab/a", down), ("lab/a", down), ("lab/b", None)]);
    assert_eq!(context.answering().map(|model| model.to_string()).as_deref(), Some("lab/b"));
}

#[tokio::test]
async fn when_all_models_fail_the_last_failure_comes_out_with_every_try_of_every_model() {
    let mut round = Round::new([
        ("lab/a", vec![Err(down()), Err(down()), Err(down())]),
        ("lab/b", vec![Err(busy(1)), Err(busy(1))]),
        ("lab/c", vec![Err(down())]),
    ]);
    let call = round.call(&["lab/a", "lab/b", "lab/c"], MidStream::Surface);
    let mut work = round.run(call);
    let error = loop {
        match futures::poll!(&mut work) {
            Poll::Ready(outcome) => break outcome.err().unwrap(),
            Poll::Pending => round.clock.advance(SECOND),
        }
    };
    assert_eq!((error.kind(), error.model(), error.retry()), (ErrorKind::Unavailable, None, Retry::Exhausted));
    let models: Vec<&str> = error.attempts().iter().map(|attempt| attempt.model.as_str()).collect();
    assert_eq!(models, ["lab/a", "lab/a", "lab/a", "lab/b", "lab/b", "lab/c"], "six in all, one for everybody");
}

#[tokio::test]
async fn what_is_wrong_with_the_call_is_not_asked_elsewhere() {
    for kind in [ErrorKind::Invalid, ErrorKind::ContentFiltered, ErrorKind::BudgetExceeded, ErrorKind::Cancelled] {
        let mut round = Round::new([("lab/a", vec![failed(kind)])]);
        let error = round.ask(&["lab/a", "lab/b"]).await.unwrap_err();
        // What no budget has room for is not even a try.
        let tries = usize::from(kind != ErrorKind::BudgetExceeded);
        assert_eq!((error.kind(), error.attempts().len()), (kind, tries));
        assert_eq!(round.asked(), ["lab/a"]);
    }
}

#[tokio::test]
async fn a_model_that_cannot_take_the_call_is_passed_over_and_does_not_speak_for_it() {
    let mut round = Round::new([("lab/a", vec![failed(ErrorKind::QuotaExhausted)]), ("lab/c", vec![good("hi")])]);
    assert_eq!(round.ask(&["lab/a", "lab/unfit", "lab/c"]).await.unwrap(), "hi");
    assert_eq!(round.asked(), ["lab/a", "lab/c"], "nothing is sent that it cannot take");

    let down = || Err(down());
    let mut round = Round::new([("lab/a", vec![down(), down(), down()]), ("lab/b", vec![failed(ErrorKind::Invalid)])]);
    let error = round.ask(&["lab/a", "lab/b", "lab/unfit"]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "it may help to ask again later");
    assert_eq!(round.asked(), ["lab/a", "lab/a", "lab/a", "lab/b"]);
}

#[tokio::test]
async fn a_model_that_is_known_to_be_down_costs_no_request_and_is_asked_first_again_when_its_time_is_over() {
    let mut round = Round::new([
        ("lab/a", vec![Err(down()), Err(down()), good("a")]),
        ("lab/b", vec![good("b1"), good("b2"), good("b3"), Err(down()), Err(down())]),
    ]);
    round.breaker.consecutive_failures = 1;
    let models = ["lab/a", "lab/b"];
    assert_eq!(round.ask(&models).await.unwrap(), "b1");
    assert_eq!(round.asked(), ["lab/a", "lab/b"], "nobody waits for it while there is another");
    assert_eq!(round.ask(&models).await.unwrap(), "b2");
    assert_eq!(round.asked()[2..], ["lab/b"]);
    assert_eq!(round.fallbacks().len(), 2, "the reader is told who answers in its place");

    round.clock.advance(7 * SECOND);
    assert_eq!(round.ask(&models).await.unwrap(), "b3", "one call finds out, and goes on when it fails");
    assert_eq!(round.asked()[3..], ["lab/a", "lab/b"]);

    // With nobody else left the last one is waited for.
    let call = round.call(&models, MidStream::Surface);
    let mut work = round.run(call);
    assert!(futures::poll!(&mut work).is_pending());
    assert_eq!(round.asked()[5..], ["lab/b"], "it is down now, too, and nobody asks the other one");
    round.clock.advance(15 * SECOND);
    assert_eq!(texts(work.await.unwrap()).await.0, "a");
}

#[tokio::test]
async fn a_wait_that_would_take_the_time_of_the_next_model_is_not_begun() {
    let mut round = Round::new([("lab/a", vec![Err(busy(6_000))]), ("lab/b", vec![good("hi")])]);
    round.context.deadline = Some(10 * SECOND);
    assert_eq!(round.ask(&["lab/a", "lab/b"]).await.unwrap(), "hi");
    let shares: Vec<_> = round.requests().iter().map(|heard| heard.share.unwrap()).collect();
    let share = |attempts, seconds, others| Share { attempts, begin_by: seconds * SECOND, others, queues: true };
    assert_eq!(shares, [share(3, 5, true), share(3, 10, false)]);
}

#[tokio::test]
async fn a_deadline_in_the_middle_of_a_retry_ends_the_retry_and_the_rest_goes_to_the_next_model() {
    // The second try of the first model never ends: what is over it is its share alone.
    let replays =
        [sse().breaks(down()), sse().stalls(), sse().piece(delta(serde_json::json!({"content": "hi"})) + END)];
    let clock = ManualClock::default();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let random: Arc<dyn crate::base::Random> = Arc::new(SeededRandom::new(5));
    let provider = ProviderService::new(
        Arc::new(ReplayTransport::new(replays)),
        Arc::new(Credentials::new(shared.clone(), |_: &str| None)),
        shared.clone(),
        Ids::new(shared.clone(), random.clone()),
        Arc::new(NetworkSettings::default()),
    );
    let round = Round::new([]);
    let mut call = round.call(&["lab/a", "lab/b"], MidStream::Surface);
    call.context.deadline = Some(30 * SECOND);
    let context = call.context.clone();
    let retry = RetrySettings { base_delay_ms: 0, ..RetrySettings::default() };
    let service = stack(provider, &layers(retry, FallbackSettings::default(), &shared));
    let mut work = Box::pin(service.oneshot(call));
    assert!(futures::poll!(&mut work).is_pending());
    clock.advance(14_999 * SECOND / 1_000);
    assert!(futures::poll!(&mut work).is_pending());
    clock.advance(SECOND / 1_000);
    assert_eq!(texts(work.await.unwrap()).await.0, "hi");
    let kinds: Vec<_> = context.attempts().into_iter().map(|attempt| (attempt.model, attempt.kind)).collect();
    let of = |model: &str, kind| (model.to_owned(), kind);
    let expected =
        [of("lab/a", Some(ErrorKind::Unavailable)), of("lab/a", Some(ErrorKind::TimedOut)), of("lab/b", None)];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn the_share_of_a_model_ends_with_its_first_content() {
    let first = delta(serde_json::json!({"content": "Hi"}));
    let mut bench = Guarded::new(sse().piece(first).stalls());
    bench.settings.idle_timeout_ms = 60_000;
    let mut context = CallContext::new("test");
    context.deadline = Some(600 * SECOND);
    context.share = Some(Share { attempts: 3, begin_by: 10 * SECOND, others: true, queues: true });
    let mut events = bench.run_with(context).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap().kind, StreamEventKind::text("Hi"));
    let mut next = events.next();
    assert!(futures::poll!(&mut next).is_pending());
    bench.clock.advance(59 * SECOND);
    assert!(futures::poll!(&mut next).is_pending(), "the share is over, the reply is not");
    bench.clock.advance(SECOND);
    assert_eq!(next.await.unwrap().unwrap_err().reason(), "stalled");
}

#[tokio::test]
async fn a_model_that_refused_the_key_goes_last_for_ten_minutes_or_until_it_takes_it() {
    let refused = || failed(ErrorKind::Unauthorized);
    let mut round = Round::new([
        ("lab/a", vec![refused(), refused(), good("a1"), good("a2")]),
        ("lab/b", vec![good("b1"), good("b2"), good("b3")]),
    ]);
    let models = ["lab/a", "lab/b"];
    assert_eq!(round.ask(&models).await.unwrap(), "b1");
    assert_eq!(round.ask(&models).await.unwrap(), "b2");
    assert_eq!(round.asked(), ["lab/a", "lab/b", "lab/b"]);
    // For another user it is another key.
    let mut call = round.call(&models, MidStream::Surface);
    call.context.owner = Some("bob".into());
    assert_eq!(texts(round.run(call).await.unwrap()).await.0, "b3");
    assert_eq!(round.asked()[3..], ["lab/a", "lab/b"]);
    // So it is for the same user with another key.
    let mut call = round.call(&models, MidStream::Surface);
    call.context.key = Some(CallKey { provider: "lab".to_owned(), key: "fresh".into() });
    assert_eq!(texts(round.run(call).await.unwrap()).await.0, "a1");
    round.clock.advance(600 * SECOND);
    round.context.deadline = Some(1_200 * SECOND);
    assert_eq!(round.ask(&models).await.unwrap(), "a2");
}

#[tokio::test]
async fn a_context_that_is_too_long_goes_on_to_a_model_with_more_room() {
    let mut round =
        Round::new([("lab/a", vec![failed(ErrorKind::ContextTooLong)]), ("lab/large", vec![good("I see it all")])]);
    let windows = [("lab/a", Some(8_000)), ("lab/same", Some(8_000)), ("lab/large", Some(32_000))];
    let call = round.call_with(&windows, MidStream::Surface);
    assert_eq!(texts(round.run(call).await.unwrap()).await.0, "I see it all");
    assert_eq!(round.asked(), ["lab/a", "lab/large"]);
}

#[tokio::test]
async fn every_model_is_asked_with_its_own_key_and_request() {
    let mut round = Round::new([("lab/a", vec![failed(ErrorKind::QuotaExhausted)]), ("lab/b", vec![good("hi")])]);
    round.context.key = Some(CallKey { provider: "lab".to_owned(), key: "key-of-the-call".into() });
    round.ask(&["lab/a", "lab/b"]).await.unwrap();
    let requests = round.requests();
    assert_eq!(requests[0].key.as_deref(), Some("key-of-the-call"));
    assert_eq!((requests[1].key.as_deref(), requests[1].messages.len()), (Some("key-of-b"), 1));
}

#[tokio::test]
async fn stopping_a_call_stops_it_at_every_model() {
    let mut round = Round::new([("lab/a", vec![Err(busy(4_000))])]);
    let call = round.call(&["lab/a", "lab/b"], MidStream::Surface);
    let cancel = call.context.cancel.clone();
    let mut work = round.run(call);
    assert!(futures::poll!(&mut work).is_pending());
    cancel.cancel();
    assert_eq!(work.await.err().unwrap().kind(), ErrorKind::Cancelled);
    assert_eq!(round.asked(), ["lab/a"]);
}

#[tokio::test]
async fn nothing_is_asked_elsewhere_after_the_first_content() {
    for mid_stream in [MidStream::Surface, MidStream::Restart] {
        let mut round = Round::new([("lab/a", vec![Ok(vec![text("half"), Err(down())])])]);
        let call = round.call(&["lab/a", "lab/b"], mid_stream);
        let (said, failed) = texts(round.run(call).await.unwrap()).await;
        assert_eq!((said.as_str(), failed.unwrap().kind()), ("half", ErrorKind::Unavailable));
        assert_eq!(round.asked(), ["lab/a"]);
    }
}
