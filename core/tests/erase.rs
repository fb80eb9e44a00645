//! Everything of a user is taken out, and nothing of anybody else.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use support::{Lab, within};
use tertulia::base::{Ids, ManualClock, SeededRandom};
use tertulia::store::{
    Content, Durability, EntryValue, LibraryKey, ListQuery, MemoryStore, NewAttachment, NewConversation, NewEntry,
    NewEvent, NewEvents, NewRow, NewSummary, Op, Parent, Payload, SqliteSettings, SqliteStore, Store, WriteBatch,
};
use tertulia::{
    Conversation, ConversationId, ConversationOptions, ErrorKind, Media, MessageStatus, NewMessage, Part,
    PreferencesChange, Result, Role, Tertulia, Timestamp, UsageBy, UserScope,
};

/// A word that nobody else says, and nothing in it that stands before it in an index.
const CANARY: &str = "zqxwcanaryvjk";

fn canary(about: &str) -> String {
    format!("{CANARY}{about}")
}

/// How often the canary stands in the files of a store, by file.
fn traces(path: &Path) -> Vec<(String, usize)> {
    let folder = path.parent().unwrap();
    let stem = path.file_name().unwrap().to_str().unwrap();
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with(stem) {
            let bytes = std::fs::read(folder.join(&name)).unwrap();
            let times = bytes.windows(CANARY.len()).filter(|bytes| *bytes == CANARY.as_bytes()).count();
            if times > 0 {
                found.push((name, times));
            }
        }
    }
    found
}

/// Fills a user's store with everything that there is.
async fn live(me: &UserScope) -> Vec<Conversation> {
    let mut chats = Vec::new();
    for number in 0..8 {
        let options = ConversationOptions {
            title: Some(canary("title")),
            system: Some(canary("system")),
            metadata: HashMap::from([("note".to_owned(), canary("metadata"))]),
            tags: vec![canary("tag")],
            ..Default::default()
        };
        let chat = me.new_conversation_with(options);
        for turn in 0..4 {
            let text = format!("{} and other words {number} {turn}", canary("said"));
            // It says what is said. What a model is called stays in the ledger.
            let reply = chat.send(text.as_str()).model("echo/any").await.unwrap();
            assert!(reply.text().contains(CANARY));
        }
        let long = format!("{} ", canary("long")).repeat(20_000);
        let picture = Part::image(Media::data(canary("file").into_bytes(), "image/png"));
        let with_file = NewMessage::new(Role::User, vec![Part::text("look"), picture]);
        chat.append([NewMessage::user(long), with_file]).await.unwrap();
        let first = chat.history().await.unwrap().items[0].id;
        let stream = chat.edit(first, canary("edited")).model("echo/any").await.unwrap();
        stream.reply().await.unwrap();
        chats.push(chat);
    }
    // What was deleted before leaves nothing either.
    chats.pop().unwrap().delete().await.unwrap();
    let last = chats[0].history().await.unwrap().items[1].id;
    chats[0].delete_message(last).await.unwrap();
    me.search(CANARY).await.unwrap();
    let change = PreferencesChange { name: Some(Some(canary("name"))), ..Default::default() };
    me.update_preferences(change).await.unwrap();
    for name in [canary("prompt"), canary("gone")] {
        me.prompts().put(&*name, canary("value")).await.unwrap();
        me.prompts().put(&*name, canary("newer")).await.unwrap();
    }
    me.prompts().delete(canary("gone")).await.unwrap();
    assert!(me.prompts().get(&canary("prompt")).await.unwrap().is_some());
    chats
}

