//! A conversation's messages, one after the other: the same in two manners.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use pyo3::prelude::*;
use tertulia::{Detail, Error, Message, Result};

use super::chat::Open;
use crate::bridge::{Awaitable, Feed, Source, step};
use crate::convert::ToPython as _;

/// The engine's end, which begins with the first message that is asked for.
pub(super) enum Reading {
    Closed { open: Open, newest_first: bool, detail: Detail },
    Open(Box<tertulia::Messages>),
}

impl Reading {
    async fn batch(&mut self, max: usize) -> Result<Vec<Message>> {
        loop {
            match self {
                Self::Open(messages) => return messages.next_batch(max).await,
                Self::Closed { open, newest_first, detail } => {
                    let messages = open.chat().await?.messages().detail(*detail);
                    *self = Self::Open(Box::new(if *newest_first { messages.newest_first() } else { messages }));
                }
            }
        }
    }
}

impl Source for Reading {
    type Item = Message;

    fn next_batch(&mut self, max: usize) -> BoxFuture<'_, Result<Vec<Message>, Error>> {
        self.batch(max).boxed()
    }
}

/// A conversation's messages: an iterator that reads page after page.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct Messages(pub(super) Feed<Reading>);

#[pymethods]
impl Messages {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.wait(py)?.map(|message| message.into_python(py)).transpose()
    }
}

/// A conversation's messages: an asynchronous iterator that reads page after page.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct AsyncMessages(pub(super) Feed<Reading>);

#[pymethods]
impl AsyncMessages {
    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(&self, py: Python<'_>) -> PyResult<Awaitable> {
        if let Some(message) = self.0.take() {
            return Ok(Awaitable::ready(message.into_python(py)?.unbind()));
        }
        let messages = self.0.clone();
        Ok(Awaitable::spawned(async move { messages.next().await.map(step) }))
    }
}
