//! Beginning a run, going on with one, and what works on it in between.

use std::pin::Pin;
use std::sync::Arc;

use futures::future::BoxFuture;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::journal::{Journal, check_goes_on, stopped};
use super::program::Program;
use super::program::work::Work;
use super::run::Run;
use super::standing::Standing;
use crate::base::{ErrorKind, RunId};
use crate::call::CostLimit;
use crate::engine::{CallOptions, Content, Conversation, Ground, InRun, UserScope, Verb, Working};
use crate::model::{Error, Result, RunEventKind};

/// What `run` and `start` wait for.
pub struct RunOf<P> {
    chat: Conversation,
    program: P,
    content: Content,
}

/// What `pick_up` waits for.
pub struct PickUpOf<P> {
    chat: Conversation,
    program: P,
    run: RunId,
}

impl Conversation {
    /// Runs a program in this conversation and waits for what it comes to. Your own code is called here and nowhere else:
    /// `send` never does. Every step is kept before the next one begins. Dropping the future stops the run.
    ///
    /// Of the knobs, `max_cost_usd` holds for all calls of the run together; all others for each of them.
    pub fn run<P: Program>(&self, program: &P, content: impl Into<Content>) -> Verb<RunOf<P>> {
        Verb::new(RunOf { chat: self.clone(), program: program.clone(), content: content.into() })
    }

    /// Goes on with a run of this conversation that stopped: its process has ended, or it has failed. Nothing that is
    /// finished is done or paid for again. A tool that was being called then is called again if it is idempotent;
    /// otherwise the model is told that nobody knows how it went. Awaiting it gives the handle; it fails with `NotFound`,
    /// `Conflict` (run_over) when it has its result, (at_work) while it is at work in this process; `Cancelled` when it was
    /// stopped. Who works on it elsewhere gives way at its next step.
    pub fn pick_up<P: Program>(&self, program: &P, run: RunId) -> Verb<PickUpOf<P>> {
        Verb::new(PickUpOf { chat: self.clone(), program: program.clone(), run })
    }
}

impl<P: Program> Verb<RunOf<P>> {
    /// Begins the run and gives the handle: it goes on by itself, whoever watches.
    ///
    /// # Errors
    /// `Invalid`; `Storage`.
    pub async fn start(self) -> Result<Run<P::Output>> {
        let Self { subject, options } = self;
        let ground = subject.chat.user().ground()?;
        let started = ground.clone().tasks.on_runtime(begin(ground.clone(), subject, options));
        let (run, _) = started.await.map_err(|e| ground.failed(e, "conversation.start"))?;
        Ok(Run::new(ground, run, 0))
    }
}

impl<P: Program> IntoFuture for Verb<RunOf<P>> {
    type Output = Result<P::Output>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { subject, options } = self;
        Box::pin(async move {
            let ground = subject.chat.user().ground()?;
            let started = ground.clone().tasks.on_runtime(begin(ground.clone(), subject, options));
            let (run, stop) = started.await.map_err(|e| ground.failed(e, "conversation.run"))?;
            let _stops: DropGuard = stop.drop_guard();
            let tasks = ground.tasks.clone();
            tasks.on_runtime(Run::<P::Output>::new(ground, run, 0).result()).await
        })
    }
}

impl<P: Program> IntoFuture for Verb<PickUpOf<P>> {
    type Output = Result<Run<P::Output>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { subject, options } = self;
        Box::pin(async move {
            let ground = subject.chat.user().ground()?;
            let run = subject.run;
            let taken = ground.clone().tasks.on_runtime(take_up(ground.clone(), subject, options));
            let after = taken.await.map_err(|e| ground.failed(e, "conversation.pick_up"))?;
            Ok(Run::new(ground, run, after))
        })
    }
}

impl UserScope {
    /// A run of this user, from any process: its events from behind this one on (0 = all), its result, approvals. The type
    /// is that of its result; `Json` fits every program.
    ///
    /// # Errors
    /// `Closed`; that there is no such run is said at the first use.
    pub fn attach<T>(&self, run: RunId, after_seq: i64) -> Result<Run<T>> {
        Ok(Run::new(self.ground()?, run, after_seq.max(0)))
    }
}

async fn begin<P: Program>(
    ground: Ground,
    RunOf { chat, program, content }: RunOf<P>,
    options: CallOptions,
) -> Result<(RunId, CancellationToken)> {
    program.check()?;
    check_options(&options)?;
    let input = content.for_run()?;
    let run = ground.ids.run();
    let first = RunEventKind::Started {
        program: program.name().to_owned(),
        conversation_id: chat.id(),
        input: input.clone(),
        beginning: chat.beginning(),
        max_cost_nano_usd: options.max_cost_nano_usd,
    };
    let journal = Journal::begin(ground, run, Standing::new(program.name(), chat.id()), first).await?;
    let cost_limit = options.max_cost_nano_usd.map(CostLimit::new);
    let stop = set_to_work(journal, program, &chat, input, options, cost_limit);
    Ok((run, stop))
}

