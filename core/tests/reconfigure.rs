//! An engine that is changed while it works.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::future::IntoFuture as _;
use std::time::Duration;

use serde_json::json;
use support::{Lab, cause_of, header, within};
use tertulia::{CacheMode, ErrorKind, ProviderSpec, Reconfiguration};
use tertulia_simulator::Script;

#[tokio::test]
async fn a_reply_under_way_ends_as_it_began_and_the_next_call_sees_what_is_new() {
    let lab = Lab::memory().await;
    // Its pieces are further apart than the new settings allow, and it has more words.
    let slow = lab.model("words=6;delay_ms=60");
    let chat = lab.me().new_conversation();
    let mut stream = chat.stream("hi").model(&*slow).await.unwrap();
    within(stream.next_text()).await.unwrap().unwrap();

    let mut settings = lab.tertulia.settings();
    settings.retry.max_attempts = 2;
    settings.network.idle_timeout_ms = 15;
    settings.network.first_byte_timeout_ms = 5_000;
    settings.network.max_connections = 2;
    settings.network.connect_timeout_ms = 700;
    lab.tertulia.reconfigure(settings.clone()).unwrap();
    assert_eq!(lab.tertulia.settings(), settings);

    let cut = cause_of(lab.tertulia.ask("hi").model(&*slow).await);
    assert_eq!(cut, (ErrorKind::Truncated, "stalled".to_owned()));
    let before = lab.simulator.requests().len();
    let failed = lab.tertulia.ask("hi").model(lab.model("status=500")).await.unwrap_err();
    assert_eq!((failed.attempts().len(), lab.simulator.requests().len() - before), (2, 2));
    let reply = within(stream.reply()).await.unwrap();
    assert_eq!(reply.text().split_whitespace().count(), 6, "{}", reply.text());
    lab.close().await;
}

