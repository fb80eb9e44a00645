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
    #[serde(default)]
    pub description: String,
    /// The JSON schema of its arguments, an object schema. Of a provider's own tool: its entry in that provider's list.
    #[serde(default)]
    pub parameters: Json,
    /// True when the provider shall hold the model to the schema.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub strict: bool,
    /// Set when the tool takes free text instead of arguments; `parameters` then counts for nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_format: Option<TextFormat>,
    /// Set when the tool is this provider's own, as its search of the web. All other providers never hear of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

impl ToolSpec {
    /// A tool with this name, description and schema of its arguments.
    #[must_use]
    pub fn new(name: impl Into<String>, description: impl Into<String>, parameters: Json) -> Self {
        let (name, description) = (name.into(), description.into());
        Self { name, description, parameters, strict: false, text_format: None, provider: None }
    }

    /// A tool that takes free text, as a patch or a query: the `arguments` of its calls are a string.
    ///
    /// OpenAI knows such tools, and so does an entry of your own with the quirk `custom_tools`. Anywhere else it is shown
    /// as a function of one text, which is unwrapped on the way back, and a grammar is only told, so that the text may
    /// break it; the fragments of such a call come as the provider writes them.
    ///
    /// A text that a limit cut off is whole for all that can be seen: look at the reply's finish reason before you use it.
    #[must_use]
    pub fn free_text(name: impl Into<String>, description: impl Into<String>, format: TextFormat) -> Self {
        Self { text_format: Some(format), ..Self::new(name, description, Json::Null) }
    }

    /// A tool that this provider runs itself, as its search of the web. `entry` goes into the provider's list of
    /// tools as it is, beside your own: `{"type": "web_search_20250305", "name": "web_search"}` for Anthropic,
    /// `{"type": "web_search"}` for OpenAI's Responses, `{"googleSearch": {}}` for Gemini.
    ///
    /// In a list for several providers each takes what is its own.
    #[must_use]
    pub fn of_provider(provider: impl Into<String>, entry: Json) -> Self {
        let word = |name: &str| entry.get(name).and_then(Json::as_str).map(str::to_owned);
        let first = || entry.as_object().and_then(|fields| fields.keys().next().cloned());
        let name = word("name").or_else(|| word("type")).or_else(first).unwrap_or_default();
        Self { provider: Some(provider.into()), ..Self::new(name, "", entry) }
    }
}

/// What the text of a tool that takes free text must look like.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TextFormat {
    /// Anything.
    #[default]
    Text,
    /// What a grammar allows.
    Grammar {
        /// What the grammar is written in.
        syntax: GrammarSyntax,
        /// The grammar.
        definition: String,
    },
}

/// What a grammar is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum GrammarSyntax {
    /// The language of the parser Lark.
    Lark,
    /// A regular expression.
    Regex,
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
    /// The arguments: an object. Text that was no JSON stands here as a string, and so does what a tool of free text
    /// is given.
    pub arguments: Json,
    /// True when the provider runs the tool itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub provider_executed: bool,
    /// True when the tool takes free text: the arguments are that text.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub free_text: bool,
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
