//! The simulator, for tests of programs that use the package.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use tertulia::{Error, ErrorKind, Json};
use tertulia_simulator::{EventKind, RecordedRequest, Script};

use crate::bridge::{self, wait};
use crate::convert::{FromPython, Place, ToPython, invalid};
use crate::error::raise;

/// A provider on loopback that answers, or fails, by script.
#[pyclass(frozen, module = "tertulia.testing")]
pub(crate) struct Simulator {
    inner: Mutex<Option<std::sync::Arc<tertulia_simulator::Simulator>>>,
    url: String,
}

fn closed(py: Python<'_>) -> PyErr {
    raise(py, &Error::new(ErrorKind::Closed, "closed", "this simulator was closed"))
}

impl Simulator {
    fn get(&self, py: Python<'_>) -> PyResult<std::sync::Arc<tertulia_simulator::Simulator>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(|| closed(py))
    }
}

const fn kind_of(kind: EventKind) -> &'static str {
    match kind {
        EventKind::ConnectionOpened => "connection_opened",
        EventKind::RequestReceived => "request_received",
        EventKind::ResponseStarted { .. } => "response_started",
        EventKind::ResponseEnded => "response_ended",
        EventKind::ResponseBroken => "response_broken",
        EventKind::ClosedByPeer => "closed_by_peer",
        EventKind::Closed => "closed",
        _ => "other",
    }
}

const KINDS: [&str; 7] = [
    "connection_opened",
    "request_received",
    "response_started",
    "response_ended",
    "response_broken",
    "closed_by_peer",
    "closed",
];

fn event_dict<'py>(py: Python<'py>, event: &tertulia_simulator::Event) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("seq", event.seq)?;
    dict.set_item("connection", event.connection)?;
    dict.set_item("request", event.request)?;
    dict.set_item("kind", kind_of(event.kind))?;
    if let EventKind::ResponseStarted { status } = event.kind {
        dict.set_item("status", status)?;
    }
    Ok(dict)
}

#[pymethods]
impl Simulator {
    #[new]
    #[pyo3(signature = (*, port = 0))]
    fn new(py: Python<'_>, port: u16) -> PyResult<Self> {
        let started = wait(py, async move {
            tertulia_simulator::Simulator::start_at(port).await.map_err(|e| {
                Error::invalid("bad_port", format!("no server could be started on port {port}")).with_source(e)
            })
        })?;
        let url = started.url();
        Ok(Self { inner: Mutex::new(Some(std::sync::Arc::new(started))), url })
    }

    /// Where it listens, as `http://127.0.0.1:41234`.
    #[getter]
    fn url(&self) -> &str {
        &self.url
    }

    /// The description of a provider of this name that is the simulator and speaks this dialect, for
    /// `Tertulia(providers=[…])`.
    #[pyo3(signature = (name = "sim", *, dialect = "openai_chat"))]
    fn provider<'py>(&self, py: Python<'py>, name: &str, dialect: &str) -> PyResult<Bound<'py, PyDict>> {
        let spec = PyDict::new(py);
        spec.set_item("name", name)?;
        // What stands before the paths that each dialect adds.
        let version = match dialect {
            "gemini" => "/v1beta",
            "ollama" => "",
            _ => "/v1",
        };
        spec.set_item("base_url", format!("{}{version}", self.url))?;
        spec.set_item("dialect", dialect)?;
        Ok(spec)
    }

    /// Answers the calls to this model by one script after the other; the last one stays. None: echo again.
    #[pyo3(signature = (model, *scripts))]
    fn script(&self, py: Python<'_>, model: &str, scripts: &Bound<'_, PyTuple>) -> PyResult<()> {
        let scripts: Vec<String> = FromPython::from_python(scripts, &Place::named("scripts"))?;
        let scripts: Result<Vec<_>, _> = scripts.iter().map(|script| Script::parse(script)).collect();
        let scripts = scripts.map_err(|e| invalid(py, "bad_script", e.to_string()))?;
        self.get(py)?.set_scripts(model, scripts);
        Ok(())
    }

    /// The requests so far, oldest first.
    #[getter]
    fn requests(&self, py: Python<'_>) -> PyResult<Vec<SimulatorRequest>> {
        Ok(self.get(py)?.requests().into_iter().map(SimulatorRequest).collect())
    }

    /// How many requests came in.
    #[getter]
    fn request_count(&self, py: Python<'_>) -> PyResult<u64> {
        Ok(self.get(py)?.request_count())
    }

    /// How many connections are open.
    #[getter]
    fn open_connections(&self, py: Python<'_>) -> PyResult<usize> {
        Ok(self.get(py)?.open_connections())
    }

    /// The events so far, oldest first.
    #[getter]
    fn events<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyDict>>> {
        self.get(py)?.events().iter().map(|event| event_dict(py, event)).collect()
    }

    /// Waits for an event of this kind, of those so far or else of those to come, behind the event `after`.
    #[pyo3(signature = (kind, *, after = 0, timeout = 10.0))]
    fn wait_for<'py>(&self, py: Python<'py>, kind: &str, after: u64, timeout: f64) -> PyResult<Bound<'py, PyDict>> {
        if !KINDS.contains(&kind) {
            return Err(invalid(py, "unknown_word", format!("kind must be one of {KINDS:?}")));
        }
        let limit = Duration::try_from_secs_f64(timeout)
            .map_err(|_| invalid(py, "bad_duration", "timeout must be 0 seconds or more"))?;
        let (simulator, wanted) = (self.get(py)?, kind.to_owned());
        let event = wait(py, async move {
            let found = simulator.wait_for(|event| event.seq > after && kind_of(event.kind) == wanted);
            tokio::time::timeout(limit, found)
                .await
                .map_err(|_| Error::new(ErrorKind::TimedOut, "total", "the simulator saw no such event"))
        })?;
        event_dict(py, &event)
    }

    /// Forgets the requests and events so far.
    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.get(py)?.clear();
        Ok(())
    }

    /// Closes the port and every connection.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(simulator) = inner.and_then(std::sync::Arc::into_inner) else { return Ok(()) };
        wait(py, async move {
            simulator.shutdown().await;
            Ok(())
        })
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    #[pyo3(signature = (*_why))]
    fn __exit__(&self, py: Python<'_>, _why: &Bound<'_, PyTuple>) -> PyResult<()> {
        self.close(py)
    }

    fn __repr__(&self) -> String {
        format!("Simulator({:?})", self.url)
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        let inner = self.inner.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if bridge::generation() > 0 {
            // It may be the parent's, whose runtime does not exist here.
            std::mem::forget(inner);
        }
    }
}

/// A request as it came in.
#[pyclass(frozen, module = "tertulia.testing")]
pub(crate) struct SimulatorRequest(RecordedRequest);

#[pymethods]
impl SimulatorRequest {
    /// `POST`.
    #[getter]
    fn method(&self) -> &str {
        &self.0.method
    }

    /// Path and query.
    #[getter]
    fn path(&self) -> &str {
        &self.0.path
    }

    /// The headers, names in lower case.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let headers = PyDict::new(py);
        for (name, value) in &self.0.headers {
            headers.set_item(name, value)?;
        }
        Ok(headers)
    }

    /// The body.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.body)
    }

    /// The body as JSON; `None` when it is none.
    fn json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let json: Json = self.0.json();
        json.to_python(py)
    }

    fn __repr__(&self) -> String {
        format!("SimulatorRequest({} {})", self.0.method, self.0.path)
    }
}

/// Puts the classes into the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Simulator>()?;
    module.add_class::<SimulatorRequest>()
}
