//! Turns under strain: processes that die, stores that struggle, host code that hangs or panics, and people who change
//! their minds.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::future::IntoFuture as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use support::over::{Between, Over};
use support::{Lab, cause_of, within};
use tertulia::base::{Clock as _, ManualClock, Timestamp};
use tertulia::net::{Transport, TransportFuture};
use tertulia::store::{Durability, MemoryStore, Op, Receipt, Store, StoreFuture, WriteBatch};
use tertulia::{
    ConversationOptions, Error, ErrorKind, HealthState, Message, MessageStatus, Part, ProviderSpec, Retry, Tertulia,
    ToolResult, ToolSpec, TurnState,
};
use tokio::sync::Semaphore;

/// Refuses what it is told to refuse.
struct Struggling {
    /// How many of the batches that hold a draft are refused.
    drafts: AtomicU32,
    /// How many of the batches that end a turn, or add messages outside of turns, are refused.
    ends: AtomicU32,
}

impl Struggling {
    /// A store in memory.
    fn store(drafts: u32, ends: u32) -> Arc<Over<Self>> {
        let this = Self { drafts: AtomicU32::new(drafts), ends: AtomicU32::new(ends) };
        Over::new(Arc::new(MemoryStore::new()), this)
    }
}

impl Between for Struggling {
    fn write<'a>(
        &'a self,
        store: &'a dyn Store,
        batch: WriteBatch,
        durability: Durability,
    ) -> StoreFuture<'a, Receipt> {
        let drafts = batch.ops.iter().any(|op| matches!(op, Op::AppendDraft(_)));
        let is_end = |op: &Op| {
            matches!(op, Op::AdvanceTurn { .. }) || matches!(op, Op::AppendMessage(row) if row.turn.is_none())
        };
        let ends = durability == Durability::PowerSafe && batch.ops.iter().any(is_end);
        let refused = if drafts { &self.drafts } else { &self.ends };
        let take = |left: u32| left.checked_sub(1);
        if (drafts || ends) && refused.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok() {
            let busy = Error::new(ErrorKind::Storage, "busy", "the store is busy").with_retry(Retry::Safe);
            return Box::pin(std::future::ready(Err(busy)));
        }
        store.apply(batch, durability)
    }
}

/// Keeps an answer back until it is told to give it.
struct Late {
    question: &'static str,
    is_on: AtomicBool,
    answered: Semaphore,
    given: Semaphore,
}

impl Between for Late {
    fn asked<'a, T: Send + 'a>(
        &'a self,
        _: &'a dyn Store,
        name: &'static str,
        work: StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        if name != self.question || !self.is_on.swap(false, Ordering::AcqRel) {
            return work;
        }
        Box::pin(async move {
            let answer = work.await;
            self.answered.add_permits(1);
            self.given.acquire().await.unwrap().forget();
            answer
        })
    }
}

