//! The most that one try of a call can take and cost, known before it is sent.
//!
//! A budget that cannot be overshot needs a bound, not an estimate:
//!
//! ```text
//! words, tools, schema   a token is at least one byte, so their bytes, and something for the frame of every message
//! pictures, sound, files by table (`media.rs`): what they come to is known to the provider alone
//! what a provider reads by itself (its own tools, a conversation that it keeps)   the model's window
//! the answer             `max_tokens`, else the model's limit, else a usual one that is then sent as `max_tokens`
//! ```

mod media;
#[cfg(test)]
mod tests;

use crate::base::{Json, Timestamp};
use crate::model::{ChatRequest, ModelInfo, NewMessage, OutputSchema, Part, Price, ReasoningEffort, ToolSpec, Usage};

/// For the frame that every dialect puts around a request.
const REQUEST_TOKENS: i64 = 256;
/// For the frame around a message.
const MESSAGE_TOKENS: i64 = 32;
/// For what providers tell a model about tools before the first of them.
const TOOLS_TOKENS: i64 = 2_048;
/// For the frame around a tool.
const TOOL_TOKENS: i64 = 128;
/// The window that is taken for a model's when it is not known.
const USUAL_WINDOW: i64 = 200_000;
/// What a model writes at most when its limit is not known: older ones take no more for `max_tokens`.
const USUAL_ANSWER: i64 = 4_096;
/// The same for a model that thinks first: all of these take as much.
const USUAL_THINKING_ANSWER: i64 = 32_768;
/// An answer that may not have this many tokens is not worth asking for.
const LEAST_ANSWER: i64 = 256;
/// The same where the model thinks first: thoughts take a thousand tokens at least.
const LEAST_THINKING_ANSWER: i64 = 2_048;
/// So many searches of the web are expected at most of a provider's own tool that names no number.
const SEARCHES: i64 = 16;

/// Fields of a body by which a provider reads what is not in the request.
const UNSEEN: &[&str] = &[
    "cachedContent",
    "container",
    "conversation",
    "mcp_servers",
    "plugins",
    "previous_response_id",
    "prompt",
    "tools",
    "web_search_options",
];
/// Fields of a body that limit the answer, in the words of the dialects.
const LIMITS: &[&str] = &["max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens", "num_predict"];
/// Fields of a body that ask for several answers.
const ANSWERS: &[&str] = &["n", "best_of", "candidateCount"];

/// The most that one try of a call can take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Tokens that are sent in.
    pub input_tokens: i64,
    /// Tokens that are written, in all answers together.
    pub output_tokens: i64,
    /// Must be sent as `max_tokens`, or the bound does not hold; nothing = it holds as the request is.
    pub max_tokens: Option<i64>,
    answers: i64,
    searches: i64,
    least_answer: i64,
    /// False when the request says for itself how long the answer may be.
    may_limit: bool,
    /// True when the model may have written tokens that nobody was shown.
    may_think: bool,
}

/// What is left of whatever bounds a call. Nothing = as much as it likes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Room {
    /// Nano-USD.
    pub nano_usd: Option<i64>,
    /// Tokens, sent in and written.
    pub tokens: Option<i64>,
}

