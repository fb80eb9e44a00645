use super::*;
use crate::base::{Random, SeededRandom};

const DAY: Duration = Duration::from_secs(86_400);

fn piece(days: f64, nano_usd: i64) -> Piece {
    Piece { lasted: DAY.mul_f64(days), nano_usd }
}

#[test]
fn steady_spending_goes_on_as_it_was() {
    let days: Vec<Piece> = (0..10).map(|_| piece(1.0, 500)).collect();
    let outlook = outlook(&days, 5_000, DAY * 20);
    assert_eq!((outlook.low, outlook.expected, outlook.high), (15_000, 15_000, 15_000));
}

#[test]
fn a_day_that_is_not_over_counts_for_the_hours_it_had() {
    let outlook = outlook(&[piece(1.0, 240), piece(0.5, 120)], 360, DAY.mul_f64(0.5));
    assert_eq!((outlook.low, outlook.expected, outlook.high), (480, 480, 480));
}

#[test]
fn nothing_spent_and_nothing_known_foresees_nothing() {
    assert_eq!(outlook(&[], 0, DAY), Outlook { expected: 0, low: 0, high: 0 });
    assert_eq!(outlook(&[], 70, DAY), Outlook { expected: 70, low: 70, high: 70 });
    assert_eq!(outlook(&[piece(0.0, 5)], 5, DAY), Outlook { expected: 5, low: 5, high: 5 });
}

#[test]
fn one_piece_says_how_much_and_not_how_sure() {
    let outlook = outlook(&[piece(1.0, 100)], 100, DAY);
    assert_eq!((outlook.low, outlook.expected, outlook.high), (150, 200, 300));
}

#[test]
fn it_never_ends_below_what_is_spent() {
    let wild = [piece(1.0, 0), piece(1.0, 1_000_000), piece(1.0, 0)];
    let outlook = outlook(&wild, 42, DAY * 3);
    assert_eq!(outlook.low, 42);
    assert!(outlook.high > outlook.expected);
}

#[test]
fn sums_stop_at_the_largest_number() {
    let days = [piece(1.0, i64::MAX), piece(1.0, i64::MAX)];
    assert_eq!(outlook(&days, i64::MAX, DAY * 365).high, i64::MAX);
}

#[test]
fn a_limit_is_reached_when_the_rate_says_so() {
    let now = Timestamp::from_millis(1_000);
    let days: Vec<Piece> = (0..10).map(|_| piece(1.0, 100)).collect();
    let at = |spent, limit| reached_at(&outlook(&days, spent, DAY * 10), spent, limit, now, DAY * 10);
    assert_eq!(at(1_000, 1_500), Some(Timestamp::from_millis(1_000 + 5 * 86_400_000)));
    assert_eq!(at(1_000, 2_001), None);
    assert_eq!(at(1_000, 1_000), Some(now));
    assert_eq!(reached_at(&outlook(&[], 0, DAY), 0, 5, now, DAY), None);
}

/// A number of calls by Poisson's law.
fn calls(random: &SeededRandom, mean: f64) -> u32 {
    let (mut count, mut product) = (0, random.unit());
    let least = (-mean).exp();
    while product > least {
        count += 1;
        product *= random.unit();
    }
    count
}

/// What a call costs: most little, some much (a normal law of the logarithm).
fn cost(random: &SeededRandom) -> f64 {
    let (radius, angle) = (random.unit().max(f64::MIN_POSITIVE), random.unit() * std::f64::consts::TAU);
    1_000_000.0 * ((-2.0 * radius.ln()).sqrt() * angle.cos()).exp()
}

fn spend(random: &SeededRandom, calls_a_day: f64, days: f64) -> i64 {
    whole((0..calls(random, calls_a_day * days)).map(|_| cost(random)).sum())
}

#[test]
fn nine_of_ten_windows_end_within_the_interval() {
    // By days of history, days that are left, calls a day.
    for (past, left, a_day) in [(3, 1.0, 40.0), (7, 23.0, 20.0), (14, 0.5, 60.0), (28, 2.0, 8.0), (20, 10.0, 30.0)] {
        let mut within = 0;
        let windows = 400;
        for seed in 0..windows {
            let random = SeededRandom::new(seed);
            let mut pieces: Vec<Piece> = (0..past).map(|_| piece(1.0, spend(&random, a_day, 1.0))).collect();
            // The day that runs is half over.
            pieces.push(piece(0.5, spend(&random, a_day, 0.5)));
            let spent = pieces.iter().map(|piece| piece.nano_usd).sum();
            let outlook = outlook(&pieces, spent, DAY.mul_f64(left));
            let end = spent + spend(&random, a_day, left);
            within += u64::from((outlook.low..=outlook.high).contains(&end));
        }
        let share = within * 100 / windows;
        assert!(share >= 85, "seeds 0..{windows}: {share}% of {past} days, {left} left, {a_day} calls a day");
        assert!(share <= 98, "seeds 0..{windows}: {share}%: an interval that always holds says nothing");
    }
}
