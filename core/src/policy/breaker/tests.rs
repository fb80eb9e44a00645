use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const BAD: Health = Health::Bad(None);
/// The middle of the spread.
const EVEN: f64 = 0.5;

fn breaker() -> Breaker {
    Breaker::new(BreakerSettings::default())
}

fn pass(breaker: &mut Breaker, now: Duration) -> Permit {
    match breaker.admit(now) {
        Admission::Pass(permit) => permit,
        Admission::Wait(wait) => panic!("has to wait {wait:?}"),
    }
}

/// One try that ends at the moment it began.
fn tried(breaker: &mut Breaker, health: Health, now: Duration) -> Option<Change> {
    let mut permit = pass(breaker, now);
    breaker.record(&mut permit, health, now, EVEN)
}

/// Opened at zero, for five seconds.
fn opened() -> Breaker {
    let mut breaker = breaker();
    for _ in 0..9 {
        assert_eq!(tried(&mut breaker, BAD, Duration::ZERO), None);
    }
    assert_eq!(tried(&mut breaker, BAD, Duration::ZERO), Some(Change::Opened(5 * SECOND)));
    breaker
}

fn waits(breaker: &mut Breaker, now: Duration) -> Option<Duration> {
    match breaker.admit(now) {
        Admission::Wait(wait) => wait,
        Admission::Pass(_) => panic!("may pass"),
    }
}

#[test]
fn ten_failures_in_a_row_open_it_when_nothing_succeeded_for_three_seconds() {
    let _ = opened();
    for (quiet, opens) in [(Duration::from_millis(2_999), false), (3 * SECOND, true)] {
        let mut breaker = breaker();
        // Enough successes that the share of failures stays small.
        for _ in 0..10 {
            assert_eq!(tried(&mut breaker, Health::Good, SECOND), None);
        }
        for _ in 0..9 {
            assert_eq!(tried(&mut breaker, BAD, SECOND + quiet), None);
        }
        assert_eq!(tried(&mut breaker, BAD, SECOND + quiet).is_some(), opens, "after {quiet:?}");
    }
}

#[test]
fn a_success_ends_the_row_and_what_is_nobodys_fault_does_not() {
    for (between, opens) in [(Health::Good, false), (Health::Alive, true), (Health::Unknown, true)] {
        let mut breaker = breaker();
        for _ in 0..9 {
            assert_eq!(tried(&mut breaker, BAD, 10 * SECOND), None);
        }
        assert_eq!(tried(&mut breaker, between, 10 * SECOND), None);
        assert_eq!(tried(&mut breaker, BAD, 14 * SECOND).is_some(), opens, "{between:?}");
    }
}

#[test]
fn more_than_eight_failures_in_ten_of_twenty_tries_open_it() {
    // The last try fails in each: (successes, failures, whether it opens).
    for (good, bad, opens) in [(4, 16, false), (3, 17, true), (3, 16, false), (8, 33, true), (8, 32, false)] {
        let mut breaker = breaker();
        let mut changes = Vec::new();
        for _ in 0..good {
            changes.extend(tried(&mut breaker, Health::Good, SECOND));
        }
        // Within three seconds of a success the row alone opens nothing.
        for _ in 0..bad {
            changes.extend(tried(&mut breaker, BAD, 2 * SECOND));
        }
        assert_eq!(changes, if opens { vec![Change::Opened(5 * SECOND)] } else { vec![] }, "{good} good, {bad} bad");
    }
}

#[test]
fn failures_that_left_the_window_count_no_more() {
    let mut breaker = breaker();
    assert_eq!(tried(&mut breaker, Health::Good, Duration::ZERO), None);
    for tenth in 0..18 {
        assert_eq!(tried(&mut breaker, Health::Busy(None), tenth * SECOND / 10), None);
    }
    let mut late = breaker.clone();
    assert!(tried(&mut breaker, Health::Busy(None), 59 * SECOND).is_some());
    assert_eq!(tried(&mut late, Health::Busy(None), 66 * SECOND), None);
    assert!(!late.is_fresh(66 * SECOND));
    assert!(late.is_fresh(166 * SECOND), "an idle target is forgotten");
}

