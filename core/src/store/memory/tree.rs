//! Moving about in the tree, and taking something out of it.

use super::state::{MessageRow, State};
use crate::base::{AttachmentId, ConversationId, MessageId, Timestamp, TurnId};
use crate::model::{Branch, MessageStatus, Result, text_of};
use crate::store::content::preview;
use crate::store::span::Span;
use crate::store::tree::{self, Rows};
use crate::store::{BranchQuery, BranchRows, Content, MessageRows, SiblingAnchor, refusal};

/// The messages of one conversation; nothing is its beginning.
struct MapRows<'a> {
    state: &'a mut State,
    conversation: ConversationId,
}

impl MapRows<'_> {
    fn row(&self, of: MessageId) -> Result<&MessageRow> {
        self.state.messages.get(&of).ok_or_else(refusal::no_message)
    }
}

impl Rows for MapRows<'_> {
    type Key = Option<MessageId>;

    fn depth(&self, of: Self::Key) -> Result<i32> {
        of.map_or(Ok(0), |of| self.row(of).map(|row| row.depth))
    }

    fn ancestor(&self, of: Self::Key, depth: i32) -> Result<Self::Key> {
        Ok(self.state.ancestor(of, depth))
    }

    fn parting(&self, one: Self::Key, other: Self::Key) -> Result<(Self::Key, Self::Key)> {
        let (mut one, mut other) = (one.ok_or_else(refusal::no_message)?, other.ok_or_else(refusal::no_message)?);
        loop {
            let (ours, theirs) = (self.row(one)?, self.row(other)?);
            if ours.parent == theirs.parent {
                return Ok((Some(one), Some(other)));
            }
            let next = if ours.jump == theirs.jump { (ours.parent, theirs.parent) } else { (ours.jump, theirs.jump) };
            (one, other) = (next.0.ok_or_else(refusal::no_message)?, next.1.ok_or_else(refusal::no_message)?);
        }
    }

    fn left(&self, first: Self::Key) -> Result<Option<Self::Key>> {
        let left = first.and_then(|first| self.state.messages.get(&first)?.left);
        Ok(left.filter(|left| self.state.messages.get(left).is_some()).map(Some))
    }

    fn set_left(&mut self, first: Self::Key, head: Option<Self::Key>) -> Result<()> {
        if let Some(first) = first {
            self.state.messages.edit(&first, |row| row.left = head.flatten());
        }
        Ok(())
    }

    fn end(&self, from: Self::Key) -> Result<Self::Key> {
        let mut at = from;
        while let Some(next) = self.state.selected(self.conversation, at) {
            at = Some(next);
        }
        Ok(at)
    }
}

impl State {
    pub(super) fn selected(&self, conversation: ConversationId, below: Option<MessageId>) -> Option<MessageId> {
        match below {
            Some(below) => self.messages.get(&below)?.selected,
            None => self.conversations.get(&conversation)?.selected,
        }
    }

    pub(super) fn select(&mut self, conversation: ConversationId, below: Option<MessageId>, child: Option<MessageId>) {
        match below {
            Some(below) => self.messages.edit(&below, |row| row.selected = child),
            None => self.conversations.edit(&conversation, |row| row.selected = child),
        };
    }

    /// Selects the child where none is.
    pub(super) fn select_first(&mut self, conversation: ConversationId, below: Option<MessageId>, child: MessageId) {
        if self.selected(conversation, below).is_none() {
            self.select(conversation, below, Some(child));
        }
    }

    /// The message, when it stands in this conversation of this owner.
    fn within(&self, owner: &str, conversation: ConversationId, id: MessageId) -> Result<&MessageRow> {
        self.conversation(owner, conversation)?;
        self.messages.get(&id).filter(|row| row.conversation == conversation).ok_or_else(refusal::no_message)
    }