/// Goes on with a run. Gives the number of the event from which on it is watched.
async fn take_up<P: Program>(
    ground: Ground,
    PickUpOf { chat, program, run }: PickUpOf<P>,
    options: CallOptions,
) -> Result<i64> {
    program.check()?;
    check_options(&options)?;
    let journal = Journal::open(ground.clone(), run, true).await?;
    let standing = journal.standing().await;
    check_goes_on(&standing)?;
    if ground.workshop().contains_key(&run) {
        return Err(Error::new(ErrorKind::Conflict, "at_work", "the run is at work in this process; attach to it"));
    }
    if standing.conversation_id != chat.id() || standing.program != program.name() {
        let detail = format!("the run is one of `{}`, in the conversation that its summary names", standing.program);
        return Err(Error::invalid("other_program", detail));
    }
    let after = journal.version().await;
    journal.tell_if([RunEventKind::PickedUp], check_goes_on).await?;
    let past = journal.past().await;
    let Some(RunEventKind::Started { input, beginning, max_cost_nano_usd, .. }) =
        past.first().map(|first| first.kind.clone())
    else {
        return Err(Error::internal("a run does not begin with its beginning"));
    };
    let chat = chat.beginning_with(beginning)?;
    let limit = options.max_cost_nano_usd.or(max_cost_nano_usd);
    let spent: i64 = past.iter().filter_map(|event| cost_of(&event.kind)).sum();
    let cost_limit = limit.map(|limit| CostLimit::new(limit.saturating_sub(spent)));
    set_to_work(journal, program, &chat, input, options, cost_limit);
    Ok(after)
}

fn cost_of(kind: &RunEventKind) -> Option<i64> {
    match kind {
        RunEventKind::Replied { cost, .. } => cost.nano_usd,
        _ => None,
    }
}

/// Refuses knobs that a run sets itself.
fn check_options(options: &CallOptions) -> Result<()> {
    if options.client_id.is_some() || options.expected_head.is_some() || options.output_schema.is_some() {
        let detail = "`client_id`, `expected_head` and `output_schema` are set by the run itself; leave them out";
        return Err(Error::invalid("unsupported", detail));
    }
    if options.max_cost_nano_usd.is_some_and(|most| most < 0) {
        let detail = "what a run may cost is a number of US dollars, and at least 0";
        return Err(Error::invalid("bad_max_cost", detail));
    }
    Ok(())
}

/// Starts the task that works on the run. What it gives stops it.
fn set_to_work<P: Program>(
    journal: Journal,
    program: P,
    chat: &Conversation,
    input: Vec<crate::model::Part>,
    mut options: CallOptions,
    cost_limit: Option<CostLimit>,
) -> CancellationToken {
    let (ground, run) = (journal.ground.clone(), journal.run);
    options.max_cost_nano_usd = None;
    // What waits in the outbox would be answered without the run.
    options.degrade = Some(false);
    let stop = ground.tasks.stop_token().child_token();
    ground.workshop().insert(run, Working { stopper: stop.clone(), said: journal.said() });
    let journal = Arc::new(journal);
    let chat = chat.within(InRun { id: run.to_string().into(), cost_limit });
    let work = Work { run, chat, input, options, stop: stop.clone(), journal: journal.clone() };
    let (owner, given) = (ground.owner.clone(), stop.clone());
    let at_work = AtWork { ground: ground.clone(), run };
    ground.tasks.spawn("run", Some(owner), async move {
        let working: BoxFuture<'static, _> = program.work(work);
        let outcome = tokio::select! {
            biased;
            () = stop.cancelled() => Err(stopped()),
            outcome = working => outcome,
        };
        let last = match outcome {
            Ok(output) => RunEventKind::Done { output },
            // The engine closes: the run rests where it is, to be picked up.
            Err(_) if journal.ground.tasks.stop_token().is_cancelled() => return Ok(()),
            Err(_) if stop.is_cancelled() => RunEventKind::Cancelled,
            // It was stopped from elsewhere, or is somebody else's now.
            Err(error) if matches!(error.reason(), "picked_up" | "resting") => return Ok(()),
            Err(error) => RunEventKind::Failed { error: journal.ground.failed(error, "run").info() },
        };
        // Who hears the last word may pick the run up at once.
        drop(at_work);
        match journal.tell_if([last], check_goes_on).await {
            // Somebody has said the last word already.
            Err(error) if matches!(error.reason(), "picked_up" | "cancelled" | "run_over") => Ok(()),
            other => other,
        }
    });
    given
}

/// A run's place among those at work; it is given up however the work ends.
struct AtWork {
    ground: Ground,
    run: RunId,
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.ground.workshop().remove(&self.run);
    }
}
