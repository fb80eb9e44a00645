//! How long the writer waits for company.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;

use super::super::company::{Group, Habit, QUIET, gather};

const LONG: Duration = Duration::from_millis(5);

/// Gathers beside somebody who hands in so many jobs in each pause; each pause takes so long. Returns how many jobs were
/// gathered and how many pauses that took.
fn gathered(patience: Duration, most: usize, at_once: usize, comes: &[usize], pause: Duration) -> (usize, usize) {
    by_habit(&mut Habit::default(), patience, most, at_once, comes, pause)
}

fn by_habit(
    habit: &mut Habit,
    patience: Duration,
    most: usize,
    at_once: usize,
    comes: &[usize],
    pause: Duration,
) -> (usize, usize) {
    let (hand_in, mut jobs) = mpsc::channel(1_000);
    let send = |count: usize| (0..count).for_each(|job| hand_in.try_send(job).unwrap());
    send(at_once);
    let (mut waiting, mut pauses) = (VecDeque::new(), 0);
    gather(patience, &mut jobs, &mut waiting, most, habit, || {
        send(comes.get(pauses).copied().unwrap_or(0));
        pauses += 1;
        pause
    });
    (waiting.len(), pauses)
}

#[test]
fn who_writes_alone_waits_for_nobody() {
    for batches in 0..4 {
        assert_eq!(Group { batches, took: LONG }.patience(LONG), Duration::ZERO, "{batches}");
    }
    assert_eq!(gathered(Duration::ZERO, 64, 3, &[9], QUIET), (3, 0));
}

#[test]
fn nobody_waits_longer_than_twice_the_commit_nor_than_is_set() {
    let short = Duration::from_millis(2);
    assert_eq!(Group { batches: 4, took: short }.patience(LONG), short * 2);
    assert_eq!(Group { batches: 64, took: LONG * 9 }.patience(LONG), LONG);
    assert_eq!(gathered(QUIET * 3, 64, 0, &[1; 9], QUIET), (3, 3));
    // A machine that sleeps for longer than it is asked to takes it from the same patience.
    assert_eq!(gathered(QUIET * 3, 64, 0, &[1; 9], QUIET * 2), (2, 2));
    assert_eq!(gathered(QUIET * 3, 64, 0, &[1; 9], LONG), (1, 1));
}

#[test]
fn a_commit_that_is_shorter_than_a_silence_is_not_waited_for() {
    assert_eq!(gathered(QUIET / 2, 64, 1, &[9], QUIET), (1, 0));
}

#[test]
fn the_first_silence_ends_the_waiting_for_more_than_before() {
    assert_eq!(gathered(LONG, 64, 1, &[2, 3, 0, 9], QUIET), (6, 3));
}

#[test]
fn those_who_were_there_before_are_waited_for_through_two_silences() {
    let mut habit = Habit::default();
    assert_eq!(by_habit(&mut habit, LONG, 64, 20, &[], QUIET), (20, 1));
    assert_eq!(by_habit(&mut habit, LONG, 64, 1, &[2, 0, 0, 9, 0, 0, 0, 9], QUIET), (12, 7));
}

#[test]
fn who_write_anew_behind_each_commit_soon_wait_for_nobody_else() {
    let mut habit = Habit::default();
    let pauses: usize = (0..100).map(|_| by_habit(&mut habit, LONG, 64, 8, &[], QUIET).1).sum();
    assert!((5..=15).contains(&pauses), "{pauses} pauses behind 100 groups of 8");
    // All but one are there; that one is waited for, and nobody behind it.
    assert_eq!(by_habit(&mut habit, LONG, 64, 7, &[0, 1], QUIET), (8, 2));
}

#[test]
fn where_more_came_more_is_waited_for_again() {
    let mut habit = Habit::default();
    for _ in 0..100 {
        by_habit(&mut habit, LONG, 64, 8, &[], QUIET);
    }
    // It is tried again before long, and then each time as long as somebody comes.
    let tried = (0..20).position(|_| by_habit(&mut habit, LONG, 64, 8, &[1, 1], QUIET).0 == 10);
    assert!(tried.is_some());
    assert_eq!(by_habit(&mut habit, LONG, 64, 10, &[3, 1], QUIET), (14, 3));
}

#[test]
fn no_more_are_taken_than_a_group_holds() {
    assert_eq!(gathered(LONG, 8, 20, &[9], QUIET), (8, 0));
    assert_eq!(gathered(LONG, 8, 3, &[3, 3, 3], QUIET), (8, 2));
}
