//! Resting, backups, looking over, what takes the space.

use futures::future::join_all;

use super::*;
use crate::base::ErrorKind;
use crate::model::{StoreProblemKind, TurnState};
use crate::store::contract::scene::{NOW, put_conversation, refused, user_row};
use crate::store::{ConversationChange, EntryValue, NewEntry, NewEvent, NewEvents, Op, Parent, Payload, Subscription};

/// What files of this folder the process has open.
#[cfg(target_os = "linux")]
fn open_files(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir("/proc/self/fd").unwrap();
    let files = files.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    files.filter(|file| file.starts_with(folder)).collect()
}

/// Somebody who reads, and stays.
fn reading(path: &Path) -> Connection {
    let reader = Connection::open(path).unwrap();
    reader.execute_batch("BEGIN").unwrap();
    let _: i64 = reader.query_row("SELECT count(*) FROM message", [], |row| row.get(0)).unwrap();
    reader
}

#[tokio::test]
async fn a_store_at_rest_has_no_file_and_no_lock_answers_closed_and_wakes_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene_1 = scene(&store, 1);
    let conversation = scene_1.new_conversation().await;
    let batch = |words: &str| {
        scene_1.batch().op(Op::AppendMessage(user_row(scene_1.ids.message(), conversation, Parent::Head, words)))
    };
    // Handed in before, so done before.
    let applying = (0..100).map(|n: i32| store.apply(batch(&n.to_string()), Durability::PowerSafe));
    let mut applying = tokio::task::unconstrained(join_all(applying));
    assert!(futures::poll!(&mut applying).is_pending());
    let (applied, suspended) = tokio::join!(applying, store.suspend());
    suspended.unwrap();
    applied.into_iter().for_each(|result| drop(result.unwrap()));

    #[cfg(target_os = "linux")]
    assert_eq!(open_files(folder.path()), Vec::<PathBuf>::new());
    let log = std::fs::metadata(connect::beside(&path, "-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0, "a small log is moved");
    refused(store.apply(batch("late"), Durability::PowerSafe).await, ErrorKind::Closed, "suspended");
    refused(store.conversation(scene_1.owner, conversation).await, ErrorKind::Closed, "suspended");
    refused(store.recover(NOW).await, ErrorKind::Closed, "suspended");
    refused(store.verify().await, ErrorKind::Closed, "suspended");
    refused(store.backup(folder.path().join("backup.db")).await, ErrorKind::Closed, "suspended");
    store.suspend().await.unwrap();
    // Somebody else is alone with the file meanwhile.
    let other = Connection::open(&path).unwrap();
    other.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT").unwrap();
    drop(other);

    store.resume().await.unwrap();
    store.resume().await.unwrap();
    store.apply(batch("late"), Durability::PowerSafe).await.unwrap();
    assert_eq!(scene_1.shown(conversation).await.message_count, 101);
    store.close().await.unwrap();
    assert_sound(&path, "has rested");
    refused(store.resume().await, ErrorKind::Closed, "store_closed");
    refused(store.suspend().await, ErrorKind::Closed, "store_closed");
}

#[tokio::test]
async fn a_large_log_is_left_for_later_and_nothing_of_it_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    // A reader that stays: the log cannot be moved on.
    let reader = reading(&path);
    for n in 0..50_u8 {
        let words = char::from(b'a' + n % 26).to_string().repeat(200_000 + usize::from(n));
        scene.append(conversation, Parent::Head, &words).await;
    }
    store.suspend().await.unwrap();
    // Whoever closes last moves the log, unless told not to.
    connect::keep_log_on_close(&reader, true).unwrap();
    drop(reader);
    let log = std::fs::metadata(connect::beside(&path, "-wal")).unwrap().len();
    assert!(log > 8 << 20, "the log has {log} bytes");
    store.resume().await.unwrap();
    assert_eq!(scene.shown(conversation).await.message_count, 50);
    assert!(store.checkpoint().await.unwrap());
    assert_eq!(std::fs::metadata(connect::beside(&path, "-wal")).unwrap().len(), 0);
}

