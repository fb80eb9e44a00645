//! Full-text search: what is found, and how what was written becomes findable.
//!
//! A message is not indexed by the batch that writes it, which would be twice as dear. The feed of changes says what was
//! written; the index follows it in batches of its own, when nobody writes, and always before a search answers. How far
//! it has come is kept in the transaction that brings it there, so that it does not matter when a process is killed. What
//! is deleted leaves the index together with its row. A message stands in the index under its own key; `INSERT OR
//! REPLACE` makes that doing it twice is doing it once.

use std::collections::HashSet;

use rusqlite::{Connection, Row, params};

use super::read::ANCESTOR;
use super::row::{Coded, all, first, run, visit};
use super::writer::Writer;
use crate::base::{ConversationId, MessageId, Timestamp};
use crate::model::{MessageStatus, Result, Role, SearchHit, SearchSort};
use crate::store::search::{GAP, MAX_RANKED, Phrase, Query, cut, is_found, searchable, snippet};
use crate::store::{Content, SearchPlace, SearchQuery, SearchRows};

/// How many changes one batch goes through.
pub(super) const CHANGES: i64 = 512;

/// So many messages at most take one row of the feed.
pub(super) const MAX_MADE: i64 = 512;

/// After so many bytes of text a batch ends early.
const BATCH_BYTES: usize = 512 << 10;

/// From so many changes on the writer indexes between two groups, when nobody waits for it: what a search may have to do,
/// and what is kept of the feed, is bounded also where nobody ever rests.
pub(super) const FAR_BEHIND: i64 = 1 << 18;

/// The last change, the last change that is indexed, and the key up to which older messages are.
pub(super) const STATE: &str = "SELECT (SELECT value FROM seq WHERE name = 'change'),
    (SELECT seq FROM change_cursor WHERE consumer = 'search'), (SELECT value FROM seq WHERE name = 'search_rest')";

macro_rules! unindexed {
    ($number:literal, $from:literal, $condition_and_order:literal) => {
        concat!(
            "SELECT ",
            $number,
            ", m.pk, m.conv_pk, c.owner_pk, m.role, m.status, m.content, b.data FROM ",
            $from,
            " CROSS JOIN conversation c ON c.pk = m.conv_pk LEFT JOIN blob_inline b ON b.hash = m.content_hash WHERE ",
            $condition_and_order
        )
    };
}
/// What was written since, each message at its last change in the batch. One that changes again later is not put off. A row
/// of the feed may begin before the batch and end behind it (by less than `MAX_MADE`).
pub(super) const CHANGED: &str = unindexed!(
    "f.seq - f.message_pk + m.pk",
    "change_feed f CROSS JOIN message m
     ON m.pk >= f.message_pk - min(f.more, f.seq - ?1 - 1) AND m.pk <= f.message_pk - max(f.seq - ?2, 0)",
    "f.seq > ?1 AND f.seq < ?2 + 512
     AND (m.change_seq = f.seq - f.message_pk + m.pk OR m.change_seq > ?2) ORDER BY f.seq, m.pk"
);
/// What was there before.
pub(super) const OLDER: &str = unindexed!("m.pk", "message m", "m.pk > ?1 AND m.id IS NOT NULL ORDER BY m.pk LIMIT ?2");

pub(super) const KEEP_WORDS: &str = "INSERT OR REPLACE INTO message_fts(rowid, text, parts, scope) VALUES(?, ?, ?, ?)";
pub(super) const FORGET_WORDS: &str = "DELETE FROM message_fts WHERE rowid = ?";

const MOVE_ON: &str = "INSERT INTO change_cursor(consumer, seq, at) VALUES('search', ?1, 0)
    ON CONFLICT(consumer) DO UPDATE SET seq = ?1";
const MOVE_REST: &str =
    "INSERT INTO seq(name, value) VALUES('search_rest', ?1) ON CONFLICT(name) DO UPDATE SET value = ?1";
const END_REST: &str = "DELETE FROM seq WHERE name = 'search_rest'";

pub(super) const NEWEST: &str =
    "SELECT rowid FROM message_fts WHERE message_fts MATCH ?1 AND rowid < ?2 ORDER BY rowid DESC LIMIT ?3";
/// The oldest and the newest of those that are ranked.
pub(super) const RANKED: &str = "SELECT min(rowid), max(rowid) FROM
    (SELECT rowid FROM message_fts WHERE message_fts MATCH ?1 AND rowid <= ?2 ORDER BY rowid DESC LIMIT ?3)";
