//! The one record of knobs, and the setters that every verb shares.

use std::collections::HashMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::window::ContextOptions;
use crate::base::{Json, MessageId, Secret};
use crate::call::CostLimit;
use crate::model::{
    ChatRequest, Error, OutputSchema, Priority, PromptCache, ReasoningEffort, Result, Sampling, ToolChoice, ToolSpec,
    Written,
};
use crate::policy::{CacheMode, MidStream};

/// The knobs of one call. All optional; what is left out is taken from the conversation, then from the engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct CallOptions {
    /// The model as `provider/model`.
    pub model: Option<String>,
    /// The models to go on to, in this order, when it is down, busy, out of credit, refuses the key or has too little
    /// room; an empty list is none. What `settings.fallback.targets` says unless set.
    pub fallback: Option<Vec<String>>,
    /// Instructions, for this call instead of the conversation's.
    pub system: Option<String>,
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
    /// For the whole call, in milliseconds; at least 1. 600 s unless set.
    pub timeout_ms: Option<i64>,
    /// What becomes of a reply that breaks off after its first content. What `settings.fallback.mid_stream` says unless
    /// set.
    pub mid_stream: Option<MidStream>,
    /// How urgent it is while others wait for the same model. Interactive unless set.
    pub priority: Priority,
    /// What is done when the call fails after its message is saved. True: a reply says what became of the message, and
    /// where it can be sent later, that happens by itself. False: the call raises, and `retry` sends it. Unless set, as
    /// `settings.outbox.degrade` says. Nothing is saved by `ask`, which raises always.
    pub degrade: Option<bool>,
    /// Your own id for the message: sending it twice stores and asks once; another body under the same id is `Conflict`.
    #[serde(skip)]
    pub client_id: Option<String>,
    /// The last message of what is shown, as the caller knows it: if another one is the last when the message is about to
    /// be saved, nothing is stored, and the call fails with `Conflict` (head_moved), which names the one that is. Not
    /// looked at by `ask`.
    #[serde(skip)]
    pub expected_head: Option<MessageId>,
    /// Kept beside the message, never sent.
    #[serde(skip)]
    pub metadata: HashMap<String, String>,
    /// A key for this call alone.
    #[serde(skip)]
    pub key: Option<Secret>,
    /// Fields that go into the provider's body as they are, over everything else.
    pub extra_body: Option<Json>,
    /// Headers that go along. Those that carry keys are refused.
    pub extra_headers: HashMap<String, String>,
    /// What the call does with the cache of replies; nothing = what `settings.cache` says.
    pub cache: Option<CacheMode>,
    /// How much of the conversation the model is shown. What `settings.context` says unless set. Not looked at by `ask`.
    pub context: ContextOptions,
    /// Let the reply go on when nobody reads it.
    #[serde(skip)]
    pub detached: bool,
    /// What the call may cost in all of its tries, in billionths of a US dollar, whatever budgets there are. Without
    /// `max_tokens` the answer is made as short as it must be for that.
    pub max_cost_nano_usd: Option<i64>,
}

impl CallOptions {
    /// What limits the cost of a call.
    ///
    /// # Errors
    /// `Invalid` (bad_max_cost) when it is less than nothing, or no number.
    pub(super) fn cost_limit(&self) -> Result<Option<CostLimit>> {
        match self.max_cost_nano_usd {
            Some(nano_usd) if nano_usd < 0 => {
                Err(Error::invalid("bad_max_cost", "what a call may cost is a number of US dollars, and at least 0"))
            }
            limit => Ok(limit.map(CostLimit::new)),
        }
    }

    /// The request that these options make of a model, without messages.
    pub(super) fn request(&self, model: &str) -> ChatRequest {
        ChatRequest {
            model: model.to_owned(),
            system: self.system.clone(),
            messages: Vec::new(),
            sampling: self.sampling.clone(),
            reasoning_effort: self.reasoning_effort,
            reasoning_tokens: self.reasoning_tokens,
            tools: self.tools.clone(),
            tool_choice: self.tool_choice.clone(),
            parallel_tools: self.parallel_tools,
            output_schema: self.output_schema.clone(),
            prompt_cache: self.prompt_cache.clone(),
            end_user: None,
            provider_metadata: HashMap::new(),
            extra_body: self.extra_body.clone(),
            extra_headers: self.extra_headers.clone(),
            written: Written::default(),
        }
    }
}

/// A verb that makes a model speak, before it is awaited: set knobs, then `.await`.
#[must_use = "nothing happens until it is awaited"]
pub struct Verb<S> {
    pub(crate) subject: S,
    pub(crate) options: CallOptions,
}

impl<S> Verb<S> {
    pub(crate) fn new(subject: S) -> Self {
        Self { subject, options: CallOptions::default() }
    }

    /// Takes all knobs from a prepared record.
    pub fn with(mut self, options: CallOptions) -> Self {
        self.options = options;
        self
    }

    /// The model as `provider/model`.
    pub fn model(mut self, model: impl Into<String>) -> Self {
        self.options.model = Some(model.into());
        self
    }

    /// The models to go on to, in this order, when it is down, busy, out of credit, refuses the key or has too little
    /// room; none for an empty list.
    pub fn fallback(mut self, models: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.options.fallback = Some(models.into_iter().map(Into::into).collect());
        self
    }

