//! Reading summaries.

use rusqlite::{Connection, Row, params};

use super::conversations::BRANCH;
use super::read::ANCESTOR;
use super::row::{all, first, id, time};
use crate::base::{ConversationId, MessageId, Timestamp};
use crate::model::Result;
use crate::store::{StoredSummary, SummaryPlace};

/// The summaries of a conversation from a depth upwards; there are few.
pub(super) const SUMMARIES: &str =
    "SELECT message_pk, depth FROM summary WHERE conv_pk = ?1 AND depth <= ?2 ORDER BY depth DESC";

pub(super) const SUMMARY: &str = "SELECT m.id, s.depth, s.model, s.created_at, s.text
    FROM summary s CROSS JOIN message m ON m.pk = s.message_pk WHERE s.message_pk = ?";

pub(super) fn summary(
    connection: &Connection,
    owner: &str,
    conversation: ConversationId,
    before: Option<MessageId>,
    now: Timestamp,
) -> Result<Option<SummaryPlace>> {
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?, row.get(2)?, row.get(3)?));
    let found = first(connection, BRANCH, params![owner, conversation.as_bytes(), now.as_millis()], read)?;
    let Some((conv_pk, head_pk, head_depth, version)) = found else { return Ok(None) };
    let (last, depth, deepest) = match before {
        None => (head_pk, head_depth, head_depth),
        Some(before) => {
            let sql = "SELECT parent_pk, depth FROM message WHERE id = ? AND conv_pk = ?";
            let place = params![before.as_bytes(), conv_pk];
            let found = first(connection, sql, place, |row| Ok((row.get(0)?, row.get::<_, i32>(1)?)))?;
            let Some((parent, depth)) = found else { return Ok(None) };
            (Some(parent), depth, depth - 1)
        }
    };
    let mut place = SummaryPlace { version, depth, newest: None };
    let Some(last) = last else { return Ok(Some(place)) };
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i32>(1)?));
    for (pk, depth) in all(connection, SUMMARIES, params![conv_pk, deepest], read)? {
        let on_branch: Option<i64> = first(connection, ANCESTOR, params![last, depth], |row| row.get(0))?;
        if on_branch == Some(pk) {
            place.newest = first(connection, SUMMARY, [pk], |row| {
                Ok(StoredSummary {
                    upto: id(row, 0, MessageId::from_bytes)?,
                    depth: row.get(1)?,
                    model: row.get(2)?,
                    created_at: time(row, 3)?,
                    text: row.get(4)?,
                })
            })?;
            break;
        }
    }
    Ok(Some(place))
}
