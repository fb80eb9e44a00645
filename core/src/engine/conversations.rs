//! A user's conversations, page by page.

use super::page::{At, IfChanged, Key, List, PageCall, Rows};
use super::user::UserScope;
use crate::base::CursorKind;
use crate::model::{ConversationSummary, Result};
use crate::store::ListQuery;

/// Set in the place of a conversation that is pinned, above every activity number.
const PINNED: i64 = 1 << 62;

/// The conversations of a user: the pinned ones first, then the latest activity.
#[derive(Clone)]
pub struct Conversations {
    user: UserScope,
    query: ListQuery,
}

/// A page of conversations, before it is awaited. `before` goes on down the list; `after` gives what has had activity since
/// a page was read, pinned or not, the latest first.
pub type ConversationsCall = PageCall<Conversations>;

impl ConversationsCall {
    pub(super) fn of(user: UserScope) -> Self {
        Self::new(Conversations { user, query: ListQuery::default() })
    }

    /// Those that are archived, instead of those that are not.
    pub fn archived(mut self, archived: bool) -> Self {
        self.list.query.archived = archived;
        self
    }

    /// Only those that are pinned, or only those that are not; nothing = both.
    pub fn pinned(mut self, pinned: impl Into<Option<bool>>) -> Self {
        self.list.query.pinned = pinned.into();
        self
    }

    /// Only those with this tag; nothing = whatever their tags are.
    pub fn tag(mut self, tag: impl Into<Option<String>>) -> Self {
        self.list.query.tag = tag.into();
        self
    }

    /// Nothing instead of the page when no conversation of this user has changed since the page at hand, which has this
    /// version; no conversation is read then.
    pub fn unchanged_since(mut self, version: i64) -> IfChanged<Conversations> {
        self.list.query.unchanged_since = Some(version);
        IfChanged(self)
    }
}

impl List for Conversations {
    type Item = ConversationSummary;
    const KIND: CursorKind = CursorKind::Conversations;
    const OPERATION: &'static str = "user.list_conversations";
    const NEWEST_FIRST: bool = true;

    fn user(&self) -> &UserScope {
        &self.user
    }

    fn check(&self) -> i64 {
        0
    }

    async fn rows(&self, at: Option<At>, limit: usize) -> Result<Rows<ConversationSummary>> {
        let mut query = ListQuery { limit, ..self.query.clone() };
        match at {
            None => {}
            Some(At::Before((_, place))) => query.before = Some((place & PINNED != 0, place & !PINNED)),
            Some(At::After((_, place))) => query.after = Some(place & !PINNED),
        }
        let rows = self.user.engine.store.conversations(&self.user.owner, query).await?;
        let key = |(activity, row): &(i64, ConversationSummary)| -> Key {
            (*row.id.as_bytes(), if row.pinned { activity | PINNED } else { *activity })
        };
        // What is polled for is newer than all that stands here, wherever it stands.
        let latest = rows.items.iter().max_by_key(|(activity, _)| *activity).map(key);
        Ok(Rows {
            ends: latest.zip(rows.items.last().map(key)),
            reached_start: rows.reached_start,
            reached_end: rows.reached_end,
            version: rows.version,
            is_unchanged: rows.is_unchanged,
            items: rows.items.into_iter().map(|(_, summary)| summary).collect(),
        })
    }
}
