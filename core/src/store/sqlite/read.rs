//! Reading: one statement for each page, whatever stands on it.

use bytes::Bytes;
use rusqlite::{Connection, Row, params};

use super::conversations::{BRANCH, CONVERSATION, conversation_row};
use super::failure::failed;
use super::row::{Coded, Json, all, first, id, json, map, optional, prepared, time, visit};
use crate::base::{AttachmentId, ConversationId, MessageId, Timestamp, TurnId};
use crate::model::{ConversationSummary, Detail, Message, Part, Result, Role, Turn, text_of};
use crate::store::codes::Code as _;
use crate::store::content::{preview, show};
use crate::store::span::{MAX_OF_TURNS, Span};
use crate::store::{
    Anchor, Attachment, Content, Due, DueRows, MAX_COUNTED, MessageRows, PageQuery, PageSize, QueueEntry, QueueQuery,
    QueueRow, TurnRecord, refusal,
};

/// What `walked` reads of a message `m` and its blob `b`.
macro_rules! message_columns {
    () => {
        "m.depth, m.child_count, m.id, m.turn_id, m.role, m.status, m.created_at, m.model, m.finish_reason, m.usage, m.cost,
         m.sibling_ix, m.metadata, m.change_seq, m.content, b.data"
    };
}
pub(super) use message_columns;

/// The same without what only a whole message says; `$words` is where its content is read from.
macro_rules! place_columns {
    ($words:literal) => {
        concat!(
            "m.depth, m.child_count, m.id, m.turn_id, m.role, m.status, m.created_at, NULL, NULL, NULL, NULL,
             m.sibling_ix, NULL, m.change_seq, ",
            $words
        )
    };
}

/// From a message towards the beginning: these columns of each.
macro_rules! upwards {
    ($columns:expr, $blob:literal) => {
        concat!(
            "WITH RECURSIVE walk(pk) AS (
              SELECT ?1 UNION ALL SELECT m.parent_pk FROM walk CROSS JOIN message m ON m.pk = walk.pk LIMIT ?2)
            SELECT ",
            $columns,
            " FROM walk CROSS JOIN message m ON m.pk = walk.pk",
            $blob
        )
    };
}

/// From a message towards the beginning. The last row only tells how many siblings the one before it has.
pub(super) const WALK: &str = upwards!(message_columns!(), " LEFT JOIN blob_inline b ON b.hash = m.content_hash");

/// The same with nothing but the words.
pub(super) const WALK_WORDS: &str =
    upwards!(place_columns!("m.content, b.data"), " LEFT JOIN blob_inline b ON b.hash = m.content_hash");

/// The same without the words; `[]` stands in their place.
pub(super) const WALK_PLACES: &str = upwards!(place_columns!("x'5b5d', NULL"), "");

/// The same: who speaks.
pub(super) const WALK_ROLES: &str = upwards!("m.pk, m.role", "");

/// The ancestor of a message at a depth, in a logarithmic number of steps.
pub(super) const ANCESTOR: &str = "WITH RECURSIVE way(pk, parent_pk, jump_pk, jump_depth, depth) AS (
      SELECT pk, parent_pk, jump_pk, jump_depth, depth FROM message WHERE pk = ?1
      UNION ALL SELECT m.pk, m.parent_pk, m.jump_pk, m.jump_depth, m.depth FROM way CROSS JOIN message m
        ON m.pk = iif(way.jump_depth >= ?2, way.jump_pk, way.parent_pk) WHERE way.depth > ?2)
    SELECT pk FROM way WHERE depth = ?2";

macro_rules! turns {
    ($more:literal, $from:expr) => {
        concat!(
            "SELECT o.ext_id, c.id, t.id, t.state, t.attempt, t.message_id, r.pk, t.reply_id, t.last_seq, t.not_before,
             t.expires_at, t.error, t.epoch, t.model, t.client_id, t.body_hash, t.created_at, t.options, q.turn_pk,
             q.not_before, q.not_before_at_all, q.expires_at, q.crashes",
            $more,
            " FROM ",
            $from
        )
    };
}
pub(super) const TURN: &str = turns!(
    "",
    "turn t CROSS JOIN conversation c ON c.pk = t.conv_pk CROSS JOIN owner o ON o.pk = c.owner_pk
     LEFT JOIN message r ON r.id = t.reply_id AND r.conv_pk = t.conv_pk LEFT JOIN send_queue q ON q.turn_pk = t.pk
     WHERE t.id = ?1 AND (c.expires_at IS NULL OR c.expires_at > ?2)"
);

