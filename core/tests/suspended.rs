//! An engine at rest: no file, no lock, nothing lost.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use support::{cause_of, within};
use tertulia::{
    ChatRequest, Conversation, Delivery, Error, ErrorKind, EventStream, MessageStatus, NewMessage, Provider,
    ReplyStatus, Result, Retry, Settings, StreamEventKind, Tertulia,
};
use tokio::sync::Semaphore;

/// A provider that is down, or says one word and the next when it is told to.
#[derive(Clone)]
struct House {
    is_down: Arc<AtomicBool>,
    says: Arc<Semaphore>,
}

impl Provider for House {
    fn name(&self) -> &str {
        "house"
    }

    async fn stream(&self, _: ChatRequest) -> Result<EventStream> {
        if self.is_down.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Unavailable, "told_to", "the test wants it").with_retry(Retry::Safe));
        }
        let words = futures::stream::unfold((self.says.clone(), 0), |(says, said)| async move {
            says.acquire().await.unwrap().forget();
            (said < 3).then(|| (Ok(StreamEventKind::text(format!("{said} "))), (says, said + 1)))
        });
        Ok(EventStream::new(words))
    }
}

fn house() -> House {
    House { is_down: Arc::default(), says: Arc::new(Semaphore::new(0)) }
}

async fn open(house: &House, store: &str) -> Tertulia {
    let mut settings = Settings::default();
    settings.retry.max_attempts = 1;
    settings.store.draft_flush_bytes = 1;
    settings.store.draft_flush_ms = 1;
    Tertulia::builder()
        .store(store)
        .model("house/any")
        .with_provider(house.clone())
        .settings(settings)
        .open()
        .await
        .unwrap()
}

#[cfg(target_os = "linux")]
fn open_files(folder: &Path) -> usize {
    let files = std::fs::read_dir("/proc/self/fd").unwrap();
    files
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok())
        .filter(|file| file.starts_with(folder))
        .count()
}

async fn texts(chat: &Conversation) -> Vec<String> {
    chat.history().await.unwrap().items.iter().map(tertulia::Message::text).collect()
}

#[tokio::test]
async fn every_verb_of_a_suspended_engine_answers_closed_with_its_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let house = house();
    house.says.add_permits(100);
    let tertulia = open(&house, folder.path().join("chat.db").to_str().unwrap()).await;
    let me = tertulia.user("ana");
    let chat = me.new_conversation();
    chat.send("before").await.unwrap();
    let (turn, message) = {
        let page = chat.history().await.unwrap();
        (page.items[0].turn_id.unwrap(), page.items[0].id)
    };
    tertulia.suspend().await.unwrap();
    #[cfg(target_os = "linux")]
    assert_eq!(open_files(folder.path()), 0);
    let store = tertulia.store();
    macro_rules! closed {
        ($($verb:expr),* $(,)?) => {$(
            let refused = within(async { $verb.await }).await.map(drop).unwrap_err();
            assert_eq!((refused.kind(), refused.reason()), (ErrorKind::Closed, "suspended"), "{}", stringify!($verb));
            assert_eq!(refused.user_message(), "One moment, please. Then try again.", "{}", stringify!($verb));
        )*};
    }
    closed!(
        chat.send("late"),
        chat.stream("late"),
        chat.append([NewMessage::user("late")]),
        chat.edit(message, "late"),
        chat.regenerate(message),
        chat.retry(turn),
        chat.history(),
        chat.siblings(message),
        chat.branches(),
        chat.summary(),
        chat.turn(turn),
        chat.stop(turn),
        chat.attach(turn, 0),
        chat.switch_to(message),
        chat.fork(message),
        chat.duplicate(message),
        chat.delete_message(message),
        chat.delete(),
        me.ask("late"),
        me.list_conversations(),
        me.outbox().list(),
        me.outbox().retry(turn),
        me.outbox().discard(turn),
        me.budgets(),
        me.usage(),
        tertulia.ask("late"),
        tertulia.list_budgets(),
        tertulia.usage(),
        store.verify(),
        store.repair(),
        store.storage_report(),
        store.checkpoint(),
        store.vacuum(),
        store.backup(folder.path().join("backup.db")),
    );
    tertulia.resume().await.unwrap();
    assert_eq!(texts(&chat).await, ["before", "0 1 2 "]);
    tertulia.close().await.unwrap();
    assert_eq!(cause_of(tertulia.suspend().await).0, ErrorKind::Closed);
    assert_eq!(cause_of(tertulia.resume().await).0, ErrorKind::Closed);
}

