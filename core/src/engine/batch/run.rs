//! Doing a batch: whole, or as far as it goes.
//!
//! **Who waits for whom.** Messages go behind the turn that is under way, so the batch takes the place in the queue of every
//! conversation in which it says something, in the order of their ids: two batches never wait for each other. What is to be
//! deleted is emptied before that, while no place is held.
//!
//! **What can be broken off.** Everything up to the moment at which the files take their names. From there on it is done or
//! fails, whoever waits.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::item::{Item, Work, too_large};
use super::plan::{Plan, is_refusal};
use super::{Batch, MAX_BYTES, MAX_ITEMS, MAX_WHOLE};
use crate::base::{ConversationId, ErrorKind, TurnId};
use crate::engine::queue::{InTurn, Unsaved};
use crate::engine::transfer::{Named, Whole, written};
use crate::engine::user::UserScope;
use crate::model::{BatchItem, BatchPhase, BatchProgress, BatchReport, BatchState, Error, ExportReport, Result};
use crate::store::{Durability, WriteBatch};

/// So many items of a batch that does what it can are one transaction.
const PART: usize = 500;

/// How often what has changed under the hands of a batch is looked at again.
const ROUNDS: usize = 4;

/// Why items are not done.
enum Stop {
    /// These cannot be.
    Refused(Vec<(usize, Error)>),
    /// Others were faster, each time.
    Moved(Error),
    /// It has nothing to do with the items.
    Failed(Error),
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}

/// Everything that can be broken off is behind it.
struct Ready {
    batch: WriteBatch,
    deleted: BTreeSet<ConversationId>,
    taken_back: Vec<TurnId>,
    files: Vec<(usize, Whole)>,
    _places: Vec<(InTurn, Unsaved)>,
}

/// What became of an item.
struct Became {
    state: BatchState,
    error: Option<Error>,
    export: Option<ExportReport>,
}

pub(super) struct Run {
    user: UserScope,
    items: Vec<Item>,
    is_best_effort: bool,
    dry_run: bool,
    progress: watch::Sender<BatchProgress>,
    cancel: CancellationToken,
}

impl Run {
    pub(super) fn new(batch: Batch, progress: watch::Sender<BatchProgress>, cancel: CancellationToken) -> Self {
        let Batch { user, items, is_best_effort, dry_run } = batch;
        Self { user, items, is_best_effort, dry_run, progress, cancel }
    }

    fn tell(&self, phase: BatchPhase, done: usize) {
        let done = i64::try_from(done).unwrap_or(i64::MAX);
        let told = |progress: &mut BatchProgress| {
            let is_new = (progress.phase, progress.done) != (phase, done);
            (progress.phase, progress.done) = (phase, done);
            is_new
        };
        self.progress.send_if_modified(told);
    }

    pub(super) async fn run(mut self) -> Result<BatchReport> {
        self.user.check()?;
        let most = if self.is_best_effort { MAX_ITEMS } else { MAX_WHOLE };
        if self.items.len() > most {
            let detail = if self.is_best_effort {
                format!("a batch has at most {most} items; divide it into several")
            } else {
                format!("a batch that is done whole has at most {most} items; divide it, or take `best_effort`")
            };
            return Err(Error::invalid("batch_too_large", detail));
        }
        self.make_ready().await?;
        let done = match (self.dry_run, self.is_best_effort) {
            (true, _) => self.look().await,
            (false, true) => self.parts().await,
            (false, false) => self.all().await,
        };
        self.tell(BatchPhase::Over, self.items.len());
        done
    }

