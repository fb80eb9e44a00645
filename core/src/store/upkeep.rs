//! What stores with files need besides reading and writing: to rest, to be looked over, to be copied.

use std::path::PathBuf;

use super::StoreFuture;
use crate::model::{Repair, StorageReport, StoreFigures, Verification};

/// The upkeep of a store. Nothing of it changes what is kept.
pub trait Upkeep: Send + Sync {
    /// What it measures of itself, from memory.
    fn figures(&self) -> StoreFigures;

    /// Finishes what was handed in and frees every file and lock. Until [`resume`](Self::resume) all else fails with
    /// `Closed` (suspended). Doing it twice is doing it once.
    fn suspend(&self) -> StoreFuture<'_, ()>;

    /// Opens everything again.
    ///
    /// # Errors
    /// `Storage` when that fails; then it is still suspended.
    fn resume(&self) -> StoreFuture<'_, ()>;

    /// Moves the log into the database and empties it. False when somebody still reads from the log; then what could
    /// be moved is.
    fn checkpoint(&self) -> StoreFuture<'_, bool>;

    /// Looks at everything that is kept, while others go on. Takes time in proportion to the size.
    fn verify(&self) -> StoreFuture<'_, Verification>;

    /// Mends what can be mended without losing anything.
    fn repair(&self) -> StoreFuture<'_, Repair>;

    /// What takes the space. Takes time in proportion to the size.
    fn storage_report(&self) -> StoreFuture<'_, StorageReport>;

    /// Puts the index of words together and gives free pages back to the system, in steps between which others go on. Gives
    /// how many bytes it were.
    fn vacuum(&self) -> StoreFuture<'_, i64>;

    /// Leaves no trace of what was deleted in the files: rewrites what the index of words has forgotten, gives free pages
    /// back, and empties the log. In steps between which others go on; takes time in proportion to the index. False when
    /// somebody still reads from the log; then that is all that is left of it.
    fn scrub(&self) -> StoreFuture<'_, bool>;

    /// Copies everything that is kept at this moment into a file, while others go on. The file has its name when it is
    /// whole; one that was there is replaced then. Gives its size in bytes. Dropping the future ends it.
    ///
    /// # Errors
    /// `Invalid` (bad_backup) when the file is the store's own.
    fn backup(&self, to: PathBuf) -> StoreFuture<'_, i64>;
}
