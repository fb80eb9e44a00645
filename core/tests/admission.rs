//! Limits and the queue over real sockets: what a provider says of itself is kept to, who is urgent goes first, a key
//! that was refused is left alone.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::time::Duration;

use support::{Lab, within};
use tertulia::{
    BreakerState, EngineEventKind, ErrorKind, KeyFuture, KeySource, Priority, Progress, ProviderSpec, Retry,
    RetryAfterSource, StreamEventKind, Tier, TurnState,
};
use tertulia_simulator::Script;

const SHORT: Duration = Duration::from_secs(3);

fn script(line: &str) -> Script {
    Script::parse(line).unwrap()
}

#[tokio::test]
async fn a_provider_that_says_it_is_out_of_requests_is_not_asked_again_before_its_time() {
    let lab = Lab::memory().await;
    let model = lab.model(
        "text=hi;header=x-ratelimit-limit-requests:2;header=x-ratelimit-remaining-requests:0;\
         header=x-ratelimit-reset-requests:1m0s",
    );
    let chat = lab.me().new_conversation();
    assert_eq!(chat.send("one").model(&*model).await.unwrap().text(), "hi");
    let error = chat.send("two").model(&*model).timeout(SHORT).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::RateLimited, "queue_deadline"));
    assert_eq!(error.retry_after_source(), Some(RetryAfterSource::Bucket));
    assert!(matches!(error.retry(), Retry::After { after_ms: 25_000..=30_001 }), "{:?}", error.retry());
    assert!(error.saved() && error.attempts().is_empty());
    assert_eq!(chat.turn(error.turn_id().unwrap()).await.unwrap().state, TurnState::Parked);
    assert_eq!(lab.simulator.requests().len(), 1);
    // Another model has limits of its own.
    assert_eq!(lab.tertulia.ask("three").model(lab.text("yes")).await.unwrap().text(), "yes");
    lab.close().await;
}

#[tokio::test]
async fn what_a_server_asks_of_one_call_it_asks_of_all() {
    let lab = Lab::memory().await;
    let model = lab.model("status=429;retry_after=90");
    let error = lab.tertulia.ask("one").model(&*model).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts().len()), (ErrorKind::RateLimited, 1));
    assert_eq!(
        (error.retry_after(), error.retry_after_source()),
        (Some(Duration::from_secs(90)), Some(RetryAfterSource::Server))
    );
    let error = lab.tertulia.ask("two").model(&*model).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::RateLimited, "queue_deadline"));
    assert_eq!(error.retry_after_source(), Some(RetryAfterSource::Server));
    assert!(error.retry_after().unwrap() > Duration::from_secs(80));
    assert_eq!(lab.simulator.requests().len(), 1);
    lab.close().await;
}

#[tokio::test]
async fn too_fast_without_a_word_of_when_is_a_minute_by_guess() {
    let lab = Lab::memory_with(|settings| {
        settings.retry.max_attempts = 1;
        settings.limits.adaptive = false;
    })
    .await;
    let error = lab.tertulia.ask("one").model(lab.model("status=429;message=busy")).await.unwrap_err();
    assert_eq!(
        (error.retry_after(), error.retry_after_source()),
        (Some(Duration::from_secs(60)), Some(RetryAfterSource::Assumed))
    );
    lab.close().await;
}

#[tokio::test]
async fn who_is_urgent_goes_first_and_who_waits_hears_of_it() {
    let lab = Lab::memory_with(|settings| settings.limits.max_concurrent = 1).await;
    lab.simulator.set_scripts("busy", [script("stall"), script("text=hi")]);
    let send = |text: &'static str, priority| {
        let chat = lab.me().new_conversation();
        async move { chat.stream(text).model("lab/busy").priority(priority).await.unwrap() }
    };
    let held = send("held", Priority::Interactive).await;
    lab.requested(1).await;
    let mut background = send("background", Priority::Background).await;
    let mut position = None;
    while position.is_none() {
        if let StreamEventKind::Progress { progress: Progress::Queued { position: at, wait_ms } } =
            within(background.next_event()).await.unwrap().unwrap().kind
        {
            position = Some((at, wait_ms));
        }
    }
    assert_eq!(position.unwrap().0, 0);
    let mut urgent = send("urgent", Priority::Interactive).await;
    while !matches!(
        within(urgent.next_event()).await.unwrap().unwrap().kind,
        StreamEventKind::Progress { progress: Progress::Queued { position: 0, .. } }
    ) {}
    drop(held);
    let (one, two) = within(async { tokio::join!(background.reply(), urgent.reply()) }).await;
    assert_eq!((one.unwrap().text(), two.unwrap().text()), ("hi".to_owned(), "hi".to_owned()));
    let bodies: Vec<_> =
        lab.simulator.requests().iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect();
    assert!(bodies[1].contains("urgent") && bodies[2].contains("background"), "{bodies:?}");
    lab.close().await;
}