    async fn unless_cancelled<T, E: From<Error>>(&self, work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => {
                self.user.engine.check_not_closed()?;
                let detail = "the batch was cancelled; what was not written yet is not";
                Err(Error::new(ErrorKind::Cancelled, "cancelled", detail).into())
            }
            done = work => done,
        }
    }

    /// Reads what the items name and notes what cannot be at all.
    async fn make_ready(&mut self) -> Result<()> {
        let mut items = std::mem::take(&mut self.items);
        let work = async {
            let mut bytes = 0;
            for item in &mut items {
                bytes += item.make_ready(&self.user).await?;
                if bytes > MAX_BYTES {
                    return Err(too_large());
                }
            }
            Ok(())
        };
        self.unless_cancelled(work).await?;
        self.items = items;
        Ok(())
    }

    async fn plan(&self, items: &[&Item], tells: bool) -> Result<Plan<'_>> {
        let mut plan = Plan::new(&self.user);
        for (done, item) in items.iter().enumerate() {
            if tells {
                self.tell(BatchPhase::Checking, done);
            }
            plan.take(item).await?;
        }
        Ok(plan)
    }

    /// What would be done.
    async fn look(&self) -> Result<BatchReport> {
        let items: Vec<&Item> = self.items.iter().collect();
        let refused = self.unless_cancelled(self.plan(&items, true)).await?.refused;
        let mut became = self.untouched(BatchState::Done);
        refuse(&mut became, refused);
        Ok(self.report(became))
    }

    async fn all(&self) -> Result<BatchReport> {
        let items: Vec<&Item> = self.items.iter().collect();
        match self.whole(&items, 0).await {
            Ok(exports) => {
                let mut became = self.untouched(BatchState::Done);
                exports.into_iter().for_each(|(index, export)| became[index].export = Some(export));
                Ok(self.report(became))
            }
            Err(Stop::Refused(refused)) => Err(self.named(refused)),
            Err(Stop::Moved(error) | Stop::Failed(error)) => Err(error),
        }
    }

    /// The error of the first of these items, with its number.
    fn named(&self, mut refused: Vec<(usize, Error)>) -> Error {
        refused.sort_by_key(|(index, _)| *index);
        let others = refused.len().saturating_sub(1);
        let Some((index, error)) = refused.into_iter().next() else { return Error::internal("nothing is refused") };
        let (verb, said) = (self.items[index].verb().as_str(), error.detail());
        let more = match others {
            0 => String::new(),
            1 => "; one more is refused, and a dry run names both".to_owned(),
            others => format!("; {others} more are refused, and a dry run names them all"),
        };
        let detail = format!("item {index} ({verb}): {said}{more}; nothing of the batch was written");
        Error::new(error.kind(), error.reason().to_owned(), detail).with_source(error)
    }

    /// Does all of these items in one transaction, or nothing. Gives what was written into files.
    async fn whole(&self, items: &[&Item], done: usize) -> Result<Vec<(usize, ExportReport)>, Stop> {
        let mut alone: BTreeMap<ConversationId, InTurn> = BTreeMap::new();
        let mut last = None;
        for _ in 0..ROUNDS {
            let ready = self.unless_cancelled(self.ready(items, &mut alone)).await?;
            self.tell(BatchPhase::Writing, done);
            match self.write(ready).await {
                Err(Stop::Failed(error)) if is_refusal(&error) => last = Some(error),
                written => return written,
            }
        }
        let detail = "somebody else kept changing what the batch changes; run it again";
        let error = Error::new(ErrorKind::Conflict, "changed_meanwhile", detail);
        Err(Stop::Moved(match last {
            Some(last) => error.with_source(last),
            None => error,
        }))
    }

    async fn ready(&self, items: &[&Item], alone: &mut BTreeMap<ConversationId, InTurn>) -> Result<Ready, Stop> {
        let (engine, owner) = (&self.user.engine, &self.user.owner);
        let deletes = |item: &&Item| matches!(item.work, Work::Delete(_));
        if alone.is_empty() && items.iter().any(deletes) {
            // Nobody is stopped for the sake of a batch that cannot be.
            for id in accepted(self.plan(items, true).await?)?.deleted {
                self.tell(BatchPhase::Waiting, 0);
                alone.insert(id, engine.alone_in(owner, id).await);
            }
        }
        let places = self.places(items, alone).await;
        let plan = accepted(self.plan(items, true).await?)?;
        let mut files = Vec::new();
        for (index, path, ids) in plan.files {
            self.tell(BatchPhase::Exporting, files.len());
            let file = written(&self.user.export_conversations(path).conversations(ids)).await;
            files.push((index, file.map_err(|error| Stop::Refused(vec![(index, error)]))?));
        }
        let (batch, deleted, taken_back) = (plan.batch, plan.deleted, plan.taken_back);
        Ok(Ready { batch, deleted, taken_back, files, _places: places })
    }

    /// The first place in every conversation in which something is said. One that is gone meanwhile has none.
    async fn places(&self, items: &[&Item], gone: &BTreeMap<ConversationId, InTurn>) -> Vec<(InTurn, Unsaved)> {
        let says = |item: &&&Item| matches!(item.work, Work::Append { .. } | Work::Edit { .. });
        let chats: BTreeSet<_> = items.iter().filter(says).filter_map(|item| item.conversation()).collect();
        let mut places = Vec::new();
        for id in chats.into_iter().filter(|id| !gone.contains_key(id)) {
            self.tell(BatchPhase::Waiting, 0);
            let queue = self.user.engine.queue(id);
            let unsaved = queue.unsaved();
            if let Ok(place) = queue.enter().await.await {
                places.push((place, unsaved));
            }
        }
        places
    }

    /// Gives the files their names and writes the rest. When that fails, everything is as it was.
    async fn write(&self, ready: Ready) -> Result<Vec<(usize, ExportReport)>, Stop> {
        let engine = &self.user.engine;
        let (mut named, mut reports) = (Vec::new(), Vec::new());
        for (index, file) in ready.files {
            let report = file.report.clone();
            match file.try_name().await {
                Ok(name) => named.push(name),
                Err(error) => {
                    give_back(named).await;
                    return Err(Stop::Refused(vec![(index, error)]));
                }
            }
            reports.push((index, report));
        }
        for id in &ready.deleted {
            engine.recent.forget(*id);
            engine.facts.forget(*id);
        }
        if !ready.batch.ops.is_empty()
            && let Err(error) = engine.store.apply(ready.batch, Durability::PowerSafe).await
        {
            give_back(named).await;
            return Err(Stop::Failed(error));
        }
        for turn in &ready.taken_back {
            engine.outbox.changed(&self.user.owner, *turn);
        }
        Ok(reports)
    }

    async fn parts(&self) -> Result<BatchReport> {
        let items: Vec<&Item> = self.items.iter().collect();
        let plan = self.unless_cancelled(self.plan(&items, true)).await?;
        let ends = last_deletions(&plan);
        let mut became = self.untouched(BatchState::Skipped);
        refuse(&mut became, plan.refused);
        let left: Vec<&Item> =
            items.into_iter().filter(|item| became[item.index].state == BatchState::Skipped).collect();
        let mut rest = &left[..];
        let mut failed: Option<Error> = None;
        while !rest.is_empty() && failed.is_none() && !self.cancel.is_cancelled() {
            let (part, is_bound) = cut(rest, &ends);
            rest = &rest[part.len()..];
            failed = self.part(part.to_vec(), is_bound, &mut became).await.err();
        }
        if let Some(error) = failed.filter(|error| error.kind() != ErrorKind::Cancelled) {
            for became in became.iter_mut().filter(|became| became.state == BatchState::Skipped) {
                (became.state, became.error) = (BatchState::Refused, Some(error.clone()));
            }
        }
        Ok(self.report(became))
    }

    /// Does some items in one transaction, without those that turn out to be refused. When others keep changing the same
    /// things, each item is done alone. Bound ones are done together or not at all.
    async fn part(&self, mut part: Vec<&Item>, is_bound: bool, became: &mut [Became]) -> Result<()> {
        while !part.is_empty() {
            let done = became.iter().filter(|became| became.state != BatchState::Skipped).count();
            match self.whole(&part, done).await {
                Ok(exports) => {
                    part.iter().for_each(|item| became[item.index].state = BatchState::Done);
                    exports.into_iter().for_each(|(index, export)| became[index].export = Some(export));
                    return Ok(());
                }
                Err(Stop::Refused(refused)) => {
                    refuse(became, refused);
                    part.retain(|item| became[item.index].state == BatchState::Skipped);
                    if is_bound {
                        refuse(became, part.drain(..).map(|item| (item.index, bound())).collect());
                    }
                }
                Err(Stop::Moved(_)) if part.len() > 1 && !is_bound => {
                    for item in part {
                        Box::pin(self.part(vec![item], false, became)).await?;
                    }
                    return Ok(());
                }
                Err(Stop::Moved(error)) => {
                    refuse(became, part.drain(..).map(|item| (item.index, error.clone())).collect());
                }
                Err(Stop::Failed(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn untouched(&self, state: BatchState) -> Vec<Became> {
        self.items.iter().map(|_| Became { state, error: None, export: None }).collect()
    }

    fn report(&self, became: Vec<Became>) -> BatchReport {
        let mut report = BatchReport { dry_run: self.dry_run, ..BatchReport::default() };
        for (item, became) in self.items.iter().zip(became) {
            *match became.state {
                BatchState::Done => &mut report.done,
                BatchState::Refused => &mut report.refused,
                BatchState::Skipped => &mut report.skipped,
            } += 1;
            let is_done = became.state == BatchState::Done;
            report.items.push(BatchItem {
                index: i64::try_from(item.index).unwrap_or(i64::MAX),
                verb: item.verb(),
                state: became.state,
                conversation_id: item.conversation(),
                message_ids: if is_done && !self.dry_run { item.messages() } else { Vec::new() },
                export: became.export,
                error: became.error.map(|error| self.user.engine.failed(error, "user.batch").info()),
            });
        }
        report
    }
}

fn accepted(plan: Plan<'_>) -> Result<Plan<'_>, Stop> {
    if plan.refused.is_empty() { Ok(plan) } else { Err(Stop::Refused(plan.refused)) }
}

fn refuse(became: &mut [Became], refused: Vec<(usize, Error)>) {
    for (index, error) in refused {
        became[index] = Became { state: BatchState::Refused, error: Some(error), export: None };
    }
}

async fn give_back(named: Vec<Named>) {
    for mut name in named {
        name.give_back().await;
    }
}

/// For each export the last item that deletes something that is in its file.
fn last_deletions(plan: &Plan<'_>) -> HashMap<usize, usize> {
    let ends = plan.files.iter().map(|(index, _, ids)| {
        let last = ids.iter().filter_map(|id| plan.deletion(*id)).max();
        (*index, last.unwrap_or(*index))
    });
    ends.collect()
}

/// The items that are done next, and whether they are bound to each other: an export and the deletions of what is in it.
fn cut<'a, 'b>(rest: &'a [&'b Item], ends: &HashMap<usize, usize>) -> (&'a [&'b Item], bool) {
    let exports = |item: &&Item| ends.contains_key(&item.index);
    let Some(end) = rest.first().and_then(|item| ends.get(&item.index)) else {
        let next = rest.iter().take(PART).position(exports);
        return (&rest[..next.unwrap_or(rest.len().min(PART))], false);
    };
    let (mut end, mut taken) = (*end, 0);
    while let Some(item) = rest.get(taken).filter(|item| item.index <= end) {
        // Another export among them goes along with what belongs to it.
        end = end.max(ends.get(&item.index).copied().unwrap_or(end));
        taken += 1;
    }
    (&rest[..taken], true)
}

fn bound() -> Error {
    let detail = "it is done together with the export before it, or not at all, and one of these items was refused";
    Error::new(ErrorKind::Conflict, "not_exported", detail)
}
