//! Budgets over the whole engine: what they admit, what they refuse, what is written down, and that no bill is ever
//! higher than they allow.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests may panic and need no docs"
)]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use futures::{StreamExt as _, stream};
use support::within;
use tertulia::base::{Random as _, SeededRandom};
use tertulia::policy::Bound;
use tertulia::{
    Budget, BudgetScope, BudgetStatus, ChatRequest, Error, ErrorKind, EventStream, ModelInfo, NewMessage, Price,
    Provider, ProviderSpec, Result, Retry, Settings, SpendingAlert, StreamEventKind, Tertulia, TertuliaBuilder, Tier,
    Usage, UsageBy, UsageSource, UserScope, Window,
};
use tertulia_simulator::{Script, Simulator};
use tokio::task::JoinSet;

/// A thousand nano-USD a token sent in, two thousand a token written.
fn price() -> Price {
    Price { input_nano_usd: 1_000_000_000, output_nano_usd: 2_000_000_000, ..Price::default() }
}

fn info() -> ModelInfo {
    ModelInfo {
        price: Some(price()),
        context_window: Some(100_000),
        max_output_tokens: Some(1_000),
        ..ModelInfo::default()
    }
}

struct Lab {
    tertulia: Tertulia,
    simulator: Simulator,
}

impl Lab {
    async fn new(script: &str) -> Self {
        Self::with(script, |builder| builder).await
    }

    async fn with(script: &str, change: impl FnOnce(TertuliaBuilder) -> TertuliaBuilder) -> Self {
        let simulator = Simulator::start().await.unwrap();
        simulator.set_script("m", Script::parse(script).unwrap());
        let spec = ProviderSpec::openai_chat("lab", format!("{}/v1", simulator.url()));
        let mut settings = Settings::default();
        settings.retry.base_delay_ms = 1;
        settings.retry.max_attempts = 3;
        let builder = Tertulia::builder()
            .with_environment(Arc::new(|_: &str| None))
            .settings(settings)
            .store("memory:")
            .model("lab/m")
            .provider(spec.model("m", info()));
        Self { tertulia: change(builder).open().await.unwrap(), simulator }
    }

    fn me(&self) -> UserScope {
        self.tertulia.user("ana")
    }

    fn sent(&self) -> usize {
        self.simulator.requests().len()
    }

    /// The body of the last request.
    fn last_request(&self) -> serde_json::Value {
        serde_json::from_slice(&self.simulator.requests().pop().expect("no request").body).unwrap()
    }

    async fn close(self) {
        self.tertulia.close().await.unwrap();
        self.simulator.shutdown().await;
    }
}

/// The most that a call with these words and this limit takes.
fn bound(words: &str, max_tokens: i64) -> Bound {
    let mut request = ChatRequest { model: "m".to_owned(), ..ChatRequest::default() };
    request.messages.push(NewMessage::user(words));
    request.sampling.max_tokens = Some(max_tokens);
    Bound::of(&request, "lab", Some(&info()))
}

