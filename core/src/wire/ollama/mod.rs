//! Ollama's own language: models that run on a machine of yours.
//!
//! ```text
//! encode.rs    ChatRequest ──▶ body for /api/chat      (content.rs: its messages)
//! chunk.rs     line or whole reply, of /api/chat or /api/generate ──▶ shapes
//! reply.rs     shapes ──▶ StreamEvent …, Closing
//! stream.rs    bytes ──▶ lines ──▶ shapes
//! ```
//!
//! The server imitates OpenAI, too; this language is spoken because only here it can be told not to drop the oldest
//! messages in silence when they do not fit (`truncate`, `shift`), and because `options` and `keep_alive` of a local
//! model have no other place. Both go through `extra_body`.
//! Terminal proof is `done: true` with a `done_reason`: without a reason the server's own runner was cut off.

mod chunk;
mod content;
mod encode;
mod reply;
mod stream;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, StatusCode};

use super::frame::FrameLimits;
use super::{Closing, Dialect, StreamDecoder, Target, failure, outgoing};
use crate::model::{ChatRequest, Error, Result, StreamEvent};
use reply::{Limits, Reply};
use stream::LineStream;

/// Ollama's own API.
#[derive(Clone, Copy, Debug, Default)]
pub struct Ollama;

const PATH: &str = "/api/chat";

impl Dialect for Ollama {
    fn name(&self) -> &'static str {
        "ollama"
    }

    fn encode(&self, request: &ChatRequest, target: &Target<'_>) -> Result<http::Request<Bytes>> {
        let body = outgoing::merge(encode::body(request, target)?, request.extra_body.as_ref())?;
        let path = target.quirks.chat_path.as_deref().unwrap_or(PATH);
        let mut sent = outgoing::post(target, path, &request.extra_headers, body)?;
        let own_accept = request.extra_headers.keys().any(|name| name.eq_ignore_ascii_case(ACCEPT.as_str()));
        if target.stream && !own_accept {
            sent.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/x-ndjson"));
        }
        Ok(sent)
    }

    fn decode(&self, body: &[u8], _: &Target<'_>) -> Result<(Vec<StreamEvent>, Closing)> {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim();
        if !text.starts_with('{') {
            return Err(failure::bad_response("something that is no JSON"));
        }
        let mut events = Vec::new();
        let mut reply = Reply::new(Limits::default());
        match chunk::parse(text) {
            Ok((raw, shape)) => {
                reply.take(shape, &raw, &mut events)?;
                reply.finish()?;
                reply.closing.raw = Some(raw);
                Ok((events, reply.closing))
            }
            // The server streams unless it is told not to; a proxy may have lost that.
            Err(_) if text.contains('\n') => {
                let mut stream = LineStream::new(reply, FrameLimits::default());
                stream.feed(text.as_bytes(), &mut events)?;
                stream.finish(&mut events)?;
                Ok((events, stream.into_closing()))
            }
            Err(why) => Err(failure::bad_response(why)),
        }
    }

    fn decoder(&self, target: &Target<'_>) -> Box<dyn StreamDecoder> {
        Box::new(LineStream::new(Reply::new(Limits::default()), FrameLimits::from(target)))
    }

    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
        failure::of_response(status, headers, body)
    }
}
