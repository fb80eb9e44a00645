//! One provider: as an application describes it, and as it stands in the catalogue once it was checked.

use std::collections::BTreeMap;

use http::Uri;
use serde::{Deserialize, Serialize};

use super::address::Address;
use super::auth::AuthScheme;
use super::base_url;
use super::media::MediaLimits;
use super::model_ref::shown;
use crate::model::{Error, ModelInfo, ProviderInfo, Result};
use crate::wire::Quirks;

/// The dialects that the wire floor speaks.
pub(super) const DIALECTS: [&str; 5] = ["anthropic", "gemini", "ollama", "openai_chat", "openai_responses"];

/// What stands in the place of a dialect for code of the application's own.
const OWN: &str = "own";

/// A provider of your own, described. It takes effect, and is checked, where it is handed in.
///
/// ```
/// use tertulia::call::catalog::{Catalogue, ProviderSpec};
///
/// let lab = ProviderSpec::openai_chat("lab", "https://llm.lab.example/v1").key_variable("LAB_KEY");
/// let catalogue = Catalogue::bundled()?.with_provider(lab)?;
/// assert_eq!(catalogue.resolve("lab/anything")?.model, "anything");
/// # Ok::<(), tertulia::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProviderSpec {
    name: String,
    base_url: String,
    title: Option<String>,
    key_variable: Option<String>,
    auth: AuthScheme,
    dialect: String,
    quirks: Quirks,
    media: MediaLimits,
    local: Option<bool>,
    allow_http: bool,
    docs_url: Option<String>,
    models: BTreeMap<String, ModelInfo>,
}

impl Default for ProviderSpec {
    fn default() -> Self {
        Self::new("", "")
    }
}

