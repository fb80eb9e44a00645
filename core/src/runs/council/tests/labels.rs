//! What answers are called, and in which order they are shown.

use std::collections::HashSet;

use super::super::labels::{Slate, label};

#[test]
fn labels_are_letters_and_behind_z_two_of_them() {
    let all: Vec<String> = (0..703).map(label).collect();
    assert_eq!(all[..3], ["A", "B", "C"]);
    assert_eq!(all[24..29], ["Y", "Z", "AA", "AB", "AC"]);
    assert_eq!(all[51..53], ["AZ", "BA"]);
    assert_eq!(all[701..], ["ZZ", "AAA"]);
    assert_eq!(all.iter().collect::<HashSet<_>>().len(), all.len());
}

#[test]
fn nobody_is_shown_its_own_answer_and_everybody_all_others() {
    for seed in 0..200 {
        for members in 1..=8 {
            let answered: Vec<usize> = (0..members).filter(|member| (seed >> member) & 1 == 0).collect();
            for reviewer in 0..members {
                let slate = Slate::for_member(reviewer, &answered, seed as u64);
                let mut shown = slate.members().to_vec();
                shown.sort_unstable();
                let others: Vec<usize> = answered.iter().copied().filter(|&member| member != reviewer).collect();
                assert_eq!(shown, others, "seed {seed}");
                assert_eq!(slate.label_of(reviewer), None);
                assert_eq!(slate.labels(), (0..others.len()).map(label).collect::<Vec<_>>());
            }
            let mut shown = Slate::for_chairman(&answered, seed as u64).members().to_vec();
            shown.sort_unstable();
            assert_eq!(shown, answered, "seed {seed}");
        }
    }
}

#[test]
fn the_order_is_each_readers_own_and_the_same_for_the_same_seed_in_whichever_order_they_answered() {
    let orders: HashSet<Vec<usize>> =
        (4..64).map(|reviewer| Slate::for_member(reviewer, &[0, 1, 2, 3], 7).members().to_vec()).collect();
    assert!(orders.len() > 15, "{} of 24 orders", orders.len());
    for reviewer in 0..8 {
        let slate = Slate::for_member(reviewer, &[0, 1, 2, 3], 7);
        assert_eq!(slate, Slate::for_member(reviewer, &[3, 1, 0, 2], 7));
        // What is drawn may not change with a version: a run that goes on shows the same.
        assert_eq!(Slate::for_member(4, &[0, 1, 2, 3], 7).members(), DRAWN);
    }
}

/// As it was drawn by the first version.
const DRAWN: [usize; 4] = [3, 1, 2, 0];

#[test]
fn every_place_falls_to_every_answer_equally_often() {
    let mut first = [0_u32; 5];
    for seed in 0..10_000 {
        first[Slate::for_chairman(&[0, 1, 2, 3, 4], seed).members()[0]] += 1;
    }
    assert!(first.iter().all(|count| (1_800..=2_200).contains(count)), "{first:?}");
}

#[test]
fn a_label_leads_back_to_its_member() {
    let slate = Slate::for_member(2, &[0, 1, 2, 3], 99);
    for (at, &member) in slate.members().iter().enumerate() {
        assert_eq!(slate.label_of(member), Some(label(at)));
        assert_eq!(slate.unveil(&[vec![at]]), [[member]]);
    }
    // What no label stands for is left out.
    assert_eq!(slate.unveil(&[vec![0, 7]]), [[slate.members()[0]]]);
}
