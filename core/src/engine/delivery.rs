//! The way of a turn from its save to its rest: the call, the events, the draft, the end that is put down.

use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::{FutureExt as _, StreamExt as _};
use tower::ServiceExt as _;

use super::context;
use super::conversation::Conversation;
use super::fallback;
use super::journal::{Journal, LEASE_THIRD};
use super::media::MediaPlan;
use super::meter::Meter;
use super::options::CallOptions;
use super::outcome::Outcome;
use super::recent::{self, Said};
use super::summary;
use super::turn::Task;
use super::window::{ContextOptions, Window};
use crate::base::{ErrorKind, MessageId};
use crate::call::{BillSlot, Call, CallContext, CallTarget, ChatService, ReplyEvents, failure, is_refusal};
use crate::model::{ChatRequest, Error, Reply, ReplyStatus, Result, StreamEvent, StreamEventKind, TurnState};

impl Task {
    /// Calls the model and settles the turn. The message is saved; from here on every way out is written down.
    pub(super) async fn deliver(
        &self,
        mut journal: Journal,
        target: Arc<CallTarget>,
        others: Vec<Arc<CallTarget>>,
    ) -> Result<Reply> {
        let engine = &self.chat.user.engine;
        let started = engine.clock.monotonic();
        let mut context = self.context(&target, others, journal.message());
        let bill = BillSlot::default();
        context.bill = Some(bill.clone());
        if journal.take_no_budgets() {
            context.note_no_budgets();
        }
        // A transport, key source or store that a host wrote may panic: the turn comes to rest all the same.
        let mut meter = Meter::new(engine, &context, &target);
        let (said, reply) = (journal.take_said(), journal.reply());
        let mut lent = Lent::default();
        let called = self.call(&mut journal, target.clone(), &context, &mut meter, said.as_ref(), &mut lent);
        let called = AssertUnwindSafe(called).catch_unwind().await;
        let called = called.unwrap_or_else(|_| Err(Error::internal("a call panicked; its message is kept")));
        let outcome = match called {
            Ok(reply) => Outcome::Done(Box::new(reply)),
            Err(error) => {
                let error = if error.partial().is_empty() { error.with_partial(self.log.parts()) } else { error };
                if engine.tasks.stop_token().is_cancelled() {
                    Outcome::Failed(closing(&error))
                } else if self.cancel.is_cancelled() {
                    Outcome::Cancelled(error)
                } else {
                    Outcome::Failed(error)
                }
            }
        };
        meter.end(match &outcome {
            Outcome::Done(_) => Ok(()),
            Outcome::Cancelled(_) => Err(ErrorKind::Cancelled),
            Outcome::Failed(error) => Err(error.kind()),
        });
        let elapsed = engine.clock.monotonic().saturating_sub(started);
        if let Outcome::Failed(error) = &outcome {
            // Failures before the first content are logged where they are tried again.
            let is_logged = error.reason() == super::outbox::EARLIER_WAITS
                || (error.partial().is_empty()
                    && (is_refusal(error)
                        || error.kind() == ErrorKind::BudgetExceeded
                        || context.attempts().last().is_some_and(|attempt| attempt.kind.is_some())));
            if !is_logged {
                failure(&context, error, elapsed);
            }
        }
        let latency_ms = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        // Who went on with an answer is known at its end alone.
        if let Some(model) = context.answering() {
            journal.answered_by(model.to_string());
        }
        if let Some(limit) = &context.cost_limit {
            journal.cost_left(limit.left());
        }
        let (last_seq, bill) = (self.log.last_seq() + 1, bill.take());
        let (state, settled, in_place) = journal.settle(outcome, last_seq, context.attempts(), bill).await;
        if let Err(error) = &settled
            && error.kind() == ErrorKind::Storage
        {
            failure(&context, error, elapsed);
        }
        tracing::debug!(
            target: "tertulia::turn", operation = self.operation, owner = &*self.chat.user.owner, conversation = %self.chat.id,
            turn = %self.turn, model = %target.model, state = ?state, duration_ms = latency_ms, "turn came to rest",
        );
        if let (TurnState::Done, Ok(done), Some(said), Some(lent), true) =
            (state, &settled, said, lent.request, in_place)
        {
            recent::remember(engine, self.chat.id, &said, lent, reply, &done.parts);
        }
        if let (TurnState::Done, Some(before)) = (state, lent.next_out) {
            summary::follow(&self.chat, &self.options, &target, before);
        }
        let settled = settled.map(|mut reply| {
            reply.attempts = context.attempts();
            reply.latency_ms = latency_ms;
            reply
        });
        if settled.as_ref().is_ok_and(|reply| reply.cost.nano_usd.is_some_and(|cost| cost > 0)) {
            engine.has_spent(&self.chat.user.owner);
        }
        if state == TurnState::Done {
            engine.outbox.reached(&context.answering().unwrap_or_else(|| target.model.clone()).to_string());
        }
        let degrades = self.options.degrade.unwrap_or(engine.current().settings.outbox.degrade);
        match settled {
            Ok(reply) if reply.status == ReplyStatus::Cancelled && self.stopper.is_cancelled() && !degrades => {
                let stopped = Error::new(ErrorKind::Cancelled, "stopped", "the turn was stopped by someone else");
                Err(stopped.with_turn(self.turn).with_partial(reply.parts))
            }
            settled => settled.map_err(|e| e.with_turn(self.turn)),
        }
    }

