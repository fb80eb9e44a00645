//! The events of one run: read whole when somebody works on it, appended in sight of everything before.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize as _;
use tokio::sync::{Mutex, broadcast};

use super::standing::Standing;
use crate::base::{ErrorKind, Json, RunId, StreamId};
use crate::engine::{Ground, Said};
use crate::model::{Error, Result, RunEvent, RunEventKind, RunStatus};
use crate::store::{Durability, MAX_EVENTS, NewEvent, NewEvents, Op, Payload, StoredEvent, WriteBatch};

/// How long a run stays after its last change of standing.
pub(super) const STAYS: Duration = Duration::from_secs(7 * 86_400);

/// The stream that holds a run.
pub(super) const fn stream_of(run: RunId) -> StreamId {
    StreamId::from_bytes(*run.as_bytes())
}

/// The events of a run for whoever works on it, or says a word to it.
pub(super) struct Journal {
    pub(super) ground: Ground,
    pub(super) run: RunId,
    known: Mutex<Known>,
    said: broadcast::Sender<Said>,
    /// Whoever works on the run gives way to who picks it up.
    works: bool,
}

/// What is known of the run.
struct Known {
    standing: Standing,
    past: Vec<Arc<RunEvent>>,
    /// Why the run is no longer this worker's: said once, it holds for ever.
    lost: Option<Error>,
}

impl Known {
    fn version(&self) -> i64 {
        self.past.last().map_or(0, |last| last.seq)
    }

    fn take(&mut self, event: RunEvent) {
        self.standing.take(&event.kind);
        self.past.push(Arc::new(event));
    }
}

impl Journal {
    /// Begins a run.
    ///
    /// # Errors
    /// `Storage`.
    pub(super) async fn begin(
        ground: Ground,
        run: RunId,
        said: broadcast::Sender<Said>,
        standing: Standing,
        first: RunEventKind,
    ) -> Result<Self> {
        let known = Mutex::new(Known { standing, past: Vec::new(), lost: None });
        let journal = Self { ground, run, known, said, works: true };
        journal.tell([first]).await?;
        Ok(journal)
    }

    /// Reads a run, to work on it or to say a word to it.
    ///
    /// # Errors
    /// `NotFound`, `Storage`.
    pub(super) async fn open(ground: Ground, run: RunId, works: Option<broadcast::Sender<Said>>) -> Result<Self> {
        let record = ground.store.stream(&ground.owner, stream_of(run)).await?.ok_or_else(no_run)?;
        let standing = standing_in(record.snapshot.as_ref().map(|kept| &kept.data[..]))?;
        let known = Mutex::new(Known { standing, past: Vec::new(), lost: None });
        let (works, said) = (works.is_some(), works.unwrap_or_else(said));
        let journal = Self { ground, run, known, said, works };
        let mut known = journal.known.lock().await;
        journal.catch_up(&mut known).await?;
        let is_newer = known.past.iter().any(|event| matches!(event.kind, RunEventKind::Other { .. }));
        drop(known);
        if journal.works && is_newer {
            return Err(newer());
        }
        Ok(journal)
    }

    /// Everything that has happened so far.
    pub(super) async fn past(&self) -> Vec<Arc<RunEvent>> {
        self.known.lock().await.past.clone()
    }

    pub(super) async fn standing(&self) -> Standing {
        self.known.lock().await.standing.clone()
    }

    /// Tells words on their way to who listens here and now.
    pub(super) fn show(&self, behind: i64, kind: RunEventKind) {
        let at = self.ground.clock.now();
        // Nobody listening is no error.
        let _ = self.said.send((behind, RunEvent { seq: 0, at, kind }));
    }

    /// The number of the last event that is known.
    pub(super) async fn version(&self) -> i64 {
        self.known.lock().await.version()
    }

