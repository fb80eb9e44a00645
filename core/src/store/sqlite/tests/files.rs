//! The file: found, made, refused, read again.

use std::fs;

use super::*;
use crate::base::ErrorKind;
use crate::store::contract::scene::refused;
use crate::store::contract::search::query;
use crate::store::{Anchor, Parent};

/// A conversation and its last message.
const ID: &str = "00000000000070008000000000000001";
const HEAD: &str = "00000000000070008000000000000002";

async fn try_open(path: &Path) -> Result<SqliteStore> {
    SqliteStore::open(path, SqliteSettings::default(), clock()).await
}

#[tokio::test]
async fn a_store_that_was_only_dropped_has_lost_nothing_when_it_is_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene_1 = scene(&store, 1);
    let conversation = scene_1.new_conversation().await;
    scene_1.fill(conversation, 30).await;
    scene_1.stream(conversation, "question", &"long ".repeat(50_000)).await;
    let before = (scene_1.shown(conversation).await, scene_1.page(conversation, Anchor::Start, 100).await);
    drop(scene_1);
    drop(store);

    let store = open(&path).await;
    let scene_2 = scene(&store, 2);
    assert_eq!((scene_2.shown(conversation).await, scene_2.page(conversation, Anchor::Start, 100).await), before);
    scene_2.append(conversation, Parent::Head, "goes on").await;
    store.close().await.unwrap();
    assert!(!connect::beside(&path, "-wal").exists(), "the log is moved into the database when it is closed");
    assert!(connect::beside(&path, ".lock").exists());
    assert_sound(&path, "reopened");
}

#[tokio::test]
async fn what_is_acknowledged_is_in_the_files_before_they_are_closed() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("chat.db"), folder.path().join("copy.db"));
    let store = open(&path).await;
    let scene_1 = scene(&store, 1);
    let conversation = scene_1.new_conversation().await;
    scene_1.fill(conversation, 10).await;
    // What a kill at this moment leaves behind.
    fs::copy(&path, &copy).unwrap();
    fs::copy(connect::beside(&path, "-wal"), connect::beside(&copy, "-wal")).unwrap();

    let other = open(&copy).await;
    assert_eq!(scene(&other, 2).texts(conversation).await.len(), 10);
    other.close().await.unwrap();
    assert_sound(&copy, "copied while open");
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    drop(open(&path).await);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 1_000).unwrap();
    let before = fs::read(&path).unwrap();
    refused(try_open(&path).await, ErrorKind::Storage, "newer_schema");
    assert!(fs::read(&path).unwrap() == before);
}

#[tokio::test]
async fn a_file_that_is_no_database_of_ours_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let garbage = folder.path().join("notes.txt");
    fs::write(&garbage, "these are my notes, not a database. ".repeat(500)).unwrap();
    let foreign = folder.path().join("other.db");
    Connection::open(&foreign).unwrap().execute_batch("CREATE TABLE t(a); INSERT INTO t VALUES(1)").unwrap();
    let versioned = folder.path().join("versioned.db");
    Connection::open(&versioned).unwrap().pragma_update(None, "user_version", 1).unwrap();
    for path in [garbage, foreign, versioned] {
        let before = fs::read(&path).unwrap();
        refused(try_open(&path).await, ErrorKind::Storage, "not_a_database");
        assert!(fs::read(&path).unwrap() == before, "{}", path.display());
        for ending in ["-wal", "-shm", "-journal", ".lock"] {
            assert!(!connect::beside(&path, ending).exists(), "{}{ending}", path.display());
        }
    }
    refused(try_open(folder.path()).await, ErrorKind::Storage, "not_a_database");
}

