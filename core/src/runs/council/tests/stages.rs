//! How the time is cut.

use std::time::Duration;

use proptest::prelude::*;

use super::super::stages::Stages;

const S: Duration = Duration::from_secs(1);

#[test]
fn of_two_minutes_the_chairman_keeps_36_seconds() {
    let stages = Stages::new(120 * S, 0.3);
    assert_eq!((stages.reviews, stages.end), (84 * S, 120 * S));
    assert_eq!(stages.answers, Duration::from_millis(50_400));
}

#[test]
fn the_chairman_has_what_the_members_did_not_need_and_leaves_the_next_one_a_part() {
    let stages = Stages::new(120 * S, 0.3);
    assert_eq!(stages.chairman(20 * S, false), 120 * S);
    assert_eq!(stages.chairman(20 * S, true), 80 * S);
    // The second one has all that is left.
    assert_eq!(stages.chairman(80 * S, false), 120 * S);
    // Nothing is left behind the end.
    assert_eq!(stages.chairman(121 * S, true), 120 * S);
}

proptest! {
    #[test]
    fn no_stage_ends_before_the_one_ahead_and_the_chairmans_share_is_always_left(
        millis in 1_u64..86_400_000, share in 0.1..=0.8, now in 0_u64..100_000_000, has_fallback: bool,
    ) {
        let timeout = Duration::from_millis(millis);
        let stages = Stages::new(timeout, share);
        prop_assert!(stages.answers <= stages.reviews && stages.reviews < stages.end && stages.end == timeout);
        let reserved = stages.end - stages.reviews;
        prop_assert!(reserved.as_secs_f64() >= timeout.as_secs_f64() * share - 1e-6);
        // Members that take all they may take nothing of it.
        let begins = stages.reviews.min(Duration::from_millis(now));
        let until = stages.chairman(begins, has_fallback);
        prop_assert!(until <= stages.end);
        let slice = if has_fallback { 0.59 } else { 1.0 };
        prop_assert!((until - begins).as_secs_f64() >= reserved.as_secs_f64() * slice - 1e-6);
    }

    #[test]
    fn whatever_the_share_is_nothing_panics(millis: u64, share: f64, now: u64) {
        let stages = Stages::new(Duration::from_millis(millis), share);
        let _ = stages.chairman(Duration::from_millis(now), true);
        prop_assert!(stages.answers <= stages.end);
    }
}
