//! A run, as a handle.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use super::journal::{Journal, check_goes_on, no_run, standing_in, stopped, stream_of};
use super::watch::Watch;
use crate::base::{ErrorKind, Json, RunId};
use crate::engine::Ground;
use crate::model::{Error, Result, RunEvent, RunEventKind, RunSummary};

/// A run on its way, or at its end. Dropping the handle changes nothing: the run goes on, and can be attached to again.
pub struct Run<T = Json> {
    ground: Ground,
    id: RunId,
    watch: Watch,
    output: PhantomData<fn() -> T>,
}

impl<T> Run<T> {
    pub(super) fn new(ground: Ground, id: RunId, after_seq: i64) -> Self {
        let watch = Watch::new(ground.clone(), id, after_seq);
        Self { ground, id, watch, output: PhantomData }
    }

    /// Names it, for `attach` and `pick_up`.
    #[must_use]
    pub const fn id(&self) -> RunId {
        self.id
    }

    /// The next event, waiting for it; nothing behind the last. Words of an answer come while they are written if the run
    /// is at work in this process; what another process appends is heard within a second.
    ///
    /// # Errors
    /// `NotFound` when the run's time is up; `Storage`.
    pub async fn next_event(&mut self) -> Result<Option<RunEvent>> {
        let tasks = self.ground.tasks.clone();
        tasks.on_runtime(self.watch.next()).await.map_err(|e| self.ground.failed(e, "run.events"))
    }

    /// Where it stands.
    ///
    /// # Errors
    /// `NotFound` when the run's time is up; `Storage`.
    pub async fn summary(&self) -> Result<RunSummary> {
        let work = async {
            let record = self.ground.store.stream(&self.ground.owner, stream_of(self.id)).await?.ok_or_else(no_run)?;
            let standing = standing_in(record.snapshot.as_ref().map(|kept| &kept.data[..]))?;
            Ok(standing.summary(self.id, &record))
        };
        work.await.map_err(|e| self.ground.failed(e, "run.summary"))
    }

    /// Allows a call that waits for it (an `ApprovalNeeded` event names it).
    ///
    /// # Errors
    /// `NotFound` (no_call) when no such call waits; `Conflict` (run_over); `Cancelled`; `Storage`.
    pub async fn approve(&self, call_id: impl Into<String>) -> Result<()> {
        let call_id = call_id.into();
        self.say(call_id.clone(), RunEventKind::Approved { call_id }, "run.approve").await
    }

    /// Refuses a call that waits to be approved. The model is told so, with your words if you give some, and goes on.
    ///
    /// # Errors
    /// As for [`Self::approve`].
    pub async fn deny(&self, call_id: impl Into<String>, why: Option<String>) -> Result<()> {
        let call_id = call_id.into();
        self.say(call_id.clone(), RunEventKind::Denied { call_id, why }, "run.deny").await
    }

    async fn say(&self, call_id: String, word: RunEventKind, operation: &'static str) -> Result<()> {
        let work = async {
            let journal = Journal::open(self.ground.clone(), self.id, None).await?;
            let allows = |standing: &super::standing::Standing| {
                check_goes_on(standing)?;
                if standing.waits_for(&call_id) {
                    return Ok(());
                }
                let detail = "no call with this id waits to be approved; `ApprovalNeeded` events name those that do";
                Err(Error::new(ErrorKind::NotFound, "no_call", detail))
            };
            journal.tell_if([word], allows).await
        };
        self.ground.tasks.on_runtime(work).await.map_err(|e| self.ground.failed(e, operation))
    }

    /// Stops it, wherever it is at work: at its next step it finds that it was stopped, here at once. One that is over
    /// stays as it is.
    ///
    /// # Errors
    /// `NotFound`, `Storage`.
    pub async fn cancel(&self) -> Result<()> {
        // Whether or not it can be kept that it was stopped: nothing more is to be spent.
        let working = self.ground.workshop().get(&self.id).cloned();
        if let Some(working) = working {
            working.stopper.cancel();
        }
        let work = async {
            let journal = Journal::open(self.ground.clone(), self.id, None).await?;
            if check_goes_on(&journal.standing().await).is_ok() {
                match journal.tell_if([RunEventKind::Cancelled], check_goes_on).await {
                    Err(error) if matches!(error.reason(), "run_over" | "cancelled") => {}
                    other => other?,
                }
            }
            Ok(())
        };
        self.ground.tasks.on_runtime(work).await.map_err(|e| self.ground.failed(e, "run.cancel"))
    }
}

impl<T: DeserializeOwned> Run<T> {
    /// Waits for the result.
    ///
    /// # Errors
    /// What made it stop; `Cancelled` when somebody stopped it; `NotFound` when its time is up; `Storage`.
    pub async fn result(mut self) -> Result<T> {
        let ended = async {
            let mut failure = None;
            loop {
                match self.watch.next().await?.map(|event| event.kind) {
                    Some(RunEventKind::Done { output }) => break serde_json::from_value(output).map_err(|e| other(&e)),
                    // It may have been picked up since.
                    Some(RunEventKind::Failed { error }) => failure = Some(Error::from(error)),
                    Some(RunEventKind::Cancelled) => break Err(stopped()),
                    Some(_) => {}
                    None => {
                        let given = || Error::internal("the end of the run was given already; attach to it anew");
                        break Err(failure.unwrap_or_else(given));
                    }
                }
            }
        };
        let (tasks, ground) = (self.ground.tasks.clone(), self.ground.clone());
        tasks.on_runtime(ended).await.map_err(|e| ground.failed(e, "run.result"))
    }
}

/// The result is that of another program.
fn other(error: &serde_json::Error) -> Error {
    let detail = format!("the result of this run is no value of the type that is asked for: {}", place(error));
    Error::invalid("other_program", detail)
}

/// Where reading stopped, without what stands there.
fn place(error: &serde_json::Error) -> String {
    format!("{:?} at line {}, column {}", error.classify(), error.line(), error.column())
}

impl<T> std::fmt::Debug for Run<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Run").field("id", &self.id).finish_non_exhaustive()
    }
}