impl Bound {
    /// The bound of this request to a model of this provider.
    #[must_use]
    pub fn of(request: &ChatRequest, provider: &str, info: Option<&ModelInfo>) -> Self {
        let window = info.and_then(|info| info.context_window).unwrap_or(USUAL_WINDOW).max(1);
        let extra = request.extra_body.as_ref();
        let mut input = Input { model: &request.model, text: REQUEST_TOKENS, media: 0 };
        input.request(request);
        let own_tools = request.tools.iter().filter(|tool| tool.provider.as_deref() == Some(provider)).count();
        let reads_unseen =
            own_tools > 0 || extra.is_some_and(|body| UNSEEN.iter().any(|name| body.get(name).is_some()));
        let unseen = if reads_unseen { window } else { 0 };
        let input_tokens = input.text.saturating_add(input.media.min(window)).saturating_add(unseen);

        let thinks = request.reasoning_tokens.unwrap_or(0) > 0
            || request.reasoning_effort.is_some_and(|effort| effort != ReasoningEffort::Off);
        let can_think = info.and_then(|info| info.capabilities.reasoning) == Some(true);
        let thoughts = request.reasoning_tokens.unwrap_or(0).max(0);
        let usual = if can_think || thinks { USUAL_THINKING_ANSWER } else { USUAL_ANSWER };
        let in_body = extra.and_then(|body| largest(body, LIMITS));
        let known = info.and_then(|info| info.max_output_tokens).filter(|limit| *limit > 0);
        let (answer, max_tokens) = match (in_body, request.sampling.max_tokens, known) {
            (Some(limit), ..) | (None, Some(limit), _) => (limit.max(1), None),
            (None, None, Some(limit)) => (limit, None),
            (None, None, None) => {
                let usual = usual.saturating_add(thoughts);
                (usual, Some(usual))
            }
        };
        let answers = extra.and_then(|body| largest(body, ANSWERS)).unwrap_or(1).clamp(1, 1_024);
        let least = if thinks { LEAST_THINKING_ANSWER } else { LEAST_ANSWER };
        Self {
            input_tokens,
            output_tokens: answer.saturating_mul(answers),
            max_tokens,
            answers,
            searches: if reads_unseen { searches(request) } else { 0 },
            least_answer: least.saturating_add(thoughts),
            may_limit: in_body.is_none() && request.sampling.max_tokens.is_none(),
            may_think: thinks || (can_think && request.reasoning_effort != Some(ReasoningEffort::Off)),
        }
    }

    /// Tokens in all.
    #[must_use]
    pub const fn tokens(&self) -> i64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// What it costs at most at this moment.
    #[must_use]
    pub fn nano_usd(&self, price: &Price, at: Timestamp) -> i64 {
        price.most(self.input_tokens, self.output_tokens, self.searches, at)
    }

    /// The same request with an answer as long as there is room for, or nothing when there is no room for one that is
    /// worth asking for, or the request says for itself how long the answer may be. Without a price, money is not looked
    /// at.
    #[must_use]
    pub fn within(&self, room: Room, price: Option<&Price>, at: Timestamp) -> Option<Self> {
        let fits = |bound: &Self| {
            let money = room.nano_usd.zip(price).is_none_or(|(left, price)| bound.nano_usd(price, at) <= left);
            money && room.tokens.is_none_or(|left| bound.tokens() <= left)
        };
        if fits(self) {
            return Some(*self);
        }
        let of = |answer: i64| Self {
            output_tokens: answer.saturating_mul(self.answers),
            max_tokens: Some(answer),
            ..*self
        };
        if !self.may_limit || !fits(&of(self.least_answer)) {
            return None;
        }
        // The longest answer that fits lies between one that does and one that does not.
        let (mut fitting, mut longer) = (self.least_answer, self.output_tokens / self.answers.max(1));
        while longer - fitting > 1 {
            let middle = fitting + (longer - fitting) / 2;
            if fits(&of(middle)) {
                fitting = middle;
            } else {
                longer = middle;
            }
        }
        Some(of(fitting))
    }

    /// The most that a reply took that broke off, from what was heard of it: `reported` is what the provider had said
    /// by then, `written` the bytes that had come. Never more than the bound itself, and no less when the model may have
    /// thought unheard.
    #[must_use]
    pub fn heard(&self, reported: Option<&Usage>, written: usize) -> Self {
        let counts_thoughts = reported.is_some_and(|usage| usage.output_tokens > 0);
        if self.may_think && !counts_thoughts {
            let input_tokens = reported.map_or(0, |usage| usage.input_tokens);
            return Self { input_tokens: if input_tokens > 0 { input_tokens } else { self.input_tokens }, ..*self };
        }
        let written = i64::try_from(written).unwrap_or(i64::MAX);
        let said = |count: fn(&Usage) -> i64| reported.map(count).filter(|count| *count > 0);
        Self {
            input_tokens: said(|usage| usage.input_tokens).unwrap_or(self.input_tokens),
            output_tokens: said(|usage| usage.output_tokens).unwrap_or(0).max(written).min(self.output_tokens),
            ..*self
        }
    }
}