#[tokio::test]
async fn an_empty_file_becomes_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.db");
    fs::write(&path, "").unwrap();
    try_open(&path).await.unwrap().close().await.unwrap();
    assert_eq!(ask::<i64>(&path, "PRAGMA user_version"), migrate::newest());
    assert_eq!(ask::<i64>(&path, "PRAGMA page_size"), 8_192);
    assert_eq!(ask::<i64>(&path, "PRAGMA auto_vacuum"), 2);
    assert_eq!(ask::<String>(&path, "PRAGMA journal_mode"), "wal");
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("old.db");
    let first = include_str!("../../../../migrations/sqlite/001_conversations.sql");
    let connection = Connection::open(&path).unwrap();
    connection.execute_batch(first).unwrap();
    connection.execute_batch("PRAGMA application_id = 1413829204; PRAGMA user_version = 1").unwrap();
    connection.execute_batch("INSERT INTO owner(ext_id, created_at) VALUES('ana', 1)").unwrap();
    drop(connection);
    let store = open(&path).await;
    scene(&store, 1).new_conversation().await;
    store.close().await.unwrap();
    assert_eq!(ask::<i64>(&path, "PRAGMA user_version"), migrate::newest());
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM owner"), 1);
    assert_sound(&path, "brought up to date");
}

#[tokio::test]
async fn what_stood_in_every_earlier_version_is_there_in_this_one() {
    for version in 1..migrate::newest() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let connection = Connection::open(&path).unwrap();
        for migration in &migrate::MIGRATIONS[..usize::try_from(version).unwrap()] {
            connection.execute_batch(migration).unwrap();
        }
        let changes = if version < 12 {
            format!("(7, 1, x'{ID}', 2, x'{HEAD}', 1, 5), (8, 1, x'{ID}', 1, x'{ID}', 1, 5)")
        } else {
            "(7, 2, 0, 5)".to_owned()
        };
        connection
            .execute_batch(&format!(
                "PRAGMA application_id = 1413829204; PRAGMA user_version = {version};
                 INSERT INTO owner(pk, ext_id, created_at) VALUES(1, 'ana', 5);
                 INSERT INTO conversation(pk, id, owner_pk, root_pk, head_pk, head_id, head_depth, activity_seq, version,
                   created_at, updated_at, message_count, last_role, last_preview, title, model, metadata, system)
                 VALUES(1, x'{ID}', 1, 1, 2, x'{HEAD}', 1, 7, 8, 5, 6, 1, 2, 'words', 'title', 'test/any',
                   '{{\"key\":\"value\"}}', 'be kind');
                 INSERT INTO message(pk, conv_pk, parent_pk, depth, jump_pk, jump_depth, sibling_ix, child_count,
                   selected_child_pk, id, role, status, change_seq, created_at, updated_at, content) VALUES
                   (1, 1, NULL, 0, 1, 0, 0, 1, 2, NULL, 0, 0, 1, 5, 5, x''),
                   (2, 1, 1, 1, 1, 0, 0, 0, NULL, x'{HEAD}', 2, 3, 7, 5, 5,
                    CAST('[{{\"type\":\"text\",\"text\":\"words\"}}]' AS BLOB));
                 INSERT INTO change_feed VALUES{changes};
                 UPDATE seq SET value = 8;"
            ))
            .unwrap();
        if version >= 6 {
            // The search had read on to just before the message.
            connection.execute_batch("INSERT INTO change_cursor VALUES('search', 6, 0)").unwrap();
        }
        if version >= 8 {
            connection
                .execute_batch(&format!(
                    "INSERT INTO event_stream(pk, id, owner_pk, version, created_at, updated_at, snapshot_version, snapshot)
                     VALUES(1, x'{ID}', 1, 1, 5, 6, 1, CAST('so far' AS BLOB));
                     INSERT INTO event(stream_pk, seq, at, append_id, name, data) VALUES(1, 1, 6, x'{ID}', 'begun', x'');"
                ))
                .unwrap();
        }
        drop(connection);
        let store = try_open(&path).await.unwrap();
        let streams = store.streams("ana", None, 5).await.unwrap();
        let snapshots: Vec<_> = streams.into_iter().filter_map(|(_, row)| Some(row.snapshot?.data)).collect();
        assert_eq!(snapshots, vec!["so far"; usize::from(version >= 8)], "from version {version}");
        let rows = store.conversations("ana", ListQuery { limit: 5, ..ListQuery::default() }).await.unwrap();
        let [(7, row)] = &rows.items[..] else { panic!("from version {version}: {rows:?}") };
        assert_eq!((row.system.as_deref(), row.title.as_deref(), row.depth), (Some("be kind"), Some("title"), 1));
        assert_eq!((&row.metadata["key"], row.version, rows.version), (&"value".to_owned(), 8, 7));
        assert!(!row.pinned && !row.archived && row.tags.is_empty() && row.expires_at.is_none());
        let page = store.messages("ana", row.id, Anchor::End, 5).await.unwrap().unwrap();
        assert_eq!(page.items[0].text(), "words");
        let store = Arc::new(store);
        let found = scene(&store, 1).search(query("words")).await;
        assert_eq!(found.items.iter().map(|hit| hit.message_id).collect::<Vec<_>>(), [page.items[0].id], "{version}");
        store.close().await.unwrap();
        assert_sound(&path, &format!("from version {version}"));
    }
}