#[tokio::test]
async fn no_call_of_a_tier_goes_before_the_class_of_that_tier() {
    let lab = Lab::memory_with(|settings| settings.limits.max_concurrent = 1).await;
    let free = Tier { priority: Some(Priority::Background), ..Tier::default() };
    lab.tertulia.set_tier("free", free).unwrap();
    lab.tertulia.assign_tier("ana", Some("free")).unwrap();
    lab.simulator.set_scripts("busy", [script("stall"), script("text=hi")]);
    let send = |user: &str, text: &'static str, priority| {
        let chat = lab.tertulia.user(user).new_conversation();
        async move { chat.stream(text).model("lab/busy").priority(priority).await.unwrap() }
    };
    let held = send("bo", "held", Priority::Interactive).await;
    lab.requested(1).await;
    let queued = async |stream: &mut tertulia::ReplyStream| {
        while !matches!(
            within(stream.next_event()).await.unwrap().unwrap().kind,
            StreamEventKind::Progress { progress: Progress::Queued { position: 0, .. } }
        ) {}
    };
    let mut free = send("ana", "of the tier", Priority::Interactive).await;
    queued(&mut free).await;
    // Less urgent by its own word, and later: it goes first all the same.
    let mut other = send("bo", "of nobody's", Priority::Normal).await;
    queued(&mut other).await;
    drop(held);
    let (one, two) = within(async { tokio::join!(free.reply(), other.reply()) }).await;
    assert_eq!((one.unwrap().text(), two.unwrap().text()), ("hi".to_owned(), "hi".to_owned()));
    let bodies: Vec<_> =
        lab.simulator.requests().iter().map(|request| String::from_utf8_lossy(&request.body).into_owned()).collect();
    assert!(bodies[1].contains("of nobody's") && bodies[2].contains("of the tier"), "{bodies:?}");
    lab.close().await;
}

#[tokio::test]
async fn limits_that_a_provider_tells_or_that_are_found_out_are_told_once_and_stand_in_health() {
    let lab = Lab::memory_with(|settings| settings.retry.max_attempts = 1).await;
    let mut events = lab.tertulia.events();
    let told = lab.model(
        "text=hi;header=x-ratelimit-limit-requests:600;header=x-ratelimit-remaining-requests:599;\
         header=x-ratelimit-limit-tokens:90000;header=x-ratelimit-remaining-tokens:89000",
    );
    for _ in 0..3 {
        lab.me().ask("hi").model(&*told).await.unwrap();
    }
    let found = lab.model("status=429;message=busy");
    lab.me().ask("hi").model(&*found).await.unwrap_err();
    lab.tertulia.close().await.unwrap();
    let mut learnt = Vec::new();
    while let Some(event) = within(events.next()).await {
        if let EngineEventKind::LimitLearned { model, requests_per_minute, tokens_per_minute } = event.kind {
            assert_eq!(event.owner, None, "limits are everybody's");
            learnt.push((model, requests_per_minute, tokens_per_minute));
        }
    }
    assert_eq!(learnt[0], (told.clone(), Some(600), Some(90_000)));
    assert!(matches!(&learnt[1], (model, Some(1..), None) if *model == found), "{learnt:?}");
    assert_eq!(learnt.len(), 2, "{learnt:?}");
    let limits = lab.tertulia.health().limits;
    let of = |model: &str| limits.iter().find(|limit| limit.model == model).unwrap();
    assert_eq!((of(&told).requests_per_minute, of(&told).tokens_per_minute), (Some(600), Some(90_000)));
    assert!(of(&found).requests_per_minute.is_some());
    lab.close().await;
}

#[tokio::test]
async fn a_refused_key_is_left_alone_until_it_changes() {
    let lab = Lab::memory().await;
    for (fault, kind) in [("auth", ErrorKind::Unauthorized), ("quota", ErrorKind::QuotaExhausted)] {
        lab.simulator.clear();
        let model = lab.model(&format!("error={fault}"));
        let ask = |key: &'static str| lab.tertulia.ask("hi").model(&*model).key(key);
        let first = ask("old").await.unwrap_err();
        assert_eq!((first.kind(), lab.simulator.requests().len()), (kind, 1));
        let tries = || lab.tertulia.stats(Duration::from_secs(60)).total.attempts;
        let before = tries();
        for _ in 0..5 {
            let again = ask("old").await.unwrap_err();
            assert_eq!((again.kind(), again.reason()), (kind, first.reason()));
            assert!(again.detail().contains("nothing was sent") && again.status().is_none(), "{again}");
            assert!(again.attempts().is_empty(), "nothing was sent, so it was no try: {again:?}");
        }
        assert_eq!((lab.simulator.requests().len(), tries()), (1, before), "{fault}");
        assert_eq!(ask("new").await.unwrap_err().kind(), kind);
        assert_eq!(lab.simulator.requests().len(), 2, "{fault}: another key is another matter");
    }
    lab.close().await;
}