#[tokio::test]
async fn a_message_sent_again_is_the_same_one_also_when_it_is_answered_in_that_moment() {
    let lab = Lab::memory().await;
    let late = Late {
        question: "turn_of_client",
        is_on: AtomicBool::new(false),
        answered: Semaphore::new(0),
        given: Semaphore::new(0),
    };
    let store = Over::new(Arc::new(MemoryStore::new()), late);
    let tertulia = lab.builder().with_store(store.clone()).open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    let slow = lab.model("text=said%20once;chunks=2;delay_ms=50");
    let mut first = chat.stream("hi").client_id("c1").model(&*slow).await.unwrap();
    within(first.next_text()).await.unwrap();
    store.is_on.store(true, Ordering::Release);
    let again = chat.send("hi").client_id("c1").model(&*slow).into_future();
    let (again, ()) = tokio::join!(again, async {
        store.answered.acquire().await.unwrap().forget();
        within(first.reply()).await.unwrap();
        assert!(chat.history().await.unwrap().items.last().unwrap().status == MessageStatus::Complete);
        store.given.add_permits(1);
    });
    assert_eq!(again.unwrap().text(), "said once");
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_store_that_struggles_while_a_reply_arrives_does_not_end_the_reply() {
    let lab = Lab::memory().await;
    let store = Struggling::store(3, 2);
    let mut settings = tertulia::Settings::default();
    settings.store.draft_flush_ms = 1;
    settings.store.draft_flush_bytes = 8;
    let tertulia = lab.builder().settings(settings).with_store(store.clone()).open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    let reply = chat.send("hi").model(lab.model("words=20;delay_ms=2")).await.unwrap();
    assert_eq!(store.drafts.load(Ordering::Acquire), 0, "no draft was refused: the test proves nothing");
    assert_eq!(store.ends.load(Ordering::Acquire), 0);
    let kept = chat.history().await.unwrap().items.pop().unwrap();
    assert_eq!((kept.text(), kept.status), (reply.text(), MessageStatus::Complete));
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_reply_that_cannot_be_kept_leaves_a_turn_that_can_be_asked_for_again() {
    let lab = Lab::memory().await;
    let tertulia = lab.builder().with_store(Struggling::store(0, 4)).open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    let error = chat.send("hi").model(lab.text("said")).await.unwrap_err();
    assert_eq!((error.kind(), error.saved(), error.partial()), (ErrorKind::Storage, true, &[Part::text("said")][..]));
    let turn = error.turn_id().unwrap();
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Parked);
    let store = tertulia.health().store;
    assert_eq!((store.state, store.why), (HealthState::Ok, None));
    assert!(store.since.is_some(), "it was not well meanwhile");
    assert_eq!(chat.retry(turn).model(lab.text("again")).await.unwrap().reply().await.unwrap().text(), "again");
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_store_that_refuses_shows_in_health_until_it_takes_something_again() {
    let lab = Lab::memory().await;
    let tertulia = lab.builder().with_store(Struggling::store(0, 6)).open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    // It refuses to put the turn to rest to the very end, and then one more message.
    chat.send("hi").model(lab.text("said")).await.unwrap_err();
    chat.append([tertulia::NewMessage::user("refused")]).await.unwrap_err();
    let health = tertulia.health();
    assert_eq!((health.store.state, health.store.why.as_deref()), (HealthState::Degraded, Some("busy")));
    assert!(health.store.since.is_some() && health.state == HealthState::Degraded, "{health:?}");
    let apply = health.store_operations.iter().find(|operation| operation.name == "apply").unwrap();
    // The message, five ends, what the reply has cost all the same, and one more message.
    assert_eq!((apply.calls, apply.failures), (8, 6), "{apply:?}");
    chat.append([tertulia::NewMessage::user("noted")]).await.unwrap();
    let health = tertulia.health();
    assert_eq!((health.store.state, health.state), (HealthState::Ok, HealthState::Ok));
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_reply_longer_than_a_message_may_be_is_kept_as_far_as_it_fits() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let error = chat.send("hi").model(lab.model("words=4000000;chunks=4")).await.map(|_| ()).unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Truncated, "too_large"), "{error}");
    assert_eq!(chat.turn(error.turn_id().unwrap()).await.unwrap().state, TurnState::Interrupted);
    assert!(chat.history().await.unwrap().items.pop().unwrap().text().len() > 1 << 20);
    lab.close().await;
}

/// A transport of a host that panics.
struct Panics(AtomicBool);

impl Transport for Panics {
    fn send(&self, _: http::Request<Bytes>) -> TransportFuture<'_> {
        assert!(!self.0.swap(false, Ordering::AcqRel), "the host's own transport");
        Box::pin(std::future::ready(Err(Error::new(ErrorKind::Unavailable, "gone", "no more"))))
    }
}

#[tokio::test]
async fn a_panic_in_host_code_leaves_the_turn_at_rest() {
    let lab = Lab::memory().await;
    let tertulia = lab.builder().with_transport(Arc::new(Panics(true.into()))).open().await.unwrap();
    let chat = tertulia.user("ana").new_conversation();
    let error = chat.send("hi").model(lab.text("x")).await.unwrap_err();
    assert_eq!((error.kind(), error.saved()), (ErrorKind::Internal, true));
    let turn = error.turn_id().unwrap();
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Parked);
    let again = chat.retry(turn).model(lab.text("x")).await.unwrap().reply().await;
    assert_eq!(cause_of(again), (ErrorKind::Unavailable, "gone".to_owned()));
    tertulia.close().await.unwrap();
    lab.close().await;
}

