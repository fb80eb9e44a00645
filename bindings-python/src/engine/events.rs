//! What happens in an engine, read from Python: the same in two manners.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use pyo3::prelude::*;
use tertulia::model::EngineEvent;
use tertulia::{Error, Result};

use super::root::Way;
use crate::bridge::{Awaitable, Feed, Source, step};
use crate::convert::ToPython;

/// The engine's end: opened by whoever reads first, where the engine is not open yet.
pub(super) enum Reading {
    Closed(Way),
    Open(tertulia::Events),
}

impl Reading {
    /// What happens from now on, or from the moment the engine is opened.
    pub(super) fn new(way: Way) -> Self {
        match way.opened() {
            Some(tertulia) => Self::Open(tertulia.events()),
            None => Self::Closed(way),
        }
    }

    async fn batch(&mut self, max: usize) -> Result<Vec<EngineEvent>> {
        let events = loop {
            match self {
                Self::Open(events) => break events,
                Self::Closed(way) => *self = Self::Open(way.open().await?.events()),
            }
        };
        let mut batch: Vec<EngineEvent> = events.next().await.into_iter().collect();
        while !batch.is_empty()
            && batch.len() < max
            && let Some(event) = events.try_next()
        {
            batch.push(event);
        }
        Ok(batch)
    }
}

impl Source for Reading {
    type Item = EngineEvent;

    fn next_batch(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<EngineEvent>, Error>> {
        self.batch(max).boxed()
    }
}

/// What happens in an engine: an iterator that waits for the next event and ends when the engine is closed.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct EngineEvents(Feed<Reading>);

impl EngineEvents {
    pub(super) fn new(way: Way) -> Self {
        Self(Feed::new(Reading::new(way)))
    }
}

#[pymethods]
impl EngineEvents {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.wait(py)?.map(|event| event.into_python(py)).transpose()
    }
}

/// What happens in an engine: waits for the next event and ends when the engine is closed.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct AsyncEngineEvents(Feed<Reading>);

impl AsyncEngineEvents {
    pub(super) fn new(way: Way) -> Self {
        Self(Feed::new(Reading::new(way)))
    }
}

#[pymethods]
impl AsyncEngineEvents {
    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(&self, py: Python<'_>) -> PyResult<Awaitable> {
        if let Some(event) = self.0.take() {
            return Ok(Awaitable::ready(event.into_python(py)?.unbind()));
        }
        let events = self.0.clone();
        Ok(Awaitable::inline(async move { events.next().await.map(step) }))
    }
}
