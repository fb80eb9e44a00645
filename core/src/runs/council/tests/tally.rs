//! From ballots to a ranking.

use proptest::prelude::*;

use super::super::tally::{Ballot, CouncilRule, Tallied, tally};

const RULES: [CouncilRule; 3] = [CouncilRule::Borda, CouncilRule::Copeland, CouncilRule::Schulze];

/// Someone who judges and is no candidate.
const GUEST: usize = 1_000;

fn order(ranked: &[Tallied]) -> Vec<usize> {
    ranked.iter().map(|tallied| tallied.member).collect()
}

fn ballots(reviewer: usize, times: usize, order: &[usize]) -> Vec<Ballot> {
    (0..times).map(|_| Ballot::new(reviewer, order.iter().map(|&member| vec![member]).collect())).collect()
}

/// Any ballots of candidates and guests: incomplete, with ties, with members nobody knows.
fn any_ballots(members: usize) -> impl Strategy<Value = Vec<Ballot>> {
    let places = prop::collection::vec(prop::collection::vec(0..members + 2, 0..4), 0..=members);
    prop::collection::vec((prop_oneof![0..members, Just(GUEST)], places), 0..8)
        .prop_map(|all| all.into_iter().map(|(reviewer, places)| Ballot::new(reviewer, places)).collect())
}

/// How many more ballots place `a` before `b` than the other way round, counted anew.
fn margin(ballots: &[(usize, Vec<usize>)], a: usize, b: usize) -> i32 {
    ballots
        .iter()
        .filter(|(reviewer, _)| *reviewer != a && *reviewer != b)
        .map(|(_, order)| {
            let at = |member| order.iter().position(|&named| named == member);
            if at(a) < at(b) { 1 } else { -1 }
        })
        .sum()
}

proptest! {
    #[test]
    fn every_rule_ranks_everybody_once_whatever_the_ballots_say(ballots in any_ballots(6), seed: u64) {
        for rule in RULES {
            let ranked = tally(rule, &[0, 1, 2, 3, 4, 5], &ballots, seed);
            let mut all = order(&ranked);
            all.sort_unstable();
            prop_assert_eq!(all, [0, 1, 2, 3, 4, 5]);
            prop_assert!(ranked.iter().all(|tallied| (0.0..=1.0).contains(&tallied.score)));
            prop_assert!(ranked.is_sorted_by(|a, b| a.score >= b.score));
            prop_assert!(ranked.iter().all(|tallied| tallied.judges <= ballots.len()));
        }
    }

    #[test]
    fn the_order_of_ballots_and_candidates_changes_nothing(
        (ballots, shuffled) in any_ballots(5).prop_flat_map(|ballots| (Just(ballots.clone()), Just(ballots).prop_shuffle())),
        candidates in Just(vec![0, 1, 2, 3, 4]).prop_shuffle(), seed: u64,
    ) {
        for rule in RULES {
            prop_assert_eq!(tally(rule, &[0, 1, 2, 3, 4], &ballots, seed), tally(rule, &candidates, &shuffled, seed));
        }
    }

    #[test]
    fn who_wins_every_duel_wins_by_copeland_and_schulze(
        ballots in prop::collection::vec((prop_oneof![0_usize..5, Just(GUEST)], Just(vec![0, 1, 2, 3, 4]).prop_shuffle()), 1..9),
        seed: u64,
    ) {
        let winner = (0..5).find(|&a| (0..5).filter(|&b| b != a).all(|b| margin(&ballots, a, b) > 0));
        let cast: Vec<Ballot> = ballots
            .iter()
            .map(|(reviewer, order)| Ballot::new(*reviewer, order.iter().map(|&member| vec![member]).collect()))
            .collect();
        if let Some(winner) = winner {
            for rule in [CouncilRule::Copeland, CouncilRule::Schulze] {
                let ranked = tally(rule, &[0, 1, 2, 3, 4], &cast, seed);
                prop_assert_eq!((ranked[0].member, ranked[0].score, ranked[0].by_lot), (winner, 1.0, false));
            }
        }
    }

    #[test]
    fn what_all_agree_on_is_the_result(
        agreed in (3_usize..8).prop_flat_map(|members| Just((0..members).collect::<Vec<_>>()).prop_shuffle()), seed: u64,
    ) {
        // Each member leaves itself out, and so says only how the others follow each other.
        let cast: Vec<Ballot> = agreed.iter().flat_map(|&reviewer| ballots(reviewer, 1, &agreed)).collect();
        for rule in RULES {
            let ranked = tally(rule, &agreed, &cast, seed);
            prop_assert_eq!(order(&ranked), agreed.clone());
            prop_assert!(ranked.iter().all(|tallied| !tallied.by_lot && tallied.judges == agreed.len() - 1));
        }
    }

    #[test]
    fn a_ballot_says_nothing_of_its_own_member(places in Just(vec![0_usize, 1, 2, 3]).prop_shuffle(), seed: u64) {
        // Wherever a member puts itself, the result is the same.
        let others: Vec<usize> = places.iter().copied().filter(|&member| member != 0).collect();
        for rule in RULES {
            let with = tally(rule, &[0, 1, 2, 3], &ballots(0, 1, &places), seed);
            prop_assert_eq!(&with, &tally(rule, &[0, 1, 2, 3], &ballots(0, 1, &others), seed));
            let own = with.iter().find(|tallied| tallied.member == 0).unwrap();
            prop_assert_eq!((own.score, own.judges), (0.5, 0));
        }
    }

    #[test]
    fn without_ballots_the_seed_decides_for_everybody_alike(seed: u64) {
        let drawn = tally(CouncilRule::Borda, &[0, 1, 2, 3], &[], seed);
        prop_assert!(drawn.iter().all(|tallied| tallied.by_lot && tallied.score == 0.5));
        for rule in RULES {
            prop_assert_eq!(order(&tally(rule, &[3, 1, 0, 2], &[], seed)), order(&drawn));
        }
    }
}

