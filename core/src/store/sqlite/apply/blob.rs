//! Bytes by their hash, kept once and counted.

use rusqlite::params;

use super::Applying;
use crate::model::Result;
use crate::store::sqlite::row::{first, run};
use crate::store::{Content, NewAttachment, hash, refusal};

impl Applying<'_> {
    /// What goes into the row; content too long for it goes into a blob.
    pub(super) fn keep_content<'c>(&self, content: &'c Content) -> Result<Option<&'c [u8]>> {
        match &content.spilled {
            Some(name) => self.keep_blob(name, &content.json).map(|()| None),
            None => Ok(Some(&content.json)),
        }
    }

    pub(super) fn keep_blob(&self, name: &[u8; 32], data: &[u8]) -> Result<()> {
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

    pub(super) fn release_blob(&self, name: &[u8; 32]) -> Result<()> {
        let sql = "UPDATE blob SET refs = refs - 1 WHERE hash = ? RETURNING refs";
        if first(self.connection, sql, [name], |row| row.get::<_, i64>(0))? == Some(0) {
            run(self.connection, "DELETE FROM blob_inline WHERE hash = ?", [name])?;
            run(self.connection, "DELETE FROM blob WHERE hash = ?", [name])?;
        }
        Ok(())
    }

    pub(super) fn put_attachment(&mut self, new: &NewAttachment) -> Result<()> {
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
}
