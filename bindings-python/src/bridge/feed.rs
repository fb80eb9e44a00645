//! A stream of events on its way to Python: taken over in batches, handed out one by one.
//!
//! Events that wait in the batch cost no lock of the runtime, no thread and no wake-up; only an empty
//! batch goes back to the engine, for everything that has come together meanwhile.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::prelude::*;
use tertulia::model::StreamEvent;
use tertulia::{Error, ErrorKind};
use tokio::sync::Notify;

use super::{Done, runtime, wait};
use crate::convert::ToPython;

/// How many events are taken over at once.
const BATCH: usize = 64;

/// Where events come from.
pub(crate) trait Source: Send + 'static {
    /// What comes from there.
    type Item: Send + 'static;

    /// The events that are there, at least one and at most `max`; none at the end.
    fn next_batch(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Self::Item>, Error>>;
}

/// Events on their way to Python.
pub(crate) struct Feed<S: Source> {
    ready: Arc<Ready<S::Item>>,
    source: Option<Arc<tokio::sync::Mutex<S>>>,
    generation: u64,
}

/// What has come and was not taken, and how much is on its way to who waited for it.
struct Ready<I> {
    events: Mutex<VecDeque<I>>,
    handed: AtomicUsize,
    settled: Notify,
}

impl<I> Ready<I> {
    fn lock(&self) -> MutexGuard<'_, VecDeque<I>> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Source> Clone for Feed<S> {
    fn clone(&self) -> Self {
        Self { ready: Arc::clone(&self.ready), source: self.source.clone(), generation: self.generation }
    }
}

impl<S: Source> Feed<S> {
    /// A feed from this source.
    pub(crate) fn new(source: S) -> Self {
        Self {
            ready: Arc::new(Ready { events: Mutex::default(), handed: AtomicUsize::new(0), settled: Notify::new() }),
            source: Some(Arc::new(tokio::sync::Mutex::new(source))),
            generation: runtime::generation(),
        }
    }

    /// The next event, if it is there already.
    pub(crate) fn take(&self) -> Option<S::Item> {
        if self.is_settled() { self.ready.lock().pop_front() } else { None }
    }

    /// The events that are there already, at most `max`.
    pub(crate) fn take_batch(&self, max: usize) -> Vec<S::Item> {
        if !self.is_settled() {
            return Vec::new();
        }
        let mut ready = self.ready.lock();
        let count = ready.len().min(max);
        ready.drain(..count).collect()
    }

    /// Forgets the events that are there already.
    pub(crate) fn clear(&self) {
        if self.is_ours() {
            self.ready.lock().clear();
        }
    }

    /// Waits for the next event, or the end.
    pub(crate) async fn next(self) -> Result<Option<Handed<S::Item, S::Item>>, Error> {
        let mut source = self.source()?.lock_owned().await;
        let mut batch = VecDeque::from(self.come(&mut *source, 1, BATCH).await?);
        let first = batch.pop_front();
        self.ready.lock().extend(batch);
        Ok(first.map(|event| self.hand(event, give_back_one)))
    }

    /// Waits for the next events, or the end.
    pub(crate) async fn next_batch(self, max: usize) -> Result<Handed<Vec<S::Item>, S::Item>, Error> {
        let mut source = self.source()?.lock_owned().await;
        let batch = self.come(&mut *source, max, max).await?;
        Ok(self.hand(batch, give_back_all))
    }

    /// What is left, at most so much of it; else what comes, at most `max`.
    async fn come(&self, source: &mut S, left: usize, max: usize) -> Result<Vec<S::Item>, Error> {
        while !self.is_settled() {
            self.ready.settled.notified().await;
        }
        let batch = self.take_batch(left);
        if batch.is_empty() { source.next_batch(max).await } else { Ok(batch) }
    }

    fn hand<T>(&self, event: T, back: fn(T, &mut VecDeque<S::Item>)) -> Handed<T, S::Item> {
        self.ready.handed.fetch_add(1, Ordering::AcqRel);
        Handed { event: Some(event), ready: Arc::clone(&self.ready), back }
    }