#[tokio::test]
async fn a_new_key_goes_out_with_the_next_call() {
    let lab = Lab::memory().await;
    let tertulia = lab.builder().key("lab", "sk-old").open().await.unwrap();
    let sent = || header(&lab.simulator.requests().pop().unwrap(), "authorization");
    tertulia.ask("hi").model(lab.text("ok")).await.unwrap();
    assert_eq!(sent().as_deref(), Some("Bearer sk-old"));
    tertulia.reconfigure(Reconfiguration::new().key("lab", "sk-new")).unwrap();
    tertulia.ask("hi").model(lab.text("ok")).await.unwrap();
    assert_eq!(sent().as_deref(), Some("Bearer sk-new"));
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn another_key_begins_anew_and_the_same_key_goes_on_as_it_was() {
    let lab = Lab::memory().await;
    let tertulia = lab.builder().key("lab", "sk-old").open().await.unwrap();
    let model = lab.model("status=429;retry_after=90;fail=1;text=welcome");
    let ask = || async { tertulia.ask("hi").model(&*model).await.map(|reply| reply.text()) };
    assert_eq!(cause_of(ask().await).0, ErrorKind::RateLimited);
    let held = (ErrorKind::RateLimited, "queue_deadline".to_owned());
    assert_eq!(cause_of(ask().await), held);
    tertulia.reconfigure(Reconfiguration::new().key("lab", "sk-old")).unwrap();
    assert_eq!(cause_of(ask().await), held, "what the provider asked of a key it asks of it still");
    assert_eq!(lab.simulator.requests().len(), 1);
    tertulia.reconfigure(Reconfiguration::new().key("lab", "sk-new")).unwrap();
    assert_eq!(ask().await.unwrap(), "welcome");
    tertulia.reconfigure(Reconfiguration::new().key("lab", "sk-old")).unwrap();
    assert_eq!(cause_of(ask().await), held, "also when it comes back");
    assert_eq!(lab.simulator.requests().len(), 2);
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn replies_are_kept_with_the_same_key_and_forgotten_with_another() {
    let lab = Lab::memory().await;
    let tertulia = lab.builder().key("lab", "sk-old").open().await.unwrap();
    let ask = || async { tertulia.ask("hi").model(lab.text("ok")).cache(CacheMode::Use).await.unwrap().from_cache };
    assert_eq!((ask().await, ask().await), (false, true));
    tertulia.reconfigure(Reconfiguration::new().key("lab", "sk-old")).unwrap();
    assert!(ask().await, "the same key");
    tertulia.reconfigure(Reconfiguration::new().key("lab", "sk-new")).unwrap();
    assert!(!ask().await, "what one key was answered is not for another");
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_model_whose_key_was_refused_is_asked_first_again_with_another_key() {
    let lab = Lab::memory().await;
    let spare = ProviderSpec::openai_chat("spare", format!("{}/v1", lab.simulator.url()));
    let tertulia = lab.builder().provider(spare).key("lab", "sk-old").open().await.unwrap();
    let script = |line: &str| Script::parse(line).unwrap();
    lab.simulator.set_script("one", script("error=auth"));
    lab.simulator.set_script("two", script("text=from%20the%20spare"));
    let ask = || async { tertulia.ask("hi").model("lab/one").fallback(["spare/two"]).await.unwrap().text() };
    for asked in [2, 3] {
        assert_eq!(ask().await, "from the spare");
        assert_eq!(lab.simulator.requests().len(), asked, "who refused the key is asked last");
    }
    lab.simulator.set_script("one", script("text=welcome"));
    tertulia.reconfigure(Reconfiguration::new().key("lab", "sk-old")).unwrap();
    assert_eq!(ask().await, "from the spare", "the same key");
    tertulia.reconfigure(Reconfiguration::new().key("lab", "sk-new")).unwrap();
    assert_eq!(ask().await, "welcome");
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_reply_under_way_outlives_a_change_of_the_network_and_the_next_call_takes_a_fresh_connection() {
    let lab = Lab::memory().await;
    let ask = || async { lab.tertulia.ask("hi").model(lab.text("ok")).await.unwrap().text() };
    let chat = lab.me().new_conversation();
    let mut stream = chat.stream("hi").model(lab.model("words=8;delay_ms=60")).await.unwrap();
    within(stream.next_text()).await.unwrap().unwrap();
    assert_eq!((ask().await.as_str(), ask().await.as_str()), ("ok", "ok"));
    lab.tertulia.network_changed();
    assert_eq!(ask().await, "ok");
    assert_eq!(within(stream.reply()).await.unwrap().text().split_whitespace().count(), 8);
    let connections: Vec<_> = lab.simulator.requests().iter().map(|request| request.connection).collect();
    assert_eq!(connections, [1, 2, 2, 3]);
    lab.close().await;
}

/// A catalogue that says what this model of the simulator costs, under another provider's name.
fn priced(lab: &Lab, name: &str, nano_usd: i64) -> String {
    let models = json!({"echo": {"price": {"input_nano_usd": nano_usd, "output_nano_usd": 0}}});
    let entry = json!({"base_url": format!("{}/v1", lab.simulator.url()), "models": models});
    json!({"version": 1, "aliases": {"quick": format!("{name}/echo")}, "providers": {name: entry}}).to_string()
}

#[tokio::test]
async fn new_prices_count_from_the_next_call_on() {
    let lab = Lab::memory().await;
    for nano_usd in [2_000_000_000, 3_000_000_000] {
        lab.tertulia.reconfigure(Reconfiguration::new().catalogue(priced(&lab, "market", nano_usd))).unwrap();
        let reply = lab.tertulia.ask("hi").model("quick").await.unwrap();
        assert!(reply.usage.input_tokens > 0);
        assert_eq!(reply.cost.nano_usd, Some(reply.usage.input_tokens * nano_usd / 1_000_000));
    }
    lab.close().await;
}

#[tokio::test]
async fn what_cannot_change_is_refused_and_then_nothing_has_changed() {
    let lab = Lab::memory().await;
    let tertulia = lab.builder().key("lab", "sk-old").open().await.unwrap();
    let before = tertulia.settings();
    let refused = |change: serde_json::Value, key: (&str, &str), catalogue: Option<&str>| {
        let mut change = Reconfiguration::from(before.with_json(&change).unwrap()).key(key.0, key.1);
        if let Some(json) = catalogue {
            change = change.catalogue(json);
        }
        let error = tertulia.reconfigure(change).unwrap_err();
        assert_eq!((error.kind(), error.operation()), (ErrorKind::Invalid, "reconfigure"));
        assert_eq!(tertulia.settings(), before);
        (error.reason().to_owned(), error.detail().to_owned())
    };
    let retry = json!({"max_attempts": 1});
    for (change, named) in [
        (json!({"retry": retry, "store": {"readers": 9}}), "settings.store.readers"),
        (json!({"retry": retry, "store": {"group_commit_ms": 9}}), "settings.store.group_commit_ms"),
        (json!({"retry": retry, "store": {"busy_timeout_ms": 9}}), "settings.store.busy_timeout_ms"),
        (json!({"retry": retry, "network": {"proxy": "http://127.0.0.1:9"}}), "settings.network.proxy"),
        (json!({"retry": retry, "network": {"ca_certificates": "x"}}), "settings.network.ca_certificates"),
        (json!({"retry": retry, "outbox": {"first_delay_ms": 9}}), "settings.outbox (but for degrade)"),
        (json!({"retry": retry, "outbox": {"degrade": true, "enabled": false}}), "settings.outbox (but for degrade)"),
        (json!({"retry": retry, "sentences": {"locale": "de"}}), "settings.sentences"),
        (json!({"retry": retry, "breaker": {"latched_probe_ms": 9}}), "settings.breaker.latched_probe_ms"),
    ] {
        let (reason, detail) = refused(change, ("lab", "sk-new"), Some(&priced(&lab, "market", 1)));
        assert_eq!(reason, "cannot_change");
        assert!(detail.contains(named) && detail.contains("open another one"), "{detail}");
    }
    let (reason, _) = refused(json!({"retry": retry}), ("opneai", "sk-new"), None);
    assert_eq!(reason, "unknown_provider");
    let (reason, _) = refused(json!({"retry": retry}), ("lab", "sk-new"), Some("{"));
    assert_eq!(reason, "bad_catalogue");
    tertulia.reconfigure(before.with_json(&json!({"outbox": {"degrade": true}})).unwrap()).unwrap();
    assert!(tertulia.settings().outbox.degrade, "who is told may change");
    tertulia.reconfigure(before.clone()).unwrap();
    // None of what came along is there: neither key, nor alias, nor retries.
    tertulia.ask("hi").model(lab.text("ok")).await.unwrap();
    assert_eq!(header(&lab.simulator.requests().pop().unwrap(), "authorization").as_deref(), Some("Bearer sk-old"));
    assert_eq!(cause_of(tertulia.ask("hi").model("quick").await).0, ErrorKind::Invalid);
    let failed = tertulia.ask("hi").model(lab.model("status=500")).await.unwrap_err();
    assert_eq!(failed.attempts().len(), 6);
    tertulia.close().await.unwrap();
    assert_eq!(cause_of(tertulia.reconfigure(before)).0, ErrorKind::Closed);
    lab.close().await;
}

#[tokio::test]
async fn who_is_left_alone_stays_so_and_a_spent_budget_stays_spent() {
    let lab = Lab::memory_with(|settings| {
        settings.breaker.consecutive_failures = 3;
        settings.breaker.open_ms = 30_000;
        settings.retry.budget_capacity = 2;
        settings.retry.budget_refund = 0.0;
    })
    .await;
    let down = lab.model("status=500");
    // Three tries: two retries are paid for, the breaker opens.
    let error = lab.tertulia.ask("hi").model(&*down).await.unwrap_err();
    assert_eq!(error.attempts().len(), 3);
    let mut settings = lab.tertulia.settings();
    settings.network.total_timeout_ms = 100;
    lab.tertulia.reconfigure(settings.clone()).unwrap();
    assert_eq!(cause_of(lab.tertulia.ask("hi").model(&*down).await).1, "breaker_open");
    assert_eq!(lab.simulator.requests().len(), 3, "nothing was sent");

    // Without the breaker it is asked again, but no retry is left to pay with.
    settings.breaker.enabled = false;
    lab.tertulia.reconfigure(settings.clone()).unwrap();
    assert_eq!(lab.tertulia.ask("hi").model(&*down).await.unwrap_err().attempts().len(), 1);
    // A larger budget is larger by what was added.
    settings.retry.budget_capacity = 3;
    lab.tertulia.reconfigure(settings).unwrap();
    assert_eq!(lab.tertulia.ask("hi").model(&*down).await.unwrap_err().attempts().len(), 2);
    lab.close().await;
}

#[tokio::test]
async fn calls_that_wait_for_a_connection_are_answered_when_their_number_changes() {
    let lab = Lab::memory_with(|settings| settings.network.max_connections = 1).await;
    let ask = || lab.tertulia.ask("hi").model(lab.model("words=5;delay_ms=5")).into_future();
    let mut waiting = tokio::task::JoinSet::new();
    waiting.spawn(ask());
    waiting.spawn(ask());
    lab.requested(1).await;
    let mut settings = lab.tertulia.settings();
    settings.network.max_connections = 3;
    lab.tertulia.reconfigure(settings).unwrap();
    let third = within(ask()).await.unwrap();
    while let Some(call) = within(waiting.join_next()).await {
        assert_eq!(call.unwrap().unwrap().text(), third.text());
    }
    tokio::time::timeout(Duration::from_secs(5), lab.close()).await.unwrap();
}