impl ProviderSpec {
    /// A provider of this name at this address that speaks `openai_chat`, as most do. Its name is the prefix of its
    /// models. Variables of the environment may stand in the address: `https://{AWS_REGION}.lab.example/v1`,
    /// `{LAB_ENDPOINT}/v1`, `{LAB_ACCOUNT:demo}` with a default; never one whose name says that it holds a key.
    #[must_use]
    pub fn new(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            base_url: base_url.into(),
            title: None,
            key_variable: None,
            auth: AuthScheme::Bearer,
            dialect: "openai_chat".to_owned(),
            quirks: Quirks::default(),
            media: MediaLimits::default(),
            local: None,
            allow_http: false,
            docs_url: None,
            models: BTreeMap::new(),
        }
    }

    /// A provider that speaks OpenAI's chat completions: `base_url` is what stands before `/chat/completions`.
    #[must_use]
    pub fn openai_chat(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self::new(name, base_url)
    }

    /// A provider that speaks OpenAI's Responses: `base_url` is what stands before `/responses`.
    #[must_use]
    pub fn openai_responses(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self { dialect: "openai_responses".to_owned(), ..Self::new(name, base_url) }
    }

    /// A provider that speaks Anthropic's messages: `base_url` is what stands before `/messages`.
    #[must_use]
    pub fn anthropic(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        let auth = AuthScheme::Header(http::HeaderName::from_static("x-api-key"));
        Self { auth, dialect: "anthropic".to_owned(), ..Self::new(name, base_url) }
    }

    /// A provider that speaks Ollama's own language: `base_url` is what stands before `/api/chat`, as
    /// `http://127.0.0.1:11434`.
    #[must_use]
    pub fn ollama(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        Self { dialect: "ollama".to_owned(), ..Self::new(name, base_url) }
    }

    /// A provider that speaks Google's generateContent: `base_url` is what stands before `/models/`. Its key goes in the
    /// header of the Gemini API; Vertex AI takes a token: `.auth(AuthScheme::GoogleOauth)`.
    #[must_use]
    pub fn gemini(name: impl Into<String>, base_url: impl Into<String>) -> Self {
        let auth = AuthScheme::Header(http::HeaderName::from_static("x-goog-api-key"));
        Self { auth, dialect: "gemini".to_owned(), ..Self::new(name, base_url) }
    }

    /// The environment variable that holds its key. With one named, a call without a key is refused before it is sent.
    #[must_use]
    pub fn key_variable(mut self, variable: impl Into<String>) -> Self {
        self.key_variable = Some(variable.into());
        self
    }

    /// How it wants to see its key. Bearer unless the dialect has a way of its own.
    #[must_use]
    pub fn auth(mut self, auth: AuthScheme) -> Self {
        self.auth = auth;
        self
    }

    /// Its name for people. Left out: its name.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Where it differs from its dialect.
    #[must_use]
    pub fn quirks(mut self, quirks: Quirks) -> Self {
        self.quirks = quirks;
        self
    }

    /// How much of pictures, sounds and documents it takes. Left out: not limited here.
    #[must_use]
    pub fn media(mut self, limits: MediaLimits) -> Self {
        self.media = limits;
        self
    }

    /// Says whether it runs on a machine of yours that may load a model first, so that the first byte may take longer.
    /// Left out: it does when its address is this machine.
    #[must_use]
    pub fn local(mut self, local: bool) -> Self {
        self.local = Some(local);
        self
    }

    /// Allows plain http to another machine: key and conversation cross the network unencrypted.
    #[must_use]
    pub fn allow_http(mut self) -> Self {
        self.allow_http = true;
        self
    }

    /// What one of its models can do and costs, under the model's bare name; `*` stands for all that are not listed.
    #[must_use]
    pub fn model(mut self, name: impl Into<String>, info: ModelInfo) -> Self {
        self.models.insert(name.into(), info);
        self
    }

    /// The prefix of its models.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn named(self, name: String) -> Self {
        Self { name, ..self }
    }

    /// Dates the prices that have no day of their own.
    pub(super) fn priced_on(mut self, date: Option<&str>) -> Self {
        for price in self.models.values_mut().filter_map(|info| info.price.as_mut()) {
            if price.date.is_none() {
                price.date = date.map(str::to_owned);
            }
        }
        self
    }

    /// Checks the description.
    ///
    /// # Errors
    /// `Invalid` (bad_url, bad_provider) that says what is wrong.
    pub fn check(self) -> Result<ProviderEntry> {
        check_name(&self.name)?;
        if !DIALECTS.contains(&self.dialect.as_str()) {
            return Err(bad(format!(
                "`{}`: no dialect is called `{}`; there are {}",
                self.name,
                shown(&self.dialect),
                DIALECTS.join(", ")
            )));
        }
        if self.key_variable.as_deref().is_some_and(|v| v.is_empty() || v.contains(['=', '\0'])) {
            return Err(bad(format!("`{}`: the key variable is the name of an environment variable", self.name)));
        }
        check_prices(&self.name, &self.models)?;
        let base_url = Address::read(&self.base_url, self.allow_http)?;
        let on_this_machine = base_url.fixed().is_some_and(base_url::is_on_loopback);
        let models = named(&self.name, self.models);
        Ok(ProviderEntry {
            title: self.title.unwrap_or_else(|| self.name.clone()),
            name: self.name,
            base_url,
            key_variable: self.key_variable,
            auth: self.auth,
            dialect: self.dialect,
            quirks: self.quirks,
            media: self.media,
            local: self.local.unwrap_or(on_this_machine),
            docs_url: self.docs_url,
            models,
        })
    }
}

fn bad(problem: String) -> Error {
    Error::invalid("bad_provider", problem)
}

fn check_name(name: &str) -> Result<()> {
    let name_is_sound = matches!(name.len(), 1..=64)
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.'));
    if name_is_sound {
        return Ok(());
    }
    Err(bad(format!("a provider's name is 1 to 64 of a-z, 0-9, `-`, `_` and `.`, as `lab`, not `{}`", shown(name))))
}

/// Refuses prices that cannot be counted with.
fn check_prices(provider: &str, models: &BTreeMap<String, ModelInfo>) -> Result<()> {
    let priced = models.iter().filter_map(|(model, info)| Some((model, info.price.as_ref()?)));
    for (model, price) in priced {
        price.check().map_err(|e| bad(format!("`{provider}/{}`: {}", shown(model), e.detail())))?;
    }
    Ok(())
}

