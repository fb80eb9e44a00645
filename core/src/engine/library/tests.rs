//! The cache: what it remembers, what it forgets, and that it is never behind. The other process of these tests is this test
//! program itself, told to run one ignored test on the same file.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::base::{Clock, ManualClock, Random as _, SeededRandom, Timestamp};
use crate::engine::settings::LibrarySettings;
use crate::engine::watch::Watch;
use crate::engine::watched_store::WatchedStore;
use crate::model::{Preferences, PreferencesChange};
use crate::store::{MemoryStore, PREFERENCES, SqliteSettings, SqliteStore, Store};

const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

async fn open(path: &Path) -> Arc<dyn Store> {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    Arc::new(SqliteStore::open(path, SqliteSettings::default(), clock).await.unwrap())
}

fn cache(store: &Arc<dyn Store>, settings: LibrarySettings) -> (Arc<Cache>, ManualClock) {
    let clock = ManualClock::at(NOW);
    (Arc::new(Cache::new(settings, store.clone(), Arc::new(clock.clone()))), clock)
}

fn plain(store: &Arc<dyn Store>) -> Arc<Cache> {
    cache(store, LibrarySettings::default()).0
}

async fn put_of(store: &Arc<dyn Store>, owner: &str, kind: &str, name: &str, value: impl Into<Json>) {
    let value = EntryValue::new(&value.into()).unwrap();
    let new = NewEntry { kind: kind.to_owned(), name: name.to_owned(), value, expected: None, keep: 2 };
    store.apply(WriteBatch::new(owner, NOW).op(Op::PutEntry(new)), Durability::ProcessSafe).await.unwrap();
}

async fn put(store: &Arc<dyn Store>, name: &str, value: impl Into<Json>) {
    put_of(store, "ana", PROMPT, name, value).await;
}

async fn call_her(store: &Arc<dyn Store>, owner: &str, name: &str) {
    let change = PreferencesChange { name: Some(Some(name.to_owned())), ..PreferencesChange::default() };
    let batch = WriteBatch::new(owner, NOW).op(Op::UpdatePreferences(change));
    store.apply(batch, Durability::ProcessSafe).await.unwrap();
}

async fn value(cache: &Arc<Cache>, name: &str) -> Option<Json> {
    cache.entry("ana", PROMPT, name).await.unwrap().map(|found| found.value.clone())
}

/// Hits and misses.
fn asked(cache: &Cache) -> (i64, i64) {
    let health = cache.health();
    (health.hits, health.misses)
}

#[tokio::test]
async fn each_class_is_remembered_for_its_time() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    for kind in [PROMPT, PERSONA, COUNCIL, SETTING, "own"] {
        put_of(&store, "ana", kind, "x", 1).await;
    }
    let hour = Duration::from_secs(3_600);
    for (kind, time) in [
        (SETTING, Some(Duration::from_secs(300))),
        ("own", Some(Duration::from_secs(300))),
        (PREFERENCES, Some(hour)),
        (PROMPT, None),
        (PERSONA, None),
        (COUNCIL, None),
    ] {
        let (cache, clock) = cache(&store, LibrarySettings::default());
        let ask = async || cache.get(LibraryKey::new("ana", kind, "x")).await.map(drop).unwrap();
        ask().await;
        let nearly = time.unwrap_or(hour * 24 * 365) - Duration::from_millis(1);
        clock.advance(nearly);
        ask().await;
        assert_eq!(asked(&cache), (1, 1), "{kind}");
        clock.advance(Duration::from_millis(1));
        ask().await;
        assert_eq!(asked(&cache), if time.is_some() { (1, 2) } else { (2, 1) }, "{kind}");
        ask().await;
        assert_eq!(asked(&cache).1, 1 + i64::from(time.is_some()), "{kind} is remembered again");
    }
}

