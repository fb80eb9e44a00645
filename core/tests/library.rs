//! Libraries of the application and of its users, and what they prefer, as users ask for them.
#![cfg(all(feature = "engine", feature = "sqlite"))]
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs, reason = "tests may panic and need no docs")]

mod support;

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use support::{cause_of, within};
use tertulia::base::{ManualClock, Random as _, SeededRandom};
use tertulia::{
    ErrorKind, Library, LibraryItem, LibraryKey, PreferencesChange, Reconfiguration, Settings, Tertulia, UserScope,
};

async fn opened() -> Tertulia {
    Tertulia::builder().store("memory:").model("echo/any").open().await.unwrap()
}

async fn on(path: &Path) -> Tertulia {
    Tertulia::builder().store(path.to_str().unwrap()).model("echo/any").open().await.unwrap()
}

async fn text(library: &Library, name: &str) -> Option<String> {
    library.get(name).await.unwrap().map(|found| found.text().unwrap().to_owned())
}

fn names(items: &[LibraryItem]) -> Vec<(&str, bool)> {
    items.iter().map(|item| (item.name.as_str(), item.shared)).collect()
}

#[tokio::test]
async fn a_users_own_prompt_stands_before_the_applications() {
    let t = opened().await;
    let (ana, bo) = (t.user("ana").prompts(), t.user("bo").prompts());
    assert_eq!(t.prompts().put("guide", "for all").await.unwrap(), 1);
    assert!(ana.get("guide").await.unwrap().unwrap().shared);
    assert_eq!(ana.put("guide", "for ana").await.unwrap(), 1);
    let own = ana.get("guide").await.unwrap().unwrap();
    assert_eq!((own.kind.as_str(), own.name.as_str(), own.version, own.shared), ("prompt", "guide", 1, false));
    assert_eq!(
        (text(&ana, "guide").await.as_deref(), text(&bo, "guide").await.as_deref()),
        (Some("for ana"), Some("for all"))
    );
    assert_eq!(text(&t.prompts(), "guide").await.as_deref(), Some("for all"));
    // A user's handle deletes what is the user's.
    ana.delete("guide").await.unwrap();
    assert_eq!(text(&ana, "guide").await.as_deref(), Some("for all"));
    assert_eq!(cause_of(ana.delete("guide").await).0, ErrorKind::NotFound);
    t.prompts().delete("guide").await.unwrap();
    assert_eq!((text(&ana, "guide").await, text(&bo, "guide").await), (None, None));
    // Each kind is a library of its own.
    t.personas().put("guide", json!({"name": "Rosa", "tone": ["dry"]})).await.unwrap();
    t.councils().put("guide", json!({"members": ["echo/a", "echo/b"]})).await.unwrap();
    t.library("setting").put("theme", "dark").await.unwrap();
    assert_eq!(ana.get("guide").await.unwrap(), None);
    assert_eq!(t.user("ana").personas().get("guide").await.unwrap().unwrap().value["tone"][0], "dry");
    assert_eq!(t.user("ana").councils().get("guide").await.unwrap().unwrap().value["members"][1], "echo/b");
    assert_eq!(text(&t.user("ana").library("setting"), "theme").await.as_deref(), Some("dark"));
    t.close().await.unwrap();
}

