//! Writing: the ops of a batch, one after the other, inside a transaction that the writer holds.

mod blob;
pub(super) mod conversation;
pub(super) mod erase;
mod events;
mod library;
mod message;
mod summary;
mod tree;
mod turn;

#[cfg(test)]
pub(super) use summary::CHANGED;

use std::cell::Cell;

use rusqlite::{Connection, params};

use super::row::{Coded, first, json, run};
use super::search::MAX_MADE;
use super::spend::{self, SqlBooks};
use crate::base::{ConversationId, MessageId, Timestamp, TurnId};
use crate::model::{MessageStatus, Result, Role};
use crate::store::books;
use crate::store::{Erased, Op, Precondition, Receipt, WriteBatch, refusal};

/// A batch that is being applied.
pub(super) struct Applying<'a> {
    pub(super) connection: &'a Connection,
    pub(super) owner: &'a str,
    pub(super) at: Timestamp,
    /// The last number given to a change.
    pub(super) change: i64,
    /// The messages that were made last and are not in the feed yet.
    pub(super) made: Option<Made>,
    /// What was looked up already.
    pub(super) seen: Seen,
    /// Whether any budget is set, once somebody has looked; shared by the batches of a transaction.
    pub(super) has_budgets: &'a Cell<Option<bool>>,
}

/// Rows that a batch has read or written. Most batches are about one conversation and one turn, which every op of theirs
/// would look up again.
#[derive(Debug, Default)]
pub(super) struct Seen {
    place: Cell<Option<Place>>,
    turn: Cell<Option<(TurnId, TurnRow)>>,
    /// The message that was added last, and its conversation, when it belongs to a turn.
    added: Cell<Option<(MessageId, ConversationId)>>,
    /// The version of the conversation before the first message that was added or ended, and after the last.
    versions: Cell<Option<(i64, i64)>>,
}

impl Seen {
    /// The conversation or its turns are not as they were looked up. What was added and is counted stays.
    fn forget(&self) {
        self.place.set(None);
        self.turn.set(None);
    }
}

/// Messages that were made one after the other: their keys go on as the numbers of their changes do, and they take one
/// row of the feed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Made {
    /// The number and the key of the last one.
    change: i64,
    pk: i64,
    /// How many there are before it.
    more: i64,
}

/// A turn's key, its conversation, its epoch.
type TurnRow = (i64, ConversationId, i64);

/// What is needed of a conversation to write into it.
#[derive(Clone, Copy, Debug)]
struct Place {
    pk: i64,
    owner_pk: i64,
    id: ConversationId,
    root_pk: i64,
    head_pk: Option<i64>,
    head_id: Option<MessageId>,
    input_tokens: i64,
    output_tokens: i64,
    cost_nano_usd: i64,
    version: i64,
    /// Whether its activity is noted with tags, too.
    is_tagged: bool,
}

/// What is needed of a message to change it.
#[derive(Clone, Copy, Debug)]
struct Target {
    pk: i64,
    conversation: ConversationId,
    turn: Option<TurnId>,
    role: Role,
    status: MessageStatus,
    content_hash: Option<[u8; 32]>,
}

