//! Hours of outage and processes that die, in moments: a clock that is moved by hand, a provider that is code, and a
//! store that outlives its engines. The same seed gives the same story.
#![cfg(feature = "engine")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    missing_docs,
    reason = "tests may panic and need no docs"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tertulia::base::{Clock, ManualClock, Random, SeededRandom, Timestamp};
use tertulia::store::{MemoryStore, Store};
use tertulia::{
    ChatRequest, ConversationId, Delivery, Error, ErrorKind, EventStream, MessageStatus, Provider, ReplyStatus, Result,
    Retry, Role, Settings, Tertulia, TurnId, TurnState,
};

const HOUR: Duration = Duration::from_secs(3_600);

/// A provider that is down for its first hour, and takes its time afterwards.
#[derive(Clone)]
struct House {
    clock: ManualClock,
    random: Arc<SeededRandom>,
    back_at: Duration,
    in_vain: Arc<AtomicU64>,
    answered: Arc<AtomicU64>,
    /// Set when somebody asks what ends every process.
    killed: Arc<AtomicBool>,
    /// What it was asked after its return, in order.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Provider for House {
    fn name(&self) -> &str {
        "house"
    }

    async fn stream(&self, request: ChatRequest) -> Result<EventStream> {
        if self.clock.monotonic() < self.back_at {
            self.in_vain.fetch_add(1, Ordering::Relaxed);
            return Err(Error::new(ErrorKind::Unavailable, "down", "the provider is down").with_retry(Retry::Safe));
        }
        let said = request.messages.last().unwrap().text();
        self.asked.lock().unwrap().push(said.clone());
        if said == "poison" {
            self.killed.store(true, Ordering::Relaxed);
            std::future::pending::<()>().await;
        }
        let thinks = Duration::from_secs(3).mul_f64(self.random.unit());
        self.clock.sleep(thinks).await;
        self.answered.fetch_add(1, Ordering::Relaxed);
        Ok(EventStream::from(format!("re: {said}")))
    }
}

struct World {
    clock: ManualClock,
    store: Arc<dyn Store>,
    house: House,
    dice: Arc<SeededRandom>,
}

impl World {
    fn new(seed: u64, outage: Duration) -> Self {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let dice = Arc::new(SeededRandom::new(seed));
        let house = House {
            clock: clock.clone(),
            random: dice.clone(),
            back_at: outage,
            in_vain: Arc::default(),
            answered: Arc::default(),
            killed: Arc::default(),
            asked: Arc::default(),
        };
        Self { clock, store: Arc::new(MemoryStore::new()), house, dice }
    }

    /// A process: it opens the store, does this, and is gone without a word, whatever it was about to do.
    fn life<T>(&self, work: impl AsyncFnOnce(&Tertulia) -> T) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (done, tertulia) = runtime.block_on(async {
            let mut settings = Settings::default();
            settings.retry.max_attempts = 1;
            let tertulia = Tertulia::builder()
                .with_store(self.store.clone())
                .with_clock(Arc::new(self.clock.clone()))
                .with_random(self.dice.clone())
                .with_provider(self.house.clone())
                .model("house/any")
                .settings(settings)
                .open()
                .await
                .unwrap();
            (work(&tertulia).await, tertulia)
        });
        // Its tasks end where they stand; what they hold goes after them.
        drop(runtime);
        drop(tertulia);
        // The leases of the dead run out.
        self.clock.advance(Duration::from_secs(31));
        done
    }

    fn below(&self, most: u32) -> u32 {
        let chosen = self.dice.unit() * f64::from(most);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and most")]
        let chosen = chosen as u32;
        chosen
    }

    async fn passes(&self, seconds: u32) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            settle().await;
        }
    }
}

/// Lets everything come as far as it comes without time.
async fn settle() {
    for _ in 0..400 {
        tokio::task::yield_now().await;
    }
}

