//! A whole reply: the same blocks as in a stream, each of them begun and ended at once.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::blocks::Fault;
use super::message::Message;
use crate::model::{Error, Result, StreamEvent};
use crate::wire::{Closing, failure};

#[derive(Deserialize)]
struct Whole<'a> {
    id: Option<String>,
    model: Option<String>,
    #[serde(borrow)]
    content: Option<Vec<&'a RawValue>>,
    stop_reason: Option<String>,
    #[serde(borrow)]
    usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

pub(super) fn whole(body: &[u8], provider: &str) -> Result<(Vec<StreamEvent>, Closing)> {
    let reply: Whole<'_> =
        serde_json::from_slice(body).map_err(|_| failure::bad_response("a body that is no message"))?;
    if reply.error.is_some_and(|error| error.get() != "null") {
        return Err(failure::inside_reply(&serde_json::from_slice(body).unwrap_or_default()));
    }
    let content = reply.content.ok_or_else(|| failure::bad_response("a message without content"))?;
    let mut message = Message::new(provider);
    let mut events = Vec::new();
    for (index, block) in content.into_iter().enumerate() {
        let index = i32::try_from(index).map_err(|_| failure::bad_response("a message of too many blocks"))?;
        message.blocks.start(index, block.get(), &mut events).map_err(fault)?;
        message.blocks.stop(index, &mut events);
    }
    message.name(reply.id, reply.model);
    if let Some(usage) = reply.usage {
        message.count(usage.get());
    }
    if let Some(word) = &reply.stop_reason {
        message.stop(word);
    }
    let mut closing = message.closing;
    closing.raw = serde_json::from_slice(body).ok();
    Ok((events, closing))
}

fn fault(fault: Fault) -> Error {
    match fault {
        Fault::Malformed => failure::bad_response("a content block of another shape than its type has"),
        Fault::TooLarge(what, limit) => failure::too_large(what, limit),
    }
}
