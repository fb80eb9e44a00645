//! The writer: groups, durability, a full disk, other writers, the feed.

use std::time::Duration;

use futures::future::join_all;

use super::failure::failed;
use super::*;
use crate::base::{ErrorKind, Retry};
use crate::store::contract::scene::{NOW, later, put_conversation, refused, user_row};
use crate::store::{Op, Parent, WriteBatch};

/// Holds the writer until it is let go, so that jobs pile up behind it.
async fn hold(store: &Arc<SqliteStore>) -> std::sync::mpsc::SyncSender<()> {
    let (go, wait) = std::sync::mpsc::sync_channel::<()>(0);
    let (holding, held) = oneshot::channel();
    let job = Job::Run(Box::new(move |_| {
        holding.send(()).unwrap();
        let _ = wait.recv();
    }));
    store.jobs.send(job).await.ok().unwrap();
    held.await.unwrap();
    go
}

async fn pragma(store: &SqliteStore, name: &'static str) -> i64 {
    store
        .run(move |writer| writer.connection.pragma_query_value(None, name, |row| row.get(0)).map_err(failed))
        .await
        .unwrap()
}

/// Applies all of them at once: they are handed in before the writer looks.
async fn apply_together(store: &Arc<SqliteStore>, batches: Vec<(WriteBatch, Durability)>) -> Vec<Result<Receipt>> {
    let go = hold(store).await;
    let applying = batches.into_iter().map(|(batch, durability)| store.apply(batch, durability));
    let mut applying = tokio::task::unconstrained(join_all(applying));
    assert!(futures::poll!(&mut applying).is_pending());
    drop(go);
    applying.await
}

#[tokio::test]
async fn batches_that_wait_are_committed_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("chat.db")).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    let before = store.counters();
    let batches = (0..100)
        .map(|n: i32| {
            let row = user_row(scene.ids.message(), conversation, Parent::Head, &n.to_string());
            (scene.batch().op(Op::AppendMessage(row)), Durability::ProcessSafe)
        })
        .collect();
    let receipts = apply_together(&store, batches).await;
    let depths: Vec<i32> = receipts.into_iter().map(|receipt| receipt.unwrap().placed[0].depth).collect();
    assert_eq!(depths, (1..=100).collect::<Vec<_>>());
    let after = store.counters();
    assert_eq!((after.batches - before.batches, after.commits - before.commits), (100, 2), "64 and 36");
    assert_eq!(after.power_safe_commits, before.power_safe_commits);
}

#[tokio::test]
async fn who_comes_after_a_large_group_waits_for_no_clock() {
    let folder = tempfile::tempdir().unwrap();
    // Its clock stands: a wait that only it could end would never end.
    let store = open(&folder.path().join("chat.db")).await;
    let scene = scene(&store, 1);
    let batch = || scene.batch().op(put_conversation(scene.ids.conversation()));
    let group = (0..10).map(|_| (batch(), Durability::ProcessSafe)).collect();
    apply_together(&store, group).await.into_iter().for_each(|result| drop(result.unwrap()));
    let before = store.counters();
    store.apply(batch(), Durability::ProcessSafe).await.unwrap();
    let after = store.counters();
    assert_eq!((after.batches - before.batches, after.commits - before.commits), (1, 1));
}

#[tokio::test]
async fn a_group_ends_when_its_time_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let settings = SqliteSettings { group_commit_ms: 0, ..SqliteSettings::default() };
    let store = SqliteStore::open(folder.path().join("chat.db"), settings, clock()).await.unwrap();
    let store = Arc::new(store);
    let scene = scene(&store, 1);
    let batches = (0..5).map(|_| (scene.batch().op(put_conversation(scene.ids.conversation())), Durability::PowerSafe));
    apply_together(&store, batches.collect()).await.into_iter().for_each(|result| drop(result.unwrap()));
    assert_eq!(store.counters(), StoreCounters { batches: 5, commits: 5, power_safe_commits: 5, checkpoints: 0 });
}

#[tokio::test]
async fn a_group_syncs_fully_when_any_batch_in_it_must_survive_a_power_cut() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("chat.db")).await;
    let scene = scene(&store, 1);
    let batch = || scene.batch().op(put_conversation(scene.ids.conversation()));
    assert_eq!(pragma(&store, "synchronous").await, 2);
    store.apply(batch(), Durability::ProcessSafe).await.unwrap();
    assert_eq!(pragma(&store, "synchronous").await, 1);
    assert_eq!(store.counters().power_safe_commits, 0);
    let mixed =
        vec![(batch(), Durability::ProcessSafe), (batch(), Durability::PowerSafe), (batch(), Durability::ProcessSafe)];
    for result in apply_together(&store, mixed).await {
        result.unwrap();
    }
    assert_eq!(pragma(&store, "synchronous").await, 2);
    assert_eq!(store.counters(), StoreCounters { batches: 4, commits: 2, power_safe_commits: 1, checkpoints: 0 });
}

