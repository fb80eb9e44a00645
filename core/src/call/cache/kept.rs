//! A reply on the shelf: what it weighs, and its events when it is taken down.

use std::io::{self, Write};
use std::time::Duration;

use futures::stream;
use serde::Serialize;

use super::super::target::ReplyEvents;
use crate::model::{Cost, CostSource, Part, Reply, StreamEvent, StreamEventKind, Usage, UsageSource};

/// A reply that is kept.
pub(super) struct Kept {
    pub(super) reply: Reply,
    /// The number of the flight that brought it.
    pub(super) asked: u64,
    /// When it came, by `Clock::monotonic`.
    pub(super) came: Duration,
    /// What it takes in memory, about, in bytes.
    pub(super) weight: u32,
}

impl Kept {
    /// Of the reply, what the next caller gets. The provider's own objects are not kept.
    pub(super) fn new(reply: &Reply, asked: u64, came: Duration) -> Self {
        let reply = shared(Reply { raw: None, ..reply.clone() });
        let weight = u32::try_from(bytes_of(&reply).saturating_add(size_of::<Self>())).unwrap_or(u32::MAX);
        Self { reply, asked, came, weight }
    }
}

/// The reply for who did not pay for it: it took nothing and cost nothing.
pub(super) fn shared(mut reply: Reply) -> Reply {
    let (usage, cost) = nothing();
    reply.usage = usage;
    reply.cost = cost;
    reply.from_cache = true;
    reply.attempts = Vec::new();
    reply.latency_ms = 0;
    reply.first_token_ms = Some(0);
    reply
}

/// What is taken and paid by who asks nobody: nothing, and that is known.
pub(super) fn nothing() -> (Usage, Cost) {
    let usage = Usage { source: UsageSource::Reported, ..Usage::default() };
    (usage, Cost { nano_usd: Some(0), source: CostSource::Catalogue, price_date: None })
}

/// The events of a whole reply: each part in one piece, then the reply.
pub(in crate::call) fn replay(reply: Reply) -> ReplyEvents {
    let mut events = Vec::with_capacity(reply.parts.len() + 1);
    for (index, part) in (0..).zip(&reply.parts) {
        let mut say = |kind| events.push(Ok(StreamEvent::unnumbered(index, kind)));
        match part.clone() {
            Part::Text { text, citations } => {
                say(StreamEventKind::Text { delta: text });
                citations.into_iter().for_each(|citation| say(StreamEventKind::Citation { citation }));
            }
            Part::Reasoning { text } => say(StreamEventKind::Reasoning { delta: text }),
            Part::Refusal { text } => say(StreamEventKind::Refusal { delta: text }),
            Part::ToolCall { call } => say(StreamEventKind::ToolCall { call }),
            Part::ToolResult { result } => say(StreamEventKind::ToolResult { result }),
            part => say(StreamEventKind::Part { part }),
        }
    }
    events.push(Ok(StreamEvent::unnumbered(0, StreamEventKind::Done { reply: Box::new(reply) })));
    Box::pin(stream::iter(events))
}

/// What an event takes in memory, about.
pub(super) fn weight_of(event: &StreamEvent) -> u64 {
    let words = match &event.kind {
        StreamEventKind::Text { delta } | StreamEventKind::Reasoning { delta } => delta.len(),
        other => bytes_of(other),
    };
    (size_of::<StreamEvent>() + words) as u64
}

/// How long a value is as JSON, without writing it.
fn bytes_of(value: &impl Serialize) -> usize {
    let mut count = Count(0);
    // What cannot be written is as large as can be: then it is not kept.
    serde_json::to_writer(&mut count, value).map_or(usize::MAX, |()| count.0)
}

struct Count(usize);

impl Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