/// How many turns wait.
pub(super) const WAITING: &str =
    "SELECT count(*) FROM (SELECT 1 FROM send_queue WHERE not_before > -9223372036854775808 LIMIT ?)";

macro_rules! due {
    ($condition:literal) => {
        turns!(
            "",
            concat!(
                "send_queue q CROSS JOIN turn t ON t.pk = q.turn_pk CROSS JOIN conversation c ON c.pk = q.conv_pk
                 CROSS JOIN owner o ON o.pk = q.owner_pk
                 LEFT JOIN message r ON r.id = t.reply_id AND r.conv_pk = t.conv_pk WHERE ",
                $condition,
                " AND (c.expires_at IS NULL OR c.expires_at > ?1)
                 AND NOT EXISTS (SELECT 1 FROM send_queue e CROSS JOIN turn b ON b.pk = e.turn_pk
                 WHERE e.conv_pk = q.conv_pk AND e.enqueued_seq < q.enqueued_seq AND b.state >= 1 AND b.state <= 4)
                 ORDER BY q.not_before LIMIT ?2"
            )
        )
    };
}
/// The first waiting turn of each conversation, when its moment has come.
pub(super) const DUE: &str = due!("q.not_before <= ?1 AND instr(?3, json_quote(t.model)) = 0");
/// The same whatever its moment, as soon as the provider lets it.
pub(super) const EAGER: &str = due!(
    "q.not_before > -9223372036854775808 AND (q.not_before_at_all IS NULL OR q.not_before_at_all <= ?1) AND (?3 IS NULL OR t.model = ?3)"
);
pub(super) const NEXT_DUE: &str = "SELECT min(not_before) FROM send_queue WHERE not_before > ?1";

macro_rules! queue {
    ($from:literal, $condition:literal) => {
        turns!(
            ", m.content, b.data",
            concat!(
                $from,
                " CROSS JOIN turn t ON t.pk = q.turn_pk CROSS JOIN message m ON m.id = t.message_id
                 LEFT JOIN blob_inline b ON b.hash = m.content_hash
                 LEFT JOIN message r ON r.id = t.reply_id AND r.conv_pk = t.conv_pk
                 WHERE o.ext_id = ?1 AND (NOT ?3 OR t.state <> 7) AND (c.expires_at IS NULL OR c.expires_at > ?4)",
                $condition,
                " ORDER BY q.enqueued_seq LIMIT ?2"
            )
        )
    };
}
pub(super) const QUEUE: &str =
    queue!("owner o CROSS JOIN send_queue q ON q.owner_pk = o.pk CROSS JOIN conversation c ON c.pk = q.conv_pk", "");
pub(super) const QUEUE_OF: &str = queue!(
    "owner o CROSS JOIN conversation c ON c.owner_pk = o.pk CROSS JOIN send_queue q ON q.conv_pk = c.pk",
    " AND c.id = ?5"
);

/// Adds the message of a row, which lacks what the row of its parent says. Nothing for the root, which is none.
pub(super) fn walked(row: &Row<'_>, conversation: ConversationId, items: &mut Vec<Message>) -> Result<()> {
    let depth = row.get(0).map_err(failed)?;
    if depth == 0 {
        return Ok(());
    }
    let content =
        row.get_ref(14).and_then(|inline| if inline.as_blob().is_ok() { Ok(inline) } else { row.get_ref(15) });
    let parts = Content::decode(content.map_err(failed)?.as_blob().unwrap_or_default())?;
    // Put where it stays at once: it is large, and all that hands it on would move it.
    let read = || {
        items.push(Message {
            id: id(row, 2, MessageId::from_bytes)?,
            conversation_id: conversation,
            turn_id: optional(row, 3, TurnId::from_bytes)?,
            parent_id: None,
            role: row.get::<_, Coded<_>>(4)?.0,
            parts,
            status: row.get::<_, Coded<_>>(5)?.0,
            created_at: time(row, 6)?,
            model: row.get(7)?,
            finish_reason: optional(row, 8, |Coded(reason)| reason)?,
            usage: optional(row, 9, |Json(usage)| usage)?,
            cost: optional(row, 10, |Json(cost)| cost)?,
            depth,
            sibling_index: row.get(11)?,
            sibling_count: 1,
            metadata: map(row, 12)?,
            version: row.get(13)?,
        });
        Ok(())
    };
    read().map_err(failed)
}

