//! Small values with a name: settings, prompts, personas, councils, and what else a host keeps.
//!
//! A value belongs to an owner (the owner `""` is the application) and to a kind; putting another one in its place makes
//! the next version. What was changed is noted by number, a user's preferences with it, so that whoever remembers values
//! can ask what of them is not true any more.

use crate::base::{Json, Timestamp};
use crate::model::{Error, Result};

/// The owner whose values are the application's. No user has this name.
pub const APPLICATION: &str = "";

/// The kind under which a change of a user's preferences is noted. Nothing else is kept under it.
pub const PREFERENCES: &str = "preferences";

/// The longest value, as JSON, in bytes.
pub const MAX_VALUE_BYTES: usize = 64 * 1_024;

/// So many versions are kept besides the newest at most.
pub const MAX_OLD_VERSIONS: usize = 1_000;

/// So many of the last changes are remembered.
pub(super) const MAX_CHANGES: i64 = 256;

/// The longest kind and the longest name, in bytes.
const MAX_KIND_BYTES: usize = 32;
const MAX_NAME_BYTES: usize = 128;

/// What is known by a kind and a name, or the preferences of an owner.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LibraryKey {
    /// Whose it is; empty = the application's.
    pub owner: String,
    /// What it is.
    pub kind: String,
    /// Its name.
    pub name: String,
}

impl LibraryKey {
    /// The value of this owner under this name.
    #[must_use]
    pub fn new(owner: impl Into<String>, kind: impl Into<String>, name: impl Into<String>) -> Self {
        Self { owner: owner.into(), kind: kind.into(), name: name.into() }
    }

    /// What this owner prefers.
    #[must_use]
    pub fn preferences(owner: impl Into<String>) -> Self {
        Self::new(owner, PREFERENCES, "")
    }
}

/// Refuses what can be no kind.
///
/// # Errors
/// `Invalid` (bad_kind).
pub fn check_kind(kind: &str) -> Result<()> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    if (1..=MAX_KIND_BYTES).contains(&kind.len()) && kind.chars().all(fits) && kind != PREFERENCES {
        return Ok(());
    }
    let detail = format!(
        "a kind is a word of 1 to {MAX_KIND_BYTES} small letters, digits, `-` and `_`, such as `prompt`, but not `{PREFERENCES}`"
    );
    Err(Error::invalid("bad_kind", detail))
}

/// Refuses what can be no name.
///
/// # Errors
/// `Invalid` (bad_name).
pub fn check_name(name: &str) -> Result<()> {
    if (1..=MAX_NAME_BYTES).contains(&name.len()) && !name.chars().any(char::is_control) {
        return Ok(());
    }
    let detail = format!("a name is text of 1 to {MAX_NAME_BYTES} bytes without control characters");
    Err(Error::invalid("bad_name", detail))
}

/// A value, ready to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryValue(String);

impl EntryValue {
    /// Makes a value ready to be stored.
    ///
    /// # Errors
    /// `Invalid`: too_large over 64 KiB of JSON, too_deep for more than 127 levels.
    pub fn new(value: &Json) -> Result<Self> {
        let json = value.to_string();
        if json.len() > MAX_VALUE_BYTES {
            return Err(Error::invalid(
                "too_large",
                format!("a value of the library takes at most {MAX_VALUE_BYTES} bytes of JSON; keep files elsewhere"),
            ));
        }
        // What could not be read again is not kept: the reader follows no deeper than this.
        if serde_json::from_str::<Json>(&json).is_err() {
            return Err(Error::invalid("too_deep", "a value of the library is nested at most 127 levels deep"));
        }
        Ok(Self(json))
    }

    /// Its JSON.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// A value to be put under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEntry {
    /// What it is.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The value.
    pub value: EntryValue,
    /// The version that stands there, as far as the writer knows: 0 = there is none. Nothing = whatever stands there.
    pub expected: Option<i64>,
    /// So many versions are kept besides the newest; 1,000 at most.
    pub keep: usize,
}

impl NewEntry {
    /// # Errors
    /// `Invalid` (bad_kind, bad_name, bad_version).
    pub(super) fn check(&self) -> Result<()> {
        check_kind(&self.kind)?;
        check_name(&self.name)?;
        check_expected(self.expected)
    }

    /// The oldest version that is kept beside this newest one.
    pub(super) fn oldest(&self, newest: i64) -> i64 {
        newest - i64::try_from(self.keep.min(MAX_OLD_VERSIONS)).unwrap_or(i64::MAX)
    }
}

