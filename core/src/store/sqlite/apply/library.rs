//! Ops on the library.

use rusqlite::params;

use super::Applying;
use crate::model::Result;
use crate::store::library::{MAX_CHANGES, check_expected};
use crate::store::sqlite::library::STANDING;
use crate::store::sqlite::row::{first, run};
use crate::store::{NewEntry, PREFERENCES, refusal};

/// What stands under a name.
struct Standing {
    pk: i64,
    /// Of what is deleted the last that there was.
    last: i64,
    is_deleted: bool,
    value: Option<String>,
}

impl Standing {
    fn version(&self) -> Option<i64> {
        (!self.is_deleted).then_some(self.last)
    }
}

impl Applying<'_> {
    fn standing(&self, kind: &str, name: &str) -> Result<Option<Standing>> {
        first(self.connection, STANDING, params![self.owner, kind, name], |row| {
            Ok(Standing { pk: row.get(0)?, last: row.get(1)?, is_deleted: row.get(2)?, value: row.get(3)? })
        })
    }

    pub(super) fn put_entry(&self, new: &NewEntry) -> Result<i64> {
        new.check()?;
        let standing = self.standing(&new.kind, &new.name)?;
        let there = standing.as_ref().and_then(Standing::version);
        if new.expected.is_some_and(|expected| expected != there.unwrap_or(0)) {
            return Err(refusal::entry_moved(there));
        }
        let version = match &standing {
            Some(Standing { last, value: Some(value), .. }) if value == new.value.as_str() => {
                // Also what changes nothing is refused for somebody who is being erased.
                return self.owner_pk().map(|_| *last);
            }
            Some(Standing { last, .. }) => last + 1,
            None => 1,
        };
        let (owner_pk, at) = (self.owner_pk()?, self.at.as_millis());
        let pk = match standing {
            Some(standing) => {
                run(
                    self.connection,
                    "UPDATE library_entry SET version = ?2, updated_at = ?3, created_at = iif(is_deleted, ?3, created_at),
                     is_deleted = FALSE WHERE pk = ?1",
                    params![standing.pk, version, at],
                )?;
                standing.pk
            }
            None => {
                run(
                    self.connection,
                    "INSERT INTO library_entry(owner_pk, kind, name, version, created_at, updated_at)
                     VALUES(?1, ?2, ?3, ?4, ?5, ?5)",
                    params![owner_pk, new.kind, new.name, version, at],
                )?;
                self.connection.last_insert_rowid()
            }
        };
        let value = new.value.as_str();
        run(
            self.connection,
            "INSERT INTO library_version(entry_pk, version, at, bytes, value) VALUES(?, ?, ?, ?, ?)",
            params![pk, version, at, i64::try_from(value.len()).unwrap_or(i64::MAX), value],
        )?;
        let forget = "DELETE FROM library_version WHERE entry_pk = ? AND version < ?";
        run(self.connection, forget, [pk, new.oldest(version)])?;
        self.note_library(owner_pk, &new.kind, &new.name)?;
        Ok(version)
    }

    pub(super) fn delete_entry(&self, kind: &str, name: &str, expected: Option<i64>) -> Result<()> {
        check_expected(expected)?;
        let standing = self.standing(kind, name)?.filter(|standing| !standing.is_deleted);
        let Standing { pk, last, .. } = standing.ok_or_else(refusal::no_entry)?;
        if expected.is_some_and(|expected| expected != last) {
            return Err(refusal::entry_moved(Some(last)));
        }
        run(self.connection, "DELETE FROM library_version WHERE entry_pk = ?", [pk])?;
        let sql = "UPDATE library_entry SET is_deleted = TRUE, updated_at = ?2 WHERE pk = ?1";
        run(self.connection, sql, params![pk, self.at.as_millis()])?;
        self.note_library(self.owner_pk()?, kind, name)
    }

    pub(super) fn note_preferences(&self, owner_pk: i64) -> Result<()> {
        self.note_library(owner_pk, PREFERENCES, "")
    }

    /// Tells everybody who remembers values that this one is another from now on.
    fn note_library(&self, owner_pk: i64, kind: &str, name: &str) -> Result<()> {
        // The newest is always there, so its number is followed by the next one.
        let sql = "INSERT INTO library_change(owner_pk, kind, name) VALUES(?, ?, ?)";
        run(self.connection, sql, params![owner_pk, kind, name])?;
        let gone = self.connection.last_insert_rowid() - MAX_CHANGES;
        run(self.connection, "DELETE FROM library_change WHERE seq <= ?", [gone]).map(drop)
    }

    /// No name of this owner stands in the changes any more. The numbers that are missing tell everybody to forget all.
    pub(super) fn forget_changes_of(&self, owner_pk: i64) -> Result<()> {
        let last =
            first(self.connection, "SELECT max(seq) FROM library_change", [], |row| row.get::<_, Option<i64>>(0))?;
        // All of them are looked through: it is 256 at most.
        run(self.connection, "DELETE FROM library_change WHERE owner_pk = ?", [owner_pk])?;
        run(
            self.connection,
            "INSERT INTO library_change(seq, owner_pk, kind, name) VALUES(?, ?, ?, '')",
            params![last.flatten().unwrap_or(0) + 2, owner_pk, PREFERENCES],
        )
        .map(drop)
    }
}
