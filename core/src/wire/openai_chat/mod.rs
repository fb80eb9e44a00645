//! The chat completions dialect: OpenAI's, and that of everybody who imitates it.
//!
//! ```text
//! encode.rs    ChatRequest ──▶ body, written straight into one buffer
//! content.rs                    … its messages and their parts, in the shapes of shapes.rs
//! chunk.rs     event or whole reply ──▶ borrowed shapes
//! words.rs     event of words alone ──▶ the same, by a shorter way
//! reply.rs     shapes ──▶ StreamEvent …, Closing      (calls.rs, details.rs, usage.rs: what needs putting together)
//! stream.rs    bytes ──▶ frames ──▶ shapes
//! ```
//!
//! One dialect serves some forty providers because it believes none of them: every field may be missing,
//! null, empty, repeated or of another shape. Where a provider wants to be *asked* differently, `Quirks` say
//! so; where it *answers* differently, the decoder finds out by itself.
//! Terminal proof is a finish word on choice 0; `[DONE]` and usage are welcome and not waited for.

mod calls;
mod chunk;
mod content;
mod details;
mod encode;
mod reply;
pub(super) mod shapes;
mod stream;
pub(super) mod usage;
mod words;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use super::frame::FrameLimits;
use super::{Closing, Dialect, StreamDecoder, Target, failure, json, outgoing};
use crate::base::Json;
use crate::model::{ChatRequest, Error, Result, StreamEvent};
use chunk::Chunk;
use reply::{Limits, Reply};
use stream::ChatStream;

/// Chat completions.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenAiChat;

const PATH: &str = "/chat/completions";

impl Dialect for OpenAiChat {
    fn name(&self) -> &'static str {
        "openai_chat"
    }

    fn encode(&self, request: &ChatRequest, target: &Target<'_>) -> Result<http::Request<Bytes>> {
        let body = outgoing::laid_over(encode::body(request, target)?, request.extra_body.as_ref())?;
        let path = target.quirks.chat_path.as_deref().unwrap_or(PATH);
        outgoing::post(target, path, &request.extra_headers, body)
    }

    fn decode(&self, body: &[u8], target: &Target<'_>) -> Result<(Vec<StreamEvent>, Closing)> {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim();
        if !text.starts_with(['{', '[']) {
            return decode_unexpected(text, target);
        }
        let mended;
        let (text, raw) = match serde_json::from_str::<Json>(text) {
            Ok(raw) => (text, raw),
            Err(_) => {
                let nonsense = || failure::bad_response("something that is no whole JSON");
                mended = json::mended(text).ok_or_else(nonsense)?;
                (mended.as_str(), serde_json::from_str(&mended).map_err(|_| nonsense())?)
            }
        };
        if raw.is_array() {
            return Err(failure::inside_reply(&raw));
        }
        let shape = serde_json::from_str::<Chunk<'_>>(text)
            .map_err(|_| failure::bad_response("JSON that is no chat completion"))?;
        let answered = shape.choices.as_ref().is_some_and(|choices| choices.0.is_some());
        let mut reply = self.reply(target);
        let mut events = Vec::new();
        reply.take(shape, text, &mut events)?;
        if !answered {
            return Err(failure::bad_response("a reply without an answer in it"));
        }
        reply.finish(&mut events)?;
        reply.closing.raw = Some(raw);
        Ok((events, reply.closing))
    }

    fn decoder(&self, target: &Target<'_>) -> Box<dyn StreamDecoder> {
        Box::new(ChatStream::new(self.reply(target), FrameLimits::from(target)))
    }

    fn classify(&self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
        failure::of_response(status, headers, body)
    }
}

impl OpenAiChat {
    fn reply(self, target: &Target<'_>) -> Reply {
        Reply::new(target.provider, target.quirks.output_excludes_reasoning, Limits::default())
    }
}

/// A server that streams though it was not asked to is understood; a page or an empty body is not.
fn decode_unexpected(text: &str, target: &Target<'_>) -> Result<(Vec<StreamEvent>, Closing)> {
    if !["data:", "event:", ":"].iter().any(|field| text.starts_with(field)) {
        return Err(failure::bad_response("something that is no JSON"));
    }
    let mut stream = ChatStream::new(OpenAiChat.reply(target), FrameLimits::default());
    let mut events = Vec::new();
    stream.feed(text.as_bytes(), &mut events)?;
    stream.finish(&mut events)?;
    Ok((events, stream.into_closing()))
}
