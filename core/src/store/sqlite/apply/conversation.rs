//! Ops on conversations.

use rusqlite::params;

use super::{Applying, Place, Seen, list_json, map_json};
use crate::base::{ConversationId, ErrorKind, Timestamp};
use crate::model::{PreferencesChange, Result};
use crate::store::sqlite::conversations;
use crate::store::sqlite::row::{all, first, json, run};
use crate::store::{ConversationChange, NewConversation, refusal};

/// A statement that goes through all messages of a conversation, named by its key. They are `below` its virtual root.
macro_rules! below {
    ($sql:literal) => {
        concat!(
            "WITH RECURSIVE below(pk) AS (
              SELECT root_pk FROM conversation WHERE pk = ?1
              UNION ALL SELECT m.pk FROM below CROSS JOIN message m ON m.parent_pk = below.pk)
            ",
            $sql
        )
    };
}

pub(in crate::store::sqlite) const BLOBS: &str = below!(
    "SELECT m.content_hash FROM below CROSS JOIN message m ON m.pk = below.pk WHERE m.content_hash IS NOT NULL
     UNION ALL SELECT a.hash FROM below CROSS JOIN attachment a ON a.message_pk = below.pk"
);
pub(in crate::store::sqlite) const DELETE_DRAFTS: &str =
    below!("DELETE FROM draft_chunk WHERE message_pk IN (SELECT pk FROM below)");
pub(in crate::store::sqlite) const DELETE_ATTACHMENTS: &str =
    below!("DELETE FROM attachment WHERE message_pk IN (SELECT pk FROM below)");
pub(in crate::store::sqlite) const DELETE_WORDS: &str =
    below!("DELETE FROM message_fts WHERE rowid IN (SELECT pk FROM below)");
pub(in crate::store::sqlite) const DELETE_MESSAGES: &str =
    below!("DELETE FROM message WHERE pk IN (SELECT pk FROM below)");