#[tokio::test]
async fn turns_under_way_stay_so_while_their_store_rests() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    let sent = scene.send(scene.ids.conversation(), "question").await;
    store.suspend().await.unwrap();
    store.resume().await.unwrap();
    assert!(store.recover(NOW).await.unwrap().is_empty());
    let state = store.turn(scene.owner, sent.turn).await.unwrap().unwrap().turn.state;
    assert_eq!(state, TurnState::Saved);
}

#[tokio::test]
async fn a_store_at_rest_can_be_closed_and_dropped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    for closes in [true, false] {
        let store = open(&path).await;
        store.suspend().await.unwrap();
        if closes {
            store.close().await.unwrap();
        }
    }
    open(&path).await.close().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_opened_again_is_still_at_rest_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let aside = folder.path().join("aside.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    store.suspend().await.unwrap();
    std::fs::rename(&path, &aside).unwrap();
    std::fs::create_dir(&path).unwrap();
    refused(store.resume().await, ErrorKind::Storage, "not_a_database");
    refused(store.conversation(scene.owner, conversation).await, ErrorKind::Closed, "suspended");
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    store.resume().await.unwrap();
    assert!(store.conversation(scene.owner, conversation).await.unwrap().is_some());
}

#[tokio::test]
async fn a_backup_is_of_one_moment_while_others_write_and_opens_as_a_store() {
    let folder = tempfile::tempdir().unwrap();
    let (path, backup) = (folder.path().join("chat.db"), folder.path().join("backup.db"));
    let store = open(&path).await;
    let scene_1 = scene(&store, 1);
    let conversation = scene_1.new_conversation().await;
    for n in 0..30_u8 {
        scene_1
            .append(conversation, Parent::Head, &char::from(b'a' + n % 26).to_string().repeat(200_000 + usize::from(n)))
            .await;
    }
    std::fs::write(&backup, "an older backup").unwrap();
    let writing = async {
        for n in 0..50 {
            scene_1.append(conversation, Parent::Head, &format!("meanwhile {n}")).await;
        }
    };
    let (made, ()) = tokio::join!(store.backup(backup.clone()), writing);
    assert_eq!(made.unwrap(), i64::try_from(std::fs::metadata(&backup).unwrap().len()).unwrap());
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().ends_with(".part")), "{left:?}");
    assert_sound(&backup, "is a backup");
    let copy = open(&backup).await;
    let count = scene(&copy, 2).shown(conversation).await.message_count;
    assert!((30..=80).contains(&count), "{count} messages");
    assert!(copy.verify().await.unwrap().is_sound());
    // Once more over the one that is there.
    copy.close().await.unwrap();
    store.backup(backup.clone()).await.unwrap();
    let copy = open(&backup).await;
    assert_eq!(scene(&copy, 3).shown(conversation).await.message_count, 80);
    #[cfg(unix)]
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&backup).unwrap().permissions()) & 0o777,
        0o600
    );
}

#[tokio::test]
async fn a_backup_never_takes_the_place_of_its_store_and_leaves_nothing_when_it_fails() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    scene(&store, 1).new_conversation().await;
    for own in ["chat.db", "chat.db-wal", "chat.db-shm", "chat.db.lock", "."] {
        refused(store.backup(folder.path().join(own)).await, ErrorKind::Invalid, "bad_backup");
    }
    refused(store.backup(folder.path().join("missing").join("backup.db")).await, ErrorKind::Storage, "io");
    let mut dropped = store.backup(folder.path().join("backup.db"));
    let _ = futures::poll!(&mut dropped);
    drop(dropped);
    // Waits for the one that nobody waits for.
    store.suspend().await.unwrap();
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.iter().all(|name| name.to_string_lossy().starts_with("chat.db")), "{left:?}");
}

