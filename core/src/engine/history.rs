//! A conversation's messages, page by page or one after the other.

use std::collections::VecDeque;
use std::pin::Pin;

use futures::Stream;

use super::conversation::{Conversation, not_found};
use super::page::{At, IfChanged, List, PageCall, Rows, conversation_check};
use super::user::UserScope;
use crate::base::{Cursor, CursorKind, MessageId, Page};
use crate::model::{ConversationSummary, Detail, Error, Message, Result};
use crate::store::{Anchor, MessageRows, PageQuery, PageSize};

/// The messages of a conversation, in reading order.
#[derive(Clone)]
pub struct History {
    chat: Conversation,
    start: Option<Start>,
    is_of_turns: bool,
    detail: Detail,
    unchanged_since: Option<i64>,
}

/// Where a page begins that begins at no cursor.
#[derive(Clone, Copy)]
enum Start {
    Around(MessageId),
    Position(usize),
}

/// A page of messages, before it is awaited.
pub type HistoryCall = PageCall<History>;

impl HistoryCall {
    pub(super) fn of(chat: Conversation) -> Self {
        let detail = Detail::Full;
        Self::new(History { chat, start: None, is_of_turns: false, detail, unchanged_since: None })
    }

    /// This message, which must be on the branch, in the middle of the page as far as the ends let it.
    pub fn around(mut self, message: &MessageId) -> Self {
        self.list.start = Some(Start::Around(*message));
        self
    }

    /// From the message at this place of the branch on, which counts from 1: `position(1)` is the start. For those who
    /// come from offsets; costs the same at any place. Behind the last message the page is empty.
    pub fn position(mut self, position: usize) -> Self {
        self.list.start = Some(Start::Position(position));
        self
    }

    /// So many whole turns (1 to 200) instead of so many messages: each is a message of the user with all that follows up
    /// to the next one. The page holds at most 200 messages, and fewer turns where they hold more; only a turn that alone
    /// is longer is cut.
    pub fn turns(mut self, turns: usize) -> Self {
        self.limit = turns;
        self.list.is_of_turns = true;
        self
    }

    /// How much of each message; all of it unless told otherwise.
    pub fn detail(mut self, detail: Detail) -> Self {
        self.list.detail = detail;
        self
    }

    /// Nothing instead of the page when the conversation has still this version, which is that of the page at hand; no
    /// message is read then.
    pub fn unchanged_since(mut self, version: i64) -> IfChanged<History> {
        self.list.unchanged_since = Some(version);
        IfChanged(self)
    }

    /// The conversation's row along with the page, both of the same moment.
    pub fn with_summary(self) -> OpenCall {
        OpenCall(self)
    }

    fn query(&self) -> Result<PageQuery> {
        let place = self.place()?;
        self.list.query(place, self.limit)
    }

    async fn open(&self) -> Result<(ConversationSummary, Page<Message>)> {
        let (chat, query) = (&self.list.chat, self.query()?);
        let found = chat.user.engine.store.open(&chat.user.owner, chat.id, query).await?;
        let (summary, rows) = found.ok_or_else(|| not_found("conversation"))?;
        Ok((summary, self.page(rows.into())))
    }
}

impl History {
    fn query(&self, at: Option<At>, limit: usize) -> Result<PageQuery> {
        let anchor = match (at, self.start) {
            (Some(_), Some(_)) => {
                let detail = "a page begins at a cursor, around a message or at a position: only one of them";
                return Err(Error::invalid("bad_cursor", detail));
            }
            (Some(At::Before((id, _))), None) => Anchor::Before(MessageId::from_bytes(id)),
            (Some(At::After((id, _))), None) => Anchor::After(MessageId::from_bytes(id)),
            (None, Some(Start::Around(message))) => Anchor::Around(message),
            (None, Some(Start::Position(0))) => {
                return Err(Error::invalid("bad_position", "positions count from 1"));
            }
            (None, Some(Start::Position(position))) => Anchor::At(i32::try_from(position).unwrap_or(i32::MAX)),
            (None, None) => Anchor::End,
        };
        let size = if self.is_of_turns { PageSize::Turns(limit) } else { PageSize::Messages(limit) };
        let (detail, unchanged_since) = (self.detail, self.unchanged_since);
        Ok(PageQuery { upto: self.chat.from, anchor, size, detail, unchanged_since })
    }
}

impl From<MessageRows> for Rows<Message> {
    fn from(rows: MessageRows) -> Self {
        let key = |message: &Message| (*message.id.as_bytes(), i64::from(message.depth));
        let MessageRows { items, reached_start, reached_end, version } = rows;
        let ends = items.first().map(key).zip(items.last().map(key));
        Self { items, ends, reached_start, reached_end, version, is_unchanged: false }
    }
}

