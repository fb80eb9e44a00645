//! The library: small values with a name, and their versions.

use super::state::{Shelved, State};
use crate::base::Timestamp;
use crate::model::Result;
use crate::store::library::{MAX_CHANGES, check_expected};
use crate::store::{EntryQuery, EntryRecord, EntryRow, EntryVersion, LibraryChanges, LibraryKey, NewEntry, refusal};

impl State {
    fn shelved(&self, key: &LibraryKey) -> Option<&Shelved> {
        self.library.get(key).filter(|row| !row.is_deleted)
    }

    pub(super) fn put_entry(&mut self, owner: &str, new: &NewEntry, at: Timestamp) -> Result<i64> {
        new.check()?;
        let key = LibraryKey::new(owner, &*new.kind, &*new.name);
        let there = self.shelved(&key).cloned();
        let standing = there.as_ref().map(|row| row.version);
        if new.expected.is_some_and(|expected| expected != standing.unwrap_or(0)) {
            return Err(refusal::entry_moved(standing));
        }
        self.may_begin(owner)?;
        if let Some(standing) = standing
            && self.library_versions.get(&(key.clone(), standing)).is_some_and(|(_, value)| *value == new.value)
        {
            return Ok(standing);
        }
        let version = self.library.get(&key).map_or(0, |row| row.version) + 1;
        let created_at = there.map_or(at, |row| row.created_at);
        self.library.put(key.clone(), Shelved { version, is_deleted: false, created_at, updated_at: at });
        self.library_versions.put((key.clone(), version), (at, new.value.clone()));
        self.forget_versions(&key, new.oldest(version) - 1);
        self.note_library(key);
        Ok(version)
    }

    pub(super) fn delete_entry(&mut self, key: LibraryKey, expected: Option<i64>, at: Timestamp) -> Result<()> {
        check_expected(expected)?;
        let version = self.shelved(&key).ok_or_else(refusal::no_entry)?.version;
        if expected.is_some_and(|expected| expected != version) {
            return Err(refusal::entry_moved(Some(version)));
        }
        self.may_begin(&key.owner)?;
        self.library.edit(&key, |row| (row.is_deleted, row.updated_at) = (true, at));
        self.forget_versions(&key, i64::MAX);
        self.note_library(key);
        Ok(())
    }

    pub(super) fn forget_versions(&mut self, key: &LibraryKey, upto: i64) {
        let range = (key.clone(), i64::MIN)..=(key.clone(), upto);
        let old: Vec<_> = self.library_versions.range(range).map(|(place, _)| place.clone()).collect();
        for place in old {
            self.library_versions.remove(&place);
        }
    }

    pub(super) fn note_library(&mut self, key: LibraryKey) {
        let number = self.library_changes.range(..).next_back().map_or(0, |(number, _)| *number) + 1;
        self.library_changes.put(number, key);
        self.library_changes.remove(&(number - MAX_CHANGES));
    }

    /// No name of this owner stands in the changes any more. The numbers that are missing tell everybody to forget all.
    pub(super) fn forget_changes_of(&mut self, owner: &str) {
        let last = self.library_changes.range(..).next_back().map_or(0, |(number, _)| *number);
        let own: Vec<i64> =
            self.library_changes.iter().filter(|(_, key)| key.owner == owner).map(|(number, _)| *number).collect();
        for number in own {
            self.library_changes.remove(&number);
        }
        self.library_changes.put(last + 2, LibraryKey::preferences(owner));
    }

    pub(super) fn entry(&self, key: &LibraryKey, version: Option<i64>) -> Option<EntryRecord> {
        let row = self.shelved(key)?;
        let version = version.unwrap_or(row.version);
        let (at, value) = self.library_versions.get(&(key.clone(), version))?;
        let json = value.as_str().to_owned();
        Some(EntryRecord { version, json, created_at: row.created_at, updated_at: *at })
    }

    pub(super) fn entries(&self, owner: &str, query: &EntryQuery) -> Vec<EntryRow> {
        let from = LibraryKey::new(owner, &*query.kind, query.from());
        let on_shelf = self
            .library
            .range(from..)
            .take_while(|(key, _)| key.owner == owner && key.kind == query.kind && key.name.starts_with(&query.prefix));
        let there = on_shelf.filter(|(_, row)| !row.is_deleted).take(query.limit);
        there
            .map(|(key, row)| EntryRow {
                name: key.name.clone(),
                version: row.version,
                created_at: row.created_at,
                updated_at: row.updated_at,
            })
            .collect()
    }

    pub(super) fn entry_versions(&self, key: &LibraryKey, before: Option<i64>, limit: usize) -> Vec<EntryVersion> {
        let range = (key.clone(), i64::MIN)..(key.clone(), before.unwrap_or(i64::MAX));
        let newest_first = self.library_versions.range(range).rev().take(limit);
        newest_first
            .map(|((_, version), (at, value))| EntryVersion {
                version: *version,
                created_at: *at,
                bytes: i64::try_from(value.as_str().len()).unwrap_or(i64::MAX),
            })
            .collect()
    }

    pub(super) fn changes_behind(&self, since: i64) -> LibraryChanges {
        let rows = self.library_changes.range(since.saturating_add(1)..);
        LibraryChanges::behind(since, rows.map(|(number, key)| (*number, key.clone())).collect())
    }
}
