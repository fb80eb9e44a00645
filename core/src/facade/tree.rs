//! What stands beside what is shown: other words, other answers, other branches.

use std::sync::Arc;
use std::time::SystemTime;

use super::cancel::CancelToken;
use super::conversation::Conversation;
use super::error::TertuliaError;
use super::id::id;
use super::message::moment;
use super::options::CallOptions;
use super::page::{BranchPage, MessagePage, count, place};
use super::part::{self, Part};
use super::stream::ReplyStream;
use super::words::Role;
use crate::model;

/// A branch of a conversation: the way from its beginning to a message behind which nothing was said.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Branch {
    /// Its last message; `switch_to` shows the branch.
    pub head_id: String,
    /// How many messages stand on it.
    pub depth: i32,
    /// Who spoke last.
    pub last_role: Role,
    /// The beginning of the last message, at most 160 characters; nothing while it is being written.
    pub last_preview: Option<String>,
    /// When the last message was saved.
    pub created_at: SystemTime,
    /// True for the branch that is shown.
    pub is_current: bool,
}

impl From<model::Branch> for Branch {
    fn from(branch: model::Branch) -> Self {
        let model::Branch { head_id, depth, last_role, last_preview, created_at, is_current } = branch;
        Self {
            head_id: head_id.to_string(),
            depth,
            last_role: last_role.into(),
            last_preview,
            created_at: moment(created_at),
            is_current,
        }
    }
}

