//! A conversation of its own, with a copy of another one's past.

use super::aim::message_of;
use crate::base::{ConversationId, ErrorKind, MessageId};
use crate::engine::content::{Bytes, media_of};
use crate::engine::conversation::{Conversation, not_found};
use crate::engine::rows;
use crate::model::{Error, MediaSource, Message, MessageStatus, Result};
use crate::store::{Anchor, Content, Durability, NewConversation, NewRow, Op, Parent, Precondition, WriteBatch};

/// How many messages one transaction copies, at most.
const MESSAGES: usize = 100;

/// How many bytes of files one transaction copies before it ends.
const BYTES: usize = 4 << 20;

/// Copies everything up to this message.
pub(super) async fn duplicate(chat: &Conversation, last: MessageId) -> Result<Conversation> {
    chat.user.check()?;
    let engine = &chat.user.engine;
    if message_of(chat, last).await?.status == MessageStatus::Streaming {
        let detail = "the message is being written; stop its turn first, or copy up to the one before it";
        return Err(Error::new(ErrorKind::Conflict, "still_streaming", detail));
    }
    let copy = Conversation::new(chat.user.clone(), engine.ids.conversation(), None);
    let copied = copy_into(chat, copy.id, last).await;
    if copied.is_err() {
        let undo = WriteBatch::new(&*chat.user.owner, engine.clock.now()).op(Op::DeleteConversation { id: copy.id });
        // There may be nothing of it yet, and the first error says more.
        drop(engine.store.apply(undo, Durability::PowerSafe).await);
    }
    copied.map(|()| copy)
}

async fn copy_into(chat: &Conversation, to: ConversationId, last: MessageId) -> Result<()> {
    let engine = &chat.user.engine;
    let owner = &*chat.user.owner;
    let summary = engine.store.conversation(owner, chat.id).await?.ok_or_else(|| not_found("conversation"))?;
    let mut batch = WriteBatch::new(owner, engine.clock.now()).op(Op::PutConversation(NewConversation {
        id: to,
        title: summary.title,
        system: summary.system,
        model: summary.model,
        metadata: summary.metadata,
        tags: summary.tags,
        expires_in: None,
    }));
    let mut anchor = Anchor::Start;
    let mut parent = Parent::Start;
    let mut bytes = 0;
    loop {
        let rows = engine.store.messages_upto(owner, chat.id, last, anchor, MESSAGES).await?;
        let rows = rows.ok_or_else(|| not_found("conversation"))?;
        for message in rows.items {
            anchor = Anchor::After(message.id);
            let id = engine.ids.message();
            batch = copied(chat, batch, message, (to, id, parent), &mut bytes).await?;
            parent = Parent::Message(id);
            if bytes >= BYTES {
                batch = written(chat, to, batch).await?;
                bytes = 0;
            }
        }
        batch = written(chat, to, batch).await?;
        bytes = 0;
        if rows.reached_end {
            return Ok(());
        }
    }
}

/// Writes the batch and begins the next one.
async fn written(chat: &Conversation, to: ConversationId, batch: WriteBatch) -> Result<WriteBatch> {
    let engine = &chat.user.engine;
    engine.store.apply(batch, Durability::PowerSafe).await?;
    let next = WriteBatch::new(&*chat.user.owner, engine.clock.now());
    Ok(next.require(Precondition::Owns { conversation: to }))
}

/// The batch with a copy of this message, with files of its own.
async fn copied(
    chat: &Conversation,
    mut batch: WriteBatch,
    message: Message,
    (conversation, id, parent): (ConversationId, MessageId, Parent),
    bytes: &mut usize,
) -> Result<WriteBatch> {
    let engine = &chat.user.engine;
    let mut parts = message.parts;
    let mut files = Vec::new();
    for (index, part) in parts.iter_mut().enumerate() {
        for media in media_of(part) {
            let MediaSource::Attachment { id: old } = media.source else { continue };
            // One that is gone stays a name without bytes.
            let Some(stored) = engine.store.attachment(&chat.user.owner, old).await? else { continue };
            *bytes += stored.data.len();
            let new = engine.ids.attachment();
            media.source = MediaSource::Attachment { id: new };
            files.push(Bytes {
                id: new,
                part_index: i32::try_from(index).unwrap_or(i32::MAX),
                mime_type: stored.mime_type,
                name: stored.name,
                data: stored.data,
            });
        }
    }
    batch = batch.op(Op::AppendMessage(NewRow {
        id,
        conversation,
        parent,
        turn: None,
        role: message.role,
        // What nobody has ended yet has broken off in the copy.
        status: if message.status == MessageStatus::Streaming { MessageStatus::Interrupted } else { message.status },
        content: Content::encode(&parts)?,
        model: message.model,
        metadata: message.metadata,
        finish_reason: message.finish_reason,
        usage: None,
        cost: None,
        created_at: Some(message.created_at),
    }));
    for file in files {
        batch = batch.op(rows::put_attachment(id, file));
    }
    Ok(batch)
}
