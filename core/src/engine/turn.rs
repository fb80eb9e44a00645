//! The way of a turn up to the moment it is saved.
//!
//! ```text
//! start ── checks, target ──▶ task: queue of the conversation ─▶ SAVE (message + turn, power safe) ─▶ caller gets the stream
//!                                                                  └▶ delivery.rs: call ─▶ events ─▶ readers, draft
//!                                                                                  └▶ SETTLE (reply + turn, compare-and-set)
//! ```
//!
//! Everything that could be refused is refused before the save. One task does the rest and writes it down; readers
//! come and go. Stopping, the deadline and a closing engine are heard at every wait.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use sha2::{Digest as _, Sha256};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use super::ask::total;
use super::attach::attach_record;
use super::content::{self, Content, Said, media_of};
use super::conversation::{Conversation, check_metadata, not_found};
use super::facts::{Fact, Seen};
use super::fallback;
use super::journal::{Begins, Journal};
use super::kept::Asked;
use super::log::{EndOnDrop, TurnLog};
use super::media::MediaPlan;
use super::options::CallOptions;
use super::queue::{Place, Unsaved};
use super::stream::ReplyStream;
use super::tertulia::Live;
use super::timeline;
use super::tree::{self, Aim, Placing};
use crate::base::{ErrorKind, MessageId, TurnId};
use crate::call::{CallContext, CallTarget, failure};
use crate::model::{
    Error, MediaSource, MessageStatus, NewMessage, Part, Reply, Result, Role, StreamEventKind, ToolCall,
};
use crate::store::{Anchor, TurnRecord};

/// The longest id that a host may give a message, in bytes.
const MAX_CLIENT_ID_BYTES: usize = 256;

/// How far back the calls that are answered are looked for, in messages.
const MAX_ANSWERS: usize = 50;

/// What begins a turn.
pub(super) enum Opening {
    /// A new message.
    Message(Content),
    /// A message in the place of another one.
    Edit(MessageId, Content),
    /// Another answer to this message, or beside this answer.
    Regenerate(MessageId),
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
    chat.check_fresh()?;
    check_options(&options)?;
    let engine = chat.user.engine.clone();
    let deadline = engine.clock.monotonic() + total(&engine, &options)?;
    let retry = matches!(opening, Opening::Retry(_));
    let (aim, turn, said) = match opening {
        Opening::Retry(turn) => (Aim::Retry, turn, None),
        Opening::Regenerate(message) => {
            let (aim, turn) = Aim::answer(chat, message).await?;
            (aim, turn, None)
        }
        Opening::Message(content) => (Aim::Say, engine.ids.turn(), Some(content)),
        Opening::Edit(message, content) => (Aim::Instead(message), engine.ids.turn(), Some(content)),
    };
    let parts = match said {
        None => Vec::new(),
        Some(Content(Said::Messages(_))) => {
            return Err(Error::invalid(
                "unsupported",
                "a conversation is sent one message at a time; `ask` takes a list",
            ));
        }
        Some(Content(Said::Parts(mut parts))) => {
            content::check(&parts)?;
            engine.tasks.on_runtime(content::load_files(&mut parts)).await?;
            parts
        }
    };
    let body_hash = match &options.client_id {
        Some(_) => body_hash(&parts)?,
        None => [0; 32],
    };
    if let Some(record) = sent_before(chat, &options, body_hash).await? {
        return attach_record(chat, record, 0, options.degrade).await;
    }

