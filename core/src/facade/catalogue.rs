//! The providers and models that an engine knows, what changes while it is open, and its figures.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::cancel::CancelToken;
use super::error::TertuliaError;
use super::json;
use super::tertulia::Tertulia;
use crate::{engine, model};

#[uniffi::export]
impl Tertulia {
    /// Every provider that the engine knows, from memory.
    #[must_use]
    pub fn providers(&self) -> Vec<ProviderInfo> {
        self.engine.providers().into_iter().map(ProviderInfo::from).collect()
    }

    /// Every known model whose `provider/model` fits the pattern: a name, or a beginning with `*` behind it. From memory.
    #[uniffi::method(default(pattern = "*"))]
    #[must_use]
    pub fn models(&self, pattern: String) -> Vec<ModelInfo> {
        self.engine.models(&pattern).into_iter().map(ModelInfo::from).collect()
    }

    /// Reads a catalogue from a JSON file in the layout of the bundled one, at most 16 MiB, for all calls from now on;
    /// calls that are under way end as they began. What it holds is laid over what is known: a provider takes the
    /// place of one of the same name, whole, with all of its models, and so does an alias; everything else stays, and
    /// what the engine was opened with stays on top. A catalogue says where keys and conversations go: load none that you
    /// would not run as a program.
    ///
    /// # Errors
    /// `Invalid` (bad_catalogue, bad_provider, bad_url, …) that says what is wrong; then nothing has changed. `Closed`.
    #[uniffi::method(default(cancel = None))]
    pub async fn load_catalogue(&self, path: String, cancel: Option<Arc<CancelToken>>) -> Result<(), TertuliaError> {
        let engine = self.engine.clone();
        self.ground.run(cancel, async move { engine.load_catalogue(path).await }).await
    }

    /// Changes limits, timeouts, retries, breakers, keys and prices, all of it or nothing: settings that shall be
    /// otherwise, as JSON (`{"retry": {"max_attempts": 3}}`), new keys by provider, and a catalogue as JSON to lay over
    /// what is known. Calls that begin from now on see the new values; those under way end as they began. Who is left alone
    /// stays so, and what was used of a budget stays used; with another key a provider's models begin anew.
    ///
    /// # Errors
    /// `Invalid` (bad_json, bad_settings, cannot_change, unknown_provider, bad_catalogue, …): then nothing has changed.
    /// `Closed`.
    #[uniffi::method(default(settings = None, catalogue = None, cancel = None, keys))]
    pub async fn reconfigure(
        &self,
        settings: Option<String>,
        keys: HashMap<String, String>,
        catalogue: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), TertuliaError> {
        let engine = self.engine.clone();
        let work = async move {
            let mut change = engine::Reconfiguration::new();
            if let Some(settings) = settings {
                let settings = json::value("settings", &settings).and_then(|json| engine.settings().with_json(&json));
                change = change.settings(settings.map_err(|e| e.during("reconfigure"))?);
            }
            for (provider, key) in keys {
                change = change.key(provider, key);
            }
            if let Some(catalogue) = catalogue {
                change = change.catalogue(catalogue);
            }
            engine.reconfigure(change)
        };
        self.ground.run(cancel, work).await
    }

    /// Opens connections to the providers of these models ahead of the first call.
    ///
    /// # Errors
    /// `Invalid` for a model whose provider is not known; `Unavailable` when a provider cannot be reached.
    #[uniffi::method(default(cancel = None))]
    pub async fn warm_up(&self, models: Vec<String>, cancel: Option<Arc<CancelToken>>) -> Result<(), TertuliaError> {
        let engine = self.engine.clone();
        self.ground.run(cancel, async move { engine.warm_up(models).await }).await
    }

    /// The figures of the last while, for each model and in all: in whole seconds up to a minute, in whole minutes up to
    /// an hour. From memory. For whoever runs it, not for a screen, so it is one JSON object: `window_ms`, `total` and
    /// `targets`, with the names that they have in Rust and Python.
    ///
    /// # Errors
    /// `Internal` when they cannot be written.
    #[uniffi::method(default(window_ms = 60_000))]
    #[expect(clippy::result_large_err, reason = "a border has no boxes; the error is written to bytes at once")]
    pub fn stats(&self, window_ms: i64) -> Result<String, TertuliaError> {
        let window = Duration::from_millis(u64::try_from(window_ms).unwrap_or(0));
        json::written(&self.engine.stats(window)).map_err(TertuliaError::from)
    }
}

/// A provider of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
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

impl From<model::ProviderInfo> for ProviderInfo {
    fn from(info: model::ProviderInfo) -> Self {
        let model::ProviderInfo { name, title, base_url, key_variable } = info;
        Self { name, title, base_url, key_variable }
    }
}

/// A model of the catalogue.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
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

impl From<model::ModelInfo> for ModelInfo {
    fn from(info: model::ModelInfo) -> Self {
        let model::ModelInfo { id, context_window, max_output_tokens, price, capabilities } = info;
        let (price, capabilities) = (price.map(Price::from), capabilities.into());
        Self { id, context_window, max_output_tokens, price, capabilities }
    }
}

/// What a model costs, in billionths of a US dollar: 3 US dollars are 3,000,000,000.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Price {
    /// For a million tokens sent in.
    pub input_nano_usd: i64,
    /// For a million tokens written.
    pub output_nano_usd: i64,
    /// For a million tokens from the provider's cache; left out: as sent in.
    pub cache_read_nano_usd: Option<i64>,
    /// The day the price was taken down, as `2026-11-21`.
    pub date: Option<String>,
    /// All of it as JSON: also other prices for sound, pictures and reasoning, for long prompts, and at other times.
    pub whole: String,
}

impl From<model::Price> for Price {
    fn from(price: model::Price) -> Self {
        let whole = json::written(&price).unwrap_or_default();
        // What is not named here stands in the whole of it.
        let model::Price { input_nano_usd, output_nano_usd, cache_read_nano_usd, date, .. } = price;
        Self { input_nano_usd, output_nano_usd, cache_read_nano_usd, date, whole }
    }
}

/// What a model can do. Nothing = not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
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

impl From<model::Capabilities> for Capabilities {
    fn from(can: model::Capabilities) -> Self {
        let model::Capabilities { streaming, tools, output_schema, reasoning, images, audio, files } = can;
        Self { streaming, tools, output_schema, reasoning, images, audio, files }
    }
}