#[tokio::test]
async fn connections_are_set_as_promised() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    for (name, value) in [
        ("busy_timeout", 5_000),
        ("page_size", 8_192),
        ("auto_vacuum", 2),
        ("foreign_keys", 1),
        ("fullfsync", 1),
        ("checkpoint_fullfsync", 1),
        ("journal_size_limit", 64 << 20),
        ("wal_autocheckpoint", 0),
        ("trusted_schema", 0),
        ("cache_size", -8_000),
        ("query_only", 0),
        ("application_id", 0x5445_5254),
    ] {
        assert_eq!(pragma(&store, name).await, value, "{name}");
    }
    let reader = connect::open_reader(&path, &SqliteSettings::default()).unwrap();
    for (name, value) in [("busy_timeout", 5_000), ("query_only", 1), ("trusted_schema", 0), ("cache_size", -2_000)] {
        assert_eq!(reader.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap(), value, "{name}");
    }
    assert!(reader.execute("DELETE FROM seq", []).is_err());
}

#[tokio::test]
async fn a_full_disk_stores_nothing_and_the_store_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    scene.append(conversation, Parent::Head, "first").await;
    let limit = async |pages: i64| {
        store
            .run(move |w| {
                w.connection.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(())).map_err(failed)
            })
            .await
            .unwrap();
    };
    let pages = pragma(&store, "page_count").await;
    limit(pages + 10).await;
    let before = (scene.shown(conversation).await, store.counters());
    let large = user_row(scene.ids.message(), conversation, Parent::Head, &"x".repeat(1 << 20));
    let small = user_row(scene.ids.message(), conversation, Parent::Head, "small");
    let batch = scene.batch().op(Op::AppendMessage(small)).op(Op::AppendMessage(large));
    refused(scene.apply(batch.clone()).await, ErrorKind::Storage, "full");
    assert_eq!((scene.shown(conversation).await, store.counters()), before);

    // Neighbours of the same group are kept, before and after it.
    let row = |words: &str| Op::AppendMessage(user_row(scene.ids.message(), conversation, Parent::Head, words));
    let group = vec![
        (scene.batch().op(row("before")), Durability::PowerSafe),
        (scene.batch().op(Op::DeleteConversation { id: scene.ids.conversation() }), Durability::PowerSafe),
        (batch.clone(), Durability::PowerSafe),
        (scene.batch().op(row("after")), Durability::PowerSafe),
    ];
    let results = apply_together(&store, group).await;
    let reasons: Vec<_> = results.iter().map(|r| r.as_ref().err().map(|e| e.reason().to_owned())).collect();
    let reason = |word: &str| Some(word.to_owned());
    assert_eq!(reasons, [None, reason("no_conversation"), reason("full"), None]);
    assert_eq!(scene.texts(conversation).await, ["first", "before", "after"]);

    limit(1 << 20).await;
    scene.apply(batch).await.unwrap();
    assert_eq!(scene.shown(conversation).await.message_count, 5);
    store.close().await.unwrap();
    assert_sound(&path, "was full");
}

#[tokio::test]
async fn a_batch_that_fails_half_way_is_left_out_of_its_group_and_its_neighbours_are_kept() {
    use crate::store::NewTurn;
    use crate::store::contract::scene::new_turn;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    // The second with the same client id is found out when its message is written already.
    let asked = |words: &str, client_id: &str| {
        let sent = scene.planned(conversation);
        let mut batch = scene.sending(sent, words);
        batch.ops.pop();
        let turn = NewTurn { client_id: Some(client_id.to_owned()), ..new_turn(sent) };
        (batch.op(Op::PutTurn(turn)), Durability::PowerSafe)
    };
    let unknown = scene.batch().op(Op::DeleteConversation { id: scene.ids.conversation() });
    let before = store.counters();
    let group = vec![
        asked("one", "a"),
        (unknown, Durability::PowerSafe),
        asked("one again", "a"),
        asked("two", "b"),
        asked("two again", "b"),
        asked("three", "c"),
    ];
    let results = apply_together(&store, group).await;
    let reasons: Vec<_> = results.iter().map(|r| r.as_ref().err().map(|e| e.reason().to_owned())).collect();
    let reason = |word: &str| Some(word.to_owned());
    assert_eq!(reasons, [None, reason("no_conversation"), reason("client_id"), None, reason("client_id"), None]);
    assert_eq!(scene.texts(conversation).await, ["one", "two", "three"]);
    let after = store.counters();
    assert_eq!(
        (after.batches - before.batches, after.commits - before.commits),
        (3, 1),
        "one more try for all of them"
    );
    scene.append(conversation, Parent::Head, "alone").await;
    store.close().await.unwrap();
    assert_sound(&path, "held batches that failed");
}

