//! A reply on its way.

use std::sync::Arc;

use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeWarning};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use tertulia::Result;
use tertulia::model::{StreamEvent, StreamEventKind};

use super::incoming::{Asked, Events, Incoming, begin, leave, reply};
use super::sse::{AsyncSseStream, How, SseStream, Told};
use crate::bridge::{Awaitable, Done, Feed, Handed, done, step, step_as, wait};
use crate::convert::ToPython;

async fn next_text(events: Events) -> Result<Option<Handed<StreamEvent>>> {
    loop {
        match events.clone().next().await? {
            Some(event) if event.is(is_text) => return Ok(Some(event)),
            Some(event) => drop(event.take()),
            None => return Ok(None),
        }
    }
}

fn is_text(event: &StreamEvent) -> bool {
    matches!(event.kind, StreamEventKind::Text { .. })
}

fn text_of(event: StreamEvent) -> String {
    if let StreamEventKind::Text { delta } = event.kind { delta } else { String::new() }
}

fn list(py: Python<'_>, events: Vec<StreamEvent>) -> PyResult<Bound<'_, PyList>> {
    PyList::new(py, events.into_iter().map(|event| event.into_python(py)).collect::<PyResult<Vec<_>>>()?)
}

/// A reply on its way: an iterator over its events. Dropping or leaving it stops the call.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct ReplyStream {
    events: Events,
    asked: Arc<Asked>,
}

impl ReplyStream {
    /// The stream, once it exists.
    pub(super) fn begin(py: Python<'_>, incoming: Incoming) -> PyResult<Self> {
        let asked = incoming.asked();
        let stream = Self { events: Feed::new(incoming), asked };
        wait(py, begin(stream.events.clone()))?;
        Ok(stream)
    }

    fn next(&self, py: Python<'_>) -> PyResult<Option<StreamEvent>> {
        // Ctrl-C while it is waited for stops the call even where the stream itself lives on in a traceback.
        let next = self.events.wait(py);
        if next.as_ref().is_err_and(|e| e.is_instance_of::<PyKeyboardInterrupt>(py)) {
            self.cancel();
        }
        next
    }
}

#[pymethods]
impl ReplyStream {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.next(py)?.map(|event| event.into_python(py)).transpose()
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_why))]
    fn __exit__(&self, py: Python<'_>, _why: &Bound<'_, PyTuple>) -> PyResult<()> {
        wait(py, leave(self.events.clone(), Arc::clone(&self.asked)))
    }

    /// The events as bytes for readers outside of the program.
    #[pyo3(signature = (after_seq = 0, heartbeat_s = None, *, detail = false))]
    fn sse(&self, after_seq: i64, heartbeat_s: Option<&Bound<'_, PyAny>>, detail: bool) -> PyResult<SseStream> {
        let how = How::new(after_seq, heartbeat_s, detail)?;
        self.asked.begin();
        Ok(SseStream::new(Told::Reply(self.events.clone()), Arc::clone(&self.asked), how))
    }

    /// Only the words of the answer.
    fn text(slf: Bound<'_, Self>) -> TextStream {
        TextStream { stream: slf.unbind() }
    }

    /// Waits for the next events and gives all that are there, at most `max`. Empty after the last.
    #[pyo3(signature = (max = 64))]
    fn next_batch<'py>(&self, py: Python<'py>, max: usize) -> PyResult<Bound<'py, PyList>> {
        py.check_signals()?;
        let mut batch = self.events.take_batch(max);
        if batch.is_empty() && max > 0 {
            batch = wait(py, self.events.clone().next_batch(max))?.take().unwrap_or_default();
        }
        list(py, batch)
    }

    /// Waits for the end and gives the whole reply.
    fn reply<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        wait(py, reply(self.events.clone()))?.into_python(py)
    }

    /// Stops the call and keeps what had arrived. Returns at once.
    fn cancel(&self) {
        self.asked.cancel();
        self.events.if_idle(Incoming::cancel);
    }

    /// Lets the reply go on without this handle.
    fn detach(&self) {
        self.asked.detach();
    }

    /// The turn.
    #[getter]
    fn turn_id(&self) -> Option<String> {
        self.asked.turn_id()
    }

    fn __repr__(&self) -> String {
        self.turn_id().map_or_else(|| "ReplyStream()".to_owned(), |turn| format!("ReplyStream(turn_id='{turn}')"))
    }
}

/// The words of a reply on its way.
#[pyclass(frozen, module = "tertulia._native")]
pub(crate) struct TextStream {
    stream: Py<ReplyStream>,
}

#[pymethods]
impl TextStream {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<String>> {
        while let Some(event) = self.stream.get().next(py)? {
            if is_text(&event) {
                return Ok(Some(text_of(event)));
            }
        }
        Ok(None)
    }
}

