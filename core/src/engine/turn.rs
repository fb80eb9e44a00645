//! A turn: saved → sending → streaming → done | parked | interrupted | cancelled. The journal that nothing gets past.
//!
//! ```text
//! start ── checks, target ──▶ task: queue of the conversation ─▶ SAVE (message + turn, power safe) ─▶ caller gets the stream
//!                                                                  └▶ call ─▶ events ─▶ TurnLog ─▶ readers
//!                                                                              └▶ draft, every 500 ms or 4 KiB
//!                                                                  └▶ SETTLE (reply + turn, compare-and-set, power safe)
//! ```
//!
//! One task writes; readers come and go. Everything that could be refused is refused before the message is saved. The
//! reply's row stands below the message it answers, wherever the conversation's head went meanwhile.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

use super::ask::total;
use super::content::{self, Content, Said};
use super::context;
use super::conversation::{Conversation, check_metadata, not_found};
use super::journal::{Journal, Outcome};
use super::log::{EndOnDrop, TurnLog};
use super::options::CallOptions;
use super::stream::ReplyStream;
use super::tertulia::Live;
use crate::base::{ErrorKind, MessageId, TurnId};
use crate::call::{Call, CallContext, CallTarget, failure};
use crate::model::{
    ConversationSummary, Error, MessageStatus, Part, Reply, ReplyStatus, Result, StreamEventKind, TurnState,
};
use crate::store::{self, TurnRecord};

/// What begins a turn.
pub(super) enum Opening {
    /// A new message.
    Message(Content),
    /// Another try of a turn that came to rest.
    Retry(TurnId),
}

/// Begins a turn. Ends when the message is saved, or nothing was.
pub(super) async fn start(
    chat: &Conversation,
    opening: Opening,
    options: CallOptions,
    operation: &'static str,
) -> Result<ReplyStream> {
    chat.user.check()?;
    check_metadata(&options.metadata)?;
    let engine = chat.user.engine.clone();
    total(&engine, &options)?;
    let (parts, client_hash) = match &opening {
        Opening::Retry(_) => (Vec::new(), [0; 32]),
        Opening::Message(Content(Said::Messages(_))) => {
            return Err(Error::invalid(
                "unsupported",
                "a conversation is sent one message at a time; `ask` takes a list",
            ));
        }
        Opening::Message(Content(Said::Parts(parts))) => {
            content::check(parts)?;
            let mut parts = parts.clone();
            engine.tasks.on_runtime(content::load_files(&mut parts)).await?;
            let hash = body_hash(&parts, &options)?;
            (parts, hash)
        }
    };

    let turn = match opening {
        Opening::Retry(turn) => turn,
        Opening::Message(_) => engine.ids.turn(),
    };
    // A closing engine ends its turns once its patience is over.
    let cancel = engine.tasks.stop_token().child_token();
    // Dropping this future before the stream exists stops the turn, too.
    let guard = cancel.clone().drop_guard();
    let log = Arc::new(TurnLog::new(Some(turn)));
    let (saved, is_saved) = oneshot::channel();
    let task = Task {
        chat: chat.clone(),
        retry: matches!(opening, Opening::Retry(_)),
        options,
        operation,
        turn,
        parts,
        client_hash,
        log: log.clone(),
        cancel: cancel.clone(),
        stopped: Arc::default(),
    };
    let detached = task.options.detached;
    engine.tasks.spawn("turn", task.run(saved));
    let begun = is_saved.await.map_err(|_| Error::internal("a turn ended before it was saved"))??;
    drop(guard.disarm());
    let mut stream = match begun {
        Begun::Here => ReplyStream::owning(log, turn, cancel),
        Begun::Before(record) => return attach_record(chat, *record, 0).await,
    };
    if detached {
        stream.detach();
    }
    Ok(stream)
}

/// Reads a turn from behind this event on.
pub(super) async fn attach(chat: &Conversation, turn: TurnId, after_seq: i64) -> Result<ReplyStream> {
    chat.user.check()?;
    let record = chat.user.engine.store.turn(&chat.user.owner, turn).await?;
    let record = record.filter(|r| r.conversation_id == chat.id).ok_or_else(|| not_found("turn"))?;
    attach_record(chat, record, after_seq).await
}

