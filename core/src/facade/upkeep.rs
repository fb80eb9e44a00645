//! What keeps a store in order.

use std::sync::Arc;

use super::cancel::CancelToken;
use super::error::TertuliaError;
use super::ground::Ground;
use super::tertulia::Tertulia;
use super::words::words;
use crate::{engine, model};

/// The upkeep of an engine's store. Nothing of it changes what users see.
#[derive(uniffi::Object)]
pub struct StoreUpkeep {
    store: engine::StoreUpkeep,
    ground: Arc<Ground>,
}

#[uniffi::export]
impl Tertulia {
    /// The store's upkeep: a look at all of it, repairs, backups, what takes the space.
    #[must_use]
    pub fn store(&self) -> Arc<StoreUpkeep> {
        Arc::new(StoreUpkeep { store: self.engine.store(), ground: self.ground.clone() })
    }
}

#[uniffi::export]
impl StoreUpkeep {
    /// Looks at everything that is kept, while others go on: pages and indexes, tables and indexes against those that this
    /// version makes, every figure that is kept against what it counts. Takes time in proportion to the size.
    ///
    /// # Errors
    /// `Storage`, `Closed`; `Invalid` (unsupported) for a store without files.
    #[uniffi::method(default(cancel = None))]
    pub async fn verify(&self, cancel: Option<Arc<CancelToken>>) -> Result<Verification, TertuliaError> {
        let store = self.store.clone();
        self.ground.run(cancel, async move { store.verify().await }).await.map(Verification::from)
    }

    /// Mends what can be made from the rows: indexes, counts, references. Rows are neither changed nor thrown away. All of
    /// it is done or nothing. Nobody writes meanwhile.
    ///
    /// # Errors
    /// `Storage`, `Closed`; `Invalid` (unsupported) for a store without files.
    #[uniffi::method(default(cancel = None))]
    pub async fn repair(&self, cancel: Option<Arc<CancelToken>>) -> Result<Repair, TertuliaError> {
        let store = self.store.clone();
        self.ground.run(cancel, async move { store.repair().await }).await.map(Repair::from)
    }

    /// What takes the space, by kind. Takes time in proportion to the size.
    ///
    /// # Errors
    /// `Storage`, `Closed`; `Invalid` (unsupported) for a store without files.
    #[uniffi::method(default(cancel = None))]
    pub async fn storage_report(&self, cancel: Option<Arc<CancelToken>>) -> Result<StorageReport, TertuliaError> {
        let store = self.store.clone();
        self.ground.run(cancel, async move { store.storage_report().await }).await.map(StorageReport::from)
    }

    /// Moves the log into the database and empties it, which the store does by itself when it is idle. False when somebody
    /// still reads from the log; then what could be moved is.
    ///
    /// # Errors
    /// `Storage`, `Closed`; `Invalid` (unsupported) for a store without files.
    #[uniffi::method(default(cancel = None))]
    pub async fn checkpoint(&self, cancel: Option<Arc<CancelToken>>) -> Result<bool, TertuliaError> {
        let store = self.store.clone();
        self.ground.run(cancel, async move { store.checkpoint().await }).await
    }

    /// Gives the space of what was deleted back to the system and puts the index of words together, in steps between which
    /// others go on. Gives the bytes.
    ///
    /// # Errors
    /// `Storage`, `Closed`; `Invalid` (unsupported) for a store without files.
    #[uniffi::method(default(cancel = None))]
    pub async fn vacuum(&self, cancel: Option<Arc<CancelToken>>) -> Result<i64, TertuliaError> {
        let store = self.store.clone();
        self.ground.run(cancel, async move { store.vacuum().await }).await
    }