#[test]
fn lots_fall_differently_from_different_seeds() {
    let mut first = [0_u32; 4];
    for seed in 0..4_000 {
        first[tally(CouncilRule::Borda, &[0, 1, 2, 3], &[], seed)[0].member] += 1;
    }
    assert!(first.iter().all(|count| (850..=1_150).contains(count)), "{first:?}");
}

#[test]
fn borda_gives_points_for_places_and_the_mean_to_ties_and_to_those_left_out() {
    let cast = [
        // 3, 2, 1, 0 points.
        Ballot::new(GUEST, vec![vec![0], vec![1], vec![2], vec![3]]),
        // 3, and 1.5 for two that tie, and 0.
        Ballot::new(GUEST, vec![vec![1], vec![0, 2], vec![3]]),
        // 3 for one, and 1 for each of three that are not named.
        Ballot::new(GUEST, vec![vec![0]]),
    ];
    let ranked = tally(CouncilRule::Borda, &[0, 1, 2, 3], &cast, 1);
    let scores: Vec<(usize, f64)> = ranked.iter().map(|tallied| (tallied.member, tallied.score)).collect();
    let nine = |points: f64| points / 9.0;
    assert_eq!(scores, [(0, nine(7.5)), (1, nine(6.0)), (2, nine(3.5)), (3, nine(1.0))]);
}

#[test]
fn borda_takes_the_mean_of_those_who_judged_so_that_nobody_loses_by_its_own_silence() {
    // Three judges for 0 and 2, two for 1: the ballot of 1 says nothing of itself.
    let cast = [ballots(GUEST, 1, &[0, 1, 2]), ballots(GUEST, 1, &[1, 0, 2]), ballots(1, 1, &[0, 2])].concat();
    let ranked = tally(CouncilRule::Borda, &[0, 1, 2], &cast, 1);
    assert_eq!(order(&ranked), [0, 1, 2]);
    assert_eq!(ranked.iter().map(|tallied| tallied.judges).collect::<Vec<_>>(), [3, 2, 3]);
    // (1 + ½ + 1) of 3 and (½ + 1) of 2.
    assert_eq!(ranked[..2].iter().map(|tallied| tallied.score).collect::<Vec<_>>(), [2.5 / 3.0, 1.5 / 2.0]);
}

#[test]
fn the_rules_differ_where_they_are_known_to() {
    // Most agree on 0 before all, but everybody else finds it the worst: Borda prefers who offends nobody.
    let cast = [ballots(GUEST, 3, &[0, 1, 2, 3]), ballots(GUEST, 2, &[1, 2, 3, 0])].concat();
    let first = |rule| tally(rule, &[0, 1, 2, 3], &cast, 1)[0].member;
    assert_eq!(RULES.map(first), [1, 0, 0]);
}

#[test]
fn schulze_finds_the_order_of_its_authors_example() {
    // Schulze 2011, example 1: 45 ballots on five candidates, whose order is E > A > C > B > D.
    let [a, b, c, d, e] = [0, 1, 2, 3, 4];
    let cast = [
        ballots(GUEST, 5, &[a, c, b, e, d]),
        ballots(GUEST, 5, &[a, d, e, c, b]),
        ballots(GUEST, 8, &[b, e, d, a, c]),
        ballots(GUEST, 3, &[c, a, b, e, d]),
        ballots(GUEST, 7, &[c, a, e, b, d]),
        ballots(GUEST, 2, &[c, b, a, d, e]),
        ballots(GUEST, 7, &[d, c, e, b, a]),
        ballots(GUEST, 8, &[e, b, a, d, c]),
    ]
    .concat();
    for seed in 0..20 {
        let ranked = tally(CouncilRule::Schulze, &[a, b, c, d, e], &cast, seed);
        assert_eq!(order(&ranked), [e, a, c, b, d]);
        assert_eq!(ranked.iter().map(|tallied| tallied.score).collect::<Vec<_>>(), [1.0, 0.75, 0.5, 0.25, 0.0]);
    }
}

#[test]
fn a_circle_of_equal_duels_is_broken_by_the_seed_alone() {
    let cast = [ballots(GUEST, 1, &[0, 1, 2]), ballots(GUEST, 1, &[1, 2, 0]), ballots(GUEST, 1, &[2, 0, 1])].concat();
    for rule in RULES {
        for seed in 0..50 {
            let ranked = tally(rule, &[0, 1, 2], &cast, seed);
            assert!(ranked.iter().all(|tallied| tallied.by_lot && tallied.score == 0.5), "{rule:?} {ranked:?}");
            assert_eq!(order(&ranked), order(&tally(rule, &[0, 1, 2], &[], seed)));
        }
    }
}

#[test]
fn one_candidate_and_none_are_ranked_too() {
    for rule in RULES {
        assert_eq!(tally(rule, &[], &ballots(0, 2, &[1, 2]), 1), []);
        let alone = tally(rule, &[4], &ballots(0, 1, &[4]), 1);
        assert_eq!((order(&alone), alone[0].by_lot), (vec![4], false));
    }
}
