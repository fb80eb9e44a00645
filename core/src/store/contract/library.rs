//! The library: small values with a name, their versions, and what is told of their changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::scene::{OWNER, STRANGER, Scene, refused};
use crate::base::{ErrorKind, Json, Random as _, SeededRandom};
use crate::model::{PreferencesChange, Result};
use crate::store::{
    APPLICATION, EntryQuery, EntryRecord, EntryRow, EntryValue, EntryVersion, LibraryChanges, LibraryKey, NewEntry, Op,
    Receipt, Store,
};

const KIND: &str = "prompt";

fn new(name: &str, value: &str) -> NewEntry {
    let value = EntryValue::new(&Json::from(value)).unwrap();
    NewEntry { kind: KIND.to_owned(), name: name.to_owned(), value, expected: None, keep: 100 }
}

async fn put(scene: &Scene, name: &str, value: &str) -> i64 {
    version(scene.apply_op(Op::PutEntry(new(name, value))).await)
}

async fn put_on(scene: &Scene, name: &str, value: &str, expected: i64) -> Result<Receipt> {
    scene.apply_op(Op::PutEntry(NewEntry { expected: Some(expected), ..new(name, value) })).await
}

fn version(receipt: Result<Receipt>) -> i64 {
    receipt.unwrap().entry_version.expect("a value was put")
}

async fn delete(scene: &Scene, name: &str, expected: Option<i64>) -> Result<Receipt> {
    scene.apply_op(Op::DeleteEntry { kind: KIND.to_owned(), name: name.to_owned(), expected }).await
}

async fn get(scene: &Scene, name: &str, version: Option<i64>) -> Option<EntryRecord> {
    scene.store.entry(LibraryKey::new(scene.owner, KIND, name), version).await.unwrap()
}

async fn value(scene: &Scene, name: &str, version: Option<i64>) -> Option<String> {
    get(scene, name, version).await.map(|record| record.json)
}

async fn list(scene: &Scene, prefix: &str, after: Option<&str>, limit: usize) -> Vec<EntryRow> {
    let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
    scene.store.entries(scene.owner, EntryQuery { kind: KIND.to_owned(), prefix, after, limit }).await.unwrap()
}

fn names(rows: &[EntryRow]) -> Vec<&str> {
    rows.iter().map(|row| row.name.as_str()).collect()
}

async fn versions(scene: &Scene, name: &str, before: Option<i64>, limit: usize) -> Vec<EntryVersion> {
    scene.store.entry_versions(LibraryKey::new(scene.owner, KIND, name), before, limit).await.unwrap()
}

async fn numbers(scene: &Scene, name: &str) -> Vec<i64> {
    versions(scene, name, None, 1_000).await.iter().map(|row| row.version).collect()
}

fn changes(scene: &Scene, since: i64) -> LibraryChanges {
    scene.store.library_changes(since).expect("a store of ours can tell")
}

pub(super) async fn a_value_is_put_read_and_deleted(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    assert_eq!(get(&scene, "greeting", None).await, None);
    assert_eq!(put(&scene, "greeting", "Olá \u{1f600} \"x\"").await, 1);
    assert_eq!(put(&scene, "greeting", "").await, 2);
    let (first, second) =
        (get(&scene, "greeting", Some(1)).await.unwrap(), get(&scene, "greeting", None).await.unwrap());
    assert_eq!((first.version, first.json.as_str()), (1, "\"Olá \u{1f600} \\\"x\\\"\""));
    assert_eq!((second.version, second.json.as_str()), (2, "\"\""));
    assert_eq!((first.created_at, second.created_at), (first.updated_at, first.updated_at));
    assert!(second.updated_at > first.updated_at);
    for version in [0, 3, -1, i64::MAX] {
        assert_eq!(get(&scene, "greeting", Some(version)).await, None, "version {version}");
    }
    delete(&scene, "greeting", None).await.unwrap();
    for version in [None, Some(1), Some(2)] {
        assert_eq!(get(&scene, "greeting", version).await, None, "version {version:?}");
    }
    assert_eq!((list(&scene, "", None, 9).await, numbers(&scene, "greeting").await), (Vec::new(), Vec::new()));
    refused(delete(&scene, "greeting", None).await, ErrorKind::NotFound, "no_entry");
    refused(delete(&scene, "never", None).await, ErrorKind::NotFound, "no_entry");
}

