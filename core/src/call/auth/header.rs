//! The schemes without code: the key itself in a header.

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::malformed;
use crate::base::Secret;
use crate::model::Result;

/// `Authorization: Bearer …`.
pub(super) fn bearer(key: &Secret, headers: &mut HeaderMap) -> Result<()> {
    put(AUTHORIZATION, key, format!("Bearer {}", key.expose()), headers)
}

/// The bare key in this header.
pub(super) fn bare(name: HeaderName, key: &Secret, headers: &mut HeaderMap) -> Result<()> {
    put(name, key, key.expose().to_owned(), headers)
}

/// Puts the key there, marked as sensitive, so that no log shows it.
fn put(name: HeaderName, key: &Secret, text: String, headers: &mut HeaderMap) -> Result<()> {
    let problem = if key.is_empty() {
        Some("is empty")
    } else if key.expose().contains(['\r', '\n']) {
        Some("holds a line end")
    } else if key.expose().bytes().any(|b| !b.is_ascii_graphic()) {
        Some("holds a blank or a character that no key has")
    } else {
        None
    };
    let refused = |problem: &str| malformed(format!("the key {problem}: copy it again, as one word without quotes"));
    let value = match problem {
        None => HeaderValue::try_from(text).map_err(|_| refused("cannot stand in a header")),
        Some(problem) => Err(refused(problem)),
    };
    let mut value = value?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}
