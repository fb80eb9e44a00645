//! Waiting for a call on the thread that asked, with the interpreter free for others meanwhile.
//!
//! The thread polls the call itself and sleeps in between; it does not borrow a timer of the runtime
//! to look for signals, because those panic once the interpreter's exit has stopped the runtime.

use std::cell::Cell;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake};
use std::thread::Thread;
use std::time::Duration;

use futures::FutureExt as _;
use pyo3::prelude::*;
use tertulia::Error;

use super::runtime;
use crate::error::{panicked, raise};

/// How often a waiting call looks for signals: Ctrl-C is heard within this time.
const SIGNALS_EVERY: Duration = Duration::from_millis(50);

thread_local! {
    static MAY_WAIT: Cell<bool> = const { Cell::new(true) };
}

/// From now on this thread may not wait: it runs the loop of providers and tools, and the answer that would be waited for
/// may have to come from there.
#[pyfunction]
#[pyo3(name = "_never_wait_here")]
pub(crate) fn never_wait_here() {
    MAY_WAIT.set(false);
}

struct Alarm {
    thread: Thread,
    rung: AtomicBool,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, Ordering::Release);
        self.thread.unpark();
    }
}

/// Waits for the call. Ctrl-C drops it and is raised.
///
/// # Errors
/// The call's; `Invalid` (would_block) where nobody may wait.
pub(crate) fn wait<T: Send>(py: Python<'_>, call: impl Future<Output = Result<T, Error>> + Send) -> PyResult<T> {
    if !MAY_WAIT.get() {
        let detail = "a waiting call would stop the loop of every provider and tool that is async code; use AsyncTertulia \
                      there, or write the provider or tool without async";
        return Err(raise(py, &Error::invalid("would_block", detail)));
    }
    let handle = runtime::handle(py).map_err(|e| raise(py, &e))?;
    let alarm = Arc::new(Alarm { thread: std::thread::current(), rung: AtomicBool::new(true) });
    let waker = Arc::clone(&alarm).into();
    let mut call = Box::pin(AssertUnwindSafe(call).catch_unwind());
    loop {
        let done = py.detach(|| {
            if !alarm.rung.swap(false, Ordering::AcqRel) {
                std::thread::park_timeout(SIGNALS_EVERY);
                return Poll::Pending;
            }
            // Only threads that the interpreter does not wait for are left then.
            runtime::park_for_ever_when_gone();
            let _context = handle.enter();
            call.as_mut().poll(&mut Context::from_waker(&waker))
        });
        match done {
            Poll::Ready(Ok(result)) => return result.map_err(|e| raise(py, &e)),
            Poll::Ready(Err(_)) => return Err(raise(py, &panicked())),
            Poll::Pending => {
                if let Err(signal) = py.check_signals() {
                    py.detach(|| {
                        let _context = handle.enter();
                        drop(call);
                    });
                    return Err(signal);
                }
            }
        }
    }
}
