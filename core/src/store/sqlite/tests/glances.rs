//! What is told of changes: by every store of a file, at once, and by none that rests.

use super::*;
use crate::base::Json;
use crate::store::contract::scene::OWNER;
use crate::store::{EntryValue, NewEntry, Op};

pub(super) fn put(name: &str, value: impl Into<Json>) -> Op {
    let value = EntryValue::new(&value.into()).unwrap();
    Op::PutEntry(NewEntry { kind: "prompt".to_owned(), name: name.to_owned(), value, expected: None, keep: 100 })
}

fn told(store: &SqliteStore, since: i64) -> Option<(i64, usize)> {
    store.library_changes(since).map(|told| (told.number, told.keys.unwrap().len()))
}

#[tokio::test]
async fn what_another_store_changed_is_told_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let (first, second) = (open(&path).await, open(&path).await);
    assert_eq!(told(&first, 0), Some((0, 0)));
    for number in 1..=200 {
        let (writer, reader) = if number % 2 == 0 { (&first, &second) } else { (&second, &first) };
        scene(writer, 1).apply_op(put("p", number)).await.unwrap();
        assert_eq!((told(reader, number - 1), told(writer, number - 1)), (Some((number, 1)), Some((number, 1))));
        // What concerns no library is no change of one.
        scene(writer, u64::try_from(number).unwrap()).new_conversation().await;
        assert_eq!(told(reader, number), Some((number, 0)));
    }
    first.close().await.unwrap();
    assert_eq!(told(&second, 200), Some((200, 0)), "the last change outlives the one who made it");
}

#[tokio::test]
async fn a_store_at_rest_or_closed_tells_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    scene(&store, 1).apply_op(put("p", 1)).await.unwrap();
    store.suspend().await.unwrap();
    assert_eq!(told(&store, 0), None);
    let other = open(&path).await;
    scene(&other, 2).apply_op(put("p", 2)).await.unwrap();
    store.resume().await.unwrap();
    assert_eq!(told(&store, 1), Some((2, 1)));
    store.close().await.unwrap();
    assert_eq!(told(&store, 0), None);
}

#[tokio::test]
async fn a_look_is_one_statement_however_much_was_changed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    // A look is taken on this thread, where statements are counted.
    let looks = |since| {
        row::STATEMENTS.set(0);
        let told = store.library_changes(since).unwrap();
        (row::STATEMENTS.get(), told.number, told.keys.map(|keys| keys.len()))
    };
    assert_eq!(looks(0), (1, 0, Some(0)));
    for number in 0..300 {
        scene.apply_op(put("p", number)).await.unwrap();
    }
    assert_eq!(looks(300), (1, 300, Some(0)));
    assert_eq!(looks(200), (1, 300, Some(100)));
    assert_eq!(looks(0), (1, 300, None));
}

#[tokio::test]
async fn nobody_waits_for_a_look_while_a_fork_is_on_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("chat.db")).await;
    assert_eq!(told(&store, 0), Some((0, 0)));
    let gate = Box::leak(Box::new(super::super::fork::Gate::new()));
    drop(gate.try_enter().expect("it is open"));
    gate.close();
    assert!(gate.try_enter().is_none());
    gate.open();
    // Who was turned away is not taken to be inside.
    gate.close();
    gate.open();
    assert!(gate.try_enter().is_some());
}

#[tokio::test]
async fn what_is_deleted_is_not_in_the_file_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    scene.apply_op(put("p", "one")).await.unwrap();
    scene.apply_op(put("p", "two")).await.unwrap();
    let (kind, name) = ("prompt".to_owned(), "p".to_owned());
    scene.apply_op(Op::DeleteEntry { kind, name, expected: None }).await.unwrap();
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM library_version"), 0);
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM library_entry WHERE is_deleted AND version = 2"), 1);
    let key = crate::store::LibraryKey::new(OWNER, "prompt", "p");
    assert_eq!(store.entry(key, Some(2)).await.unwrap(), None);
    assert_sound(&path, "deleted");
}
