//! Tools that are Python code: a function from what a model filled in to an answer.
//!
//! What a `Tool` of `_tools.py` says of itself becomes the engine's own; its function is called by `_called.py`, on a
//! thread of its own or on the loop that it belongs to.

use std::sync::Arc;
use std::time::Duration;

use pyo3::prelude::*;
use tertulia::{Json, ToolFailure, ToolSpec};
use tokio::runtime::Handle;

use super::call::{Answer, Awaited, Call, Outcome};
use crate::convert::{FromPython, Place, duration_ms, plain};

/// What a tool may know of its call.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct ToolContext(tertulia::ToolContext);

#[pymethods]
impl ToolContext {
    /// The run.
    #[getter]
    fn run_id(&self) -> String {
        self.0.run_id.to_string()
    }

    /// Names the call.
    #[getter]
    fn call_id(&self) -> &str {
        &self.0.call_id
    }

    /// The same for a call that is made again after a crash, and for no other.
    #[getter]
    fn key(&self) -> &str {
        &self.0.key
    }

    /// True once nobody awaits the answer any more.
    #[getter]
    fn is_cancelled(&self) -> bool {
        self.0.cancel.is_cancelled()
    }

    fn __repr__(&self) -> String {
        format!("ToolContext(run_id='{}', call_id={:?})", self.0.run_id, self.0.call_id)
    }
}

/// A tool and the loop that its async code runs on; without one it is that of async providers.
struct Code {
    tool: Py<PyAny>,
    home: Option<Arc<Py<PyAny>>>,
}

/// The engine's tool of a Python one.
pub(crate) fn tool(given: &Bound<'_, PyAny>, home: Option<Arc<Py<PyAny>>>) -> PyResult<tertulia::Tool> {
    fn field<T: FromPython>(given: &Bound<'_, PyAny>, name: &str) -> PyResult<T> {
        T::from_python(&given.getattr(name)?, &Place::named(name))
    }
    let spec = ToolSpec::new(
        field::<String>(given, "name")?,
        field::<String>(given, "description")?,
        field::<Json>(given, "parameters")?,
    );
    let code = Arc::new(Code { tool: given.clone().unbind(), home });
    let mut tool = tertulia::Tool::of(spec, move |arguments, context| {
        let code = code.clone();
        Box::pin(async move { code.called(arguments, context).await })
    });
    if field::<bool>(given, "needs_approval")? {
        tool = tool.needs_approval();
    }
    if field::<bool>(given, "idempotent")? {
        tool = tool.idempotent();
    }
    let timeout = given.getattr("timeout")?;
    if !timeout.is_none() {
        let millis = duration_ms(&timeout, &Place::named("timeout"))?;
        tool = tool.timeout(Duration::from_millis(u64::try_from(millis).unwrap_or(0)));
    }
    Ok(tool)
}

impl Code {
    async fn called(self: Arc<Self>, arguments: Json, context: tertulia::ToolContext) -> Outcome {
        let call = Arc::new(Call::default());
        // From here on the code is stopped when nobody waits for it any more.
        let awaited = Awaited(Arc::clone(&call));
        let begin = move || Python::try_attach(|py| self.begin(py, &arguments, context, call));
        match Handle::current().spawn_blocking(begin).await {
            Ok(Some(Ok(()))) => awaited.await,
            Ok(Some(Err(raised))) => Err(ToolFailure::Failed(format!("it could not be called: {raised}"))),
            Ok(None) => Err(ToolFailure::Failed("the program is ending".to_owned())),
            Err(_) => Err(ToolFailure::Failed("it broke down".to_owned())),
        }
    }

    /// Hands the call over to Python's side.
    fn begin(&self, py: Python<'_>, arguments: &Json, context: tertulia::ToolContext, call: Arc<Call>) -> PyResult<()> {
        let (context, answer) = (Bound::new(py, ToolContext(context))?, Bound::new(py, Answer(call))?);
        let home = self.home.as_ref().map(|home| home.clone_ref(py));
        let given = (&self.tool, plain(py, arguments)?, context, answer, home);
        py.import("tertulia._called")?.call_method1("begin", given).map(drop)
    }
}
