//! A conversation on its way into the store: what of it is not written yet, and what it is called here.

use std::collections::HashSet;
use std::time::Duration;

use super::steps::{Attached, Begun, Named, Said, Words, fitting};
use crate::base::{AttachmentId, ConversationId, MessageId, Timestamp};
use crate::engine::content::{Bytes, MAX_MEDIA_BYTES, media_of};
use crate::engine::conversation::{check_metadata, distinct};
use crate::engine::rows;
use crate::model::{ImportProblem, Media, MediaSource, MessageStatus, Part, Result};
use crate::store::{Content, ConversationChange, NewConversation, NewRow, Op, Parent};

/// The longest name of a model that is taken from a file.
const MAX_NAME_BYTES: usize = 512;

/// What a conversation and what stands in it are called here.
#[derive(Clone, Copy, Debug)]
pub(super) enum Ids {
    /// As in the file.
    Same(ConversationId),
    /// After that: somebody has the ids already.
    After(ConversationId),
}

impl Ids {
    pub(super) const fn conversation(self) -> ConversationId {
        let (Self::Same(id) | Self::After(id)) = self;
        id
    }

    pub(super) fn message(self, id: MessageId) -> MessageId {
        match self {
            Self::Same(_) => id,
            Self::After(conversation) => MessageId::imported(conversation, id.as_bytes()),
        }
    }

    fn attachment(self, id: AttachmentId) -> AttachmentId {
        match self {
            Self::Same(_) => id,
            Self::After(conversation) => AttachmentId::imported(conversation, id.as_bytes()),
        }
    }
}

/// A conversation that is imported.
#[derive(Debug)]
pub(super) struct Chat {
    pub(super) begun: Begun,
    pub(super) ids: Ids,
    /// True when it was here before, and the head that it had.
    pub(super) was_there: Option<Option<MessageId>>,
    /// True when something of it is written.
    pub(super) is_written: bool,
    /// True when nothing more of it is taken.
    pub(super) is_refused: bool,
    pub(super) has_ended: bool,
    /// Its messages so far, as the file calls them.
    pub(super) seen: HashSet<MessageId>,
    /// Its files so far.
    pub(super) files_seen: HashSet<AttachmentId>,
    /// Those of its messages that were here before.
    pub(super) present: HashSet<MessageId>,
    /// How many of its messages were added.
    pub(super) added: usize,
    pub(super) messages: Vec<Said>,
    pub(super) files: Vec<Attached>,
    pub(super) shown: Vec<MessageId>,
}

impl Chat {
    pub(super) fn new(begun: Begun, ids: Ids, was_there: Option<Option<MessageId>>) -> Self {
        Self {
            begun,
            ids,
            was_there,
            is_written: false,
            is_refused: false,
            has_ended: false,
            seen: HashSet::new(),
            files_seen: HashSet::new(),
            present: HashSet::new(),
            added: 0,
            messages: Vec::new(),
            files: Vec::new(),
            shown: Vec::new(),
        }
    }

    /// The ids that it has when somebody has those of the file; nothing when it cannot have others any more.
    pub(super) fn other_ids(&self, owner: &str) -> Option<Ids> {
        match (self.begun.id, self.ids) {
            (Named::There(id), Ids::Same(_)) if self.was_there.is_none() && !self.is_written => {
                Some(Ids::After(after(owner, id)))
            }
            _ => None,
        }
    }

    /// What is not written yet, as ops. What is said too long is cut, and told.
    pub(super) fn ops(&self, now: Timestamp, problems: &mut Vec<ImportProblem>) -> Result<Vec<Op>> {
        let id = self.ids.conversation();
        let mut ops = Vec::with_capacity(self.messages.len() + self.files.len() + 4);
        if !self.is_written && self.was_there.is_none() {
            ops.push(Op::PutConversation(self.conversation(now)));
        }
        for said in &self.messages {
            self.append(said, &mut ops, problems)?;
        }
        for file in &self.files {
            ops.push(rows::put_attachment(
                self.ids.message(file.message),
                Bytes {
                    id: self.ids.attachment(file.id),
                    part_index: file.part_index,
                    mime_type: file.mime_type.clone(),
                    name: file.name.clone(),
                    data: file.data.clone(),
                },
            ));
        }
        if self.has_ended && self.was_there.is_none() {
            let shown = self.shown.iter().map(|message| self.ids.message(*message));
            ops.extend(shown.map(|message| Op::ForkAt { conversation: id, message }));
            let (pinned, archived) = (self.begun.pinned.then_some(true), self.begun.archived.then_some(true));
            if pinned.or(archived).is_some() {
                let change = ConversationChange { pinned, archived, ..ConversationChange::default() };
                ops.push(Op::UpdateConversation { id, change });
            }
            if let Some(created_at) = self.begun.created_at {
                let updated_at = self.begun.updated_at.unwrap_or(created_at);
                ops.push(Op::DateConversation { id, created_at, updated_at });
            }
        }
        Ok(ops)
    }

