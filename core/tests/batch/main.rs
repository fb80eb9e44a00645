//! Many changes at once: as if each were done alone, and all of them or none.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod alone;
mod hooked;
#[path = "../support/mod.rs"]
mod support;

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use alone::{Alone, Dice, Step, World, peopled, uuid_of, with_step, world};
use hooked::{NOW, Next, hooked};
use support::{Lab, within};
use tertulia::base::SeededRandom;
use tertulia::store::{Content, Durability, NewRow, Op, Parent, Store, WriteBatch};
use tertulia::{
    Batch, BatchPhase, BatchProgress, BatchReport, BatchState, BatchVerb, Conversation, ConversationChange,
    ConversationId, ConversationOptions, ErrorKind, Message, MessageId, MessageStatus, NewMessage, Role, Tertulia,
    Timestamp, UserScope,
};

async fn said(me: &UserScope, title: &str, words: &[&str]) -> Conversation {
    let chat = me.new_conversation_with(ConversationOptions { title: Some(title.to_owned()), ..Default::default() });
    chat.append(words.iter().map(|words| NewMessage::user(*words))).await.unwrap();
    chat
}

async fn texts(chat: &Conversation) -> Vec<String> {
    let page = chat.history().limit(200).await.unwrap();
    page.items.iter().map(Message::text).collect()
}

/// Everything a user has, line by line.
async fn all_of(me: &UserScope) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.jsonl");
    me.export_conversations(&path).with_preferences(true).await.unwrap();
    std::fs::read_to_string(&path).unwrap().lines().map(str::to_owned).collect()
}

/// The lines with the number of its first meeting in the place of each id that is not among these.
fn without_new_ids(lines: Vec<String>, known: &HashSet<String>) -> Vec<String> {
    let mut numbers = HashMap::new();
    let mut replaced = |line: String| {
        let pieces: Vec<String> = line
            .split('"')
            .map(|piece| {
                let is_new_id = piece.len() == 36 && piece.matches('-').count() == 4 && !known.contains(piece);
                let next = numbers.len();
                if is_new_id {
                    format!("#{}", numbers.entry(piece.to_owned()).or_insert(next))
                } else {
                    piece.to_owned()
                }
            })
            .collect();
        pieces.join("\"")
    };
    lines.into_iter().map(&mut replaced).collect()
}

fn ids_in(lines: &[String]) -> HashSet<String> {
    let pieces = lines.iter().flat_map(|line| line.split('"'));
    pieces.filter(|piece| piece.len() == 36 && piece.matches('-').count() == 4).map(str::to_owned).collect()
}

