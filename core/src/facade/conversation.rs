//! One conversation, as a handle of another language.

use std::sync::Arc;

use super::cancel::CancelToken;
use super::conversation_change::ConversationChange;
use super::conversation_summary::ConversationSummary;
use super::error::TertuliaError;
use super::ground::Ground;
use super::id::id;
use super::message::{self, NewMessage};
use super::options::CallOptions;
use super::part::{self, Part};
use super::reply::Reply;
use super::row::TimelineFocus;
use super::stream::ReplyStream;
use super::timeline::Timeline;
use crate::{engine, model};

/// One conversation. Touches no disk when made. Its turns run one after the other, in the order they were asked for.
#[derive(uniffi::Object)]
pub struct Conversation {
    pub(super) chat: engine::Conversation,
    pub(super) ground: Arc<Ground>,
}

impl Conversation {
    pub(super) fn new(chat: engine::Conversation, ground: Arc<Ground>) -> Self {
        Self { chat, ground }
    }

    /// Waits for a stream and hands it out.
    pub(super) async fn begin(
        &self,
        cancel: Option<Arc<CancelToken>>,
        stream: impl Future<Output = model::Result<engine::ReplyStream>> + Send + 'static,
    ) -> Result<Arc<ReplyStream>, TertuliaError> {
        let stream = self.ground.run(cancel, stream).await?;
        Ok(Arc::new(ReplyStream::new(stream, self.ground.clone())))
    }
}

#[uniffi::export]
impl Conversation {
    /// Names it.
    #[must_use]
    pub fn id(&self) -> String {
        self.chat.id().to_string()
    }

