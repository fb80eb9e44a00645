//! Runs as Python watches them.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use pyo3::prelude::*;
use pyo3::types::PyType;
use tertulia::model::{RunEvent, RunEventKind};
use tertulia::{AgentResult, Json, Result, RunId, RunStatus, RunSummary, UserScope};

use super::agent::Shape;
use super::user::{Scope, User};
use crate::bridge::{Awaitable, Done, Feed, Source, step};
use crate::convert::{FromPython as _, Place, ToPython, plain};

/// What both handles of a run hold.
pub(super) struct Going {
    scope: Scope,
    id: RunId,
    shape: Option<Shape>,
    events: Feed<Watching>,
}

/// A run's events: opened by whoever reads first.
pub(super) enum Watching {
    Closed { user: User, id: RunId, after_seq: i64 },
    Attached(tertulia::Run<Json>),
    Open(tertulia::Run<AgentResult<Json>>),
}

impl Watching {
    async fn batch(&mut self) -> Result<Vec<RunEvent>> {
        loop {
            match self {
                Self::Attached(run) => return Ok(run.next_event().await?.into_iter().collect()),
                Self::Open(run) => return Ok(run.next_event().await?.into_iter().collect()),
                Self::Closed { user, id, after_seq } => {
                    *self = Self::Attached(user.open().await?.attach(*id, *after_seq)?);
                }
            }
        }
    }
}

impl Source for Watching {
    type Item = RunEvent;

    fn next_batch(&mut self, _max: usize) -> BoxFuture<'_, Result<Vec<RunEvent>>> {
        self.batch().boxed()
    }
}

impl Going {
    pub(super) fn new(scope: Scope, id: RunId, watching: Watching, shape: Option<Shape>) -> Self {
        Self { scope, id, shape, events: Feed::new(watching) }
    }

    /// A run of this user, wherever it is at work.
    pub(super) fn attached(scope: &Scope, run: &Bound<'_, PyAny>, after_seq: i64) -> PyResult<Self> {
        let id = RunId::from_python(run, &Place::named("run_id"))?;
        let watching = Watching::Closed { user: scope.user(run.py())?, id, after_seq };
        Ok(Self::new(scope.clone(), id, watching, None))
    }
}

/// What a run came to, on its way to Python.
pub(super) enum Came {
    /// The result of an agent, and what reads its answer.
    Result(Box<AgentResult<Json>>, Option<Shape>),
    /// That of something else.
    Plain(Json),
}

impl ToPython for Came {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (result, shape) = match self {
            Self::Result(result, shape) => (result, shape),
            Self::Plain(json) => return plain(py, json),
        };
        let mut output = plain(py, &result.output)?;
        if let Some(shape) = shape {
            output = shape.bind(py).call_method1("made", (output,))?;
        }
        let AgentResult { output: _, run_id, message_id, finish_reason, rounds, calls, usage, cost } = &**result;
        let fields = (
            output,
            run_id.to_python(py)?,
            message_id.to_python(py)?,
            finish_reason.to_python(py)?,
            *rounds,
            *calls,
            usage.to_python(py)?,
            cost.to_python(py)?,
        );
        py.import("tertulia._agents")?.getattr("AgentResult")?.call1(fields)
    }
}

/// Waits for the end of a run. Events that stand there already are read from its last end on.
async fn outcome(user: User, id: RunId) -> Result<Json> {
    let user = user.open().await?;
    let summary = user.attach::<Json>(id, 0)?.summary().await?;
    let after = match summary.status {
        RunStatus::Done | RunStatus::Cancelled => summary.last_seq - 1,
        RunStatus::Failed => before_failure(&user, &summary).await?,
        _ => summary.last_seq,
    };
    user.attach::<Json>(id, after)?.result().await
}

/// The number of the event before the last failure: words to a run may stand behind that.
async fn before_failure(user: &UserScope, summary: &RunSummary) -> Result<i64> {
    let (mut last, mut failed) = (0, 0);
    while last < summary.last_seq {
        let mut run = user.attach::<Json>(summary.id, last)?;
        while last < summary.last_seq
            && let Some(event) = run.next_event().await?
        {
            last = last.max(event.seq);
            if let RunEventKind::Failed { .. } = event.kind {
                failed = event.seq - 1;
            }
        }
    }
    Ok(failed)
}

twins! {
    /// A run on its way, or at its end. Dropping the handle changes nothing.
    Run / AsyncRun (Going), "run.";
    verbs {
        /// The next event, waiting for it; nothing behind the last.
        fn next_event(&self, _py) {
            self.0.events.clone().next()
        }

        /// Where it stands.
        fn summary(&self, py) {
            let (user, id) = (self.0.scope.user(py)?, self.0.id);
            async move { user.open().await?.attach::<Json>(id, 0)?.summary().await }
        }

        /// Allows a call that waits for it.
        fn approve(&self, py, call_id: String) {
            let (user, id) = (self.0.scope.user(py)?, self.0.id);
            async move { user.open().await?.attach::<Json>(id, 0)?.approve(call_id).await }
        }

        /// Refuses a call that waits to be approved.
        #[pyo3(signature = (call_id, why = None))]
        fn deny(&self, py, call_id: String, why: Option<String>) {
            let (user, id) = (self.0.scope.user(py)?, self.0.id);
            async move { user.open().await?.attach::<Json>(id, 0)?.deny(call_id, why).await }
        }

        /// Stops it, wherever it is at work.
        fn cancel(&self, py) {
            let (user, id) = (self.0.scope.user(py)?, self.0.id);
            async move { user.open().await?.attach::<Json>(id, 0)?.cancel().await }
        }

        /// Waits for the result.
        fn result(&self, py) {
            let (user, id) = (self.0.scope.user(py)?, self.0.id);
            let shape = self.0.shape.clone();
            async move {
                let json = outcome(user, id).await?;
                Ok(match serde_json::from_value(json.clone()) {
                    Ok(result) => Came::Result(result, shape),
                    Err(_) => Came::Plain(json),
                })
            }
        }
    }
    both {
        /// Names it.
        #[getter]
        fn id(&self) -> String {
            self.0.id.to_string()
        }

        /// The events, from the first that was not read on.
        fn events(slf: Bound<'_, Self>) -> Bound<'_, Self> {
            slf
        }

        #[classmethod]
        fn __class_getitem__<'py>(class: &Bound<'py, PyType>, output: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
            class.py().import("types")?.getattr("GenericAlias")?.call1((class, output))
        }
    }
    sync {
        fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
            slf
        }

        fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
            self.0.events.wait(py)?.map(|event| event.into_python(py)).transpose()
        }

        fn __repr__(&self) -> String {
            format!("Run({})", self.0.id)
        }
    }
    async {
        fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
            slf
        }

        fn __anext__(&self, py: Python<'_>) -> PyResult<Awaitable> {
            if let Some(event) = self.0.events.take() {
                return Ok(Awaitable::ready(event.into_python(py)?.unbind()));
            }
            let events = self.0.events.clone();
            Ok(Awaitable::spawned(async move { events.next().await.map(step) }))
        }

        fn __repr__(&self) -> String {
            format!("AsyncRun({})", self.0.id)
        }
    }
}

impl AsyncRun {
    /// The handle, on its way to somebody who awaits it.
    pub(super) fn done(going: Going) -> Done {
        Box::new(move |py| Ok(Bound::new(py, Self(going))?.into_any().unbind()))
    }
}
