//! Ops on summaries, and what takes them away.

use rusqlite::params;

use super::{Applying, Place};
use crate::model::Result;
use crate::store::sqlite::row::{first, run};
use crate::store::{MAX_SUMMARIES, NewSummary, refusal};

/// A message up to this depth that has changed since; of the virtual root, the number of the last deletion.
pub(in crate::store::sqlite) const CHANGED: &str =
    "SELECT 1 FROM message WHERE conv_pk = ?1 AND change_seq > ?2 AND depth <= ?3 LIMIT 1";

impl Applying<'_> {
    pub(super) fn put_summary(&self, new: &NewSummary) -> Result<()> {
        new.check()?;
        let place = self.conversation(new.conversation)?;
        let message_pk = self.key_of(&place, new.upto)?;
        let depth = self.depth_of(message_pk)?;
        if first(self.connection, CHANGED, params![place.pk, new.as_of, depth], |_| Ok(()))?.is_some() {
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
