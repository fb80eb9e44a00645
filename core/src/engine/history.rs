//! Pages: of a conversation's messages, of a user's conversations. Keyset, never offsets; never a count.

use std::pin::Pin;

use super::conversation::{Conversation, not_found};
use super::user::UserScope;
use crate::base::{Cursor, CursorKind, Malformed, MessageId, Page};
use crate::model::{ConversationSummary, Error, Message, Result};
use crate::store::{Anchor, ListQuery, MessageRows};

/// Items of a page unless told otherwise.
pub(super) const PAGE: usize = 50;

/// The longest page.
const MAX_PAGE: usize = 200;

/// A page of messages, before it is awaited.
#[must_use = "nothing is read until it is awaited"]
pub struct HistoryCall {
    chat: Conversation,
    limit: usize,
    before: Option<Cursor>,
    after: Option<Cursor>,
}

impl HistoryCall {
    pub(super) fn new(chat: Conversation) -> Self {
        Self { chat, limit: PAGE, before: None, after: None }
    }

    /// Exactly this many messages (1 to 200), or all there are.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The messages before this place. A page's own `before` may be handed in as it is; nothing = the latest.
    pub fn before(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.before = cursor.into();
        self
    }

    /// The messages after this place; also for polling at the end.
    pub fn after(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.after = cursor.into();
        self
    }

    async fn load(self) -> Result<Page<Message>> {
        let Self { chat, limit, before, after } = self;
        chat.user.check()?;
        check_limit(limit)?;
        let owner = &*chat.user.owner;
        let place = |cursor: &Cursor| -> Result<MessageId> {
            let (anchor, _, of) = cursor.open(CursorKind::Messages, owner).map_err(bad_cursor)?;
            if of != conversation_check(&chat) {
                return Err(foreign());
            }
            Ok(MessageId::from_bytes(anchor))
        };
        let anchor = match (&before, &after) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid("bad_cursor", "a page goes `before` one place or `after` one, not both"));
            }
            (Some(before), None) => Anchor::Before(place(before)?),
            (None, Some(after)) => Anchor::After(place(after)?),
            (None, None) => Anchor::End,
        };
        let store = &chat.user.engine.store;
        let rows = match chat.from {
            Some(last) => store.messages_upto(owner, chat.id, last, anchor, limit).await?,
            None => store.messages(owner, chat.id, anchor, limit).await?,
        };
        match rows {
            Some(rows) => Ok(page(&chat, rows, before, after)),
            // Nothing was said yet: an empty page, as the empty conversation that it looks like.
            None if chat.fresh.is_some() => {
                Ok(Page { items: Vec::new(), before: None, after, reached_start: true, reached_end: true, version: 0 })
            }
            None => Err(not_found("conversation")),
        }
    }
}

/// A page of these rows. An empty one leads to where it was asked for, so that polling goes on from there.
fn page(chat: &Conversation, rows: MessageRows, before: Option<Cursor>, after: Option<Cursor>) -> Page<Message> {
    let cursor = |message: &Message| {
        let (anchor, depth) = (*message.id.as_bytes(), i64::from(message.depth));
        Cursor::new(CursorKind::Messages, &chat.user.owner, anchor, depth, conversation_check(chat))
    };
    Page {
        before: rows.items.first().map(cursor).or(before).filter(|_| !rows.reached_start),
        after: rows.items.last().map(cursor).or(after),
        reached_start: rows.reached_start,
        reached_end: rows.reached_end,
        version: rows.version,
        items: rows.items,
    }
}

/// The last half of the conversation's id: enough to refuse a cursor from another one.
pub(super) fn conversation_check(chat: &Conversation) -> i64 {
    let mut half = [0_u8; 8];
    half.copy_from_slice(&chat.id.as_bytes()[8..]);
    i64::from_be_bytes(half)
}

impl IntoFuture for HistoryCall {
    type Output = Result<Page<Message>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let engine = self.chat.user.engine.clone();
            self.load().await.map_err(|e| engine.failed(e, "conversation.history"))
        })
    }
}

/// A page of conversations, before it is awaited.
#[must_use = "nothing is read until it is awaited"]
pub struct ConversationsCall {
    user: UserScope,
    limit: usize,
    before: Option<Cursor>,
    after: Option<Cursor>,
}

impl ConversationsCall {
    pub(super) fn new(user: UserScope) -> Self {
        Self { user, limit: PAGE, before: None, after: None }
    }

    /// At most this many conversations (1 to 200).
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Those with earlier activity than this place.
    pub fn before(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.before = cursor.into();
        self
    }

    /// Those with later activity than this place; for polling.
    pub fn after(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.after = cursor.into();
        self
    }

    async fn load(self) -> Result<Page<ConversationSummary>> {
        let Self { user, limit, before, after } = self;
        user.check()?;
        check_limit(limit)?;
        let owner = &*user.owner;
        let place = |cursor: Option<Cursor>| -> Result<Option<i64>> {
            cursor
                .map(|c| c.open(CursorKind::Conversations, owner).map(|(_, seq, _)| seq).map_err(bad_cursor))
                .transpose()
        };
        let query = ListQuery { limit, before: place(before)?, after: place(after)? };
        if query.before.is_some() && query.after.is_some() {
            return Err(Error::invalid("bad_cursor", "a page goes `before` one place or `after` one, not both"));
        }
        let rows = user.engine.store.conversations(owner, query).await?;
        let cursor = |(seq, of): &(i64, ConversationSummary)| {
            Cursor::new(CursorKind::Conversations, owner, *of.id.as_bytes(), *seq, 0)
        };
        Ok(Page {
            before: rows.items.last().map(cursor).or(before).filter(|_| !rows.reached_end),
            after: rows.items.first().map(cursor).or(after),
            reached_start: rows.reached_end,
            reached_end: rows.reached_start,
            version: rows.items.first().map(|(seq, _)| *seq).or(query.after).unwrap_or(0),
            items: rows.items.into_iter().map(|(_, summary)| summary).collect(),
        })
    }
}

impl IntoFuture for ConversationsCall {
    type Output = Result<Page<ConversationSummary>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let engine = self.user.engine.clone();
            self.load().await.map_err(|e| engine.failed(e, "user.list_conversations"))
        })
    }
}

pub(super) fn bad_cursor(malformed: Malformed) -> Error {
    malformed.into_error("bad_cursor")
}

/// A cursor of another conversation.
pub(super) fn foreign() -> Error {
    bad_cursor(Malformed { expected: "this cursor belongs to another conversation" })
}

pub(super) fn check_limit(limit: usize) -> Result<()> {
    if (1..=MAX_PAGE).contains(&limit) {
        return Ok(());
    }
    Err(Error::invalid("bad_limit", format!("a page holds 1 to {MAX_PAGE} items")))
}
