use super::*;

const PAUSE: Duration = Duration::from_secs(600);

fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_refused_key_is_tried_by_one_call_each_pause() {
    let mut latch = Latch::default();
    assert_eq!(latch.ask(PAUSE, at(0)), Ok(()));
    latch.refused(PAUSE, at(10));
    assert_eq!(latch.ask(PAUSE, at(10)), Err(at(600)));
    assert_eq!(latch.ask(PAUSE, at(609)), Err(at(1)));
    assert_eq!(latch.ask(PAUSE, at(610)), Ok(()), "the probe");
    assert_eq!(latch.ask(PAUSE, at(610)), Err(at(600)), "one alone");
    assert_eq!(latch.ask(PAUSE, at(1_210)), Ok(()), "the probe was never heard of again");
    latch.refused(PAUSE, at(1_220));
    assert_eq!(latch.ask(PAUSE, at(1_221)), Err(at(599)));
}

#[test]
fn a_key_that_was_taken_is_open_again() {
    let mut latch = Latch::default();
    latch.refused(PAUSE, at(0));
    assert!(!latch.is_open());
    assert_eq!(latch.ask(PAUSE, at(600)), Ok(()));
    latch.taken();
    assert!(latch.is_open());
    for _ in 0..10 {
        assert_eq!(latch.ask(PAUSE, at(600)), Ok(()));
    }
}

#[test]
fn a_clock_that_steps_back_opens_nothing() {
    let mut latch = Latch::default();
    latch.refused(PAUSE, at(1_000));
    assert_eq!(latch.ask(PAUSE, at(0)), Err(at(1_600)));
    latch.refused(Duration::MAX, at(1_000));
    assert!(latch.ask(PAUSE, at(1 << 40)).is_err());
}
