//! The events of own code as they arrive: put in order, numbered, bounded, and refused where they make no sense.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures::Stream as _;
use tokio::task::coop;

use super::super::pieces::{Piece, Pieces};
use super::{EventStream, panicked};
use crate::base::{ErrorKind, Json};
use crate::model::{
    CostSource, Error, FinishReason, MediaSource, Part, Progress, Result, StreamEvent, StreamEventKind, ToolCall,
    UsageSource,
};
use crate::wire::Closing;

/// How many parts a reply may have. Nobody's reply has a hundred; a loop that does not end has more.
const MAX_PARTS: i32 = 4_096;

/// What an event counts for that adds nothing to the reply: they are kept for readers all the same, and may be repeated
/// without end.
const EMPTY_BYTES: usize = 256;

/// The events of own code as they arrive.
pub(super) struct Arriving {
    name: Arc<str>,
    events: EventStream,
    /// How many bytes of pictures, documents and the like may still come.
    bytes_left: usize,
    /// The number of the next part.
    next_part: i32,
    /// What the words that come belong to.
    open: Option<(Words, i32)>,
    /// Calls of tools whose whole form has not come.
    writing: Vec<Writing>,
    /// Calls that the provider answers itself.
    executed: Vec<String>,
    has_calls: bool,
    has_refused: bool,
    closing: Closing,
}

/// Words that go on in the same part as long as nothing else comes in between.
#[derive(Clone, Copy, PartialEq)]
enum Words {
    Text,
    Reasoning,
    Refusal,
}

/// A call of a tool that is being written.
struct Writing {
    part: i32,
    id: String,
    name: String,
    arguments: String,
}

impl Arriving {
    pub(super) fn new(name: Arc<str>, events: EventStream, max_bytes: usize) -> Self {
        Self {
            name,
            events,
            bytes_left: max_bytes,
            next_part: 0,
            open: None,
            writing: Vec::new(),
            executed: Vec::new(),
            has_calls: false,
            has_refused: false,
            closing: Closing::default(),
        }
    }

    /// Lets an event in, with the number of its part.
    fn take(&mut self, mut kind: StreamEventKind, events: &mut Vec<StreamEvent>) -> Result<()> {
        let part = match &mut kind {
            StreamEventKind::Text { delta } => self.words(Words::Text, delta)?,
            StreamEventKind::Reasoning { delta } => self.words(Words::Reasoning, delta)?,
            StreamEventKind::Refusal { delta } => {
                self.has_refused = true;
                self.words(Words::Refusal, delta)?
            }
            StreamEventKind::Citation { citation } => {
                self.weigh(citation_bytes(citation))?;
                Some(self.within(Words::Text)?)
            }
            StreamEventKind::ToolCallDelta { call_id, name, arguments_delta } => {
                // The guard counts the characters of the arguments, and nothing else of it.
                let empty = if arguments_delta.is_empty() { EMPTY_BYTES } else { 0 };
                self.weigh(call_id.len() + name.len() + empty)?;
                Some(self.write(call_id, name, arguments_delta)?)
            }
            StreamEventKind::ToolCall { call } => Some(self.call(call)?),
            StreamEventKind::ToolResult { result } => {
                if !self.executed.contains(&result.call_id) {
                    return Err(
                        self.refused("a tool result that answers no tool call of its own with provider_executed")
                    );
                }
                self.weigh(result.output.to_string().len())?;
                Some(self.part()?)
            }
            StreamEventKind::Part { part } => {
                self.whole(part)?;
                Some(self.part()?)
            }
            StreamEventKind::Usage { usage, cost } => {
                let counts = [
                    usage.input_tokens,
                    usage.output_tokens,
                    usage.cache_read_input_tokens,
                    usage.cache_creation_input_tokens,
                    usage.reasoning_output_tokens,
                    cost.nano_usd.unwrap_or(0),
                ];
                if counts.iter().any(|count| *count < 0) {
                    return Err(self.refused("usage below zero"));
                }
                if usage.source == UsageSource::Unknown {
                    usage.source = UsageSource::Reported;
                }
                if cost.nano_usd.is_some() && cost.source == CostSource::Unknown {
                    cost.source = CostSource::Provider;
                }
                self.weigh(EMPTY_BYTES)?;
                self.closing.usage = Some(usage.clone());
                self.closing.cost_nano_usd = cost.nano_usd;
                Some(0)
            }
            StreamEventKind::Progress {
                progress: Progress::Heartbeat { .. } | Progress::Waiting { .. } | Progress::Queued { .. },
            } => {
                self.weigh(EMPTY_BYTES)?;
                Some(0)
            }
            StreamEventKind::Progress { .. } => {
                return Err(
                    self.refused("progress that only the engine makes; Heartbeat, Waiting and Queued are yours")
                );
            }
            StreamEventKind::Started { .. } => return Err(self.refused("Started, which is the engine's to say")),
            StreamEventKind::Done { .. } => {
                return Err(self.refused("Done; the normal end of the stream says that the reply is whole"));
            }
            StreamEventKind::Other { .. } => return Err(self.refused("an event that this version does not know")),
        };
        if let Some(part) = part {
            events.push(StreamEvent::unnumbered(part, kind));
        }
        Ok(())
    }

    /// The part of these words, or nothing for no words at all.
    fn words(&mut self, words: Words, delta: &str) -> Result<Option<i32>> {
        if delta.is_empty() { Ok(None) } else { self.within(words).map(Some) }
    }

