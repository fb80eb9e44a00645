//! Writing: the ops of a batch, one after the other, inside a transaction that the writer holds.

use rusqlite::{Connection, params};

use super::row::{Coded, all, first, json, run};
use crate::base::{ConversationId, MessageId, Timestamp, TurnId};
use crate::model::{Cost, MessageStatus, Result, Role, Usage};
use crate::store::codes::{Change, Entity};
use crate::store::tree::jumps_on;
use crate::store::{
    Content, ConversationChange, DraftChunk, MessageEnd, NewAttachment, NewConversation, NewRow, NewStep, NewTurn, Op,
    Parent, Placed, Precondition, QueueEntry, Receipt, TurnChange, WriteBatch, hash, refusal,
};

/// Rows of one millisecond; more go on into the next.
const ROWS_PER_MILLISECOND: i64 = 1 << 21;

/// A batch that is being applied.
pub(super) struct Applying<'a> {
    pub(super) connection: &'a Connection,
    pub(super) owner: &'a str,
    pub(super) at: Timestamp,
    /// The last number given to a change.
    pub(super) change: i64,
}

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
        let mut placed = Vec::new();
        for op in &batch.ops {
            match op {
                Op::PutConversation(new) => self.put_conversation(new)?,
                Op::UpdateConversation { id, change } => self.update_conversation(*id, change)?,
                Op::DeleteConversation { id } => self.delete_conversation(*id)?,
                Op::AppendMessage(new) => placed.push(self.append_message(batch, new)?),
                Op::EndMessage(end) => self.end_message(end)?,
                Op::PutAttachment(new) => self.put_attachment(new)?,
                Op::PutTurn(new) => self.put_turn(new)?,
                Op::AdvanceTurn { id, change } => self.advance_turn(*id, change)?,
                Op::PutStep(step) => self.put_step(step)?,
                Op::AppendDraft(chunk) => self.append_draft(chunk)?,
                Op::Enqueue(entry) => self.enqueue(entry)?,
                Op::Dequeue { turn } => self.dequeue(*turn)?,
            }
        }
        Ok(Receipt { change_seq: self.change, placed })
    }

    fn check(&self, precondition: &Precondition) -> Result<()> {
        match precondition {
            Precondition::Owns { conversation } => self.conversation(*conversation).map(drop),
            Precondition::Head { conversation, expected } => {
                let head = self.conversation(*conversation)?.head_id;
                if head == *expected { Ok(()) } else { Err(refusal::head_moved()) }
            }
            Precondition::Epoch { turn, expected } => {
                let (_, _, epoch) = self.turn(*turn)?;
                if epoch == *expected { Ok(()) } else { Err(refusal::epoch_moved()) }
            }
        }
    }

    /// Gives the next number and notes the change in the feed.
    fn note(
        &mut self,
        owner_pk: i64,
        conversation: ConversationId,
        entity: Entity,
        id: &[u8; 16],
        op: Change,
    ) -> Result<i64> {
        self.change += 1;
        run(
            self.connection,
            "INSERT INTO change_feed(seq, owner_pk, conversation_id, entity, entity_id, op, at) VALUES(?, ?, ?, ?, ?, ?, ?)",
            params![self.change, owner_pk, conversation.as_bytes(), Coded(entity), id, Coded(op), self.at.as_millis()],
        )?;
        Ok(self.change)
    }

    fn note_message(&mut self, place: &Place, id: MessageId, op: Change) -> Result<i64> {
        self.note(place.owner_pk, place.id, Entity::Message, id.as_bytes(), op)
    }

    fn conversation(&self, id: ConversationId) -> Result<Place> {
        first(
            self.connection,
            "SELECT c.pk, c.owner_pk, c.root_pk, c.head_pk, c.head_id, c.input_tokens, c.output_tokens, c.cost_nano_usd
             FROM conversation c JOIN owner o ON o.pk = c.owner_pk WHERE c.id = ? AND o.ext_id = ?",
            params![id.as_bytes(), self.owner],
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
                })
            },
        )?
        .ok_or_else(refusal::no_conversation)
    }

    fn message(&self, id: MessageId) -> Result<Target> {
        first(
            self.connection,
            "SELECT m.pk, c.id, m.turn_id, m.role, m.status, m.content_hash FROM message m
             JOIN conversation c ON c.pk = m.conv_pk JOIN owner o ON o.pk = c.owner_pk WHERE m.id = ? AND o.ext_id = ?",
            params![id.as_bytes(), self.owner],
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

    /// The turn's key, its conversation, its epoch.
    fn turn(&self, id: TurnId) -> Result<(i64, ConversationId, i64)> {
        first(
            self.connection,
            "SELECT t.pk, c.id, t.epoch FROM turn t JOIN conversation c ON c.pk = t.conv_pk
             JOIN owner o ON o.pk = c.owner_pk WHERE t.id = ? AND o.ext_id = ?",
            params![id.as_bytes(), self.owner],
            |row| Ok((row.get(0)?, ConversationId::from_bytes(row.get(1)?), row.get(2)?)),
        )?
        .ok_or_else(refusal::no_turn)
    }

    fn exists(&self, sql: &str, id: &[u8; 16]) -> Result<bool> {
        first(self.connection, sql, [id], |_| Ok(())).map(|found| found.is_some())
    }

    fn owner_pk(&self) -> Result<i64> {
        run(
            self.connection,
            "INSERT INTO owner(ext_id, created_at) VALUES(?, ?) ON CONFLICT(ext_id) DO NOTHING",
            params![self.owner, self.at.as_millis()],
        )?;
        let sql = "SELECT pk FROM owner WHERE ext_id = ?";
        first(self.connection, sql, [self.owner], |row| row.get(0))?.ok_or_else(refusal::no_conversation)
    }

    fn put_conversation(&mut self, new: &NewConversation) -> Result<()> {
        if self.exists("SELECT 1 FROM conversation WHERE id = ?", new.id.as_bytes())? {
            return self.conversation(new.id).map(drop);
        }
        let owner_pk = self.owner_pk()?;
        let change = self.note(owner_pk, new.id, Entity::Conversation, new.id.as_bytes(), Change::Made)?;
        let (at, root_pk) = (self.at.as_millis(), self.new_message_pk()?);
        run(
            self.connection,
            "INSERT INTO conversation(id, owner_pk, root_pk, activity_seq, version, created_at, updated_at, title, system, model, metadata)
             VALUES(?1, ?2, ?3, ?4, ?4, ?5, ?5, ?6, ?7, ?8, ?9)",
            params![
                new.id.as_bytes(), owner_pk, root_pk, change, at, new.title, new.system, new.model, map_json(&new.metadata)?
            ],
        )?;
        run(
            self.connection,
            "INSERT INTO message(pk, conv_pk, depth, jump_pk, jump_depth, sibling_ix, role, status, change_seq, created_at, updated_at, content)
             VALUES(?1, ?2, 0, ?1, 0, 0, 0, 0, ?3, ?4, ?4, x'')",
            params![root_pk, self.connection.last_insert_rowid(), change, at],
        )?;
        Ok(())
    }

    fn update_conversation(&mut self, id: ConversationId, change: &ConversationChange) -> Result<()> {
        let place = self.conversation(id)?;
        let version = self.note(place.owner_pk, id, Entity::Conversation, id.as_bytes(), Change::Changed)?;
        let metadata = change.metadata.as_ref().map(map_json).transpose()?;
        run(
            self.connection,
            "UPDATE conversation SET title = iif(?2, ?3, title), system = iif(?4, ?5, system), model = iif(?6, ?7, model),
             metadata = iif(?8, ?9, metadata), version = ?10, updated_at = ?11 WHERE pk = ?1",
            params![
                place.pk,
                change.title.is_some(),
                change.title.as_ref().and_then(Option::as_ref),
                change.system.is_some(),
                change.system.as_ref().and_then(Option::as_ref),
                change.model.is_some(),
                change.model.as_ref().and_then(Option::as_ref),
                metadata.is_some(),
                metadata.flatten(),
                version,
                self.at.as_millis(),
            ],
        )?;
        Ok(())
    }

    fn delete_conversation(&mut self, id: ConversationId) -> Result<()> {
        let place = self.conversation(id)?;
        self.note(place.owner_pk, id, Entity::Conversation, id.as_bytes(), Change::Deleted)?;
        let pk = [place.pk];
        let blobs: Vec<[u8; 32]> = all(
            self.connection,
            "SELECT content_hash FROM message WHERE conv_pk = ?1 AND content_hash IS NOT NULL
             UNION ALL SELECT a.hash FROM message m CROSS JOIN attachment a ON a.message_pk = m.pk WHERE m.conv_pk = ?1",
            pk,
            |row| row.get(0),
        )?;
        for sql in [
            "DELETE FROM send_queue WHERE turn_pk IN (SELECT pk FROM turn WHERE conv_pk = ?)",
            "DELETE FROM turn_step WHERE turn_pk IN (SELECT pk FROM turn WHERE conv_pk = ?)",
            "DELETE FROM turn WHERE conv_pk = ?",
            "DELETE FROM draft_chunk WHERE message_pk IN (SELECT pk FROM message WHERE conv_pk = ?)",
            "DELETE FROM attachment WHERE message_pk IN (SELECT pk FROM message WHERE conv_pk = ?)",
            "DELETE FROM message WHERE conv_pk = ?",
            "DELETE FROM conversation WHERE pk = ?",
        ] {
            run(self.connection, sql, pk)?;
        }
        blobs.iter().try_for_each(|name| self.release_blob(name))
    }

    /// A key that no message has, in the order of time.
    fn new_message_pk(&self) -> Result<i64> {
        let millisecond = self.at.as_millis().clamp(0, (1 << 42) - 2);
        let mut from = (millisecond * ROWS_PER_MILLISECOND).max(1);
        loop {
            let until = from.saturating_add(ROWS_PER_MILLISECOND);
            let sql = "SELECT max(pk) FROM message WHERE pk >= ? AND pk < ?";
            match first(self.connection, sql, [from, until], |row| row.get::<_, Option<i64>>(0))?.flatten() {
                None => return Ok(from),
                Some(last) if last + 1 < until => return Ok(last + 1),
                Some(_) => from = until,
            }
        }
    }

    fn append_message(&mut self, batch: &WriteBatch, new: &NewRow) -> Result<Placed> {
        let place = self.conversation(new.conversation)?;
        if new.status == MessageStatus::Streaming && new.turn.is_none() {
            return Err(refusal::streaming_without_turn());
        }
        if let Some(turn) = new.turn
            && !batch.puts_turn(turn, new.conversation)
            && self.turn(turn)?.1 != new.conversation
        {
            return Err(refusal::no_turn());
        }
        if self.exists("SELECT 1 FROM message WHERE id = ?", new.id.as_bytes())? {
            return Err(refusal::id_taken());
        }
        let parent_pk = match new.parent {
            Parent::Start => place.root_pk,
            Parent::Head => place.head_pk.unwrap_or(place.root_pk),
            Parent::Message(id) => {
                let sql = "SELECT pk FROM message WHERE id = ? AND conv_pk = ?";
                first(self.connection, sql, params![id.as_bytes(), place.pk], |row| row.get(0))?
                    .ok_or_else(refusal::no_message)?
            }
        };
        let (parent, depth, jump_pk, jump_depth, sibling_index) = first(
            self.connection,
            "SELECT p.id, p.depth, p.jump_pk, p.jump_depth, p.child_count, j.jump_pk, j.jump_depth
             FROM message p JOIN message j ON j.pk = p.jump_pk WHERE p.pk = ?",
            [parent_pk],
            |row| {
                let (depth, jump_depth, far_depth): (i32, i32, i32) = (row.get(1)?, row.get(3)?, row.get(6)?);
                let (jump_pk, jump_depth): (i64, i32) =
                    if jumps_on(depth, jump_depth, far_depth) { (row.get(5)?, far_depth) } else { (parent_pk, depth) };
                let id = row.get::<_, Option<[u8; 16]>>(0)?.map(MessageId::from_bytes);
                Ok((id, depth + 1, jump_pk, jump_depth, row.get::<_, i32>(4)?))
            },
        )?
        .ok_or_else(refusal::no_message)?;

        let change = self.note_message(&place, new.id, Change::Made)?;
        let (pk, at) = (self.new_message_pk()?, self.at.as_millis());
        let content = self.keep_content(&new.content)?;
        run(
            self.connection,
            "INSERT INTO message(pk, conv_pk, parent_pk, depth, jump_pk, jump_depth, sibling_ix, id, turn_id, role, status,
             change_seq, created_at, updated_at, finish_reason, model, usage, cost, metadata, content_hash, content)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
            params![
                pk,
                place.pk,
                parent_pk,
                depth,
                jump_pk,
                jump_depth,
                sibling_index,
                new.id.as_bytes(),
                new.turn.as_ref().map(TurnId::as_bytes),
                Coded(new.role),
                Coded(new.status),
                change,
                at,
                new.finish_reason.map(Coded),
                new.model,
                new.usage.as_ref().map(json).transpose()?,
                new.cost.as_ref().map(json).transpose()?,
                map_json(&new.metadata)?,
                new.content.spilled,
                content,
            ],
        )?;
        run(
            self.connection,
            "UPDATE message SET child_count = child_count + 1, selected_child_pk = ? WHERE pk = ?",
            [pk, parent_pk],
        )?;
        run(
            self.connection,
            "UPDATE conversation SET head_pk = ?2, head_id = ?3, head_depth = ?4, message_count = message_count + 1 WHERE pk = ?1",
            params![place.pk, pk, new.id.as_bytes(), depth],
        )?;
        if new.status != MessageStatus::Streaming {
            self.show_last(&place, new.role, &new.content)?;
        }
        self.add_up(&place, change, new.usage.as_ref(), new.cost.as_ref())?;
        Ok(Placed { id: new.id, parent, depth, sibling_index })
    }

    pub(super) fn end_message(&mut self, end: &MessageEnd) -> Result<()> {
        let target = self.message(end.id)?;
        if target.status != MessageStatus::Streaming {
            return Err(refusal::not_streaming());
        }
        let place = self.conversation(target.conversation)?;
        let change = self.note_message(&place, end.id, Change::Changed)?;
        let content = self.keep_content(&end.content)?;
        if let Some(old) = target.content_hash {
            self.release_blob(&old)?;
        }
        run(
            self.connection,
            "UPDATE message SET status = ?2, change_seq = ?3, updated_at = ?4, finish_reason = ?5, usage = ?6, cost = ?7,
             content_hash = ?8, content = ?9 WHERE pk = ?1",
            params![
                target.pk,
                Coded(end.status),
                change,
                self.at.as_millis(),
                end.finish_reason.map(Coded),
                end.usage.as_ref().map(json).transpose()?,
                end.cost.as_ref().map(json).transpose()?,
                end.content.spilled,
                content,
            ],
        )?;
        run(self.connection, "DELETE FROM draft_chunk WHERE message_pk = ?", [target.pk])?;
        if place.head_pk == Some(target.pk) {
            self.show_last(&place, target.role, &end.content)?;
        }
        self.add_up(&place, change, end.usage.as_ref(), end.cost.as_ref())
    }

    fn show_last(&self, place: &Place, role: Role, content: &Content) -> Result<()> {
        let preview = Some(&content.preview).filter(|preview| !preview.is_empty());
        run(
            self.connection,
            "UPDATE conversation SET last_role = ?, last_preview = ? WHERE pk = ?",
            params![Coded(role), preview, place.pk],
        )?;
        Ok(())
    }

    /// Counts what a message took and moves its conversation to the top of the list.
    fn add_up(&self, place: &Place, change: i64, usage: Option<&Usage>, cost: Option<&Cost>) -> Result<()> {
        let add = |total: i64, more: Option<i64>| total.saturating_add(more.unwrap_or(0).max(0));
        run(
            self.connection,
            "UPDATE conversation SET input_tokens = ?2, output_tokens = ?3, cost_nano_usd = ?4, activity_seq = ?5, version = ?5,
             updated_at = ?6 WHERE pk = ?1",
            params![
                place.pk,
                add(place.input_tokens, usage.map(|usage| usage.input_tokens)),
                add(place.output_tokens, usage.map(|usage| usage.output_tokens)),
                add(place.cost_nano_usd, cost.and_then(|cost| cost.nano_usd)),
                change,
                self.at.as_millis(),
            ],
        )?;
        Ok(())
    }

    /// What goes into the row; content too long for it goes into a blob.
    fn keep_content<'c>(&self, content: &'c Content) -> Result<Option<&'c [u8]>> {
        match &content.spilled {
            Some(name) => self.keep_blob(name, &content.json).map(|()| None),
            None => Ok(Some(&content.json)),
        }
    }

    fn keep_blob(&self, name: &[u8; 32], data: &[u8]) -> Result<()> {
        let size = i64::try_from(data.len()).unwrap_or(i64::MAX);
        let refs = first(
            self.connection,
            "INSERT INTO blob(hash, size, refs, created_at) VALUES(?, ?, 1, ?)
             ON CONFLICT(hash) DO UPDATE SET refs = refs + 1 RETURNING refs",
            params![name, size, self.at.as_millis()],
            |row| row.get::<_, i64>(0),
        )?;
        if refs == Some(1) {
            run(self.connection, "INSERT INTO blob_inline(hash, data) VALUES(?, ?)", params![name, data])?;
        }
        Ok(())
    }

    fn release_blob(&self, name: &[u8; 32]) -> Result<()> {
        let sql = "UPDATE blob SET refs = refs - 1 WHERE hash = ? RETURNING refs";
        if first(self.connection, sql, [name], |row| row.get::<_, i64>(0))? == Some(0) {
            run(self.connection, "DELETE FROM blob_inline WHERE hash = ?", [name])?;
            run(self.connection, "DELETE FROM blob WHERE hash = ?", [name])?;
        }
        Ok(())
    }

    fn put_attachment(&mut self, new: &NewAttachment) -> Result<()> {
        let message_pk = self.message(new.message)?.pk;
        if self.exists("SELECT 1 FROM attachment WHERE id = ?", new.id.as_bytes())? {
            return Err(refusal::id_taken());
        }
        let name = hash(&new.data);
        self.keep_blob(&name, &new.data)?;
        run(
            self.connection,
            "INSERT INTO attachment(id, owner_pk, message_pk, part_ix, hash, mime_type, name, created_at) VALUES(?, ?, ?, ?, ?, ?, ?, ?)",
            params![
                new.id.as_bytes(),
                self.owner_pk()?,
                message_pk,
                new.part_index,
                name,
                new.mime_type,
                new.name,
                self.at.as_millis()
            ],
        )?;
        Ok(())
    }

    fn put_turn(&mut self, new: &NewTurn) -> Result<()> {
        let place = self.conversation(new.conversation)?;
        if self.message(new.message)?.conversation != new.conversation {
            return Err(refusal::no_message());
        }
        if let Some(client_id) = &new.client_id {
            let sql = "SELECT 1 FROM turn WHERE conv_pk = ? AND client_id = ?";
            if first(self.connection, sql, params![place.pk, client_id], |_| Ok(()))?.is_some() {
                return Err(refusal::client_id_taken());
            }
        }
        if self.exists("SELECT 1 FROM turn WHERE id = ?", new.id.as_bytes())? {
            return Err(refusal::id_taken());
        }
        self.note(place.owner_pk, place.id, Entity::Turn, new.id.as_bytes(), Change::Made)?;
        run(
            self.connection,
            "INSERT INTO turn(id, conv_pk, state, epoch, attempt, last_seq, message_id, reply_id, client_id, body_hash, model,
             holder, lease_until, created_at, updated_at) VALUES(?1, ?2, ?3, 1, 0, 0, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?11)",
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
            ],
        )?;
        Ok(())
    }

    pub(super) fn advance_turn(&mut self, id: TurnId, change: &TurnChange) -> Result<()> {
        let (pk, conversation, _) = self.turn(id)?;
        let owner_pk = self.conversation(conversation)?.owner_pk;
        self.note(owner_pk, conversation, Entity::Turn, id.as_bytes(), Change::Changed)?;
        let millis = |time: &Option<Option<Timestamp>>| time.flatten().map(Timestamp::as_millis);
        let error = change.error.as_ref().and_then(Option::as_ref).map(json).transpose()?;
        let lease = change.lease.as_ref().and_then(Option::as_ref);
        run(
            self.connection,
            "UPDATE turn SET epoch = epoch + 1, updated_at = ?2, state = coalesce(?3, state), attempt = coalesce(?4, attempt),
             last_seq = coalesce(?5, last_seq), reply_id = coalesce(?6, reply_id), model = coalesce(?7, model),
             not_before = iif(?8, ?9, not_before), expires_at = iif(?10, ?11, expires_at), error = iif(?12, ?13, error),
             holder = iif(?14, ?15, holder), lease_until = iif(?14, ?16, lease_until) WHERE pk = ?1",
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
            ],
        )?;
        Ok(())
    }

    fn put_step(&mut self, step: &NewStep) -> Result<()> {
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

    fn append_draft(&mut self, chunk: &DraftChunk) -> Result<()> {
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

    fn enqueue(&mut self, entry: &QueueEntry) -> Result<()> {
        let (turn_pk, conversation, _) = self.turn(entry.turn)?;
        let conv_pk = self.conversation(conversation)?.pk;
        run(
            self.connection,
            "INSERT INTO send_queue(turn_pk, conv_pk, not_before, expires_at, enqueued_seq) VALUES(?, ?, ?, ?, ?)
             ON CONFLICT(turn_pk) DO UPDATE SET not_before = excluded.not_before, expires_at = excluded.expires_at",
            params![
                turn_pk,
                conv_pk,
                entry.not_before.as_millis(),
                entry.expires_at.map(Timestamp::as_millis),
                self.change
            ],
        )?;
        Ok(())
    }

    fn dequeue(&mut self, turn: TurnId) -> Result<()> {
        let (turn_pk, ..) = self.turn(turn)?;
        run(self.connection, "DELETE FROM send_queue WHERE turn_pk = ?", [turn_pk]).map(drop)
    }
}

/// JSON of a map of strings; nothing for an empty one.
fn map_json(map: &std::collections::HashMap<String, String>) -> Result<Option<String>> {
    if map.is_empty() { Ok(None) } else { json(map).map(Some) }
}