async fn attach_record(chat: &Conversation, record: TurnRecord, after_seq: i64) -> Result<ReplyStream> {
    let engine = &chat.user.engine;
    let turn = record.id();
    if let Some(live) = engine.live().get(&turn).cloned() {
        return Ok(ReplyStream::watching(live.log, turn, live.cancel, after_seq));
    }
    if record.turn.state.is_open() {
        return Err(Error::new(
            ErrorKind::Conflict,
            "held_elsewhere",
            "another process works on this turn; attach there",
        ));
    }
    let log = Arc::new(TurnLog::new(Some(turn)));
    let reply = resting_reply(chat, &record).await?;
    log.push(0, StreamEventKind::Started { turn_id: Some(turn), message_id: reply.message_id, model: record.model });
    if after_seq < record.turn.last_seq {
        for (index, part) in reply.parts.iter().enumerate() {
            log.push(i32::try_from(index).unwrap_or(i32::MAX), whole_part(part.clone()));
        }
    }
    log.end(match (record.turn.state, &record.turn.error) {
        (TurnState::Done | TurnState::Cancelled, _) | (_, None) => Ok(reply),
        (_, Some(info)) => Err(Error::from(info.clone()).with_partial(reply.parts).with_turn(turn)),
    });
    Ok(ReplyStream::watching(log, turn, CancellationToken::new(), 0))
}

/// A stored part as the event that brings it.
fn whole_part(part: Part) -> StreamEventKind {
    match part {
        Part::Text { text, citations } if citations.is_empty() => StreamEventKind::Text { delta: text },
        Part::Reasoning { text } => StreamEventKind::Reasoning { delta: text },
        Part::Refusal { text } => StreamEventKind::Refusal { delta: text },
        Part::ToolCall { call } => StreamEventKind::ToolCall { call },
        Part::ToolResult { result } => StreamEventKind::ToolResult { result },
        part => StreamEventKind::Part { part },
    }
}

/// The reply of a turn that has come to rest.
async fn resting_reply(chat: &Conversation, record: &TurnRecord) -> Result<Reply> {
    let engine = &chat.user.engine;
    let (provider, model) = record.model.split_once('/').unwrap_or(("", &record.model));
    let mut reply = Reply::empty(provider, model);
    reply.conversation_id = Some(record.conversation_id);
    reply.turn_id = Some(record.id());
    reply.error.clone_from(&record.turn.error);
    reply.status = match record.turn.state {
        TurnState::Waiting => ReplyStatus::Waiting,
        TurnState::Parked => ReplyStatus::Parked,
        TurnState::Interrupted => ReplyStatus::Interrupted,
        TurnState::Cancelled => ReplyStatus::Cancelled,
        _ => ReplyStatus::Done,
    };
    if let Some(message) = engine.store.message(&chat.user.owner, record.reply).await? {
        reply.message_id = Some(message.id);
        reply.parts = message.parts;
        reply.finish_reason = message.finish_reason;
        reply.usage = message.usage.unwrap_or_default();
        reply.cost = message.cost.unwrap_or_default();
    }
    Ok(reply)
}

enum Begun {
    Here,
    /// The same message was sent before under its client id.
    Before(Box<TurnRecord>),
}

struct Task {
    chat: Conversation,
    retry: bool,
    options: CallOptions,
    operation: &'static str,
    turn: TurnId,
    parts: Vec<Part>,
    client_hash: [u8; 32],
    log: Arc<TurnLog>,
    cancel: CancellationToken,
    stopped: Arc<AtomicBool>,
}

impl Task {
    async fn run(mut self, saved: oneshot::Sender<Result<Begun>>) {
        let _end = EndOnDrop(self.log.clone());
        let engine = self.chat.user.engine.clone();
        let queue = engine.queue(self.chat.id);
        let _in_turn = tokio::select! {
            biased;
            () = self.cancel.cancelled() => return,
            lock = queue.lock_owned() => lock,
        };
        let prepared = match self.prepare().await {
            Ok(Prepared::Ready(ready)) => ready,
            Ok(Prepared::Before(record)) => {
                drop(saved.send(Ok(Begun::Before(record))));
                return;
            }
            Err(error) => {
                self.record(&error, Duration::ZERO);
                drop(saved.send(Err(error)));
                return;
            }
        };
        let Ready { journal, target, message } = *prepared;
        let live = Live {
            owner: self.chat.user.owner.clone(),
            conversation: self.chat.id,
            log: self.log.clone(),
            cancel: self.cancel.clone(),
            stopped: self.stopped.clone(),
        };
        engine.live().insert(self.turn, live);
        self.log.push(
            0,
            StreamEventKind::Started {
                turn_id: Some(self.turn),
                message_id: Some(journal.reply()),
                model: target.model.to_string(),
            },
        );
        drop(saved.send(Ok(Begun::Here)));
        let outcome = self.deliver(journal, target, message).await;
        engine.live().remove(&self.turn);
        self.log.end(outcome);
    }

