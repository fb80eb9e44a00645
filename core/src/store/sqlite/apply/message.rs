//! Ops on messages: where they stand in the tree, and what their conversation shows of them.

use rusqlite::params;

use super::{Applying, Place, map_json};
use crate::base::{MessageId, Timestamp, TurnId};
use crate::model::{Cost, MessageStatus, Result, Role, Usage};
use crate::store::sqlite::read::ANCESTOR;
use crate::store::sqlite::row::{Coded, first, insert, json, run};
use crate::store::tree::jumps_on;
use crate::store::{Content, MessageEnd, NewRow, Parent, Placed, WriteBatch, refusal};

/// Rows of one millisecond; more go on into the next.
const ROWS_PER_MILLISECOND: i64 = 1 << 21;

impl Applying<'_> {
    /// A key that no message has, in the order of time.
    pub(super) fn new_message_pk(&self, at: Timestamp) -> Result<i64> {
        let millisecond = at.as_millis().clamp(0, (1 << 42) - 2);
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

    /// Below which message an answer to this one stands, and whether its branch is shown.
    fn place_of_answer(&self, place: &Place, message: MessageId, turn: Option<TurnId>) -> Result<(i64, bool)> {
        let (pk, is_shown) = self.place_below(place, message)?;
        let Some(head_pk) = place.head_pk.filter(|head| is_shown && *head != pk) else { return Ok((pk, is_shown)) };
        let of_head = first(self.connection, "SELECT turn_id FROM message WHERE pk = ?", [head_pk], |row| {
            row.get::<_, Option<[u8; 16]>>(0)
        })?;
        let same_turn = of_head.flatten().map(TurnId::from_bytes).is_some_and(|of| Some(of) == turn);
        Ok((if same_turn { pk } else { head_pk }, true))
    }

    /// The row of this message, and whether its branch is shown.
    fn place_below(&self, place: &Place, message: MessageId) -> Result<(i64, bool)> {
        let sql = "SELECT pk, depth FROM message WHERE id = ? AND conv_pk = ?";
        let (pk, depth): (i64, i32) =
            first(self.connection, sql, params![message.as_bytes(), place.pk], |row| Ok((row.get(0)?, row.get(1)?)))?
                .ok_or_else(refusal::no_message)?;
        let Some(head_pk) = place.head_pk.filter(|head| *head != pk) else { return Ok((pk, true)) };
        let below = first(self.connection, ANCESTOR, params![head_pk, depth], |row| row.get::<_, i64>(0))?;
        Ok((pk, below == Some(pk)))
    }

    pub(super) fn append_message(&mut self, batch: &WriteBatch, new: &NewRow) -> Result<Placed> {
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
        let (parent_pk, is_shown) = match new.parent {
            Parent::Start => (place.root_pk, true),
            Parent::Head => (place.shown(), true),
            Parent::Message(id) => (self.key_of(&place, id)?, true),
            Parent::Beside(id) => {
                let sql = "SELECT parent_pk FROM message WHERE id = ? AND conv_pk = ?";
                let parent = first(self.connection, sql, params![id.as_bytes(), place.pk], |row| row.get(0))?;
                (parent.ok_or_else(refusal::no_message)?, true)
            }
            Parent::Below(id) => self.place_below(&place, id)?,
            Parent::Restored { below, .. } => {
                (below.map_or(Ok(place.root_pk), |below| self.key_of(&place, below))?, false)
            }
            Parent::Answer(id) => self.place_of_answer(&place, id, new.turn)?,
        };
        if is_shown {
            self.stop_at(&place, parent_pk)?;
        }
        let (parent, depth, jump_pk, jump_depth, sibling_index, deletion) = first(
            self.connection,
            "SELECT p.id, p.depth, p.jump_pk, p.jump_depth, p.child_count, j.jump_pk, j.jump_depth, r.change_seq
             FROM message p CROSS JOIN message j ON j.pk = p.jump_pk CROSS JOIN message r ON r.pk = ?2 WHERE p.pk = ?1",
            [parent_pk, place.root_pk],
            |row| {
                let (depth, jump_depth, far_depth): (i32, i32, i32) = (row.get(1)?, row.get(3)?, row.get(6)?);
                let (jump_pk, jump_depth): (i64, i32) =
                    if jumps_on(depth, jump_depth, far_depth) { (row.get(5)?, far_depth) } else { (parent_pk, depth) };
                let id = row.get::<_, Option<[u8; 16]>>(0)?.map(MessageId::from_bytes);
                Ok((id, depth + 1, jump_pk, jump_depth, row.get::<_, i32>(4)?, row.get(7)?))
            },
        )?
        .ok_or_else(refusal::no_message)?;

        let at = self.at.as_millis();
        let made = new.created_at.filter(|_| matches!(new.parent, Parent::Restored { .. })).unwrap_or(self.at);
        let pk = self.new_message_pk(made)?;
        // What is being written is noted when it ends.
        let change = if new.status == MessageStatus::Streaming { self.number() } else { self.number_of_made(pk)? };
        let content = self.keep_content(&new.content)?;
        // Before the row is there: the message above, which grows by this, mostly is the last of the table, where that moves
        // nothing else.
        let selects = match new.parent {
            Parent::Restored { selected, .. } => Some(selected),
            _ => is_shown.then_some(true),
        };
        run(
            self.connection,
            "UPDATE message SET child_count = child_count + 1, selected_child_pk =
             CASE ?3 WHEN TRUE THEN ?1 WHEN FALSE THEN selected_child_pk ELSE coalesce(selected_child_pk, ?1) END
             WHERE pk = ?2",
            params![pk, parent_pk, selects],
        )?;
        insert(
            self.connection,
            "INSERT INTO message(pk, conv_pk, parent_pk, depth, jump_pk, jump_depth, sibling_ix, id, turn_id, role, status,
             change_seq, created_at, updated_at, finish_reason, model, usage, cost, metadata, content_hash, content)
             VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?21, ?14, ?15, ?16, ?17, ?18, ?19, ?20)",
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
                new.created_at.map_or(at, Timestamp::as_millis),
                new.finish_reason.map(Coded),
                new.model,
                new.usage.as_ref().map(json).transpose()?,
                new.cost.as_ref().map(json).transpose()?,
                map_json(&new.metadata)?,
                new.content.spilled,
                content,
                at,
            ],
        )?;
        if is_shown {
            let shows = (new.status != MessageStatus::Streaming).then_some((new.role, &new.content));
            let place = Place { head_pk: Some(pk), head_id: Some(new.id), ..place };
            self.add_up(place, (1, Some(depth)), shows, change, new.usage.as_ref(), new.cost.as_ref())?;
        } else {
            self.add_up(place, (1, None), None, change, new.usage.as_ref(), new.cost.as_ref())?;
        }
        self.seen.added.set(new.turn.map(|_| (new.id, new.conversation)));
        Ok(Placed { id: new.id, parent, depth, sibling_index, deletion })
    }

    pub(in crate::store::sqlite) fn end_message(&mut self, end: &MessageEnd) -> Result<()> {
        let target = self.message(end.id)?;
        if target.status != MessageStatus::Streaming {
            return Err(refusal::not_streaming());
        }
        let place = self.conversation(target.conversation)?;
        let change = self.note_message(target.pk)?;
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
        // Somebody may have gone on below it.
        if place.head_pk != Some(target.pk) {
            self.note_past(&place, change)?;
        }
        let shows = (place.head_pk == Some(target.pk)).then_some((target.role, &end.content));
        self.add_up(place, (0, None), shows, change, end.usage.as_ref(), end.cost.as_ref())
    }

    pub(super) fn withdraw_message(&mut self, id: MessageId) -> Result<()> {
        let target = self.message(id)?;
        if target.status == MessageStatus::Streaming {
            return Err(refusal::still_streaming());
        }
        let place = self.conversation(target.conversation)?;
        self.forget_summaries(&place, target.pk)?;
        let change = self.note_message(target.pk)?;
        run(
            self.connection,
            "UPDATE message SET status = ?2, change_seq = ?3, updated_at = ?4 WHERE pk = ?1",
            params![target.pk, Coded(MessageStatus::Cancelled), change, self.at.as_millis()],
        )?;
        self.note_past(&place, change)?;
        run(self.connection, "UPDATE conversation SET version = ?2 WHERE pk = ?1", [place.pk, change])?;
        self.seen.place.set(Some(Place { version: change, ..place }));
        self.note_list(place.owner_pk, change)
    }

    /// Moves a conversation to the top of the list, with what a message took and what it shows. So many messages are new,
    /// and `depth` is that of a head which is.
    fn add_up(
        &self,
        place: Place,
        (new, depth): (i32, Option<i32>),
        shows: Option<(Role, &Content)>,
        change: i64,
        usage: Option<&Usage>,
        cost: Option<&Cost>,
    ) -> Result<()> {
        let add = |total: i64, more: Option<i64>| total.saturating_add(more.unwrap_or(0).max(0));
        let before = place.version;
        let place = Place {
            input_tokens: add(place.input_tokens, usage.map(|usage| usage.input_tokens)),
            output_tokens: add(place.output_tokens, usage.map(|usage| usage.output_tokens)),
            cost_nano_usd: add(place.cost_nano_usd, cost.and_then(|cost| cost.nano_usd)),
            version: change,
            ..place
        };
        let preview = shows.map(|(_, content)| &content.preview).filter(|preview| !preview.is_empty());
        run(
            self.connection,
            "UPDATE conversation SET head_pk = ?2, head_id = ?3, head_depth = coalesce(?4, head_depth),
             message_count = message_count + ?12, last_role = coalesce(?5, last_role),
             last_preview = iif(?5 IS NULL, last_preview, ?6), input_tokens = ?7, output_tokens = ?8, cost_nano_usd = ?9,
             activity_seq = ?10, version = ?10, updated_at = ?11 WHERE pk = ?1",
            params![
                place.pk,
                place.head_pk,
                place.head_id.as_ref().map(MessageId::as_bytes),
                depth,
                shows.map(|(role, _)| Coded(role)),
                preview,
                place.input_tokens,
                place.output_tokens,
                place.cost_nano_usd,
                change,
                self.at.as_millis(),
                new,
            ],
        )?;
        if place.is_tagged {
            let sql = "UPDATE conversation_tag SET activity_seq = ?2 WHERE conv_pk = ?1";
            run(self.connection, sql, [place.pk, change])?;
        }
        self.seen.place.set(Some(place));
        let first = self.seen.versions.get().map_or(before, |(first, _)| first);
        self.seen.versions.set(Some((first, change)));
        Ok(())
    }
}
