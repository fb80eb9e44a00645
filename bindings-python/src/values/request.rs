//! What a provider that is Python code is asked.

use pyo3::prelude::*;
use pyo3::types::PyDict;
use tertulia::model::{
    ChatRequest as RequestRecord, NewMessage as MessageRecord, OutputSchema, PromptCache, ReasoningEffort,
    Sampling as SamplingRecord, ToolChoice, ToolSpec as SpecRecord,
};

use super::class::Value;
use super::tool::ToolSpec;
use crate::convert::{Fields, FromPython, OutItem, Place, ToPython, plain, word};

values! {
    /// One call of a model.
    ChatRequest(record RequestRecord) {
        model, system, messages, sampling, reasoning_effort, reasoning_tokens, tools, tool_choice, parallel_tools,
        output_schema, prompt_cache, end_user, provider_metadata, extra_body, extra_headers,
    }
    matches(model, messages) shows(model, messages) hashes(model, system)

    /// A message of a request.
    ChatMessage(record MessageRecord) { role, parts, metadata } matches(role, parts) shows(role, parts) hashes(role)
    + {
        /// All words of the message.
        #[getter]
        fn text(&self) -> String {
            self.0.get().text()
        }
    }

    /// How the model chooses its words. What is left out is left to the provider.
    Sampling(record SamplingRecord) {
        temperature, top_p, seed, stop_sequences, max_tokens, frequency_penalty, presence_penalty,
    }
    matches(temperature, top_p) shows(temperature, top_p, seed, max_tokens) hashes(seed, max_tokens)
}

records!(ChatRequest = RequestRecord);

impl ToPython for SamplingRecord {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(Bound::new(py, Sampling::own(self.clone()))?.into_any())
    }
}

impl FromPython for SamplingRecord {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        if let Ok(class) = value.cast::<Sampling>() {
            return Ok(class.get().0.get().clone());
        }
        let fields = Fields::of_dict(value, *at, "a Sampling or a dict")?;
        fields.only(Sampling::FIELDS)?;
        Sampling::build(&fields)
    }

    /// A request that says nothing of it leaves it to the provider.
    fn absent() -> Option<Self> {
        Some(Self::default())
    }
}

impl ToPython for MessageRecord {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(Bound::new(py, ChatMessage::own(self.clone()))?.into_any())
    }
}

impl ToPython for SpecRecord {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(Bound::new(py, ToolSpec::own(self.clone()))?.into_any())
    }
}

impl ToPython for ReasoningEffort {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        word(py, self)
    }
}

/// A word, or `{"name": …}`, as callers write it.
impl ToPython for ToolChoice {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let Self::Tool { name } = self else { return word(py, self) };
        let named = PyDict::new(py);
        named.set_item("name", name)?;
        Ok(named.into_any())
    }
}

impl ToPython for OutputSchema {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, self)
    }
}

impl ToPython for PromptCache {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, self)
    }
}

impl OutItem for MessageRecord {}
impl OutItem for SpecRecord {}
