//! One user, as a handle of another language.

use std::collections::HashMap;
use std::sync::Arc;

use super::cancel::CancelToken;
use super::conversation::Conversation;
use super::conversation_change::length;
use super::conversations_watch::ConversationsWatch;
use super::error::TertuliaError;
use super::ground::Ground;
use super::message::{self, NewMessage};
use super::options::CallOptions;
use super::outbox::Outbox;
use super::page::{ConversationPage, count, place};
use super::part::{self, Part};
use super::preferences::{Preferences, PreferencesChange};
use super::reply::Reply;
use crate::{engine, model};

/// The conversations of one user. Another user's cannot be named through it.
#[derive(uniffi::Object)]
pub struct UserScope {
    pub(super) user: engine::UserScope,
    pub(super) ground: Arc<Ground>,
}

impl UserScope {
    pub(super) fn new(user: engine::UserScope, ground: Arc<Ground>) -> Self {
        Self { user, ground }
    }

    fn listing(
        &self,
        limit: i32,
        before: Option<String>,
        after: Option<String>,
    ) -> model::Result<engine::ConversationsCall> {
        const OPERATION: &str = "user.list_conversations";
        let call = self.user.list_conversations().limit(count(limit));
        Ok(call.before(place(before.as_deref(), OPERATION)?).after(place(after.as_deref(), OPERATION)?))
    }

    fn chat(&self, chat: engine::Conversation) -> Arc<Conversation> {
        Arc::new(Conversation::new(chat, self.ground.clone()))
    }
}

#[uniffi::export]
impl UserScope {
    /// Who it is.
    #[must_use]
    pub fn id(&self) -> String {
        self.user.id().to_owned()
    }

    /// A new conversation, with a model, instructions, title, metadata or tags of its own (at most 32, each of 1 to 64
    /// characters); with `expires_in_ms` (at least 1) it stays so long from its first message on, whatever is said in it.
    /// Nothing is written before its first message; its id is there from the start.
    #[uniffi::method(default(model = None, system = None, title = None, tags = [], expires_in_ms = None, metadata))]
    #[must_use]
    pub fn new_conversation(
        &self,
        model: Option<String>,
        system: Option<String>,
        title: Option<String>,
        metadata: HashMap<String, String>,
        tags: Vec<String>,
        expires_in_ms: Option<i64>,
    ) -> Arc<Conversation> {
        let expires_in = expires_in_ms.map(length);
        let options = engine::ConversationOptions { model, system, title, metadata, tags, expires_in };
        self.chat(self.user.new_conversation_with(options))
    }

    /// A conversation by its id. `NotFound` at its first use when there is none, or when it is another user's.
    ///
    /// # Errors
    /// `Invalid` (bad_id) for a text that is no id.
    #[expect(clippy::result_large_err, reason = "a border has no boxes; the error is written to bytes at once")]
    pub fn conversation(&self, id: String) -> Result<Arc<Conversation>, TertuliaError> {
        let id = super::id::id(&id, "user.conversation")?;
        Ok(self.chat(self.user.conversation(id)))
    }

    /// The conversation that belongs to a key of your own: same key, same conversation.
    #[must_use]
    pub fn conversation_for(&self, key: String) -> Arc<Conversation> {
        self.chat(self.user.conversation_for(key))
    }

    /// Asks once on this user's account and stores nothing.
    ///
    /// # Errors
    /// Whatever ends the call; `Cancelled`.
    #[uniffi::method(default(cancel = None, options))]
    pub async fn ask(
        &self,
        parts: Vec<Part>,
        options: CallOptions,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Reply, TertuliaError> {
        let verb = self.user.ask(part::taken(parts)?).with(options.try_into()?);
        self.ground.run(cancel, verb.into_future()).await.map(Reply::from)
    }

    /// What this user prefers: name, language, time zone, and whatever the host keeps beside them.
    ///
    /// # Errors
    /// `Storage`, `Closed`, `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn preferences(&self, cancel: Option<Arc<CancelToken>>) -> Result<Preferences, TertuliaError> {
        let user = self.user.clone();
        self.ground.run(cancel, async move { user.preferences().await }).await.map(Preferences::from)
    }

