//! Libraries of the application and of its users, and what is remembered of them.

use std::sync::Arc;

use pyo3::prelude::*;
use tertulia::{LibraryKey, Result};

use super::root::{Root, Way};
use super::user::{Scope, User};
use crate::convert::{Place, ToPython as _, json};
use crate::error::raise;

/// What both handles of a library hold.
pub(super) struct Shelf {
    whose: Whose,
    kind: Arc<str>,
}

enum Whose {
    Application(Arc<Root>),
    User(Scope),
}

/// A library on the way to the engine.
struct Ahead {
    whose: OnTheWay,
    kind: Arc<str>,
}

enum OnTheWay {
    Application(Way),
    User(User),
}

impl Shelf {
    pub(super) fn of_all(root: &Arc<Root>, kind: &str) -> Self {
        Self { whose: Whose::Application(Arc::clone(root)), kind: kind.into() }
    }

    pub(super) fn of_user(scope: &Scope, kind: &str) -> Self {
        Self { whose: Whose::User(scope.clone()), kind: kind.into() }
    }

    fn ahead(&self, py: Python<'_>) -> PyResult<Ahead> {
        let whose = match &self.whose {
            Whose::Application(root) => OnTheWay::Application(root.way(py)?),
            Whose::User(scope) => OnTheWay::User(scope.user(py)?),
        };
        Ok(Ahead { whose, kind: Arc::clone(&self.kind) })
    }

    fn show(&self, class: &str) -> String {
        match &self.whose {
            Whose::Application(_) => format!("{class}({:?})", self.kind),
            Whose::User(scope) => format!("{class}({:?}, user={:?})", self.kind, scope.id),
        }
    }
}

impl Ahead {
    async fn open(&self) -> Result<tertulia::Library> {
        Ok(match &self.whose {
            OnTheWay::Application(way) => way.open().await?.library(&self.kind),
            OnTheWay::User(user) => user.open().await?.library(&self.kind),
        })
    }
}

twins! {
    /// The values of one kind, by name: the application's, or one user's before them.
    Library / AsyncLibrary (Shelf), "library.";
    verbs {
        /// The newest version under this name, or nothing.
        fn get(&self, py, name: String) {
            let library = self.0.ahead(py)?;
            async move { library.open().await?.get(&name).await }
        }

        /// This version of what stands under the name, or nothing.
        fn version(&self, py, name: String, version: i64) {
            let library = self.0.ahead(py)?;
            async move { library.open().await?.version(&name, version).await }
        }

        /// Puts a value under the name, as its next version.
        #[pyo3(signature = (name, value, *, expected_version = None))]
        fn put(&self, py, name: String, value: &Bound<'_, PyAny>, expected_version: Option<i64>) {
            let (library, value) = (self.0.ahead(py)?, json(value, &Place::named("value"))?);
            async move { library.open().await?.put(name, value).expected_version(expected_version).await }
        }

        /// Deletes the value under the name, with all its versions.
        #[pyo3(signature = (name, *, expected_version = None))]
        fn delete(&self, py, name: String, expected_version: Option<i64>) {
            let library = self.0.ahead(py)?;
            async move { library.open().await?.delete(name).expected_version(expected_version).await }
        }

        /// The names in their order.
        #[pyo3(signature = (*, prefix = "", after = None, limit = 50))]
        fn list(&self, py, prefix: &str, after: Option<String>, limit: usize) {
            let (library, prefix) = (self.0.ahead(py)?, prefix.to_owned());
            async move { library.open().await?.list().prefix(prefix).after(after).limit(limit).await }
        }

        /// The versions of what stands under the name, the newest first.
        #[pyo3(signature = (name, *, before = None, limit = 50))]
        fn versions(&self, py, name: String, before: Option<i64>, limit: usize) {
            let library = self.0.ahead(py)?;
            async move { library.open().await?.versions(name).before(before).limit(limit).await }
        }
    }
    both {
        /// What the values are.
        #[getter]
        fn kind(&self) -> &str {
            &self.0.kind
        }
    }
    sync {
        fn __repr__(&self) -> String {
            self.0.show("Library")
        }
    }
    async {
        fn __repr__(&self) -> String {
            self.0.show("AsyncLibrary")
        }
    }
}

/// What an engine remembers of libraries and of users' preferences.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct LibraryCache(pub(super) Arc<Root>);

impl LibraryCache {
    fn of(&self, py: Python<'_>, operation: &'static str) -> PyResult<tertulia::LibraryCache> {
        let way = self.0.way(py)?;
        let opened = way.open_already().map_err(|e| raise(py, &e.during(operation)))?;
        Ok(opened.library_cache())
    }
}

#[pymethods]
impl LibraryCache {
    /// How often a value was remembered, and what is remembered now.
    fn health<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.of(py, "library_cache.health")?.health().into_python(py)
    }

    /// Forgets one value.
    #[pyo3(signature = (kind, name = "", *, user = ""))]
    fn invalidate(&self, py: Python<'_>, kind: &str, name: &str, user: &str) -> PyResult<()> {
        self.of(py, "library_cache.invalidate")?.invalidate(&LibraryKey::new(user, kind, name));
        Ok(())
    }

    /// Forgets everything.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.of(py, "library_cache.clear")?.clear();
        Ok(())
    }

    #[expect(clippy::unused_self, reason = "Python calls it on the object")]
    fn __repr__(&self) -> &'static str {
        "LibraryCache()"
    }
}
