//! The tree of a conversation: how a page far from the head is found in a logarithmic number of steps, and what is shown
//! of it.
//!
//! **Jump pointers.** Each message points to its parent and to one ancestor further away, chosen after Myers ("An
//! applicative random-access stack", 1983): constant space and time for an append, at most about 3 log2(depth) steps to
//! any ancestor. Rejected: a path in every row (quadratic space), branch segments (11 times slower once every other turn
//! is regenerated), OFFSET (reads everything before the page).
//!
//! **What is shown.** One branch, from the beginning to the head. Everything that hangs off it was left at some time: the
//! first message of it remembers the head that it had then. To go to a message is to follow these, from the branch that is
//! shown to the one on which the message stands; each step costs a logarithm, and the steps are, over many switches, a
//! logarithm too (they are those of `access` in the link-cut trees of Sleator and Tarjan, 1983). Rejected: following the
//! selected children to the end, which reads all that is left of the branch, inside of the one writer.

use crate::model::Result;

/// True when a new message jumps as far as its parent's jump does; otherwise it jumps to its parent.
/// Given are the depths of the parent, of where the parent jumps, and of where that one jumps.
pub(super) const fn jumps_on(parent: i32, jump: i32, jump_of_jump: i32) -> bool {
    parent - jump == jump - jump_of_jump
}

/// The rows of one conversation. There is a key for the beginning, too, at depth 0.
pub(super) trait Rows {
    type Key: Copy + Eq;

    fn depth(&self, of: Self::Key) -> Result<i32>;

    /// The ancestor at this depth, which is not below the message's own.
    fn ancestor(&self, of: Self::Key, depth: i32) -> Result<Self::Key>;

    /// The first messages that the ways to two messages of one depth have not in common.
    fn parting(&self, one: Self::Key, other: Self::Key) -> Result<(Self::Key, Self::Key)>;

    /// The head that the branch beginning here had when it was left.
    fn left(&self, first: Self::Key) -> Result<Option<Self::Key>>;

    fn set_left(&mut self, first: Self::Key, head: Option<Self::Key>) -> Result<()>;

    /// Where one comes to from here by the selected children.
    fn end(&self, from: Self::Key) -> Result<Self::Key>;
}

/// The branch on which a message stands.
struct Found<K> {
    /// The first message of it, which remembers its head; nothing for the branch that is shown.
    first: Option<K>,
    head: K,
}

/// Follows what was left from the branch with this head to the one on which this message stands. Nothing when that one
/// was never shown. With `moves` one leaves each of them for the next.
fn follow<R: Rows>(rows: &mut R, mut head: R::Key, to: R::Key, moves: bool) -> Result<Option<Found<R::Key>>> {
    let mut entered = None;
    if head == to {
        return Ok(Some(Found { first: entered, head }));
    }
    let to_depth = rows.depth(to)?;
    loop {
        let head_depth = rows.depth(head)?;
        let level = head_depth.min(to_depth);
        let (ours, theirs) = (rows.ancestor(head, level)?, rows.ancestor(to, level)?);
        let first = if ours != theirs {
            let (ours, theirs) = rows.parting(ours, theirs)?;
            if moves {
                rows.set_left(ours, Some(head))?;
            }
            theirs
        } else if to_depth <= head_depth {
            return Ok(Some(Found { first: entered, head }));
        } else {
            rows.ancestor(to, head_depth + 1)?
        };
        let Some(next) = rows.left(first)? else { return Ok(None) };
        if moves {
            rows.set_left(first, None)?;
        }
        (entered, head) = (Some(first), next);
    }
}

/// Leaves the branch that is shown for the one on which this message stands, and gives the head of that: it is below the
/// message, or the message itself. Nothing when that branch was never shown; the message's own branch then ends where
/// its selected children lead.
fn reach<R: Rows>(rows: &mut R, head: R::Key, to: R::Key) -> Result<Option<R::Key>> {
    Ok(follow(rows, head, to, true)?.map(|found| found.head))
}

/// Leaves what is shown below this message, and whatever else is shown: the message is the head. Where its selected
/// child leads is the backend's to clear.
pub(super) fn stop_at<R: Rows>(rows: &mut R, head: R::Key, at: R::Key) -> Result<()> {
    match reach(rows, head, at)? {
        Some(head) if head != at => {
            let first = rows.ancestor(head, rows.depth(at)? + 1)?;
            rows.set_left(first, Some(head))
        }
        _ => Ok(()),
    }
}

/// The head that the branch of this message ends with once it is shown.
pub(super) fn switch<R: Rows>(rows: &mut R, head: R::Key, to: R::Key) -> Result<R::Key> {
    let from = reach(rows, head, to)?.unwrap_or(to);
    // Answers may have come since it was left.
    rows.end(from)
}

/// The head once everything from this message on is gone, and whether the branch that leads through the message then ends
/// with its parent. What was left elsewhere leads nowhere into it.
pub(super) fn without<R: Rows>(rows: &mut R, head: R::Key, top: R::Key) -> Result<(R::Key, bool)> {
    let depth = rows.depth(top)?;
    let parent = rows.ancestor(top, depth - 1)?;
    let passes = |rows: &R, head: R::Key| -> Result<bool> {
        Ok(rows.depth(head)? >= depth && rows.ancestor(head, depth)? == top)
    };
    if passes(rows, head)? {
        return Ok((parent, true));
    }
    match follow(rows, head, parent, false)? {
        Some(Found { first: Some(first), head: left }) if passes(rows, left)? => {
            rows.set_left(first, Some(parent))?;
            Ok((head, true))
        }
        _ => Ok((head, false)),
    }
}
