//! Statements go by their indexes, and a page costs the same wherever it is.

use rusqlite::StatementStatus;
use rusqlite::types::Value;

use super::*;
use crate::store::{Anchor, Parent};

fn plan(connection: &Connection, sql: &str, parameters: usize) -> String {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let values = vec![Value::Integer(1); parameters];
    let lines = statement.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
    lines.map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn pages_and_lists_go_by_their_indexes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let connection = connect::open_reader(&path, &SqliteSettings::default()).unwrap();
    for (sql, parameters, index) in [
        (
            conversations::OLDER,
            6,
            "conversation_list (owner_pk=? AND is_archived=? AND is_pinned=? AND activity_seq<?)",
        ),
        (
            conversations::NEWER,
            6,
            "conversation_list (owner_pk=? AND is_archived=? AND is_pinned=? AND activity_seq>?)",
        ),
        (
            conversations::OLDER_TAGGED,
            7,
            "USING PRIMARY KEY (owner_pk=? AND tag=? AND is_archived=? AND is_pinned=? AND activity_seq<?)",
        ),
        (
            conversations::NEWER_TAGGED,
            7,
            "USING PRIMARY KEY (owner_pk=? AND tag=? AND is_archived=? AND is_pinned=? AND activity_seq>?)",
        ),
        (conversations::LIST, 2, "COVERING INDEX conversation_list (owner_pk=? AND is_archived=? AND is_pinned=?)"),
        (conversations::LIST, 2, "COVERING INDEX conversation_expiry_of (owner_pk=? AND expires_at<?)"),
        (conversations::EXPIRED, 2, "conversation_expiry (expires_at>? AND expires_at<?)"),
        (conversations::PREFERENCES, 1, "owner_1 (ext_id=?)"),
        (conversations::CONVERSATION, 3, "conversation_1 (id=?)"),
        (conversations::BRANCH, 3, "conversation_1 (id=?)"),
        (read::WALK, 2, "m USING INTEGER PRIMARY KEY (rowid=?)"),
        (read::WALK_WORDS, 2, "m USING INTEGER PRIMARY KEY (rowid=?)"),
        (read::WALK_PLACES, 2, "m USING INTEGER PRIMARY KEY (rowid=?)"),
        (read::WALK_ROLES, 2, "m USING INTEGER PRIMARY KEY (rowid=?)"),
        (read::ANCESTOR, 2, "m USING INTEGER PRIMARY KEY (rowid=?)"),
        (branches::DIVERGENCE, 2, "x USING INTEGER PRIMARY KEY (rowid=?)"),
        (branches::END, 1, "m USING INTEGER PRIMARY KEY (rowid=?)"),
        (branches::SIBLINGS, 3, "message_sibling (parent_pk=? AND sibling_ix>? AND sibling_ix<?)"),
        (branches::OLDER_LEAVES, 3, "message_leaf (conv_pk=? AND pk<?)"),
        (branches::NEWER_LEAVES, 3, "message_leaf (conv_pk=? AND pk>?)"),
        (branches::LEAF_EDGES, 1, "message_leaf (conv_pk=?)"),
        (whole::DOWN, 2, "m USING COVERING INDEX message_sibling (parent_pk=? AND sibling_ix=?)"),
        (whole::FIRST, 1, "message_sibling (parent_pk=? AND sibling_ix=?)"),
        (whole::NEXT, 1, "message_sibling (parent_pk=? AND sibling_ix=?)"),
        (read::TURN, 2, "turn_1 (id=?)"),
        (read::DUE, 3, "send_queue_due (not_before<?)"),
        (read::EAGER, 3, "send_queue_due (not_before>?)"),
        (read::NEXT_DUE, 1, "send_queue_due (not_before>?)"),
        (read::WAITING, 1, "send_queue_due (not_before>?)"),
        (read::QUEUE, 4, "send_queue_owner (owner_pk=?)"),
        (read::QUEUE_OF, 5, "send_queue_order (conv_pk=?)"),
        (recover::LOST, 1, "turn_open (lease_until<?)"),
        (spend::HOLDING, 3, "budget_holds (scope=? AND key=?)"),
        (spend::BY_HOUR, 3, "usage_hour USING PRIMARY KEY (owner_pk=? AND hour>? AND hour<?)"),
        (spend::BY_PART, 5, "usage_part USING PRIMARY KEY (owner_pk=? AND scope=? AND key=? AND hour>? AND hour<?)"),
        (spend::BY_CONVERSATION, 4, "usage_part USING PRIMARY KEY (owner_pk=? AND scope=? AND key>?)"),
        (spend::BY_OWNER, 4, "USING PRIMARY KEY (owner_pk=? AND hour>? AND hour<?)"),
        (events::STREAM, 3, "event_stream_1 (id=?)"),
        (events::STREAMS, 4, "event_stream_list (owner_pk=? AND id<?)"),
        (events::VERSION, 3, "event_stream_1 (id=?)"),
        (events::EVENTS, 3, "e USING PRIMARY KEY (stream_pk=? AND seq>?)"),
        (events::EXPIRED, 2, "event_stream_expiry (expires_at>? AND expires_at<?)"),
        (apply::erase::ERASING, 1, "owner_erasing (erasing_since>?)"),
        (apply::erase::A_CONVERSATION, 1, "(owner_pk=?)"),
        (apply::erase::SOME_TURNS, 2, "turn_client (conv_pk=?)"),
        (apply::erase::A_LEAF, 1, "message_leaf (conv_pk=?)"),
        (apply::erase::A_STREAM, 1, "event_stream_list (owner_pk=?)"),
        (apply::erase::SOME_EVENTS, 2, "PRIMARY KEY (stream_pk=?)"),
        (apply::erase::SOME_ENTRIES, 2, "(owner_pk=?)"),
        (apply::conversation::BLOBS, 1, "m USING COVERING INDEX message_sibling (parent_pk=?)"),
        (apply::conversation::BLOBS, 1, "attachment_message (message_pk=?)"),
        (apply::conversation::DELETE_DRAFTS, 1, "draft_chunk USING PRIMARY KEY (message_pk=?)"),
        (apply::conversation::DELETE_ATTACHMENTS, 1, "attachment_message (message_pk=?)"),
        (apply::conversation::DELETE_MESSAGES, 1, "message USING INTEGER PRIMARY KEY (rowid=?)"),
        (library::ENTRY, 4, "library_entry_1 (owner_pk=? AND kind=? AND name=?)"),
        (library::ENTRY, 4, "library_version_1 (entry_pk=? AND version=?)"),
        (library::STANDING, 3, "library_entry_1 (owner_pk=? AND kind=? AND name=?)"),
        (library::STANDING, 3, "library_version_1 (entry_pk=? AND version=?)"),
        (library::ENTRIES, 4, "library_list (owner_pk=? AND kind=? AND name>?)"),
        (library::VERSIONS, 5, "library_version_1 (entry_pk=? AND version<?)"),
        (library::CHANGES, 2, "c USING INTEGER PRIMARY KEY (rowid>?)"),
        (summary::SUMMARIES, 2, "summary_depth (conv_pk=? AND depth<?)"),
        (summary::SUMMARY, 1, "s USING INTEGER PRIMARY KEY (rowid=?)"),
        (apply::CHANGED, 2, "message USING INTEGER PRIMARY KEY (rowid=?)"),
        (recover::DRAFT, 1, "draft_chunk USING PRIMARY KEY (message_pk=?)"),
    ] {
        let plan = plan(&connection, sql, parameters);
        // The rows of a recursion that were found already are the only ones that are gone through.
        let gone_through =
            ["SCAN below", "SCAN walk", "SCAN way", "SCAN pair", "SCAN CONSTANT ROW", "SCAN (subquery-1)"];
        let scans = plan.lines().filter(|line| line.contains("SCAN") && !gone_through.contains(line));
        assert_eq!(scans.collect::<Vec<_>>(), [""; 0], "{sql}\n{plan}");
        assert!(plan.contains(index), "{sql}\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
    }
    drop(store);
}

#[tokio::test]
async fn a_page_costs_the_same_at_any_depth() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let scene = scene(&store, 1);
    let conversation = scene.new_conversation().await;
    let mut ids = Vec::new();
    for _ in 0..8 {
        ids.extend(scene.fill(conversation, 500).await);
        // Now and then a branch that is not gone on with.
        scene.append(conversation, Parent::Message(ids[ids.len() - 10]), "elsewhere").await;
        let back = user_row_below(&scene, conversation, *ids.last().unwrap()).await;
        ids.push(back);
    }
    let connection = connect::open_reader(&path, &SqliteSettings::default()).unwrap();
    let head: i64 = connection.query_row("SELECT head_pk FROM conversation", [], |row| row.get(0)).unwrap();
    let steps = |sql: &str, values: [i64; 2]| {
        let mut statement = connection.prepare(sql).unwrap();
        let found = statement.query_map(values, |row| row.get::<_, i64>(0)).unwrap().count();
        (found, statement.get_status(StatementStatus::VmStep))
    };
    let depth = i64::try_from(ids.len()).unwrap();
    assert_eq!(depth, 4_008);
    let dearest =
        (1..=depth).step_by(37).map(|target| steps(read::ANCESTOR, [head, target])).max_by_key(|(_, steps)| *steps);
    let (found, most) = dearest.unwrap();
    assert_eq!(found, 1);
    // About 3 log2(4008) = 36 rows of some 30 steps each; a walk by parents alone would be 4,008 rows.
    assert!(most < 2_500, "{most} steps to an ancestor");
    let first: i64 =
        connection.query_row("SELECT pk FROM message WHERE depth = 60 LIMIT 1", [], |row| row.get(0)).unwrap();
    let (near, far) = (steps(read::WALK, [head, 51]), steps(read::WALK, [first, 51]));
    assert_eq!((near.0, far.0), (51, 51));
    assert!((near.1 - far.1).abs() < 200, "{near:?} {far:?}");
    // And it is the right page.
    let middle = scene.ids_on_page(conversation, Anchor::After(ids[1_999]), 50).await;
    assert_eq!(middle, ids[2_000..2_050]);
}

