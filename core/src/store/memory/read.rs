//! Reading.

use std::collections::HashSet;

use super::state::{Body, ConversationRow, MessageRow, QueuedRow, State, TurnRow};
use crate::base::{AttachmentId, ConversationId, MessageId, Timestamp, TurnId};
use crate::model::{Message, Result, Role, Turn, TurnState, text_of};
use crate::store::content::{preview, show};
use crate::store::refusal;
use crate::store::span::{MAX_OF_TURNS, Span};
use crate::store::{
    Anchor, Attachment, Content, ConversationRows, Due, DueRows, ListQuery, MAX_COUNTED, MessageRows, PageQuery,
    PageSize, QueueQuery, QueueRow, TurnRecord,
};

impl State {
    pub(super) fn list(&self, owner: &str, query: &ListQuery) -> ConversationRows {
        let version = self.list_version(owner);
        let is_short = self.all_of(owner).any(|row| row.shown.expires_at.is_some_and(|at| at <= self.now));
        if query.unchanged_since == Some(version) && !is_short {
            return ConversationRows::unchanged(version);
        }
        let fits = |row: &&ConversationRow| {
            self.conversation(owner, row.shown.id).is_ok()
                && row.shown.archived == query.archived
                && query.pinned.is_none_or(|pinned| pinned == row.shown.pinned)
                && query.tag.as_ref().is_none_or(|tag| row.shown.tags.contains(tag))
        };
        let limit = query.limit.saturating_add(1);
        let mut rows: Vec<&ConversationRow> = match query.after {
            Some(after) => {
                let mut rows: Vec<_> = self.all_of(owner).filter(fits).filter(|row| row.activity > after).collect();
                rows.sort_unstable_by_key(|row| row.activity);
                rows
            }
            None => {
                let above =
                    |row: &&ConversationRow| query.before.is_none_or(|at| (row.shown.pinned, row.activity) < at);
                self.all_of(owner).rev().filter(fits).filter(above).take(limit).collect()
            }
        };
        rows.truncate(limit);
        let items = rows.into_iter().map(|row| (row.activity, row.shown.clone())).collect();
        ConversationRows::new(items, query, version)
    }

    /// The owner's conversations: first those that are not archived, then by pin and activity.
    pub(super) fn all_of(&self, owner: &str) -> impl DoubleEndedIterator<Item = &ConversationRow> {
        let key = |last: bool| (owner.to_owned(), last, last, if last { i64::MAX } else { i64::MIN });
        self.by_activity.range(key(false)..=key(true)).filter_map(|(_, id)| self.conversations.get(id))
    }

    fn list_version(&self, owner: &str) -> i64 {
        self.all_of(owner).map(|row| row.shown.version).fold(self.deletion, i64::max)
    }

    pub(super) fn expired(&self, now: Timestamp, limit: usize) -> Vec<(String, ConversationId)> {
        let gone = self.conversations.iter().filter(|(_, row)| row.shown.expires_at.is_some_and(|at| at <= now));
        gone.take(limit).map(|(id, row)| (row.owner.clone(), *id)).collect()
    }

    pub(super) fn page(&self, owner: &str, id: ConversationId, query: &PageQuery) -> Result<Option<MessageRows>> {
        let Ok(conversation) = self.conversation(owner, id) else { return Ok(None) };
        let version = conversation.shown.version;
        if query.unchanged_since == Some(version) {
            return Ok(Some(MessageRows { items: Vec::new(), reached_start: false, reached_end: false, version }));
        }
        let (head, head_depth) = match query.upto {
            Some(last) => {
                let row = self.messages.get(&last).filter(|row| row.conversation == id);
                (Some(last), row.ok_or_else(refusal::no_message)?.depth)
            }
            None => (conversation.shown.head_id, conversation.shown.depth),
        };
        let anchor = query.anchor;
        let anchored = match anchor {
            Anchor::Before(x) | Anchor::After(x) | Anchor::Around(x) => {
                let row = self.messages.get(&x).filter(|row| row.conversation == id).ok_or_else(refusal::bad_cursor)?;
                if !matches!(anchor, Anchor::Before(_)) && self.ancestor(head, row.depth) != Some(x) {
                    return Err(refusal::bad_cursor());
                }
                Some(row)
            }
            Anchor::Start | Anchor::End | Anchor::At(_) => None,
        };
        let depth = anchored.map_or(0, |row| row.depth);
        let of = |span: &Span| {
            let mut at = match anchor {
                Anchor::Before(_) => anchored.and_then(|row| row.parent),
                _ => self.ancestor(head, span.last),
            };
            let mut rows = Vec::new();
            while rows.len() < span.len()
                && let Some(id) = at
                && let Some(row) = self.messages.get(&id)
            {
                rows.push((id, row));
                at = row.parent;
            }
            rows.reverse();
            rows
        };
        let (span, rows) = match query.size {
            PageSize::Messages(limit) => {
                let span = Span::of(anchor, depth, head_depth, limit);
                (span, of(&span))
            }
            PageSize::Turns(turns) => {
                let longest = Span::of(anchor, depth, head_depth, MAX_OF_TURNS);
                let mut rows = of(&longest);
                let begins: Vec<bool> = rows.iter().map(|(_, row)| row.role == Role::User).collect();
                let span = longest.of_turns(anchor, depth, head_depth, &begins, turns);
                rows.retain(|(_, row)| (span.first..=span.last).contains(&row.depth));
                (span, rows)
            }
        };
        let items = rows.into_iter().map(|(id, row)| {
            let mut message = self.show(id, row)?;
            show(&mut message, query.detail);
            Ok(message)
        });
        Ok(Some(MessageRows {
            items: items.collect::<Result<_>>()?,
            reached_start: span.reached_start,
            reached_end: span.reached_end,
            version,
        }))
    }