/// The files of a folder that are no databases.
fn files_in(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|name| !name.contains(".db")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_batch_does_what_each_of_its_items_does_alone_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path()).await;
    let known = {
        let (t, _) = peopled(&world, None).await;
        let mut known = ids_in(&all_of(&t.user("ana")).await);
        known.insert(world.new.to_string());
        known
    };
    let (mut whole, mut refused, mut partly) = (0, 0, 0);
    for seed in 1..=60 {
        let dice = Dice(SeededRandom::new(seed));
        let in_file = (seed % 3 == 0).then_some(folder.path());
        let together = tempfile::tempdir().unwrap();
        let alone = tempfile::tempdir().unwrap();
        // Few items are all fine more often.
        let count = 1 + dice.below(if seed % 2 == 0 { 4 } else { 14 });
        let steps: Vec<Step> = (0..count).map(|number| dice.step(number, &world, together.path())).collect();
        let told = format!("seed {seed}: {steps:#?}");

        let (expected, store) = peopled(&world, in_file).await;
        let one_by_one = expected.user("ana");
        let mut doer = Alone {
            me: &one_by_one,
            store: store.store.clone(),
            folder: alone.path(),
            changed: HashSet::new(),
            paths: HashSet::new(),
            not_written: HashSet::new(),
        };
        let mut fine = Vec::new();
        for step in &steps {
            fine.push(doer.does(step).await);
        }

        let (actual, _) = peopled(&world, in_file).await;
        let me = actual.user("ana");
        let (before, of_bob) = (all_of(&me).await, all_of(&actual.user("bob")).await);
        let batch = |batch: Batch| steps.iter().fold(batch, |batch, step| with_step(batch, &me, step));
        let states = |report: &BatchReport| -> Vec<bool> {
            report.items.iter().map(|item| item.state == BatchState::Done).collect()
        };
        let looked = batch(me.batch()).dry_run(true).run().await.unwrap();
        assert_eq!(states(&looked), fine, "{told}");
        assert_eq!(all_of(&me).await, before, "{told}");
        let done = batch(me.batch()).run().await;
        let all_fine = fine.iter().all(|fine| *fine);
        match &done {
            Ok(report) => assert!(all_fine && states(report) == fine, "{told}"),
            Err(error) => {
                assert!(!all_fine, "{error} {told}");
                let first = fine.iter().position(|fine| !fine).unwrap();
                assert!(error.detail().starts_with(&format!("item {first} (")), "{error} {told}");
                assert_eq!(Some(error.kind()), looked.items[first].error.as_ref().map(|e| e.kind), "{told}");
                assert_eq!(all_of(&me).await, before, "{told}");
                assert_eq!(files_in(together.path()), [""; 0], "{told}");
                refused += 1;
                let report = batch(me.batch()).best_effort().run().await.unwrap();
                assert_eq!(states(&report), fine, "{told}");
                partly += usize::from(report.done > 0);
            }
        }
        whole += usize::from(done.is_ok());
        let all = |lines| without_new_ids(lines, &known);
        assert_eq!(all(all_of(&me).await), all(all_of(&one_by_one).await), "{told}");
        assert_eq!(all_of(&actual.user("bob")).await, of_bob, "{told}");
        assert_eq!(files_in(together.path()), files_in(alone.path()), "{told}");
        for name in files_in(alone.path()) {
            let read = |folder: &Path| std::fs::read_to_string(folder.join(&name)).unwrap();
            assert_eq!(read(together.path()), read(alone.path()), "{told}");
        }
        if in_file.is_some() {
            assert!(actual.store().verify().await.unwrap().is_sound(), "{told}");
        }
        actual.close().await.unwrap();
        expected.close().await.unwrap();
    }
    assert!(whole > 8 && refused > 8 && partly > 8, "{whole} whole, {refused} refused, {partly} in part");
}

// ---------------------------------------------------------------------------------------------------------------------
// All or nothing
// ---------------------------------------------------------------------------------------------------------------------

/// A batch with a bit of everything.
fn everything(me: &UserScope, world: &World, folder: &Path) -> Batch {
    me.batch()
        .export(folder.join("old.jsonl"), [world.chats[0], world.chats[1]])
        .export(folder.join("new.jsonl"), [world.chats[2]])
        .delete([world.chats[0], world.chats[1]])
        .tag([world.chats[2], world.chats[3]], ["kept"])
        .append(&me.new_conversation_at(world.new, ConversationOptions::default()), [NewMessage::user("new")])
        .edit(&me.conversation(world.chats[4]), world.messages[12].1, "said anew")
        .archive([world.chats[5]])
}

