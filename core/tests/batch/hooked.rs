//! An engine over a store at whose every question something may happen.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tertulia::base::ManualClock;
use tertulia::store::{Durability, MemoryStore, Receipt, SqliteSettings, SqliteStore, Store, StoreFuture, WriteBatch};
use tertulia::{Error, ErrorKind, Tertulia, Timestamp};

use super::support::over::{Between, Over};

/// What happens when the store is asked something.
pub(crate) enum Next {
    Go,
    Fail,
    /// Somebody else writes this just before.
    After(WriteBatch),
}

pub(crate) type Hook = Box<dyn FnMut(&'static str) -> Next + Send>;

/// Something may happen at every question.
#[derive(Default)]
pub(crate) struct Hooked {
    pub(crate) hook: Mutex<Option<Hook>>,
    pub(crate) writes: AtomicUsize,
    pub(crate) largest: AtomicUsize,
}

impl Hooked {
    pub(crate) fn hook(&self, hook: impl FnMut(&'static str) -> Next + Send + 'static) {
        *self.hook.lock().unwrap() = Some(Box::new(hook));
    }

    pub(crate) fn unhook(&self) {
        *self.hook.lock().unwrap() = None;
    }
}

impl Between for Hooked {
    fn asked<'a, T: Send + 'a>(
        &'a self,
        store: &'a dyn Store,
        name: &'static str,
        work: StoreFuture<'a, T>,
    ) -> StoreFuture<'a, T> {
        // What a batch asks; what the engine looks after by itself it asks at moments of its own.
        if !matches!(name, "apply" | "conversation" | "tree" | "message") {
            return work;
        }
        let next = self.hook.lock().unwrap().as_mut().map_or(Next::Go, |hook| hook(name));
        match next {
            Next::Go => work,
            Next::Fail => {
                Box::pin(async { Err(Error::new(ErrorKind::Storage, "io", "the test wants the disk to fail")) })
            }
            Next::After(batch) => Box::pin(async move {
                store.apply(batch, Durability::PowerSafe).await.unwrap();
                work.await
            }),
        }
    }

    fn write<'a>(
        &'a self,
        store: &'a dyn Store,
        batch: WriteBatch,
        durability: Durability,
    ) -> StoreFuture<'a, Receipt> {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.largest.fetch_max(batch.ops.len(), Ordering::Relaxed);
        self.asked(store, "apply", store.apply(batch, durability))
    }
}

pub(crate) const NOW: i64 = 1_900_000_000_000;

pub(crate) fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_millis(NOW)))
}

/// A store in memory, or one in a new file of this folder.
pub(crate) async fn stored(folder: Option<&Path>) -> Arc<dyn Store> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    match folder {
        None => Arc::new(MemoryStore::with_clock(clock())),
        Some(folder) => {
            let path = folder.join(format!("{}.db", NUMBER.fetch_add(1, Ordering::Relaxed)));
            Arc::new(SqliteStore::open(&path, SqliteSettings::default(), clock()).await.unwrap())
        }
    }
}

pub(crate) async fn over(store: Arc<dyn Store>) -> Tertulia {
    Tertulia::builder().with_store(store).with_clock(clock()).model("echo/any").open().await.unwrap()
}

/// An engine over a store that can be made to fail, and that store.
pub(crate) async fn hooked(folder: Option<&Path>) -> (Tertulia, Arc<Over<Hooked>>) {
    let store = Over::new(stored(folder).await, Hooked::default());
    (over(store.clone()).await, store)
}
