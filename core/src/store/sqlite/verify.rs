//! Whether everything that is kept fits together, and mending what does not.
//!
//! Three looks: SQLite's own at every page and index, one at the tables and indexes against those that the migrations
//! make, and one at everything that is kept twice, counted anew. What can be made from the rows is mended from them; a
//! row itself is never changed or thrown away.

use rusqlite::{Connection, TransactionBehavior};

use super::failure::failed;
use super::migrate;
use super::row::{all, first, run};
use super::upkeep::count;
use crate::model::{Repair, Result, StoreProblem, StoreProblemKind, Verification};

/// So much of what SQLite finds is told.
const MOST: i64 = 20;

/// Something that is kept twice.
pub(super) struct Rule {
    kind: StoreProblemKind,
    place: &'static str,
    /// What is wrong, behind the number of rows where it is.
    detail: &'static str,
    /// Counts the rows where it is.
    pub(super) wrong: &'static str,
    /// What makes it right; nothing where only a backup does.
    mends: &'static [&'static str],
}

/// How many messages the conversation `c` has: all below its virtual root.
macro_rules! below {
    () => {
        "(WITH RECURSIVE below(pk) AS (
          SELECT m.pk FROM message m WHERE m.parent_pk = c.root_pk
          UNION ALL SELECT m.pk FROM below CROSS JOIN message m ON m.parent_pk = below.pk)
        SELECT count(*) FROM below)"
    };
}

use StoreProblemKind::{Count, Damaged, Reference, Schema};

