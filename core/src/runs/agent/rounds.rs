//! The rounds of an agent: a model is asked, the tools it asks for are called, and it is told what they answered.

use std::time::Duration;

use futures::future::try_join_all;
use tokio::sync::Semaphore;

use super::bounds::Taken;
use super::progress::{Progress, Replied, decision};
use super::value::Agent;
use crate::base::{ErrorKind, Json};
use crate::engine::{CallOptions, ReplyStream};
use crate::model::{
    AgentResult, Error, FinishReason, Part, Reply, ReplyStatus, Result, RunEventKind, StreamEventKind, ToolCall,
    ToolResult,
};
use crate::runs::journal::{LOOK, resting};
use crate::runs::program::work::Work;
use crate::runs::tools::{ToolContext, answer, failed};
use crate::runs::turn::begun;

/// Goes on behind what has happened, up to the answer.
pub(super) async fn rounds<T>(agent: Agent<T>, work: Work) -> Result<Json> {
    let progress = Progress::of(&work.past().await);
    let (mut taken, mut result) = (Taken::default(), None::<AgentResult<Json>>);
    let mut rounds = Rounds { agent, work, progress, left: Duration::ZERO };
    rounds.left = Duration::from_millis(rounds.agent.bounds.wall_ms);
    let (mut said, mut behind, mut repairs) = (rounds.work.input.clone(), None, 0);
    for step in 0.. {
        taken.round(&rounds.agent.bounds)?;
        let replied = match rounds.progress.replied(step) {
            Some(replied) => replied.clone(),
            None => rounds.ask(step, behind, said).await?,
        };
        let so_far = result.get_or_insert_with(|| first(&rounds.work, &replied));
        so_far.rounds += 1;
        so_far.calls += i32::try_from(replied.calls.len()).unwrap_or(i32::MAX);
        so_far.message_id = replied.message_id;
        so_far.finish_reason = replied.finish_reason;
        so_far.usage = std::mem::take(&mut so_far.usage).plus(replied.usage.clone());
        so_far.cost = std::mem::take(&mut so_far.cost).plus(replied.cost.clone());
        behind = Some(replied.message_id);
        if replied.calls.is_empty()
            && let Some(FinishReason::Refusal | FinishReason::ContentFilter) = replied.finish_reason
        {
            return Err(refused(replied.text));
        }
        if !replied.calls.is_empty() {
            let partial = |error: Error| error.with_partial(vec![Part::text(replied.text.clone())]);
            taken.calls(&replied.calls, &rounds.agent.bounds).map_err(partial)?;
            let answers = rounds.answers(step, &replied).await?;
            said = answers.into_iter().map(|result| Part::ToolResult { result }).collect();
            continue;
        }
        match rounds.agent.shape.read(&replied.text) {
            Ok(output) => {
                so_far.output = output;
                break;
            }
            Err(_) if repairs == rounds.agent.bounds.max_repairs => return Err(unfit(repairs, replied.text)),
            Err(why) => {
                repairs += 1;
                let mend = format!(
                    "Your answer does not fit: {why}\nAnswer once more, with JSON that fits the schema and nothing else."
                );
                said = vec![Part::text(mend)];
            }
        }
    }
    serde_json::to_value(result).map_err(|_| Error::internal("the result of an agent could not be written as JSON"))
}

fn first(work: &Work, replied: &Replied) -> AgentResult<Json> {
    AgentResult {
        output: Json::Null,
        run_id: work.run,
        message_id: replied.message_id,
        finish_reason: replied.finish_reason,
        rounds: 0,
        calls: 0,
        usage: crate::model::Usage::default(),
        cost: crate::model::Cost { nano_usd: Some(0), ..replied.cost.clone() },
    }
}

fn refused(text: String) -> Error {
    let detail = "the model, or its provider, refused to answer; what was said is in `partial`";
    Error::new(ErrorKind::ContentFiltered, "refused", detail).with_partial(vec![Part::text(text)])
}

fn unfit(repairs: u32, text: String) -> Error {
    let detail = format!(
        "the answer does not fit the type that the agent's `output` names, and did not after {repairs} requests to mend it: \
         another model, clearer instructions, or a simpler type may help; what was answered is in `partial`"
    );
    Error::new(ErrorKind::OutputInvalid, "unfit_output", detail).with_partial(vec![Part::text(text)])
}

struct Rounds<T> {
    agent: Agent<T>,
    work: Work,
    progress: Progress,
    /// How much of the agent's time is left.
    left: Duration,
}