#[tokio::test]
async fn nothing_of_a_user_is_left_in_the_files_and_nothing_of_others_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let lab = Lab::on(&path).await;
    let (me, bob) = (lab.me(), lab.tertulia.user("bob"));
    let theirs = bob.new_conversation();
    for number in 0..30 {
        theirs.send(format!("what bob says {number}").as_str()).model(lab.text("an answer to bob")).await.unwrap();
    }
    let chats = live(&me).await;
    for number in 30..40 {
        theirs.send(format!("what bob says {number}").as_str()).model(lab.text("an answer to bob")).await.unwrap();
    }
    bob.search("says").await.unwrap();
    lab.tertulia.store().checkpoint().await.unwrap();
    assert!(traces(&path).iter().map(|(_, times)| times).sum::<usize>() > 50, "{:?}", traces(&path));
    let spent = me.usage().by(UsageBy::Model).await.unwrap();
    assert!(spent.total.requests > 0);
    let before = bob.export_conversations(folder.path().join("before.jsonl")).await.unwrap();

    let report = within(me.erase()).await.unwrap();
    assert_eq!(report.conversations, 7);
    assert!(report.messages > 7 * 8, "{report:?}");
    assert_eq!(report.entries, 2);
    assert!(report.scrubbed);
    assert_eq!(traces(&path), []);
    assert_eq!(me.prompts().get(&canary("prompt")).await.unwrap(), None);

    assert!(me.list_conversations().await.unwrap().items.is_empty());
    assert!(me.list_conversations().archived(true).await.unwrap().items.is_empty());
    for chat in &chats {
        assert_eq!(chat.summary().await.unwrap_err().kind(), ErrorKind::NotFound);
    }
    assert!(me.search(CANARY).await.unwrap().items.is_empty());
    assert_eq!(me.preferences().await.unwrap(), tertulia::Preferences::default());
    assert_eq!(me.usage().by(UsageBy::Model).await.unwrap(), spent);
    let verified = lab.tertulia.store().verify().await.unwrap();
    assert!(verified.is_sound(), "{verified:?}");
    assert_eq!((verified.conversations, verified.messages), (1, 80));
    assert_eq!(lab.tertulia.store().storage_report().await.unwrap().free_pages, 0);

    let after = bob.export_conversations(folder.path().join("after.jsonl")).await.unwrap();
    assert_eq!(after, before);
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    assert_eq!(read("after.jsonl"), read("before.jsonl"));
    assert_eq!(bob.search("says").await.unwrap().items.len(), 40);

    // The same id is that of somebody new, and erasing nobody is nothing.
    let chat = me.new_conversation();
    chat.send("hello").model(lab.text("welcome")).await.unwrap();
    assert_eq!(me.search("hello").await.unwrap().items.len(), 1);
    assert_eq!(me.list_conversations().await.unwrap().items.len(), 1);
    let nobody = lab.tertulia.user("nobody").erase().await.unwrap();
    assert_eq!((nobody.conversations, nobody.messages, nobody.streams), (0, 0, 0));
    assert_eq!(lab.tertulia.user("").erase().await.unwrap_err().kind(), ErrorKind::Invalid);
    lab.tertulia.close().await.unwrap();
    assert_eq!(me.erase().await.unwrap_err().kind(), ErrorKind::Closed);
    assert_eq!(traces(&path), []);
}