#[tokio::test]
async fn who_waits_for_an_event_waits_on_while_the_store_rests() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("chat.db")).await;
    let scene = scene(&store, 1);
    let stream = scene.ids.stream();
    let append = async |expected| {
        let events = vec![NewEvent { name: "said".to_owned(), data: Payload::new("{}").unwrap() }];
        let new = NewEvents { stream, expected, id: scene.ids.append(), events };
        scene.apply_op(Op::AppendEvents(new)).await.unwrap();
    };
    append(0).await;
    let shared = Arc::clone(&store) as Arc<dyn Store>;
    let mut waiting = Subscription::new(Arc::clone(&shared), scene.owner, stream, 1);
    let mut late = Subscription::new(shared, scene.owner, stream, 1);
    let heard = async { waiting.next().await.unwrap() };
    tokio::pin!(heard);
    assert!(futures::poll!(&mut heard).is_pending());
    store.suspend().await.unwrap();
    let late = async { late.next().await.unwrap() };
    tokio::pin!(late);
    assert!(futures::poll!(&mut late).is_pending());
    assert!(futures::poll!(&mut heard).is_pending());
    store.resume().await.unwrap();
    append(1).await;
    let (heard, late) = tokio::join!(heard, late);
    assert_eq!((heard.len(), heard[0].seq, &heard), (1, 2, &late));
}

#[tokio::test]
async fn a_sound_store_is_found_sound() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("chat.db")).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    scene.append(conversation, Parent::Head, &"long ".repeat(30_000)).await;
    scene.send(scene.ids.conversation(), "question").await;
    let found = store.verify().await.unwrap();
    assert_eq!((found.problems, found.conversations, found.messages), (Vec::new(), 2, 2));
    let repair = store.repair().await.unwrap();
    assert_eq!((repair.repaired, repair.left), (Vec::new(), Vec::new()));
}

