//! What a provider and a model can do.

use serde::{Deserialize, Serialize};

use super::price::Price;

/// What a model can do. Nothing = not known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Capabilities {
    /// Answers piece by piece.
    pub streaming: Option<bool>,
    /// Calls tools.
    pub tools: Option<bool>,
    /// Answers in a given JSON schema.
    pub output_schema: Option<bool>,
    /// Thinks before it answers.
    pub reasoning: Option<bool>,
    /// Sees pictures.
    pub images: Option<bool>,
    /// Hears sounds.
    pub audio: Option<bool>,
    /// Reads documents.
    pub files: Option<bool>,
}

/// A model of the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ModelInfo {
    /// The model as `provider/model`.
    pub id: String,
    /// How many tokens fit in all.
    pub context_window: Option<i64>,
    /// How many tokens it writes at most.
    pub max_output_tokens: Option<i64>,
    /// What it costs.
    pub price: Option<Price>,
    /// What it can do.
    pub capabilities: Capabilities,
}

/// A provider of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProviderInfo {
    /// The prefix of its models.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// Where it is.
    pub base_url: String,
    /// The environment variable that holds its key; nothing when it needs none.
    pub key_variable: Option<String>,
}
