//! The items of a batch in their order, against what is there and what those before make of it; and the ops they become.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::item::{Item, Work};
use crate::base::{ConversationId, ErrorKind, MessageId, TurnId};
use crate::engine::conversation::{Conversation, check_tags, checked, distinct, not_found};
use crate::engine::options::CallOptions;
use crate::engine::rows;
use crate::engine::tree::{Placing, message_of};
use crate::engine::user::UserScope;
use crate::model::{Error, NewMessage, Result};
use crate::store::{ConversationChange, Op, Precondition, WriteBatch};

/// What there is to do, as far as nothing refuses it.
pub(super) struct Plan<'a> {
    user: &'a UserScope,
    known: HashMap<ConversationId, Known>,
    /// What is to be written, in one transaction.
    pub(super) batch: WriteBatch,
    /// The items that are refused.
    pub(super) refused: Vec<(usize, Error)>,
    /// The conversations that are gone when it is done.
    pub(super) deleted: BTreeSet<ConversationId>,
    /// The files that are written, by their items.
    pub(super) files: Vec<(usize, PathBuf, Vec<ConversationId>)>,
    /// Turns that leave the outbox.
    pub(super) taken_back: Vec<TurnId>,
    paths: HashMap<PathBuf, usize>,
    /// What would have been in files that are not written.
    unwritten: HashMap<ConversationId, usize>,
}

/// What is known of a conversation.
#[derive(Default)]
struct Known {
    is_there: bool,
    /// Nothing for one that the batch begins.
    version: Option<i64>,
    tags: Vec<String>,
    changed_by: Option<usize>,
    deleted_by: Option<usize>,
    is_exported: bool,
    guards: HashSet<&'static str>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(user: &'a UserScope) -> Self {
        Self {
            user,
            known: HashMap::new(),
            batch: WriteBatch::new(&*user.owner, user.engine.clock.now()),
            refused: Vec::new(),
            deleted: BTreeSet::new(),
            files: Vec::new(),
            taken_back: Vec::new(),
            paths: HashMap::new(),
            unwritten: HashMap::new(),
        }
    }

    /// The item that deletes this conversation.
    pub(super) fn deletion(&self, id: ConversationId) -> Option<usize> {
        self.known.get(&id)?.deleted_by
    }

    /// Adds an item, or notes why it is refused.
    ///
    /// # Errors
    /// What the store cannot read.
    pub(super) async fn take(&mut self, item: &Item) -> Result<()> {
        let done = match &item.refused {
            Some(error) => Err(error.clone()),
            None => self.add(item).await,
        };
        let Err(error) = done else { return Ok(()) };
        if item.refused.is_none() && !is_refusal(&error) {
            return Err(error);
        }
        if let Work::Export { ids, .. } = &item.work {
            self.unwritten.extend(ids.iter().map(|id| (*id, item.index)));
        }
        self.refused.push((item.index, error));
        Ok(())
    }

    async fn add(&mut self, item: &Item) -> Result<()> {
        let at = item.index;
        match &item.work {
            Work::Delete(id) => self.delete(at, *id).await,
            Work::Update(id, change) => self.update(at, *id, checked(self.user, (**change).clone())?).await,
            Work::Tag(id, tags) => {
                let retagged = |had: &[String]| Ok([had, &tags[..]].concat());
                self.retag(at, *id, retagged).await
            }
            Work::Untag(id, tags) => {
                let retagged = |had: &[String]| Ok(had.iter().filter(|tag| !tags.contains(tag)).cloned().collect());
                self.retag(at, *id, retagged).await
            }
            Work::Retag(id, tags) => {
                let retagged = |had: &[String]| {
                    let place = had.iter().position(|tag| *tag == tags.0).ok_or_else(not_tagged)?;
                    let mut now = had.to_vec();
                    now[place].clone_from(&tags.1);
                    Ok(now)
                };
                self.retag(at, *id, retagged).await
            }
            Work::Append { chat, messages, ids } => self.append(at, chat, messages, ids).await,
            Work::Edit { chat, old, new, .. } => {
                let Some((id, message)) = new else { return Err(Error::internal("an edit was not made ready")) };
                self.edit(at, chat, *old, (*id, message.clone())).await
            }
            Work::Export { path, ids } => self.export(at, path, ids).await,
        }
    }

    async fn known(&mut self, id: ConversationId) -> Result<&mut Known> {
        Ok(match self.known.entry(id) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let row = self.user.engine.store.conversation(&self.user.owner, id).await?;
                let known = row.map(|row| Known {
                    is_there: true,
                    version: Some(row.version),
                    tags: row.tags,
                    ..Known::default()
                });
                place.insert(known.unwrap_or_default())
            }
        })
    }

    /// A conversation that is there when this item is come to.
    async fn there(&mut self, id: ConversationId) -> Result<&mut Known> {
        let known = self.known(id).await?;
        match known.deleted_by {
            _ if known.is_there => Ok(known),
            Some(by) => Err(gone(by)),
            None => Err(not_found("conversation")),
        }
    }

    async fn delete(&mut self, at: usize, id: ConversationId) -> Result<()> {
        let unwritten = self.unwritten.get(&id).copied();
        let known = self.there(id).await?;
        if let Some(by) = unwritten {
            return Err(not_exported(by));
        }
        let guard = known.is_exported.then(|| known.guard(id)).flatten();
        *known = Known { deleted_by: Some(at), changed_by: Some(at), ..Known::default() };
        self.batch.preconditions.extend(guard);
        self.batch.ops.push(Op::DeleteConversation { id });
        self.deleted.insert(id);
        Ok(())
    }

    async fn update(&mut self, at: usize, id: ConversationId, change: ConversationChange) -> Result<()> {
        let known = self.there(id).await?;
        known.changed_by = known.changed_by.or(Some(at));
        if let Some(tags) = &change.tags {
            known.tags.clone_from(tags);
        }
        self.batch.ops.push(Op::UpdateConversation { id, change });
        Ok(())
    }

    /// Gives a conversation other tags, made of those that it has.
    async fn retag(
        &mut self,
        at: usize,
        id: ConversationId,
        retagged: impl FnOnce(&[String]) -> Result<Vec<String>>,
    ) -> Result<()> {
        let known = self.there(id).await?;
        let tags = distinct(&retagged(&known.tags)?);
        check_tags(&tags)?;
        // Who tags it meanwhile is not overwritten.
        let guard = known.guard(id);
        self.batch.preconditions.extend(guard);
        if self.there(id).await?.tags == tags {
            return Ok(());
        }
        self.update(at, id, ConversationChange { tags: Some(tags), ..ConversationChange::default() }).await
    }

    async fn append(
        &mut self,
        at: usize,
        chat: &Conversation,
        messages: &[NewMessage],
        ids: &[MessageId],
    ) -> Result<()> {
        let fresh = chat.fresh.as_deref();
        let is_there = match fresh {
            Some(_) => self.known(chat.id).await?.is_there,
            None => self.there(chat.id).await?.is_there,
        };
        if let Some(from) = chat.from {
            message_of(chat, from).await?;
        }
        let written = self.begun(chat, is_there);
        let written = rows::append_all(written, chat, ids.iter().copied().zip(messages.iter().cloned()))?;
        let known = self.known(chat.id).await?;
        known.changed_by = known.changed_by.or(Some(at));
        if let Some(fresh) = fresh.filter(|_| !is_there) {
            (known.is_there, known.tags) = (true, distinct(&fresh.tags));
        }
        self.add_all(written);
        Ok(())
    }

    async fn edit(
        &mut self,
        at: usize,
        chat: &Conversation,
        old: MessageId,
        (id, message): (MessageId, NewMessage),
    ) -> Result<()> {
        self.there(chat.id).await?;
        let mut placing = Placing::of(chat, &CallOptions::default()).instead(chat, old).await?;
        if let Some(turn) = placing.taken_back {
            if self.taken_back.contains(&turn) {
                placing.preconditions.clear();
                placing.ops.clear();
            } else {
                self.taken_back.push(turn);
            }
        }
        let mut written = rows::append(self.begun(chat, true), chat, id, None, message, placing.message)?;
        written.preconditions.extend(placing.preconditions);
        written.ops.extend(placing.ops);
        let known = self.there(chat.id).await?;
        known.changed_by = known.changed_by.or(Some(at));
        self.add_all(written);
        Ok(())
    }

    async fn export(&mut self, at: usize, path: &Path, ids: &[ConversationId]) -> Result<()> {
        let full = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        if let Some(other) = self.paths.get(&full) {
            return Err(same_path(*other));
        }
        for id in ids {
            if let Some(by) = self.there(*id).await?.changed_by {
                return Err(changed_before(by));
            }
        }
        for id in ids {
            self.there(*id).await?.is_exported = true;
        }
        self.paths.insert(full, at);
        self.files.push((at, path.to_owned(), ids.to_vec()));
        Ok(())
    }

    /// An empty batch that begins this conversation, or needs it to be there.
    fn begun(&self, chat: &Conversation, is_there: bool) -> WriteBatch {
        let empty = WriteBatch::new(&*self.user.owner, self.batch.at);
        let is_ours = self.known.get(&chat.id).is_some_and(|known| known.version.is_none());
        match chat.fresh.as_deref().filter(|_| !is_there) {
            // What this batch has begun needs no other proof.
            None if is_ours => empty,
            fresh => rows::begin_in(empty, chat, fresh),
        }
    }

    fn add_all(&mut self, written: WriteBatch) {
        self.batch.preconditions.extend(written.preconditions);
        self.batch.ops.extend(written.ops);
    }
}

