//! What only SQLite can show: files, processes, group commit, plans. The rest is the contract.

mod company;
mod files;
mod fork;
mod gauges;
mod glances;
mod groups;
mod indexing;
mod lifecycle;
mod moves;
mod plans;
mod processes;
mod spending;
mod upkeep;

use std::sync::Arc;

use super::*;
use crate::base::ManualClock;
use crate::store::contract::scene::Scene;
use crate::store::contract::{self, BEHAVIOURS};

fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::default())
}

async fn open(path: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(path, SqliteSettings::default(), clock()).await.unwrap())
}

fn scene(store: &Arc<SqliteStore>, seed: u64) -> Scene {
    Scene::seeded(Arc::clone(store) as Arc<dyn Store>, seed)
}

/// Asks the file itself, beside the store.
fn ask<T: rusqlite::types::FromSql>(path: &Path, sql: &str) -> T {
    Connection::open(path).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Recounts everything that is kept twice.
fn assert_sound(path: &Path, name: &str) {
    assert_eq!(ask::<String>(path, "PRAGMA integrity_check"), "ok", "{name}");
    for wrong in [
        "SELECT count(*) FROM pragma_foreign_key_check",
        "SELECT count(*) FROM conversation c
         WHERE message_count <> (SELECT count(*) FROM message m WHERE m.conv_pk = c.pk AND m.depth > 0)
         OR head_pk IS NOT (SELECT pk FROM message m WHERE m.id = c.head_id)
         OR head_depth <> coalesce((SELECT depth FROM message m WHERE m.pk = c.head_pk), 0)",
        "SELECT count(*) FROM conversation_tag t JOIN conversation c ON c.pk = t.conv_pk
         WHERE (t.owner_pk, t.is_archived, t.is_pinned, t.activity_seq) <> (c.owner_pk, c.is_archived, c.is_pinned, c.activity_seq)
         OR NOT EXISTS (SELECT 1 FROM json_each(c.tags) j WHERE j.value = t.tag)",
        "SELECT count(*) FROM conversation c CROSS JOIN json_each(c.tags) j
         WHERE NOT EXISTS (SELECT 1 FROM conversation_tag t WHERE t.conv_pk = c.pk AND t.tag = j.value)",
        "SELECT count(*) FROM conversation c JOIN message m ON m.conv_pk = c.pk GROUP BY c.pk
         HAVING c.cost_nano_usd < sum(max(0, coalesce(m.cost ->> '$.nano_usd', 0)))",
        "SELECT count(*) FROM message p WHERE child_count <> (SELECT count(*) FROM message m WHERE m.parent_pk = p.pk)
         OR child_count <> coalesce((SELECT max(sibling_ix) + 1 FROM message m WHERE m.parent_pk = p.pk), 0)
         OR (selected_child_pk IS NOT NULL AND selected_child_pk NOT IN (SELECT pk FROM message m WHERE m.parent_pk = p.pk))",
        "SELECT count(*) FROM message m JOIN message p ON p.pk = m.parent_pk JOIN message j ON j.pk = m.jump_pk
         WHERE m.depth <> p.depth + 1 OR m.jump_depth <> j.depth OR m.conv_pk <> p.conv_pk OR m.conv_pk <> j.conv_pk",
        "SELECT count(*) FROM message m WHERE left_pk IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM message h WHERE h.pk = m.left_pk AND h.conv_pk = m.conv_pk AND h.depth >= m.depth)",
        "SELECT count(*) FROM blob b WHERE refs <> (SELECT count(*) FROM message m WHERE m.content_hash = b.hash)
         + (SELECT count(*) FROM attachment a WHERE a.hash = b.hash)
         + (SELECT count(*) FROM event e WHERE e.data_hash = b.hash)
         + (SELECT count(*) FROM event_stream s WHERE s.snapshot_hash = b.hash)
         OR size IS NOT (SELECT length(data) FROM blob_inline i WHERE i.hash = b.hash)",
        "SELECT count(*) FROM message m WHERE content_hash IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM blob_inline b WHERE b.hash = m.content_hash)",
        "SELECT count(*) FROM event_stream s WHERE version <> (SELECT count(*) FROM event e WHERE e.stream_pk = s.pk)
         OR version <> (SELECT max(seq) FROM event e WHERE e.stream_pk = s.pk) OR snapshot_version > version",
        "SELECT count(*) FROM library_entry e WHERE (SELECT count(*) FROM library_version v
         WHERE v.entry_pk = e.pk AND v.version = e.version) <> (e.is_deleted = 0)",
        "SELECT count(*) FROM library_version v JOIN library_entry e ON e.pk = v.entry_pk
         WHERE e.is_deleted OR v.version > e.version OR v.bytes <> octet_length(v.value)",
        "SELECT max(seq) - min(seq) + 1 - count(*) FROM library_change",
        "SELECT count(*) > 256 FROM library_change",
        "SELECT count(*) FROM summary s JOIN message m ON m.pk = s.message_pk WHERE s.depth <> m.depth OR s.conv_pk <> m.conv_pk",
        "SELECT count(*) FROM draft_chunk d JOIN message m ON m.pk = d.message_pk WHERE m.status <> 2",
        "SELECT count(*) FROM message_fts_docsize WHERE id NOT IN (SELECT pk FROM message WHERE status NOT IN (2, 6) AND role <> 4)",
        "SELECT count(*) FROM budget_counter WHERE budget_pk NOT IN (SELECT pk FROM budget)",
        "SELECT count(*) FROM usage_hour GROUP BY hour, model
         HAVING sum(iif(owner_pk = 0, -requests, requests)) <> 0 OR min(owner_pk) <> 0",
        "SELECT count(*) FROM seq WHERE name = 'change' AND value < (SELECT coalesce(max(seq), 0) FROM change_feed)",
        "SELECT count(*) FROM message m WHERE role BETWEEN 1 AND 3 AND status NOT IN (2, 6)
         AND change_seq > (SELECT seq FROM change_cursor WHERE consumer = 'search')
         AND NOT EXISTS (SELECT 1 FROM change_feed f WHERE f.seq >= m.change_seq AND f.seq < m.change_seq + 512
         AND f.more >= f.seq - m.change_seq AND f.message_pk - m.pk = f.seq - m.change_seq)",
    ] {
        let found: i64 = Connection::open(path).unwrap().query_row(wrong, [], |row| row.get(0)).unwrap_or(0);
        assert_eq!(found, 0, "{name}: {wrong}");
    }
}

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let file = |number: usize| folder.path().join(format!("{number}.db"));
    contract::run(async |number| open(&file(number)).await as Arc<dyn Store>).await;
    for (number, (name, _)) in BEHAVIOURS.iter().enumerate() {
        assert_sound(&file(number), name);
    }
}
