//! The events of a turn as bytes for readers outside of the program: each written once, whoever reads.
//!
//! The first reader that comes to an event writes it down, together with the adjacent deltas that are there by then. The
//! newest of what was written is kept, and all others who stand at the same place get the same bytes. A reader that has
//! fallen behind what is kept gets everything up to there in as few pieces as there are changes of voice, and is with the
//! others again. Whoever writes holds up other readers of that kind, never the producer.

use std::collections::VecDeque;
use std::sync::PoisonError;

use bytes::Bytes;

use super::{Entry, State, TurnLog, Voice};
use crate::engine::view::View;
use crate::model::{Error, Result};

/// So many pieces are kept for others.
const KEPT: usize = 32;

/// Deltas are joined to so many bytes of text at most: nobody has to take a whole long reply in one piece.
const MAX_JOINED_BYTES: usize = 64 << 10;

/// How far deltas are joined.
#[derive(Clone, Copy)]
pub(in crate::engine) struct Bite {
    /// Not beyond this place.
    pub(super) before: usize,
    /// Not to more bytes than this, unless the first has more.
    pub(super) bytes: usize,
}

impl Bite {
    /// Each delta for itself.
    pub(super) const ONE: Self = Self { before: 0, bytes: 0 };
    /// All there are.
    pub(super) const ALL: Self = Self { before: usize::MAX, bytes: usize::MAX };
}

/// What a reader of bytes finds.
pub(in crate::engine) enum Framed {
    /// The next piece.
    Piece(Bytes),
    /// There is no more. A failure comes with the number that it has as an event.
    Ended(Option<(i64, Error)>),
    NothingYet,
}

/// What was written last, without a gap.
#[derive(Default)]
pub(super) struct Frames {
    kept: VecDeque<Frame>,
    /// The place behind the last piece.
    end: usize,
    /// How many pieces were written, for whomever.
    #[cfg(test)]
    written: usize,
}

struct Frame {
    start: usize,
    end: usize,
    bytes: Bytes,
}

impl Frames {
    fn at(&self, place: usize) -> Option<&Frame> {
        self.kept.binary_search_by_key(&place, |frame| frame.start).ok().map(|at| &self.kept[at])
    }

    fn keep(&mut self, frame: Frame) {
        if frame.start > self.end {
            // Nobody read what lies in between, or only in pieces of other borders.
            self.kept.clear();
        }
        self.end = frame.end;
        if self.kept.len() == KEPT {
            self.kept.pop_front();
        }
        self.kept.push_back(frame);
    }
}

impl TurnLog {
    /// The piece at this place; moves the place on.
    ///
    /// # Errors
    /// `Internal` when an event cannot be JSON. The place is behind it then.
    pub(in crate::engine) fn frame(&self, place: &mut usize, view: View) -> Result<Framed> {
        let mut frames = self.frames[view as usize].lock().unwrap_or_else(PoisonError::into_inner);
        let (start, event) = {
            let state = self.lock();
            *place = state.shown_from(*place, view);
            frames.end = state.shown_from(frames.end, view);
            if let Some(frame) = frames.at(*place) {
                *place = frame.end;
                return Ok(Framed::Piece(frame.bytes.clone()));
            }
            let start = *place;
            let before = if start < frames.end { frames.end } else { usize::MAX };
            let event = match state.events.get(start) {
                None => return Ok(state.end()),
                Some(Entry::Whole(event)) => {
                    *place += 1;
                    (**event).clone()
                }
                Some(Entry::Delta { .. }) => state.delta(place, Bite { before, bytes: MAX_JOINED_BYTES }, self.turn),
            };
            (start, event)
        };
        #[cfg(test)]
        {
            frames.written += 1;
        }
        let Some(bytes) = view.event(&event)? else { return Ok(Framed::NothingYet) };
        if start >= frames.end {
            frames.keep(Frame { start, end: *place, bytes: bytes.clone() });
        }
        Ok(Framed::Piece(bytes))
    }

    /// How many pieces were written.
    #[cfg(test)]
    pub(in crate::engine) fn pieces_written(&self, view: View) -> usize {
        self.frames[view as usize].lock().unwrap().written
    }
}

impl State {
    /// The first place from here on whose event is told in this view.
    fn shown_from(&self, place: usize, view: View) -> usize {
        let behind = self.events.get(place..).unwrap_or_default();
        place + behind.iter().take_while(|entry| !self.shows(entry, view)).count()
    }

    fn shows(&self, entry: &Entry, view: View) -> bool {
        match entry {
            Entry::Whole(event) => view.shows(&event.kind),
            Entry::Delta { lane, .. } => view == View::Detailed || self.lanes[*lane as usize].voice != Voice::Reasoning,
        }
    }

    fn end(&self) -> Framed {
        match &self.outcome {
            None => Framed::NothingYet,
            Some(Ok(_)) => Framed::Ended(None),
            Some(Err(error)) => Framed::Ended(Some((self.last_seq + 1, error.clone()))),
        }
    }
}
