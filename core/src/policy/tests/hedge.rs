//! When a second request is sent, and how many.

use super::*;

const MS: Duration = Duration::from_millis(1);

fn hedge(share: f64) -> Hedge {
    Hedge::new(&FallbackSettings { hedge_share: share, ..FallbackSettings::default() })
}

#[test]
fn the_wait_is_two_seconds_until_twenty_answers_are_known_and_then_what_95_of_100_took() {
    let mut hedge = hedge(0.05);
    for at in 1..=20 {
        assert_eq!(hedge.begin(), 2_000 * MS, "after {} answers", at - 1);
        hedge.saw(at * MS);
    }
    assert_eq!(hedge.begin(), 19 * MS);
    for at in 21..=100 {
        hedge.saw(at * MS);
    }
    assert_eq!(hedge.begin(), 95 * MS);
    // What is old is forgotten.
    for _ in 0..1_000 {
        hedge.saw(7 * MS);
    }
    assert_eq!(hedge.begin(), 7 * MS);
}

#[test]
fn no_more_than_the_share_of_the_requests_is_asked_twice_however_slow_they_are() {
    for (share, calls) in [(0.05, 10_000_u32), (0.0, 1_000), (1.0, 1_000), (0.3, 999)] {
        let (mut hedge, mut sent) = (hedge(share), 0_u32);
        for call in 1..=calls {
            let _ = hedge.begin();
            sent += u32::from(hedge.spend());
            assert!(f64::from(sent) <= share * f64::from(call) + 1e-6, "{sent} of {call} at {share}");
        }
        assert!(f64::from(sent) + 1.0 >= share * f64::from(calls), "{sent} of {calls} at {share}");
    }
}

#[test]
fn what_was_saved_up_in_quiet_times_is_bounded_and_no_share_is_more_than_all() {
    let mut quiet = hedge(0.05);
    for _ in 0..100_000 {
        let _ = quiet.begin();
    }
    assert_eq!((0..1_000).filter(|_| quiet.spend()).count(), 10);
    let mut greedy = hedge(f64::INFINITY);
    let _ = greedy.begin();
    assert!(greedy.spend() && !greedy.spend());
}

#[test]
fn other_settings_count_from_then_on_and_what_was_learnt_stays() {
    let other = |hedge_share, hedge_delay_ms| FallbackSettings { hedge_share, hedge_delay_ms, ..Default::default() };
    let mut hedge = hedge(0.5);
    for _ in 0..4 {
        assert_eq!(hedge.begin(), 2_000 * MS);
    }
    hedge.adopt(&other(1.0, 700));
    assert_eq!(hedge.begin(), 700 * MS, "the wait of the new settings");
    assert_eq!((0..10).filter(|_| hedge.spend()).count(), 3, "four halves were saved up, and a whole one came");
    for at in 1..=20 {
        hedge.saw(at * MS);
    }
    hedge.adopt(&other(0.05, 900));
    assert_eq!(hedge.begin(), 19 * MS, "what is usual is known");
    hedge.adopt(&other(1.0, 900));
    let _ = (hedge.begin(), hedge.begin());
    hedge.adopt(&other(0.0, 900));
    assert!(!hedge.spend(), "nothing is spent any more of what was saved up");
}