/// A key source that answers nobody while it hangs.
#[derive(Clone)]
struct Hangs(Arc<AtomicBool>);

impl tertulia::KeySource for Hangs {
    fn key<'a>(&'a self, _: Option<&'a str>, _: &'a str) -> tertulia::KeyFuture<'a> {
        if self.0.load(Ordering::Acquire) {
            return Box::pin(std::future::pending());
        }
        Box::pin(std::future::ready(Ok(None)))
    }
}

#[tokio::test]
async fn a_key_source_that_hangs_blocks_neither_the_call_for_ever_nor_the_conversation() {
    let lab = Lab::memory().await;
    let source = Hangs(Arc::new(true.into()));
    let mut settings = tertulia::Settings::default();
    settings.network.total_timeout_ms = 200;
    let tertulia = lab.builder().settings(settings).with_key_source(source.clone()).open().await.unwrap();
    let raw = within(tertulia.provider("lab").request("GET", "/v1/models", None)).await;
    assert_eq!(cause_of(raw).0, ErrorKind::TimedOut);
    let chat = tertulia.user("ana").new_conversation();
    let send = chat.send("one").model(lab.text("x")).timeout(Duration::from_millis(30));
    assert_eq!(cause_of(within(send.into_future()).await).0, ErrorKind::TimedOut);
    {
        let dropped = chat.send("two").model(lab.text("x")).into_future();
        tokio::pin!(dropped);
        assert!(futures::poll!(&mut dropped).is_pending());
    }
    source.0.store(false, Ordering::Release);
    assert_eq!(within(chat.send("three").model(lab.text("ok")).into_future()).await.unwrap().text(), "ok");
    assert_eq!(chat.history().await.unwrap().items.len(), 2);
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn a_turn_that_waits_long_for_its_first_word_stays_its_owners() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let lab = Lab::memory().await;
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let open = |clock: ManualClock| lab.builder().store(path.to_str().unwrap()).with_clock(Arc::new(clock)).open();
    let mine = open(clock.clone()).await.unwrap();
    let chat = mine.user("ana").new_conversation();
    let stream = chat.stream("hi").model(lab.model("stall")).await.unwrap();
    lab.requested(1).await;
    for _ in 0..4 {
        let sleepers = clock.sleepers();
        assert!(sleepers > 0);
        clock.advance(Duration::from_secs(11));
        within(async {
            while clock.sleepers() < sleepers {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
    assert!(clock.monotonic() > Duration::from_secs(40));
    let other = open(clock.clone()).await.unwrap();
    let state = chat.turn(stream.turn_id().unwrap()).await.unwrap().state;
    assert_eq!(state, TurnState::Sending, "another process took a living turn");
    other.close().await.unwrap();
    stream.cancel();
    assert_eq!(within(stream.reply()).await.unwrap().status, tertulia::ReplyStatus::Cancelled);
    drop(mine);
    lab.close().await;
}

#[tokio::test]
async fn a_turn_whose_process_is_gone_is_put_to_rest_when_somebody_asks_for_it() {
    let lab = Lab::memory().await;
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let open = || lab.builder().with_store(store.clone()).with_clock(Arc::new(clock.clone())).open();
    let (gone, mine) = (open().await.unwrap(), open().await.unwrap());
    let stream = gone.user("ana").conversation_for("one").stream("hi").model(lab.model("stall")).await.unwrap();
    let turn = stream.turn_id().unwrap();
    let chat = mine.user("ana").conversation_for("one");
    assert_eq!(cause_of(chat.attach(turn, 0).await), (ErrorKind::Conflict, "held_elsewhere".to_owned()));
    // The other engine is still there, but without a sign of life: its task is never woken again.
    clock.advance(Duration::from_secs(31));
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Interrupted);
    drop(stream);
    lab.close().await;
}

#[tokio::test]
async fn one_message_sent_by_two_engines_at_once_is_stored_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let lab = Lab::memory().await;
    let open = || lab.builder().store(path.to_str().unwrap()).open();
    let (a, b) = (open().await.unwrap(), open().await.unwrap());
    for n in 0..20 {
        let send = |tertulia: &Tertulia| {
            let chat = tertulia.user("ana").conversation_for("one");
            chat.send("the same").client_id(format!("c{n}")).model(lab.text("ok")).into_future()
        };
        let (first, second) = tokio::join!(send(&a), send(&b));
        let turns: Vec<_> = [&first, &second].into_iter().flatten().map(|reply| reply.turn_id).collect();
        assert!(!turns.is_empty() && turns.iter().all(|turn| turn == &turns[0]), "{first:?} {second:?}");
        for outcome in [first, second] {
            if let Err(error) = outcome {
                assert_eq!((error.kind(), error.reason()), (ErrorKind::Conflict, "held_elsewhere"), "round {n}");
            }
        }
    }
    let chat = a.user("ana").conversation_for("one");
    assert_eq!(chat.history().limit(200).await.unwrap().items.len(), 40);
    a.close().await.unwrap();
    b.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn closing_goes_on_when_nobody_waits_for_it_and_who_waits_again_waits_for_its_end() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let stream = chat.stream("hi").model(lab.model("words=3;delay_ms=20")).detached().await.unwrap();
    {
        let given_up = lab.tertulia.close();
        tokio::pin!(given_up);
        assert!(futures::poll!(&mut given_up).is_pending());
    }
    let (first, second) = tokio::join!(lab.tertulia.close(), lab.tertulia.close());
    first.unwrap();
    second.unwrap();
    assert!(!stream.reply().await.unwrap().text().is_empty());
    lab.close().await;
}

#[tokio::test]
async fn a_message_that_waits_its_turn_when_the_engine_closes_hears_that_it_closed() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let running = chat.stream("one").model(lab.model("stall")).await.unwrap();
    let mut waiting = chat.send("two").model(lab.text("x")).into_future();
    assert!(futures::poll!(&mut waiting).is_pending());
    let (closed, waited) = tokio::join!(lab.tertulia.close(), waiting);
    closed.unwrap();
    assert_eq!(cause_of(waited).0, ErrorKind::Closed);
    assert_eq!(cause_of(running.reply().await).0, ErrorKind::Closed);
    lab.close().await;
}

#[tokio::test]
async fn calls_made_together_run_in_the_order_they_were_made() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let ok = lab.text("ok");
    let sends = (0..20).map(|n| chat.send(format!("m{n}")).model(&*ok).into_future());
    for outcome in futures::future::join_all(sends).await {
        outcome.unwrap();
    }
    let page = chat.history().limit(200).await.unwrap();
    let said: Vec<_> = page.items.iter().filter(|m| m.role == tertulia::Role::User).map(Message::text).collect();
    assert_eq!(said, (0..20).map(|n| format!("m{n}")).collect::<Vec<_>>());
    lab.close().await;
}