pub(super) const RULES: &[Rule] = &[
    Rule {
        kind: Count,
        place: "message",
        detail: "count or show children that they do not have",
        wrong: "SELECT count(*) FROM message p
            WHERE child_count <> coalesce((SELECT max(sibling_ix) + 1 FROM message m WHERE m.parent_pk = p.pk), 0)
            OR (selected_child_pk IS NOT NULL
                AND NOT EXISTS (SELECT 1 FROM message m WHERE m.pk = p.selected_child_pk AND m.parent_pk = p.pk))",
        mends: &[
            "UPDATE message AS p
             SET child_count = coalesce((SELECT max(sibling_ix) + 1 FROM message m WHERE m.parent_pk = p.pk), 0)
             WHERE child_count <> coalesce((SELECT max(sibling_ix) + 1 FROM message m WHERE m.parent_pk = p.pk), 0)",
            "UPDATE message AS p SET selected_child_pk = NULL WHERE selected_child_pk IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM message m WHERE m.pk = p.selected_child_pk AND m.parent_pk = p.pk)",
        ],
    },
    Rule {
        kind: Reference,
        place: "message",
        detail: "do not know the place where their branch was left",
        // Of what is being erased nobody will ask for it.
        wrong: "SELECT count(*) FROM message m WHERE left_pk IS NOT NULL AND NOT EXISTS
            (SELECT 1 FROM message h WHERE h.pk = m.left_pk AND h.conv_pk = m.conv_pk AND h.depth >= m.depth)
            AND NOT EXISTS (SELECT 1 FROM conversation c WHERE c.pk = m.conv_pk AND c.expires_at = -9223372036854775808)",
        mends: &["UPDATE message AS m SET left_pk = NULL WHERE left_pk IS NOT NULL AND NOT EXISTS
             (SELECT 1 FROM message h WHERE h.pk = m.left_pk AND h.conv_pk = m.conv_pk AND h.depth >= m.depth)"],
    },
    Rule {
        kind: Damaged,
        place: "message",
        detail: "stand in the wrong place of their tree",
        wrong: "SELECT count(*) FROM message m JOIN message p ON p.pk = m.parent_pk JOIN message j ON j.pk = m.jump_pk
            WHERE m.depth <> p.depth + 1 OR m.jump_depth <> j.depth OR m.conv_pk <> p.conv_pk OR m.conv_pk <> j.conv_pk",
        mends: &[],
    },
    Rule {
        kind: Reference,
        place: "message",
        detail: "are of a conversation that is not there",
        wrong: "SELECT count(*) FROM message m WHERE NOT EXISTS (SELECT 1 FROM conversation c WHERE c.pk = m.conv_pk)",
        mends: &[],
    },
    Rule {
        kind: Count,
        place: "conversation",
        detail: "count other messages than they have",
        wrong: concat!("SELECT count(*) FROM conversation c WHERE message_count <> ", below!()),
        mends: &[concat!(
            "UPDATE conversation AS c SET message_count = ",
            below!(),
            " WHERE message_count <> ",
            below!()
        )],
    },
    Rule {
        kind: Reference,
        place: "conversation",
        detail: "do not know their last message",
        wrong: "SELECT count(*) FROM conversation c
            WHERE head_pk IS NOT (SELECT pk FROM message m WHERE m.id = c.head_id AND m.conv_pk = c.pk)
            OR head_depth <> coalesce((SELECT depth FROM message m WHERE m.pk = c.head_pk), 0)",
        mends: &[
            "UPDATE conversation AS c SET head_pk = (SELECT m.pk FROM message m
             WHERE m.conv_pk = c.pk AND m.child_count = 0 AND m.id IS NOT NULL ORDER BY m.pk DESC LIMIT 1)
             WHERE head_pk IS NOT NULL
             AND NOT EXISTS (SELECT 1 FROM message m WHERE m.pk = c.head_pk AND m.conv_pk = c.pk)",
            "UPDATE conversation AS c SET head_id = (SELECT id FROM message m WHERE m.pk = c.head_pk),
             head_depth = coalesce((SELECT depth FROM message m WHERE m.pk = c.head_pk), 0)
             WHERE head_pk IS NOT (SELECT pk FROM message m WHERE m.id = c.head_id AND m.conv_pk = c.pk)
             OR head_depth <> coalesce((SELECT depth FROM message m WHERE m.pk = c.head_pk), 0)",
        ],
    },
    Rule {
        kind: Reference,
        place: "conversation_tag",
        detail: "stand in other lists than those of their tags",
        wrong: "SELECT count(*) FROM conversation c
            WHERE (SELECT count(*) FROM json_each(c.tags))
            <> (SELECT count(*) FROM conversation_tag t WHERE t.conv_pk = c.pk)
            OR EXISTS (SELECT 1 FROM json_each(c.tags) j WHERE NOT EXISTS (SELECT 1 FROM conversation_tag t
                WHERE t.owner_pk = c.owner_pk AND t.tag = j.value AND t.is_archived = c.is_archived
                AND t.is_pinned = c.is_pinned AND t.activity_seq = c.activity_seq AND t.conv_pk = c.pk))",
        mends: &[
            "DELETE FROM conversation_tag",
            "INSERT INTO conversation_tag(owner_pk, tag, is_archived, is_pinned, activity_seq, conv_pk)
             SELECT c.owner_pk, j.value, c.is_archived, c.is_pinned, c.activity_seq, c.pk
             FROM conversation c CROSS JOIN json_each(c.tags) j",
        ],
    },
    Rule {
        kind: Count,
        place: "blob",
        detail: "count other users than they have, or another size",
        wrong: "SELECT count(*) FROM blob b
            WHERE refs <> (SELECT count(*) FROM message m WHERE m.content_hash = b.hash)
            + (SELECT count(*) FROM attachment a WHERE a.hash = b.hash)
            + (SELECT count(*) FROM event e WHERE e.data_hash = b.hash)
            + (SELECT count(*) FROM event_stream s WHERE s.snapshot_hash = b.hash)
            OR size IS NOT (SELECT length(data) FROM blob_inline i WHERE i.hash = b.hash)",
        mends: &["WITH used(hash, refs) AS (SELECT hash, count(*) FROM
             (SELECT content_hash AS hash FROM message WHERE content_hash IS NOT NULL UNION ALL SELECT hash FROM attachment
              UNION ALL SELECT data_hash FROM event WHERE data_hash IS NOT NULL
              UNION ALL SELECT snapshot_hash FROM event_stream WHERE snapshot_hash IS NOT NULL)
             GROUP BY hash)
             UPDATE blob AS b SET refs = coalesce((SELECT refs FROM used WHERE used.hash = b.hash), 0),
             size = coalesce((SELECT length(data) FROM blob_inline i WHERE i.hash = b.hash), size)"],
    },
    Rule {
        kind: Damaged,
        place: "message",
        detail: "have lost their content",
        wrong: "SELECT count(*) FROM message m WHERE content_hash IS NOT NULL
            AND NOT EXISTS (SELECT 1 FROM blob_inline b WHERE b.hash = m.content_hash)",
        mends: &[],
    },
    Rule {
        kind: Damaged,
        place: "event",
        detail: "have lost what they say",
        wrong: "SELECT count(*) FROM (SELECT data_hash AS hash FROM event WHERE data_hash IS NOT NULL
            UNION ALL SELECT snapshot_hash FROM event_stream WHERE snapshot_hash IS NOT NULL) h
            WHERE NOT EXISTS (SELECT 1 FROM blob_inline b WHERE b.hash = h.hash)",
        mends: &[],
    },
    Rule {
        kind: Damaged,
        place: "event_stream",
        detail: "have other events than they count",
        wrong: "SELECT count(*) FROM event_stream s WHERE s.expires_at IS NOT -9223372036854775808
            AND (version <> (SELECT count(*) FROM event e WHERE e.stream_pk = s.pk)
            OR version <> (SELECT max(seq) FROM event e WHERE e.stream_pk = s.pk) OR snapshot_version > version)",
        mends: &[],
    },
    Rule {
        kind: Damaged,
        place: "library_entry",
        detail: "have lost their newest version",
        wrong: "SELECT count(*) FROM library_entry e WHERE is_deleted = 0
            AND NOT EXISTS (SELECT 1 FROM library_version v WHERE v.entry_pk = e.pk AND v.version = e.version)",
        mends: &[],
    },
    Rule {
        kind: Reference,
        place: "library_version",
        detail: "are of a value that is deleted, or newer than its newest",
        wrong: "SELECT count(*) FROM library_version v JOIN library_entry e ON e.pk = v.entry_pk
            WHERE e.is_deleted OR v.version > e.version",
        mends: &["DELETE FROM library_version WHERE pk IN (SELECT v.pk FROM library_version v
             JOIN library_entry e ON e.pk = v.entry_pk WHERE e.is_deleted OR v.version > e.version)"],
    },
    Rule {
        kind: Reference,
        place: "draft_chunk",
        detail: "are of a message that is written already",
        wrong: "SELECT count(*) FROM draft_chunk d JOIN message m ON m.pk = d.message_pk WHERE m.status <> 2",
        mends: &["DELETE FROM draft_chunk WHERE message_pk IN (SELECT pk FROM message WHERE status <> 2)"],
    },
    Rule {
        kind: Reference,
        place: "budget_counter",
        detail: "are of a budget that is gone",
        wrong: "SELECT count(*) FROM budget_counter WHERE budget_pk NOT IN (SELECT pk FROM budget)",
        mends: &["DELETE FROM budget_counter WHERE budget_pk NOT IN (SELECT pk FROM budget)"],
    },
    Rule {
        kind: Damaged,
        place: "usage_hour",
        detail: "hours in which users asked for more or less than everybody together",
        wrong: "SELECT count(*) FROM (SELECT 1 FROM usage_hour GROUP BY hour, model
            HAVING sum(iif(owner_pk = 0, -requests, requests)) <> 0 OR min(owner_pk) <> 0)",
        mends: &[],
    },
    Rule {
        kind: Count,
        place: "seq",
        detail: "is behind the changes that it counts",
        wrong: "SELECT count(*) FROM seq WHERE name = 'change' AND value < (SELECT coalesce(max(seq), 0) FROM change_feed)",
        mends: &["UPDATE seq SET value = max(value, (SELECT coalesce(max(seq), 0) FROM change_feed)) WHERE name = 'change'"],
    },
];