#[tokio::test]
async fn a_time_of_nothing_and_no_room_remember_nothing() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let none = LibrarySettings { metadata_ttl_ms: 0, preferences_ttl_ms: 0, ..LibrarySettings::default() };
    let small = LibrarySettings { max_bytes: 0, ..LibrarySettings::default() };
    for (settings, kinds) in [(none, &[SETTING, PREFERENCES][..]), (small, &[SETTING, PREFERENCES, PROMPT])] {
        let (cache, _) = cache(&store, settings);
        for kind in kinds {
            for _ in 0..2 {
                cache.get(LibraryKey::new("ana", *kind, "")).await.map(drop).unwrap();
            }
        }
        assert_eq!((asked(&cache), cache.health().entries), ((0, 2 * kinds.len() as i64), 0));
    }
}

/// A store in front of which questions wait while it is suspended, and the same store as others write into it meanwhile.
fn gated() -> (Arc<WatchedStore>, Arc<dyn Store>) {
    let (inner, clock): (Arc<dyn Store>, Arc<dyn Clock>) =
        (Arc::new(MemoryStore::new()), Arc::new(ManualClock::at(NOW)));
    let watch = Arc::new(Watch::new(clock.clone()));
    let gated = WatchedStore::new(inner.clone(), clock, watch, Arc::default(), Duration::from_secs(1));
    (Arc::new(gated), inner)
}

#[tokio::test]
async fn many_who_ask_at_once_are_answered_by_one_reading() {
    let (gate, store) = gated();
    put(&store, "p", "one").await;
    let cache = plain(&(gate.clone() as Arc<dyn Store>));
    gate.suspend().await.unwrap();
    let mut answers = Box::pin(join_all((0..50).map(|_| value(&cache, "p"))));
    assert!(futures::poll!(&mut answers).is_pending());
    gate.resume().await.unwrap();
    assert!(answers.await.iter().all(|answer| *answer == Some("one".into())));
    let health = cache.health();
    assert_eq!((health.misses, health.hits, health.coalesced, health.entries), (1, 49, 49, 1));
    assert!((health.hit_rate - 0.98).abs() < 1e-9, "{}", health.hit_rate);
    assert_eq!(gate.health().1.iter().map(|asked| (&*asked.name, asked.calls)).collect::<Vec<_>>(), [("entry", 1)]);
}

#[tokio::test]
async fn who_leaves_takes_no_answer_from_those_who_wait() {
    let (gate, store) = gated();
    put(&store, "p", "one").await;
    let cache = plain(&(gate.clone() as Arc<dyn Store>));
    gate.suspend().await.unwrap();
    let [mut first, mut second] = [(); 2].map(|()| Box::pin(value(&cache, "p")));
    assert!(futures::poll!(&mut first).is_pending() && futures::poll!(&mut second).is_pending());
    drop(first);
    gate.resume().await.unwrap();
    assert_eq!(second.await, Some("one".into()));
    assert_eq!(cache.health().misses, 1);
    // And when everybody leaves, the next one begins anew.
    cache.clear();
    gate.suspend().await.unwrap();
    let mut lonely = Box::pin(value(&cache, "p"));
    assert!(futures::poll!(&mut lonely).is_pending());
    drop(lonely);
    gate.resume().await.unwrap();
    assert_eq!(value(&cache, "p").await, Some("one".into()));
    assert_eq!((cache.health().misses, cache.health().entries), (3, 1));
}

#[tokio::test]
async fn what_is_overtaken_while_it_is_read_is_not_remembered() {
    let (gate, store) = gated();
    put(&store, "p", "old").await;
    let cache = plain(&(gate.clone() as Arc<dyn Store>));
    let key = LibraryKey::new("ana", PROMPT, "p");
    gate.suspend().await.unwrap();
    let mut early = Box::pin(value(&cache, "p"));
    assert!(futures::poll!(&mut early).is_pending());
    let old = plain(&store).get(key.clone()).await;
    put(&store, "p", "new").await;
    let mut late = Box::pin(value(&cache, "p"));
    assert!(futures::poll!(&mut late).is_pending());
    assert_eq!(asked(&cache), (0, 2), "who asks behind the change is not given what is read since before it");
    // The first reading brings what stood there before the change.
    cache.landed(1, key.clone(), &old);
    assert_eq!(cache.health().entries, 0);
    gate.resume().await.unwrap();
    assert_eq!(late.await, Some("new".into()));
    cache.landed(1, key, &old);
    assert_eq!(value(&cache, "p").await, Some("new".into()));
    drop(early);
}

