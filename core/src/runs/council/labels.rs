//! Labels: what answers are called before those who judge them, so that nobody knows whose they are.

use super::lot::lot;

/// The name of the answer that stands at this place of a slate: A to Z, then AA, AB and so on.
pub(super) fn label(at: usize) -> String {
    let mut name = Vec::new();
    let mut rest = at + 1;
    while rest > 0 {
        rest -= 1;
        name.push(char::from(b'A' + u8::try_from(rest % 26).unwrap_or_default()));
        rest /= 26;
    }
    name.iter().rev().collect()
}

/// The answers that one reader is shown, in the reader's own order. Members are known by their place in the council.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Slate {
    shown: Vec<usize>,
}

impl Slate {
    /// What a member is shown that judges: what all others answered, in an order that the seed gives to this member alone.
    /// Nobody is shown an answer of its own.
    pub(super) fn for_member(reviewer: usize, answered: &[usize], seed: u64) -> Self {
        Self::drawn(answered.iter().copied().filter(|&member| member != reviewer), seed, reviewer)
    }

    /// What the chairman is shown: all answers, in an order of its own. A chairman that is a member as well does not see
    /// which answer is its own.
    pub(super) fn for_chairman(answered: &[usize], seed: u64) -> Self {
        Self::drawn(answered.iter().copied(), seed, usize::MAX)
    }

    fn drawn(members: impl Iterator<Item = usize>, seed: u64, reader: usize) -> Self {
        let mut shown: Vec<usize> = members.collect();
        // Equal lots are as good as impossible, and then the place in the council decides.
        shown.sort_unstable_by_key(|&member| (lot(seed, &[reader, member]), member));
        shown.dedup();
        Self { shown }
    }

    /// The labels, in the order shown: always A, B, C and so on.
    pub(super) fn labels(&self) -> Vec<String> {
        (0..self.shown.len()).map(label).collect()
    }

    /// Members in the order shown.
    pub(super) fn members(&self) -> &[usize] {
        &self.shown
    }

    /// The label of this member's answer, if it is shown.
    pub(super) fn label_of(&self, member: usize) -> Option<String> {
        self.shown.iter().position(|&shown| shown == member).map(label)
    }

    /// Who is behind the places of a ballot.
    pub(super) fn unveil(&self, places: &[Vec<usize>]) -> Vec<Vec<usize>> {
        let behind = |place: &Vec<usize>| place.iter().filter_map(|&at| self.shown.get(at).copied()).collect();
        places.iter().map(behind).collect()
    }
}
