//! How finished calls wake an event loop: one byte through a socket per batch, never a lock on the interpreter.
//!
//! Threads of the runtime put finished calls into the loop's queue; the one that finds it empty
//! writes a byte to a socket that the loop watches, once everything else that was ready has run; the
//! loop then takes all of them at once, and one turn of it serves many calls. A
//! thread of the runtime that waited for the interpreter instead (as `call_soon_threadsafe` would
//! make it) would stop every other connection for as long as Python computes. Loops that cannot
//! watch sockets (Windows' default) get `call_soon_threadsafe`, once per batch, from a spare thread.

use std::io::{Read as _, Write as _};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use tokio::runtime::Handle;

#[cfg(unix)]
type Socket = std::os::unix::net::UnixStream;
#[cfg(not(unix))]
type Socket = std::net::TcpStream;

/// The queue of one event loop.
pub(crate) struct Queue {
    done: Mutex<Vec<Py<PyAny>>>,
    alarm: Alarm,
}

enum Alarm {
    /// The loop watches the other end.
    Byte(Socket),
    /// The loop, by a weak reference: its waker is looked up and called.
    Call { event_loop: Py<PyAny>, handle: Handle },
}

impl Queue {
    /// Hands a future that shall be resolved to the loop. Called from any thread, without the interpreter. Who finds the
    /// queue empty gets what wakes the loop.
    pub(crate) fn push(self: Arc<Self>, future: Py<PyAny>) -> Option<Wake> {
        let first = {
            let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
            done.push(future);
            done.len() == 1
        };
        first.then(|| Wake(self))
    }

    fn wake(self: &Arc<Self>) {
        match &self.alarm {
            // It fails when the loop is closed, and then nobody waits.
            Alarm::Byte(socket) => drop((&*socket).write(&[0])),
            Alarm::Call { handle, .. } => {
                let queue = Arc::clone(self);
                handle.spawn_blocking(move || Python::try_attach(|py| queue.call(py)));
            }
        }
    }

    fn call(&self, py: Python<'_>) {
        let Alarm::Call { event_loop, .. } = &self.alarm else { return };
        let called = event_loop.bind(py).call0().and_then(|event_loop| {
            let waker = wakers(py)?.get_item(&event_loop)?;
            event_loop.call_method1(intern!(py, "call_soon_threadsafe"), (waker.getattr(intern!(py, "_drain"))?,))
        });
        // It fails when the loop is closed or gone, and then nobody waits.
        drop(called);
    }
}

/// Wakes an event loop when it is dropped, also by a task that is aborted: others rely on it for their own.
#[must_use = "the loop is woken when this is dropped"]
pub(crate) struct Wake(Arc<Queue>);

impl Wake {
    /// Wakes the loop behind everything that is ready to run now.
    pub(crate) async fn last(self) {
        tokio::task::yield_now().await;
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// Resolves one future of an event loop, from any thread and without the interpreter.
pub(crate) struct Bell {
    queue: Arc<Queue>,
    future: Py<PyAny>,
}

impl Bell {
    /// Resolves the future.
    pub(crate) fn ring(self) {
        drop(self.queue.push(self.future));
    }
}

/// A bell that resolves this future.
pub(crate) fn bell(future: &Bound<'_, PyAny>, handle: &Handle) -> PyResult<Bell> {
    let event_loop = future.call_method0(intern!(future.py(), "get_loop"))?;
    Ok(Bell { queue: queue(&event_loop, handle)?, future: future.clone().unbind() })
}

/// The loop's end of a queue.
#[pyclass(frozen, module = "tertulia._native", name = "_Waker")]
pub(crate) struct Waker {
    queue: Arc<Queue>,
    watched: Option<Socket>,
}

#[pymethods]
impl Waker {
    /// Resolves every future in the queue.
    fn _drain(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(socket) = &self.watched {
            // First the byte, then the queue: the other way a byte written in between would be lost.
            drop((&*socket).read(&mut [0; 16]));
        }
        let done = std::mem::take(&mut *self.queue.done.lock().unwrap_or_else(PoisonError::into_inner));
        for future in done {
            let future = future.bind(py);
            if !future.call_method0(intern!(py, "done"))?.is_truthy()? {
                future.call_method1(intern!(py, "set_result"), (py.None(),))?;
            }
        }
        Ok(())
    }
}

/// Loop → waker, as long as the loop lives.
static WAKERS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

fn wakers(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    let made = WAKERS.get_or_try_init(py, || {
        Ok::<_, PyErr>(py.import("weakref")?.getattr("WeakKeyDictionary")?.call0()?.unbind())
    })?;
    Ok(made.bind(py))
}

/// The queue of this event loop; made and watched when it is asked for first.
pub(crate) fn queue(event_loop: &Bound<'_, PyAny>, handle: &Handle) -> PyResult<Arc<Queue>> {
    let py = event_loop.py();
    let wakers = wakers(py)?;
    let known = wakers.call_method1(intern!(py, "get"), (event_loop,))?;
    if !known.is_none() {
        return Ok(Arc::clone(&known.cast::<Waker>()?.get().queue));
    }
    let waker = match watch(event_loop) {
        Ok(waker) => waker,
        // `NotImplementedError`: a loop that cannot watch sockets.
        Err(_) => call(event_loop, handle)?,
    };
    let queue = Arc::clone(&waker.get().queue);
    wakers.set_item(event_loop, waker)?;
    Ok(queue)
}

#[cfg(unix)]
fn watch<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Waker>> {
    use std::os::fd::AsRawFd as _;

    let (watched, alarm) = Socket::pair()?;
    watched.set_nonblocking(true)?;
    alarm.set_nonblocking(true)?;
    let fd = watched.as_raw_fd();
    let queue = Arc::new(Queue { done: Mutex::default(), alarm: Alarm::Byte(alarm) });
    let waker = Bound::new(event_loop.py(), Waker { queue, watched: Some(watched) })?;
    event_loop.call_method1("add_reader", (fd, waker.getattr("_drain")?))?;
    Ok(waker)
}

#[cfg(not(unix))]
fn watch<'py>(_: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Waker>> {
    Err(pyo3::exceptions::PyNotImplementedError::new_err(()))
}

fn call<'py>(event_loop: &Bound<'py, PyAny>, handle: &Handle) -> PyResult<Bound<'py, Waker>> {
    let py = event_loop.py();
    let weak = py.import("weakref")?.call_method1("ref", (event_loop,))?.unbind();
    let alarm = Alarm::Call { event_loop: weak, handle: handle.clone() };
    Bound::new(py, Waker { queue: Arc::new(Queue { done: Mutex::default(), alarm }), watched: None })
}
