//! Conversations that are pinned, archived, tagged, or gone from a moment on, as users ask for them.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use support::{cause_of, within};
use tertulia::base::{Clock as _, Ids, ManualClock, SeededRandom, Timestamp};
use tertulia::store::{Durability, MemoryStore, NewEvent, NewEvents, Op, Payload, Store as _, WriteBatch};
use tertulia::{
    Conversation, ConversationChange, ConversationId, ConversationOptions, ConversationSummary, ErrorKind, NewMessage,
    Page, Tertulia, UserScope,
};

async fn opened() -> Tertulia {
    Tertulia::builder().store("memory:").model("echo/any").open().await.unwrap()
}

async fn said(me: &UserScope, options: ConversationOptions) -> Conversation {
    let chat = me.new_conversation_with(options);
    chat.append([NewMessage::user("words")]).await.unwrap();
    chat
}

fn ids(page: &Page<ConversationSummary>) -> Vec<ConversationId> {
    page.items.iter().map(|row| row.id).collect()
}

fn pinned(pinned: bool) -> ConversationChange {
    ConversationChange { pinned: Some(pinned), ..ConversationChange::default() }
}

fn archived(archived: bool) -> ConversationChange {
    ConversationChange { archived: Some(archived), ..ConversationChange::default() }
}

fn expires_in(seconds: u64) -> ConversationChange {
    let expires_in = Some(Some(Duration::from_secs(seconds)));
    ConversationChange { expires_in, ..ConversationChange::default() }
}

#[tokio::test]
async fn a_list_is_ordered_filtered_and_read_on() {
    let t = opened().await;
    let me = t.user("ana");
    let mut chats = Vec::new();
    for number in 0..8 {
        let tags = if number % 2 == 0 { vec!["even".to_owned(), "even".to_owned()] } else { vec![] };
        chats.push(said(&me, ConversationOptions { tags, ..ConversationOptions::default() }).await);
    }
    let id = |number: usize| chats[number].id();
    chats[1].update(pinned(true)).await.unwrap();
    chats[4].update(pinned(true)).await.unwrap();
    chats[7].update(archived(true)).await.unwrap();
    let first = me.list_conversations().limit(3).await.unwrap();
    assert_eq!(ids(&first), [id(4), id(1), id(6)]);
    assert!(first.items[0].pinned && first.items[0].tags == ["even"]);
    let second = me.list_conversations().limit(3).before(first.before).await.unwrap();
    assert_eq!(ids(&second), [id(5), id(3), id(2)]);
    let third = me.list_conversations().limit(3).before(second.before).await.unwrap();
    assert_eq!((ids(&third), third.before, third.reached_start), (vec![id(0)], None, true));
    assert_eq!(ids(&me.list_conversations().archived(true).await.unwrap()), [id(7)]);
    assert_eq!(ids(&me.list_conversations().pinned(true).await.unwrap()), [id(4), id(1)]);
    let even = me.list_conversations().tag("even".to_owned()).limit(2).await.unwrap();
    assert_eq!(ids(&even), [id(4), id(6)]);
    let even = me.list_conversations().tag("even".to_owned()).pinned(false).before(even.before).await.unwrap();
    assert_eq!(ids(&even), [id(2), id(0)]);

    // What has had activity since, pinned or not, is polled for from any page.
    assert!(me.list_conversations().after(first.after).await.unwrap().items.is_empty());
    chats[0].append([NewMessage::user("news")]).await.unwrap();
    chats[1].append([NewMessage::user("news")]).await.unwrap();
    let news = me.list_conversations().after(first.after).await.unwrap();
    assert_eq!(ids(&news), [id(1), id(0)]);
    assert!(me.list_conversations().after(news.after).await.unwrap().items.is_empty());

    let page = me.list_conversations().await.unwrap();
    assert_eq!(me.list_conversations().unchanged_since(page.version).await.unwrap(), None);
    chats[3].update(ConversationChange { title: Some(Some("new".to_owned())), ..Default::default() }).await.unwrap();
    let page = me.list_conversations().unchanged_since(page.version).await.unwrap().unwrap();
    chats[2].delete().await.unwrap();
    assert_eq!(me.list_conversations().unchanged_since(page.version).await.unwrap().unwrap().items.len(), 6);
    let copy = chats[0].duplicate(chats[0].history().await.unwrap().items[0].id).await.unwrap();
    assert_eq!(copy.summary().await.unwrap().tags, ["even"]);
    assert_eq!(t.user("bo").list_conversations().tag("even".to_owned()).await.unwrap().items, []);
    t.close().await.unwrap();
}