#[tokio::test]
async fn everything_that_is_wrong_is_found_and_what_the_rows_tell_is_mended() {
    use StoreProblemKind::{Count, Damaged, Reference, Schema};
    let folder = tempfile::tempdir().unwrap();
    // What goes wrong, what is said of it, whether it can be mended.
    let cases = [
        ("UPDATE conversation SET message_count = 77", Count, "conversation", true),
        ("UPDATE conversation SET head_depth = 9", Reference, "conversation", true),
        ("UPDATE conversation SET head_id = x'00000000000000000000000000000001'", Reference, "conversation", true),
        ("UPDATE conversation SET head_pk = 1", Reference, "conversation", true),
        ("UPDATE message SET child_count = 5 WHERE depth = 1", Count, "message", true),
        ("UPDATE message SET selected_child_pk = pk WHERE depth = 1", Count, "message", true),
        ("UPDATE message SET left_pk = parent_pk WHERE depth = 2", Reference, "message", true),
        ("UPDATE message SET jump_depth = 7 WHERE depth = 2", Damaged, "message", false),
        ("UPDATE message SET conv_pk = 4711", Reference, "message", false),
        ("DELETE FROM conversation_tag", Reference, "conversation_tag", true),
        ("UPDATE conversation_tag SET activity_seq = 0", Reference, "conversation_tag", true),
        ("UPDATE conversation_tag SET tag = 'play' WHERE tag = 'work'", Reference, "conversation_tag", true),
        ("UPDATE conversation SET tags = NULL", Reference, "conversation_tag", true),
        ("UPDATE blob SET refs = 9", Count, "blob", true),
        ("UPDATE blob SET size = 1", Count, "blob", true),
        ("DELETE FROM blob_inline", Damaged, "message", false),
        ("DELETE FROM blob_inline", Damaged, "event", false),
        ("DELETE FROM event WHERE seq = 1", Damaged, "event_stream", false),
        ("UPDATE event_stream SET version = 9", Damaged, "event_stream", false),
        ("DELETE FROM library_version WHERE version = 2", Damaged, "library_entry", false),
        ("UPDATE library_entry SET version = 1", Reference, "library_version", true),
        ("UPDATE library_entry SET is_deleted = 1", Reference, "library_version", true),
        (
            "INSERT INTO draft_chunk SELECT pk, 1, 0, x'5b5d' FROM message WHERE depth = 1",
            Reference,
            "draft_chunk",
            true,
        ),
        ("INSERT INTO budget_counter VALUES(99, 0, 0, '', 0, 0, 0)", Reference, "budget_counter", true),
        ("INSERT INTO usage_hour VALUES(7, 1, 'm', 1, 0, 0, 0, 0, 0, 0, 0, 0)", Damaged, "usage_hour", false),
        ("UPDATE seq SET value = 0", Count, "seq", true),
        ("UPDATE turn SET conv_pk = 4711", Reference, "turn", false),
        ("DROP INDEX message_leaf", Schema, "message_leaf", true),
        ("DROP INDEX turn_open; CREATE INDEX turn_open ON turn(state)", Schema, "turn_open", true),
        ("DROP TABLE lease", Schema, "lease", false),
        // An index without what it is to find.
        (
            "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX turn_open ON turn(lease_until)'
             WHERE name = 'turn_open'; PRAGMA writable_schema = RESET; INSERT INTO seq VALUES('x', 1)",
            Schema,
            "turn_open",
            true,
        ),
    ];
    for (number, (sql, kind, place, repairable)) in cases.into_iter().enumerate() {
        let path = folder.path().join(format!("{number}.db"));
        let store = open(&path).await;
        let scene = scene(&store, 1);
        let conversation = scene.new_conversation().await;
        scene.append(conversation, Parent::Head, &"long ".repeat(30_000)).await;
        scene.append(conversation, Parent::Head, "short").await;
        scene.send(conversation, "question").await;
        let tags = ConversationChange { tags: Some(vec!["home".to_owned(), "work".to_owned()]), ..Default::default() };
        scene.apply(scene.batch().op(Op::UpdateConversation { id: conversation, change: tags })).await.unwrap();
        let data = Payload::new("long ".repeat(2_000)).unwrap();
        let events = vec![NewEvent { name: "said".to_owned(), data }; 2];
        let new = NewEvents { stream: scene.ids.stream(), expected: 0, id: scene.ids.append(), events };
        scene.apply(scene.batch().op(Op::AppendEvents(new))).await.unwrap();
        for said in ["one", "two"] {
            let value = EntryValue::new(&said.into()).unwrap();
            let (kind, name) = ("prompt".to_owned(), "greeting".to_owned());
            scene.apply_op(Op::PutEntry(NewEntry { kind, name, value, expected: None, keep: 9 })).await.unwrap();
        }
        let other = Connection::open(&path).unwrap();
        other.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
        other.execute_batch(sql).unwrap();
        drop(other);
        let found = store.verify().await.unwrap();
        let told = found.problems.iter().any(|p| (p.kind, &*p.place, p.repairable) == (kind, place, repairable));
        assert!(told, "{sql}: {:?}", found.problems);
        let repair = store.repair().await.unwrap();
        let again = store.verify().await.unwrap();
        assert_eq!(repair.left, again.problems, "{sql}");
        assert_eq!(again.is_sound(), repairable, "{sql}: {:?}", again.problems);
        if repairable {
            assert!(!repair.repaired.is_empty(), "{sql}");
            assert_sound(&path, sql);
            scene.append(conversation, Parent::Head, "goes on").await;
        }
    }
}

