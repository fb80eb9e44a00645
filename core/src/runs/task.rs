//! The task that works on a run: from its first event, or from when it is picked up, to its last word.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio::sync::{broadcast, oneshot};
use tokio_util::sync::CancellationToken;

use super::journal::{Journal, check_goes_on, said, stopped};
use super::program::Program;
use super::program::work::Work;
use crate::base::{ErrorKind, Json, RunId};
use crate::call::CostLimit;
use crate::engine::{CallOptions, Conversation, Ground, InRun, Said, Working};
use crate::model::{Error, Part, Result, RunEventKind};

/// A run's place among those at work here: one for each run, given up however the work ends.
pub(super) struct AtWork {
    pub(super) ground: Ground,
    pub(super) run: RunId,
    pub(super) said: broadcast::Sender<Said>,
    pub(super) stop: CancellationToken,
}

impl AtWork {
    /// Takes the place.
    ///
    /// # Errors
    /// `Conflict` (at_work) when it is taken.
    pub(super) fn take(ground: Ground, run: RunId, chat: &Conversation) -> Result<Self> {
        let (said, stop) = (said(), ground.tasks.stop_token().child_token());
        let (owner, conversation) = (ground.owner.clone(), chat.id());
        let working = Working { owner, conversation, stopper: stop.clone(), said: said.clone() };
        let mut workshop = ground.workshop();
        if workshop.contains_key(&run) {
            let detail = "the run is at work in this process; attach to it";
            return Err(Error::new(ErrorKind::Conflict, "at_work", detail));
        }
        workshop.insert(run, working);
        drop(workshop);
        Ok(Self { ground, run, said, stop })
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut workshop = self.ground.workshop();
        if workshop.get(&self.run).is_some_and(|working| working.said.same_channel(&self.said)) {
            workshop.remove(&self.run);
        }
    }
}

/// A run that was begun or picked up.
pub(super) struct Opened {
    pub(super) journal: Journal,
    pub(super) chat: Conversation,
    pub(super) input: Vec<Part>,
    pub(super) cost_limit: Option<CostLimit>,
    /// The number of the event behind which it is watched.
    pub(super) after_seq: i64,
}

/// Opens the run and works on it, in one task, so that nobody who stops waiting in between leaves a run behind that nobody
/// works on. Gives the number behind which it is watched, once it is opened. `is_left` says what happens when nobody waits for
/// that any more: the run is stopped, or goes on.
pub(super) async fn work<P: Program>(
    at_work: AtWork,
    program: P,
    options: CallOptions,
    is_left: IsLeft,
    opening: BoxFuture<'static, Result<Opened>>,
) -> Result<i64> {
    let ground = at_work.ground.clone();
    let (told, is_told) = oneshot::channel();
    let owner = Some(ground.owner.clone());
    ground.tasks.spawn("run", owner, async move {
        let opened = match opening.await {
            Ok(opened) => opened,
            // Whoever waits hears of it.
            Err(error) => {
                let _ = told.send(Err(error));
                return Ok(());
            }
        };
        if told.send(Ok(opened.after_seq)).is_err() && is_left == IsLeft::Stopped {
            at_work.stop.cancel();
        }
        to_the_end(at_work, program, options, opened).await
    });
    is_told.await.map_err(|_| Error::internal("a run ended before it was begun"))?
}

/// What becomes of a run for whose beginning nobody waits any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum IsLeft {
    Stopped,
    GoingOn,
}

async fn to_the_end<P: Program>(
    at_work: AtWork,
    program: P,
    mut options: CallOptions,
    Opened { journal, chat, input, cost_limit, .. }: Opened,
) -> Result<()> {
    let (run, stop, journal) = (at_work.run, at_work.stop.clone(), Arc::new(journal));
    options.max_cost_nano_usd = None;
    // What waits in the outbox would be answered without the run.
    options.degrade = Some(false);
    let chat = chat.within(InRun { id: run.to_string().into(), cost_limit });
    let work = Work { run, chat, input, options, stop: stop.clone(), journal: journal.clone() };
    let outcome: Result<Json> = tokio::select! {
        biased;
        () = stop.cancelled() => Err(stopped()),
        outcome = AssertUnwindSafe(program.work(work)).catch_unwind() => {
            outcome.unwrap_or_else(|_| Err(Error::internal("the code of a run broke down; what is finished is kept")))
        }
    };
    let last = match outcome {
        Ok(output) => RunEventKind::Done { output },
        // The engine closes: the run rests where it is, to be picked up.
        Err(_) if journal.ground.tasks.stop_token().is_cancelled() => return Ok(()),
        Err(error) if error.kind() == ErrorKind::Closed => return Ok(()),
        Err(_) if stop.is_cancelled() => RunEventKind::Cancelled,
        // It is somebody else's now.
        Err(error) if error.reason() == "picked_up" => return Ok(()),
        Err(error) => RunEventKind::Failed { error: journal.ground.failed(error, "run").info() },
    };
    // Whoever hears of the end may pick it up at once.
    drop(at_work);
    match journal.tell_if([last], check_goes_on).await {
        // Somebody has said the last word already, or all of it is gone.
        Err(error) if matches!(error.reason(), "picked_up" | "cancelled" | "run_over" | "not_found" | "erasing") => {
            Ok(())
        }
        other => other,
    }
}