#[tokio::test]
async fn a_failed_commit_fails_every_batch_of_its_group_and_applies_none() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder.path().join("chat.db")).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    let before = (scene.shown(conversation).await, store.counters());
    // A deferred foreign key that is broken is found at COMMIT.
    store
        .run(|writer| {
            let sql = "CREATE TEMP TRIGGER broken AFTER INSERT ON change_feed BEGIN
                UPDATE message SET parent_pk = 1 WHERE depth = 1; END";
            writer.connection.execute_batch(sql).map_err(failed)
        })
        .await
        .unwrap();
    let group = (0..3)
        .map(|n: i32| {
            let row = user_row(scene.ids.message(), conversation, Parent::Head, &n.to_string());
            (scene.batch().op(Op::AppendMessage(row)), Durability::PowerSafe)
        })
        .collect();
    for result in apply_together(&store, group).await {
        result.unwrap_err();
    }
    assert_eq!((scene.shown(conversation).await, store.counters()), before);
    store.run(|writer| writer.connection.execute_batch("DROP TRIGGER broken").map_err(failed)).await.unwrap();
    scene.append(conversation, Parent::Head, "works again").await;
    assert_eq!(scene.texts(conversation).await, ["works again"]);
}

#[tokio::test]
async fn another_program_that_holds_the_database_makes_it_busy_and_nothing_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let settings = SqliteSettings { busy_timeout_ms: 20, ..SqliteSettings::default() };
    let store = Arc::new(SqliteStore::open(&path, settings, clock()).await.unwrap());
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    let mut other = Connection::open(&path).unwrap();
    let held = other.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).unwrap();
    let group = (0..3)
        .map(|n: i32| {
            let row = user_row(scene.ids.message(), conversation, Parent::Head, &n.to_string());
            (scene.batch().op(Op::AppendMessage(row)), Durability::PowerSafe)
        })
        .collect();
    for result in apply_together(&store, group).await {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.reason(), error.retry()), (ErrorKind::Storage, "busy", Retry::Safe));
    }
    refused(store.recover(NOW).await, ErrorKind::Storage, "busy");
    // Reading goes on meanwhile.
    assert_eq!(scene.shown(conversation).await.message_count, 0);
    drop(held);
    scene.append(conversation, Parent::Head, "free").await;
}

#[tokio::test]
async fn the_log_is_moved_into_the_database_by_the_idle_writer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    for n in 0..40_u8 {
        scene
            .append(conversation, Parent::Head, &char::from(b'a' + n % 26).to_string().repeat(200_000 + usize::from(n)))
            .await;
    }
    // Runs after everything before it, the checkpoint included.
    pragma(&store, "page_count").await;
    assert!(store.counters().checkpoints >= 1);
    let log = std::fs::metadata(connect::beside(&path, "-wal")).unwrap().len();
    assert!(log < 8 << 20, "8 MB were written, and the log holds {log} bytes");
}

#[tokio::test]
async fn every_message_is_in_the_feed_at_its_last_change_and_old_changes_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    let conversation = scene.ids.conversation();
    let sent = scene.planned(conversation);
    let receipt = scene.apply(scene.sending(sent, "question")).await.unwrap();
    assert_eq!(receipt.change_seq, 3);
    let receipt = scene.apply(scene.first_words(sent, "par")).await.unwrap();
    assert_eq!(receipt.change_seq, 5);
    let feed = || {
        let all = "SELECT group_concat(seq || '-' || more, ' ') FROM (SELECT * FROM change_feed ORDER BY seq)";
        ask::<String>(&path, all)
    };
    assert_eq!(feed(), "2-0", "what is being written is not noted, nor are conversations and turns");
    let receipt = scene.apply(scene.ending(sent, 2, "partly")).await.unwrap();
    assert_eq!(receipt.change_seq, 7);
    assert_eq!(feed(), "2-0 6-0");
    let found = "SELECT count(*) FROM change_feed JOIN message ON pk = message_pk AND change_seq = seq";
    assert_eq!(ask::<i64>(&path, found), 2);
    let three = (0..3).map(|_| user_row(scene.ids.message(), conversation, Parent::Head, "words"));
    scene.apply(three.fold(scene.batch(), |batch, row| batch.op(Op::AppendMessage(row)))).await.unwrap();
    assert_eq!(feed(), "2-0 6-0 10-2", "what was made together takes one row");

    Connection::open(&path).unwrap().execute("INSERT INTO change_cursor VALUES('search', 9, 0)", []).unwrap();
    let tomorrow = later(25 * 60 * 60 * 1_000);
    let next = |at| WriteBatch::new(scene.owner, at).op(put_conversation(scene.ids.conversation()));
    for _ in 0..3 {
        scene.apply(next(tomorrow)).await.unwrap();
    }
    assert_eq!(feed(), "10-2", "the search has not read all of the row");
    Connection::open(&path).unwrap().execute("UPDATE change_cursor SET seq = 100", []).unwrap();
    scene.apply(next(tomorrow)).await.unwrap();
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM change_feed"), 0);
}

