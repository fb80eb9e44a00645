//! Libraries: prompts, personas, councils and settings with a name and versions, and what is remembered of them.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::SystemTime;

use super::cancel::CancelToken;
use super::error::TertuliaError;
use super::ground::Ground;
use super::json;
use super::message::moment;
use super::tertulia::Tertulia;
use super::user::UserScope;
use crate::base::{Json, Timestamp};
use crate::store::LibraryKey;
use crate::{engine, model};

/// The values of one kind, by name: the application's, or one user's before them. Every value put in the place of another
/// is a new version. Values are text or JSON of at most 64 KiB; a name is text of 1 to 128 bytes.
///
/// A user sees the application's values as well, unless he has one of the same name; only the application puts and
/// deletes them. What is read by name is remembered until somebody changes it, in whichever process.
#[derive(uniffi::Object)]
pub struct Library {
    library: engine::Library,
    ground: Arc<Ground>,
}

fn shelf(library: engine::Library, ground: &Arc<Ground>) -> Arc<Library> {
    Arc::new(Library { library, ground: ground.clone() })
}

#[uniffi::export]
impl Tertulia {
    /// The application's prompts, which all its users see.
    #[must_use]
    pub fn prompts(&self) -> Arc<Library> {
        shelf(self.engine.prompts(), &self.ground)
    }

    /// The application's personas, which all its users see.
    #[must_use]
    pub fn personas(&self) -> Arc<Library> {
        shelf(self.engine.personas(), &self.ground)
    }

    /// The application's councils, which all its users see.
    #[must_use]
    pub fn councils(&self) -> Arc<Library> {
        shelf(self.engine.councils(), &self.ground)
    }

    /// The application's values of a kind: `setting`, or a word of your own (small letters, digits, `-`, `_`; at most 32).
    #[must_use]
    pub fn library(&self, kind: String) -> Arc<Library> {
        shelf(self.engine.library(kind), &self.ground)
    }

    /// What is remembered of libraries and of users' preferences.
    #[must_use]
    pub fn library_cache(&self) -> Arc<LibraryCache> {
        Arc::new(LibraryCache(self.engine.library_cache()))
    }
}

#[uniffi::export]
impl UserScope {
    /// This user's prompts, and the application's.
    #[must_use]
    pub fn prompts(&self) -> Arc<Library> {
        shelf(self.user.prompts(), &self.ground)
    }

    /// This user's personas, and the application's.
    #[must_use]
    pub fn personas(&self) -> Arc<Library> {
        shelf(self.user.personas(), &self.ground)
    }

    /// This user's councils, and the application's.
    #[must_use]
    pub fn councils(&self) -> Arc<Library> {
        shelf(self.user.councils(), &self.ground)
    }

    /// This user's values of a kind, and the application's: `setting`, or a word of your own (small letters, digits, `-`,
    /// `_`; at most 32).
    #[must_use]
    pub fn library(&self, kind: String) -> Arc<Library> {
        shelf(self.user.library(kind), &self.ground)
    }
}

