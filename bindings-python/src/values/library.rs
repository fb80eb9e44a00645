//! What stands in a library.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tertulia::model::{
    LibraryEntry as EntryRecord, LibraryHealth as HealthRecord, LibraryItem as ItemRecord,
    LibraryVersion as VersionRecord,
};

use crate::convert::{FromPython as _, OutItem, Place};
use crate::error::raise;

values! {
    /// A value of a library, in one of its versions.
    LibraryEntry(record EntryRecord) { kind, name, version, value, shared, created_at, updated_at }
    matches(name, value) shows(kind, name, version, shared) hashes(kind, name, version)
    + {
        /// The text, of a value that is one.
        #[getter]
        fn text(&self) -> Option<&str> {
            self.0.get().text()
        }

        /// The text with each `{{name}}` replaced by the value of that name.
        #[pyo3(signature = (**values))]
        fn render(&self, py: Python<'_>, values: Option<&Bound<'_, PyDict>>) -> PyResult<String> {
            let mut given = Vec::new();
            for (name, value) in values.into_iter().flatten() {
                let name = String::from_python(&name, &Place::named("a name"))?;
                let value = String::from_python(&value, &Place::named(&name))?;
                given.push((name, value));
            }
            self.0.get().render(given).map_err(|e| raise(py, &e.during("library.render")))
        }
    }

    /// A name in a library's list.
    LibraryItem(record ItemRecord) { name, version, shared, created_at, updated_at }
    matches(name, version) shows(name, version, shared) hashes(name, version)

    /// A version of a value, without the value.
    LibraryVersion(record VersionRecord) { version, created_at, size_bytes }
    matches(version) shows(version, created_at) hashes(version, size_bytes)

    /// What the library's cache has done, and what it holds.
    LibraryHealth(record HealthRecord) { hits, misses, hit_rate, coalesced, dropped, evicted, entries, bytes }
    matches(hits, misses) shows(hits, misses, hit_rate, entries) hashes(hits, misses)
}

records!(
    LibraryEntry = EntryRecord,
    LibraryItem = ItemRecord,
    LibraryVersion = VersionRecord,
    LibraryHealth = HealthRecord
);

impl OutItem for ItemRecord {}
impl OutItem for VersionRecord {}
