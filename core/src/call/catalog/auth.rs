//! How a provider wants to see its key.

use std::str::FromStr;

use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use crate::base::{ErrorKind, Secret};
use crate::model::{Error, Result};

/// How a provider wants to see its key. As data one word: `bearer`, `none`, or the name of a header (`x-api-key`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AuthScheme {
    /// `Authorization: Bearer …`.
    #[default]
    Bearer,
    /// The bare key in this header.
    Header(HeaderName),
    /// It wants none; a key that is given is not sent.
    None,
}

impl AuthScheme {
    /// Puts the key on these headers, marked as sensitive, so that no log shows it.
    ///
    /// # Errors
    /// `Unauthorized` (key_malformed) when the key could not stand in a header. The error never shows it.
    pub fn sign(&self, key: &Secret, headers: &mut HeaderMap) -> Result<()> {
        let (name, text) = match self {
            Self::Bearer => (AUTHORIZATION, format!("Bearer {}", key.expose())),
            Self::Header(name) => (name.clone(), key.expose().to_owned()),
            Self::None => return Ok(()),
        };
        let problem = if key.is_empty() {
            Some("is empty")
        } else if key.expose().contains(['\r', '\n']) {
            Some("holds a line end")
        } else if key.expose().bytes().any(|b| !b.is_ascii_graphic()) {
            Some("holds a blank or a character that no key has")
        } else {
            None
        };
        let value = match problem {
            None => HeaderValue::try_from(text).map_err(|_| malformed("cannot stand in a header")),
            Some(problem) => Err(malformed(problem)),
        };
        let mut value = value?;
        value.set_sensitive(true);
        headers.insert(name, value);
        Ok(())
    }
}

fn malformed(problem: &str) -> Error {
    Error::new(
        ErrorKind::Unauthorized,
        "key_malformed",
        format!("the key {problem}: copy it again, as one word without quotes"),
    )
}

impl FromStr for AuthScheme {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "bearer" => Ok(Self::Bearer),
            "none" => Ok(Self::None),
            header => header.parse().map(Self::Header).map_err(|_| {
                Error::invalid("bad_provider", "`auth` is `bearer`, `none`, or the name of a header as `x-api-key`")
            }),
        }
    }
}

impl TryFrom<String> for AuthScheme {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<AuthScheme> for String {
    fn from(scheme: AuthScheme) -> Self {
        match scheme {
            AuthScheme::Bearer => "bearer".to_owned(),
            AuthScheme::None => "none".to_owned(),
            AuthScheme::Header(name) => name.as_str().to_owned(),
        }
    }
}
