//! Ops that move about in the tree, and those that take something out of it.

use rusqlite::params;

use super::{Applying, Place};
use crate::base::{ConversationId, MessageId, TurnId};
use crate::model::{MessageStatus, Result, Role, TurnState, text_of};
use crate::store::codes::Code as _;
use crate::store::content::preview;
use crate::store::sqlite::branches::{DIVERGENCE, END};
use crate::store::sqlite::read::ANCESTOR;
use crate::store::sqlite::row::{Coded, all, first, run};
use crate::store::sqlite::search::FORGET_WORDS;
use crate::store::tree::{self, Rows};
use crate::store::{Content, refusal};

/// A row that is looked at to be removed.
struct Doomed {
    pk: i64,
    parent_pk: i64,
    id: MessageId,
    turn: Option<TurnId>,
    status: MessageStatus,
    children: i32,
    content_hash: Option<[u8; 32]>,
}

/// The messages of one conversation.
struct SqlRows<'a>(&'a Applying<'a>);

impl Rows for SqlRows<'_> {
    type Key = i64;

    fn depth(&self, of: i64) -> Result<i32> {
        let sql = "SELECT depth FROM message WHERE pk = ?";
        first(self.0.connection, sql, [of], |row| row.get(0))?.ok_or_else(refusal::no_message)
    }

    fn ancestor(&self, of: i64, depth: i32) -> Result<i64> {
        first(self.0.connection, ANCESTOR, params![of, depth], |row| row.get(0))?.ok_or_else(refusal::no_message)
    }

    fn parting(&self, one: i64, other: i64) -> Result<(i64, i64)> {
        let found = first(self.0.connection, DIVERGENCE, [one, other], |row| Ok((row.get(0)?, row.get(1)?)))?;
        found.ok_or_else(refusal::no_message)
    }

    fn left(&self, at: i64) -> Result<Option<i64>> {
        let sql =
            "SELECT h.pk FROM message m JOIN message h ON h.pk = m.left_pk AND h.conv_pk = m.conv_pk WHERE m.pk = ?";
        first(self.0.connection, sql, [at], |row| row.get(0))
    }

    fn set_left(&mut self, at: i64, head: Option<i64>) -> Result<()> {
        run(self.0.connection, "UPDATE message SET left_pk = ?2 WHERE pk = ?1", params![at, head]).map(drop)
    }

    fn end(&self, from: i64) -> Result<i64> {
        first(self.0.connection, END, [from], |row| row.get(0))?.ok_or_else(refusal::no_message)
    }
}

