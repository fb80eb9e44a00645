//! Beginning a run, going on with one, and what works on it in between.

use std::pin::Pin;

use tokio_util::sync::{CancellationToken, DropGuard};

use super::journal::{Journal, check_goes_on};
use super::program::Program;
use super::run::Run;
use super::standing::Standing;
use super::task::{self, AtWork, IsLeft, Opened};
use crate::base::RunId;
use crate::call::CostLimit;
use crate::engine::{CallOptions, Content, Conversation, Ground, UserScope, Verb};
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
    /// otherwise the model is told that nobody knows how it went. Of the knobs the run has kept what it may cost; give all others
    /// again. Awaiting it gives the handle; it fails with `NotFound`,
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
        let (run, _) =
            begin(ground.clone(), subject, options).await.map_err(|e| ground.failed(e, "conversation.start"))?;
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
            let begun = begin(ground.clone(), subject, options).await;
            let (run, stop) = begun.map_err(|e| ground.failed(e, "conversation.run"))?;
            let _stops: DropGuard = stop.drop_guard();
            Run::<P::Output>::new(ground, run, 0).result().await
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
            let taken = take_up(ground.clone(), subject, options).await;
            let after = taken.map_err(|e| ground.failed(e, "conversation.pick_up"))?;
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
    let at_work = AtWork::take(ground.clone(), run, &chat)?;
    let (said, stop, max_cost_nano_usd) = (at_work.said.clone(), at_work.stop.clone(), options.max_cost_nano_usd);
    let name = program.name();
    let opening = Box::pin(async move {
        let first = RunEventKind::Started {
            program: name.to_owned(),
            conversation_id: chat.id(),
            input: input.clone(),
            beginning: chat.beginning(),
            max_cost_nano_usd,
        };
        let journal = Journal::begin(ground, run, said, Standing::new(name, chat.id()), first).await?;
        let cost_limit = max_cost_nano_usd.map(CostLimit::new);
        Ok(Opened { journal, chat, input, cost_limit, after_seq: 0 })
    });
    task::work(at_work, program, options, IsLeft::Stopped, opening).await?;
    Ok((run, stop))
}

/// Goes on with a run. Gives the number of the event behind which it is watched.
async fn take_up<P: Program>(
    ground: Ground,
    PickUpOf { chat, program, run }: PickUpOf<P>,
    options: CallOptions,
) -> Result<i64> {
    program.check()?;
    check_options(&options)?;
    let at_work = AtWork::take(ground.clone(), run, &chat)?;
    let (said, own_limit, name) = (at_work.said.clone(), options.max_cost_nano_usd, program.name());
    let opening = Box::pin(async move {
        let journal = Journal::open(ground, run, Some(said)).await?;
        let standing = journal.standing().await;
        if standing.conversation_id != chat.id() || standing.program != name {
            let detail =
                format!("the run is one of `{}`, in the conversation that its summary names", standing.program);
            return Err(Error::invalid("other_program", detail));
        }
        let after_seq = journal.version().await;
        journal.tell_if([RunEventKind::PickedUp], check_goes_on).await?;
        let past = journal.past().await;
        let Some(RunEventKind::Started { input, beginning, max_cost_nano_usd, .. }) =
            past.first().map(|first| first.kind.clone())
        else {
            return Err(Error::internal("a run does not begin with its beginning"));
        };
        let chat = chat.beginning_with(beginning)?;
        let spent: i64 = past.iter().filter_map(|event| cost_of(&event.kind)).sum();
        let limit = own_limit.or(max_cost_nano_usd);
        let cost_limit = limit.map(|limit| CostLimit::new(limit.saturating_sub(spent)));
        Ok(Opened { journal, chat, input, cost_limit, after_seq })
    });
    task::work(at_work, program, options, IsLeft::GoingOn, opening).await
}

fn cost_of(kind: &RunEventKind) -> Option<i64> {
    match kind {
        RunEventKind::Replied { cost, .. }
        | RunEventKind::ReviewDone { cost, .. }
        | RunEventKind::MemberFailed { cost, .. } => cost.nano_usd,
        RunEventKind::MemberDone { answer } => answer.cost.nano_usd,
        _ => None,
    }
}

/// Refuses knobs that a run sets itself.
fn check_options(options: &CallOptions) -> Result<()> {
    let own = options.client_id.is_some() || options.expected_head.is_some() || options.output_schema.is_some();
    if own || options.detached {
        let detail = "`client_id`, `expected_head`, `output_schema` and `detached` are the run's own affair; leave them out: a \
                      run goes on by itself, and is attached to";
        return Err(Error::invalid("unsupported", detail));
    }
    if options.max_cost_nano_usd.is_some_and(|most| most < 0) {
        let detail = "what a run may cost is a number of US dollars, and at least 0";
        return Err(Error::invalid("bad_max_cost", detail));
    }
    Ok(())
}
