//! Tools: what a model may ask for, its calls, and the answers.

use serde::{Deserialize, Serialize};

use super::part::Media;
use crate::base::Json;

/// A tool the model may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolSpec {
    /// Its name: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// What it does, for the model to read.
    pub description: String,
    /// The JSON schema of its arguments, an object schema.
    pub parameters: Json,
    /// True when the provider shall hold the model to the schema.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
}

impl ToolSpec {
    /// A tool with this name, description and schema of its arguments.
    #[must_use]
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Json) -> Self {
        Self { name: name.into(), description: description.into(), parameters, strict: false }
    }
}

/// Whether and which tool the model calls.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model decides.
    #[default]
    Auto,
    /// No tool.
    Never,
    /// Some tool.
    Required,
    /// This tool.
    Tool {
        /// Its name.
        name: String,
    },
}

/// The model wants a tool to be called.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolCall {
    /// Names the call; the answer carries it. Made by the engine when the provider gives none.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments: an object. Text that was no JSON stands here as a string.
    pub arguments: Json,
    /// True when the provider runs the tool itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provider_executed: bool,
}

impl ToolCall {
    /// The answer to this call.
    #[must_use]
    pub fn result(&self, output: impl Into<Json>) -> ToolResult {
        ToolResult { call_id: self.id.clone(), output: output.into(), is_error: false, media: Vec::new() }
    }
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ToolResult {
    /// The call it answers.
    pub call_id: String,
    /// The answer: text or any JSON.
    pub output: Json,
    /// True when the tool failed; the model then reads the output as the reason.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_error: bool,
    /// Pictures and documents that belong to the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<Media>,
}
