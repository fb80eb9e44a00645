//! The history that the last turn was shown is lent to the next one: what the model sees is what is stored, always.
#![cfg(feature = "engine")]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use support::Lab;
use support::over::{Between, Over};
use tertulia::store::{MemoryStore, Store, StoreFuture};
use tertulia::{Conversation, ConversationChange, ConversationOptions, ErrorKind, Media, NewMessage, Part, Tertulia};

/// Counts how often messages are read.
#[derive(Default)]
struct Counting {
    reads: AtomicUsize,
    /// How often a conversation was looked at.
    looks: AtomicUsize,
    writes: AtomicUsize,
}

impl Counting {
    /// A store in memory, which stays open.
    fn store() -> Arc<Over<Self>> {
        Over::new(Arc::new(MemoryStore::new()), Self::default())
    }
}

impl Between for Counting {
    fn asked<'a, T: Send + 'a>(
        &'a self,
        _: &'a dyn Store,
        name: &'static str,
        work: StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        let count = match name {
            "page" | "messages" | "message" => &self.reads,
            "conversation" => &self.looks,
            "apply" => &self.writes,
            _ => return work,
        };
        count.fetch_add(1, Ordering::Relaxed);
        work
    }

    fn closes(&self) -> bool {
        false
    }
}

async fn engine_on(lab: &Lab, store: &Arc<Over<Counting>>) -> Tertulia {
    lab.builder().with_store(store.clone()).open().await.unwrap()
}

/// The words that the model was shown last.
fn shown(lab: &Lab) -> Vec<String> {
    let messages = lab.last_request()["messages"].as_array().unwrap().clone();
    messages.iter().map(|message| message["content"].as_str().unwrap_or("(not words)").to_owned()).collect()
}

#[tokio::test]
async fn a_conversation_that_goes_on_reads_no_message_again() {
    let lab = Lab::memory().await;
    let store = Counting::store();
    let engine = engine_on(&lab, &store).await;
    let chat = engine.user("ana").new_conversation();
    for n in 1..=5 {
        chat.send(format!("question {n}")).model(lab.text(&format!("answer {n}"))).await.unwrap();
    }
    assert_eq!(store.reads.load(Ordering::Relaxed), 0);
    let expected: Vec<String> = (1..=4).flat_map(|n| [format!("question {n}"), format!("answer {n}")]).collect();
    assert_eq!(shown(&lab)[..8], expected);
    assert_eq!(shown(&lab)[8], "question 5");
    engine.close().await.unwrap();
    lab.close().await;
}

#[tokio::test]
async fn what_was_said_elsewhere_in_between_is_shown() {
    let lab = Lab::memory().await;
    let store = Counting::store();
    let (here, elsewhere) = (engine_on(&lab, &store).await, engine_on(&lab, &store).await);
    let mine = here.user("ana").new_conversation();
    mine.send("one").model(lab.text("1")).await.unwrap();
    let theirs = elsewhere.user("ana").conversation(mine.id());
    theirs.send("two").model(lab.text("2")).await.unwrap();
    assert_eq!(shown(&lab), ["one", "1", "two"]);
    mine.send("three").model(lab.text("3")).await.unwrap();
    assert_eq!(shown(&lab), ["one", "1", "two", "2", "three"]);
    theirs.append([NewMessage::user("aside"), NewMessage::assistant("noted")]).await.unwrap();
    mine.send("four").model(lab.text("4")).await.unwrap();
    assert_eq!(shown(&lab), ["one", "1", "two", "2", "three", "3", "aside", "noted", "four"]);
    for engine in [here, elsewhere] {
        engine.close().await.unwrap();
    }
    lab.close().await;
}