    fn context(&self, target: &Arc<CallTarget>, others: Vec<Arc<CallTarget>>, message: MessageId) -> CallContext {
        let user = &self.chat.user;
        let mut context = CallContext::new(self.operation);
        context.owner = Some(user.owner.clone());
        context.conversation = Some(self.chat.id);
        context.turn = Some(self.turn);
        context.deadline = Some(self.deadline);
        context.max_wait = self.max_wait;
        context.cancel = self.cancel.child_token();
        context.witness = Some(user.engine.watch.clone());
        context.priority = self.options.priority;
        context.plan = user.engine.tiers.plan(&user.owner);
        // Checked before the save.
        context.cost_limit = self.options.cost_limit().unwrap_or_default();
        user.book(&mut context);
        context.cache = self.options.cache;
        context.hedges = !user.engine.saves_power.load(Ordering::Relaxed);
        context.key = fallback::key_of(Some(user), &self.options, target, target);
        context.alternatives = fallback::alternatives(&user.engine, Some(user), &self.options, target, others, || {
            let (chat, options, own) = (self.chat.clone(), Arc::new(self.options.clone()), target.clone());
            Arc::new(move |other| {
                let (chat, options, own) = (chat.clone(), options.clone(), own.clone());
                Box::pin(async move { elsewhere(&chat, message, &options, &own, &other).await })
            })
        });
        let log = Arc::downgrade(&self.log);
        context.progress = Some(Arc::new(move |progress| {
            if let Some(log) = log.upgrade() {
                log.push(0, StreamEventKind::Progress { progress });
            }
        }));
        context
    }

    /// Asks the model and passes its events on, writing the draft as it grows.
    async fn call(
        &self,
        journal: &mut Journal,
        target: Arc<CallTarget>,
        context: &CallContext,
        meter: &mut Meter,
        said: Option<&Said>,
        lent: &mut Lent,
    ) -> Result<Reply> {
        let engine = &self.chat.user.engine;
        let current = engine.current();
        let _ended = context.cancel.clone().drop_guard();
        let late = self.holding(journal, pin!(super::outbox::earlier(self))).await?? || self.again;
        journal.sending().await?;
        let service = current.service.clone();
        // Behind a message that is answered late the history is put in another order.
        let said = said.filter(|_| !late);
        let call = Call { request: Arc::default(), target, context: context.clone() };
        let asked = pin!(self.ask(journal.message(), late, call, service, said, lent));
        let asked = pin!(meter.first_words(asked));
        let mut events = self.holding(journal, asked).await??;
        if let Some(model) = context.answering() {
            journal.answered_by(model.to_string());
        }
        let store = current.settings.store;
        let flush = Duration::from_millis(store.draft_flush_ms.max(1));
        let mut due = engine.clock.sleep(flush);
        loop {
            let event = {
                let next = events.next();
                tokio::pin!(next);
                loop {
                    tokio::select! {
                        biased;
                        event = &mut next => break event,
                        () = &mut due => {
                            if journal.has_unwritten() {
                                journal.write_draft().await?;
                            } else {
                                journal.keep().await?;
                            }
                            due = engine.clock.sleep(if journal.has_unwritten() { flush } else { LEASE_THIRD });
                        }
                    }
                }
            };
            let event = match event {
                Some(event) => event?,
                None => return Err(Error::internal("a call ended without a reply")),
            };
            if let StreamEventKind::Done { reply } = event.kind {
                return Ok(*reply);
            }
            if self.pass(journal, event, store.draft_flush_bytes).await? {
                due = engine.clock.sleep(flush);
            }
        }
    }

