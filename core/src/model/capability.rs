//! What a provider and a model can do, and what they cost.

use serde::{Deserialize, Serialize};

use super::usage::{Cost, CostSource, Usage, UsageSource};

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

/// What a million tokens cost in nano-USD: 3 US dollars are 3,000,000,000.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Price {
    /// For a million tokens sent in.
    pub input_nano_usd: i64,
    /// For a million tokens written.
    pub output_nano_usd: i64,
    /// For a million tokens from the provider's cache; left out: as sent in.
    pub cache_read_nano_usd: Option<i64>,
    /// For a million tokens written to the provider's cache; left out: as sent in.
    pub cache_creation_nano_usd: Option<i64>,
    /// The day the price was taken down, as `2026-11-21`.
    pub date: Option<String>,
}

impl Price {
    /// What these tokens cost at this price, rounded up to a whole nano-USD.
    #[must_use]
    pub fn cost(&self, usage: &Usage) -> Cost {
        let million = 1_000_000_i128;
        let per = |tokens: i64, price: i64| i128::from(tokens.max(0)) * i128::from(price);
        let plain = usage.input_tokens - usage.cache_read_input_tokens - usage.cache_creation_input_tokens;
        let sum = per(plain, self.input_nano_usd)
            + per(usage.cache_read_input_tokens, self.cache_read_nano_usd.unwrap_or(self.input_nano_usd))
            + per(usage.cache_creation_input_tokens, self.cache_creation_nano_usd.unwrap_or(self.input_nano_usd))
            + per(usage.output_tokens, self.output_nano_usd);
        let source = match usage.source {
            UsageSource::Reported => CostSource::Catalogue,
            UsageSource::Estimated => CostSource::Estimated,
            UsageSource::Unknown => return Cost::default(),
        };
        let nano_usd = i64::try_from((sum + million - 1) / million).unwrap_or(i64::MAX);
        Cost { nano_usd: Some(nano_usd), source, price_date: self.date.clone() }
    }
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