pub(super) async fn each_put_is_a_version_and_the_oldest_go(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let keep = async |keep: usize, value: &str| {
        version(scene.apply_op(Op::PutEntry(NewEntry { keep, ..new("p", value) })).await)
    };
    for number in 1..=6 {
        assert_eq!(keep(3, &number.to_string()).await, number);
    }
    assert_eq!(numbers(&scene, "p").await, [6, 5, 4, 3]);
    assert_eq!(value(&scene, "p", Some(2)).await, None);
    assert_eq!(value(&scene, "p", Some(3)).await.as_deref(), Some("\"3\""));
    assert_eq!(keep(0, "7").await, 7);
    assert_eq!(numbers(&scene, "p").await, [7]);
    assert_eq!(keep(usize::MAX, "8").await, 8);
    assert_eq!(numbers(&scene, "p").await, [8, 7]);
}

pub(super) async fn a_put_on_another_version_is_conflict_and_tells_which_is_there(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    refused(put_on(&scene, "p", "x", 1).await, ErrorKind::Conflict, "entry_moved");
    assert_eq!(version(put_on(&scene, "p", "one", 0).await), 1);
    for expected in [0, 2, i64::MAX] {
        let error = put_on(&scene, "p", "late", expected).await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Conflict, "entry_moved"), "on {expected}");
        assert!(error.detail().contains("version 1 is there"), "{error}");
    }
    assert_eq!(version(put_on(&scene, "p", "two", 1).await), 2);
    refused(delete(&scene, "p", Some(1)).await, ErrorKind::Conflict, "entry_moved");
    // What stood before it in the batch is taken back.
    let batch = scene.batch().op(Op::PutEntry(new("q", "with it")));
    let batch = batch.op(Op::PutEntry(NewEntry { expected: Some(1), ..new("p", "late") }));
    refused(scene.apply(batch).await, ErrorKind::Conflict, "entry_moved");
    assert_eq!((value(&scene, "q", None).await, numbers(&scene, "p").await), (None, vec![2, 1]));
    delete(&scene, "p", Some(2)).await.unwrap();
}

pub(super) async fn the_same_value_again_changes_nothing(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    assert_eq!(put(&scene, "p", "one").await, 1);
    let (before, told) = (get(&scene, "p", None).await, changes(&scene, 0).number);
    assert_eq!(put(&scene, "p", "one").await, 1);
    assert_eq!(version(put_on(&scene, "p", "one", 1).await), 1);
    refused(put_on(&scene, "p", "one", 0).await, ErrorKind::Conflict, "entry_moved");
    assert_eq!((get(&scene, "p", None).await, changes(&scene, 0).number), (before, told));
    // An older value is a new version.
    assert_eq!((put(&scene, "p", "two").await, put(&scene, "p", "one").await), (2, 3));
}

pub(super) async fn versions_are_never_given_twice(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    assert_eq!((put(&scene, "p", "one").await, put(&scene, "p", "two").await), (1, 2));
    let first = get(&scene, "p", None).await.unwrap();
    delete(&scene, "p", None).await.unwrap();
    // Whoever knows the old one cannot take the new one for it.
    refused(put_on(&scene, "p", "two", 2).await, ErrorKind::Conflict, "entry_moved");
    assert_eq!(version(put_on(&scene, "p", "two", 0).await), 3);
    let again = get(&scene, "p", None).await.unwrap();
    assert_eq!((numbers(&scene, "p").await, again.version), (vec![3], 3));
    assert!(again.created_at > first.updated_at);
}