    fn within(&mut self, words: Words) -> Result<i32> {
        match self.open {
            Some((open, part)) if open == words => Ok(part),
            _ => {
                let part = self.part()?;
                self.open = Some((words, part));
                Ok(part)
            }
        }
    }

    /// The number of a new part.
    fn part(&mut self) -> Result<i32> {
        if self.next_part >= MAX_PARTS {
            return Err(self.too_large(&format!("the {MAX_PARTS} parts that a reply may have")));
        }
        self.open = None;
        self.next_part += 1;
        Ok(self.next_part - 1)
    }

    /// Characters of a call's arguments: of the call with this id, or without one of the call that was written last.
    fn write(&mut self, id: &str, name: &str, arguments: &str) -> Result<i32> {
        let known = self.find(id, name);
        if known.is_none() && name.is_empty() {
            return Err(self.refused("a piece of a tool call that does not name its tool"));
        }
        if let Some(at) = known {
            let writing = &mut self.writing[at];
            writing.arguments.push_str(arguments);
            return Ok(writing.part);
        }
        let part = self.part()?;
        let (id, name, arguments) = (id.to_owned(), name.to_owned(), arguments.to_owned());
        self.writing.push(Writing { part, id, name, arguments });
        Ok(part)
    }

    /// The call that is being written under this id; without an id the last one, if it has none either.
    fn find(&self, id: &str, name: &str) -> Option<usize> {
        if id.is_empty() {
            let last = self.writing.len().checked_sub(1)?;
            let writing = &self.writing[last];
            return (writing.id.is_empty() && (name.is_empty() || writing.name == name)).then_some(last);
        }
        self.writing.iter().position(|writing| writing.id == id)
    }

    /// A whole call: the one that was written piece by piece, or a new one.
    fn call(&mut self, call: &ToolCall) -> Result<i32> {
        if call.name.is_empty() {
            return Err(self.refused("a tool call that does not name its tool"));
        }
        if !call.provider_executed {
            self.has_calls = true;
        } else if !call.id.is_empty() {
            self.executed.push(call.id.clone());
        }
        match self.find(&call.id, &call.name) {
            Some(at) => Ok(self.writing.remove(at).part),
            None => self.part(),
        }
    }

    /// A part that comes whole.
    fn whole(&mut self, part: &mut Part) -> Result<()> {
        match part {
            Part::Image { media } | Part::Audio { media } | Part::File { media } => match &media.source {
                MediaSource::Data { data } => self.weigh(data.len()),
                MediaSource::Url { url } => self.weigh(url.len()),
                MediaSource::ProviderFile { .. } => Ok(()),
                _ => Err(self.refused("media that is neither bytes nor a URL")),
            },
            Part::Opaque { provider, data, .. } => {
                self.weigh(data.to_string().len())?;
                // It goes back to nobody else.
                self.name.as_ref().clone_into(provider);
                Ok(())
            }
            _ => Err(self.refused("a part that has an event of its own: words, a tool call or a tool result")),
        }
    }

    /// Counts what the guard does not.
    fn weigh(&mut self, bytes: usize) -> Result<()> {
        match self.bytes_left.checked_sub(bytes) {
            Some(left) => {
                self.bytes_left = left;
                Ok(())
            }
            None => Err(self.too_large("what `network.max_response_bytes` allows")),
        }
    }

    /// The end: calls that only came in pieces become whole.
    fn end(&mut self, events: &mut Vec<StreamEvent>) -> Piece {
        for Writing { part, id, name, arguments } in std::mem::take(&mut self.writing) {
            let arguments = match arguments.trim() {
                "" => Json::Object(serde_json::Map::new()),
                json => serde_json::from_str(json).unwrap_or(Json::String(arguments)),
            };
            self.has_calls = true;
            let call = ToolCall { id, name, arguments, provider_executed: false, free_text: false };
            events.push(StreamEvent::unnumbered(part, StreamEventKind::ToolCall { call }));
        }
        let mut closing = std::mem::take(&mut self.closing);
        closing.finish_reason = Some(match (self.has_calls, self.has_refused) {
            (true, _) => FinishReason::ToolCalls,
            (false, true) => FinishReason::Refusal,
            (false, false) => FinishReason::Stop,
        });
        Piece::End(Box::new(closing))
    }

    fn refused(&self, what: &str) -> Error {
        let detail = format!("the code of provider `{}` gave {what}", self.name);
        Error::new(ErrorKind::Unavailable, "bad_response", detail)
    }

    fn too_large(&self, limit: &str) -> Error {
        let detail = format!("the code of provider `{}` gave more than {limit}", self.name);
        Error::new(ErrorKind::Unavailable, "too_large", detail)
    }
}

fn citation_bytes(citation: &crate::model::Citation) -> usize {
    serde_json::to_string(citation).map_or(0, |json| json.len())
}

impl Pieces for Arriving {
    fn poll_piece(&mut self, cx: &mut Context<'_>, events: &mut Vec<StreamEvent>) -> Poll<Result<Piece>> {
        // Code that always has something ready must not keep the thread from everybody else.
        let turn = ready!(coop::poll_proceed(cx));
        let next = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.events).poll_next(cx)));
        let next = match next {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(next)) => next,
            Err(_) => Some(Err(panicked(&self.name))),
        };
        turn.made_progress();
        Poll::Ready(match next {
            Some(Ok(kind)) => self.take(kind, events).map(|()| Piece::More),
            // Code that asks another model hands on what was about that call.
            Some(Err(error)) => Err(error.of_another_call()),
            None => Ok(self.end(events)),
        })
    }

    fn closing(&self) -> &Closing {
        &self.closing
    }
}
