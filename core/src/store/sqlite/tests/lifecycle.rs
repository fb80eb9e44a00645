//! Opening and closing: nothing stays behind, nothing accepted is lost.

use std::fs;
use std::task::Poll;

use futures::FutureExt as _;
use futures::future::join_all;
use tokio::task::unconstrained;

use super::processes::{FILE, child};
use super::*;
use crate::base::ErrorKind;
use crate::store::contract::scene::{NOW, put_conversation, user_row};
use crate::store::{Op, Parent};

#[tokio::test]
async fn closing_finishes_what_was_handed_in() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene_1 = scene(&store, 1);
    let conversation = scene_1.new_conversation().await;
    let applying = (0..150).map(|n: i32| {
        let row = user_row(scene_1.ids.message(), conversation, Parent::Head, &n.to_string());
        store.apply(scene_1.batch().op(Op::AppendMessage(row)), Durability::PowerSafe)
    });
    // Unconstrained, so that one poll hands in all of them.
    let mut applying = tokio::task::unconstrained(join_all(applying));
    assert!(matches!(futures::poll!(&mut applying), Poll::Pending));
    // Polled before the closing, so handed in before it.
    let reading = store.conversation(scene_1.owner, conversation);
    let (results, read, first, second) = tokio::join!(applying, reading, store.close(), store.close());
    first.unwrap();
    second.unwrap();
    results.into_iter().for_each(|result| drop(result.unwrap()));
    read.unwrap().unwrap();

    let store = open(&path).await;
    assert_eq!(scene(&store, 2).shown(conversation).await.message_count, 150);
}

#[tokio::test]
async fn a_closing_that_nobody_waits_for_can_be_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("chat.db")).await;
    let mut closing = store.close();
    let _ = futures::poll!(&mut closing);
    drop(closing);
    let mut never_polled = store.close();
    let _ = (&mut never_polled).now_or_never();
    drop(never_polled);
    store.close().await.unwrap();
    assert_eq!(store.recover(NOW).await.unwrap_err().kind(), ErrorKind::Closed);
}

#[tokio::test]
async fn more_callers_than_the_channel_holds_are_all_served() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("chat.db")).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    let applying = (0..3 * QUEUE).map(|_| {
        let row = user_row(scene.ids.message(), conversation, Parent::Head, "x");
        store.apply(scene.batch().op(Op::AppendMessage(row)), Durability::ProcessSafe)
    });
    let reading = (0..3 * QUEUE).map(|_| store.conversation(scene.owner, conversation));
    let (applied, read) = tokio::join!(join_all(applying), join_all(reading));
    assert!(applied.iter().all(Result::is_ok));
    assert!(read.iter().all(|row| matches!(row, Ok(Some(_)))));
    assert_eq!(scene.shown(conversation).await.message_count, i64::try_from(3 * QUEUE).unwrap());
}

#[tokio::test]
async fn dropped_reads_and_writes_leave_no_transaction_open() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    for _ in 0..50 {
        let row = user_row(scene.ids.message(), conversation, Parent::Head, "x");
        // A task is only let do so much at a time; what is answered at once counts, so all of it may come to more.
        let mut applying =
            unconstrained(store.apply(scene.batch().op(Op::AppendMessage(row)), Durability::ProcessSafe));
        let mut reading = unconstrained(store.conversation(scene.owner, conversation));
        let _ = (futures::poll!(&mut applying), futures::poll!(&mut reading));
    }
    // Another writer gets through at once, so no transaction is left.
    assert!(store.run(|writer| Ok(writer.connection.is_autocommit())).await.unwrap());
    let mut other = Connection::open(&path).unwrap();
    other.busy_timeout(std::time::Duration::ZERO).unwrap();
    drop(other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap());
    assert_eq!(scene.shown(conversation).await.message_count, 50);
}

#[tokio::test]
async fn a_panic_on_a_thread_is_an_internal_error_and_the_store_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("chat.db")).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    let panicking = store.run(|writer| -> Result<()> {
        writer.connection.execute_batch("BEGIN IMMEDIATE; DELETE FROM seq").unwrap();
        panic!("a bug in the writer");
    });
    assert_eq!(panicking.await.unwrap_err().kind(), ErrorKind::Internal);
    for _ in 0..2 * SqliteSettings::default().readers {
        let panicking = store.read("test", |_, _| -> Result<()> { panic!("a bug in a read") });
        assert_eq!(panicking.await.unwrap_err().kind(), ErrorKind::Internal);
    }
    scene.append(conversation, Parent::Head, "goes on").await;
    assert_eq!(scene.texts(conversation).await, ["goes on"]);
    store.close().await.unwrap();
}

#[tokio::test]
async fn an_opening_that_nobody_waits_for_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    for _ in 0..5 {
        let mut opening = Box::pin(SqliteStore::open(&path, SqliteSettings::default(), clock()));
        let _ = futures::poll!(&mut opening);
    }
    let store = open(&path).await;
    scene(&store, 1).new_conversation().await;
    store.close().await.unwrap();
    assert_nothing_open(folder.path());
}

#[cfg(target_os = "linux")]
fn open_files(folder: &Path) -> usize {
    let files = fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    files.filter(|file| file.starts_with(folder)).count()
}

fn assert_nothing_open(folder: &Path) {
    #[cfg(target_os = "linux")]
    assert_eq!(open_files(folder), 0);
    assert!(folder.exists());
}

#[tokio::test]
async fn a_closed_store_has_no_file_open() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("chat.db")).await;
    scene(&store, 1).new_conversation().await;
    #[cfg(target_os = "linux")]
    assert!(open_files(folder.path()) >= 3);
    store.close().await.unwrap();
    assert_nothing_open(folder.path());
}

#[cfg(target_os = "linux")]
#[test]
fn a_hundred_stores_opened_and_closed_leave_no_thread_and_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let status =
        child("lifecycle::opens_and_closes_a_hundred_stores", &folder.path().join("chat.db")).status().unwrap();
    assert!(status.success());
}

/// In a process of its own, because other tests have threads, too.
#[cfg(target_os = "linux")]
#[test]
#[ignore = "run by a_hundred_stores_opened_and_closed_leave_no_thread_and_no_file"]
fn opens_and_closes_a_hundred_stores() {
    let Some(path) = std::env::var_os(FILE).map(PathBuf::from) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let threads = || fs::read_dir("/proc/self/task").unwrap().count();
    let files = || fs::read_dir("/proc/self/fd").unwrap().count();
    let (threads_before, files_before) = (threads(), files());
    for round in 0..100 {
        runtime.block_on(async {
            let store = open(&path).await;
            scene(&store, round).apply_op(put_conversation(ConversationId::from_bytes([7; 16]))).await.unwrap();
            if round % 2 == 0 {
                store.close().await.unwrap();
            }
        });
        assert_eq!(files(), files_before, "round {round}");
    }
    // A thread that was joined may stand in the list for a moment longer.
    let mut looks = 0;
    while threads() > threads_before {
        looks += 1;
        assert!(looks < 1_000_000, "{} threads are left", threads() - threads_before);
        std::thread::yield_now();
    }
}

#[tokio::test]
async fn who_has_heard_of_a_failing_disk_reads_from_one_that_is_well_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("chat.db")).await;
    for round in 0..300 {
        let fails = store.run(|_| Err::<(), _>(failure::storage("io", "the test wants it"))).await;
        assert_eq!(fails.unwrap_err().reason(), "io");
        let read = store.conversations("ana", ListQuery { limit: 1, ..ListQuery::default() }).await;
        assert!(read.is_ok(), "round {round}: {read:?}");
    }
    store.close().await.unwrap();
}
