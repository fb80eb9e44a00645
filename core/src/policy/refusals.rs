//! Which keys and accounts were refused not long ago. Whoever is latched goes last; nobody is refused for it.

use std::collections::HashMap;
use std::time::Duration;

/// So many are known at once; with more of them, those whose time is over are forgotten, and then all.
const MAX_LATCHES: usize = 1_024;

/// Remembers refusals of keys and accounts, each under a number that stands for target, user and key.
#[derive(Clone, Debug)]
pub struct Refusals {
    lasts: Duration,
    until: HashMap<u64, Duration>,
}

impl Refusals {
    /// Each refusal is remembered this long; then one call finds out whether it still holds.
    #[must_use]
    pub fn new(lasts: Duration) -> Self {
        Self { lasts, until: HashMap::new() }
    }

    /// The key or account was refused.
    pub fn latch(&mut self, id: u64, now: Duration) {
        if self.until.len() >= MAX_LATCHES && !self.until.contains_key(&id) {
            self.until.retain(|_, until| *until > now);
            if self.until.len() >= MAX_LATCHES {
                self.until.clear();
            }
        }
        self.until.insert(id, now.saturating_add(self.lasts));
    }

    /// It was taken.
    pub fn free(&mut self, id: u64) {
        self.until.remove(&id);
    }

    /// True while its refusal is remembered.
    #[must_use]
    pub fn is_latched(&self, id: u64, now: Duration) -> bool {
        self.until.get(&id).is_some_and(|until| *until > now)
    }
}