#[tokio::test]
async fn versions_are_read_listed_and_guarded() {
    let t = opened().await;
    let (all, ana) = (t.prompts(), t.user("ana").prompts());
    for text in ["one", "two", "three"] {
        all.put("p", text).await.unwrap();
    }
    assert_eq!(all.put("p", "three").await.unwrap(), 3, "the same again is no new version");
    let said = async |library: &Library, version| {
        library.version("p", version).await.unwrap().map(|found| (found.version, found.value))
    };
    assert_eq!(said(&all, 1).await, Some((1, json!("one"))));
    assert_eq!(said(&ana, 2).await, Some((2, json!("two"))));
    assert_eq!((said(&all, 0).await, said(&all, 4).await), (None, None));
    let listed = all.versions("p").limit(2).await.unwrap();
    assert_eq!(listed.iter().map(|row| (row.version, row.size_bytes)).collect::<Vec<_>>(), [(3, 7), (2, 5)]);
    let rest = all.versions("p").before(listed[1].version).await.unwrap();
    assert_eq!(rest.iter().map(|row| row.version).collect::<Vec<_>>(), [1]);
    assert_eq!(all.versions("never").await.unwrap(), []);
    // With a value of her own the versions are hers.
    ana.put("p", "mine").await.unwrap();
    assert_eq!(ana.versions("p").await.unwrap().len(), 1);
    assert_eq!(said(&ana, 2).await, None, "the application's second version is none of hers");

    assert_eq!(cause_of(all.put("p", "x").expected_version(2).await), (ErrorKind::Conflict, "entry_moved".to_owned()));
    assert_eq!(cause_of(all.put("p", "x").expected_version(0).await).0, ErrorKind::Conflict);
    assert_eq!(cause_of(all.delete("p").expected_version(2).await).0, ErrorKind::Conflict);
    assert_eq!(all.put("p", "four").expected_version(3).await.unwrap(), 4);
    all.delete("p").expected_version(4).await.unwrap();
    assert_eq!(cause_of(all.put("p", "x").expected_version(4).await).0, ErrorKind::Conflict);
    assert_eq!(all.put("p", "five").expected_version(0).await.unwrap(), 5);
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_list_shows_each_name_once_page_by_page() {
    let t = opened().await;
    let (all, ana) = (t.prompts(), t.user("ana").prompts());
    for name in ["a", "c", "e/1", "e/2", "g"] {
        all.put(name, "x").await.unwrap();
    }
    for name in ["b", "c", "e/1", "h"] {
        ana.put(name, "y").await.unwrap();
    }
    let whole = ana.list().await.unwrap();
    let expected = [("a", true), ("b", false), ("c", false), ("e/1", false), ("e/2", true), ("g", true), ("h", false)];
    assert_eq!(names(&whole), expected);
    for limit in 1..=8 {
        let (mut paged, mut after) = (Vec::new(), None);
        loop {
            let page = ana.list().limit(limit).after(after).await.unwrap();
            let is_last = page.len() < limit;
            after = page.last().map(|item| item.name.clone());
            paged.extend(page);
            if is_last {
                break;
            }
        }
        assert_eq!(paged, whole, "by {limit}");
    }
    assert_eq!(names(&ana.list().prefix("e/").await.unwrap()), [("e/1", false), ("e/2", true)]);
    assert_eq!(names(&t.user("bo").prompts().list().limit(2).await.unwrap()), [("a", true), ("c", true)]);
    assert_eq!(t.prompts().list().await.unwrap().len(), 5);
    for limit in [0, 201] {
        assert_eq!(cause_of(ana.list().limit(limit).await).1, "bad_limit");
        assert_eq!(cause_of(ana.versions("a").limit(limit).await).1, "bad_limit");
    }
    t.close().await.unwrap();
}

#[tokio::test]
async fn what_one_handle_writes_every_other_sees_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let (first, second) = (on(&path).await, on(&path).await);
    let handles = [first.user("ana"), first.clone().user("ana"), second.user("ana")];
    for number in 0..60_i64 {
        let writer = &handles[usize::try_from(number % 3).unwrap()];
        writer.prompts().put("p", number).await.unwrap();
        let change = PreferencesChange { name: Some(Some(number.to_string())), ..PreferencesChange::default() };
        writer.update_preferences(change).await.unwrap();
        for reader in &handles {
            assert_eq!(reader.prompts().get("p").await.unwrap().unwrap().value, json!(number));
            assert_eq!(reader.preferences().await.unwrap().name, Some(number.to_string()));
        }
    }
    let health = first.health().library;
    assert!(health.hits > 0 && health.dropped > 0 && health.hit_rate > 0.0, "{health:?}");
    first.close().await.unwrap();
    assert_eq!(cause_of(handles[0].prompts().get("p").await).0, ErrorKind::Closed);
    assert_eq!(cause_of(handles[0].preferences().await).0, ErrorKind::Closed);
    assert_eq!(handles[2].prompts().get("p").await.unwrap().unwrap().value, json!(59));
    second.close().await.unwrap();
}