#[tokio::test]
async fn whatever_question_to_the_store_fails_everything_is_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path()).await;
    for in_file in [None, Some(folder.path())] {
        let (t, store) = peopled(&world, in_file).await;
        let (me, files) = (t.user("ana"), tempfile::tempdir().unwrap());
        // An export stands there already.
        me.export_conversations(files.path().join("old.jsonl")).conversations([world.chats[5]]).await.unwrap();
        let old = std::fs::read(files.path().join("old.jsonl")).unwrap();
        let before = all_of(&me).await;
        let mut fails_at = 0;
        loop {
            let mut left = fails_at;
            store.hook(move |_| {
                left -= 1;
                if left == -1 { Next::Fail } else { Next::Go }
            });
            let done = everything(&me, &world, files.path()).run().await;
            store.unhook();
            let told = format!("question {fails_at} fails, in a file: {}", in_file.is_some());
            let Err(error) = done else { break };
            assert_eq!((error.kind(), error.reason()), (ErrorKind::Storage, "io"), "{told}: {error}");
            assert_eq!(all_of(&me).await, before, "{told}");
            assert_eq!(files_in(files.path()), ["old.jsonl"], "{told}");
            assert_eq!(std::fs::read(files.path().join("old.jsonl")).unwrap(), old, "{told}");
            fails_at += 1;
        }
        assert!(fails_at > 20, "{fails_at}");
        assert_eq!(files_in(files.path()), ["new.jsonl", "old.jsonl"]);
        assert_ne!(std::fs::read(files.path().join("old.jsonl")).unwrap(), old);
        assert_ne!(all_of(&me).await, before);
        t.close().await.unwrap();
    }
}

#[tokio::test]
async fn whenever_it_is_cancelled_it_is_done_or_everything_is_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path()).await;
    let (t, store) = peopled(&world, Some(folder.path())).await;
    let (me, files) = (t.user("ana"), tempfile::tempdir().unwrap());
    let before = all_of(&me).await;
    let mut at = 0;
    loop {
        let run: Arc<Mutex<Option<tertulia::BatchRun>>> = Arc::default();
        let (mut left, cancels) = (at, run.clone());
        store.hook(move |_| {
            left -= 1;
            if left == -1 {
                cancels.lock().unwrap().as_ref().unwrap().cancel();
            }
            Next::Go
        });
        // It begins when this waits for it.
        let started = everything(&me, &world, files.path()).start();
        *run.lock().unwrap() = Some(started.clone());
        let done = started.report().await;
        store.unhook();
        match done {
            Err(error) => assert_eq!(error.kind(), ErrorKind::Cancelled, "at {at}: {error}"),
            Ok(report) => {
                assert_eq!(report.skipped, 0, "at {at}");
                break;
            }
        }
        assert_eq!(all_of(&me).await, before, "at {at}");
        assert_eq!(files_in(files.path()), [""; 0], "at {at}");
        at += 1;
    }
    assert!(at > 20, "{at}");
    assert_ne!(all_of(&me).await, before);
    assert_eq!(files_in(files.path()), ["new.jsonl", "old.jsonl"]);
}

#[tokio::test]
async fn what_is_anothers_is_not_found_and_nothing_is_written() {
    for folder in [None, Some(tempfile::tempdir().unwrap())] {
        let (t, _) = hooked(folder.as_ref().map(tempfile::TempDir::path)).await;
        let (me, bob) = (t.user("ana"), t.user("bob"));
        let (mine, his) = (said(&me, "mine", &["a"]).await, said(&bob, "his", &["b"]).await);
        let message = his.history().await.unwrap().items[0].id;
        let file = tempfile::tempdir().unwrap();
        let path = file.path().join("out.jsonl");
        let guessed = me.conversation(his.id());
        let (before, of_bob) = (all_of(&me).await, all_of(&bob).await);
        let tries: Vec<(&str, Batch)> = vec![
            ("delete", me.batch().archive([&mine]).delete([his.id()])),
            ("update", me.batch().archive([&mine]).pin([his.id()])),
            ("tag", me.batch().archive([&mine]).tag([his.id()], ["x"])),
            ("untag", me.batch().archive([&mine]).untag([his.id()], ["x"])),
            ("retag", me.batch().archive([&mine]).retag([his.id()], "x", "y")),
            ("append", me.batch().archive([&mine]).append(&guessed, [NewMessage::user("c")])),
            ("edit", me.batch().archive([&mine]).edit(&guessed, message, "c")),
            ("edit", me.batch().archive([&mine]).edit(&mine, message, "c")),
            ("export", me.batch().archive([&mine]).export(&path, [his.id()])),
        ];
        for (verb, batch) in tries {
            let error = batch.clone().run().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound, "{verb}: {error}");
            assert!(error.detail().starts_with(&format!("item 1 ({verb}): ")), "{error}");
            assert_eq!(error.operation(), "user.batch", "{verb}");
            assert_eq!(all_of(&me).await, before, "{verb}");
            let report = batch.best_effort().run().await.unwrap();
            assert_eq!((report.done, report.refused), (1, 1), "{verb}");
            assert!(mine.summary().await.unwrap().archived, "{verb}");
            me.batch().unarchive([&mine]).run().await.unwrap();
            assert_eq!(all_of(&bob).await, of_bob, "{verb}");
            assert!(!path.exists(), "{verb}");
        }
        // The handle of another user is no key to that user's conversations.
        let error = me.batch().append(&his, [NewMessage::user("c")]).run().await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "other_user"));
        // The id of another's conversation begins none either.
        let taken = me.new_conversation_at(his.id(), ConversationOptions::default());
        let error = me.batch().append(&taken, [NewMessage::user("c")]).run().await.unwrap_err();
        assert!(matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict), "{error}");
        assert_eq!(all_of(&bob).await, of_bob);
    }
}

