//! One conversation, as a handle of another language.

use std::sync::Arc;

use super::cancel::CancelToken;
use super::error::TertuliaError;
use super::ground::Ground;
use super::message::{HistoryAnchor, MessagePage, NewMessage};
use super::options::CallOptions;
use super::part::{self, Part};
use super::reply::Reply;
use super::stream::ReplyStream;
use crate::base::{Cursor, Malformed, TurnId};
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
    async fn begin(
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
        let verb = self.chat.retry(turn(&turn_id, "conversation.retry")?).with(options.try_into()?);
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
        let (chat, turn) = (self.chat.clone(), turn(&turn_id, "conversation.attach")?);
        self.begin(cancel, async move { chat.attach(turn, after_seq).await }).await
    }

    /// Stops a turn that runs in this process. Who waits for it hears `Cancelled`. A turn that has come to rest stays
    /// as it is.
    ///
    /// # Errors
    /// `NotFound`.
    #[uniffi::method(default(cancel = None))]
    pub async fn stop(&self, turn_id: String, cancel: Option<Arc<CancelToken>>) -> Result<(), TertuliaError> {
        let (chat, turn) = (self.chat.clone(), turn(&turn_id, "conversation.stop")?);
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
        let messages = messages.into_iter().map(model::NewMessage::try_from).collect::<model::Result<Vec<_>>>()?;
        let chat = self.chat.clone();
        let ids = self.ground.run(cancel, async move { chat.append(messages).await }).await?;
        Ok(ids.iter().map(ToString::to_string).collect())
    }

    /// A page of its messages, in reading order: the latest unless an anchor says where; 1 to 200 of them.
    ///
    /// # Errors
    /// `Invalid` (bad_cursor, bad_limit), `NotFound`, `Storage`.
    #[uniffi::method(default(anchor = None, limit = 50, cancel = None))]
    pub async fn history(
        &self,
        anchor: Option<HistoryAnchor>,
        limit: i32,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<MessagePage, TertuliaError> {
        // Below 0 is refused as 0 is.
        let call = self.chat.history().limit(usize::try_from(limit).unwrap_or(0));
        let call = match anchor {
            None => call,
            Some(HistoryAnchor::Before { cursor }) => call.before(place(&cursor)?),
            Some(HistoryAnchor::After { cursor }) => call.after(place(&cursor)?),
        };
        self.ground.run(cancel, call.into_future()).await.map(MessagePage::from)
    }
}

fn turn(id: &str, operation: &'static str) -> model::Result<TurnId> {
    id.parse().map_err(|e: Malformed| e.into_error("bad_id").during(operation))
}

fn place(cursor: &str) -> model::Result<Cursor> {
    cursor.parse().map_err(|e: Malformed| e.into_error("bad_cursor").during("conversation.history"))
}
