//! Libraries: settings, prompts, personas and councils of the application and of its users, in versions.

mod cache;
mod list;
#[cfg(all(test, feature = "sqlite"))]
mod tests;

use std::pin::Pin;
use std::sync::Arc;

use super::tertulia::{Inner, Tertulia};
use super::user::{UserScope, check_id};
use crate::base::{ErrorKind, Json};
use crate::model::{Error, LibraryEntry, LibraryHealth, Result};
use crate::store::{APPLICATION, Durability, EntryValue, LibraryKey, NewEntry, Op, WriteBatch, check_kind, check_name};

pub(super) use cache::Cache;
pub use list::{LibraryList, LibraryVersions};

/// The kinds that have a word of their own.
const PROMPT: &str = "prompt";
const PERSONA: &str = "persona";
const COUNCIL: &str = "council";
const SETTING: &str = "setting";

/// The values of one kind, by name: the application's, or one user's before them. Every value put in the place of another
/// is a new version. Values are JSON of at most 64 KiB; a name is text of 1 to 128 bytes.
///
/// A user sees the application's values as well, unless he has one of the same name; only the application puts and
/// deletes them. What is read by name is remembered until somebody changes it, in whichever process, and not longer than
/// [`LibrarySettings`](crate::LibrarySettings) says.
///
/// # Examples
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> tertulia::Result<()> {
/// use tertulia::Tertulia;
///
/// let tertulia = Tertulia::builder().store("memory:").open().await?;
/// tertulia.prompts().put("guide", "You show {{who}} around {{place}}.").await?;
/// let me = tertulia.user("ana");
/// let guide = me.prompts().get("guide").await?.expect("it was put there");
/// assert_eq!(guide.render([("who", "Ana"), ("place", "Cádiz")])?, "You show Ana around Cádiz.");
///
/// me.prompts().put("guide", "Two tips for {{place}}, no more.").await?;
/// assert!(!me.prompts().get("guide").await?.expect("it is there").shared);
/// # tertulia.close().await
/// # }
/// ```
#[derive(Clone)]
pub struct Library {
    engine: Arc<Inner>,
    /// Nothing = the application.
    user: Option<Arc<str>>,
    kind: Arc<str>,
}

impl Tertulia {
    /// The application's prompts, which all its users see.
    #[must_use]
    pub fn prompts(&self) -> Library {
        self.library(PROMPT)
    }

    /// The application's personas, which all its users see.
    #[must_use]
    pub fn personas(&self) -> Library {
        self.library(PERSONA)
    }

    /// The application's councils, which all its users see.
    #[must_use]
    pub fn councils(&self) -> Library {
        self.library(COUNCIL)
    }

    /// The application's values of a kind: `setting`, or a word of your own (small letters, digits, `-`, `_`; at most 32).
    #[must_use]
    pub fn library(&self, kind: impl AsRef<str>) -> Library {
        Library { engine: self.0.clone(), user: None, kind: kind.as_ref().into() }
    }

    /// What is remembered of libraries and of users' preferences.
    #[must_use]
    pub fn library_cache(&self) -> LibraryCache {
        LibraryCache(self.0.library.clone())
    }
}

impl UserScope {
    /// This user's prompts, and the application's.
    #[must_use]
    pub fn prompts(&self) -> Library {
        self.library(PROMPT)
    }

    /// This user's personas, and the application's.
    #[must_use]
    pub fn personas(&self) -> Library {
        self.library(PERSONA)
    }

    /// This user's councils, and the application's.
    #[must_use]
    pub fn councils(&self) -> Library {
        self.library(COUNCIL)
    }

    /// This user's values of a kind, and the application's: `setting`, or a word of your own (small letters, digits, `-`,
    /// `_`; at most 32).
    #[must_use]
    pub fn library(&self, kind: impl AsRef<str>) -> Library {
        Library { engine: self.engine.clone(), user: Some(self.owner.clone()), kind: kind.as_ref().into() }
    }
}

impl Library {
    /// The newest version under this name: the user's own, else the application's; nothing when there is neither.
    ///
    /// # Errors
    /// `Invalid` (bad_kind, bad_name, bad_user); `Storage`; `Closed`.
    pub async fn get(&self, name: &str) -> Result<Option<LibraryEntry>> {
        let work = async {
            self.check()?;
            check_name(name)?;
            for owner in self.owners() {
                if let Some(found) = self.engine.library.entry(owner, &self.kind, name).await? {
                    return Ok(Some((*found).clone()));
                }
            }
            Ok(None)
        };
        work.await.map_err(|e| self.failed(e, "library.get"))
    }

    /// This version of what stands under the name: of the user's own value if he has one, else of the application's; nothing
    /// when it is not there (any more).
    ///
    /// # Errors
    /// `Invalid` (bad_kind, bad_name, bad_user); `Storage`; `Closed`.
    pub async fn version(&self, name: &str, version: i64) -> Result<Option<LibraryEntry>> {
        let work = async {
            self.check()?;
            check_name(name)?;
            let Some(key) = self.standing(name).await? else { return Ok(None) };
            let found = self.engine.store.entry(key.clone(), Some(version)).await?;
            found.map(|record| cache::shown(&key, record)).transpose()
        };
        work.await.map_err(|e| self.failed(e, "library.version"))
    }

    /// Puts a value under the name, as its next version, and gives the version's number. The value that stands there
    /// already changes nothing. So many old versions stay as
    /// [`LibrarySettings::old_versions`](crate::LibrarySettings::old_versions) says.
    ///
    /// # Errors
    /// `Invalid` (bad_kind, bad_name, bad_user, too_large, too_deep); `Conflict` (entry_moved) on another version than the
    /// expected one; `Storage`; `Closed`.
    pub fn put(&self, name: impl Into<String>, value: impl Into<Json>) -> LibraryPut {
        LibraryPut { library: self.clone(), name: name.into(), value: value.into(), expected: None }
    }

    /// Deletes the value under the name, with all its versions. The application's is seen again in the place of a user's.
    /// Numbers of versions are not given again.
    ///
    /// # Errors
    /// `Invalid` (bad_kind, bad_name, bad_user); `NotFound` when nothing stands there, or only the application's;
    /// `Conflict` (entry_moved) on another version than the expected one; `Storage`; `Closed`.
    pub fn delete(&self, name: impl Into<String>) -> LibraryDelete {
        LibraryDelete { library: self.clone(), name: name.into(), expected: None }
    }

    /// The names in the order of their letters (by code point): 50 unless told otherwise. Of a user's library the
    /// application's names as well, each name once.
    ///
    /// # Errors
    /// `Invalid` (bad_kind, bad_user, bad_limit); `Storage`; `Closed`.
    pub fn list(&self) -> LibraryList {
        LibraryList::of(self.clone())
    }

    /// The versions of what stands under the name that are kept, the newest first: of the user's own value if he has one,
    /// else of the application's. 50 unless told otherwise; none when nothing stands there.
    ///
    /// # Errors
    /// `Invalid` (bad_kind, bad_name, bad_user, bad_limit); `Storage`; `Closed`.
    pub fn versions(&self, name: impl Into<String>) -> LibraryVersions {
        LibraryVersions::of(self.clone(), name.into())
    }

    fn check(&self) -> Result<()> {
        self.engine.check_open()?;
        self.user.as_ref().map_or(Ok(()), |user| check_id(user))?;
        check_kind(&self.kind)
    }

    /// Whose values are looked for, one after the other.
    fn owners(&self) -> impl Iterator<Item = &str> {
        self.user.as_deref().into_iter().chain([APPLICATION])
    }

    /// What stands under the name.
    async fn standing(&self, name: &str) -> Result<Option<LibraryKey>> {
        for owner in self.owners() {
            if self.engine.library.entry(owner, &self.kind, name).await?.is_some() {
                return Ok(Some(LibraryKey::new(owner, &*self.kind, name)));
            }
        }
        Ok(None)
    }

    async fn apply(&self, op: Op) -> Result<Option<i64>> {
        let owner = self.user.as_deref().unwrap_or(APPLICATION);
        let batch = WriteBatch::new(owner, self.engine.clock.now()).op(op);
        Ok(self.engine.store.apply(batch, Durability::PowerSafe).await?.entry_version)
    }

    fn failed(&self, error: Error, operation: &'static str) -> Error {
        self.engine.failed(error, operation)
    }
}

impl std::fmt::Debug for Library {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Library").field("user", &self.user).field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// A value on its way into a library, before it is awaited.
#[must_use = "nothing is put there until it is awaited"]
#[derive(Clone, Debug)]
pub struct LibraryPut {
    library: Library,
    name: String,
    value: Json,
    expected: Option<i64>,
}

impl LibraryPut {
    /// Only if this version stands there; 0 = only if nothing does. Otherwise `Conflict` (entry_moved).
    pub fn expected_version(mut self, version: impl Into<Option<i64>>) -> Self {
        self.expected = version.into();
        self
    }

    async fn put(&self) -> Result<i64> {
        let Self { library, name, value, expected } = self;
        library.check()?;
        let keep = library.engine.current().settings.library.old_versions;
        let (kind, value) = ((*library.kind).to_owned(), EntryValue::new(value)?);
        let new = NewEntry { kind, name: name.clone(), value, expected: *expected, keep };
        let missing = || Error::new(ErrorKind::Internal, "bug", "the store did not tell the version");
        library.apply(Op::PutEntry(new)).await?.ok_or_else(missing)
    }
}

impl IntoFuture for LibraryPut {
    type Output = Result<i64>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.put().await.map_err(|e| self.library.failed(e, "library.put")) })
    }
}

