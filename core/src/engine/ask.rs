//! The call that stores nothing.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tower::ServiceExt as _;

use super::content::{self, Content, Said};
use super::context::repair;
use super::media::MediaPlan;
use super::options::{CallOptions, Verb};
use super::stream::ReplyStream;
use super::tertulia::Inner;
use super::user::UserScope;
use crate::base::ErrorKind;
use crate::call::{Call, CallContext, CallKey, failure};
use crate::model::{Error, NewMessage, Part, Reply, Result};

/// What `ask` waits for.
pub struct AskOf {
    pub(super) engine: Arc<Inner>,
    pub(super) owner: Option<UserScope>,
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
        Box::pin(async move {
            let engine = self.subject.engine.clone();
            let reply = match self.stream().await {
                Ok(stream) => stream.reply().await,
                Err(error) => Err(error),
            };
            reply.map_err(|e| engine.failed(e, "ask"))
        })
    }
}

async fn open(ask: AskOf, options: CallOptions, operation: &'static str) -> Result<ReplyStream> {
    let AskOf { engine, owner, content } = ask;
    match &owner {
        Some(user) => user.check()?,
        None => engine.check_open()?,
    }
    let limit = total(&engine, &options)?;
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
    let target = Arc::new(engine.targets.resolve(options.model.as_deref(), None).await?);
    // All of them are one request.
    MediaPlan::of(&target).check(messages.iter().flat_map(|message| &message.parts))?;
    let mut request = options.request(&target.model.model);
    request.messages = repair(messages);

    let mut context = CallContext::new(operation);
    let started = engine.clock.monotonic();
    context.deadline = Some(started + limit);
    context.key = match &owner {
        Some(user) => {
            context.owner = Some(user.owner.clone());
            user.key_for(options.key.as_ref(), &target.entry.name)
        }
        None => options.key.clone().map(|key| CallKey { provider: target.entry.name.clone(), key }),
    };
    let cancel = context.cancel.clone();
    let model = target.model.clone();
    let call = Call { request: Arc::new(request), target, context: context.clone() };
    let guard = cancel.clone().drop_guard();
    let events = engine.service.clone().oneshot(call).await?;
    drop(guard.disarm());
    let (name, tasks) = (model.to_string(), engine.tasks.clone());
    let finish = move |ended: Result<Reply>| {
        let elapsed = engine.clock.monotonic().saturating_sub(started);
        let mut reply = match ended {
            Ok(reply) => reply,
            // Stopped by who reads it: what had arrived is the reply.
            Err(error) if error.kind() == ErrorKind::Cancelled && context.cancel.is_cancelled() => {
                Reply::cancelled(&*model.provider, model.model, &error)
            }
            Err(error) => {
                failure(&context, &error, elapsed);
                return Err(error.with_attempts(context.attempts()));
            }
        };
        reply.attempts = context.attempts();
        reply.latency_ms = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        if !engine.settings.store.keep_raw {
            reply.raw = None;
        }
        Ok(reply)
    };
    Ok(ReplyStream::direct(events, name, cancel, tasks, Box::new(finish)))
}

/// How long the whole call may take.
///
/// # Errors
/// `Invalid` (bad_timeout) when that is no time at all.
pub(super) fn total(engine: &Inner, options: &CallOptions) -> Result<Duration> {
    let ms = match options.timeout_ms {
        None => Some(engine.settings.network.total_timeout_ms),
        Some(ms) => u64::try_from(ms).ok().filter(|ms| *ms > 0),
    };
    ms.map(Duration::from_millis).ok_or_else(|| {
        Error::invalid("bad_timeout", "a call's timeout is at least 1 ms; left out, it is `network.total_timeout_ms`")
    })
}