    /// Changes what this user prefers; what is left out stays as it is. At most 8 KiB in all.
    ///
    /// # Errors
    /// `Invalid` (bad_language, bad_time_zone, too_large); `Storage`, `Closed`, `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn update_preferences(
        &self,
        change: PreferencesChange,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), TertuliaError> {
        let user = self.user.clone();
        self.ground.run(cancel, async move { user.update_preferences(change.into()).await }).await
    }

    /// What of this user's messages waits to be sent by itself, is being sent, or was given up.
    #[must_use]
    pub fn outbox(&self) -> Arc<Outbox> {
        Arc::new(Outbox::new(self.user.outbox(), self.ground.clone()))
    }

    /// This user's conversations as a list that changes by itself: those that are not archived, the pinned ones first and
    /// then the latest activity, 50 to begin with. While an answer is being written nothing is told; its end is.
    ///
    /// # Errors
    /// `Closed`; `Invalid` (bad_user).
    #[expect(clippy::result_large_err, reason = "a border has no boxes; the error is written to bytes at once")]
    pub fn watch_conversations(&self) -> Result<Arc<ConversationsWatch>, TertuliaError> {
        Ok(Arc::new(ConversationsWatch::new(self.user.watch_conversations()?, self.ground.clone())))
    }

    /// Asks once with these messages, the last of them what is asked now, on this user's account; stores nothing.
    ///
    /// # Errors
    /// Whatever ends the call; `Cancelled`.
    #[uniffi::method(default(cancel = None, options))]
    pub async fn ask_messages(
        &self,
        messages: Vec<NewMessage>,
        options: CallOptions,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Reply, TertuliaError> {
        let verb = self.user.ask(message::taken(messages)?).with(options.try_into()?);
        self.ground.run(cancel, verb.into_future()).await.map(Reply::from)
    }

    /// This user's conversations that are not archived (or with `archived` those that are): the pinned ones first, then the
    /// latest activity, 1 to 200 of them. With `pinned` only those that are pinned or only those that are not, with `tag`
    /// only those with this tag. A page's `before` goes on down the list; its `after` gives what has had activity since,
    /// pinned or not, the latest first.
    ///
    /// # Errors
    /// `Invalid` (bad_cursor, bad_limit); `Storage`; `Cancelled`.
    #[uniffi::method(default(
        limit = 50, before = None, after = None, archived = false, pinned = None, tag = None, cancel = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "languages name them, and each has a default")]
    pub async fn list_conversations(
        &self,
        limit: i32,
        before: Option<String>,
        after: Option<String>,
        archived: bool,
        pinned: Option<bool>,
        tag: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<ConversationPage, TertuliaError> {
        let call = self.listing(limit, before, after)?.archived(archived).pinned(pinned).tag(tag);
        self.ground.run(cancel, call.into_future()).await.map(ConversationPage::from)
    }

    /// The same page, or nothing when no conversation of this user has changed since the page with the version
    /// `unchanged_since`; no conversation is read then.
    ///
    /// # Errors
    /// As of `list_conversations`.
    #[uniffi::method(default(
        limit = 50, before = None, after = None, archived = false, pinned = None, tag = None, cancel = None
    ))]
    #[expect(clippy::too_many_arguments, reason = "languages name them, and each has a default")]
    pub async fn list_conversations_if_changed(
        &self,
        unchanged_since: i64,
        limit: i32,
        before: Option<String>,
        after: Option<String>,
        archived: bool,
        pinned: Option<bool>,
        tag: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Option<ConversationPage>, TertuliaError> {
        let call = self.listing(limit, before, after)?.archived(archived).pinned(pinned).tag(tag);
        let page = self.ground.run(cancel, call.unchanged_since(unchanged_since).into_future()).await?;
        Ok(page.map(ConversationPage::from))
    }
}