    // Who is not the owner stops a turn by `stopper`; a closing engine stops both once its patience is over.
    let stopper = engine.tasks.stop_token().child_token();
    let cancel = stopper.child_token();
    // Dropping this future before the stream exists stops the turn, too.
    let guard = cancel.clone().drop_guard();
    let log = Arc::new(TurnLog::new(Some(turn)));
    let queue = engine.queue(chat.id);
    let unsaved = queue.unsaved();
    let place = queue.enter().await;
    // What is said at the end of what is shown is shown at once.
    let echo = if matches!(aim, Aim::Say) && chat.from.is_none() {
        timeline::echo(chat, turn, &parts, &options)
    } else {
        None
    };
    let (saved, is_saved) = oneshot::channel();
    let (detached, degrade) = (options.detached, options.degrade);
    let task = Task {
        chat: chat.clone(),
        again: retry,
        aim,
        echo,
        max_wait: None,
        options,
        operation,
        turn,
        body_hash,
        deadline,
        log: log.clone(),
        cancel: cancel.clone(),
        stopper,
    };
    let owner = Some(chat.user.owner.clone());
    engine.tasks.spawn("turn", owner, task.run((place, unsaved), parts, saved).map(Ok));
    let begun = is_saved.await.map_err(|_| Error::internal("a turn ended before it was saved"))??;
    drop(guard.disarm());
    let mut stream = match begun {
        Begun::Here(log) => ReplyStream::owning(log, turn, cancel, engine.clock.clone()),
        Begun::Before(record) => return attach_record(chat, *record, 0, degrade).await,
    };
    if detached {
        stream.detach();
    }
    Ok(stream)
}

enum Begun {
    Here(Arc<TurnLog>),
    /// The same message was sent before under its client id.
    Before(Box<TurnRecord>),
}

/// The turn of a message that was sent before under its client id.
async fn sent_before(chat: &Conversation, options: &CallOptions, body_hash: [u8; 32]) -> Result<Option<TurnRecord>> {
    let Some(client_id) = &options.client_id else { return Ok(None) };
    let found = chat.user.engine.store.turn_of_client(&chat.user.owner, chat.id, client_id).await?;
    match found {
        Some(record) if record.body_hash != body_hash => Err(Error::new(
            ErrorKind::Conflict,
            "client_id",
            "another message was sent under this client_id; give a new message an id of its own",
        )),
        found => Ok(found),
    }
}

/// A turn on its way.
pub(super) struct Task {
    pub(super) chat: Conversation,
    /// True for another try of a turn that came to rest.
    pub(super) again: bool,
    /// Where in the tree it goes.
    pub(super) aim: Aim,
    /// The message as it is shown before it is saved.
    pub(super) echo: Option<timeline::Echo>,
    pub(super) options: CallOptions,
    pub(super) operation: &'static str,
    pub(super) turn: TurnId,
    pub(super) body_hash: [u8; 32],
    /// The longest it waits inside of its call; nothing = as the layers say.
    pub(super) max_wait: Option<Duration>,
    /// The moment of the clock at which it is given up.
    pub(super) deadline: Duration,
    pub(super) log: Arc<TurnLog>,
    pub(super) cancel: CancellationToken,
    pub(super) stopper: CancellationToken,
}

/// What must be known before the save.
struct Checked {
    target: Arc<CallTarget>,
    /// Whom it may go on to.
    others: Vec<Arc<CallTarget>>,
    /// What the conversation says of itself.
    seen: Seen,
    /// What is kept of the options, so that the message can be sent again.
    kept: Option<Bytes>,
    /// The turn that is tried again.
    before: Option<TurnRecord>,
    placing: Placing,
}