#[tokio::test]
async fn items_that_cannot_be_are_named_before_anything_is_written() {
    let (t, store) = hooked(None).await;
    let me = t.user("ana");
    let chat = said(&me, "one", &["a"]).await;
    let other = said(&me, "two", &["b"]).await;
    let message = chat.history().await.unwrap().items[0].id;
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("out.jsonl");
    let notes = files.path().join("notes.txt");
    std::fs::write(&notes, "notes").unwrap();
    let long = "x".repeat(5_000);
    let title = |title: &str| ConversationChange { title: Some(Some(title.to_owned())), ..Default::default() };
    let many: Vec<String> = (0..33).map(|tag| tag.to_string()).collect();
    let nothing: [NewMessage; 0] = [];
    let tries: Vec<(&str, Batch)> = vec![
        ("deleted_before", me.batch().delete([&chat]).edit(&chat, message, "b")),
        ("deleted_before", me.batch().delete([&chat]).append(&me.conversation(chat.id()), [NewMessage::user("b")])),
        ("deleted_before", me.batch().delete([&chat, &chat])),
        ("changed_before", me.batch().archive([&chat]).export(&path, [&chat])),
        ("same_path", me.batch().export(&path, [&chat]).export(&path, [&other])),
        ("bad_path", me.batch().pin([&chat]).export(&notes, [&other])),
        ("empty_export", me.batch().pin([&chat]).export(&path, [] as [ConversationId; 0])),
        ("too_large", me.batch().pin([&chat]).update([&other], title(&long))),
        ("bad_tag", me.batch().pin([&chat]).tag([&other], [""])),
        ("bad_tag", me.batch().tag([&chat], &many[..32]).tag([&chat], ["one more"])),
        ("not_tagged", me.batch().pin([&chat]).retag([&other], "inbox", "done")),
        ("empty_message", me.batch().pin([&chat]).append(&other, nothing)),
        ("empty_message", me.batch().pin([&chat]).append(&other, [NewMessage::user(" ")])),
        ("empty_message", me.batch().pin([&chat]).edit(&chat, message, "")),
        ("unsupported", me.batch().pin([&chat]).edit(&chat, message, vec![NewMessage::user("b")])),
        ("not_found", me.batch().pin([&chat]).append(&other.at(message), [NewMessage::user("b")])),
    ];
    let before = all_of(&me).await;
    let writes = store.writes.load(Ordering::Relaxed);
    for (reason, batch) in tries {
        let error = batch.clone().run().await.unwrap_err();
        assert_eq!(error.reason(), reason, "{error}");
        assert!(error.detail().starts_with("item 1 ("), "{error}");
        assert!(!error.to_string().contains("one more"), "{error}");
        let looked = batch.dry_run(true).run().await.unwrap();
        assert!(looked.dry_run);
        assert_eq!((looked.done, looked.refused), (1, 1), "{reason}");
        assert_eq!(looked.items[1].error.as_ref().unwrap().reason, reason);
    }
    let two = me.batch().pin([uuid_of("no"), chat.id(), uuid_of("no")]).run().await.unwrap_err();
    assert!(two.detail().contains("item 0 (update)") && two.detail().contains("one more is refused"), "{two}");
    assert_eq!(all_of(&me).await, before);
    assert_eq!(store.writes.load(Ordering::Relaxed), writes);
    assert_eq!(std::fs::read(&notes).unwrap(), b"notes");
    // Nothing to do is done.
    let report = me.batch().run().await.unwrap();
    assert_eq!(report, BatchReport::default());
}