/// Names weigh half where only a part of them fits; whose a message is says nothing.
pub(super) const SCORES: &str = "SELECT rowid, -bm25(message_fts, 1.0, 0.5, 0.0) FROM message_fts
    WHERE message_fts MATCH ?1 AND rowid >= ?2 AND rowid <= ?3";
/// A message of this owner alone, whatever the index says, whose conversation has not expired.
pub(super) const HIT: &str = "SELECT m.id, c.id, m.depth, c.head_pk, c.head_depth, m.content, b.data
    FROM message m CROSS JOIN conversation c ON c.pk = m.conv_pk LEFT JOIN blob_inline b ON b.hash = m.content_hash
    WHERE m.pk = ?1 AND c.owner_pk = ?2 AND (c.expires_at IS NULL OR c.expires_at > ?3)";

/// How far the index is.
struct State {
    change: i64,
    indexed: Option<i64>,
    rest: Option<i64>,
}

impl State {
    fn read(connection: &Connection) -> Result<Self> {
        let read = |row: &Row<'_>| Ok(Self { change: row.get(0)?, indexed: row.get(1)?, rest: row.get(2)? });
        let found = first(connection, STATE, [], read)?;
        Ok(found.unwrap_or(Self { change: 0, indexed: None, rest: None }))
    }

    /// True when everything up to this change can be found.
    fn covers(&self, until: i64) -> bool {
        self.rest.is_none() && self.indexed.is_some_and(|indexed| indexed >= until)
    }
}

/// What a search has come to.
pub(super) enum Found {
    Rows(Option<SearchRows>),
    /// The index must first be brought up to this change.
    Behind {
        until: i64,
    },
}

/// Searches, when everything up to the last change that was acknowledged is indexed. `indexed` is what that was when the
/// search began: it need not follow those who go on writing.
pub(super) fn search(
    connection: &Connection,
    owner: &str,
    query: &SearchQuery,
    indexed: Option<i64>,
    now: Timestamp,
) -> Result<Found> {
    let state = State::read(connection)?;
    let until = indexed.unwrap_or(state.change);
    if !state.covers(until) {
        return Ok(Found::Behind { until });
    }
    let sql = "SELECT pk FROM owner WHERE ext_id = ?";
    let owner_pk: Option<i64> = first(connection, sql, [owner], |row| row.get(0))?;
    let mut scope = owner_pk.map(|owner_pk| vec![token('o', owner_pk)]).unwrap_or_default();
    if let Some(id) = query.conversation {
        let sql =
            "SELECT pk FROM conversation WHERE id = ?1 AND owner_pk = ?2 AND (expires_at IS NULL OR expires_at > ?3)";
        let of = params![id.as_bytes(), owner_pk, now.as_millis()];
        let found: Option<i64> = first(connection, sql, of, |row| row.get(0))?;
        let Some(conv_pk) = found else { return Ok(Found::Rows(None)) };
        scope.push(token('c', conv_pk));
    }
    let (Some(asked), Some(owner_pk)) = (Query::parse(&query.words)?, owner_pk) else {
        return Ok(Found::Rows(Some(SearchRows::default())));
    };
    let matching = matching(&scope, &asked);
    let mut rows = SearchRows { items: Vec::new(), next: query.after };
    loop {
        let piece = SearchQuery { limit: query.limit - rows.items.len(), after: rows.next, ..query.clone() };
        let page = match query.sort {
            SearchSort::Recent => newest(connection, &matching, &piece)?,
            SearchSort::Relevance => best(connection, &matching, &piece)?,
        };
        let mut last = None;
        for (pk, score) in &page.hits {
            let hit = hit(connection, (owner_pk, now), &asked, (*pk, *score))?;
            last = hit.as_ref().map(|hit| hit.message_id);
            rows.items.extend(hit);
        }
        let message = last.unwrap_or(MessageId::from_bytes([0; 16]));
        rows.next = page.goes_on.then_some(SearchPlace { message, order: page.order, count: page.count });
        // What is not there any more and not swept yet makes no page shorter.
        if rows.next.is_none() || rows.items.len() >= query.limit {
            return Ok(Found::Rows(Some(rows)));
        }
    }
}

/// Keys and scores of a page, and where it ends.
#[derive(Default)]
struct Ranking {
    hits: Vec<(i64, f64)>,
    goes_on: bool,
    order: i64,
    count: u16,
}

