//! A conversation of a million messages: what a page costs at its end and deep inside, beside raw rusqlite that runs the
//! same statement, and how fast messages are saved.
//!
//! Pages are timed by the clock on the wall, one after the other, through the whole engine and its reading thread. What
//! the reading thread itself works for a page is its CPU time, as Linux tells it.

use std::time::Duration;

use futures::StreamExt as _;
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tertulia::base::{Clock as _, SystemClock};
use tertulia::{Conversation, NewMessage, Tertulia, UserScope};

use crate::Outcome;
use crate::report::Report;

/// Messages of the conversation, each of this many bytes, and how many are saved at once.
const MESSAGES: usize = 1_000_000;
const BYTES: usize = 300;
const AT_ONCE: usize = 1_000;

/// Pages that are timed at each place.
const PAGES: usize = 2_000;

/// Conversations that are written to at once, and how often each.
const WRITERS: usize = 64;
const WRITES: usize = 100;

/// The statement of a page as the store has it: from a message towards the beginning.
const WALK: &str = "WITH RECURSIVE walk(pk) AS (
      SELECT ?1 UNION ALL SELECT m.parent_pk FROM walk CROSS JOIN message m ON m.pk = walk.pk LIMIT ?2)
    SELECT m.depth, m.child_count, m.id, m.turn_id, m.role, m.status, m.created_at, m.model, m.finish_reason, m.usage, m.cost,
     m.sibling_ix, m.metadata, m.change_seq, m.content, b.data
    FROM walk CROSS JOIN message m ON m.pk = walk.pk LEFT JOIN blob_inline b ON b.hash = m.content_hash";

/// Measures all of it.
pub async fn measure(report: &mut Report) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("history.db");
    let tertulia = Tertulia::open(path.to_string_lossy()).await?;
    let clock = SystemClock::default();
    let me = tertulia.user("ana");

    let chat = me.new_conversation();
    let began = clock.monotonic();
    for first in (0..MESSAGES).step_by(AT_ONCE) {
        chat.append((first..first + AT_ONCE).map(message).collect::<Vec<_>>()).await?;
    }
    report.rate("history.append_batches.per_s", MESSAGES, clock.monotonic() - began);

    let began = clock.monotonic();
    let written = append_at_once(&me).await?;
    report.rate("history.append_grouped.per_s", written, clock.monotonic() - began);

    let mut first = Vec::with_capacity(PAGES);
    let threads = reading_threads();
    for _ in 0..PAGES {
        let began = clock.monotonic();
        assert_eq!(chat.history().limit(50).await?.items.len(), 50);
        first.push(clock.monotonic() - began);
    }
    let read = reading_threads().saturating_sub(threads);
    let mut back = Vec::with_capacity(PAGES);
    let mut forth = Vec::with_capacity(PAGES);
    for number in 0..PAGES {
        // Spread over all of it, and never twice the same.
        let place = 100 + number * 7_919 % (MESSAGES - 200);
        let here = chat.history().position(place).limit(1).await?;
        let began = clock.monotonic();
        assert_eq!(chat.history().before(here.before).limit(50).await?.items.len(), 50);
        back.push(clock.monotonic() - began);
        let began = clock.monotonic();
        assert_eq!(chat.history().after(here.after).limit(50).await?.items.len(), 50);
        forth.push(clock.monotonic() - began);
    }

    let mut list = Vec::with_capacity(PAGES);
    for _ in 0..PAGES {
        let began = clock.monotonic();
        assert_eq!(me.list_conversations().limit(50).await?.items.len(), 50);
        list.push(clock.monotonic() - began);
    }
    tertulia.close().await?;

    let began = clock.monotonic();
    let tertulia = Tertulia::open(path.to_string_lossy()).await?;
    let opened = tertulia.user("ana").conversation(chat.id()).open().await?;
    assert_eq!(opened.1.items.len(), 50);
    report.named("history.open_first_page.ms", (clock.monotonic() - began).as_secs_f64() * 1e3, "ms");
    tertulia.close().await?;

    let raw = raw_pages(&path.to_string_lossy(), &clock)?;
    report.spread("history.page50", &mut first);
    report.spread("history.page50.back", &mut back);
    report.spread("history.page50.forth", &mut forth);
    report.spread("history.list50", &mut list);
    report.named("history.page50.deep_to_first_ratio", middle(&back) / middle(&first), "ratio");
    report.named("history.page50.rusqlite_us", raw, "us");
    if !read.is_zero() {
        report.named("history.page50.p50_ratio_to_rusqlite", read.as_secs_f64() * 1e6 / PAGES as f64 / raw, "ratio");
    }
    Ok(())
}

/// Many conversations, to each of which one message after the other is added; gives how many messages that are.
pub async fn append_at_once(me: &UserScope) -> Outcome<usize> {
    let chats: Vec<Conversation> = (0..WRITERS).map(|_| me.new_conversation()).collect();
    let mut work = futures::stream::iter(&chats)
        .map(|chat| async move {
            for number in 0..WRITES {
                chat.append([message(number)]).await?;
            }
            Ok::<_, tertulia::Error>(())
        })
        .buffer_unordered(WRITERS);
    while let Some(done) = work.next().await {
        done?;
    }
    Ok(WRITERS * WRITES)
}

fn message(number: usize) -> NewMessage {
    let mut words = format!("{number}: ");
    words.extend(
        "Plan a day in Cádiz, please: a walk, a museum, \"something\" to eat. ".chars().cycle().take(BYTES - 12),
    );
    if number.is_multiple_of(2) { NewMessage::user(words) } else { NewMessage::assistant(words) }
}

/// The median of what was sorted, in microseconds.
fn middle(sorted: &[Duration]) -> f64 {
    sorted.get(sorted.len() / 2).map_or(f64::NAN, |took| took.as_secs_f64() * 1e6)
}

/// What a page costs raw rusqlite, every column of it read: the median, in microseconds.
fn raw_pages(path: &str, clock: &SystemClock) -> Outcome<f64> {
    let connection = Connection::open(path)?;
    let head: i64 =
        connection
            .query_row("SELECT max(pk) FROM message WHERE depth = ?1", [i64::try_from(MESSAGES)?], |row| row.get(0))?;
    let mut statement = connection.prepare(WALK)?;
    let columns = statement.column_count();
    let mut took = Vec::with_capacity(PAGES);
    for _ in 0..PAGES {
        let began = clock.monotonic();
        let mut rows = statement.query([head, 50])?;
        let (mut read, mut bytes) = (0, 0);
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                bytes += match row.get_ref(column)? {
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => bytes.len(),
                    ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => 1,
                };
            }
            read += 1;
        }
        assert!(read == 50 && bytes > 50 * BYTES);
        took.push(clock.monotonic() - began);
    }
    took.sort();
    Ok(middle(&took))
}

/// The CPU time of the threads that read, as far as the system tells.
fn reading_threads() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of_task = |task: std::fs::DirEntry| {
        let name = std::fs::read_to_string(task.path().join("comm")).ok()?;
        let times = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        name.starts_with("tertulia-read").then_some(())?;
        times.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    };
    tasks.filter_map(of_task).sum()
}
