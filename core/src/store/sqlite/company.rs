//! How long the writer waits for more batches before it commits those it has.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::sync::mpsc;

/// A group of so many batches says that more are on their way. They are waited for as long as they keep coming, and at most
/// as long as the commit took: so nobody waits twice as long as without.
const COMPANY: usize = 4;

/// When nothing comes for so long, nothing is on its way. Commits that take less than that are not worth waiting for.
pub(super) const QUIET: Duration = Duration::from_micros(150);

/// Batches that were committed together.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Group {
    pub(super) batches: usize,
    pub(super) took: Duration,
}

impl Group {
    /// How long company is waited for behind this group.
    pub(super) fn patience(self, at_most: Duration) -> Duration {
        if self.batches < COMPANY { Duration::ZERO } else { self.took.min(at_most) }
    }
}

/// Takes in what comes as long as something comes, up to `most`, and for no longer than the patience. `pause` lets
/// [`QUIET`] go by and returns how long that took: a machine may sleep for longer than it is asked to.
pub(super) fn gather<J>(
    mut patience: Duration,
    jobs: &mut mpsc::Receiver<J>,
    waiting: &mut VecDeque<J>,
    most: usize,
    mut pause: impl FnMut() -> Duration,
) {
    take_in(jobs, waiting, most);
    while waiting.len() < most && patience >= QUIET {
        let before = waiting.len();
        patience = patience.saturating_sub(pause());
        take_in(jobs, waiting, most);
        if waiting.len() == before {
            break;
        }
    }
}

/// Takes in what is there.
fn take_in<J>(jobs: &mut mpsc::Receiver<J>, waiting: &mut VecDeque<J>, most: usize) {
    while waiting.len() < most
        && let Ok(job) = jobs.try_recv()
    {
        waiting.push_back(job);
    }
}
