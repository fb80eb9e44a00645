//! A stream of events on its way to Python: taken over in batches, handed out one by one.
//!
//! Events that wait in the batch cost no lock of the runtime, no thread and no wake-up; only an empty
//! batch goes back to the engine, for everything that has come together meanwhile.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::BoxFuture;
use pyo3::prelude::*;
use tertulia::model::StreamEvent;
use tertulia::{Error, ErrorKind};

use super::{runtime, wait};

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
    ready: Arc<Mutex<VecDeque<S::Item>>>,
    source: Option<Arc<tokio::sync::Mutex<S>>>,
    generation: u64,
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
            ready: Arc::default(),
            source: Some(Arc::new(tokio::sync::Mutex::new(source))),
            generation: runtime::generation(),
        }
    }

    /// The next event, if it is there already.
    pub(crate) fn take(&self) -> Option<S::Item> {
        // In the child of a fork the parent's lock may be held for ever by a thread that is not there.
        if self.is_ours() { self.lock().pop_front() } else { None }
    }

    /// The events that are there already, at most `max`.
    pub(crate) fn take_batch(&self, max: usize) -> Vec<S::Item> {
        if !self.is_ours() {
            return Vec::new();
        }
        let mut ready = self.lock();
        let count = ready.len().min(max);
        ready.drain(..count).collect()
    }

    /// Waits for the next event, or the end.
    pub(crate) async fn next(self) -> Result<Option<Handed<S::Item, S::Item>>, Error> {
        let mut source = self.source()?.lock_owned().await;
        // Whoever had the source before may have left some.
        let mut batch = VecDeque::from(self.take_batch(1));
        if batch.is_empty() {
            batch = source.next_batch(BATCH).await?.into();
        }
        let first = batch.pop_front();
        self.lock().extend(batch);
        Ok(first.map(|event| Handed { event: Some(event), ready: Arc::clone(&self.ready), back: give_back_one }))
    }

    /// Waits for the next events, or the end.
    pub(crate) async fn next_batch(self, max: usize) -> Result<Handed<Vec<S::Item>, S::Item>, Error> {
        let mut source = self.source()?.lock_owned().await;
        let mut batch = self.take_batch(max);
        if batch.is_empty() {
            batch = source.next_batch(max).await?;
        }
        Ok(Handed { event: Some(batch), ready: Arc::clone(&self.ready), back: give_back_all })
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

    fn is_ours(&self) -> bool {
        self.generation == runtime::generation()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<S::Item>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
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
    ready: Arc<Mutex<VecDeque<I>>>,
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

impl<T, I> Drop for Handed<T, I> {
    fn drop(&mut self) {
        if let Some(event) = self.event.take() {
            (self.back)(event, &mut self.ready.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

fn give_back_one<I>(event: I, ready: &mut VecDeque<I>) {
    ready.push_front(event);
}

fn give_back_all<I>(events: Vec<I>, ready: &mut VecDeque<I>) {
    events.into_iter().rev().for_each(|event| ready.push_front(event));
}
