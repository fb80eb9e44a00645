//! Settings of the SQLite store, as plain values.

use serde::{Deserialize, Serialize};

use super::cipher::StoreKey;

/// Settings of the SQLite store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SqliteSettings {
    /// Threads that read. 4; at least 1.
    pub readers: usize,
    /// How long batches are gathered before they are committed together, in milliseconds. 5 ms. What is there already is
    /// taken; where the group before had several, this one waits at most a millisecond of it for more. Who writes alone
    /// never waits, and nobody does with 0.
    pub group_commit_ms: u64,
    /// How many batches are committed together at most. 64; at least 1.
    pub group_commit_rows: usize,
    /// How long to wait for another process that writes. 5 s.
    pub busy_timeout_ms: u64,
    /// What takes longer is logged as slow, without its content. 50 ms.
    pub slow_query_ms: u64,
    /// Whether messages can be searched. True. Without it no index of their words is kept; once it is set again, the
    /// index is made of what is there. All that have a file open should have it alike.
    pub search: bool,
    /// What the database is encrypted with; nothing = it is not. Needs SQLCipher in the place of SQLite.
    #[serde(skip)]
    pub key: Option<StoreKey>,
}

impl Default for SqliteSettings {
    fn default() -> Self {
        Self {
            readers: 4,
            group_commit_ms: 5,
            group_commit_rows: 64,
            busy_timeout_ms: 5_000,
            slow_query_ms: 50,
            search: true,
            key: None,
        }
    }
}