#[tokio::test]
async fn a_reply_on_its_way_is_stopped_and_leaves_nothing() {
    let lab = Lab::memory().await;
    let me = lab.me();
    let chat = me.new_conversation();
    let turn = chat.stream("hello").model(lab.model("stall")).detached().await.unwrap().turn_id().unwrap();
    let report = within(me.erase()).await.unwrap();
    assert_eq!(report.conversations, 1);
    assert_eq!(chat.turn(turn).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(me.list_conversations().await.unwrap().items.is_empty());
}

// ---------------------------------------------------------------------------------------------------------------------
// Part by part
// ---------------------------------------------------------------------------------------------------------------------

const NOW: i64 = 1_900_000_000_000;

struct Writer {
    store: Arc<dyn Store>,
    ids: Ids,
}

impl Writer {
    fn new(store: Arc<dyn Store>, seed: u64) -> Self {
        let clock = Arc::new(ManualClock::at(Timestamp::from_millis(NOW)));
        Self { store, ids: Ids::new(clock, Arc::new(SeededRandom::new(seed))) }
    }

    async fn apply(&self, owner: &str, op: Op) -> Result<tertulia::store::Receipt> {
        let batch = WriteBatch::new(owner, Timestamp::from_millis(NOW)).op(op);
        self.store.apply(batch, Durability::PowerSafe).await
    }

    fn new_conversation(&self) -> (ConversationId, Op) {
        let id = self.ids.conversation();
        let (title, metadata) = (Some("any".to_owned()), HashMap::new());
        let new = NewConversation {
            id,
            title,
            system: None,
            model: None,
            metadata,
            tags: vec!["a tag".to_owned()],
            expires_in: None,
        };
        (id, Op::PutConversation(new))
    }

    fn row(&self, conversation: ConversationId, parent: Parent, text: &str) -> NewRow {
        NewRow {
            id: self.ids.message(),
            conversation,
            parent,
            turn: None,
            role: Role::User,
            status: MessageStatus::Complete,
            content: Content::encode(&[Part::text(text)]).unwrap(),
            model: None,
            metadata: HashMap::new(),
            finish_reason: None,
            usage: None,
            cost: None,
            created_at: None,
        }
    }

    /// A conversation of thirty messages on several branches, with files and long words.
    async fn talk(&self, owner: &str) -> ConversationId {
        let (id, op) = self.new_conversation();
        self.apply(owner, op).await.unwrap();
        let mut said = Vec::new();
        for number in 0..30_usize {
            let parent = match number % 5 {
                3 if number > 4 => Parent::Message(said[number / 2]),
                4 => Parent::Beside(said[number - 1]),
                _ => Parent::Head,
            };
            let text = if number % 7 == 0 { "long ".repeat(30_000) } else { format!("words {number}") };
            let row = self.row(id, parent, &text);
            let message = row.id;
            self.apply(owner, Op::AppendMessage(row)).await.unwrap();
            let file = NewAttachment {
                id: self.ids.attachment(),
                message,
                part_index: 0,
                mime_type: "image/png".to_owned(),
                name: None,
                data: bytes::Bytes::from(format!("file {}", number % 3)),
            };
            self.apply(owner, Op::PutAttachment(file)).await.unwrap();
            said.push(message);
        }
        id
    }

    fn events(&self, expected: i64, count: usize) -> NewEvents {
        let event = |number: usize| {
            let data = if number.is_multiple_of(4) { vec![b'x'; 20_000] } else { b"{}".to_vec() };
            NewEvent { name: "said".to_owned(), data: Payload::new(data).unwrap() }
        };
        let events = (0..count).map(event).collect();
        NewEvents { stream: self.ids.stream(), expected, id: self.ids.append(), events }
    }
}

fn entry(name: &str, value: &str) -> Op {
    let value = EntryValue::new(&json!(value)).unwrap();
    Op::PutEntry(NewEntry { kind: "prompt".to_owned(), name: name.to_owned(), value, expected: None, keep: 100 })
}

fn deletion(name: &str) -> Op {
    Op::DeleteEntry { kind: "prompt".to_owned(), name: name.to_owned(), expected: None }
}

async fn sound(store: &dyn Store) {
    if let Some(upkeep) = store.upkeep() {
        let verified = upkeep.verify().await.unwrap();
        assert!(verified.is_sound(), "{verified:?}");
    }
}

async fn stores(folder: &Path) -> [Arc<dyn Store>; 2] {
    let clock = || Arc::new(ManualClock::at(Timestamp::from_millis(NOW)));
    let in_file = SqliteStore::open(folder.join("chat.db"), SqliteSettings::default(), clock()).await.unwrap();
    [Arc::new(MemoryStore::with_clock(clock())), Arc::new(in_file)]
}

#[tokio::test]
async fn every_part_is_small_leaves_a_sound_store_and_hides_what_it_has_begun() {
    let folder = tempfile::tempdir().unwrap();
    for store in stores(folder.path()).await {
        let writer = Writer::new(store.clone(), 1);
        let chats = [writer.talk("ana").await, writer.talk("ana").await];
        let theirs = writer.talk("bob").await;
        let stream = writer.events(0, 25);
        let id = stream.stream;
        writer.apply("ana", Op::AppendEvents(stream)).await.unwrap();
        let of_bob = writer.events(0, 3);
        let (bobs, theirs_is) = (of_bob.stream, of_bob.stream);
        writer.apply("bob", Op::AppendEvents(of_bob)).await.unwrap();
        for owner in ["ana", "bob", ""] {
            for name in ["one", "two", "three"] {
                writer.apply(owner, entry(name, "first")).await.unwrap();
                writer.apply(owner, entry(name, "second")).await.unwrap();
            }
            writer.apply(owner, deletion("three")).await.unwrap();
        }
        for (owner, chat) in [("ana", chats[0]), ("bob", theirs)] {
            let shown = store.conversation(owner, chat).await.unwrap().unwrap();
            let (upto, as_of) = (shown.head_id.unwrap(), shown.version);
            let (model, text) = ("echo/any".to_owned(), "what was said".to_owned());
            let new = NewSummary { conversation: chat, upto, as_of, model, text };
            writer.apply(owner, Op::PutSummary(new)).await.unwrap();
        }
        let heard = store.library_changes(0).unwrap().number;

        // Nothing goes before it is begun.
        let erased = writer.apply("ana", Op::EraseSome { rows: 1_000 }).await.unwrap().erased;
        assert_eq!((erased.messages, erased.more), (0, false));
        writer.apply("ana", Op::BeginErasure).await.unwrap();
        assert_eq!(store.erasing(10).await.unwrap(), ["ana"]);

        // Nobody begins anything new; others do.
        let refused = [
            writer.apply("ana", writer.new_conversation().1).await,
            writer.apply("ana", Op::AppendEvents(writer.events(0, 1))).await,
            writer.apply("ana", Op::UpdatePreferences(PreferencesChange::default())).await,
            writer.apply("ana", entry("one", "third")).await,
            writer.apply("ana", entry("one", "second")).await,
            writer.apply("ana", entry("new", "first")).await,
            writer.apply("ana", deletion("one")).await,
        ];
        for refused in refused {
            let error = refused.unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Conflict, "erasing"));
        }
        writer.apply("bob", writer.new_conversation().1).await.unwrap();

        let (mut messages, mut conversations, mut streams, mut entries, mut parts) = (0, 0, 0, 0, 0);
        loop {
            let error = writer.apply("ana", Op::EndErasure).await.unwrap_err();
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Conflict, "not_erased"));
            let erased = writer.apply("ana", Op::EraseSome { rows: 7 }).await.unwrap().erased;
            messages += erased.messages;
            conversations += erased.conversations;
            streams += erased.streams;
            entries += erased.entries;
            parts += 1;
            sound(&*store).await;
            if store.upkeep().is_some() {
                assert!(erased.messages <= 7, "{erased:?}");
                // What was begun is not there any more; nothing can be put into it.
                let shown = store.conversations("ana", ListQuery { limit: 10, ..ListQuery::default() }).await.unwrap();
                assert!(i64::try_from(shown.items.len()).unwrap() < 2, "{}", shown.items.len());
            }
            let listed = store.streams("ana", None, 10).await.unwrap();
            let is_there = store.stream("ana", id).await.unwrap().map(|record| (id, record));
            assert_eq!(listed, is_there.into_iter().collect::<Vec<_>>());
            if !erased.more {
                break;
            }
        }
        assert_eq!((messages, conversations, streams, entries), (60, 2, 1, 3));
        // Whoever remembers something hears that it may be anything, from before the erasure or out of the middle of it.
        for since in [0, heard] {
            let changes = store.library_changes(since).unwrap();
            assert_eq!(changes.keys, None, "behind {since}");
            assert_eq!(store.library_changes(changes.number).unwrap().keys, Some(Vec::new()));
        }
        for (owner, is_there) in [("ana", false), ("bob", true), ("", true)] {
            let found = store.entry(LibraryKey::new(owner, "prompt", "one"), None).await.unwrap();
            assert_eq!(found.map(|found| found.version), is_there.then_some(2), "{owner}");
        }
        assert!(parts > 1);
        for chat in chats {
            let late = writer.apply("ana", Op::AppendMessage(writer.row(chat, Parent::Head, "late"))).await;
            assert_eq!(late.unwrap_err().kind(), ErrorKind::NotFound);
        }
        assert!(store.stream("ana", id).await.unwrap().is_none());
        assert!(store.streams("ana", None, 10).await.unwrap().is_empty());
        assert!(store.expired(Timestamp::from_millis(NOW), 10).await.unwrap().is_empty());
        writer.apply("ana", Op::EndErasure).await.unwrap();
        writer.apply("ana", Op::EndErasure).await.unwrap();
        assert!(store.erasing(10).await.unwrap().is_empty());
        writer.apply("ana", writer.new_conversation().1).await.unwrap();
        sound(&*store).await;

        // What was deleted before leaves no number: the user is somebody new.
        let put = writer.apply("ana", entry("three", "first")).await.unwrap();
        assert_eq!(put.entry_version, Some(1));

        assert_eq!(store.conversation("bob", theirs).await.unwrap().unwrap().message_count, 30);
        let place = store.summary("bob", theirs, None).await.unwrap().unwrap();
        assert!(place.newest.is_some() || place.depth > 0);
        assert_eq!(store.events("bob", bobs, 0, 10).await.unwrap().unwrap().events.len(), 3);
        assert!(store.stream("bob", theirs_is).await.unwrap().is_some());
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn what_another_engine_remembers_of_the_user_is_forgotten_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let open = || async { Tertulia::builder().store(path.to_str().unwrap()).model("echo/any").open().await.unwrap() };
    let (here, there) = (open().await, open().await);
    let (me, other) = (here.user("ana"), there.user("ana"));
    here.prompts().put("hello", "of all").await.unwrap();
    for name in ["hello", "mine"] {
        me.prompts().put(name, "of ana").await.unwrap();
    }
    let change = PreferencesChange { name: Some(Some("Ana".to_owned())), ..Default::default() };
    me.update_preferences(change).await.unwrap();
    let seen = async |user: &UserScope| {
        let hello = user.prompts().get("hello").await.unwrap().unwrap();
        let mine = user.prompts().get("mine").await.unwrap();
        (hello.shared, mine.is_some(), user.preferences().await.unwrap().name)
    };
    for user in [&me, &other] {
        assert_eq!(seen(user).await, (false, true, Some("Ana".to_owned())));
    }
    assert_eq!(within(me.erase()).await.unwrap().entries, 2);
    for user in [&other, &me] {
        assert_eq!(seen(user).await, (true, false, None));
    }
    there.close().await.unwrap();
    here.close().await.unwrap();
}

