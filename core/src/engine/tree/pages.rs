//! Pages of siblings and of branches.

use std::pin::Pin;

use crate::base::{Cursor, CursorKind, MessageId, Page};
use crate::engine::conversation::{Conversation, not_found};
use crate::engine::history::{PAGE, bad_cursor, check_limit, conversation_check, foreign};
use crate::model::{Branch, Error, Message, Result};
use crate::store::{BranchQuery, SiblingAnchor};

/// A page of siblings, before it is awaited.
#[must_use = "nothing is read until it is awaited"]
pub struct SiblingsCall {
    chat: Conversation,
    message: MessageId,
    limit: usize,
    before: Option<Cursor>,
    after: Option<Cursor>,
}

impl SiblingsCall {
    pub(super) fn new(chat: Conversation, message: MessageId) -> Self {
        Self { chat, message, limit: PAGE, before: None, after: None }
    }

    /// Exactly this many messages (1 to 200), or all there are.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Those made before this place.
    pub fn before(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.before = cursor.into();
        self
    }

    /// Those made after this place; also for polling at the end.
    pub fn after(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.after = cursor.into();
        self
    }

    async fn load(self) -> Result<Page<Message>> {
        let Self { chat, message, limit, before, after } = self;
        chat.user.check()?;
        check_limit(limit)?;
        let anchor = match (&before, &after) {
            (Some(_), Some(_)) => return Err(both()),
            (Some(before), None) => SiblingAnchor::Before(place(&chat, CursorKind::Siblings, before)?),
            (None, Some(after)) => SiblingAnchor::After(place(&chat, CursorKind::Siblings, after)?),
            (None, None) => SiblingAnchor::Around(message),
        };
        let rows = chat.user.engine.store.siblings(&chat.user.owner, chat.id, anchor, limit).await?;
        let rows = rows.ok_or_else(|| not_found("conversation"))?;
        let cursor = |message: &Message| {
            let (anchor, index) = (*message.id.as_bytes(), i64::from(message.sibling_index));
            Cursor::new(CursorKind::Siblings, &chat.user.owner, anchor, index, conversation_check(&chat))
        };
        Ok(Page {
            before: rows.items.first().map(cursor).or(before).filter(|_| !rows.reached_start),
            after: rows.items.last().map(cursor).or(after),
            reached_start: rows.reached_start,
            reached_end: rows.reached_end,
            version: rows.version,
            items: rows.items,
        })
    }
}

impl IntoFuture for SiblingsCall {
    type Output = Result<Page<Message>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let engine = self.chat.user.engine.clone();
            self.load().await.map_err(|e| engine.failed(e, "conversation.siblings"))
        })
    }
}

/// A page of branches, before it is awaited.
#[must_use = "nothing is read until it is awaited"]
pub struct BranchesCall {
    chat: Conversation,
    limit: usize,
    before: Option<Cursor>,
    after: Option<Cursor>,
}

impl BranchesCall {
    pub(super) fn new(chat: Conversation) -> Self {
        Self { chat, limit: PAGE, before: None, after: None }
    }

    /// Exactly this many branches (1 to 200), or all there are.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Those that ended before this place.
    pub fn before(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.before = cursor.into();
        self
    }

    /// Those that ended after this place; for polling.
    pub fn after(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.after = cursor.into();
        self
    }

    async fn load(self) -> Result<Page<Branch>> {
        let Self { chat, limit, before, after } = self;
        chat.user.check()?;
        check_limit(limit)?;
        let at = |cursor: &Option<Cursor>| cursor.as_ref().map(|c| place(&chat, CursorKind::Branches, c)).transpose();
        let query = BranchQuery { limit, before: at(&before)?, after: at(&after)? };
        if query.before.is_some() && query.after.is_some() {
            return Err(both());
        }
        let rows = chat.user.engine.store.branches(&chat.user.owner, chat.id, query).await?;
        let rows = match rows {
            Some(rows) => rows,
            // Nothing was said yet.
            None if chat.fresh.is_some() => {
                return Ok(Page {
                    items: Vec::new(),
                    before: None,
                    after,
                    reached_start: true,
                    reached_end: true,
                    version: 0,
                });
            }
            None => return Err(not_found("conversation")),
        };
        let cursor = |branch: &Branch| {
            let (anchor, depth) = (*branch.head_id.as_bytes(), i64::from(branch.depth));
            Cursor::new(CursorKind::Branches, &chat.user.owner, anchor, depth, conversation_check(&chat))
        };
        Ok(Page {
            before: rows.items.last().map(cursor).or(before).filter(|_| !rows.reached_end),
            after: rows.items.first().map(cursor).or(after),
            reached_start: rows.reached_end,
            reached_end: rows.reached_start,
            version: rows.version,
            items: rows.items,
        })
    }
}

impl IntoFuture for BranchesCall {
    type Output = Result<Page<Branch>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let engine = self.chat.user.engine.clone();
            self.load().await.map_err(|e| engine.failed(e, "conversation.branches"))
        })
    }
}

fn place(chat: &Conversation, kind: CursorKind, cursor: &Cursor) -> Result<MessageId> {
    let (anchor, _, of) = cursor.open(kind, &chat.user.owner).map_err(bad_cursor)?;
    if of == conversation_check(chat) { Ok(MessageId::from_bytes(anchor)) } else { Err(foreign()) }
}

fn both() -> Error {
    Error::invalid("bad_cursor", "a page goes `before` one place or `after` one, not both")
}