#[tokio::test]
async fn deleting_a_conversation_sends_away_who_waits_in_it_unasked() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let running = chat.stream("one").model(lab.model("stall")).await.unwrap();
    let mut waiting = chat.send("two").model(lab.text("x")).into_future();
    assert!(futures::poll!(&mut waiting).is_pending());
    lab.requested(1).await;
    let (deleted, waited) = tokio::join!(within(chat.delete()), waiting);
    deleted.unwrap();
    assert_eq!(cause_of(waited).0, ErrorKind::NotFound);
    assert_eq!(cause_of(running.reply().await).0, ErrorKind::Cancelled);
    assert_eq!(lab.simulator.requests().len(), 1);
    assert!(lab.me().list_conversations().await.unwrap().items.is_empty());
    lab.close().await;
}

#[tokio::test]
async fn an_answered_turn_is_not_asked_for_again_and_only_open_calls_are_answered() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let first = chat.send("one").model(lab.text("ok")).await.unwrap().turn_id.unwrap();
    chat.send("two").model(lab.text("ok")).await.unwrap();
    let again = chat.retry(first).model(lab.text("x")).await;
    assert_eq!(cause_of(again), (ErrorKind::Conflict, "already_answered".to_owned()));
    let result = ToolResult { call_id: "nobody".to_owned(), output: json!("42"), is_error: false, media: vec![] };
    let answered = chat.send([Part::tool_result(result)]).model(lab.text("x")).await;
    assert_eq!(cause_of(answered), (ErrorKind::Invalid, "unknown_call".to_owned()));
    assert_eq!(chat.history().await.unwrap().items.len(), 4);
    lab.close().await;
}

