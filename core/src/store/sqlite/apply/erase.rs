//! Ops that take out everything of an owner, a part at a time.
//!
//! From the first part of it on, a conversation or stream is hidden: its time was up before all times, by which the sweeping
//! of what has expired knows that it is taken care of. Messages go from the leaves on, so that every part leaves a tree.

use rusqlite::{Connection, params};

use super::{Applying, Seen};
use crate::model::Result;
use crate::store::sqlite::row::{all, first, run};
use crate::store::{Erased, refusal};

/// The time of what is being taken out. Everything that is said to expire does so later.
const GONE: i64 = i64::MIN;

pub(in crate::store::sqlite) const ERASING: &str =
    "SELECT ext_id FROM owner WHERE erasing_since > -9223372036854775808 LIMIT ?";
pub(in crate::store::sqlite) const A_CONVERSATION: &str =
    "SELECT pk, root_pk FROM conversation WHERE owner_pk = ? LIMIT 1";
pub(in crate::store::sqlite) const SOME_TURNS: &str = "SELECT pk FROM turn WHERE conv_pk = ? LIMIT ?";
pub(in crate::store::sqlite) const A_LEAF: &str = "SELECT pk, parent_pk, content_hash FROM message
    WHERE conv_pk = ? AND child_count = 0 AND id IS NOT NULL ORDER BY pk DESC LIMIT 1";
pub(in crate::store::sqlite) const A_STREAM: &str =
    "SELECT pk, snapshot_hash FROM event_stream WHERE owner_pk = ? LIMIT 1";
pub(in crate::store::sqlite) const SOME_EVENTS: &str =
    "SELECT seq, data_hash FROM event WHERE stream_pk = ? ORDER BY seq LIMIT ?";

pub(in crate::store::sqlite) const SOME_ENTRIES: &str = "SELECT pk FROM library_entry WHERE owner_pk = ? LIMIT ?";

/// Owners whose erasure has not ended.
pub(in crate::store::sqlite) fn erasing(connection: &Connection, limit: usize) -> Result<Vec<String>> {
    all(connection, ERASING, [i64::try_from(limit).unwrap_or(i64::MAX)], |row| row.get(0))
}

