//! The index of words: when it is filled, what it costs, and that nothing is lost on the way.

use rusqlite::types::Value;

use super::processes::{FILE, READY, ready_child, wait_until_told};
use super::*;
use crate::base::ErrorKind;
use crate::model::SearchSort;
use crate::store::contract::scene::{OWNER, refused, user_row};
use crate::store::contract::search::query;
use crate::store::{Op, Parent};

/// So many messages of four words, in one conversation and one batch each five hundred.
async fn fill(scene: &Scene, count: usize) -> Vec<MessageId> {
    let conversation = scene.new_conversation().await;
    let mut ids = Vec::new();
    while ids.len() < count {
        let mut batch = scene.batch();
        for number in ids.len()..count.min(ids.len() + 500) {
            let row = user_row(scene.ids.message(), conversation, Parent::Head, &format!("olive oil number {number}"));
            ids.push(row.id);
            batch = batch.op(Op::AppendMessage(row));
        }
        scene.apply(batch).await.unwrap();
    }
    ids
}

/// All that is found, in the order of the ids.
async fn all_found(scene: &Scene, words: &str) -> Vec<MessageId> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = scene.search(SearchQuery { limit: 200, after, ..query(words) }).await;
        found.extend(page.items.iter().map(|hit| hit.message_id));
        after = page.next;
        if after.is_none() {
            found.sort();
            return found;
        }
    }
}

/// They are the same, whatever their order.
#[track_caller]
fn assert_same(found: &[MessageId], said: &[MessageId]) {
    let mut said = said.to_vec();
    said.sort();
    assert!(found == said, "{} found of {}", found.len(), said.len());
}

fn indexed(path: &Path) -> i64 {
    ask(path, "SELECT count(*) FROM message_fts_docsize")
}

#[tokio::test]
async fn writing_indexes_nothing_and_a_search_everything_in_bounded_batches() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    let ids = fill(&scene, 2_000).await;
    assert_eq!(indexed(&path), 0, "a batch that writes does not index");
    // The first batch only notes where it begins; each of the others does a bounded piece.
    let (mut batches, mut before) = (0, 0);
    while !store.index().await.unwrap() {
        batches += 1;
        let now = indexed(&path);
        assert!(now - before <= search::CHANGES, "{before} {now}");
        before = now;
        assert!(batches < 20);
    }
    assert!(batches >= 4, "{batches}");
    assert_same(&all_found(&scene, "olive").await, &ids);
    // What comes later is found through the feed, also when nobody indexed it before.
    let more = fill(&scene, 1_100).await;
    assert_eq!(indexed(&path), 2_000);
    assert_same(&all_found(&scene, "olive").await, &[ids, more].concat());
    assert_sound(&path, "after all of it");
    // Nothing to do writes nothing.
    let change = |path: &Path| ask::<i64>(path, "PRAGMA data_version");
    let (version, commits) = (change(&path), store.counters().commits);
    assert!(store.index().await.unwrap());
    assert_eq!((change(&path), store.counters().commits), (version, commits));
}

#[tokio::test]
async fn what_was_made_together_takes_few_rows_of_the_feed_and_is_indexed_in_pieces() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    fill(&scene, 1).await;
    while !store.index().await.unwrap() {}
    let conversation = scene.new_conversation().await;
    let rows = (0..1_300).map(|_| user_row(scene.ids.message(), conversation, Parent::Head, "olive"));
    let rows: Vec<_> = rows.collect();
    let ids: Vec<MessageId> = rows.iter().map(|row| row.id).collect();
    scene.apply(rows.into_iter().fold(scene.batch(), |batch, row| batch.op(Op::AppendMessage(row)))).await.unwrap();
    let told: String =
        ask(&path, "SELECT group_concat(more, ' ') FROM (SELECT more FROM change_feed WHERE more > 0 ORDER BY seq)");
    assert_eq!(told, "511 511 275");

    let is_indexed = |id: MessageId| {
        let sql = "SELECT count(*) FROM message_fts_docsize d JOIN message m ON m.pk = d.id WHERE m.id = ?";
        let of = [id.as_bytes()];
        Connection::open(&path).unwrap().query_row(sql, of, |row| row.get::<_, i64>(0)).unwrap() == 1
    };
    assert!(!store.index().await.unwrap());
    assert_eq!(indexed(&path), 1 + 511, "the conversation has a number, too");
    assert!(is_indexed(ids[510]) && !is_indexed(ids[511]));
    // One that changes again before it is its turn is not put off.
    scene.apply_op(Op::WithdrawMessage { id: ids[700] }).await.unwrap();
    scene.apply_op(Op::WipeMessage { id: ids[800] }).await.unwrap();
    assert!(!store.index().await.unwrap());
    assert_eq!(indexed(&path), 1 + 511 + 512 - 1);
    assert!(is_indexed(ids[700]) && !is_indexed(ids[800]));
    let mut expected = ids;
    expected.remove(800);
    let found = all_found(&scene, "olive").await;
    assert_eq!(found.len(), 1 + expected.len());
    assert!(expected.iter().all(|id| found.contains(id)));
    assert_sound(&path, "in pieces");
}

