//! The whole way of a call, from `ask` to the bytes, against a provider that fails by chance, on a paused clock: days
//! of traffic in seconds. Every draw comes from a seed, and every failed assertion names it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may panic")]
#![allow(clippy::disallowed_methods, reason = "the clock of these tests is paused: it is moved by the runtime alone")]

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures::stream;
use serde_json::json;
use tertulia::base::{Random, SeededRandom};
use tertulia::net::{Body, Transport, TransportFuture};
use tertulia::{Error, ErrorKind, ProviderSpec, Result, Retry, Settings, Tertulia, TurnState};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};

/// How long the provider takes for an answer.
const LATENCY: Duration = Duration::from_secs(1);

/// What a request meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fate {
    Answer,
    ServerError,
    Overload,
    Reset,
    Silence,
    /// The stream breaks before it said anything.
    Cut,
    /// The stream ends cleanly before it said anything.
    Truncated,
}

const FAULTS: [Fate; 6] = [Fate::ServerError, Fate::Overload, Fate::Reset, Fate::Silence, Fate::Cut, Fate::Truncated];

/// A provider that fails this often, and always while it is down.
struct Provider {
    random: SeededRandom,
    faults: f64,
    outage: Range<Duration>,
    began: Instant,
    requests: AtomicU32,
    fates: Mutex<BTreeMap<Fate, u32>>,
}

impl Provider {
    fn new(seed: u64, faults: f64, outage: Range<Duration>) -> Arc<Self> {
        let (random, began) = (SeededRandom::new(seed), Instant::now());
        Arc::new(Self { random, faults, outage, began, requests: AtomicU32::new(0), fates: Mutex::default() })
    }

    fn requests(&self) -> u32 {
        self.requests.load(Ordering::Relaxed)
    }

    fn draw(&self) -> Fate {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let fate = if self.outage.contains(&self.began.elapsed()) {
            Fate::Reset
        } else if self.random.unit() < self.faults {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "below the number of faults")]
            let which = (self.random.unit() * FAULTS.len() as f64) as usize;
            FAULTS[which.min(FAULTS.len() - 1)]
        } else {
            Fate::Answer
        };
        *self.fates.lock().unwrap().entry(fate).or_default() += 1;
        fate
    }
}

