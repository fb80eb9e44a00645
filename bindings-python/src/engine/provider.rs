//! One provider, for requests of your own.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use tertulia::RawResponse as Response;

use super::options::Key;
use super::root::Root;
use crate::convert::{FromPython, Place, ToPython};
use crate::error::raise;

/// What both handles of a provider hold.
#[derive(Clone)]
pub(super) struct Gate {
    pub(super) root: Arc<Root>,
    pub(super) name: String,
}

twins! {
    /// One provider: any endpoint of it, with the engine's key and connections.
    ProviderHandle / AsyncProviderHandle (Gate), "provider.";
    verbs {
        /// Sends a request to a path of the provider and gives whatever comes back.
        #[pyo3(signature = (method, path, body = None, *, key = None))]
        fn request(
            &self,
            py,
            method: String,
            path: String,
            body: Option<&Bound<'_, PyAny>>,
            key: Option<&Bound<'_, PyAny>>,
        ) {
            let body = body.map(|body| crate::convert::json(body, &Place::named("body"))).transpose()?;
            let key = key.map(|key| Key::from_python(key, &Place::named("key"))).transpose()?;
            let (way, name) = (self.0.root.way(py)?, self.0.name.clone());
            async move {
                let mut provider = way.open().await?.provider(name);
                if let Some(Key(key)) = key {
                    provider = provider.key(key);
                }
                provider.request(&method, &path, body.as_ref()).await
            }
        }

        /// Asks the provider which models it offers right now.
        #[pyo3(signature = (*, key = None))]
        fn models(&self, py, key: Option<&Bound<'_, PyAny>>) {
            let key = key.map(|key| Key::from_python(key, &Place::named("key"))).transpose()?;
            let (way, name) = (self.0.root.way(py)?, self.0.name.clone());
            async move {
                let mut provider = way.open().await?.provider(name);
                if let Some(Key(key)) = key {
                    provider = provider.key(key);
                }
                provider.models().await
            }
        }
    }
    both {
        /// The prefix of its models.
        #[getter]
        fn name(&self) -> &str {
            &self.0.name
        }
    }
    sync {
        fn __repr__(&self) -> String {
            format!("ProviderHandle({:?})", self.0.name)
        }
    }
    async {
        fn __repr__(&self) -> String {
            format!("AsyncProviderHandle({:?})", self.0.name)
        }
    }
}

/// What a provider answered to a request of your own, whatever its status.
#[pyclass(frozen, module = "tertulia")]
pub(crate) struct RawResponse(Response);

impl ToPython for Response {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(Bound::new(py, RawResponse(self.clone()))?.into_any())
    }
}

#[pymethods]
impl RawResponse {
    /// The HTTP status.
    #[getter]
    fn status(&self) -> u16 {
        self.0.status
    }

    /// The headers, names in lower case; of a name that came twice, the last.
    #[getter]
    fn headers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let headers = PyDict::new(py);
        for (name, value) in &self.0.headers {
            headers.set_item(name, value)?;
        }
        Ok(headers)
    }

    /// The headers as they came.
    #[getter]
    fn header_list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.0.headers)
    }

    /// The body.
    #[getter]
    fn body<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.0.body)
    }

    /// The body as JSON.
    fn json<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.0.json().map_err(|e| raise(py, &e))?.to_python(py)
    }

    fn __repr__(&self) -> String {
        format!("RawResponse(status={}, {} bytes)", self.0.status, self.0.body.len())
    }
}