#[uniffi::export]
impl Library {
    /// The newest version under this name: the user's own, else the application's; nothing when there is neither.
    ///
    /// # Errors
    /// `Invalid` (bad_kind, bad_name, bad_user); `Storage`; `Closed`.
    #[uniffi::method(default(cancel = None))]
    pub async fn get(
        &self,
        name: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Option<LibraryEntry>, TertuliaError> {
        let library = self.library.clone();
        let found = self.ground.run(cancel, async move { library.get(&name).await }).await?;
        Ok(found.map(LibraryEntry::from))
    }

    /// This version of what stands under the name: of the user's own value if he has one, else of the application's; nothing
    /// when it is not there (any more).
    ///
    /// # Errors
    /// `Invalid` (bad_kind, bad_name, bad_user); `Storage`; `Closed`.
    #[uniffi::method(default(cancel = None))]
    pub async fn version(
        &self,
        name: String,
        version: i64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Option<LibraryEntry>, TertuliaError> {
        let library = self.library.clone();
        let found = self.ground.run(cancel, async move { library.version(&name, version).await }).await?;
        Ok(found.map(LibraryEntry::from))
    }

    /// Puts a value under the name, as its next version, and gives the version's number. The value that stands there
    /// already changes nothing. With `expected_version` only if that version stands there; 0 = only if nothing does.
    ///
    /// # Errors
    /// `Invalid` (bad_json, bad_kind, bad_name, bad_user, too_large, too_deep); `Conflict` (entry_moved) on another
    /// version than the expected one; `Storage`; `Closed`.
    #[uniffi::method(default(expected_version = None, cancel = None))]
    pub async fn put(
        &self,
        name: String,
        value: LibraryValue,
        expected_version: Option<i64>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<i64, TertuliaError> {
        let value = value.taken().map_err(|e| e.during("library.put"))?;
        let put = self.library.put(name, value).expected_version(expected_version);
        self.ground.run(cancel, put.into_future()).await
    }

    /// Deletes the value under the name, with all its versions. The application's is seen again in the place of a user's.
    /// Numbers of versions are not given again. With `expected_version` only if that version stands there.
    ///
    /// # Errors
    /// `Invalid` (bad_kind, bad_name, bad_user); `NotFound` when nothing stands there, or only the application's;
    /// `Conflict` (entry_moved) on another version than the expected one; `Storage`; `Closed`.
    #[uniffi::method(default(expected_version = None, cancel = None))]
    pub async fn delete(
        &self,
        name: String,
        expected_version: Option<i64>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), TertuliaError> {
        let delete = self.library.delete(name).expected_version(expected_version);
        self.ground.run(cancel, delete.into_future()).await
    }

    /// The names in the order of their letters (by code point) that begin with the prefix and stand behind `after`; 1 to
    /// 200 of them. Of a user's library the application's names as well, each name once.
    ///
    /// # Errors
    /// `Invalid` (bad_kind, bad_user, bad_limit); `Storage`; `Closed`.
    #[uniffi::method(default(prefix = "", after = None, limit = 50, cancel = None))]
    pub async fn list(
        &self,
        prefix: String,
        after: Option<String>,
        limit: i32,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Vec<LibraryItem>, TertuliaError> {
        // Below 0 is refused as 0 is.
        let list = self.library.list().prefix(prefix).after(after).limit(usize::try_from(limit).unwrap_or(0));
        let items = self.ground.run(cancel, list.into_future()).await?;
        Ok(items.into_iter().map(LibraryItem::from).collect())
    }

    /// The versions of what stands under the name that are kept, the newest first, from the one before `before` on; 1 to
    /// 200 of them. Of the user's own value if he has one, else of the application's; none when nothing stands there.
    ///
    /// # Errors
    /// `Invalid` (bad_kind, bad_name, bad_user, bad_limit); `Storage`; `Closed`.
    #[uniffi::method(default(before = None, limit = 50, cancel = None))]
    pub async fn versions(
        &self,
        name: String,
        before: Option<i64>,
        limit: i32,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Vec<LibraryVersion>, TertuliaError> {
        let versions = self.library.versions(name).before(before).limit(usize::try_from(limit).unwrap_or(0));
        let versions = self.ground.run(cancel, versions.into_future()).await?;
        Ok(versions.into_iter().map(LibraryVersion::from).collect())
    }
}

/// A value of a library, in one of its versions.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct LibraryEntry {
    /// What it is: `prompt`, `persona`, `council`, `setting`, or a kind of your own.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The number of the version, from 1.
    pub version: i64,
    /// The value.
    pub value: LibraryValue,
    /// True when it is the application's; false when it is the user's own.
    pub shared: bool,
    /// When the first version was put there.
    pub created_at: SystemTime,
    /// When this version was put there.
    pub updated_at: SystemTime,
}

impl From<model::LibraryEntry> for LibraryEntry {
    fn from(entry: model::LibraryEntry) -> Self {
        let model::LibraryEntry { kind, name, version, value, shared, created_at, updated_at } = entry;
        Self {
            kind,
            name,
            version,
            value: value.into(),
            shared,
            created_at: moment(created_at),
            updated_at: moment(updated_at),
        }
    }
}

#[uniffi::export]
impl LibraryEntry {
    /// The text with `{{name}}` replaced by the value of that name, wherever it stands; blanks within the braces are
    /// allowed. A name is made of letters, digits, `_`, `-` and `.`; braces about anything else stay as they are. A value
    /// is put in as it is: what looks like a place in it is none. Values that no place asks for are left out.
    ///
    /// # Errors
    /// `Invalid`: missing_value names a value that is asked for and not given; not_text when the value is no text.
    #[expect(clippy::result_large_err, reason = "a border has no boxes; the error is written to bytes at once")]
    pub fn render(&self, values: HashMap<String, String>) -> Result<String, TertuliaError> {
        let Self { kind, name, version, value, shared, created_at: _, updated_at: _ } = self.clone();
        let value = value.taken()?;
        // No text has its moments in it.
        let never = Timestamp::from_millis(0);
        let entry = model::LibraryEntry { kind, name, version, value, shared, created_at: never, updated_at: never };
        Ok(entry.render(values)?)
    }
}

/// What is kept under a name.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum LibraryValue {
    /// Words, as those of a prompt.
    Text {
        /// The words.
        text: String,
    },
    /// Anything else.
    Json {
        /// The value as JSON. JSON that is nothing but a text comes back as text.
        json: String,
    },
}

impl LibraryValue {
    fn taken(self) -> model::Result<Json> {
        match self {
            Self::Text { text } => Ok(Json::String(text)),
            Self::Json { json } => json::value("value", &json),
        }
    }
}

impl From<Json> for LibraryValue {
    fn from(value: Json) -> Self {
        match value {
            Json::String(text) => Self::Text { text },
            other => Self::Json { json: json::text(&other) },
        }
    }
}

/// A name in a library's list.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct LibraryItem {
    /// The name.
    pub name: String,
    /// The newest version.
    pub version: i64,
    /// True when it is the application's; false when it is the user's own.
    pub shared: bool,
    /// When the first version was put there.
    pub created_at: SystemTime,
    /// When the newest was.
    pub updated_at: SystemTime,
}

impl From<model::LibraryItem> for LibraryItem {
    fn from(item: model::LibraryItem) -> Self {
        let model::LibraryItem { name, version, shared, created_at, updated_at } = item;
        Self { name, version, shared, created_at: moment(created_at), updated_at: moment(updated_at) }
    }
}

/// A version of a value, without the value.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct LibraryVersion {
    /// Its number.
    pub version: i64,
    /// When it was put there.
    pub created_at: SystemTime,
    /// How long it is as JSON, in bytes.
    pub size_bytes: i64,
}

impl From<model::LibraryVersion> for LibraryVersion {
    fn from(version: model::LibraryVersion) -> Self {
        let model::LibraryVersion { version, created_at, size_bytes } = version;
        Self { version, created_at: moment(created_at), size_bytes }
    }
}

/// What an engine remembers of libraries and of users' preferences. It is never behind: what is changed, here or in another
/// process, is read anew by itself.
#[derive(uniffi::Object)]
pub struct LibraryCache(engine::LibraryCache);

#[uniffi::export]
impl LibraryCache {
    /// How often a value was remembered and how often it had to be read, and what is remembered now; from memory.
    #[must_use]
    pub fn health(&self) -> LibraryHealth {
        self.0.health().into()
    }