#[tokio::test]
async fn a_writer_far_behind_indexes_when_nobody_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let settings = SqliteSettings::default();
    let mut writer = Writer {
        connection: connect::open_writer(&path, &settings, connect::Opening::First).unwrap().connection,
        settings,
        clock: clock(),
        counting: Arc::default(),
        gauges: Arc::default(),
        bells: Arc::default(),
        door: Arc::default(),
        syncs_fully: true,
        logged: Arc::default(),
        careful: 0,
        doubted: false,
        unindexed: search::FAR_BEHIND - 1,
        liveness: None,
    };
    let cursor = || ask::<i64>(&path, "SELECT count(*) FROM change_cursor");
    writer.index_if_far_behind();
    assert_eq!(cursor(), 0);
    writer.unindexed = search::FAR_BEHIND;
    writer.index_if_far_behind();
    assert_eq!(cursor(), 1, "the first batch notes where it begins");
    writer.settings.search = false;
    writer.unindexed = 1 << 40;
    writer.index_if_far_behind();
    assert_eq!(writer.unindexed, 1 << 40, "who keeps no index makes none");
}

#[tokio::test]
async fn a_database_of_an_older_schema_is_indexed_behind_its_migration() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let ids = fill(&scene(&store, 1), 700).await;
    store.close().await.unwrap();
    let old = Connection::open(&path).unwrap();
    old.execute_batch("DROP TABLE message_fts; DELETE FROM change_feed; DELETE FROM change_cursor").unwrap();
    old.execute_batch(migrate::MIGRATIONS[5]).unwrap();
    drop(old);

    let store = open(&path).await;
    let scene = scene(&store, 2);
    assert_eq!(indexed(&path), 0, "the migration makes nobody wait");
    assert!(!store.index().await.unwrap());
    // Meanwhile some of the old is deleted and something new is said.
    let conversation = ask::<[u8; 16]>(&path, "SELECT id FROM conversation");
    scene.apply_op(Op::WipeMessage { id: ids[3] }).await.unwrap();
    let new = scene.append(crate::base::ConversationId::from_bytes(conversation), Parent::Head, "olive, new").await;
    let mut expected = ids.clone();
    expected.remove(3);
    expected.push(new);
    assert_same(&all_found(&scene, "olive").await, &expected);
    assert_sound(&path, "after the backfill");
}

#[tokio::test]
async fn without_search_no_index_is_kept_and_it_is_made_again_later() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let ids = fill(&scene(&store, 1), 600).await;
    assert_same(&all_found(&scene(&store, 2), "olive").await, &ids);
    store.close().await.unwrap();

    let settings = SqliteSettings { search: false, ..SqliteSettings::default() };
    let store = Arc::new(SqliteStore::open(&path, settings, clock()).await.unwrap());
    let off = scene(&store, 3);
    refused(store.search(OWNER, query("olive")).await, ErrorKind::Invalid, "search_off");
    assert!(store.index().await.unwrap());
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM change_cursor"), 0, "the feed is kept for nobody");
    let more = fill(&off, 20).await;
    off.apply_op(Op::WipeMessage { id: ids[0] }).await.unwrap();
    assert_eq!(indexed(&path), 599, "what is deleted leaves the index all the same");
    store.close().await.unwrap();

    let store = open(&path).await;
    assert_same(&all_found(&scene(&store, 4), "olive").await, &[&ids[1..], &more].concat());
    assert_sound(&path, "after it was switched on again");
}

#[tokio::test]
async fn what_another_store_wrote_is_found_and_indexed_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let (one, two) = (open(&path).await, open(&path).await);
    let (scene_one, scene_two) = (scene(&one, 1), scene(&two, 2));
    let mut said = fill(&scene_one, 300).await;
    said.extend(fill(&scene_two, 300).await);
    let (by_one, by_two) = tokio::join!(all_found(&scene_one, "olive"), all_found(&scene_two, "olive"));
    assert_same(&by_one, &said);
    assert_same(&by_two, &said);
    assert_eq!(indexed(&path), 600);
}

