//! Resting, looking over, copying.

use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::connect::beside;
use super::failure::{failed, file_failed};
use super::row::{all, first, run};
use super::writer::{Job, Writer, empty_log};
use super::{SqliteStore, verify};
use crate::model::{Error, Repair, Result, StorageKind, StorageReport, StoreFigures, Verification};
use crate::store::StoreFuture;
use crate::store::upkeep::Upkeep;

/// How many free pages are given back at once: 1 MiB.
const VACUUM_STEP: i64 = 128;

/// How many pages of the index of words are written at once, each of 4 KiB.
const MERGE_STEP: i64 = 256;

/// Every table and index with the pages it takes.
const PAGES: &str = "SELECT coalesce(s.tbl_name, d.name), coalesce(s.type, 'table'), d.pgsize
    FROM dbstat d LEFT JOIN sqlite_schema s ON s.name = d.name WHERE d.aggregate = TRUE";

impl Upkeep for SqliteStore {
    fn figures(&self) -> StoreFigures {
        let counters = self.counters();
        self.gauges.read(self.readers, counters.batches, counters.commits)
    }

    fn suspend(&self) -> StoreFuture<'_, ()> {
        Box::pin(async move {
            self.door.check().or_else(|error| if error.reason() == "suspended" { Ok(()) } else { Err(error) })?;
            self.door.suspend();
            self.hand_in(Job::Suspend).await
        })
    }

    fn resume(&self) -> StoreFuture<'_, ()> {
        Box::pin(self.hand_in(Job::Resume))
    }

    fn checkpoint(&self) -> StoreFuture<'_, bool> {
        Box::pin(self.run(|writer| {
            // Who reads is not waited for: everybody who writes would wait, too.
            let patience = std::time::Duration::from_millis(writer.settings.busy_timeout_ms);
            writer.connection.busy_timeout(std::time::Duration::ZERO).map_err(failed)?;
            let emptied = empty_log(&writer.connection);
            writer.connection.busy_timeout(patience).map_err(failed)?;
            emptied
        }))
    }

    fn verify(&self) -> StoreFuture<'_, Verification> {
        self.read("verify", |connection, _| verify::verify(connection))
    }

    fn repair(&self) -> StoreFuture<'_, Repair> {
        Box::pin(self.run(|writer| verify::repair(&mut writer.connection)))
    }

    fn storage_report(&self) -> StoreFuture<'_, StorageReport> {
        let path = self.path.clone();
        self.read("storage_report", move |connection, _| storage_report(connection, &path))
    }

    fn vacuum(&self) -> StoreFuture<'_, i64> {
        Box::pin(async move {
            let (mut begins, mut began) = (true, self.clock.monotonic());
            while self.run(move |writer| merge_step(writer, begins)).await? {
                begins = false;
                // Other processes would find the store taken each time they look.
                self.clock.sleep(self.clock.monotonic().saturating_sub(began)).await;
                began = self.clock.monotonic();
            }
            let mut freed = 0;
            loop {
                let (step, page) = self.run(vacuum_step).await?;
                if step == 0 {
                    break;
                }
                freed += step * page;
            }
            if freed > 0 {
                // Only there the file gets smaller.
                self.checkpoint().await?;
            }
            Ok(freed)
        })
    }

    fn scrub(&self) -> StoreFuture<'_, bool> {
        Box::pin(async move {
            self.vacuum().await?;
            self.checkpoint().await
        })
    }

    fn backup(&self, to: PathBuf) -> StoreFuture<'_, i64> {
        Box::pin(async move {
            let to = std::path::absolute(&to).map_err(|error| file_failed(&to, error))?;
            self.door.check()?;
            check_target(&self.path, &to)?;
            let (backups, from) = (std::sync::Arc::clone(&self.backups), self.path.clone());
            let (reply, answer) = tokio::sync::oneshot::channel();
            self.run(move |writer| backups.start(from, to, writer.settings.clone(), reply)).await?;
            answer.await.map_err(|_| self.unanswered())?
        })
    }
}