impl Applying<'_> {
    /// Checks the preconditions, then does the ops. Taking back what a failed batch did is the writer's.
    pub(super) fn apply(&mut self, batch: &WriteBatch) -> Result<Receipt> {
        for precondition in &batch.preconditions {
            self.check(precondition)?;
        }
        let (mut placed, mut alerts) = (Vec::new(), Vec::new());
        let (mut head, mut goes_on, mut stream_version, mut entry_version) = (None, None, None, None);
        let mut erased = Erased::default();
        for op in &batch.ops {
            match op {
                Op::PutConversation(new) => self.put_conversation(new)?,
                Op::UpdateConversation { id, change } => self.update_conversation(*id, change)?,
                Op::DateConversation { id, created_at, updated_at } => {
                    self.date_conversation(*id, *created_at, *updated_at)?;
                }
                Op::DeleteConversation { id } => self.delete_conversation(*id)?,
                Op::UpdatePreferences(change) => self.update_preferences(change)?,
                Op::SweepConversation { id } => self.sweep_conversation(*id)?,
                Op::AppendMessage(new) => placed.push(self.append_message(batch, new)?),
                Op::SwitchTo { conversation, message } => head = self.switch_to(*conversation, *message)?,
                Op::ForkAt { conversation, message } => head = self.fork_at(*conversation, *message)?,
                Op::WipeMessage { id } => self.wipe_message(*id)?,
                Op::RemoveMessages { conversation, top, from, steps } => {
                    goes_on = self.remove_messages(*conversation, *top, *from, *steps)?;
                }
                Op::EndMessage(end) => self.end_message(end)?,
                Op::WithdrawMessage { id } => self.withdraw_message(*id)?,
                Op::PutAttachment(new) => self.put_attachment(new)?,
                Op::PutTurn(new) => self.put_turn(new)?,
                Op::AdvanceTurn { id, change } => self.advance_turn(*id, change)?,
                Op::PutStep(step) => self.put_step(step)?,
                Op::AppendDraft(chunk) => self.append_draft(chunk)?,
                Op::Enqueue(entry) => self.enqueue(entry)?,
                Op::Dequeue { turn } => self.dequeue(*turn)?,
                Op::PutBudget(budget) => {
                    self.has_budgets.set(None);
                    spend::put_budget(self.connection, budget)?;
                }
                Op::DeleteBudget { id } => {
                    self.has_budgets.set(None);
                    spend::delete_budget(self.connection, *id)?;
                }
                Op::Reserve(new) => alerts.extend(books::reserve(&mut self.books()?, self.owner, new, self.at)?),
                Op::Settle { id, entry } => alerts.extend(books::settle(&mut self.books()?, *id, entry, self.at)?),
                Op::Release { id } => books::release(&mut self.books()?, *id, self.at)?,
                Op::Charge(entry) => alerts.extend(books::charge(&mut self.books()?, self.owner, entry, self.at)?),
                Op::RenewReservations { holder, until } => spend::renew(self.connection, holder, *until)?,
                Op::AppendEvents(new) => stream_version = Some(self.append_events(new)?),
                Op::PutSnapshot { id, version, data } => self.put_snapshot(*id, *version, data)?,
                Op::ExpireStream { id, expires_in } => self.expire_stream(*id, *expires_in)?,
                Op::DeleteStream { id } => self.delete_stream(*id)?,
                Op::SweepStream { id } => self.sweep_stream(*id)?,
                Op::BeginErasure => self.begin_erasure()?,
                Op::EraseSome { rows } => erased = self.erase_some(*rows)?,
                Op::EndErasure => self.end_erasure()?,
                Op::PutEntry(new) => entry_version = Some(self.put_entry(new)?),
                Op::DeleteEntry { kind, name, expected } => self.delete_entry(kind, name, *expected)?,
                Op::PutSummary(new) => self.put_summary(new)?,
            }
        }
        self.note_made()?;
        let (change_seq, has_budgets, versions) = (self.change, self.has_budgets()?, self.seen.versions.get());
        Ok(Receipt {
            change_seq,
            placed,
            alerts,
            head,
            goes_on,
            has_budgets,
            versions,
            stream_version,
            entry_version,
            erased,
        })
    }

    /// Where the owner's money is counted.
    fn books(&self) -> Result<SqlBooks<'_>> {
        let books = match self.seen.place.get() {
            Some(place) => SqlBooks::known(self.connection, place.owner_pk),
            None => SqlBooks::of(self.connection, self.owner, self.at)?,
        };
        Ok(if self.has_budgets()? { books } else { books.without_budgets() })
    }

    fn has_budgets(&self) -> Result<bool> {
        if let Some(known) = self.has_budgets.get() {
            return Ok(known);
        }
        let found = spend::has_budgets(self.connection)?;
        self.has_budgets.set(Some(found));
        Ok(found)
    }

    fn check(&self, precondition: &Precondition) -> Result<()> {
        match precondition {
            Precondition::Owns { conversation } => self.conversation(*conversation).map(drop),
            Precondition::Head { conversation, expected } => {
                let head = self.conversation(*conversation)?.head_id;
                if head == *expected { Ok(()) } else { Err(refusal::head_moved(head)) }
            }
            Precondition::Version { conversation, expected } => {
                let place = self.conversation(*conversation)?;
                if place.version == *expected { Ok(()) } else { Err(refusal::version_moved()) }
            }
            Precondition::Epoch { turn, expected } => {
                let (_, _, epoch) = self.turn(*turn)?;
                if epoch == *expected { Ok(()) } else { Err(refusal::epoch_moved()) }
            }
        }
    }

    /// Gives the next number of a change.
    const fn number(&mut self) -> i64 {
        self.change += 1;
        self.change
    }

    /// Gives the next number and notes in the feed that this message is another now.
    fn note_message(&mut self, pk: i64) -> Result<i64> {
        let change = self.number();
        self.note(Made { change, pk, more: 0 })?;
        Ok(change)
    }

    /// Gives the next number and has it noted, at the end of the batch at the latest, that this message is there.
    fn number_of_made(&mut self, pk: i64) -> Result<i64> {
        let change = self.number();
        let goes_on =
            self.made.filter(|last| (last.change + 1, last.pk + 1) == (change, pk) && last.more + 1 < MAX_MADE);
        if goes_on.is_none() {
            self.note_made()?;
        }
        self.made = Some(Made { change, pk, more: goes_on.map_or(0, |last| last.more + 1) });
        Ok(change)
    }

    fn note_made(&mut self) -> Result<()> {
        self.made.take().map_or(Ok(()), |made| self.note(made))
    }

    fn note(&self, made: Made) -> Result<()> {
        run(
            self.connection,
            "INSERT INTO change_feed(seq, message_pk, more, at) VALUES(?, ?, ?, ?)",
            [made.change, made.pk, made.more, self.at.as_millis()],
        )
        .map(drop)
    }

    fn conversation(&self, id: ConversationId) -> Result<Place> {
        if let Some(place) = self.seen.place.get().filter(|place| place.id == id) {
            return Ok(place);
        }
        let place = self.place(id, self.at.as_millis())?.ok_or_else(refusal::no_conversation)?;
        self.seen.place.set(Some(place));
        Ok(place)
    }

    /// The conversation if it was there at this moment.
    fn place(&self, id: ConversationId, at: i64) -> Result<Option<Place>> {
        first(
            self.connection,
            "SELECT c.pk, c.owner_pk, c.root_pk, c.head_pk, c.head_id, c.input_tokens, c.output_tokens, c.cost_nano_usd,
             c.version, c.tags IS NOT NULL FROM conversation c JOIN owner o ON o.pk = c.owner_pk
             WHERE c.id = ? AND o.ext_id = ? AND (c.expires_at IS NULL OR c.expires_at > ?)",
            params![id.as_bytes(), self.owner, at],
            |row| {
                Ok(Place {
                    pk: row.get(0)?,
                    owner_pk: row.get(1)?,
                    id,
                    root_pk: row.get(2)?,
                    head_pk: row.get(3)?,
                    head_id: row.get::<_, Option<[u8; 16]>>(4)?.map(MessageId::from_bytes),
                    input_tokens: row.get(5)?,
                    output_tokens: row.get(6)?,
                    cost_nano_usd: row.get(7)?,
                    version: row.get(8)?,
                    is_tagged: row.get(9)?,
                })
            },
        )
    }

    /// The owner's list has changed, without activity in this conversation.
    fn note_list(&self, owner_pk: i64, version: i64) -> Result<()> {
        run(self.connection, "UPDATE owner SET list_seq = ?2 WHERE pk = ?1", [owner_pk, version]).map(drop)
    }

    fn message(&self, id: MessageId) -> Result<Target> {
        first(
            self.connection,
            "SELECT m.pk, c.id, m.turn_id, m.role, m.status, m.content_hash FROM message m
             JOIN conversation c ON c.pk = m.conv_pk JOIN owner o ON o.pk = c.owner_pk WHERE m.id = ? AND o.ext_id = ?
             AND (c.expires_at IS NULL OR c.expires_at > ?)",
            params![id.as_bytes(), self.owner, self.at.as_millis()],
            |row| {
                Ok(Target {
                    pk: row.get(0)?,
                    conversation: ConversationId::from_bytes(row.get(1)?),
                    turn: row.get::<_, Option<[u8; 16]>>(2)?.map(TurnId::from_bytes),
                    role: row.get::<_, Coded<_>>(3)?.0,
                    status: row.get::<_, Coded<_>>(4)?.0,
                    content_hash: row.get(5)?,
                })
            },
        )?
        .ok_or_else(refusal::no_message)
    }

    fn turn(&self, id: TurnId) -> Result<TurnRow> {
        if let Some((_, turn)) = self.seen.turn.get().filter(|(seen, _)| *seen == id) {
            return Ok(turn);
        }
        let turn = first(
            self.connection,
            "SELECT t.pk, c.id, t.epoch FROM turn t JOIN conversation c ON c.pk = t.conv_pk
             JOIN owner o ON o.pk = c.owner_pk WHERE t.id = ? AND o.ext_id = ?
             AND (c.expires_at IS NULL OR c.expires_at > ?)",
            params![id.as_bytes(), self.owner, self.at.as_millis()],
            |row| Ok((row.get(0)?, ConversationId::from_bytes(row.get(1)?), row.get(2)?)),
        )?
        .ok_or_else(refusal::no_turn)?;
        self.seen.turn.set(Some((id, turn)));
        Ok(turn)
    }

    fn exists(&self, sql: &'static str, id: &[u8; 16]) -> Result<bool> {
        first(self.connection, sql, [id], |_| Ok(())).map(|found| found.is_some())
    }
}

/// JSON of a map of strings; nothing for an empty one.
fn map_json(map: &std::collections::HashMap<String, String>) -> Result<Option<String>> {
    if map.is_empty() { Ok(None) } else { json(map).map(Some) }
}

/// JSON of a list of strings; nothing for an empty one.
fn list_json(list: &[String]) -> Result<Option<String>> {
    if list.is_empty() { Ok(None) } else { json(&list).map(Some) }
}
