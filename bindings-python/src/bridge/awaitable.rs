//! A call that an event loop can wait for.
//!
//! It is polled once on the loop's own thread when it is likely to be ready (nothing is spawned, no
//! thread changes), else it runs on the runtime and the loop is woken with whatever else has finished.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use pyo3::exceptions::{PyBaseException, PyRuntimeError, PyRuntimeWarning, PyStopIteration};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyTuple;
use pyo3::{PyTraverseError, PyVisit, intern};
use tertulia::{Error, ErrorKind};
use tokio::task::AbortHandle;

use super::{runtime, wake};
use crate::convert::ToPython;
use crate::error::{panicked, raise};

/// Makes the Python value of a result, once there is an interpreter to make it in.
pub(crate) type Done = Box<dyn FnOnce(Python<'_>) -> PyResult<Py<PyAny>> + Send>;

/// The result of a call as the Python value it will be.
pub(crate) fn done<T: ToPython + Send + 'static>(value: T) -> Done {
    Box::new(move |py| value.into_python(py).map(Bound::unbind))
}

type Call = BoxFuture<'static, Result<Done, Error>>;

/// A call that an event loop can wait for, once.
#[pyclass(frozen, module = "tertulia._native", name = "_Awaitable")]
pub(crate) struct Awaitable {
    state: Mutex<State>,
}

enum State {
    /// Not begun. `inline`: worth a first poll on the loop's thread.
    New { call: Call, inline: bool },
    /// On the runtime; the future is resolved when the slot is filled.
    Running { slot: Arc<Slot>, abort: AbortHandle, future: Py<PyAny>, generation: u64 },
    /// Nothing to wait for.
    Ready(Py<PyAny>),
    /// Awaited to the end, or given up.
    Over,
}

type Slot = Mutex<Option<Result<Done, Error>>>;

impl Awaitable {
    fn of(state: State) -> Self {
        Self { state: Mutex::new(state) }
    }

    /// A call that takes a while: it runs on the runtime from the start.
    pub(crate) fn spawned(call: impl Future<Output = Result<Done, Error>> + Send + 'static) -> Self {
        Self::of(State::New { call: Box::pin(call), inline: false })
    }

    /// A call that may be ready at once: it is tried on the loop's thread first.
    pub(crate) fn inline(call: impl Future<Output = Result<Done, Error>> + Send + 'static) -> Self {
        Self::of(State::New { call: Box::pin(call), inline: true })
    }

    /// A value that is there already.
    pub(crate) fn ready(value: Py<PyAny>) -> Self {
        Self::of(State::Ready(value))
    }

    fn take(&self) -> State {
        std::mem::replace(&mut *self.state.lock().unwrap_or_else(PoisonError::into_inner), State::Over)
    }

    fn put(&self, state: State) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }

    #[expect(clippy::disallowed_methods, reason = "Python's task awaits it, and aborts it when it goes")]
    fn begin<'py>(&self, py: Python<'py>, call: Call, inline: bool) -> PyResult<Bound<'py, PyAny>> {
        let handle = runtime::handle(py).map_err(|e| raise(py, &e))?;
        let mut call = AssertUnwindSafe(call).catch_unwind().map(|done| done.unwrap_or_else(|_| Err(panicked())));
        if inline {
            let _context = handle.enter();
            if let Poll::Ready(result) = call.poll_unpin(&mut Context::from_waker(std::task::Waker::noop())) {
                return Err(finish(py, result));
            }
        }
        let event_loop = running_loop(py)?;
        let queue = wake::queue(&event_loop, &handle)?;
        let future = event_loop.call_method0(intern!(py, "create_future"))?;
        let (slot, resolved) = (Arc::new(Slot::default()), future.clone().unbind());
        let filled = Arc::clone(&slot);
        let abort = handle
            .spawn(async move {
                let result = call.await;
                *filled.lock().unwrap_or_else(PoisonError::into_inner) = Some(result);
                if let Some(wake) = queue.push(resolved) {
                    wake.last().await;
                }
            })
            .abort_handle();
        self.put(State::Running { slot, abort, future: future.clone().unbind(), generation: runtime::generation() });
        block_on(future)
    }
}

/// The end of an awaitable: its value in a `StopIteration`, or what went wrong.
fn finish(py: Python<'_>, result: Result<Done, Error>) -> PyErr {
    match result.map_err(|e| raise(py, &e)).and_then(|done| done(py)) {
        Ok(value) => over(py, value),
        Err(error) => error,
    }
}

/// What tells the task that awaits that this is the value. Handed over bare the interpreter takes it as it is, and up to Python
/// 3.11 makes no exception of it; a tuple it would take for the arguments of the exception, an exception for itself.
fn over(py: Python<'_>, value: Py<PyAny>) -> PyErr {
    let bound = value.bind(py);
    if bound.is_instance_of::<PyTuple>() || bound.is_instance_of::<PyBaseException>() {
        PyStopIteration::new_err((value,))
    } else {
        PyStopIteration::new_err(value)
    }
}

/// Tells the task that it has to wait for this future.
fn block_on(future: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    future.setattr(intern!(future.py(), "_asyncio_future_blocking"), true)?;
    Ok(future)
}

fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static GET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let get =
        GET.get_or_try_init(py, || Ok::<_, PyErr>(py.import("asyncio")?.getattr("get_running_loop")?.unbind()))?;
    get.bind(py).call0()
}

#[pymethods]
impl Awaitable {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.take() {
            State::Ready(value) => Err(over(py, value)),
            State::New { call, inline } => self.begin(py, call, inline),
            State::Running { generation, .. } if generation != runtime::generation() => {
                Err(raise(py, &Error::new(ErrorKind::Closed, "forked", "this call was begun by the parent process")))
            }
            State::Running { slot, abort, future, generation } => {
                let result = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(result) = result {
                    return Err(finish(py, result));
                }
                // Somebody else drives it, too: wait on.
                let again = future.clone_ref(py).into_bound(py);
                self.put(State::Running { slot, abort, future, generation });
                block_on(again)
            }
            State::Over => Err(PyRuntimeError::new_err("this call was awaited already; make a new one")),
        }
    }

    fn send<'py>(&self, py: Python<'py>, _value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.__next__(py)
    }

    #[pyo3(signature = (kind, value=None, _traceback=None))]
    fn throw(
        &self,
        kind: Bound<'_, PyAny>,
        value: Option<Bound<'_, PyAny>>,
        _traceback: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        self.close();
        Err(PyErr::from_value(value.unwrap_or(kind)))
    }

    /// Gives the call up: its Rust future is dropped.
    fn close(&self) {
        if let State::Running { abort, generation, .. } = self.take()
            && generation == runtime::generation()
        {
            abort.abort();
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Ok(state) = self.state.try_lock() {
            match &*state {
                State::Running { future, .. } => visit.call(future)?,
                State::Ready(value) => visit.call(value)?,
                State::New { .. } | State::Over => {}
            }
        }
        Ok(())
    }
}

impl Drop for Awaitable {
    fn drop(&mut self) {
        match self.take() {
            State::New { call, .. } => {
                drop(call);
                // As for a coroutine: without this a forgotten `await` would be a message never sent.
                let warned = Python::try_attach(|py| {
                    let category = py.get_type::<PyRuntimeWarning>();
                    PyErr::warn(py, &category, c"a call of tertulia was never awaited", 1)
                });
                drop(warned);
            }
            State::Running { abort, generation, .. } if generation == runtime::generation() => abort.abort(),
            _ => {}
        }
    }
}
