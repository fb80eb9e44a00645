//! What is handed in: how an engine is opened, and the knobs of one call.

use std::collections::HashMap;
use std::fmt;

use super::context::ContextOptions;
use super::json;
use super::words::{CacheMode, MidStream, Priority, ReasoningEffort};
use crate::base::{Malformed, Secret};
use crate::call::AuthScheme;
use crate::{call, engine, model, policy};

/// How an engine is opened. All but the store may be left out.
///
/// Printing it shows no key.
#[derive(Clone, PartialEq, Eq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct OpenOptions {
    /// Where conversations are kept: a path (SQLite) or `memory:`. Nothing: the platform's folder for application data;
    /// Android has none.
    #[uniffi(default)]
    pub store: Option<String>,
    /// The model that is asked when neither call nor conversation names one, as `provider/model`.
    #[uniffi(default)]
    pub model: Option<String>,
    /// The models to go on to, in this order, when that one is down, busy, out of credit, refuses the key or has too little
    /// room. Unless set, as `settings.fallback.targets` says.
    #[uniffi(default)]
    pub fallback: Option<Vec<String>>,
    /// Keys by provider.
    #[uniffi(default)]
    pub keys: HashMap<String, String>,
    /// Providers of your own.
    #[uniffi(default)]
    pub providers: Vec<ProviderSpec>,
    /// Settings as JSON: a `profile` (`server`, `desktop`, `mobile`) and areas with the fields that differ from it.
    #[uniffi(default)]
    pub settings: Option<String>,
}

impl OpenOptions {
    /// The engine's own builder with all of this.
    pub(super) fn builder(self) -> model::Result<engine::TertuliaBuilder> {
        let mut builder = engine::TertuliaBuilder::default();
        if let Some(store) = self.store {
            builder = builder.store(store);
        }
        if let Some(model) = self.model {
            builder = builder.model(model);
        }
        if let Some(models) = self.fallback {
            builder = builder.fallback(models);
        }
        for (provider, key) in self.keys {
            builder = builder.key(provider, key);
        }
        for spec in self.providers {
            builder = builder.provider(spec.try_into()?);
        }
        if let Some(settings) = self.settings {
            builder = builder.settings(engine::Settings::from_json(&json::value("settings", &settings)?)?);
        }
        Ok(builder)
    }
}

impl fmt::Display for OpenOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |keys: &HashMap<String, String>| keys.keys().map(String::clone).collect::<Vec<_>>().join(", ");
        write!(f, "OpenOptions(store={:?}, model={:?}, keys of [{}])", self.store, self.model, names(&self.keys))
    }
}

/// A provider of your own, as data.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ProviderSpec {
    /// The prefix of its models.
    pub name: String,
    /// Where it is: https, or loopback, or with `allow_http`.
    pub base_url: String,
    /// What it speaks: `openai_chat`, `openai_responses`, `anthropic`, `gemini`, `ollama`.
    #[uniffi(default = "openai_chat")]
    pub dialect: String,
    /// How it wants to see its key: `bearer`, `none`, or the name of a header. Nothing: the way of its dialect.
    #[uniffi(default)]
    pub auth: Option<String>,
    /// The environment variable that holds its key. With one named, a call without a key is refused before it is sent.
    #[uniffi(default)]
    pub key_variable: Option<String>,
    /// Allows plain http to another machine: key and conversation cross the network unencrypted.
    #[uniffi(default)]
    pub allow_http: bool,
    /// What its models can do and cost, as a JSON object by their bare names; `*` stands for all that are not listed.
    #[uniffi(default)]
    pub models: Option<String>,
}

impl TryFrom<ProviderSpec> for call::ProviderSpec {
    type Error = model::Error;

    fn try_from(spec: ProviderSpec) -> model::Result<Self> {
        let ProviderSpec { name, base_url, dialect, auth, key_variable, allow_http, models } = spec;
        let mut spec = match dialect.as_str() {
            "openai_chat" => Self::openai_chat(name, base_url),
            "openai_responses" => Self::openai_responses(name, base_url),
            "anthropic" => Self::anthropic(name, base_url),
            "gemini" => Self::gemini(name, base_url),
            "ollama" => Self::ollama(name, base_url),
            _ => {
                return Err(model::Error::invalid(
                    "bad_provider",
                    "a provider's dialect is one of openai_chat, openai_responses, anthropic, gemini, ollama",
                ));
            }
        };
        if let Some(auth) = auth {
            spec = spec.auth(auth.parse::<AuthScheme>()?);
        }
        if let Some(variable) = key_variable {
            spec = spec.key_variable(variable);
        }
        if allow_http {
            spec = spec.allow_http();
        }
        if let Some(models) = models {
            for (name, info) in self::models(&models)? {
                spec = spec.model(name, info);
            }
        }
        Ok(spec)
    }
}