/// The only budget of this user, once nothing is reserved any more.
async fn settled(user: &UserScope) -> BudgetStatus {
    within(async {
        loop {
            let mut standing = user.budgets().await.unwrap();
            assert_eq!(standing.len(), 1);
            let status = standing.remove(0);
            if status.reserved == 0 {
                break status;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

/// What everybody has spent, once this many requests are written down.
async fn noted(tertulia: &Tertulia, requests: i64) -> tertulia::UsageTotal {
    within(async {
        loop {
            let total = tertulia.usage().await.unwrap().total;
            if total.requests >= requests {
                break total;
            }
            tokio::task::yield_now().await;
        }
    })
    .await
}

fn is_over_budget<T>(outcome: &Result<T>) -> bool {
    outcome.as_ref().is_err_and(|error| error.kind() == ErrorKind::BudgetExceeded)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_calls_at_once_a_budget_of_requests_for_seven_admits_seven() {
    let lab = Lab::new("text=one two three;usage=10/3;delay_ms=1").await;
    lab.tertulia.set_budget(Budget::requests(7).each(BudgetScope::User)).await.unwrap();
    let mut calls = JoinSet::new();
    for number in 0..1_000 {
        let (me, tertulia) = (lab.me(), lab.tertulia.clone());
        calls.spawn(async move {
            match number % 4 {
                0 => me.ask("hi").max_tokens(10).await.map(drop),
                1 => me.new_conversation().send("hi").max_tokens(10).await.map(drop),
                2 => {
                    let mut stream = me.ask("hi").max_tokens(10).stream().await?;
                    stream.next_text().await?;
                    drop(stream);
                    Ok(())
                }
                _ => {
                    let chat = tertulia.user("ana").new_conversation();
                    let mut stream = chat.stream("hi").max_tokens(10).await?;
                    stream.next_text().await?;
                    stream.cancel();
                    stream.reply().await.map(drop)
                }
            }
        });
    }
    let outcomes: Vec<Result<()>> = tokio::time::timeout(Duration::from_secs(60), calls.join_all()).await.unwrap();
    let (refused, others): (Vec<_>, Vec<_>) = outcomes.iter().partition(|outcome| is_over_budget(outcome));
    assert_eq!((refused.len(), others.len()), (993, 7), "{others:?}");
    assert!(others.iter().all(|outcome| outcome.is_ok()), "{others:?}");
    assert_eq!(lab.sent(), 7);
    let status = settled(&lab.me()).await;
    assert_eq!((status.spent, status.remaining), (7, 0));
    lab.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_calls_at_once_a_budget_of_money_for_five_admits_five() {
    let bound = bound("hi", 10);
    let worst = bound.input_tokens * 1_000 + bound.output_tokens * 2_000;
    // What every call costs is what it can cost: nothing comes back.
    let lab = Lab::new(&format!("text=ok;usage={}/{}", bound.input_tokens, bound.output_tokens)).await;
    let mut budget = Budget::usd(0.0).per(Window::Day);
    budget.limit = tertulia::BudgetLimit::NanoUsd(5 * worst + worst / 2);
    lab.tertulia.set_budget(budget).await.unwrap();
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        let tertulia = lab.tertulia.clone();
        calls.spawn(async move { tertulia.ask("hi").max_tokens(10).await });
    }
    let outcomes: Vec<_> = tokio::time::timeout(Duration::from_secs(60), calls.join_all()).await.unwrap();
    let admitted: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok()).collect();
    assert_eq!((admitted.len(), lab.sent()), (5, 5));
    assert!(outcomes.iter().all(|outcome| outcome.is_ok() || is_over_budget(outcome)));
    assert!(admitted.iter().all(|reply| reply.cost.nano_usd == Some(worst)), "as the catalogue has it");
    assert_eq!(noted(&lab.tertulia, 5).await.nano_usd, 5 * worst);
    lab.close().await;
}

#[tokio::test]
async fn a_refusal_says_what_is_left_and_when_it_renews_and_keeps_the_message() {
    let lab = Lab::new("text=ok;usage=10/3").await;
    lab.tertulia.set_budget(Budget::tokens(400).per(Window::Day).each(BudgetScope::User)).await.unwrap();
    let chat = lab.me().new_conversation();
    let error = chat.send("hi").max_tokens(500).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::BudgetExceeded, "budget"));
    let status = error.budget().unwrap();
    assert_eq!((status.remaining, status.key.as_deref()), (400, Some("ana")));
    let resets = status.resets_at.unwrap();
    assert!(matches!(error.retry(), Retry::After { after_ms } if after_ms > 0), "{:?}", error.retry());
    assert!(resets.as_millis() % 86_400_000 == 0);
    assert!(error.saved() && error.attempts().is_empty());
    assert_eq!(lab.sent(), 0);
    // Somebody else has a budget of his own, and with a smaller answer there is room here, too.
    lab.tertulia.remove_budget(status.budget.id()).await.unwrap();
    let reply = chat.retry(error.turn_id().unwrap()).await.unwrap().reply().await.unwrap();
    assert_eq!(reply.text(), "ok");
    lab.close().await;
}

#[tokio::test]
async fn an_answer_without_a_limit_gets_what_the_budget_affords() {
    let lab = Lab::new("text=ok;usage=10/3").await;
    let input = bound("hi", 1).input_tokens;
    lab.tertulia.set_budget(Budget::tokens(input + 600).each(BudgetScope::User)).await.unwrap();
    lab.me().ask("hi").await.unwrap();
    assert_eq!(lab.last_request()["max_tokens"], 600);
    settled(&lab.me()).await;
    // Thirteen tokens are spent: the next answer may be as much shorter.
    lab.me().ask("hi").await.unwrap();
    assert_eq!(lab.last_request()["max_tokens"], 587);
    settled(&lab.me()).await;
    // Nobody else is limited by it, and where the model's own limit fits nothing is sent.
    lab.tertulia.set_budget(Budget::tokens(input + 1_100).each(BudgetScope::User)).await.unwrap();
    lab.tertulia.user("bob").ask("hi").await.unwrap();
    assert_eq!(lab.last_request().get("max_tokens"), None);
    lab.tertulia.set_budget(Budget::tokens(input + 255).of(BudgetScope::User, "eve")).await.unwrap();
    let refused = lab.tertulia.user("eve").ask("hi").await;
    assert!(is_over_budget(&refused), "not worth asking for: {refused:?}");
    assert_eq!(lab.sent(), 3);
    lab.close().await;
}

#[tokio::test]
async fn a_budget_in_money_refuses_what_nobody_knows_the_price_of() {
    let lab = Lab::new("text=ok;usage=10/3").await;
    lab.simulator.set_script("other", Script::parse("text=ok;usage=10/3").unwrap());
    lab.tertulia.set_budget(Budget::usd(5.0).each(BudgetScope::User)).await.unwrap();
    let error = lab.me().ask("hi").model("lab/other").await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::BudgetExceeded, "unknown_price"));
    assert_eq!(lab.sent(), 0);
    let error = lab.tertulia.ask("hi").model("lab/other").max_cost_usd(1.0).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::BudgetExceeded, "unknown_price"));
    // Tokens can be counted all the same.
    for budget in lab.tertulia.list_budgets().await.unwrap() {
        lab.tertulia.remove_budget(budget.id()).await.unwrap();
    }
    lab.tertulia.set_budget(Budget::tokens(10_000).each(BudgetScope::User)).await.unwrap();
    lab.me().ask("hi").model("lab/other").await.unwrap();
    assert_eq!(settled(&lab.me()).await.spent, 13);
    assert_eq!(lab.tertulia.usage().await.unwrap().total.unknown_cost_requests, 1);
    lab.close().await;
}