/// So many messages, the last one being this, in reading order.
fn walk(
    connection: &Connection,
    conversation: ConversationId,
    from: i64,
    count: usize,
    detail: Detail,
) -> Result<Vec<Message>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    let limit = i64::try_from(count).unwrap_or(i64::MAX).saturating_add(1);
    let sql = match detail {
        Detail::Ids => WALK_PLACES,
        Detail::Previews => WALK_WORDS,
        Detail::Full => WALK,
    };
    let mut statement = prepared(connection, sql).map_err(failed)?;
    let mut rows = statement.query([from, limit]).map_err(failed)?;
    let mut items: Vec<Message> = Vec::with_capacity(count);
    while let Some(row) = rows.next().map_err(failed)? {
        if let Some(message) = items.last_mut() {
            message.parent_id = optional(row, 2, MessageId::from_bytes).map_err(failed)?;
            message.sibling_count = row.get(1).map_err(failed)?;
            show(message, detail);
        }
        if items.len() < count {
            walked(row, conversation, &mut items)?;
        }
    }
    items.reverse();
    Ok(items)
}

fn ancestor(connection: &Connection, from: i64, depth: i32) -> Result<Option<i64>> {
    first(connection, ANCESTOR, params![from, depth], |row| row.get(0))
}

/// Where the branch of a page ends, and of which version that is true.
struct End {
    conv_pk: i64,
    head_pk: Option<i64>,
    head_depth: i32,
    version: i64,
}

impl End {
    /// From these columns, in the order of the fields.
    fn read(row: &Row<'_>, [conv_pk, head_pk, head_depth, version]: [usize; 4]) -> rusqlite::Result<Self> {
        let (conv_pk, head_pk) = (row.get(conv_pk)?, row.get(head_pk)?);
        Ok(Self { conv_pk, head_pk, head_depth: row.get(head_depth)?, version: row.get(version)? })
    }
}

pub(super) fn page(
    connection: &Connection,
    owner: &str,
    id: ConversationId,
    query: &PageQuery,
    now: Timestamp,
) -> Result<Option<MessageRows>> {
    let end =
        first(connection, BRANCH, params![owner, id.as_bytes(), now.as_millis()], |row| End::read(row, [0, 1, 2, 3]))?;
    end.map(|end| page_of(connection, id, end, query)).transpose()
}

pub(super) fn open(
    connection: &Connection,
    owner: &str,
    id: ConversationId,
    query: &PageQuery,
    now: Timestamp,
) -> Result<Option<(ConversationSummary, MessageRows)>> {
    let found = first(connection, CONVERSATION, params![owner, id.as_bytes(), now.as_millis()], |row| {
        Ok((conversation_row(row)?.1, End::read(row, [21, 22, 16, 15])?))
    })?;
    found.map(|(row, end)| Ok((row, page_of(connection, id, end, query)?))).transpose()
}