impl<T> Rounds<T> {
    /// Does a piece of the work within the time that is left.
    async fn within<O>(&self, left: Duration, piece: impl Future<Output = Result<O>>) -> Result<O> {
        tokio::select! {
            biased;
            done = piece => done,
            () = self.work.journal.ground.clock.sleep(left) => {
                let detail = format!(
                    "the agent has worked for {} ms without coming to an answer; a higher `wall_ms` of its bounds gives it \
                     more time",
                    self.agent.bounds.wall_ms
                );
                Err(Error::new(ErrorKind::OutputInvalid, "too_slow", detail))
            }
        }
    }

    /// Asks a model, unless an earlier life of the run has done so and the answer is there.
    async fn ask(&mut self, step: i32, behind: Option<crate::base::MessageId>, said: Vec<Part>) -> Result<Replied> {
        let since = self.work.journal.ground.clock.monotonic();
        let replied = self.within(self.left, self.asked(step, behind, said)).await?;
        self.left = self.left.saturating_sub(self.work.journal.ground.clock.monotonic().saturating_sub(since));
        self.work.tell([replied.event(step)]).await?;
        Ok(replied)
    }

    async fn asked(&self, step: i32, behind: Option<crate::base::MessageId>, said: Vec<Part>) -> Result<Replied> {
        let chat = match behind {
            Some(message) => self.work.chat.at(message),
            None => self.work.chat.clone(),
        };
        let options = self.options(step);
        let id = options.client_id.clone().unwrap_or_default();
        if self.progress.was_asked(step)
            && let Some(begun) = begun(&self.work, &chat, &id, &options).await?
        {
            let reply = self.listen(begun.stream).await?;
            if begun.was_paid {
                self.work.chat.has_paid(&reply.cost);
            }
            return replied(reply);
        }
        if self.work.journal.ground.tasks.closing_token().is_cancelled() {
            return Err(resting());
        }
        if !self.progress.was_asked(step) {
            self.work.tell([RunEventKind::Asking { step }]).await?;
        }
        let stream = loop {
            match chat.stream(said.clone()).with(options.clone()).await {
                // It goes on when the engine has been woken.
                Err(error) if error.reason() == "suspended" => self.work.journal.ground.clock.sleep(LOOK).await,
                other => break other?,
            }
        };
        replied(self.listen(stream).await?)
    }

    fn options(&self, step: i32) -> CallOptions {
        let mut options = self.work.options.clone();
        options.client_id = Some(format!("{}:{step}", self.work.run));
        options.model = options.model.or_else(|| self.agent.model.clone());
        let instructions = Some(self.agent.instructions.clone()).filter(|text| !text.is_empty());
        options.system = match (instructions, options.system) {
            (Some(one), Some(other)) => Some(format!("{one}\n\n{other}")),
            (one, other) => one.or(other),
        };
        options.tools.extend(self.agent.tools.iter().map(|tool| tool.spec().clone()));
        options.output_schema = self.agent.shape.schema().cloned();
        options
    }

    /// Reads a reply to its end and tells its words on the way.
    async fn listen(&self, mut stream: ReplyStream) -> Result<Reply> {
        let behind = self.work.journal.version().await;
        while let Some(event) = stream.next_event().await? {
            match event.kind {
                StreamEventKind::Text { delta } => self.work.journal.show(behind, RunEventKind::Text { delta }),
                StreamEventKind::Done { reply } => return Ok(*reply),
                _ => {}
            }
        }
        Err(Error::internal("a reply ended without its end"))
    }

    /// Calls the tools, several at once; those that were called before are not called again.
    async fn answers(&mut self, step: i32, replied: &Replied) -> Result<Vec<ToolResult>> {
        let calls = &replied.calls;
        let needed = calls.iter().filter(|call| {
            let tool = self.agent.tools.iter().find(|tool| tool.spec().name == call.name);
            tool.is_some_and(|tool| tool.is_approved_first()) && !self.progress.is_needed(step, call)
        });
        let needed: Vec<_> = needed.map(|call| RunEventKind::ApprovalNeeded { call: call.clone() }).collect();
        let waits = !needed.is_empty() || calls.iter().any(|call| self.progress.is_needed(step, call));
        if !needed.is_empty() {
            self.work.tell(needed).await?;
        }
        let at_once = Semaphore::new(self.agent.bounds.parallel);
        let all = try_join_all(calls.iter().map(|call| self.answer(step, replied, call, &at_once)));
        if waits {
            return all.await;
        }
        let since = self.work.journal.ground.clock.monotonic();
        let answers = self.within(self.left, all).await?;
        self.left = self.left.saturating_sub(self.work.journal.ground.clock.monotonic().saturating_sub(since));
        Ok(answers)
    }