#[tokio::test]
async fn a_try_that_no_budget_has_room_for_leaves_the_error_of_the_one_before() {
    // The provider may bill a call that it has not answered: every try costs its worst.
    let lab = Lab::new("reset").await;
    let bound = bound("hi", 10);
    lab.tertulia.set_budget(Budget::tokens(bound.tokens() * 2).each(BudgetScope::User)).await.unwrap();
    let error = lab.me().ask("hi").max_tokens(10).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts().len(), lab.sent()), (ErrorKind::Unavailable, 2, 2));
    assert_eq!(error.retry(), Retry::Exhausted);
    assert_eq!(settled(&lab.me()).await.spent, bound.tokens() * 2);
    let total = noted(&lab.tertulia, 2).await;
    assert_eq!((total.requests, total.estimated_requests), (2, 2));
    lab.close().await;
}

#[tokio::test]
async fn a_call_costs_no_more_than_it_may_in_all_of_its_tries() {
    let lab = Lab::new("reset;fail=1;text=ok;usage=10/3").await;
    let bound = bound("hi", 10);
    let worst = bound.input_tokens * 1_000 + bound.output_tokens * 2_000;
    let error = lab.me().ask("hi").max_tokens(10).max_cost_nano_usd(2 * worst - 1).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts().len(), lab.sent()), (ErrorKind::Unavailable, 1, 1));
    let error = lab.me().ask("hi").max_tokens(10).max_cost_nano_usd(worst - 1).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::BudgetExceeded, "max_cost"));
    assert_eq!(lab.sent(), 1);
    lab.me().ask("hi").max_tokens(10).max_cost_nano_usd(worst).await.unwrap();
    let error = lab.me().ask("hi").max_cost_usd(-1.0).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_max_cost"));
    // Without a limit of its own the answer is cut to what there is room for.
    lab.me().ask("hi").max_cost_nano_usd(bound.input_tokens * 1_000 + 300 * 2_000).await.unwrap();
    assert_eq!(lab.last_request()["max_tokens"], 300);
    lab.close().await;
}