/// A deletion from a library, before it is awaited.
#[must_use = "nothing is deleted until it is awaited"]
#[derive(Clone, Debug)]
pub struct LibraryDelete {
    library: Library,
    name: String,
    expected: Option<i64>,
}

impl LibraryDelete {
    /// Only if this version stands there; otherwise `Conflict` (entry_moved).
    pub fn expected_version(mut self, version: impl Into<Option<i64>>) -> Self {
        self.expected = version.into();
        self
    }

    async fn delete(&self) -> Result<()> {
        let Self { library, name, expected } = self;
        library.check()?;
        check_name(name)?;
        let kind = (*library.kind).to_owned();
        library.apply(Op::DeleteEntry { kind, name: name.clone(), expected: *expected }).await.map(drop)
    }
}

impl IntoFuture for LibraryDelete {
    type Output = Result<()>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.delete().await.map_err(|e| self.library.failed(e, "library.delete")) })
    }
}

/// What an engine remembers of libraries and of users' preferences. It is never behind: what is changed, here or in another
/// process, is read anew by itself. Messages, whose something is, and what tools answered are not in it.
#[derive(Clone)]
pub struct LibraryCache(Arc<Cache>);

impl LibraryCache {
    /// How often a value was remembered and how often it had to be read, and what is remembered now; from memory. The same
    /// stands in [`Health::library`](crate::Health::library).
    #[must_use]
    pub fn health(&self) -> LibraryHealth {
        self.0.health()
    }

    /// Forgets one value, which is read anew with the next question for it.
    pub fn invalidate(&self, key: &LibraryKey) {
        self.0.invalidate(key);
    }

    /// Forgets everything.
    pub fn clear(&self) {
        self.0.clear();
    }
}

impl std::fmt::Debug for LibraryCache {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LibraryCache").field("health", &self.health()).finish()
    }
}
