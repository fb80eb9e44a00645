//! Tools, their calls and their answers.

use pyo3::prelude::*;
use tertulia::model::{
    GrammarSyntax, TextFormat, ToolCall as CallRecord, ToolResult as ResultRecord, ToolSpec as SpecRecord,
};

use super::class::Value;
use crate::convert::{Fields, FromPython, InItem, OutItem, Place, ToPython, invalid, json, plain};

values! {
    /// A tool the model may call.
    ToolSpec(record SpecRecord) { name, description, parameters, strict, text_format, provider }
    matches(name, description, parameters) shows(name) hashes(name)
    + {
        /// A tool that takes free text instead of arguments.
        #[staticmethod]
        #[pyo3(signature = (name, description, text_format = None))]
        fn free_text(name: String, description: String, text_format: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
            let at = Place::named("text_format");
            let format = text_format.map_or(Ok(TextFormat::Text), |format| FromPython::from_python(format, &at))?;
            Ok(Self::own(SpecRecord::free_text(name, description, format)))
        }

        /// A tool that this provider runs itself.
        #[staticmethod]
        fn of_provider(provider: String, entry: &Bound<'_, PyAny>) -> PyResult<Self> {
            Ok(Self::own(SpecRecord::of_provider(provider, json(entry, &Place::named("entry"))?)))
        }
    }

    /// The model wants a tool to be called.
    ToolCall(record CallRecord) { id, name, arguments, provider_executed, free_text }
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

records!(ToolCall = CallRecord, ToolResult = ResultRecord);

impl FromPython for SpecRecord {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        if let Ok(class) = value.cast::<ToolSpec>() {
            return Ok(class.get().0.get().clone());
        }
        let fields = Fields::of_dict(value, *at, "a ToolSpec or a dict")?;
        fields.only(ToolSpec::FIELDS)?;
        let (text_format, provider) = (fields.take::<Option<TextFormat>>("text_format")?, fields.take("provider")?);
        // A tool of another kind has no arguments, and what a provider's own does is known to it.
        let parameters = match (&text_format, &provider) {
            (Some(_), None) => fields.take_or("parameters", tertulia::Json::Null)?,
            _ => fields.take("parameters")?,
        };
        match provider {
            Some(provider) => {
                let known = Self::of_provider(provider, parameters);
                let name = fields.take_or("name", known.name.clone())?;
                let description = fields.take_or("description", String::new())?;
                Ok(Self { name, description, strict: fields.take("strict")?, text_format, ..known })
            }
            None => {
                let (name, description) = (fields.take("name")?, fields.take("description")?);
                Ok(Self { name, description, parameters, strict: fields.take("strict")?, text_format, provider })
            }
        }
    }
}

/// `{"type": "text"}`, or `{"type": "grammar", "syntax": …, "definition": …}`.
impl FromPython for TextFormat {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        let fields = Fields::of_dict(value, *at, "{'type': 'text'} or {'type': 'grammar', …}")?;
        let unknown = |field, words| Err(invalid(value.py(), "unknown_word", format!("{at}.{field} must be {words}")));
        match fields.take::<String>("type")?.as_str() {
            "text" => {
                fields.only(&["type"])?;
                Ok(Self::Text)
            }
            "grammar" => {
                fields.only(&["type", "syntax", "definition"])?;
                let syntax = match fields.take::<String>("syntax")?.as_str() {
                    "lark" => GrammarSyntax::Lark,
                    "regex" => GrammarSyntax::Regex,
                    _ => return unknown("syntax", "'lark' or 'regex'"),
                };
                Ok(Self::Grammar { syntax, definition: fields.take("definition")? })
            }
            _ => unknown("type", "'text' or 'grammar'"),
        }
    }
}

impl ToPython for TextFormat {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, self)
    }
}

impl OutItem for CallRecord {}
impl InItem for CallRecord {}
impl InItem for SpecRecord {}
