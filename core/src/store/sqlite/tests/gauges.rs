//! What a store measures of itself.

use std::sync::mpsc::sync_channel;
use std::time::Duration;

use tokio::task::JoinSet;

use super::*;
use crate::base::Sleep;
use crate::model::StoreFigures;
use crate::store::{Anchor, PageQuery};

/// A clock that goes on by so much whenever somebody asks it.
#[derive(Clone)]
struct Stepping(ManualClock, Duration);

impl Clock for Stepping {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.advance(self.1);
        self.0.monotonic()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        self.0.sleep(duration)
    }
}

async fn open_with(path: &Path, readers: usize, clock: impl Clock) -> Arc<SqliteStore> {
    let settings = SqliteSettings { readers, search: false, ..SqliteSettings::default() };
    Arc::new(SqliteStore::open(path, settings, Arc::new(clock)).await.unwrap())
}

/// Ends when the figures say so.
async fn until(store: &SqliteStore, wanted: impl Fn(&StoreFigures) -> bool) {
    let seen = async {
        while !wanted(&store.figures()) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), seen).await.expect("the figures never said so");
}

#[tokio::test]
async fn batches_commits_statements_and_the_log_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open_with(&folder.path().join("chat.db"), 3, ManualClock::default()).await;
    let fresh = store.figures();
    assert_eq!((fresh.readers, fresh.batches, fresh.commits, fresh.statements, fresh.log_bytes), (3, 0, 0, 0, 0));
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    let one = store.figures();
    assert_eq!((one.batches, one.commits, one.write_wait_ms.count), (1, 1, 1));
    assert!(one.statements >= 5 && one.log_bytes > 8_192, "{one:?}");
    assert_eq!((one.log_bytes - 32) % (8_192 + 24), 0, "{one:?}");
    scene.fill(conversation, 20).await;
    let two = store.figures();
    assert!(two.statements >= one.statements + 60 && two.log_bytes > one.log_bytes, "{one:?} {two:?}");
    // A batch that is refused commits nothing.
    scene.apply_op(crate::store::Op::DeleteConversation { id: scene.ids.conversation() }).await.unwrap_err();
    let three = store.figures();
    assert_eq!((three.batches, three.commits, three.write_wait_ms.count), (2, 2, 3));
    assert_eq!((three.slow_queries, three.last_slow.len()), (0, 0));
    let json = serde_json::to_string(&three).unwrap();
    assert_eq!(serde_json::from_str::<StoreFigures>(&json).unwrap(), three);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_thread_that_writes_is_counted_with_how_long() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let store = open_with(&folder.path().join("chat.db"), 1, clock.clone()).await;
    let scene = scene(&store, 1);
    scene.new_conversation().await;
    let (go_on, held) = sync_channel::<()>(1);
    let mut tasks = JoinSet::new();
    let holding = Arc::clone(&store);
    tasks.spawn(async move { drop(holding.run(move |_| Ok(held.recv().is_ok())).await) });
    let mut writes = Vec::new();
    for _ in 0..3 {
        let scene = scene.clone();
        writes.push(tasks.spawn(async move { _ = scene.new_conversation().await }));
    }
    until(&store, |figures| figures.writes_waiting == 3).await;
    clock.advance(Duration::from_millis(40));
    // Whoever goes while the batch waits takes nothing with it: it is written all the same.
    writes[0].abort();
    go_on.send(()).unwrap();
    while tasks.join_next().await.is_some() {}
    until(&store, |figures| figures.writes_waiting == 0 && figures.batches == 4).await;
    let waits = store.figures().write_wait_ms;
    assert_eq!((waits.count, waits.p50, waits.p95, waits.max), (4, 40.0, 40.0, 40.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_at_work_and_reads_that_wait_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let store = open_with(&folder.path().join("chat.db"), 2, clock.clone()).await;
    let (done, held) = sync_channel::<()>(3);
    let held = Arc::new(Mutex::new(held));
    let mut tasks = JoinSet::new();
    let mut read = || {
        let (store, held) = (Arc::clone(&store), Arc::clone(&held));
        tasks.spawn(async move {
            store.read("held", move |_, _| Ok(held.lock().unwrap_or_else(PoisonError::into_inner).recv().is_ok())).await
        });
    };
    read();
    read();
    until(&store, |figures| figures.readers_busy == 2).await;
    read();
    until(&store, |figures| figures.reads_waiting == 1).await;
    clock.advance(Duration::from_millis(7));
    for _ in 0..3 {
        done.send(()).unwrap();
    }
    while let Some(read) = tasks.join_next().await {
        assert!(read.unwrap().unwrap());
    }
    until(&store, |figures| figures.readers_busy == 0).await;
    let figures = store.figures();
    assert_eq!((figures.readers, figures.reads_waiting), (2, 0));
    // What the two waited was nothing, for the clock stood.
    let (waits, slow) = (figures.read_wait_ms, figures.slow_queries);
    assert_eq!((waits.count, waits.p50, waits.max, slow), (3, 0.0, 7.0, 0), "waiting is not slow reading");
}

#[tokio::test]
async fn what_is_slow_is_remembered_with_its_statements_and_plans_and_no_value() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Stepping(ManualClock::default(), Duration::from_millis(51));
    let store = open_with(&folder.path().join("chat.db"), 1, clock).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    scene.append(conversation, crate::store::Parent::Head, "the canary").await;
    let query = PageQuery::new(Anchor::End, 10);
    store.page(scene.owner, conversation, query).await.unwrap();
    until(&store, |figures| figures.slow_queries == 3).await;
    let figures = store.figures();
    let [read, write, made] = &figures.last_slow[..] else { panic!("{figures:?}") };
    assert_eq!((&*read.query, &*write.query, &*made.query), ("page", "apply", "apply"));
    assert!(read.duration_ms > 50, "{read:?}");
    assert_eq!(write.statements.len(), 8);
    let texts: Vec<&str> = read.statements.iter().map(|statement| &*statement.sql).collect();
    assert!(texts.len() == 2 && texts[1].starts_with("WITH RECURSIVE walk(pk) AS ( SELECT ?1"), "{texts:?}");
    let plan = read.statements[1].plan.join("\n");
    assert!(plan.contains("SEARCH m USING INTEGER PRIMARY KEY (rowid=?)"), "{plan}");
    assert!(write.statements.iter().any(|statement| statement.plan.is_empty()), "BEGIN has no plan");
    let told = serde_json::to_string(&figures).unwrap();
    assert!(!told.contains("canary") && !told.contains(scene.owner), "{told}");
    // However many there are, the last are kept.
    for _ in 0..10 {
        store.page(scene.owner, conversation, query).await.unwrap();
    }
    until(&store, |figures| figures.slow_queries == 13).await;
    let figures = store.figures();
    assert_eq!(figures.last_slow.len(), 8);
    assert!(figures.last_slow.iter().all(|slow| slow.query == "page"));
}
