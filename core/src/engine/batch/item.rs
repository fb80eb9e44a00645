//! One item of a batch: what is to be done, read and sized before anything is checked against the store.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use super::MAX_BYTES;
use crate::base::{ConversationId, MessageId};
use crate::engine::content::{self, Content, Said};
use crate::engine::conversation::{Conversation, check_tags, checked, ready};
use crate::engine::rows;
use crate::engine::transfer::check_path;
use crate::engine::user::UserScope;
use crate::model::{BatchVerb, Error, NewMessage, Part, Result};
use crate::store::ConversationChange;

#[derive(Clone, Debug)]
pub(super) enum Work {
    Delete(ConversationId),
    Update(ConversationId, Arc<ConversationChange>),
    Tag(ConversationId, Arc<[String]>),
    Untag(ConversationId, Arc<[String]>),
    Retag(ConversationId, Arc<(String, String)>),
    Append {
        chat: Conversation,
        messages: Vec<NewMessage>,
        /// Given once it is ready.
        ids: Vec<MessageId>,
    },
    Edit {
        chat: Conversation,
        old: MessageId,
        content: Content,
        /// The same.
        new: Option<(MessageId, NewMessage)>,
    },
    Export {
        path: PathBuf,
        ids: Vec<ConversationId>,
    },
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) index: usize,
    pub(super) work: Work,
    /// Why it cannot be, whatever is in the store.
    pub(super) refused: Option<Error>,
}

impl Item {
    pub(super) const fn new(index: usize, work: Work) -> Self {
        Self { index, work, refused: None }
    }

    pub(super) const fn verb(&self) -> BatchVerb {
        match self.work {
            Work::Delete(_) => BatchVerb::Delete,
            Work::Update(..) => BatchVerb::Update,
            Work::Tag(..) => BatchVerb::Tag,
            Work::Untag(..) => BatchVerb::Untag,
            Work::Retag(..) => BatchVerb::Retag,
            Work::Append { .. } => BatchVerb::Append,
            Work::Edit { .. } => BatchVerb::Edit,
            Work::Export { .. } => BatchVerb::Export,
        }
    }

    /// The one conversation it is about.
    pub(super) const fn conversation(&self) -> Option<ConversationId> {
        match &self.work {
            Work::Delete(id) | Work::Update(id, _) | Work::Tag(id, _) | Work::Untag(id, _) | Work::Retag(id, _) => {
                Some(*id)
            }
            Work::Append { chat, .. } | Work::Edit { chat, .. } => Some(chat.id),
            Work::Export { .. } => None,
        }
    }

    /// The messages that it adds.
    pub(super) fn messages(&self) -> Vec<MessageId> {
        match &self.work {
            Work::Append { ids, .. } => ids.clone(),
            Work::Edit { new, .. } => new.iter().map(|(id, _)| *id).collect(),
            _ => Vec::new(),
        }
    }

    /// Reads its files, and notes what cannot be whatever is in the store. Gives how many bytes it holds.
    ///
    /// # Errors
    /// What has nothing to do with the item.
    pub(super) async fn make_ready(&mut self, user: &UserScope) -> Result<usize> {
        let looked = self.look(user).await;
        Ok(looked.unwrap_or_else(|error| {
            self.refused = Some(error);
            0
        }))
    }

    async fn look(&mut self, user: &UserScope) -> Result<usize> {
        match &mut self.work {
            Work::Delete(_) => Ok(0),
            Work::Update(_, change) => checked(user, (**change).clone()).map(|_| 0),
            Work::Tag(_, tags) | Work::Untag(_, tags) => check_tags(tags).map(|()| 0),
            Work::Retag(_, tags) => check_tags(&[tags.0.clone(), tags.1.clone()]).map(|()| 0),
            Work::Append { chat, messages, ids } => {
                belongs(chat, user)?;
                chat.check_fresh()?;
                if messages.is_empty() {
                    return Err(Error::invalid(
                        "empty_message",
                        "give at least one message to append, or leave it out",
                    ));
                }
                let mut bytes = 0;
                for message in messages.iter_mut() {
                    ready(message).await?;
                    rows::content_of(&message.parts)?;
                    bytes += size(&message.parts);
                }
                *ids = messages.iter().map(|_| user.engine.ids.message()).collect();
                Ok(bytes)
            }
            Work::Edit { chat, content, new, .. } => {
                belongs(chat, user)?;
                let Said::Parts(parts) = &mut content.0 else {
                    return Err(Error::invalid("unsupported", "a message is edited by one message, not by a list"));
                };
                let parts = std::mem::take(parts);
                let mut message = NewMessage::new(content::role_of(&parts), parts);
                ready(&mut message).await?;
                rows::content_of(&message.parts)?;
                let bytes = size(&message.parts);
                *new = Some((user.engine.ids.message(), message));
                Ok(bytes)
            }
            Work::Export { path, ids } => {
                if ids.is_empty() {
                    return Err(Error::invalid("empty_export", "name the conversations that are to be in the file"));
                }
                check_path(path).await.map(|()| 0)
            }
        }
    }
}

/// The error of a batch that holds too much.
pub(super) fn too_large() -> Error {
    let most = MAX_BYTES >> 20;
    let detail = format!("the messages of a batch hold at most {most} MiB together; divide it into several");
    Error::invalid("batch_too_large", detail)
}

fn belongs(chat: &Conversation, user: &UserScope) -> Result<()> {
    if Arc::ptr_eq(&chat.user.engine, &user.engine) && chat.user.owner == user.owner {
        return Ok(());
    }
    let detail =
        "this conversation is of another user or another engine: take the handle of the user whose batch it is";
    Err(Error::invalid("other_user", detail))
}

/// How long these parts are as JSON.
fn size(parts: &[Part]) -> usize {
    struct Count(usize);
    impl Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    // What cannot be JSON is refused where it is written as such.
    drop(serde_json::to_writer(&mut count, parts));
    count.0
}
