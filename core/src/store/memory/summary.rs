//! Summaries of what was said.

use super::state::{State, SummaryRow};
use crate::base::{ConversationId, MessageId, Timestamp};
use crate::model::Result;
use crate::store::{MAX_SUMMARIES, NewSummary, StoredSummary, SummaryPlace, refusal};

impl State {
    /// Those whose last message stands at this depth or further down, the one that stands furthest up first.
    fn summaries_from(
        &self,
        conversation: ConversationId,
        depth: i32,
    ) -> impl DoubleEndedIterator<Item = (i32, MessageId, &SummaryRow)> {
        let (least, most) = (MessageId::from_bytes([0; 16]), MessageId::from_bytes([0xff; 16]));
        let found = self.summaries.range((conversation, depth, least)..=(conversation, i32::MAX, most));
        found.map(|((_, depth, upto), row)| (*depth, *upto, row))
    }

    pub(super) fn put_summary(&mut self, owner: &str, new: &NewSummary, at: Timestamp) -> Result<()> {
        new.check()?;
        let (conversation, upto) = (new.conversation, new.upto);
        let deletion = self.conversation(owner, conversation)?.deletion;
        let row = self.messages.get(&upto).filter(|row| row.conversation == conversation);
        let depth = row.ok_or_else(refusal::no_message)?.depth;
        let span = (conversation, MessageId::from_bytes([0; 16]))..=(conversation, MessageId::from_bytes([0xff; 16]));
        let has_changed =
            |id: &MessageId| self.messages.get(id).is_some_and(|row| row.depth <= depth && row.version > new.as_of);
        if deletion > new.as_of || self.messages_of.range(span).any(|((_, id), ())| has_changed(id)) {
            return Err(refusal::history_moved());
        }
        if self.summaries.get(&(conversation, depth, upto)).is_some() {
            return Ok(());
        }
        let mut oldest: Vec<_> =
            self.summaries_from(conversation, 0).map(|(depth, upto, row)| (row.at, depth, upto)).collect();
        oldest.sort_unstable();
        for (_, depth, upto) in oldest.iter().take((oldest.len() + 1).saturating_sub(MAX_SUMMARIES)) {
            self.summaries.remove(&(conversation, *depth, *upto));
        }
        let row = SummaryRow { at, model: new.model.clone(), text: new.text.clone() };
        self.summaries.put((conversation, depth, upto), row);
        Ok(())
    }

    /// Forgets what sums up a message at this depth, or may.
    pub(super) fn forget_summaries(&mut self, conversation: ConversationId, depth: i32) {
        let gone: Vec<_> = self.summaries_from(conversation, depth).map(|(depth, upto, _)| (depth, upto)).collect();
        for (depth, upto) in gone {
            self.summaries.remove(&(conversation, depth, upto));
        }
    }

    pub(super) fn summary(
        &self,
        owner: &str,
        conversation: ConversationId,
        before: Option<MessageId>,
    ) -> Option<SummaryPlace> {
        let found = &self.conversation(owner, conversation).ok()?.shown;
        let (last, depth) = match before {
            None => (found.head_id, found.depth),
            Some(before) => {
                let row = self.messages.get(&before).filter(|row| row.conversation == conversation)?;
                (row.parent, row.depth)
            }
        };
        let newest = self
            .summaries_from(conversation, 0)
            .rev()
            .find(|(depth, upto, _)| last.and_then(|last| self.ancestor(Some(last), *depth)) == Some(*upto));
        let newest = newest.map(|(depth, upto, row)| StoredSummary {
            upto,
            depth,
            model: row.model.clone(),
            created_at: row.at,
            text: row.text.clone(),
        });
        Some(SummaryPlace { version: found.version, depth, newest })
    }
}