async fn user_row_below(scene: &Scene, conversation: ConversationId, parent: MessageId) -> MessageId {
    scene.append(conversation, Parent::Message(parent), "on").await
}

#[tokio::test]
async fn no_statement_is_compiled_anew_for_another_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("chat.db");
    let store = open(&path).await;
    let compiled_anew = |connection: &Connection, sql: &str| {
        let mut statement = connection.prepare(sql).unwrap();
        for limit in 1..=10 {
            let values = vec![Value::Integer(limit); statement.parameter_count()];
            let mut rows = statement.query(rusqlite::params_from_iter(values)).unwrap();
            while rows.next().unwrap().is_some() {}
        }
        statement.get_status(StatementStatus::RePrepare)
    };
    let reader = connect::open_reader(&path, &SqliteSettings::default()).unwrap();
    for sql in [
        conversations::OLDER,
        conversations::NEWER,
        read::WALK,
        read::ANCESTOR,
        branches::OLDER_LEAVES,
        branches::NEWER_LEAVES,
        events::STREAMS,
    ] {
        assert_eq!(compiled_anew(&reader, sql), 0, "{sql}");
    }
    // What SQLite does unless told otherwise.
    assert!(compiled_anew(&Connection::open(&path).unwrap(), read::WALK) > 0);
    drop(store);
}
