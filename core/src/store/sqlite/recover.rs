//! Putting to rest what nobody works on any more.

use std::cell::Cell;

use rusqlite::{Connection, TransactionBehavior, params};

use super::apply::{Applying, Seen};
use super::failure::failed;
use super::read;
use super::row::{Coded, all, first, run};
use super::spend;
use crate::base::{MessageId, Timestamp, TurnId};
use crate::model::{MessageStatus, Result, TurnState};
use crate::store::{MessageEnd, TurnChange, TurnRecord, draft, refusal};

/// The open turns whose lease has passed, of conversations that are there.
pub(super) const LOST: &str = "SELECT o.ext_id, t.id FROM turn t CROSS JOIN conversation c ON c.pk = t.conv_pk
    CROSS JOIN owner o ON o.pk = c.owner_pk WHERE t.state >= 1 AND t.state <= 3 AND t.lease_until <= ?1
    AND (c.expires_at IS NULL OR c.expires_at > ?1) ORDER BY t.lease_until, t.pk";

pub(super) const DRAFT: &str = "SELECT data FROM draft_chunk WHERE message_pk = ? ORDER BY seq";

/// What waits since a moment that is still to come waits as long from now on.
const CLOCK_BACK: [&str; 2] = [
    "UPDATE turn SET not_before = q.not_before - q.set_at + ?1, expires_at = q.expires_at - q.set_at + ?1
     FROM send_queue q WHERE q.turn_pk = turn.pk AND q.set_at > ?1",
    "UPDATE send_queue SET not_before = not_before - set_at + ?1, not_before_at_all = not_before_at_all - set_at + ?1,
     expires_at = expires_at - set_at + ?1, set_at = ?1 WHERE set_at > ?1",
];

/// Ends every open turn whose lease has passed, and settles what was reserved under such a lease; all in one
/// transaction. Gives the turns, and how many reservations there were.
pub(super) fn recover(connection: &mut Connection, now: Timestamp) -> Result<(Vec<TurnRecord>, usize)> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    for sql in CLOCK_BACK {
        run(&transaction, sql, [now.as_millis()])?;
    }
    let lost: Vec<(String, TurnId)> =
        all(&transaction, LOST, [now.as_millis()], |row| Ok((row.get(0)?, TurnId::from_bytes(row.get(1)?))))?;
    let mut change = super::writer::last_change(&transaction)?;
    let budgets = Cell::default();
    let mut records = Vec::with_capacity(lost.len());
    for (owner, id) in lost {
        let mut applying = Applying {
            connection: &transaction,
            owner: &owner,
            at: now,
            change,
            made: None,
            seen: Seen::default(),
            has_budgets: &budgets,
        };
        records.extend(interrupt(&mut applying, id)?);
        change = applying.change;
    }
    // One that finds nothing writes nothing: it comes every half minute.
    if !records.is_empty() {
        super::writer::set_last_change(&transaction, change)?;
    }
    let reservations = spend::recover(&transaction, now)?;
    transaction.commit().map_err(failed)?;
    Ok((records, reservations))
}

fn interrupt(applying: &mut Applying<'_>, id: TurnId) -> Result<Option<TurnRecord>> {
    let record = read::turn(applying.connection, applying.owner, id, applying.at)?;
    let last_seq = record.as_ref().map(|record| record.turn.last_seq + draft::UNHEARD_OF);
    if let Some(entry) = record.filter(|record| record.turn.reply_id.is_none()).and_then(|record| record.queued) {
        let change = TurnChange {
            state: Some(TurnState::Waiting),
            last_seq,
            not_before: Some(Some(applying.at)),
            error: Some(Some(refusal::process_ended(id))),
            lease: Some(None),
            ..TurnChange::default()
        };
        applying.advance_turn(id, &change)?;
        applying.enqueue(&entry.after_crash(applying.at))?;
        return read::turn(applying.connection, applying.owner, id, applying.at);
    }
    applying.dequeue(id)?;
    let reply = first(
        applying.connection,
        "SELECT m.pk, m.id FROM turn t JOIN message m ON m.id = t.reply_id AND m.conv_pk = t.conv_pk WHERE t.id = ? AND m.status = ?",
        params![id.as_bytes(), Coded(MessageStatus::Streaming)],
        |row| Ok((row.get::<_, i64>(0)?, MessageId::from_bytes(row.get(1)?))),
    )?;
    if let Some((pk, reply)) = reply {
        let chunks: Vec<Vec<u8>> = all(applying.connection, DRAFT, [pk], |row| row.get(0))?;
        let content = draft::fold(chunks.iter().map(Vec::as_slice))?;
        let status = MessageStatus::Interrupted;
        applying.end_message(&MessageEnd {
            id: reply,
            status,
            content,
            finish_reason: None,
            usage: None,
            cost: None,
        })?;
    }
    let change = TurnChange {
        state: Some(TurnState::Interrupted),
        last_seq,
        error: Some(Some(refusal::process_ended(id))),
        lease: Some(None),
        ..TurnChange::default()
    };
    applying.advance_turn(id, &change)?;
    read::turn(applying.connection, applying.owner, id, applying.at)
}
