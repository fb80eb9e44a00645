//! Tallies: from what each reviewer thinks to what all of them together do, by a rule that is stated beforehand.
//!
//! All figures are whole numbers until the last step, so that the order of the ballots cannot matter and equal is equal.
//! Nobody judges himself: a ballot's own member is taken out of it, and what it says of the others counts among those who
//! can be judged by it.

use std::cmp::{Ordering, Reverse};

use serde::{Deserialize, Serialize};

use super::lot::lot;

/// By which rule the reviews of a council become one ranking. What is equal by the rule is ordered by lot, from the
/// council's seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CouncilRule {
    /// Points for places (Borda, "Mémoire sur les élections au scrutin", 1784): the last place of a review gives none,
    /// each place before it one more. Who shares places gets the mean of them, and so do those a review does not name, of
    /// the places that are left. The score is the mean over those who judged, as a share of the most that can be had.
    #[default]
    Borda,
    /// Duels (Copeland, "A reasonable social welfare function", 1951): whoever is placed before another one in more
    /// reviews wins against it. The score is the share of duels won; one that is even counts half. Who wins all of them is
    /// the first.
    Copeland,
    /// The strongest paths of duels (Schulze, "A new monotonic, clone-independent, reversal symmetric, and
    /// condorcet-consistent single-winner election method", 2011), a duel being as strong as its margin. The score is the
    /// share of those it beats so; even counts half. Who wins all duels is the first.
    Schulze,
}

/// What one reviewer thinks: members by their place in the council, the best first; those of one place are equal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Ballot {
    reviewer: usize,
    places: Vec<Vec<usize>>,
}

impl Ballot {
    /// A ballot of this reviewer. Itself is taken out, and whoever is named twice keeps the better place.
    pub(super) fn new(reviewer: usize, places: Vec<Vec<usize>>) -> Self {
        let mut seen = vec![reviewer];
        let mut kept = Vec::with_capacity(places.len());
        for mut place in places {
            place.retain(|member| {
                let is_new = !seen.contains(member);
                seen.push(*member);
                is_new
            });
            if !place.is_empty() {
                kept.push(place);
            }
        }
        Self { reviewer, places: kept }
    }

    /// How each candidate stands in this ballot; nothing for the reviewer. Those who are not named share what is left.
    fn places(&self, candidates: &[usize]) -> Vec<Option<Place>> {
        let mut standing = vec![None; candidates.len()];
        let mut ahead = 0;
        let mut give = |at: Vec<usize>| {
            let place = Place { ahead, sharing: at.len() };
            ahead += at.len();
            at.into_iter().for_each(|at| standing[at] = Some(place));
        };
        for place in &self.places {
            give(candidates.iter().enumerate().filter(|(_, c)| place.contains(c)).map(|(at, _)| at).collect());
        }
        let is_left =
            |member: &usize| *member != self.reviewer && !self.places.iter().flatten().any(|named| named == member);
        give(candidates.iter().enumerate().filter(|(_, c)| is_left(c)).map(|(at, _)| at).collect());
        standing
    }
}

/// So many stand before, and so many share the place.
#[derive(Clone, Copy, Debug)]
struct Place {
    ahead: usize,
    sharing: usize,
}

/// How a member came out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tallied {
    /// Its place in the council.
    pub member: usize,
    /// From 0 to 1, by the rule; a half for whom nobody judged.
    pub score: f64,
    /// How many judged it.
    pub judges: usize,
    /// True when another one has the same score, so that the lot has put them in order.
    pub by_lot: bool,
}

/// The ranking that follows from these ballots, the best first. Candidates are members by their place in the council, each
/// once; the order of the ballots and that of the candidates make no difference.
pub(super) fn tally(rule: CouncilRule, candidates: &[usize], ballots: &[Ballot], seed: u64) -> Vec<Tallied> {
    let places: Vec<Vec<Option<Place>>> = ballots.iter().map(|ballot| ballot.places(candidates)).collect();
    let scores = match rule {
        CouncilRule::Borda => borda(candidates.len(), &places),
        CouncilRule::Copeland => shares_won(&margins(candidates.len(), &places)),
        CouncilRule::Schulze => shares_won(&strongest_paths(margins(candidates.len(), &places))),
    };
    let mut ranked: Vec<(usize, Share)> = scores.into_iter().enumerate().collect();
    ranked.sort_by_key(|&(at, score)| (Reverse(score), lot(seed, &[candidates[at]]), candidates[at]));
    let is_shared = |score| ranked.iter().filter(|(_, other)| *other == score).count() > 1;
    ranked
        .iter()
        .map(|&(at, score)| Tallied {
            member: candidates[at],
            score: score.as_f64(),
            judges: places.iter().filter(|places| places[at].is_some()).count(),
            by_lot: is_shared(score),
        })
        .collect()
}

