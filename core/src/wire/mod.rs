//! Floor 2: dialects. Sans-IO: values in, bytes out; bytes in, values out.
//!
//! ```text
//! ChatRequest ──encode──▶ http::Request<Bytes>        one body, no key (the call floor adds it)
//! response bytes ──StreamDecoder::feed──▶ StreamEvent …  ──finish──▶ Closing, or Truncated
//! response body  ──Dialect::decode──▶ the same events and Closing
//! error response ──classify──▶ Error
//! ```
//!
//! Vectors of texts have a trait of their own, [`EmbedDialect`]: they come whole and have no events.
//!
//! A whole reply and a streamed one decode to the same events, so that everything above knows one path.
//! Terminal proof is the dialect's finish; `finish` turns its absence into `Truncated`. The other half of
//! the proof, a clean end of HTTP, is the transport's.

pub mod anthropic;
pub mod embeddings;
mod failure;
mod frame;
pub mod gemini;
pub mod hints;
mod json;
pub mod listing;
pub(crate) mod mime;
pub mod ollama;
pub mod openai_chat;
pub mod openai_responses;
mod outgoing;
#[cfg(test)]
mod tests;
pub(crate) mod tools;

pub use anthropic::Anthropic;
pub use embeddings::{EmbedDialect, GeminiEmbeddings, OllamaEmbeddings, OpenAiEmbeddings};
#[cfg(feature = "engine")]
pub(crate) use frame::{SSE_COMMENT, sse_event, sse_retry};
pub use gemini::Gemini;
pub use listing::ModelList;
pub use ollama::Ollama;
pub use openai_chat::OpenAiChat;
pub use openai_responses::OpenAiResponses;
#[cfg(feature = "engine")]
pub(crate) use outgoing::is_refused_header;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Uri};
use serde::{Deserialize, Serialize};

use crate::base::Json;
use crate::model::{ChatRequest, Error, FinishReason, Result, StreamEvent, Usage};

/// What a provider family speaks.
pub trait Dialect: Send + Sync + 'static {
    /// Its name in the catalogue, as `openai_chat`.
    fn name(&self) -> &'static str;

    /// The request that asks this of that target. Carries no key.
    ///
    /// # Errors
    /// `Invalid` (unsupported, bad_url, …) when the dialect cannot say it; nothing is dropped in silence but
    /// what belongs to another provider.
    fn encode(&self, request: &ChatRequest, target: &Target<'_>) -> Result<http::Request<Bytes>>;

    /// Reads a whole reply with a 2xx status.
    ///
    /// # Errors
    /// What the body says went wrong, or `Unavailable` (bad_response) when it makes no sense.
    fn decode(&self, body: &[u8], target: &Target<'_>) -> Result<(Vec<StreamEvent>, Closing)>;

    /// A decoder for one streamed reply.
    fn decoder(&self, target: &Target<'_>) -> Box<dyn StreamDecoder>;

    /// Reads a reply with an error status. `body` may be cut off.
    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error;
}

/// Reads one streamed reply as its bytes come in.
pub trait StreamDecoder: Send {
    /// Takes in bytes, however they are cut, and adds the events they complete. Words may go on in the last event that is
    /// there.
    ///
    /// # Errors
    /// What the stream says went wrong, classified as if nothing had come before it, `Truncated` (malformed)
    /// when it makes no sense, `Unavailable` (event_too_large) or `OutputInvalid` (too_large) when a bound is
    /// passed. After an error the decoder takes no more. The floor above, which knows whether content was
    /// delivered, turns the error of the stream into `Truncated` (provider_error) when it was.
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<()>;

    /// The stream has ended cleanly. Adds the last events.
    ///
    /// # Errors
    /// `Truncated` (cut) without terminal proof.
    fn finish(&mut self, events: &mut Vec<StreamEvent>) -> Result<()>;

    /// True once the dialect's own finish was seen; what follows adds at most usage.
    fn is_complete(&self) -> bool;

    /// What is known of the reply so far besides its parts.
    fn closing(&self) -> &Closing;

    /// The same as its own, when the reply is whole and nobody asks again.
    fn take_closing(&mut self) -> Closing {
        self.closing().clone()
    }

    /// What was met on the way.
    fn counts(&self) -> Counts;
}

/// What is known of a reply besides its parts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Closing {
    /// The provider's id of the reply.
    pub id: Option<String>,
    /// The model that answered, as the provider names it.
    pub model: Option<String>,
    /// Why the model stopped.
    pub finish_reason: Option<FinishReason>,
    /// The provider's own word for it.
    pub finish_reason_raw: Option<String>,
    /// What it took, or nothing when the provider did not say.
    pub usage: Option<Usage>,
    /// The cost that the provider itself named, in nano-USD.
    pub cost_nano_usd: Option<i64>,
    /// The provider's own object; whole replies only.
    pub raw: Option<Json>,
}

/// What a decoder met on its way, for conformance and for logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events of the framing, `[DONE]` included; lines for NDJSON.
    pub frames: u64,
    /// Those among them that were JSON.
    pub json_frames: u64,
    /// Comments (`:` lines).
    pub comments: u64,
    /// Pings of the dialect.
    pub pings: u64,
    /// Lines that belong to no field.
    pub stray_lines: u64,
    /// The last event came without its blank line.
    pub unterminated_last_event: bool,
    /// `[DONE]` was seen.
    pub done_sentinel: bool,
}

/// Whom a request is for.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The provider's name: what opaque parts must carry to be replayed to it.
    pub provider: &'a str,
    /// Where it is, with the path before the dialect's own (`https://api.openai.com/v1`).
    pub base_url: &'a Uri,
    /// Where this provider differs from the dialect.
    pub quirks: &'a Quirks,
    /// True when the reply shall come piece by piece.
    pub stream: bool,
    /// How many tokens the model writes at most, when known; for dialects that must name a limit.
    pub max_output_tokens: Option<i64>,
    /// The longest event of a stream, in bytes.
    pub max_event_bytes: usize,
}

/// Where a provider differs from its dialect. Data of the catalogue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Quirks {
    /// Token limits go by `max_completion_tokens` (OpenAI) rather than by `max_tokens`.
    pub max_completion_tokens: bool,
    /// `stream_options` is refused.
    pub no_stream_options: bool,
    /// Output tokens leave the reasoning tokens out (xAI).
    pub output_excludes_reasoning: bool,
    /// `seed` goes by another name (Mistral: `random_seed`).
    pub seed_field: Option<String>,
    /// The `developer` role stands for `system`.
    pub developer_role: bool,
    /// Tools of free text are known (OpenAI's `custom`); elsewhere a function of one text is told in their place.
    pub custom_tools: bool,
    /// JSON schemas are not known; ask for a JSON object instead.
    pub json_object_only: bool,
    /// `reasoning` object with effort and token budget (OpenRouter) rather than `reasoning_effort`.
    pub reasoning_object: bool,
    /// Reasoning goes back to the provider with the messages, in this field (DeepSeek tools: `reasoning_content`).
    pub replay_reasoning_field: Option<String>,
    /// The path that chat requests go to, where it is not the dialect's own.
    pub chat_path: Option<String>,
    /// The model stands in the path (`/models/{model}:rawPredict`) and the version of the API in the body, as Vertex AI
    /// has it for Anthropic's Messages.
    pub raw_predict: bool,
    /// Query that every request carries, as `api-version=2024-10-21`.
    pub query: Option<String>,
}
