//! What is in a library: its names, and the versions of a value.

use std::pin::Pin;

use super::Library;
use crate::engine::page::{PAGE, check_limit};
use crate::model::{LibraryItem, LibraryVersion, Result};
use crate::store::{APPLICATION, EntryQuery, check_name};

/// A page of names, before it is awaited. It holds exactly as many as are asked for, or all that there are; the next one
/// begins behind its last name.
#[must_use = "nothing is read until it is awaited"]
#[derive(Clone, Debug)]
pub struct LibraryList {
    library: Library,
    prefix: String,
    after: Option<String>,
    limit: usize,
}

impl LibraryList {
    pub(super) const fn of(library: Library) -> Self {
        Self { library, prefix: String::new(), after: None, limit: PAGE }
    }

    /// Only names that begin like this.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Those that stand behind this name, which need not be there (any more); nothing = from the first.
    pub fn after(mut self, name: impl Into<Option<String>>) -> Self {
        self.after = name.into();
        self
    }

    /// Exactly this many (1 to 200), or all there are.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    async fn load(&self) -> Result<Vec<LibraryItem>> {
        let Self { library, prefix, after, limit } = self;
        library.check()?;
        check_limit(*limit)?;
        let mut items: Vec<LibraryItem> = Vec::new();
        for owner in library.owners() {
            let (kind, prefix, after) = ((*library.kind).to_owned(), prefix.clone(), after.clone());
            let query = EntryQuery { kind, prefix, after, limit: *limit };
            let rows = library.engine.store.entries(owner, query).await?;
            items.extend(rows.into_iter().map(|row| LibraryItem {
                name: row.name,
                version: row.version,
                shared: owner == APPLICATION,
                created_at: row.created_at,
                updated_at: row.updated_at,
            }));
        }
        // Stable, so of two with one name the user's own stands first.
        items.sort_by(|a, b| a.name.cmp(&b.name));
        items.dedup_by(|later, first| later.name == first.name);
        items.truncate(*limit);
        Ok(items)
    }
}

impl IntoFuture for LibraryList {
    type Output = Result<Vec<LibraryItem>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.load().await.map_err(|e| self.library.failed(e, "library.list")) })
    }
}

/// A page of versions, before it is awaited; the next one goes on before its last.
#[must_use = "nothing is read until it is awaited"]
#[derive(Clone, Debug)]
pub struct LibraryVersions {
    library: Library,
    name: String,
    before: Option<i64>,
    limit: usize,
}

impl LibraryVersions {
    pub(super) const fn of(library: Library, name: String) -> Self {
        Self { library, name, before: None, limit: PAGE }
    }

    /// Those before this version; nothing = from the newest.
    pub fn before(mut self, version: impl Into<Option<i64>>) -> Self {
        self.before = version.into();
        self
    }

    /// Exactly this many (1 to 200), or all there are.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    async fn load(&self) -> Result<Vec<LibraryVersion>> {
        let Self { library, name, before, limit } = self;
        library.check()?;
        check_name(name)?;
        check_limit(*limit)?;
        let Some(key) = library.standing(name).await? else { return Ok(Vec::new()) };
        let rows = library.engine.store.entry_versions(key, *before, *limit).await?;
        let shown = rows.into_iter().map(|row| LibraryVersion {
            version: row.version,
            created_at: row.created_at,
            size_bytes: row.bytes,
        });
        Ok(shown.collect())
    }
}

impl IntoFuture for LibraryVersions {
    type Output = Result<Vec<LibraryVersion>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.load().await.map_err(|e| self.library.failed(e, "library.versions")) })
    }
}