    /// Appends what happened, all of it or nothing. When this returns it is on disk and can be read by everybody.
    ///
    /// # Errors
    /// `Conflict` (picked_up) when somebody else goes on with the run, `Cancelled` when somebody stopped it; `Storage`.
    pub(super) async fn tell(&self, kinds: impl IntoIterator<Item = RunEventKind>) -> Result<()> {
        self.tell_if(kinds, |_| Ok(())).await
    }

    /// The same, if what is known of the run allows it; asked again whenever somebody else was faster.
    pub(super) async fn tell_if(
        &self,
        kinds: impl IntoIterator<Item = RunEventKind>,
        allows: impl Fn(&Standing) -> Result<()>,
    ) -> Result<()> {
        let kinds: Vec<RunEventKind> = kinds.into_iter().collect();
        let mut known = self.known.lock().await;
        loop {
            if let Some(lost) = &known.lost {
                return Err(lost.clone());
            }
            allows(&known.standing)?;
            match self.append(&mut known, &kinds).await {
                Err(error) if error.reason() == "stream_moved" => self.catch_up(&mut known).await?,
                other => return other,
            }
        }
    }

    async fn append(&self, known: &mut Known, kinds: &[RunEventKind]) -> Result<()> {
        let (ground, stream, expected) = (&self.ground, stream_of(self.run), known.version());
        let now = ground.clock.now();
        let events = kinds.iter().map(written).collect::<Result<Vec<_>>>()?;
        let added = i64::try_from(events.len()).unwrap_or(i64::MAX);
        // One id for all tries: one that was done though nobody heard of it is known by it.
        let append = NewEvents { stream, expected, id: ground.ids.append(), events };
        let mut batch = WriteBatch::new(&*ground.owner, now).op(Op::AppendEvents(append));
        let mut standing = known.standing.clone();
        // Each of them is to be taken in, also behind one that changes it.
        if kinds.iter().fold(false, |changes, kind| standing.take(kind) | changes) {
            let data = Payload::json(&standing)?;
            batch = batch
                .op(Op::PutSnapshot { id: stream, version: expected + added, data })
                .op(Op::ExpireStream { id: stream, expires_in: Some(STAYS) });
        }
        let mut waits = TRIES.iter();
        while let Err(error) = ground.store.apply(batch.clone(), Durability::PowerSafe).await {
            match waits.next() {
                Some(wait) if error.kind() == ErrorKind::Storage => ground.clock.sleep(*wait).await,
                _ => return Err(error),
            }
        }
        for (seq, kind) in (expected + 1..).zip(kinds) {
            known.take(RunEvent { seq, at: now, kind: kind.clone() });
        }
        Ok(())
    }

    /// Reads what others have appended.
    ///
    /// # Errors
    /// `Conflict` (picked_up), `Cancelled`: the run is no longer this one's to go on with; `NotFound`, `Storage`.
    async fn catch_up(&self, known: &mut Known) -> Result<()> {
        let opens = known.past.is_empty();
        loop {
            let after = known.version();
            let rows = self.ground.store.events(&self.ground.owner, stream_of(self.run), after, MAX_EVENTS).await?;
            let rows = rows.ok_or_else(no_run)?;
            for row in rows.events {
                known.take(read(row)?);
            }
            let news = known.past.iter().skip_while(|event| event.seq <= after).filter(|_| self.works && !opens);
            let lost = news.filter_map(|event| match event.kind {
                RunEventKind::PickedUp => Some(picked_up()),
                RunEventKind::Cancelled => Some(stopped()),
                _ => None,
            });
            known.lost = lost.last();
            if let Some(lost) = &known.lost {
                return Err(lost.clone());
            }
            if known.version() >= rows.version {
                return Ok(());
            }
        }
    }