    fn conversation(&self, now: Timestamp) -> NewConversation {
        let begun = &self.begun;
        let left = |until: Timestamp| until.as_millis().saturating_sub(now.as_millis()).max(1);
        NewConversation {
            id: self.ids.conversation(),
            title: begun.title.clone(),
            system: begun.system.clone(),
            model: begun.model.clone(),
            metadata: begun.metadata.clone(),
            tags: distinct(&begun.tags),
            expires_in: begun.expires_at.map(|until| Duration::from_millis(left(until).unsigned_abs())),
        }
    }

    fn append(&self, said: &Said, ops: &mut Vec<Op>, problems: &mut Vec<ImportProblem>) -> Result<()> {
        let (conversation, id, words) = (self.ids.conversation(), self.ids.message(said.id), &said.words);
        let mut parts = words.parts.clone();
        let mut files = Vec::new();
        for (index, part) in parts.iter_mut().enumerate() {
            for (number, media) in media_of(part).iter_mut().enumerate() {
                match &mut media.source {
                    MediaSource::Attachment { id } => *id = self.ids.attachment(*id),
                    MediaSource::Data { data } => {
                        let data = std::mem::take(data);
                        let mut name = id.as_bytes().to_vec();
                        name.extend(format!("{index} {number}").into_bytes());
                        let file = AttachmentId::imported(conversation, &name);
                        media.source = MediaSource::Attachment { id: file };
                        files.push(Bytes {
                            id: file,
                            part_index: i32::try_from(index).unwrap_or(i32::MAX),
                            mime_type: media.mime_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned()),
                            name: media.name.clone(),
                            data: data.into(),
                        });
                    }
                    _ => {}
                }
            }
        }
        let content = match Content::encode(&parts) {
            Ok(content) => content,
            Err(_) => {
                let detail = "a message is longer than what is kept of one; its beginning was taken";
                problems.push(said.at.problem("too_large", detail));
                files.clear();
                Content::encode(&rows::shortened(parts))?
            }
        };
        ops.push(Op::AppendMessage(NewRow {
            id,
            conversation,
            parent: Parent::Restored {
                below: said.parent.map(|parent| self.ids.message(parent)),
                selected: said.selected,
            },
            turn: None,
            role: words.role,
            status: words.status,
            content,
            model: words.model.clone(),
            metadata: words.metadata.clone(),
            finish_reason: words.finish_reason,
            usage: words.usage.clone(),
            cost: words.cost.clone(),
            created_at: words.created_at,
        }));
        ops.extend(files.into_iter().map(|file| rows::put_attachment(id, file)));
        Ok(())
    }
}

/// The id of a conversation whose own id somebody else has.
pub(super) fn after(owner: &str, id: ConversationId) -> ConversationId {
    ConversationId::imported(owner, &format!("tertulia {id}"))
}

/// Makes words fit to be kept. What had to go is told.
pub(super) fn tidied(words: &mut Words) -> Vec<(&'static str, &'static str)> {
    let mut told = Vec::new();
    // Nobody writes on it here.
    if words.status == MessageStatus::Streaming {
        words.status = MessageStatus::Interrupted;
    }
    if words.status == MessageStatus::Deleted {
        words.parts.clear();
        words.metadata.clear();
    }
    for part in &mut words.parts {
        if let Part::Text { text, .. } | Part::Reasoning { text } | Part::Refusal { text } = part
            && text.contains('\0')
        {
            *text = text.replace('\0', "\u{fffd}");
        }
    }
    let is_local = |media: &Media| matches!(media.source, MediaSource::Path { .. });
    let is_long = |media: &Media| match &media.source {
        MediaSource::Data { data } => data.is_empty() || data.len() as u64 > MAX_MEDIA_BYTES,
        _ => false,
    };
    let count = words.parts.len();
    words.parts.retain_mut(|part| !media_of(part).iter().any(is_local));
    if words.parts.len() < count {
        told.push(("local_file", "a part named a file of this machine; it was left out"));
    }
    let count = words.parts.len();
    words.parts.retain_mut(|part| !media_of(part).iter().any(is_long));
    if words.parts.len() < count {
        told.push(("too_large", "a file of a message is empty or longer than what is kept of one; it was left out"));
    }
    if check_metadata(&words.metadata).is_err() {
        words.metadata.clear();
        told.push(("bad_metadata", "the metadata of a message is too long or holds NUL characters; it was left out"));
    }
    words.model = words.model.take().map(|model| fitting(model, MAX_NAME_BYTES));
    told
}
