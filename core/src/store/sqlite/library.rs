//! Reading the library.

use rusqlite::{Connection, Row, params};

use super::row::{all, first, time, visit};
use crate::model::Result;
use crate::store::library::MAX_CHANGES;
use crate::store::{EntryQuery, EntryRecord, EntryRow, EntryVersion, LibraryChanges, LibraryKey};

/// A value `e` of an owner, by kind and name.
macro_rules! named {
    ($columns:literal, $from:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM owner o CROSS JOIN library_entry e",
            $from,
            " WHERE o.ext_id = ?1 AND e.owner_pk = o.pk AND e.kind = ?2 AND e.name = ?3"
        )
    };
}

pub(super) const ENTRY: &str = concat!(
    named!("v.version, v.value, e.created_at, v.at", " CROSS JOIN library_version v"),
    " AND v.entry_pk = e.pk AND v.version = coalesce(?4, e.version)"
);

/// What stands under a name, also when it is deleted, and the newest value.
pub(super) const STANDING: &str = named!(
    "e.pk, e.version, e.is_deleted, v.value",
    " LEFT JOIN library_version v ON v.entry_pk = e.pk AND v.version = e.version"
);

pub(super) const ENTRIES: &str = "SELECT e.name, e.version, e.created_at, e.updated_at
    FROM owner o CROSS JOIN library_entry e INDEXED BY library_list
    WHERE o.ext_id = ?1 AND e.owner_pk = o.pk AND e.kind = ?2 AND e.name >= ?3 AND e.is_deleted = 0
    ORDER BY e.name LIMIT ?4";

pub(super) const VERSIONS: &str = concat!(
    named!("v.version, v.at, v.bytes", " CROSS JOIN library_version v"),
    " AND v.entry_pk = e.pk AND v.version < ?4 ORDER BY v.version DESC LIMIT ?5"
);

pub(super) const CHANGES: &str = "SELECT c.seq, o.ext_id, c.kind, c.name FROM library_change c
    CROSS JOIN owner o ON o.pk = c.owner_pk WHERE c.seq > ?1 ORDER BY c.seq LIMIT ?2";

pub(super) fn entry(connection: &Connection, key: &LibraryKey, version: Option<i64>) -> Result<Option<EntryRecord>> {
    first(connection, ENTRY, params![key.owner, key.kind, key.name, version], |row| {
        Ok(EntryRecord {
            version: row.get(0)?,
            json: row.get(1)?,
            created_at: time(row, 2)?,
            updated_at: time(row, 3)?,
        })
    })
}

pub(super) fn entries(connection: &Connection, owner: &str, query: &EntryQuery) -> Result<Vec<EntryRow>> {
    let mut rows = Vec::new();
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    visit(connection, ENTRIES, params![owner, query.kind, query.from(), limit], |row| {
        let found =
            EntryRow { name: row.get(0)?, version: row.get(1)?, created_at: time(row, 2)?, updated_at: time(row, 3)? };
        let fits = found.name.starts_with(&query.prefix);
        if fits {
            rows.push(found);
        }
        Ok(fits)
    })?;
    Ok(rows)
}

pub(super) fn versions(
    connection: &Connection,
    key: &LibraryKey,
    before: Option<i64>,
    limit: usize,
) -> Result<Vec<EntryVersion>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let before = before.unwrap_or(i64::MAX);
    all(connection, VERSIONS, params![key.owner, key.kind, key.name, before, limit], |row| {
        Ok(EntryVersion { version: row.get(0)?, created_at: time(row, 1)?, bytes: row.get(2)? })
    })
}

pub(super) fn changes(connection: &Connection, since: i64) -> Result<LibraryChanges> {
    let read =
        |row: &Row<'_>| Ok((row.get(0)?, LibraryKey { owner: row.get(1)?, kind: row.get(2)?, name: row.get(3)? }));
    Ok(LibraryChanges::behind(since, all(connection, CHANGES, [since, MAX_CHANGES], read)?))
}
