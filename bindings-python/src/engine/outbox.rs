//! One user's outbox, and watching it.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use pyo3::prelude::*;
use tertulia::model::OutboxItem;
use tertulia::{Result, TurnId};

use super::user::{Scope, User};
use crate::bridge::{Awaitable, Done, Feed, Source, step, wait};
use crate::convert::{FromPython, Place, ToPython as _};

fn turn_id(value: &Bound<'_, PyAny>) -> PyResult<TurnId> {
    FromPython::from_python(value, &Place::named("turn_id"))
}

twins! {
    /// One user's messages that wait to be sent, are being sent, or were given up.
    Outbox / AsyncOutbox (Scope), "outbox.";
    verbs {
        /// What is in it, first in first.
        fn list(&self, py) {
            let user = self.0.user(py)?;
            async move { user.open().await?.outbox().list().await }
        }

        /// Sends a message now, as soon as its provider lets it.
        fn retry(&self, py, turn_id: &Bound<'_, PyAny>) {
            let (turn, user) = (self::turn_id(turn_id)?, self.0.user(py)?);
            async move { user.open().await?.outbox().retry(turn).await }
        }

        /// Takes a message back.
        fn discard(&self, py, turn_id: &Bound<'_, PyAny>) {
            let (turn, user) = (self::turn_id(turn_id)?, self.0.user(py)?);
            async move { user.open().await?.outbox().discard(turn).await }
        }
    }
    both {}
    sync {
        /// What happens in it from now on.
        fn watch(&self, py: Python<'_>) -> PyResult<OutboxWatch> {
            let changes = Feed::new(Watching::New(self.0.user(py)?));
            wait(py, begun(changes.clone()))?;
            Ok(OutboxWatch(changes))
        }

        fn __repr__(&self) -> String {
            format!("Outbox({:?})", self.0.id)
        }
    }
    async {
        /// What happens in it from now on: from the moment on at which it is entered, awaited or first asked.
        fn watch(&self, py: Python<'_>) -> PyResult<AsyncOutboxWatch> {
            Ok(AsyncOutboxWatch(Feed::new(Watching::New(self.0.user(py)?))))
        }

        fn __repr__(&self) -> String {
            format!("AsyncOutbox({:?})", self.0.id)
        }
    }
}

/// The engine's end, which begins with its first use.
enum Watching {
    New(User),
    Open(Box<tertulia::OutboxWatch>),
}

impl Watching {
    async fn watch(&mut self) -> Result<&mut tertulia::OutboxWatch> {
        loop {
            match self {
                Self::Open(watch) => return Ok(watch),
                Self::New(user) => *self = Self::Open(Box::new(user.open().await?.outbox().watch())),
            }
        }
    }
}

impl Source for Watching {
    type Item = OutboxItem;

    fn next_batch(&mut self, _max: usize) -> BoxFuture<'_, Result<Vec<OutboxItem>>> {
        async move { Ok(self.watch().await?.next().await?.into_iter().collect()) }.boxed()
    }
}

async fn begun(changes: Feed<Watching>) -> Result<()> {
    changes.source()?.lock().await.watch().await.map(drop)
}

/// What happens in an outbox: an iterator over messages as they stand after a change.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct OutboxWatch(Feed<Watching>);

#[pymethods]
impl OutboxWatch {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.0.wait(py)?.map(|item| item.into_python(py)).transpose()
    }
}

/// What happens in an outbox: an asynchronous iterator over messages as they stand after a change.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct AsyncOutboxWatch(Feed<Watching>);

#[pymethods]
impl AsyncOutboxWatch {
    fn __await__(slf: Bound<'_, Self>) -> Awaitable {
        let changes = slf.get().0.clone();
        let slf = slf.into_any().unbind();
        Awaitable::spawned(async move {
            begun(changes).await?;
            let done: Done = Box::new(move |_| Ok(slf));
            Ok(done)
        })
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(&self, py: Python<'_>) -> PyResult<Awaitable> {
        if let Some(item) = self.0.take() {
            return Ok(Awaitable::ready(item.into_python(py)?.unbind()));
        }
        let changes = self.0.clone();
        Ok(Awaitable::spawned(async move { changes.next().await.map(step) }))
    }
}