/// A backup may not take the place of what it is made of.
fn check_target(from: &Path, to: &Path) -> Result<()> {
    let same = |a: &Path, b: &Path| match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => a == b,
    };
    let own = ["", "-wal", "-shm", ".lock"].iter().any(|ending| same(&beside(from, ending), to));
    if own || to.is_dir() || to.file_name().is_none() {
        return Err(Error::invalid("bad_backup", "name a file for the backup that is not one of the store's own"));
    }
    Ok(())
}

/// Puts some of the index of words together: it is made of parts, and what many of them name takes space in each, as does
/// what is deleted. False when nothing is left to do.
fn merge_step(writer: &mut Writer, begins: bool) -> Result<bool> {
    let before = writer.connection.total_changes();
    // A negative number takes all there is into one merge, others go on with it.
    let pages = if begins { -MERGE_STEP } else { MERGE_STEP };
    run(&writer.connection, "INSERT INTO message_fts(message_fts, rank) VALUES('merge', ?)", [pages])?;
    // One of them is the command itself.
    Ok(writer.connection.total_changes() - before > 1)
}

/// Gives some free pages back. Gives how many, and the size of one.
fn vacuum_step(writer: &mut Writer) -> Result<(i64, i64)> {
    let connection = &writer.connection;
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(failed);
    let before = number("freelist_count")?;
    if before == 0 {
        return Ok((0, 0));
    }
    let mut statement = connection.prepare(&format!("PRAGMA incremental_vacuum({VACUUM_STEP})")).map_err(failed)?;
    let mut rows = statement.query([]).map_err(failed)?;
    // Each row is a page.
    while rows.next().map_err(failed)?.is_some() {}
    Ok((before - number("freelist_count")?, number("page_size")?))
}

fn storage_report(connection: &Connection, path: &Path) -> Result<StorageReport> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0)).map_err(failed);
    let size = |path: &Path| std::fs::metadata(path).map_or(0, |file| i64::try_from(file.len()).unwrap_or(i64::MAX));
    let mut kinds: Vec<StorageKind> = Vec::new();
    let tables: Vec<(String, String, i64)> =
        all(connection, PAGES, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    for (table, kind, bytes) in tables {
        let name = name_of(&table);
        let at = kinds.iter().position(|kind| kind.name == name).unwrap_or_else(|| {
            kinds.push(StorageKind { name: name.to_owned(), bytes: 0, index_bytes: 0 });
            kinds.len() - 1
        });
        let to = if kind == "index" { &mut kinds[at].index_bytes } else { &mut kinds[at].bytes };
        *to += bytes;
    }
    kinds.sort_by_key(|kind| std::cmp::Reverse(kind.bytes + kind.index_bytes));
    Ok(StorageReport {
        file_bytes: size(path),
        log_bytes: size(&beside(path, "-wal")),
        page_bytes: number("page_size")?,
        pages: number("page_count")?,
        free_pages: number("freelist_count")?,
        kinds,
    })
}

/// What users call that which stands in a table.
fn name_of(table: &str) -> &'static str {
    match table {
        "message" | "summary" => "messages",
        "conversation" | "conversation_tag" | "owner" => "conversations",
        "turn" | "turn_step" => "turns",
        "draft_chunk" => "drafts",
        "send_queue" => "outbox",
        "blob" | "blob_inline" | "attachment" => "attachments",
        "budget" | "budget_counter" | "reservation" | "usage_hour" | "usage_part" => "spending",
        "event" | "event_stream" => "events",
        "library_entry" | "library_version" | "library_change" => "library",
        "change_feed" | "change_cursor" => "changes",
        table if table.contains("fts") => "search",
        _ => "other",
    }
}

/// Counts what was looked at.
pub(super) fn count(connection: &Connection, sql: &'static str) -> Result<i64> {
    Ok(first(connection, sql, [], |row| row.get(0))?.unwrap_or(0))
}
