//! A council at work: answers, reviews, synthesis. Whatever is finished is in the run's events before the next thing is
//! asked for.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::try_join_all;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::asking::{ask, heard, instructions, options, stage_over};
use super::ballot::{self, Order, Unread};
use super::labels::Slate;
use super::past::{Past, Review};
use super::settings::Council;
use super::stages::Stages;
use super::tally::{Ballot, Tallied, tally};
use crate::base::{ErrorKind, Json};
use crate::model::{
    Cost, CouncilResult, CouncilStage, Degraded, Error, MemberAnswer, NewMessage, Part, Reply, Result, Role,
    RunEventKind, Standing, Usage, text_of,
};
use crate::runs::program::work::Work;

/// With fewer answers nobody can compare two that are not its own.
const ENOUGH_TO_COMPARE: usize = 3;

/// Holds a council, up to its result.
pub(super) async fn hold(council: Council, work: Work) -> Result<Json> {
    let mut session = Session::open(council, work).await?;
    let answers = session.answers().await?;
    session.check_quorum(&answers)?;
    let ranking = session.ranking(&answers).await?;
    for failure in session.members_missing() {
        session.tell_missing(failure).await?;
    }
    let reply = session.synthesis(&answers, &ranking).await?;
    let result = CouncilResult {
        reply,
        ranking: session.standings(&ranking),
        cost_by_member: session.costs(),
        degraded: session.missing,
        answers: answers.into_iter().map(|(_, answer)| answer).collect(),
        run_id: session.work.run,
    };
    serde_json::to_value(result).map_err(|_| Error::internal("the result of a council could not be written as JSON"))
}

/// A council that is being held.
pub(super) struct Session {
    pub(super) council: Council,
    pub(super) work: Work,
    pub(super) stages: Stages,
    /// When this life of the run began, by the monotonic clock.
    since: Duration,
    pub(super) seed: u64,
    names: Vec<String>,
    pub(super) past: Past,
    /// What is missing so far.
    pub(super) missing: Vec<Degraded>,
    at_once: Semaphore,
    history: Vec<NewMessage>,
    pub(super) instructions: Option<String>,
}

/// What became of one member in one stage.
type Outcome<T> = std::result::Result<T, (Error, Cost)>;

impl Session {
    async fn open(council: Council, work: Work) -> Result<Self> {
        let clock = &work.journal.ground.clock;
        let stages = Stages::new(Duration::from_millis(council.timeout_ms.unsigned_abs()), council.chairman_share);
        let at_once = if council.max_parallel == 0 { council.members.len() } else { council.max_parallel };
        let drawn = || work.run.as_bytes()[8..].iter().fold(0, |seed, byte| (seed << 8) | u64::from(*byte));
        let ground = &work.journal.ground;
        let own = ground.store.turn_of_client(&ground.owner, work.chat.id(), &client_id(&work)).await?;
        Ok(Self {
            since: clock.monotonic(),
            seed: council.seed.unwrap_or_else(drawn),
            names: council.names(),
            past: Past::of(&work.past().await),
            missing: Vec::new(),
            at_once: Semaphore::new(at_once),
            history: heard(&work.chat, own.map(|record| record.id())).await?,
            instructions: instructions(&work.chat, work.options.system.clone()).await?,
            stages,
            council,
            work,
        })
    }

    /// How long the council has been at work.
    pub(super) fn now(&self) -> Duration {
        self.work.journal.ground.clock.monotonic().saturating_sub(self.since)
    }

    fn question(&self) -> String {
        text_of(&self.work.input)
    }

    /// What all members answer at once. Members are known by their place in the council.
    async fn answers(&mut self) -> Result<Vec<(usize, MemberAnswer)>> {
        let all = try_join_all((0..self.names.len()).map(|member| self.answer(member))).await?;
        // Those that failed now are among what has happened.
        self.past = Past::of(&self.work.past().await);
        Ok(all.into_iter().enumerate().filter_map(|(member, answer)| Some((member, answer?))).collect())
    }