/// A share of something, exact: so much of so much, which is never nothing.
#[derive(Clone, Copy, Debug)]
struct Share(u64, u64);

impl Share {
    /// Of nothing, half is had.
    fn of(had: u64, all: u64) -> Self {
        if all == 0 { Self(1, 2) } else { Self(had, all) }
    }

    #[expect(clippy::cast_precision_loss, reason = "a council has far fewer than 2^26 members")]
    fn as_f64(self) -> f64 {
        self.0 as f64 / self.1 as f64
    }
}

impl Ord for Share {
    fn cmp(&self, other: &Self) -> Ordering {
        (u128::from(self.0) * u128::from(other.1)).cmp(&(u128::from(other.0) * u128::from(self.1)))
    }
}

impl PartialOrd for Share {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Share {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Share {}

/// Points had, as a share of all that the judges could give.
fn borda(candidates: usize, places: &[Vec<Option<Place>>]) -> Vec<Share> {
    // A reviewer that is no candidate judges one more than the others do, so a place is worth less to it. To add whole
    // numbers, each counts as often as makes them equal.
    let most = |judged: usize| judged.saturating_sub(1) as u64;
    let even = most(candidates).max(1) * most(candidates.saturating_sub(1)).max(1);
    let mut had = vec![(0, 0); candidates];
    for places in places {
        let judged = places.iter().flatten().count();
        if judged < 2 {
            continue;
        }
        // Twice the points: the mean of places beside each other may end in a half.
        let all = 2 * most(judged);
        let weight = even / most(judged);
        for (had, place) in had.iter_mut().zip(places).filter_map(|(had, place)| Some((had, (*place)?))) {
            had.0 += weight * (all - (2 * place.ahead + place.sharing - 1) as u64);
            had.1 += weight * all;
        }
    }
    had.into_iter().map(|(had, all)| Share::of(had, all)).collect()
}

/// By how many more reviews each stands before each other one; below 0 when it is the other way round.
fn margins(candidates: usize, places: &[Vec<Option<Place>>]) -> Vec<Vec<i64>> {
    let mut margins = vec![vec![0; candidates]; candidates];
    for places in places {
        for (a, row) in margins.iter_mut().enumerate() {
            for (b, margin) in row.iter_mut().enumerate() {
                if let (Some(a), Some(b)) = (places[a], places[b]) {
                    *margin += match a.ahead.cmp(&b.ahead) {
                        Ordering::Less => 1,
                        Ordering::Equal => 0,
                        Ordering::Greater => -1,
                    };
                }
            }
        }
    }
    margins
}

/// How strong the strongest way from each to each other is: as strong as its weakest duel, of duels won alone. After
/// Floyd and Warshall.
fn strongest_paths(mut strength: Vec<Vec<i64>>) -> Vec<Vec<i64>> {
    let all = 0..strength.len();
    strength.iter_mut().flatten().for_each(|margin| *margin = (*margin).max(0));
    for over in all.clone() {
        for from in all.clone() {
            for to in all.clone().filter(|&to| to != from) {
                let detour = strength[from][over].min(strength[over][to]);
                strength[from][to] = strength[from][to].max(detour);
            }
        }
    }
    strength
}

/// The share of the others that each is stronger than; as strong as another one counts half.
fn shares_won(strength: &[Vec<i64>]) -> Vec<Share> {
    let all = 0..strength.len();
    all.clone()
        .map(|a| {
            let duels = all.clone().filter(|&b| b != a).map(|b| match strength[a][b].cmp(&strength[b][a]) {
                Ordering::Greater => 2,
                Ordering::Equal => 1,
                Ordering::Less => 0,
            });
            Share::of(duels.sum(), 2 * (strength.len() as u64 - 1))
        })
        .collect()
}