    /// Forgets one value, which is read anew with the next question for it: the application's, or this user's. The kind
    /// `preferences` (without a name) is what a user prefers.
    #[uniffi::method(default(name = "", user = ""))]
    pub fn invalidate(&self, kind: String, name: String, user: String) {
        self.0.invalidate(&LibraryKey::new(user, kind, name));
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.clear();
    }
}

/// What the library's cache has done since the engine was opened, and what it holds.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct LibraryHealth {
    /// Values that were remembered and still true.
    pub hits: i64,
    /// Values that had to be read.
    pub misses: i64,
    /// Of so many hits and misses the share of hits, from 0 to 1; 0 before the first.
    pub hit_rate: f64,
    /// Values that somebody else was reading at that time; counted as hits.
    pub coalesced: i64,
    /// Values that were forgotten: somebody changed them, here or in another process, or asked for it.
    pub dropped: i64,
    /// Values that made room for others.
    pub evicted: i64,
    /// Values that are remembered.
    pub entries: i64,
    /// What they take in memory, about, in bytes.
    pub bytes: i64,
}

impl From<model::LibraryHealth> for LibraryHealth {
    fn from(health: model::LibraryHealth) -> Self {
        let model::LibraryHealth { hits, misses, hit_rate, coalesced, dropped, evicted, entries, bytes } = health;
        Self { hits, misses, hit_rate, coalesced, dropped, evicted, entries, bytes }
    }
}
