//! Reading conversations: one by its id, and the list of an owner; and what the owner prefers.

use rusqlite::{Connection, Row, params};

use super::row::{Coded, Json, all, first, id, map, optional, time};
use crate::base::{ConversationId, MessageId, Timestamp};
use crate::model::{ConversationSummary, Preferences, Result};
use crate::store::{ConversationRows, ListQuery};

/// True of a conversation `c` that is there at the moment `$now`.
macro_rules! there {
    ($now:literal) => {
        concat!("(c.expires_at IS NULL OR c.expires_at > ", $now, ")")
    };
}

/// A conversation `c` of an owner, by its id.
macro_rules! conversation {
    ($columns:expr) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM owner o CROSS JOIN conversation c WHERE o.ext_id = ?1 AND c.owner_pk = o.pk AND c.id = ?2 AND ",
            there!("?3")
        )
    };
}

/// What `conversation_row` reads of a conversation `c`.
macro_rules! conversation_columns {
    () => {
        "c.activity_seq, c.id, c.title, c.system, c.model, c.metadata, c.message_count, c.last_preview, c.last_role,
         c.head_id, c.input_tokens, c.output_tokens, c.cost_nano_usd, c.created_at, c.updated_at, c.version, c.head_depth,
         c.is_pinned, c.is_archived, c.expires_at, c.tags"
    };
}

pub(super) const CONVERSATION: &str = conversation!(concat!(conversation_columns!(), ", c.pk, c.head_pk"));

/// The same as far as a page of its messages needs it.
pub(super) const BRANCH: &str = conversation!("c.pk, c.head_pk, c.head_depth, c.version");

macro_rules! list {
    ($from:literal, $of:literal, $condition:literal, $order:literal) => {
        concat!(
            "SELECT ",
            conversation_columns!(),
            " FROM ",
            $from,
            $of,
            ".is_archived = ?2 AND ",
            $of,
            ".is_pinned = ?3 AND ",
            $of,
            $condition,
            " AND ",
            there!("?5"),
            " ORDER BY ",
            $of,
            $order,
            " LIMIT ?6"
        )
    };
}
macro_rules! all_of {
    ($condition:literal, $order:literal) => {
        list!("conversation c WHERE c.owner_pk = ?1 AND ", "c", $condition, $order)
    };
}
macro_rules! tagged {
    ($condition:literal, $order:literal) => {
        list!(
            "conversation_tag t CROSS JOIN conversation c ON c.pk = t.conv_pk WHERE t.owner_pk = ?1 AND t.tag = ?7 AND ",
            "t",
            $condition,
            $order
        )
    };
}
pub(super) const OLDER: &str = all_of!(".activity_seq < ?4", ".activity_seq DESC");
pub(super) const NEWER: &str = all_of!(".activity_seq > ?4", ".activity_seq");
pub(super) const OLDER_TAGGED: &str = tagged!(".activity_seq < ?4", ".activity_seq DESC");
pub(super) const NEWER_TAGGED: &str = tagged!(".activity_seq > ?4", ".activity_seq");

macro_rules! latest {
    ($archived:literal, $pinned:literal) => {
        concat!(
            "ifnull((SELECT max(activity_seq) FROM conversation WHERE owner_pk = o.pk AND is_archived = ",
            $archived,
            " AND is_pinned = ",
            $pinned,
            "), 0)"
        )
    };
}
/// An owner's key, the version of his list, and whether something of it is gone since without a change.
pub(super) const LIST: &str = concat!(
    "SELECT o.pk, max(o.list_seq, ",
    latest!(0, 0),
    ", ",
    latest!(0, 1),
    ", ",
    latest!(1, 0),
    ", ",
    latest!(1, 1),
    "), EXISTS(SELECT 1 FROM conversation WHERE owner_pk = o.pk AND expires_at <= ?2) FROM owner o WHERE o.ext_id = ?1"
);

/// Conversations whose time is up, and whose they are.
pub(super) const EXPIRED: &str = "SELECT o.ext_id, c.id FROM conversation c CROSS JOIN owner o ON o.pk = c.owner_pk
    WHERE c.expires_at <= ?1 AND c.expires_at > -9223372036854775808 ORDER BY c.expires_at LIMIT ?2";