#[tokio::test]
async fn what_no_conversation_can_be_is_refused() {
    let t = opened().await;
    let me = t.user("ana");
    let chat = said(&me, ConversationOptions::default()).await;
    let tags = |tags: Vec<String>| ConversationChange { tags: Some(tags), ..ConversationChange::default() };
    for bad in [vec![String::new()], vec!["x".repeat(65)], vec!["a\0".to_owned()], vec!["x".to_owned(); 33]] {
        assert_eq!(cause_of(chat.update(tags(bad.clone())).await), (ErrorKind::Invalid, "bad_tag".to_owned()));
        let fresh = me.new_conversation_with(ConversationOptions { tags: bad, ..ConversationOptions::default() });
        assert_eq!(cause_of(fresh.send("hi").await), (ErrorKind::Invalid, "bad_tag".to_owned()));
    }
    chat.update(tags(vec!["é".repeat(64); 32])).await.unwrap();
    assert_eq!(chat.summary().await.unwrap().tags.len(), 1);
    assert_eq!(cause_of(chat.update(expires_in(0)).await), (ErrorKind::Invalid, "bad_expiry".to_owned()));
    let metadata = Some(HashMap::from([("key".to_owned(), "x".repeat(8 * 1024))]));
    let error = chat.update(ConversationChange { metadata, ..Default::default() }).await.unwrap_err();
    assert_eq!((error.reason(), error.detail().contains("8192 bytes")), ("too_large", true), "{error}");
    assert_eq!(cause_of(t.user("bo").conversation(chat.id()).update(pinned(true)).await).0, ErrorKind::NotFound);
    assert!(!chat.summary().await.unwrap().pinned);
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_conversation_is_gone_for_every_verb_once_its_time_is_up() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    for store in ["memory:", path.to_str().unwrap()] {
        let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
        let t = Tertulia::builder().store(store).model("echo/any").with_clock(Arc::new(clock.clone()));
        let t = t.open().await.unwrap();
        let me = t.user("ana");
        let options = ConversationOptions { expires_in: Some(Duration::from_secs(10)), ..Default::default() };
        let (brief, longer) = (said(&me, options).await, me.conversation_for("key"));
        longer.send("words").await.unwrap();
        longer.update(expires_in(10)).await.unwrap();
        let (message, version) =
            (brief.history().await.unwrap().items[0].id, me.list_conversations().await.unwrap().version);
        clock.advance(Duration::from_millis(9_999));
        assert_eq!(me.list_conversations().await.unwrap().items.len(), 2);
        longer.update(expires_in(1)).await.unwrap();
        brief.append([NewMessage::user("more")]).await.unwrap();
        clock.advance(Duration::from_millis(1));

        let gone = me.conversation(brief.id());
        let not_found = |cause: (ErrorKind, String)| assert_eq!(cause.0, ErrorKind::NotFound, "{cause:?}");
        not_found(cause_of(gone.history().await));
        not_found(cause_of(gone.open().await));
        not_found(cause_of(gone.messages().next().await));
        not_found(cause_of(gone.summary().await));
        not_found(cause_of(gone.siblings(message).await));
        not_found(cause_of(gone.branches().await));
        not_found(cause_of(gone.send("hello?").await));
        not_found(cause_of(gone.append([NewMessage::user("hello?")]).await));
        not_found(cause_of(gone.edit(message, "hello?").await.map(drop)));
        not_found(cause_of(gone.regenerate(message).await.map(drop)));
        not_found(cause_of(gone.update(expires_in(1_000)).await));
        not_found(cause_of(gone.switch_to(message).await));
        not_found(cause_of(gone.fork(message).await));
        not_found(cause_of(gone.duplicate(message).await.map(drop)));
        not_found(cause_of(gone.delete_message(message).await));
        not_found(cause_of(gone.delete().await));
        assert_eq!(ids(&me.list_conversations().await.unwrap()), [longer.id()]);
        let changed = me.list_conversations().unchanged_since(version).await.unwrap();
        assert_eq!(ids(&changed.unwrap()), [longer.id()]);

        // The same key begins anew.
        clock.advance(Duration::from_secs(1));
        assert!(longer.history().await.unwrap().items.is_empty());
        longer.send("again").await.unwrap();
        assert_eq!(longer.summary().await.unwrap().message_count, 2);
        t.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_has_expired_is_swept_away_within_a_minute() {
    let clock = ManualClock::at(Timestamp::from_millis(1_700_000_000_000));
    let store = Arc::new(MemoryStore::with_clock(Arc::new(clock.clone())));
    let open = Tertulia::builder().with_store(store.clone()).model("echo/any").with_clock(Arc::new(clock.clone()));
    let t = open.open().await.unwrap();
    let (ana, bo) = (t.user("ana"), t.user("bo"));
    let options = || ConversationOptions { expires_in: Some(Duration::from_secs(10)), ..Default::default() };
    said(&ana, options()).await;
    said(&bo, options()).await;
    let stays = said(&bo, ConversationOptions::default()).await;
    let ids_of = Ids::new(Arc::new(clock.clone()), Arc::new(SeededRandom::new(1)));
    let streams = [ids_of.stream(), ids_of.stream()];
    for stream in streams {
        let events = vec![NewEvent { name: "begun".to_owned(), data: Payload::new("{}").unwrap() }];
        let new = NewEvents { stream, expected: 0, id: ids_of.append(), events };
        let mut batch = WriteBatch::new("ana", clock.now()).op(Op::AppendEvents(new));
        if stream == streams[0] {
            batch = batch.op(Op::ExpireStream { id: stream, expires_in: Some(Duration::from_secs(10)) });
        }
        store.apply(batch, Durability::PowerSafe).await.unwrap();
    }
    // The task has looked once, and sleeps.
    within(async {
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    clock.advance(Duration::from_secs(11));
    assert_eq!(store.expired(clock.now(), 9).await.unwrap().len(), 2);
    assert_eq!(store.expired_streams(clock.now(), 9).await.unwrap(), [("ana".to_owned(), streams[0])]);
    within(async {
        while !store.expired(clock.now(), 9).await.unwrap().is_empty()
            || !store.expired_streams(clock.now(), 9).await.unwrap().is_empty()
        {
            clock.advance(Duration::from_secs(1));
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(ids(&bo.list_conversations().await.unwrap()), [stays.id()]);
    assert_eq!(ana.list_conversations().await.unwrap().items, []);
    assert_eq!(store.events("ana", streams[1], 0, 9).await.unwrap().unwrap().version, 1);
    t.close().await.unwrap();
}
