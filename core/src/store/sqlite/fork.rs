//! Nobody is inside SQLite while the process forks, and the child has nothing open of what its parent has.
//!
//! A child of `fork` has the memory of its parent but none of its threads. Two things of SQLite stand in that memory. Its
//! locks for the whole process: one that a thread held stays locked in the child for ever, and the first database opened
//! there waits without end. So the threads of all stores pass this gate for each job, and whoever forks closes it before.
//! And its list of the files that are open, with the locks that this process is taken to hold on them. The system gives
//! those locks to no child: one that opened the same file would write without any, and lose what it wrote when the parent
//! closes and takes the log away. So the child closes its copies first, which touches no lock of the parent.
//!
//! The gate is two counters and no lock, because it must be usable in the child, too. It waits by looking again: a
//! fork is rare, and a job that has begun goes on for microseconds, at most for as long as a disk syncs.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::sleep;
use std::time::Duration;

const PAUSE: Duration = Duration::from_micros(50);

static GATE: Gate = Gate::new();

/// Touched inside the gate alone, so that a fork cannot leave it locked.
static OPEN: Mutex<Vec<Weak<dyn Inherited>>> = Mutex::new(Vec::new());

/// What is open in this process, and would be in a child of it.
pub(super) trait Inherited: Send + Sync {
    /// Closes the child's copy: files, but neither locks nor logs.
    fn close_copy(&self);
}

/// From now on a child closes its copy of this. Called inside the gate.
pub(super) fn register(opened: &Arc<impl Inherited + 'static>) {
    let opened: Weak<dyn Inherited> = Arc::downgrade(opened) as _;
    let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
    open.retain(|opened| opened.strong_count() > 0);
    open.push(opened);
}

/// Closes the gate and waits until nobody is inside. Call it right before `fork`, on the thread that forks and without
/// a lock that a store's caller may want; then one of the two others, in every case.
pub fn before() {
    GATE.close();
}

/// Opens the gate again. Call it in the parent after `fork`, also when that has failed.
pub fn after_in_parent() {
    GATE.open();
}

/// Makes the gate new and closes what the parent has open. Call it in the child after `fork`, before anything is opened.
/// The stores of the parent must not be used in the child, and not be dropped: their threads do not exist there.
pub fn after_in_child() {
    GATE.renew();
    // Locked only where nobody had called `before`; then nothing is touched.
    let open = OPEN.try_lock().map(|mut open| std::mem::take(&mut *open)).unwrap_or_default();
    open.iter().filter_map(Weak::upgrade).for_each(|opened| opened.close_copy());
}

/// Waits while the gate is closed. Nobody may enter who is inside already.
pub(super) fn enter() -> Inside {
    GATE.enter()
}

/// The same without waiting: nothing while the gate is closed.
pub(super) fn try_enter() -> Option<Inside> {
    GATE.try_enter()
}

/// True while somebody waits to fork: what takes long gives up its place.
pub(super) fn is_wanted() -> bool {
    GATE.is_closed()
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

    pub(super) fn try_enter(&'static self) -> Option<Inside> {
        let inside = Inside(self);
        self.inside.fetch_add(1, Ordering::SeqCst);
        (self.forking.load(Ordering::SeqCst) == 0).then_some(inside)
    }

    pub(super) fn enter(&'static self) -> Inside {
        loop {
            if let Some(inside) = self.try_enter() {
                return inside;
            }
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
    pub(super) fn is_closed(&self) -> bool {
        self.forking.load(Ordering::SeqCst) > 0
    }

    pub(super) fn renew(&self) {
        self.inside.store(0, Ordering::SeqCst);
        self.forking.store(0, Ordering::SeqCst);
    }
}
