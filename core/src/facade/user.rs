//! One user, as a handle of another language.

use std::collections::HashMap;
use std::sync::Arc;

use super::cancel::CancelToken;
use super::conversation::Conversation;
use super::error::TertuliaError;
use super::ground::Ground;
use super::options::CallOptions;
use super::part::{self, Part};
use super::reply::Reply;
use crate::base::Malformed;
use crate::engine;

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

    /// A new conversation, with a model, instructions, title or metadata of its own. Nothing is written before its first
    /// message; its id is there from the start.
    #[uniffi::method(default(model = None, system = None, title = None, metadata))]
    #[must_use]
    pub fn new_conversation(
        &self,
        model: Option<String>,
        system: Option<String>,
        title: Option<String>,
        metadata: HashMap<String, String>,
    ) -> Arc<Conversation> {
        let options = engine::ConversationOptions { model, system, title, metadata, ..Default::default() };
        self.chat(self.user.new_conversation_with(options))
    }

    /// A conversation by its id. `NotFound` at its first use when there is none, or when it is another user's.
    ///
    /// # Errors
    /// `Invalid` (bad_id) for a text that is no id.
    #[expect(clippy::result_large_err, reason = "a border has no boxes; the error is written to bytes at once")]
    pub fn conversation(&self, id: String) -> Result<Arc<Conversation>, TertuliaError> {
        let id = id.parse().map_err(|e: Malformed| e.into_error("bad_id").during("user.conversation"))?;
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
}