#[tokio::test]
async fn words_of_a_model_are_not_edited() {
    let (t, _) = hooked(None).await;
    let me = t.user("ana");
    let chat = me.new_conversation();
    chat.send("hello").await.unwrap();
    let page = chat.history().await.unwrap();
    let (asked, answered) = (page.items[0].id, page.items[1].id);
    let error = me.batch().edit(&chat, answered, "no").run().await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Invalid, "not_editable"));
    let report = me.batch().edit(&chat, asked, "bye").run().await.unwrap();
    assert_eq!(texts(&chat).await, ["bye"]);
    assert_eq!(chat.history().await.unwrap().items[0].id, report.items[0].message_ids[0]);
    assert_eq!(chat.siblings(asked).await.unwrap().items.len(), 2);
}

// ---------------------------------------------------------------------------------------------------------------------
// Together with others
// ---------------------------------------------------------------------------------------------------------------------

fn once(wanted: &'static str, batch: impl Fn() -> WriteBatch + Send + 'static) -> impl FnMut(&'static str) -> Next {
    let mut is_over = false;
    move |name| {
        if is_over || name != wanted {
            return Next::Go;
        }
        is_over = true;
        Next::After(batch())
    }
}

fn of_ana(op: Op) -> WriteBatch {
    WriteBatch::new("ana", Timestamp::from_millis(NOW)).op(op)
}

fn row(conversation: ConversationId, words: &str) -> Op {
    Op::AppendMessage(NewRow {
        id: MessageId::from_bytes(*uuid_of(words).as_bytes()),
        conversation,
        parent: Parent::Head,
        turn: None,
        role: Role::User,
        status: MessageStatus::Complete,
        content: Content::encode(&NewMessage::user(words).parts).unwrap(),
        model: None,
        metadata: HashMap::new(),
        finish_reason: None,
        usage: None,
        cost: None,
        created_at: None,
    })
}

#[tokio::test]
async fn what_another_process_deletes_before_the_write_is_refused_by_name() {
    let (t, store) = hooked(None).await;
    let me = t.user("ana");
    let (one, two) = (said(&me, "one", &["a"]).await, said(&me, "two", &["b"]).await);
    let id = two.id();
    store.hook(once("apply", move || of_ana(Op::DeleteConversation { id })));
    let error = me.batch().pin([&one]).tag([&two], ["x"]).run().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(error.detail().starts_with("item 1 (tag): "), "{error}");
    assert!(!one.summary().await.unwrap().pinned);
    store.unhook();

    let three = said(&me, "three", &["c"]).await;
    let id = three.id();
    store.hook(once("apply", move || of_ana(Op::DeleteConversation { id })));
    let report = me.batch().pin([&one]).archive([&three]).best_effort().run().await.unwrap();
    assert_eq!((report.done, report.refused), (1, 1));
    assert!(one.summary().await.unwrap().pinned);
}

