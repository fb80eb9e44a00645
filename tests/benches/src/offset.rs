//! What a page costs those who count rows from the beginning: a plain table with the index that it needs, and OFFSET.

use rusqlite::Connection;
use tertulia::base::{Clock as _, SystemClock};

use crate::Outcome;
use crate::report::Report;

const MESSAGES: i64 = 1_000_000;
const BYTES: usize = 300;
const PAGES: usize = 21;

/// A page of 50 at the newest end, and one behind nine tenths of all messages.
pub fn measure(report: &mut Report) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let mut connection = Connection::open(folder.path().join("offset.db"))?;
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         CREATE TABLE message(id INTEGER PRIMARY KEY, chat INTEGER NOT NULL, role INTEGER NOT NULL, words TEXT NOT NULL);
         CREATE INDEX message_chat ON message(chat, id)",
    )?;
    let words = "a".repeat(BYTES);
    let all = connection.transaction()?;
    {
        let mut insert = all.prepare("INSERT INTO message(chat, role, words) VALUES(1, ?, ?)")?;
        for number in 0..MESSAGES {
            insert.execute((number % 2, &words))?;
        }
    }
    all.commit()?;
    let clock = SystemClock::default();
    let sql = "SELECT id, role, words FROM message WHERE chat = 1 ORDER BY id DESC LIMIT 50 OFFSET ?";
    let mut page = connection.prepare(sql)?;
    for (key, offset) in [("offset.page50.first", 0), ("offset.page50.deep", MESSAGES * 9 / 10)] {
        let mut took = Vec::with_capacity(PAGES);
        for _ in 0..PAGES {
            let began = clock.monotonic();
            let read = page.query_map([offset], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(2)?)))?.count();
            assert_eq!(read, 50);
            took.push(clock.monotonic() - began);
        }
        report.spread(key, &mut took);
    }
    Ok(())
}
