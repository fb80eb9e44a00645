//! Tertulia over SQLCipher: the conversations of an application, encrypted where they are kept.
//!
//! This crate is [`tertulia`] with one difference: the SQLite of the program is SQLCipher, with an OpenSSL of its own linked
//! in. So a store can be given a key, and everything in its file, its log and its backups is encrypted with it, page by page
//! (AES-256, each page with a checksum of its own):
//!
//! ```no_run
//! # async fn open(key: [u8; 32]) -> tertulia_sqlcipher::Result<()> {
//! use tertulia_sqlcipher::Tertulia;
//!
//! let tertulia = Tertulia::builder().store("chat.db").store_key(key).open().await?;
//! # tertulia.close().await
//! # }
//! ```
//!
//! Give it 32 bytes from the key store of the system, or a passphrase. The key is never written down, logged or shown, and
//! there is no way into the file without it. A file that is not encrypted does not become so by a key: export its
//! conversations, and import them into a new one.
//!
//! A program that depends on `tertulia` elsewhere, too, has SQLCipher there as well: cargo builds one SQLite for all of it.
//!
//! To build it needs a C compiler, Perl and Make, for OpenSSL.

pub use tertulia::*;

// It is here for its features.
use rusqlite as _;
