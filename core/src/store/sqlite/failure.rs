//! What SQLite says, as errors of the product. Reasons: full, busy, read_only, corrupt, not_a_database, newer_schema, io.

use std::path::Path;

use rusqlite::ffi::ErrorCode;

use crate::base::{ErrorKind, Retry};
use crate::model::{Error, Result};

pub(super) fn storage(reason: &'static str, detail: impl Into<String>) -> Error {
    Error::new(ErrorKind::Storage, reason, detail)
}

/// What is answered while the database is not open because the disk has failed.
pub(super) fn broken() -> Error {
    let detail = "the disk failed, and the database could not be opened again yet; nothing was stored, repeat it";
    storage("io", detail).with_retry(Retry::Safe)
}

/// True when the disk has failed, so that nobody knows what it holds.
pub(super) fn is_of_disk<T>(result: &Result<T>) -> bool {
    result.as_ref().is_err_and(|error| error.kind() == ErrorKind::Storage && error.reason() == "io")
}

/// An error of a statement.
pub(super) fn failed(error: rusqlite::Error) -> Error {
    use rusqlite::Error as E;
    let (reason, detail) = match &error {
        E::SqliteFailure(failure, _) => match failure.code {
            ErrorCode::DiskFull => ("full", "the disk, or the space allowed to the database, is full; free some"),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed => {
                ("busy", "another process holds the database; repeat, and look for long transactions there")
            }
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied => {
                ("read_only", "the database cannot be written; look at the rights of the file and its folder")
            }
            ErrorCode::DatabaseCorrupt => ("corrupt", "the database is damaged; restore a backup"),
            ErrorCode::NotADatabase => (
                "not_a_database",
                "the file is no SQLite database, or it is encrypted: then give its key (`store_key`)",
            ),
            ErrorCode::SystemIoFailure => ("io", "the operating system could not read or write the database"),
            ErrorCode::CannotOpen => ("io", "the database could not be opened; look at the path and its rights"),
            ErrorCode::OutOfMemory => ("io", "there is too little memory for the database"),
            _ => return Error::internal("a statement of the store failed").with_source(error),
        },
        E::FromSqlConversionFailure(..) | E::IntegralValueOutOfRange(..) | E::InvalidColumnType(..) => {
            ("corrupt", "a stored row could not be read; it may be of a newer version")
        }
        _ => return Error::internal("a statement of the store failed").with_source(error),
    };
    let again = if reason == "busy" { Retry::Safe } else { Retry::Never };
    storage(reason, detail).with_retry(again).with_source(error)
}

/// An error of a file. The path is the host's own, so it may be told.
pub(super) fn file_failed(path: &Path, error: std::io::Error) -> Error {
    use std::io::ErrorKind as K;
    let (reason, why) = match error.kind() {
        K::PermissionDenied | K::ReadOnlyFilesystem => ("read_only", "may not be written"),
        K::StorageFull | K::QuotaExceeded => ("full", "has no space left"),
        _ => ("io", "could not be used"),
    };
    storage(reason, format!("{} {why}; give a path in a folder of your own", path.display())).with_source(error)
}
