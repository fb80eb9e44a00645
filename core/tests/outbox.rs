//! Messages that could not be sent: what their users are told, and how they are sent by themselves.
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

use futures::{FutureExt as _, stream};
use serde_json::json;
use support::over::{Between, Over};
use support::{Lab, cause_of, within};
use tertulia::base::{Clock as _, ManualClock, Timestamp};
use tertulia::store::{MemoryStore, Store, StoreFuture};
use tertulia::{
    CallOptions, ChatRequest, Delivery, Error, ErrorKind, EventStream, MessageStatus, OutboxItem, Part, Provider,
    ProviderSpec, Reply, ReplyStatus, Result, Retry, Role, Settings, StreamEventKind, Tertulia, TertuliaBuilder,
    TurnId, TurnState, UserScope,
};
use tertulia_simulator::{Script, Simulator};

const DAY: i64 = 86_400_000;

/// A provider that does as it is told, and notes what it is asked.
#[derive(Clone, Default)]
struct House {
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<ChatRequest>>>,
}

#[derive(Clone, Default)]
enum Mood {
    #[default]
    Up,
    Fails(Error),
    /// Says this and breaks off.
    BreaksOff(&'static str),
    /// Says nothing, for ever.
    Hangs,
    /// Refuses what holds these words, answers all else.
    Dislikes(&'static str),
}

impl House {
    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn down(&self) {
        self.set(Mood::Fails(failed(ErrorKind::Unavailable, Retry::Safe)));
    }

    fn up(&self) {
        self.set(Mood::Up);
    }

    /// The words of every message of each request, in order.
    fn asked(&self) -> Vec<Vec<String>> {
        let asked = self.asked.lock().unwrap();
        asked.iter().map(|request| request.messages.iter().map(|m| m.text()).collect()).collect()
    }

    fn last(&self) -> ChatRequest {
        self.asked.lock().unwrap().last().expect("nothing was asked").clone()
    }
}

impl Provider for House {
    fn name(&self) -> &str {
        "house"
    }

    async fn stream(&self, request: ChatRequest) -> Result<EventStream> {
        let said = request.messages.last().unwrap().text();
        self.asked.lock().unwrap().push(request);
        let mood = self.mood.lock().unwrap().clone();
        match mood {
            Mood::Fails(error) => Err(error),
            Mood::BreaksOff(words) => {
                let broken = failed(ErrorKind::Unavailable, Retry::Safe);
                Ok(EventStream::new(stream::iter([Ok(StreamEventKind::text(words)), Err(broken)])))
            }
            Mood::Hangs => std::future::pending().await,
            Mood::Dislikes(words) if said.contains(words) => Err(failed(ErrorKind::ContentFiltered, Retry::Never)),
            Mood::Up | Mood::Dislikes(_) => Ok(EventStream::from(format!("re: {said}"))),
        }
    }
}

fn failed(kind: ErrorKind, retry: Retry) -> Error {
    Error::new(kind, "told_to", "the test wants it").with_retry(retry)
}

fn settings(change: impl FnOnce(&mut Settings)) -> Settings {
    let mut settings = Settings::default();
    settings.retry.max_attempts = 1;
    settings.outbox.first_delay_ms = 5;
    settings.outbox.max_delay_ms = 20;
    change(&mut settings);
    settings
}

fn builder(house: &House) -> TertuliaBuilder {
    Tertulia::builder().store("memory:").model("house/any").with_provider(house.clone()).settings(settings(|_| {}))
}

/// Waits for an hour unless somebody hurries.
fn patient(house: &House) -> TertuliaBuilder {
    builder(house).settings(settings(|settings| {
        settings.outbox.first_delay_ms = 3_600_000;
        settings.outbox.max_delay_ms = 3_600_000;
    }))
}

/// Ends when the turn stands like this.
async fn stands(me: &UserScope, turn: TurnId, reply: &Reply, state: TurnState) {
    let chat = me.conversation(reply.conversation_id.unwrap());
    within(async {
        while chat.turn(turn).await.unwrap().state != state {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

async fn history(me: &UserScope, reply: &Reply) -> Vec<String> {
    let page = me.conversation(reply.conversation_id.unwrap()).history().limit(200).await.unwrap();
    page.items.iter().map(|m| m.text()).collect()
}

fn notice(reply: &Reply) -> &str {
    reply.notice().unwrap()
}

#[tokio::test]
async fn a_message_waits_while_its_provider_is_down_and_is_answered_by_itself() {
    let house = House::default();
    let t = builder(&house).open().await.unwrap();
    let me = t.user("ana");
    house.down();
    let reply = me.new_conversation().send("hello").temperature(0.3).system("Be brief.").degrade().await.unwrap();
    assert_eq!((reply.status, reply.text().as_str()), (ReplyStatus::Waiting, ""));
    assert_eq!(
        notice(&reply),
        "The assistant is temporarily unavailable. Your message was saved. It will be sent automatically."
    );
    let error = reply.error.clone().unwrap();
    assert_eq!((error.kind, error.reason.as_str(), error.saved), (ErrorKind::Unavailable, "told_to", true));
    assert_eq!((error.turn_id, reply.attempts.len()), (reply.turn_id, 1));
    let turn = reply.turn_id.unwrap();
    let items = me.outbox().list().await.unwrap();
    assert_eq!(items.len(), 1);
    let item = &items[0];
    assert_eq!((item.turn_id, item.preview.as_str()), (turn, "hello"));
    assert_eq!((Some(item.conversation_id), item.reason.as_deref()), (reply.conversation_id, Some("told_to")));
    assert!(item.attempt >= 1 && item.expires_at.is_some());
    assert_eq!(t.user("bo").outbox().list().await.unwrap(), []);
    house.up();
    stands(&me, turn, &reply, TurnState::Done).await;
    assert_eq!(history(&me, &reply).await, ["hello", "re: hello"]);
    assert_eq!(me.outbox().list().await.unwrap(), []);
    // It was sent as it was asked for.
    let sent = house.last();
    assert_eq!((sent.sampling.temperature, sent.system.as_deref()), (Some(0.3), Some("Be brief.")));
    t.close().await.unwrap();
}

#[tokio::test]
async fn without_degrade_the_call_raises_the_turn_is_parked_and_retry_sends_it_as_it_was() {
    let house = House::default();
    let t = builder(&house).open().await.unwrap();
    let me = t.user("ana");
    house.down();
    let chat = me.new_conversation();
    let error = chat.send("hello").temperature(0.3).max_tokens(9).await.unwrap_err();
    assert_eq!(error.user_message(), "The assistant is temporarily unavailable. Your message was saved.");
    let turn = error.turn_id().unwrap();
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Parked);
    assert_eq!(me.outbox().list().await.unwrap(), []);
    assert_eq!(cause_of(me.outbox().retry(turn).await).0, ErrorKind::NotFound);
    house.up();
    let before = house.asked().len();
    t.network_changed();
    let reply = chat.retry(turn).max_tokens(10).await.unwrap().reply().await.unwrap();
    assert_eq!((reply.text().as_str(), house.asked().len()), ("re: hello", before + 1), "somebody else sent it, too");
    let sent = house.last().sampling;
    assert_eq!((sent.temperature, sent.max_tokens), (Some(0.3), Some(10)));
    t.close().await.unwrap();
}

#[tokio::test]
async fn every_failure_after_the_save_is_a_reply_that_says_what_became_of_the_message() {
    use ErrorKind as K;
    let table = [
        (K::Unavailable, Retry::Safe, ReplyStatus::Waiting),
        (K::Unavailable, Retry::Exhausted, ReplyStatus::Waiting),
        (K::Unavailable, Retry::Never, ReplyStatus::Parked),
        (K::TimedOut, Retry::Safe, ReplyStatus::Waiting),
        (K::RateLimited, Retry::After { after_ms: 3_600_000 }, ReplyStatus::Waiting),
        (K::QuotaExhausted, Retry::Never, ReplyStatus::Parked),
        (K::Unauthorized, Retry::Never, ReplyStatus::Parked),
        (K::Invalid, Retry::Never, ReplyStatus::Parked),
        (K::BudgetExceeded, Retry::After { after_ms: 1_000 }, ReplyStatus::Parked),
        (K::ContextTooLong, Retry::Never, ReplyStatus::Parked),
        (K::ContentFiltered, Retry::Never, ReplyStatus::Parked),
        (K::Internal, Retry::Never, ReplyStatus::Parked),
    ];
    for (kind, retry, status) in table {
        let house = House::default();
        let t = patient(&house).open().await.unwrap();
        let me = t.user("ana");
        house.set(Mood::Fails(failed(kind, retry)));
        let reply = me.new_conversation().send("hello").degrade().await.unwrap();
        assert_eq!(reply.status, status, "{kind} {retry:?}");
        assert_eq!(reply.error.as_ref().unwrap().kind, kind);
        let goes_on = notice(&reply).ends_with("Your message was saved. It will be sent automatically.");
        assert_eq!(goes_on, status == ReplyStatus::Waiting, "{kind}: {}", notice(&reply));
        let item = me.outbox().list().await.unwrap().remove(0);
        let delivery = if goes_on { Delivery::Pending } else { Delivery::Failed };
        assert_eq!((item.delivery, item.not_before.is_some()), (delivery, goes_on), "{kind}");
        assert_eq!(house.asked().len(), 1, "{kind} is tried once");
        t.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_had_arrived_is_in_the_reply_and_is_never_asked_for_by_itself() {
    let house = House::default();
    let t = builder(&house).open().await.unwrap();
    let me = t.user("ana");
    house.set(Mood::BreaksOff("half of "));
    let chat = me.new_conversation();
    let mut stream = chat.stream("hello").degrade().await.unwrap();
    let mut last = None;
    while let Some(event) = within(stream.next_event()).await.unwrap() {
        last = Some(event.kind);
    }
    let Some(StreamEventKind::Done { reply }) = last else { panic!("{last:?}") };
    assert_eq!((reply.status, reply.text().as_str()), (ReplyStatus::Interrupted, "half of "));
    assert_eq!(notice(&reply), "The answer broke off. You can ask for the rest. Your message was saved.");
    assert_eq!(reply.error.as_ref().unwrap().partial, [], "the words stand in the reply");
    assert_eq!(me.outbox().list().await.unwrap(), []);
    house.up();
    t.network_changed();
    assert_eq!(history(&me, &reply).await, ["hello", "half of "]);
    let again = chat.retry(reply.turn_id.unwrap()).await.unwrap().reply().await.unwrap();
    assert_eq!(again.text(), "re: hello");
    assert_eq!(house.asked().last().unwrap(), &["hello"]);
    t.close().await.unwrap();
}

#[tokio::test]
async fn messages_of_one_conversation_keep_their_order_and_are_shown_their_own_past() {
    let house = House::default();
    let t = patient(&house).open().await.unwrap();
    let me = t.user("ana");
    let chat = me.new_conversation();
    chat.send("zero").degrade().await.unwrap();
    house.down();
    let first = chat.send("one").degrade().await.unwrap();
    let second = chat.send("two").degrade().await.unwrap();
    let third = chat.send("three").degrade().await.unwrap();
    assert_eq!(second.error.as_ref().unwrap().reason, "earlier_waits");
    let statuses = [first.status, second.status, third.status];
    assert_eq!(statuses, [ReplyStatus::Waiting; 3]);
    assert_eq!(history(&me, &first).await, ["zero", "re: zero", "one", "two", "three"]);
    assert_eq!(house.asked().len(), 4, "the first of a queue alone is tried");
    house.up();
    // The next message takes what waits along.
    let fourth = chat.send("four").degrade().await.unwrap();
    assert_eq!((fourth.status, fourth.text().as_str()), (ReplyStatus::Done, "re: four"));
    assert_eq!(
        history(&me, &first).await,
        ["zero", "re: zero", "one", "two", "three", "four", "re: one", "re: two", "re: three", "re: four"]
    );
    let asked = house.asked();
    let zero = ["zero", "re: zero"];
    assert_eq!(asked[4], [&zero[..], &["one"]].concat());
    assert_eq!(asked[5], [&zero[..], &["one", "re: one", "two"]].concat());
    assert_eq!(asked[6], [&zero[..], &["one", "re: one", "two", "re: two", "three"]].concat());
    let all = ["one", "re: one", "two", "re: two", "three", "re: three", "four"];
    assert_eq!(asked[7], [&zero[..], &all].concat());
    // And so it stays.
    chat.send("five").await.unwrap();
    assert_eq!(house.asked()[8], [&zero[..], &all, &["re: four", "five"]].concat());
    assert_eq!(me.outbox().list().await.unwrap(), []);
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_message_without_degrade_goes_after_those_that_wait_or_raises() {
    let house = House::default();
    let t = patient(&house).open().await.unwrap();
    let chat = t.user("ana").new_conversation();
    house.down();
    let first = chat.send("one").degrade().await.unwrap();
    let error = chat.send("two").await.unwrap_err();
    assert_eq!((error.kind(), error.reason(), error.saved()), (ErrorKind::Unavailable, "earlier_waits", true));
    let second = error.turn_id().unwrap();
    assert_eq!(chat.turn(second).await.unwrap().state, TurnState::Parked);
    house.up();
    t.user("ana").outbox().retry(first.turn_id.unwrap()).await.unwrap();
    stands(&t.user("ana"), first.turn_id.unwrap(), &first, TurnState::Done).await;
    assert_eq!(house.asked().last().unwrap(), &["one"]);
    // An answer that came late stands in nobody's way.
    let reply = chat.retry(second).await.unwrap().reply().await.unwrap();
    assert_eq!(reply.text(), "re: two");
    assert_eq!(house.asked().last().unwrap(), &["one", "re: one", "two"]);
    assert_eq!(history(&t.user("ana"), &first).await, ["one", "two", "re: one", "re: two"]);
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_parked_message_stands_in_nobodys_way() {
    let house = House::default();
    let t = patient(&house).open().await.unwrap();
    let me = t.user("ana");
    let chat = me.new_conversation();
    house.down();
    let bad = chat.send("bad words").degrade().await.unwrap();
    let good = chat.send("good words").degrade().await.unwrap();
    house.set(Mood::Dislikes("bad"));
    me.outbox().retry(bad.turn_id.unwrap()).await.unwrap();
    stands(&me, good.turn_id.unwrap(), &good, TurnState::Done).await;
    let items = me.outbox().list().await.unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!((items[0].turn_id, items[0].delivery), (bad.turn_id.unwrap(), Delivery::Failed));
    assert_eq!(items[0].reason.as_deref(), Some("told_to"));
    assert_eq!(history(&me, &bad).await, ["bad words", "good words", "re: good words"]);
    // Sent by hand later it is answered in its place, without what was said since.
    house.up();
    me.outbox().retry(bad.turn_id.unwrap()).await.unwrap();
    stands(&me, bad.turn_id.unwrap(), &bad, TurnState::Done).await;
    assert_eq!(house.asked().last().unwrap(), &["bad words"]);
    assert_eq!(history(&me, &bad).await, ["bad words", "good words", "re: good words", "re: bad words"]);
    chat.send("on").await.unwrap();
    assert_eq!(house.asked().last().unwrap(), &["bad words", "re: bad words", "good words", "re: good words", "on"]);
    t.close().await.unwrap();
}

#[tokio::test]
async fn what_waits_for_a_model_is_sent_as_soon_as_that_model_answers_anybody() {
    let house = House::default();
    let t = patient(&house).open().await.unwrap();
    let me = t.user("ana");
    house.down();
    let waits = me.new_conversation().send("first").degrade().await.unwrap();
    let other = me.new_conversation().send("other").model("house/other").degrade().await.unwrap();
    house.up();
    t.user("bo").new_conversation().send("is it back?").await.unwrap();
    stands(&me, waits.turn_id.unwrap(), &waits, TurnState::Done).await;
    let chat = me.conversation(other.conversation_id.unwrap());
    assert_eq!(
        chat.turn(other.turn_id.unwrap()).await.unwrap().state,
        TurnState::Waiting,
        "it waits for another model"
    );
    // A network that is back is good news for all.
    t.network_changed();
    within(async {
        while chat.turn(other.turn_id.unwrap()).await.unwrap().state != TurnState::Done {
            tokio::task::yield_now().await;
        }
    })
    .await;
    t.close().await.unwrap();
}

#[tokio::test]
async fn who_answered_in_the_place_of_another_is_back_and_the_other_is_not() {
    let (house, simulator) = (House::default(), Simulator::start().await.unwrap());
    let lab = ProviderSpec::openai_chat("lab", format!("{}/v1", simulator.url()));
    let t = patient(&house).provider(lab).with_environment(Arc::new(|_: &str| None)).open().await.unwrap();
    let me = t.user("ana");
    simulator.set_script("spare", Script::parse("status=500").unwrap());
    house.down();
    let own = me.new_conversation().send("for the house").degrade().await.unwrap();
    let spare = me.new_conversation().send("for the spare").model("lab/spare").degrade().await.unwrap();
    simulator.set_script("spare", Script::parse("text=here").unwrap());
    let asked = house.asked().len();
    let reply = t.user("bo").new_conversation().send("anybody?").fallback(["lab/spare"]).await.unwrap();
    assert_eq!((reply.text().as_str(), house.asked().len()), ("here", asked + 1));
    stands(&me, spare.turn_id.unwrap(), &spare, TurnState::Done).await;
    let chat = me.conversation(own.conversation_id.unwrap());
    assert_eq!(chat.turn(own.turn_id.unwrap()).await.unwrap().state, TurnState::Waiting);
    assert_eq!(house.asked().len(), asked + 1, "who did not answer is not asked for it");
    t.close().await.unwrap();
    simulator.shutdown().await;
}

#[tokio::test]
async fn nothing_is_sent_before_the_moment_that_the_provider_asked_for() {
    let house = House::default();
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let t = builder(&house).with_clock(Arc::new(clock.clone())).open().await.unwrap();
    let me = t.user("ana");
    house.set(Mood::Fails(failed(ErrorKind::RateLimited, Retry::After { after_ms: 3_600_000 })));
    let chat = me.new_conversation();
    let reply = chat.send("slow").degrade().await.unwrap();
    assert!(notice(&reply).starts_with("The assistant is very busy. Try again in 3600 s."), "{}", notice(&reply));
    let turn = reply.turn_id.unwrap();
    house.up();
    let settle = async || {
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
    };
    // Neither good news, nor impatience, nor a further message moves it.
    let told = t.user("bo").new_conversation().send("hi").await.unwrap_err();
    assert_eq!(told.kind(), ErrorKind::RateLimited, "what it asked of one it asked of all");
    t.network_changed();
    me.outbox().retry(turn).await.unwrap();
    let next = chat.send("and?").degrade().await.unwrap();
    assert_eq!(next.error.unwrap().reason, "earlier_waits");
    for _ in 0..12 {
        assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Waiting, "after {:?}", clock.monotonic());
        clock.advance(Duration::from_millis(299_990));
        settle().await;
    }
    assert_eq!(house.asked().len(), 1);
    clock.advance(Duration::from_secs(600));
    stands(&me, turn, &reply, TurnState::Done).await;
    stands(&me, next.turn_id.unwrap(), &reply, TurnState::Done).await;
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_message_that_waits_too_long_is_parked_and_never_lost() {
    let house = House::default();
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let t = builder(&house).with_clock(Arc::new(clock.clone())).open().await.unwrap();
    let me = t.user("ana");
    house.set(Mood::Fails(failed(ErrorKind::RateLimited, Retry::After { after_ms: 10 * DAY })));
    let reply = me.new_conversation().send("patience").degrade().await.unwrap();
    let turn = reply.turn_id.unwrap();
    clock.advance(Duration::from_millis(u64::try_from(DAY).unwrap()));
    stands(&me, turn, &reply, TurnState::Parked).await;
    let item = me.outbox().list().await.unwrap().remove(0);
    assert_eq!((item.delivery, item.reason.as_deref(), item.not_before), (Delivery::Failed, Some("expired"), None));
    let error = me.conversation(reply.conversation_id.unwrap()).turn(turn).await.unwrap().error.unwrap();
    assert_eq!(error.user_message, "The answer took too long. Your message was saved.");
    assert_eq!(house.asked().len(), 1);
    // By hand it has its whole time again.
    house.down();
    let again = me.conversation(reply.conversation_id.unwrap()).retry(turn).await.unwrap().reply().await.unwrap();
    assert_eq!(again.status, ReplyStatus::Waiting);
    let item = me.outbox().list().await.unwrap().remove(0);
    assert_eq!(item.expires_at, Some(Timestamp::from_millis(clock.now().as_millis() + DAY)));
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_clock_that_jumps_neither_loses_a_message_nor_keeps_it_waiting() {
    for jump in [-DAY, -3_650 * DAY, 3_600_000, -1_699_999_999_999] {
        let house = House::default();
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let begin = 1_700_000_000_000;
        let open = |at: i64| {
            let clock = ManualClock::at(Timestamp::from_millis(at));
            let opening = patient(&house).with_store(store.clone()).with_clock(Arc::new(clock.clone())).open();
            async move { (opening.await.unwrap(), clock) }
        };
        let (t, _) = open(begin).await;
        house.down();
        let reply = t.user("ana").new_conversation().send("hello").degrade().await.unwrap();
        // Gone without a word; its store stays.
        drop(t);
        house.up();
        let (t, clock) = open(begin + jump).await;
        let me = t.user("ana");
        let item = me.outbox().list().await.unwrap().remove(0);
        let wait = item.not_before.unwrap().as_millis() - clock.now().as_millis();
        assert!(wait <= 3_600_000, "after a jump of {jump} ms it waits {wait} ms");
        let left = item.expires_at.unwrap().as_millis() - clock.now().as_millis();
        assert!((0..=DAY).contains(&left), "after a jump of {jump} ms it expires in {left} ms");
        clock.advance(Duration::from_millis(3_600_001));
        stands(&me, reply.turn_id.unwrap(), &reply, TurnState::Done).await;
        assert_eq!(history(&me, &reply).await, ["hello", "re: hello"]);
        t.close().await.unwrap();
    }
    // Ten years ahead it is too late for it; it is kept all the same.
    let house = House::default();
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let open = |at: i64| {
        let clock = ManualClock::at(Timestamp::from_millis(at));
        patient(&house).with_store(store.clone()).with_clock(Arc::new(clock)).open()
    };
    let t = open(1_700_000_000_000).await.unwrap();
    house.down();
    let reply = t.user("ana").new_conversation().send("hello").degrade().await.unwrap();
    drop(t);
    house.up();
    let t = open(1_700_000_000_000 + 3_650 * DAY).await.unwrap();
    let me = t.user("ana");
    stands(&me, reply.turn_id.unwrap(), &reply, TurnState::Parked).await;
    me.outbox().retry(reply.turn_id.unwrap()).await.unwrap();
    stands(&me, reply.turn_id.unwrap(), &reply, TurnState::Done).await;
    t.close().await.unwrap();
}

#[tokio::test]
async fn closing_while_messages_are_sent_is_bounded_and_the_next_engine_sends_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let house = House::default();
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let open = || builder(&house).store(path.to_str().unwrap()).with_clock(Arc::new(clock.clone())).open();
    let t = open().await.unwrap();
    let me = t.user("ana");
    house.down();
    let mut replies = Vec::new();
    for n in 0..20 {
        replies.push(me.new_conversation().send(format!("message {n}")).degrade().await.unwrap());
    }
    house.set(Mood::Hangs);
    let before = house.asked().len();
    clock.advance(Duration::from_millis(50));
    within(async {
        // Some may have been tried, and put off once more, before the provider began to hang.
        while house.asked().len() < before + 8 {
            clock.advance(Duration::from_millis(1));
            tokio::task::yield_now().await;
        }
    })
    .await;
    let closing = t.close();
    tokio::pin!(closing);
    within(async {
        while futures::poll!(&mut closing).is_pending() {
            clock.advance(Duration::from_millis(100));
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(house.asked().len(), before + 8, "at most eight are sent at once, and none is begun while closing");
    house.up();
    let t = open().await.unwrap();
    let me = t.user("ana");
    for reply in &replies {
        let pass = async {
            let chat = me.conversation(reply.conversation_id.unwrap());
            while chat.turn(reply.turn_id.unwrap()).await.unwrap().state != TurnState::Done {
                clock.advance(Duration::from_millis(1));
                tokio::task::yield_now().await;
            }
        };
        within(pass).await;
        assert_eq!(history(&me, reply).await.len(), 2);
    }
    t.close().await.unwrap();
}

#[tokio::test]
async fn two_engines_on_one_file_answer_every_message_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let house = House::default();
    let open = || builder(&house).store(path.to_str().unwrap()).open();
    let (one, two) = (open().await.unwrap(), open().await.unwrap());
    house.down();
    let mut replies = Vec::new();
    for n in 0..60 {
        let t = if n % 2 == 0 { &one } else { &two };
        let chat = t.user("ana").conversation_for(format!("chat {}", n % 12));
        replies.push(chat.send(format!("message {n}")).degrade().await.unwrap());
    }
    house.up();
    for reply in &replies {
        stands(&one.user("ana"), reply.turn_id.unwrap(), reply, TurnState::Done).await;
    }
    for n in 0..12 {
        let page = two.user("ana").conversation_for(format!("chat {n}")).history().limit(200).await.unwrap();
        let said = |role| page.items.iter().filter(|m| m.role == role).map(|m| m.text()).collect::<Vec<_>>();
        let asked: Vec<_> = (0..5).map(|i| format!("message {}", n + 12 * i)).collect();
        assert_eq!(said(Role::User), asked);
        assert_eq!(said(Role::Assistant), asked.iter().map(|m| format!("re: {m}")).collect::<Vec<_>>());
    }
    one.close().await.unwrap();
    two.close().await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_discarded_is_not_sent_and_no_model_is_shown_it() {
    let house = House::default();
    let t = patient(&house).open().await.unwrap();
    let me = t.user("ana");
    let chat = me.new_conversation();
    house.down();
    let first = chat.send("not this").degrade().await.unwrap();
    let second = chat.send("but this").degrade().await.unwrap();
    me.outbox().discard(first.turn_id.unwrap()).await.unwrap();
    assert_eq!(chat.turn(first.turn_id.unwrap()).await.unwrap().state, TurnState::Cancelled);
    assert_eq!(cause_of(me.outbox().discard(first.turn_id.unwrap()).await).0, ErrorKind::NotFound);
    assert_eq!(cause_of(t.user("bo").outbox().discard(second.turn_id.unwrap()).await).0, ErrorKind::NotFound);
    house.up();
    me.outbox().retry(second.turn_id.unwrap()).await.unwrap();
    stands(&me, second.turn_id.unwrap(), &second, TurnState::Done).await;
    assert_eq!(house.asked().last().unwrap(), &["but this"]);
    let page = chat.history().await.unwrap();
    assert_eq!((page.items[0].status, page.items[0].text().as_str()), (MessageStatus::Cancelled, "not this"));
    assert_eq!(page.items[1].status, MessageStatus::Complete);
    t.close().await.unwrap();
}

#[tokio::test]
async fn discarding_a_message_while_it_is_sent_stops_it() {
    let house = House::default();
    let t = patient(&house).open().await.unwrap();
    let me = t.user("ana");
    let chat = me.new_conversation();
    house.down();
    let reply = chat.send("hello").degrade().await.unwrap();
    let turn = reply.turn_id.unwrap();
    house.set(Mood::Hangs);
    me.outbox().retry(turn).await.unwrap();
    stands(&me, turn, &reply, TurnState::Sending).await;
    assert_eq!(me.outbox().list().await.unwrap()[0].delivery, Delivery::Sending);
    within(me.outbox().discard(turn)).await.unwrap();
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Cancelled);
    assert_eq!(me.outbox().list().await.unwrap(), []);
    assert_eq!(chat.history().await.unwrap().items[0].status, MessageStatus::Cancelled);
    // So is one that is sent for the first time, and its caller hears of it.
    let mut stream = me.new_conversation().stream("again").degrade().await.unwrap();
    let turn = stream.turn_id().unwrap();
    within(async { while !matches!(stream.next_event().await, Ok(Some(_))) {} }).await;
    within(me.outbox().discard(turn)).await.unwrap();
    assert_eq!(within(stream.reply()).await.unwrap().status, ReplyStatus::Cancelled);
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_watcher_is_told_of_every_message_until_it_is_sent() {
    let house = House::default();
    let t = patient(&house).open().await.unwrap();
    let me = t.user("ana");
    let mut watch = me.outbox().watch();
    let mut strangers = t.user("bo").outbox().watch();
    house.down();
    let reply = me.new_conversation().send("hello").degrade().await.unwrap();
    let turn = reply.turn_id.unwrap();
    let until = async |watch: &mut tertulia::OutboxWatch, delivery: Delivery| -> OutboxItem {
        loop {
            let item = within(watch.next()).await.unwrap().expect("the watch has ended");
            assert_eq!((item.turn_id, item.preview.as_str()), (turn, "hello"));
            if item.delivery == delivery {
                return item;
            }
        }
    };
    let waiting = until(&mut watch, Delivery::Pending).await;
    assert_eq!((waiting.reason.as_deref(), waiting.attempt), (Some("told_to"), 1));
    house.set(Mood::Fails(failed(ErrorKind::QuotaExhausted, Retry::Never)));
    me.outbox().retry(turn).await.unwrap();
    let parked = until(&mut watch, Delivery::Failed).await;
    assert_eq!((parked.attempt, parked.not_before), (2, None));
    house.up();
    me.outbox().retry(turn).await.unwrap();
    until(&mut watch, Delivery::Sent).await;
    t.close().await.unwrap();
    assert_eq!(within(watch.next()).await.unwrap(), None);
    assert_eq!(within(strangers.next()).await.unwrap(), None, "it is nobody else's business");
}

/// A store that answers nothing at once.
struct Unhurried;

impl Between for Unhurried {
    fn asked<'a, T: Send + 'a>(
        &'a self,
        _: &'a dyn Store,
        _: &'static str,
        work: StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            work.await
        })
    }
}

#[tokio::test]
async fn a_watcher_that_stops_waiting_while_a_message_is_read_is_told_of_it_later() {
    let house = House::default();
    let store = Over::new(Arc::new(MemoryStore::new()), Unhurried);
    let t = patient(&house).with_store(store).open().await.unwrap();
    let me = t.user("ana");
    let mut watch = me.outbox().watch();
    house.down();
    let reply = me.new_conversation().send("hello").degrade().await.unwrap();
    for _ in 0..20 {
        assert!(watch.next().now_or_never().is_none(), "the store answers nothing at once");
    }
    let item = within(watch.next()).await.unwrap().unwrap();
    assert_eq!((Some(item.turn_id), item.delivery), (reply.turn_id, Delivery::Pending));
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_message_with_a_key_of_its_own_is_parked_because_no_key_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let house = House::default();
    let t = patient(&house).store(path.to_str().unwrap()).open().await.unwrap();
    house.down();
    let own = t.user("ana").key("house", "sk-canary-1").new_conversation().send("mine").degrade().await.unwrap();
    let of_call = t.user("ana").new_conversation().send("this one's").key("sk-canary-2").degrade().await.unwrap();
    // It may go on to others, on an account that nobody knows later.
    let of_another = t.user("ana").key("openai", "sk-canary-3").new_conversation().send("so is this").degrade().await;
    for reply in [own, of_call, of_another.unwrap()] {
        assert_eq!(reply.status, ReplyStatus::Parked);
        assert_eq!(notice(&reply), "The assistant is temporarily unavailable. Your message was saved.");
    }
    t.close().await.unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        let bytes = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!bytes.windows(9).any(|window| window == b"sk-canary"), "a key is on disk");
    }
}

#[tokio::test]
async fn an_outbox_that_is_switched_off_parks_and_one_that_is_on_by_setting_needs_no_word() {
    let house = House::default();
    let off = settings(|settings| {
        settings.outbox.enabled = false;
        settings.outbox.degrade = true;
    });
    let t = builder(&house).settings(off).open().await.unwrap();
    house.down();
    let chat = t.user("ana").new_conversation();
    let reply = chat.send("hello").await.unwrap();
    assert_eq!(reply.status, ReplyStatus::Parked);
    let raised = chat.send("hello").with(CallOptions { degrade: Some(false), ..CallOptions::default() }).await;
    assert_eq!(cause_of(raised).0, ErrorKind::Unavailable);
    assert_eq!(cause_of(t.ask("hello").degrade().await).0, ErrorKind::Unavailable, "nothing is saved, so it raises");
    t.close().await.unwrap();
    assert!(Settings::mobile().outbox.degrade && !Settings::server().outbox.degrade);
}

#[tokio::test]
async fn a_client_id_asked_for_again_tells_how_its_message_stands() {
    let house = House::default();
    let t = patient(&house).open().await.unwrap();
    let chat = t.user("ana").new_conversation();
    house.down();
    let send = || chat.send("hello").client_id("c1").degrade();
    let (first, again) = (send().await.unwrap(), send().await.unwrap());
    assert_eq!((again.status, again.turn_id), (ReplyStatus::Waiting, first.turn_id));
    assert_eq!(notice(&again), notice(&first));
    let attached = chat.attach(first.turn_id.unwrap(), 0).await.unwrap().reply().await.unwrap();
    assert_eq!(attached.status, ReplyStatus::Waiting);
    assert_eq!(house.asked().len(), 1);
    assert_eq!(chat.history().await.unwrap().items.len(), 1);
    house.set(Mood::Fails(failed(ErrorKind::QuotaExhausted, Retry::Never)));
    t.user("ana").outbox().retry(first.turn_id.unwrap()).await.unwrap();
    stands(&t.user("ana"), first.turn_id.unwrap(), &first, TurnState::Parked).await;
    assert_eq!(send().await.unwrap().status, ReplyStatus::Parked);
    assert_eq!(
        cause_of(chat.attach(first.turn_id.unwrap(), 0).await.unwrap().reply().await).0,
        ErrorKind::QuotaExhausted
    );
    t.close().await.unwrap();
}

#[tokio::test]
async fn sentences_of_ones_own_reach_errors_replies_and_what_is_kept() {
    let house = House::default();
    let own = settings(|settings| {
        *settings = Settings::from_json(&json!({
            "retry": {"max_attempts": 1},
            "outbox": {"first_delay_ms": 3_600_000, "max_delay_ms": 3_600_000},
            "sentences": {"locale": "es", "own": {
                "unavailable": "El asistente no está disponible.", "not_found": "Ya no existe.",
                "rate_limited": "Vuelve en {when}.", "saved": "Tu mensaje está guardado.", "automatic": "Se enviará solo."
            }}
        }))
        .unwrap();
    });
    let t = builder(&house).settings(own).open().await.unwrap();
    let me = t.user("ana");
    house.down();
    let chat = me.new_conversation();
    let reply = chat.send("hola").degrade().await.unwrap();
    let expected = "El asistente no está disponible. Tu mensaje está guardado. Se enviará solo.";
    assert_eq!(notice(&reply), expected);
    assert_eq!(chat.turn(reply.turn_id.unwrap()).await.unwrap().error.unwrap().user_message, expected);
    assert_eq!(t.ask("hola").await.unwrap_err().user_message(), "El asistente no está disponible.");
    let nobody = me.conversation(t.user("bo").new_conversation().id());
    assert_eq!(nobody.history().await.unwrap_err().user_message(), "Ya no existe.");
    assert_eq!(nobody.send("x").await.unwrap_err().user_message(), "Ya no existe.");
    house.set(Mood::Fails(failed(ErrorKind::RateLimited, Retry::After { after_ms: 7_200_000 })));
    let error = me.new_conversation().send("hola").await.unwrap_err();
    assert_eq!(error.user_message(), "Vuelve en 2 h. Tu mensaje está guardado.");
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_provider_behind_http_that_is_down_is_probed_seldom_and_everything_is_answered_when_it_is_back() {
    let lab = Lab::memory_with(|settings| {
        settings.retry.max_attempts = 2;
        settings.breaker.consecutive_failures = 2;
        settings.breaker.open_ms = 20;
        settings.breaker.max_open_ms = 20;
        settings.retry.max_inline_wait_ms = 0;
        settings.outbox.first_delay_ms = 10;
        settings.outbox.max_delay_ms = 50;
    })
    .await;
    let me = lab.me();
    let model = lab.model("status=503;fail=6;text=back");
    let mut replies = Vec::new();
    for n in 0..30 {
        replies.push(me.new_conversation().send(format!("message {n}")).model(&*model).degrade().await.unwrap());
    }
    for reply in &replies {
        stands(&me, reply.turn_id.unwrap(), reply, TurnState::Done).await;
        assert_eq!(history(&me, reply).await[1], "back");
    }
    assert_eq!(lab.simulator.requests().len(), 6 + 30, "nothing was sent in vain");
    lab.close().await;
}

#[tokio::test]
async fn pictures_are_sent_later_as_they_were() {
    let house = House::default();
    let t = patient(&house).open().await.unwrap();
    let me = t.user("ana");
    house.down();
    let picture = Part::image(tertulia::Media::data(vec![0x89, b'P', b'N', b'G', 13, 10, 26, 10], "image/png"));
    let reply = me.new_conversation().send([Part::text("look"), picture.clone()]).degrade().await.unwrap();
    house.up();
    me.outbox().retry(reply.turn_id.unwrap()).await.unwrap();
    stands(&me, reply.turn_id.unwrap(), &reply, TurnState::Done).await;
    let sent = house.last();
    let media = |part: &Part| match part {
        Part::Image { media } => media.source.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(media(&sent.messages[0].parts[1]), media(&picture));
    t.close().await.unwrap();
}