fn page_of(connection: &Connection, id: ConversationId, end: End, query: &PageQuery) -> Result<MessageRows> {
    let End { conv_pk, mut head_pk, mut head_depth, version } = end;
    if query.unchanged_since == Some(version) {
        return Ok(MessageRows { items: Vec::new(), reached_start: false, reached_end: false, version });
    }
    if let Some(last) = query.upto {
        let sql = "SELECT pk, depth FROM message WHERE id = ? AND conv_pk = ?";
        let found = first(connection, sql, params![last.as_bytes(), conv_pk], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (pk, depth) = found.ok_or_else(refusal::no_message)?;
        (head_pk, head_depth) = (Some(pk), depth);
    }
    let anchor = query.anchor;
    let mut anchored = None;
    let mut from = None;
    if let Anchor::Before(x) | Anchor::After(x) | Anchor::Around(x) = anchor {
        let sql = "SELECT pk, parent_pk, depth FROM message WHERE id = ? AND conv_pk = ?";
        let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?, row.get::<_, i32>(2)?));
        let (pk, parent_pk, depth) =
            first(connection, sql, params![x.as_bytes(), conv_pk], read)?.ok_or_else(refusal::bad_cursor)?;
        anchored = Some((pk, depth));
        from = parent_pk;
    }
    let depth = anchored.map_or(0, |(_, depth)| depth);
    let (PageSize::Messages(longest) | PageSize::Turns(longest)) = query.size;
    let is_of_turns = matches!(query.size, PageSize::Turns(_));
    let mut span = Span::of(anchor, depth, head_depth, if is_of_turns { MAX_OF_TURNS } else { longest });
    if !matches!(anchor, Anchor::Before(_)) {
        from = match head_pk {
            Some(head_pk) if span.last < head_depth && span.len() > 0 => ancestor(connection, head_pk, span.last)?,
            head_pk => head_pk,
        };
        if let Some((pk, depth)) = anchored {
            // The end of the page is nearer to it than the end of the branch.
            let on_branch = from.map(|from| ancestor(connection, from, depth)).transpose()?.flatten();
            if on_branch != Some(pk) {
                return Err(refusal::bad_cursor());
            }
        }
    }
    if is_of_turns && let Some(last) = from {
        let (begins, keys) = beginnings(connection, last, span.len())?;
        let turns = span.of_turns(anchor, depth, head_depth, &begins, longest);
        from = usize::try_from(span.last - turns.last).ok().and_then(|above| keys.get(above).copied());
        span = turns;
    }
    let items = match from {
        Some(from) => walk(connection, id, from, span.len(), query.detail)?,
        None => Vec::new(),
    };
    Ok(MessageRows { items, reached_start: span.reached_start, reached_end: span.reached_end, version })
}

/// Of so many messages, the last one being this: with which of them, in reading order, a turn begins; and their keys, the
/// last one first.
fn beginnings(connection: &Connection, last: i64, count: usize) -> Result<(Vec<bool>, Vec<i64>)> {
    let (mut begins, mut keys) = (Vec::with_capacity(count), Vec::with_capacity(count));
    if count > 0 {
        visit(connection, WALK_ROLES, [last, i64::try_from(count).unwrap_or(i64::MAX)], |row| {
            keys.push(row.get(0)?);
            begins.push(Role::from_code(row.get(1)?) == Some(Role::User));
            Ok(true)
        })?;
    }
    begins.reverse();
    Ok((begins, keys))
}

pub(super) fn message(connection: &Connection, owner: &str, id: MessageId, now: Timestamp) -> Result<Option<Message>> {
    let found = first(
        connection,
        "SELECT m.pk, c.id FROM message m JOIN conversation c ON c.pk = m.conv_pk JOIN owner o ON o.pk = c.owner_pk
         WHERE m.id = ? AND o.ext_id = ? AND (c.expires_at IS NULL OR c.expires_at > ?)",
        params![id.as_bytes(), owner, now.as_millis()],
        |row| Ok((row.get::<_, i64>(0)?, ConversationId::from_bytes(row.get(1)?))),
    )?;
    let Some((pk, conversation)) = found else { return Ok(None) };
    Ok(walk(connection, conversation, pk, 1, Detail::Full)?.pop())
}

fn turn_row(row: &Row<'_>) -> rusqlite::Result<TurnRecord> {
    let reply = id(row, 7, MessageId::from_bytes)?;
    Ok(TurnRecord {
        owner: row.get(0)?,
        conversation_id: id(row, 1, ConversationId::from_bytes)?,
        turn: Turn {
            id: id(row, 2, TurnId::from_bytes)?,
            state: row.get::<_, Coded<_>>(3)?.0,
            attempt: row.get(4)?,
            message_id: id(row, 5, MessageId::from_bytes)?,
            reply_id: optional(row, 6, |_: i64| reply)?,
            last_seq: row.get(8)?,
            not_before: optional(row, 9, Timestamp::from_millis)?,
            expires_at: optional(row, 10, Timestamp::from_millis)?,
            error: optional(row, 11, |Json(error)| error)?,
        },
        epoch: row.get(12)?,
        model: row.get(13)?,
        client_id: row.get(14)?,
        body_hash: row.get(15)?,
        reply,
        created_at: time(row, 16)?,
        options: optional(row, 17, |json: Vec<u8>| Bytes::from(json))?,
        queued: match optional(row, 18, |_: i64| ())? {
            None => None,
            Some(()) => Some(QueueEntry {
                turn: id(row, 2, TurnId::from_bytes)?,
                not_before: optional(row, 19, Timestamp::from_millis)?,
                floor: optional(row, 20, Timestamp::from_millis)?,
                expires_at: optional(row, 21, Timestamp::from_millis)?,
                crashes: row.get(22)?,
            }),
        },
    })
}