#[tokio::test]
async fn a_second_try_and_the_answer_of_a_tool_work_in_every_dialect() {
    let lab = Lab::memory().await;
    let spec = ProviderSpec::anthropic("claude", format!("{}/v1", lab.simulator.url()));
    let responses = ProviderSpec::openai_responses("responses", format!("{}/v1", lab.simulator.url()));
    let tertulia = lab.builder().provider(spec).provider(responses).open().await.unwrap();
    for provider in ["lab", "claude", "responses"] {
        let chat = tertulia.user("ana").new_conversation();
        let model = |script: &str| format!("{provider}/sim:{script}");
        let broken = chat.send("hi").model(model("words=9;cut=3")).await.unwrap_err();
        assert_eq!(broken.kind(), ErrorKind::Truncated, "{provider}: {broken:?}");
        let turn = broken.turn_id().unwrap();
        let reply = chat.retry(turn).model(model("text=whole")).await.unwrap().reply().await.unwrap();
        assert_eq!(reply.text(), "whole", "{provider}");

        let tool = ToolSpec::new("weather", "The weather", json!({"type": "object", "properties": {}}));
        let asked = chat.send("weather?").model(model("tool=weather:%7B%7D")).tools([tool.clone()]).await.unwrap();
        let answer = Part::tool_result(asked.tool_calls()[0].result("24 °C"));
        let reply = chat.send([answer]).model(model("text=warm")).tools([tool]).await.unwrap();
        assert_eq!(reply.text(), "warm", "{provider}");
        assert_eq!(chat.history().await.unwrap().items.len(), 6);
    }
    tertulia.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn what_no_conversation_can_have_is_refused_before_its_first_message() {
    let lab = Lab::memory().await;
    let with = |options| lab.me().new_conversation_with(options);
    let ok = lab.text("ok");
    let cases = [
        (ConversationOptions { title: Some("a\0b".to_owned()), ..Default::default() }, "nul_character"),
        (ConversationOptions { system: Some("a\0b".to_owned()), ..Default::default() }, "nul_character"),
        (ConversationOptions { title: Some("x".repeat(5_000)), ..Default::default() }, "too_large"),
        (ConversationOptions { model: Some("nonsense".to_owned()), ..Default::default() }, "unknown_model"),
        (
            ConversationOptions { metadata: [("k".to_owned(), "v".repeat(9_000))].into(), ..Default::default() },
            "too_large",
        ),
    ];
    for (options, reason) in cases {
        assert_eq!(cause_of(with(options).send("hi").model(&*ok).await).1, reason);
    }
    for id in ["", "a\0", &"x".repeat(300)] {
        assert_eq!(
            cause_of(lab.me().new_conversation().send("hi").model(&*ok).client_id(id).await).0,
            ErrorKind::Invalid
        );
    }
    assert!(lab.me().list_conversations().await.unwrap().items.is_empty());
    lab.close().await;
}

#[tokio::test]
async fn who_comes_back_to_a_turn_at_rest_gets_its_end_and_numbers_go_on_with_a_second_try() {
    let lab = Lab::memory().await;
    let chat = lab.me().new_conversation();
    let broken = chat.send("hi").model(lab.model("words=9;cut=4")).await.unwrap_err();
    let turn = broken.turn_id().unwrap();
    let last = chat.turn(turn).await.unwrap().last_seq;
    let mut stream = chat.retry(turn).model(lab.text("whole")).await.unwrap();
    assert_eq!(within(stream.next_event()).await.unwrap().unwrap().seq, last + 1);
    assert_eq!(stream.reply().await.unwrap().text(), "whole");
    let last = chat.turn(turn).await.unwrap().last_seq;
    let mut late = chat.attach(turn, last - 1).await.unwrap();
    let done = within(late.next_event()).await.unwrap().unwrap();
    assert_eq!(done.seq, last);
    assert!(matches!(done.kind, tertulia::StreamEventKind::Done { .. }));
    assert!(within(late.next_event()).await.unwrap().is_none());
    lab.close().await;
}
