use super::*;

const SECOND: Duration = Duration::from_secs(1);

/// Sends as fast as the pace allows against a provider that takes `limit` each second, for so long. Gives what was taken
/// and what was refused.
fn against(pace: &mut Adaptive, limit: u32, from: Duration, lasts: Duration) -> (u32, u32) {
    let (mut taken, mut refused) = (0, 0);
    let (mut second, mut used) = (u64::MAX, 0);
    let mut now = from;
    while now < from + lasts {
        let wait = pace.wait_for(1.0, now);
        if !wait.is_zero() {
            now += wait;
            continue;
        }
        pace.sent(now);
        if now.as_secs() != second {
            (second, used) = (now.as_secs(), 0);
        }
        used += 1;
        if used > limit {
            refused += 1;
            pace.throttled(now, now);
        } else {
            taken += 1;
            pace.succeeded(now);
        }
        now += Duration::from_millis(5);
    }
    (taken, refused)
}

#[test]
fn it_sleeps_until_the_first_refusal() {
    let mut pace = Adaptive::default();
    for _ in 0..1_000 {
        assert!(pace.wait_for(1_000.0, Duration::ZERO).is_zero());
        pace.sent(Duration::ZERO);
        pace.succeeded(Duration::ZERO);
    }
    assert_eq!(pace.rate(), None);
}

#[test]
fn a_refusal_leaves_seven_tenths_of_what_was_sent() {
    let mut pace = Adaptive::default();
    for _ in 0..20 {
        pace.sent(SECOND);
    }
    pace.throttled(SECOND, SECOND);
    assert!((pace.rate().unwrap() - 14.0).abs() < 1e-9, "{pace:?}");
    assert!(pace.wait_for(1.0, SECOND).is_zero(), "the retry may go at once");
    pace.sent(SECOND);
    assert!(!pace.wait_for(1.0, SECOND).is_zero());
}

#[test]
fn of_refusals_that_were_under_way_together_only_the_first_counts() {
    let mut pace = Adaptive::default();
    for _ in 0..64 {
        pace.sent(SECOND);
    }
    pace.throttled(SECOND, 2 * SECOND);
    let rate = pace.rate();
    for _ in 0..63 {
        pace.throttled(SECOND, 2 * SECOND);
    }
    assert_eq!(pace.rate(), rate);
    pace.throttled(2 * SECOND, 3 * SECOND);
    assert_eq!(pace.rate(), rate, "it is given a second to show");
    pace.throttled(3 * SECOND, 4 * SECOND);
    assert!(pace.rate() < rate);
}

#[test]
fn no_rate_is_lower_than_one_in_two_seconds() {
    let mut pace = Adaptive::default();
    for second in 0..100 {
        let now = Duration::from_secs(10 * second);
        pace.sent(now);
        pace.throttled(now, now);
    }
    assert_eq!(pace.rate(), Some(SLOWEST));
    let now = Duration::from_secs(990);
    assert!(pace.wait_for(2.0, now) <= 5 * SECOND);
}

#[test]
fn it_comes_near_the_limit_of_a_provider_that_says_nothing_else() {
    for limit in [1, 5, 20, 50] {
        let mut pace = Adaptive::default();
        let _ = against(&mut pace, limit, Duration::ZERO, 60 * SECOND);
        let (taken, refused) = against(&mut pace, limit, 60 * SECOND, 600 * SECOND);
        let share = f64::from(taken) / (f64::from(limit) * 600.0);
        assert!(share > 0.6, "limit {limit}: {taken} taken, {refused} refused");
        // Next to one each second, a request more is much.
        let most = if limit == 1 { 0.7 } else { 0.25 };
        assert!(f64::from(refused) < most * f64::from(taken), "limit {limit}: {taken} taken, {refused} refused");
    }
}

#[test]
fn it_forgets_when_there_was_no_refusal_for_long() {
    let mut pace = Adaptive::default();
    for _ in 0..10 {
        pace.sent(SECOND);
    }
    pace.throttled(SECOND, SECOND);
    pace.sent(60 * SECOND);
    pace.succeeded(60 * SECOND);
    assert!(pace.rate().is_some());
    pace.sent(70 * SECOND);
    pace.succeeded(70 * SECOND);
    assert_eq!(pace.rate(), None);
    assert!(pace.wait_for(1_000.0, 70 * SECOND).is_zero());
}

#[test]
fn a_clock_that_steps_back_breaks_nothing() {
    let mut pace = Adaptive::default();
    pace.sent(100 * SECOND);
    pace.throttled(100 * SECOND, 100 * SECOND);
    pace.sent(50 * SECOND);
    assert!(pace.wait_for(1.0, 50 * SECOND) <= 2 * SECOND);
    pace.succeeded(10 * SECOND);
    assert!(pace.rate() >= Some(SLOWEST));
}
