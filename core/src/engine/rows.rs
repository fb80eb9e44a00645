//! How messages become ops of the store: bytes in hand stand apart, what is too long is cut.

use super::content::{self, media_of};
use super::conversation::{Conversation, ConversationOptions, distinct};
use crate::base::{MessageId, TurnId};
use crate::model::{MediaSource, MessageStatus, NewMessage, Part, Result};
use crate::store::{
    Content, MAX_CONTENT_BYTES, NewAttachment, NewConversation, NewRow, Op, Parent, Precondition, WriteBatch,
};

/// A batch that begins this conversation, or needs it to be there.
pub(super) fn begin(chat: &Conversation, fresh: Option<&ConversationOptions>) -> WriteBatch {
    begin_in(WriteBatch::new(&*chat.user.owner, chat.user.engine.clock.now()), chat, fresh)
}

/// The same in a batch that does other things, too.
pub(super) fn begin_in(batch: WriteBatch, chat: &Conversation, fresh: Option<&ConversationOptions>) -> WriteBatch {
    match fresh {
        Some(fresh) => batch.op(Op::PutConversation(NewConversation {
            id: chat.id,
            title: fresh.title.clone(),
            system: fresh.system.clone(),
            model: fresh.model.clone(),
            metadata: fresh.metadata.clone(),
            tags: distinct(&fresh.tags),
            expires_in: fresh.expires_in,
        })),
        None => batch.require(Precondition::Owns { conversation: chat.id }),
    }
}

/// Adds whole messages one below the other, at the end of what the handle shows.
pub(super) fn append_all(
    mut batch: WriteBatch,
    chat: &Conversation,
    messages: impl IntoIterator<Item = (MessageId, NewMessage)>,
) -> Result<WriteBatch> {
    let mut parent = chat.from.map_or(Parent::Head, Parent::Message);
    for (id, message) in messages {
        batch = append(batch, chat, id, None, message, parent)?;
        parent = Parent::Head;
    }
    Ok(batch)
}

/// Adds a whole message; its bytes in hand become attachments.
pub(super) fn append(
    mut batch: WriteBatch,
    chat: &Conversation,
    id: MessageId,
    turn: Option<TurnId>,
    mut message: NewMessage,
    parent: Parent,
) -> Result<WriteBatch> {
    let attachments = content::detach_bytes(&mut message.parts, &chat.user.engine.ids);
    batch = batch.op(Op::AppendMessage(NewRow {
        id,
        conversation: chat.id,
        parent,
        turn,
        role: message.role,
        status: MessageStatus::Complete,
        content: Content::encode(&message.parts)?,
        model: None,
        metadata: message.metadata,
        finish_reason: None,
        usage: None,
        cost: None,
        created_at: None,
    }));
    for bytes in attachments {
        batch = batch.op(put_attachment(id, bytes));
    }
    Ok(batch)
}

/// Keeps bytes beside their message.
pub(super) fn put_attachment(message: MessageId, bytes: content::Bytes) -> Op {
    Op::PutAttachment(NewAttachment {
        id: bytes.id,
        message,
        part_index: bytes.part_index,
        mime_type: bytes.mime_type,
        name: bytes.name,
        data: bytes.data,
    })
}

/// What stands in the row of a message with these parts; nothing, and only a look whether there is room for it, where some
/// may have bytes in hand, which go apart first.
///
/// # Errors
/// `Invalid` (too_large).
pub(super) fn content_of(parts: &[Part]) -> Result<Option<Content>> {
    let has_none = |part: &Part| matches!(part, Part::Text { .. } | Part::Reasoning { .. } | Part::Refusal { .. });
    if parts.iter().all(has_none) {
        return Content::encode(parts).map(Some);
    }
    Content::encode(&without_bytes(parts.to_vec())).map(|_| None)
}

/// The parts without bytes in hand, which are kept apart.
fn without_bytes(mut parts: Vec<Part>) -> Vec<Part> {
    for media in parts.iter_mut().flat_map(media_of) {
        if matches!(media.source, MediaSource::Data { .. }) {
            media.source = MediaSource::Url { url: String::new() };
        }
    }
    parts
}

/// The beginning of a reply that is longer than the store keeps.
pub(super) fn shortened(parts: Vec<Part>) -> Vec<Part> {
    let mut left = MAX_CONTENT_BYTES / 8;
    let mut kept = Vec::new();
    for part in parts {
        let Part::Text { mut text, citations } = part else { continue };
        let mut end = text.len().min(left);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        left -= end;
        kept.push(Part::Text { text, citations });
    }
    kept
}
