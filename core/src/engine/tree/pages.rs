//! Pages of siblings and of branches.

use crate::base::{CursorKind, MessageId};
use crate::engine::conversation::{Conversation, not_found};
use crate::engine::page::{At, List, PageCall, Rows, conversation_check};
use crate::engine::user::UserScope;
use crate::model::{Branch, Message, Result};
use crate::store::{BranchQuery, SiblingAnchor};

/// The messages that stand in the same place.
#[derive(Clone)]
pub struct Siblings {
    chat: Conversation,
    message: MessageId,
}

/// A page of siblings, before it is awaited.
pub type SiblingsCall = PageCall<Siblings>;

impl SiblingsCall {
    pub(super) fn of(chat: Conversation, message: MessageId) -> Self {
        Self::new(Siblings { chat, message })
    }
}

impl List for Siblings {
    type Item = Message;
    const KIND: CursorKind = CursorKind::Siblings;
    const OPERATION: &'static str = "conversation.siblings";
    const NEWEST_FIRST: bool = false;

    fn user(&self) -> &UserScope {
        &self.chat.user
    }

    fn check(&self) -> i64 {
        conversation_check(&self.chat)
    }

    async fn rows(&self, at: Option<At>, limit: usize) -> Result<Rows<Message>> {
        let anchor = match at {
            Some(At::Before((id, _))) => SiblingAnchor::Before(MessageId::from_bytes(id)),
            Some(At::After((id, _))) => SiblingAnchor::After(MessageId::from_bytes(id)),
            None => SiblingAnchor::Around(self.message),
        };
        let user = &self.chat.user;
        let rows = user.engine.store.siblings(&user.owner, self.chat.id, anchor, limit).await?;
        rows.map(Into::into).ok_or_else(|| not_found("conversation"))
    }
}

/// The branches of a conversation.
#[derive(Clone)]
pub struct Branches {
    chat: Conversation,
}

/// A page of branches, before it is awaited.
pub type BranchesCall = PageCall<Branches>;

impl BranchesCall {
    pub(super) fn of(chat: Conversation) -> Self {
        Self::new(Branches { chat })
    }
}

impl List for Branches {
    type Item = Branch;
    const KIND: CursorKind = CursorKind::Branches;
    const OPERATION: &'static str = "conversation.branches";
    const NEWEST_FIRST: bool = true;

    fn user(&self) -> &UserScope {
        &self.chat.user
    }

    fn check(&self) -> i64 {
        conversation_check(&self.chat)
    }

    async fn rows(&self, at: Option<At>, limit: usize) -> Result<Rows<Branch>> {
        let (before, after) = match at {
            None => (None, None),
            Some(At::Before((id, _))) => (Some(MessageId::from_bytes(id)), None),
            Some(At::After((id, _))) => (None, Some(MessageId::from_bytes(id))),
        };
        let (user, query) = (&self.chat.user, BranchQuery { limit, before, after });
        let rows = match user.engine.store.branches(&user.owner, self.chat.id, query).await? {
            Some(rows) => rows,
            // Nothing was said yet.
            None if self.chat.fresh.is_some() => return Ok(Rows::none()),
            None => return Err(not_found("conversation")),
        };
        let key = |branch: &Branch| (*branch.head_id.as_bytes(), i64::from(branch.depth));
        Ok(Rows {
            ends: rows.items.first().map(key).zip(rows.items.last().map(key)),
            reached_start: rows.reached_start,
            reached_end: rows.reached_end,
            version: rows.version,
            is_unchanged: false,
            items: rows.items,
        })
    }
}