#[tokio::test]
async fn of_many_who_put_on_one_version_one_is_first() {
    let folder = tempfile::tempdir().unwrap();
    let t = on(&folder.path().join("chat.db")).await;
    t.prompts().put("p", "begun").await.unwrap();
    let prompts = t.prompts();
    let puts = (0..20).map(|number| prompts.put("p", number).expected_version(1).into_future());
    let done = futures::future::join_all(puts).await;
    assert_eq!(done.iter().filter(|done| done.is_ok()).count(), 1);
    assert!(done.iter().flat_map(|done| done.as_ref().err()).all(|error| error.reason() == "entry_moved"));
    t.close().await.unwrap();
}

#[tokio::test]
async fn a_library_rests_and_wakes_with_its_engine() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let t = on(&path).await;
    let prompts = t.user("ana").prompts();
    prompts.put("p", "before").await.unwrap();
    assert_eq!(text(&prompts, "p").await.as_deref(), Some("before"));
    t.suspend().await.unwrap();
    assert_eq!(cause_of(prompts.get("p").await), (ErrorKind::Closed, "suspended".to_owned()));
    let other = on(&path).await;
    other.user("ana").prompts().put("p", "meanwhile").await.unwrap();
    other.close().await.unwrap();
    t.resume().await.unwrap();
    assert_eq!(text(&prompts, "p").await.as_deref(), Some("meanwhile"));
    t.close().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_is_refused_and_changes_nothing() {
    let t = opened().await;
    let prompts = t.prompts();
    prompts.put("p", "one").await.unwrap();
    let long = "x".repeat(129);
    for name in ["", long.as_str(), "a\nb", "a\0"] {
        let bad = (ErrorKind::Invalid, "bad_name".to_owned());
        assert_eq!(cause_of(prompts.put(name, "x").await), bad);
        assert_eq!(cause_of(prompts.get(name).await), bad);
        assert_eq!(cause_of(prompts.version(name, 1).await), bad);
        assert_eq!(cause_of(prompts.versions(name).await), bad);
        assert_eq!(cause_of(prompts.delete(name).await), bad);
    }
    for kind in ["", "My kind", "preferences", &long] {
        let bad = (ErrorKind::Invalid, "bad_kind".to_owned());
        let library = t.library(kind);
        assert_eq!(cause_of(library.put("p", "x").await), bad);
        assert_eq!(cause_of(library.get("p").await), bad);
        assert_eq!(cause_of(library.list().await), bad);
        assert_eq!(cause_of(library.delete("p").await), bad);
    }
    for user in ["", "a\0"] {
        assert_eq!(cause_of(t.user(user).prompts().get("p").await).1, "bad_user", "the application is nobody's handle");
        assert_eq!(cause_of(t.user(user).prompts().put("p", "x").await).1, "bad_user");
        assert_eq!(cause_of(t.user(user).prompts().delete("p").await).1, "bad_user");
        assert_eq!(cause_of(t.user(user).prompts().list().await).1, "bad_user");
    }
    assert_eq!(cause_of(prompts.put("p", "x").expected_version(-1).await).1, "bad_version");
    let error = prompts.put("p", "secret".repeat(11_000)).await.unwrap_err();
    assert_eq!((error.reason(), error.info().operation.as_str()), ("too_large", "library.put"));
    assert!(!error.to_string().contains("secret"), "{error}");
    assert_eq!((text(&prompts, "p").await.as_deref(), prompts.list().await.unwrap().len()), (Some("one"), 1));
    assert_eq!(prompts.versions("p").await.unwrap().len(), 1);
    t.close().await.unwrap();
}