    pub(super) fn switch_to(
        &mut self,
        owner: &str,
        conversation: ConversationId,
        message: MessageId,
        at: Timestamp,
    ) -> Result<Option<MessageId>> {
        self.within(owner, conversation, message)?;
        let head = self.conversation(owner, conversation)?.shown.head_id;
        let head = tree::switch(&mut MapRows { state: self, conversation }, head, Some(message))?;
        self.show_branch(conversation, head, at)
    }

    pub(super) fn fork_at(
        &mut self,
        owner: &str,
        conversation: ConversationId,
        message: MessageId,
        at: Timestamp,
    ) -> Result<Option<MessageId>> {
        self.within(owner, conversation, message)?;
        let head = self.conversation(owner, conversation)?.shown.head_id;
        self.stop_at(conversation, head, Some(message))?;
        self.show_branch(conversation, Some(message), at)
    }

    /// Leaves what is shown for a new branch behind this message.
    pub(super) fn stop_at(
        &mut self,
        conversation: ConversationId,
        head: Option<MessageId>,
        at: Option<MessageId>,
    ) -> Result<()> {
        if head != at {
            tree::stop_at(&mut MapRows { state: self, conversation }, head, at)?;
            self.select(conversation, at, None);
        }
        Ok(())
    }

    fn show_branch(
        &mut self,
        conversation: ConversationId,
        head: Option<MessageId>,
        at: Timestamp,
    ) -> Result<Option<MessageId>> {
        if self.conversations.get(&conversation).is_some_and(|row| row.shown.head_id == head) {
            return Ok(head);
        }
        let message = match head {
            Some(id) => self.messages.get(&id).map(|row| self.show(id, row)).transpose()?,
            None => None,
        };
        let version = self.next_change();
        self.conversations.edit(&conversation, |row| {
            row.shown.depth = message.as_ref().map_or(0, |message| message.depth);
            row.shown.head_id = head;
            row.shown.last_role = message.as_ref().map(|message| message.role);
            row.shown.last_preview = message.map(|message| preview(&message.text())).filter(|words| !words.is_empty());
            row.shown.version = version;
            row.shown.updated_at = at;
        });
        Ok(head)
    }

    pub(super) fn wipe_message(&mut self, owner: &str, id: MessageId, at: Timestamp) -> Result<()> {
        let row = self.message(owner, id)?;
        match row.status {
            MessageStatus::Streaming => return Err(refusal::still_streaming()),
            MessageStatus::Deleted => return Ok(()),
            _ => {}
        }
        let (conversation, role, old, depth) = (row.conversation, row.role, row.body.clone(), row.depth);
        self.forget_summaries(conversation, depth);
        let version = self.next_change();
        let nothing = Content::encode(&[])?;
        let body = self.keep_content(&nothing);
        self.release_content(&old);
        self.release_attachments(id);
        self.messages.edit(&id, |row| {
            row.status = MessageStatus::Deleted;
            row.body = body;
            row.metadata.clear();
            row.version = version;
        });
        self.conversations.edit(&conversation, |row| {
            if row.shown.head_id == Some(id) {
                row.shown.last_role = Some(role);
                row.shown.last_preview = None;
            }
        });
        self.note_deletion(conversation, at);
        Ok(())
    }

    fn note_deletion(&mut self, conversation: ConversationId, at: Timestamp) {
        let version = self.next_change();
        self.conversations.edit(&conversation, |row| {
            row.deletion = version;
            row.shown.version = version;
            row.shown.updated_at = at;
        });
    }

    pub(super) fn release_attachments(&mut self, message: MessageId) {
        let span = (message, AttachmentId::from_bytes([0; 16]))..=(message, AttachmentId::from_bytes([0xff; 16]));
        let attachments: Vec<AttachmentId> = self.attachments_of.range(span).map(|((_, a), ())| *a).collect();
        for attachment in attachments {
            self.attachments_of.remove(&(message, attachment));
            if let Some(row) = self.attachments.remove(&attachment) {
                self.release_blob(row.hash);
            }
        }
    }