pub(super) fn queue_due(connection: &Connection, now: Timestamp, due: Due, limit: usize) -> Result<DueRows> {
    let (now, limit) = (now.as_millis(), i64::try_from(limit).unwrap_or(i64::MAX));
    let items = match due {
        Due::Timed { except } => all(connection, DUE, params![now, limit, json(&except)?], turn_row)?,
        Due::Eager { model } => all(connection, EAGER, params![now, limit, model], turn_row)?,
    };
    let next = first(connection, NEXT_DUE, [now], |row| optional(row, 0, Timestamp::from_millis))?;
    let waiting = first(connection, WAITING, [i64::try_from(MAX_COUNTED).unwrap_or(i64::MAX)], |row| row.get(0))?;
    Ok(DueRows { items, next: next.flatten(), waiting: waiting.unwrap_or(0) })
}

pub(super) fn queue(connection: &Connection, owner: &str, query: QueueQuery, now: Timestamp) -> Result<Vec<QueueRow>> {
    let now = now.as_millis();
    let limit = i64::try_from(query.limit).unwrap_or(i64::MAX);
    let read = |row: &Row<'_>| {
        let content =
            row.get_ref(23).and_then(|inline| if inline.as_blob().is_ok() { Ok(inline) } else { row.get_ref(24) })?;
        Ok((turn_row(row)?, Content::decode(content.as_blob().unwrap_or_default())))
    };
    let rows = match query.conversation {
        None => all(connection, QUEUE, params![owner, limit, query.moving, now], read)?,
        Some(id) => all(connection, QUEUE_OF, params![owner, limit, query.moving, now, id.as_bytes()], read)?,
    };
    let row =
        |(record, parts): (TurnRecord, Result<Vec<Part>>)| Ok(QueueRow { record, preview: preview(&text_of(&parts?)) });
    rows.into_iter().map(row).collect()
}

pub(super) fn turn(connection: &Connection, owner: &str, id: TurnId, now: Timestamp) -> Result<Option<TurnRecord>> {
    Ok(first(connection, TURN, params![id.as_bytes(), now.as_millis()], turn_row)?
        .filter(|record| record.owner == owner))
}

pub(super) fn turn_of_client(
    connection: &Connection,
    owner: &str,
    conversation: ConversationId,
    client_id: &str,
    now: Timestamp,
) -> Result<Option<TurnRecord>> {
    let found = first(
        connection,
        "SELECT t.id FROM conversation c CROSS JOIN turn t ON t.conv_pk = c.pk WHERE c.id = ? AND t.client_id = ?",
        params![conversation.as_bytes(), client_id],
        |row| id(row, 0, TurnId::from_bytes),
    )?;
    found.map_or(Ok(None), |id| turn(connection, owner, id, now))
}

pub(super) fn attachment(
    connection: &Connection,
    owner: &str,
    id: AttachmentId,
    now: Timestamp,
) -> Result<Option<Attachment>> {
    first(
        connection,
        "SELECT a.mime_type, a.name, b.data FROM attachment a JOIN owner o ON o.pk = a.owner_pk
         JOIN message m ON m.pk = a.message_pk JOIN conversation c ON c.pk = m.conv_pk
         JOIN blob_inline b ON b.hash = a.hash WHERE a.id = ? AND o.ext_id = ? AND (c.expires_at IS NULL OR c.expires_at > ?)",
        params![id.as_bytes(), owner, now.as_millis()],
        |row| {
            let data = Bytes::copy_from_slice(row.get_ref(2)?.as_blob()?);
            Ok(Attachment { id, mime_type: row.get(0)?, name: row.get(1)?, data })
        },
    )
}
