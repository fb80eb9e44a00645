//! What is known of one try while it runs: whether it was sent, and what was heard of it when it ended before its time.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::Usage;

/// What is known of one try. Cheap to clone: all clones are one.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<State>);

#[derive(Debug, Default)]
struct State {
    is_sent: AtomicBool,
    heard: Mutex<Heard>,
}

/// What had come of a reply when it ended before its time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Heard {
    /// What the provider had said by then that it took.
    pub usage: Option<Usage>,
    /// Bytes of words and of arguments of tools.
    pub bytes: usize,
}

impl Meter {
    /// The request leaves now, or the application's own code is called: from here on it may be billed.
    pub fn sent(&self) {
        self.0.is_sent.store(true, Ordering::Release);
    }

    /// True when the request may have left.
    #[must_use]
    pub fn is_sent(&self) -> bool {
        self.0.is_sent.load(Ordering::Acquire)
    }

    /// The reply ended before its time.
    pub(super) fn broke_off(&self, heard: Heard) {
        *self.0.heard.lock().unwrap_or_else(PoisonError::into_inner) = heard;
    }

    /// What had come by then.
    #[must_use]
    pub fn heard(&self) -> Heard {
        self.0.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
