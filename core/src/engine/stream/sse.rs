//! A reply on its way as server-sent events: ready bytes for whoever serves a page.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use futures::{FutureExt as _, Stream, stream};

use super::{ReplyStream, Source};
use crate::engine::heartbeat::{self, Heartbeat};
use crate::engine::log::{Found, Framed};
use crate::engine::view::View;

/// A reply as server-sent events, made by [`ReplyStream::sse`]: pieces of bytes, to be sent as they come.
///
/// Each event is one JSON object with a `type`; its `id` is its number, and that of joined deltas is the number of the
/// last. Readers are told the answer and how it ended: `started`, `text`, `refusal`, `citation`, `part` (pictures, sound,
/// files), and at the end `done` or `error`. Thoughts, tools, progress and usage come with [`detailed`](Self::detailed).
///
/// `started` begins the answer anew: what was shown of it before is to be thrown away. It comes at the beginning, when the
/// turn is tried again, and to a reader that comes back to a turn which has come to rest in the meantime.
///
/// A failure is an event, not an error: the status of the response has been sent by then. Dropping the stream is dropping
/// the [`ReplyStream`] it was made of: that stops the reply, unless it was detached or attached to.
#[must_use = "dropping it drops the stream it was made of"]
pub struct SseStream {
    stream: ReplyStream,
    view: View,
    heartbeat: Heartbeat,
    stage: Stage,
}

#[derive(PartialEq, Eq)]
enum Stage {
    New,
    Open,
    Over,
}

impl SseStream {
    pub(super) fn new(stream: ReplyStream) -> Self {
        let heartbeat = Heartbeat::new(stream.clock.clone());
        Self { stream, view: View::Plain, heartbeat, stage: Stage::New }
    }

    /// Begins behind the event with this number: what the browser sends as `Last-Event-ID`. Default: behind the event that
    /// was attached to, else with the first. A reply without a store begins where it is.
    pub fn after_seq(mut self, after_seq: i64) -> Self {
        self.stream.after_seq = self.stream.after_seq.max(after_seq);
        self
    }

    /// Sends a comment when nothing else was sent for this long (default 15 seconds, at least 100 milliseconds), so that
    /// proxies keep the connection and a reader that is gone is found out.
    pub fn heartbeat(mut self, every: Duration) -> Self {
        self.heartbeat.every(every);
        self
    }

    /// Tells every event with all that it carries, as `StreamEvent` is in JSON; the error with all that is known of it.
    pub fn detailed(mut self) -> Self {
        self.view = View::Detailed;
        self
    }

    /// The next bytes; nothing after the last. The first tell the reader when to come back.
    pub async fn next(&mut self) -> Option<Bytes> {
        match self.stage {
            Stage::New => {
                self.stage = if self.begin() { Stage::Open } else { Stage::Over };
                self.heartbeat.sent();
                Some(heartbeat::begin())
            }
            Stage::Open => self.step().await,
            Stage::Over => None,
        }
    }

    /// Waits for the next bytes and gives all pieces that are there, at most `max`. Empty after the last.
    pub async fn next_batch(&mut self, max: usize) -> Vec<Bytes> {
        let mut batch: Vec<Bytes> = self.next().await.into_iter().collect();
        while !batch.is_empty()
            && batch.len() < max
            && let Some(Some(piece)) = self.next().now_or_never()
        {
            batch.push(piece);
        }
        batch
    }

    /// The same as a stream, for frameworks that take one as the body of a response. It has no errors.
    pub fn into_stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
        stream::unfold(self, async |mut sse| sse.next().await.map(|piece| (Ok(piece), sse)))
    }

    /// Stops the reply, as [`ReplyStream::cancel`] does. How it ended is the last event.
    pub fn cancel(&self) {
        self.stream.cancel();
    }

    /// Lets the reply go on without this handle, as [`ReplyStream::detach`] does.
    pub fn detach(&mut self) {
        self.stream.detach();
    }

    /// Finds where to begin. False when there is nothing to tell.
    fn begin(&mut self) -> bool {
        let ReplyStream { source, after_seq, rested_at, .. } = &mut self.stream;
        if let Source::Log { log, place } = source {
            match rested_at {
                Some(last) if after_seq == last => return false,
                // What was heard of it on its way are other events than those that the store can tell.
                Some(_) => *place = 0,
                None => *place = log.place_after(*after_seq),
            }
        }
        true
    }

    async fn step(&mut self) -> Option<Bytes> {
        let piece = loop {
            let Self { stream, view, heartbeat, .. } = self;
            let ReplyStream { source, after_seq, .. } = stream;
            match source {
                Source::Log { log, place } => match log.frame(place, *view) {
                    Ok(Framed::Piece(piece)) => break Ok(piece),
                    Ok(Framed::NothingYet) => tokio::select! {
                        biased;
                        () = log.wait(*place) => {}
                        sign = heartbeat.beat() => break Ok(sign),
                    },
                    Ok(Framed::Ended(failure)) => break Err(failure.filter(|(seq, _)| seq > after_seq)),
                    Err(error) => break Err(Some((log.last_seq() + 1, error))),
                },
                Source::Direct(direct) => {
                    let found = tokio::select! {
                        biased;
                        found = direct.next() => found,
                        sign = heartbeat.beat() => break Ok(sign),
                    };
                    match found {
                        Found::NothingYet => {}
                        Found::Ended(outcome) => break Err(outcome.err().map(|error| (direct.seq + 1, error))),
                        Found::Event(event) => match view.event(&event) {
                            Ok(Some(piece)) => break Ok(piece),
                            Ok(None) => {}
                            Err(error) => break Err(Some((direct.seq + 1, error))),
                        },
                    }
                }
            }
        };
        match piece {
            Ok(piece) => {
                self.heartbeat.sent();
                Some(piece)
            }
            Err(failure) => {
                self.stage = Stage::Over;
                failure.and_then(|(seq, error)| self.view.failure(seq, &error).ok())
            }
        }
    }
}

impl std::fmt::Debug for SseStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SseStream").field("stream", &self.stream).field("view", &self.view).finish_non_exhaustive()
    }
}
