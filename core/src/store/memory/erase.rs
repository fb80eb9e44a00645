//! Taking out everything of an owner, a part at a time. What is in memory is quickly gone: a part is whole conversations.

use super::state::State;
use crate::base::{ConversationId, MessageId, StreamId};
use crate::model::Result;
use crate::store::{Erased, LibraryKey, refusal};

impl State {
    pub(super) fn begin_erasure(&mut self, owner: &str) {
        if self.preferences.get(&owner.to_owned()).is_some() {
            self.preferences.remove(&owner.to_owned());
            self.note_library(LibraryKey::preferences(owner));
        }
        self.erasing.put(owner.to_owned(), ());
    }

    /// Refuses to begin something for an owner who is being erased.
    pub(super) fn may_begin(&self, owner: &str) -> Result<()> {
        if self.erasing.get(&owner.to_owned()).is_some() { Err(refusal::erasing()) } else { Ok(()) }
    }

    fn conversations_of<'a>(&'a self, owner: &'a str) -> impl Iterator<Item = ConversationId> + 'a {
        let all = self.by_activity.range((owner.to_owned(), false, false, i64::MIN)..);
        all.take_while(move |((of, ..), _)| of == owner).map(|(_, id)| *id)
    }

    fn streams_of<'a>(&'a self, owner: &'a str) -> impl Iterator<Item = StreamId> + 'a {
        self.streams.iter().filter(move |(_, row)| row.owner == owner).map(|(id, _)| *id)
    }

    fn entries_of<'a>(&'a self, owner: &'a str) -> impl Iterator<Item = LibraryKey> + 'a {
        let from = self.library.range(LibraryKey::new(owner, "", "")..);
        from.take_while(move |(key, _)| key.owner == owner).map(|(key, _)| key.clone())
    }

    pub(super) fn erase_some(&mut self, owner: &str, rows: usize) -> Result<Erased> {
        let mut erased = Erased::default();
        if self.may_begin(owner).is_ok() {
            return Ok(erased);
        }
        let mut left = i64::try_from(rows).unwrap_or(i64::MAX);
        while left > 0 {
            let Some(id) = self.conversations_of(owner).next() else { break };
            let span = (id, MessageId::from_bytes([0; 16]))..=(id, MessageId::from_bytes([0xff; 16]));
            let messages = i64::try_from(self.messages_of.range(span).count()).unwrap_or(i64::MAX);
            self.delete_conversation(owner, id)?;
            erased.conversations += 1;
            erased.messages += messages;
            left -= messages + 1;
        }
        while left > 0 {
            let Some(id) = self.streams_of(owner).next() else { break };
            self.delete_stream(owner, id)?;
            erased.streams += 1;
            left -= 1;
        }
        let shelved: Vec<_> = self.entries_of(owner).take(usize::try_from(left.max(0)).unwrap_or(0)).collect();
        for key in &shelved {
            self.forget_versions(key, i64::MAX);
            self.library.remove(key);
            erased.entries += 1;
        }
        if !shelved.is_empty() {
            self.forget_changes_of(owner);
        }
        erased.more = self.has_some(owner);
        Ok(erased)
    }

    fn has_some(&self, owner: &str) -> bool {
        self.conversations_of(owner).next().is_some()
            || self.streams_of(owner).next().is_some()
            || self.entries_of(owner).next().is_some()
    }

    pub(super) fn end_erasure(&mut self, owner: &str) -> Result<()> {
        if self.may_begin(owner).is_err() && self.has_some(owner) {
            return Err(refusal::not_erased());
        }
        self.erasing.remove(&owner.to_owned());
        Ok(())
    }
}