#[tokio::test]
async fn a_change_forgets_its_value_and_no_other() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    put(&store, "a", 1).await;
    put(&store, "b", 1).await;
    let cache = plain(&store);
    assert_eq!((value(&cache, "a").await, value(&cache, "b").await), (Some(1.into()), Some(1.into())));
    assert_eq!(value(&cache, "nothing").await, None);
    put(&store, "a", 2).await;
    put(&store, "nothing", 3).await;
    assert_eq!((value(&cache, "a").await, value(&cache, "b").await), (Some(2.into()), Some(1.into())));
    assert_eq!(value(&cache, "nothing").await, Some(3.into()), "that nothing was there is forgotten, too");
    assert_eq!((asked(&cache), cache.health().dropped), ((1, 5), 2));
    // More changes than are remembered: everything is forgotten, once.
    for number in 0..300 {
        put(&store, "elsewhere", number).await;
    }
    assert_eq!(value(&cache, "b").await, Some(1.into()));
    assert_eq!((asked(&cache), cache.health().dropped), ((1, 6), 5));
    assert_eq!(value(&cache, "b").await, Some(1.into()));
    assert_eq!(asked(&cache), (2, 6));
}

#[tokio::test]
async fn what_is_told_to_be_forgotten_is_read_anew() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    put(&store, "a", 1).await;
    put(&store, "b", 1).await;
    let cache = plain(&store);
    let handle = LibraryCache(cache.clone());
    let both = async || (value(&cache, "a").await, value(&cache, "b").await);
    both().await;
    handle.invalidate(&LibraryKey::new("ana", PROMPT, "a"));
    handle.invalidate(&LibraryKey::new("bo", PROMPT, "b"));
    assert_eq!(both().await, (Some(1.into()), Some(1.into())));
    assert_eq!(asked(&cache), (1, 3));
    handle.clear();
    assert_eq!((handle.health().entries, handle.health().bytes), (0, 0));
    assert_eq!(both().await, (Some(1.into()), Some(1.into())));
    assert_eq!(asked(&cache), (1, 5));
}

#[tokio::test]
async fn what_is_remembered_stays_within_its_room() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    let (cache, _) = cache(&store, LibrarySettings { max_bytes: 64 << 10, ..LibrarySettings::default() });
    for number in 0..200 {
        put(&store, &number.to_string(), "x".repeat(1_000)).await;
        value(&cache, &number.to_string()).await.unwrap();
        // Names that nobody has take their room, too.
        assert_eq!(value(&cache, &format!("guess {number}")).await, None);
        assert!(cache.health().bytes <= 64 << 10, "{:?}", cache.health());
    }
    let health = cache.health();
    assert!(health.bytes > 32 << 10 && health.evicted > 200, "{health:?}");
    put(&store, "large", "x".repeat(65_000)).await;
    assert_eq!(value(&cache, "large").await.unwrap().as_str().unwrap().len(), 65_000);
    assert!(cache.health().bytes <= 64 << 10);
    // Lists and objects take what their parts take.
    let many: Vec<Json> = (0..10_000).map(Json::from).collect();
    put(&store, "many", many).await;
    assert!(value(&cache, "many").await.is_some());
    assert!(cache.health().bytes <= 64 << 10);
}

#[tokio::test]
async fn a_store_that_cannot_tell_is_asked_each_time() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    put(&store, "p", 1).await;
    let cache = plain(&store);
    assert_eq!(value(&cache, "p").await, Some(1.into()));
    store.close().await.unwrap();
    let error = cache.entry("ana", PROMPT, "p").await.unwrap_err();
    assert_eq!((error.kind(), asked(&cache)), (ErrorKind::Closed, (0, 2)), "what is remembered is not told either");
}

