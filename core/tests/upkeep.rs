//! What an engine keeps in order while it runs: turns that a dead process left, messages on their way, what they may cost.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests may panic and need no docs"
)]

mod support;

use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::over::{Between, Over};
use support::{Lab, cause_of, within};
use tertulia::base::{Clock, ManualClock, Timestamp};
use tertulia::store::{Durability, MemoryStore, Op, Receipt, Store, StoreFuture, TurnChange, WriteBatch};
use tertulia::{
    ChatRequest, Conversation, EngineEventKind, Error, ErrorKind, EventStream, Events, HealthState, ModelInfo, Price,
    Provider, ProviderSpec, Reply, ReplyStatus, Result, Retry, Settings, StreamEventKind, Tertulia, TertuliaBuilder,
    Tier, TurnId, TurnState,
};

/// A provider that does as it is told, and notes what it is asked.
#[derive(Clone, Default)]
struct House {
    mood: Arc<Mutex<Mood>>,
    asked: Arc<Mutex<Vec<Vec<String>>>>,
}

#[derive(Clone, Default)]
enum Mood {
    #[default]
    Up,
    Down,
    /// Says nothing, for ever.
    Hangs,
    /// Says nothing to what holds these words, answers all else.
    HangsAt(&'static str),
    /// Answers what holds these words when it is told to, all else at once.
    Waits(&'static str, Arc<tokio::sync::Notify>),
    /// Says this and breaks off.
    BreaksOff(&'static str),
    /// Will never answer this.
    Refuses,
}

impl House {
    fn set(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// The words of every message of each request, in order.
    fn asked(&self) -> Vec<Vec<String>> {
        self.asked.lock().unwrap().clone()
    }

    /// Ends when it was asked so often.
    async fn was_asked(&self, times: usize) {
        within(async {
            while self.asked.lock().unwrap().len() < times {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }
}

impl Provider for House {
    fn name(&self) -> &str {
        "house"
    }

    async fn stream(&self, request: ChatRequest) -> Result<EventStream> {
        let words: Vec<String> = request.messages.iter().map(|m| m.text()).collect();
        let said = words.last().unwrap().clone();
        self.asked.lock().unwrap().push(words);
        let mood = self.mood.lock().unwrap().clone();
        let failed = Error::new(ErrorKind::Unavailable, "told_to", "the test wants it").with_retry(Retry::Safe);
        match mood {
            Mood::Down => return Err(failed),
            Mood::Refuses => return Err(Error::new(ErrorKind::ContentFiltered, "told_to", "the test wants it")),
            Mood::Hangs => pending().await,
            Mood::HangsAt(words) if said.contains(words) => pending().await,
            Mood::Waits(words, told) if said.contains(words) => told.notified().await,
            Mood::BreaksOff(words) => {
                return Ok(EventStream::new(futures::stream::iter([Ok(StreamEventKind::text(words)), Err(failed)])));
            }
            _ => {}
        }
        Ok(EventStream::from(format!("re: {said}")))
    }
}

const HOUR: u64 = 3_600_000;

/// Waits for an hour before it sends again by itself.
fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.retry.max_attempts = 1;
    settings.outbox.first_delay_ms = HOUR;
    settings.outbox.max_delay_ms = HOUR;
    settings
}

fn builder(house: &House) -> TertuliaBuilder {
    Tertulia::builder().store("memory:").model("house/any").with_provider(house.clone()).settings(settings())
}

fn clock() -> ManualClock {
    ManualClock::at(Timestamp::from_millis(1_700_000_000_000))
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Ends when everybody who has something to do has done it, as far as that can be seen from here.
async fn quiet() {
    for _ in 0..300 {
        tokio::task::yield_now().await;
    }
}

/// Ends when somebody waits for this clock.
async fn awaited(clock: &ManualClock) {
    within(async {
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Ends when the turn stands like this in the store, which nobody else is asked for.
async fn stands(store: &dyn Store, turn: TurnId, state: TurnState) {
    within(async {
        while store.turn("ana", turn).await.unwrap().unwrap().turn.state != state {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_dead_process_leaves_is_put_to_rest_while_another_one_runs_and_nobody_asks() {
    for enabled in [true, false] {
        let (house, store) = (House::default(), Arc::new(MemoryStore::new()));
        let mut own = settings();
        own.outbox.enabled = enabled;
        let open = |clock: &ManualClock| {
            builder(&house).settings(own.clone()).with_store(store.clone()).with_clock(Arc::new(clock.clone())).open()
        };
        // A clock that stands still is as good as a dead process: its tasks never wake again.
        let gone = open(&clock()).await.unwrap();
        house.set(Mood::Hangs);
        let raises = gone.user("ana").new_conversation().stream("raises").await.unwrap();
        let waits = gone.user("ana").new_conversation().stream("waits").degrade().await.unwrap();
        house.was_asked(2).await;
        let clock = clock();
        let mine = open(&clock).await.unwrap();
        house.set(Mood::Up);
        let (raised, waiting) = (raises.turn_id().unwrap(), waits.turn_id().unwrap());
        awaited(&clock).await;
        assert_eq!(store.turn("ana", raised).await.unwrap().unwrap().turn.state, TurnState::Sending);
        clock.advance(seconds(31));
        stands(&*store, raised, TurnState::Interrupted).await;
        if enabled {
            // What was to be sent by itself is.
            within(async {
                while store.turn("ana", waiting).await.unwrap().unwrap().turn.state != TurnState::Done {
                    clock.advance(seconds(1));
                    tokio::task::yield_now().await;
                }
            })
            .await;
        } else {
            stands(&*store, waiting, TurnState::Interrupted).await;
        }
        mine.close().await.unwrap();
        drop((raises, waits, gone));
    }
}

#[tokio::test]
async fn a_clock_that_jumps_ahead_takes_no_turn_from_who_lives() {
    let (house, store, time) = (House::default(), Arc::new(MemoryStore::new()), clock());
    let t = builder(&house).with_store(store.clone()).with_clock(Arc::new(time.clone())).open().await.unwrap();
    let dead = builder(&house).with_store(store.clone()).with_clock(Arc::new(clock())).open().await.unwrap();
    house.set(Mood::Hangs);
    let stream = dead.user("ana").new_conversation().stream("hello").await.unwrap();
    house.was_asked(1).await;
    awaited(&time).await;
    // As a machine wakes up that has slept: those who live have yet to say so.
    time.advance(Duration::from_millis(HOUR));
    quiet().await;
    let turn = stream.turn_id().unwrap();
    assert_eq!(store.turn("ana", turn).await.unwrap().unwrap().turn.state, TurnState::Sending);
    // Who has not by now is gone.
    within(async {
        while store.turn("ana", turn).await.unwrap().unwrap().turn.state != TurnState::Interrupted {
            time.advance(seconds(10));
            quiet().await;
        }
    })
    .await;
    t.close().await.unwrap();
}

/// A conversation whose first message waits, and its provider, which then says nothing to that message.
async fn behind_a_message_that_hangs(house: &House, t: &Tertulia) -> (Conversation, Reply) {
    let chat = t.user("ana").new_conversation();
    house.set(Mood::Down);
    let first = chat.send("one").degrade().await.unwrap();
    assert_eq!(first.status, ReplyStatus::Waiting);
    house.set(Mood::HangsAt("one"));
    (chat, first)
}

#[tokio::test]
async fn who_waits_behind_an_earlier_message_can_be_stopped() {
    let house = House::default();
    let t = builder(&house).open().await.unwrap();
    let (chat, first) = behind_a_message_that_hangs(&house, &t).await;
    let stream = chat.stream("two").await.unwrap();
    house.was_asked(2).await;
    stream.cancel();
    let reply = within(stream.reply()).await.unwrap();
    assert_eq!(reply.status, ReplyStatus::Cancelled);
    // The earlier one goes on: nobody has stopped that.
    let record = chat.turn(first.turn_id.unwrap()).await.unwrap();
    assert_eq!((record.state, house.asked().len()), (TurnState::Sending, 2));
    within(t.user("ana").outbox().discard(first.turn_id.unwrap())).await.unwrap();
    t.close().await.unwrap();
}

#[tokio::test]
async fn who_waits_behind_an_earlier_message_waits_no_longer_than_it_may() {
    let (house, clock) = (House::default(), clock());
    let t = builder(&house).with_clock(Arc::new(clock.clone())).open().await.unwrap();
    let (chat, first) = behind_a_message_that_hangs(&house, &t).await;
    let stream = chat.stream("two").timeout(seconds(2)).await.unwrap();
    house.was_asked(2).await;
    let turn = stream.turn_id().unwrap();
    let reply = stream.reply();
    tokio::pin!(reply);
    assert!(futures::poll!(&mut reply).is_pending());
    clock.advance(seconds(2));
    let error = within(reply).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::TimedOut, "earlier_waits"));
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Parked);
    within(t.user("ana").outbox().discard(first.turn_id.unwrap())).await.unwrap();
    t.close().await.unwrap();
}

#[tokio::test]
async fn an_answer_that_was_put_behind_what_others_said_is_not_taken_for_the_next_word() {
    let (house, other) = (House::default(), House::default());
    let store = Arc::new(MemoryStore::new());
    let here = builder(&house).with_store(store.clone()).open().await.unwrap();
    let there = builder(&other).with_store(store.clone()).open().await.unwrap();
    let mine = here.user("ana").new_conversation();
    mine.send("zero").await.unwrap();
    let told = Arc::new(tokio::sync::Notify::new());
    house.set(Mood::Waits("one", told.clone()));
    let stream = mine.stream("one").await.unwrap();
    house.was_asked(2).await;
    there.user("ana").conversation(mine.id()).send("meanwhile").await.unwrap();
    told.notify_one();
    within(stream.reply()).await.unwrap();
    house.set(Mood::Up);
    mine.send("two").await.unwrap();
    let shown = ["zero", "re: zero", "one", "re: one", "meanwhile", "re: meanwhile", "two"];
    assert_eq!(house.asked()[2], shown);
    here.close().await.unwrap();
    there.close().await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_taken_back_is_not_in_what_was_shown_last_either() {
    let house = House::default();
    let t = builder(&house).open().await.unwrap();
    let me = t.user("ana");
    let chat = me.new_conversation();
    house.set(Mood::Refuses);
    let first = chat.send("one").degrade().await.unwrap();
    assert_eq!(first.status, ReplyStatus::Parked);
    house.set(Mood::Up);
    chat.send("two").await.unwrap();
    assert_eq!(house.asked().last().unwrap(), &["one", "two"]);
    me.outbox().discard(first.turn_id.unwrap()).await.unwrap();
    chat.send("three").await.unwrap();
    assert_eq!(house.asked().last().unwrap(), &["two", "re: two", "three"]);
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_message_whose_process_died_waits_a_little_whoever_finds_it() {
    let (house, store, time) = (House::default(), Arc::new(MemoryStore::new()), clock());
    let gone = builder(&house).with_store(store.clone()).with_clock(Arc::new(clock())).open().await.unwrap();
    house.set(Mood::Hangs);
    let stream = gone.user("ana").new_conversation().stream("hello").degrade().await.unwrap();
    house.was_asked(1).await;
    let t = builder(&house).with_store(store.clone()).with_clock(Arc::new(time.clone())).open().await.unwrap();
    awaited(&time).await;
    // Its own round does not find it after a jump of the clock; who asks does.
    time.advance(Duration::from_millis(HOUR));
    quiet().await;
    let turn = stream.turn_id().unwrap();
    let record = store.turn("ana", turn).await.unwrap().unwrap();
    let chat = t.user("ana").conversation(record.conversation_id);
    assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Waiting);
    let entry = store.turn("ana", turn).await.unwrap().unwrap().queued.unwrap();
    assert!(entry.not_before.unwrap() > Clock::now(&time), "what ended one process would end the next one at once");
    assert_eq!(entry.crashes, 1);
    t.close().await.unwrap();
    drop(stream);
}

#[tokio::test]
async fn what_a_message_may_cost_holds_for_all_times_it_is_sent() {
    let lab = Lab::memory().await;
    let price = Price { input_nano_usd: 1_000_000_000, output_nano_usd: 2_000_000_000, ..Price::default() };
    let spec = ProviderSpec::openai_chat("paid", format!("{}/v1", lab.simulator.url()))
        .model("m", ModelInfo { price: Some(price), ..ModelInfo::default() });
    let mut own = settings();
    own.outbox.first_delay_ms = 1;
    own.outbox.max_delay_ms = 2;
    let t = lab.builder().provider(spec).settings(own).open().await.unwrap();
    lab.simulator.set_script("m", tertulia_simulator::Script::parse("status=502").unwrap());
    let me = t.user("ana");
    let chat = me.new_conversation();
    // Whether a gateway that gave up had passed the request on nobody knows: each time may have cost all it could.
    let reply = chat.send("hello").model("paid/m").max_tokens(10).max_cost_nano_usd(2_000_000).degrade().await.unwrap();
    assert_eq!(reply.status, ReplyStatus::Waiting, "{:?}", reply.error);
    let turn = reply.turn_id.unwrap();
    within(async {
        while chat.turn(turn).await.unwrap().state != TurnState::Parked {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let error = chat.turn(turn).await.unwrap().error.unwrap();
    assert_eq!((error.kind, error.reason.as_str()), (ErrorKind::BudgetExceeded, "max_cost"));
    let tries = lab.simulator.requests().len();
    assert!((2..=9).contains(&tries), "{tries} tries");
    // Whoever sends it again says anew what that may cost.
    lab.simulator.set_script("m", tertulia_simulator::Script::parse("text=at last").unwrap());
    let again = chat.retry(turn).max_cost_nano_usd(2_000_000).await.unwrap().reply().await.unwrap();
    assert_eq!(again.text(), "at last");
    t.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn another_try_takes_no_longer_than_the_first_one_was_given() {
    let (house, clock) = (House::default(), clock());
    let t = builder(&house).with_clock(Arc::new(clock.clone())).open().await.unwrap();
    let chat = t.user("ana").new_conversation();
    house.set(Mood::Down);
    let error = chat.send("hello").timeout(seconds(2)).await.unwrap_err();
    house.set(Mood::Hangs);
    let stream = chat.retry(error.turn_id().unwrap()).await.unwrap();
    house.was_asked(2).await;
    let reply = stream.reply();
    tokio::pin!(reply);
    assert!(futures::poll!(&mut reply).is_pending());
    clock.advance(seconds(2));
    assert_eq!(cause_of(within(reply).await).0, ErrorKind::TimedOut);
    // What is said anew stands.
    house.set(Mood::Hangs);
    let stream = chat.retry(error.turn_id().unwrap()).timeout(seconds(5)).await.unwrap();
    house.was_asked(3).await;
    let reply = stream.reply();
    tokio::pin!(reply);
    clock.advance(seconds(3));
    quiet().await;
    assert!(futures::poll!(&mut reply).is_pending());
    clock.advance(seconds(2));
    assert_eq!(cause_of(within(reply).await).0, ErrorKind::TimedOut);
    t.close().await.unwrap();
}

/// Which batch is meant, and what is done before it.
type Meddling = (fn(&WriteBatch) -> bool, WriteBatch);

/// Fails, or does something of its own before the store does what it is asked.
#[derive(Default)]
struct Meddled {
    fails: Mutex<Option<&'static str>>,
    /// Done once, before the batch that it fits.
    before: Mutex<Option<Meddling>>,
}

impl Meddled {
    /// A store in memory, which stays open.
    fn store() -> Arc<Over<Self>> {
        Over::new(Arc::new(MemoryStore::new()), Self::default())
    }

    /// Refuses the next question of this name.
    fn fail_once(&self, name: &'static str) {
        *self.fails.lock().unwrap() = Some(name);
    }
}

impl Between for Meddled {
    fn asked<'a, T: Send + 'a>(
        &'a self,
        _: &'a dyn Store,
        name: &'static str,
        work: StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        let mut fails = self.fails.lock().unwrap();
        if *fails == Some(name) {
            *fails = None;
            return Box::pin(async { Err(Error::new(ErrorKind::Storage, "io", "the test wants it")) });
        }
        work
    }

    fn write<'a>(
        &'a self,
        store: &'a dyn Store,
        batch: WriteBatch,
        durability: Durability,
    ) -> StoreFuture<'a, Receipt> {
        let mut before = self.before.lock().unwrap();
        let meddling = if before.as_ref().is_some_and(|(fits, _)| fits(&batch)) { before.take() } else { None };
        drop(before);
        let work = Box::pin(async move {
            if let Some((_, meddling)) = meddling {
                store.apply(meddling, Durability::PowerSafe).await.unwrap();
            }
            store.apply(batch, durability).await
        });
        self.asked(store, "apply", work)
    }

    fn closes(&self) -> bool {
        false
    }
}

#[tokio::test]
async fn good_news_are_kept_while_the_store_cannot_say_whom_they_concern() {
    for news in ["answered", "network"] {
        let (house, clock, store) = (House::default(), clock(), Meddled::store());
        let opening = builder(&house).with_store(store.clone()).with_clock(Arc::new(clock.clone())).open();
        let t = opening.await.unwrap();
        house.set(Mood::Down);
        let reply = t.user("ana").new_conversation().send("hello").degrade().await.unwrap();
        house.set(Mood::Up);
        quiet().await;
        store.fail_once("queue_eager");
        if news == "network" {
            t.network_changed();
        } else {
            t.user("bo").new_conversation().send("is it back?").await.unwrap();
        }
        within(async {
            while store.fails.lock().unwrap().is_some() {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let turn = reply.turn_id.unwrap();
        // Long before its own moment.
        for _ in 0..62 {
            clock.advance(seconds(1));
            quiet().await;
        }
        stands(&*store, turn, TurnState::Done).await;
        t.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_message_that_somebody_sends_anew_at_that_moment_is_not_taken_back_under_him() {
    let (house, store) = (House::default(), Meddled::store());
    let t = builder(&house).with_store(store.clone()).open().await.unwrap();
    let me = t.user("ana");
    let chat = me.new_conversation();
    house.set(Mood::Hangs);
    let stream = chat.stream("hello").degrade().await.unwrap();
    house.was_asked(1).await;
    let turn = stream.turn_id().unwrap();
    let withdraws = |batch: &WriteBatch| batch.ops.iter().any(|op| matches!(op, Op::WithdrawMessage { .. }));
    // Another process takes it up between the stop and the withdrawal.
    let taken = WriteBatch::new("ana", Timestamp::from_millis(1)).op(Op::AdvanceTurn {
        id: turn,
        change: TurnChange {
            state: Some(TurnState::Saved),
            lease: Some(Some(("another".to_owned(), Timestamp::from_millis(i64::MAX)))),
            ..TurnChange::default()
        },
    });
    *store.before.lock().unwrap() = Some((withdraws, taken));
    let discarded = cause_of(within(me.outbox().discard(turn)).await);
    assert_eq!(discarded.0, ErrorKind::NotFound, "it is in no queue any more");
    let message = chat.history().await.unwrap().items.remove(0);
    assert_eq!(message.status, tertulia::MessageStatus::Complete);
    drop(stream);
    t.close().await.unwrap();
}

/// Reads events up to the first that fits.
async fn until(events: &mut Events, fits: impl Fn(&EngineEventKind) -> bool) -> EngineEventKind {
    loop {
        let event = within(events.next()).await.expect("the events ended");
        if fits(&event.kind) {
            return event.kind;
        }
    }
}

/// The next news of the outbox: how many wait, and why that is told.
async fn news(events: &mut Events) -> (i64, String) {
    match until(events, |kind| matches!(kind, EngineEventKind::OutboxChanged { .. })).await {
        EngineEventKind::OutboxChanged { pending, reason } => (pending, reason),
        _ => unreachable!(),
    }
}

#[tokio::test]
async fn what_comes_into_the_outbox_and_leaves_it_is_told_and_health_says_how_many_wait() {
    let (house, clock) = (House::default(), clock());
    let t = builder(&house).with_clock(Arc::new(clock.clone())).open().await.unwrap();
    let me = t.user("ana");
    let mut events = t.events();
    // A message that is answered at once never was in it.
    me.new_conversation().send("zero").degrade().await.unwrap();
    house.set(Mood::Down);
    let mut turns = Vec::new();
    for n in 1..=3 {
        let reply = me.new_conversation().send(format!("message {n}")).degrade().await.unwrap();
        turns.push(reply.turn_id.unwrap());
        assert_eq!(news(&mut events).await, (n, "queued".to_owned()));
    }
    let health = t.health();
    assert_eq!((health.outbox_pending, health.outbox.state), (3, HealthState::Degraded));
    assert_eq!(health.outbox.why.as_deref(), Some("pending"));
    me.outbox().discard(turns[0]).await.unwrap();
    assert_eq!(news(&mut events).await, (2, "discarded".to_owned()));
    house.set(Mood::BreaksOff("half"));
    me.outbox().retry(turns[1]).await.unwrap();
    assert_eq!(news(&mut events).await, (1, "sent".to_owned()));
    clock.advance(Duration::from_millis(24 * HOUR));
    assert_eq!(news(&mut events).await, (0, "expired".to_owned()));
    assert_eq!((t.health().outbox_pending, t.health().outbox.state), (0, HealthState::Ok));
    // By hand it waits again, until it is sent.
    house.set(Mood::Hangs);
    me.outbox().retry(turns[2]).await.unwrap();
    assert_eq!(news(&mut events).await, (1, "queued".to_owned()));
    me.outbox().discard(turns[2]).await.unwrap();
    assert_eq!(news(&mut events).await, (0, "discarded".to_owned()));
    t.close().await.unwrap();
}

#[tokio::test]
async fn an_engine_knows_from_the_beginning_how_many_messages_wait() {
    let (house, store) = (House::default(), Arc::new(MemoryStore::new()));
    let open = || builder(&house).with_store(store.clone()).open();
    let t = open().await.unwrap();
    house.set(Mood::Down);
    for n in 0..5 {
        t.user("ana").new_conversation().send(format!("message {n}")).degrade().await.unwrap();
    }
    drop(t);
    let t = open().await.unwrap();
    within(async {
        while t.health().outbox_pending != 5 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    t.close().await.unwrap();
}

#[tokio::test]
async fn every_state_of_a_turn_is_told_whoever_brought_it_about() {
    let (house, clock) = (House::default(), clock());
    let t = builder(&house).with_clock(Arc::new(clock.clone())).open().await.unwrap();
    let me = t.user("ana");
    let mut events = t.events();
    house.set(Mood::Down);
    let reply = me.new_conversation().send("hello").degrade().await.unwrap();
    let turn = reply.turn_id.unwrap();
    let mut told = async |state: TurnState| {
        loop {
            let event = within(events.next()).await.unwrap();
            if let EngineEventKind::TurnChanged { state: now, model } = event.kind
                && now == state
            {
                assert_eq!(
                    (event.turn_id, event.owner.as_deref(), model.as_str()),
                    (Some(turn), Some("ana"), "house/any")
                );
                return;
            }
        }
    };
    told(TurnState::Waiting).await;
    clock.advance(Duration::from_millis(24 * HOUR));
    told(TurnState::Parked).await;
    house.set(Mood::Down);
    me.outbox().retry(turn).await.unwrap();
    told(TurnState::Waiting).await;
    told(TurnState::Sending).await;
    told(TurnState::Waiting).await;
    me.outbox().discard(turn).await.unwrap();
    told(TurnState::Cancelled).await;
    t.close().await.unwrap();
}

#[tokio::test]
async fn what_was_put_to_rest_for_a_dead_process_is_told_turn_by_turn() {
    let (house, store, time) = (House::default(), Arc::new(MemoryStore::new()), clock());
    let gone = builder(&house).with_store(store.clone()).with_clock(Arc::new(clock())).open().await.unwrap();
    house.set(Mood::Hangs);
    let stream = gone.user("ana").new_conversation().stream("hello").await.unwrap();
    house.was_asked(1).await;
    let t = builder(&house).with_store(store.clone()).with_clock(Arc::new(time.clone())).open().await.unwrap();
    let mut events = t.events();
    awaited(&time).await;
    time.advance(seconds(31));
    let interrupted = EngineEventKind::TurnChanged { state: TurnState::Interrupted, model: "house/any".to_owned() };
    until(&mut events, |kind| *kind == interrupted).await;
    t.close().await.unwrap();
    drop(stream);
}

#[tokio::test]
async fn messages_under_which_a_process_ended_hold_up_no_other_conversation() {
    let (house, store, time) = (House::default(), Arc::new(MemoryStore::new()), clock());
    let gone = builder(&house).with_store(store.clone()).with_clock(Arc::new(clock())).open().await.unwrap();
    house.set(Mood::Hangs);
    let mut left = Vec::new();
    for n in 0..12 {
        left.push(gone.user("ana").new_conversation().stream(format!("suspect {n}")).degrade().await.unwrap());
    }
    house.was_asked(12).await;
    time.advance(seconds(31));
    house.set(Mood::HangsAt("suspect"));
    let t = builder(&house).with_store(store.clone()).with_clock(Arc::new(time.clone())).open().await.unwrap();
    let me = t.user("ana");
    awaited(&time).await;
    // Their pause after the crash is over: one of them is sent, and hangs.
    time.advance(Duration::from_millis(2 * HOUR));
    house.was_asked(13).await;
    quiet().await;
    assert_eq!(house.asked().len(), 13, "of those under suspicion one is sent at a time");
    // Who speaks in the conversation of another one of them is not kept waiting.
    for stream in &left {
        let record = store.turn("ana", stream.turn_id().unwrap()).await.unwrap().unwrap();
        if record.turn.state.is_open() {
            continue;
        }
        let chat = me.conversation(record.conversation_id);
        let error = within(async { chat.send("and?").await }).await.unwrap_err();
        assert_eq!(error.reason(), "earlier_waits");
    }
    let reply = within(async { me.new_conversation().send("hello").await }).await.unwrap();
    assert_eq!(reply.text(), "re: hello");
    drop(left);
    // Its tasks hang by this clock.
    let closing = t.close();
    tokio::pin!(closing);
    within(async {
        while futures::poll!(&mut closing).is_pending() {
            time.advance(seconds(1));
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_tier_that_is_set_up_with_the_engine_holds_for_what_is_sent_while_it_opens() {
    let (house, store) = (House::default(), Arc::new(MemoryStore::new()));
    let mut own = settings();
    own.outbox.first_delay_ms = 1;
    own.outbox.max_delay_ms = 1;
    let open = || builder(&house).settings(own.clone()).with_store(store.clone());
    let t = open().open().await.unwrap();
    house.set(Mood::Down);
    let reply = t.user("ana").new_conversation().send("hello").degrade().await.unwrap();
    drop(t);
    house.set(Mood::Up);
    let tier = Tier { models: vec!["other/*".to_owned()], ..Tier::default() };
    let t = open().tier("free", tier.clone()).assign_tier("ana", "free").open().await.unwrap();
    stands(&*store, reply.turn_id.unwrap(), TurnState::Parked).await;
    assert_eq!((t.user("ana").tier().as_deref(), t.tiers()), (Some("free"), vec![("free".to_owned(), tier.clone())]));
    t.close().await.unwrap();
    for (bad, reason) in [
        (open().assign_tier("ana", "fre").tier("free", tier), "unknown_tier"),
        (open().tier("free", Tier { requests_per_minute: Some(-1), ..Tier::default() }), "bad_tier"),
        (open().tier("free", Tier::default()).assign_tier("", "free"), "bad_user"),
    ] {
        assert_eq!(cause_of(bad.open().await), (ErrorKind::Invalid, reason.to_owned()));
    }
}
