//! What is told of an engine while it works: events, figures, health; over real sockets.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::{Lab, cause_of, within};
use tertulia::base::{ManualClock, Timestamp};
use tertulia::store::{MemoryStore, Store};
use tertulia::{
    BreakerState, EngineEvent, EngineEventKind, ErrorKind, Events, HealthState, ProviderSpec, Tertulia, TurnState,
};

const HOUR: Duration = Duration::from_secs(3_600);

/// Reads events up to the first that fits.
async fn until(events: &mut Events, fits: impl Fn(&EngineEventKind) -> bool) -> Vec<EngineEvent> {
    let mut seen = Vec::new();
    loop {
        let event = within(events.next()).await.expect("the events ended");
        let found = fits(&event.kind);
        seen.push(event);
        if found {
            return seen;
        }
    }
}

/// Reads events up to their end.
async fn rest(mut events: Events) -> Vec<EngineEvent> {
    let mut seen = Vec::new();
    while let Some(event) = within(events.next()).await {
        seen.push(event);
    }
    seen
}

fn is_done(kind: &EngineEventKind) -> bool {
    matches!(kind, EngineEventKind::TurnChanged { state: TurnState::Done, .. })
}

#[tokio::test]
async fn a_retry_and_the_states_of_its_turn_are_told_with_whose_they_are_and_nothing_that_was_said() {
    let lab = Lab::memory().await;
    let tertulia = lab.builder().key("lab", "sk-canary-key-91c2").open().await.unwrap();
    let mut events = tertulia.events();
    let chat = tertulia.user("ana").new_conversation();
    let model = lab.model("status=503;retry_after=0.02;fail=1;text=canary-answer");
    let reply = chat.send("canary-prompt-7f3a").model(&*model).await.unwrap();
    let seen = until(&mut events, is_done).await;
    let told: Vec<_> = seen.iter().map(|event| event.kind.clone()).collect();
    let turn = |state| EngineEventKind::TurnChanged { state, model: model.clone() };
    assert_eq!(told[..2], [turn(TurnState::Saved), turn(TurnState::Sending)]);
    assert!(
        matches!(&told[2], EngineEventKind::RetryScheduled { model: of, attempt: 2, kind: ErrorKind::Unavailable, reason, delay_ms: 20..=23 }
            if *of == model && !reason.is_empty()),
        "{:?}",
        told[2]
    );
    for event in &seen {
        assert_eq!(event.owner.as_deref(), Some("ana"));
        assert_eq!((event.conversation_id, event.turn_id), (reply.conversation_id, reply.turn_id));
        assert!(event.at.as_millis() > 1_700_000_000_000);
        // As it is written down and read again.
        let json = serde_json::to_string(event).unwrap();
        assert_eq!(serde_json::from_str::<EngineEvent>(&json).unwrap(), *event);
        for canary in ["canary-prompt-7f3a", "sk-canary-key-91c2"] {
            assert!(!json.contains(canary), "{json}");
        }
    }
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_rejected_key_is_told_with_its_provider_and_without_the_key() {
    let lab = Lab::memory().await;
    let mut events = lab.tertulia.events();
    let error = lab.tertulia.user("ana").key("lab", "sk-canary").ask("hi").model(lab.model("error=auth")).await;
    assert_eq!(cause_of(error), (ErrorKind::Unauthorized, "key_rejected".to_owned()));
    let seen = until(&mut events, |kind| matches!(kind, EngineEventKind::KeyRejected { .. })).await;
    let last = seen.last().unwrap();
    assert_eq!(last.kind, EngineEventKind::KeyRejected { provider: "lab".to_owned() });
    assert!(last.owner.as_deref() == Some("ana") && !format!("{last:?}").contains("sk-canary"), "{last:?}");
    lab.close().await;
}

#[tokio::test]
async fn a_slow_reader_loses_the_oldest_and_is_told_how_many_and_a_reader_that_goes_costs_nobody_anything() {
    let lab = Lab::memory().await;
    let (slow, mut fast, gone) = (lab.tertulia.events(), lab.tertulia.events(), lab.tertulia.events());
    drop(gone);
    let chat = lab.me().new_conversation();
    let mut all = Vec::new();
    // More than wait for a reader.
    while all.len() <= 1_100 {
        chat.append([tertulia::NewMessage::user("filler")]).await.unwrap();
        lab.me().new_conversation().send("hi").model(lab.text("ok")).await.unwrap();
        all.extend(until(&mut fast, is_done).await);
    }
    lab.tertulia.close().await.unwrap();
    all.extend(rest(fast).await);
    let late = rest(slow).await;
    let missed = all.len() + 1 - late.len();
    let EngineEventKind::Lagged { missed: told } = late[0].kind else { panic!("{:?}", late[0]) };
    assert_eq!((usize::try_from(told).unwrap(), late.len()), (missed, 1_025));
    assert_eq!(late[1..], all[missed..], "what is left comes in its order");
    lab.close().await;
}

#[tokio::test]
async fn events_end_when_the_engine_is_closed_and_not_before_its_turns_have() {
    let lab = Lab::memory().await;
    let events = lab.tertulia.events();
    let chat = lab.me().new_conversation();
    let stream = chat.stream("hi").model(lab.model("words=3;delay_ms=20")).detached().await.unwrap();
    lab.tertulia.close().await.unwrap();
    let seen = rest(events).await;
    assert!(is_done(&seen.last().unwrap().kind), "{seen:?}");
    assert!(!stream.reply().await.unwrap().text().is_empty());
    // Whoever comes now hears nothing, and is not kept waiting.
    assert_eq!(rest(lab.tertulia.events()).await, []);
    lab.close().await;
}

#[tokio::test]
async fn events_end_when_the_last_handle_of_the_engine_is_dropped() {
    let lab = Lab::memory().await;
    let tertulia = lab.builder().on_event(|_| {}).open().await.unwrap();
    let events = tertulia.events();
    drop(tertulia);
    assert_eq!(rest(events).await, []);
    lab.close().await;
}

#[tokio::test]
async fn a_callback_hears_every_event_and_a_panic_in_it_costs_it_that_event_alone() {
    let lab = Lab::memory().await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (told, other) = (heard.clone(), Arc::new(Mutex::new(Vec::new())));
    let beside = other.clone();
    let tertulia = lab
        .builder()
        .on_event(move |event| {
            told.lock().unwrap().push(event.kind.clone());
            assert!(!matches!(event.kind, EngineEventKind::TurnChanged { state: TurnState::Sending, .. }), "a bug");
        })
        .on_event(move |event| beside.lock().unwrap().push(event.kind.clone()))
        .open()
        .await
        .unwrap();
    let mut events = tertulia.events();
    let reply = tertulia.user("ana").new_conversation().send("hi").model(lab.text("ok")).await.unwrap();
    assert_eq!(reply.text(), "ok");
    let failed = EngineEventKind::TaskFailed { task: "on_event".to_owned(), reason: "panicked".to_owned() };
    until(&mut events, |kind| *kind == failed).await;
    assert_eq!(tertulia.health().tasks.iter().filter(|task| task.name == "on_event").count(), 2);
    tertulia.close().await.unwrap();
    assert_eq!(tertulia.health().tasks, []);
    let heard = heard.lock().unwrap().clone();
    assert!(is_done(heard.last().unwrap()), "it goes on after its panic: {heard:?}");
    assert!(!heard.contains(&failed), "of its own panic it hears nothing");
    assert!(is_done(other.lock().unwrap().last().unwrap()));
    lab.close().await;
}

#[tokio::test]
async fn what_a_dead_process_left_open_is_told_when_it_is_put_to_rest() {
    let lab = Lab::memory().await;
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let heard = Arc::new(Mutex::new(Vec::new()));
    let open = || lab.builder().with_store(store.clone()).with_clock(Arc::new(clock.clone()));
    let gone = open().open().await.unwrap();
    let stream = gone.user("ana").conversation_for("one").stream("hi").model(lab.model("stall")).await.unwrap();
    // The other engine is still there, but without a sign of life: its task is never woken again.
    clock.advance(Duration::from_secs(31));
    let told = heard.clone();
    let mine = open().on_event(move |event| told.lock().unwrap().push(event.kind.clone())).open().await.unwrap();
    mine.close().await.unwrap();
    let interrupted = EngineEventKind::TurnChanged { state: TurnState::Interrupted, model: lab.model("stall") };
    assert_eq!(heard.lock().unwrap()[..], [EngineEventKind::StoreRepaired { turns: 1 }, interrupted]);
    drop(stream);
    lab.close().await;
}

#[tokio::test]
async fn questions_that_the_store_is_slow_to_answer_are_told_and_all_are_timed() {
    let folder = tempfile::tempdir().unwrap();
    let lab = Lab::on_with(&folder.path().join("chat.db"), |settings| settings.store.slow_query_ms = 0).await;
    let mut events = lab.tertulia.events();
    let chat = lab.me().new_conversation();
    chat.send("hi").model(lab.text("ok")).await.unwrap();
    chat.history().await.unwrap();
    let is_history =
        |kind: &EngineEventKind| matches!(kind, EngineEventKind::SlowQuery { query, .. } if query == "page");
    let seen = until(&mut events, is_history).await;
    assert!(seen.iter().any(|e| matches!(&e.kind, EngineEventKind::SlowQuery { query, .. } if query == "apply")));
    let health = lab.tertulia.health();
    let apply = health.store_operations.iter().find(|operation| operation.name == "apply").unwrap();
    assert!(apply.calls >= 2 && apply.failures == 0 && apply.duration_ms.count == apply.calls, "{apply:?}");
    assert!(apply.duration_ms.p50 > 0.0 && apply.duration_ms.p99 <= apply.duration_ms.max, "{apply:?}");
    assert_eq!((health.store.state, health.store.why), (HealthState::Ok, None));
    lab.close().await;
}

#[tokio::test]
async fn figures_say_how_calls_and_tries_ended_for_each_model_and_in_all() {
    let lab = Lab::memory().await;
    let good = lab.model("status=500;fail=2;words=12;delay_ms=2;usage=7/40");
    let bad = lab.model("error=invalid");
    let reply = lab.me().new_conversation().send("hi").model(&*good).await.unwrap();
    assert_eq!(reply.attempts.len(), 3);
    lab.tertulia.ask("hi").model(&*good).await.unwrap();
    assert_eq!(cause_of(lab.tertulia.ask("hi").model(&*bad).await).0, ErrorKind::Invalid);
    let mut stopped = lab.tertulia.ask("hi").model(lab.model("words=9;stall=3")).stream().await.unwrap();
    within(stopped.next_text()).await.unwrap();
    assert_eq!(lab.tertulia.stats(HOUR).total.open_streams, 1);
    assert_eq!(lab.tertulia.health().open_streams, 1);
    drop(stopped);

    let stats = lab.tertulia.stats(HOUR);
    assert_eq!(stats.window_ms, 3_600_000);
    let of = |model: &str| stats.targets.iter().find(|target| target.model == model).unwrap();
    let answered = of(&good);
    assert_eq!((answered.calls, answered.succeeded, answered.attempts, answered.retries), (2, 2, 4, 2));
    assert_eq!(answered.attempt_errors, [("unavailable".to_owned(), 2)].into());
    assert!(answered.errors.is_empty() && answered.success_rate == Some(1.0), "{answered:?}");
    let ms = [&answered.first_delta_ms, &answered.duration_ms, &answered.added_ms];
    assert!(ms.iter().all(|spread| spread.count == 2 && spread.max > 0.0), "{answered:?}");
    // Two tries were waited for in between, and the words came one after the other.
    assert!(answered.added_ms.max < answered.first_delta_ms.max, "{answered:?}");
    assert!(answered.first_delta_ms.max < answered.duration_ms.max, "{answered:?}");
    assert!(answered.delta_gap_ms.count > 2 && answered.tokens_per_second.count == 2, "{answered:?}");
    let refused = of(&bad);
    assert_eq!((refused.calls, refused.success_rate), (1, Some(0.0)));
    assert_eq!(refused.errors, [("invalid".to_owned(), 1)].into());
    let total = &stats.total;
    assert_eq!((total.calls, total.succeeded, total.cancelled, total.open_streams), (4, 2, 1, 0));
    assert_eq!(total.success_rate, Some(2.0 / 3.0), "who stops a call does not make it a failure");
    assert_eq!(total.attempts, 6);
    lab.close().await;
}

#[tokio::test]
async fn stalls_waits_for_a_connection_and_readers_that_come_back_are_counted() {
    let lab = Lab::memory_with(|settings| {
        settings.network.idle_timeout_ms = 200;
        settings.network.first_byte_timeout_ms = 400;
        settings.network.slow_first_byte_timeout_ms = 400;
        settings.network.max_connections = 1;
        settings.retry.max_attempts = 1;
    })
    .await;
    let stalled = cause_of(lab.tertulia.ask("hi").model(lab.model("words=9;stall=3")).await);
    assert_eq!(stalled, (ErrorKind::Truncated, "stalled".to_owned()));
    let silent = cause_of(lab.tertulia.ask("hi").model(lab.model("stall")).await);
    assert_eq!(silent, (ErrorKind::TimedOut, "first_byte".to_owned()));
    // Two at once over one connection.
    let both = || lab.tertulia.ask("hi").model(lab.model("words=4;delay_ms=5"));
    let (one, other) = tokio::join!(both().into_future(), both().into_future());
    one.unwrap();
    other.unwrap();
    let chat = lab.me().new_conversation();
    let stream = chat.stream("hi").model(lab.model("words=9;delay_ms=5")).await.unwrap();
    let again = chat.attach(stream.turn_id().unwrap(), 0).await.unwrap();
    assert_eq!(again.reply().await.unwrap().text(), stream.reply().await.unwrap().text());
    let total = lab.tertulia.stats(HOUR).total;
    // The queue lets go no more than there are connections: whoever waits, waits there.
    let waits = (total.queue_wait_ms.count, total.connection_wait_ms.count);
    assert_eq!((total.stalls, total.reattached, waits), (2, 1, (1, 0)), "{total:?}");
    assert!(total.queue_wait_ms.max > 0.0);
    lab.close().await;
}

#[tokio::test]
async fn a_provider_that_is_down_shows_in_health_until_it_is_back() {
    let lab = Lab::memory_with(|settings| {
        settings.breaker.consecutive_failures = 1;
        settings.breaker.open_ms = 40;
        settings.retry.max_attempts = 1;
    })
    .await;
    assert_eq!(lab.tertulia.health().state, HealthState::Ok);
    let mut events = lab.tertulia.events();
    let model = lab.model("status=500;fail=1;text=back");
    assert!(lab.tertulia.ask("hi").model(&*model).await.is_err());
    let seen = until(&mut events, |kind| matches!(kind, EngineEventKind::BreakerChanged { .. })).await;
    let EngineEventKind::BreakerChanged { model: of, state: BreakerState::Open, wait_ms: 32..=48 } =
        &seen.last().unwrap().kind
    else {
        panic!("{seen:?}")
    };
    assert_eq!(*of, model);
    let health = lab.tertulia.health();
    let provider = &health.providers[0];
    assert_eq!((provider.name.as_str(), provider.state), ("lab", HealthState::Down));
    assert_eq!(provider.why.as_deref(), Some("breaker_open"));
    assert!(provider.since.is_some() && health.state == HealthState::Degraded, "{health:?}");
    assert_ne!(health.breakers[0].state, BreakerState::Closed);
    // Another model of the provider answers: it is not down.
    lab.tertulia.ask("hi").model(lab.text("here")).await.unwrap();
    assert_eq!(lab.tertulia.health().providers[0].state, HealthState::Degraded);

    lab.tertulia.ask("hi").model(&*model).await.unwrap();
    let closed = |kind: &EngineEventKind| {
        matches!(kind, EngineEventKind::BreakerChanged { state: BreakerState::Closed, wait_ms: 0, .. })
    };
    until(&mut events, closed).await;
    let health = lab.tertulia.health();
    assert_eq!((health.providers[0].state, health.state), (HealthState::Ok, HealthState::Ok), "{health:?}");
    assert_eq!((health.breakers[0].state, health.breakers[0].until), (BreakerState::Closed, None));
    let json = serde_json::to_string(&health).unwrap();
    assert_eq!(serde_json::from_str::<tertulia::Health>(&json).unwrap(), health);
    lab.close().await;
}

#[tokio::test]
async fn a_turn_is_a_task_with_a_name_and_an_owner_as_long_as_it_runs() {
    let lab = Lab::memory().await;
    let stream = lab.me().new_conversation().stream("hi").model(lab.model("words=3;stall=1")).await.unwrap();
    let tasks = lab.tertulia.health().tasks;
    let named: Vec<_> = tasks.iter().map(|task| (task.name.as_str(), task.owner.as_deref())).collect();
    assert_eq!(named, [("outbox", None), ("turn", Some("ana"))]);
    stream.cancel();
    within(stream.reply()).await.unwrap();
    within(async {
        while lab.tertulia.health().tasks.len() > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    lab.close().await;
}

#[tokio::test]
async fn code_of_ones_own_is_measured_as_any_provider() {
    struct House;
    impl tertulia::Provider for House {
        fn name(&self) -> &str {
            "house"
        }

        async fn stream(&self, _: tertulia::ChatRequest) -> tertulia::Result<tertulia::EventStream> {
            Ok(tertulia::EventStream::from("here".to_owned()))
        }
    }
    let tertulia = Tertulia::builder()
        .store("memory:")
        .provider(ProviderSpec::openai_chat("lab", "http://127.0.0.1:9/v1"))
        .with_provider(House)
        .open()
        .await
        .unwrap();
    tertulia.ask("hi").model("house/any").await.unwrap();
    let stats = tertulia.stats(Duration::from_secs(60));
    assert_eq!((stats.targets[0].model.as_str(), stats.targets[0].succeeded), ("house/any", 1));
    assert_eq!(tertulia.health().providers[0].name, "house");
    tertulia.close().await.unwrap();
}