#[test]
fn a_thousand_messages_outlive_an_hour_of_outage_and_twenty_deaths() {
    const MESSAGES: usize = 1_000;
    const CHATS: usize = 100;
    for seed in [1, 2] {
        let world = World::new(seed, HOUR);
        let mut sent: BTreeMap<usize, (ConversationId, TurnId)> = BTreeMap::new();
        for death in 0..20 {
            world.life(async |t| {
                let me = t.user("ana");
                // Half of the deaths fall into the outage, in which all messages are sent.
                let most = if death < 10 { MESSAGES / 10 } else { 0 };
                for number in sent.len()..(sent.len() + most).min(MESSAGES) {
                    let chat = me.conversation_for(format!("chat {}", number % CHATS));
                    let reply = chat.send(format!("message {number}")).degrade().await.unwrap();
                    assert_eq!(reply.status, ReplyStatus::Waiting, "seed {seed}, message {number}");
                    sent.insert(number, (chat.id(), reply.turn_id.unwrap()));
                }
                let seconds = if death < 10 { 200 + world.below(100) } else { 5 + world.below(60) };
                world.passes(seconds).await;
            });
            if death == 9 {
                let left = world.house.back_at.saturating_sub(world.clock.monotonic());
                world.clock.advance(left);
            }
        }
        let in_vain = world.house.in_vain.load(Ordering::Relaxed);
        // Each message is tried when it is sent, and the first of its conversation once more then; an outage of an hour
        // adds some probes to that, not some for each message.
        assert!(in_vain < 2_500, "seed {seed}: {in_vain} requests in vain");
        world.life(async |t| {
            let me = t.user("ana");
            let began = world.clock.monotonic();
            while !me.outbox().list().await.unwrap().is_empty() {
                world.passes(1).await;
                let took = world.clock.monotonic() - began;
                assert!(took < 2 * HOUR, "seed {seed}: {:?}", me.outbox().list().await.unwrap());
            }
            let mut said = BTreeMap::new();
            for (number, (conversation, turn)) in &sent {
                let chat = me.conversation(*conversation);
                assert_eq!(chat.turn(*turn).await.unwrap().state, TurnState::Done, "seed {seed}, message {number}");
                let messages: &Vec<_> = match said.get(conversation) {
                    Some(messages) => messages,
                    None => {
                        let page = chat.history().limit(200).await.unwrap();
                        said.entry(*conversation).or_insert(page.items)
                    }
                };
                let of = |role| messages.iter().filter(move |m| m.turn_id == Some(*turn) && m.role == role);
                let asked: Vec<_> = of(Role::User).map(|m| m.text()).collect();
                let answers: Vec<_> = of(Role::Assistant).map(|m| (m.text(), m.status)).collect();
                assert_eq!(asked, [format!("message {number}")], "seed {seed}");
                assert_eq!(answers, [(format!("re: message {number}"), MessageStatus::Complete)], "seed {seed}");
            }
            for messages in said.values() {
                let turns = |role| messages.iter().filter(|m| m.role == role).map(|m| m.turn_id).collect::<Vec<_>>();
                assert_eq!(turns(Role::User), turns(Role::Assistant), "seed {seed}: the order is lost");
                assert_eq!(messages.len(), 2 * MESSAGES / CHATS, "seed {seed}");
            }
        });
        // Exactly once is promised for what is recorded. What was paid for twice is no more than what the deaths broke off.
        let answered = world.house.asked.lock().unwrap().len();
        assert!(answered <= MESSAGES + 8 * 11, "seed {seed}: {answered} requests");
    }
}