#[uniffi::export]
impl Conversation {
    /// Says a message anew: the new one stands beside it, is shown in its place, and is answered. The old one stays, with
    /// everything that followed; `switch_to` shows it. One that still waited to be sent is taken back instead. Waits until
    /// the turns before it are over.
    ///
    /// # Errors
    /// As of `stream`; `NotFound`; `Invalid` (not_editable) for words of the model; `Conflict` (epoch_moved) when the old
    /// one is being sent by another process at this very moment.
    #[uniffi::method(default(cancel = None, options))]
    pub async fn edit(
        &self,
        message_id: String,
        parts: Vec<Part>,
        options: CallOptions,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Arc<ReplyStream>, TertuliaError> {
        let message = id(&message_id, "conversation.edit")?;
        let verb = self.chat.edit(message, part::taken(parts)?).with(options.try_into()?);
        self.begin(cancel, verb.into_future()).await
    }

    /// Asks for another answer. Give the answer, or the message that was answered; the new one stands beside the old ones,
    /// is shown once it begins, and belongs to the same turn. It is asked of the model that was asked then, unless told
    /// otherwise. If it fails before its first word, everything is as it was.
    ///
    /// # Errors
    /// As of `stream`; `NotFound`; `Invalid` (no_question) when nothing was asked, (deleted) when the question is gone;
    /// `Conflict` (waits) while the message waits in the outbox, (still_running) while another process answers it.
    #[uniffi::method(default(cancel = None, options))]
    pub async fn regenerate(
        &self,
        message_id: String,
        options: CallOptions,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Arc<ReplyStream>, TertuliaError> {
        let message = id(&message_id, "conversation.regenerate")?;
        let verb = self.chat.regenerate(message).with(options.try_into()?);
        self.begin(cancel, verb.into_future()).await
    }

    /// The messages that stand in the same place, this one among them, in the order in which they were made: what a "2/3"
    /// switches between. Those about this one unless a page's own `before` or `after` says where; 1 to 200 of them.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` (bad_cursor, bad_limit, bad_id); `Storage`; `Cancelled`.
    #[uniffi::method(default(limit = 50, before = None, after = None, cancel = None))]
    pub async fn siblings(
        &self,
        message_id: String,
        limit: i32,
        before: Option<String>,
        after: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<MessagePage, TertuliaError> {
        const OPERATION: &str = "conversation.siblings";
        let call = self.chat.siblings(id(&message_id, OPERATION)?).limit(count(limit));
        let call = call.before(place(before.as_deref(), OPERATION)?).after(place(after.as_deref(), OPERATION)?);
        self.ground.run(cancel, call.into_future()).await.map(MessagePage::from)
    }

    /// The branches of the conversation, each by its last message, the newest first; 1 to 200 of them. `before` and `after`
    /// are those of a page.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` (bad_cursor, bad_limit); `Storage`; `Cancelled`.
    #[uniffi::method(default(limit = 50, before = None, after = None, cancel = None))]
    pub async fn branches(
        &self,
        limit: i32,
        before: Option<String>,
        after: Option<String>,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<BranchPage, TertuliaError> {
        const OPERATION: &str = "conversation.branches";
        let call = self.chat.branches().limit(count(limit));
        let call = call.before(place(before.as_deref(), OPERATION)?).after(place(after.as_deref(), OPERATION)?);
        self.ground.run(cancel, call.into_future()).await.map(BranchPage::from)
    }

    /// Shows the branch on which this message stands, for everybody who reads the conversation, and gives the id of its
    /// last message. A branch is shown as it was left. The conversation keeps its place in the list.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` (bad_id); `Storage`; `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn switch_to(
        &self,
        message_id: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<String, TertuliaError> {
        let (chat, message) = (self.chat.clone(), id(&message_id, "conversation.switch_to")?);
        let head = self.ground.run(cancel, async move { chat.switch_to(message).await }).await?;
        Ok(head.to_string())
    }

    /// Begins a new branch behind this message: the conversation is shown up to it, and the next message goes there. What
    /// followed stays; `switch_to` shows it. Copies nothing.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` (bad_id); `Storage`; `Cancelled`.
    #[uniffi::method(default(cancel = None))]
    pub async fn fork(&self, message_id: String, cancel: Option<Arc<CancelToken>>) -> Result<(), TertuliaError> {
        let (chat, message) = (self.chat.clone(), id(&message_id, "conversation.fork")?);
        self.ground.run(cancel, async move { chat.fork(message).await }).await
    }

    /// The conversation as it is seen from this message: `history` ends with it, whatever is shown to others, and what is
    /// sent or appended goes right behind it, each time, and is shown from then on. Reads and writes nothing by itself; a
    /// message that is not there is `NotFound` to whoever reads or sends. Everything else is as for the conversation.
    ///
    /// # Errors
    /// `Invalid` (bad_id).
    #[expect(clippy::result_large_err, reason = "a border has no boxes; the error is written to bytes at once")]
    pub fn at(&self, message_id: String) -> Result<Arc<Self>, TertuliaError> {
        let chat = self.chat.at(id(&message_id, "conversation.at")?);
        Ok(Arc::new(Self::new(chat, self.ground.clone())))
    }

    /// A conversation of its own, with a copy of what was said up to and including this message, of its title,
    /// instructions, model, metadata and tags, and of the files. What the answers took and cost stays with the original.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` (bad_id); `Storage`; `Conflict` (still_streaming) when the message is being written;
    /// `Cancelled`, which may leave the beginning of a copy.
    #[uniffi::method(default(cancel = None))]
    pub async fn duplicate(
        &self,
        message_id: String,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<Arc<Self>, TertuliaError> {
        let (chat, message) = (self.chat.clone(), id(&message_id, "conversation.duplicate")?);
        let copy = self.ground.run(cancel, async move { chat.duplicate(message).await }).await?;
        Ok(Arc::new(Self::new(copy, self.ground.clone())))
    }

    /// Deletes a message: its words, files and metadata are gone, and no model is shown it. It keeps its place, as a message
    /// with the status `deleted`, so that everything else keeps its own. With `subtree` it goes altogether, and everything
    /// below it on all branches; when the branch that is shown goes through it, that one ends before it. A message that
    /// waits to be sent is taken out of the outbox.
    ///
    /// # Errors
    /// `NotFound`; `Invalid` (bad_id); `Storage`; `Conflict` (still_streaming, turn_open) when it is being answered or
    /// written: stop its turn first. `Cancelled`.
    #[uniffi::method(default(subtree = false, cancel = None))]
    pub async fn delete_message(
        &self,
        message_id: String,
        subtree: bool,
        cancel: Option<Arc<CancelToken>>,
    ) -> Result<(), TertuliaError> {
        let call = self.chat.delete_message(id(&message_id, "conversation.delete_message")?);
        let call = if subtree { call.subtree() } else { call };
        self.ground.run(cancel, call.into_future()).await
    }
}