    /// Copies everything that is kept at this moment into a file, while others go on. The file gets its name when it is
    /// whole and on the disk, in the place of one that was there; it can be opened like any store. Gives its size in bytes.
    /// Cancelling, or suspending the engine, ends it.
    ///
    /// # Errors
    /// `Invalid` (bad_backup) when the path is one of the store's own files, or a folder; (unsupported) for a store without
    /// files; `Storage`, `Closed`, `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn backup(&self, path: String, cancel: Option<Arc<CancelToken>>) -> Result<i64, TertuliaError> {
        let store = self.store.clone();
        self.ground.run(cancel, async move { store.backup(path).await }).await
    }
}

/// What a look at a whole store has found.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Verification {
    /// What is wrong; empty when the store is sound.
    pub problems: Vec<StoreProblem>,
    /// How many conversations were looked at.
    pub conversations: i64,
    /// How many messages were looked at.
    pub messages: i64,
}

impl From<model::Verification> for Verification {
    fn from(found: model::Verification) -> Self {
        let model::Verification { problems, conversations, messages } = found;
        Self { problems: all(problems), conversations, messages }
    }
}

/// What a repair of a store has done.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Repair {
    /// What was wrong and is mended.
    pub repaired: Vec<StoreProblem>,
    /// What is still wrong. For what is damaged, restore a backup.
    pub left: Vec<StoreProblem>,
}

impl From<model::Repair> for Repair {
    fn from(repair: model::Repair) -> Self {
        let model::Repair { repaired, left } = repair;
        Self { repaired: all(repaired), left: all(left) }
    }
}

/// Something that is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct StoreProblem {
    /// What kind of thing is wrong.
    pub kind: StoreProblemKind,
    /// The table or index it is in; empty when nobody can say.
    pub place: String,
    /// What is wrong, without anything that users have said.
    pub detail: String,
    /// True when `repair` mends it without losing anything.
    pub repairable: bool,
}

impl From<model::StoreProblem> for StoreProblem {
    fn from(problem: model::StoreProblem) -> Self {
        let model::StoreProblem { kind, place, detail, repairable } = problem;
        Self { kind: kind.into(), place, detail, repairable }
    }
}

fn all(problems: Vec<model::StoreProblem>) -> Vec<StoreProblem> {
    problems.into_iter().map(StoreProblem::from).collect()
}

words! {
    /// What kind of thing is wrong with a store.
    StoreProblemKind as model::StoreProblemKind {
        /// The file is not as SQLite left it.
        Damaged,
        /// A table or an index is missing or another one than this version makes.
        Schema,
        /// A row names another one that is not there.
        Reference,
        /// A figure that is kept differs from what it counts.
        Count,
    }
}

/// What a store takes of the disk.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct StorageReport {
    /// The size of the database.
    pub file_bytes: i64,
    /// The size of the log beside it, which holds the latest changes.
    pub log_bytes: i64,
    /// The size of a page.
    pub page_bytes: i64,
    /// How many pages the database has.
    pub pages: i64,
    /// How many of them are free; `vacuum` gives them back.
    pub free_pages: i64,
    /// What the others hold, the largest first.
    pub kinds: Vec<StorageKind>,
}

impl From<model::StorageReport> for StorageReport {
    fn from(report: model::StorageReport) -> Self {
        let model::StorageReport { file_bytes, log_bytes, page_bytes, pages, free_pages, kinds } = report;
        let kinds = kinds.into_iter().map(StorageKind::from).collect();
        Self { file_bytes, log_bytes, page_bytes, pages, free_pages, kinds }
    }
}

/// What one kind of thing takes of the disk.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct StorageKind {
    /// `messages`, `conversations`, `turns`, `drafts`, `outbox`, `attachments`, `spending`, `changes`, `search` or `other`.
    pub name: String,
    /// The things themselves.
    pub bytes: i64,
    /// The indexes by which they are found.
    pub index_bytes: i64,
}

impl From<model::StorageKind> for StorageKind {
    fn from(kind: model::StorageKind) -> Self {
        let model::StorageKind { name, bytes, index_bytes } = kind;
        Self { name, bytes, index_bytes }
    }
}
