//! What the upkeep of a store tells: what is wrong with it, what was mended, what takes the space.

use serde::{Deserialize, Serialize};

/// What a look at a whole store has found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verification {
    /// What is wrong; empty when the store is sound.
    pub problems: Vec<StoreProblem>,
    /// How many conversations were looked at.
    pub conversations: i64,
    /// How many messages were looked at.
    pub messages: i64,
}

impl Verification {
    /// True when nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Something that is wrong with a store.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

/// What kind of thing is wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StoreProblemKind {
    /// The file is not as SQLite left it.
    Damaged,
    /// A table or an index is missing or another one than this version makes.
    Schema,
    /// A row names another one that is not there.
    Reference,
    /// A figure that is kept differs from what it counts.
    Count,
}

impl StoreProblemKind {
    /// The stable word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::Schema => "schema",
            Self::Reference => "reference",
            Self::Count => "count",
        }
    }
}

/// What a repair of a store has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repair {
    /// What was wrong and is mended.
    pub repaired: Vec<StoreProblem>,
    /// What is still wrong. For what is damaged, restore a backup.
    pub left: Vec<StoreProblem>,
}

/// What a store takes of the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// What one kind of thing takes of the disk.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageKind {
    /// `messages`, `conversations`, `turns`, `drafts`, `outbox`, `attachments`, `spending`, `changes`, `search` or `other`.
    pub name: String,
    /// The things themselves.
    pub bytes: i64,
    /// The indexes by which they are found.
    pub index_bytes: i64,
}
