//! The last stage: a chairman answers, in a turn of the conversation; or the best ranked answer is put there.

use std::collections::HashMap;
use std::time::Duration;

use super::asking::{listen, options, stage_over};
use super::session::{Session, client_id};
use super::tally::Tallied;
use crate::call::ModelRef;
use crate::engine::{CallOptions, ReplyStream};
use crate::model::{
    CouncilStage, Degraded, Error, MemberAnswer, NewMessage, Part, Reply, ReplyStatus, Result, Role, RunEventKind,
};
use crate::runs::turn::begun;

/// Beside a message that is a member's answer: the run that put it there, and the member.
const RUN: &str = "council_run";
const MEMBER: &str = "council_member";

/// How long a turn that was told to stop may take for that.
const PATIENCE: Duration = Duration::from_secs(1);

impl Session {
    /// The answer of the council.
    pub(super) async fn synthesis(&mut self, answers: &[(usize, MemberAnswer)], ranking: &[Tallied]) -> Result<Reply> {
        let told = self.shown_to_chairman(answers, ranking);
        let system = match &self.instructions {
            Some(own) => format!("{own}\n\n{told}"),
            None => told,
        };
        let chairmen: Vec<String> = self.council.chairmen().into_iter().map(str::to_owned).collect();
        for (at, model) in chairmen.iter().enumerate() {
            let failed_before = self.past.failures.get(&(model.clone(), CouncilStage::Synthesis));
            if let Some(missing) = failed_before.map(|failure| failure.missing.clone()) {
                self.tell_missing(missing).await?;
                continue;
            }
            let until = self.stages.chairman(self.now(), at + 1 < chairmen.len());
            match self.chaired(model, &system, until).await {
                Ok(reply) => return self.summed_up(reply).await,
                Err(error) if self.ends_the_run(&error) => return Err(error),
                Err(error) => {
                    let error = self.work.journal.ground.failed(error, "council");
                    let (why, detail) = (error.reason().to_owned(), error.detail().to_owned());
                    let stage = CouncilStage::Synthesis;
                    self.tell_missing(Degraded { who: model.clone(), stage, why, detail }).await?;
                }
            }
        }
        self.best(answers, ranking).await
    }

    /// A chairman's answer to the question, in the conversation.
    async fn chaired(&self, model: &str, system: &str, until: Duration) -> Result<Reply> {
        let left = until.saturating_sub(self.now());
        if left.is_zero() {
            return Err(stage_over());
        }
        let options = options(&self.work, model, Some(system.to_owned()), left);
        let clock = &self.work.journal.ground.clock;
        let stream = tokio::select! {
            biased;
            stream = self.turn(options) => stream?,
            () = clock.sleep(left) => return Err(stage_over()),
        };
        let left = until.saturating_sub(self.now());
        let (turn, behind) = (stream.turn_id(), self.work.journal.version().await);
        let show = |delta| self.work.journal.show(behind, RunEventKind::SynthesisText { delta });
        let mut listening = std::pin::pin!(listen(stream, show));
        tokio::select! {
            biased;
            reply = &mut listening => return reply,
            () = clock.sleep(left) => {}
        }
        // The turn is another chairman's next: it is to be at rest by then.
        if let Some(turn) = turn {
            self.work.chat.stop(turn).await?;
        }
        tokio::select! {
            biased;
            reply = &mut listening => reply.map_err(|_| stage_over()),
            () = clock.sleep(PATIENCE) => Err(stage_over()),
        }
    }

    /// The council's one turn: begun now, or begun before by another chairman or in an earlier life of the run.
    async fn turn(&self, options: CallOptions) -> Result<ReplyStream> {
        let chat = &self.work.chat;
        let client_id = client_id(&self.work);
        if let Some(begun) = begun(&self.work, chat, &client_id, &options).await? {
            return Ok(begun.stream);
        }
        if !self.past.is_summed_up {
            self.work.tell([RunEventKind::Asking { step: 0 }]).await?;
        }
        chat.stream(self.input()).with(CallOptions { client_id: Some(client_id), ..options }).await
    }

    /// Says in the events that the answer is there.
    async fn summed_up(&self, reply: Reply) -> Result<Reply> {
        let (Some(turn_id), Some(message_id)) = (reply.turn_id, reply.message_id) else {
            return Err(Error::internal("a turn has left no answer"));
        };
        if !self.past.is_summed_up {
            let replied = RunEventKind::Replied {
                step: 0,
                turn_id,
                message_id,
                model: format!("{}/{}", reply.provider, reply.model),
                text: reply.text(),
                calls: Vec::new(),
                finish_reason: reply.finish_reason,
                usage: reply.usage.clone(),
                cost: reply.cost.clone(),
            };
            self.work.tell([replied]).await?;
        }
        Ok(reply)
    }

    /// The best ranked answer as the answer, behind the question in the conversation. No chairman has answered.
    async fn best(&self, answers: &[(usize, MemberAnswer)], ranking: &[Tallied]) -> Result<Reply> {
        let best = ranking.first().and_then(|best| answers.iter().find(|(member, _)| *member == best.member));
        let Some((member, answer)) = best else { return Err(Error::internal("a council without an answer")) };
        let run = self.work.run.to_string();
        // An earlier life of the run may have put it there.
        let newest = self.work.chat.messages().newest_first().next().await.ok().flatten();
        let put = newest.filter(|message| message.metadata.get(RUN) == Some(&run)).map(|message| message.id);
        let message_id = match put {
            Some(id) => Some(id),
            None => {
                let marks = HashMap::from([(RUN.to_owned(), run), (MEMBER.to_owned(), answer.who.clone())]);
                let mut said = NewMessage::assistant(answer.text.clone());
                said.metadata = marks;
                let client_id = client_id(&self.work);
                let ground = &self.work.journal.ground;
                let turn = ground.store.turn_of_client(&ground.owner, self.work.chat.id(), &client_id).await?;
                match turn {
                    // Right behind the question, beside what a chairman may have begun to say.
                    Some(record) => {
                        let question = self.work.chat.turn(record.id()).await?.message_id;
                        self.work.chat.at(question).append([said]).await?.pop()
                    }
                    // There was no time to ask a chairman, who would have put the question there.
                    None => {
                        let question = NewMessage::new(Role::User, self.input());
                        self.work.chat.append([question, said]).await?.pop()
                    }
                }
            }
        };
        let model: ModelRef = self.council.members[*member].parse()?;
        Ok(Reply {
            parts: vec![Part::text(answer.text.clone())],
            status: ReplyStatus::Done,
            usage: answer.usage.clone(),
            cost: answer.cost.clone(),
            conversation_id: Some(self.work.chat.id()),
            message_id,
            latency_ms: answer.latency_ms,
            ..Reply::empty(model.provider, model.model)
        })
    }
}
