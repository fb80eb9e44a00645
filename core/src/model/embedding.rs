//! Texts as vectors: what is asked and what comes back.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::usage::Usage;
use crate::base::Json;

/// Asks for the vectors of some texts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EmbedRequest {
    /// The model as the provider names it.
    pub model: String,
    /// The texts, at least one.
    pub inputs: Vec<String>,
    /// How many numbers each vector shall have, from 1. Left out: as many as the model makes.
    pub dimensions: Option<i32>,
    /// Fields that go into the body as they are, over everything else. Gemini: into each text's own request, as
    /// `{"taskType": "RETRIEVAL_QUERY"}`.
    pub extra_body: Option<Json>,
    /// Headers that go along. Those that carry keys are refused.
    pub extra_headers: HashMap<String, String>,
}

impl EmbedRequest {
    /// Asks this model for the vectors of these texts.
    #[must_use]
    pub fn new(model: impl Into<String>, inputs: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { model: model.into(), inputs: inputs.into_iter().map(Into::into).collect(), ..Self::default() }
    }
}

/// The vectors of some texts: one for each, in the order of the texts, all of one length, every number finite.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Embeddings {
    /// The vectors.
    pub vectors: Vec<Vec<f32>>,
    /// The model that made them, as the provider names it.
    pub model: Option<String>,
    /// What it took, or nothing when the provider did not say.
    pub usage: Option<Usage>,
}

impl Embeddings {
    /// How many numbers each vector has; 0 when there is none.
    #[must_use]
    pub fn dimensions(&self) -> usize {
        self.vectors.first().map_or(0, Vec::len)
    }
}
