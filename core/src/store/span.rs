//! Which depths of a branch a page covers: the same arithmetic for every backend.

use super::read::{Anchor, ConversationRows, ListQuery, SiblingAnchor};
use crate::model::ConversationSummary;

/// The depths of a page, both included; empty when `first` is greater than `last`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) first: i32,
    pub(super) last: i32,
    pub(super) reached_start: bool,
    pub(super) reached_end: bool,
}

impl Span {
    /// The page at this anchor. `anchored` is the depth of the anchor's message, `head` that of the head (0 = empty).
    pub(super) fn of(anchor: Anchor, anchored: i32, head: i32, limit: usize) -> Self {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let upwards = |last: i32| (last.saturating_sub(limit).saturating_add(1).max(1), last);
        let downwards = |first: i32| (first, first.saturating_sub(1).saturating_add(limit).min(head));
        let (first, last) = match anchor {
            Anchor::End => upwards(head),
            Anchor::Before(_) => upwards(anchored - 1),
            Anchor::Start => downwards(1),
            Anchor::After(_) => downwards(anchored + 1),
        };
        // The anchor's own message lies outside the page, so behind it there is always something.
        let before = matches!(anchor, Anchor::Before(_));
        Self { first, last, reached_start: first <= 1, reached_end: !before && last >= head }
    }

    /// The page in the middle of which this one stands, as far as the ends let it.
    pub(super) fn around(anchored: i32, head: i32, limit: usize) -> Self {
        let limit = i32::try_from(limit).unwrap_or(i32::MAX);
        let latest = head.saturating_sub(limit).saturating_add(1);
        let first = (anchored - (limit.saturating_sub(1)) / 2).min(latest).max(1);
        let last = first.saturating_sub(1).saturating_add(limit).min(head);
        Self { first, last, reached_start: first <= 1, reached_end: last >= head }
    }

    /// The page of siblings at this anchor. `index` is that of the anchor's message, from 0.
    pub(super) fn of_siblings(anchor: SiblingAnchor, index: i32, count: i32, limit: usize) -> Self {
        match anchor {
            SiblingAnchor::Around(_) => Self::around(index + 1, count, limit),
            SiblingAnchor::Before(id) => Self::of(Anchor::Before(id), index + 1, count, limit),
            SiblingAnchor::After(id) => Self::of(Anchor::After(id), index + 1, count, limit),
        }
    }

    /// How many messages.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.last - self.first + 1).unwrap_or(0)
    }
}

impl ConversationRows {
    /// The activity numbers between which a page lies, both included.
    pub(super) fn bounds(items: &[(i64, ConversationSummary)], query: ListQuery) -> (i64, i64) {
        match (items.first(), items.last()) {
            (Some((newest, _)), Some((oldest, _))) => (*newest, *oldest),
            _ => match query {
                ListQuery { after: Some(after), .. } => (after, after.saturating_add(1)),
                ListQuery { before: Some(before), .. } => (before.saturating_sub(1), before),
                _ => (i64::MAX, i64::MAX),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::MessageId;

    const X: MessageId = MessageId::from_bytes([1; 16]);

    fn span(anchor: Anchor, anchored: i32, head: i32, limit: usize) -> (i32, i32, bool, bool) {
        let span = Span::of(anchor, anchored, head, limit);
        (span.first, span.last, span.reached_start, span.reached_end)
    }

    #[test]
    fn a_page_says_truly_whether_it_reached_the_ends() {
        assert_eq!(span(Anchor::End, 0, 10, 3), (8, 10, false, true));
        assert_eq!(span(Anchor::End, 0, 10, 10), (1, 10, true, true));
        assert_eq!(span(Anchor::Start, 0, 10, 3), (1, 3, true, false));
        assert_eq!(span(Anchor::Before(X), 4, 10, 3), (1, 3, true, false));
        assert_eq!(span(Anchor::Before(X), 5, 10, 3), (2, 4, false, false));
        assert_eq!(span(Anchor::After(X), 7, 10, 3), (8, 10, false, true));
        assert_eq!(span(Anchor::After(X), 6, 10, 3), (7, 9, false, false));
    }

    #[test]
    fn a_page_around_a_message_holds_it_and_is_as_full_as_it_can_be() {
        let around = |anchored, head, limit| {
            let span = Span::around(anchored, head, limit);
            (span.first, span.last, span.reached_start, span.reached_end)
        };
        assert_eq!(around(5, 10, 3), (4, 6, false, false));
        assert_eq!(around(5, 10, 4), (4, 7, false, false));
        assert_eq!(around(1, 10, 3), (1, 3, true, false));
        assert_eq!(around(10, 10, 3), (8, 10, false, true));
        assert_eq!(around(2, 3, 50), (1, 3, true, true));
        assert_eq!(around(2, 3, usize::MAX), (1, 3, true, true));
        assert_eq!(around(2, 3, 1), (2, 2, false, false));
    }

    #[test]
    fn empty_pages_and_absurd_limits_overflow_nothing() {
        assert_eq!(span(Anchor::End, 0, 0, 50), (1, 0, true, true));
        assert_eq!(span(Anchor::Start, 0, 0, 50), (1, 0, true, true));
        assert_eq!(Span::of(Anchor::After(X), 10, 10, 50).len(), 0);
        assert_eq!(Span::of(Anchor::Before(X), 1, 10, 50).len(), 0);
        assert!(Span::of(Anchor::Before(X), 1, 10, 50).reached_start);
        assert_eq!(Span::of(Anchor::End, 0, i32::MAX, usize::MAX).len(), i32::MAX as usize);
        assert_eq!(Span::of(Anchor::After(X), 5, 10, usize::MAX).last, 10);
        assert_eq!(Span::of(Anchor::End, 0, 10, 0).len(), 0);
        assert!(Span::of(Anchor::End, 0, 10, 0).reached_end);
        assert!(!Span::of(Anchor::End, 0, 10, 0).reached_start);
    }
}
