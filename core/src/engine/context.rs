//! What a model is shown of a conversation: the newest messages that fit its window, valid for every dialect.

use std::collections::HashSet;

use super::content::media_of;
use super::tertulia::Inner;
use crate::base::{ConversationId, MessageId};
use crate::model::{Error, MediaSource, Message, MessageStatus, NewMessage, Part, Result, Role};
use crate::store::Anchor;

/// Messages are read in pages of this many.
const PAGE: usize = 200;

/// The messages up to and including this one (nothing = up to the head), oldest first, at most `tokens` by estimate.
/// What does not fit is left out from the oldest on, never in the middle of a tool call and its answer.
pub(super) async fn load(
    engine: &Inner,
    owner: &str,
    conversation: ConversationId,
    upto: Option<MessageId>,
    tokens: Option<i64>,
) -> Result<Vec<NewMessage>> {
    let budget = tokens.map_or(usize::MAX, |t| usize::try_from(t.max(0)).unwrap_or(usize::MAX).saturating_mul(4));
    let mut newest_first: Vec<NewMessage> = Vec::new();
    let mut bytes = 0_usize;
    let mut anchor = Anchor::End;
    if let Some(id) = upto {
        let last = engine.store.message(owner, id).await?;
        let last = last.ok_or_else(|| Error::internal("the message of a turn is gone"))?;
        newest_first.extend(shown(last));
        anchor = Anchor::Before(id);
    }
    'pages: loop {
        let Some(rows) = engine.store.messages(owner, conversation, anchor, PAGE).await? else { break };
        let first = rows.items.first().map(|m| m.id);
        for message in rows.items.into_iter().rev() {
            let Some(message) = shown(message) else { continue };
            bytes = bytes.saturating_add(weight(&message));
            if bytes > budget {
                break 'pages;
            }
            newest_first.push(message);
        }
        match first {
            Some(id) if !rows.reached_start => anchor = Anchor::Before(id),
            _ => break,
        }
    }
    newest_first.reverse();
    let mut messages = repair(newest_first);
    // Several providers refuse a conversation that does not begin with the user.
    let begins = messages.iter().position(|m| matches!(m.role, Role::User | Role::System)).unwrap_or(messages.len());
    messages.drain(..begins);
    for part in messages.iter_mut().flat_map(|m| &mut m.parts) {
        fetch_bytes(engine, owner, part).await?;
    }
    Ok(messages)
}

/// A stored message as a model is shown it; nothing for one that says nothing.
fn shown(message: Message) -> Option<NewMessage> {
    let visible = !matches!(message.status, MessageStatus::Deleted) && !message.parts.is_empty();
    visible.then(|| NewMessage { role: message.role, parts: message.parts, metadata: std::collections::HashMap::new() })
}

fn weight(message: &NewMessage) -> usize {
    message.parts.iter().fold(16, |sum, part| {
        sum + match part {
            Part::Text { text, .. } | Part::Reasoning { text } | Part::Refusal { text } => text.len(),
            Part::ToolCall { call } => call.arguments.to_string().len() + call.name.len(),
            Part::ToolResult { result } => result.output.to_string().len(),
            // A picture or a page costs about as much as a long paragraph, whatever its bytes.
            Part::Image { .. } | Part::Audio { .. } | Part::File { .. } => 4_000,
            Part::Opaque { .. } => 0,
        }
    })
}

/// Makes the list one that every provider takes: every call of a tool has its answer right behind it, and every answer
/// its call. A call whose answer never came is left out, an answer without its call
/// too: a provider would refuse the conversation for ever.
pub(super) fn repair(mut messages: Vec<NewMessage>) -> Vec<NewMessage> {
    let mut kept: Vec<NewMessage> = Vec::with_capacity(messages.len());
    let mut at = 0;
    while at < messages.len() {
        let mut message = std::mem::replace(&mut messages[at], NewMessage::new(Role::User, Vec::<Part>::new()));
        at += 1;
        let called: HashSet<String> = calls(&message).collect();
        if called.is_empty() {
            message.parts.retain(|part| !matches!(part, Part::ToolResult { .. }));
            push(&mut kept, message);
            continue;
        }
        // The answers stand in the messages right behind the call, until somebody else speaks.
        let mut answers = Vec::new();
        while at < messages.len() && answers_only(&messages[at]) {
            answers.append(&mut messages[at].parts);
            at += 1;
        }
        // The user's next words may hold answers beside text.
        let mut rest = Vec::new();
        if let Some(next) = messages.get_mut(at).filter(|m| m.role == Role::User) {
            for part in std::mem::take(&mut next.parts) {
                if matches!(part, Part::ToolResult { .. }) { answers.push(part) } else { rest.push(part) }
            }
            next.parts = rest;
        }
        let mut answered = HashSet::new();
        answers.retain(|part| match part {
            Part::ToolResult { result } => called.contains(&result.call_id) && answered.insert(result.call_id.clone()),
            _ => false,
        });
        message.parts.retain(|part| match part {
            Part::ToolCall { call } => call.provider_executed || answered.contains(&call.id),
            _ => true,
        });
        push(&mut kept, message);
        push(&mut kept, NewMessage::new(Role::Tool, answers));
    }
    kept
}

fn push(kept: &mut Vec<NewMessage>, message: NewMessage) {
    // A signature alone says nothing: what it belonged to is gone.
    if message.parts.iter().any(|part| !matches!(part, Part::Opaque { attached: true, .. })) {
        kept.push(message);
    }
}

fn calls(message: &NewMessage) -> impl Iterator<Item = String> + '_ {
    message.parts.iter().filter_map(|part| match part {
        Part::ToolCall { call } if !call.provider_executed => Some(call.id.clone()),
        _ => None,
    })
}

fn answers_only(message: &NewMessage) -> bool {
    !message.parts.is_empty() && message.parts.iter().all(|part| matches!(part, Part::ToolResult { .. }))
}

/// Puts stored bytes in the place of their ids. Bytes that are gone become a line that says so.
async fn fetch_bytes(engine: &Inner, owner: &str, part: &mut Part) -> Result<()> {
    let mut gone = false;
    for media in media_of(part) {
        if let MediaSource::Attachment { id } = media.source {
            match engine.store.attachment(owner, id).await? {
                Some(stored) => {
                    media.mime_type.get_or_insert(stored.mime_type);
                    media.source = MediaSource::Data { data: stored.data.to_vec() };
                }
                None => gone = true,
            }
        }
    }
    if gone {
        if let Part::ToolResult { result } = part {
            result.media.retain(|media| !matches!(media.source, MediaSource::Attachment { .. }));
        } else {
            *part = Part::text("[a file that is no longer there]");
        }
    }
    Ok(())
}
