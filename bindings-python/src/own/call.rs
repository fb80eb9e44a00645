//! One call of Python code that comes to one answer, awaited without the interpreter.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use pyo3::prelude::*;
use tertulia::{Json, ToolFailure};

use super::pipe::ring_for;
use crate::bridge::Bell;
use crate::convert::{Place, json, kind_of};

/// What a call came to.
pub(super) type Outcome = Result<Json, ToolFailure>;

/// A call under way: who awaits it, and what tells its code to stop.
#[derive(Default)]
pub(super) struct Call(Mutex<State>);

#[derive(Default)]
struct State {
    outcome: Option<Outcome>,
    /// Nobody awaits it any more.
    closed: bool,
    waiting: Option<Waker>,
    /// Rung when nobody awaits it any more.
    stop: Option<Bell>,
}

impl Call {
    /// Held for a few instructions, never across Python code.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what it came to. False when nobody wants to know.
    fn end(&self, outcome: Outcome) -> bool {
        let mut state = self.lock();
        if state.closed || state.outcome.is_some() {
            return false;
        }
        state.outcome = Some(outcome);
        let waiting = state.waiting.take();
        drop(state);
        if let Some(waiting) = waiting {
            waiting.wake();
        }
        true
    }

    /// Nobody awaits it any more: its code is told to stop.
    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let stop = state.stop.take();
        drop(state);
        if let Some(stop) = stop {
            stop.ring();
        }
    }
}

/// The engine's end of a call. Dropping it stops the code.
pub(super) struct Awaited(pub(super) Arc<Call>);

impl Future for Awaited {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut state = self.0.lock();
        match state.outcome.take() {
            Some(outcome) => Poll::Ready(outcome),
            None => {
                state.waiting = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for Awaited {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The code's end of a call.
#[pyclass(frozen, module = "tertulia._native", name = "_Answer")]
pub(crate) struct Answer(pub(super) Arc<Call>);

#[pymethods]
impl Answer {
    /// False when nobody awaits the answer any more.
    fn is_awaited(&self) -> bool {
        !self.0.lock().closed
    }

    /// Resolves the future when nobody awaits the answer any more. Called on the loop that runs the code.
    fn began(&self, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let bell = ring_for(future)?;
        let mut state = self.0.lock();
        if !state.closed {
            state.stop = Some(bell);
            return Ok(());
        }
        drop(state);
        bell.ring();
        Ok(())
    }

    /// This is the answer.
    fn end(&self, value: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.0.end(Ok(json(value, &Place::named("answer"))?)))
    }

    /// The arguments do not fit; the code was not called.
    fn unfit(&self, why: String) -> bool {
        self.0.end(Err(ToolFailure::Arguments(why)))
    }

    /// The code raised this. False when nobody wants to know.
    fn fail(&self, exception: &Bound<'_, PyAny>) -> bool {
        let class = kind_of(exception);
        let words = exception.str().map(|words| words.to_string_lossy().into_owned()).unwrap_or_default();
        let why = if words.is_empty() { class } else { format!("{class}: {words}") };
        self.0.end(Err(ToolFailure::Failed(why)))
    }
}