impl List for History {
    type Item = Message;
    const KIND: CursorKind = CursorKind::Messages;
    const OPERATION: &'static str = "conversation.history";
    const NEWEST_FIRST: bool = false;

    fn user(&self) -> &UserScope {
        &self.chat.user
    }

    fn check(&self) -> i64 {
        conversation_check(&self.chat)
    }

    async fn rows(&self, at: Option<At>, limit: usize) -> Result<Rows<Message>> {
        let (chat, query) = (&self.chat, self.query(at, limit)?);
        match chat.user.engine.store.page(&chat.user.owner, chat.id, query).await? {
            Some(rows) => Ok(Rows { is_unchanged: self.unchanged_since == Some(rows.version), ..rows.into() }),
            // Nothing was said yet: an empty page, as the empty conversation that it looks like.
            None if chat.fresh.is_some() => Ok(Rows { is_unchanged: self.unchanged_since == Some(0), ..Rows::none() }),
            None => Err(not_found("conversation")),
        }
    }
}

/// A conversation's row and a page of its messages, before they are awaited.
#[must_use = "nothing is read until it is awaited"]
#[derive(Clone)]
pub struct OpenCall(HistoryCall);

impl IntoFuture for OpenCall {
    type Output = Result<(ConversationSummary, Page<Message>)>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.0.open().await.map_err(|e| self.0.list.chat.failed(e, "conversation.open")) })
    }
}

/// The messages of a conversation one after the other, page by page behind the scenes. From the first to the last of the
/// branch, as it was when the first one was asked for: what is said meanwhile, or shown instead, changes nothing.
#[must_use = "nothing is read until the first message is asked for"]
pub struct Messages {
    call: HistoryCall,
    newest_first: bool,
    ready: VecDeque<Message>,
    is_over: bool,
}

impl Messages {
    pub(super) fn new(chat: Conversation) -> Self {
        Self { call: HistoryCall::of(chat), newest_first: false, ready: VecDeque::new(), is_over: false }
    }

    /// From the last to the first.
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// How much of each message; all of it unless told otherwise.
    pub fn detail(mut self, detail: Detail) -> Self {
        self.call = self.call.detail(detail);
        self
    }

    /// The next message; nothing behind the last one.
    ///
    /// # Errors
    /// `NotFound`, `Storage`; `Invalid` (bad_cursor) when the message is deleted with which the page before ended. Asking
    /// again goes on where it failed.
    pub async fn next(&mut self) -> Result<Option<Message>> {
        if self.ready.is_empty() && !self.is_over {
            self.load().await.map_err(|e| self.call.list.chat.failed(e, "conversation.messages"))?;
        }
        Ok(self.ready.pop_front())
    }

    /// The next messages, as many as are at hand and at most `max`; none behind the last one.
    ///
    /// # Errors
    /// As of `next`.
    pub async fn next_batch(&mut self, max: usize) -> Result<Vec<Message>> {
        let first = self.next().await?;
        let more = self.ready.len().min(max.saturating_sub(1));
        Ok(first.into_iter().chain(self.ready.drain(..more)).collect())
    }

    /// The same as a stream.
    pub fn into_stream(self) -> impl Stream<Item = Result<Message>> + Send {
        futures::stream::try_unfold(self, async |mut messages| {
            Ok(messages.next().await?.map(|message| (message, messages)))
        })
    }

    async fn load(&mut self) -> Result<()> {
        let mut call = self.call.clone();
        if !self.newest_first && !call.has_cursor() {
            call = call.position(1);
        }
        let page = if self.newest_first || call.list.chat.from.is_some() {
            call.load().await?
        } else {
            // The branch is that of this moment, whichever is shown when the next page is read.
            match call.open().await {
                Ok((row, page)) => {
                    self.call.list.chat.from = row.head_id;
                    page
                }
                Err(_) if call.list.chat.fresh.is_some() => call.load().await?,
                Err(error) => return Err(error),
            }
        };
        self.turn_to(page);
        Ok(())
    }

    fn turn_to(&mut self, page: Page<Message>) {
        let Page { items, before, after, reached_start, reached_end, .. } = page;
        let call = self.call.clone();
        let next = |cursor: Option<Cursor>, is_over: bool| cursor.filter(|_| !is_over);
        if self.newest_first {
            self.is_over = reached_start;
            self.call = call.before(next(before, reached_start));
            self.ready.extend(items.into_iter().rev());
        } else {
            self.is_over = reached_end;
            self.call = call.after(next(after, reached_end));
            self.ready.extend(items);
        }
    }
}

impl std::fmt::Debug for Messages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Messages").field("conversation", &self.call.list.chat.id).finish_non_exhaustive()
    }
}
