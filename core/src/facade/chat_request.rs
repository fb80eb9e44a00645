//! What a provider of a host's own is asked.

use std::collections::HashMap;
use std::fmt;

use super::json;
use super::message::NewMessage;
use super::options::{OutputSchema, PromptCache, ToolChoice, ToolSpec};
use super::part;
use super::words::ReasoningEffort;
use crate::model;

/// One call of a model, as a provider of your own is asked.
///
/// Printing it shows nothing of what is said.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct ChatRequest {
    /// The model's bare name, without the provider.
    pub model: String,
    /// Instructions that stand before the messages.
    pub system: Option<String>,
    /// What was said so far, oldest first.
    pub messages: Vec<NewMessage>,
    /// How the model chooses its words.
    pub sampling: Sampling,
    /// How much the model thinks.
    pub reasoning_effort: Option<ReasoningEffort>,
    /// How many tokens it may think.
    pub reasoning_tokens: Option<i64>,
    /// What it may call.
    pub tools: Vec<ToolSpec>,
    /// Whether it does.
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once.
    pub parallel_tools: Option<bool>,
    /// The shape of the answer.
    pub output_schema: Option<OutputSchema>,
    /// Which beginnings shall be kept for the next call.
    pub prompt_cache: Option<PromptCache>,
    /// Whom the call is for, in a form that others may see.
    pub end_user: Option<String>,
    /// Labels of the call.
    pub provider_metadata: HashMap<String, String>,
    /// What the caller puts over everything else, as a JSON object.
    pub extra_body: Option<String>,
    /// Headers of the caller.
    pub extra_headers: HashMap<String, String>,
}

impl From<model::ChatRequest> for ChatRequest {
    fn from(request: model::ChatRequest) -> Self {
        let model::ChatRequest {
            model,
            system,
            messages,
            sampling,
            reasoning_effort,
            reasoning_tokens,
            tools,
            tool_choice,
            parallel_tools,
            output_schema,
            prompt_cache,
            end_user,
            provider_metadata,
            extra_body,
            extra_headers,
            written: _,
        } = request;
        Self {
            model,
            system,
            messages: messages.into_iter().map(NewMessage::from).collect(),
            sampling: sampling.into(),
            reasoning_effort: reasoning_effort.map(ReasoningEffort::from),
            reasoning_tokens,
            tools: tools.into_iter().map(ToolSpec::from).collect(),
            tool_choice: tool_choice.map(ToolChoice::from),
            parallel_tools,
            output_schema: output_schema.map(OutputSchema::from),
            prompt_cache: prompt_cache.map(PromptCache::from),
            end_user,
            provider_metadata,
            extra_body: extra_body.as_ref().map(json::text),
            extra_headers,
        }
    }
}

impl fmt::Display for ChatRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChatRequest(model={:?}, {} messages, …)", self.model, self.messages.len())
    }
}

/// How a model chooses its words. What is left out is left to the provider.
#[derive(Clone, Debug, Default, PartialEq, uniffi::Record)]
pub struct Sampling {
    /// From 0 (always the likeliest word) to 2.
    #[uniffi(default)]
    pub temperature: Option<f64>,
    /// Only words within this share of likelihood.
    #[uniffi(default)]
    pub top_p: Option<f64>,
    /// The same seed gives, as far as the provider can, the same answer.
    #[uniffi(default)]
    pub seed: Option<i64>,
    /// Where to stop.
    #[uniffi(default)]
    pub stop_sequences: Vec<String>,
    /// At most this many tokens.
    #[uniffi(default)]
    pub max_tokens: Option<i64>,
    /// Against repeating words, -2 to 2.
    #[uniffi(default)]
    pub frequency_penalty: Option<f64>,
    /// For new subjects, -2 to 2.
    #[uniffi(default)]
    pub presence_penalty: Option<f64>,
}

impl From<model::Sampling> for Sampling {
    fn from(sampling: model::Sampling) -> Self {
        let model::Sampling {
            temperature,
            top_p,
            seed,
            stop_sequences,
            max_tokens,
            frequency_penalty,
            presence_penalty,
        } = sampling;
        Self { temperature, top_p, seed, stop_sequences, max_tokens, frequency_penalty, presence_penalty }
    }
}

impl From<model::NewMessage> for NewMessage {
    fn from(message: model::NewMessage) -> Self {
        let model::NewMessage { role, parts, metadata } = message;
        Self { role: role.into(), parts: part::all(parts), metadata }
    }
}

impl From<model::ToolSpec> for ToolSpec {
    fn from(spec: model::ToolSpec) -> Self {
        let model::ToolSpec { name, description, parameters, strict, text_format, provider } = spec;
        let text_format = text_format.and_then(|format| json::written(&format).ok());
        Self { name, description, parameters: json::text(&parameters), strict, text_format, provider }
    }
}

impl From<model::ToolChoice> for ToolChoice {
    fn from(choice: model::ToolChoice) -> Self {
        match choice {
            model::ToolChoice::Auto => Self::Auto,
            model::ToolChoice::Never => Self::Never,
            model::ToolChoice::Required => Self::Required,
            model::ToolChoice::Tool { name } => Self::Tool { name },
        }
    }
}

impl From<model::OutputSchema> for OutputSchema {
    fn from(schema: model::OutputSchema) -> Self {
        let model::OutputSchema { name, schema, strict } = schema;
        Self { name, schema: json::text(&schema), strict }
    }
}

impl From<model::PromptCache> for PromptCache {
    fn from(cache: model::PromptCache) -> Self {
        let model::PromptCache { system, messages, one_hour, key } = cache;
        Self { system, messages, one_hour, key }
    }
}