#[test]
fn a_busy_target_counts_for_the_share_alone() {
    let mut breaker = breaker();
    for _ in 0..19 {
        assert_eq!(tried(&mut breaker, Health::Busy(None), 9 * SECOND), None);
    }
    assert_eq!(tried(&mut breaker, Health::Busy(None), 9 * SECOND), Some(Change::Opened(5 * SECOND)));
}

#[test]
fn a_reply_that_breaks_off_after_it_began_is_one_try_that_failed() {
    let mut breaker = breaker();
    for number in 1..=20 {
        let mut permit = pass(&mut breaker, SECOND);
        assert_eq!(breaker.record(&mut permit, Health::Good, SECOND, EVEN), None);
        assert_eq!(breaker.record(&mut permit, BAD, SECOND, EVEN).is_some(), number == 20, "try {number}");
    }
}

/// A state, how to come there with a try under way, and what each outcome of it changes.
type Row<'a> = (&'a str, &'a dyn Fn() -> (Breaker, Permit), [Option<Change>; 5]);

#[test]
fn each_state_answers_each_outcome_of_each_try() {
    let now = 7 * SECOND;
    let closed = || {
        let mut breaker = breaker();
        let permit = pass(&mut breaker, now);
        (breaker, permit)
    };
    let open = || {
        let mut breaker = breaker();
        let permit = pass(&mut breaker, Duration::ZERO);
        for _ in 0..10 {
            let _ = tried(&mut breaker, BAD, 4 * SECOND);
        }
        (breaker, permit)
    };
    let half_open = || {
        let mut breaker = opened();
        let permit = pass(&mut breaker, now);
        (breaker, permit)
    };
    // A permit of an earlier time, in a breaker that has gone on to be half open.
    let late = || {
        let (mut breaker, permit) = open();
        let Admission::Pass(_probe) = breaker.admit(now + 5 * SECOND) else { panic!("no probe") };
        (breaker, permit)
    };
    let all = [Health::Good, BAD, Health::Busy(None), Health::Alive, Health::Unknown];
    let ten = Some(Change::Opened(10 * SECOND));
    let expected: [Row<'_>; 4] = [
        ("closed", &closed, [None; 5]),
        ("open", &open, [None; 5]),
        ("half open", &half_open, [Some(Change::Closed), ten, ten, Some(Change::Closed), Some(Change::Freed)]),
        ("half open, late", &late, [None; 5]),
    ];
    for (name, start, changes) in expected {
        for (health, change) in all.into_iter().zip(changes) {
            let (mut breaker, mut permit) = start();
            let before = breaker.state;
            assert_eq!(breaker.record(&mut permit, health, now, EVEN), change, "{name}, {health:?}");
            let after = match change {
                None => before,
                Some(Change::Closed) => State::Closed,
                Some(Change::Opened(wait)) => State::Open { until: now + wait },
                Some(Change::Freed) => State::Open { until: now },
            };
            assert_eq!(breaker.state, after, "{name}, {health:?}");
        }
    }
}

#[test]
fn nothing_is_sent_while_it_is_open_and_then_one_probe_that_can_be_handed_back() {
    let mut breaker = opened();
    assert_eq!(waits(&mut breaker, 4 * SECOND), Some(SECOND));
    let mut probe = pass(&mut breaker, 5 * SECOND);
    assert_eq!(waits(&mut breaker, 5 * SECOND), None);
    assert_eq!(waits(&mut breaker, 500 * SECOND), None, "as long as it takes");
    assert_eq!(breaker.record(&mut probe, Health::Unknown, 6 * SECOND, EVEN), Some(Change::Freed));
    let mut probe = pass(&mut breaker, 6 * SECOND);
    assert_eq!(breaker.record(&mut probe, BAD, 7 * SECOND, EVEN), Some(Change::Opened(10 * SECOND)));
    let mut probe = pass(&mut breaker, 17 * SECOND);
    assert_eq!(breaker.record(&mut probe, Health::Good, 18 * SECOND, EVEN), Some(Change::Closed));
    let (_one, _two) = (pass(&mut breaker, 18 * SECOND), pass(&mut breaker, 18 * SECOND));
    // Its reply breaks off: a try like any other by now.
    assert_eq!(breaker.record(&mut probe, BAD, 19 * SECOND, EVEN), None);
    assert_eq!((breaker.streak, breaker.window.counts(19 * SECOND)), (1, (1, 1)));
}