    async fn answer(&self, step: i32, replied: &Replied, call: &ToolCall, at_once: &Semaphore) -> Result<ToolResult> {
        if let Some(done) = self.progress.done(step, call) {
            return Ok(done.clone());
        }
        let ground = &self.work.journal.ground;
        let Some(tool) = self.agent.tools.iter().find(|tool| tool.spec().name == call.name) else {
            let names: Vec<_> = self.agent.tools.iter().map(|tool| tool.spec().name.as_str()).collect();
            let why = match &names[..] {
                [] => "there is no such tool, and no other".to_owned(),
                names => format!("there is no such tool; there are: {}", names.join(", ")),
            };
            return self.done(failed(call, why), Duration::ZERO).await;
        };
        if call.free_text && replied.finish_reason == Some(FinishReason::Length) {
            // Half a text looks whole, and no schema says that it is not.
            let why = "your text was cut off by the limit of tokens, so nothing was done; write it in shorter pieces";
            return self.done(failed(call, why.to_owned()), Duration::ZERO).await;
        }
        if tool.is_approved_first()
            && let Err(why) = self.decided(call).await?
        {
            let why = why.map_or_else(
                || "the user refused this call".to_owned(),
                |why| format!("the user refused this call: {why}"),
            );
            return self.done(failed(call, why), Duration::ZERO).await;
        }
        let was_started = self.progress.was_started(step, call);
        if was_started && !tool.is_idempotent() {
            let why = "it was being called when the program ended, and nobody knows whether it was done; find out before you \
                       call it again";
            return self.done(failed(call, why.to_owned()), Duration::ZERO).await;
        }
        let _place = at_once.acquire().await.map_err(|_| Error::internal("the places of a round's tools are gone"))?;
        if !was_started {
            let (call_id, name) = (call.id.clone(), call.name.clone());
            self.work.tell([RunEventKind::ToolStarted { call_id, name }]).await?;
        }
        let context = ToolContext {
            run_id: self.work.run,
            call_id: call.id.clone(),
            key: format!("{}:{step}:{}", self.work.run, call.id),
            cancel: self.work.stop.child_token(),
        };
        let since = ground.clock.monotonic();
        let timeout = Duration::from_millis(self.agent.bounds.call_timeout_ms);
        let result = answer(tool, call, context, &*ground.clock, timeout, self.agent.bounds.max_output_bytes).await;
        self.done(result, ground.clock.monotonic().saturating_sub(since)).await
    }

    async fn done(&self, result: ToolResult, took: Duration) -> Result<ToolResult> {
        let duration_ms = i64::try_from(took.as_millis()).unwrap_or(i64::MAX);
        self.work.tell([RunEventKind::ToolDone { result: result.clone(), duration_ms }]).await?;
        Ok(result)
    }

    /// Waits until somebody allows or refuses the call. An engine that closes does not wait for that.
    async fn decided(&self, call: &ToolCall) -> Result<Result<(), Option<String>>> {
        let closing = self.work.journal.ground.tasks.closing_token().clone();
        tokio::select! {
            biased;
            () = closing.cancelled() => Err(resting()),
            decided = self.work.journal.until(|past| decision(past, call)) => decided,
        }
    }
}

/// The reply as the run keeps it.
fn replied(reply: Reply) -> Result<Replied> {
    if reply.status != ReplyStatus::Done {
        let stopped = || Error::new(ErrorKind::Cancelled, "cancelled", "the turn of a run was stopped");
        return Err(reply.error.map_or_else(stopped, Error::from));
    }
    let (Some(turn_id), Some(message_id)) = (reply.turn_id, reply.message_id) else {
        return Err(Error::internal("a turn has left no answer"));
    };
    let calls = reply.tool_calls().into_iter().filter(|call| !call.provider_executed).collect();
    let model = format!("{}/{}", reply.provider, reply.model);
    let (text, finish_reason) = (reply.text(), reply.finish_reason);
    Ok(Replied { turn_id, message_id, model, text, calls, finish_reason, usage: reply.usage, cost: reply.cost })
}
