//! Reading what stands beside the branch that is shown.

use rusqlite::{Connection, Row, params};

use super::conversations::BRANCH;
use super::read::{message_columns, walked};
use super::row::{Coded, all, first, visit};
use crate::base::{ConversationId, MessageId, Timestamp};
use crate::model::{Branch, MessageStatus, Result, text_of};
use crate::store::content::preview;
use crate::store::span::Span;
use crate::store::{BranchQuery, BranchRows, Content, MessageRows, SiblingAnchor, refusal};

/// The first messages that the ways to two messages of one depth have not in common. What is of one depth jumps to one
/// depth.
pub(super) const DIVERGENCE: &str = "WITH RECURSIVE pair(a, b) AS (
      SELECT ?1, ?2
      UNION ALL SELECT iif(x.jump_pk <> y.jump_pk, x.jump_pk, x.parent_pk), iif(x.jump_pk <> y.jump_pk, y.jump_pk, y.parent_pk)
        FROM pair CROSS JOIN message x ON x.pk = pair.a CROSS JOIN message y ON y.pk = pair.b
        WHERE x.parent_pk <> y.parent_pk)
    SELECT x.pk, y.pk FROM pair CROSS JOIN message x ON x.pk = pair.a CROSS JOIN message y ON y.pk = pair.b
    WHERE x.parent_pk = y.parent_pk";

/// Where the selected children lead.
pub(super) const END: &str = "WITH RECURSIVE way(pk, next) AS (
      SELECT pk, selected_child_pk FROM message WHERE pk = ?1
      UNION ALL SELECT m.pk, m.selected_child_pk FROM way CROSS JOIN message m ON m.pk = way.next)
    SELECT pk FROM way WHERE next IS NULL";

pub(super) const SIBLINGS: &str = concat!(
    "SELECT ",
    message_columns!(),
    " FROM message m LEFT JOIN blob_inline b ON b.hash = m.content_hash
      WHERE m.parent_pk = ?1 AND m.sibling_ix BETWEEN ?2 AND ?3 ORDER BY m.sibling_ix"
);

macro_rules! leaves {
    ($condition_and_order:literal) => {
        concat!(
            "SELECT m.pk, m.id, m.depth, m.role, m.status, m.created_at, m.content, b.data
             FROM message m LEFT JOIN blob_inline b ON b.hash = m.content_hash
             WHERE m.conv_pk = ?1 AND m.child_count = 0 AND m.id IS NOT NULL AND ",
            $condition_and_order,
            " LIMIT ?3"
        )
    };
}
pub(super) const OLDER_LEAVES: &str = leaves!("m.pk < ?2 ORDER BY m.pk DESC");
pub(super) const NEWER_LEAVES: &str = leaves!("m.pk > ?2 ORDER BY m.pk");

/// The newest and the oldest end of a branch.
pub(super) const LEAF_EDGES: &str =
    "SELECT (SELECT max(pk) FROM message WHERE conv_pk = ?1 AND child_count = 0 AND id IS NOT NULL),
    (SELECT min(pk) FROM message WHERE conv_pk = ?1 AND child_count = 0 AND id IS NOT NULL)";

/// A conversation's key, its head, its version.
fn conversation(
    connection: &Connection,
    owner: &str,
    id: ConversationId,
    now: Timestamp,
) -> Result<Option<(i64, Option<i64>, i64)>> {
    first(connection, BRANCH, params![owner, id.as_bytes(), now.as_millis()], |row| {
        Ok((row.get(0)?, row.get(1)?, row.get(3)?))
    })
}