#[test]
fn each_opening_lasts_twice_as_long_up_to_a_minute_spread_by_a_fifth() {
    for (chance, seconds) in
        [(0.0, [4, 8, 16, 32, 48, 48]), (0.5, [5, 10, 20, 40, 60, 60]), (1.0, [6, 12, 24, 48, 60, 60])]
    {
        let mut breaker = breaker();
        let mut now = Duration::ZERO;
        for _ in 0..9 {
            let _ = tried(&mut breaker, BAD, now);
        }
        for expected in seconds {
            let mut permit = pass(&mut breaker, now);
            let Some(Change::Opened(wait)) = breaker.record(&mut permit, BAD, now, chance) else {
                panic!("not opened")
            };
            assert_eq!(wait.as_secs_f64().round(), f64::from(expected), "chance {chance}");
            now += wait;
        }
        let mut permit = pass(&mut breaker, now);
        assert_eq!(breaker.record(&mut permit, Health::Alive, now, chance), Some(Change::Closed));
        for _ in 0..9 {
            assert_eq!(tried(&mut breaker, BAD, now), None, "it begins anew");
        }
        assert_eq!(tried(&mut breaker, BAD, now), Some(Change::Opened(5 * SECOND)));
    }
}

#[test]
fn what_the_server_asks_for_is_a_floor_whoever_was_told() {
    let minute = Some(60 * SECOND);
    // By the failure that opens it, by one that comes in late, by a probe.
    let mut told = breaker();
    let mut late = pass(&mut told, Duration::ZERO);
    for _ in 0..9 {
        let _ = tried(&mut told, BAD, Duration::ZERO);
    }
    assert_eq!(tried(&mut told, Health::Bad(minute), Duration::ZERO), Some(Change::Opened(60 * SECOND)));
    assert_eq!(told.record(&mut late, Health::Busy(Some(90 * SECOND)), SECOND, EVEN), None);
    assert_eq!(waits(&mut told, 2 * SECOND), Some(89 * SECOND));
    let mut probe = pass(&mut told, 91 * SECOND);
    assert_eq!(
        told.record(&mut probe, Health::Busy(minute), 92 * SECOND, EVEN),
        Some(Change::Opened(60 * SECOND)),
        "a busy target fails the probe"
    );
    assert_eq!(waits(&mut told, 100 * SECOND), Some(52 * SECOND));
    // A success makes it moot.
    let mut served = breaker();
    assert_eq!(tried(&mut served, Health::Busy(Some(3_600 * SECOND)), Duration::ZERO), None);
    assert_eq!(tried(&mut served, Health::Good, SECOND), None);
    for _ in 0..9 {
        let _ = tried(&mut served, BAD, 5 * SECOND);
    }
    assert_eq!(tried(&mut served, BAD, 5 * SECOND), Some(Change::Opened(5 * SECOND)));
    // A wait without end is none that overflows.
    let mut endless = breaker();
    assert_eq!(tried(&mut endless, Health::Bad(Some(Duration::MAX)), SECOND), None);
    for _ in 0..9 {
        let _ = tried(&mut endless, BAD, SECOND);
    }
    assert!(waits(&mut endless, SECOND) > Some(3_600 * SECOND));
}

#[test]
fn every_kind_of_failure_says_what_it_means_for_the_target() {
    use ErrorKind as K;
    for kind in ErrorKind::ALL {
        let of = |answered| Health::of(Failure { kind, retry: Retry::Safe }, answered);
        let (told, found) = match kind {
            K::Unavailable | K::TimedOut | K::Truncated => (BAD, BAD),
            K::RateLimited => (Health::Busy(None), Health::Busy(None)),
            K::Invalid
            | K::NotFound
            | K::Conflict
            | K::Unauthorized
            | K::QuotaExhausted
            | K::ContextTooLong
            | K::ContentFiltered
            | K::OutputInvalid => (Health::Alive, Health::Unknown),
            K::BudgetExceeded | K::Cancelled | K::Storage | K::Closed | K::Internal => {
                (Health::Unknown, Health::Unknown)
            }
        };
        assert_eq!((of(true), of(false)), (told, found), "{kind}");
    }
    let after = |after_ms| Health::of(Failure { kind: K::Unavailable, retry: Retry::After { after_ms } }, true);
    assert_eq!((after(2_000), after(-1)), (Health::Bad(Some(2 * SECOND)), BAD));
}