impl Applying<'_> {
    /// The key of a message of this conversation.
    pub(super) fn key_of(&self, place: &Place, id: MessageId) -> Result<i64> {
        let sql = "SELECT pk FROM message WHERE id = ? AND conv_pk = ?";
        first(self.connection, sql, params![id.as_bytes(), place.pk], |row| row.get(0))?.ok_or_else(refusal::no_message)
    }

    pub(super) fn switch_to(&mut self, conversation: ConversationId, message: MessageId) -> Result<Option<MessageId>> {
        let place = self.conversation(conversation)?;
        let to = self.key_of(&place, message)?;
        let head = tree::switch(&mut SqlRows(self), place.shown(), to)?;
        self.show_branch(&place, head)
    }

    pub(super) fn fork_at(&mut self, conversation: ConversationId, message: MessageId) -> Result<Option<MessageId>> {
        let place = self.conversation(conversation)?;
        let at = self.key_of(&place, message)?;
        self.stop_at(&place, at)?;
        self.show_branch(&place, at)
    }

    /// Leaves what is shown for a new branch behind this message.
    pub(super) fn stop_at(&mut self, place: &Place, at: i64) -> Result<()> {
        if at == place.shown() {
            return Ok(());
        }
        tree::stop_at(&mut SqlRows(self), place.shown(), at)?;
        run(self.connection, "UPDATE message SET selected_child_pk = NULL WHERE pk = ?", [at]).map(drop)
    }

    /// Makes this row the head, and the conversation say what it says. Gives the head's id; the virtual root has none.
    fn show_branch(&mut self, place: &Place, head_pk: i64) -> Result<Option<MessageId>> {
        if head_pk == place.shown() {
            return Ok(place.head_id);
        }
        let sql = "SELECT m.id, m.depth, m.role, m.content, b.data FROM message m
                   LEFT JOIN blob_inline b ON b.hash = m.content_hash WHERE m.pk = ?";
        let (id, depth, role, words) = first(self.connection, sql, [head_pk], |row| {
            let id = row.get::<_, Option<[u8; 16]>>(0)?.map(MessageId::from_bytes);
            let inline = row.get_ref(3)?;
            let json = if inline.as_blob().is_ok() { inline } else { row.get_ref(4)? };
            let words = id.map(|_| Content::decode(json.as_blob().unwrap_or_default()));
            Ok((id, row.get::<_, i32>(1)?, Role::from_code(row.get(2)?), words))
        })?
        .ok_or_else(refusal::no_message)?;
        let words = words.transpose()?.map(|parts| preview(&text_of(&parts))).filter(|words| !words.is_empty());
        let version = self.number();
        run(
            self.connection,
            "UPDATE conversation SET head_pk = ?2, head_id = ?3, head_depth = ?4, last_role = ?5, last_preview = ?6,
             version = ?7, updated_at = ?8 WHERE pk = ?1",
            params![
                place.pk,
                id.map(|_| head_pk),
                id.as_ref().map(MessageId::as_bytes),
                depth,
                role.map(Coded),
                words,
                version,
                self.at.as_millis()
            ],
        )?;
        self.seen.forget();
        self.note_list(place.owner_pk, version)?;
        Ok(id)
    }

    pub(super) fn wipe_message(&mut self, id: MessageId) -> Result<()> {
        let target = self.message(id)?;
        match target.status {
            MessageStatus::Streaming => return Err(refusal::still_streaming()),
            MessageStatus::Deleted => return Ok(()),
            _ => {}
        }
        let place = self.conversation(target.conversation)?;
        let change = self.number();
        let nothing = Content::encode(&[])?;
        self.forget_summaries(&place, target.pk)?;
        self.release_attachments(target.pk)?;
        run(self.connection, FORGET_WORDS, [target.pk])?;
        if let Some(old) = target.content_hash {
            self.release_blob(&old)?;
        }
        run(
            self.connection,
            "UPDATE message SET status = ?2, change_seq = ?3, updated_at = ?4, metadata = NULL, content_hash = NULL,
             content = ?5 WHERE pk = ?1",
            params![target.pk, Coded(MessageStatus::Deleted), change, self.at.as_millis(), nothing.json.as_ref()],
        )?;
        if place.head_pk == Some(target.pk) {
            let sql = "UPDATE conversation SET last_role = ?, last_preview = NULL WHERE pk = ?";
            run(self.connection, sql, params![Coded(target.role), place.pk])?;
        }
        self.note_deletion(&place)
    }

    /// Gives the conversation's deletions a new number: histories that were read before are old.
    fn note_deletion(&mut self, place: &Place) -> Result<()> {
        let version = self.number();
        self.note_past(place, version)?;
        run(
            self.connection,
            "UPDATE conversation SET version = ?2, updated_at = ?3 WHERE pk = ?1",
            params![place.pk, version, self.at.as_millis()],
        )?;
        self.seen.forget();
        self.note_list(place.owner_pk, version)
    }

    fn release_attachments(&self, message_pk: i64) -> Result<()> {
        let sql = "SELECT hash FROM attachment WHERE message_pk = ?";
        let hashes: Vec<[u8; 32]> = all(self.connection, sql, [message_pk], |row| row.get(0))?;
        if hashes.is_empty() {
            return Ok(());
        }
        run(self.connection, "DELETE FROM attachment WHERE message_pk = ?", [message_pk])?;
        hashes.iter().try_for_each(|hash| self.release_blob(hash))
    }

    /// Removes rows from the end of a branch upwards until `top` is gone or the steps are used up. Gives where to go on.
    pub(super) fn remove_messages(
        &mut self,
        conversation: ConversationId,
        top: MessageId,
        from: Option<MessageId>,
        steps: usize,
    ) -> Result<Option<MessageId>> {
        let place = self.conversation(conversation)?;
        let top_pk = self.key_of(&place, top)?;
        self.forget_summaries(&place, top_pk)?;
        let (head, ends) = tree::without(&mut SqlRows(self), place.shown(), top_pk)?;
        if ends {
            let sql =
                "UPDATE message SET selected_child_pk = NULL WHERE pk = (SELECT parent_pk FROM message WHERE pk = ?)";
            run(self.connection, sql, [top_pk])?;
        }
        self.show_branch(&place, head)?;
        let mut at = top_pk;
        if let Some(from) = from.and_then(|from| self.key_of(&place, from).ok()) {
            let rows = SqlRows(self);
            let depth = rows.depth(top_pk)?;
            if rows.depth(from)? >= depth && rows.ancestor(from, depth)? == top_pk {
                at = from;
            }
        }
        for _ in 0..steps {
            let row = self.doomed(at)?;
            if row.children > 0 {
                let sql = "SELECT pk FROM message WHERE parent_pk = ? AND sibling_ix = ?";
                let last = first(self.connection, sql, params![row.pk, row.children - 1], |row| row.get(0))?;
                at = last.ok_or_else(refusal::no_message)?;
                continue;
            }
            self.remove_row(&place, &row)?;
            if row.pk == top_pk {
                self.note_deletion(&place)?;
                return Ok(None);
            }
            at = row.parent_pk;
        }
        self.note_deletion(&place)?;
        self.doomed(at).map(|row| Some(row.id))
    }

    fn doomed(&self, pk: i64) -> Result<Doomed> {
        let sql = "SELECT parent_pk, id, turn_id, status, child_count, content_hash FROM message WHERE pk = ?";
        first(self.connection, sql, [pk], |row| {
            Ok(Doomed {
                pk,
                parent_pk: row.get(0)?,
                id: MessageId::from_bytes(row.get(1)?),
                turn: row.get::<_, Option<[u8; 16]>>(2)?.map(TurnId::from_bytes),
                status: row.get::<_, Coded<_>>(3)?.0,
                children: row.get(4)?,
                content_hash: row.get(5)?,
            })
        })?
        .ok_or_else(refusal::no_message)
    }

    /// Removes a row without children.
    fn remove_row(&mut self, place: &Place, row: &Doomed) -> Result<()> {
        if row.status == MessageStatus::Streaming {
            return Err(refusal::still_streaming());
        }
        if let Some(turn) = row.turn {
            self.remove_turn_of(turn, row.id)?;
        }
        self.number();
        self.take_out(place.pk, row.pk, row.parent_pk, row.content_hash)
    }

    /// Takes a row without children out of everything that knows it.
    pub(super) fn take_out(&self, conv_pk: i64, pk: i64, parent_pk: i64, content_hash: Option<[u8; 32]>) -> Result<()> {
        self.release_attachments(pk)?;
        run(self.connection, FORGET_WORDS, [pk])?;
        if let Some(hash) = content_hash {
            self.release_blob(&hash)?;
        }
        let sql = "DELETE FROM message WHERE pk = ? RETURNING sibling_ix";
        let index: Option<i32> = first(self.connection, sql, [pk], |row| row.get(0))?;
        let later = "UPDATE message SET sibling_ix = sibling_ix - 1 WHERE parent_pk = ? AND sibling_ix > ?";
        run(self.connection, later, params![parent_pk, index])?;
        run(
            self.connection,
            "UPDATE message SET child_count = child_count - 1,
             selected_child_pk = iif(selected_child_pk = ?2, NULL, selected_child_pk) WHERE pk = ?1",
            [parent_pk, pk],
        )?;
        let sql = "UPDATE conversation SET message_count = message_count - 1 WHERE pk = ?";
        run(self.connection, sql, [conv_pk]).map(drop)
    }

    /// Removes the turn that begins with this message.
    fn remove_turn_of(&self, turn: TurnId, message: MessageId) -> Result<()> {
        let sql = "SELECT pk, state FROM turn WHERE id = ? AND message_id = ?";
        let found = first(self.connection, sql, params![turn.as_bytes(), message.as_bytes()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Coded<TurnState>>(1)?.0))
        })?;
        let Some((pk, state)) = found else { return Ok(()) };
        if state.is_open() {
            return Err(refusal::turn_open());
        }
        for sql in [
            "DELETE FROM send_queue WHERE turn_pk = ?",
            "DELETE FROM turn_step WHERE turn_pk = ?",
            "DELETE FROM turn WHERE pk = ?",
        ] {
            run(self.connection, sql, [pk])?;
        }
        Ok(())
    }
}

impl Place {
    /// The row of the head; the virtual root while there is none.
    pub(super) fn shown(&self) -> i64 {
        self.head_pk.unwrap_or(self.root_pk)
    }
}
