//! How long the writer waits for more batches before it commits those it has.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;

/// A group of so many batches says that more are on their way. They are waited for at most twice as long as the commit took.
const COMPANY: usize = 4;

/// How long a pause is. Commits that take less than that are not worth waiting for.
pub(super) const QUIET: Duration = Duration::from_micros(150);

/// When so many pauses have brought nothing, nothing is on its way.
const SILENCES: usize = 3;

/// Where it was in vain to wait for more than there were before, the waiting ends there so many times at most before it is
/// tried again.
const MOST_SKIPPED: u32 = 15;

/// Batches that were committed together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Group {
    pub(super) batches: usize,
    pub(super) took: Duration,
}

impl Group {
    /// How long company is waited for behind this group.
    pub(super) fn patience(self, at_most: Duration) -> Duration {
        if self.batches < COMPANY { Duration::ZERO } else { (self.took * 2).min(at_most) }
    }
}

/// What was learned of those who write: often each of them writes anew as soon as the last batch is answered, and when as many
/// as before are there, nobody else comes.
#[derive(Debug, Default)]
pub(super) struct Habit {
    /// So many there were the last time.
    before: usize,
    /// So many times the waiting ends at that size, the one that was in vain included; each time that it is tried again in
    /// vain, twice as many and one.
    skips: u32,
    /// How many of them have been.
    skipped: u32,
}

impl Habit {
    /// True when it is not worth it to wait behind so many.
    fn is_complete(&mut self, waiting: usize) -> bool {
        let complete = waiting >= self.before && self.skipped < self.skips;
        self.skipped += u32::from(complete);
        complete
    }

    /// Takes note of whether somebody came behind so many.
    fn learn(&mut self, waiting: usize, came: bool) {
        if waiting >= self.before {
            self.skips = if came { 0 } else { (self.skips * 2 + 1).min(MOST_SKIPPED) };
            self.skipped = 0;
        }
    }
}

/// Takes in what comes, up to `most`, and for no longer than the patience: through some silences as long as there are fewer
/// than before, behind that as long as somebody comes, if that has paid. `pause` lets [`QUIET`] go by and returns how long
/// that took: a machine may sleep for longer than it is asked to.
pub(super) fn gather<J>(
    mut patience: Duration,
    jobs: &mut mpsc::Receiver<J>,
    waiting: &mut VecDeque<J>,
    most: usize,
    habit: &mut Habit,
    mut pause: impl FnMut() -> Duration,
) {
    take_in(jobs, waiting, most);
    let mut silences = 0;
    while waiting.len() < most && patience >= QUIET && silences < SILENCES && !habit.is_complete(waiting.len()) {
        let before = waiting.len();
        patience = patience.saturating_sub(pause());
        take_in(jobs, waiting, most);
        let came = waiting.len() > before;
        habit.learn(before, came);
        silences = if came { 0 } else { silences + 1 };
    }
    habit.before = waiting.len();
}

/// Takes in what is there.
fn take_in<J>(jobs: &mut mpsc::Receiver<J>, waiting: &mut VecDeque<J>, most: usize) {
    while waiting.len() < most
        && let Ok(job) = jobs.try_recv()
    {
        waiting.push_back(job);
    }
}