#[tokio::test]
async fn a_failed_reading_is_not_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    put(&store, "p", "one").await;
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute("UPDATE library_version SET value = '{'", []).unwrap();
    let cache = plain(&store);
    for _ in 0..2 {
        let error = cache.entry("ana", PROMPT, "p").await.unwrap_err();
        assert_eq!((error.kind(), error.reason()), (ErrorKind::Storage, "corrupt"));
    }
    other.execute("UPDATE library_version SET value = '7'", []).unwrap();
    assert_eq!((value(&cache, "p").await, asked(&cache)), (Some(7.into()), (0, 3)));
}

#[tokio::test]
async fn so_much_is_read_ahead_as_is_asked_for() {
    let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
    for number in 0..3 {
        put_of(&store, APPLICATION, PROMPT, &number.to_string(), number).await;
        put_of(&store, APPLICATION, SETTING, &number.to_string(), number).await;
        put_of(&store, "ana", PROMPT, &number.to_string(), number).await;
    }
    for (wanted, read) in [(0, 0), (2, 2), (5, 5), (6, 6), (1_000, 6)] {
        let (cache, _) = cache(&store, LibrarySettings { warm_up: wanted, ..LibrarySettings::default() });
        cache.warm_up(&CancellationToken::new()).await.unwrap();
        assert_eq!((asked(&cache), cache.health().entries), ((0, read), read), "{wanted}");
        cache.entry(APPLICATION, PROMPT, "0").await.unwrap().unwrap();
        assert_eq!(asked(&cache).0, i64::from(wanted > 0));
    }
    let (cache, _) = cache(&store, LibrarySettings { warm_up: 5, ..LibrarySettings::default() });
    let closing = CancellationToken::new();
    closing.cancel();
    cache.warm_up(&closing).await.unwrap();
    assert_eq!(asked(&cache), (0, 0), "who closes is not held up");
}

/// What a naive model without a cache knows.
#[derive(Default)]
struct Truth {
    values: BTreeMap<(String, String, String), i64>,
    names: HashMap<String, String>,
}

#[tokio::test]
async fn random_questions_of_two_engines_on_one_file_equal_those_of_a_naive_model() {
    for seed in 0..6 {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chat.db");
        let stores = [open(&path).await, open(&path).await];
        // One of them remembers little, so that room is made all the time.
        let settings = [8 << 20, 4 << 10].map(|max_bytes| LibrarySettings { max_bytes, ..LibrarySettings::default() });
        let caches = [cache(&stores[0], settings[0]), cache(&stores[1], settings[1])];
        let random = SeededRandom::new(seed);
        let pick = |below: usize| (random.unit() * below as f64) as usize;
        let mut truth = Truth::default();
        for step in 0..600 {
            let at = format!("seed {seed}, step {step}");
            let (store, (cache, clock)) = (&stores[pick(2)], &caches[pick(2)]);
            let owner = ["ana", "bo", APPLICATION][pick(3)];
            let (kind, name) = ([PROMPT, SETTING, "own"][pick(3)], pick(4).to_string());
            let key = (owner.to_owned(), kind.to_owned(), name.clone());
            match pick(20) {
                0..3 => {
                    put_of(store, owner, kind, &name, step).await;
                    truth.values.insert(key, step);
                }
                3 => {
                    let op = Op::DeleteEntry { kind: kind.to_owned(), name, expected: None };
                    let deleted = store.apply(WriteBatch::new(owner, NOW).op(op), Durability::ProcessSafe).await;
                    assert_eq!(deleted.is_ok(), truth.values.remove(&key).is_some(), "{at}");
                }
                4 => {
                    call_her(store, owner, &step.to_string()).await;
                    truth.names.insert(owner.to_owned(), step.to_string());
                }
                5 => cache.invalidate(&LibraryKey::new(owner, kind, name)),
                6 if pick(5) == 0 => cache.clear(),
                7 => clock.advance(Duration::from_secs(200)),
                8..11 => {
                    let found = cache.preferences(owner).await.unwrap();
                    let name = truth.names.get(owner).cloned();
                    assert_eq!(found, Preferences { name, ..Preferences::default() }, "{at}");
                }
                11 => {
                    // Two who ask while a third one writes are given what is there before or behind it, and then what is behind.
                    let (first, second) = (cache.entry(owner, kind, &name), caches[0].0.entry(owner, kind, &name));
                    let (first, second, ()) = tokio::join!(first, second, put_of(store, owner, kind, &name, step));
                    let before = truth.values.insert(key, step);
                    for found in [first, second] {
                        let found = found.unwrap().and_then(|found| found.value.as_i64());
                        assert!(found == before || found == Some(step), "{at}: {found:?}");
                    }
                }
                _ => {
                    let found = cache.entry(owner, kind, &name).await.unwrap();
                    assert_eq!(found.and_then(|found| found.value.as_i64()), truth.values.get(&key).copied(), "{at}");
                }
            }
        }
        let hits: i64 = caches.iter().map(|(cache, _)| asked(cache).0).sum();
        assert!(hits > 50, "seed {seed}: what is never remembered proves nothing ({hits} hits)");
    }
}

