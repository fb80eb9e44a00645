//! A database that is encrypted page by page: what SQLCipher must be told on every connection, before anything else.
//!
//! Whether there is SQLCipher is asked of the library itself, not of a feature of this crate: which SQLite a program has is
//! decided once for all of it, by whoever builds it (decision 0035).

use std::fmt::Write as _;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use rusqlite::Connection;
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret as _, SecretBox};

use super::failure::{failed, storage};
use crate::base::{ErrorKind, Secret};
use crate::model::{Error, Result};

/// The first bytes of every database that is not encrypted.
const PLAIN: &[u8; 16] = b"SQLite format 3\0";

/// What a database is encrypted with. Never shown; wiped from memory when it goes.
#[derive(Clone)]
pub struct StoreKey(Kind);

#[derive(Clone)]
enum Kind {
    Passphrase(Secret),
    Raw(Arc<SecretBox<[u8; 32]>>),
}

impl StoreKey {
    /// A passphrase. The key is made of it with PBKDF2 for each connection that is opened, which takes a good part of a
    /// second altogether; blanks around it are dropped.
    #[must_use]
    pub fn passphrase(passphrase: impl Into<Secret>) -> Self {
        Self(Kind::Passphrase(passphrase.into()))
    }

    /// The key itself, 32 bytes that nobody could guess, as a system's key store keeps them.
    #[must_use]
    pub fn raw(key: [u8; 32]) -> Self {
        Self(Kind::Raw(Arc::new(SecretBox::new(Box::new(key)))))
    }

    /// As SQLCipher is told it.
    fn pragma(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(match &self.0 {
            Kind::Passphrase(words) => 32 + 2 * words.expose().len(),
            Kind::Raw(_) => 128,
        }));
        text.push_str("PRAGMA key = ");
        match &self.0 {
            Kind::Passphrase(words) => {
                text.push('\'');
                for letter in words.expose().chars() {
                    if letter == '\'' {
                        text.push('\'');
                    }
                    text.push(letter);
                }
                text.push('\'');
            }
            Kind::Raw(key) => {
                text.push_str("\"x'");
                for byte in key.expose_secret() {
                    // Writing into a text cannot fail.
                    let _ = write!(text, "{byte:02x}");
                }
                text.push_str("'\"");
            }
        }
        text.push(';');
        text
    }

    fn is_empty(&self) -> bool {
        matches!(&self.0, Kind::Passphrase(words) if words.is_empty() || words.expose().contains('\0'))
    }
}

impl From<&str> for StoreKey {
    fn from(passphrase: &str) -> Self {
        Self::passphrase(passphrase)
    }
}

impl From<Secret> for StoreKey {
    fn from(passphrase: Secret) -> Self {
        Self::passphrase(passphrase)
    }
}

impl From<[u8; 32]> for StoreKey {
    fn from(key: [u8; 32]) -> Self {
        Self::raw(key)
    }
}

impl std::fmt::Debug for StoreKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[secret]")
    }
}

impl PartialEq for StoreKey {
    fn eq(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (Kind::Passphrase(one), Kind::Passphrase(other)) => one == other,
            (Kind::Raw(one), Kind::Raw(other)) => one.expose_secret() == other.expose_secret(),
            _ => false,
        }
    }
}

impl Eq for StoreKey {}

/// Refuses a key with which nothing could be opened, before a file is made.
///
/// # Errors
/// `Invalid`: bad_store_key; unsupported when this SQLite cannot encrypt.
pub(super) fn check_key(key: Option<&StoreKey>) -> Result<()> {
    let Some(key) = key else { return Ok(()) };
    if key.is_empty() {
        let detail = "a store key is 32 bytes, or a passphrase of at least one character and without U+0000";
        return Err(Error::invalid("bad_store_key", detail));
    }
    let memory = Connection::open_in_memory().map_err(failed)?;
    let version = memory.pragma_query_value(None, "cipher_version", |row| row.get::<_, String>(0));
    match version {
        Ok(_) => Ok(()),
        Err(_) => Err(Error::invalid(
            "unsupported",
            "the SQLite of this program cannot encrypt: build it with SQLCipher (`rusqlite` with the feature \
             `bundled-sqlcipher-vendored-openssl`, as the crate `tertulia-sqlcipher` does), or open the store without a key",
        )),
    }
}

/// Tells a connection its key. Nothing is read yet.
pub(super) fn unlock(connection: &Connection, key: Option<&StoreKey>) -> Result<()> {
    let Some(key) = key else { return Ok(()) };
    // What it has to say of a wrong key is ours to say, and not on the program's standard error.
    connection.execute_batch("PRAGMA cipher_log_level = NONE;").map_err(failed)?;
    // The error of this one statement would quote the key.
    connection
        .execute_batch(&key.pragma())
        .map_err(|_| storage("wrong_key", "the key could not be set on the database"))?;
    connection.execute_batch("PRAGMA cipher_page_size = 8192;").map_err(failed)
}

/// What a refused database is refused for, as far as a key has to do with it.
pub(super) fn explained(error: Error, path: &Path, key: Option<&StoreKey>) -> Error {
    if error.kind() != ErrorKind::Storage || error.reason() != "not_a_database" {
        return error;
    }
    let mut begins = [0; 16];
    let read = std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut begins));
    match key {
        Some(_) if read.is_ok() && begins == *PLAIN => storage(
            "not_encrypted",
            "the database is not encrypted, and a key was given: open it without one, or export it and import it into a new one",
        ),
        Some(_) => storage(
            "wrong_key",
            "the key does not open this database: give the one that it was made with (or the file is damaged, or none of ours)",
        ),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_quoted_as_sqlite_reads_it_and_never_shown() {
        let words = StoreKey::from("it's a \"secret\"");
        assert_eq!(*words.pragma(), "PRAGMA key = 'it''s a \"secret\"';");
        let raw = StoreKey::raw([0xa1; 32]);
        assert_eq!(*raw.pragma(), format!("PRAGMA key = \"x'{}'\";", "a1".repeat(32)));
        assert_eq!(format!("{words:?} {raw:?}"), "[secret] [secret]");
        assert!(words == words.clone() && raw == raw.clone() && words != raw && raw != StoreKey::raw([0xa2; 32]));
        assert!(raw.pragma().capacity() >= raw.pragma().len(), "it is never moved to a larger place");
    }

    #[test]
    fn a_key_without_sqlcipher_and_one_that_is_none_are_refused() {
        let version = Connection::open_in_memory().unwrap().pragma_query_value(None, "cipher_version", |_| Ok(()));
        assert!(version.is_err(), "these tests run on the SQLite that is bundled");
        check_key(None).unwrap();
        let refused = |key: StoreKey| check_key(Some(&key)).unwrap_err();
        assert_eq!(refused("open sesame".into()).reason(), "unsupported");
        assert!(!format!("{:?}", refused("open sesame".into())).contains("sesame"));
        for bad in ["", " \n", "a\0b"] {
            assert_eq!(refused(bad.into()).reason(), "bad_store_key", "{bad:?}");
        }
    }
}