#[tokio::test]
async fn what_a_provider_refuses_costs_nothing() {
    for script in ["status=500", "error=overloaded", "error=rate_limit;retry_after=0", "error=invalid", "error=auth"] {
        let lab = Lab::new(script).await;
        lab.tertulia.set_budget(Budget::tokens(10_000).each(BudgetScope::User)).await.unwrap();
        lab.me().ask("hi").max_tokens(10).await.unwrap_err();
        assert!(lab.sent() > 0);
        assert_eq!(settled(&lab.me()).await.spent, 0, "{script}");
        assert_eq!(lab.me().usage().await.unwrap().total.requests, 0, "{script}");
        lab.close().await;
    }
}

#[tokio::test]
async fn nobody_there_costs_nothing() {
    let lab = Lab::with("text=ok", |builder| {
        let spec = ProviderSpec::openai_chat("gone", "http://127.0.0.1:9/v1");
        builder.provider(spec.model("m", info()))
    })
    .await;
    lab.tertulia.set_budget(Budget::tokens(10_000).each(BudgetScope::User)).await.unwrap();
    lab.me().ask("hi").model("gone/m").max_tokens(10).await.unwrap_err();
    assert_eq!(settled(&lab.me()).await.spent, 0);
    lab.close().await;
}

#[tokio::test]
async fn a_dropped_stream_is_settled_by_what_had_come() {
    let lab = Lab::new("text=one two three;chunks=3;stall=2;usage=10/3").await;
    let bound = bound("hi", 100);
    lab.tertulia.set_budget(Budget::tokens(10_000).each(BudgetScope::User)).await.unwrap();
    let mut stream = lab.me().ask("hi").max_tokens(100).stream().await.unwrap();
    let mut seen = String::new();
    while seen.len() < 8 {
        seen += &within(stream.next_text()).await.unwrap().unwrap();
    }
    drop(stream);
    // Of "one two " every byte may be a token; what was sent in nobody has said.
    assert_eq!(settled(&lab.me()).await.spent, bound.input_tokens + 8);
    lab.close().await;
}

#[tokio::test]
async fn a_reply_without_usage_is_taken_at_its_worst() {
    let lab = Lab::new("text=ok;usage=none").await;
    let bound = bound("hi", 100);
    lab.tertulia.set_budget(Budget::tokens(10_000).each(BudgetScope::User)).await.unwrap();
    lab.me().ask("hi").max_tokens(100).await.unwrap();
    assert_eq!(settled(&lab.me()).await.spent, bound.tokens());
    assert_eq!(lab.me().usage().await.unwrap().total.estimated_requests, 1);
    lab.close().await;
}