/// Names the file in the environment of the other process.
const FILE: &str = "TERTULIA_TEST_LIBRARY";

/// What the other process says behind each change.
const DONE: &str = "changed to";

#[test]
#[ignore = "the other process of the tests about two processes"]
fn changes_what_it_is_told() {
    let Some(path) = std::env::var_os(FILE).map(PathBuf::from) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = open(&path).await;
        for line in std::io::stdin().lines().map_while(Result::ok) {
            if line.parse::<i64>().unwrap() % 3 == 0 {
                call_her(&store, "ana", &line).await;
            } else {
                put(&store, "p", line.as_str()).await;
            }
            println!("{DONE} {line}");
        }
    });
}

/// The other process.
struct Other {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Other {
    fn start(path: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["engine::library::tests::changes_what_it_is_told", "--exact", "--ignored", "--nocapture"]);
        command.env(FILE, path).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Comes back when the other process was told that its change is kept.
    fn change(&mut self, number: usize) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{number}").unwrap();
        let done = format!("{DONE} {number}");
        assert!(self.lines.any(|line| line.unwrap().contains(&done)), "the other process ended at {number}");
    }

    /// How often the very next question was answered by what had been there before.
    async fn stale_answers(mut self, cache: &Arc<Cache>, changes: usize) -> usize {
        let mut stale = 0;
        for number in 0..changes {
            // Both are remembered before the change.
            cache.preferences("ana").await.unwrap();
            value(cache, "p").await;
            self.change(number);
            let answer = if number % 3 == 0 {
                cache.preferences("ana").await.unwrap().name
            } else {
                value(cache, "p").await.and_then(|found| found.as_str().map(str::to_owned))
            };
            stale += usize::from(answer != Some(number.to_string()));
        }
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        stale
    }
}

#[tokio::test]
async fn what_another_process_changed_is_served_with_the_very_next_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let cache = plain(&store);
    assert_eq!(Other::start(&path).stale_answers(&cache, 1_000).await, 0);
    let (hits, misses) = asked(&cache);
    assert!(hits >= 900 && misses <= 1_100, "each change costs one reading: {hits} hits, {misses} misses");
}

#[tokio::test]
async fn a_cache_that_does_not_look_is_found_out_by_the_other_process() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let mut cache = Cache::new(LibrarySettings::default(), store.clone(), Arc::new(ManualClock::at(NOW)));
    cache.looks = false;
    assert_eq!(Other::start(&path).stale_answers(&Arc::new(cache), 30).await, 30);
}
