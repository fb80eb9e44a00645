//! One user: the boundary that everything stored is reached through.

use std::collections::HashMap;
use std::sync::Arc;

use super::ask::AskOf;
use super::content::{self, Content};
use super::conversation::{Conversation, ConversationOptions};
use super::conversations::ConversationsCall;
use super::options::Verb;
use super::outbox::Outbox;
use super::tertulia::Inner;
use super::work::InRun;
use crate::base::{ConversationId, Secret};
use crate::call::{CallContext, CallKey};
use crate::model::{Error, Preferences, PreferencesChange, Result};
use crate::store::{Durability, Op, WriteBatch};

/// The longest id of a user, in bytes.
const MAX_USER_BYTES: usize = 512;

/// The conversations of one user. Another user's cannot be named through it.
#[derive(Clone)]
pub struct UserScope {
    pub(super) engine: Arc<Inner>,
    pub(super) owner: Arc<str>,
    pub(super) keys: Arc<HashMap<String, Secret>>,
    /// The run that its calls belong to.
    pub(super) run: Option<InRun>,
}

impl UserScope {
    pub(super) fn new(engine: Arc<Inner>, owner: Arc<str>) -> Self {
        Self { engine, owner, keys: Arc::default(), run: None }
    }

    /// Who it is.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.owner
    }

    /// This user's own key for a provider. It serves this user alone.
    #[must_use]
    pub fn key(mut self, provider: impl Into<String>, key: impl Into<Secret>) -> Self {
        Arc::make_mut(&mut self.keys).insert(provider.into(), key.into());
        self
    }

    /// Asks once on this user's account and stores nothing.
    pub fn ask(&self, content: impl Into<Content>) -> Verb<AskOf> {
        let owner = Some(self.clone());
        Verb::new(AskOf { engine: self.engine.clone(), owner, conversation: None, content: content.into() })
    }

    /// A new conversation. Nothing is written before its first message; its id is there from the start.
    #[must_use]
    pub fn new_conversation(&self) -> Conversation {
        self.new_conversation_with(ConversationOptions::default())
    }

    /// A new conversation with a model, instructions, title or metadata of its own.
    #[must_use]
    pub fn new_conversation_with(&self, options: ConversationOptions) -> Conversation {
        let id = self.engine.ids.conversation();
        Conversation::new(self.clone(), id, Some(options))
    }

    /// A new conversation under an id made before, for instance by another language's binding, which hands the id out
    /// while the engine is not open yet. Where the conversation is there already, it is that one.
    #[must_use]
    pub fn new_conversation_at(&self, id: ConversationId, options: ConversationOptions) -> Conversation {
        Conversation::new(self.clone(), id, Some(options))
    }

    /// A conversation by its id. `NotFound` at its first use when there is none, or when it is another user's.
    #[must_use]
    pub fn conversation(&self, id: ConversationId) -> Conversation {
        Conversation::new(self.clone(), id, None)
    }

    /// The conversation that belongs to a key of your own (`"whatsapp:+34600"`): same key, same conversation.
    #[must_use]
    pub fn conversation_for(&self, key: impl AsRef<str>) -> Conversation {
        let id = ConversationId::derived(&self.owner, key.as_ref());
        Conversation::new(self.clone(), id, Some(ConversationOptions::default()))
    }

    /// This user's conversations that are not archived: the pinned ones first, and then the latest activity; 50 unless told
    /// otherwise.
    pub fn list_conversations(&self) -> ConversationsCall {
        ConversationsCall::of(self.clone())
    }

    /// What this user prefers: name, language, time zone, and whatever the host keeps beside them. Remembered for an hour,
    /// unless somebody changes it, here or in another process ([`LibrarySettings`](crate::LibrarySettings)).
    ///
    /// # Errors
    /// `Storage`.
    pub async fn preferences(&self) -> Result<Preferences> {
        let work = async {
            self.check()?;
            self.engine.library.preferences(&self.owner).await
        };
        work.await.map_err(|e| self.engine.failed(e, "user.preferences"))
    }

    /// Changes what this user prefers; what is left out stays as it is. At most 8 KiB in all.
    ///
    /// # Errors
    /// `Invalid` (bad_language, bad_time_zone, too_large); `Storage`.
    pub async fn update_preferences(&self, change: PreferencesChange) -> Result<()> {
        let work = async {
            self.check()?;
            let batch = WriteBatch::new(&*self.owner, self.engine.clock.now()).op(Op::UpdatePreferences(change));
            self.engine.store.apply(batch, Durability::PowerSafe).await.map(drop)
        };
        work.await.map_err(|e| self.engine.failed(e, "user.update_preferences"))
    }

    /// What of this user's messages waits to be sent by itself, is being sent, or was given up.
    #[must_use]
    pub fn outbox(&self) -> Outbox {
        Outbox::new(self.clone())
    }

    /// Refuses what cannot be a user before anything is read or written for it.
    pub(super) fn check(&self) -> Result<()> {
        self.engine.check_open()?;
        check_id(&self.owner)
    }

    /// Makes a call one of the run that this handle works for.
    pub(super) fn book(&self, context: &mut CallContext) {
        let Some(run) = &self.run else { return };
        context.run = Some(run.id.clone());
        if context.cost_limit.is_none() {
            context.cost_limit.clone_from(&run.cost_limit);
        }
    }

    /// True when calls of this handle may be on an account of the user's own.
    pub(super) fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The key for a call to this provider: the call's, else this user's.
    pub(super) fn key_for(&self, call: Option<&Secret>, provider: &str) -> Option<CallKey> {
        let key = call.or_else(|| self.keys.get(provider))?;
        Some(CallKey { provider: provider.to_owned(), key: key.clone() })
    }
}

/// Refuses what cannot be a user's id.
pub(super) fn check_id(owner: &str) -> Result<()> {
    if owner.is_empty() || owner.len() > MAX_USER_BYTES || content::check_text(owner).is_err() {
        let detail = format!("a user's id is text of 1 to {MAX_USER_BYTES} bytes without NUL characters");
        return Err(Error::invalid("bad_user", detail));
    }
    Ok(())
}

impl std::fmt::Debug for UserScope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("UserScope").field("id", &self.owner).finish_non_exhaustive()
    }
}
