//! Ops on summaries, and what takes them away.

use rusqlite::params;

use super::{Applying, Place};
use crate::model::Result;
use crate::store::sqlite::row::{first, run};
use crate::store::{MAX_SUMMARIES, NewSummary, refusal};

/// Whether something that had been said has changed since, by the number of that on the virtual root.
pub(in crate::store::sqlite) const CHANGED: &str = "SELECT 1 FROM message WHERE pk = ?1 AND change_seq > ?2";

impl Applying<'_> {
    pub(super) fn put_summary(&self, new: &NewSummary) -> Result<()> {
        new.check()?;
        let place = self.conversation(new.conversation)?;
        let message_pk = self.key_of(&place, new.upto)?;
        let depth = self.depth_of(message_pk)?;
        if first(self.connection, CHANGED, [place.root_pk, new.as_of], |_| Ok(()))?.is_some() {
            return Err(refusal::history_moved());
        }
        run(
            self.connection,
            "INSERT INTO summary(message_pk, conv_pk, depth, created_at, model, text) VALUES(?, ?, ?, ?, ?, ?)
             ON CONFLICT(message_pk) DO NOTHING",
            params![message_pk, place.pk, depth, self.at.as_millis(), new.model, new.text],
        )?;
        // The one that was written now stays, whatever its clock says.
        run(
            self.connection,
            "DELETE FROM summary WHERE message_pk IN (SELECT message_pk FROM summary WHERE conv_pk = ?1 AND message_pk <> ?2
             ORDER BY created_at DESC, depth DESC, message_pk DESC LIMIT -1 OFFSET ?3)",
            params![place.pk, message_pk, i64::try_from(MAX_SUMMARIES - 1).unwrap_or(i64::MAX)],
        )
        .map(drop)
    }

    /// Says that something has changed which had been said: summaries that are being made of it are refused, and histories
    /// that were read before are old.
    pub(super) fn note_past(&self, place: &Place, change: i64) -> Result<()> {
        let sql = "UPDATE message SET change_seq = ?2 WHERE pk = ?1";
        run(self.connection, sql, params![place.root_pk, change]).map(drop)
    }

    /// Forgets what sums up this message, or may.
    pub(super) fn forget_summaries(&self, place: &Place, message_pk: i64) -> Result<()> {
        let depth = self.depth_of(message_pk)?;
        run(self.connection, "DELETE FROM summary WHERE conv_pk = ? AND depth >= ?", params![place.pk, depth]).map(drop)
    }

    fn depth_of(&self, message_pk: i64) -> Result<i32> {
        let sql = "SELECT depth FROM message WHERE pk = ?";
        first(self.connection, sql, [message_pk], |row| row.get(0))?.ok_or_else(refusal::no_message)
    }
}
