//! Google's generateContent: the Gemini API, and Vertex AI, which speaks the same.
//!
//! ```text
//! ChatRequest ─ thinking · history (media) · encode ─▶ request::Body ─▶ POST {base_url}/models/{model}:generateContent
//! SSE or a JSON array ─▶ stream ─┐
//!                                ├─▶ chunk ─▶ reply (citations · usage) ─▶ StreamEvent …, Closing
//! JSON ─▶ decode ────────────────┘
//! ```
//!
//! A streamed reply is a row of whole ones, each with the next parts: so a whole reply is a stream of one. Parts that
//! are neither words, thoughts, media nor calls go through as [`Part::Opaque`](crate::model::Part::Opaque) and come
//! back in their place when the conversation goes on with the same provider, and so do the signatures of thoughts,
//! each on the part it came with: newer models refuse a history in which they are missing or moved.
//!
//! Terminal proof is a `finishReason` of the first candidate, or a `blockReason` when there is none, and then a clean
//! end: nothing marks the end of an event stream, and a JSON array must be closed.

mod chunk;
mod citations;
mod decode;
mod encode;
mod history;
mod media;
mod reply;
mod request;
mod stream;
mod thinking;
mod usage;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::frame::FrameLimits;
use super::{Closing, Dialect, StreamDecoder, Target, failure};
use crate::model::{ChatRequest, Error, Result, StreamEvent};

/// generateContent: `gemini` in the catalogue. Requests go to `{base_url}/models/{model}:generateContent`, or to
/// `:streamGenerateContent?alt=sse`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Gemini;

impl Dialect for Gemini {
    fn name(&self) -> &'static str {
        "gemini"
    }

    fn encode(&self, request: &ChatRequest, target: &Target<'_>) -> Result<http::Request<Bytes>> {
        encode::encode(request, target)
    }

    fn decode(&self, body: &[u8], target: &Target<'_>) -> Result<(Vec<StreamEvent>, Closing)> {
        decode::whole(body, target.provider)
    }

    fn decoder(&self, target: &Target<'_>) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::new(target.provider, FrameLimits::from(target)))
    }

    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
        failure::of_response(status, headers, body)
    }
}

/// The names under which opaque parts are kept, where they are not simply a part's own field.
mod names {
    /// A signature: attached to the part it came with, or a part of its own that is empty but for it.
    pub(super) const SIGNATURE: &str = "thought_signature";
    /// What a search found, for showing; never sent back.
    pub(super) const GROUNDING: &str = "groundingMetadata";
}

fn unsupported(detail: &'static str) -> Error {
    Error::invalid("unsupported", detail)
}