impl Task {
    async fn run(
        mut self,
        (place, unsaved): (Place, Unsaved),
        mut parts: Vec<Part>,
        saved: oneshot::Sender<Result<Begun>>,
    ) {
        let mut echo = self.echo.take();
        let said_as = echo.as_ref().map(timeline::Echo::id);
        let mut refused = |task: &Self, error: Error| {
            // What is stopped before it is saved is gone.
            if let Some(echo) = echo.take().filter(|_| error.kind() != ErrorKind::Cancelled) {
                echo.refuse(error.info());
            }
            let mut context = CallContext::new(task.operation);
            context.owner = Some(task.chat.user.owner.clone());
            context.conversation = Some(task.chat.id);
            failure(&context, &error, Duration::ZERO);
            Err(error)
        };
        let checked = async {
            let in_turn = place.await?;
            let checked = self.check(&parts).await?;
            Ok((in_turn, checked))
        };
        let (in_turn, (mut checked, mut options)) = match self.before_save(pin!(checked)).await {
            Ok(ready) => ready,
            Err(error) => return drop(saved.send(refused(&self, error))),
        };
        if self.again {
            // Another try has the time that the first one was given, unless another is said now.
            let engine = &self.chat.user.engine;
            match (total(engine, &self.options), total(engine, &options)) {
                (Ok(said), Ok(meant)) => self.deadline = self.deadline.saturating_sub(said) + meant,
                (Err(error), _) | (_, Err(error)) => return drop(saved.send(refused(&self, error))),
            }
        }
        let (journal, target, taken_back) = loop {
            let target = checked.target;
            // From here on nothing is broken off: what is handed to the store is done, whoever waits for it.
            let asked = Asked { options: &options, kept: checked.kept };
            let seen = checked.seen;
            let is_recalled = seen.is_recalled;
            // What came late to earlier messages stands behind what was said last, and nowhere else.
            self.again &= checked.placing.answer.is_none();
            let taken_back = checked.placing.taken_back;
            let (turn, body_hash) = (self.turn, self.body_hash);
            let begins = Begins { turn, said_as, body_hash, target: &target, placing: checked.placing };
            let journal = match (checked.before, self.aim) {
                (Some(record), _) => {
                    self.log = Arc::new(TurnLog::following(self.turn, record.turn.last_seq));
                    Journal::reopen(&self.chat, record, asked, begins).await
                }
                (None, Aim::Answer { question, .. }) => Journal::open_for(&self.chat, question, asked, begins).await,
                (None, _) => {
                    let fresh = self.chat.fresh.clone().filter(|_| seen.version.is_none());
                    let parts = if is_recalled { parts.clone() } else { std::mem::take(&mut parts) };
                    Journal::open(&self.chat, fresh.as_deref(), parts, asked, begins, seen).await
                }
            };
            let has_changed = |error: &Error| matches!(error.reason(), "version_moved" | "no_conversation");
            if !is_recalled || !journal.as_ref().is_err_and(has_changed) {
                break (journal, target, taken_back);
            }
            // The conversation is not as this process knew it. Nothing was stored: it is read, and all is checked again.
            self.chat.user.engine.facts.forget(self.chat.id);
            (checked, options) = match self.before_save(pin!(self.check(&parts))).await {
                Ok(ready) => ready,
                Err(error) => return drop(saved.send(refused(&self, error))),
            };
        };
        drop(unsaved);
        self.options = options;
        let journal = match journal {
            Ok(journal) => journal,
            Err(error) => {
                // Another process was faster with the same message: it is that message.
                let begun = match sent_before(&self.chat, &self.options, self.body_hash).await {
                    Ok(Some(record)) if error.reason() == "client_id" => Ok(Begun::Before(Box::new(record))),
                    _ => refused(&self, error),
                };
                return drop(saved.send(begun));
            }
        };
        if let Some(turn) = taken_back {
            self.chat.user.engine.outbox.changed(&self.chat.user.owner, turn);
        }
        drop(echo);
        let _end = EndOnDrop(self.log.clone());
        let log = self.log.clone();
        let outcome = self.carry(journal, target, checked.others, || drop(saved.send(Ok(Begun::Here(log))))).await;
        drop(in_turn);
        self.chat.user.engine.outbox.may_go_on();
        self.log.end(outcome);
    }