#[tokio::test]
async fn fifty_users_with_guessed_names_see_and_change_nothing_but_their_own() {
    let seed = 4_711;
    let random = SeededRandom::new(seed);
    let pick = |below: usize| (random.unit() * below as f64) as usize;
    let t = opened().await;
    let users: Vec<UserScope> = (0..50).map(|number| t.user(format!("user {number}"))).collect();
    let mut own: Vec<[Option<Value>; 5]> = (0..50).map(|_| [const { None }; 5]).collect();
    for step in 0..3_000 {
        let at = format!("seed {seed}, step {step}");
        let (who, name) = (pick(50), pick(5));
        let prompts = users[who].prompts();
        match pick(4) {
            0 => {
                let value = json!({"of": who, "at": step});
                prompts.put(name.to_string(), value.clone()).await.unwrap();
                own[who][name] = Some(value);
            }
            1 => assert_eq!(prompts.delete(name.to_string()).await.is_ok(), own[who][name].take().is_some(), "{at}"),
            2 => {
                let there = (0..5).filter(|name| own[who][*name].is_some()).map(|name| name.to_string());
                let listed = prompts.list().await.unwrap().into_iter().map(|item| item.name);
                assert_eq!(listed.collect::<Vec<_>>(), there.collect::<Vec<_>>(), "{at}");
            }
            _ => {
                let found = prompts.get(&name.to_string()).await.unwrap().map(|found| found.value);
                assert_eq!(found, own[who][name], "{at}");
            }
        }
    }
    t.close().await.unwrap();
}

#[tokio::test]
async fn settings_say_how_much_is_kept_and_remembered() {
    let t = opened().await;
    let mut settings = t.settings();
    settings.library.old_versions = 1;
    t.reconfigure(Reconfiguration::new().settings(settings.clone())).unwrap();
    for number in 0..5 {
        t.prompts().put("p", number).await.unwrap();
    }
    assert_eq!(t.prompts().versions("p").await.unwrap().len(), 2);
    settings.library.metadata_ttl_ms = 1;
    let refused = t.reconfigure(Reconfiguration::new().settings(settings)).unwrap_err();
    assert_eq!(refused.reason(), "cannot_change");
    for (field, value) in [("old_versions", 1_001), ("warm_up", 1_001)] {
        let error = Settings::from_json(&json!({"library": {(field): value}})).unwrap_err();
        assert!(error.detail().contains(&format!("settings.library.{field} must be at most 1000")), "{error}");
    }
    t.close().await.unwrap();
}

#[tokio::test]
async fn what_is_wanted_is_read_ahead_when_the_engine_opens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let t = on(&path).await;
    for number in 0..4 {
        t.prompts().put(number.to_string(), number).await.unwrap();
    }
    t.close().await.unwrap();
    let settings = Settings::from_json(&json!({"library": {"warm_up": 3}})).unwrap();
    let t = Tertulia::builder().store(path.to_str().unwrap()).settings(settings).open().await.unwrap();
    within(async {
        while t.health().library.entries < 3 || t.health().tasks.iter().any(|task| task.name == "library_warm_up") {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let before = t.health().library;
    assert_eq!((before.misses, before.entries), (3, 3));
    t.prompts().get("2").await.unwrap().unwrap();
    assert_eq!(t.health().library.hits, before.hits + 1);
    t.close().await.unwrap();
}

#[tokio::test]
async fn what_is_remembered_can_be_forgotten_by_hand() {
    let t = Tertulia::builder().store("memory:").with_clock(Arc::new(ManualClock::default())).open().await.unwrap();
    let ana = t.user("ana");
    ana.prompts().put("p", "one").await.unwrap();
    let cache = t.library_cache();
    let ask = async || {
        ana.prompts().get("p").await.unwrap().unwrap();
        ana.preferences().await.unwrap();
        (cache.health().hits, cache.health().misses)
    };
    assert_eq!(ask().await, (0, 2));
    assert_eq!(ask().await, (2, 2));
    cache.invalidate(&LibraryKey::new("ana", "prompt", "p"));
    assert_eq!(ask().await, (3, 3));
    cache.invalidate(&LibraryKey::preferences("ana"));
    assert_eq!(ask().await, (4, 4));
    cache.clear();
    assert_eq!((ask().await, cache.health().entries), ((4, 6), 2));
    t.close().await.unwrap();
}