impl Known {
    /// What makes sure that nobody has changed the conversation since it was looked at; nothing when something does already.
    fn guard(&mut self, conversation: ConversationId) -> Option<Precondition> {
        let expected = self.version.filter(|_| self.guards.insert("version"))?;
        Some(Precondition::Version { conversation, expected })
    }
}

/// True for what an item is refused for, and false for what has nothing to do with it.
pub(super) fn is_refusal(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict | ErrorKind::Invalid)
}

fn gone(by: usize) -> Error {
    let detail = format!("item {by} of this batch deletes the conversation; put this one before it, or leave it out");
    Error::new(ErrorKind::NotFound, "deleted_before", detail)
}

fn not_exported(by: usize) -> Error {
    let detail =
        format!("item {by} of this batch, which would have kept it in a file, is refused: mend that one first");
    Error::new(ErrorKind::Conflict, "not_exported", detail)
}

fn changed_before(by: usize) -> Error {
    let detail =
        format!("a file holds what is there before the batch; put this item before item {by}, which changes it");
    Error::invalid("changed_before", detail)
}

fn same_path(by: usize) -> Error {
    Error::invalid("same_path", format!("item {by} of this batch writes the same file; give each a path of its own"))
}

fn not_tagged() -> Error {
    Error::invalid("not_tagged", "the conversation has no such tag to be moved from; `tag` adds one")
}
