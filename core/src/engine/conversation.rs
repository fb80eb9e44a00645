//! One conversation, as a handle.

use std::collections::{HashMap, HashSet};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::attach;
use super::content::{self, Content};
use super::history::{HistoryCall, Messages, OpenCall};
use super::options::Verb;
use super::rows;
use super::stream::ReplyStream;
use super::turn::{self, Opening};
use super::user::UserScope;
use crate::base::{ConversationId, ErrorKind, MessageId, TurnId};
use crate::model::{ConversationSummary, Error, NewMessage, Reply, Result, Turn};
use crate::store::{ConversationChange, Durability, Op, WriteBatch};

/// The longest metadata of a conversation or message, as JSON, in bytes.
pub(super) const MAX_METADATA_BYTES: usize = 8 * 1024;

/// What a new conversation begins with. All optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConversationOptions {
    /// The model it speaks with, as `provider/model`.
    pub model: Option<String>,
    /// Instructions that stand before its messages.
    pub system: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// What you put beside it; at most 8 KiB, never sent.
    pub metadata: HashMap<String, String>,
    /// What it can be found by in a list: at most 32, each of 1 to 64 characters.
    pub tags: Vec<String>,
    /// How long it stays from its first message on, whatever is said in it; nothing = until it is deleted.
    pub expires_in: Option<Duration>,
}

/// One conversation. Cheap to clone; touches no disk when made.
///
/// Its turns run one after the other, in the order they were asked for.
#[derive(Clone)]
pub struct Conversation {
    pub(super) user: UserScope,
    pub(super) id: ConversationId,
    /// What it begins with if it is not there yet; nothing for a handle to one that must exist.
    pub(super) fresh: Option<Arc<ConversationOptions>>,
    /// The message from which it is seen; nothing = as it is shown to everybody.
    pub(super) from: Option<MessageId>,
}

impl Conversation {
    pub(super) fn new(user: UserScope, id: ConversationId, fresh: Option<ConversationOptions>) -> Self {
        Self { user, id, fresh: fresh.map(Arc::new), from: None }
    }

    /// Refuses a beginning that no conversation can have.
    pub(super) fn check_fresh(&self) -> Result<()> {
        let Some(fresh) = &self.fresh else { return Ok(()) };
        let (title, system, model) = (fresh.title.as_deref(), fresh.system.as_deref(), fresh.model.as_deref());
        check_fields(&self.user, title, system, model, Some(&fresh.metadata))?;
        check_tags(&fresh.tags)?;
        check_time(fresh.expires_in)
    }

    pub(super) fn failed(&self, error: Error, operation: &'static str) -> Error {
        self.user.engine.failed(error, operation)
    }

    /// Names it.
    #[must_use]
    pub const fn id(&self) -> ConversationId {
        self.id
    }

    /// Saves the message, sends it, and waits for the whole reply. Dropping the future stops the call and keeps what
    /// had arrived.
    pub fn send(&self, content: impl Into<Content>) -> Verb<SendTo> {
        Verb::new(SendTo { chat: self.clone(), content: content.into() })
    }

    /// Saves the message, sends it, and gives the reply as it comes. The stream exists once the message is saved.
    pub fn stream(&self, content: impl Into<Content>) -> Verb<StreamTo> {
        Verb::new(StreamTo { chat: self.clone(), opening: Opening::Message(content.into()) })
    }

    /// Stores messages without asking a model: all of them, or none.
    ///
    /// # Errors
    /// `Invalid` (empty_message, too_large, …), `NotFound`, `Storage`.
    pub async fn append(&self, messages: impl IntoIterator<Item = NewMessage>) -> Result<Vec<MessageId>> {
        let messages: Vec<NewMessage> = messages.into_iter().collect();
        let work = self.append_inner(messages);
        self.user.engine.tasks.on_runtime(work).await.map_err(|e| self.failed(e, "conversation.append"))
    }

    async fn append_inner(&self, mut messages: Vec<NewMessage>) -> Result<Vec<MessageId>> {
        self.user.check()?;
        self.check_fresh()?;
        let engine = &self.user.engine;
        for message in &mut messages {
            ready(message).await?;
        }
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let queue = engine.queue(self.id);
        let _unsaved = queue.unsaved();
        let _turn = queue.enter().await.await?;
        let known = engine.store.conversation(&self.user.owner, self.id).await?.is_some();
        let batch = rows::begin(self, self.fresh.as_deref().filter(|_| !known));
        let ids: Vec<MessageId> = messages.iter().map(|_| engine.ids.message()).collect();
        let batch = rows::append_all(batch, self, ids.iter().copied().zip(messages))?;
        engine.store.apply(batch, Durability::PowerSafe).await?;
        Ok(ids)
    }

    /// Asks again for a turn that was interrupted, parked or cancelled. The message is the same; the answer stands beside
    /// what had arrived before. When the conversation has gone on since, what followed stays on a branch of its own
    /// (`switch_to`); only what waits in the outbox is answered in its order. Awaiting it fails with `Conflict`
    /// (already_answered; `regenerate` asks for another answer) or (still_running), and with `Invalid` (deleted) when the
    /// message is gone.
    pub fn retry(&self, turn: TurnId) -> Verb<StreamTo> {
        Verb::new(StreamTo { chat: self.clone(), opening: Opening::Retry(turn) })
    }