#[tokio::test]
async fn an_erasure_that_was_cut_off_is_ended_by_the_next_engine() {
    let folder = tempfile::tempdir().unwrap();
    let [_, store] = stores(folder.path()).await;
    let writer = Writer::new(store.clone(), 2);
    for _ in 0..3 {
        writer.talk("ana").await;
    }
    writer.talk("bob").await;
    writer.apply("ana", Op::BeginErasure).await.unwrap();
    writer.apply("ana", Op::EraseSome { rows: 40 }).await.unwrap();
    store.close().await.unwrap();

    let path = folder.path().join("chat.db");
    let t = Tertulia::builder().store(path.to_str().unwrap()).model("echo/any").open().await.unwrap();
    // Closing waits for it.
    t.close().await.unwrap();
    let [_, store] = stores(folder.path()).await;
    assert!(store.erasing(10).await.unwrap().is_empty());
    let listed = store.conversations("ana", ListQuery { limit: 10, ..ListQuery::default() }).await.unwrap();
    assert!(listed.items.is_empty());
    sound(&*store).await;
    assert_eq!(store.upkeep().unwrap().verify().await.unwrap().conversations, 1);
    store.close().await.unwrap();
}

#[tokio::test]
async fn whoever_writes_for_the_user_meanwhile_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let open = || async { Tertulia::builder().store(path.to_str().unwrap()).model("echo/any").open().await.unwrap() };
    let (here, there) = (open().await, open().await);
    let (me, other) = (here.user("ana"), there.user("ana"));
    let mut chats = Vec::new();
    for number in 0..20 {
        let chat = other.new_conversation();
        chat.append((0..60).map(|n| NewMessage::user(format!("message {number} {n}")))).await.unwrap();
        // As one that must be there: a new one's handle would begin it anew.
        chats.push(other.conversation(chat.id()));
    }
    let erased = me.erase();
    let writes = async {
        let mut refused = 0;
        for round in 0..100 {
            let chat = &chats[round % chats.len()];
            let said = chat.append([NewMessage::user("late")]).await;
            let begun = other.new_conversation().append([NewMessage::user("new")]).await;
            for outcome in [said.map(drop), begun.map(drop)] {
                match outcome {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::NotFound => refused += 1,
                    Err(error) if error.reason() == "erasing" => refused += 1,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        refused
    };
    let (report, refused) = tokio::join!(erased, writes);
    assert!(report.unwrap().conversations >= 20);
    assert!(refused > 0);
    // What was begun when it was over is somebody new's.
    for info in me.list_conversations().limit(200).await.unwrap().items {
        assert_eq!(info.message_count, 1);
        assert_eq!(info.last_preview.as_deref(), Some("new"));
    }
    within(me.erase()).await.unwrap();
    assert_eq!(here.store().verify().await.unwrap().conversations, 0);
    there.close().await.unwrap();
    here.close().await.unwrap();
}