/// What is known of a provider's models, by their bare names.
pub(super) fn models(json: &str) -> model::Result<HashMap<String, model::ModelInfo>> {
    serde_json::from_value(json::value("models", json)?)
        .map_err(|_| model::Error::invalid("bad_provider", "`models` is an object of models by their names"))
}

/// The knobs of one call. All optional; what is left out is taken from the conversation, then from the engine.
///
/// Printing it shows no key and nothing of what is said.
#[derive(Clone, Default, PartialEq, uniffi::Record)]
#[uniffi::export(Display)]
pub struct CallOptions {
    /// The model as `provider/model`.
    #[uniffi(default)]
    pub model: Option<String>,
    /// The models to go on to, in this order, when it is down, busy, out of credit, refuses the key or has too little room;
    /// an empty list is none. What `settings.fallback.targets` says unless set.
    #[uniffi(default)]
    pub fallback: Option<Vec<String>>,
    /// Instructions, for this call instead of the conversation's.
    #[uniffi(default)]
    pub system: Option<String>,
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
    /// How much the model thinks.
    #[uniffi(default)]
    pub reasoning_effort: Option<ReasoningEffort>,
    /// How many tokens it may think.
    #[uniffi(default)]
    pub reasoning_tokens: Option<i64>,
    /// What it may call.
    #[uniffi(default)]
    pub tools: Vec<ToolSpec>,
    /// Whether it does.
    #[uniffi(default)]
    pub tool_choice: Option<ToolChoice>,
    /// Whether it may call several at once.
    #[uniffi(default)]
    pub parallel_tools: Option<bool>,
    /// The shape of the answer.
    #[uniffi(default)]
    pub output_schema: Option<OutputSchema>,
    /// Which beginnings the provider shall keep for the next call.
    #[uniffi(default)]
    pub prompt_cache: Option<PromptCache>,
    /// For the whole call, in milliseconds; at least 1. 600 s unless set.
    #[uniffi(default)]
    pub timeout_ms: Option<i64>,
    /// What becomes of a reply that breaks off after its first content. What `settings.fallback.mid_stream` says unless
    /// set.
    #[uniffi(default)]
    pub mid_stream: Option<MidStream>,
    /// How urgent it is while others wait for the same model. Interactive unless set.
    #[uniffi(default)]
    pub priority: Option<Priority>,
    /// What is done when the call fails after its message is saved. True: a reply says what became of the message, and
    /// where it can be sent later, that happens by itself. False: the call raises, and `retry` sends it. Unless set, as
    /// `settings.outbox.degrade` says.
    #[uniffi(default)]
    pub degrade: Option<bool>,
    /// Your own id for the message: sending it twice stores and asks once; another body under the same id is `Conflict`.
    #[uniffi(default)]
    pub client_id: Option<String>,
    /// The last message of what is shown, as the caller knows it: if another one is the last when the message is about to be
    /// saved, nothing is stored, and the call fails with `Conflict` (head_moved), which names the one that is. Not looked
    /// at by `ask`.
    #[uniffi(default)]
    pub expected_head: Option<String>,
    /// Kept beside the message, never sent.
    #[uniffi(default)]
    pub metadata: HashMap<String, String>,
    /// A key for this call alone.
    #[uniffi(default)]
    pub key: Option<String>,
    /// Fields that go into the provider's body as they are, over everything else: a JSON object.
    #[uniffi(default)]
    pub extra_body: Option<String>,
    /// Headers that go along. Those that carry keys are refused.
    #[uniffi(default)]
    pub extra_headers: HashMap<String, String>,
    /// What the call does with the cache of replies; nothing: what `settings.cache` says.
    #[uniffi(default)]
    pub cache: Option<CacheMode>,
    /// How much of the conversation the model is shown. What `settings.context` says unless set. Not looked at by `ask`.
    #[uniffi(default)]
    pub context: Option<ContextOptions>,
    /// Let the reply go on when nobody reads it.
    #[uniffi(default)]
    pub detached: bool,
    /// What the call may cost in all of its tries, in billionths of a US dollar.
    #[uniffi(default)]
    pub max_cost_nano_usd: Option<i64>,
}

impl TryFrom<CallOptions> for engine::CallOptions {
    type Error = model::Error;

