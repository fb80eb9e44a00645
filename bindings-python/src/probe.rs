//! Calls and streams without an engine behind them, for the tests of the bridge.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::prelude::*;
use pyo3::types::PyList;
use tertulia::model::{StreamEvent, StreamEventKind};
use tertulia::{Error, ErrorKind, Json};
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::bridge::{self, Awaitable, Done, Feed, Source, done, wait};
use crate::convert::{FromPython, Place, ToPython as _};
use crate::error::{class_of, raise};

static BEGUN: AtomicU64 = AtomicU64::new(0);
static COMPLETED: AtomicU64 = AtomicU64::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);

/// Counts how a call ends.
struct Witness {
    completed: bool,
}

impl Drop for Witness {
    fn drop(&mut self) {
        if self.completed { &COMPLETED } else { &DROPPED }.fetch_add(1, Ordering::SeqCst);
    }
}

/// How many calls and producers are, or were, on their way.
#[pyfunction]
fn begun() -> u64 {
    BEGUN.load(Ordering::SeqCst)
}

/// How many calls and producers have come to their end, and how many were dropped before.
#[pyfunction]
fn ends() -> (u64, u64) {
    (COMPLETED.load(Ordering::SeqCst), DROPPED.load(Ordering::SeqCst))
}

fn call(kind: String, ms: u64) -> impl Future<Output = Result<u64, Error>> + Send {
    // Here, so that a call that is dropped before it is polled counts as well.
    let witness = Witness { completed: false };
    run(kind, ms, witness)
}

async fn run(kind: String, ms: u64, mut witness: Witness) -> Result<u64, Error> {
    BEGUN.fetch_add(1, Ordering::SeqCst);
    match kind.as_str() {
        "ready" => {}
        "yield" => tokio::task::yield_now().await,
        "sleep" => tokio::time::sleep(Duration::from_millis(ms)).await,
        "fail" => {
            let retry = tertulia::base::Retry::After { after_ms: i64::try_from(ms).unwrap_or(0) };
            return Err(Error::new(ErrorKind::RateLimited, "server", "the probe fails").with_retry(retry));
        }
        "panic" => panicking(),
        _ => return Err(Error::invalid("unknown_word", "ready, yield, sleep, fail or panic")),
    }
    witness.completed = true;
    Ok(ms)
}

#[expect(clippy::panic, reason = "the tests of the bridge need one")]
fn panicking() {
    panic!("the probe panics");
}

/// Waits on this thread.
#[pyfunction]
#[pyo3(signature = (kind, ms = 0))]
fn blocking(py: Python<'_>, kind: String, ms: u64) -> PyResult<u64> {
    wait(py, call(kind, ms))
}

/// A call to await.
#[pyfunction]
#[pyo3(signature = (kind, ms = 0, *, inline = true))]
fn awaiting(kind: String, ms: u64, inline: bool) -> Awaitable {
    let call = call(kind, ms).map(|result| result.map(|ms| done(i64::try_from(ms).unwrap_or(0))));
    if inline { Awaitable::inline(call) } else { Awaitable::spawned(call) }
}

/// Text events, one every `every_us`.
#[pyclass(frozen, module = "tertulia._native")]
struct Events(Feed<Producer>);

struct Producer {
    events: mpsc::Receiver<StreamEvent>,
    task: AbortHandle,
    fails: bool,
}

impl Drop for Producer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Source for Producer {
    type Item = StreamEvent;