#[tokio::test]
async fn tags_that_somebody_else_gives_meanwhile_stay() {
    let (t, store) = hooked(None).await;
    let me = t.user("ana");
    let chat = said(&me, "one", &["a"]).await;
    let id = chat.id();
    let change = ConversationChange { tags: Some(vec!["theirs".to_owned()]), ..Default::default() };
    store.hook(once("apply", move || of_ana(Op::UpdateConversation { id, change: change.clone() })));
    me.batch().tag([&chat], ["ours"]).run().await.unwrap();
    assert_eq!(chat.summary().await.unwrap().tags, ["theirs", "ours"]);
}

#[tokio::test]
async fn others_that_never_rest_end_as_a_conflict() {
    let (t, store) = hooked(None).await;
    let me = t.user("ana");
    let (chat, other) = (said(&me, "one", &["a"]).await, said(&me, "two", &["b"]).await);
    let id = chat.id();
    let meddle = || {
        let mut number = 0;
        move |name: &'static str| {
            number += 1;
            let title = Some(Some(format!("title {number}")));
            let change = ConversationChange { title, ..Default::default() };
            if name == "apply" { Next::After(of_ana(Op::UpdateConversation { id, change })) } else { Next::Go }
        }
    };
    store.hook(meddle());
    let error = me.batch().pin([&other]).tag([&chat], ["x"]).run().await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Conflict, "changed_meanwhile"));
    assert!(!other.summary().await.unwrap().pinned);
    store.hook(meddle());
    let report = me.batch().pin([&other]).tag([&chat], ["x"]).best_effort().run().await.unwrap();
    assert_eq!((report.done, report.refused), (1, 1));
    assert_eq!(report.items[1].error.as_ref().unwrap().reason, "changed_meanwhile");
    assert!(other.summary().await.unwrap().pinned);
}

#[tokio::test]
async fn what_is_said_before_a_conversation_goes_into_a_file_is_in_the_file() {
    for best_effort in [false, true] {
        let (t, store) = hooked(None).await;
        let me = t.user("ana");
        let chat = said(&me, "one", &["a"]).await;
        let (id, files) = (chat.id(), tempfile::tempdir().unwrap());
        let path = files.path().join("out.jsonl");
        store.hook(once("apply", move || of_ana(row(id, "at the last moment"))));
        let batch = me.batch().export(&path, [&chat]).delete([&chat]);
        let batch = if best_effort { batch.best_effort() } else { batch };
        let report = batch.run().await.unwrap();
        assert_eq!(report.items[0].export.as_ref().unwrap().messages, 2);
        assert!(std::fs::read_to_string(&path).unwrap().contains("at the last moment"));
        assert_eq!(chat.summary().await.unwrap_err().kind(), ErrorKind::NotFound);
    }
}

#[tokio::test]
async fn what_could_not_be_put_into_a_file_is_not_deleted() {
    let (t, store) = hooked(None).await;
    let me = t.user("ana");
    let (one, two) = (said(&me, "one", &["a"]).await, said(&me, "two", &["b"]).await);
    let files = tempfile::tempdir().unwrap();
    let path = files.path().join("no/such/folder.jsonl");
    let batch = || me.batch().export(&path, [&one]).delete([&one]).pin([&two]);
    let error = batch().run().await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Storage, "io"), "{error}");
    assert!(error.detail().starts_with("item 0 (export): "), "{error}");
    let report = batch().best_effort().run().await.unwrap();
    let reasons: Vec<_> = report.items.iter().map(|item| item.error.as_ref().map(|e| e.reason.as_str())).collect();
    assert_eq!(reasons, [Some("io"), Some("not_exported"), None]);
    assert_eq!(texts(&one).await, ["a"]);
    assert!(two.summary().await.unwrap().pinned);
    // Nor when one of several is not there.
    let path = files.path().join("out.jsonl");
    let batch = me.batch().export(&path, [one.id(), uuid_of("no")]).delete([&one]).unpin([&two]).best_effort();
    let report = batch.run().await.unwrap();
    assert_eq!((report.done, report.refused), (1, 2));
    assert_eq!(texts(&one).await, ["a"]);
    assert!(!path.exists());
    // Nor when the write fails.
    store.hook(|name| if name == "apply" { Next::Fail } else { Next::Go });
    let report = me.batch().export(&path, [&one]).delete([&one]).best_effort().run().await.unwrap();
    assert_eq!((report.done, report.refused), (0, 2));
    assert!(!path.exists());
}

