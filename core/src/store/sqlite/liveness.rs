//! Who else lives: a lock file beside the database.
//!
//! Every open store holds a shared lock on `<database>.lock`; the operating system frees it when the process dies,
//! however it dies. Who can take the lock exclusively while opening is alone, so every turn that is still open in the
//! database was left by the dead.
//!
//! Turning an exclusive lock into a shared one is not atomic: for a moment nobody holds it, and a second opener may
//! find itself alone while the first is alive. Therefore being alone is used only *under* the exclusive lock: the
//! leases of all open turns are ended there and then, and recovery looks at leases only. In that moment the first
//! opener has not finished opening, so no turn can be its own. A store that has finished opening holds the shared
//! lock without a gap until it is closed, so nobody is ever alone beside it.
//!
//! Rejected: process ids (reused, and unknown across containers), a row with a heartbeat (a kill would be noticed only
//! when it has passed), a lock on the database file itself (SQLite's POSIX locks are per process and lost on close).

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::failure::{file_failed, storage};
use crate::base::Retry;
use crate::model::Result;

const PAUSE: Duration = Duration::from_millis(5);

/// The lock. Dropping it gives it back; the file stays, because deleting it would let two openers lock two files.
#[derive(Debug)]
pub(super) struct Liveness {
    file: File,
    /// True while nobody else can be alive.
    pub(super) alone: bool,
}

impl Liveness {
    /// Takes the lock: exclusively when nobody else lives, otherwise shared.
    ///
    /// # Errors
    /// `Storage`: io or read_only; busy when another process stays in the middle of opening for longer than `patience`.
    pub(super) fn acquire(path: &Path, patience: Duration) -> Result<Self> {
        let file = private_file().create(true).open(path).map_err(|error| file_failed(path, error))?;
        let mut waited = Duration::ZERO;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { file, alone: true }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return unlockable(path, file, error),
            }
            match file.try_lock_shared() {
                Ok(()) => return Ok(Self { file, alone: false }),
                Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(error)) => return unlockable(path, file, error),
            }
            if waited >= patience {
                return Err(storage("busy", "another process has been opening the database all the while; repeat")
                    .with_retry(Retry::Safe));
            }
            std::thread::sleep(PAUSE);
            waited += PAUSE;
        }
    }

    /// Lets others in.
    pub(super) fn share(&mut self, path: &Path) -> Result<()> {
        if self.alone {
            self.alone = false;
            // Waits only for another opener that is alone for a moment.
            self.file.lock_shared().map_err(|error| file_failed(path, error))?;
        }
        Ok(())
    }
}

/// A file system that knows no locks: we may not be alone, so only leases tell.
fn unlockable(path: &Path, file: File, error: std::io::Error) -> Result<Liveness> {
    if error.kind() != std::io::ErrorKind::Unsupported {
        return Err(file_failed(path, error));
    }
    tracing::warn!(target: "tertulia::store", operation = "open", "the file system knows no locks; turns of dead processes end by their leases");
    Ok(Liveness { file, alone: false })
}

/// How files are opened that only their owner may read.
pub(super) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}