    /// Everything up to and including the save. Whatever can be refused is refused here, and nothing is stored then.
    async fn prepare(&mut self) -> Result<Prepared> {
        let engine = self.chat.user.engine.clone();
        let owner = self.chat.user.owner.clone();
        engine.check_open()?;
        let summary = engine.store.conversation(&owner, self.chat.id).await?;
        if summary.is_none() && self.chat.fresh.is_none() {
            return Err(not_found("conversation"));
        }
        let before = match (&self.options.client_id, self.retry) {
            (Some(id), false) => engine.store.turn_of_client(&owner, self.chat.id, id).await?,
            (_, true) => {
                let record = engine.store.turn(&owner, self.turn).await?;
                Some(record.filter(|r| r.conversation_id == self.chat.id).ok_or_else(|| not_found("turn"))?)
            }
            _ => None,
        };
        if let (Some(record), false) = (&before, self.retry) {
            if record.body_hash != self.client_hash {
                return Err(Error::new(
                    ErrorKind::Conflict,
                    "client_id",
                    "another message was sent under this client_id; give a new message an id of its own",
                ));
            }
            return Ok(Prepared::Before(Box::new(record.clone())));
        }
        let said_before = before.as_ref().map(|record| record.model.as_str());
        let of_conversation = summary.as_ref().map_or_else(
            || self.chat.fresh.as_ref().and_then(|fresh| fresh.model.as_deref()),
            |summary| summary.model.as_deref(),
        );
        let target = engine.targets.resolve(self.options.model.as_deref(), said_before.or(of_conversation)).await?;
        let key = self.chat.user.key_for(self.options.key.as_ref(), &target.entry.name);
        engine.credentials.resolve(Some(&owner), &target.entry, key.as_ref()).await?;
        if self.options.system.is_none() {
            self.options.system = match &summary {
                Some(summary) => summary.system.clone(),
                None => self.chat.fresh.as_ref().and_then(|fresh| fresh.system.clone()),
            };
        }
        self.check_request(&target)?;
        let journal = match before {
            Some(record) => Journal::reopen(&engine, &self.chat, record, &target).await?,
            None => self.save(&target, summary.as_ref()).await?,
        };
        let message = journal.message();
        Ok(Prepared::Ready(Box::new(Ready { journal, target: Arc::new(target), message })))
    }

    /// Encodes the request once without history: what the dialect cannot say is refused before the message is saved.
    fn check_request(&self, target: &CallTarget) -> Result<()> {
        let mut request = self.options.request(&target.model.model);
        if !self.retry {
            let role = content::role_of(&self.parts);
            if role != crate::model::Role::Tool {
                request.messages.push(crate::model::NewMessage::new(role, self.parts.clone()));
            }
        }
        target.dialect.encode(&request, &target.wire(target.streams())).map(|_| ())
    }

    /// Message, turn and, for the first message, the conversation: in one transaction, safe from a power cut.
    async fn save(&mut self, target: &CallTarget, summary: Option<&ConversationSummary>) -> Result<Journal> {
        let fresh = self.chat.fresh.clone().filter(|_| summary.is_none());
        let parts = std::mem::take(&mut self.parts);
        Journal::open(&self.chat, fresh.as_deref(), self.turn, parts, &self.options, self.client_hash, target).await
    }

    /// Calls the model and settles the turn. The message is saved; from here on every way out is written down.
    async fn deliver(&self, mut journal: Journal, target: Arc<CallTarget>, message: MessageId) -> Result<Reply> {
        let engine = &self.chat.user.engine;
        let started = engine.clock.monotonic();
        let context = self.context(started, &target);
        let outcome = match self.call(&mut journal, target.clone(), message, &context).await {
            Ok(reply) => Outcome::Done(Box::new(reply)),
            Err(error) => {
                let error = if error.partial().is_empty() { error.with_partial(self.log.parts()) } else { error };
                if engine.tasks.stop_token().is_cancelled() {
                    Outcome::Failed(closing(&error))
                } else if self.cancel.is_cancelled() {
                    Outcome::Cancelled(error.partial().to_vec())
                } else {
                    Outcome::Failed(error)
                }
            }
        };
        let elapsed = engine.clock.monotonic().saturating_sub(started);
        if let Outcome::Failed(error) = &outcome
            && error.kind() == ErrorKind::Truncated
        {
            failure(&context, error, elapsed);
        }
        let latency_ms = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        let (state, settled) = journal.settle(outcome, self.log.last_seq() + 1, context.attempts()).await;
        if let Err(error) = &settled
            && error.kind() == ErrorKind::Storage
        {
            failure(&context, error, elapsed);
        }
        tracing::debug!(
            target: "tertulia::turn", operation = self.operation, owner = &*self.chat.user.owner, conversation = %self.chat.id,
            turn = %self.turn, model = %target.model, state = ?state, duration_ms = latency_ms, "turn came to rest",
        );
        let settled = settled.map(|mut reply| {
            reply.attempts = context.attempts();
            reply.latency_ms = latency_ms;
            reply
        });
        match settled {
            Ok(reply) if reply.status == ReplyStatus::Cancelled && self.stopped.load(Ordering::Acquire) => {
                let stopped = Error::new(ErrorKind::Cancelled, "stopped", "the turn was stopped by someone else");
                Err(stopped.with_turn(self.turn).with_partial(reply.parts))
            }
            settled => settled.map_err(|e| e.with_turn(self.turn)),
        }
    }