    fn try_from(options: CallOptions) -> model::Result<Self> {
        let sampling = model::Sampling {
            temperature: options.temperature,
            top_p: options.top_p,
            seed: options.seed,
            stop_sequences: options.stop_sequences,
            max_tokens: options.max_tokens,
            frequency_penalty: options.frequency_penalty,
            presence_penalty: options.presence_penalty,
        };
        Ok(Self {
            model: options.model,
            fallback: options.fallback,
            mid_stream: options.mid_stream.map(policy::MidStream::from),
            system: options.system,
            sampling,
            reasoning_effort: options.reasoning_effort.map(model::ReasoningEffort::from),
            reasoning_tokens: options.reasoning_tokens,
            tools: options.tools.into_iter().map(model::ToolSpec::try_from).collect::<model::Result<_>>()?,
            tool_choice: options.tool_choice.map(model::ToolChoice::from),
            parallel_tools: options.parallel_tools,
            output_schema: options.output_schema.map(model::OutputSchema::try_from).transpose()?,
            prompt_cache: options.prompt_cache.map(model::PromptCache::from),
            timeout_ms: options.timeout_ms,
            priority: options.priority.map(model::Priority::from).unwrap_or_default(),
            degrade: options.degrade,
            client_id: options.client_id,
            expected_head: options
                .expected_head
                .map(|head| head.parse().map_err(|e: Malformed| e.into_error("bad_id")))
                .transpose()?,
            metadata: options.metadata,
            key: options.key.map(Secret::from),
            extra_body: options.extra_body.map(|body| json::value("extra_body", &body)).transpose()?,
            extra_headers: options.extra_headers,
            cache: options.cache.map(policy::CacheMode::from),
            detached: options.detached,
            context: options.context.map(engine::ContextOptions::from).unwrap_or_default(),
            max_cost_nano_usd: options.max_cost_nano_usd,
        })
    }
}

impl fmt::Display for CallOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CallOptions(model={:?}, timeout_ms={:?}, …)", self.model, self.timeout_ms)
    }
}

/// A tool the model may call.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ToolSpec {
    /// Its name: letters, digits, `_` and `-`, at most 64.
    pub name: String,
    /// What it does, for the model to read.
    pub description: String,
    /// The JSON schema of its arguments, an object schema. Of a provider's own tool: its entry in that provider's list.
    pub parameters: String,
    /// True when the provider shall hold the model to the schema.
    #[uniffi(default)]
    pub strict: bool,
    /// Set when the tool takes free text instead of arguments, as JSON: `{"type": "text"}`, or
    /// `{"type": "grammar", "syntax": "lark", "definition": "…"}`. `parameters` then counts for nothing and may be `null`.
    #[uniffi(default)]
    pub text_format: Option<String>,
    /// Set when the tool is this provider's own, as its search of the web. All other providers never hear of it.
    #[uniffi(default)]
    pub provider: Option<String>,
}

impl TryFrom<ToolSpec> for model::ToolSpec {
    type Error = model::Error;

    fn try_from(spec: ToolSpec) -> model::Result<Self> {
        let ToolSpec { name, description, parameters, strict, text_format, provider } = spec;
        let parameters = json::value("parameters", &parameters)?;
        let text_format = text_format.map(|format| json::record("text_format", &format)).transpose()?;
        Ok(Self { name, description, parameters, strict, text_format, provider })
    }
}

/// Whether and which tool the model calls.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum ToolChoice {
    /// The model decides.
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

impl From<ToolChoice> for model::ToolChoice {
    fn from(choice: ToolChoice) -> Self {
        match choice {
            ToolChoice::Auto => Self::Auto,
            ToolChoice::Never => Self::Never,
            ToolChoice::Required => Self::Required,
            ToolChoice::Tool { name } => Self::Tool { name },
        }
    }
}

/// The shape of the answer.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct OutputSchema {
    /// A name for it: letters, digits, `_` and `-`.
    pub name: String,
    /// The JSON schema.
    pub schema: String,
    /// True when the provider shall hold the model to it.
    #[uniffi(default = true)]
    pub strict: bool,
}

impl TryFrom<OutputSchema> for model::OutputSchema {
    type Error = model::Error;

    fn try_from(schema: OutputSchema) -> model::Result<Self> {
        let OutputSchema { name, schema, strict } = schema;
        Ok(Self { name, schema: json::value("schema", &schema)?, strict })
    }
}

/// Which beginnings of the prompt the provider shall keep for the next call.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct PromptCache {
    /// Keep instructions and tools.
    #[uniffi(default)]
    pub system: bool,
    /// Keep everything up to these messages, counted from 0.
    #[uniffi(default)]
    pub messages: Vec<i32>,
    /// For an hour rather than for five minutes.
    #[uniffi(default)]
    pub one_hour: bool,
    /// Calls with the same key share what is kept, where the provider has such keys.
    #[uniffi(default)]
    pub key: Option<String>,
}

impl From<PromptCache> for model::PromptCache {
    fn from(cache: PromptCache) -> Self {
        let PromptCache { system, messages, one_hour, key } = cache;
        Self { system, messages, one_hour, key }
    }
}