    /// Saves the message, sends it, and waits for the whole reply. Cancelling stops the call and keeps what had arrived.
    ///
    /// # Errors
    /// Whatever ends the call; the record says whether the message is kept. `Cancelled`.
    #[uniffi::method(default(cancel = None, options))]
    pub async fn send(
        &self,
        parts: Vec<Part>,
        options: CallOptions,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Reply, TertuliaError> {
        let verb = self.chat.send(part::taken(parts)?).with(options.try_into()?);
        self.ground.run(cancel, verb.into_future()).await.map(Reply::from)
    }

    /// Saves the message, sends it, and gives the reply as it comes. The stream exists once the message is saved.
    ///
    /// # Errors
    /// What can be refused before the message is sent; `Storage`; `Cancelled`.
    #[uniffi::method(default(cancel = None, options))]
    pub async fn stream(
        &self,
        parts: Vec<Part>,
        options: CallOptions,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Arc<ReplyStream>, TertuliaError> {
        let verb = self.chat.stream(part::taken(parts)?).with(options.try_into()?);
        self.begin(cancel, verb.into_future()).await
    }

    /// Asks again for a turn that was interrupted, parked or cancelled. What was said since stays on a branch of its own.
    ///
    /// # Errors
    /// `Conflict` (already_answered, still_running); `NotFound`; `Storage`; `Cancelled`.
    #[uniffi::method(default(cancel = None, options))]
    pub async fn retry(
        &self,
        turn_id: String,
        options: CallOptions,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Arc<ReplyStream>, TertuliaError> {
        let verb = self.chat.retry(id(&turn_id, "conversation.retry")?).with(options.try_into()?);
        self.begin(cancel, verb.into_future()).await
    }

    /// The reply of a turn from behind this event on (0 = all of it): while it runs here, exactly the rest, as it comes.
    /// When it has come to rest, the store gives it in whole parts to who begins at 0, and its end to everybody else.
    /// Freeing or cancelling a stream of your own stops its call; this one only watches.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` (held_elsewhere) while another process works on it.
    #[uniffi::method(default(after_seq = 0, cancel = None))]
    pub async fn attach(
        &self,
        turn_id: String,
        after_seq: i64,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Arc<ReplyStream>, TertuliaError> {
        let (chat, turn) = (self.chat.clone(), id(&turn_id, "conversation.attach")?);
        self.begin(cancel, async move { chat.attach(turn, after_seq).await }).await
    }

    /// Stops a turn that runs in this process. Who waits for it hears `Cancelled`. A turn that has come to rest stays
    /// as it is.
    ///
    /// # Errors
    /// `NotFound`.
    #[uniffi::method(default(cancel = None))]
    pub async fn stop(&self, turn_id: String, cancel: Option<Arc<CancelToken>>) -> Result<(), TertuliaError> {
        let (chat, turn) = (self.chat.clone(), id(&turn_id, "conversation.stop")?);
        self.ground.run(cancel, async move { chat.stop(turn).await }).await
    }

    /// Stores messages without asking a model: all of them, or none. Gives their ids.
    ///
    /// # Errors
    /// `Invalid` (empty_message, too_large, …), `NotFound`, `Storage`.
    #[uniffi::method(default(cancel = None))]
    pub async fn append(
        &self,
        messages: Vec<NewMessage>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Vec<String>, TertuliaError> {
        let (chat, messages) = (self.chat.clone(), message::taken(messages)?);
        let ids = self.ground.run(cancel, async move { chat.append(messages).await }).await?;
        Ok(ids.iter().map(ToString::to_string).collect())
    }

    /// What a list shows of it, from one row.
    ///
    /// # Errors
    /// `NotFound`, also while nothing was said in it; `Storage`; `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn summary(&self, cancel: Option<Arc<CancelToken>>) -> Result<ConversationSummary, TertuliaError> {
        let chat = self.chat.clone();
        self.ground.run(cancel, async move { chat.summary().await }).await.map(ConversationSummary::from)
    }

    /// Changes its title, instructions, model, metadata or tags, pins or archives it, or says how long it stays from now on:
    /// after that it is gone for every verb at once, with everything in it. What is left out stays as it is. It keeps its
    /// place among the pinned, or among the others; being archived, it is left out of lists unless they ask for it.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` (too_large, unknown_model, bad_tag, bad_expiry, …); `Storage`; `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn update(
        &self,
        change: ConversationChange,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), TertuliaError> {
        let chat = self.chat.clone();
        self.ground.run(cancel, async move { chat.update(change.into()).await }).await
    }

    /// Deletes it with everything in it. Turns that run are stopped first.
    ///
    /// # Errors
    /// `NotFound`; `Storage`; `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn delete(&self, cancel: Option<Arc<CancelToken>>) -> Result<(), TertuliaError> {
        let chat = self.chat.clone();
        self.ground.run(cancel, async move { chat.delete().await }).await
    }

    /// What a screen shows of the conversation, and from then on what changes: its newest messages unless a focus says
    /// otherwise. `utc_offset_minutes` is how far the clocks of who reads are ahead of UTC (-1,080 to 1,080): by that days
    /// are told apart. Behind the message `read_upto` the unread marker stands.
    ///
    /// # Errors
    /// `NotFound`, `Storage`, `Closed`; `Invalid` (bad_offset, bad_id); `Cancelled`.
    #[uniffi::method(default(focus = None, utc_offset_minutes = 0, read_upto = None, cancel = None))]
    pub async fn timeline(
        &self,
        focus: Option<TimelineFocus>,
        utc_offset_minutes: i32,
        read_upto: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Arc<Timeline>, TertuliaError> {
        let operation = "conversation.timeline";
        let read_upto = read_upto.map(|upto| id(&upto, operation)).transpose()?;
        let mut call = self.chat.timeline().utc_offset_minutes(utc_offset_minutes).read_upto(read_upto);
        if let Some(focus) = focus {
            call = call.focus(focus.taken(operation)?);
        }
        let timeline = self.ground.run(cancel, call.into_future()).await?;
        Ok(Arc::new(Timeline::new(timeline, self.ground.clone())))
    }
}