    /// Waits until something holds that others may say: an approval.
    ///
    /// # Errors
    /// As for [`Self::tell`].
    pub(super) async fn until<T>(&self, holds: impl Fn(&[Arc<RunEvent>]) -> Option<T>) -> Result<T> {
        let mut bell = self.ground.store.bell(stream_of(self.run));
        loop {
            bell.reset();
            {
                let mut known = self.known.lock().await;
                if let Some(lost) = &known.lost {
                    return Err(lost.clone());
                }
                if let Some(found) = holds(&known.past) {
                    return Ok(found);
                }
                match self.catch_up(&mut known).await {
                    // Who waits for days outlives a disk that is busy.
                    Err(error) if error.kind() == ErrorKind::Storage => {}
                    other => other?,
                }
                if let Some(found) = holds(&known.past) {
                    return Ok(found);
                }
            }
            // Another process does not ring.
            tokio::select! {
                () = bell.rung() => {}
                () = self.ground.clock.sleep(LOOK) => {}
            }
        }
    }
}

/// How often it is looked whether another process has said something.
pub(super) const LOOK: Duration = Duration::from_secs(1);

/// How long is waited between tries to append: what was done is not to be lost because a disk is busy.
const TRIES: [Duration; 3] = [Duration::from_millis(50), Duration::from_millis(250), Duration::from_millis(1_000)];

/// So many words on their way are kept for a listener that is slow; it misses those before.
const SAID: usize = 1_024;

/// A place where words on their way are heard.
pub(super) fn said() -> broadcast::Sender<Said> {
    broadcast::Sender::new(SAID)
}

/// The standing that lies beside a run's events.
pub(super) fn standing_in(kept: Option<&[u8]>) -> Result<Standing> {
    kept.and_then(|kept| serde_json::from_slice(kept).ok())
        .ok_or_else(|| Error::new(ErrorKind::NotFound, "not_found", "this stream of events is no run"))
}

/// The event as it is stored: its name beside it, not in it.
fn written(kind: &RunEventKind) -> Result<NewEvent> {
    let unwritten = |_| Error::internal("an event of a run could not be written as JSON");
    let mut json = kind.serialize(serde_json::value::Serializer).map_err(unwritten)?;
    let Some(Json::String(name)) = json.as_object_mut().and_then(|fields| fields.remove("type")) else {
        return Err(Error::internal("an event of a run has no name"));
    };
    Ok(NewEvent { name, data: Payload::json(&json)? })
}

/// The stored event.
pub(super) fn read(row: StoredEvent) -> Result<RunEvent> {
    let data: Json = serde_json::from_slice(&row.data).map_err(|_| newer())?;
    let mut tagged = data.clone();
    tagged.as_object_mut().ok_or_else(newer)?.insert("type".to_owned(), Json::String(row.name.clone()));
    let kind = serde_json::from_value(tagged).unwrap_or(RunEventKind::Other { name: row.name, data });
    Ok(RunEvent { seq: row.seq, at: row.at, kind })
}

fn newer() -> Error {
    let detail = "an event of the run was written by a newer version of this library; update it to go on with the run";
    Error::new(ErrorKind::Storage, "newer_schema", detail)
}

pub(super) fn no_run() -> Error {
    Error::new(ErrorKind::NotFound, "not_found", "this user has no such run, or its time is up")
}

fn picked_up() -> Error {
    Error::new(ErrorKind::Conflict, "picked_up", "somebody else goes on with this run; attach to it to see how")
}

/// The engine closes: the run rests where it is, to be picked up.
pub(super) fn resting() -> Error {
    Error::new(ErrorKind::Closed, "resting", "the engine closes; pick the run up when it is open again")
}

pub(super) fn stopped() -> Error {
    Error::new(ErrorKind::Cancelled, "cancelled", "the run was stopped")
}

/// Refuses a word to a run in which nothing more will happen.
pub(super) fn check_goes_on(standing: &Standing) -> Result<()> {
    match standing.status() {
        RunStatus::Done => Err(Error::new(ErrorKind::Conflict, "run_over", "the run has its result already")),
        RunStatus::Cancelled => Err(stopped()),
        _ => Ok(()),
    }
}
