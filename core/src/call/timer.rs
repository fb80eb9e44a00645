//! One timer for limits that move away.

use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::base::{Clock, Sleep};

/// Waits for moments that mostly do not come, because something arrives before them and the next one is later. It stays
/// set where it is and looks again when it ends: to set it anew for each event costs more than all else about the event.
/// For the same reason it is never set far: mostly there is a nearer limit as soon as something has arrived.
#[derive(Default)]
pub(super) struct Timer(Option<(Duration, Sleep)>);

/// The farthest that it is set.
const FAR: Duration = Duration::from_secs(60);

impl Timer {
    /// Ready once the clock has come to this moment.
    pub(super) fn poll(&mut self, at: Duration, clock: &Arc<dyn Clock>, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let (_, sleep) = match &mut self.0 {
                Some(set) if set.0 <= at => set,
                unset => {
                    let now = clock.monotonic();
                    let until = at.min(now.saturating_add(FAR));
                    unset.insert((until, clock.sleep(until.saturating_sub(now))))
                }
            };
            ready!(sleep.as_mut().poll(cx));
            self.0 = None;
            if at <= clock.monotonic() {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::base::ManualClock;

    #[test]
    fn it_ends_at_the_moment_it_is_asked_for_last_whether_that_came_nearer_or_moved_away() {
        let manual = ManualClock::default();
        let clock: Arc<dyn Clock> = Arc::new(manual.clone());
        let ms = Duration::from_millis;
        let mut timer = Timer::default();
        let mut ends = |at| futures::FutureExt::now_or_never(poll_fn(|cx| timer.poll(ms(at), &clock, cx))).is_some();
        assert!(!ends(100));
        manual.advance(ms(60));
        assert!(!ends(150), "it moved away");
        manual.advance(ms(60));
        assert!(!ends(150), "where it was set is past");
        manual.advance(ms(29));
        assert!(!ends(150));
        manual.advance(ms(1));
        assert!(ends(150));
        assert!(!ends(500));
        assert!(!ends(200), "it came nearer");
        manual.advance(ms(50));
        assert!(ends(200));
        assert!(ends(10), "a moment of the past");
    }

    #[test]
    fn it_ends_at_a_moment_that_is_far_and_no_earlier() {
        let manual = ManualClock::default();
        let clock: Arc<dyn Clock> = Arc::new(manual.clone());
        let mut timer = Timer::default();
        let at = 3 * FAR;
        for step in 0..6 {
            let ended = futures::FutureExt::now_or_never(poll_fn(|cx| timer.poll(at, &clock, cx)));
            assert!(ended.is_none(), "half a far way, {step} times");
            manual.advance(FAR / 2);
        }
        let ended = futures::FutureExt::now_or_never(poll_fn(|cx| timer.poll(at, &clock, cx)));
        assert!(ended.is_some());
    }

    #[test]
    fn it_is_set_once_for_many_moments_that_move_away() {
        let manual = ManualClock::default();
        let clock: Arc<dyn Clock> = Arc::new(manual.clone());
        let mut timer = Timer::default();
        for second in 1..100 {
            let at = Duration::from_secs(90 + second);
            let ended = futures::FutureExt::now_or_never(poll_fn(|cx| timer.poll(at, &clock, cx)));
            assert!(ended.is_none());
            assert_eq!(timer.0.as_ref().map(|set| set.0), Some(FAR));
            assert_eq!(manual.sleepers(), 1);
        }
    }
}
