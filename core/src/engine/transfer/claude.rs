//! Conversations of an export from Claude: messages with the id of the one above, or in a row where none is named.
//!
//! What its own tools answered is kept as it stands, and shown to no provider.

use std::collections::HashSet;

use serde::Deserialize;

use super::forest::{Node, grow};
use super::items::At;
use super::source::foreign;
use super::steps::{Begun, Named, Step, Taker, Words, fitting};
use crate::base::{ConversationId, Json, Timestamp};
use crate::engine::conversation::MAX_TITLE_BYTES;
use crate::model::{Media, Part, Result, Role, ToolCall};
use crate::store::hash;

/// What stands above the first message.
const BEGINNING: &str = "00000000-0000-4000-8000-000000000000";

/// Whose the parts are that are kept as they stand.
const SOURCE: &str = "claude.ai";

#[derive(Deserialize)]
struct Exported {
    chat_messages: Vec<Json>,
    uuid: Option<String>,
    name: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
    is_starred: Option<bool>,
    current_leaf_message_uuid: Option<String>,
}

pub(super) fn take(at: At, bytes: &[u8], owner: &str, each: &mut Taker<'_>) -> Result<()> {
    let Some(exported) = foreign::<Exported>(at, bytes, each)? else { return Ok(()) };
    let name = exported.uuid.unwrap_or_else(|| format!("{:?}", hash(bytes)));
    let id = ConversationId::imported(owner, &format!("claude {name}"));
    let moment = |written: &Option<String>| written.as_deref().and_then(Timestamp::from_rfc3339);
    let title = exported.name.map(|title| fitting(title, MAX_TITLE_BYTES)).filter(|title| !title.is_empty());
    each(Step::Conversation(Box::new(Begun {
        at,
        id: Named::Here(id),
        title,
        pinned: exported.is_starred.unwrap_or(false),
        created_at: moment(&exported.created_at),
        updated_at: moment(&exported.updated_at).or_else(|| moment(&exported.created_at)),
        ..Begun::default()
    })))?;
    let text = |message: &Json, name: &str| message.get(name).and_then(Json::as_str).map(str::to_owned);
    let is_tree = exported.chat_messages.iter().any(|message| message.get("parent_message_uuid").is_some());
    let mut nodes: Vec<Node> = Vec::with_capacity(exported.chat_messages.len());
    let mut lacks_files = false;
    for (number, message) in exported.chat_messages.iter().enumerate() {
        let name = text(message, "uuid").unwrap_or_else(|| format!("message {number}"));
        let above = match nodes.last() {
            _ if is_tree => text(message, "parent_message_uuid").filter(|above| above != BEGINNING),
            last => last.map(|last| last.name.clone()),
        };
        let words = match words(message, &mut lacks_files) {
            Ok(words) => words,
            Err(detail) => {
                each(at.problem("bad_message", format!("{detail}; it was left out")).into())?;
                None
            }
        };
        nodes.push(Node { name, above, words });
    }
    if lacks_files {
        let detail = "files of its messages are not in the export; a line says so in their place";
        each(at.problem("file_missing", detail).into())?;
    }
    grow((at, id), nodes, exported.current_leaf_message_uuid.as_deref(), each)
}

fn words(message: &Json, lacks_files: &mut bool) -> std::result::Result<Option<Words>, &'static str> {
    let text = |value: &Json, name: &str| value.get(name).and_then(Json::as_str).map(str::to_owned);
    let role = match message.get("sender").and_then(Json::as_str) {
        Some("human" | "user") => Role::User,
        Some("assistant") => Role::Assistant,
        _ => return Err("the sender of a message is not known"),
    };
    let mut parts = Vec::new();
    for (number, block) in message.get("content").and_then(Json::as_array).into_iter().flatten().enumerate() {
        match block.get("type").and_then(Json::as_str) {
            Some("text") => parts.push(Part::text(text(block, "text").unwrap_or_default())),
            Some("thinking") => parts.push(Part::Reasoning { text: text(block, "thinking").unwrap_or_default() }),
            Some("tool_use") => parts.push(Part::ToolCall {
                call: ToolCall {
                    id: text(block, "id").unwrap_or_else(|| format!("call_{number}")),
                    name: text(block, "name").unwrap_or_default(),
                    arguments: block.get("input").cloned().unwrap_or_default(),
                    provider_executed: true,
                    free_text: false,
                },
            }),
            kind => parts.push(Part::Opaque {
                provider: SOURCE.to_owned(),
                name: kind.unwrap_or("block").to_owned(),
                attached: false,
                data: block.clone(),
            }),
        }
    }
    let says = |part: &Part| !matches!(part, Part::Text { text, .. } | Part::Reasoning { text } if text.is_empty());
    parts.retain(says);
    if !parts.iter().any(|part| matches!(part, Part::Text { .. })) {
        let said = text(message, "text").filter(|text| !text.is_empty());
        parts.extend(said.map(Part::text));
    }
    let mut named = HashSet::new();
    for attachment in message.get("attachments").and_then(Json::as_array).into_iter().flatten() {
        let name = attachment.get("file_name").and_then(Json::as_str).unwrap_or_default();
        named.insert(name);
        match attachment.get("extracted_content").and_then(Json::as_str).filter(|content| !content.is_empty()) {
            Some(content) => {
                let mut media = Media::data(content.as_bytes(), "text/plain");
                media.name = Some(fitting(name.to_owned(), 256)).filter(|name| !name.is_empty());
                parts.push(Part::file(media));
            }
            None => {
                *lacks_files = true;
                parts.push(Part::text("[a file that was not exported with the conversation]"));
            }
        }
    }
    for file in message.get("files").and_then(Json::as_array).into_iter().flatten() {
        let name = file.get("file_name").and_then(Json::as_str).unwrap_or_default();
        if !named.contains(name) {
            *lacks_files = true;
            parts.push(Part::text("[a file that was not exported with the conversation]"));
        }
    }
    if parts.is_empty() {
        return Ok(None);
    }
    let mut words = Words::new(role, parts);
    words.created_at = text(message, "created_at").as_deref().and_then(Timestamp::from_rfc3339);
    Ok(Some(words))
}
