//! A user's conversations, page by page.

use super::page::{At, List, PageCall, Rows};
use super::user::UserScope;
use crate::base::CursorKind;
use crate::model::{ConversationSummary, Result};
use crate::store::ListQuery;

/// The conversations of a user, the latest activity first.
#[derive(Clone)]
pub struct Conversations {
    user: UserScope,
}

/// A page of conversations, before it is awaited.
pub type ConversationsCall = PageCall<Conversations>;

impl ConversationsCall {
    pub(super) fn of(user: UserScope) -> Self {
        Self::new(Conversations { user })
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
        let (before, after) = match at {
            None => (None, None),
            Some(At::Before((_, activity))) => (Some(activity), None),
            Some(At::After((_, activity))) => (None, Some(activity)),
        };
        let rows = self.user.engine.store.conversations(&self.user.owner, ListQuery { limit, before, after }).await?;
        let key = |(activity, row): &(i64, ConversationSummary)| (*row.id.as_bytes(), *activity);
        Ok(Rows {
            ends: rows.items.first().map(key).zip(rows.items.last().map(key)),
            reached_start: rows.reached_start,
            reached_end: rows.reached_end,
            version: rows.items.first().map(|(activity, _)| *activity).or(after).unwrap_or(0),
            items: rows.items.into_iter().map(|(_, summary)| summary).collect(),
        })
    }
}