    /// The source, for whoever reads it otherwise.
    pub(crate) fn source(&self) -> Result<Arc<tokio::sync::Mutex<S>>, Error> {
        match &self.source {
            Some(source) if self.is_ours() => Ok(Arc::clone(source)),
            _ => Err(Error::new(ErrorKind::Closed, "forked", "this stream was begun by the parent process")),
        }
    }

    /// Does this with the source, unless somebody is reading it.
    pub(crate) fn if_idle(&self, act: impl FnOnce(&mut S)) {
        if let Ok(source) = self.source()
            && let Ok(mut source) = source.try_lock()
        {
            act(&mut source);
        }
    }

    /// Whether nothing is on its way to somebody who waited. He may have gone; then it comes back, and before anything newer.
    ///
    /// In the child of a fork never: there the parent's lock may be held for ever by a thread that is not there.
    fn is_settled(&self) -> bool {
        self.is_ours() && self.ready.handed.load(Ordering::Acquire) == 0
    }

    fn is_ours(&self) -> bool {
        self.generation == runtime::generation()
    }

    /// The next event, waited for on this thread.
    pub(crate) fn wait(&self, py: Python<'_>) -> PyResult<Option<S::Item>> {
        // `list(stream)` runs no Python code in between, so Ctrl-C has to be looked for here.
        py.check_signals()?;
        match self.take() {
            Some(event) => Ok(Some(event)),
            None => Ok(wait(py, self.clone().next())?.and_then(Handed::take)),
        }
    }
}

impl<S: Source> Drop for Feed<S> {
    fn drop(&mut self) {
        if let Some(source) = self.source.take() {
            if self.is_ours() {
                drop(source);
            } else {
                // The parent's: its runtime does not exist here.
                std::mem::forget(source);
            }
        }
    }
}

/// What was waited for. When the waiter has gone meanwhile (a cancelled task, a timeout around one
/// step), it goes back to the front of the feed, so that the next reader misses nothing.
pub(crate) struct Handed<T, I = StreamEvent> {
    event: Option<T>,
    ready: Arc<Ready<I>>,
    back: fn(T, &mut VecDeque<I>),
}

impl<T, I> Handed<T, I> {
    /// True when it fits.
    pub(crate) fn is(&self, fits: fn(&T) -> bool) -> bool {
        self.event.as_ref().is_some_and(fits)
    }

    /// Takes it for good.
    pub(crate) fn take(mut self) -> Option<T> {
        self.event.take()
    }
}

impl<T: ToPython> ToPython for Handed<T, T> {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.event.to_python(py)
    }

    fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        self.take().into_python(py)
    }
}

impl<T, I> Drop for Handed<T, I> {
    fn drop(&mut self) {
        if let Some(event) = self.event.take() {
            (self.back)(event, &mut self.ready.lock());
        }
        self.ready.handed.fetch_sub(1, Ordering::AcqRel);
        self.ready.settled.notify_one();
    }
}

/// What a step of `async for` gives: what was waited for, or the end.
pub(crate) fn step<T: ToPython + Send + 'static>(handed: Option<Handed<T, T>>) -> Done {
    step_as(handed, |event| event)
}

/// As [`step`], and as another value.
pub(crate) fn step_as<T: Send + 'static, V: ToPython + 'static>(
    handed: Option<Handed<T, T>>,
    make: fn(T) -> V,
) -> Done {
    Box::new(move |py| match handed.and_then(Handed::take) {
        Some(event) => make(event).into_python(py).map(Bound::unbind),
        None => Err(PyStopAsyncIteration::new_err(())),
    })
}

fn give_back_one<I>(event: I, ready: &mut VecDeque<I>) {
    ready.push_front(event);
}

fn give_back_all<I>(events: Vec<I>, ready: &mut VecDeque<I>) {
    events.into_iter().rev().for_each(|event| ready.push_front(event));
}