#[tokio::test]
async fn what_was_spent_outlives_its_conversation_and_equals_the_prices_of_the_catalogue() {
    let lab = Lab::new("text=ok;usage=123/45").await;
    let chat = lab.me().new_conversation();
    let reply = chat.send("hi").await.unwrap();
    let usage =
        Usage { input_tokens: 123, output_tokens: 45, requests: 1, source: UsageSource::Reported, ..Usage::default() };
    let cost = price().cost(&usage, tertulia::Timestamp::from_millis(0)).nano_usd;
    assert_eq!((reply.cost.nano_usd, cost), (Some(213_000), Some(213_000)));
    lab.tertulia.user("bob").ask("hi").await.unwrap();
    lab.tertulia.ask("hi").await.unwrap();
    noted(&lab.tertulia, 3).await;
    let id = chat.id().to_string();
    chat.delete().await.unwrap();
    let report = lab.me().usage().await.unwrap();
    assert_eq!((report.total.nano_usd, report.total.requests), (213_000, 1));
    assert_eq!((report.rows[0].key.as_str(), report.rows[0].usage.input_tokens), ("lab/m", 123));
    let report = lab.me().usage().by(UsageBy::Conversation).await.unwrap();
    assert_eq!((report.rows.len(), report.rows[0].key == id), (1, true));
    let report = lab.tertulia.usage().by(UsageBy::User).await.unwrap();
    assert_eq!(report.total.nano_usd, 3 * 213_000);
    assert!(report.rows.iter().any(|row| row.key == "bob" && row.usage.nano_usd == 213_000));
    let report = lab.tertulia.usage().by(UsageBy::Day).limit(1).await.unwrap();
    assert_eq!((report.rows[0].usage.requests, report.next), (3, None));
    lab.close().await;
}

#[tokio::test]
async fn closing_waits_until_what_was_spent_is_written_down() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = path.to_str().unwrap().to_owned();
    let lab = Lab::with("text=ok;usage=10/3", |builder| builder.store(&*store)).await;
    lab.me().ask("hi").await.unwrap();
    lab.tertulia.close().await.unwrap();
    let again = Tertulia::open(&*store).await.unwrap();
    assert_eq!(again.usage().await.unwrap().total.input_tokens, 10);
    again.close().await.unwrap();
    lab.simulator.shutdown().await;
}

#[tokio::test]
async fn an_alert_is_heard_once_when_a_share_is_spent() {
    let heard: Arc<Mutex<Vec<SpendingAlert>>> = Arc::default();
    let ear = heard.clone();
    let lab = Lab::with("text=ok;usage=10/3", |builder| {
        builder.on_spending_alert(move |alert| ear.lock().unwrap().push(alert))
    })
    .await;
    lab.tertulia.set_budget(Budget::requests(4).each(BudgetScope::User).warn_at([0.5])).await.unwrap();
    for _ in 0..3 {
        lab.me().ask("hi").max_tokens(5).await.unwrap();
        settled(&lab.me()).await;
    }
    let heard = heard.lock().unwrap().clone();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(
        matches!(&heard[0], SpendingAlert::Share(alert) if alert.share == 0.5 && alert.status.spent == 2),
        "{heard:?}"
    );
    lab.close().await;
}

#[tokio::test]
async fn a_forecast_goes_beyond_a_budget_and_says_so_once() {
    let heard: Arc<Mutex<Vec<SpendingAlert>>> = Arc::default();
    let ear = heard.clone();
    let lab = Lab::with("text=ok;usage=100000/1", |builder| {
        builder.on_spending_alert(move |alert| ear.lock().unwrap().push(alert))
    })
    .await;
    lab.me().ask("hi").await.unwrap();
    noted(&lab.tertulia, 1).await;
    let forecast = lab.me().forecast(Window::Month).await.unwrap();
    assert_eq!((forecast.spent_nano_usd, forecast.exceeds_at), (100_002_000, None));
    assert!(forecast.low_nano_usd >= forecast.spent_nano_usd && forecast.low_nano_usd <= forecast.expected_nano_usd);
    assert!(forecast.expected_nano_usd <= forecast.high_nano_usd);
    // A nano-USD more than is spent: with any time left it is passed.
    let mut budget = Budget::usd(0.0).per(Window::Month).each(BudgetScope::User);
    budget.limit = tertulia::BudgetLimit::NanoUsd(100_002_000);
    lab.tertulia.set_budget(budget).await.unwrap();
    for _ in 0..2 {
        assert!(lab.me().forecast(Window::Month).await.unwrap().exceeds_at.is_some());
    }
    assert_eq!(heard.lock().unwrap().len(), 1);
    let error = lab.me().forecast(Window::Total).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "bad_window"));
    lab.close().await;
}

