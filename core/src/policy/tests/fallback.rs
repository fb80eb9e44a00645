//! The way from target to target: who comes when, with what share, and which failure ends it.

use super::*;

const MINUTE: Duration = Duration::from_secs(60);

fn well(count: usize) -> Vec<Standing> {
    vec![Standing::default(); count]
}

fn course(standings: &[Standing]) -> Course {
    Course::new(standings, 0, &RetrySettings::default())
}

/// Whom a course asks when everybody fails in this way.
fn asked(mut course: Course, kind: ErrorKind) -> Vec<usize> {
    let mut asked = Vec::new();
    while let Some(leg) = course.next(0, MINUTE) {
        asked.push(leg.target);
        if !course.failed(leg.target, kind) {
            break;
        }
    }
    asked
}

#[test]
fn each_kind_of_failure_goes_on_or_ends_the_call() {
    for kind in ErrorKind::ALL {
        let goes_on = match kind {
            ErrorKind::Unauthorized
            | ErrorKind::QuotaExhausted
            | ErrorKind::RateLimited
            | ErrorKind::Unavailable
            | ErrorKind::TimedOut
            | ErrorKind::Truncated
            | ErrorKind::ContextTooLong => true,
            ErrorKind::Invalid
            | ErrorKind::NotFound
            | ErrorKind::Conflict
            | ErrorKind::BudgetExceeded
            | ErrorKind::ContentFiltered
            | ErrorKind::OutputInvalid
            | ErrorKind::Cancelled
            | ErrorKind::Storage
            | ErrorKind::Closed
            | ErrorKind::Internal => false,
        };
        let expected: &[usize] = if goes_on { &[0, 1, 2] } else { &[0] };
        assert_eq!(asked(course(&well(3)), kind), expected, "{kind}");
    }
}

#[test]
fn what_an_alternative_finds_wrong_with_the_call_says_nothing_about_the_rest() {
    for kind in ErrorKind::ALL {
        let mut course = course(&well(3));
        let first = course.next(0, MINUTE).unwrap();
        assert!(course.failed(first.target, ErrorKind::Unavailable));
        let second = course.next(1, MINUTE).unwrap();
        let goes_on = course.failed(second.target, kind);
        let of_the_call = course.failed(0, kind);
        let differs = matches!(kind, ErrorKind::Invalid | ErrorKind::NotFound);
        assert_eq!(goes_on, of_the_call || differs, "{kind}");
    }
}

#[test]
fn every_target_is_asked_once_whatever_is_known_of_it() {
    // Four targets, each well, left alone for a while, under its probe, or latched: all 256 ways.
    let states = [
        Standing::default(),
        Standing { left_alone: Some(Duration::from_secs(9)), ..Standing::default() },
        Standing { left_alone: Some(Duration::ZERO), ..Standing::default() },
        Standing { latched: true, ..Standing::default() },
    ];
    for ways in 0..256_usize {
        let of = |at: usize| states[(ways >> (2 * at)) & 3];
        let standings: Vec<Standing> = (0..4).map(of).collect();
        for first in 0..4 {
            let order = asked(Course::new(&standings, first, &RetrySettings::default()), ErrorKind::Unavailable);
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2, 3], "{standings:?}");
            let ill = |at: &usize| standings[*at].latched || standings[*at].left_alone.is_some();
            let healthy: Vec<usize> = order.iter().copied().filter(|at| !ill(at)).collect();
            assert!(
                order[..healthy.len()].iter().all(|at| !ill(at)),
                "who is not well goes last: {order:?} {standings:?}"
            );
            assert!(healthy.is_sorted_by_key(|at| (at + 4 - first) % 4), "the list's order: {order:?} {standings:?}");
            if healthy.len() < 4 {
                let wait = |at: usize| if standings[at].latched { MINUTE } else { standings[at].left_alone.unwrap() };
                let last = wait(*order.last().unwrap());
                let shortest = order.iter().filter(|at| ill(at)).map(|at| wait(*at)).min();
                assert_eq!(Some(last), shortest, "who is back first is waited for: {order:?} {standings:?}");
            }
        }
    }
}

#[test]
fn tries_are_divided_so_that_everybody_has_one() {
    let cases: [(usize, u32, &[u32]); 6] = [
        (1, 6, &[6]),
        (2, 6, &[3, 3]),
        (3, 6, &[3, 2, 1]),
        (2, 1, &[1, 1]),
        (3, 3, &[1, 1, 1]),
        (8, 6, &[1, 1, 1, 1, 1, 1, 1, 1]),
    ];
    for (targets, max_attempts, expected) in cases {
        let settings = RetrySettings { max_attempts, ..RetrySettings::default() };
        let mut course = Course::new(&well(targets), 0, &settings);
        let (mut made, mut divided) = (0, Vec::new());
        while let Some(leg) = course.next(made, MINUTE) {
            made += leg.attempts;
            divided.push(leg.attempts);
            assert_eq!(leg.others, divided.len() < targets);
        }
        assert_eq!(divided, expected, "{targets} targets, {max_attempts} tries");
    }
}