/// A piece of an answer in the words of Chat Completions.
fn chunk(delta: serde_json::Value, finish: Option<&str>) -> Result<Bytes> {
    let body = json!({
        "id": "c", "object": "chat.completion.chunk", "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    });
    Ok(Bytes::from(format!("data: {body}\n\n")))
}

fn broken(reason: &'static str) -> Error {
    Error::new(ErrorKind::Unavailable, reason, "the connection broke").with_retry(Retry::Safe)
}

impl Transport for Provider {
    fn send(&self, _: http::Request<Bytes>) -> TransportFuture<'_> {
        let fate = self.draw();
        Box::pin(async move {
            if fate == Fate::Silence {
                std::future::pending::<()>().await;
            }
            sleep(LATENCY).await;
            let head = || chunk(json!({"role": "assistant"}), None);
            let (status, pieces) = match fate {
                Fate::Reset => return Err(broken("reset")),
                Fate::ServerError => (500, vec![Ok(Bytes::from_static(b"{\"error\":{\"message\":\"oh\"}}"))]),
                Fate::Overload => (503, vec![Ok(Bytes::from_static(b"{\"error\":{\"message\":\"full\"}}"))]),
                Fate::Cut => (200, vec![head(), Err(broken("cut"))]),
                Fate::Truncated => (200, vec![head()]),
                Fate::Answer | Fate::Silence => (
                    200,
                    vec![
                        head(),
                        chunk(json!({"content": "hello"}), None),
                        chunk(json!({}), Some("stop")),
                        Ok(Bytes::from_static(b"data: [DONE]\n\n")),
                    ],
                ),
            };
            let kind = if status == 200 { "text/event-stream" } else { "application/json" };
            let head = http::Response::builder().status(status).header("content-type", kind);
            Ok(head.body(Body::new(stream::iter(pieces))).unwrap())
        })
    }
}

/// An engine that talks to this provider.
async fn engine(provider: &Arc<Provider>, seed: u64, settings: Settings) -> Tertulia {
    Tertulia::builder()
        .store("memory:")
        .provider(ProviderSpec::openai_chat("lab", "https://lab.example/v1"))
        .model("lab/m")
        .settings(settings)
        .with_random(Arc::new(SeededRandom::new(seed)))
        .with_transport(provider.clone())
        .open()
        .await
        .unwrap()
}

/// What became of the calls, in the order of their beginnings.
struct Traffic {
    outcomes: Vec<(Duration, Result<Duration>)>,
}

impl Traffic {
    /// So many calls come in, one after each pause, whether those before are done or not.
    async fn run(tertulia: &Tertulia, calls: u32, pause: Duration, timeout: Duration) -> Self {
        let began = Instant::now();
        let mut all = JoinSet::new();
        for call in 0..calls {
            let tertulia = tertulia.clone();
            all.spawn(async move {
                let at = pause * call;
                sleep_until(began + at).await;
                let reply = tertulia.ask("hi").timeout(timeout).await;
                (at, reply.map(|reply| assert_eq!(reply.text(), "hello")).map(|()| began.elapsed()))
            });
        }
        let mut outcomes = all.join_all().await;
        outcomes.sort_by_key(|(at, _)| *at);
        Self { outcomes }
    }

    fn failures(&self) -> impl Iterator<Item = (&Duration, &Error)> {
        self.outcomes.iter().filter_map(|(at, outcome)| Some((at, outcome.as_ref().err()?)))
    }
}

const NEVER: Range<Duration> = Duration::MAX..Duration::MAX;

/// So many calls of one seed: how many failed, how many requests they took, and what became of those.
async fn faulty_calls(seed: u64, calls: u32) -> (u32, u32, BTreeMap<Fate, u32>) {
    let provider = Provider::new(seed, 0.3, NEVER);
    let tertulia = engine(&provider, seed, Settings::default()).await;
    let traffic = Traffic::run(&tertulia, calls, Duration::from_millis(250), Duration::from_secs(600)).await;
    tertulia.close().await.unwrap();
    let failed = u32::try_from(traffic.failures().count()).unwrap();
    for (at, error) in traffic.failures() {
        assert_eq!(error.retry(), Retry::Exhausted, "seed {seed}, call of {at:?}: {error:?}");
    }
    // 0.08% are to be expected of six tries; a run of 5,000 may be unlucky, all of them together may not.
    assert!(failed <= 15, "seed {seed}: {failed} of {calls} failed");
    assert!(f64::from(provider.requests()) <= 1.46 * f64::from(calls), "seed {seed}: {}", provider.requests());
    let fates = provider.fates.lock().unwrap().clone();
    (failed, provider.requests(), fates)
}

#[test]
fn of_a_hundred_thousand_calls_at_three_faults_in_ten_999_in_a_thousand_are_answered() {
    const CALLS: u32 = 5_000;
    // Each seed has a clock of its own, so that two threads play them in half the time.
    let play = |seeds: std::ops::RangeInclusive<u64>| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        seeds.map(|seed| runtime.block_on(faulty_calls(seed, CALLS))).collect::<Vec<_>>()
    };
    let played = std::thread::scope(|scope| {
        [1..=10, 11..=20].map(|seeds| scope.spawn(move || play(seeds))).map(|thread| thread.join().unwrap())
    });
    let (mut failed, mut requests) = (0, 0);
    let mut fates: BTreeMap<Fate, u32> = BTreeMap::new();
    for (failed_here, requests_here, fates_here) in played.into_iter().flatten() {
        failed += failed_here;
        requests += requests_here;
        for (fate, times) in fates_here {
            *fates.entry(fate).or_default() += times;
        }
    }
    let (calls, per_call) = (20 * CALLS, f64::from(requests) / f64::from(20 * CALLS));
    println!("{} of {calls} answered at {per_call:.3} requests each; {fates:?}", calls - failed);
    assert!(failed <= calls / 1_000, "seeds 1..=20: {failed} of {calls} failed");
    assert!(per_call <= 1.45, "seeds 1..=20: {per_call} requests per call");
    assert!(FAULTS.iter().all(|fault| fates[fault] > requests / 30), "a fault hardly came up: {fates:?}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_of_an_hour_is_met_with_a_tenth_of_a_request_per_call_and_left_within_two_minutes() {
    let hour = Duration::from_secs(3_600);
    let outage = Duration::from_secs(100)..Duration::from_secs(100) + hour;
    for seed in 1..=3 {
        let provider = Provider::new(seed, 0.0, outage.clone());
        let tertulia = engine(&provider, seed, Settings::default()).await;
        let (calls, pause) = (10_000, Duration::from_millis(400));
        let traffic = Traffic::run(&tertulia, calls, pause, Duration::from_secs(30)).await;
        tertulia.close().await.unwrap();
        let inside = u32::try_from(traffic.outcomes.iter().filter(|(at, _)| outage.contains(at)).count()).unwrap();
        let sent = provider.fates.lock().unwrap()[&Fate::Reset];
        println!("seed {seed}: {sent} requests for {inside} calls in the outage");
        assert!(f64::from(sent) <= 0.1 * f64::from(inside), "seed {seed}: {sent} requests for {inside} calls");
        let back = traffic.outcomes.iter().filter_map(|(_, done)| done.as_ref().ok()).find(|done| **done > outage.end);
        let took = back.copied().expect("nobody was answered after the outage") - outage.end;
        assert!(took <= Duration::from_secs(120), "seed {seed}: the first answer came {took:?} after the outage");
        for (at, error) in traffic.failures() {
            let until = outage.end + Duration::from_secs(120);
            assert!((outage.start - Duration::from_secs(30)..until).contains(at), "seed {seed}, {at:?}: {error:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_breaker_an_outage_costs_a_hundred_requests_and_one_in_a_hundred_more() {
    for seed in 1..=3 {
        let provider = Provider::new(seed, 0.0, Duration::ZERO..Duration::MAX);
        let mut settings = Settings::default();
        settings.breaker.enabled = false;
        let tertulia = engine(&provider, seed, settings).await;
        let calls = 10_000;
        let traffic = Traffic::run(&tertulia, calls, Duration::from_millis(100), Duration::from_secs(600)).await;
        tertulia.close().await.unwrap();
        assert_eq!(traffic.failures().count(), 10_000, "seed {seed}");
        let extra = provider.requests() - calls;
        assert!(extra <= 100 + calls / 100 + 1, "seed {seed}: {extra} extra requests");
        assert!(extra >= 100, "seed {seed}: the budget of retries was never used");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_day() {
    let mut days = Vec::new();
    for _ in 0..2 {
        let provider = Provider::new(7, 0.3, Duration::from_secs(20)..Duration::from_secs(60));
        let tertulia = engine(&provider, 7, Settings::default()).await;
        let traffic = Traffic::run(&tertulia, 500, Duration::from_millis(200), Duration::from_secs(60)).await;
        tertulia.close().await.unwrap();
        let told = |(at, outcome): &(Duration, Result<Duration>)| {
            format!("{at:?} {:?}", outcome.as_ref().map_err(|e| (e.kind(), e.reason().to_owned())))
        };
        days.push((provider.requests(), traffic.outcomes.iter().map(told).collect::<Vec<_>>()));
    }
    assert_eq!(days[0], days[1]);
}

/// Answers every request with this refusal.
struct Refusing {
    status: u16,
    body: String,
    requests: AtomicU32,
}

impl Transport for Refusing {
    fn send(&self, _: http::Request<Bytes>) -> TransportFuture<'_> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let head = http::Response::builder().status(self.status).header("content-type", "application/json");
        let answer = head.body(Body::whole(self.body.clone())).unwrap();
        Box::pin(std::future::ready(Ok(answer)))
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_server_says_can_never_work_is_one_request_and_the_message_is_kept() {
    use ErrorKind::{ContentFiltered, ContextTooLong, Invalid, QuotaExhausted, Unauthorized};
    let lab = "https://lab.example/v1";
    let (chat, messages, gemini, ollama) = (
        ProviderSpec::openai_chat("lab", lab),
        ProviderSpec::anthropic("lab", lab),
        ProviderSpec::gemini("lab", lab),
        ProviderSpec::ollama("lab", lab),
    );
    let responses = ProviderSpec::openai_responses("lab", lab);
    let coded = |code: &str| json!({"error": {"code": code, "message": "m", "type": code}});
    let typed = |kind: &str| json!({"type": "error", "error": {"type": kind, "message": "m"}});
    let google =
        |code: u16, status: &str, message: &str| json!({"error": {"code": code, "status": status, "message": message}});
    let cases = [
        (&chat, 400, coded("invalid_value"), Invalid),
        (&chat, 401, coded("invalid_api_key"), Unauthorized),
        (&chat, 403, coded("unsupported_country"), Unauthorized),
        (&chat, 404, coded("model_not_found"), Invalid),
        (&chat, 400, coded("context_length_exceeded"), ContextTooLong),
        (&chat, 413, coded("too_large"), Invalid),
        (&chat, 422, coded("unprocessable"), Invalid),
        (&chat, 429, coded("insufficient_quota"), QuotaExhausted),
        (&responses, 401, coded("invalid_api_key"), Unauthorized),
        (&responses, 429, coded("insufficient_quota"), QuotaExhausted),
        (&responses, 400, coded("content_filter"), ContentFiltered),
        (&messages, 400, typed("invalid_request_error"), Invalid),
        (&messages, 401, typed("authentication_error"), Unauthorized),
        (&messages, 402, typed("billing_error"), QuotaExhausted),
        (&messages, 403, typed("permission_error"), Unauthorized),
        (&messages, 413, typed("request_too_large"), Invalid),
        (
            &messages,
            429,
            json!({"type": "error", "error": {
                "type": "rate_limit_error", "message": "m", "details": {"error_code": "enforced_spend_limit_reached"},
            }}),
            QuotaExhausted,
        ),
        (&gemini, 400, google(400, "INVALID_ARGUMENT", "m"), Invalid),
        (
            &gemini,
            400,
            google(400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key."),
            Unauthorized,
        ),
        (&gemini, 403, google(403, "PERMISSION_DENIED", "m"), Unauthorized),
        (
            &gemini,
            429,
            google(429, "RESOURCE_EXHAUSTED", "Quota exceeded for metric: requests, limit: 0, model: m"),
            QuotaExhausted,
        ),
        (&ollama, 401, json!({"error": "unauthorized"}), Unauthorized),
        (&ollama, 404, json!({"error": "model \"m\" not found, try pulling it first"}), Invalid),
        (&ollama, 400, json!({"error": "bad request"}), Invalid),
    ];
    for (spec, status, body, kind) in cases {
        let transport = Arc::new(Refusing { status, body: body.to_string(), requests: AtomicU32::new(0) });
        let tertulia = Tertulia::builder()
            .store("memory:")
            .provider(spec.clone())
            .model("lab/m")
            .key("lab", "sk-1")
            .with_transport(transport.clone())
            .open()
            .await
            .unwrap();
        let chat = tertulia.user("ana").new_conversation();
        let error = chat.send("hi").await.unwrap_err();
        let case = format!("{status} {body}");
        assert_eq!(error.kind(), kind, "{case}: {error:?}");
        assert_eq!(transport.requests.load(Ordering::Relaxed), 1, "{case}");
        assert_eq!(error.attempts().len(), 1, "{case}");
        let turn = chat.turn(error.turn_id().unwrap()).await.unwrap();
        assert_eq!(turn.state, TurnState::Parked, "{case}");
        let page = chat.history().await.unwrap();
        assert_eq!(page.items[0].text(), "hi", "{case}");
        tertulia.close().await.unwrap();
    }
}