#[tokio::test]
async fn a_budget_that_will_not_last_is_told_while_it_is_spent_and_nobody_asks() {
    let heard: Arc<Mutex<Vec<SpendingAlert>>> = Arc::default();
    let ear = heard.clone();
    let clock = tertulia::base::ManualClock::at(tertulia::Timestamp::from_millis(1_800_000_000_000));
    let ticking = clock.clone();
    let lab = Lab::with("text=ok;usage=100000/1", |builder| {
        builder.with_clock(Arc::new(ticking)).on_spending_alert(move |alert| ear.lock().unwrap().push(alert))
    })
    .await;
    // Enough for what is asked here, and for no day of this kind.
    lab.tertulia.set_budget(Budget::usd(1.0).per(Window::Day).each(BudgetScope::User)).await.unwrap();
    lab.tertulia.set_budget(Budget::usd(100_000.0).per(Window::Day)).await.unwrap();
    for minutes in [0, 1, 11, 12] {
        clock.advance(Duration::from_secs(60 * minutes));
        lab.me().new_conversation().send("hi").max_tokens(10).await.unwrap();
        lab.me().ask("hi").max_tokens(10).await.unwrap();
    }
    within(async {
        while heard.lock().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let heard = heard.lock().unwrap().clone();
    let [SpendingAlert::Forecast { status, forecast }] = &heard[..] else { panic!("{heard:?}") };
    assert_eq!((status.key.as_deref(), status.budget.scope), (Some("ana"), BudgetScope::User));
    assert!(forecast.exceeds_at.is_some_and(|at| at < forecast.ends_at), "{forecast:?}");
    lab.close().await;
}

#[tokio::test]
async fn what_a_reply_took_is_written_down_before_anybody_has_it() {
    let lab = Lab::new("text=ok;usage=10/3").await;
    lab.tertulia.set_budget(Budget::requests(40).each(BudgetScope::User)).await.unwrap();
    for n in 1..=20 {
        lab.me().ask("hi").max_tokens(5).await.unwrap();
        let status = lab.me().budgets().await.unwrap().remove(0);
        assert_eq!((status.spent, status.reserved), (n, 0));
    }
    lab.close().await;
}

/// A provider that bills whatever it was asked, answered or not, and fails in every way, by chance.
struct Biller {
    random: SeededRandom,
    billed: Arc<Mutex<i64>>,
}

impl Provider for Biller {
    fn name(&self) -> &str {
        "biller"
    }

    fn models(&self) -> Vec<ModelInfo> {
        vec![ModelInfo { id: "*".to_owned(), ..info() }]
    }

    async fn stream(&self, request: ChatRequest) -> Result<EventStream> {
        let chance = |of: f64| self.random.unit() < of;
        let limit = request.sampling.max_tokens.unwrap_or(1_000);
        #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "small numbers of a test")]
        let wrote = (self.random.unit() * limit as f64) as i64;
        let words: usize = request.messages.iter().map(|message| message.text().len()).sum();
        // A token for every byte: nobody counts more.
        let input = i64::try_from(words).unwrap();
        let billed = self.billed.clone();
        let bill = move |output: i64| *billed.lock().unwrap() += input * 1_000 + output * 2_000;
        let lost = || Error::new(ErrorKind::Unavailable, "reset", "the connection broke").with_retry(Retry::Safe);
        if chance(0.15) {
            // Nobody will ever know that all of the answer was written.
            bill(limit);
            return Err(lost());
        }
        if chance(0.1) {
            bill(limit);
            return std::future::pending().await;
        }
        let text = "x".repeat(usize::try_from(wrote).unwrap());
        let said = StreamEventKind::text(text);
        if chance(0.2) {
            bill(wrote);
            return Ok(EventStream::new(stream::iter([Ok(said), Err(lost())])));
        }
        if chance(0.1) {
            // What it says at the beginning is not what it bills in the end.
            bill(limit);
            let usage = Usage { input_tokens: input, output_tokens: 1, requests: 1, ..Usage::default() };
            let usage = StreamEventKind::Usage { usage, cost: tertulia::Cost::default() };
            return Ok(EventStream::new(stream::iter([Ok(usage), Err(lost())])));
        }
        let usage = Usage { input_tokens: input, output_tokens: wrote, requests: 1, ..Usage::default() };
        bill(wrote);
        let usage = StreamEventKind::Usage { usage, cost: tertulia::Cost::default() };
        let events = if chance(0.2) { vec![Ok(said)] } else { vec![Ok(said), Ok(usage)] };
        Ok(EventStream::new(stream::iter(events).then(|event| async {
            tokio::task::yield_now().await;
            event
        })))
    }
}

#[tokio::test]
async fn a_provider_that_bills_what_it_never_answered_bills_no_more_than_the_budget() {
    for seed in 0..8 {
        let billed: Arc<Mutex<i64>> = Arc::default();
        let mut settings = Settings::default();
        settings.network.slow_first_byte_timeout_ms = 20;
        settings.retry.base_delay_ms = 1;
        settings.retry.max_attempts = 3;
        let biller = Biller { random: SeededRandom::new(seed), billed: billed.clone() };
        let tertulia = Tertulia::builder()
            .with_environment(Arc::new(|_: &str| None))
            .settings(settings)
            .store("memory:")
            .model("biller/any")
            .with_provider(biller)
            .open()
            .await
            .unwrap();
        let limit = 20_000_000;
        let mut budget = Budget::usd(0.0).per(Window::Total);
        budget.limit = tertulia::BudgetLimit::NanoUsd(limit);
        tertulia.set_budget(budget).await.unwrap();
        let random = SeededRandom::new(seed ^ 0xb111);
        let calls = (0..100).map(|number| {
            let (me, is_dropped, is_limited) = (tertulia.user("ana"), random.unit() < 0.2, random.unit() < 0.7);
            async move {
                let options = if is_limited {
                    tertulia::CallOptions::default()
                } else {
                    let mut options = tertulia::CallOptions::default();
                    options.sampling.max_tokens = Some(50 + number);
                    options
                };
                let mut stream = me.ask("How much is it?").with(options).stream().await?;
                if is_dropped {
                    return stream.next_text().await.map(drop);
                }
                stream.reply().await.map(drop)
            }
        });
        // Twenty at a time.
        let outcomes: Vec<Result<()>> =
            tokio::time::timeout(Duration::from_secs(60), stream::iter(calls).buffer_unordered(20).collect())
                .await
                .unwrap();
        let status = within(async {
            loop {
                let status = tertulia.budgets().await.unwrap().remove(0);
                if status.reserved == 0 {
                    break status;
                }
                tokio::task::yield_now().await;
            }
        })
        .await;
        let billed = *billed.lock().unwrap();
        assert!(billed <= limit, "seed {seed}: {billed} were billed of {limit}");
        assert!(billed <= status.spent, "seed {seed}: {billed} were billed, {} are known", status.spent);
        assert!(status.spent <= limit, "seed {seed}: {} of {limit}", status.spent);
        let refused = outcomes.iter().filter(|outcome| is_over_budget(outcome)).count();
        assert!(refused > 0 && refused < 100, "seed {seed}: {refused} were refused");
        tertulia.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_tier_says_what_its_users_may_do_and_changes_at_run_time() {
    let lab = Lab::new("text=ok;usage=10/3").await;
    lab.simulator.set_script("big", Script::parse("text=ok;usage=10/3").unwrap());
    let free = Tier { requests_per_minute: Some(1), models: vec!["lab/m".to_owned()], ..Tier::default() };
    lab.tertulia.set_tier("free", free.clone()).unwrap();
    lab.tertulia.assign_tier("ana", Some("free")).unwrap();
    assert_eq!(lab.me().tier().as_deref(), Some("free"));
    // Before anything is saved.
    let chat = lab.me().new_conversation();
    let error = chat.send("hi").model("lab/big").await.unwrap_err();
    assert_eq!((error.kind(), error.reason(), error.saved()), (ErrorKind::Unauthorized, "not_allowed", false));
    let error = lab.me().ask("hi").model("lab/big").await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Unauthorized, "not_allowed"));
    lab.tertulia.user("bob").ask("hi").model("lab/big").await.unwrap();

    let clock = tertulia::base::ManualClock::at(tertulia::Timestamp::from_millis(1_800_000_000_000));
    drop(lab);
    let ticking = clock.clone();
    let lab = Lab::with("text=ok;usage=10/3", |builder| builder.with_clock(Arc::new(ticking))).await;
    lab.tertulia.set_tier("free", free.clone()).unwrap();
    lab.tertulia.assign_tier("ana", Some("free")).unwrap();
    lab.me().ask("hi").await.unwrap();
    let error = lab.me().ask("hi").await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::BudgetExceeded, "tier_rate"));
    assert!(error.detail().contains("`free`") && error.detail().contains("1 requests"), "{}", error.detail());
    let status = error.budget().unwrap();
    assert_eq!((status.remaining, status.resets_at.map(|at| at.as_millis())), (0, Some(1_800_000_060_000)));
    assert_eq!(error.retry(), Retry::After { after_ms: 60_000 });
    clock.advance(Duration::from_secs(60));
    lab.me().ask("hi").await.unwrap();
    // More from now on; and tokens, for which the answer is made short enough.
    let paid = Tier { tokens_per_minute: Some(1_000), ..Tier::default() };
    lab.tertulia.set_tier("free", paid).unwrap();
    clock.advance(Duration::from_secs(60));
    lab.me().ask("hi").await.unwrap();
    let input = bound("hi", 1).input_tokens;
    assert_eq!(lab.last_request()["max_tokens"], 1_000 - input);
    lab.tertulia.assign_tier("ana", None).unwrap();
    lab.me().ask("hi").await.unwrap();
    assert_eq!(lab.last_request().get("max_tokens"), None);
    let error = lab.tertulia.assign_tier("ana", Some("fre")).unwrap_err();
    assert_eq!((error.reason(), error.detail().contains("did you mean `free`")), ("unknown_tier", true));
    lab.close().await;
}