impl Applying<'_> {
    pub(super) fn owner_pk(&self) -> Result<i64> {
        run(
            self.connection,
            "INSERT INTO owner(ext_id, created_at) VALUES(?, ?) ON CONFLICT(ext_id) DO NOTHING",
            params![self.owner, self.at.as_millis()],
        )?;
        let sql = "SELECT pk, erasing_since IS NOT NULL FROM owner WHERE ext_id = ?";
        let found = first(self.connection, sql, [self.owner], |row| Ok((row.get(0)?, row.get(1)?)))?;
        match found.ok_or_else(refusal::no_conversation)? {
            (_, true) => Err(refusal::erasing()),
            (owner_pk, false) => Ok(owner_pk),
        }
    }

    pub(super) fn update_preferences(&self, change: &PreferencesChange) -> Result<()> {
        let owner_pk = self.owner_pk()?;
        let preferences = json(&conversations::preferences(self.connection, self.owner)?.changed(change)?)?;
        run(self.connection, "UPDATE owner SET preferences = ?2 WHERE pk = ?1", params![owner_pk, preferences])?;
        self.note_preferences(owner_pk)
    }

    pub(super) fn put_conversation(&mut self, new: &NewConversation) -> Result<()> {
        if self.exists("SELECT 1 FROM conversation WHERE id = ?", new.id.as_bytes())? {
            let is_there = self.conversation(new.id).map(drop);
            match is_there {
                // One of this owner whose time is up makes room.
                Err(error) if error.kind() == ErrorKind::NotFound && self.place(new.id, i64::MIN)?.is_some() => {
                    self.delete_conversation(new.id)?;
                }
                is_there => return is_there,
            }
        }
        let owner_pk = self.owner_pk()?;
        let change = self.number();
        let (at, root_pk) = (self.at.as_millis(), self.new_message_pk(self.at)?);
        run(
            self.connection,
            "INSERT INTO conversation(id, owner_pk, root_pk, activity_seq, version, created_at, updated_at, title, system, model,
             metadata, tags, expires_at) VALUES(?1, ?2, ?3, ?4, ?4, ?5, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                new.id.as_bytes(),
                owner_pk,
                root_pk,
                change,
                at,
                new.title,
                new.system,
                new.model,
                map_json(&new.metadata)?,
                list_json(&new.tags)?,
                new.expires_in.map(|time| self.at.plus(time).as_millis()),
            ],
        )?;
        let pk = self.connection.last_insert_rowid();
        run(
            self.connection,
            "INSERT INTO message(pk, conv_pk, depth, jump_pk, jump_depth, sibling_ix, role, status, change_seq, created_at, updated_at, content)
             VALUES(?1, ?2, 0, ?1, 0, 0, 0, 0, ?3, ?4, ?4, x'')",
            params![root_pk, pk, change, at],
        )?;
        if new.tags.is_empty() { Ok(()) } else { self.note_tags(pk) }
    }

    pub(super) fn update_conversation(&mut self, id: ConversationId, change: &ConversationChange) -> Result<()> {
        let place = self.conversation(id)?;
        let version = self.number();
        let metadata = change.metadata.as_ref().map(map_json).transpose()?;
        let tags = change.tags.as_ref().map(|tags| list_json(tags)).transpose()?;
        run(
            self.connection,
            "UPDATE conversation SET title = iif(?2, ?3, title), system = iif(?4, ?5, system), model = iif(?6, ?7, model),
             metadata = iif(?8, ?9, metadata), version = ?10, updated_at = ?11, is_pinned = coalesce(?12, is_pinned),
             is_archived = coalesce(?13, is_archived), expires_at = iif(?14, ?15, expires_at), tags = iif(?16, ?17, tags)
             WHERE pk = ?1",
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
                change.pinned,
                change.archived,
                change.expires_in.is_some(),
                change.expires_in.flatten().map(|time| self.at.plus(time).as_millis()),
                tags.is_some(),
                tags.as_ref().and_then(Option::as_ref),
            ],
        )?;
        let is_tagged = tags.as_ref().map_or(place.is_tagged, Option::is_some);
        if place.is_tagged || is_tagged {
            self.note_tags(place.pk)?;
        }
        self.seen.place.set(Some(Place { version, is_tagged, ..place }));
        self.note_list(place.owner_pk, version)
    }

    pub(super) fn date_conversation(
        &mut self,
        id: ConversationId,
        created_at: Timestamp,
        updated_at: Timestamp,
    ) -> Result<()> {
        let place = self.conversation(id)?;
        let version = self.number();
        run(
            self.connection,
            "UPDATE conversation SET created_at = ?2, updated_at = ?3, version = ?4, activity_seq = ?4 WHERE pk = ?1",
            params![place.pk, created_at.as_millis(), updated_at.as_millis(), version],
        )?;
        if place.is_tagged {
            self.note_tags(place.pk)?;
        }
        self.seen.place.set(Some(Place { version, ..place }));
        self.note_list(place.owner_pk, version)
    }

    /// Puts the conversation into the list of each of its tags, and out of all others.
    fn note_tags(&self, pk: i64) -> Result<()> {
        run(self.connection, "DELETE FROM conversation_tag WHERE conv_pk = ?", [pk])?;
        run(
            self.connection,
            "INSERT INTO conversation_tag(owner_pk, tag, is_archived, is_pinned, activity_seq, conv_pk)
             SELECT c.owner_pk, j.value, c.is_archived, c.is_pinned, c.activity_seq, c.pk
             FROM conversation c CROSS JOIN json_each(c.tags) j WHERE c.pk = ?",
            [pk],
        )
        .map(drop)
    }

    pub(super) fn sweep_conversation(&mut self, id: ConversationId) -> Result<()> {
        let is_there = self.place(id, self.at.as_millis())?.is_some();
        if is_there || self.place(id, i64::MIN)?.is_none() { Ok(()) } else { self.delete_conversation(id) }
    }

    /// Also one whose time is up.
    pub(super) fn delete_conversation(&mut self, id: ConversationId) -> Result<()> {
        let place = self.place(id, i64::MIN)?.ok_or_else(refusal::no_conversation)?;
        self.seen = Seen::default();
        let version = self.number();
        self.note_list(place.owner_pk, version)?;
        let pk = [place.pk];
        let blobs: Vec<[u8; 32]> = all(self.connection, BLOBS, pk, |row| row.get(0))?;
        for sql in [
            "DELETE FROM send_queue WHERE turn_pk IN (SELECT pk FROM turn WHERE conv_pk = ?)",
            "DELETE FROM turn_step WHERE turn_pk IN (SELECT pk FROM turn WHERE conv_pk = ?)",
            "DELETE FROM turn WHERE conv_pk = ?",
            DELETE_DRAFTS,
            DELETE_ATTACHMENTS,
            DELETE_WORDS,
            "DELETE FROM summary WHERE conv_pk = ?",
            DELETE_MESSAGES,
            "DELETE FROM conversation_tag WHERE conv_pk = ?",
            "DELETE FROM conversation WHERE pk = ?",
        ] {
            run(self.connection, sql, pk)?;
        }
        blobs.iter().try_for_each(|name| self.release_blob(name))
    }
}