fn newest(connection: &Connection, matching: &str, query: &SearchQuery) -> Result<Ranking> {
    let before = query.after.map_or(i64::MAX, |place| place.order);
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX).saturating_add(1);
    let mut hits: Vec<(i64, f64)> =
        all(connection, NEWEST, params![matching, before, limit], |row| Ok((row.get(0)?, 0.0)))?;
    let goes_on = hits.len() > query.limit;
    hits.truncate(query.limit);
    let order = hits.last().map_or(before, |(pk, _)| *pk);
    Ok(Ranking { hits, goes_on, order, count: 0 })
}

fn best(connection: &Connection, matching: &str, query: &SearchQuery) -> Result<Ranking> {
    let as_of = query.after.map_or(i64::MAX, |place| place.order);
    let most = i64::try_from(MAX_RANKED).unwrap_or(i64::MAX);
    let read = |row: &Row<'_>| Ok((row.get::<_, Option<i64>>(0)?, row.get::<_, Option<i64>>(1)?));
    let edges = first(connection, RANKED, params![matching, as_of, most], read)?;
    let Some((Some(oldest), Some(newest))) = edges else { return Ok(Ranking::default()) };
    let mut ranked: Vec<(i64, f64)> =
        all(connection, SCORES, params![matching, oldest, newest], |row| Ok((row.get(0)?, row.get(1)?)))?;
    ranked.sort_by(|one, other| other.1.total_cmp(&one.1).then(other.0.cmp(&one.0)));
    let from = match query.after {
        Some(place) => {
            let sql = "SELECT pk FROM message WHERE id = ?";
            let pk: Option<i64> = first(connection, sql, [place.message.as_bytes()], |row| row.get(0))?;
            place.goes_on_at(ranked.iter().position(|(ranked, _)| Some(*ranked) == pk))
        }
        None => 0,
    };
    let until = from.saturating_add(query.limit).min(ranked.len());
    Ok(Ranking {
        hits: ranked.get(from..until).unwrap_or_default().to_vec(),
        goes_on: until < ranked.len(),
        order: newest,
        count: u16::try_from(until).unwrap_or(u16::MAX),
    })
}

fn hit(
    connection: &Connection,
    (owner_pk, now): (i64, Timestamp),
    asked: &Query,
    (pk, score): (i64, f64),
) -> Result<Option<SearchHit>> {
    let found = first(connection, HIT, [pk, owner_pk, now.as_millis()], |row| {
        let message_id = MessageId::from_bytes(row.get(0)?);
        let conversation_id = ConversationId::from_bytes(row.get(1)?);
        let (depth, head_pk, head_depth) =
            (row.get::<_, i32>(2)?, row.get::<_, Option<i64>>(3)?, row.get::<_, i32>(4)?);
        let inline = row.get_ref(5)?;
        let json = if inline.as_blob().is_ok() { inline } else { row.get_ref(6)? };
        let parts = Content::decode(json.as_blob().unwrap_or_default());
        Ok((message_id, conversation_id, depth, head_pk, head_depth, parts))
    })?;
    let Some((message_id, conversation_id, depth, head_pk, head_depth, parts)) = found else { return Ok(None) };
    let on_current_branch = match head_pk {
        Some(head_pk) if head_pk != pk && depth < head_depth => {
            let ancestor = first(connection, ANCESTOR, params![head_pk, depth], |row| row.get::<_, i64>(0))?;
            ancestor == Some(pk)
        }
        head_pk => head_pk == Some(pk),
    };
    let snippet = snippet(&searchable(&parts?), asked);
    Ok(Some(SearchHit { message_id, conversation_id, score, snippet, on_current_branch }))
}

/// Stands in the column of scopes alone. No word has its sign, so that no query has to name a column, which is dearer.
fn token(of: char, key: i64) -> String {
    format!("{GAP}{of}{key}")
}

/// The query in the language of FTS5. Nothing in it was typed by anybody: words are letters and digits.
fn matching(scope: &[String], query: &Query) -> String {
    let phrase = |phrase: &Phrase| format!("\"{}\"{}", phrase.words.join(" "), if phrase.begins { "*" } else { "" });
    let any = |phrases: &[Phrase]| format!("({})", phrases.iter().map(phrase).collect::<Vec<_>>().join(" OR "));
    let scope = scope.iter().map(|token| format!("\"{token}\""));
    let wanted: Vec<String> = scope.chain(query.wanted.iter().map(|term| any(&term.0))).collect();
    let unwanted: Vec<String> = query.unwanted.iter().map(|term| any(&term.0)).collect();
    let wanted = wanted.join(" AND ");
    if unwanted.is_empty() { wanted } else { format!("({wanted}) NOT ({})", unwanted.join(" OR ")) }
}

