//! A whole reply: a stream of one chunk.

use super::reply::Reply;
use super::stream::Decoder;
use crate::base::Json;
use crate::model::{Result, StreamEvent};
use crate::wire::frame::FrameLimits;
use crate::wire::{Closing, StreamDecoder as _, failure, json};

pub(super) fn whole(body: &[u8], provider: &str) -> Result<(Vec<StreamEvent>, Closing)> {
    let text = String::from_utf8_lossy(body);
    let text = text.trim_start_matches('\u{feff}').trim();
    let mut events = Vec::new();
    if !text.starts_with('{') {
        if !text.starts_with(['[', ':']) && !["data:", "event:"].iter().any(|field| text.starts_with(field)) {
            return Err(failure::bad_response("something that is no JSON"));
        }
        // It streamed though it was not asked to.
        let limits = FrameLimits { max_event_bytes: body.len().max(FrameLimits::default().max_event_bytes) };
        let mut decoder = Decoder::new(provider, limits);
        decoder.feed(text.as_bytes(), &mut events)?;
        decoder.finish(&mut events)?;
        return Ok((events, decoder.into_closing()));
    }
    let nonsense = || failure::bad_response("something that is no whole JSON");
    let raw: Json = serde_json::from_str(text)
        .or_else(|error| json::mended(text).map_or(Err(error), |mended| serde_json::from_str(&mended)))
        .map_err(|_| nonsense())?;
    let mut reply = Reply::new(provider);
    if !reply.take(text, &mut events)? {
        return Err(failure::bad_response("a reply without an answer in it"));
    }
    reply.finish(&mut events)?;
    let mut closing = reply.closing;
    closing.raw = Some(raw);
    Ok((events, closing))
}
