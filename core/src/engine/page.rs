//! A page on its way: what all kinds of pages have in common. Keyset, never offsets; never a count.

use std::pin::Pin;

use super::conversation::Conversation;
use super::user::UserScope;
use crate::base::{Cursor, CursorKind, Malformed, Page};
use crate::model::{Error, Result};

/// Items of a page unless told otherwise.
pub(super) const PAGE: usize = 50;

/// The longest page.
const MAX_PAGE: usize = 200;

/// A page of a list, before it is awaited. It holds exactly as many items as are asked for, or all that there are.
#[must_use = "nothing is read until it is awaited"]
#[derive(Clone)]
pub struct PageCall<L> {
    pub(super) list: L,
    pub(super) limit: usize,
    before: Option<Cursor>,
    after: Option<Cursor>,
}

impl<L> PageCall<L> {
    pub(super) fn new(list: L) -> Self {
        Self { list, limit: PAGE, before: None, after: None }
    }

    /// Exactly this many items (1 to 200), or all there are.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// The older items before this place. A page's own `before` may be handed in as it is; nothing = no place.
    pub fn before(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.before = cursor.into();
        self
    }

    /// The newer items after this place; also for polling at the end.
    pub fn after(mut self, cursor: impl Into<Option<Cursor>>) -> Self {
        self.after = cursor.into();
        self
    }

    /// True when it begins at a cursor.
    pub(super) fn has_cursor(&self) -> bool {
        self.before.is_some() || self.after.is_some()
    }
}

/// What a page is of.
pub trait List: Clone + Send + Sync + 'static {
    /// What stands on it.
    type Item: Send + 'static;
    /// What its cursors are good for.
    const KIND: CursorKind;
    /// What its errors were doing.
    const OPERATION: &'static str;
    /// True when the newest item stands first; otherwise it stands last.
    const NEWEST_FIRST: bool;

    /// Whose it is.
    fn user(&self) -> &UserScope;

    /// What the cursors of this list, and of no other of its kind, carry.
    fn check(&self) -> i64;

    /// The rows at this place.
    fn rows(&self, at: Option<At>, limit: usize) -> impl Future<Output = Result<Rows<Self::Item>>> + Send;
}

/// An item's id and its place in the order.
pub(super) type Key = ([u8; 16], i64);

/// Where a page begins. Exclusive.
#[derive(Clone, Copy, Debug)]
pub enum At {
    /// Older than this.
    Before(Key),
    /// Newer than this.
    After(Key),
}

/// What a store gave.
pub struct Rows<T> {
    pub(super) items: Vec<T>,
    /// The keys of the first and the last of them.
    pub(super) ends: Option<(Key, Key)>,
    pub(super) reached_start: bool,
    pub(super) reached_end: bool,
    pub(super) version: i64,
    /// True when it was asked for only if changed, and is not.
    pub(super) is_unchanged: bool,
}

impl<T> Rows<T> {
    /// Nothing, because nothing was said yet.
    pub(super) const fn none() -> Self {
        Self { items: Vec::new(), ends: None, reached_start: true, reached_end: true, version: 0, is_unchanged: false }
    }
}

impl<L: List> PageCall<L> {
    /// The place at which it begins, unless the list says otherwise.
    pub(super) fn place(&self) -> Result<Option<At>> {
        let user = self.list.user();
        user.check()?;
        check_limit(self.limit)?;
        let key = |cursor: &Cursor| -> Result<Key> {
            let (anchor, place, of) = cursor.open(L::KIND, &user.owner).map_err(bad_cursor)?;
            if of == self.list.check() { Ok((anchor, place)) } else { Err(foreign()) }
        };
        match (&self.before, &self.after) {
            (Some(_), Some(_)) => {
                Err(Error::invalid("bad_cursor", "a page goes `before` one place or `after` one, not both"))
            }
            (Some(before), None) => Ok(Some(At::Before(key(before)?))),
            (None, Some(after)) => Ok(Some(At::After(key(after)?))),
            (None, None) => Ok(None),
        }
    }

    /// A page of these rows. An empty one leads to where it was asked for, so that polling goes on from there.
    pub(super) fn page(&self, rows: Rows<L::Item>) -> Page<L::Item> {
        let cursor =
            |(anchor, place): Key| Cursor::new(L::KIND, &self.list.user().owner, anchor, place, self.list.check());
        let (mut oldest, mut newest) = rows.ends.map(|(first, last)| (cursor(first), cursor(last))).unzip();
        let (mut reached_start, mut reached_end) = (rows.reached_start, rows.reached_end);
        if L::NEWEST_FIRST {
            (oldest, newest) = (newest, oldest);
            (reached_start, reached_end) = (reached_end, reached_start);
        }
        Page {
            before: oldest.or(self.before).filter(|_| !reached_start),
            after: newest.or(self.after),
            reached_start,
            reached_end,
            version: rows.version,
            items: rows.items,
        }
    }

    async fn rows(&self) -> Result<Rows<L::Item>> {
        let place = self.place()?;
        self.list.rows(place, self.limit).await
    }

    pub(super) async fn load(&self) -> Result<Page<L::Item>> {
        Ok(self.page(self.rows().await?))
    }

    fn failed(&self, error: Error) -> Error {
        self.list.user().engine.failed(error, L::OPERATION)
    }
}

impl<L: List> IntoFuture for PageCall<L> {
    type Output = Result<Page<L::Item>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move { self.load().await.map_err(|e| self.failed(e)) })
    }
}

/// A page that is nothing when its list has not changed, before it is awaited.
#[must_use = "nothing is read until it is awaited"]
#[derive(Clone)]
pub struct IfChanged<L>(pub(super) PageCall<L>);

impl<L: List> IntoFuture for IfChanged<L> {
    type Output = Result<Option<Page<L::Item>>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self(call) = self;
        Box::pin(async move {
            let rows = call.rows().await.map_err(|e| call.failed(e))?;
            Ok((!rows.is_unchanged).then(|| call.page(rows)))
        })
    }
}

/// The last half of the conversation's id: enough to refuse a cursor from another one.
pub(super) fn conversation_check(chat: &Conversation) -> i64 {
    let mut half = [0_u8; 8];
    half.copy_from_slice(&chat.id.as_bytes()[8..]);
    i64::from_be_bytes(half)
}

pub(super) fn bad_cursor(malformed: Malformed) -> Error {
    malformed.into_error("bad_cursor")
}

/// A cursor of another conversation.
fn foreign() -> Error {
    bad_cursor(Malformed { expected: "this cursor belongs to another conversation" })
}

/// # Errors
/// `Invalid` (bad_limit).
pub(super) fn check_limit(limit: usize) -> Result<()> {
    if (1..=MAX_PAGE).contains(&limit) {
        return Ok(());
    }
    Err(Error::invalid("bad_limit", format!("a page holds 1 to {MAX_PAGE} items")))
}