/// Looks at everything.
pub(super) fn verify(connection: &Connection) -> Result<Verification> {
    Ok(Verification {
        problems: problems(connection)?,
        conversations: count(connection, "SELECT count(*) FROM conversation")?,
        messages: count(connection, "SELECT count(*) FROM message WHERE depth > 0")?,
    })
}

fn problems(connection: &Connection) -> Result<Vec<StoreProblem>> {
    let mut problems = damage(connection)?;
    problems.extend(differences(connection)?.into_iter().map(|(problem, _)| problem));
    for rule in RULES {
        let wrong = count(connection, rule.wrong)?;
        if wrong > 0 {
            let detail = format!("{wrong} {}", rule.detail);
            problems.push(problem(rule.kind, rule.place, detail, !rule.mends.is_empty()));
        }
    }
    let broken: Vec<(String, i64)> =
        all(connection, "SELECT \"table\", count(*) FROM pragma_foreign_key_check GROUP BY 1 ORDER BY 1", [], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    for (table, rows) in broken {
        problems.push(problem(Reference, &table, format!("{rows} name a row that is not there"), false));
    }
    Ok(problems)
}

fn problem(kind: StoreProblemKind, place: &str, detail: String, repairable: bool) -> StoreProblem {
    StoreProblem { kind, place: place.to_owned(), detail, repairable }
}

/// What SQLite says of its own pages and indexes.
fn damage(connection: &Connection) -> Result<Vec<StoreProblem>> {
    // A connection that has searched before looks at the index of words as it was then, unless it reads from it anew: pieces
    // that were merged since would be missed.
    first(connection, "SELECT 1 FROM message_fts WHERE rowid = 0", [], |_| Ok(()))?;
    let mut check = connection.prepare(&format!("PRAGMA integrity_check({MOST})")).map_err(failed)?;
    let said = check.query_map([], |row| row.get(0)).and_then(Iterator::collect::<rusqlite::Result<Vec<String>>>);
    let said = said.map_err(failed)?;
    let said = said.into_iter().filter(|line| line != "ok");
    // An index is made anew from its rows.
    let index = |line: &str| line.split_once(" index ").map(|(_, name)| name.trim().to_owned());
    let mut problems: Vec<StoreProblem> = Vec::new();
    for line in said {
        let of = index(&line).filter(|_| line.contains("missing from index") || line.contains("entries in index"));
        let place = of.clone().unwrap_or_default();
        // One for each index: it is mended as a whole.
        if of.is_none() || !problems.iter().any(|known| known.place == place) {
            problems.push(problem(Damaged, &place, line, of.is_some()));
        }
    }
    Ok(problems)
}

/// Where tables and indexes differ from those that the migrations make, and the statements that mend it.
fn differences(connection: &Connection) -> Result<Vec<(StoreProblem, Vec<String>)>> {
    let read = |connection: &Connection| -> Result<Vec<(String, String, String)>> {
        let sql =
            "SELECT type, name, sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite!_%' ESCAPE '!'
                   ORDER BY name";
        all(connection, sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
    };
    let model = migrate::model()?;
    let (wanted, found) = (read(&model)?, read(connection)?);
    let mut differences = Vec::new();
    for (kind, name, sql) in wanted {
        let there = found.iter().find(|(_, other, _)| *other == name);
        if there.is_some_and(|(.., other)| *other == sql) {
            continue;
        }
        let is_index = kind == "index";
        let what = if there.is_some() { "is another one" } else { "is missing" };
        let mut mends = Vec::new();
        if is_index && there.is_some() {
            mends.push(format!("DROP INDEX \"{name}\""));
        }
        if is_index {
            mends.push(sql);
        }
        differences.push((problem(Schema, &name, format!("the {kind} {what}"), is_index), mends));
    }
    Ok(differences)
}

/// Mends what can be made from the rows, all of it or nothing.
pub(super) fn repair(connection: &mut Connection) -> Result<Repair> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let before = problems(&transaction)?;
    for found in damage(&transaction)?.iter().filter(|found| found.repairable) {
        let sql = format!("REINDEX \"{}\"", found.place.replace('"', "\"\""));
        transaction.execute_batch(&sql).map_err(failed)?;
    }
    for (_, mends) in differences(&transaction)? {
        for sql in mends {
            transaction.execute_batch(&sql).map_err(failed)?;
        }
    }
    for rule in RULES {
        if first(&transaction, rule.wrong, [], |row| row.get::<_, i64>(0))?.is_some_and(|wrong| wrong > 0) {
            for sql in rule.mends {
                run(&transaction, sql, [])?;
            }
        }
    }
    let left = problems(&transaction)?;
    transaction.commit().map_err(failed)?;
    let is_left = |problem: &StoreProblem| {
        left.iter()
            .any(|other| other.kind == problem.kind && other.place == problem.place && other.detail == problem.detail)
    };
    let repaired = before.into_iter().filter(|problem| !is_left(problem)).collect();
    Ok(Repair { repaired, left })
}