#[test]
fn what_one_target_does_not_use_is_there_for_the_next() {
    let mut course = course(&well(3));
    let shares = |course: &mut Course, made, left| course.next(made, left).map(|leg| (leg.attempts, leg.time));
    assert_eq!(shares(&mut course, 0, MINUTE), Some((3, MINUTE / 3)));
    // The first was refused at once by its breaker: no try, no time.
    assert_eq!(shares(&mut course, 0, MINUTE), Some((3, MINUTE / 2)));
    assert_eq!(shares(&mut course, 2, MINUTE / 2), Some((3, MINUTE / 2)), "the last has all that is left");
    assert_eq!(shares(&mut course, 5, MINUTE), None);
}

#[test]
fn nobody_else_is_asked_when_the_time_is_up_but_the_first_is() {
    let mut course = course(&well(2));
    assert_eq!(course.next(0, Duration::ZERO).map(|leg| (leg.target, leg.time)), Some((0, Duration::ZERO)));
    assert_eq!(course.next(1, Duration::ZERO), None);
    let mut endless = super::fallback::course(&well(2));
    assert_eq!(endless.next(0, Duration::MAX).unwrap().time, Duration::MAX / 2);
}

#[test]
fn a_context_that_is_too_long_goes_on_to_larger_models_and_to_those_of_unknown_size() {
    let of = |window: Option<i64>| Standing { window, ..Standing::default() };
    let cases: [(&[Option<i64>], &[usize]); 5] = [
        (&[Some(8_000), Some(4_000), Some(8_000), Some(32_000), None], &[0, 3, 4]),
        (&[Some(8_000), Some(4_000)], &[0]),
        (&[None, Some(1), None], &[0, 1, 2]),
        (&[Some(8_000), None, Some(9_000)], &[0, 1, 2]),
        (&[Some(8_000), Some(200_000), Some(100_000), Some(300_000)], &[0, 1, 3]),
    ];
    for (windows, expected) in cases {
        let standings: Vec<Standing> = windows.iter().copied().map(of).collect();
        assert_eq!(asked(course(&standings), ErrorKind::ContextTooLong), expected, "{windows:?}");
    }
}

#[test]
fn the_last_failure_speaks_unless_only_an_earlier_one_passes_by_itself() {
    let passing = [ErrorKind::Unavailable, ErrorKind::RateLimited, ErrorKind::TimedOut, ErrorKind::Truncated];
    let unfit = [ErrorKind::Invalid, ErrorKind::NotFound];
    for earlier in ErrorKind::ALL {
        for later in ErrorKind::ALL {
            let only_the_earlier_passes = passing.contains(&earlier) && !passing.contains(&later);
            let only_the_later_is_unfit = unfit.contains(&later) && !unfit.contains(&earlier);
            assert_eq!(
                outweighs(earlier, later),
                only_the_earlier_passes || only_the_later_is_unfit,
                "{earlier} {later}"
            );
        }
    }
}

#[test]
fn a_refused_key_is_remembered_for_its_time_until_it_is_taken_and_memory_is_bounded() {
    let mut latches = Refusals::new(MINUTE);
    latches.latch(7, MINUTE);
    assert!(latches.is_latched(7, MINUTE) && latches.is_latched(7, 2 * MINUTE - Duration::from_nanos(1)));
    assert!(!latches.is_latched(8, MINUTE) && !latches.is_latched(7, 2 * MINUTE));
    latches.free(7);
    assert!(!latches.is_latched(7, MINUTE));
    for id in 0..5_000 {
        latches.latch(id, MINUTE);
        assert!(latches.is_latched(id, MINUTE), "the newest is always remembered: {id}");
    }
    let remembered = (0..5_000).filter(|id| latches.is_latched(*id, MINUTE)).count();
    assert!(remembered <= 1_024, "{remembered}");
}

#[test]
fn with_others_to_go_on_to_a_long_wait_of_the_servers_is_not_waited_for() {
    let policy = RetryPolicy::new(RetrySettings::default());
    let told = |after_ms| failure(ErrorKind::RateLimited, Retry::After { after_ms });
    let decided = |others, attempt, after_ms| decide(&policy.within(3, others), attempt, told(after_ms), HOUR, 0.0);
    assert_eq!(decided(true, 1, 8_000), Decision::Wait(Duration::from_secs(8)));
    assert_eq!(decided(true, 1, 8_001), Decision::Exhausted);
    assert_eq!(decided(false, 1, 60_000), Decision::Wait(MINUTE), "the last one is waited for");
    assert_eq!(decided(false, 3, 0), Decision::Exhausted, "three tries");
}