#[test]
#[ignore = "the other process of the test about a killed index"]
fn writes_indexes_some_and_waits_to_be_killed() {
    let Some(path) = std::env::var_os(FILE).map(PathBuf::from) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let store = open(&path).await;
        fill(&scene(&store, 1), 1_500).await;
        for _ in 0..2 {
            assert!(!store.index().await.unwrap());
        }
        fill(&scene(&store, 2), 10).await;
        println!("{READY}");
        wait_until_told(&mut std::io::stdin());
    });
}

#[tokio::test]
async fn a_process_killed_while_it_indexes_leaves_nothing_that_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let mut child = ready_child("indexing::writes_indexes_some_and_waits_to_be_killed", &path);
    child.kill().unwrap();
    child.wait().unwrap();
    let partly = indexed(&path);
    assert!((1..1_500).contains(&partly), "{partly}");
    let store = open(&path).await;
    assert_eq!(all_found(&scene(&store, 3), "olive").await.len(), 1_510);
    assert_eq!(indexed(&path), 1_510);
    assert_sound(&path, "after the kill");
}

#[tokio::test]
async fn a_search_runs_as_many_statements_among_few_messages_as_among_many() {
    let folder = tempfile::tempdir().unwrap();
    let statements = async |count: usize| {
        let path = folder.path().join(format!("{count}.db"));
        let store = open(&path).await;
        fill(&scene(&store, 1), count).await;
        while !store.index().await.unwrap() {}
        let reader = connect::open_reader(&path, &SqliteSettings::default()).unwrap();
        [SearchSort::Recent, SearchSort::Relevance].map(|sort| {
            row::STATEMENTS.set(0);
            let asked = SearchQuery { limit: 5, sort, ..query("olive number") };
            match search::search(&reader, OWNER, &asked, None, Timestamp::from_millis(0)).unwrap() {
                search::Found::Rows(Some(rows)) => assert_eq!(rows.items.len(), 5),
                _ => panic!("everything is indexed"),
            }
            row::STATEMENTS.get()
        })
    };
    let few = statements(10).await;
    assert!(few.iter().all(|count| (1..20).contains(count)), "{few:?}");
    assert_eq!(few, statements(10_000).await);
}

#[tokio::test]
async fn searching_and_indexing_go_by_their_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    fill(&scene(&store, 1), 50).await;
    let connection = Connection::open(&path).unwrap();
    let plan = |sql: &str| {
        let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        let values = vec![Value::Text("1".to_owned()); statement.parameter_count()];
        let lines = statement.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
        lines.map(Result::unwrap).collect::<Vec<_>>()
    };
    for (sql, index) in [
        (search::STATE, "change_cursor USING PRIMARY KEY (consumer=?)"),
        (search::CHANGED, "f USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        (search::CHANGED, "m USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"),
        (search::OLDER, "m USING INTEGER PRIMARY KEY (rowid>?)"),
        (search::HIT, "m USING INTEGER PRIMARY KEY (rowid=?)"),
        (search::NEWEST, "message_fts VIRTUAL TABLE INDEX 192:M3<"),
        (search::RANKED, "message_fts VIRTUAL TABLE INDEX 192:M3<"),
        (search::SCORES, "message_fts VIRTUAL TABLE INDEX 0:M3><"),
        (search::FORGET_WORDS, "message_fts VIRTUAL TABLE INDEX 0:="),
        (apply::conversation::DELETE_WORDS, "COVERING INDEX message_sibling (parent_pk=?)"),
    ] {
        let lines = plan(sql);
        // An index of words is gone through by what it is asked for: `M` the words, `<`, `>` and `=` the keys.
        let allowed = |line: &&String| {
            line.contains("VIRTUAL TABLE INDEX") && !line.ends_with(':')
                || ["SCAN below", "SCAN CONSTANT ROW", "SCAN (subquery-1)"].contains(&line.as_str())
        };
        let scans: Vec<_> = lines.iter().filter(|line| line.contains("SCAN")).filter(|line| !allowed(line)).collect();
        assert_eq!(scans, [""; 0], "{sql}\n{lines:?}");
        assert!(lines.iter().any(|line| line.contains(index)), "{sql}\n{lines:?}");
        assert!(!lines.iter().any(|line| line.contains("TEMP B-TREE")), "{sql}\n{lines:?}");
    }
}

#[tokio::test]
async fn the_index_holds_no_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    fill(&scene, 5).await;
    while !store.index().await.unwrap() {}
    let kept: Option<String> = ask(&path, "SELECT max(text) FROM message_fts");
    assert_eq!(kept, None);
    assert_eq!(ask::<i64>(&path, "SELECT count(*) FROM sqlite_schema WHERE name = 'message_fts_content'"), 0);
}