    pub(super) fn remove_messages(
        &mut self,
        owner: &str,
        conversation: ConversationId,
        (top, from): (MessageId, Option<MessageId>),
        steps: usize,
        now: Timestamp,
    ) -> Result<Option<MessageId>> {
        let (depth, parent) = self.within(owner, conversation, top).map(|row| (row.depth, row.parent))?;
        self.forget_summaries(conversation, depth);
        let head = self.conversation(owner, conversation)?.shown.head_id;
        let (head, ends) = tree::without(&mut MapRows { state: self, conversation }, head, Some(top))?;
        if ends {
            self.select(conversation, parent, None);
        }
        self.show_branch(conversation, head, now)?;
        let from = from.filter(|from| {
            self.messages.get(from).is_some_and(|row| row.conversation == conversation && row.depth >= depth)
                && self.ancestor(Some(*from), depth) == Some(top)
        });
        let mut at = from.unwrap_or(top);
        for _ in 0..steps {
            let row = self.messages.get(&at).ok_or_else(refusal::no_message)?.clone();
            if row.children > 0 {
                let last = self.siblings.get(&(conversation, Some(at), row.children - 1));
                at = *last.ok_or_else(refusal::no_message)?;
                continue;
            }
            self.remove_row(at, &row)?;
            match row.parent.filter(|_| at != top) {
                Some(parent) => at = parent,
                None => {
                    self.note_deletion(conversation, now);
                    return Ok(None);
                }
            }
        }
        self.note_deletion(conversation, now);
        Ok(Some(at))
    }

    /// Removes a row without children.
    fn remove_row(&mut self, id: MessageId, row: &MessageRow) -> Result<()> {
        if row.status == MessageStatus::Streaming {
            return Err(refusal::still_streaming());
        }
        if let Some(turn) = row.turn {
            self.remove_turn_of(turn, id)?;
        }
        self.next_change();
        self.release_attachments(id);
        self.release_content(&row.body);
        let conversation = row.conversation;
        self.messages.remove(&id);
        self.messages_of.remove(&(conversation, id));
        self.leaves.remove(&(conversation, row.made));
        let children = self.children(conversation, row.parent) - 1;
        for index in row.sibling_index..children {
            if let Some(next) = self.siblings.get(&(conversation, row.parent, index + 1)).copied() {
                self.siblings.put((conversation, row.parent, index), next);
                self.messages.edit(&next, |row| row.sibling_index = index);
            }
        }
        self.siblings.remove(&(conversation, row.parent, children));
        if self.selected(conversation, row.parent) == Some(id) {
            self.select(conversation, row.parent, None);
        }
        match row.parent {
            Some(parent) => {
                let made = self.messages.edit(&parent, |row| {
                    row.children = children;
                    row.made
                });
                if let Some(made) = made.filter(|_| children == 0) {
                    self.leaves.put((conversation, made), parent);
                }
            }
            None => drop(self.conversations.edit(&conversation, |row| row.beginnings = children)),
        }
        self.conversations.edit(&conversation, |row| row.shown.message_count -= 1);
        Ok(())
    }

    fn children(&self, conversation: ConversationId, parent: Option<MessageId>) -> i32 {
        match parent {
            Some(parent) => self.messages.get(&parent).map_or(0, |row| row.children),
            None => self.conversations.get(&conversation).map_or(0, |row| row.beginnings),
        }
    }

    fn remove_turn_of(&mut self, turn: TurnId, message: MessageId) -> Result<()> {
        let Some(row) = self.turns.get(&turn).filter(|row| row.message == message) else { return Ok(()) };
        if row.state.is_open() {
            return Err(refusal::turn_open());
        }
        let conversation = row.conversation;
        self.remove_turn(conversation, turn);
        Ok(())
    }

    /// Removes a turn with its steps and its place in the queue.
    pub(super) fn remove_turn(&mut self, conversation: ConversationId, turn: TurnId) {
        let steps: Vec<i32> =
            self.steps.range((turn, i32::MIN)..=(turn, i32::MAX)).map(|((_, index), _)| *index).collect();
        for index in steps {
            self.steps.remove(&(turn, index));
        }
        self.queue.remove(&turn);
        self.turns_of.remove(&(conversation, turn));
        if let Some(client_id) = self.turns.remove(&turn).and_then(|row| row.client_id) {
            self.clients.remove(&(conversation, client_id));
        }
    }

