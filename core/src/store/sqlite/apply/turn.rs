//! Ops on turns, their steps, drafts and places in the queue.

use rusqlite::params;

use super::Applying;
use crate::base::{MessageId, Timestamp, TurnId};
use crate::model::{MessageStatus, Result};
use crate::store::sqlite::row::{Coded, first, insert, json, run};
use crate::store::{DraftChunk, NewStep, NewTurn, QueueEntry, TurnChange, refusal};

impl Applying<'_> {
    pub(super) fn put_turn(&mut self, new: &NewTurn) -> Result<()> {
        let place = self.conversation(new.conversation)?;
        if self.seen.added.get() != Some((new.message, new.conversation)) {
            let message = self.message(new.message)?;
            if message.conversation != new.conversation {
                return Err(refusal::no_message());
            }
            if message.turn.is_none() {
                let sql = "UPDATE message SET turn_id = ? WHERE pk = ?";
                run(self.connection, sql, params![new.id.as_bytes(), message.pk])?;
            }
        }
        if let Some(client_id) = &new.client_id {
            let sql = "SELECT 1 FROM turn WHERE conv_pk = ? AND client_id = ?";
            if first(self.connection, sql, params![place.pk, client_id], |_| Ok(()))?.is_some() {
                return Err(refusal::client_id_taken());
            }
        }
        self.number();
        insert(
            self.connection,
            "INSERT INTO turn(id, conv_pk, state, epoch, attempt, last_seq, message_id, reply_id, client_id, body_hash, model,
             holder, lease_until, created_at, updated_at, options) VALUES(?1, ?2, ?3, 1, ?13, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11, ?12)",
            params![
                new.id.as_bytes(),
                place.pk,
                Coded(new.state),
                new.message.as_bytes(),
                new.reply.as_bytes(),
                new.client_id,
                new.body_hash,
                new.model,
                new.holder,
                new.lease_until.as_millis(),
                self.at.as_millis(),
                new.options.as_deref(),
                new.attempt,
            ],
        )?;
        self.seen.turn.set(Some((new.id, (self.connection.last_insert_rowid(), new.conversation, 1))));
        Ok(())
    }

    pub(in crate::store::sqlite) fn advance_turn(&mut self, id: TurnId, change: &TurnChange) -> Result<()> {
        let (pk, conversation, epoch) = self.turn(id)?;
        self.conversation(conversation)?;
        self.number();
        self.seen.turn.set(Some((id, (pk, conversation, epoch + 1))));
        let millis = |time: &Option<Option<Timestamp>>| time.flatten().map(Timestamp::as_millis);
        let error = change.error.as_ref().and_then(Option::as_ref).map(json).transpose()?;
        let lease = change.lease.as_ref().and_then(Option::as_ref);
        run(
            self.connection,
            "UPDATE turn SET epoch = epoch + 1, updated_at = ?2, state = coalesce(?3, state), attempt = coalesce(?4, attempt),
             last_seq = coalesce(?5, last_seq), reply_id = coalesce(?6, reply_id), model = coalesce(?7, model),
             not_before = iif(?8, ?9, not_before), expires_at = iif(?10, ?11, expires_at), error = iif(?12, ?13, error),
             holder = iif(?14, ?15, holder), lease_until = iif(?14, ?16, lease_until), options = iif(?17, ?18, options) WHERE pk = ?1",
            params![
                pk,
                self.at.as_millis(),
                change.state.map(Coded),
                change.attempt,
                change.last_seq,
                change.reply.as_ref().map(MessageId::as_bytes),
                change.model,
                change.not_before.is_some(),
                millis(&change.not_before),
                change.expires_at.is_some(),
                millis(&change.expires_at),
                change.error.is_some(),
                error,
                change.lease.is_some(),
                lease.map(|(holder, _)| holder),
                lease.map_or(0, |(_, until)| until.as_millis()),
                change.options.is_some(),
                change.options.as_ref().and_then(Option::as_deref),
            ],
        )?;
        Ok(())
    }

    pub(super) fn put_step(&mut self, step: &NewStep) -> Result<()> {
        let (turn_pk, ..) = self.turn(step.turn)?;
        run(
            self.connection,
            "INSERT INTO turn_step(turn_pk, ix, kind, target, error, started_at, ended_at, data) VALUES(?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT(turn_pk, ix) DO UPDATE SET kind = excluded.kind, target = excluded.target, error = excluded.error,
             ended_at = excluded.ended_at, data = excluded.data",
            params![
                turn_pk,
                step.index,
                Coded(step.kind),
                step.target,
                step.error,
                self.at.as_millis(),
                step.ended_at.map(Timestamp::as_millis),
                step.data.as_ref(),
            ],
        )?;
        Ok(())
    }

    pub(super) fn append_draft(&mut self, chunk: &DraftChunk) -> Result<()> {
        let target = self.message(chunk.message)?;
        let turn =
            target.turn.filter(|_| target.status == MessageStatus::Streaming).ok_or_else(refusal::not_streaming)?;
        let sql = "SELECT max(seq) FROM draft_chunk WHERE message_pk = ?";
        let last = first(self.connection, sql, [target.pk], |row| row.get::<_, Option<i64>>(0))?.flatten();
        if last.is_some_and(|last| last >= chunk.seq) {
            return Err(refusal::draft_out_of_order());
        }
        run(
            self.connection,
            "INSERT INTO draft_chunk(message_pk, seq, part_ix, data) VALUES(?, ?, ?, ?)",
            params![target.pk, chunk.seq, chunk.part_index, chunk.data.as_ref()],
        )?;
        run(
            self.connection,
            "UPDATE turn SET last_seq = max(last_seq, ?2), lease_until = iif(holder IS NULL, lease_until, ?3) WHERE id = ?1",
            params![turn.as_bytes(), chunk.seq, chunk.lease_until.as_millis()],
        )?;
        Ok(())
    }

    pub(in crate::store::sqlite) fn enqueue(&mut self, entry: &QueueEntry) -> Result<()> {
        let (turn_pk, conversation, _) = self.turn(entry.turn)?;
        let place = self.conversation(conversation)?;
        let millis = |time: Option<Timestamp>| time.map(Timestamp::as_millis);
        run(
            self.connection,
            "INSERT INTO send_queue(turn_pk, conv_pk, owner_pk, enqueued_seq, not_before, not_before_at_all, expires_at,
             crashes, set_at) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)
             ON CONFLICT(turn_pk) DO UPDATE SET not_before = excluded.not_before,
             not_before_at_all = excluded.not_before_at_all, expires_at = excluded.expires_at, crashes = excluded.crashes,
             set_at = excluded.set_at",
            params![
                turn_pk,
                place.pk,
                place.owner_pk,
                self.change,
                millis(entry.not_before),
                millis(entry.floor),
                millis(entry.expires_at),
                entry.crashes,
                self.at.as_millis(),
            ],
        )?;
        Ok(())
    }

    pub(in crate::store::sqlite) fn dequeue(&mut self, turn: TurnId) -> Result<()> {
        let (turn_pk, ..) = self.turn(turn)?;
        run(self.connection, "DELETE FROM send_queue WHERE turn_pk = ?", [turn_pk]).map(drop)
    }
}
