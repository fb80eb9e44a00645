//! Ids cross a border as text.

use std::str::FromStr;

use crate::base::Malformed;
use crate::model::Result;

/// The id of a text.
///
/// # Errors
/// `Invalid` (bad_id) for a text that is none.
pub(super) fn id<T: FromStr<Err = Malformed>>(text: &str, operation: &'static str) -> Result<T> {
    text.parse().map_err(|e: Malformed| e.into_error("bad_id").during(operation))
}