pub(super) fn conversation_row(row: &Row<'_>) -> rusqlite::Result<(i64, ConversationSummary)> {
    let shown = ConversationSummary {
        id: id(row, 1, ConversationId::from_bytes)?,
        title: row.get(2)?,
        system: row.get(3)?,
        model: row.get(4)?,
        metadata: map(row, 5)?,
        message_count: row.get(6)?,
        last_preview: row.get(7)?,
        last_role: optional(row, 8, |Coded(role)| role)?,
        head_id: optional(row, 9, MessageId::from_bytes)?,
        input_tokens: row.get(10)?,
        output_tokens: row.get(11)?,
        cost_nano_usd: row.get(12)?,
        created_at: time(row, 13)?,
        updated_at: time(row, 14)?,
        version: row.get(15)?,
        depth: row.get(16)?,
        pinned: row.get(17)?,
        archived: row.get(18)?,
        expires_at: optional(row, 19, Timestamp::from_millis)?,
        tags: optional(row, 20, |Json(tags)| tags)?.unwrap_or_default(),
    };
    Ok((row.get(0)?, shown))
}

pub(super) fn conversation(
    connection: &Connection,
    owner: &str,
    id: ConversationId,
    now: Timestamp,
) -> Result<Option<ConversationSummary>> {
    let row = first(connection, CONVERSATION, params![owner, id.as_bytes(), now.as_millis()], conversation_row)?;
    Ok(row.map(|(_, shown)| shown))
}

pub(super) fn conversations(
    connection: &Connection,
    owner: &str,
    query: &ListQuery,
    now: Timestamp,
) -> Result<ConversationRows> {
    let now = now.as_millis();
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get::<_, bool>(2)?));
    let Some((owner_pk, version, is_short)) = first(connection, LIST, params![owner, now], read)? else {
        return Ok(ConversationRows::new(Vec::new(), query, 0));
    };
    if query.unchanged_since == Some(version) && !is_short {
        return Ok(ConversationRows::unchanged(version));
    }
    // One more than is asked for tells whether there are more.
    let limit = query.limit.saturating_add(1);
    let shelf = |sql: &'static str, tagged: &'static str, pinned: bool, from: i64, limit: usize| {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        match &query.tag {
            None => all(connection, sql, params![owner_pk, query.archived, pinned, from, now, limit], conversation_row),
            Some(tag) => {
                let params = params![owner_pk, query.archived, pinned, from, now, limit, tag];
                all(connection, tagged, params, conversation_row)
            }
        }
    };
    let mut items = Vec::new();
    for pinned in [true, false].into_iter().filter(|pinned| query.pinned.is_none_or(|only| only == *pinned)) {
        if let Some(after) = query.after {
            items.extend(shelf(NEWER, NEWER_TAGGED, pinned, after, limit)?);
            continue;
        }
        let from = match query.before {
            Some((false, _)) if pinned => continue,
            Some((of, activity)) if of == pinned => activity,
            _ => i64::MAX,
        };
        if items.len() < limit {
            items.extend(shelf(OLDER, OLDER_TAGGED, pinned, from, limit - items.len())?);
        }
    }
    if query.after.is_some() {
        items.sort_unstable_by_key(|(activity, _)| *activity);
    }
    Ok(ConversationRows::new(items, query, version))
}

/// What an owner prefers.
pub(super) const PREFERENCES: &str = "SELECT preferences FROM owner WHERE ext_id = ?";

pub(super) fn preferences(connection: &Connection, owner: &str) -> Result<Preferences> {
    let found = first(connection, PREFERENCES, [owner], |row| optional(row, 0, |Json(preferences)| preferences))?;
    Ok(found.flatten().unwrap_or_default())
}

pub(super) fn expired(connection: &Connection, now: Timestamp, limit: usize) -> Result<Vec<(String, ConversationId)>> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let read = |row: &Row<'_>| Ok((row.get(0)?, id(row, 1, ConversationId::from_bytes)?));
    all(connection, EXPIRED, [now.as_millis(), limit], read)
}