    fn context(&self, started: Duration, target: &CallTarget) -> CallContext {
        let engine = &self.chat.user.engine;
        let mut context = CallContext::new(self.operation);
        context.owner = Some(self.chat.user.owner.clone());
        context.conversation = Some(self.chat.id);
        context.turn = Some(self.turn);
        context.deadline = total(engine, &self.options).ok().map(|total| started + total);
        context.cancel = self.cancel.child_token();
        context.key = self.chat.user.key_for(self.options.key.as_ref(), &target.entry.name);
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
        message: MessageId,
        context: &CallContext,
    ) -> Result<Reply> {
        let engine = &self.chat.user.engine;
        let _ended = context.cancel.clone().drop_guard();
        let room = target.info.as_ref().and_then(|info| {
            let kept = self.options.sampling.max_tokens.or(info.max_output_tokens).unwrap_or(0);
            info.context_window.map(|window| (window - kept.min(window / 2)).max(1))
        });
        let mut request = self.options.request(&target.model.model);
        let window = context::Window::of(room, &request);
        request.messages = context::load(engine, &self.chat.user.owner, self.chat.id, Some(message), window).await?;
        journal.sending().await?;
        let call = Call { request: Arc::new(request), target, context: context.clone() };
        let mut events = engine.service.clone().oneshot(call).await?;
        let flush = Duration::from_millis(engine.settings.store.draft_flush_ms.max(1));
        let mut due = engine.clock.sleep(flush);
        loop {
            let event = tokio::select! {
                biased;
                event = events.next() => event,
                () = &mut due, if journal.has_unwritten() => {
                    journal.write_draft().await?;
                    due = engine.clock.sleep(flush);
                    continue;
                }
            };
            let event = match event {
                Some(event) => event?,
                None => return Err(Error::internal("a call ended without a reply")),
            };
            if let StreamEventKind::Done { reply } = event.kind {
                return Ok(*reply);
            }
            if event.kind.is_content() {
                if !journal.has_unwritten() {
                    due = engine.clock.sleep(flush);
                }
                journal.note(&event);
            }
            let seq = self.log.push(event.part_index, event.kind);
            if journal.noted(seq) >= engine.settings.store.draft_flush_bytes {
                journal.write_draft().await?;
                due = engine.clock.sleep(flush);
            }
        }
    }

    /// Logs a refusal.
    fn record(&self, error: &Error, elapsed: Duration) {
        let mut context = CallContext::new(self.operation);
        context.owner = Some(self.chat.user.owner.clone());
        context.conversation = Some(self.chat.id);
        failure(&context, error, elapsed);
    }
}

enum Prepared {
    Ready(Box<Ready>),
    Before(Box<TurnRecord>),
}

struct Ready {
    journal: Journal,
    target: Arc<CallTarget>,
    message: MessageId,
}

/// What becomes of a call that the closing engine broke off.
fn closing(error: &Error) -> Error {
    Error::new(ErrorKind::Closed, "closed", "the engine was closed while the reply was on its way; retry the turn")
        .with_partial(error.partial().to_vec())
}

/// Says whether two messages under one client id are the same.
fn body_hash(parts: &[Part], options: &CallOptions) -> Result<[u8; 32]> {
    if options.client_id.is_none() {
        return Ok([0; 32]);
    }
    let json = serde_json::to_vec(parts)
        .map_err(|e| Error::internal("a message could not be written as JSON").with_source(e))?;
    Ok(store::hash(&json))
}

/// The status of a message that ended this way.
pub(super) fn message_status(state: TurnState) -> MessageStatus {
    match state {
        TurnState::Done => MessageStatus::Complete,
        TurnState::Cancelled => MessageStatus::Cancelled,
        _ => MessageStatus::Interrupted,
    }
}