#[tokio::test]
async fn steps_and_queue_are_written_replaced_and_taken_out() {
    use crate::store::{NewStep, QueueEntry, StepKind};
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    let sent = scene.send(scene.ids.conversation(), "question").await;
    let step = NewStep {
        turn: sent.turn,
        index: 1,
        kind: StepKind::Attempt,
        target: "test/any".to_owned(),
        error: None,
        data: bytes::Bytes::from_static(b"{}"),
        ended_at: None,
    };
    let batch = scene.batch().op(Op::PutStep(step.clone()));
    let began = batch.at.as_millis();
    scene.apply(batch).await.unwrap();
    let ended = NewStep { error: Some("unavailable".to_owned()), ended_at: Some(later(9)), ..step };
    scene.apply_op(Op::PutStep(ended)).await.unwrap();
    let sql =
        "SELECT group_concat(ix || kind || target || error || (started_at = ?1) || (ended_at = ?2)) FROM turn_step";
    let steps: String =
        Connection::open(&path).unwrap().query_row(sql, [began, later(9).as_millis()], |row| row.get(0)).unwrap();
    assert_eq!(steps, "11test/anyunavailable11");

    let entry = |millis| Op::Enqueue(QueueEntry { not_before: Some(later(millis)), ..QueueEntry::new(sent.turn) });
    scene.apply_op(entry(5)).await.unwrap();
    scene.apply_op(entry(7)).await.unwrap();
    assert_eq!(ask::<i64>(&path, "SELECT sum(not_before) FROM send_queue"), later(7).as_millis());
    for _ in 0..2 {
        scene.apply_op(Op::Dequeue { turn: sent.turn }).await.unwrap();
    }
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM send_queue"), 0);
}

/// A clock on which every look takes 51 ms.
struct Hasty(ManualClock);

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        self.0.now()
    }

    fn monotonic(&self) -> Duration {
        self.0.advance(Duration::from_millis(51));
        self.0.monotonic()
    }

    fn sleep(&self, duration: Duration) -> crate::base::Sleep {
        self.0.sleep(duration)
    }
}

#[test]
fn slow_work_is_logged_without_its_content() {
    use tracing_subscriber::fmt::MakeWriter;
    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);
    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().with_writer(lines.clone()).with_ansi(false).finish();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let writer = Mutex::new(Writer {
        connection: connect::open_writer(&path, &SqliteSettings::default(), connect::Opening::First)
            .unwrap()
            .connection,
        settings: SqliteSettings::default(),
        clock: Arc::new(Hasty(ManualClock::default())),
        counting: Arc::default(),
        gauges: Arc::default(),
        bells: Arc::default(),
        door: Arc::default(),
        syncs_fully: true,
        logged: Arc::default(),
        careful: 0,
        unindexed: 0,
        doubted: false,
        liveness: None,
    });
    let (reply, mut answer) = oneshot::channel();
    let (jobs, mut waiting) = mpsc::channel(8);
    let batch = WriteBatch::new("canary", NOW).op(put_conversation(crate::base::ConversationId::from_bytes([1; 16])));
    let place = Place::take(&Arc::default(), &clock());
    jobs.try_send(Job::Apply(ApplyJob { batch, durability: Durability::PowerSafe, reply, place })).ok().unwrap();
    drop(jobs);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let work = || drop(Writer::work(&writer, &mut waiting, &mut std::collections::VecDeque::new()));
            tracing::subscriber::with_default(subscriber, work);
        });
    });
    answer.try_recv().unwrap().unwrap();
    let logged = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(logged.contains("slow commit"), "{logged}");
    assert!(logged.contains("tertulia::store"), "{logged}");
    assert!(!logged.contains("canary"), "{logged}");
}
