//! Who runs which model, where, and for how much: data, not code.
//!
//! ```text
//! "gemini/gemini-2.5-pro" ──resolve──▶ ModelRef google/gemini-2.5-pro ──provider──▶ ProviderEntry (URL, key, dialect)
//!                                                                     ──model─────▶ ModelInfo (window, price, …)
//! ```
//!
//! The bundled catalogue is one JSON file inside the crate, read once when it is first needed; nothing is fetched.
//! A provider of an existing dialect is an entry of that file, or a [`ProviderSpec`] of the application: no code.
//! Rejected: an enum of providers (every new one would be a release of code and a variant in four languages), and
//! fetching prices at run time (a call must not depend on somebody's web page).

mod address;
mod auth;
pub(super) mod base_url;
mod entry;
mod media;
mod model_ref;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::Deserialize;

pub use address::Address;
pub use auth::{AuthScheme, AwsScope};
pub use base_url::Origin;
pub use entry::{ProviderEntry, ProviderSpec};
pub use media::MediaLimits;
pub use model_ref::ModelRef;

use crate::base::nearest;
use crate::model::{Error, ModelInfo, ProviderInfo, Result};

/// The providers and models that are known by name. Cheap to clone; a changed one is another one.
#[derive(Clone, Debug)]
pub struct Catalogue(Arc<Known>);

#[derive(Clone, Debug, Default)]
struct Known {
    providers: BTreeMap<String, Arc<ProviderEntry>>,
    /// `fast` → `openai/gpt-5-mini`; `gemini/*` → `google/*`.
    aliases: BTreeMap<String, String>,
}

/// The file's layout.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: u32,
    /// The day its prices were taken down; a price with a day of its own keeps that.
    #[serde(default)]
    date: Option<String>,
    #[serde(default, rename = "prices_from")]
    _prices_from: String,
    #[serde(default)]
    aliases: BTreeMap<String, String>,
    #[serde(default)]
    providers: BTreeMap<String, ProviderSpec>,
}

const BUNDLED: &str = include_str!("../../../data/catalogue.json");
const VERSION: u32 = 1;

impl Catalogue {
    /// The catalogue inside the crate.
    ///
    /// # Errors
    /// `Internal`: the crate was built with a broken file; its own test rules that out.
    pub fn bundled() -> Result<Self> {
        static READ: OnceLock<Result<Catalogue>> = OnceLock::new();
        READ.get_or_init(|| Self::from_json(BUNDLED)).clone()
    }

    /// A catalogue from JSON in the layout of the bundled file.
    ///
    /// # Errors
    /// `Invalid` (bad_catalogue, bad_url, …) that says where it is wrong.
    pub fn from_json(text: &str) -> Result<Self> {
        Self(Arc::default()).with_json(text)
    }

    /// The same catalogue with what another one says laid over it, from JSON in the layout of the bundled file: a
    /// provider takes the place of one of the same name, whole, with all of its models; an alias takes the place of
    /// one of the same name; everything else stays.
    ///
    /// # Errors
    /// `Invalid` (bad_catalogue, bad_url, …) that says where it is wrong.
    pub fn with_json(&self, text: &str) -> Result<Self> {
        let file: File = serde_json::from_str(text)
            .map_err(|e| Error::invalid("bad_catalogue", format!("the catalogue cannot be read: {e}")))?;
        if file.version != VERSION {
            return Err(Error::invalid(
                "bad_catalogue",
                format!("the catalogue has version {}, this build reads version {VERSION}", file.version),
            ));
        }
        let mut known = (*self.0).clone();
        for (name, spec) in file.providers {
            let spec = spec.named(name.clone()).priced_on(file.date.as_deref());
            known.providers.insert(name, Arc::new(spec.check()?));
        }
        known.add_aliases(file.aliases)?;
        Ok(Self(Arc::new(known)))
    }

    /// The same catalogue with this provider, which takes the place of one of the same name.
    ///
    /// # Errors
    /// `Invalid` (bad_url, bad_provider) that says what is wrong with it.
    pub fn with_provider(&self, spec: ProviderSpec) -> Result<Self> {
        Ok(self.with_entry(spec.check()?))
    }

    /// The same catalogue with this entry, which takes the place of one of the same name.
    #[must_use]
    pub fn with_entry(&self, entry: ProviderEntry) -> Self {
        let mut known = (*self.0).clone();
        known.providers.insert(entry.name.clone(), Arc::new(entry));
        Self(Arc::new(known))
    }

    /// The same catalogue with this provider at another address: its models, prices and quirks stay.
    ///
    /// # Errors
    /// `Invalid` (unknown_provider, bad_url).
    pub fn with_base_url(&self, provider: &str, base_url: &str) -> Result<Self> {
        let entry = self.require_provider(provider)?;
        let mut entry = ProviderEntry::clone(entry);
        entry.base_url = Address::read(base_url, false)?;
        let mut known = (*self.0).clone();
        known.providers.insert(provider.to_owned(), Arc::new(entry));
        Ok(Self(Arc::new(known)))
    }

    /// The same catalogue with another name for a model, as `fast` for `openai/gpt-5-mini`, or for all models of a
    /// provider, as `work/*` for `lab/*`.
    ///
    /// # Errors
    /// `Invalid` (unknown_model, unknown_provider) when there is no such target.
    pub fn with_alias(&self, name: impl Into<String>, model: &str) -> Result<Self> {
        let mut known = (*self.0).clone();
        known.add_alias(name.into(), model)?;
        Ok(Self(Arc::new(known)))
    }

