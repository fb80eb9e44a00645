//! Which depths of a branch a page covers: the same arithmetic for every backend.

use super::read::{Anchor, SiblingAnchor};

/// The most messages on a page of turns. A turn that alone is longer is cut.
pub(super) const MAX_OF_TURNS: usize = 200;

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
    pub(super) fn of(anchor: Anchor, anchored: i32, head: i32, messages: usize) -> Self {
        let limit = i32::try_from(messages).unwrap_or(i32::MAX);
        let upwards = |last: i32| (last.saturating_sub(limit).saturating_add(1).max(1), last);
        let downwards = |first: i32| (first, first.saturating_sub(1).saturating_add(limit).min(head));
        let (first, last) = match anchor {
            Anchor::End => upwards(head),
            Anchor::Before(_) => upwards(anchored - 1),
            Anchor::Start => downwards(1),
            Anchor::After(_) => downwards(anchored + 1),
            Anchor::At(position) => downwards(position.max(1)),
            Anchor::Around(_) => return Self::around(anchored, head, messages),
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

    /// Of this page as long as a page of turns may be, so many whole turns at its anchor; or, when not even one is whole,
    /// all of it. `begins` says of its messages, in reading order, with which of them a turn begins.
    pub(super) fn of_turns(self, anchor: Anchor, anchored: i32, head: i32, begins: &[bool], turns: usize) -> Self {
        let firsts: Vec<usize> = (0..begins.len()).filter(|at| *at == 0 || begins[*at]).collect();
        if firsts.is_empty() {
            return self;
        }
        let depth = |at: usize| self.first.saturating_add(i32::try_from(at).unwrap_or(i32::MAX));
        // What the page's own length cut off is no whole turn; what the anchor cut off is meant to be.
        let torn_first = usize::from(self.first > 1 && !begins[0]);
        let torn_last = usize::from(self.last < head);
        let count = firsts.len();
        let (from, to) = match anchor {
            Anchor::Start | Anchor::After(_) | Anchor::At(_) => (0, turns.min((count - torn_last).max(1))),
            Anchor::End | Anchor::Before(_) => (count.saturating_sub(turns).max(torn_first.min(count - 1)), count),
            Anchor::Around(_) => {
                let of = firsts.iter().rposition(|at| depth(*at) <= anchored).unwrap_or(0);
                let (from, to) = (torn_first.min(of), (count - torn_last).max(of + 1));
                let length = turns.min(to - from);
                let from = of.saturating_sub(length.saturating_sub(1) / 2).clamp(from, to - length);
                (from, from + length)
            }
        };
        let first = firsts.get(from).map_or(self.last + 1, |at| depth(*at));
        let last = firsts.get(to).map_or(self.last, |at| depth(*at) - 1);
        Self {
            first,
            last,
            reached_start: first <= 1,
            reached_end: !matches!(anchor, Anchor::Before(_)) && last >= head,
        }
    }

    /// How many messages.
    pub(super) fn len(&self) -> usize {
        usize::try_from(self.last - self.first + 1).unwrap_or(0)
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
    fn a_page_begins_at_any_place_and_is_empty_behind_the_last() {
        assert_eq!(span(Anchor::At(1), 0, 10, 3), (1, 3, true, false));
        assert_eq!(span(Anchor::At(9), 0, 10, 3), (9, 10, false, true));
        assert_eq!(Span::of(Anchor::At(11), 0, 10, 3).len(), 0);
        assert!(Span::of(Anchor::At(i32::MAX), 0, 10, usize::MAX).reached_end);
        assert_eq!(span(Anchor::At(i32::MIN), 0, 10, 3), (1, 3, true, false));
        assert_eq!(span(Anchor::Around(X), 5, 10, 3), (4, 6, false, false));
    }

    #[test]
    fn a_page_of_turns_holds_whole_ones() {
        // A turn begins at each third message: 1, 4, 7, …
        let turns = |anchor: Anchor, anchored: i32, head: i32, window: usize, turns: usize| {
            let span = Span::of(anchor, anchored, head, window);
            let begins: Vec<bool> = (span.first..=span.last).map(|depth| depth % 3 == 1).collect();
            let page = span.of_turns(anchor, anchored, head, &begins, turns);
            (page.first, page.last, page.reached_start, page.reached_end)
        };
        assert_eq!(turns(Anchor::End, 0, 12, 20, 2), (7, 12, false, true));
        assert_eq!(turns(Anchor::End, 0, 11, 20, 2), (7, 11, false, true));
        assert_eq!(turns(Anchor::End, 0, 12, 20, 4), (1, 12, true, true));
        assert_eq!(turns(Anchor::End, 0, 12, 20, 9), (1, 12, true, true));
        assert_eq!(turns(Anchor::Before(X), 7, 12, 20, 1), (4, 6, false, false));
        assert_eq!(turns(Anchor::Before(X), 6, 12, 20, 1), (4, 5, false, false));
        assert_eq!(turns(Anchor::Start, 0, 12, 20, 2), (1, 6, true, false));
        assert_eq!(turns(Anchor::After(X), 6, 12, 20, 1), (7, 9, false, false));
        assert_eq!(turns(Anchor::After(X), 7, 12, 20, 2), (8, 12, false, true));
        assert_eq!(turns(Anchor::At(5), 0, 12, 20, 1), (5, 6, false, false));
        assert_eq!(turns(Anchor::Around(X), 5, 12, 20, 1), (4, 6, false, false));
        assert_eq!(turns(Anchor::Around(X), 5, 12, 20, 3), (1, 9, true, false));
        assert_eq!(turns(Anchor::Around(X), 12, 12, 20, 2), (7, 12, false, true));
        // Where a page could not be longer, what does not fit whole is left for the next page.
        assert_eq!(turns(Anchor::End, 0, 12, 7, 9), (7, 12, false, true));
        assert_eq!(turns(Anchor::Start, 0, 12, 7, 9), (1, 6, true, false));
        assert_eq!(turns(Anchor::Around(X), 6, 30, 8, 9), (4, 9, false, false));
        // Unless nothing is whole.
        assert_eq!(turns(Anchor::End, 0, 12, 2, 9), (11, 12, false, true));
        assert_eq!(turns(Anchor::Start, 0, 12, 2, 9), (1, 2, true, false));
        assert_eq!(turns(Anchor::Around(X), 5, 12, 1, 9), (5, 5, false, false));
        assert_eq!(turns(Anchor::End, 0, 0, 20, 9), (1, 0, true, true));
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