    /// Takes a turn that is saved to its rest, where everybody who attaches can follow it. Whoever calls ends the log.
    pub(super) async fn carry(
        &self,
        journal: Journal,
        target: Arc<CallTarget>,
        others: Vec<Arc<CallTarget>>,
        begun: impl FnOnce(),
    ) -> Result<Reply> {
        let _live = self.announce();
        let _shown = timeline::follow(&self.chat, &self.log, self.turn, &journal, &target);
        let kind = StreamEventKind::Started {
            turn_id: Some(self.turn),
            message_id: Some(journal.reply()),
            model: target.model.to_string(),
        };
        self.log.push(0, kind);
        begun();
        self.deliver(journal, target, others).await
    }

    /// Waits for what comes before the save, unless the call is stopped, its time is up or the engine closes.
    async fn before_save<T>(&self, work: Pin<&mut impl Future<Output = Result<T>>>) -> Result<T> {
        let engine = &self.chat.user.engine;
        let left = self.deadline.saturating_sub(engine.clock.monotonic());
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => {
                engine.check_open()?;
                Err(Error::new(ErrorKind::Cancelled, "stopped", "the call was stopped before its message was saved"))
            }
            done = work => done,
            () = engine.clock.sleep(left) => Err(Error::new(
                ErrorKind::TimedOut,
                "queue",
                "the time for the call was up before its turn came; nothing was stored",
            )),
        }
    }

    /// Everything that can refuse the turn. Nothing is stored.
    async fn check(&self, parts: &[Part]) -> Result<(Checked, CallOptions)> {
        let engine = &self.chat.user.engine;
        let owner = &self.chat.user.owner;
        engine.check_open()?;
        let seen = self.look().await?;
        let placing = Placing::of(&self.chat, &self.options);
        let (before, placing) = match self.aim {
            Aim::Say => (None, placing),
            Aim::Instead(old) => (None, placing.instead(&self.chat, old).await?),
            Aim::Retry => {
                let (record, is_last) = self.tried(seen.version.is_some()).await?;
                let message = record.turn.message_id;
                let placing = if is_last { placing } else { placing.another_answer(&self.chat, message) };
                (Some(record), placing)
            }
            Aim::Answer { below, fresh, .. } => {
                let placing = Placing { regenerates: true, ..placing.another_answer(&self.chat, below) };
                (if fresh { None } else { Some(self.answered().await?) }, placing)
            }
        };
        // Another try asks for what the first one asked for, but for what is said now.
        let mut options = self.options.clone().over(before.as_ref().and_then(|record| record.options.as_ref()))?;
        let kept = options.kept()?;
        let model = before.as_ref().map(|record| record.model.as_str()).or(seen.fact.model.as_deref());
        let target = engine.targets.resolve(options.model.as_deref(), model).await?;
        let others = fallback::others(engine, &options, &target, engine.tiers.plan(owner).as_ref()).await?;
        self.check_keys(&options, &target, &others).await?;
        options.system = options.system.or_else(|| seen.fact.system.clone());
        self.check_answers(parts).await?;
        let plan = MediaPlan::of(&target);
        plan.check(parts)?;
        let said = match (&before, self.aim) {
            (Some(record), _) => Some(record.turn.message_id),
            (None, Aim::Answer { question, .. }) => Some(question),
            _ => None,
        };
        if let Some(message) = said {
            let message = engine.store.message(owner, message).await?;
            let message = message.filter(|m| m.status != MessageStatus::Deleted).ok_or_else(tree::deleted)?;
            // The message is the same, the model may be another.
            plan.check(&message.parts)?;
        }
        check_request(&options, parts, &target)?;
        Ok((Checked { target, others, seen, kept, before, placing }, options))
    }

    /// What the conversation says of itself: as the last turn here found it, or else as the store has it.
    async fn look(&self) -> Result<Seen> {
        let (engine, owner) = (&self.chat.user.engine, &self.chat.user.owner);
        if matches!(self.aim, Aim::Say)
            && let Some((fact, version)) = engine.facts.of(owner, self.chat.id)
        {
            return Ok(Seen { fact, version: Some(version), is_recalled: true });
        }
        let summary = engine.store.conversation(owner, self.chat.id).await?;
        let (model, system, version) = match (summary, &self.chat.fresh) {
            (Some(summary), _) => (summary.model, summary.system, Some(summary.version)),
            (None, Some(fresh)) => (fresh.model.clone(), fresh.system.clone(), None),
            (None, None) => return Err(not_found("conversation")),
        };
        Ok(Seen { fact: Arc::new(Fact { model, system }), version, is_recalled: false })
    }

    /// Refuses a call that nobody could be asked for: without a key, and without anybody to go on to who has one.
    async fn check_keys(&self, options: &CallOptions, own: &CallTarget, others: &[Arc<CallTarget>]) -> Result<()> {
        let chat = &self.chat;
        let key = async |target: &CallTarget| {
            if target.http().is_none() {
                return Ok(());
            }
            let key = fallback::key_of(Some(&chat.user), options, own, target);
            let credentials = &chat.user.engine.current().credentials;
            credentials.resolve(Some(&chat.user.owner), &target.entry, key.as_ref()).await.map(|_| ())
        };
        let Err(refused) = key(own).await else { return Ok(()) };
        for other in others {
            if key(other).await.is_ok() {
                return Ok(());
            }
        }
        Err(refused)
    }

    /// The turn to which another answer is asked for.
    async fn answered(&self) -> Result<TurnRecord> {
        let record = super::attach::rested(&self.chat.user.engine, &self.chat.user.owner, self.turn).await?;
        let record = record.filter(|r| r.conversation_id == self.chat.id).ok_or_else(|| not_found("turn"))?;
        if record.queued.is_some() { Err(tree::waits()) } else { Ok(record) }
    }

    /// The turn that is to be tried again, put to rest first if whoever had it is gone, and whether the conversation is
    /// still where it was then.
    async fn tried(&self, exists: bool) -> Result<(TurnRecord, bool)> {
        let engine = &self.chat.user.engine;
        let owner = &self.chat.user.owner;
        let record = super::attach::rested(engine, owner, self.turn).await?;
        let record = record.filter(|r| r.conversation_id == self.chat.id).ok_or_else(|| not_found("turn"))?;
        // What is in the send queue is answered in its order, whatever was said since.
        if record.queued.is_some() {
            return Ok((record, true));
        }
        // Behind the last message only answers to earlier ones stand, which came late, and what had arrived of its own.
        let since = match exists {
            true => {
                let after = Anchor::After(record.turn.message_id);
                match engine.store.messages(owner, self.chat.id, after, MAX_ANSWERS).await {
                    Err(error) if error.reason() == "bad_cursor" => None,
                    since => since?,
                }
            }
            false => None,
        };
        let is_last =
            since.is_some_and(|since| since.reached_end && since.items.iter().all(|m| m.role == Role::Assistant));
        Ok((record, is_last))
    }

    /// Answers of tools must answer calls of the message that is last: any other would be dropped before the model
    /// saw it.
    async fn check_answers(&self, parts: &[Part]) -> Result<()> {
        let mut answered = parts.iter().filter_map(|part| match part {
            Part::ToolResult { result } => Some(result.call_id.as_str()),
            _ => None,
        });
        let Some(first) = answered.next() else { return Ok(()) };
        // Some of the calls may have been answered before: only answers may stand behind them.
        let latest = self.aim.before(&self.chat, MAX_ANSWERS).await?;
        let asking = latest.iter().rev().find(|message| message.role != Role::Tool);
        let asked = |id: &str| {
            let mut parts = asking.iter().flat_map(|message| &message.parts);
            parts.any(|part| matches!(part, Part::ToolCall { call: ToolCall { id: of, .. } } if of == id))
        };
        if std::iter::once(first).chain(answered).all(asked) {
            return Ok(());
        }
        Err(Error::invalid(
            "unknown_call",
            "a tool result answers no call of the last message; take its id from `reply.tool_calls()`",
        ))
    }

    /// Makes the turn known to who attaches or stops; it is forgotten when the guard goes, however that happens.
    fn announce(&self) -> Announced {
        let engine = self.chat.user.engine.clone();
        let live = Live {
            owner: self.chat.user.owner.clone(),
            conversation: self.chat.id,
            log: self.log.clone(),
            stopper: self.stopper.clone(),
        };
        engine.live().insert(self.turn, live);
        Announced { engine, turn: self.turn }
    }
}

