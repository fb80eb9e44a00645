//! One user's outbox, and watching it.

use std::sync::Arc;

use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::prelude::*;
use tertulia::model::OutboxItem;
use tertulia::{Error, ErrorKind, Result, TurnId};
use tokio::sync::Mutex;

use super::user::{Scope, User};
use crate::bridge::{Awaitable, Done, generation, wait};
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
            let watch = Watch::new(self.0.user(py)?);
            wait(py, watch.clone().begin())?;
            Ok(OutboxWatch { watch })
        }

        fn __repr__(&self) -> String {
            format!("Outbox({:?})", self.0.id)
        }
    }
    async {
        /// What happens in it from now on: from the moment on at which it is entered, awaited or first asked.
        fn watch(&self, py: Python<'_>) -> PyResult<AsyncOutboxWatch> {
            Ok(AsyncOutboxWatch { watch: Watch::new(self.0.user(py)?) })
        }

        fn __repr__(&self) -> String {
            format!("AsyncOutbox({:?})", self.0.id)
        }
    }
}

/// A watch that begins with its first use.
#[derive(Clone)]
struct Watch {
    stage: Arc<Mutex<Stage>>,
    generation: u64,
}

enum Stage {
    New(User),
    Open(Box<tertulia::OutboxWatch>),
    Over,
}

impl Watch {
    fn new(user: User) -> Self {
        Self { stage: Arc::new(Mutex::new(Stage::New(user))), generation: generation() }
    }

    async fn begin(self) -> Result<()> {
        self.check()?;
        begun(&mut *self.stage.lock().await).await
    }

    async fn next(self) -> Result<Option<OutboxItem>> {
        self.check()?;
        let mut stage = self.stage.lock().await;
        begun(&mut stage).await?;
        let next = match &mut *stage {
            Stage::Open(watch) => watch.next().await?,
            _ => None,
        };
        if next.is_none() {
            *stage = Stage::Over;
        }
        Ok(next)
    }

    fn check(&self) -> Result<()> {
        if self.generation == generation() {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Closed, "forked", "this watch was begun by the parent process"))
    }
}

async fn begun(stage: &mut Stage) -> Result<()> {
    if let Stage::New(user) = stage {
        let watch = user.open().await?.outbox().watch();
        *stage = Stage::Open(Box::new(watch));
    }
    Ok(())
}

/// What happens in an outbox: an iterator over messages as they stand after a change.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct OutboxWatch {
    watch: Watch,
}

#[pymethods]
impl OutboxWatch {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        wait(py, self.watch.clone().next())?.map(|item| item.into_python(py)).transpose()
    }
}

/// What happens in an outbox: an asynchronous iterator over messages as they stand after a change.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct AsyncOutboxWatch {
    watch: Watch,
}

#[pymethods]
impl AsyncOutboxWatch {
    fn __await__(slf: Bound<'_, Self>) -> Awaitable {
        let watch = slf.get().watch.clone();
        let slf = slf.into_any().unbind();
        Awaitable::spawned(async move {
            watch.begin().await?;
            let done: Done = Box::new(move |_| Ok(slf));
            Ok(done)
        })
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(&self) -> Awaitable {
        let watch = self.watch.clone();
        Awaitable::spawned(async move {
            let next = watch.next().await?;
            let done: Done = Box::new(move |py| match next {
                Some(item) => item.into_python(py).map(Bound::unbind),
                None => Err(PyStopAsyncIteration::new_err(())),
            });
            Ok(done)
        })
    }
}