pub(super) async fn names_are_listed_in_order_page_by_page(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    for name in ["b/2", "a", "b/10", "é", "b", "c", "b/1", "Z", "b/gone", "\u{10ffff}b"] {
        put(&scene, name, name).await;
    }
    delete(&scene, "b/gone", None).await.unwrap();
    let other = NewEntry { kind: "persona".to_owned(), ..new("b/3", "x") };
    scene.apply_op(Op::PutEntry(other)).await.unwrap();
    let all = list(&scene, "", None, 100).await;
    assert_eq!(names(&all), ["Z", "a", "b", "b/1", "b/10", "b/2", "c", "é", "\u{10ffff}b"]);
    assert!(all.iter().all(|row| row.version == 1 && row.created_at == row.updated_at));
    assert_eq!(names(&list(&scene, "b/", None, 100).await), ["b/1", "b/10", "b/2"]);
    assert_eq!(names(&list(&scene, "b", Some("b"), 2).await), ["b/1", "b/10"]);
    assert_eq!(names(&list(&scene, "b", Some("b/gone"), 9).await), [""; 0], "behind the last of them");
    assert_eq!(names(&list(&scene, "", Some("b/gone"), 1).await), ["c"], "behind one that is not there any more");
    assert_eq!(names(&list(&scene, "b", Some("a"), 1).await), ["b"], "behind one before all of them");
    assert_eq!(names(&list(&scene, "%", None, 9).await), [""; 0]);
    assert_eq!(list(&scene, "", None, 0).await, []);
    let (mut paged, mut after) = (Vec::new(), None);
    loop {
        let page = list(&scene, "", after.as_deref(), 2).await;
        let Some(last) = page.last() else { break };
        after = Some(last.name.clone());
        paged.extend(page);
    }
    assert_eq!(paged, all);
}

pub(super) async fn versions_are_listed_the_newest_first(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    for number in 1..=5 {
        put(&scene, "p", &"é".repeat(number)).await;
    }
    let rows = versions(&scene, "p", None, 2).await;
    assert_eq!(rows.iter().map(|row| (row.version, row.bytes)).collect::<Vec<_>>(), [(5, 12), (4, 10)]);
    assert!(rows[0].created_at > rows[1].created_at);
    let rest = versions(&scene, "p", Some(4), 9).await;
    assert_eq!(rest.iter().map(|row| row.version).collect::<Vec<_>>(), [3, 2, 1]);
    for before in [1, 0, i64::MIN] {
        assert_eq!(versions(&scene, "p", Some(before), 9).await, [], "before {before}");
    }
    assert_eq!(versions(&scene, "never", None, 9).await, []);
}

pub(super) async fn a_library_is_its_owners_own_and_the_application_has_one(store: Arc<dyn Store>) {
    let ana = Scene::new(store);
    let (bo, all) = (ana.of(STRANGER), ana.of(APPLICATION));
    for (scene, words) in [(&ana, "of ana"), (&bo, "of bo"), (&all, "of all")] {
        assert_eq!(put(scene, "p", words).await, 1);
    }
    put(&ana, "only ana's", "x").await;
    for (scene, words) in [(&ana, "\"of ana\""), (&bo, "\"of bo\""), (&all, "\"of all\"")] {
        assert_eq!(value(scene, "p", None).await.as_deref(), Some(words));
    }
    refused(delete(&bo, "only ana's", None).await, ErrorKind::NotFound, "no_entry");
    delete(&bo, "p", None).await.unwrap();
    assert_eq!(version(put_on(&bo, "only ana's", "mine", 0).await), 1);
    assert_eq!(names(&list(&ana, "", None, 9).await), ["only ana's", "p"]);
    assert_eq!(names(&list(&bo, "", None, 9).await), ["only ana's"]);
    assert_eq!(names(&list(&all, "", None, 9).await), ["p"]);
    assert_eq!((numbers(&ana, "p").await, numbers(&bo, "p").await), (vec![1], vec![]));
    assert_eq!(value(&ana.of("nobody"), "p", None).await, None);
}

