use std::time::Duration;

use super::{Buckets, Figures, MAX_TARGETS, Measure};
use crate::base::{Clock as _, ErrorKind, ManualClock, Random as _, SeededRandom};

const SECOND: Duration = Duration::from_secs(1);

fn call(outcome: Result<(), ErrorKind>, ms: u64) -> Measure {
    let duration = Duration::from_millis(ms);
    Measure::Call { outcome, duration, first_delta: Some(duration / 2), added: Duration::from_micros(ms) }
}

fn number(random: &SeededRandom) -> u64 {
    let mut bytes = [0; 8];
    random.fill(&mut bytes);
    u64::from_le_bytes(bytes)
}

/// The value at this rank of all, exactly.
fn exact(sorted: &[u64], share: f64) -> u64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "a rank")]
    let rank = ((share * sorted.len() as f64).ceil() as usize).max(1);
    sorted[rank - 1]
}

#[expect(clippy::cast_precision_loss, reason = "a comparison of sizes")]
fn assert_near(read: u64, true_value: u64, what: &str) {
    let off = read.abs_diff(true_value) as f64;
    assert!(off <= true_value as f64 / 32.0, "{what}: {read} is too far from {true_value}");
}

#[test]
fn every_quantile_is_within_a_thirty_second_of_the_exact_one_whatever_the_values() {
    for seed in 1..=40 {
        let random = SeededRandom::new(seed);
        // From some to many values, of one size or of sizes from nanoseconds to centuries.
        let (count, bits) = (1 + number(&random) % 3_000, 1 + number(&random) % 63);
        let mut buckets = Buckets::default();
        let mut values: Vec<u64> =
            (0..count).map(|_| (number(&random) >> (number(&random) % 64)) % (1 << bits)).collect();
        values.iter().for_each(|value| buckets.record(*value));
        values.sort_unstable();
        for share in [0.0, 0.001, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0] {
            let what = format!("seed {seed}, {count} values of {bits} bits, share {share}");
            assert_near(buckets.quantile(share), exact(&values, share), &what);
        }
        assert_eq!(buckets.count(), count, "seed {seed}");
        let spread = buckets.spread(1.0);
        #[expect(clippy::cast_precision_loss, reason = "as the figure itself")]
        let max = values[values.len() - 1] as f64;
        assert!((spread.max - max).abs() < f64::EPSILON * max.max(1.0), "seed {seed}");
    }
}

#[test]
fn parts_that_are_put_together_are_the_whole() {
    for seed in 1..=20 {
        let random = SeededRandom::new(seed);
        let (mut whole, mut left, mut right) = (Buckets::default(), Buckets::default(), Buckets::default());
        for _ in 0..500 {
            let value = number(&random) >> (number(&random) % 64);
            whole.record(value);
            if random.unit() < 0.3 { left.record(value) } else { right.record(value) }
        }
        left.add(&right);
        assert_eq!(left, whole, "seed {seed}");
    }
}

#[test]
fn the_ends_of_what_can_be_said_are_said() {
    let mut buckets = Buckets::default();
    assert_eq!((buckets.quantile(0.5), buckets.count()), (0, 0), "nothing is nothing");
    buckets.record(0);
    assert_eq!(buckets.quantile(0.99), 0);
    buckets.record(u64::MAX);
    assert_near(buckets.quantile(1.0), u64::MAX, "the largest");
    for exact in 0..32 {
        let mut one = Buckets::default();
        one.record(exact);
        assert_eq!(one.quantile(0.5), exact, "small values are exact");
    }
    // A bucket in which the largest value stands low is not read as more than it.
    let mut low = Buckets::default();
    low.record(1 << 20);
    assert_eq!(low.quantile(0.5), 1 << 20);
}

#[test]
fn the_memory_of_any_number_of_values_is_bounded() {
    let random = SeededRandom::new(7);
    let mut buckets = Buckets::default();
    for _ in 0..200_000 {
        buckets.record(number(&random) >> (number(&random) % 64));
    }
    assert!(buckets.filled() <= 976, "seed 7: {} buckets", buckets.filled());
    assert_eq!(buckets.count(), 200_000);
}

