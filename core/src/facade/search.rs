//! What was said, found by its words.

use std::sync::Arc;

use super::cancel::CancelToken;
use super::conversation::Conversation;
use super::error::TertuliaError;
use super::page::{SearchPage, count, place};
use super::user::UserScope;
use super::words::SearchSort;
use crate::model;

/// A message that a search has found.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct SearchHit {
    /// The message.
    pub message_id: String,
    /// The conversation it stands in.
    pub conversation_id: String,
    /// How well it fits: more is better. To be compared within one search alone; 0 where the newest stand first.
    pub score: f64,
    /// The place in the message where it was found, about 160 characters on one line.
    pub snippet: Vec<Span>,
    /// True when the message is on the branch that is shown; `switch_to` shows the others.
    pub on_current_branch: bool,
}

impl From<model::SearchHit> for SearchHit {
    fn from(hit: model::SearchHit) -> Self {
        let model::SearchHit { message_id, conversation_id, score, snippet, on_current_branch } = hit;
        Self {
            message_id: message_id.to_string(),
            conversation_id: conversation_id.to_string(),
            score,
            snippet: snippet.into_iter().map(Span::from).collect(),
            on_current_branch,
        }
    }
}

/// A piece of text with one look.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Span {
    /// The text.
    pub text: String,
    /// True for words that were looked for.
    pub hit: bool,
}

impl From<model::Span> for Span {
    fn from(span: model::Span) -> Self {
        let model::Span { text, hit } = span;
        Self { text, hit }
    }
}

#[uniffi::export]
impl UserScope {
    /// Searches what was said in this user's conversations, on all their branches: words, `"phrases"`, `-exclusions` and
    /// `beginnings*`, whatever their case and accents. All of it must be said in one message, whoever's but a tool's. The
    /// newest first unless sorted otherwise, 1 to 200 of them; a page's `before` leads on. Nothing is found for a query
    /// without a word.
    ///
    /// # Errors
    /// `Invalid` (bad_query, bad_limit, bad_cursor, search_off); `Storage`; `Cancelled`.
    #[uniffi::method(default(sort = None, limit = 50, before = None, cancel = None))]
    pub async fn search(
        &self,
        words: String,
        sort: Option<SearchSort>,
        limit: i32,
        before: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<SearchPage, TertuliaError> {
        let call = self.user.search(words).sort(sort.map(model::SearchSort::from).unwrap_or_default());
        let call = call.limit(count(limit)).before(place(before.as_deref(), "user.search")?);
        self.ground.run(cancel, call.into_future()).await.map(SearchPage::from)
    }
}

#[uniffi::export]
impl Conversation {
    /// The same in this conversation alone, on all its branches.
    ///
    /// # Errors
    /// As of a user's `search`; `NotFound`.
    #[uniffi::method(default(sort = None, limit = 50, before = None, cancel = None))]
    pub async fn search(
        &self,
        words: String,
        sort: Option<SearchSort>,
        limit: i32,
        before: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<SearchPage, TertuliaError> {
        let call = self.chat.search(words).sort(sort.map(model::SearchSort::from).unwrap_or_default());
        let call = call.limit(count(limit)).before(place(before.as_deref(), "conversation.search")?);
        self.ground.run(cancel, call.into_future()).await.map(SearchPage::from)
    }
}