    /// The model that this text means. It need not be listed: providers bring out models faster than any list.
    ///
    /// # Errors
    /// `Invalid` (unknown_model) when it is not `provider/model` and no alias, `Invalid` (unknown_provider) when
    /// nobody of that name is known.
    pub fn resolve(&self, text: &str) -> Result<ModelRef> {
        self.0.resolve(text)
    }

    /// What is known of a provider.
    #[must_use]
    pub fn provider(&self, name: &str) -> Option<&Arc<ProviderEntry>> {
        self.0.providers.get(name)
    }

    /// What is known of a provider that must be known.
    ///
    /// # Errors
    /// `Invalid` (unknown_provider) with the nearest name and all known ones.
    pub fn require_provider(&self, name: &str) -> Result<&Arc<ProviderEntry>> {
        self.provider(name).ok_or_else(|| self.0.unknown_provider(name))
    }

    /// What is known of a model. A dated name (`gpt-5-2025-08-07`) is taken for the undated one unless it is listed
    /// itself.
    #[must_use]
    pub fn model(&self, model: &ModelRef) -> Option<ModelInfo> {
        self.provider(&model.provider)?.model(&model.model)
    }

    /// Every provider, by name.
    #[must_use]
    pub fn providers(&self) -> Vec<ProviderInfo> {
        self.0.providers.values().map(|entry| entry.info()).collect()
    }

    /// The listed models that fit: all (`*`), those that begin alike (`anthropic/*`), or one by its whole name.
    #[must_use]
    pub fn models(&self, pattern: &str) -> Vec<ModelInfo> {
        let pattern = self.0.aliases.get(pattern).map_or(pattern, String::as_str);
        let fits = |id: &str| match pattern.strip_suffix('*') {
            Some(start) => id.starts_with(start),
            None => id == pattern,
        };
        self.0.providers.values().flat_map(|entry| entry.listed()).filter(|model| fits(&model.id)).cloned().collect()
    }
}

/// The environment variable that moves a provider to another address, as `TERTULIA_OPENAI_BASE_URL`.
#[must_use]
pub fn base_url_variable(provider: &str) -> String {
    format!("TERTULIA_{}_BASE_URL", provider.to_uppercase().replace(['-', '.'], "_"))
}

impl Known {
    fn add_alias(&mut self, name: String, model: &str) -> Result<()> {
        let target = match model.strip_suffix("/*") {
            Some(provider) if !self.providers.contains_key(provider) => return Err(self.unknown_provider(provider)),
            Some(_) => model.to_owned(),
            // Resolved now: an alias of an alias costs nothing later and cannot run in a circle.
            None => self.resolve(model)?.to_string(),
        };
        if name.is_empty() || name.ends_with("/*") != model.ends_with("/*") {
            return Err(Error::invalid(
                "bad_alias",
                "an alias is `name` for `provider/model`, or `name/*` for `provider/*`",
            ));
        }
        self.aliases.insert(name, target);
        Ok(())
    }

    /// Adds aliases that may name each other, whatever the order they stand in.
    fn add_aliases(&mut self, aliases: BTreeMap<String, String>) -> Result<()> {
        type Aliases = BTreeMap<String, String>;
        let (of_providers, mut waiting): (Aliases, Aliases) =
            aliases.into_iter().partition(|(name, _)| name.ends_with("/*"));
        for (name, model) in of_providers {
            self.add_alias(name, &model)?;
        }
        while let Some(some) = waiting.keys().next().cloned() {
            let (ready, rest): (Aliases, Aliases) =
                waiting.clone().into_iter().partition(|(_, model)| !waiting.contains_key(model));
            if ready.is_empty() {
                let detail = format!("aliases name each other in a circle, `{}` among them", model_ref::shown(&some));
                return Err(Error::invalid("bad_alias", detail));
            }
            for (name, model) in ready {
                self.add_alias(name, &model)?;
            }
            waiting = rest;
        }
        Ok(())
    }

    fn resolve(&self, text: &str) -> Result<ModelRef> {
        if let Some(target) = self.aliases.get(text) {
            return target.parse();
        }
        let model: ModelRef = text.parse().map_err(|error: Error| match self.provider_of(text) {
            Some(id) => Error::invalid("unknown_model", format!("{}; did you mean `{id}`?", error.detail())),
            None => error,
        })?;
        if self.providers.contains_key(&model.provider) {
            return Ok(model);
        }
        match self.aliases.get(&format!("{}/*", model.provider)).and_then(|target| target.strip_suffix("/*")) {
            Some(provider) => Ok(ModelRef { provider: provider.to_owned(), ..model }),
            None => Err(self.unknown_provider(&model.provider)),
        }
    }

    /// The listed model of this bare name, for "did you mean".
    fn provider_of(&self, name: &str) -> Option<&str> {
        self.providers.values().find_map(|entry| entry.models.get(name)).map(|model| model.id.as_str())
    }

    fn unknown_provider(&self, name: &str) -> Error {
        let prefixes = self.aliases.keys().filter_map(|alias| alias.strip_suffix("/*"));
        let guess = nearest(name, self.providers.keys().map(String::as_str).chain(prefixes));
        let guess = guess.map(|guess| format!(" Did you mean `{guess}`?")).unwrap_or_default();
        let known: Vec<&str> = self.providers.keys().map(String::as_str).collect();
        Error::invalid(
            "unknown_provider",
            format!(
                "no provider is called `{}`.{guess} Known are {}. One of your own is handed over when the engine \
                 is opened, with its name and base URL.",
                model_ref::shown(name),
                known.join(", "),
            ),
        )
    }
}