struct Announced {
    engine: Arc<super::tertulia::Inner>,
    turn: TurnId,
}

impl Drop for Announced {
    fn drop(&mut self) {
        self.engine.live().remove(&self.turn);
    }
}

/// Refuses options with which no call could work.
fn check_options(options: &CallOptions) -> Result<()> {
    check_metadata(&options.metadata)?;
    options.cost_limit()?;
    options.context.check()?;
    if let Some(system) = &options.system {
        content::check_text(system)?;
    }
    if let Some(id) = &options.client_id {
        content::check_text(id)?;
        if id.is_empty() || id.len() > MAX_CLIENT_ID_BYTES {
            let detail = format!("a client_id is text of 1 to {MAX_CLIENT_ID_BYTES} bytes");
            return Err(Error::invalid("bad_client_id", detail));
        }
    }
    Ok(())
}

/// Encodes the request once without history: what the dialect cannot say is refused before the message is saved. Code
/// of the application's own has no dialect and hears everything.
fn check_request(options: &CallOptions, parts: &[Part], target: &CallTarget) -> Result<()> {
    let Some(route) = target.http() else { return Ok(()) };
    let mut request = options.request(&target.model.model);
    // Marks of what the provider shall keep count messages that are not here.
    request.prompt_cache = None;
    let outline = NewMessage::new(Role::User, outline(parts));
    let says_something = content::role_of(parts) != Role::Tool && !outline.parts.is_empty();
    request.messages.push(if says_something { outline } else { NewMessage::user("-") });
    route.dialect.encode(&request, &target.wire(route, target.streams())).map(|_| ())
}