#[tokio::test]
async fn a_refused_key_is_tried_again_by_and_by_and_open_once_it_is_taken() {
    let lab = Lab::memory_with(|settings| settings.breaker.latched_probe_ms = 1).await;
    let model = lab.model("error=auth;fail=1;text=back");
    assert_eq!(lab.tertulia.ask("hi").model(&*model).key("k").await.unwrap_err().kind(), ErrorKind::Unauthorized);
    let reply = within(async {
        loop {
            if let Ok(reply) = lab.tertulia.ask("hi").model(&*model).key("k").await {
                return reply;
            }
        }
    });
    assert_eq!((reply.await.text().as_str(), lab.simulator.requests().len()), ("back", 2));
    assert_eq!(lab.tertulia.ask("hi").model(&*model).key("k").await.unwrap().text(), "back");
    lab.close().await;
}

#[tokio::test]
async fn what_a_provider_says_never_is_asked_exactly_once() {
    let lab = Lab::memory().await;
    let url = lab.simulator.url();
    let engine = lab
        .builder()
        .provider(ProviderSpec::openai_responses("responses", format!("{url}/v1")))
        .provider(ProviderSpec::anthropic("anthropic-lab", format!("{url}/v1")))
        .provider(ProviderSpec::gemini("gemini-lab", format!("{url}/v1beta")))
        .provider(ProviderSpec::ollama("ollama-lab", url))
        .open()
        .await
        .unwrap();
    for provider in ["lab", "responses", "anthropic-lab", "gemini-lab", "ollama-lab"] {
        for fault in
            ["invalid", "auth", "billing", "permission", "not_found", "too_large", "context", "filtered", "quota"]
        {
            lab.simulator.clear();
            let chat = engine.user("ana").new_conversation();
            lab.simulator.set_script("any", script(&format!("error={fault}")));
            let error = chat.send("hi").model(format!("{provider}/any")).key(fault).await.unwrap_err();
            assert_eq!(lab.simulator.requests().len(), 1, "{provider} {fault}: {error}");
            assert_eq!((error.attempts().len(), error.retry()), (1, Retry::Never), "{provider} {fault}: {error}");
            assert_eq!(
                chat.turn(error.turn_id().unwrap()).await.unwrap().state,
                TurnState::Parked,
                "{provider} {fault}"
            );
        }
    }
    engine.close().await.unwrap();
    lab.close().await;
}

/// Everybody has a key of his own in it, but for those who have none.
struct Vault;

impl KeySource for Vault {
    fn key<'a>(&'a self, user: Option<&'a str>, _: &'a str) -> KeyFuture<'a> {
        Box::pin(async move { Ok(user.filter(|user| *user != "nobody").map(|user| format!("sk-{user}").into())) })
    }
}

#[tokio::test]
async fn users_whose_keys_come_from_a_source_have_limits_and_a_breaker_of_their_own() {
    let lab = Lab::memory_with(|settings| settings.breaker.consecutive_failures = 1).await;
    let mut settings = lab.tertulia.settings();
    settings.retry.max_attempts = 1;
    settings.retry.max_inline_wait_ms = 0;
    let engine = lab.builder().settings(settings).with_key_source(Vault).key("other", "sk-unused");
    let engine = engine.provider(ProviderSpec::openai_chat("other", lab.simulator.url())).open().await.unwrap();
    let ask = |user: &'static str, model: &str| {
        let call = engine.user(user).new_conversation().send("hi").model(model);
        async move { call.await.map(|reply| reply.text()).map_err(|error| error.reason().to_owned()) }
    };
    let limited = lab.model("status=429;retry_after=90;fail=1;text=yes");
    assert_eq!(ask("ana", &limited).await, Err("provider_limit".to_owned()));
    assert_eq!(ask("ana", &limited).await, Err("queue_deadline".to_owned()), "her key has to wait");
    assert_eq!(ask("bob", &limited).await, Ok("yes".to_owned()), "his has not");
    assert_eq!(lab.simulator.requests().len(), 2);

    lab.simulator.clear();
    let down = lab.model("status=500;fail=1;text=yes");
    assert_eq!(ask("ana", &down).await, Err("provider_error".to_owned()));
    assert_eq!(ask("ana", &down).await, Err("breaker_open".to_owned()));
    assert_eq!(engine.health().breakers.iter().filter(|b| b.state != BreakerState::Closed).count(), 1);
    assert_eq!(ask("bob", &down).await, Ok("yes".to_owned()));
    assert_eq!(ask("ana", &down).await, Err("breaker_open".to_owned()));
    assert_eq!(lab.simulator.requests().len(), 2);
    engine.close().await.unwrap();
    lab.close().await;
}