/// Keeps no index from now on, nor what was written for it.
pub(super) fn stop(connection: &Connection) -> Result<()> {
    if State::read(connection)?.indexed.is_some() {
        run(connection, "DELETE FROM change_cursor WHERE consumer = 'search'", [])?;
        run(connection, END_REST, [])?;
    }
    Ok(())
}

impl Writer {
    /// Indexes one batch, and says whether everything up to this change (nothing = up to the last one) can be found.
    pub(super) fn index(&mut self, until: Option<i64>) -> Result<bool> {
        let state = State::read(&self.connection)?;
        if state.covers(until.unwrap_or(state.change)) {
            self.unindexed = 0;
            return Ok(true);
        }
        // What is lost in a power cut is indexed again.
        self.begin(false)?;
        let indexed = index_batch(&self.connection).and_then(|state| self.or_roll_back("COMMIT").map(|()| state));
        let state = indexed.inspect_err(|_| self.roll_back())?;
        self.unindexed = state.change - state.indexed.unwrap_or_default();
        Ok(state.covers(until.unwrap_or(state.change)))
    }

    /// Between two groups, when nobody waits.
    pub(super) fn index_if_far_behind(&mut self) {
        if self.unindexed < FAR_BEHIND || !self.settings.search {
            return;
        }
        if let Err(error) = self.index(None) {
            // Tried again after as many more; until then a search tries it.
            self.unindexed = 0;
            tracing::warn!(target: "tertulia::store", operation = "index", %error, "messages could not be indexed");
        }
    }
}

/// A message on its way into the index.
struct Unindexed {
    /// Where the batch has come with it.
    number: i64,
    pk: i64,
    scope: String,
    text: Option<String>,
}

fn unindexed(row: &Row<'_>) -> rusqlite::Result<Unindexed> {
    let (role, status) = (row.get::<_, Coded<Role>>(4)?.0, row.get::<_, Coded<MessageStatus>>(5)?.0);
    let mut text = None;
    if is_found(role, status) {
        let inline = row.get_ref(6)?;
        let json = if inline.as_blob().is_ok() { inline } else { row.get_ref(7)? };
        // A message that cannot be read keeps no other from being found.
        text = Content::decode(json.as_blob().unwrap_or_default()).ok().map(|parts| searchable(&parts));
    }
    let scope = [token('o', row.get(3)?), token('c', row.get(2)?)].join(" ");
    Ok(Unindexed { number: row.get(0)?, pk: row.get(1)?, scope, text })
}

/// Indexes what was written, or what was there before the index: a bounded piece of it.
fn index_batch(connection: &Connection) -> Result<State> {
    let mut state = State::read(connection)?;
    let Some(indexed) = state.indexed else {
        // From here on the feed is kept for us; what is older is gone through by its keys.
        run(connection, MOVE_ON, [state.change])?;
        run(connection, MOVE_REST, [0])?;
        return Ok(State { indexed: Some(state.change), rest: Some(0), ..state });
    };
    let until = indexed.saturating_add(CHANGES).min(state.change);
    let (sql, bounds) = match state.rest {
        Some(rest) => (OLDER, [rest, CHANGES]),
        None => (CHANGED, [indexed, until]),
    };
    let (mut batch, mut bytes, mut is_full) = (Vec::new(), 0, false);
    visit(connection, sql, bounds, |row| {
        let message = unindexed(row)?;
        bytes += message.text.as_ref().map_or(0, String::len);
        batch.push(message);
        is_full = bytes >= BATCH_BYTES;
        Ok(!is_full)
    })?;
    let mut seen = HashSet::new();
    for message in &batch {
        let Some(text) = message.text.as_ref().filter(|_| seen.insert(message.pk)) else { continue };
        let cut = cut(text);
        run(connection, KEEP_WORDS, params![message.pk, cut.words.folded(), cut.parts.folded(), message.scope])?;
    }
    let last = batch.last().map(|message| message.number);
    if state.rest.is_some() {
        let goes_on = is_full || i64::try_from(batch.len()).is_ok_and(|count| count >= CHANGES);
        state.rest = last.filter(|_| goes_on);
        match state.rest {
            Some(rest) => run(connection, MOVE_REST, [rest])?,
            None => run(connection, END_REST, [])?,
        };
    } else {
        let until = last.filter(|_| is_full).unwrap_or(until);
        run(connection, MOVE_ON, [until])?;
        state.indexed = Some(until);
    }
    Ok(state)
}