    async fn answer(&self, member: usize) -> Result<Option<MemberAnswer>> {
        let who = &self.names[member];
        if let Some(answer) = self.past.answers.get(who) {
            return Ok(Some(answer.clone()));
        }
        if self.past.failures.contains_key(&(who.clone(), CouncilStage::Answers)) {
            return Ok(None);
        }
        let Some(_place) = self.place(self.stages.answers).await? else {
            self.failed(member, CouncilStage::Answers, stage_over(), Cost::default()).await?;
            return Ok(None);
        };
        self.work.tell([RunEventKind::MemberStarted { who: who.clone() }]).await?;
        let behind = self.work.journal.version().await;
        let show = |delta| self.work.journal.show(behind, RunEventKind::MemberText { who: who.clone(), delta });
        let mut messages = self.history.clone();
        messages.push(NewMessage::new(Role::User, self.work.input.clone()));
        let system = self.council.member_instructions.clone().or_else(|| self.instructions.clone());
        match self.ask_member(member, system, messages, self.stages.answers, show).await? {
            Ok(reply) => {
                let answer = MemberAnswer {
                    who: who.clone(),
                    text: reply.text(),
                    usage: reply.usage,
                    cost: reply.cost,
                    latency_ms: reply.latency_ms,
                };
                self.work.tell([RunEventKind::MemberDone { answer: answer.clone() }]).await?;
                Ok(Some(answer))
            }
            Err((error, cost)) => {
                self.failed(member, CouncilStage::Answers, error, cost).await?;
                Ok(None)
            }
        }
    }