/// # Errors
/// `Invalid` (bad_version).
pub(super) fn check_expected(expected: Option<i64>) -> Result<()> {
    if expected.is_none_or(|version| version >= 0) {
        return Ok(());
    }
    Err(Error::invalid("bad_version", "the expected version is 0 (there is none yet) or the number of one"))
}

/// A version of a value as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRecord {
    /// Its number, from 1.
    pub version: i64,
    /// The value, as JSON.
    pub json: String,
    /// When the first version was put there.
    pub created_at: Timestamp,
    /// When this version was put there.
    pub updated_at: Timestamp,
}

/// Which names of a kind.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EntryQuery {
    /// What is listed.
    pub kind: String,
    /// Only names that begin like this.
    pub prefix: String,
    /// Those that stand behind this name, which need not be there (any more).
    pub after: Option<String>,
    /// At most this many.
    pub limit: usize,
}

impl EntryQuery {
    /// The first name that may be on the page.
    pub(super) fn from(&self) -> String {
        // No name holds this sign, so nothing stands between a name and the name with it.
        let behind = self.after.as_ref().map(|after| format!("{after}\0")).unwrap_or_default();
        behind.max(self.prefix.clone())
    }
}

/// A name in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryRow {
    /// The name.
    pub name: String,
    /// The newest version.
    pub version: i64,
    /// When the first version was put there.
    pub created_at: Timestamp,
    /// When the newest was.
    pub updated_at: Timestamp,
}

/// A version of a value, without the value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryVersion {
    /// Its number.
    pub version: i64,
    /// When it was put there.
    pub created_at: Timestamp,
    /// How long it is as JSON, in bytes.
    pub bytes: i64,
}

/// What was changed since some change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LibraryChanges {
    /// The number of the last one.
    pub number: i64,
    /// What was changed since; nothing = that is not known any more, so it may be anything.
    pub keys: Option<Vec<LibraryKey>>,
}

impl LibraryChanges {
    /// What came behind this one. A number that is missing may have been of anything: of what is forgotten, or of an owner
    /// who was erased.
    pub(super) fn behind(since: i64, rows: Vec<(i64, LibraryKey)>) -> Self {
        let number = rows.last().map_or(since, |(number, _)| *number);
        let is_whole = usize::try_from(number - since).is_ok_and(|told| told == rows.len());
        Self { number, keys: is_whole.then(|| rows.into_iter().map(|(_, key)| key).collect()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_begins_behind_a_name_and_never_before_the_prefix() {
        let query = |prefix: &str, after: Option<&str>| {
            EntryQuery { prefix: prefix.to_owned(), after: after.map(str::to_owned), ..EntryQuery::default() }.from()
        };
        assert_eq!(query("", None), "");
        assert_eq!(query("b", None), "b");
        assert_eq!(query("b", Some("a")), "b");
        assert_eq!(query("b", Some("b")), "b\0");
        assert_eq!(query("b", Some("bc")), "bc\0");
    }

    #[test]
    fn changes_with_a_gap_before_them_may_be_of_anything() {
        let key = LibraryKey::new("ana", "prompt", "greeting");
        let row = |number| (number, key.clone());
        let of = |since, numbers: &[i64]| LibraryChanges::behind(since, numbers.iter().copied().map(row).collect());
        assert_eq!(of(7, &[]), LibraryChanges { number: 7, keys: Some(Vec::new()) });
        assert_eq!(of(7, &[8, 9]), LibraryChanges { number: 9, keys: Some(vec![key.clone(), key.clone()]) });
        assert_eq!(of(7, &[9, 10]), LibraryChanges { number: 10, keys: None });
        assert_eq!(of(7, &[8, 10]), LibraryChanges { number: 10, keys: None });
        assert_eq!(of(0, &[745]), LibraryChanges { number: 745, keys: None });
    }

    #[test]
    fn what_can_be_no_kind_or_name_is_refused() {
        for kind in ["", "Prompt", "my kind", "größe", "preferences", "x".repeat(33).as_str()] {
            assert_eq!(check_kind(kind).unwrap_err().reason(), "bad_kind", "{kind}");
        }
        for kind in ["prompt", "my-kind_2", "x".repeat(32).as_str()] {
            check_kind(kind).unwrap();
        }
        for name in ["", "a\nb", "a\0", "\u{85}", "é".repeat(65).as_str()] {
            assert_eq!(check_name(name).unwrap_err().reason(), "bad_name", "{name:?}");
        }
        for name in [" ", "Begrüßung/de", "%_'\"", "é".repeat(64).as_str(), "\u{10ffff}"] {
            check_name(name).unwrap();
        }
    }
}
