//! The upkeep of an engine's store.

use std::path::PathBuf;
use std::sync::Arc;

use super::root::Root;

twins! {
    /// The upkeep of an engine's store: a look at all of it, repairs, backups, what takes the space.
    StoreUpkeep / AsyncStoreUpkeep (Arc<Root>), "store.";
    verbs {
        /// Looks at everything that is kept.
        fn verify(&self, py) {
            let way = self.0.way(py)?;
            async move { way.open().await?.store().verify().await }
        }

        /// Mends what can be made from the rows.
        fn repair(&self, py) {
            let way = self.0.way(py)?;
            async move { way.open().await?.store().repair().await }
        }

        /// What takes the space, by kind.
        fn storage_report(&self, py) {
            let way = self.0.way(py)?;
            async move { way.open().await?.store().storage_report().await }
        }

        /// Moves the log into the database and empties it.
        fn checkpoint(&self, py) {
            let way = self.0.way(py)?;
            async move { way.open().await?.store().checkpoint().await }
        }

        /// Gives the space of what was deleted back to the system and puts the index of words together.
        fn vacuum(&self, py) {
            let way = self.0.way(py)?;
            async move { way.open().await?.store().vacuum().await }
        }

        /// Copies everything that is kept at this moment into a file.
        fn backup(&self, py, path: PathBuf) {
            let way = self.0.way(py)?;
            async move { way.open().await?.store().backup(path).await }
        }
    }
    both {}
    sync {
        fn __repr__(&self) -> &'static str {
            "StoreUpkeep()"
        }
    }
    async {
        fn __repr__(&self) -> &'static str {
            "AsyncStoreUpkeep()"
        }
    }
}
