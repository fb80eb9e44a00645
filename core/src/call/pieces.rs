//! A reply on its way, piece by piece: bytes that a dialect reads, or the events of the application's own code.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream as _;

use crate::base::Clock;
use crate::model::{Progress, Result, StreamEvent, StreamEventKind};
use crate::net::Body;
use crate::wire::{Closing, StreamDecoder};

/// Gives the events of a reply as they come.
pub(super) trait Pieces: Send {
    /// Takes the next piece and adds the events it completes. What is added before an error belongs to the reply.
    fn poll_piece(&mut self, cx: &mut Context<'_>, events: &mut Vec<StreamEvent>) -> Poll<Result<Piece>>;

    /// What is known so far besides the events, while the end has not come.
    fn closing(&self) -> &Closing;
}

/// What a piece was.
pub(super) enum Piece {
    /// Something came, which may have completed no event.
    More,
    /// The reply is whole.
    End(Box<Closing>),
}

/// The bytes of a body, read by a dialect.
pub(super) struct Decoded {
    body: Body,
    decoder: Box<dyn StreamDecoder>,
    clock: Arc<dyn Clock>,
    /// How many comments and pings have come.
    signs: u64,
    /// When the last of them became an event.
    last_beat: Option<Duration>,
}

/// Signs of life that are no events of their dialect become events at most this often.
const BEAT: Duration = Duration::from_secs(1);

impl Decoded {
    pub(super) fn new(body: Body, decoder: Box<dyn StreamDecoder>, clock: Arc<dyn Clock>) -> Self {
        Self { body, decoder, clock, signs: 0, last_beat: None }
    }

    /// Reads a piece, and those that lie ready behind it.
    fn feed(&mut self, bytes: &[u8], events: &mut Vec<StreamEvent>) -> Result<()> {
        self.decoder.feed(bytes, events)?;
        while let Some(piece) = self.body.held() {
            self.decoder.feed(&piece, events)?;
        }
        Ok(())
    }

    /// Adds a heartbeat for comments and pings that brought nothing else with them.
    fn beat(&mut self, events: &mut Vec<StreamEvent>) {
        let counts = self.decoder.counts();
        let signs = counts.comments + counts.pings;
        if signs == std::mem::replace(&mut self.signs, signs) || !events.is_empty() {
            return;
        }
        let now = self.clock.monotonic();
        if self.last_beat.is_none_or(|last| now.saturating_sub(last) >= BEAT) {
            self.last_beat = Some(now);
            let progress = Progress::Heartbeat { idle_ms: 0 };
            events.push(StreamEvent::unnumbered(0, StreamEventKind::Progress { progress }));
        }
    }
}

impl Pieces for Decoded {
    fn poll_piece(&mut self, cx: &mut Context<'_>, events: &mut Vec<StreamEvent>) -> Poll<Result<Piece>> {
        let piece = std::task::ready!(Pin::new(&mut self.body).poll_next(cx));
        Poll::Ready(match piece {
            Some(Ok(bytes)) => {
                let fed = self.feed(&bytes, events);
                // Words that came together are one event for whoever stands above.
                events.dedup_by(|next, last| last.join(next));
                fed.map(|()| {
                    self.beat(events);
                    Piece::More
                })
            }
            Some(Err(error)) => Err(error),
            None => self.decoder.finish(events).map(|()| Piece::End(Box::new(self.decoder.take_closing()))),
        })
    }

    fn closing(&self) -> &Closing {
        self.decoder.closing()
    }
}