#[test]
fn a_clock_that_stands_still_or_settings_at_their_ends_break_nothing() {
    let tiny = BreakerSettings {
        consecutive_failures: u32::MAX,
        failure_rate: 1.0,
        min_attempts: 1,
        window_ms: 1,
        open_ms: u64::MAX,
        max_open_ms: u64::MAX,
        latched_probe_ms: u64::MAX,
        enabled: true,
    };
    let mut never = Breaker::new(tiny);
    for _ in 0..1_000 {
        assert_eq!(tried(&mut never, BAD, Duration::ZERO), None, "no share is larger than the whole");
    }
    let mut once = Breaker::new(BreakerSettings { failure_rate: 0.0, ..tiny });
    assert!(tried(&mut once, BAD, Duration::ZERO).is_some());
    assert!(waits(&mut once, SECOND) > Some(Duration::from_secs(1 << 40)));
}

#[derive(Clone, Debug)]
enum Step {
    Admit,
    Record(usize, Health),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let after = || proptest::option::weighted(0.2, (0_u64..20_000).prop_map(Duration::from_millis));
    let health = prop_oneof![
        2 => Just(Health::Good),
        6 => after().prop_map(Health::Bad),
        2 => after().prop_map(Health::Busy),
        1 => Just(Health::Alive),
        1 => Just(Health::Unknown),
    ];
    prop_oneof![
        4 => Just(Step::Admit),
        4 => (any::<usize>(), health).prop_map(|(which, health)| Step::Record(which, health)),
        2 => (0_u64..8_000).prop_map(Step::Pass),
    ]
}

proptest! {
    #[test]
    fn half_open_never_admits_two_and_open_admits_nobody(
        steps in proptest::collection::vec(step(), 1..400),
        chance in 0.0..1.0_f64,
    ) {
        let settings = BreakerSettings { consecutive_failures: 3, min_attempts: 5, ..BreakerSettings::default() };
        let mut breaker = Breaker::new(settings);
        let mut now = Duration::ZERO;
        let mut out: Vec<Permit> = Vec::new();
        let mut probe: Option<u64> = None;
        for step in steps {
            match step {
                Step::Pass(millis) => now += Duration::from_millis(millis),
                Step::Admit => {
                    let before = breaker.state;
                    match (before, breaker.admit(now)) {
                        (State::Closed, Admission::Pass(permit)) => out.push(permit),
                        (State::Open { until }, Admission::Pass(permit)) => {
                            prop_assert!(now >= until && now >= breaker.not_before, "before its time");
                            prop_assert_eq!(probe, None, "two probes");
                            prop_assert_eq!(breaker.state, State::HalfOpen);
                            probe = Some(permit.period);
                            out.push(permit);
                        }
                        (State::Open { until }, Admission::Wait(Some(wait))) => {
                            prop_assert_eq!(now + wait, until.max(breaker.not_before));
                        }
                        (State::HalfOpen, Admission::Wait(None)) => prop_assert!(probe.is_some(), "nobody probes"),
                        (state, admission) => prop_assert!(false, "{:?} in {:?}", admission, state),
                    }
                }
                Step::Record(which, health) if !out.is_empty() => {
                    let mut permit = out.swap_remove(which % out.len());
                    let is_probe = probe == Some(permit.period);
                    let change = breaker.record(&mut permit, health, now, chance);
                    if is_probe {
                        prop_assert!(change.is_some(), "a probe changes something");
                        probe = None;
                    }
                }
                Step::Record(..) => {}
            }
            prop_assert_eq!(breaker.state == State::HalfOpen, probe.is_some());
        }
    }
}

#[test]
fn what_blocks_a_try_is_known_without_asking_for_leave() {
    let mut breaker = Breaker::new(BreakerSettings::default());
    assert_eq!(breaker.blocks(SECOND), None);
    for _ in 0..10 {
        let _ = tried(&mut breaker, BAD, SECOND);
    }
    let wait = breaker.blocks(SECOND).flatten().expect("it is open for a time that is known");
    assert_eq!(breaker.admit(SECOND), Admission::Wait(Some(wait)));
    assert_eq!(breaker.blocks(SECOND + wait), None, "the probe may go");
    let Admission::Pass(_probe) = breaker.admit(SECOND + wait) else { panic!("no probe") };
    assert_eq!(breaker.blocks(SECOND + wait), Some(None), "until it is answered");
}