impl Applying<'_> {
    pub(super) fn begin_erasure(&self) -> Result<()> {
        let sql = "SELECT pk FROM owner WHERE ext_id = ? AND preferences IS NOT NULL";
        if let Some(owner_pk) = first(self.connection, sql, [self.owner], |row| row.get(0))? {
            self.note_preferences(owner_pk)?;
        }
        run(
            self.connection,
            "UPDATE owner SET erasing_since = coalesce(erasing_since, ?2), preferences = NULL WHERE ext_id = ?1",
            params![self.owner, self.at.as_millis()],
        )
        .map(drop)
    }

    /// The owner, if he is being erased.
    fn erased_owner(&self) -> Result<Option<i64>> {
        let sql = "SELECT pk FROM owner WHERE ext_id = ? AND erasing_since IS NOT NULL";
        first(self.connection, sql, [self.owner], |row| row.get(0))
    }

    fn has_some(&self, owner_pk: i64) -> Result<bool> {
        let conversation = first(self.connection, A_CONVERSATION, [owner_pk], |_| Ok(()))?;
        Ok(conversation.is_some()
            || first(self.connection, A_STREAM, [owner_pk], |_| Ok(()))?.is_some()
            || first(self.connection, SOME_ENTRIES, [owner_pk, 1], |_| Ok(()))?.is_some())
    }

    pub(super) fn end_erasure(&self) -> Result<()> {
        let Some(owner_pk) = self.erased_owner()? else { return Ok(()) };
        if self.has_some(owner_pk)? {
            return Err(refusal::not_erased());
        }
        run(self.connection, "UPDATE owner SET erasing_since = NULL WHERE pk = ?", [owner_pk]).map(drop)
    }

    pub(super) fn erase_some(&mut self, rows: usize) -> Result<Erased> {
        let mut erased = Erased::default();
        let Some(owner_pk) = self.erased_owner()? else { return Ok(erased) };
        self.seen = Seen::default();
        let mut left = i64::try_from(rows).unwrap_or(i64::MAX);
        while left > 0 && self.erase_from_conversation(owner_pk, &mut left, &mut erased)? {}
        while left > 0 && self.erase_from_stream(owner_pk, &mut left, &mut erased)? {}
        if left > 0 {
            self.erase_from_library(owner_pk, left, &mut erased)?;
        }
        erased.more = self.has_some(owner_pk)?;
        Ok(erased)
    }

    /// False when there is no conversation.
    fn erase_from_conversation(&mut self, owner_pk: i64, left: &mut i64, erased: &mut Erased) -> Result<bool> {
        let found = first(self.connection, A_CONVERSATION, [owner_pk], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
        })?;
        let Some((pk, root_pk)) = found else { return Ok(false) };
        run(
            self.connection,
            "UPDATE conversation SET expires_at = ?2, head_pk = NULL, head_id = NULL, head_depth = 0, last_preview = NULL
             WHERE pk = ?1 AND expires_at IS NOT ?2",
            [pk, GONE],
        )?;
        run(self.connection, "DELETE FROM summary WHERE conv_pk = ?", [pk])?;
        let turns: Vec<i64> = all(self.connection, SOME_TURNS, [pk, *left], |row| row.get(0))?;
        for turn in turns {
            for sql in [
                "DELETE FROM send_queue WHERE turn_pk = ?",
                "DELETE FROM turn_step WHERE turn_pk = ?",
                "DELETE FROM turn WHERE pk = ?",
            ] {
                run(self.connection, sql, [turn])?;
            }
            *left -= 1;
        }
        while *left > 0 {
            let leaf = first(self.connection, A_LEAF, [pk], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Option<[u8; 32]>>(2)?))
            })?;
            *left -= 1;
            let Some((leaf, parent_pk, content_hash)) = leaf else {
                let version = self.number();
                self.note_list(owner_pk, version)?;
                run(self.connection, "DELETE FROM message WHERE pk = ?", [root_pk])?;
                run(self.connection, "DELETE FROM conversation_tag WHERE conv_pk = ?", [pk])?;
                run(self.connection, "DELETE FROM conversation WHERE pk = ?", [pk])?;
                erased.conversations += 1;
                break;
            };
            run(self.connection, "DELETE FROM draft_chunk WHERE message_pk = ?", [leaf])?;
            self.take_out(pk, leaf, parent_pk, content_hash)?;
            erased.messages += 1;
        }
        Ok(true)
    }

    /// False when there is no stream.
    fn erase_from_stream(&self, owner_pk: i64, left: &mut i64, erased: &mut Erased) -> Result<bool> {
        let found = first(self.connection, A_STREAM, [owner_pk], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Option<[u8; 32]>>(1)?))
        })?;
        let Some((pk, snapshot)) = found else { return Ok(false) };
        run(self.connection, "UPDATE event_stream SET expires_at = ?2 WHERE pk = ?1", [pk, GONE])?;
        let events: Vec<(i64, Option<[u8; 32]>)> =
            all(self.connection, SOME_EVENTS, [pk, *left], |row| Ok((row.get(0)?, row.get(1)?)))?;
        for (seq, data) in events {
            run(self.connection, "DELETE FROM event WHERE stream_pk = ? AND seq = ?", [pk, seq])?;
            data.map_or(Ok(()), |name| self.release_blob(&name))?;
            *left -= 1;
        }
        if *left > 0 {
            run(self.connection, "DELETE FROM event_stream WHERE pk = ?", [pk])?;
            snapshot.map_or(Ok(()), |name| self.release_blob(&name))?;
            erased.streams += 1;
            *left -= 1;
        }
        Ok(true)
    }

    fn erase_from_library(&self, owner_pk: i64, most: i64, erased: &mut Erased) -> Result<()> {
        let entries: Vec<i64> = all(self.connection, SOME_ENTRIES, [owner_pk, most], |row| row.get(0))?;
        if entries.is_empty() {
            return Ok(());
        }
        for pk in entries {
            run(self.connection, "DELETE FROM library_version WHERE entry_pk = ?", [pk])?;
            run(self.connection, "DELETE FROM library_entry WHERE pk = ?", [pk])?;
            erased.entries += 1;
        }
        self.forget_changes_of(owner_pk)
    }
}
