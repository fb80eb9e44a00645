//! Other processes: killed, alive, writing at the same time.
//!
//! The other process is this test program itself, told to run one ignored test on the same file.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::Barrier;

use super::*;
use crate::model::{MessageStatus, TurnState};
use crate::store::contract::scene::{NOW, chunk, later, user_row};
use crate::store::{Op, Parent};

/// Names the file in the environment of the other process.
pub(super) const FILE: &str = "TERTULIA_TEST_FILE";

pub(super) const READY: &str = "the child is ready";

/// This program, running one test on this file.
pub(super) fn child(test: &str, file: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    let name = format!("store::sqlite::tests::{test}");
    command.args([name.as_str(), "--exact", "--ignored", "--nocapture", "--test-threads=1"]).env(FILE, file);
    command
}

/// Starts it and waits until it says that it is ready.
pub(super) fn ready_child(test: &str, file: &Path) -> Child {
    let mut child = child(test, file).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(READY)), "the child ended before it was ready");
    child
}

pub(super) fn wait_until_told(stdin: &mut impl std::io::Read) {
    // Ends when the parent closes the pipe or dies.
    let _ = stdin.read(&mut [0]).unwrap();
}

#[test]
#[ignore = "the other process of tests about killed and living processes"]
fn streams_and_waits_to_be_killed() {
    let Some(path) = std::env::var_os(FILE).map(PathBuf::from) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = open(&path).await;
        let scene = scene(&store, 77);
        for n in 0..3 {
            let sent = scene.stream(scene.ids.conversation(), &format!("question {n}"), "one ").await;
            let batch = scene.batch().op(Op::AppendDraft(chunk(sent.reply, 2, "two")));
            store.apply(batch, Durability::ProcessSafe).await.unwrap();
        }
        scene.send(scene.ids.conversation(), "only saved").await;
        println!("{READY}");
        wait_until_told(&mut std::io::stdin());
    });
}

#[tokio::test]
async fn a_killed_process_leaves_turns_that_are_put_to_rest_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let mut child = ready_child("processes::streams_and_waits_to_be_killed", &path);
    // While it lives, nothing of it is touched.
    let beside = open(&path).await;
    assert_eq!(beside.recover(NOW).await.unwrap(), []);
    beside.close().await.unwrap();
    child.kill().unwrap();
    child.wait().unwrap();

    let store = open(&path).await;
    let scene = scene(&store, 1);
    let recovered = store.recover(NOW).await.unwrap();
    assert_eq!(recovered.len(), 4, "their leases have a minute to go, but nobody is alive");
    for record in &recovered {
        assert_eq!((record.turn.state, record.owner.as_str()), (TurnState::Interrupted, scene.owner));
        assert_eq!(record.turn.error.as_ref().unwrap().reason, "process_ended");
    }
    let replies: Vec<_> = recovered.iter().filter_map(|record| record.turn.reply_id).collect();
    assert_eq!(replies.len(), 3);
    for id in replies {
        let reply = store.message(scene.owner, id).await.unwrap().unwrap();
        assert_eq!((reply.text().as_str(), reply.status), ("one two", MessageStatus::Interrupted));
    }
    assert_eq!(store.recover(later(1_000_000)).await.unwrap(), []);
    store.close().await.unwrap();
    assert_sound(&path, "recovered");
}

#[tokio::test]
async fn a_process_killed_beside_a_living_one_is_recovered_by_its_leases() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let living = open(&path).await;
    let scene_1 = scene(&living, 1);
    let own = scene_1.stream(scene_1.ids.conversation(), "question", "mine").await;
    let renewed = crate::store::DraftChunk { lease_until: later(500_000), ..chunk(own.reply, 2, "!") };
    scene_1.apply_op(Op::AppendDraft(renewed)).await.unwrap();
    let mut child = ready_child("processes::streams_and_waits_to_be_killed", &path);
    child.kill().unwrap();
    child.wait().unwrap();
    let opened_after = open(&path).await;
    assert_eq!(opened_after.recover(later(59_999)).await.unwrap(), [], "somebody else lives, so only leases tell");
    assert_eq!(opened_after.recover(later(60_000)).await.unwrap().len(), 4);
    let own = living.turn(scene_1.owner, own.turn).await.unwrap().unwrap();
    assert_eq!(own.turn.state, TurnState::Streaming);
}

