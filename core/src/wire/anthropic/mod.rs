//! The Messages API of Anthropic and of those who copy it.
//!
//! ```text
//! ChatRequest ─ thinking · history (media) · encode ─▶ request::Body ─▶ POST {base_url}/messages
//! SSE ─▶ stream ─┐
//!                ├─▶ message (blocks · usage) ─▶ StreamEvent …, Closing
//! JSON ─▶ decode ┘
//! ```
//!
//! A reply is a list of content blocks, and `part_index` is a block's place in it. Blocks that are neither text,
//! thoughts nor calls go through as [`Part::Opaque`](crate::model::Part::Opaque) and come back in their place
//! when the conversation goes on with the same provider: signatures, redacted thoughts and the items of the
//! provider's own tools would otherwise be refused or forgotten. Of what another provider left only words, media,
//! calls and their answers are sent.

mod blocks;
mod decode;
mod encode;
mod history;
mod media;
mod message;
mod request;
mod stream;
mod thinking;
mod usage;

#[cfg(test)]
mod tests;

use bytes::Bytes;
pub(super) use encode::VERSION;
use http::{HeaderMap, StatusCode};

use super::{Closing, Dialect, StreamDecoder, Target, failure};
use crate::model::{ChatRequest, Error, Result, StreamEvent};

/// The Messages API: `anthropic` in the catalogue. Requests go to `{base_url}/messages`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Anthropic;

impl Dialect for Anthropic {
    fn name(&self) -> &'static str {
        "anthropic"
    }

    fn encode(&self, request: &ChatRequest, target: &Target<'_>) -> Result<http::Request<Bytes>> {
        encode::encode(request, target)
    }

    fn decode(&self, body: &[u8], target: &Target<'_>) -> Result<(Vec<StreamEvent>, Closing)> {
        decode::whole(body, target.provider)
    }

    fn decoder(&self, target: &Target<'_>) -> Box<dyn StreamDecoder> {
        Box::new(stream::Decoder::new(target))
    }

    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
        failure::of_response(status, headers, body)
    }
}

/// The names under which opaque parts are kept, where they are not simply a block's type.
mod names {
    pub(super) const CITATIONS: &str = "citations";
    pub(super) const SIGNATURE: &str = "signature";
    pub(super) const THINKING: &str = "thinking";
    pub(super) const TOOL_USE: &str = "tool_use";
}

fn unsupported(detail: &'static str) -> Error {
    Error::invalid("unsupported", detail)
}