    /// Loads what the model is shown and asks it. Ends at the first content. `late` is true when answers to earlier
    /// messages may have come after this one was said.
    async fn ask(
        &self,
        message: MessageId,
        late: bool,
        call: Call,
        service: ChatService,
        said: Option<&Said>,
        lent: &mut Lent,
    ) -> Result<ReplyEvents> {
        let request = self.options.request(&call.target.model.model);
        let allowed = self.options.context;
        let shown = shown(&self.chat, message, late, &call.target, request, allowed, said).await?;
        let request = Arc::new(shown.request);
        *lent = Lent { request: shown.is_as_stored.then(|| request.clone()), next_out: shown.next_out };
        service.oneshot(Call { request, ..call }).await
    }

    /// Waits for the work and keeps the turn ours meanwhile: a model may think for minutes before its first word.
    async fn holding<T>(&self, journal: &mut Journal, mut work: Pin<&mut impl Future<Output = T>>) -> Result<T> {
        let clock = self.chat.user.engine.clock.clone();
        loop {
            tokio::select! {
                biased;
                done = &mut work => return Ok(done),
                () = clock.sleep(LEASE_THIRD) => journal.keep().await?,
            }
        }
    }

    /// Hands one event to the readers and the draft. True when the clock of the draft begins anew.
    async fn pass(&self, journal: &mut Journal, event: StreamEvent, limit: usize) -> Result<bool> {
        let mut anew = false;
        if event.kind.is_kept() {
            anew = !journal.has_unwritten();
            journal.note(&event);
        }
        let seq = self.log.push(event.part_index, event.kind);
        if journal.noted(seq) >= limit {
            journal.write_draft().await?;
            anew = true;
        }
        Ok(anew)
    }
}

/// What is left to do with what the model was shown once it has answered.
#[derive(Default)]
struct Lent {
    /// The request, when its messages are the history as it is stored.
    request: Option<Arc<ChatRequest>>,
    /// The message up to which what was left out is to be summed up.
    next_out: Option<MessageId>,
}

/// A request with what its target is shown of the conversation.
struct Shown {
    request: ChatRequest,
    /// True when any other target would be shown the same.
    is_as_stored: bool,
    next_out: Option<MessageId>,
}

/// The request with what this target is shown of the conversation up to the message.
async fn shown(
    chat: &Conversation,
    message: MessageId,
    late: bool,
    target: &CallTarget,
    mut request: ChatRequest,
    allowed: ContextOptions,
    said: Option<&Said>,
) -> Result<Shown> {
    let user = &chat.user;
    let window = Window::of(&user.engine, target, &request, allowed);
    if let Some(recalled) = said.and_then(|said| recent::recall(&user.engine, chat.id, said, window)) {
        (request.messages, request.written) = recalled;
        return Ok(Shown { request, is_as_stored: true, next_out: None });
    }
    let plan = MediaPlan::of(target);
    let history = context::load(&user.engine, &user.owner, chat.id, Some(message), late, window, &plan).await?;
    request.messages = history.messages;
    if said.is_some() {
        request.written = history.written;
    }
    Ok(Shown { request, is_as_stored: history.is_as_stored, next_out: history.next_out })
}

/// What is asked of another target than the call's own.
///
/// # Errors
/// `Invalid` when it takes no such message.
async fn elsewhere(
    chat: &Conversation,
    message: MessageId,
    options: &CallOptions,
    own: &CallTarget,
    target: &CallTarget,
) -> Result<Arc<ChatRequest>> {
    let request = fallback::request_elsewhere(options, own, target);
    let Shown { request, .. } = shown(chat, message, true, target, request, options.context, None).await?;
    if let Some(newest) = request.messages.last() {
        MediaPlan::of(target).check(&newest.parts)?;
    }
    Ok(Arc::new(request))
}

/// What becomes of a call that the closing engine broke off.
fn closing(error: &Error) -> Error {
    let closed =
        Error::new(ErrorKind::Closed, "closed", "the engine was closed while the reply was on its way; retry the turn")
            .with_partial(error.partial().to_vec());
    match error.spent() {
        Some((usage, cost)) => closed.with_spent(usage.clone(), cost.clone()),
        None => closed,
    }
}
