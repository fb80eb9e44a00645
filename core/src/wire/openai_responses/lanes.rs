//! An item as far as it has come, and where its pieces stand in the reply.

use crate::model::{Error, Result};
use crate::wire::failure;

/// How many parts an item may have. The place of a part is that of its item times this, plus its own.
const PARTS: i32 = 1_000;
/// Where the thoughts themselves stand, behind their summaries.
const THOUGHTS: i64 = 500;
/// Where that stands which belongs to all of an item.
const BEHIND: i64 = 999;

/// What kind of voice speaks in a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    Text,
    Refusal,
    Summary,
    Thought,
}

/// One item of the output.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: String,
    pub(super) kind: String,
    base: i32,
    pub(super) done: bool,
    lanes: Vec<Lane>,
    pub(super) call: Call,
}

/// A call of a tool of the caller's, as it is written.
#[derive(Debug, Default)]
pub(super) struct Call {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) arguments: String,
}

/// One text of an item.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) part_index: i32,
    voice: Voice,
    /// Words came. The closing text then says nothing new.
    pub(super) spoke: bool,
    /// How many sources were told.
    pub(super) cited: usize,
}

impl Item {
    /// The item at this place.
    ///
    /// # Errors
    /// `Truncated` (malformed) when no reply has that many.
    pub(super) fn at(place: i64, kind: &str) -> Result<Self, Error> {
        let place = i32::try_from(place).ok().filter(|place| (0..i32::MAX / PARTS).contains(place));
        let base = place.ok_or_else(failure::malformed)? * PARTS;
        let (kind, call) = (kind.to_owned(), Call::default());
        Ok(Self { id: String::new(), kind, base, done: false, lanes: Vec::new(), call })
    }

    /// The number of the part that the item is.
    pub(super) const fn part_index(&self) -> i32 {
        self.base
    }

    /// The number of what follows all parts of the item.
    pub(super) fn behind(&self) -> i32 {
        self.base + offset(BEHIND)
    }

    /// True when words of the item were told.
    pub(super) fn spoke(&self) -> bool {
        self.lanes.iter().any(|lane| lane.spoke)
    }

    /// The lane of this voice at this place in the item.
    pub(super) fn lane(&mut self, voice: Voice, place: i64) -> &mut Lane {
        let offset = match voice {
            Voice::Thought => THOUGHTS + place.clamp(0, BEHIND - 1 - THOUGHTS),
            Voice::Summary => place.clamp(0, THOUGHTS - 1),
            Voice::Text | Voice::Refusal => place.clamp(0, BEHIND - 1),
        };
        let part_index = self.base + self::offset(offset);
        // The one that speaks is nearly always the last.
        let known = self.lanes.iter().rposition(|lane| lane.part_index == part_index && lane.voice == voice);
        let at = known.unwrap_or_else(|| {
            self.lanes.push(Lane { part_index, voice, spoke: false, cited: 0 });
            self.lanes.len() - 1
        });
        &mut self.lanes[at]
    }
}

/// Places within an item fit well into the number.
fn offset(place: i64) -> i32 {
    i32::try_from(place).unwrap_or(PARTS - 1)
}
