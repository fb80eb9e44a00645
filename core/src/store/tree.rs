//! Jump pointers: how a page far from the head is found in a logarithmic number of steps.
//!
//! Each message points to its parent and to one ancestor further away, chosen after Myers ("An applicative
//! random-access stack", 1983): constant space and time for an append, at most about 3 log2(depth) steps to any
//! ancestor. Rejected: a path in every row (quadratic space), branch segments (11 times slower once every other turn
//! is regenerated), OFFSET (reads everything before the page).

/// True when a new message jumps as far as its parent's jump does; otherwise it jumps to its parent.
/// Given are the depths of the parent, of where the parent jumps, and of where that one jumps.
pub(super) const fn jumps_on(parent: i32, jump: i32, jump_of_jump: i32) -> bool {
    parent - jump == jump - jump_of_jump
}
