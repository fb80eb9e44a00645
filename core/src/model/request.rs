//! What is asked of a model, in no provider's words.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::message::NewMessage;
use super::tool::{ToolChoice, ToolSpec};
use super::written::Written;
use crate::base::Json;

/// One call of a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChatRequest {
    /// The model as the provider names it.
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
    /// Which beginnings the provider shall keep for the next call.
    pub prompt_cache: Option<PromptCache>,
    /// Whom the call is for, in a form the provider may see.
    pub end_user: Option<String>,
    /// Labels that the provider keeps beside the call.
    pub provider_metadata: HashMap<String, String>,
    /// Fields that go into the body as they are, over everything else.
    pub extra_body: Option<Json>,
    /// Headers that go along. Those that carry keys are refused.
    pub extra_headers: HashMap<String, String>,
    /// What the dialect has written of the messages before; nothing unless the engine lends it.
    #[serde(skip)]
    pub written: Written,
}

/// How the model chooses its words. What is left out is left to the provider.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// From 0 (always the likeliest word) to 2.
    pub temperature: Option<f64>,
    /// Only words within this share of likelihood.
    pub top_p: Option<f64>,
    /// The same seed gives, as far as the provider can, the same answer.
    pub seed: Option<i64>,
    /// Where to stop.
    pub stop_sequences: Vec<String>,
    /// At most this many tokens.
    pub max_tokens: Option<i64>,
    /// Against repeating words, -2 to 2.
    pub frequency_penalty: Option<f64>,
    /// For new subjects, -2 to 2.
    pub presence_penalty: Option<f64>,
}

/// How much the model thinks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ReasoningEffort {
    /// Not at all, where the model allows it.
    Off,
    /// As little as possible.
    Minimal,
    /// Little.
    Low,
    /// Some.
    Medium,
    /// Much.
    High,
}

/// The shape of the answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OutputSchema {
    /// A name for it: letters, digits, `_` and `-`.
    pub name: String,
    /// The JSON schema.
    pub schema: Json,
    /// True when the provider shall hold the model to it.
    pub strict: bool,
}

/// Which beginnings of the prompt the provider shall keep for the next call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PromptCache {
    /// Keep instructions and tools.
    pub system: bool,
    /// Keep everything up to these messages, counted from 0.
    pub messages: Vec<i32>,
    /// For an hour rather than for five minutes.
    pub one_hour: bool,
    /// Calls with the same key share what is kept, where the provider has such keys.
    pub key: Option<String>,
}