pub(super) fn siblings(
    connection: &Connection,
    owner: &str,
    id: ConversationId,
    anchor: SiblingAnchor,
    limit: usize,
    now: Timestamp,
) -> Result<Option<MessageRows>> {
    let Some((conv_pk, _, version)) = conversation(connection, owner, id, now)? else { return Ok(None) };
    let (SiblingAnchor::Around(of) | SiblingAnchor::Before(of) | SiblingAnchor::After(of)) = anchor;
    let sql = "SELECT m.sibling_ix, p.pk, p.id, p.child_count FROM message m JOIN message p ON p.pk = m.parent_pk
               WHERE m.id = ? AND m.conv_pk = ?";
    let read = |row: &Row<'_>| {
        let parent = row.get::<_, Option<[u8; 16]>>(2)?.map(MessageId::from_bytes);
        Ok((row.get::<_, i32>(0)?, row.get::<_, i64>(1)?, parent, row.get::<_, i32>(3)?))
    };
    let (index, parent_pk, parent, count) =
        first(connection, sql, params![of.as_bytes(), conv_pk], read)?.ok_or_else(refusal::no_message)?;
    let span = Span::of_siblings(anchor, index, count, limit);
    let mut items = Vec::with_capacity(span.len());
    let mut failed = Ok(());
    visit(connection, SIBLINGS, params![parent_pk, span.first - 1, span.last - 1], |row| {
        failed = walked(row, id, &mut items);
        Ok(failed.is_ok())
    })?;
    failed?;
    for item in &mut items {
        (item.parent_id, item.sibling_count) = (parent, count);
    }
    Ok(Some(MessageRows { items, reached_start: span.reached_start, reached_end: span.reached_end, version }))
}

pub(super) fn branches(
    connection: &Connection,
    owner: &str,
    id: ConversationId,
    query: BranchQuery,
    now: Timestamp,
) -> Result<Option<BranchRows>> {
    let Some((conv_pk, head_pk, version)) = conversation(connection, owner, id, now)? else { return Ok(None) };
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let place = |of: Option<MessageId>| {
        let sql = "SELECT pk FROM message WHERE id = ? AND conv_pk = ?";
        of.map(|of| {
            first(connection, sql, params![of.as_bytes(), conv_pk], |row| row.get::<_, i64>(0))?
                .ok_or_else(refusal::bad_cursor)
        })
        .transpose()
    };
    let (before, after) = (place(query.before)?, place(query.after)?);
    let read = |row: &Row<'_>| {
        let status: MessageStatus = row.get::<_, Coded<_>>(4)?.0;
        let inline = row.get_ref(6)?;
        let json = if inline.as_blob().is_ok() { inline } else { row.get_ref(7)? };
        let words = match status {
            MessageStatus::Streaming => Ok(None),
            _ => Content::decode(json.as_blob().unwrap_or_default()).map(|parts| Some(preview(&text_of(&parts)))),
        };
        let pk = row.get(0)?;
        let branch = Branch {
            head_id: MessageId::from_bytes(row.get(1)?),
            depth: row.get(2)?,
            last_role: row.get::<_, Coded<_>>(3)?.0,
            last_preview: None,
            created_at: Timestamp::from_millis(row.get(5)?),
            is_current: head_pk == Some(pk),
        };
        Ok((pk, branch, words))
    };
    let mut found = match (before, after) {
        (None, Some(after)) => all(connection, NEWER_LEAVES, [conv_pk, after, limit], read)?,
        (before, _) => all(connection, OLDER_LEAVES, [conv_pk, before.unwrap_or(i64::MAX), limit], read)?,
    };
    if before.is_none() && after.is_some() {
        found.reverse();
    }
    let (newest, oldest) = match (found.first(), found.last()) {
        (Some((newest, ..)), Some((oldest, ..))) => (*newest, *oldest),
        _ => match (before, after) {
            (None, Some(after)) => (after, after.saturating_add(1)),
            (Some(before), _) => (before.saturating_sub(1), before),
            (None, None) => (i64::MAX, i64::MIN),
        },
    };
    let edges: Option<(Option<i64>, Option<i64>)> =
        first(connection, LEAF_EDGES, [conv_pk], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let (last, earliest) = edges.unwrap_or_default();
    let mut items = Vec::with_capacity(found.len());
    for (_, mut branch, words) in found {
        branch.last_preview = words?.filter(|words| !words.is_empty());
        items.push(branch);
    }
    Ok(Some(BranchRows {
        items,
        reached_start: last.is_none_or(|last| last <= newest),
        reached_end: earliest.is_none_or(|earliest| earliest >= oldest),
        version,
    }))
}