#[tokio::test]
async fn a_reply_under_way_waits_at_its_next_write_and_goes_on_when_the_engine_wakes() {
    for closes in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let house = house();
        let tertulia = open(&house, path.to_str().unwrap()).await;
        let chat = tertulia.user("ana").new_conversation();
        let mut stream = chat.stream("question").await.unwrap();
        house.says.add_permits(1);
        assert_eq!(within(stream.next_text()).await.unwrap().as_deref(), Some("0 "));
        tertulia.suspend().await.unwrap();
        // What arrives meanwhile is written down later.
        house.says.add_permits(3);
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        #[cfg(target_os = "linux")]
        assert_eq!(open_files(folder.path()), 0);
        if closes {
            within(tertulia.close()).await.unwrap();
        } else {
            within(tertulia.resume()).await.unwrap();
            let reply = within(stream.reply()).await.unwrap();
            assert_eq!((reply.text().as_str(), reply.status), ("0 1 2 ", ReplyStatus::Done));
            tertulia.close().await.unwrap();
        }
        let again = open(&house, path.to_str().unwrap()).await;
        let page = again.user("ana").conversation(chat.id()).history().await.unwrap();
        assert_eq!(page.items[1].text(), "0 1 2 ");
        assert_eq!(page.items[1].status, MessageStatus::Complete);
    }
}

#[tokio::test]
async fn waking_drains_the_outbox_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let house = house();
    house.is_down.store(true, Ordering::SeqCst);
    let tertulia = open(&house, folder.path().join("chat.db").to_str().unwrap()).await;
    let me = tertulia.user("ana");
    let chat = me.new_conversation();
    assert_eq!(chat.send("waits").degrade().await.unwrap().status, ReplyStatus::Waiting);
    tertulia.suspend().await.unwrap();
    house.is_down.store(false, Ordering::SeqCst);
    house.says.add_permits(10);
    let mut watch = me.outbox().watch();
    tertulia.resume().await.unwrap();
    while within(watch.next()).await.unwrap().expect("the watch ended").delivery != Delivery::Sent {}
    assert_eq!(texts(&chat).await, ["waits", "0 1 2 "]);
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn going_to_rest_and_waking_again_and_again_loses_nothing_that_is_said_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let house = house();
    house.says.add_permits(100_000);
    let tertulia = open(&house, folder.path().join("chat.db").to_str().unwrap()).await;
    let chat = tertulia.user("ana").new_conversation();
    let talking = async {
        let mut said = 0;
        while said < 30 {
            match chat.send(format!("{said}")).await {
                Ok(reply) => {
                    assert_eq!(reply.text(), "0 1 2 ");
                    said += 1;
                }
                Err(error) => {
                    assert_eq!((error.kind(), error.reason()), (ErrorKind::Closed, "suspended"));
                    tokio::task::yield_now().await;
                }
            }
        }
    };
    let resting = async {
        for _ in 0..20 {
            tertulia.suspend().await.unwrap();
            // Nobody waits for this one: it is done all the same.
            drop(tertulia.resume());
            tertulia.resume().await.unwrap();
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
        }
    };
    tokio::join!(talking, resting);
    let page = chat.history().limit(200).await.unwrap();
    let asked: Vec<_> = page.items.iter().step_by(2).map(tertulia::Message::text).collect();
    assert_eq!(asked, (0..30).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(page.items.iter().skip(1).step_by(2).all(|message| message.status == MessageStatus::Complete));
    assert!(tertulia.store().verify().await.unwrap().is_sound());
    tertulia.close().await.unwrap();
}

#[tokio::test]
async fn an_engine_in_memory_rests_as_well_and_has_no_files_to_look_after() {
    let house = house();
    house.says.add_permits(10);
    let tertulia = open(&house, "memory:").await;
    let chat = tertulia.user("ana").new_conversation();
    tertulia.suspend().await.unwrap();
    assert_eq!(cause_of(chat.send("late").await), (ErrorKind::Closed, "suspended".to_owned()));
    tertulia.resume().await.unwrap();
    chat.send("after").await.unwrap();
    assert_eq!(cause_of(tertulia.store().verify().await), (ErrorKind::Invalid, "unsupported".to_owned()));
    tertulia.close().await.unwrap();
}