pub(super) async fn what_cannot_be_in_a_library_is_refused_and_changes_nothing(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    put(&scene, "p", "one").await;
    let told = changes(&scene, 0);
    let long = "x".repeat(129);
    for name in ["", long.as_str(), "a\nb", "a\0b"] {
        refused(scene.apply_op(Op::PutEntry(new(name, "x"))).await, ErrorKind::Invalid, "bad_name");
    }
    let long = "x".repeat(33);
    for kind in ["", long.as_str(), "My kind", "preferences"] {
        let entry = NewEntry { kind: kind.to_owned(), ..new("p", "x") };
        refused(scene.apply_op(Op::PutEntry(entry)).await, ErrorKind::Invalid, "bad_kind");
    }
    for expected in [-1, i64::MIN] {
        refused(put_on(&scene, "p", "x", expected).await, ErrorKind::Invalid, "bad_version");
        refused(delete(&scene, "p", Some(expected)).await, ErrorKind::Invalid, "bad_version");
    }
    let of = |bytes: usize| EntryValue::new(&Json::from("x".repeat(bytes - 2)));
    refused(of(65_537), ErrorKind::Invalid, "too_large");
    let mut deep = Json::Null;
    for _ in 0..200 {
        deep = Json::from(vec![deep]);
    }
    refused(EntryValue::new(&deep), ErrorKind::Invalid, "too_deep");
    assert_eq!((list(&scene, "", None, 9).await.len(), numbers(&scene, "p").await), (1, vec![1]));
    assert_eq!(changes(&scene, 0), told);
    let largest = NewEntry { value: of(65_536).unwrap(), ..new("p", "") };
    assert_eq!(version(scene.apply_op(Op::PutEntry(largest)).await), 2);
    assert_eq!(value(&scene, "p", None).await.unwrap().len(), 65_536);
}

pub(super) async fn every_change_is_told_by_number_until_it_is_too_long_ago(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    assert_eq!(changes(&scene, 0), LibraryChanges { number: 0, keys: Some(Vec::new()) });
    put(&scene, "a", "1").await;
    put(&scene.of(STRANGER), "b", "1").await;
    delete(&scene, "a", None).await.unwrap();
    let key = |owner: &str, name: &str| LibraryKey::new(owner, KIND, name);
    let all = vec![key(OWNER, "a"), key(STRANGER, "b"), key(OWNER, "a")];
    assert_eq!(changes(&scene, 0), LibraryChanges { number: 3, keys: Some(all.clone()) });
    assert_eq!(changes(&scene, 1).keys.as_deref(), Some(&all[1..]));
    assert_eq!(changes(&scene, 3), LibraryChanges { number: 3, keys: Some(Vec::new()) });
    // A batch that fails leaves no number behind.
    let batch = scene.batch().op(Op::PutEntry(new("c", "1"))).op(Op::PutEntry(new("", "1")));
    refused(scene.apply(batch).await, ErrorKind::Invalid, "bad_name");
    assert_eq!(changes(&scene, 3).number, 3);
    for number in 0..256 {
        put(&scene, "d", &number.to_string()).await;
    }
    let told = changes(&scene, 3);
    assert_eq!((told.number, told.keys.map(|keys| keys.len())), (259, Some(256)));
    assert_eq!(changes(&scene, 2), LibraryChanges { number: 259, keys: None }, "the third is forgotten");
    assert_eq!(changes(&scene, -1), LibraryChanges { number: 259, keys: None });
}