#[tokio::test]
async fn the_budgets_of_a_tier_hold_for_each_of_its_users_and_are_named_in_refusals() {
    let lab = Lab::new("text=ok;usage=10/3").await;
    let tier = Tier { budgets: vec![Budget::requests(2).per(Window::Day)], ..Tier::default() };
    lab.tertulia.set_tier("free", tier).unwrap();
    for user in ["ana", "bob"] {
        lab.tertulia.assign_tier(user, Some("free")).unwrap();
    }
    let calls = join_all((0..20).map(|number| {
        let user = lab.tertulia.user(if number % 2 == 0 { "ana" } else { "bob" });
        async move { user.ask("hi").max_tokens(10).await }
    }));
    let outcomes = calls.await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 4);
    let error = lab.me().ask("hi").max_tokens(10).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::BudgetExceeded, "tier_budget"));
    assert!(error.detail().contains("`free`"), "{}", error.detail());
    assert!(error.budget().unwrap().resets_at.is_some());
    let status = settled(&lab.me()).await;
    assert_eq!((status.spent, status.remaining), (2, 0));
    lab.tertulia.user("eve").ask("hi").await.unwrap();
    let bad = Tier { budgets: vec![Budget::requests(2).per(Window::Minute)], ..Tier::default() };
    assert_eq!(lab.tertulia.set_tier("bad", bad).unwrap_err().reason(), "bad_tier");
    lab.close().await;
}

#[tokio::test]
async fn closing_does_not_wait_for_a_stream_that_nobody_reads() {
    let lab = Lab::new("text=one two three;chunks=3;stall=1;usage=10/3").await;
    lab.tertulia.set_budget(Budget::tokens(10_000).each(BudgetScope::User)).await.unwrap();
    let mut stream = lab.me().ask("hi").max_tokens(10).stream().await.unwrap();
    within(stream.next_text()).await.unwrap();
    // With the patience of five seconds it would take longer than `within` allows.
    within(lab.tertulia.close()).await.unwrap();
    drop(stream);
    lab.simulator.shutdown().await;
}