#[tokio::test]
async fn an_index_that_misses_rows_is_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene_1 = scene(&store, 1);
    scene_1.new_conversation().await;
    store.close().await.unwrap();
    // Takes the index's page for an empty one.
    let connection = Connection::open(&path).unwrap();
    let (root, size): (i64, i64) = connection
        .query_row("SELECT rootpage, (SELECT page_size FROM pragma_page_size) FROM sqlite_schema WHERE name = 'conversation_list'", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })
        .unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&path).unwrap();
    let page = usize::try_from((root - 1) * size).unwrap();
    bytes[page + 3..page + 5].fill(0);
    std::fs::write(&path, bytes).unwrap();
    let store = open(&path).await;
    let found = store.verify().await.unwrap();
    assert!(found.problems.iter().any(|p| p.place == "conversation_list" && p.repairable), "{found:?}");
    let repair = store.repair().await.unwrap();
    assert_eq!(repair.left, Vec::new());
    assert!(store.verify().await.unwrap().is_sound());
}

#[tokio::test]
async fn the_report_names_what_takes_the_space_and_vacuum_gives_back_what_is_free() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    let (kept, deleted) = (scene.new_conversation().await, scene.new_conversation().await);
    scene.append(kept, Parent::Head, "short").await;
    for n in 0..20_u8 {
        scene.append(deleted, Parent::Head, &char::from(b'a' + n).to_string().repeat(200_000)).await;
    }
    assert!(store.checkpoint().await.unwrap());
    let before = store.storage_report().await.unwrap();
    assert_eq!(before.kinds[0].name, "attachments", "{before:?}");
    assert!(before.kinds[0].bytes > 4_000_000, "{before:?}");
    assert_eq!((before.page_bytes, before.log_bytes, before.free_pages), (8_192, 0, 0));
    assert_eq!(before.file_bytes, before.pages * before.page_bytes);
    let used: i64 = before.kinds.iter().map(|kind| kind.bytes + kind.index_bytes).sum();
    // What is neither is SQLite's own book of who uses which page.
    assert!((before.pages - 2..=before.pages).contains(&(used / 8_192)), "{used} of {before:?}");
    assert!(before.kinds.iter().all(|kind| kind.name != "other" || kind.bytes < 200_000), "{before:?}");

    scene.apply_op(Op::DeleteConversation { id: deleted }).await.unwrap();
    let free = store.storage_report().await.unwrap().free_pages;
    assert!(free > 400, "{free} pages are free");
    let writing = async {
        for n in 0..20 {
            scene.append(kept, Parent::Head, &n.to_string()).await;
        }
    };
    let (freed, ()) = tokio::join!(store.vacuum(), writing);
    assert!(freed.unwrap() > 400 * 8_192);
    let after = store.storage_report().await.unwrap();
    assert!(after.free_pages < 10 && after.file_bytes < 1 << 20, "{after:?}");
    assert_eq!(store.vacuum().await.unwrap() / 8_192, after.free_pages);
    store.apply(scene.batch().op(put_conversation(scene.ids.conversation())), Durability::PowerSafe).await.unwrap();
    store.close().await.unwrap();
    assert_sound(&path, "was vacuumed");
}

#[tokio::test]
async fn vacuum_puts_the_index_of_words_together_and_finds_what_was_found_before() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("chat.db")).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    let parts = || {
        store.run(|writer| {
            let sql = "SELECT count(DISTINCT segid) FROM message_fts_idx";
            row::first(&writer.connection, sql, [], |row| row.get::<_, i64>(0))
        })
    };
    for n in 0..3 {
        scene.append(conversation, Parent::Head, &format!("olives and word{n}")).await;
        while !store.index().await.unwrap() {}
    }
    assert_eq!(parts().await.unwrap(), Some(3));
    store.vacuum().await.unwrap();
    assert_eq!(parts().await.unwrap(), Some(1));
    assert_eq!(scene.found("olives").await.len(), 3);
    // Nothing is left to do.
    assert_eq!(store.vacuum().await.unwrap(), 0);
}

#[tokio::test]
async fn a_log_that_somebody_reads_is_not_emptied_and_nobody_waits_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    let reader = reading(&path);
    scene.append(conversation, Parent::Head, "more").await;
    assert!(!store.checkpoint().await.unwrap());
    drop(reader);
    assert!(store.checkpoint().await.unwrap());
}