#[tokio::test]
async fn a_migration_that_was_cut_off_is_done_from_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut.db");
    let mut connection = Connection::open(&path).unwrap();
    let half = connection.transaction().unwrap();
    half.execute_batch("CREATE TABLE owner(pk INTEGER PRIMARY KEY); PRAGMA user_version = 1").unwrap();
    drop(half);
    drop(connection);
    try_open(&path).await.unwrap().close().await.unwrap();
    assert_sound(&path, "migrated");
}

#[tokio::test]
async fn a_path_that_cannot_be_used_is_a_storage_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "x").unwrap();
    let below = file.join("chat.db");
    let error = try_open(&below).await.unwrap_err();
    assert_eq!((error.kind(), error.reason()), (ErrorKind::Storage, "io"));
    assert!(error.detail().contains("file"), "{error}");
    refused(try_open(Path::new("")).await, ErrorKind::Storage, "io");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_folder_that_may_not_be_written_is_a_storage_error() {
    // Even root may not make files there.
    let error = try_open(Path::new("/sys/tertulia.db")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Storage);
    assert!(["read_only", "io"].contains(&error.reason()), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn missing_folders_are_made_and_nobody_else_may_read_what_is_in_them() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("a").join("b");
    let path = inner.join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    scene.new_conversation().await;
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inner), 0o700);
    assert_eq!(mode(inner.parent().unwrap()), 0o700);
    for ending in ["", "-wal", "-shm", ".lock"] {
        assert_eq!(mode(&connect::beside(&path, ending)), 0o600, "{ending}");
    }
}

#[tokio::test]
async fn a_damaged_database_is_refused_after_an_unclean_end() {
    let folder = tempfile::tempdir().unwrap();
    let (path, copy) = (folder.path().join("chat.db"), folder.path().join("copy.db"));
    let store = open(&path).await;
    let scene_1 = scene(&store, 1);
    let conversation = scene_1.new_conversation().await;
    scene_1.fill(conversation, 500).await;
    store.close().await.unwrap();
    let store = open(&path).await;
    scene(&store, 2).append(conversation, Parent::Head, "in the log").await;
    let mut bytes = fs::read(&path).unwrap();
    let pages = bytes.len() / 8_192;
    assert!(pages > 40);
    bytes[8_192 * 5..8_192 * (pages - 5)].fill(0xa5);
    fs::write(&copy, &bytes).unwrap();
    fs::copy(connect::beside(&path, "-wal"), connect::beside(&copy, "-wal")).unwrap();
    refused(try_open(&copy).await, ErrorKind::Storage, "corrupt");
    assert!(fs::read(&copy).unwrap() == bytes, "a damaged file is not written to");
}

#[tokio::test]
async fn a_row_that_a_newer_version_wrote_is_corrupt_and_never_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    let message = scene.append(conversation, Parent::Head, "words").await;
    for damage in [
        "UPDATE message SET status = 99 WHERE depth = 1",
        "UPDATE message SET status = 3, content = CAST('[{\"type\":\"canary\"}]' AS BLOB) WHERE depth = 1",
        "UPDATE message SET content = CAST('\"canary\"' AS BLOB), usage = '\"canary\"' WHERE depth = 1",
        "UPDATE message SET content = x'5b5d' WHERE depth = 1",
    ] {
        Connection::open(&path).unwrap().execute_batch(damage).unwrap();
        let error = scene.store.message(scene.owner, message).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Storage, "corrupt"), "{damage}");
        assert!(!format!("{error:?}").contains("canary"), "{error:?}");
    }
}
