//! What a model would be shown of a conversation, before anybody asks it.

use std::pin::Pin;

use super::context::{self, begins_turn};
use super::conversation::{Conversation, not_found};
use super::media::MediaPlan;
use super::options::{CallOptions, Verb};
use super::window::Window;
use crate::model::{ContextReport, Result, SummaryReport};

/// What `context` waits for.
pub struct ContextOf {
    chat: Conversation,
}

impl Conversation {
    /// What a model would be shown of the conversation as it stands, with these knobs: how many messages, and about how
    /// many tokens. Nothing is sent and nothing changes. Awaiting it fails with `Invalid` for knobs that `send` would
    /// refuse, `NotFound`, `Storage`.
    pub fn context(&self) -> Verb<ContextOf> {
        Verb::new(ContextOf { chat: self.clone() })
    }
}

impl IntoFuture for Verb<ContextOf> {
    type Output = Result<ContextReport>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<ContextReport>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let ContextOf { chat } = self.subject;
        let options = self.options;
        Box::pin(async move {
            let engine = chat.user.engine.clone();
            let work = report(&chat, options);
            engine.tasks.on_runtime(work).await.map_err(|e| chat.failed(e, "conversation.context"))
        })
    }
}

async fn report(chat: &Conversation, mut options: CallOptions) -> Result<ContextReport> {
    chat.user.check()?;
    chat.check_fresh()?;
    options.context.check()?;
    let (engine, owner) = (&chat.user.engine, &chat.user.owner);
    let stored = engine.store.conversation(owner, chat.id).await?;
    let exists = stored.is_some();
    let (model, system) = match (stored, &chat.fresh) {
        (Some(stored), _) => (stored.model, stored.system),
        (None, Some(fresh)) => (fresh.model.clone(), fresh.system.clone()),
        (None, None) => return Err(not_found("conversation")),
    };
    let target = engine.targets.resolve(options.model.as_deref(), model.as_deref()).await?;
    options.system = options.system.or(system);
    let mut request = options.request(&target.model.model);
    let window = Window::of(engine, &target, &request, options.context);
    let (mut is_whole, mut summary) = (true, None);
    if exists {
        let plan = MediaPlan::of(&target);
        let shown = context::load(engine, owner, chat.id, chat.from, false, window, &plan).await?;
        (request.messages, is_whole) = (shown.messages, shown.is_whole);
        summary = shown.summary.map(|(stored, tokens)| SummaryReport {
            upto: stored.upto,
            tokens: i64::try_from(tokens).unwrap_or(i64::MAX),
            model: stored.model,
            created_at: stored.created_at,
        });
    }
    let in_front = usize::from(summary.is_some());
    let said = request.messages.get(in_front..).unwrap_or_default();
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    Ok(ContextReport {
        messages: count(said.len()),
        turns: count(said.iter().filter(|message| begins_turn(message)).count()),
        tokens: engine.current().tokens().sent(&target.model, &request),
        limit_tokens: window.limit(),
        is_whole,
        summary,
    })
}
