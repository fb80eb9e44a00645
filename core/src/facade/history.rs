//! A conversation's messages, page by page or one after the other.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::sync::Mutex;

use super::cancel::CancelToken;
use super::conversation::Conversation;
use super::conversation_summary::ConversationSummary;
use super::error::TertuliaError;
use super::ground::Ground;
use super::id::id;
use super::message::Message;
use super::page::{MessagePage, count, place};
use super::words::Detail;
use crate::{base, engine, model};

/// Where a page begins.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum HistoryAnchor {
    /// The messages before this place.
    Before {
        /// A page's `before`.
        cursor: String,
    },
    /// The messages after this place; also for polling at the end.
    After {
        /// A page's `after`.
        cursor: String,
    },
    /// A message in the middle of the page, as far as the ends let it.
    Around {
        /// The message, which must be on the branch.
        message_id: String,
    },
    /// The messages from this place of the branch on.
    Position {
        /// Counts from 1: the first message. Behind the last message the page is empty.
        position: i32,
    },
}

/// What a screen needs when it opens, both of the same moment.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct ConversationOpening {
    /// What a list shows of the conversation.
    pub summary: ConversationSummary,
    /// Its latest messages.
    pub page: MessagePage,
}

#[uniffi::export]
impl Conversation {
    /// A page of its messages, in reading order: the latest unless an anchor says where. It holds exactly `limit` of them
    /// (1 to 200), or all there are; with `turns` so many whole turns (1 to 200) instead, each a message of the user with
    /// all that follows up to the next one. All of each message unless `detail` says less.
    ///
    /// # Errors
    /// `Invalid` (bad_cursor, bad_limit, bad_position, bad_id), `NotFound`, `Storage`, `Cancelled`.
    #[uniffi::method(default(anchor = None, limit = 50, turns = None, detail = None, cancel = None))]
    pub async fn history(
        &self,
        anchor: Option<HistoryAnchor>,
        limit: i32,
        turns: Option<i32>,
        detail: Option<Detail>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<MessagePage, TertuliaError> {
        let call = self.reading(anchor, limit, turns, detail)?;
        self.ground.run(cancel, call.into_future()).await.map(MessagePage::from)
    }

    /// The same page, or nothing when the conversation has still the version `unchanged_since`, which is that of the page
    /// at hand; no message is read then.
    ///
    /// # Errors
    /// As of `history`.
    #[uniffi::method(default(anchor = None, limit = 50, turns = None, detail = None, cancel = None))]
    pub async fn history_if_changed(
        &self,
        unchanged_since: i64,
        anchor: Option<HistoryAnchor>,
        limit: i32,
        turns: Option<i32>,
        detail: Option<Detail>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Option<MessagePage>, TertuliaError> {
        let call = self.reading(anchor, limit, turns, detail)?.unchanged_since(unchanged_since);
        Ok(self.ground.run(cancel, call.into_future()).await?.map(MessagePage::from))
    }

    /// What a screen needs when it opens: what a list shows of it, and its latest messages, both of the same moment.
    ///
    /// # Errors
    /// `NotFound`, also while nothing was said in it; `Invalid` (bad_limit), `Storage`, `Cancelled`.
    #[uniffi::method(default(limit = 50, turns = None, detail = None, cancel = None))]
    pub async fn open(
        &self,
        limit: i32,
        turns: Option<i32>,
        detail: Option<Detail>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<ConversationOpening, TertuliaError> {
        let call = self.reading(None, limit, turns, detail)?.with_summary();
        let (summary, page) = self.ground.run(cancel, call.into_future()).await?;
        Ok(ConversationOpening { summary: summary.into(), page: page.into() })
    }

    /// Its messages one after the other, from the first to the last unless told otherwise, however many there are: pages
    /// are read as they are needed. What is said meanwhile, or shown instead, changes nothing.
    #[uniffi::method(default(newest_first = false, detail = None))]
    #[must_use]
    pub fn messages(&self, newest_first: bool, detail: Option<Detail>) -> Arc<Messages> {
        let mut messages = self.chat.messages().detail(detail.map(model::Detail::from).unwrap_or_default());
        if newest_first {
            messages = messages.newest_first();
        }
        let held = Arc::new(Mutex::new((messages, VecDeque::new())));
        Arc::new(Messages { held, ground: self.ground.clone() })
    }
}

impl Conversation {
    fn reading(
        &self,
        anchor: Option<HistoryAnchor>,
        limit: i32,
        turns: Option<i32>,
        detail: Option<Detail>,
    ) -> model::Result<engine::HistoryCall> {
        const OPERATION: &str = "conversation.history";
        let call = self.chat.history().detail(detail.map(model::Detail::from).unwrap_or_default());
        let call = match turns {
            None => call.limit(count(limit)),
            Some(turns) => call.turns(count(turns)),
        };
        Ok(match anchor {
            None => call,
            Some(HistoryAnchor::Before { cursor }) => call.before(place(Some(&cursor), OPERATION)?),
            Some(HistoryAnchor::After { cursor }) => call.after(place(Some(&cursor), OPERATION)?),
            Some(HistoryAnchor::Around { message_id }) => call.around(&id::<base::MessageId>(&message_id, OPERATION)?),
            Some(HistoryAnchor::Position { position }) => call.position(count(position)),
        })
    }
}

/// The messages of a conversation one after the other, pulled in batches. One task reads.
#[derive(uniffi::Object)]
pub struct Messages {
    /// With what was read and not given out yet.
    held: Arc<Mutex<(engine::Messages, VecDeque<model::Message>)>>,
    ground: Arc<Ground>,
}

#[uniffi::export]
impl Messages {
    /// The next messages, as many as are at hand and at most `max` (at least 1). Empty behind the last one.
    ///
    /// # Errors
    /// `NotFound`, `Storage`; `Invalid` (bad_cursor) when the message is deleted with which the page before ended. Asking
    /// again goes on where it failed. `Cancelled`.
    #[uniffi::method(default(max = 50, cancel = None))]
    pub async fn next_batch(&self, max: i32, cancel: Option<Arc<CancelToken>>) -> Result<Vec<Message>, TertuliaError> {
        let held = self.held.clone();
        let work = async move {
            let mut held = held.lock_owned().await;
            if held.1.is_empty() {
                held.1 = held.0.next_batch(usize::MAX).await?.into();
            }
            Ok(held)
        };
        // Taken by who waits, not by the work: between the two, the one who waits may have gone.
        let mut held = self.ground.run(cancel, work).await?;
        let most = held.1.len().min(count(max).max(1));
        Ok(held.1.drain(..most).map(Message::from).collect())
    }
}