    pub(super) fn siblings_of(
        &self,
        owner: &str,
        conversation: ConversationId,
        anchor: SiblingAnchor,
        limit: usize,
    ) -> Result<Option<MessageRows>> {
        let Ok(found) = self.conversation(owner, conversation) else { return Ok(None) };
        let (SiblingAnchor::Around(of) | SiblingAnchor::Before(of) | SiblingAnchor::After(of)) = anchor;
        let row = self.within(owner, conversation, of)?;
        let count = self.children(conversation, row.parent);
        let span = Span::of_siblings(anchor, row.sibling_index, count, limit);
        let keys = (span.first - 1..span.last).map(|index| (conversation, row.parent, index));
        let ids = keys.filter_map(|key| self.siblings.get(&key));
        let items = ids.filter_map(|id| Some(self.show(*id, self.messages.get(id)?)));
        Ok(Some(MessageRows {
            items: items.collect::<Result<_>>()?,
            reached_start: span.reached_start,
            reached_end: span.reached_end,
            version: found.shown.version,
        }))
    }

    pub(super) fn branches(
        &self,
        owner: &str,
        conversation: ConversationId,
        query: BranchQuery,
    ) -> Result<Option<BranchRows>> {
        const EDGES: ((i64, i64), (i64, i64)) = ((i64::MIN, i64::MIN), (i64::MAX, i64::MAX));
        let Ok(found) = self.conversation(owner, conversation) else { return Ok(None) };
        let place = |of: Option<MessageId>| {
            of.map(|of| match self.messages.get(&of) {
                Some(row) if row.conversation == conversation => Ok(row.made),
                _ => Err(refusal::bad_cursor()),
            })
            .transpose()
        };
        let (before, after) = (place(query.before)?, place(query.after)?);
        let leaves = |from, to| {
            let leaves = self.leaves.range((conversation, from)..=(conversation, to));
            leaves.map(|((_, made), id)| (*made, *id))
        };
        let polls = before.is_none() && after.is_some();
        let mut ids: Vec<((i64, i64), MessageId)> = if polls {
            let newer = leaves(after.unwrap_or(EDGES.0), EDGES.1);
            newer.filter(|(made, _)| Some(*made) != after).take(query.limit).collect()
        } else {
            let older = leaves(EDGES.0, before.unwrap_or(EDGES.1)).rev();
            older.filter(|(made, _)| Some(*made) != before).take(query.limit).collect()
        };
        if polls {
            ids.reverse();
        }
        let mut items = Vec::with_capacity(ids.len());
        for (_, id) in &ids {
            let Some(row) = self.messages.get(id) else { continue };
            let words = match row.status {
                MessageStatus::Streaming => String::new(),
                _ => preview(&text_of(&self.show(*id, row)?.parts)),
            };
            items.push(Branch {
                head_id: *id,
                depth: row.depth,
                last_role: row.role,
                last_preview: Some(words).filter(|words| !words.is_empty()),
                created_at: row.created_at,
                is_current: found.shown.head_id == Some(*id),
            });
        }
        let newest = ids.first().map(|(made, _)| *made);
        let oldest = ids.last().map(|(made, _)| *made);
        let all = || leaves(EDGES.0, EDGES.1).map(|(made, _)| made);
        // Of an empty page only its anchor is known.
        let newest = newest.or(if polls { after } else { before.map(|(at, change)| (at, change - 1)) });
        let oldest = oldest.or(if polls { after.map(|(at, change)| (at, change + 1)) } else { before });
        Ok(Some(BranchRows {
            items,
            reached_start: newest.is_none_or(|newest| all().next_back().is_none_or(|last| last <= newest)),
            reached_end: oldest.is_none_or(|oldest| all().next().is_none_or(|first| first >= oldest)),
            version: found.shown.version,
        }))
    }
}