    /// A place among the calls that may be under way at once; nothing when none is free before this moment of the council.
    async fn place(&self, until: Duration) -> Result<Option<SemaphorePermit<'_>>> {
        let clock = &self.work.journal.ground.clock;
        tokio::select! {
            biased;
            place = self.at_once.acquire() => {
                place.map(Some).map_err(|_| Error::internal("the places of a council are gone"))
            }
            () = clock.sleep(until.saturating_sub(self.now())) => Ok(None),
        }
    }

    /// Asks a member until this moment of the council. The error is one that ends the whole run.
    async fn ask_member(
        &self,
        member: usize,
        system: Option<String>,
        messages: Vec<NewMessage>,
        until: Duration,
        show: impl Fn(String),
    ) -> Result<Outcome<Reply>> {
        let left = || until.saturating_sub(self.now());
        let options = options(&self.work, &self.council.members[member], system, left());
        let asked = ask(&self.work, options, messages, left(), show).await;
        match asked {
            Err(error) if self.ends_the_run(&error) => Err(error),
            Err(error) => {
                let cost = error.spent().map(|(_, cost)| cost.clone()).unwrap_or_default();
                Ok(Err((error, cost)))
            }
            Ok(reply) => Ok(Ok(reply)),
        }
    }

    /// True when it is the engine that ends, or somebody stops the run, and no fault of who was asked.
    pub(super) fn ends_the_run(&self, error: &Error) -> bool {
        let ground = &self.work.journal.ground;
        ground.tasks.stop_token().is_cancelled()
            || self.work.stop.is_cancelled()
            || matches!(error.kind(), ErrorKind::Closed | ErrorKind::Storage)
    }

    async fn failed(&self, member: usize, stage: CouncilStage, error: Error, cost: Cost) -> Result<()> {
        let error = self.work.journal.ground.failed(error, "council").info();
        let who = self.names[member].clone();
        self.work.tell([RunEventKind::MemberFailed { who, stage, error, cost }]).await
    }

    fn check_quorum(&self, answers: &[(usize, MemberAnswer)]) -> Result<()> {
        if answers.len() >= self.council.quorum {
            return Ok(());
        }
        let why: Vec<String> =
            self.members_missing().into_iter().map(|missing| format!("{}: {}", missing.who, missing.why)).collect();
        let detail = format!(
            "{} of {} members answered, and the council's quorum is {}; {}",
            answers.len(),
            self.names.len(),
            self.council.quorum,
            why.join(", ")
        );
        Err(Error::new(ErrorKind::Unavailable, "quorum_missed", detail))
    }

    /// How the members judge each other: places in the council, the best first, with their scores.
    async fn ranking(&mut self, answers: &[(usize, MemberAnswer)]) -> Result<Vec<Tallied>> {
        let ballots = if answers.len() < ENOUGH_TO_COMPARE {
            Vec::new()
        } else {
            try_join_all(answers.iter().map(|(member, _)| self.review(*member, answers))).await?
        };
        self.past = Past::of(&self.work.past().await);
        let ballots: Vec<Ballot> = ballots.into_iter().flatten().collect();
        let candidates: Vec<usize> = answers.iter().map(|(member, _)| *member).collect();
        let ranking = tally(self.council.rule, &candidates, &ballots, self.seed);
        if !self.past.is_ranked {
            self.work.tell([RunEventKind::RankingReady { ranking: self.standings(&ranking) }]).await?;
        }
        Ok(ranking)
    }

    async fn review(&self, member: usize, answers: &[(usize, MemberAnswer)]) -> Result<Option<Ballot>> {
        let who = &self.names[member];
        if let Some(Review { places, .. }) = self.past.reviews.get(who) {
            let known = |name: &String| self.names.iter().position(|known| known == name);
            let places = places.iter().map(|place| place.iter().filter_map(known).collect()).collect();
            return Ok(Some(Ballot::new(member, places)));
        }
        if self.past.failures.contains_key(&(who.clone(), CouncilStage::Reviews)) {
            return Ok(None);
        }
        let answered: Vec<usize> = answers.iter().map(|(member, _)| *member).collect();
        let slate = Slate::for_member(member, &answered, self.seed);
        let Some(_place) = self.place(self.stages.reviews).await? else {
            self.failed(member, CouncilStage::Reviews, stage_over(), Cost::default()).await?;
            return Ok(None);
        };
        match self.judged(member, &slate, answers).await? {
            Ok(Judged { places, text, usage, cost }) => {
                let places = slate.unveil(&places);
                let named = |place: &Vec<usize>| place.iter().map(|&member| self.names[member].clone()).collect();
                let done = RunEventKind::ReviewDone {
                    who: who.clone(),
                    places: places.iter().map(named).collect(),
                    text,
                    usage,
                    cost,
                };
                self.work.tell([done]).await?;
                Ok(Some(Ballot::new(member, places)))
            }
            Err((error, cost)) => {
                self.failed(member, CouncilStage::Reviews, error, cost).await?;
                Ok(None)
            }
        }
    }

    /// Asks a member to judge, and once more where no ranking can be read.
    async fn judged(&self, member: usize, slate: &Slate, answers: &[(usize, MemberAnswer)]) -> Result<Outcome<Judged>> {
        let prompts = &self.council.prompts;
        let labels = slate.labels();
        let mut messages = self.history.clone();
        messages.push(NewMessage::user(prompts.review(&self.question(), &shown(slate, answers))));
        let mut spent = None::<(Usage, Cost)>;
        let mut unread = Unread::NoRanking;
        for is_last in [false, true] {
            let reply = match self.ask_member(member, None, messages.clone(), self.stages.reviews, |_| {}).await? {
                Ok(reply) => reply,
                Err((error, more)) => {
                    let cost = spent.map_or(more.clone(), |(_, cost)| cost.plus(more));
                    return Ok(Err((error, cost)));
                }
            };
            let text = reply.text();
            let (usage, cost) = match spent.take() {
                Some((usage, cost)) => (usage.plus(reply.usage), cost.plus(reply.cost)),
                None => (reply.usage, reply.cost),
            };
            match ballot::read(&text, labels.len()) {
                Ok(places) => return Ok(Ok(Judged { places, text, usage, cost })),
                Err(why) => unread = why,
            }
            spent = Some((usage, cost));
            if !is_last {
                messages.push(NewMessage::assistant(text));
                messages.push(NewMessage::user(prompts.repair(&labels, unread.problem())));
            }
        }
        let detail = format!(
            "no ranking could be read from the review, also when it was asked for once more: {}",
            unread.problem()
        );
        Ok(Err((
            Error::new(ErrorKind::OutputInvalid, "unread_ballot", detail),
            spent.map(|(_, cost)| cost).unwrap_or_default(),
        )))
    }

    pub(super) fn standings(&self, ranking: &[Tallied]) -> Vec<Standing> {
        let standing = |tallied: &Tallied| Standing {
            who: self.names[tallied.member].clone(),
            score: tallied.score,
            judges: i32::try_from(tallied.judges).unwrap_or(i32::MAX),
            by_lot: tallied.by_lot,
        };
        ranking.iter().map(standing).collect()
    }

    /// Members that failed, in the order of the council.
    fn members_missing(&self) -> Vec<Degraded> {
        let stages = [CouncilStage::Answers, CouncilStage::Reviews];
        let of_stage = |stage| self.names.iter().filter_map(move |who| self.past.failures.get(&(who.clone(), stage)));
        stages.into_iter().flat_map(of_stage).map(|failure| failure.missing.clone()).collect()
    }

    /// Says that something will be missing, in the events and in the result.
    pub(super) async fn tell_missing(&mut self, missing: Degraded) -> Result<()> {
        if !self.past.told.contains(&(missing.who.clone(), missing.stage)) {
            self.work.tell([RunEventKind::Degraded { missing: missing.clone() }]).await?;
        }
        self.missing.push(missing);
        Ok(())
    }

    /// What each member cost so far.
    fn costs(&self) -> HashMap<String, Option<i64>> {
        let cost = |who: &String| {
            let failed = |stage| self.past.failures.get(&(who.clone(), stage)).map(|failure| &failure.cost);
            let answer =
                self.past.answers.get(who).map(|answer| &answer.cost).or_else(|| failed(CouncilStage::Answers));
            let review =
                self.past.reviews.get(who).map(|review| &review.cost).or_else(|| failed(CouncilStage::Reviews));
            let all = answer.into_iter().chain(review).map(|cost| cost.nano_usd);
            (who.clone(), all.sum())
        };
        self.names.iter().map(cost).collect()
    }

    pub(super) fn shown_to_chairman(&self, answers: &[(usize, MemberAnswer)], ranking: &[Tallied]) -> String {
        let answered: Vec<usize> = answers.iter().map(|(member, _)| *member).collect();
        let slate = Slate::for_chairman(&answered, self.seed);
        let labelled = |tallied: &Tallied| Some((slate.label_of(tallied.member)?, tallied.score));
        let ranking: Vec<(String, f64)> = ranking.iter().filter_map(labelled).collect();
        self.council.prompts.synthesis(&self.question(), &shown(&slate, answers), &ranking)
    }

    pub(super) fn input(&self) -> Vec<Part> {
        self.work.input.clone()
    }
}

/// What a reviewer thinks.
struct Judged {
    places: Order,
    text: String,
    usage: Usage,
    cost: Cost,
}

/// The answers as a slate shows them.
fn shown<'a>(slate: &Slate, answers: &'a [(usize, MemberAnswer)]) -> Vec<(String, &'a str)> {
    let text =
        |member: &usize| answers.iter().find(|(known, _)| known == member).map(|(_, answer)| answer.text.as_str());
    slate.labels().into_iter().zip(slate.members().iter().filter_map(text)).collect()
}

/// The id under which the chairman is asked, in whichever life of the run.
pub(super) fn client_id(work: &Work) -> String {
    format!("{}:chairman", work.run)
}