    /// The ancestor of this message (or itself) at this depth; nothing for depth 0.
    pub(super) fn ancestor(&self, from: Option<MessageId>, depth: i32) -> Option<MessageId> {
        let mut at = from?;
        loop {
            let row = self.messages.get(&at)?;
            if row.depth <= depth {
                return (row.depth == depth).then_some(at);
            }
            at = if row.jump_depth >= depth { row.jump? } else { row.parent? };
        }
    }

    pub(super) fn show(&self, id: MessageId, row: &MessageRow) -> Result<Message> {
        let parts = match &row.body {
            Body::Row(json) => Content::decode(json)?,
            Body::Blob(name) => Content::decode(self.blobs.get(name).map_or(&[], |blob| &blob.data))?,
        };
        let siblings = match row.parent {
            Some(parent) => self.messages.get(&parent).map(|parent| parent.children),
            None => self.conversations.get(&row.conversation).map(|conversation| conversation.beginnings),
        };
        Ok(Message {
            id,
            conversation_id: row.conversation,
            turn_id: row.turn,
            parent_id: row.parent,
            role: row.role,
            parts,
            status: row.status,
            created_at: row.created_at,
            model: row.model.clone(),
            finish_reason: row.finish_reason,
            usage: row.usage.clone(),
            cost: row.cost.clone(),
            depth: row.depth,
            sibling_index: row.sibling_index,
            sibling_count: siblings.unwrap_or(1),
            metadata: row.metadata.clone(),
            version: row.version,
        })
    }

    pub(super) fn record(&self, owner: &str, id: TurnId, row: &TurnRow) -> TurnRecord {
        let answered = self.messages.get(&row.reply).is_some_and(|reply| reply.conversation == row.conversation);
        TurnRecord {
            owner: owner.to_owned(),
            conversation_id: row.conversation,
            turn: Turn {
                id,
                state: row.state,
                attempt: row.attempt,
                message_id: row.message,
                reply_id: answered.then_some(row.reply),
                last_seq: row.last_seq,
                not_before: row.not_before,
                expires_at: row.expires_at,
                error: row.error.clone(),
            },
            epoch: row.epoch,
            model: row.model.clone(),
            client_id: row.client_id.clone(),
            body_hash: row.body_hash,
            reply: row.reply,
            created_at: row.created_at,
            options: row.options.clone(),
            queued: self.queue.get(&id).map(|row| row.entry.clone()),
        }
    }

    /// The turns of the queue, first in first, with their owners.
    fn queued(&self) -> Vec<(&QueuedRow, &TurnRow, &str)> {
        let mut all: Vec<_> = self
            .queue
            .iter()
            .filter_map(|(id, row)| {
                let owner = self.conversations.get(&row.conversation)?.owner.as_str();
                self.conversation(owner, row.conversation).ok()?;
                Some((row, self.turns.get(id)?, owner))
            })
            .collect();
        all.sort_by_key(|(row, ..)| (row.seq, row.entry.turn));
        all
    }

    pub(super) fn queue_due(&self, now: Timestamp, due: &Due, limit: usize) -> DueRows {
        let all = self.queued();
        let mut heads = HashSet::new();
        let mut items: Vec<_> = all
            .iter()
            .filter(|(_, turn, _)| turn.state != TurnState::Parked)
            .filter(|(row, ..)| heads.insert(row.conversation))
            .filter(|(row, turn, _)| match due {
                Due::Timed { except } => {
                    row.entry.not_before.is_some_and(|moment| moment <= now) && !except.contains(&turn.model)
                }
                Due::Eager { model } => {
                    row.entry.not_before.is_some()
                        && row.entry.floor.is_none_or(|floor| floor <= now)
                        && model.as_ref().is_none_or(|model| *model == turn.model)
                }
            })
            .collect();
        items.sort_by_key(|(row, ..)| row.entry.not_before);
        let items =
            items.into_iter().take(limit).map(|(row, turn, owner)| self.record(owner, row.entry.turn, turn)).collect();
        let next = all.iter().filter_map(|(row, ..)| row.entry.not_before.filter(|moment| *moment > now)).min();
        let waiting = all.iter().filter(|(row, ..)| row.entry.not_before.is_some()).take(MAX_COUNTED).count();
        DueRows { items, next, waiting: i64::try_from(waiting).unwrap_or(i64::MAX) }
    }

    pub(super) fn queue_of(&self, owner: &str, query: QueueQuery) -> Result<Vec<QueueRow>> {
        self.queued()
            .into_iter()
            .filter(|(row, turn, of)| {
                *of == owner
                    && query.conversation.is_none_or(|id| id == row.conversation)
                    && !(query.moving && turn.state == TurnState::Parked)
            })
            .take(query.limit)
            .map(|(row, turn, _)| {
                let message = self.messages.get(&turn.message).ok_or_else(refusal::no_message)?;
                let words = text_of(&self.show(turn.message, message)?.parts);
                Ok(QueueRow { record: self.record(owner, row.entry.turn, turn), preview: preview(&words) })
            })
            .collect()
    }

    pub(super) fn stored_bytes(&self, owner: &str, id: AttachmentId) -> Option<Attachment> {
        let row = self.attachments.get(&id).filter(|row| self.message(owner, row.message).is_ok())?;
        let data = self.blobs.get(&row.hash)?.data.clone();
        Some(Attachment { id, mime_type: row.mime_type.clone(), name: row.name.clone(), data })
    }
}