/// A reply on its way: awaitable (the message is saved), a context manager, and an iterator over its events.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct AsyncReplyStream {
    events: Events,
    asked: Arc<Asked>,
}

impl AsyncReplyStream {
    pub(super) fn new(incoming: Incoming) -> Self {
        let asked = incoming.asked();
        Self { events: Feed::new(incoming), asked }
    }

    fn begun(slf: Bound<'_, Self>) -> Awaitable {
        let events = slf.get().events.clone();
        let slf = slf.into_any().unbind();
        Awaitable::spawned(async move {
            begin(events).await?;
            let done: Done = Box::new(move |_| Ok(slf));
            Ok(done)
        })
    }
}

impl Drop for AsyncReplyStream {
    fn drop(&mut self) {
        if self.asked.has_begun() {
            return;
        }
        let warned = Python::try_attach(|py| {
            let category = py.get_type::<PyRuntimeWarning>();
            PyErr::warn(py, &category, c"a stream of tertulia was never awaited or iterated, so nothing was sent", 1)
        });
        drop(warned);
    }
}

#[pymethods]
impl AsyncReplyStream {
    fn __await__(slf: Bound<'_, Self>) -> Awaitable {
        Self::begun(slf)
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(&self, py: Python<'_>) -> PyResult<Awaitable> {
        if let Some(event) = self.events.take() {
            return Ok(Awaitable::ready(event.into_python(py)?.unbind()));
        }
        self.asked.begin();
        let events = self.events.clone();
        Ok(Awaitable::inline(async move { events.next().await.map(step) }))
    }

    fn __aenter__(slf: Bound<'_, Self>) -> Awaitable {
        Self::begun(slf)
    }

    #[pyo3(signature = (*_why))]
    fn __aexit__(&self, _why: &Bound<'_, PyTuple>) -> Awaitable {
        let (events, asked) = (self.events.clone(), Arc::clone(&self.asked));
        Awaitable::spawned(async move { leave(events, asked).await.map(done) })
    }

    /// The events as bytes for readers outside of the program.
    #[pyo3(signature = (after_seq = 0, heartbeat_s = None, *, detail = false))]
    fn sse(&self, after_seq: i64, heartbeat_s: Option<&Bound<'_, PyAny>>, detail: bool) -> PyResult<AsyncSseStream> {
        let how = How::new(after_seq, heartbeat_s, detail)?;
        self.asked.begin();
        Ok(AsyncSseStream::new(Told::Reply(self.events.clone()), Arc::clone(&self.asked), how))
    }

    /// Only the words of the answer.
    fn text(slf: Bound<'_, Self>) -> AsyncTextStream {
        AsyncTextStream { stream: slf.unbind() }
    }

    /// Waits for the next events and gives all that are there, at most `max`. Empty after the last.
    #[pyo3(signature = (max = 64))]
    fn next_batch(&self, max: usize) -> Awaitable {
        self.asked.begin();
        let events = self.events.clone();
        Awaitable::inline(async move {
            let batch = if max == 0 { None } else { Some(events.next_batch(max).await?) };
            let done: Done =
                Box::new(move |py| Ok(list(py, batch.and_then(Handed::take).unwrap_or_default())?.into_any().unbind()));
            Ok(done)
        })
    }

    /// Waits for the end and gives the whole reply.
    fn reply(&self) -> Awaitable {
        // The handle may be gone before the call begins; whoever forgets to await that is told by the call.
        self.asked.begin();
        let events = self.events.clone();
        Awaitable::spawned(async move { reply(events).await.map(done) })
    }

    /// Stops the call and keeps what had arrived. Returns at once.
    fn cancel(&self) {
        self.asked.cancel();
        self.events.if_idle(Incoming::cancel);
    }

    /// Lets the reply go on without this handle.
    fn detach(&self) {
        self.asked.detach();
    }

    /// The turn, once the message is saved.
    #[getter]
    fn turn_id(&self) -> Option<String> {
        self.asked.turn_id()
    }

    fn __repr__(&self) -> String {
        self.turn_id()
            .map_or_else(|| "AsyncReplyStream()".to_owned(), |turn| format!("AsyncReplyStream(turn_id='{turn}')"))
    }
}

/// The words of a reply on its way.
#[pyclass(frozen, module = "tertulia._native")]
pub(crate) struct AsyncTextStream {
    stream: Py<AsyncReplyStream>,
}

#[pymethods]
impl AsyncTextStream {
    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(&self, py: Python<'_>) -> PyResult<Awaitable> {
        let events = &self.stream.get().events;
        while let Some(event) = events.take() {
            if is_text(&event) {
                return Ok(Awaitable::ready(text_of(event).into_python(py)?.unbind()));
            }
        }
        let events = events.clone();
        Ok(Awaitable::inline(async move { next_text(events).await.map(|next| step_as(next, text_of)) }))
    }
}
