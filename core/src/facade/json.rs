//! JSON crosses a border as text: every language has a reader of its own for it.

use crate::base::Json;
use crate::model::{Error, Result};

/// The text of a value.
pub(super) fn text(json: &Json) -> String {
    json.to_string()
}

/// The text of a record, in the words that it has in every language.
///
/// # Errors
/// `Internal` when it cannot be written.
pub(super) fn written(record: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(record).map_err(|e| Error::internal("a record could not be written as JSON").with_source(e))
}

/// The value of a text.
///
/// # Errors
/// `Invalid` (bad_json) that names the field; never the text, which may hold what was said.
pub(super) fn value(field: &str, text: &str) -> Result<Json> {
    serde_json::from_str(text).map_err(|e| {
        let detail =
            format!("`{field}` is no JSON: it breaks off or goes wrong at line {}, column {}", e.line(), e.column());
        Error::invalid("bad_json", detail)
    })
}

/// The record of a text.
///
/// # Errors
/// `Invalid` (bad_json) that names the field; never the text.
pub(super) fn record<T: serde::de::DeserializeOwned>(field: &str, text: &str) -> Result<T> {
    serde_json::from_value(value(field, text)?).map_err(|_| {
        Error::invalid("bad_json", format!("`{field}` is JSON, but not of the shape that is described for it"))
    })
}