#[test]
fn calls_tries_and_their_errors_are_counted_apart() {
    let mut figures = Figures::default();
    let mut told = |what: &Measure| figures.record("lab/m", what, SECOND);
    told(&call(Ok(()), 100));
    told(&call(Ok(()), 200));
    told(&call(Err(ErrorKind::Unavailable), 300));
    told(&call(Err(ErrorKind::Cancelled), 10));
    for failed in [None, None, Some(ErrorKind::Unavailable), Some(ErrorKind::RateLimited)] {
        told(&Measure::Attempt { failed, is_retry: failed.is_some() });
    }
    for what in [Measure::Stalled, Measure::Reattached, Measure::CacheHit, Measure::CacheHit, Measure::CacheMiss] {
        told(&what);
    }
    told(&Measure::QueueEntered);
    told(&Measure::QueueLeft(Duration::from_millis(8)));
    told(&Measure::ConnectionWait(Duration::from_millis(4)));
    let mut gaps = Buckets::default();
    gaps.record(16_000);
    told(&Measure::Streamed { gaps, output_tokens: 50, over: 2 * SECOND });
    // A reply that came at once has no speed, and no division by nothing.
    told(&Measure::Streamed { gaps: Buckets::default(), output_tokens: 50, over: Duration::ZERO });

    let stats = figures.stats(60 * SECOND, SECOND);
    assert_eq!(stats.targets.len(), 1);
    let of = &stats.targets[0];
    assert_eq!((of.model.as_str(), of.calls, of.succeeded, of.cancelled), ("lab/m", 4, 2, 1));
    assert_eq!(of.errors, [("unavailable".to_owned(), 1)].into());
    assert_eq!(of.success_rate, Some(2.0 / 3.0));
    assert_eq!((of.attempts, of.retries), (4, 2));
    assert_eq!(of.attempt_errors, [("unavailable".to_owned(), 1), ("rate_limited".to_owned(), 1)].into());
    assert_eq!((of.stalls, of.reattached, of.cache_hits, of.cache_misses), (1, 1, 2, 1));
    assert_eq!((of.duration_ms.count, of.first_delta_ms.count, of.added_ms.count), (2, 4, 4));
    let near = |value: f64, true_value: f64| (value - true_value).abs() <= true_value / 32.0;
    assert!(near(of.duration_ms.p50, 100.0) && near(of.duration_ms.max, 200.0), "{:?}", of.duration_ms);
    assert!(near(of.first_delta_ms.p99, 150.0) && near(of.added_ms.p99, 0.3), "{of:?}");
    assert!(near(of.queue_wait_ms.p50, 8.0) && near(of.connection_wait_ms.p50, 4.0) && near(of.delta_gap_ms.p50, 16.0));
    assert_eq!(of.tokens_per_second.count, 1);
    assert!(near(of.tokens_per_second.p50, 25.0), "{:?}", of.tokens_per_second);
    assert_eq!((stats.total.model.as_str(), stats.total.calls), ("*", 4));
}

#[test]
fn a_window_holds_what_happened_within_it_and_nothing_else() {
    let clock = ManualClock::default();
    let mut figures = Figures::default();
    // One call each second of two hours.
    for second in 0..7_200_u64 {
        figures.record("lab/m", &call(Ok(()), 1), clock.monotonic());
        let seen = |window: Duration| figures.stats(window, clock.monotonic()).total.calls;
        if second % 613 == 0 {
            let lived = i64::try_from(second + 1).unwrap();
            assert_eq!(seen(SECOND), 1, "second {second}");
            assert_eq!(seen(10 * SECOND), lived.min(10), "second {second}");
            assert_eq!(seen(60 * SECOND), lived.min(60), "second {second}");
            // In minutes the running one counts as a whole one.
            let running = lived - 60 * (i64::try_from(second).unwrap() / 60);
            assert_eq!(seen(300 * SECOND), lived.min(240 + running), "second {second}");
            assert_eq!(seen(3_600 * SECOND), lived.min(3_540 + running), "second {second}");
            assert_eq!(seen(100_000 * SECOND), seen(3_600 * SECOND), "second {second}");
        }
        clock.advance(SECOND);
    }
    assert_eq!(figures.stats(Duration::MAX, clock.monotonic()).window_ms, 3_600_000);
    // When nothing happens, what happened goes by itself.
    clock.advance(60 * SECOND);
    assert_eq!(figures.stats(60 * SECOND, clock.monotonic()).total.calls, 0);
    assert!(figures.stats(3_600 * SECOND, clock.monotonic()).total.calls > 3_000);
    clock.advance(3_600 * SECOND);
    let stats = figures.stats(3_600 * SECOND, clock.monotonic());
    assert_eq!((stats.total.calls, stats.targets.len()), (0, 0));
}

