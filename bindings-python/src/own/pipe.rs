//! Events on their way from Python code to the engine: at most a few are ahead of who reads them.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::Thread;

use futures::Stream;
use pyo3::intern;
use pyo3::prelude::*;
use tertulia::model::{StreamEvent, StreamEventKind};
use tertulia::{Error, ErrorKind, Result};

use super::failure;
use crate::bridge::{Bell, bell, handle, park_for_ever_when_gone};
use crate::convert::{FromPython as _, Place};
use crate::error::raise;

/// How many events may wait. The code goes on when half of them are read, so that it is woken once for many.
const CAPACITY: usize = 64;

/// The events that wait, and who waits for them or for room.
#[derive(Default)]
pub(super) struct Pipe(Mutex<State>);

#[derive(Default)]
struct State {
    events: VecDeque<StreamEventKind>,
    /// How the code ended, until it is read.
    ended: Option<Result<()>>,
    /// Nobody reads any more.
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Writer>,
    /// Rung when nobody reads any more.
    stop: Option<Bell>,
}

/// Code that waits for room.
enum Writer {
    Loop(Bell),
    Thread(Thread),
}

impl Writer {
    fn go_on(self) {
        match self {
            Self::Loop(bell) => bell.ring(),
            Self::Thread(thread) => thread.unpark(),
        }
    }
}

impl Pipe {
    /// Held for a few instructions, never across Python code.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an event in. True when there is room for another.
    fn push(&self, event: StreamEventKind) -> bool {
        let mut state = self.lock();
        if state.closed || state.ended.is_some() {
            return false;
        }
        state.events.push_back(event);
        let (room, reader) = (state.events.len() < CAPACITY, state.reader.take());
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        room
    }

    /// Notes how the code ended. False when nobody wants to know.
    fn end(&self, how: Result<()>) -> bool {
        let mut state = self.lock();
        if state.closed || state.ended.is_some() {
            return false;
        }
        state.ended = Some(how);
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
        }
        true
    }

    /// True when there is room, false when nobody reads; nothing when this writer has to wait.
    fn room(&self, writer: impl FnOnce() -> Writer) -> Option<bool> {
        let mut state = self.lock();
        if state.closed || state.ended.is_some() {
            Some(false)
        } else if state.events.len() < CAPACITY {
            Some(true)
        } else {
            state.writer = Some(writer());
            None
        }
    }

    /// Nobody reads any more: the code is told to stop.
    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.events.clear();
        // What was raised holds the frames that hold this pipe: unread it would keep itself, and the request, for ever.
        let unread = state.ended.take();
        let (writer, stop) = (state.writer.take(), state.stop.take());
        drop(state);
        drop(unread);
        if let Some(writer) = writer {
            writer.go_on();
        }
        if let Some(stop) = stop {
            stop.ring();
        }
    }
}

/// The engine's end of a pipe. Dropping it stops the code.
pub(super) struct Reader(pub(super) Arc<Pipe>);

impl Stream for Reader {
    type Item = Result<StreamEventKind>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let mut state = self.0.lock();
        if let Some(event) = state.events.pop_front() {
            let writer = if state.events.len() <= CAPACITY / 2 { state.writer.take() } else { None };
            drop(state);
            if let Some(writer) = writer {
                writer.go_on();
            }
            return Poll::Ready(Some(Ok(event)));
        }
        match &mut state.ended {
            Some(ended) => Poll::Ready(std::mem::replace(ended, Ok(())).err().map(Err)),
            None => {
                state.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The code's end of a pipe.
#[pyclass(frozen, module = "tertulia._native", name = "_Sink")]
pub(crate) struct Sink {
    name: Arc<str>,
    pipe: Arc<Pipe>,
}

impl Sink {
    pub(super) fn new(name: Arc<str>, pipe: Arc<Pipe>) -> Self {
        Self { name, pipe }
    }
}

#[pymethods]
impl Sink {
    /// Takes an event. False when the code has to ask for room before it gives another.
    fn push(&self, event: &Bound<'_, PyAny>) -> bool {
        match StreamEvent::from_python(event, &Place::named("event")) {
            Ok(event) => self.pipe.push(event.kind),
            Err(_) => {
                let class = event.get_type().name().map_or_else(|_| "something".to_owned(), |name| name.to_string());
                let detail = format!(
                    "the code of provider `{}` gave an object of type {class}, which is no event; give \
                     TextEvent('…') and the like",
                    self.name
                );
                self.pipe.end(Err(Error::new(ErrorKind::Unavailable, "bad_response", detail)));
                false
            }
        }
    }

    /// Resolves the future when there is room. False when nobody reads any more.
    fn room(&self, future: &Bound<'_, PyAny>) -> PyResult<bool> {
        let bell = ring_for(future)?;
        match self.pipe.room(|| Writer::Loop(bell)) {
            Some(true) => {
                future.call_method1(intern!(future.py(), "set_result"), (future.py().None(),))?;
                Ok(true)
            }
            Some(false) => Ok(false),
            None => Ok(true),
        }
    }

    /// Waits on this thread until there is room. False when nobody reads any more.
    fn wait(&self, py: Python<'_>) -> bool {
        loop {
            if let Some(answer) = self.pipe.room(|| Writer::Thread(std::thread::current())) {
                return answer;
            }
            py.detach(|| {
                std::thread::park();
                park_for_ever_when_gone();
            });
        }
    }

    /// Resolves the future when nobody reads any more. Called on the loop of the providers.
    fn began(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let bell = ring_for(future)?;
        let mut state = self.pipe.lock();
        if !state.closed {
            state.stop = Some(bell);
            return Ok(());
        }
        drop(state);
        bell.ring();
        Ok(())
    }

    /// The reply is whole.
    fn end(&self) {
        self.pipe.end(Ok(()));
    }

    /// The code raised this. False when nobody wants to know.
    fn fail(&self, exception: &Bound<'_, PyAny>) -> bool {
        self.pipe.end(Err(failure(&self.name, exception)))
    }
}

pub(super) fn ring_for(future: &Bound<'_, PyAny>) -> PyResult<Bell> {
    let py = future.py();
    let handle = handle(py).map_err(|e| raise(py, &e))?;
    bell(future, &handle)
}
