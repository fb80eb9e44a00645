//! The last minute second by second, the last hour minute by minute.
//!
//! A second that is over is added to its minute, so that a measure is written once. Only slices in which something
//! happened take room.

use std::collections::VecDeque;
use std::time::Duration;

use super::measure::Measure;
use super::slice::Slice;

/// So many seconds, and so many minutes, are remembered.
const SLICES: u64 = 60;

/// The longest while that can be asked for.
pub(super) const LONGEST: Duration = Duration::from_secs(60 * SLICES);

type Ring = VecDeque<(u64, Slice)>;

#[derive(Clone, Debug, Default)]
pub(super) struct History {
    /// The last one has not been added to its minute yet.
    seconds: Ring,
    minutes: Ring,
}

impl History {
    pub(super) fn record(&mut self, what: &Measure, now: Duration) {
        // Who read the clock before another may come after it: what is over stays as it is.
        let second = self.latest().max(now.as_secs());
        if self.seconds.back().is_none_or(|(last, _)| *last < second) {
            if let Some((last, slice)) = self.seconds.back() {
                at(&mut self.minutes, last / 60).add(slice);
            }
            at(&mut self.seconds, second);
        }
        if let Some((_, slice)) = self.seconds.back_mut() {
            slice.record(what);
        }
    }

    /// The second in which something was recorded last.
    pub(super) fn latest(&self) -> u64 {
        self.seconds.back().map_or(0, |(second, _)| *second)
    }

    #[cfg(test)]
    pub(super) fn slices(&self) -> usize {
        self.seconds.len() + self.minutes.len()
    }

    /// The sum over the last while, in whole seconds up to a minute, in whole minutes above.
    pub(super) fn over(&self, window: Duration, now: Duration) -> Slice {
        let mut sum = Slice::default();
        let (length, second) = (window.as_millis().div_ceil(1_000), u128::from(now.as_secs()));
        let (ring, length, newest) = if length <= u128::from(SLICES) {
            (&self.seconds, length, second)
        } else {
            let (length, minute) = (length.div_ceil(60), second / 60);
            // The running second is not part of its minute yet.
            if let Some((last, slice)) = self.seconds.back()
                && u128::from(last / 60) + length > minute
            {
                sum.add(slice);
            }
            (&self.minutes, length, minute)
        };
        for (_, slice) in ring.iter().filter(|(number, _)| u128::from(*number) + length > newest) {
            sum.add(slice);
        }
        sum
    }
}

/// The slice of this number, which is the newest. Lets the oldest ones go.
fn at(ring: &mut Ring, number: u64) -> &mut Slice {
    while ring.front().is_some_and(|(oldest, _)| oldest + SLICES <= number) {
        ring.pop_front();
    }
    if ring.back().is_none_or(|(newest, _)| *newest != number) {
        ring.push_back((number, Slice::default()));
    }
    let newest = ring.len() - 1;
    &mut ring[newest].1
}