#[test]
fn a_message_that_ends_every_process_is_parked_and_the_others_are_sent() {
    let world = World::new(7, Duration::from_secs(60));
    let turn = world.life(async |t| {
        let me = t.user("ana");
        let poison = me.conversation_for("bad").send("poison").degrade().await.unwrap();
        for n in 0..5 {
            me.conversation_for(format!("good {n}")).send(format!("message {n}")).degrade().await.unwrap();
        }
        poison.turn_id.unwrap()
    });
    let mut deaths = 0;
    let item = loop {
        let parked = world.life(async |t| {
            let me = t.user("ana");
            world.house.killed.store(false, Ordering::Relaxed);
            for _ in 0..3_000 {
                world.passes(1).await;
                // The process dies at once.
                if world.house.killed.load(Ordering::Relaxed) {
                    return None;
                }
                let items = me.outbox().list().await.unwrap();
                if let Some(item) = items.iter().find(|item| item.delivery == Delivery::Failed) {
                    return Some(item.clone());
                }
            }
            panic!("nothing happens")
        });
        if let Some(item) = parked {
            break item;
        }
        deaths += 1;
        assert!(deaths <= 5, "it goes on killing");
    };
    assert_eq!((item.turn_id, item.reason.as_deref(), deaths), (turn, Some("crashes"), 5));
    world.life(async |t| {
        let me = t.user("ana");
        for _ in 0..600 {
            world.passes(1).await;
        }
        assert_eq!(me.outbox().list().await.unwrap().len(), 1);
        for n in 0..5 {
            let page = me.conversation_for(format!("good {n}")).history().await.unwrap();
            assert_eq!(page.items[1].text(), format!("re: message {n}"));
        }
        // By hand it is tried again.
        me.outbox().retry(turn).await.unwrap();
        world.house.killed.store(false, Ordering::Relaxed);
        settle().await;
        assert!(world.house.killed.load(Ordering::Relaxed));
    });
}

#[test]
fn a_paused_process_that_comes_back_writes_nothing_into_what_another_has_taken() {
    // The first process holds a turn, sleeps past its lease, and goes on when the second one has answered.
    let world = World::new(3, Duration::from_secs(1));
    let sleeper = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let build = |world: &World| {
        let mut settings = Settings::default();
        settings.retry.max_attempts = 1;
        Tertulia::builder()
            .with_store(world.store.clone())
            .with_clock(Arc::new(world.clock.clone()))
            .with_random(world.dice.clone())
            .with_provider(world.house.clone())
            .model("house/any")
            .settings(settings)
    };
    let (t, turn) = sleeper.block_on(async {
        let t = build(&world).open().await.unwrap();
        let chat = t.user("ana").conversation_for("one");
        let reply = chat.send("hello").degrade().await.unwrap();
        let turn = reply.turn_id.unwrap();
        while chat.turn(turn).await.unwrap().state != TurnState::Sending {
            world.clock.advance(Duration::from_millis(100));
            settle().await;
        }
        (t, turn)
    });
    // Nobody polls it: 31 s pass without a sign of life.
    world.clock.advance(Duration::from_secs(31));
    world.life(async |t| {
        let chat = t.user("ana").conversation_for("one");
        for _ in 0..100 {
            world.passes(1).await;
        }
        assert_eq!(chat.turn(turn).await.unwrap().state, TurnState::Done);
    });
    sleeper.block_on(async {
        for _ in 0..40 {
            world.passes(1).await;
        }
        let page = t.user("ana").conversation_for("one").history().await.unwrap();
        let said: Vec<_> = page.items.iter().map(|m| m.text()).collect();
        assert_eq!(said, ["hello", "re: hello"]);
        assert_eq!(t.user("ana").conversation_for("one").turn(turn).await.unwrap().state, TurnState::Done);
    });
    drop(sleeper);
    drop(t);
}

#[test]
fn a_device_that_saves_power_tries_every_five_minutes_and_whenever_there_is_news() {
    let world = World::new(3, HOUR);
    world.life(async |t| {
        let in_vain = || world.house.in_vain.load(Ordering::Relaxed);
        t.set_low_power(true);
        let reply = t.user("ana").new_conversation().send("hello").degrade().await.unwrap();
        assert_eq!((reply.status, in_vain()), (ReplyStatus::Waiting, 1), "who asks is served as always");
        world.passes(290).await;
        assert_eq!(in_vain(), 1, "its pauses end, and nobody wakes the device for that");
        world.passes(20).await;
        assert_eq!(in_vain(), 2);
        t.network_changed();
        world.passes(2).await;
        assert_eq!(in_vain(), 3);
        world.passes(200).await;
        assert_eq!(in_vain(), 3);
        t.set_low_power(false);
        world.passes(1).await;
        assert_eq!(in_vain(), 4, "what was due is tried");
        world.passes(590).await;
        let more = in_vain() - 4;
        assert!(more > 2, "{more} tries in ten minutes: it goes on as before");
    });
}
