//! Files and connections: what is checked, in which order, and how a connection is set.

use std::fs::DirBuilder;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::hooks::Wal;
use rusqlite::{Connection, OpenFlags};

use super::cipher::{check_key, explained, unlock};
use super::failure::{failed, file_failed, storage};
use super::liveness::{Liveness, private_file};
use super::migrate::{check, migrate};
use super::row::run;
use super::settings::SqliteSettings;
use super::writer::empty_log;
use crate::model::Result;

/// Older ones may lose a WAL that is reset while another connection checkpoints.
const OLDEST_SQLITE: i32 = 3_051_003;

/// After an unclean end a database up to this size is checked page by page: a few dozen milliseconds. Larger ones are
/// not: the WAL's own checksums already drop what a kill or a power cut left half-written, and opening must stay fast.
const QUICK_CHECK_BYTES: u64 = 16 << 20;

const STATEMENTS: usize = 64;

/// A database, open for writing.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) liveness: Liveness,
    /// How many turns were left open by the dead.
    pub(super) orphans: usize,
}

/// Whether a store opens its database for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opening {
    /// Turns that are open there were left by the dead, when nobody else lives.
    First,
    /// Open turns may be this store's own.
    Again,
}

/// Opens the database for writing; makes it when it is not there.
pub(super) fn open_writer(path: &Path, settings: &SqliteSettings, opening: Opening) -> Result<Opened> {
    if rusqlite::version_number() < OLDEST_SQLITE {
        return Err(storage("io", format!("SQLite {} is too old; 3.51.3 is needed", rusqlite::version())));
    }
    let key = settings.key.as_ref();
    check_key(key)?;
    prepare_files(path)?;
    let patience = Duration::from_millis(settings.busy_timeout_ms);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(patience).map_err(failed)?;
    // What is refused below is left as it was found, its log included.
    keep_log_on_close(&connection, true)?;
    unlock(&connection, key)?;
    check(&connection).map_err(|error| explained(error, path, key))?;

    let lock = beside(path, ".lock");
    let mut liveness = Liveness::acquire(&lock, patience)?;
    let unclean = size(&beside(path, "-wal")) > 0;
    // Once more: another process may have made or changed it before we had the lock.
    check(&connection)?;
    set(&connection, &[("page_size", "8192"), ("auto_vacuum", "INCREMENTAL"), ("journal_mode", "WAL")])?;
    set_common(&connection)?;
    set(
        &connection,
        &[
            ("foreign_keys", "ON"),
            ("synchronous", "FULL"),
            ("fullfsync", "ON"), // Apple's drives keep what they said they wrote only when asked like this.
            ("checkpoint_fullfsync", "ON"),
            ("cache_size", "-8000"),
            ("secure_delete", "FAST"), // What is deleted is overwritten where that costs no page more; `scrub` does the rest.
            ("journal_size_limit", "67108864"),
            ("wal_autocheckpoint", "0"), // The idle writer does it, so that no user's commit waits for it.
        ],
    )?;
    if liveness.alone && unclean {
        // Whoever left the log may have ended because the disk could not sync it. Then it can be read and yet not be on the
        // disk, and what is committed behind it would be lost with it when the power goes. So it is moved into the
        // database first. Only a program that is none of ours can be in the way of that.
        empty_log(&connection)?;
    }
    migrate(&mut connection)?;
    if !settings.search {
        super::search::stop(&connection)?;
    }

    let mut orphans = 0;
    if liveness.alone && opening == Opening::Again {
        liveness.share(&lock)?;
    } else if liveness.alone {
        if unclean && size(path) <= QUICK_CHECK_BYTES {
            quick_check(&connection)?;
        }
        let end_leases = "UPDATE turn SET lease_until = 0 WHERE state >= 1 AND state <= 3";
        orphans = run(&connection, end_leases, [])?;
        run(&connection, "UPDATE reservation SET lease_until = 0", [])?;
        liveness.share(&lock)?;
    }
    keep_log_on_close(&connection, false)?;
    Ok(Opened { connection, liveness, orphans })
}

/// Counts the pages that the log has after each commit of this connection from now on.
pub(super) fn count_log(connection: &mut Connection) -> Result<Arc<AtomicI64>> {
    let logged = Arc::new(AtomicI64::new(0));
    let counted = Arc::clone(&logged);
    let count = move |_: &mut Wal, pages| {
        counted.store(i64::from(pages), Ordering::Relaxed);
        Ok(())
    };
    connection.wal_hook(Some(count)).map_err(failed)?;
    Ok(logged)
}

/// Opens one more connection that can only read.
pub(super) fn open_reader(path: &Path, settings: &SqliteSettings) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(Duration::from_millis(settings.busy_timeout_ms)).map_err(failed)?;
    unlock(&connection, settings.key.as_ref())?;
    set_common(&connection)?;
    set(&connection, &[("query_only", "ON"), ("cache_size", "-2000")])?;
    Ok(connection)
}

fn set_common(connection: &Connection) -> Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(failed)?;
    // Plans that do not depend on what is bound. Without it a statement with `LIMIT ?` is compiled anew for each use.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(failed)?;
    set(connection, &[("trusted_schema", "OFF"), ("mmap_size", "0"), ("temp_store", "MEMORY")])
}

fn set(connection: &Connection, pragmas: &[(&str, &str)]) -> Result<()> {
    // Some of them answer with a row, which is of no use here.
    pragmas.iter().try_for_each(|(name, value)| {
        connection.pragma_update_and_check(None, name, value, |_| Ok(())).or_else(|error| match error {
            rusqlite::Error::QueryReturnedNoRows => Ok(()),
            error => Err(failed(error)),
        })
    })
}

/// Says whether the last connection to close leaves the log as it is.
pub(super) fn keep_log_on_close(connection: &Connection, keep: bool) -> Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keep).map(drop).map_err(failed)
}

/// Closes the copy of a connection that a child of `fork` has, while nobody uses it: neither a lock nor a log is touched.
pub(super) fn close_copy(connection: &mut Connection) {
    let closed = keep_log_on_close(connection, true).and_then(|()| Connection::open_in_memory().map_err(failed));
    // Where that fails the copy stays open, as all that a child inherits does.
    if let Ok(nothing) = closed {
        drop(std::mem::replace(connection, nothing));
    }
}

fn quick_check(connection: &Connection) -> Result<()> {
    let answer: String = connection.pragma_query_value(None, "quick_check", |row| row.get(0)).map_err(failed)?;
    if answer == "ok" { Ok(()) } else { Err(storage("corrupt", "the database is damaged; restore a backup")) }
}

/// Makes the folder (for its owner alone) and the file, so that SQLite finds one with the right rights.
fn prepare_files(path: &Path) -> Result<()> {
    if path.is_dir() {
        return Err(storage("not_a_database", format!("{} is a folder; name a file in it", path.display())));
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        let mut builder = DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder).map_err(|error| file_failed(folder, error))?;
    }
    // Made here only when it is missing. Opening and closing one that another store of this process has open would
    // drop that one's POSIX locks.
    match private_file().create_new(true).open(path) {
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(file_failed(path, error)),
    }
}

/// The path of a file that stands beside the database under its name and this ending.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

fn size(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}