#[tokio::test]
async fn a_batch_goes_behind_the_answer_that_is_on_its_way_and_stops_what_is_deleted() {
    let lab = Lab::memory().await;
    let me = lab.me();
    let chat = me.new_conversation();
    let stream = chat.stream("hello").model(lab.model("stall")).detached().await.unwrap();
    let run = me.batch().append(&chat, [NewMessage::user("and then")]).start();
    let mut watched = run.clone();
    drop(stream);
    // It says that it waits, and for what is not over.
    let progress = within(watched.next()).await.unwrap();
    assert_eq!(progress, BatchProgress { phase: BatchPhase::Waiting, done: 0, total: 1 });
    assert_eq!(texts(&chat).await.first().map(String::as_str), Some("hello"));
    chat.stop(chat.history().await.unwrap().items[0].turn_id.unwrap()).await.unwrap();
    within(run.report()).await.unwrap();
    assert_eq!(texts(&chat).await.last().map(String::as_str), Some("and then"));

    let turn = chat.stream("more").model(lab.model("stall")).detached().await.unwrap().turn_id().unwrap();
    let report = within(me.batch().delete([&chat]).run()).await.unwrap();
    assert_eq!(report.done, 1);
    assert_eq!(chat.turn(turn).await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_batch_that_is_refused_stops_nobody() {
    let lab = Lab::memory().await;
    let me = lab.me();
    let chat = me.new_conversation();
    let stream = chat.stream("hello").model(lab.model("stall")).detached().await.unwrap();
    let turn = stream.turn_id().unwrap();
    let error = me.batch().delete([chat.id(), uuid_of("no")]).run().await.unwrap_err();
    assert!(error.detail().starts_with("item 1 (delete)"), "{error}");
    assert!(chat.turn(turn).await.unwrap().state.is_open());
    chat.stop(turn).await.unwrap();
}

// ---------------------------------------------------------------------------------------------------------------------
// Many
// ---------------------------------------------------------------------------------------------------------------------

async fn crowd(store: &dyn Store, count: usize) -> Vec<ConversationId> {
    let ids: Vec<_> = (0..count).map(|number| uuid_of(&number.to_string())).collect();
    for some in ids.chunks(500) {
        let new = some.iter().map(|id| {
            Op::PutConversation(tertulia::store::NewConversation {
                id: *id,
                title: None,
                system: None,
                model: None,
                metadata: HashMap::new(),
                tags: vec![],
                expires_in: None,
            })
        });
        let batch = new.fold(WriteBatch::new("ana", Timestamp::from_millis(NOW)), WriteBatch::op);
        store.apply(batch, Durability::ProcessSafe).await.unwrap();
    }
    ids
}

#[tokio::test]
async fn ten_thousand_items_are_one_transaction_or_parts_of_five_hundred() {
    let folder = tempfile::tempdir().unwrap();
    let (t, store) = hooked(Some(folder.path())).await;
    let me = t.user("ana");
    let ids = crowd(&*store.store, 10_001).await;
    let writes = || store.writes.swap(0, Ordering::Relaxed);
    writes();
    let report = me.batch().archive(ids[..10_000].iter().copied()).run().await.unwrap();
    assert_eq!((report.done, writes()), (10_000, 1));
    let error = me.batch().unarchive(ids.iter().copied()).run().await.unwrap_err();
    assert_eq!((error.kind(), error.reason(), writes()), (ErrorKind::Invalid, "batch_too_large", 0));
    assert!(error.detail().contains("best_effort"), "{error}");
    store.largest.store(0, Ordering::Relaxed);
    let run = me.batch().append(&me.new_conversation(), [NewMessage::user("a")]).delete(ids.iter().copied());
    let run = run.best_effort().start();
    let mut seen = Vec::new();
    let mut watched = run.clone();
    while let Some(progress) = watched.next().await {
        assert_eq!(progress.total, 10_002);
        seen.push(progress);
    }
    let report = run.report().await.unwrap();
    assert_eq!((report.done, report.refused, report.skipped), (10_002, 0, 0));
    assert_eq!(writes(), 21);
    assert!(store.largest.load(Ordering::Relaxed) <= 502);
    let written: Vec<_> = seen.iter().filter(|told| told.phase == BatchPhase::Writing).map(|told| told.done).collect();
    assert!(written.is_sorted(), "{written:?}");
    assert!(me.list_conversations().archived(true).await.unwrap().items.is_empty());
    // What a batch holds is in memory: so there is a limit to it.
    let chat = me.new_conversation();
    let words = "x".repeat(4 << 20);
    let batch = (0..17).fold(me.batch(), |batch, _| batch.append(&chat, [NewMessage::user(words.as_str())]));
    let error = batch.best_effort().run().await.unwrap_err();
    assert_eq!(error.reason(), "batch_too_large");
}

#[tokio::test]
async fn a_batch_that_does_what_it_can_keeps_what_is_done_when_it_is_cancelled() {
    let (t, store) = hooked(None).await;
    let me = t.user("ana");
    let ids = crowd(&*store.store, 1_200).await;
    let run: Arc<Mutex<Option<tertulia::BatchRun>>> = Arc::default();
    let (cancels, mut writes) = (run.clone(), 0);
    store.hook(move |name| {
        writes += usize::from(name == "apply");
        if writes == 2 {
            cancels.lock().unwrap().as_ref().unwrap().cancel();
        }
        Next::Go
    });
    let started = me.batch().archive(ids).best_effort().start();
    // It begins when this waits for it.
    *run.lock().unwrap() = Some(started.clone());
    let report = started.report().await.unwrap();
    assert_eq!((report.done, report.refused, report.skipped), (1_000, 0, 200));
    assert_eq!(report.items[999].state, BatchState::Done);
    assert_eq!(report.items[1_000].state, BatchState::Skipped);
    assert_eq!(report.items[1_000].verb, BatchVerb::Update);
    assert_eq!(started.progress().phase, BatchPhase::Over);
}

#[tokio::test]
async fn a_disk_that_fails_in_the_middle_is_told_of_what_is_left() {
    let (t, store) = hooked(None).await;
    let me = t.user("ana");
    let ids = crowd(&*store.store, 1_200).await;
    let mut writes = 0;
    store.hook(move |name| {
        writes += usize::from(name == "apply");
        if name == "apply" && writes == 2 { Next::Fail } else { Next::Go }
    });
    let report = me.batch().archive(ids).best_effort().run().await.unwrap();
    assert_eq!((report.done, report.refused, report.skipped), (500, 700, 0));
    assert_eq!(report.items[600].error.as_ref().unwrap().kind, ErrorKind::Storage);
}

#[tokio::test]
async fn lists_and_screens_hear_of_a_batch() {
    let t = Tertulia::builder().store("memory:").model("echo/any").open().await.unwrap();
    let me = t.user("ana");
    let (one, two) = (said(&me, "one", &["a"]).await, said(&me, "two", &["b"]).await);
    let timeline = one.timeline().await.unwrap();
    within(timeline.next()).await.unwrap().unwrap();
    let listed = me.watch_conversations().unwrap();
    within(listed.next()).await.unwrap().unwrap();
    me.batch()
        .append(&one, [NewMessage::user("c")])
        .append(&two, [NewMessage::user("d")])
        .update([&two], ConversationChange { title: Some(Some("other".to_owned())), ..Default::default() })
        .run()
        .await
        .unwrap();
    within(timeline.next()).await.unwrap().unwrap();
    within(listed.next()).await.unwrap().unwrap();
}
