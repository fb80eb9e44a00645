//! Full-text search, as users ask for it.

use std::pin::Pin;

use super::conversation::{Conversation, not_found};
use super::page::{PAGE, bad_cursor, check_limit};
use super::user::UserScope;
use crate::base::{Cursor, CursorKind, Malformed, MessageId, Page};
use crate::model::{Result, SearchHit, SearchSort};
use crate::store::{SearchPlace, SearchQuery, SearchRows, hash, search_off};

/// A search, before it is awaited.
#[must_use = "nothing is searched until it is awaited"]
pub struct SearchCall {
    user: UserScope,
    chat: Option<Conversation>,
    words: String,
    sort: SearchSort,
    limit: usize,
    before: Option<Cursor>,
}

impl SearchCall {
    /// What stands first: the newest (standard), or what fits best among the newest 2,000 that fit at all.
    pub fn sort(mut self, sort: SearchSort) -> Self {
        self.sort = sort;
        self
    }

    /// At most this many messages (1 to 200).
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Those behind this place of the same search. A page's own `before` may be handed in as it is.
    pub fn before(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.before = cursor.into();
        self
    }

    async fn load(self) -> Result<Page<SearchHit>> {
        let Self { user, chat, words, sort, limit, before } = self;
        user.check()?;
        check_limit(limit)?;
        if !user.engine.current().settings.store.search {
            return Err(search_off());
        }
        let check = check(&words, sort, chat.as_ref());
        let after = before.as_ref().map(|cursor| place(cursor, &user, check)).transpose()?;
        let query = SearchQuery { words, conversation: chat.as_ref().map(|chat| chat.id), sort, limit, after };
        let rows = match user.engine.store.search(&user.owner, query).await? {
            Some(rows) => rows,
            // Nothing was said yet, so that nothing can be found.
            None if chat.is_some_and(|chat| chat.fresh.is_some()) => SearchRows::default(),
            None => return Err(not_found("conversation")),
        };
        let cursor = |place: SearchPlace| {
            let rest = check | i64::from(place.count);
            Cursor::new(CursorKind::Search, &user.owner, *place.message.as_bytes(), place.order, rest)
        };
        Ok(Page {
            reached_start: rows.next.is_none(),
            reached_end: before.is_none(),
            before: rows.next.map(cursor),
            after: None,
            version: 0,
            items: rows.items,
        })
    }
}

/// Enough to refuse a cursor of another search, in the upper six bytes.
fn check(words: &str, sort: SearchSort, chat: Option<&Conversation>) -> i64 {
    let mut all = vec![u8::from(sort == SearchSort::Relevance), u8::from(chat.is_some())];
    all.extend(chat.iter().flat_map(|chat| chat.id.as_bytes()));
    all.extend(words.as_bytes());
    let mut check = [0; 8];
    check[..6].copy_from_slice(&hash(&all)[..6]);
    i64::from_be_bytes(check)
}

fn place(cursor: &Cursor, user: &UserScope, check: i64) -> Result<SearchPlace> {
    let (message, order, rest) = cursor.open(CursorKind::Search, &user.owner).map_err(bad_cursor)?;
    let [of @ .., high, low] = rest.to_be_bytes();
    if of != check.to_be_bytes()[..6] {
        return Err(bad_cursor(Malformed { expected: "this cursor belongs to another search" }));
    }
    let count = u16::from_be_bytes([high, low]);
    Ok(SearchPlace { message: MessageId::from_bytes(message), order, count })
}

impl IntoFuture for SearchCall {
    type Output = Result<Page<SearchHit>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let operation = if self.chat.is_some() { "conversation.search" } else { "user.search" };
        Box::pin(async move {
            let engine = self.user.engine.clone();
            self.load().await.map_err(|e| engine.failed(e, operation))
        })
    }
}

impl UserScope {
    /// Searches what was said in this user's conversations, on all their branches: words, `"phrases"`, `-exclusions` and
    /// `beginnings*`, whatever their case and accents. All of it must be said in one message, whoever's but a tool's.
    /// The newest first, 50 unless told otherwise; a page's `before` leads on. Nothing is found for a query without a word.
    ///
    /// Every message is found that was saved before; one that is being written is found when it has ended.
    ///
    /// Awaiting it fails with `Invalid` (bad_query, bad_limit, bad_cursor, search_off).
    pub fn search(&self, words: impl Into<String>) -> SearchCall {
        SearchCall {
            user: self.clone(),
            chat: None,
            words: words.into(),
            sort: SearchSort::default(),
            limit: PAGE,
            before: None,
        }
    }
}

impl Conversation {
    /// The same in this conversation alone, on all its branches.
    ///
    /// Awaiting it fails with `NotFound`, too.
    pub fn search(&self, words: impl Into<String>) -> SearchCall {
        SearchCall { chat: Some(self.clone()), ..self.user.search(words) }
    }
}