pub(super) async fn changes_are_told_of_preferences_too(store: Arc<dyn Store>) {
    let scene = Scene::new(store);
    let named = |name: &str| PreferencesChange { name: Some(Some(name.to_owned())), ..PreferencesChange::default() };
    scene.apply_op(Op::UpdatePreferences(named("Ana"))).await.unwrap();
    let told = changes(&scene, 0);
    assert_eq!(told, LibraryChanges { number: 1, keys: Some(vec![LibraryKey::preferences(OWNER)]) });
    let long = named(&"x".repeat(9_000));
    refused(scene.apply_op(Op::UpdatePreferences(long)).await, ErrorKind::Invalid, "too_large");
    assert_eq!(changes(&scene, 1).number, 1);
}

/// What a naive model keeps of a name: the numbers and values of its versions, and the last number.
#[derive(Default)]
struct Kept {
    versions: Vec<(i64, String)>,
    last: i64,
}

pub(super) async fn random_libraries_equal_those_of_a_naive_model(store: Arc<dyn Store>) {
    for seed in 0..4 {
        let random = SeededRandom::new(seed);
        let pick = |below: usize| (random.unit() * below as f64) as usize;
        let owners = [OWNER, STRANGER, APPLICATION].map(|owner| Scene::seeded(Arc::clone(&store), seed).of(owner));
        let mut model: BTreeMap<(usize, String), Kept> = BTreeMap::new();
        for step in 0..150 {
            let at = format!("seed {seed}, step {step}");
            let whose = pick(3);
            let (scene, name) = (&owners[whose], format!("{seed}/{}", pick(6)));
            let kept = model.entry((whose, name.clone())).or_default();
            let newest = kept.versions.last().cloned();
            let standing = newest.as_ref().map_or(0, |(version, _)| *version);
            let expected = match pick(4) {
                0 => Some(standing),
                1 => Some(standing + 1),
                _ => None,
            };
            let fits = expected.is_none_or(|expected| expected == standing);
            if pick(5) == 0 {
                let deleted = delete(scene, &name, expected).await;
                assert_eq!(deleted.is_ok(), fits && standing > 0, "{at}: {deleted:?}");
                if deleted.is_ok() {
                    kept.versions.clear();
                }
            } else {
                let (said, keep) = (pick(3).to_string(), pick(4));
                let put = scene.apply_op(Op::PutEntry(NewEntry { expected, keep, ..new(&name, &said) })).await;
                assert_eq!(put.is_ok(), fits, "{at}: {put:?}");
                let said = format!("\"{said}\"");
                if put.is_ok() && newest.is_none_or(|(_, newest)| newest != said) {
                    kept.last += 1;
                    kept.versions.push((kept.last, said));
                    let from = kept.versions.partition_point(|(version, _)| *version + (keep as i64) < kept.last);
                    kept.versions.drain(..from);
                }
                if let Ok(receipt) = put {
                    assert_eq!(receipt.entry_version, kept.versions.last().map(|(version, _)| *version), "{at}");
                }
            }
        }
        for ((whose, name), kept) in &model {
            let (scene, at) = (&owners[*whose], format!("seed {seed}, {name} of {whose}"));
            assert_eq!(value(scene, name, None).await.as_ref(), kept.versions.last().map(|(_, said)| said), "{at}");
            assert_eq!(
                numbers(scene, name).await,
                kept.versions.iter().rev().map(|(n, _)| *n).collect::<Vec<_>>(),
                "{at}"
            );
            for (version, said) in &kept.versions {
                assert_eq!(value(scene, name, Some(*version)).await.as_ref(), Some(said), "{at}");
            }
        }
        for (whose, scene) in owners.iter().enumerate() {
            let there = model.iter().filter(|((of, _), kept)| *of == whose && !kept.versions.is_empty());
            let there: Vec<&str> = there.map(|((_, name), _)| name.as_str()).collect();
            assert_eq!(names(&list(scene, &format!("{seed}/"), None, 99).await), there, "seed {seed} of {whose}");
        }
    }
}