#[tokio::test]
async fn turns_of_another_store_of_this_process_are_left_alone_until_it_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let first = open(&path).await;
    let scene_1 = scene(&first, 1);
    let sent = scene_1.stream(scene_1.ids.conversation(), "question", "par").await;
    for _ in 0..3 {
        let second = open(&path).await;
        assert_eq!(second.recover(NOW).await.unwrap(), []);
        assert_eq!(first.recover(NOW).await.unwrap(), []);
        second.close().await.unwrap();
    }
    let state = first.turn(scene_1.owner, sent.turn).await.unwrap().unwrap().turn.state;
    assert_eq!(state, TurnState::Streaming);
    let third = open(&path).await;
    drop(scene_1);
    drop(first);
    assert_eq!(third.recover(NOW).await.unwrap(), [], "the third was opened while the first lived");
    drop(third);
    let last = open(&path).await;
    assert_eq!(last.recover(NOW).await.unwrap().len(), 1);
}

#[test]
fn many_who_open_at_once_never_take_each_other_for_dead() {
    const OPENERS: u64 = 6;
    let folder = tempfile::tempdir().unwrap();
    for round in 0..15 {
        let path = folder.path().join(format!("{}.db", round % 3));
        let all_are_open = Barrier::new(usize::try_from(OPENERS).unwrap());
        std::thread::scope(|scope| {
            for opener in 0..OPENERS {
                let (path, all_are_open) = (&path, &all_are_open);
                scope.spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                    runtime.block_on(async {
                        let opened = SqliteStore::open(path, SqliteSettings::default(), clock()).await;
                        let streaming = async |store: SqliteStore| {
                            let store = Arc::new(store);
                            let scene = scene(&store, round * OPENERS + opener);
                            let sent = scene.planned(scene.ids.conversation());
                            scene.apply(scene.sending(sent, "question")).await?;
                            scene.apply(scene.first_words(sent, "par")).await?;
                            let recovered = store.recover(NOW).await?;
                            Ok::<_, Error>((store, scene, sent, recovered))
                        };
                        let streamed = match opened {
                            Ok(store) => streaming(store).await,
                            Err(error) => Err(error),
                        };
                        // Whatever failed is told after all have come here: a thread that panics would keep the
                        // others waiting.
                        all_are_open.wait();
                        let (store, scene, sent, recovered) = streamed.unwrap();
                        assert_eq!(recovered, [], "round {round}");
                        let turn = store.turn(scene.owner, sent.turn).await.unwrap().unwrap();
                        assert_eq!(turn.turn.state, TurnState::Streaming, "round {round}");
                        scene.apply(scene.ending(sent, 2, "whole")).await.unwrap();
                        if opener % 2 == 0 {
                            store.close().await.unwrap();
                        }
                    });
                });
            }
        });
    }
}

const EACH: usize = 60;

async fn append_many(store: &Arc<SqliteStore>, seed: u64) {
    let scene = scene(store, seed);
    let conversation = ConversationId::from_bytes([9; 16]);
    for n in 0..EACH {
        let row = user_row(scene.ids.message(), conversation, Parent::Head, &n.to_string());
        let durability = if n % 2 == 0 { Durability::PowerSafe } else { Durability::ProcessSafe };
        store.apply(scene.batch().op(Op::AppendMessage(row)), durability).await.unwrap();
    }
}

#[test]
#[ignore = "the other process of two_processes_write_one_conversation"]
fn appends_many() {
    let Some(path) = std::env::var_os(FILE).map(PathBuf::from) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = open(&path).await;
        println!("{READY}");
        wait_until_told(&mut std::io::stdin());
        append_many(&store, 5).await;
    });
}

#[tokio::test]
async fn two_processes_write_one_conversation() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    let conversation = ConversationId::from_bytes([9; 16]);
    scene.apply_op(crate::store::contract::scene::put_conversation(conversation)).await.unwrap();
    let mut child = ready_child("processes::appends_many", &path);
    drop(child.stdin.take());
    append_many(&store, 6).await;
    let mut rest = String::new();
    child.stdout.take().unwrap().read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
    let texts = scene.texts(conversation).await;
    assert_eq!(texts.len(), 2 * EACH);
    for n in 0..EACH {
        assert_eq!(texts.iter().filter(|text| **text == n.to_string()).count(), 2);
    }
    store.close().await.unwrap();
    assert_sound(&path, "two processes");
}
