//! The call that stores nothing.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tower::ServiceExt as _;

use super::content::{self, Content, Said};
use super::context::repair;
use super::fallback;
use super::media::MediaPlan;
use super::meter::Meter;
use super::options::{CallOptions, Verb};
use super::stream::ReplyStream;
use super::tertulia::Inner;
use super::user::UserScope;
use crate::base::{ConversationId, ErrorKind};
use crate::call::{Call, CallContext, CallTarget, failure};
use crate::model::{ChatRequest, Error, NewMessage, Part, Reply, Result};

/// What `ask` waits for.
pub struct AskOf {
    pub(super) engine: Arc<Inner>,
    pub(super) owner: Option<UserScope>,
    /// Whose costs it counts among.
    pub(super) conversation: Option<ConversationId>,
    pub(super) content: Content,
}

impl Verb<AskOf> {
    /// The reply as it comes. Dropping the stream stops the call.
    ///
    /// # Errors
    /// Whatever ends the call before its first content.
    pub async fn stream(self) -> Result<ReplyStream> {
        let engine = self.subject.engine.clone();
        engine.tasks.on_runtime(open(self.subject, self.options, "ask")).await.map_err(|e| engine.failed(e, "ask"))
    }
}

impl IntoFuture for Verb<AskOf> {
    type Output = Result<Reply>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Reply>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let engine = self.subject.engine.clone();
        // What is asked is moved once, into the future that opens the call.
        let opening = engine.tasks.on_runtime(open(self.subject, self.options, "ask"));
        Box::pin(async move {
            let reply = match opening.await {
                Ok(stream) => stream.reply().await,
                Err(error) => Err(error),
            };
            reply.map_err(|e| engine.failed(e, "ask"))
        })
    }
}

/// Opens the call.
pub(super) async fn open(ask: AskOf, options: CallOptions, operation: &'static str) -> Result<ReplyStream> {
    let AskOf { engine, owner, conversation, content } = ask;
    match &owner {
        Some(user) => user.check()?,
        None => engine.check_open()?,
    }
    let limit = total(&engine, &options)?;
    let cost_limit = options.cost_limit()?;
    let mut messages = match content.0 {
        Said::Parts(parts) => vec![NewMessage::new(content::role_of(&parts), parts)],
        Said::Messages(messages) => messages,
    };
    let all: Vec<&Part> = messages.iter().flat_map(|m| &m.parts).collect();
    if all.is_empty() {
        content::check(&[])?;
    }
    for message in &mut messages {
        content::check(&message.parts)?;
        content::load_files(&mut message.parts).await?;
    }
    let target = engine.targets.resolve(options.model.as_deref(), None).await?;
    let plan = owner.as_ref().and_then(|user| engine.tiers.plan(&user.owner));
    let others = fallback::others(&engine, &options, &target, plan.as_ref()).await?;
    // All of them are one request.
    MediaPlan::of(&target).check(messages.iter().flat_map(|message| &message.parts))?;
    let mut request = options.request(&target.model.model);
    request.messages = repair(messages);
    let request = Arc::new(request);

    let mut context = CallContext::new(operation);
    let started = engine.clock.monotonic();
    context.deadline = Some(started + limit);
    context.owner = owner.as_ref().map(|user| user.owner.clone());
    context.conversation = conversation;
    context.priority = options.priority;
    context.cost_limit = cost_limit;
    context.plan = plan;
    if let Some(user) = &owner {
        user.book(&mut context);
    }
    context.cache = options.cache;
    context.hedges = !engine.saves_power.load(Ordering::Relaxed);
    context.key = fallback::key_of(owner.as_ref(), &options, &target, &target);
    context.alternatives = fallback::alternatives(&engine, owner.as_ref(), &options, &target, others, || {
        let (asked, options, own) = (request.clone(), Arc::new(options.clone()), target.clone());
        Arc::new(move |other| {
            let request = elsewhere(&asked, &options, &own, &other);
            Box::pin(async move { request })
        })
    });
    let cancel = context.cancel.clone();
    let asked = target.clone();
    let guard = cancel.clone().drop_guard();
    context.witness = Some(engine.watch.clone());
    let mut meter = Meter::new(&engine, &context, &target);
    let call = Call { request, target, context: context.clone() };
    let events = match meter.first_words(pin!(engine.current().service.clone().oneshot(call))).await {
        Ok(events) => events,
        Err(error) => {
            meter.end(Err(error.kind()));
            return Err(error);
        }
    };
    drop(guard.disarm());
    let answering = context.answering();
    let name = answering.as_ref().map_or_else(|| asked.name().clone(), |model| model.to_string().into());
    let (tasks, clock) = (engine.tasks.clone(), engine.clock.clone());
    let finish = move |ended: Result<Box<Reply>>| {
        meter.end(ended.as_ref().map(drop).map_err(Error::kind));
        let elapsed = engine.clock.monotonic().saturating_sub(started);
        let mut reply = match ended {
            Ok(reply) => reply,
            // Stopped by who reads it: what had arrived is the reply.
            Err(error) if error.kind() == ErrorKind::Cancelled && context.cancel.is_cancelled() => {
                let model = answering.as_ref().unwrap_or(&asked.model);
                Box::new(Reply::cancelled(&*model.provider, &*model.model, &error))
            }
            Err(error) => {
                failure(&context, &error, elapsed);
                return Err(error.with_attempts(context.attempts()));
            }
        };
        if reply.cost.nano_usd.is_some_and(|cost| cost > 0) {
            engine.has_spent(context.owner.as_ref().unwrap_or(&"".into()));
        }
        reply.attempts = context.take_attempts();
        reply.latency_ms = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        if !engine.current().settings.store.keep_raw {
            reply.raw = None;
        }
        Ok(reply)
    };
    Ok(ReplyStream::direct(events, name, cancel, tasks, Box::new(finish), clock))
}

/// What is asked of another target than the call's own.
fn elsewhere(
    asked: &ChatRequest,
    options: &CallOptions,
    own: &CallTarget,
    target: &CallTarget,
) -> Result<Arc<ChatRequest>> {
    MediaPlan::of(target).check(asked.messages.iter().flat_map(|message| &message.parts))?;
    let mut request = fallback::request_elsewhere(options, own, target);
    request.messages.clone_from(&asked.messages);
    Ok(Arc::new(request))
}

/// How long the whole call may take.
///
/// # Errors
/// `Invalid` (bad_timeout) when that is no time at all.
pub(super) fn total(engine: &Inner, options: &CallOptions) -> Result<Duration> {
    let ms = match options.timeout_ms {
        None => Some(engine.current().settings.network.total_timeout_ms),
        Some(ms) => u64::try_from(ms).ok().filter(|ms| *ms > 0),
    };
    ms.map(Duration::from_millis).ok_or_else(|| {
        Error::invalid("bad_timeout", "a call's timeout is at least 1 ms; left out, it is `network.total_timeout_ms`")
    })
}
