//! The Responses dialect: OpenAI's newer API, and that of those who imitate it (xAI, Azure, Open Responses, vLLM, …).
//!
//! ```text
//! encode.rs    ChatRequest ──▶ body, written straight into one buffer
//! input.rs                      … its items, in the shapes of items.rs
//! stream.rs    bytes ──▶ frames ──▶ events of the dialect
//! reply.rs     events or a whole reply ──▶ StreamEvent …, Closing      (lanes.rs, annotations.rs, usage.rs)
//! ```
//!
//! A reply is a list of *items* (reasoning, message, call, things of the provider's own), which are announced in
//! order and may be written side by side; `part_index` grows with an item's place and with the place of the piece
//! in it, so that the parts stand in the order of the items whatever order they came in.
//!
//! The provider keeps nothing of the conversation: the whole of it is sent each time, with what the provider must
//! have back (encrypted reasoning, items of its own tools) exactly as it came. The alternative, a
//! `previous_response_id` of a reply stored with the provider, was rejected: a fork, an edit or another provider
//! in between would break it, and the conversation would lie where its owner did not put it.
//!
//! Terminal proof is the event `response.completed`, `.incomplete` or `.failed`. What it says of the output is
//! believed only where nothing was streamed: some servers close with an empty list.

mod annotations;
mod encode;
mod input;
mod items;
mod lanes;
mod reply;
mod stream;
mod usage;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::{Closing, Dialect, StreamDecoder, Target, failure, outgoing};
use crate::model::{ChatRequest, Error, Result, StreamEvent};

/// Responses: `openai_responses` in the catalogue. Requests go to `{base_url}/responses`.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenAiResponses;

const PATH: &str = "/responses";

impl Dialect for OpenAiResponses {
    fn name(&self) -> &'static str {
        "openai_responses"
    }

    fn encode(&self, request: &ChatRequest, target: &Target<'_>) -> Result<http::Request<Bytes>> {
        let body = outgoing::merge(encode::body(request, target)?, request.extra_body.as_ref())?;
        let path = target.quirks.chat_path.as_deref().unwrap_or(PATH);
        outgoing::post(target, path, &request.extra_headers, body)
    }

    fn decode(&self, body: &[u8], target: &Target<'_>) -> Result<(Vec<StreamEvent>, Closing)> {
        stream::whole(body, target)
    }

    fn decoder(&self, target: &Target<'_>) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::new(target))
    }

    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
        failure::of_response(status, headers, body)
    }
}

/// The types of items, as both sides need them.
mod names {
    pub(super) const REASONING: &str = "reasoning";
    pub(super) const CUSTOM_CALL: &str = "custom_tool_call";
    pub(super) const IMAGE_CALL: &str = "image_generation_call";
    /// Not an item: what a message said of its place in the answer, kept beside its words.
    pub(super) const PHASE: &str = "phase";
}
