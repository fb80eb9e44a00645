//! Reading a conversation with all its branches, page by page: down the first children as far as they go, then on with the
//! next message that stands beside the way. Two statements for each turn of the way, whatever stands on it.

use rusqlite::{Connection, params};

use super::conversations::BRANCH;
use super::failure::failed;
use super::read::{message_columns, walked};
use super::row::{first, optional, prepared};
use crate::base::{ConversationId, MessageId, Timestamp};
use crate::model::Result;
use crate::store::{TreeRow, TreeRows, refusal};

/// From a message down its first children. The row says besides which message stands above, whether that one goes on with
/// it, and where the branch that begins with it was left.
pub(super) const DOWN: &str = concat!(
    "WITH RECURSIVE way(pk) AS (
      SELECT ?1
      UNION ALL SELECT m.pk FROM way CROSS JOIN message m ON m.parent_pk = way.pk AND m.sibling_ix = 0 LIMIT ?2)
    SELECT ",
    message_columns!(),
    ", p.id, p.child_count, p.selected_child_pk IS m.pk, h.id, m.pk FROM way CROSS JOIN message m ON m.pk = way.pk
      CROSS JOIN message p ON p.pk = m.parent_pk LEFT JOIN message h ON h.pk = m.left_pk AND h.conv_pk = m.conv_pk
      LEFT JOIN blob_inline b ON b.hash = m.content_hash"
);

/// The first message below.
pub(super) const FIRST: &str = "SELECT pk FROM message WHERE parent_pk = ? AND sibling_ix = 0";

/// The next message beside this one, or beside the lowest above it that has one.
pub(super) const NEXT: &str = "WITH RECURSIVE way(pk, parent_pk, ix) AS (
      SELECT pk, parent_pk, sibling_ix FROM message WHERE pk = ?1
      UNION ALL SELECT m.pk, m.parent_pk, m.sibling_ix FROM way CROSS JOIN message m ON m.pk = way.parent_pk)
    SELECT m.pk FROM way CROSS JOIN message m ON m.parent_pk = way.parent_pk AND m.sibling_ix = way.ix + 1 LIMIT 1";

const KNOWN: &str = "SELECT 1 FROM message WHERE id = ? AND conv_pk = ?";

fn conversation(connection: &Connection, owner: &str, id: ConversationId, now: Timestamp) -> Result<Option<i64>> {
    first(connection, BRANCH, params![owner, id.as_bytes(), now.as_millis()], |row| row.get(0))
}

pub(super) fn tree(
    connection: &Connection,
    owner: &str,
    id: ConversationId,
    (after, limit): (Option<MessageId>, usize),
    now: Timestamp,
) -> Result<Option<TreeRows>> {
    let Some(conv_pk) = conversation(connection, owner, id, now)? else { return Ok(None) };
    let key = |row: &rusqlite::Row<'_>| row.get::<_, i64>(0);
    let last = match after {
        Some(after) => {
            let sql = "SELECT pk FROM message WHERE id = ? AND conv_pk = ?";
            first(connection, sql, params![after.as_bytes(), conv_pk], key)?
        }
        None => first(connection, "SELECT root_pk FROM conversation WHERE pk = ?", [conv_pk], key)?,
    };
    let last = last.ok_or_else(refusal::no_message)?;
    let mut next = match first(connection, FIRST, [last], key)? {
        Some(below) => Some(below),
        None => first(connection, NEXT, [last], key)?,
    };
    let mut items = Vec::new();
    while let Some(from) = next.filter(|_| items.len() < limit) {
        let last = down(connection, id, from, limit - items.len(), &mut items)?;
        next = if items.len() < limit { first(connection, NEXT, [last], key)? } else { Some(last) };
    }
    Ok(Some(TreeRows { items, reached_end: next.is_none() }))
}

/// Adds these messages; gives the key of the last.
fn down(connection: &Connection, id: ConversationId, from: i64, limit: usize, items: &mut Vec<TreeRow>) -> Result<i64> {
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement = prepared(connection, DOWN).map_err(failed)?;
    let mut rows = statement.query([from, limit]).map_err(failed)?;
    let (mut last, mut one) = (from, Vec::with_capacity(1));
    while let Some(row) = rows.next().map_err(failed)? {
        walked(row, id, &mut one)?;
        let Some(mut message) = one.pop() else { continue };
        let mut read = || {
            message.parent_id = optional(row, 16, MessageId::from_bytes)?;
            message.sibling_count = row.get(17)?;
            last = row.get(20)?;
            Ok((row.get(18)?, optional(row, 19, MessageId::from_bytes)?))
        };
        let (selected, left) = read().map_err(failed)?;
        items.push(TreeRow { message, selected, left });
    }
    Ok(last)
}

pub(super) fn known(
    connection: &Connection,
    owner: &str,
    id: ConversationId,
    ids: Vec<MessageId>,
    now: Timestamp,
) -> Result<Vec<MessageId>> {
    let Some(conv_pk) = conversation(connection, owner, id, now)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for id in ids {
        if first(connection, KNOWN, params![id.as_bytes(), conv_pk], |_| Ok(()))?.is_some() {
            found.push(id);
        }
    }
    Ok(found)
}
