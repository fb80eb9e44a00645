//! Watching a run: its events in their order, and words on their way between them while it is at work here.

use std::collections::VecDeque;

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::TryRecvError;

use super::journal::{LOOK, no_run, read, standing_in, stream_of};
use crate::base::RunId;
use crate::engine::{Ground, Said};
use crate::model::{Result, RunEvent, RunEventKind, RunStatus};
use crate::store::{Bell, MAX_EVENTS};

/// Reads the events of a run on as they come.
pub(super) struct Watch {
    ground: Ground,
    run: RunId,
    bell: Bell,
    after_seq: i64,
    /// Events that were read and not given.
    ready: VecDeque<RunEvent>,
    said: Option<broadcast::Receiver<Said>>,
    /// Words that were said behind an event which is not given yet.
    held: Option<Said>,
    /// The last event that was given says that the run stopped. It may have been picked up since.
    has_failed: bool,
    has_looked: bool,
    ended: bool,
}

impl Watch {
    pub(super) fn new(ground: Ground, run: RunId, after_seq: i64) -> Self {
        let bell = ground.store.bell(stream_of(run));
        let said = ground.workshop().get(&run).map(|working| working.said.subscribe());
        Self {
            ground,
            run,
            bell,
            after_seq,
            ready: VecDeque::new(),
            said,
            held: None,
            has_failed: false,
            has_looked: false,
            ended: false,
        }
    }

    /// The next event; nothing behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<RunEvent>> {
        loop {
            if self.ended {
                return Ok(None);
            }
            self.hold();
            if let Some((_, words)) = self.held.take_if(|(behind, _)| *behind <= self.after_seq) {
                return Ok(Some(words));
            }
            if let Some(event) = self.ready.pop_front() {
                self.after_seq = event.seq;
                self.ended = matches!(event.kind, RunEventKind::Done { .. } | RunEventKind::Cancelled);
                match event.kind {
                    RunEventKind::Failed { .. } => self.has_failed = true,
                    RunEventKind::PickedUp => self.has_failed = false,
                    _ => {}
                }
                return Ok(Some(event));
            }
            self.bell.reset();
            let rows = self.ground.store.events(&self.ground.owner, stream_of(self.run), self.after_seq, MAX_EVENTS);
            match rows.await {
                Ok(rows) => {
                    self.ready = rows.ok_or_else(no_run)?.events.into_iter().map(read).collect::<Result<_>>()?
                }
                Err(error) if error.reason() == "suspended" => {}
                Err(error) => return Err(error),
            }
            if self.ready.is_empty() && self.is_over().await? {
                self.ended = true;
            } else if self.ready.is_empty() && self.held.is_none() {
                self.wait().await;
            }
        }
    }

    /// True when nothing is expected behind what was given. Whoever began behind the last event finds that out once.
    async fn is_over(&mut self) -> Result<bool> {
        if self.has_looked {
            return Ok(self.has_failed);
        }
        self.has_looked = true;
        let record = self.ground.store.stream(&self.ground.owner, stream_of(self.run)).await?.ok_or_else(no_run)?;
        let standing = standing_in(record.snapshot.as_ref().map(|kept| &kept.data[..]))?;
        let (status, has_all) = (standing.status(), record.version <= self.after_seq);
        self.has_failed |= has_all && status == RunStatus::Failed;
        Ok(has_all && (status.is_over() || self.has_failed))
    }

    /// Takes the next words that were said, if there are any.
    fn hold(&mut self) {
        while self.held.is_none()
            && let Some(said) = &mut self.said
        {
            match said.try_recv() {
                Ok(words) => self.held = Some(words),
                Err(TryRecvError::Lagged(_)) => {}
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Closed) => self.said = None,
            }
        }
    }

    /// Waits until there may be something to give.
    async fn wait(&mut self) {
        let Self { bell, said, held, ground, .. } = self;
        let said = async {
            match said {
                Some(said) => said.recv().await.ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            words = said => *held = words,
            () = bell.rung() => {}
            // Another process does not ring.
            () = ground.clock.sleep(LOOK) => {}
        }
        if self.held.is_none() && self.said.as_ref().is_some_and(|said| said.is_closed() && said.is_empty()) {
            self.said = None;
        }
    }
}
