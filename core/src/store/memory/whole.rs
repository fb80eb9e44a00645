//! Reading a conversation with all its branches.

use super::state::State;
use crate::base::{ConversationId, MessageId};
use crate::model::Result;
use crate::store::{TreeRow, TreeRows, refusal};

impl State {
    pub(super) fn whole(
        &self,
        owner: &str,
        id: ConversationId,
        after: Option<MessageId>,
        limit: usize,
    ) -> Result<Option<TreeRows>> {
        if self.conversation(owner, id).is_err() {
            return Ok(None);
        }
        if let Some(after) = after {
            self.messages.get(&after).filter(|row| row.conversation == id).ok_or_else(refusal::no_message)?;
        }
        let mut items = Vec::new();
        let mut last = after;
        while items.len() < limit {
            let Some((next, row)) =
                self.next_in_tree(id, last).and_then(|next| Some((next, self.messages.get(&next)?)))
            else {
                return Ok(Some(TreeRows { items, reached_end: true }));
            };
            items.push(TreeRow {
                message: self.show(next, row)?,
                selected: self.selected(id, row.parent) == Some(next),
                left: row.left.filter(|left| self.messages.get(left).is_some()),
            });
            last = Some(next);
        }
        Ok(Some(TreeRows { items, reached_end: false }))
    }

    /// The first message below this one, or else the next one beside it or beside what stands above it.
    fn next_in_tree(&self, conversation: ConversationId, last: Option<MessageId>) -> Option<MessageId> {
        if let Some(first) = self.siblings.get(&(conversation, last, 0)) {
            return Some(*first);
        }
        let mut at = last?;
        loop {
            let row = self.messages.get(&at)?;
            if let Some(next) = self.siblings.get(&(conversation, row.parent, row.sibling_index + 1)) {
                return Some(*next);
            }
            at = row.parent?;
        }
    }

    pub(super) fn known(&self, owner: &str, id: ConversationId, mut ids: Vec<MessageId>) -> Vec<MessageId> {
        let is_there = self.conversation(owner, id).is_ok();
        ids.retain(|known| is_there && self.messages.get(known).is_some_and(|row| row.conversation == id));
        ids
    }
}
