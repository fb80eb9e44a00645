//! The versions of the schema, from the first to ours.

use rusqlite::config::DbConfig;
use rusqlite::{Connection, TransactionBehavior};

use super::failure::{failed, storage};
use crate::model::Result;

/// `TERT`, so that a file of ours is told from one of another program.
const APPLICATION_ID: i64 = 0x5445_5254;

pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../../migrations/sqlite/001_conversations.sql"),
    include_str!("../../../migrations/sqlite/002_spending.sql"),
    include_str!("../../../migrations/sqlite/003_outbox.sql"),
    include_str!("../../../migrations/sqlite/004_branches.sql"),
    include_str!("../../../migrations/sqlite/005_shelves.sql"),
    include_str!("../../../migrations/sqlite/006_search.sql"),
    include_str!("../../../migrations/sqlite/007_open_turns.sql"),
    include_str!("../../../migrations/sqlite/008_event_streams.sql"),
    include_str!("../../../migrations/sqlite/009_erasure.sql"),
    include_str!("../../../migrations/sqlite/010_library.sql"),
    include_str!("../../../migrations/sqlite/011_summaries.sql"),
    include_str!("../../../migrations/sqlite/012_smaller_files.sql"),
    include_str!("../../../migrations/sqlite/013_found_by_the_tree.sql"),
    include_str!("../../../migrations/sqlite/014_streams_listed.sql"),
];

/// The version of the schema that this code knows.
pub(super) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn number(connection: &Connection, pragma: &str) -> Result<i64> {
    connection.pragma_query_value(None, pragma, |row| row.get(0)).map_err(failed)
}

/// Refuses what is not ours or newer than we are, before anything is changed.
pub(super) fn check(connection: &Connection) -> Result<()> {
    // One snapshot: another process may be making the tables at this moment.
    let snapshot = connection.unchecked_transaction().map_err(failed)?;
    let connection = &*snapshot;
    let version = number(connection, "user_version")?;
    if number(connection, "application_id")? == APPLICATION_ID {
        if version > newest() {
            return Err(storage(
                "newer_schema",
                format!("the database is of version {version}, this program knows {}; update the program", newest()),
            ));
        }
        return Ok(());
    }
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    if version == 0 && tables == 0 {
        return Ok(());
    }
    Err(storage("not_a_database", "the file is a SQLite database of another program; choose another path"))
}

/// Brings the schema to the newest version, each step in a transaction of its own.
pub(super) fn migrate(connection: &mut Connection) -> Result<()> {
    loop {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        // Read again under the lock: another process may have been faster.
        let version = number(&transaction, "user_version")?;
        let step = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version));
        let Some(step) = step else { return Ok(()) };
        let next = version + 1;
        // A step may take out of the schema's own words what a table no longer promises. Nothing else may touch them.
        let defend = |defends| transaction.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, defends).map_err(failed);
        let was_defended = transaction.db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE).map_err(failed)?;
        defend(false)?;
        let done = transaction.execute_batch(step).map_err(failed);
        defend(was_defended)?;
        done?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(failed)?;
        transaction.pragma_update(None, "user_version", next).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        tracing::info!(target: "tertulia::store", operation = "migrate", version = next, "schema migrated");
    }
}

/// An empty database as the migrations make it, in memory.
pub(super) fn model() -> Result<Connection> {
    let model = Connection::open_in_memory().map_err(failed)?;
    for step in MIGRATIONS {
        model.execute_batch(step).map_err(failed)?;
    }
    Ok(model)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::hash;

    #[test]
    fn a_migration_is_never_edited_once_it_is_there() {
        let fingerprints = [
            "c90a3f8ff3e39eec",
            "1ac585597293579e",
            "9e8c41c7917b6596",
            "6ec26328f5e244ed",
            "8d6ea26a5d90c8ef",
            "e90d4634a032c198",
            "462b8df3472b2dc6",
            "9d66dae97323b4b4",
            "06427840b149f03d",
            "d0da6ac4b73954e4",
            "2602d1866a22ee6c",
            "fce0b7591e7834f3",
            "d81c6486c6c328f0",
            "9570adcbf47cac14",
        ];
        assert_eq!(MIGRATIONS.len(), fingerprints.len(), "pin the new one here");
        for (migration, fingerprint) in MIGRATIONS.iter().zip(fingerprints) {
            let found: String = hash(migration.as_bytes())[..8].iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(found, fingerprint, "write a new migration instead");
        }
    }
}
