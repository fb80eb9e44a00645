use super::*;
use crate::base::{Random as _, SeededRandom};

const SECOND: Duration = Duration::from_secs(1);

fn said(limit: u64, remaining: u64, resets_in_ms: u64) -> Allowance {
    Allowance { limit, remaining, resets_in: (resets_in_ms > 0).then(|| Duration::from_millis(resets_in_ms)) }
}

fn near(left: f64, right: f64) -> bool {
    (left - right).abs() < 1e-3
}

#[test]
fn it_is_full_at_first_and_fills_by_the_second() {
    let mut bucket = Bucket::per_minute(60, Duration::ZERO);
    assert!(near(bucket.reserve(60.0, Duration::ZERO).left, 0.0));
    assert_eq!(bucket.wait_for(1.0, Duration::ZERO).as_millis(), 1_000);
    assert!(!bucket.wait_for(1.0, 999 * SECOND / 1_000).is_zero());
    assert!(bucket.wait_for(1.0, SECOND + Duration::from_nanos(1)).is_zero());
    assert!(near(bucket.remaining(30 * SECOND), 30.0));
    assert!(near(bucket.remaining(600 * SECOND), 60.0), "never more than it holds");
}

#[test]
fn the_wait_that_it_names_is_long_enough() {
    for limit in [1, 3, 7, 59, 61, 1_000, 30_000, 2_000_000] {
        let mut bucket = Bucket::per_minute(limit, Duration::ZERO);
        let mut now = Duration::ZERO;
        for _ in 0..1_000 {
            let wait = bucket.wait_for(1.0, now);
            now += wait;
            assert!(bucket.wait_for(1.0, now).is_zero(), "limit {limit} at {now:?}");
            let _ = bucket.reserve(1.0, now);
        }
    }
}

#[test]
fn what_a_request_did_not_take_comes_back_and_what_it_took_beyond_is_paid_off() {
    let mut bucket = Bucket::per_minute(600, Duration::ZERO);
    let drawn = bucket.reserve(500.0, Duration::ZERO);
    bucket.settle(drawn, 100.0, Duration::ZERO);
    assert!(near(bucket.remaining(Duration::ZERO), 500.0));
    let drawn = bucket.reserve(500.0, Duration::ZERO);
    bucket.settle(drawn, 700.0, Duration::ZERO);
    assert!(near(bucket.remaining(Duration::ZERO), 0.0));
    assert!(near(bucket.wait_for(1.0, Duration::ZERO).as_secs_f64(), 20.1), "200 too much, then one");
    // Whatever nonsense is reported, the debt is a minute's at most.
    let drawn = bucket.reserve(0.0, Duration::ZERO);
    bucket.settle(drawn, f64::MAX, Duration::ZERO);
    assert!(bucket.wait_for(600.0, Duration::ZERO) <= 121 * SECOND);
    bucket.settle(Drawn { amount: f64::MAX, left: 0.0 }, 0.0, Duration::ZERO);
    assert!(near(bucket.remaining(Duration::ZERO), 600.0));
}

#[test]
fn more_than_it_holds_goes_from_a_full_one() {
    let mut bucket = Bucket::per_minute(100, Duration::ZERO);
    assert!(bucket.wait_for(1e9, Duration::ZERO).is_zero());
    assert!(near(bucket.reserve(1e9, Duration::ZERO).amount, 100.0));
    assert!(near(bucket.wait_for(1e9, Duration::ZERO).as_secs_f64(), 60.0));
    assert!(near(bucket.time_until(1e3, Duration::ZERO).as_secs_f64(), 600.0));
}

#[test]
fn a_clock_that_steps_back_adds_nothing_and_takes_nothing() {
    let mut bucket = Bucket::per_minute(60, 100 * SECOND);
    let _ = bucket.reserve(60.0, 100 * SECOND);
    assert!(near(bucket.remaining(10 * SECOND), 0.0));
    assert!(near(bucket.remaining(100 * SECOND), 0.0));
    assert!(near(bucket.remaining(101 * SECOND), 1.0));
}