#[tokio::test]
async fn what_a_conversation_says_of_itself_holds_as_soon_as_it_is_changed_anywhere() {
    let lab = Lab::memory().await;
    let store = Counting::store();
    let (here, elsewhere) = (engine_on(&lab, &store).await, engine_on(&lab, &store).await);
    let mine = here.user("ana").new_conversation();
    mine.send("one").model(lab.text("1")).await.unwrap();
    mine.send("two").model(lab.text("2")).await.unwrap();
    let looked = store.looks.load(Ordering::Relaxed);
    mine.send("three").model(lab.text("3")).await.unwrap();
    assert_eq!(store.looks.load(Ordering::Relaxed), looked, "nothing has changed");
    let theirs = elsewhere.user("ana").conversation(mine.id());
    let system =
        |words: &str| ConversationChange { system: Some(Some(words.to_owned())), ..ConversationChange::default() };
    theirs.update(system("be brief")).await.unwrap();
    mine.send("four").model(lab.text("4")).await.unwrap();
    assert_eq!(shown(&lab), ["be brief", "one", "1", "two", "2", "three", "3", "four"]);
    mine.update(system("be kind")).await.unwrap();
    mine.send("five").model(lab.text("5")).await.unwrap();
    assert_eq!(shown(&lab)[0], "be kind");
    assert_eq!(shown(&lab).len(), 10);
    let stolen = here.user("eve").conversation(mine.id());
    assert_eq!(stolen.send("mine").await.unwrap_err().kind(), ErrorKind::NotFound);
    theirs.delete().await.unwrap();
    mine.send("six").model(lab.text("6")).await.unwrap();
    assert_eq!(shown(&lab), ["six"], "begun anew");
    theirs.delete().await.unwrap();
    let known = here.user("ana").conversation(mine.id());
    assert_eq!(known.send("seven").await.unwrap_err().kind(), ErrorKind::NotFound);
    for engine in [here, elsewhere] {
        engine.close().await.unwrap();
    }
    lab.close().await;
}

#[tokio::test]
async fn what_a_reply_has_cost_is_noted_once_and_with_it() {
    let lab = Lab::memory().await;
    let store = Counting::store();
    let engine = engine_on(&lab, &store).await;
    let chat = engine.user("ana").new_conversation();
    for number in 1..=3 {
        let before = store.writes.load(Ordering::Relaxed);
        chat.send("hi").model(lab.text("yes")).await.unwrap();
        assert_eq!(store.writes.load(Ordering::Relaxed) - before, 2, "the message, and the reply with its bill");
        let usage = engine.user("ana").usage().await.unwrap();
        assert_eq!(usage.total.requests, number);
    }
    engine.close().await.unwrap();
    lab.close().await;
}

/// What is done to both conversations, by dice.
async fn step(chat: &Conversation, lab: &Lab, dice: u64) {
    let said = format!("said {dice}");
    let script = match dice % 8 {
        0 => "text=half%20of%20it;cut=1;chunks=2",
        1 => "status=400",
        2 => "text=thought%20of;reasoning=well",
        _ => "text=whole",
    };
    match dice % 11 {
        9 => drop(chat.append([NewMessage::user(said), NewMessage::assistant("so it was")]).await.unwrap()),
        10 => {
            let picture = Part::image(Media::data(*b"\x89PNG\r\n\x1a\n", "image/png"));
            drop(chat.send([Part::text(said), picture]).model(lab.model(script)).await);
        }
        8 => {
            let failed = chat.send(said).model(lab.model(script)).await;
            if let Err(error) = failed
                && let Some(turn) = error.turn_id()
            {
                chat.retry(turn).model(lab.model("text=at%20last")).await.unwrap().reply().await.unwrap();
            }
        }
        _ => drop(chat.send(said).model(lab.model(script)).await),
    }
}

fn last_body(lab: &Lab) -> Option<String> {
    lab.simulator.requests().pop().map(|request| String::from_utf8_lossy(&request.body).into_owned())
}

#[tokio::test]
async fn a_model_is_shown_the_same_whether_the_history_was_lent_or_read() {
    let mut saved = 0;
    for seed in 0..24 {
        let lab = Lab::memory_with(|settings| settings.retry.max_attempts = 1).await;
        let mut dice = fastrand::Rng::with_seed(seed);
        let steps: Vec<u64> = (0..8).map(|_| dice.u64(0..88)).collect();
        let (lent, read) = (Counting::store(), Counting::store());
        let here = engine_on(&lab, &lent).await;
        let mine = here.user("ana").new_conversation();
        let id = mine.id();
        let mut told = Vec::new();
        for dice in &steps {
            step(&mine, &lab, *dice).await;
            told.push(last_body(&lab));
        }
        lab.simulator.clear();
        let mut told_anew = Vec::new();
        for dice in &steps {
            let cold = engine_on(&lab, &read).await;
            let chat = cold.user("ana").new_conversation_at(id, ConversationOptions::default());
            step(&chat, &lab, *dice).await;
            told_anew.push(last_body(&lab));
            cold.close().await.unwrap();
        }
        assert_eq!(told, told_anew, "seed {seed}, steps {steps:?}");
        let reads = |store: &Over<Counting>| store.reads.load(Ordering::Relaxed);
        saved += reads(&read) - reads(&lent);
        here.close().await.unwrap();
        lab.close().await;
    }
    assert!(saved > 100, "{saved} reads less");
}