/// The parts with the first bytes only of what is in hand: enough to tell what it is.
fn outline(parts: &[Part]) -> Vec<Part> {
    const HEAD: usize = 64;
    let mut light = Vec::with_capacity(parts.len());
    for part in parts.iter().filter(|part| !matches!(part, Part::ToolResult { .. })) {
        light.push(match part {
            Part::Image { media } | Part::Audio { media } | Part::File { media } => {
                let source = match &media.source {
                    MediaSource::Data { data } => MediaSource::Data { data: data[..data.len().min(HEAD)].to_vec() },
                    other => other.clone(),
                };
                let media = crate::model::Media { source, ..without_bytes(media) };
                match part {
                    Part::Image { .. } => Part::Image { media },
                    Part::Audio { .. } => Part::Audio { media },
                    _ => Part::File { media },
                }
            }
            part => part.clone(),
        });
    }
    light
}

fn without_bytes(media: &crate::model::Media) -> crate::model::Media {
    crate::model::Media {
        source: MediaSource::Url { url: String::new() },
        mime_type: media.mime_type.clone(),
        name: media.name.clone(),
        size_bytes: media.size_bytes,
    }
}

/// Says whether two messages under one client id are the same: the parts, with a hash in the place of bytes.
fn body_hash(parts: &[Part]) -> Result<[u8; 32]> {
    let mut hash = Sha256::new();
    let mut light = parts.to_vec();
    for media in light.iter_mut().flat_map(media_of) {
        if let MediaSource::Data { data } = &media.source {
            hash.update(data);
            media.source = MediaSource::Url { url: String::new() };
        }
    }
    let json = serde_json::to_vec(&light)
        .map_err(|e| Error::internal("a message could not be written as JSON").with_source(e))?;
    hash.update(&json);
    Ok(hash.finalize().into())
}
