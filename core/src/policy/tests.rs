mod fallback;
mod hedge;
mod splice;

use std::time::Duration;

use super::*;
use crate::base::{ErrorKind, Random, Retry, SeededRandom};

const HOUR: Duration = Duration::from_secs(3_600);

/// Decides with a full budget.
fn decide(policy: &RetryPolicy, attempt: u32, failure: Failure, left: Duration, chance: f64) -> Decision {
    policy.decide(attempt, failure, left, chance, &mut policy.budget(Duration::ZERO), Duration::ZERO)
}

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
        assert_eq!(decide(&policy, 1, failure(kind, Retry::Never), HOUR, 0.5), Decision::Never);
    }
}

#[test]
fn tries_are_bounded_in_number() {
    let policy = RetryPolicy::new(RetrySettings { max_attempts: 3, ..RetrySettings::default() });
    let bad = failure(ErrorKind::Unavailable, Retry::Safe);
    assert!(matches!(decide(&policy, 2, bad, HOUR, 0.9), Decision::Wait(_)));
    assert_eq!(decide(&policy, 3, bad, HOUR, 0.9), Decision::Exhausted);
}

#[test]
fn the_servers_delay_is_a_floor_and_jitter_goes_upward_only() {
    let policy = RetryPolicy::new(RetrySettings::default());
    let random = SeededRandom::new(11);
    for _ in 0..1_000 {
        let told = failure(ErrorKind::RateLimited, Retry::After { after_ms: 2_000 });
        let Decision::Wait(wait) = decide(&policy, 1, told, HOUR, random.unit()) else { panic!("not retried") };
        assert!((2_000..=2_200).contains(&wait.as_millis()), "{wait:?}");
    }
}

#[test]
fn no_wait_passes_the_deadline_or_the_longest_inline_wait() {
    let policy = RetryPolicy::new(RetrySettings::default());
    let told = |after_ms| failure(ErrorKind::RateLimited, Retry::After { after_ms });
    assert_eq!(decide(&policy, 1, told(2_000), Duration::from_secs(2), 0.0), Decision::Exhausted);
    assert_eq!(decide(&policy, 1, told(61_000), HOUR, 0.0), Decision::Exhausted);
    assert_eq!(decide(&policy, 1, told(-5), HOUR, 1.0), Decision::Wait(Duration::ZERO));
    assert_eq!(
        decide(&policy, 1, failure(ErrorKind::Unavailable, Retry::Safe), Duration::ZERO, 0.0),
        Decision::Exhausted
    );
}

#[test]
fn a_retry_costs_one_a_success_gives_half_back_and_an_empty_budget_ends_retrying() {
    let settings = RetrySettings { budget_capacity: 2, ..RetrySettings::default() };
    let policy = RetryPolicy::new(settings);
    let mut budget = policy.budget(Duration::ZERO);
    let bad = failure(ErrorKind::Unavailable, Retry::Safe);
    let tried = |budget: &mut RetryBudget| policy.decide(1, bad, HOUR, 0.5, budget, Duration::ZERO);
    assert!(matches!(tried(&mut budget), Decision::Wait(_)));
    assert!(matches!(tried(&mut budget), Decision::Wait(_)));
    assert_eq!(tried(&mut budget), Decision::Exhausted);
    budget.earn(Duration::ZERO);
    assert_eq!(tried(&mut budget), Decision::Exhausted);
    budget.earn(Duration::ZERO);
    assert!(matches!(tried(&mut budget), Decision::Wait(_)));
    for _ in 0..100 {
        budget.earn(Duration::ZERO);
    }
    assert!(budget.is_full(Duration::ZERO) && budget.spend(Duration::ZERO) && budget.spend(Duration::ZERO));
    assert!(!budget.spend(Duration::ZERO), "no more than its capacity is ever saved up");
}

#[test]
fn an_idle_target_earns_one_retry_in_ten_seconds_and_a_clock_that_steps_back_earns_nothing() {
    let at = Duration::from_secs;
    let mut budget = RetryBudget::new(&RetrySettings { budget_capacity: 1, ..RetrySettings::default() }, at(100));
    assert!(budget.spend(at(100)) && !budget.spend(at(100)));
    assert!(!budget.spend(at(50)) && !budget.spend(at(109)));
    assert!(budget.spend(at(110)) && !budget.spend(at(110)));
    assert!(!budget.spend(at(20)) && !budget.spend(at(119)) && budget.spend(at(120)));
}

#[test]
fn a_refusal_costs_nothing() {
    let policy = RetryPolicy::new(RetrySettings { budget_capacity: 1, ..RetrySettings::default() });
    let mut budget = policy.budget(Duration::ZERO);
    for (attempt, retry, left) in [
        (1, Retry::Never, HOUR),
        (1, Retry::Exhausted, HOUR),
        (9, Retry::Safe, HOUR),
        (1, Retry::After { after_ms: 61_000 }, HOUR),
        (1, Retry::After { after_ms: 5_000 }, Duration::from_secs(5)),
    ] {
        let bad = failure(ErrorKind::Unavailable, retry);
        let decided = policy.decide(attempt, bad, left, 0.5, &mut budget, Duration::ZERO);
        assert!(!matches!(decided, Decision::Wait(_)), "{decided:?}");
    }
    assert!(budget.is_full(Duration::ZERO));
}