    /// The reply of a turn from behind this event on (0 = all of it): while it runs here, exactly the rest, as it comes.
    /// When it has come to rest, the store gives it in whole parts to who begins at 0, and its end to everybody else.
    /// Dropping the stream changes nothing.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` (held_elsewhere) while another process works on it.
    pub async fn attach(&self, turn: TurnId, after_seq: i64) -> Result<ReplyStream> {
        attach::attach(self, turn, after_seq).await.map_err(|e| self.failed(e, "conversation.attach"))
    }

    /// Stops a turn that runs in this process. Who waits for it hears `Cancelled`. A turn that has come to rest stays
    /// as it is.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn stop(&self, turn: TurnId) -> Result<()> {
        let found = self.turn(turn).await.map_err(|e| self.failed(e, "conversation.stop"))?;
        if found.state.is_open()
            && let Some(live) = self.user.engine.live().get(&turn)
        {
            live.stopper.cancel();
        }
        Ok(())
    }

    /// Where a turn stands.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn turn(&self, turn: TurnId) -> Result<Turn> {
        self.user.check()?;
        let found = attach::rested(&self.user.engine, &self.user.owner, turn).await?;
        match found {
            Some(record) if record.conversation_id == self.id => Ok(record.turn),
            _ => Err(self.failed(not_found("turn"), "conversation.turn")),
        }
    }

    /// A page of its messages: the latest 50 unless told otherwise, in reading order.
    pub fn history(&self) -> HistoryCall {
        HistoryCall::of(self.clone())
    }

    /// Its messages one after the other, from the first to the last unless told otherwise, however many there are: pages
    /// are read as they are needed.
    pub fn messages(&self) -> Messages {
        Messages::new(self.clone())
    }

    /// What a screen needs when it opens: what a list shows of it, and the latest 50 messages, both of the same moment.
    /// For another page `history().limit(20).with_summary()`. Awaiting it fails with `NotFound`, also while nothing was
    /// said in it.
    pub fn open(&self) -> OpenCall {
        self.history().with_summary()
    }

    /// What a list shows of it, from one row.
    ///
    /// # Errors
    /// `NotFound`, also while nothing was said in it.
    pub async fn summary(&self) -> Result<ConversationSummary> {
        self.user.check()?;
        let found = self.user.engine.store.conversation(&self.user.owner, self.id).await;
        found
            .and_then(|c| c.ok_or_else(|| not_found("conversation")))
            .map_err(|e| self.failed(e, "conversation.summary"))
    }

    /// Changes its title, instructions, model, metadata or tags, pins or archives it, or says how long it stays from now
    /// on: after that it is gone for every verb at once, with everything in it. What is left out stays as it is. It keeps
    /// its place among the pinned, or among the others; being archived, it is left out of lists unless they ask for it.
    ///
    /// # Errors
    /// `NotFound`, `Invalid` (too_large, unknown_model, bad_tag, bad_expiry, …), `Storage`.
    pub async fn update(&self, change: ConversationChange) -> Result<()> {
        self.update_inner(change).await.map_err(|e| self.failed(e, "conversation.update"))
    }

    async fn update_inner(&self, change: ConversationChange) -> Result<()> {
        self.user.check()?;
        let engine = &self.user.engine;
        let change = checked(&self.user, change)?;
        let batch =
            WriteBatch::new(&*self.user.owner, engine.clock.now()).op(Op::UpdateConversation { id: self.id, change });
        engine.store.apply(batch, Durability::PowerSafe).await.map(|_| ())
    }

    /// Deletes it with everything in it. Turns that run are stopped first.
    ///
    /// # Errors
    /// `NotFound`, `Storage`.
    pub async fn delete(&self) -> Result<()> {
        self.delete_inner().await.map_err(|e| self.failed(e, "conversation.delete"))
    }

    async fn delete_inner(&self) -> Result<()> {
        self.user.check()?;
        let engine = &self.user.engine;
        if engine.store.conversation(&self.user.owner, self.id).await?.is_none() {
            return Err(not_found("conversation"));
        }
        let _alone = engine.alone_in(&self.user.owner, self.id).await;
        let batch = WriteBatch::new(&*self.user.owner, engine.clock.now()).op(Op::DeleteConversation { id: self.id });
        engine.recent.forget(self.id);
        engine.facts.forget(self.id);
        engine.store.apply(batch, Durability::PowerSafe).await.map(|_| ())
    }
}

impl From<&Conversation> for ConversationId {
    fn from(chat: &Conversation) -> Self {
        chat.id
    }
}

impl std::fmt::Debug for Conversation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Conversation").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Refuses a message that cannot be stored, and reads its files.
pub(super) async fn ready(message: &mut NewMessage) -> Result<()> {
    content::check(&message.parts)?;
    check_metadata(&message.metadata)?;
    content::load_files(&mut message.parts).await
}