#[test]
fn random_times_are_summed_up_as_a_list_of_them_would_be() {
    for seed in 1..=10 {
        let random = SeededRandom::new(seed);
        let mut figures = Figures::default();
        let (mut now, mut calls) = (Duration::ZERO, Vec::new());
        for _ in 0..600 {
            now += Duration::from_millis(number(&random) % 9_000);
            figures.record("lab/m", &call(Ok(()), 1), now);
            calls.push(now.as_secs());
        }
        let second = now.as_secs();
        for window in [1, 7, 30, 60, 61, 120, 900, 3_600] {
            let within = |at: &&u64| match window {
                0..=60 => **at + window > second,
                _ => **at / 60 + window.div_ceil(60) > second / 60,
            };
            let expected = calls.iter().filter(within).count();
            let seen = figures.stats(Duration::from_secs(window), now).total.calls;
            assert_eq!(seen, i64::try_from(expected).unwrap(), "seed {seed}, window {window} s");
        }
    }
}

#[test]
fn who_read_the_clock_earlier_and_comes_later_is_counted_once() {
    let mut figures = Figures::default();
    figures.record("lab/m", &call(Ok(()), 1), 100 * SECOND);
    figures.record("lab/m", &call(Ok(()), 1), 99 * SECOND);
    figures.record("lab/m", &call(Ok(()), 1), 101 * SECOND);
    assert_eq!(figures.stats(60 * SECOND, 101 * SECOND).total.calls, 3);
    assert_eq!(figures.stats(600 * SECOND, 101 * SECOND).total.calls, 3);
}

#[test]
fn of_too_many_models_those_idle_longest_lose_their_figures_and_the_sum_keeps_all() {
    let mut figures = Figures::default();
    for n in 0..1_000_u64 {
        let now = Duration::from_millis(100 * n);
        figures.record(&format!("lab/{n}"), &call(Ok(()), 1), now);
        figures.record("lab/busy", &call(Ok(()), 1), now);
    }
    let stats = figures.stats(3_600 * SECOND, 100 * SECOND);
    assert_eq!((stats.total.calls, stats.targets.len()), (2_000, MAX_TARGETS));
    let busy = stats.targets.iter().find(|target| target.model == "lab/busy");
    assert_eq!(busy.map(|target| target.calls), Some(1_000));
    assert!(stats.targets.iter().any(|target| target.model == "lab/999"));
    // Two with a minute of seconds, the others with one slice each.
    assert!(figures.history_slices() <= 2 * 64 + MAX_TARGETS, "{} slices", figures.history_slices());
}

#[test]
fn open_streams_are_counted_as_long_as_they_are_open() {
    let mut figures = Figures::default();
    for _ in 0..3 {
        figures.record("lab/m", &Measure::StreamOpened, SECOND);
    }
    figures.record("lab/m", &Measure::StreamClosed, SECOND);
    assert_eq!(figures.open_streams(), 2);
    // Long after, when every slice is gone, they are still open.
    assert_eq!(figures.stats(SECOND, 100_000 * SECOND).targets[0].open_streams, 2);
    for _ in 0..5 {
        figures.record("lab/m", &Measure::StreamClosed, SECOND);
    }
    assert_eq!(figures.open_streams(), 0, "never below nothing");
}
