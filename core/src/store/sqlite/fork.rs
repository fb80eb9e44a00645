//! Nobody is inside SQLite while the process forks.
//!
//! SQLite has locks of its own for the whole process. A child of `fork` has the memory of its parent but none of its
//! threads: a lock that one of them held stays locked in the child for ever, and the first database opened there
//! waits without end. So the threads of all stores pass this gate for each job, and whoever forks closes it before.
//!
//! Two counters and no lock, because the gate itself must be usable in the child, too. It waits by looking again: a
//! fork is rare, and a job that has begun goes on for microseconds, at most for as long as a disk syncs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

const PAUSE: Duration = Duration::from_micros(50);

static GATE: Gate = Gate::new();

/// Closes the gate and waits until nobody is inside. Call it right before `fork`, on the thread that forks and without
/// a lock that a store's caller may want; then one of the two others, in every case.
pub fn before() {
    GATE.close();
}

/// Opens the gate again. Call it in the parent after `fork`, also when that has failed.
pub fn after_in_parent() {
    GATE.open();
}

/// Makes the gate new. Call it in the child after `fork`, before anything is opened. The stores of the parent must not
/// be used in the child, and not be dropped: their threads do not exist there.
pub fn after_in_child() {
    GATE.renew();
}

/// Waits while the gate is closed. Nobody may enter who is inside already.
pub(super) fn enter() -> Inside {
    GATE.enter()
}

/// One who may use SQLite until this is dropped.
pub(super) struct Inside(&'static Gate);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::SeqCst);
    }
}

pub(super) struct Gate {
    /// How many threads are about to fork.
    forking: AtomicUsize,
    inside: AtomicUsize,
}

// Each side says first that it comes and then looks for the other: in one order for all, so that one of them sees it.
impl Gate {
    pub(super) const fn new() -> Self {
        Self { forking: AtomicUsize::new(0), inside: AtomicUsize::new(0) }
    }

    pub(super) fn enter(&'static self) -> Inside {
        loop {
            let inside = Inside(self);
            self.inside.fetch_add(1, Ordering::SeqCst);
            if self.forking.load(Ordering::SeqCst) == 0 {
                return inside;
            }
            drop(inside);
            while self.forking.load(Ordering::SeqCst) > 0 {
                sleep(PAUSE);
            }
        }
    }

    pub(super) fn close(&self) {
        self.forking.fetch_add(1, Ordering::SeqCst);
        while self.inside.load(Ordering::SeqCst) > 0 {
            sleep(PAUSE);
        }
    }

    pub(super) fn open(&self) {
        self.forking.fetch_sub(1, Ordering::SeqCst);
    }

    /// True while somebody is about to fork.
    #[cfg(test)]
    pub(super) fn is_closed(&self) -> bool {
        self.forking.load(Ordering::SeqCst) > 0
    }

    pub(super) fn renew(&self) {
        self.inside.store(0, Ordering::SeqCst);
        self.forking.store(0, Ordering::SeqCst);
    }
}