/// The change as it is written; refuses one that cannot be.
pub(super) fn checked(user: &UserScope, change: ConversationChange) -> Result<ConversationChange> {
    let ConversationChange { title, system, model, metadata, tags, expires_in, .. } = &change;
    let text = |field: &'_ Option<Option<String>>| field.as_ref().and_then(Option::clone);
    let (title, system, model) = (text(title), text(system), text(model));
    check_fields(user, title.as_deref(), system.as_deref(), model.as_deref(), metadata.as_ref())?;
    tags.as_deref().map_or(Ok(()), check_tags)?;
    check_time(expires_in.flatten())?;
    Ok(ConversationChange { tags: tags.as_deref().map(distinct), ..change })
}

/// The error of a thing that is not there, or another user's: both look the same.
pub(super) fn not_found(what: &str) -> Error {
    Error::new(ErrorKind::NotFound, "not_found", format!("this user has no such {what}"))
}

/// The longest title, in bytes.
pub(super) const MAX_TITLE_BYTES: usize = 4 * 1024;
/// The longest instructions, in bytes.
const MAX_SYSTEM_BYTES: usize = 1 << 20;

/// Refuses fields that no conversation can have.
pub(super) fn check_fields(
    user: &UserScope,
    title: Option<&str>,
    system: Option<&str>,
    model: Option<&str>,
    metadata: Option<&HashMap<String, String>>,
) -> Result<()> {
    for (name, text, most) in [("title", title, MAX_TITLE_BYTES), ("system", system, MAX_SYSTEM_BYTES)] {
        let text = text.unwrap_or_default();
        content::check_text(text)?;
        if text.len() > most {
            return Err(Error::invalid("too_large", format!("`{name}` of a conversation holds at most {most} bytes")));
        }
    }
    if let Some(model) = model {
        user.engine.targets.catalogue().resolve(model)?;
    }
    metadata.map_or(Ok(()), check_metadata)
}

/// The most tags of a conversation, and the longest, in characters.
const MAX_TAGS: usize = 32;
const MAX_TAG_CHARS: usize = 64;

/// Refuses tags that no conversation can have.
pub(super) fn check_tags(tags: &[String]) -> Result<()> {
    let is_bad =
        |tag: &String| !(1..=MAX_TAG_CHARS).contains(&tag.chars().count()) || content::check_text(tag).is_err();
    if tags.len() > MAX_TAGS || tags.iter().any(is_bad) {
        let detail = format!("a conversation has at most {MAX_TAGS} tags, each of 1 to {MAX_TAG_CHARS} characters");
        return Err(Error::invalid("bad_tag", detail));
    }
    Ok(())
}

/// Each tag once, in the order given.
pub(super) fn distinct(tags: &[String]) -> Vec<String> {
    let mut seen = HashSet::new();
    tags.iter().filter(|tag| seen.insert(*tag)).cloned().collect()
}

/// Refuses a time to stay that is over already.
fn check_time(expires_in: Option<Duration>) -> Result<()> {
    if expires_in.is_some_and(|time| time.as_millis() == 0) {
        return Err(Error::invalid("bad_expiry", "`expires_in` is at least a millisecond; `delete` removes at once"));
    }
    Ok(())
}

/// Refuses metadata that is too long.
pub(super) fn check_metadata(metadata: &HashMap<String, String>) -> Result<()> {
    let bytes: usize = metadata.iter().map(|(name, value)| name.len() + value.len() + 6).sum();
    if bytes > MAX_METADATA_BYTES {
        return Err(Error::invalid("too_large", format!("metadata holds at most {MAX_METADATA_BYTES} bytes of JSON")));
    }
    metadata
        .iter()
        .try_for_each(|(name, value)| super::content::check_text(name).and_then(|()| super::content::check_text(value)))
}

/// What `send` waits for.
pub struct SendTo {
    chat: Conversation,
    content: Content,
}

/// What `stream`, `edit`, `regenerate` and `retry` wait for.
pub struct StreamTo {
    pub(super) chat: Conversation,
    pub(super) opening: Opening,
}

impl IntoFuture for Verb<SendTo> {
    type Output = Result<Reply>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<Reply>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let SendTo { chat, content } = self.subject;
        let options = self.options;
        Box::pin(async move {
            let operation = "conversation.send";
            let stream = turn::start(&chat, Opening::Message(content), options, operation).await;
            let reply = match stream {
                Ok(stream) => stream.reply().await,
                Err(error) => Err(error),
            };
            reply.map_err(|e| chat.failed(e, operation))
        })
    }
}

impl IntoFuture for Verb<StreamTo> {
    type Output = Result<ReplyStream>;
    type IntoFuture = Pin<Box<dyn Future<Output = Result<ReplyStream>> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let StreamTo { chat, opening } = self.subject;
        let options = self.options;
        Box::pin(async move {
            let operation = match opening {
                Opening::Message(_) => "conversation.stream",
                Opening::Edit(..) => "conversation.edit",
                Opening::Regenerate(_) => "conversation.regenerate",
                Opening::Retry(_) => "conversation.retry",
            };
            turn::start(&chat, opening, options, operation).await.map_err(|e| chat.failed(e, operation))
        })
    }
}