/// Adds up what is sent in.
struct Input<'a> {
    model: &'a str,
    text: i64,
    media: i64,
}

impl Input<'_> {
    /// Every field is named, so that a new one cannot be forgotten here.
    fn request(&mut self, request: &ChatRequest) {
        let ChatRequest {
            model: _,
            system,
            messages,
            sampling: _,
            reasoning_effort: _,
            reasoning_tokens: _,
            tools,
            tool_choice: _,
            parallel_tools: _,
            output_schema,
            prompt_cache: _,
            end_user: _,
            provider_metadata: _,
            extra_body,
            extra_headers: _,
            written: _,
        } = request;
        self.words(system.as_deref().unwrap_or_default());
        for NewMessage { role: _, parts, metadata: _ } in messages {
            self.text = self.text.saturating_add(MESSAGE_TOKENS);
            parts.iter().for_each(|part| self.part(part));
        }
        if !tools.is_empty() {
            self.text = self.text.saturating_add(TOOLS_TOKENS);
        }
        for ToolSpec { name, description, parameters, strict: _, text_format, provider: _ } in tools {
            self.text = self.text.saturating_add(TOOL_TOKENS);
            self.words(name);
            self.words(description);
            self.json(parameters);
            if let Some(format) = text_format {
                self.json(&serde_json::to_value(format).unwrap_or_default());
            }
        }
        if let Some(OutputSchema { name, schema, strict: _ }) = output_schema {
            // Some dialects know no schema: it is told in words, and the answer is a tool's then.
            self.text = self.text.saturating_add(TOOLS_TOKENS);
            self.words(name);
            self.json(schema);
        }
        if let Some(extra) = extra_body {
            self.json(extra);
        }
    }

    fn part(&mut self, part: &Part) {
        self.text = self.text.saturating_add(MESSAGE_TOKENS);
        match part {
            Part::Text { text, citations: _ } | Part::Reasoning { text } | Part::Refusal { text } => self.words(text),
            Part::Image { media } => self.media = self.media.saturating_add(media::image(self.model, media)),
            Part::Audio { media } => self.media = self.media.saturating_add(media::audio(media)),
            Part::File { media } => self.media = self.media.saturating_add(media::file(self.model, media)),
            Part::ToolCall { call } => {
                self.words(&call.id);
                self.words(&call.name);
                self.json(&call.arguments);
            }
            Part::ToolResult { result } => {
                self.words(&result.call_id);
                self.json(&result.output);
                for media in &result.media {
                    self.media = self.media.saturating_add(media::file(self.model, media));
                }
            }
            Part::Opaque { data, .. } => self.json(data),
        }
    }

    fn words(&mut self, words: &str) {
        self.text = self.text.saturating_add(i64::try_from(words.len()).unwrap_or(i64::MAX));
    }

    fn json(&mut self, json: &Json) {
        if !json.is_null() {
            self.words(&json.to_string());
        }
    }
}

/// How often a provider's own tools may search.
fn searches(request: &ChatRequest) -> i64 {
    let of_tool = |tool: &ToolSpec| match tool.provider {
        Some(_) => tool.parameters.get("max_uses").and_then(Json::as_i64).unwrap_or(SEARCHES),
        None => 0,
    };
    request.tools.iter().map(of_tool).sum::<i64>().max(SEARCHES)
}

/// The largest whole number that stands under one of these names, however deep.
fn largest(json: &Json, names: &[&str]) -> Option<i64> {
    match json {
        Json::Object(fields) => fields
            .iter()
            .filter_map(|(name, value)| match value.as_i64() {
                Some(number) => names.contains(&name.as_str()).then_some(number),
                None => largest(value, names),
            })
            .max(),
        Json::Array(items) => items.iter().filter_map(|item| largest(item, names)).max(),
        _ => None,
    }
}
