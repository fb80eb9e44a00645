//! What those want together who wait for one call: it is as urgent as the most urgent of them, and is given up when the
//! most patient of them would.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::context::CallContext;
use crate::model::Priority;

/// Those who wait for one call. They only ever want more: whoever goes leaves the call to the others as it is.
#[derive(Debug)]
pub(super) struct Crowd {
    wants: Mutex<Wants>,
    /// Told when the call has become more urgent.
    pub(super) hurried: Notify,
}

#[derive(Clone, Copy, Debug)]
struct Wants {
    priority: Priority,
    /// Nothing = for ever.
    deadline: Option<Duration>,
}

impl Crowd {
    /// The one who made the call.
    pub(super) fn of(first: &CallContext) -> Self {
        let wants = Wants { priority: first.priority, deadline: first.deadline };
        Self { wants: Mutex::new(wants), hurried: Notify::new() }
    }

    /// One more waits.
    pub(super) fn join(&self, other: &CallContext) {
        let mut wants = self.wants();
        wants.deadline = wants.deadline.zip(other.deadline).map(|(one, other)| one.max(other));
        if other.priority < wants.priority {
            wants.priority = other.priority;
            drop(wants);
            self.hurried.notify_waiters();
        }
    }

    pub(super) fn priority(&self) -> Priority {
        self.wants().priority
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.wants().deadline
    }

    fn wants(&self) -> MutexGuard<'_, Wants> {
        self.wants.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
