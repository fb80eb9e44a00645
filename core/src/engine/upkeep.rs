//! What keeps a store in order, and lets an engine rest: verbs for hosts, not for users.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::tertulia::{Inner, Tertulia};
use crate::model::{Error, Repair, Result, StorageReport, Verification};
use crate::store::{StoreFuture, Upkeep};

impl Tertulia {
    /// The store's upkeep: a look at all of it, repairs, backups, what takes the space.
    #[must_use]
    pub fn store(&self) -> StoreUpkeep {
        StoreUpkeep { engine: self.0.clone() }
    }

    /// Gives up every file and lock of the store, so that the system may suspend the program: what is handed to the store
    /// already is finished, a log of up to 8 MB is moved into the database, every connection is closed. Until
    /// [`resume`](Self::resume) every verb answers `Closed` (suspended); what is under way waits where it stands, so that
    /// nothing is lost. Suspending twice is suspending once.
    ///
    /// # Errors
    /// `Closed` when the engine is closed.
    pub async fn suspend(&self) -> Result<()> {
        let work = async {
            self.0.check_not_closed()?;
            let engine = self.0.clone();
            // Done to its end, whoever waits for it: half-way, what is under way would fail.
            let suspended = self.0.tasks.spawn_apart(async move {
                let _turn = engine.resting.lock().await;
                engine.check_not_closed()?;
                if engine.suspended.swap(true, Ordering::AcqRel) {
                    return Ok(());
                }
                let suspended = engine.watched_store.suspend().await;
                match &suspended {
                    Ok(()) => tracing::info!(target: "tertulia::engine", operation = "suspend", "suspended"),
                    Err(_) => engine.suspended.store(false, Ordering::Release),
                }
                suspended
            });
            suspended.await
        };
        work.await.map_err(|e| self.0.failed(e, "suspend"))
    }

    /// Opens the store again after [`suspend`](Self::suspend). What waited goes on; connections to providers are made anew,
    /// and the outbox is drained as after [`network_changed`](Self::network_changed). Does nothing to an engine that is not
    /// suspended.
    ///
    /// # Errors
    /// `Storage` when the store cannot be opened; the engine is still suspended then. `Closed` when it is closed.
    pub async fn resume(&self) -> Result<()> {
        let work = async {
            self.0.check_not_closed()?;
            let this = self.clone();
            let resumed = self.0.tasks.spawn_apart(async move {
                let engine = &this.0;
                let _turn = engine.resting.lock().await;
                engine.check_not_closed()?;
                if engine.suspended.load(Ordering::Acquire) {
                    engine.watched_store.resume().await?;
                    engine.suspended.store(false, Ordering::Release);
                    tracing::info!(target: "tertulia::engine", operation = "resume", "resumed");
                    this.network_changed();
                    if let Err(error) = super::erasure::go_on(engine).await {
                        tracing::warn!(target: "tertulia::engine", operation = "resume", %error, "erasures wait for the next opening");
                    }
                }
                Ok(())
            });
            resumed.await
        };
        work.await.map_err(|e| self.0.failed(e, "resume"))
    }
}

/// The upkeep of an engine's store. Nothing of it changes what users see.
#[derive(Clone)]
pub struct StoreUpkeep {
    engine: Arc<Inner>,
}

impl StoreUpkeep {
    /// Looks at everything that is kept, while others go on: pages and indexes, tables and indexes against those that this
    /// version makes, every figure that is kept against what it counts. Takes time in proportion to the size.
    ///
    /// # Errors
    /// `Storage`, `Closed`; `Invalid` (unsupported) for a store without files.
    pub async fn verify(&self) -> Result<Verification> {
        self.ask("store.verify", |upkeep| upkeep.verify()).await
    }

    /// Mends what can be made from the rows: indexes, counts, references. Rows are neither changed nor thrown away. All of
    /// it is done or nothing. Nobody writes meanwhile.
    ///
    /// # Errors
    /// As for [`verify`](Self::verify).
    pub async fn repair(&self) -> Result<Repair> {
        self.ask("store.repair", |upkeep| upkeep.repair()).await
    }

    /// What takes the space, by kind. Takes time in proportion to the size.
    ///
    /// # Errors
    /// As for [`verify`](Self::verify).
    pub async fn storage_report(&self) -> Result<StorageReport> {
        self.ask("store.storage_report", |upkeep| upkeep.storage_report()).await
    }

    /// Moves the log into the database and empties it, which the store does by itself when it is idle. False when somebody
    /// still reads from the log; then what could be moved is.
    ///
    /// # Errors
    /// As for [`verify`](Self::verify).
    pub async fn checkpoint(&self) -> Result<bool> {
        self.ask("store.checkpoint", |upkeep| upkeep.checkpoint()).await
    }

    /// Gives the space of what was deleted back to the system and puts the index of words together, in steps between which
    /// others go on. Gives the bytes.
    ///
    /// # Errors
    /// As for [`verify`](Self::verify).
    pub async fn vacuum(&self) -> Result<i64> {
        self.ask("store.vacuum", |upkeep| upkeep.vacuum()).await
    }

    /// Copies everything that is kept at this moment into a file, while others go on. The file gets its name when it is
    /// whole and on the disk, in the place of one that was there; it can be opened like any store. Gives its size in bytes.
    /// Dropping the future, or suspending the engine, ends it.
    ///
    /// # Errors
    /// `Invalid` (bad_backup) when the path is one of the store's own files, or a folder; otherwise as for
    /// [`verify`](Self::verify).
    pub async fn backup(&self, path: impl Into<PathBuf>) -> Result<i64> {
        let path = path.into();
        self.ask("store.backup", |upkeep| upkeep.backup(path)).await
    }

    async fn ask<T>(
        &self,
        operation: &'static str,
        work: impl for<'a> FnOnce(&'a dyn Upkeep) -> StoreFuture<'a, T>,
    ) -> Result<T> {
        let ask = async {
            self.engine.check_open()?;
            match self.engine.store.upkeep() {
                Some(upkeep) => work(upkeep).await,
                None => Err(Error::invalid("unsupported", "this store keeps no files that could be looked after")),
            }
        };
        ask.await.map_err(|e| self.engine.failed(e, operation))
    }
}

impl std::fmt::Debug for StoreUpkeep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreUpkeep").finish_non_exhaustive()
    }
}