/// The models with their full ids.
fn named(provider: &str, models: BTreeMap<String, ModelInfo>) -> BTreeMap<String, ModelInfo> {
    let full = |(model, info)| {
        let info = ModelInfo { id: format!("{provider}/{model}"), ..info };
        (model, info)
    };
    models.into_iter().map(full).collect()
}

/// A provider of the catalogue: checked, ready to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProviderEntry {
    /// The prefix of its models.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// Where it is, with the path before the dialect's own, perhaps with variables; empty for code of the application's
    /// own.
    pub base_url: Address,
    /// The environment variable that holds its key; nothing when it can do without one.
    pub key_variable: Option<String>,
    /// How it wants to see its key.
    pub auth: AuthScheme,
    /// What it speaks, as `openai_chat`; `own` for code of the application's own.
    pub dialect: String,
    /// Where it differs from its dialect.
    pub quirks: Quirks,
    /// How much of pictures, sounds and documents it takes.
    pub media: MediaLimits,
    /// True when it runs on a machine of the user's, which may load a model first.
    pub local: bool,
    /// Where its documentation is.
    pub docs_url: Option<String>,
    /// Its listed models by their bare names; `*` stands for all others.
    pub models: BTreeMap<String, ModelInfo>,
}

impl ProviderEntry {
    /// The entry of a provider that is code of the application's own. It needs no key, and it may load a model first.
    ///
    /// # Errors
    /// `Invalid` (bad_provider) for a name that cannot be a prefix, and for a price that cannot be counted with.
    pub(crate) fn own(name: &str, models: BTreeMap<String, ModelInfo>) -> Result<Self> {
        check_name(name)?;
        check_prices(name, &models)?;
        Ok(Self {
            name: name.to_owned(),
            title: name.to_owned(),
            base_url: Address::nowhere(),
            key_variable: None,
            auth: AuthScheme::Bearer,
            dialect: OWN.to_owned(),
            quirks: Quirks::default(),
            media: MediaLimits::default(),
            local: true,
            docs_url: None,
            models: named(name, models),
        })
    }

    /// True when it is code of the application's own rather than somebody behind HTTP.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.dialect == OWN
    }

    /// What is known of one of its models, listed or not.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<ModelInfo> {
        let known =
            self.models.get(name).or_else(|| self.models.get(undated(name)?)).or_else(|| self.models.get("*"))?;
        Some(ModelInfo { id: format!("{}/{name}", self.name), ..known.clone() })
    }

    pub(super) fn listed(&self) -> impl Iterator<Item = &ModelInfo> {
        self.models.iter().filter(|(name, _)| *name != "*").map(|(_, info)| info)
    }

    pub(super) fn info(&self) -> ProviderInfo {
        ProviderInfo {
            name: self.name.clone(),
            title: self.title.clone(),
            base_url: self.base_url.to_string(),
            key_variable: self.key_variable.clone(),
        }
    }

    /// Where it is, its variables filled in with what this gives.
    ///
    /// # Errors
    /// `Invalid` (address_missing) that names the variable to set, `Invalid` (bad_url) when one is set to what cannot
    /// stand in its place.
    pub fn address(&self, variable: impl Fn(&str) -> Option<String>) -> Result<Uri> {
        self.base_url.fill(&self.name, variable)
    }
}

/// The name without the day it was frozen: `gpt-5-2025-08-07`, `claude-sonnet-4-5-20250929`.
fn undated(name: &str) -> Option<&str> {
    let fits = |suffix: &str, pattern: &str| {
        suffix.len() == pattern.len()
            && suffix.bytes().zip(pattern.bytes()).all(|(b, p)| if p == b'0' { b.is_ascii_digit() } else { b == p })
    };
    ["-0000-00-00", "-00000000"].into_iter().find_map(|pattern| {
        let at = name.len().checked_sub(pattern.len())?;
        fits(name.get(at..)?, pattern).then(|| &name[..at])
    })
}
