//! A copy of the database while everybody goes on.
//!
//! A thread of its own reads one snapshot and copies it in steps, so that neither writers nor readers wait; only the log
//! cannot be emptied meanwhile. The copy grows under another name and gets its own when it is whole and synced: whoever
//! looks finds the old backup or the new one. Rejected: the writer's own connection (each step would hold up commits), a
//! snapshot for each step (every commit elsewhere begins the copy anew).

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use super::cipher::unlock;
use super::connect::{beside, open_reader};
use super::failure::{failed, file_failed, storage};
use super::fork;
use super::liveness::private_file;
use super::settings::SqliteSettings;
use crate::model::{Error, Result};

/// Pages that are copied at once: 2 MiB.
const STEP: i32 = 256;

/// The backups that are being made.
#[derive(Debug, Default)]
pub(super) struct Backups {
    ended: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What becomes of a copy.
enum Copied {
    Whole,
    /// Somebody forks: nothing may be open meanwhile.
    Interrupted,
}

impl Backups {
    /// Starts one. Called by the writing thread, so that none begins while everything is closed.
    pub(super) fn start(
        self: &Arc<Self>,
        from: PathBuf,
        to: PathBuf,
        settings: SqliteSettings,
        reply: oneshot::Sender<Result<i64>>,
    ) -> Result<()> {
        let this = Arc::clone(self);
        let thread = Builder::new()
            .name("tertulia-backup".to_owned())
            .spawn(move || {
                let stops = || this.ended.load(Ordering::Acquire) || reply.is_closed();
                // Whoever is sent away hears of it by the end of the channel.
                if let Some(result) = back_up(&from, &to, &settings, &stops).transpose() {
                    drop(reply.send(result));
                }
            })
            .map_err(|error| Error::internal("a thread could not be started").with_source(error))?;
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        threads.retain(|thread| !thread.is_finished());
        threads.push(thread);
        Ok(())
    }

    /// Ends those that are being made and waits until they have let go of everything: a step at most.
    pub(super) fn end(&self) {
        self.ended.store(true, Ordering::Release);
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!(target: "tertulia::store", operation = "backup", "a backup panicked");
            }
        }
        self.ended.store(false, Ordering::Release);
    }
}

/// Gives the size of the backup in bytes; nothing when it was stopped.
fn back_up(from: &Path, to: &Path, settings: &SqliteSettings, stops: &dyn Fn() -> bool) -> Result<Option<i64>> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let part = beside(to, &format!(".{}-{}.part", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed)));
    let made = loop {
        let inside = fork::enter();
        match copy(from, &part, settings, stops) {
            Ok(Some(Copied::Interrupted)) => drop(inside),
            Ok(Some(Copied::Whole)) => break in_its_place(&part, to).map(Some),
            Ok(None) => break Ok(None),
            Err(error) => break Err(error),
        }
    };
    if !matches!(made, Ok(Some(_))) {
        // It may never have been made.
        drop(std::fs::remove_file(&part));
    }
    made
}

fn copy(from: &Path, part: &Path, settings: &SqliteSettings, stops: &dyn Fn() -> bool) -> Result<Option<Copied>> {
    private_file().create(true).truncate(true).open(part).map_err(|error| file_failed(part, error))?;
    let source = open_reader(from, settings)?;
    // The snapshot: while it is held, commits elsewhere do not begin the copy anew.
    let snapshot = source.unchecked_transaction().map_err(failed)?;
    let _: i64 = snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut target = Connection::open_with_flags(part, flags).map_err(failed)?;
    unlock(&target, settings.key.as_ref())?;
    let backup = Backup::new(&snapshot, &mut target).map_err(failed)?;
    loop {
        if stops() {
            return Ok(None);
        }
        if fork::is_wanted() {
            return Ok(Some(Copied::Interrupted));
        }
        match backup.step(STEP).map_err(failed)? {
            StepResult::Done => return Ok(Some(Copied::Whole)),
            StepResult::More => {}
            // SQLite has waited for the lock already; nobody but another program has one on either file.
            _ => return Err(storage("busy", "another program holds a lock on the database or its backup; try again")),
        }
    }
}

/// Gives a whole copy its name. SQLite has synced it.
fn in_its_place(part: &Path, to: &Path) -> Result<i64> {
    let size = std::fs::metadata(part).map_err(|error| file_failed(part, error))?.len();
    std::fs::rename(part, to).map_err(|error| file_failed(to, error))?;
    if let Some(folder) = to.parent().filter(|_| cfg!(unix)) {
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| file_failed(folder, error))?;
    }
    Ok(i64::try_from(size).unwrap_or(i64::MAX))
}
