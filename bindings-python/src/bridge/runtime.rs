//! The runtime that carries out the calls of one process: made by the first call, never by the import.
//!
//! `fork` leaves its threads behind, so the child must neither use nor drop the parent's runtime: it
//! gives it up (its memory only) and makes one of its own. Why a plain mutex survives a fork: it is
//! taken only by threads that hold the interpreter, as `os.fork` does, and nothing waits inside.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use tertulia::store::fork;
use tertulia::{Error, ErrorKind};
use tokio::runtime::{Builder, Handle, Runtime};

/// How long the interpreter's exit waits for calls in flight to be dropped.
const EXIT_WAIT: Duration = Duration::from_secs(1);

static FORKS: AtomicU64 = AtomicU64::new(0);
static RUNTIME: Mutex<State> = Mutex::new(State::Unborn);

enum State {
    Unborn,
    Alive(Runtime),
    Gone,
}

static GONE: AtomicBool = AtomicBool::new(false);

/// True once the interpreter's exit has begun to stop the runtime.
pub(crate) fn is_gone() -> bool {
    GONE.load(Ordering::Acquire)
}

/// Never returns once the interpreter's exit has begun: a thread that took the interpreter back then would be ended in
/// the middle of Rust code.
pub(crate) fn park_for_ever_when_gone() {
    while is_gone() {
        std::thread::park();
    }
}

fn state(_: Python<'_>) -> MutexGuard<'static, State> {
    RUNTIME.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Which process of a line of forks this is: 0 for the one that imported the package.
pub(crate) fn generation() -> u64 {
    FORKS.load(Ordering::Relaxed)
}

/// The runtime of this process.
pub(crate) fn handle(py: Python<'_>) -> Result<Handle, Error> {
    let mut state = state(py);
    match &*state {
        State::Alive(runtime) => return Ok(runtime.handle().clone()),
        State::Gone => return Err(Error::new(ErrorKind::Closed, "exiting", "the interpreter is exiting")),
        State::Unborn => {}
    }
    let runtime = Builder::new_multi_thread()
        .worker_threads(1) // measured: more threads only add hand-overs while Python itself runs on one
        .thread_name("tertulia")
        .enable_all()
        .build()
        .map_err(|e| {
            Error::new(ErrorKind::Internal, "no_thread", "the system refused a thread for the runtime").with_source(e)
        })?;
    let handle = runtime.handle().clone();
    *state = State::Alive(runtime);
    drop(state);
    let registered = py
        .import("atexit")
        .and_then(|atexit| atexit.call_method1("register", (wrap_pyfunction!(exit, py)?,)))
        .map(drop);
    // Without the hook calls in flight die with the process, which is what they would do anyway.
    drop(registered);
    Ok(handle)
}

/// Drops what is in flight before the interpreter goes.
#[pyfunction]
#[pyo3(name = "_exit")]
fn exit(py: Python<'_>) {
    let last = std::mem::replace(&mut *state(py), State::Gone);
    if let State::Alive(runtime) = last {
        GONE.store(true, Ordering::Release);
        py.detach(|| runtime.shutdown_timeout(EXIT_WAIT));
    }
    crate::logs::end(py);
}

/// Called right before a fork, with the interpreter held: no thread of a store needs it to come to the end of its job.
#[pyfunction]
#[pyo3(name = "_before_fork")]
pub(crate) fn before_fork() {
    fork::before();
}

/// Called in the parent after a fork, also when that has failed.
#[pyfunction]
#[pyo3(name = "_after_fork_in_parent")]
pub(crate) fn after_fork_in_parent() {
    fork::after_in_parent();
}

/// Called in the child of a fork, where the runtime's threads do not exist.
#[pyfunction]
#[pyo3(name = "_after_fork")]
pub(crate) fn after_fork(py: Python<'_>) {
    FORKS.fetch_add(1, Ordering::Relaxed);
    fork::after_in_child();
    // Dropping it would wait for threads that never come.
    std::mem::forget(std::mem::replace(&mut *state(py), State::Unborn));
}