    /// What becomes of a reply that breaks off after its first content.
    pub fn mid_stream(mut self, mid_stream: MidStream) -> Self {
        self.options.mid_stream = Some(mid_stream);
        self
    }

    /// Instructions, for this call instead of the conversation's.
    pub fn system(mut self, system: impl Into<String>) -> Self {
        self.options.system = Some(system.into());
        self
    }

    /// From 0 (always the likeliest word) to 2.
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.options.sampling.temperature = Some(temperature);
        self
    }

    /// Only words within this share of likelihood.
    pub fn top_p(mut self, top_p: f64) -> Self {
        self.options.sampling.top_p = Some(top_p);
        self
    }

    /// The same seed gives, as far as the provider can, the same answer.
    pub fn seed(mut self, seed: i64) -> Self {
        self.options.sampling.seed = Some(seed);
        self
    }

    /// Where to stop.
    pub fn stop_sequences(mut self, stop: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.options.sampling.stop_sequences = stop.into_iter().map(Into::into).collect();
        self
    }

    /// At most this many tokens.
    pub fn max_tokens(mut self, max_tokens: i64) -> Self {
        self.options.sampling.max_tokens = Some(max_tokens);
        self
    }

    /// Against repeating words, -2 to 2.
    pub fn frequency_penalty(mut self, penalty: f64) -> Self {
        self.options.sampling.frequency_penalty = Some(penalty);
        self
    }

    /// For new subjects, -2 to 2.
    pub fn presence_penalty(mut self, penalty: f64) -> Self {
        self.options.sampling.presence_penalty = Some(penalty);
        self
    }

    /// How much the model thinks.
    pub fn reasoning_effort(mut self, effort: ReasoningEffort) -> Self {
        self.options.reasoning_effort = Some(effort);
        self
    }

    /// How many tokens it may think.
    pub fn reasoning_tokens(mut self, tokens: i64) -> Self {
        self.options.reasoning_tokens = Some(tokens);
        self
    }

    /// What it may call.
    pub fn tools(mut self, tools: impl IntoIterator<Item = ToolSpec>) -> Self {
        self.options.tools = tools.into_iter().collect();
        self
    }

    /// Whether it calls tools.
    pub fn tool_choice(mut self, choice: ToolChoice) -> Self {
        self.options.tool_choice = Some(choice);
        self
    }

    /// Whether it may call several tools at once.
    pub fn parallel_tools(mut self, parallel: bool) -> Self {
        self.options.parallel_tools = Some(parallel);
        self
    }

    /// The shape of the answer.
    pub fn output_schema(mut self, schema: OutputSchema) -> Self {
        self.options.output_schema = Some(schema);
        self
    }

    /// Which beginnings the provider shall keep for the next call.
    pub fn prompt_cache(mut self, cache: PromptCache) -> Self {
        self.options.prompt_cache = Some(cache);
        self
    }

    /// For the whole call; more than nothing. 600 s unless set.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.options.timeout_ms = Some(i64::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX));
        self
    }

    /// How urgent it is while others wait for the same model. Interactive unless set.
    pub fn priority(mut self, priority: Priority) -> Self {
        self.options.priority = priority;
        self
    }

    /// Gives a reply that says what became of the message where the call would raise otherwise, and lets the message be
    /// sent later by itself where that can help.
    pub fn degrade(mut self) -> Self {
        self.options.degrade = Some(true);
        self
    }

    /// Your own id for the message: sending it twice stores and asks once.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.options.client_id = Some(id.into());
        self
    }

    /// Saves the message only if this one is the last of what is shown; otherwise `Conflict` (head_moved).
    pub fn expected_head(mut self, message: MessageId) -> Self {
        self.options.expected_head = Some(message);
        self
    }

    /// Kept beside the message, never sent.
    pub fn metadata(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.metadata.insert(name.into(), value.into());
        self
    }

    /// A key for this call alone.
    pub fn key(mut self, key: impl Into<Secret>) -> Self {
        self.options.key = Some(key.into());
        self
    }

    /// Fields that go into the provider's body as they are, over everything else.
    pub fn extra_body(mut self, body: Json) -> Self {
        self.options.extra_body = Some(body);
        self
    }

    /// A header that goes along. Those that carry keys are refused.
    pub fn extra_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.options.extra_headers.insert(name.into(), value.into());
        self
    }

    /// What the call does with the cache of replies: `CacheMode::Use` switches it on for this call.
    pub fn cache(mut self, mode: CacheMode) -> Self {
        self.options.cache = Some(mode);
        self
    }

    /// How much of the conversation the model is shown, as far as it has room.
    pub fn context(mut self, context: ContextOptions) -> Self {
        self.options.context = context;
        self
    }

    /// What the call may cost in all of its tries, in US dollars, whatever budgets there are.
    pub fn max_cost_usd(self, usd: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "saturates; what is no number is refused")]
        let nano_usd = if usd.is_nan() { -1 } else { (usd * 1e9).round() as i64 };
        self.max_cost_nano_usd(nano_usd)
    }

    /// The same in billionths of a US dollar.
    pub fn max_cost_nano_usd(mut self, nano_usd: i64) -> Self {
        self.options.max_cost_nano_usd = Some(nano_usd);
        self
    }

    /// Let the reply go on when nobody reads it.
    pub fn detached(mut self) -> Self {
        self.options.detached = true;
        self
    }
}
