//! Providers and tools that are Python code: a function from a request to events, one from arguments to an answer.
//!
//! ```text
//! engine's thread ── begin ──▶ `_own.py`: the loop of async code, or a thread of its own
//!        ▲                                     │ Sink.push
//!        └── Reader ◀── Pipe (64 events) ◀─────┘
//! ```
//! The engine's threads never wait for the interpreter: they take events out of the pipe and ring a bell when it has
//! room again. What is raised stays in Python, as the cause of the error that the caller sees.

mod call;
mod pipe;
mod tool;

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use tertulia::base::Retry;
use tertulia::call::OwnCode;
use tertulia::model::{ModelInfo, ProviderError};
use tertulia::{ChatRequest, Error, ErrorKind, EventStream, Provider, ProviderSpec, Result};
use tokio::runtime::Handle;

use crate::convert::{Fields, FromPython, InItem, Place, ToPython as _, expected_of, invalid, json, text, wrong_type};
use crate::error::{panicked, raise};
pub(crate) use call::Answer;
pub(crate) use pipe::Sink;
use pipe::{Pipe, Reader};
pub(crate) use tool::{ToolContext, tool};

/// A provider of the application: described, or code.
#[derive(Clone)]
pub(crate) enum Given {
    /// Somebody behind HTTP.
    Described(Box<ProviderSpec>),
    /// A function.
    Code(PythonProvider),
}

/// A provider that is a Python function.
#[derive(Clone)]
pub(crate) struct PythonProvider(Arc<Code>);

struct Code {
    name: Arc<str>,
    models: Vec<ModelInfo>,
    function: Py<PyAny>,
}

impl InItem for Given {}

impl FromPython for Given {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        let Ok(dict) = value.cast::<PyDict>() else {
            if !value.is_callable() {
                return Err(wrong_type(at, "a dict that describes a provider, or a function", value));
            }
            let name = value.getattr_opt("__name__")?;
            let Some(name) = name.as_ref().and_then(|name| name.cast::<PyString>().ok()) else {
                let detail = format!("{at} has no __name__; give {{'name': 'house', 'stream': …}}");
                return Err(invalid(value.py(), "bad_provider", detail));
            };
            return PythonProvider::new(text(name, at)?, Vec::new(), value).map(Self::Code);
        };
        if !dict.contains("stream")? {
            return ProviderSpec::from_python(value, at).map(|spec| Self::Described(Box::new(spec)));
        }
        let fields = Fields::of_dict(value, *at, "a dict")?;
        fields.only(&["name", "stream", "models"])?;
        let name: String = fields.take("name")?;
        let function = fields.raw("stream")?.filter(|function| function.is_callable());
        let Some(function) = function else {
            return Err(wrong_type(
                &at.field("stream"),
                "a function",
                &dict.get_item("stream")?.into_pyobject(value.py())?,
            ));
        };
        PythonProvider::new(&name, models(&fields, at)?, &function).map(Self::Code)
    }
}

/// What is known of the models, by bare name.
fn models(fields: &Fields<'_, '_>, at: &Place<'_>) -> PyResult<Vec<ModelInfo>> {
    let place = at.field("models");
    let Some(given) = fields.raw("models")?.filter(|given| !given.is_none()) else { return Ok(Vec::new()) };
    let known: std::collections::BTreeMap<String, ModelInfo> =
        serde_json::from_value(json(&given, &place)?).map_err(|e| {
            let detail = format!("{place} has a field of another kind than expected: {}", expected_of(&e));
            invalid(given.py(), "bad_provider", detail)
        })?;
    Ok(known.into_iter().map(|(id, info)| ModelInfo { id, ..info }).collect())
}

impl PythonProvider {
    fn new(name: &str, models: Vec<ModelInfo>, function: &Bound<'_, PyAny>) -> PyResult<Self> {
        let code = Code { name: name.into(), models, function: function.clone().unbind() };
        let provider = Self(Arc::new(code));
        // A name that cannot be a prefix is refused here, where it is written.
        OwnCode::new(provider.clone()).entry().map_err(|e| raise(function.py(), &e))?;
        Ok(provider)
    }
}

impl Provider for PythonProvider {
    fn name(&self) -> &str {
        &self.0.name
    }

    fn models(&self) -> Vec<ModelInfo> {
        self.0.models.clone()
    }

    async fn stream(&self, request: ChatRequest) -> Result<EventStream> {
        let pipe = Arc::new(Pipe::default());
        // From here on the work is stopped when nobody waits for it any more.
        let reader = Reader(Arc::clone(&pipe));
        let code = Arc::clone(&self.0);
        let begin = move || Python::try_attach(|py| code.begin(py, request, pipe));
        match Handle::current().spawn_blocking(begin).await {
            Ok(Some(begun)) => begun.map(|()| EventStream::new(reader)),
            Ok(None) => Err(Error::new(ErrorKind::Closed, "exiting", "the interpreter is exiting")),
            Err(_) => Err(panicked()),
        }
    }
}

impl Code {
    /// Hands the request over to Python's side.
    fn begin(&self, py: Python<'_>, request: ChatRequest, pipe: Arc<Pipe>) -> Result<()> {
        let work = || {
            let sink = Bound::new(py, Sink::new(Arc::clone(&self.name), pipe))?;
            let request = request.into_python(py)?;
            py.import("tertulia._own")?.call_method1("begin", (&self.function, request, sink)).map(drop)
        };
        work().map_err(|raised| failure(&self.name, &raised.into_value(py).into_bound(py).into_any()))
    }
}

/// What was raised by the code of a provider, as the cause of the error that comes of it. Its words, which may hold
/// anything, are for Python alone.
pub(crate) struct Raised {
    class: String,
    exception: Py<PyAny>,
}

impl Raised {
    /// The exception.
    pub(crate) const fn exception(&self) -> &Py<PyAny> {
        &self.exception
    }
}

impl std::fmt::Debug for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Raised").field(&self.class).finish()
    }
}

impl std::fmt::Display for Raised {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} was raised", self.class)
    }
}

impl std::error::Error for Raised {}

/// The error of an exception: a `TertuliaError` keeps its kind and whether repeating can help, any other is
/// `Unavailable`.
fn failure(name: &str, exception: &Bound<'_, PyAny>) -> Error {
    let class = exception.get_type().name().map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
    let known = crate::error::is_ours(exception).then(|| told(exception)).and_then(PyResult::ok);
    let error = known.unwrap_or_else(|| {
        let detail = format!("the code of provider `{name}` raised {class}; it is the cause of this error");
        Error::new(ErrorKind::Unavailable, "provider_failed", detail)
    });
    error.with_source(Raised { class, exception: exception.clone().unbind() })
}

/// What a `TertuliaError` says of the failure. What it says of a turn is about another one.
fn told(exception: &Bound<'_, PyAny>) -> PyResult<Error> {
    let info = tertulia::ErrorInfo::from_python(&exception.getattr("info")?, &Place::named("info"))?;
    let retry = match (info.retry, info.retry_after_ms) {
        (Retry::After { .. }, Some(after_ms)) => Retry::After { after_ms },
        (retry, _) => retry,
    };
    let error = Error::new(info.kind, info.reason, info.detail).with_retry(retry);
    let words: Option<String> = exception.getattr("provider_words")?.extract()?;
    Ok(match words {
        Some(words) => error.with_provider_error(ProviderError::new(words)),
        None => error,
    })
}
