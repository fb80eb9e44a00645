//! Tools, their calls and their answers.

use pyo3::prelude::*;
use tertulia::model::{ToolCall as CallRecord, ToolResult as ResultRecord, ToolSpec as SpecRecord};

use super::class::Value;
use crate::convert::{FromPython, InItem, OutItem, Place};

values! {
    /// A tool the model may call.
    ToolSpec(record SpecRecord) { name, description, parameters, strict }
    matches(name, description, parameters) shows(name) hashes(name)

    /// The model wants a tool to be called.
    ToolCall(record CallRecord) { id, name, arguments, provider_executed }
    matches(id, name, arguments) shows(id, name) hashes(id, name)
    + {
        /// The answer to this call.
        #[pyo3(signature = (output, *, is_error = false))]
        fn result(&self, output: &Bound<'_, PyAny>, is_error: bool) -> PyResult<ToolResult> {
            let output = FromPython::from_python(output, &Place::named("output"))?;
            let answer = ResultRecord { is_error, ..self.0.get().result(tertulia::Json::Null) };
            Ok(ToolResult::own(ResultRecord { output, ..answer }))
        }
    }

    /// What a tool answered.
    ToolResult(record ResultRecord) { call_id, output, is_error, media }
    matches(call_id, output) shows(call_id, is_error) hashes(call_id)
}

records!(ToolSpec = SpecRecord, ToolCall = CallRecord, ToolResult = ResultRecord);

impl OutItem for CallRecord {}
impl InItem for CallRecord {}
impl InItem for SpecRecord {}
