//! Statements, kept prepared, and what stands in their columns.

use std::collections::HashMap;

use rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Params, Row};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::failure::failed;
use super::gauges::note;
use crate::base::Timestamp;
use crate::model::{Error, Result};
use crate::store::codes::Code;
use crate::store::refusal;

#[cfg(test)]
thread_local! {
    /// How many statements were run on this thread.
    pub(super) static STATEMENTS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// A kept statement, ready to be run.
pub(super) fn prepared<'c>(
    connection: &'c Connection,
    sql: &'static str,
) -> rusqlite::Result<rusqlite::CachedStatement<'c>> {
    note(sql);
    #[cfg(test)]
    STATEMENTS.set(STATEMENTS.get() + 1);
    connection.prepare_cached(sql)
}

/// Reads in one transaction, so that all statements see the same state. Begins and ends with kept statements, which
/// rusqlite's own transactions make ready anew each time.
pub(super) fn snapshot<T>(connection: &Connection, read: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
    struct Ends<'c>(&'c Connection);

    impl Drop for Ends<'_> {
        /// Also when the read panics. What fails here has failed before, and was told.
        fn drop(&mut self) {
            drop(self.0.prepare_cached("ROLLBACK").and_then(|mut statement| statement.execute([])));
        }
    }

    connection.prepare_cached("BEGIN").and_then(|mut statement| statement.execute([])).map_err(failed)?;
    let ends = Ends(connection);
    let found = read(ends.0);
    drop(ends);
    found
}

/// Runs a statement; gives the number of rows it changed.
pub(super) fn run(connection: &Connection, sql: &'static str, params: impl Params) -> Result<usize> {
    prepared(connection, sql).and_then(|mut statement| statement.execute(params)).map_err(failed)
}

/// Adds a row that has an id of its own.
///
/// # Errors
/// `Conflict` (id_taken) when the id is taken: SQLite looks for it anyway.
pub(super) fn insert(connection: &Connection, sql: &'static str, params: impl Params) -> Result<()> {
    note(sql);
    match connection.prepare_cached(sql).and_then(|mut statement| statement.execute(params)) {
        Ok(_) => Ok(()),
        Err(rusqlite::Error::SqliteFailure(failure, Some(what)))
            if failure.extended_code == SQLITE_CONSTRAINT_UNIQUE && what.ends_with(".id") =>
        {
            Err(refusal::id_taken())
        }
        Err(error) => Err(failed(error)),
    }
}

/// The first row, or nothing.
pub(super) fn first<T>(
    connection: &Connection,
    sql: &'static str,
    params: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>> {
    let mut statement = prepared(connection, sql).map_err(failed)?;
    statement.query_row(params, read).optional().map_err(failed)
}

/// All rows.
pub(super) fn all<T>(
    connection: &Connection,
    sql: &'static str,
    params: impl Params,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>> {
    let mut statement = prepared(connection, sql).map_err(failed)?;
    statement.query_map(params, read).and_then(Iterator::collect).map_err(failed)
}

/// Hands every row to a visitor until it wants no more.
pub(super) fn visit(
    connection: &Connection,
    sql: &'static str,
    params: impl Params,
    mut each: impl FnMut(&Row<'_>) -> rusqlite::Result<bool>,
) -> Result<()> {
    let mut statement = prepared(connection, sql).map_err(failed)?;
    let mut rows = statement.query(params).map_err(failed)?;
    while let Some(row) = rows.next().map_err(failed)? {
        if !each(row).map_err(failed)? {
            break;
        }
    }
    Ok(())
}

/// A word that stands in the table as a number.
pub(super) struct Coded<T>(pub(super) T);

impl<T: Code + Copy> ToSql for Coded<T> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.0.code().into())
    }
}

impl<T: Code> FromSql for Coded<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let code = value.as_i64()?;
        T::from_code(code).map(Self).ok_or(FromSqlError::OutOfRange(code))
    }
}

/// A value that stands in the table as JSON text.
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromSql for Json<T> {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        // The parser's own error may quote what stands there, so it goes no further.
        serde_json::from_str(value.as_str()?).map(Self).map_err(|_| FromSqlError::InvalidType)
    }
}

/// The JSON text of a value.
pub(super) fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|_| Error::internal("a value could not be written as JSON"))
}

/// An id in a column.
pub(super) fn id<T>(row: &Row<'_>, column: usize, make: impl FnOnce([u8; 16]) -> T) -> rusqlite::Result<T> {
    row.get(column).map(make)
}

/// What may be missing in a column.
pub(super) fn optional<T: FromSql, U>(
    row: &Row<'_>,
    column: usize,
    make: impl FnOnce(T) -> U,
) -> rusqlite::Result<Option<U>> {
    row.get::<_, Option<T>>(column).map(|value| value.map(make))
}

/// JSON of a map of strings in a column, which is missing when it is empty.
pub(super) fn map(row: &Row<'_>, column: usize) -> rusqlite::Result<HashMap<String, String>> {
    optional(row, column, |Json(map)| map).map(Option::unwrap_or_default)
}

/// A moment in a column.
pub(super) fn time(row: &Row<'_>, column: usize) -> rusqlite::Result<Timestamp> {
    row.get(column).map(Timestamp::from_millis)
}
