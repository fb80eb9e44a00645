//! A batch that is under way.

use futures::FutureExt as _;
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Batch;
use super::run::Run;
use crate::base::ErrorKind;
use crate::model::{BatchPhase, BatchProgress, BatchReport, Error, Result};

/// A batch that is under way. Cheap to clone.
#[derive(Clone)]
pub struct BatchRun {
    progress: watch::Receiver<BatchProgress>,
    outcome: watch::Receiver<Option<Result<BatchReport>>>,
    cancel: CancellationToken,
}

impl BatchRun {
    pub(super) fn start(batch: Batch) -> Self {
        let engine = batch.user.engine.clone();
        let cancel = engine.tasks.stop_token().child_token();
        let total = i64::try_from(batch.items.len()).unwrap_or(i64::MAX);
        let (tells, progress) = watch::channel(BatchProgress { total, ..BatchProgress::default() });
        let (ends, outcome) = watch::channel(None);
        let owner = batch.user.owner.clone();
        let run = Run::new(batch, tells, cancel.clone());
        engine.tasks.clone().spawn("batch", Some(owner), async move {
            let done = std::panic::AssertUnwindSafe(run.run()).catch_unwind().await;
            let done = done.unwrap_or_else(|_| Err(Error::internal("the batch panicked")));
            drop(ends.send(Some(done.map_err(|e| engine.failed(e, "user.batch")))));
            Ok(())
        });
        Self { progress, outcome, cancel }
    }

    /// Cancels it when what this gives goes.
    pub(super) fn cancels(&self) -> DropGuard {
        self.cancel.clone().drop_guard()
    }

    /// How far it is now.
    #[must_use]
    pub fn progress(&self) -> BatchProgress {
        *self.progress.borrow()
    }

    /// How far it is, as soon as that is not what this told last; nothing once it is over. Who asks seldom is told the
    /// latest.
    pub async fn next(&mut self) -> Option<BatchProgress> {
        loop {
            if self.progress.changed().await.is_err() {
                return None;
            }
            let progress = *self.progress.borrow_and_update();
            if progress.phase != BatchPhase::Over {
                return Some(progress);
            }
        }
    }

    /// Ends it. What is done whole or not at all is not done, unless it is being written at this very moment; what is done
    /// as far as it goes keeps what is done. Once it is over this does nothing.
    pub fn cancel(&self) {
        self.cancel.cancel();
    }

    /// What it has done, once it is over. It may be asked any number of times.
    ///
    /// # Errors
    /// `Invalid` (batch_too_large). All or nothing: as the first item that is refused, which it names by its number, from 0;
    /// `Conflict` (changed_meanwhile) when others change the same things again and again; `Cancelled`; `Storage`; `Closed`.
    /// Then nothing is written. Best effort: `Cancelled`, `Storage` and `Closed` before the first write; what comes later is
    /// told of the items.
    pub async fn report(&self) -> Result<BatchReport> {
        let mut outcome = self.outcome.clone();
        let outcome = outcome.wait_for(Option::is_some).await.map(|outcome| outcome.clone());
        let closed = || Error::new(ErrorKind::Closed, "closed", "the engine was closed before the batch was over");
        outcome.ok().flatten().unwrap_or_else(|| Err(closed()))
    }
}

impl std::fmt::Debug for BatchRun {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BatchRun").field("progress", &self.progress()).finish_non_exhaustive()
    }
}
