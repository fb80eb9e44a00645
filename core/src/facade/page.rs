//! Pages: a part of a list, and where it goes on. A record for each sort of item, because a border knows no generics.

use super::conversation_summary::ConversationSummary;
use super::message::Message;
use super::search::SearchHit;
use super::tree::Branch;
use crate::base::{Cursor, Malformed, Page};
use crate::model;

macro_rules! pages {
    ($($(#[$about:meta])* $name:ident of $item:ident,)*) => {$(
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, uniffi::Record)]
        pub struct $name {
            /// What is on the page.
            pub items: Vec<$item>,
            /// Leads to older items; nothing when there are none.
            pub before: Option<String>,
            /// Leads to newer items. Also there at the end, so that it can be used for polling.
            pub after: Option<String>,
            /// True when the page holds the first item there is.
            pub reached_start: bool,
            /// True when the page holds the last item there is.
            pub reached_end: bool,
            /// Changes whenever the list does.
            pub version: i64,
        }

        impl From<Page<model::$item>> for $name {
            fn from(page: Page<model::$item>) -> Self {
                let Page { items, before, after, reached_start, reached_end, version } = page;
                Self {
                    items: items.into_iter().map($item::from).collect(),
                    before: before.map(|cursor| cursor.to_string()),
                    after: after.map(|cursor| cursor.to_string()),
                    reached_start,
                    reached_end,
                    version,
                }
            }
        }
    )*};
}

pages! {
    /// A page of messages, in reading order.
    MessagePage of Message,
    /// A page of a user's conversations: the pinned ones first, then the latest activity.
    ConversationPage of ConversationSummary,
    /// A page of a conversation's branches, the newest first.
    BranchPage of Branch,
    /// A page of what a search has found.
    SearchPage of SearchHit,
}

/// How many there are to be. Below 0 is refused as 0 is.
pub(super) fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}

/// The place that a text leads to.
///
/// # Errors
/// `Invalid` (bad_cursor) for a text that is none.
pub(super) fn place(cursor: Option<&str>, operation: &'static str) -> model::Result<Option<Cursor>> {
    let bad = |e: Malformed| e.into_error("bad_cursor").during(operation);
    cursor.map(|cursor| cursor.parse().map_err(bad)).transpose()
}
