//! A reply on its way, piece by piece: bytes that a dialect reads, or the events of the application's own code.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::Stream as _;

use crate::model::{Result, StreamEvent};
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
}

impl Decoded {
    pub(super) fn new(body: Body, decoder: Box<dyn StreamDecoder>) -> Self {
        Self { body, decoder }
    }
}

impl Pieces for Decoded {
    fn poll_piece(&mut self, cx: &mut Context<'_>, events: &mut Vec<StreamEvent>) -> Poll<Result<Piece>> {
        let piece = std::task::ready!(Pin::new(&mut self.body).poll_next(cx));
        Poll::Ready(match piece {
            Some(Ok(bytes)) => self.decoder.feed(&bytes, events).map(|()| Piece::More),
            Some(Err(error)) => Err(error),
            None => self.decoder.finish(events).map(|()| Piece::End(Box::new(self.decoder.closing().clone()))),
        })
    }

    fn closing(&self) -> &Closing {
        self.decoder.closing()
    }
}
