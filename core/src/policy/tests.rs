use std::time::Duration;

use super::*;
use crate::base::{ErrorKind, Random, Retry, SeededRandom};

const HOUR: Duration = Duration::from_secs(3_600);

fn failure(kind: ErrorKind, retry: Retry) -> Failure {
    Failure { kind, retry }
}

#[test]
fn a_backoff_doubles_up_to_its_cap_and_is_spread_over_the_whole_range() {
    let backoff = Backoff { base: Duration::from_millis(500), cap: Duration::from_secs(8) };
    let at_most = |attempt| backoff.delay(attempt, 1.0).as_millis();
    assert_eq!((1..=7).map(at_most).collect::<Vec<_>>(), [500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]);
    assert_eq!(backoff.delay(3, 0.0), Duration::ZERO);
    assert_eq!(backoff.delay(u32::MAX, 1.0), Duration::from_secs(8));
}

#[test]
fn what_cannot_help_is_never_repeated() {
    let policy = RetryPolicy::new(RetrySettings::default());
    for kind in ErrorKind::ALL {
        assert_eq!(policy.decide(1, failure(kind, Retry::Never), HOUR, 0.5), Decision::Never);
    }
}

#[test]
fn tries_are_bounded_in_number() {
    let policy = RetryPolicy::new(RetrySettings { max_attempts: 3, ..RetrySettings::default() });
    let bad = failure(ErrorKind::Unavailable, Retry::Safe);
    assert!(matches!(policy.decide(2, bad, HOUR, 0.9), Decision::Wait(_)));
    assert_eq!(policy.decide(3, bad, HOUR, 0.9), Decision::Exhausted);
}

#[test]
fn the_servers_delay_is_a_floor_and_jitter_goes_upward_only() {
    let policy = RetryPolicy::new(RetrySettings::default());
    let random = SeededRandom::new(11);
    for _ in 0..1_000 {
        let told = failure(ErrorKind::RateLimited, Retry::After { after_ms: 2_000 });
        let Decision::Wait(wait) = policy.decide(1, told, HOUR, random.unit()) else { panic!("not retried") };
        assert!((2_000..=2_200).contains(&wait.as_millis()), "{wait:?}");
    }
}

#[test]
fn no_wait_passes_the_deadline_or_the_longest_inline_wait() {
    let policy = RetryPolicy::new(RetrySettings::default());
    let told = |after_ms| failure(ErrorKind::RateLimited, Retry::After { after_ms });
    assert_eq!(policy.decide(1, told(2_000), Duration::from_secs(2), 0.0), Decision::Exhausted);
    assert_eq!(policy.decide(1, told(61_000), HOUR, 0.0), Decision::Exhausted);
    assert_eq!(policy.decide(1, told(-5), HOUR, 1.0), Decision::Wait(Duration::ZERO));
    assert_eq!(
        policy.decide(1, failure(ErrorKind::Unavailable, Retry::Safe), Duration::ZERO, 0.0),
        Decision::Exhausted
    );
}
