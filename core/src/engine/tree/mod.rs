//! The tree of a conversation as users move about in it. Nothing is overwritten: what is said anew stands beside what was
//! said before, and one branch is shown.
//!
//! **While a turn is under way.** The turns of a conversation run one after the other, on whichever branch they stand.
//! `edit` and `regenerate` are turns like any other and wait for theirs. `switch_to` and `fork` do not wait for an answer:
//! one that comes for a branch that is not shown any more is put where it belongs and leaves what is shown alone. They
//! wait only for messages that were said before and are not saved yet, so that these go where their author meant them to
//! go. Another process may work on the same conversation: the store decides, in one transaction, where a message stands.
//!
//! **What waits in the outbox** is sent in the order in which it was said, whatever is shown by then. A message that is
//! edited or deleted before it was sent is taken out of the outbox in the same transaction, by compare-and-set on its
//! turn: either it is not sent at all, or whoever edits it hears `Conflict`.

mod aim;
mod copy;
mod delete;
mod pages;

use super::content::Content;
use super::conversation::{Conversation, StreamTo};
use super::options::Verb;
use super::turn::Opening;
use crate::base::MessageId;
use crate::model::Result;
use crate::store::{Durability, Op, WriteBatch};

pub(super) use aim::{Aim, Placing, deleted, message_of, waits};
pub use delete::DeleteCall;
pub use pages::{BranchesCall, SiblingsCall};

impl Conversation {
    /// Says a message anew: the new one stands beside it, is shown in its place, and is answered. The old one stays, with
    /// everything that followed; `switch_to` shows it. One that still waited to be sent is taken back instead, as
    /// `discard` does. Waits until the turns before it are over.
    ///
    /// Awaiting it fails as `stream` does, and with `NotFound`, `Invalid` (not_editable) for words of the model, and
    /// `Conflict` (epoch_moved) when the old one is being sent by another process at this very moment.
    pub fn edit(&self, message: MessageId, content: impl Into<Content>) -> Verb<StreamTo> {
        Verb::new(StreamTo { chat: self.clone(), opening: Opening::Edit(message, content.into()) })
    }

    /// Asks for another answer. Give the answer, or the message that was answered; the new one stands beside the old
    /// ones, is shown once it begins, and belongs to the same turn. It is asked of the model that was asked then, unless
    /// told otherwise. If it fails before its first word, everything is as it was: it is never put into the outbox.
    ///
    /// Awaiting it fails as `stream` does, and with `NotFound`, `Invalid` (no_question) when nothing was asked,
    /// (deleted) when the question is gone, and `Conflict` (waits) while the message waits in the outbox,
    /// (still_running) while another process answers it.
    pub fn regenerate(&self, message: MessageId) -> Verb<StreamTo> {
        Verb::new(StreamTo { chat: self.clone(), opening: Opening::Regenerate(message) })
    }

    /// The messages that stand in the same place, this one among them, in the order in which they were made: what a
    /// "2/3" switches between. Fifty about this one unless told otherwise.
    ///
    /// Awaiting it fails with `NotFound`, and with `Invalid` (bad_cursor, bad_limit).
    pub fn siblings(&self, message: MessageId) -> SiblingsCall {
        SiblingsCall::of(self.clone(), message)
    }

    /// The branches of the conversation, each by its last message, the newest first; fifty unless told otherwise.
    ///
    /// Awaiting it fails with `NotFound`, and with `Invalid` (bad_cursor, bad_limit).
    pub fn branches(&self) -> BranchesCall {
        BranchesCall::of(self.clone())
    }

    /// Shows the branch on which this message stands, for everybody who reads the conversation, and gives the id of its
    /// last message. A branch is shown as it was left. The conversation keeps its place in the list. Costs the same at any
    /// length; waits for no answer, but for messages said before that are not saved yet.
    ///
    /// # Errors
    /// `NotFound`, `Storage`.
    pub async fn switch_to(&self, message: MessageId) -> Result<MessageId> {
        let op = Op::SwitchTo { conversation: self.id, message };
        let head = self.move_head(op).await.map_err(|e| self.failed(e, "conversation.switch_to"))?;
        Ok(head.unwrap_or(message))
    }

    /// Begins a new branch behind this message: the conversation is shown up to it, and the next message goes there. What
    /// followed stays; `switch_to` shows it. Copies nothing.
    ///
    /// # Errors
    /// `NotFound`, `Storage`.
    pub async fn fork(&self, message: MessageId) -> Result<()> {
        let op = Op::ForkAt { conversation: self.id, message };
        self.move_head(op).await.map(drop).map_err(|e| self.failed(e, "conversation.fork"))
    }

    /// The conversation as it is seen from this message: `history` ends with it, whatever is shown to others, and what is
    /// sent or appended goes right behind it, each time, and is shown from then on. Reads and writes nothing by itself; a
    /// message that is not there is `NotFound` to whoever reads or sends. Everything else is as for the conversation.
    #[must_use]
    pub fn at(&self, message: MessageId) -> Self {
        Self { from: Some(message), fresh: None, ..self.clone() }
    }

    /// A conversation of its own, with a copy of what was said up to and including this message, of its title,
    /// instructions, model, metadata and tags, and of the files. What the answers took and cost stays with the original. Copied
    /// in batches; whoever is ended in the middle of it leaves the beginning of a copy.
    ///
    /// # Errors
    /// `NotFound`, `Storage`; `Conflict` (still_streaming) when the message is being written.
    pub async fn duplicate(&self, message: MessageId) -> Result<Self> {
        let work = copy::duplicate(self, message);
        self.user.engine.tasks.on_runtime(work).await.map_err(|e| self.failed(e, "conversation.duplicate"))
    }

    /// Deletes a message: its words, files and metadata are gone, and no model is shown it. It keeps its place, as a
    /// message with the status `deleted`, so that everything else keeps its own. With `.subtree()` it goes altogether,
    /// and everything below it on all branches; when the branch that is shown goes through it, that one ends before it.
    /// A message that waits to be sent is taken out of the outbox.
    ///
    /// Awaiting it fails with `NotFound`, `Storage`, and with `Conflict` (still_streaming, turn_open) when it is being
    /// answered or written: stop its turn first.
    pub fn delete_message(&self, message: MessageId) -> DeleteCall {
        DeleteCall::new(self.clone(), message)
    }

    async fn move_head(&self, op: Op) -> Result<Option<MessageId>> {
        self.user.check()?;
        let engine = &self.user.engine;
        let queue = engine.queue(self.id);
        // Whoever said something before meant it for the branch that was shown.
        let _turn = if queue.has_unsaved() { Some(queue.enter().await.await?) } else { None };
        let batch = WriteBatch::new(&*self.user.owner, engine.clock.now()).op(op);
        engine.store.apply(batch, Durability::PowerSafe).await.map(|receipt| receipt.head)
    }
}
