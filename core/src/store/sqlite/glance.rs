//! A look at what has changed, on the thread of whoever asks.
//!
//! Before a value is used that was remembered, it has to be known that nobody has put another one in its place, in any process.
//! The one connection here serves nothing else. Where nothing has changed SQLite compares a head of some bytes in shared
//! memory and seeks in pages that it has; a commit behind which it looks for the first time costs two or three reads out of
//! the log. It neither waits for a lock of others nor for a thread: where it would have to, it says that it cannot tell.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::connect::{close_copy, open_reader};
use super::failure::failed;
use super::settings::SqliteSettings;
use super::{fork, library};
use crate::model::Result;
use crate::store::LibraryChanges;

/// The connection, as long as the database is open.
#[derive(Debug, Default)]
pub(super) struct Glance(Mutex<Option<Connection>>);

impl Glance {
    /// From now on a child of a fork closes its copy.
    pub(super) fn register(self: &Arc<Self>) {
        let _inside = fork::enter();
        fork::register(self);
    }

    fn lock(&self) -> MutexGuard<'_, Option<Connection>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called inside the gate.
    pub(super) fn open(&self, path: &Path, settings: &SqliteSettings) -> Result<()> {
        let connection = open_reader(path, settings)?;
        connection.busy_timeout(Duration::ZERO).map_err(failed)?;
        *self.lock() = Some(connection);
        Ok(())
    }

    /// Called inside the gate.
    pub(super) fn close(&self) {
        let connection = self.lock().take();
        drop(connection);
    }

    /// What was changed since this change; nothing when that cannot be told at once.
    pub(super) fn changes(&self, since: i64) -> Option<LibraryChanges> {
        let _inside = fork::try_enter()?;
        library::changes(self.lock().as_ref()?, since).ok()
    }
}

impl fork::Inherited for Glance {
    fn close_copy(&self) {
        if let Ok(mut open) = self.0.try_lock()
            && let Some(mut connection) = open.take()
        {
            close_copy(&mut connection);
        }
    }
}