#[test]
fn what_the_provider_says_only_lowers_what_is_left() {
    let mut bucket = Bucket::per_minute(60, Duration::ZERO);
    let drawn = bucket.reserve(1.0, Duration::ZERO);
    bucket.observe(&said(60, 40, 20_000), Some(drawn), Duration::ZERO);
    assert!(near(bucket.remaining(Duration::ZERO), 40.0));
    bucket.observe(&said(60, 59, 1_000), Some(Drawn { amount: 1.0, left: 40.0 }), Duration::ZERO);
    assert!(near(bucket.remaining(Duration::ZERO), 40.0));
    // The answer is five seconds old: what has filled up and was drawn since stays counted.
    let drawn = bucket.reserve(10.0, Duration::ZERO);
    let _ = bucket.reserve(10.0, Duration::ZERO);
    bucket.observe(&said(60, 25, 35_000), Some(drawn), 5 * SECOND);
    assert!(near(bucket.remaining(5 * SECOND), 20.0), "{bucket:?}");
}

#[test]
fn the_smaller_of_both_limits_counts() {
    let mut bucket = Bucket::per_minute(60, Duration::ZERO);
    bucket.observe(&said(6_000, 6_000, 0), None, Duration::ZERO);
    assert!(near(bucket.remaining(Duration::ZERO), 60.0));
    let _ = bucket.reserve(60.0, Duration::ZERO);
    assert!(near(bucket.remaining(30 * SECOND), 30.0));
    bucket.observe(&said(6, 6, 0), None, 30 * SECOND);
    assert!(near(bucket.remaining(90 * SECOND), 6.0));
}

#[test]
fn a_limit_by_the_day_comes_back_by_the_day_and_rounded_times_do_not_confuse_a_minutes() {
    // Groq: 14,400 a day.
    let mut day = Bucket::learnt(&said(14_400, 14_370, 180_000), Duration::ZERO);
    let _ = day.reserve(14_370.0, Duration::ZERO);
    assert!(near(day.wait_for(1.0, Duration::ZERO).as_secs_f64(), 6.0), "{day:?}");
    // Anthropic: 50 a minute, one of them taken, the reset rounded up to two seconds.
    let mut minute = Bucket::learnt(&said(50, 49, 2_000), Duration::ZERO);
    let _ = minute.reserve(49.0, Duration::ZERO);
    assert!(near(minute.wait_for(1.0, Duration::ZERO).as_secs_f64(), 1.2), "{minute:?}");
}

#[test]
fn at_the_reset_all_is_back_but_what_was_drawn_since() {
    let mut bucket = Bucket::learnt(&said(60, 1, 30_000), Duration::ZERO);
    let _ = bucket.reserve(1.0, Duration::ZERO);
    assert!(bucket.remaining(29 * SECOND) < 30.0);
    assert!(near(bucket.remaining(30 * SECOND), 59.0));
    let mut fixed = Bucket::learnt(&said(60, 58, 58_000), Duration::ZERO);
    let _ = fixed.reserve(58.0, Duration::ZERO);
    assert!(fixed.remaining(57 * SECOND) < 3.0, "a window that does not fill by the second: {fixed:?}");
}

#[test]
fn no_order_of_calls_brings_it_below_nothing_or_above_what_it_holds() {
    for seed in 0..200 {
        let random = SeededRandom::new(seed);
        let pick = |most: f64| (random.unit() * most).floor();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "small and positive")]
        let whole = |most: f64| pick(most) as u64;
        let mut bucket = Bucket::per_minute(1 + whole(100.0), Duration::ZERO);
        let mut drawn = Vec::new();
        for _ in 0..200 {
            let now = Duration::from_millis(whole(600_000.0));
            match whole(5.0) {
                0 => drawn.push(bucket.reserve(pick(200.0), now)),
                1 => drawn.pop().into_iter().for_each(|of| bucket.settle(of, pick(300.0), now)),
                2 => bucket.observe(&said(whole(200.0), whole(200.0), whole(90_000.0)), drawn.last().copied(), now),
                3 => bucket.empty(now),
                _ => assert!(bucket.wait_for(pick(300.0), now) <= LONGEST + SECOND, "seed {seed}"),
            }
            let left = bucket.remaining(now);
            assert!((0.0..=bucket.capacity).contains(&left), "seed {seed}: {bucket:?}");
        }
    }
}