    fn next_batch(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<StreamEvent>, Error>> {
        async move {
            let mut batch = Vec::new();
            self.events.recv_many(&mut batch, max).await;
            if batch.is_empty() && self.fails {
                return Err(Error::new(ErrorKind::Truncated, "cut", "the probe breaks off"));
            }
            Ok(batch)
        }
        .boxed()
    }
}

#[pymethods]
impl Events {
    #[new]
    #[pyo3(signature = (count, *, every_us = 0, fails = false))]
    #[expect(clippy::disallowed_methods, reason = "aborted when the probe is dropped")]
    fn new(py: Python<'_>, count: i64, every_us: u64, fails: bool) -> PyResult<Self> {
        let handle = bridge::handle(py).map_err(|e| raise(py, &e))?;
        let (sender, events) = mpsc::channel(256);
        let task = handle
            .spawn(async move {
                let mut witness = Witness { completed: false };
                BEGUN.fetch_add(1, Ordering::SeqCst);
                for seq in 1..=count {
                    if every_us > 0 {
                        tokio::time::sleep(Duration::from_micros(every_us)).await;
                    }
                    let kind = StreamEventKind::Text { delta: format!("word {seq} ") };
                    if sender.send(StreamEvent { seq, turn_id: None, part_index: 0, kind }).await.is_err() {
                        return;
                    }
                }
                witness.completed = true;
            })
            .abort_handle();
        Ok(Self(Feed::new(Producer { events, task, fails })))
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.wait(py)?.map(|event| event.into_python(py)).transpose()
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(&self, py: Python<'_>) -> PyResult<Awaitable> {
        if let Some(event) = self.0.take() {
            return Ok(Awaitable::ready(event.into_python(py)?.unbind()));
        }
        let feed = self.0.clone();
        Ok(Awaitable::inline(async move {
            let next = feed.next().await?;
            let done: Done = Box::new(move |py| match next.and_then(bridge::Handed::take) {
                Some(event) => event.into_python(py).map(Bound::unbind),
                None => Err(PyStopAsyncIteration::new_err(())),
            });
            Ok(done)
        }))
    }

    /// The next events at once.
    fn next_batch(&self, max: usize) -> Awaitable {
        let feed = self.0.clone();
        Awaitable::inline(async move {
            let batch = feed.next_batch(max).await?;
            let done: Done = Box::new(move |py| {
                let events = batch.take().unwrap_or_default().into_iter().map(|event| event.into_python(py));
                Ok(PyList::new(py, events.collect::<PyResult<Vec<_>>>()?)?.into_any().unbind())
            });
            Ok(done)
        })
    }
}

/// The class of every kind of error.
#[pyfunction]
fn error_classes() -> Vec<(&'static str, &'static str)> {
    ErrorKind::ALL.iter().map(|kind| (kind.as_str(), class_of(*kind))).collect()
}

/// Raises an error of this record.
#[pyfunction]
fn raise_error(py: Python<'_>, kind: &Bound<'_, PyAny>, saved: bool) -> PyResult<()> {
    let kind = ErrorKind::from_python(kind, &Place::named("kind"))?;
    let mut error = Error::new(kind, "reason", "detail").during("probe");
    if saved {
        error = error.with_turn(tertulia::base::TurnId::from_bytes([7; 16]));
    }
    Err(raise(py, &error))
}

/// The object as JSON and back.
#[pyfunction]
fn json_round_trip<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    Json::from_python(value, &Place::named("value"))?.to_python(value.py())
}

/// A page of this many messages, as a store would give it.
#[pyfunction]
fn message_page(py: Python<'_>, message: &Bound<'_, PyAny>, count: usize) -> PyResult<Py<crate::values::Page>> {
    let message = message.cast::<crate::values::Message>()?.get().0.get().clone();
    let page = tertulia::base::Page {
        items: vec![message; count],
        before: None,
        after: None,
        reached_start: true,
        reached_end: false,
        version: 1,
    };
    Py::new(py, crate::values::Page::messages(page))
}

/// The keywords of a call.
#[pyfunction]
fn call_options() -> Vec<&'static str> {
    crate::engine::OPTION_NAMES.to_vec()
}

/// The parts of what a caller says.
#[pyfunction]
fn said<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    crate::content::parts(value, &Place::named("content"))?.to_python(value.py())
}

/// Makes the module `_native._probe`.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let probe = PyModule::new(module.py(), "_probe")?;
    probe.add_class::<Events>()?;
    probe.add_function(wrap_pyfunction!(begun, &probe)?)?;
    probe.add_function(wrap_pyfunction!(ends, &probe)?)?;
    probe.add_function(wrap_pyfunction!(blocking, &probe)?)?;
    probe.add_function(wrap_pyfunction!(awaiting, &probe)?)?;
    probe.add_function(wrap_pyfunction!(error_classes, &probe)?)?;
    probe.add_function(wrap_pyfunction!(raise_error, &probe)?)?;
    probe.add_function(wrap_pyfunction!(json_round_trip, &probe)?)?;
    probe.add_function(wrap_pyfunction!(message_page, &probe)?)?;
    probe.add_function(wrap_pyfunction!(said, &probe)?)?;
    probe.add_function(wrap_pyfunction!(call_options, &probe)?)?;
    module.add_submodule(&probe)
}
