//! Agents as Python has them, and their runs in a conversation.

use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use tertulia::model::OutputSchema;
use tertulia::{Agent, Bounds, Json, Result, RunId};

use super::chat::Chat;
use super::options::options;
use super::run::{Came, Going, Watching};
use super::twins::during;
use crate::content::parts;
use crate::convert::{FromPython as _, Place, invalid, json, plain, wrong_type};
use crate::own::tool;

/// What reads an answer as the type that the agent's `output` names: a `Shape` of `_agents.py`.
pub(super) type Shape = Arc<Py<PyAny>>;

/// An agent, and what its answers are read with.
pub(super) struct Given {
    agent: Agent<Json>,
    shape: Option<Shape>,
}

/// The loop that runs on this thread.
pub(super) fn running_loop(py: Python<'_>) -> PyResult<Option<Arc<Py<PyAny>>>> {
    match py.import("asyncio")?.call_method0("get_running_loop") {
        Ok(event_loop) => Ok(Some(Arc::new(event_loop.unbind()))),
        Err(error) if error.is_instance_of::<PyRuntimeError>(py) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The engine's agent of a Python one. Its async tools run on the loop `home`, or on that of async providers.
pub(super) fn agent(given: &Bound<'_, PyAny>, home: Option<Arc<Py<PyAny>>>) -> PyResult<Given> {
    let py = given.py();
    if !given.is_instance(&py.import("tertulia._agents")?.getattr("Agent")?)? {
        return Err(wrong_type(&Place::named("agent"), "an Agent", given));
    }
    let mut agent = Agent::new(String::from_python(&given.getattr("instructions")?, &Place::named("instructions"))?);
    if let Some(model) = Option::<String>::from_python(&given.getattr("model")?, &Place::named("model"))? {
        agent = agent.model(model);
    }
    for one in given.getattr("tools")?.try_iter()? {
        agent = agent.tool(tool(&one?, home.clone())?);
    }
    let bounds = json(&given.getattr("bounds")?, &Place::named("bounds"))?;
    let bounds: Bounds = serde_json::from_value(bounds).map_err(|_| {
        let names: Vec<String> = match serde_json::to_value(Bounds::default()) {
            Ok(Json::Object(known)) => known.into_iter().map(|(name, _)| name).collect(),
            _ => Vec::new(),
        };
        let detail = format!("an agent's bounds are whole numbers from 0 on, by these names: {}", names.join(", "));
        invalid(py, "bad_bounds", detail)
    })?;
    agent = agent.bounds(bounds);
    let shape = given.getattr("_shape")?;
    if shape.is_none() {
        return Ok(Given { agent: agent.untyped(), shape: None });
    }
    let schema = json(&shape.getattr("schema")?, &Place::named("output"))?;
    let schema = OutputSchema { name: "answer".to_owned(), schema, strict: false };
    let shape: Shape = Arc::new(shape.unbind());
    let reader = shape.clone();
    Ok(Given { agent: agent.output_by(schema, move |text| read(&reader, text)), shape: Some(shape) })
}

/// An answer that fits, or why it does not, for the model to read.
fn read(shape: &Shape, text: &str) -> std::result::Result<Json, String> {
    let value: Json = serde_json::from_str(text).map_err(|e| e.to_string())?;
    // Other tasks go on while this thread waits for the interpreter.
    let unfit = tokio::task::block_in_place(|| {
        Python::try_attach(|py| {
            let asked = plain(py, &value).and_then(|value| shape.bind(py).call_method1("unfit", (value,)));
            asked.and_then(|why| why.extract::<Option<String>>())
        })
    });
    match unfit {
        Some(Ok(None)) => Ok(value),
        Some(Ok(Some(why))) => Err(why),
        Some(Err(raised)) => Err(raised.to_string()),
        None => Err("the program is ending".to_owned()),
    }
}

impl Chat {
    /// Runs an agent to its end.
    pub(super) fn running(
        &self,
        py: Python<'_>,
        Given { agent, shape }: Given,
        content: &Bound<'_, PyAny>,
        given: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<impl Future<Output = Result<Came>> + use<>> {
        let (said, options) = (parts(content, &Place::named("content"))?, options("run", py, given)?);
        let open = self.open(py)?;
        Ok(during("conversation.run", async move {
            let chat = open.chat().await?;
            Ok(Came::Result(Box::new(chat.run(&agent, said).with(options).await?), shape))
        }))
    }

    /// Begins a run of an agent.
    pub(super) fn starting(
        &self,
        py: Python<'_>,
        Given { agent, shape }: Given,
        content: &Bound<'_, PyAny>,
        given: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<impl Future<Output = Result<Going>> + use<>> {
        let (said, options) = (parts(content, &Place::named("content"))?, options("start", py, given)?);
        let (open, scope) = (self.open(py)?, self.scope.clone());
        Ok(during("conversation.start", async move {
            let chat = open.chat().await?;
            let run = chat.run(&agent, said).with(options).start().await?;
            Ok(Going::new(scope, run.id(), Watching::Open(run), shape))
        }))
    }

    /// Goes on with a run of an agent.
    pub(super) fn picking_up(
        &self,
        py: Python<'_>,
        Given { agent, shape }: Given,
        run: &Bound<'_, PyAny>,
        given: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<impl Future<Output = Result<Going>> + use<>> {
        let run = RunId::from_python(run, &Place::named("run_id"))?;
        let options = options("pick_up", py, given)?;
        let (open, scope) = (self.open(py)?, self.scope.clone());
        Ok(during("conversation.pick_up", async move {
            let chat = open.chat().await?;
            let run = chat.pick_up(&agent, run).with(options).await?;
            Ok(Going::new(scope, run.id(), Watching::Open(run), shape))
        }))
    }
}
