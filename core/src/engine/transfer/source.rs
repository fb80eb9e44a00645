//! Which format a file has, and its steps. Reading touches no store: the same bytes give the same steps.

use std::io::BufRead;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::items::{At, Items};
use super::lines::{FORMAT, First, Line, VERSION};
use super::lists::Lists;
use super::steps::{Attached, Begun, Named, Said, Step, Taker, Words};
use super::{chatgpt, claude};
use crate::engine::content::MAX_MEDIA_BYTES;
use crate::model::{Error, ImportFormat, Result};

/// By what a format is known.
#[derive(Deserialize)]
struct Marks {
    format: Option<IgnoredAny>,
    mapping: Option<IgnoredAny>,
    chat_messages: Option<IgnoredAny>,
    messages: Option<IgnoredAny>,
    role: Option<IgnoredAny>,
}

fn recognised(at: At, bytes: &[u8]) -> Result<ImportFormat> {
    if bytes.starts_with(b"[") {
        return Ok(ImportFormat::Messages);
    }
    let marks: Marks = serde_json::from_slice(bytes).map_err(|_| malformed(at))?;
    let own = || serde_json::from_slice::<First>(bytes).is_ok_and(|first| first.format == FORMAT);
    match marks {
        Marks { format: Some(_), .. } if own() => Ok(ImportFormat::Tertulia),
        Marks { mapping: Some(_), .. } => Ok(ImportFormat::Chatgpt),
        Marks { chat_messages: Some(_), .. } => Ok(ImportFormat::Claude),
        Marks { messages: Some(_), .. } | Marks { role: Some(_), .. } => Ok(ImportFormat::Messages),
        _ => Err(unknown(at)),
    }
}

fn unknown(at: At) -> Error {
    let what = "this is no file of conversations that is known here: an export of this engine, the conversations.json of \
                ChatGPT or Claude, or lists of messages with `role` and `content`";
    at.refused("unknown_format", what)
}

/// The error of an item that is no JSON, or not of its format.
pub(super) fn malformed(at: At) -> Error {
    at.refused("malformed", "it is no JSON, or not what stands in a file of this format")
}

/// Reads all of a file.
///
/// # Errors
/// `Invalid`: unknown_format, newer_format, malformed, truncated, too_deep, too_large, unreadable_file; and what the taker
/// refuses.
pub(super) fn read(input: impl BufRead, owner: &str, each: &mut Taker<'_>) -> Result<ImportFormat> {
    let mut items = Items::new(input);
    let mut next = items.next()?;
    let Some((at, bytes)) = next else { return Err(unknown(At { line: 1, item: 1, list: 0 })) };
    let format = recognised(at, bytes)?;
    let (mut own, mut lists) = (Own::default(), Lists::new(owner));
    while let Some((at, bytes)) = next {
        match format {
            ImportFormat::Tertulia => own.take(at, bytes, each)?,
            ImportFormat::Chatgpt => chatgpt::take(at, bytes, owner, each)?,
            ImportFormat::Claude => claude::take(at, bytes, owner, each)?,
            ImportFormat::Messages => lists.take(at, bytes, each)?,
        }
        next = items.next()?;
    }
    match format {
        ImportFormat::Tertulia => own.end()?,
        ImportFormat::Messages => lists.end(each)?,
        ImportFormat::Chatgpt | ImportFormat::Claude => {}
    }
    Ok(format)
}

/// An item of another program: nothing when it is not what it should be, which is told; what is no JSON is refused.
pub(super) fn foreign<'b, T: Deserialize<'b>>(at: At, bytes: &'b [u8], each: &mut Taker<'_>) -> Result<Option<T>> {
    match serde_json::from_slice(bytes) {
        Ok(item) => Ok(Some(item)),
        // The parser's own error may quote what was said, so it goes no further.
        Err(error) if error.is_data() => {
            let detail = "it is not what stands in a file of this format; it was left out";
            each(at.problem("bad_item", detail).into()).map(|()| None)
        }
        Err(_) => Err(malformed(at)),
    }
}

/// The engine's own format.
#[derive(Default)]
struct Own {
    last: At,
    begun: bool,
    in_conversation: bool,
    conversations: i64,
    messages: i64,
}

impl Own {
    fn take(&mut self, at: At, bytes: &[u8], each: &mut Taker<'_>) -> Result<()> {
        self.last = at;
        if !self.begun {
            let first: First = serde_json::from_slice(bytes).map_err(|_| malformed(at))?;
            if first.format != FORMAT {
                return Err(malformed(at));
            }
            if first.version > VERSION {
                return Err(at.refused("newer_format", "a newer version wrote this file; update to read it"));
            }
            *self = Self { last: at, begun: true, ..Self::default() };
            return Ok(());
        }
        let line: Line<'_> = serde_json::from_slice(bytes).map_err(|_| malformed(at))?;
        let of_conversation = matches!(line, Line::Message(_) | Line::File(_) | Line::Shown(_));
        if of_conversation && !self.in_conversation {
            return Err(at.refused("malformed", "it belongs to a conversation, and none has begun before it"));
        }
        match line {
            Line::Preferences(preferences) => each(Step::Preferences(Box::new(preferences))),
            Line::Conversation(line) => {
                self.in_conversation = true;
                self.conversations += 1;
                each(Step::Conversation(Box::new(Begun {
                    at,
                    id: Named::There(line.id),
                    title: line.title,
                    system: line.system,
                    model: line.model,
                    metadata: line.metadata.into_iter().collect(),
                    tags: line.tags,
                    pinned: line.pinned,
                    archived: line.archived,
                    created_at: Some(line.created_at),
                    updated_at: Some(line.updated_at),
                    expires_at: line.expires_at,
                })))
            }
            Line::Message(line) => {
                self.messages += 1;
                let words = Words {
                    role: line.role,
                    status: line.status,
                    parts: line.parts,
                    created_at: Some(line.created_at),
                    model: line.model,
                    finish_reason: line.finish_reason,
                    usage: line.usage,
                    cost: line.cost,
                    metadata: line.metadata.into_iter().collect(),
                };
                let (id, parent, selected, size) = (line.id, line.parent, line.selected, bytes.len());
                each(Step::Message(Box::new(Said { at, id, parent, selected, words, size })))
            }
            Line::File(line) => {
                let too_large = || at.refused("too_large", &format!("a file holds at most {MAX_MEDIA_BYTES} bytes"));
                if line.data.len() as u64 > MAX_MEDIA_BYTES / 3 * 4 + 4 {
                    return Err(too_large());
                }
                let data = STANDARD.decode(line.data.as_bytes()).map_err(|_| malformed(at))?;
                if data.len() as u64 > MAX_MEDIA_BYTES {
                    return Err(too_large());
                }
                each(Step::File(Box::new(Attached {
                    at,
                    id: line.id,
                    message: line.message,
                    part_index: line.part,
                    mime_type: line.mime_type,
                    name: line.name,
                    data: data.into(),
                })))
            }
            Line::Shown(message) => each(Step::Shown(message)),
            Line::End(end) => {
                if (end.conversations, end.messages) != (self.conversations, self.messages) {
                    return Err(at.refused("truncated", "lines before it are missing"));
                }
                // Behind a whole export another one may stand.
                *self = Self { last: at, ..Self::default() };
                Ok(())
            }
        }
    }

    fn end(&self) -> Result<()> {
        if self.begun {
            return Err(self
                .last
                .refused("truncated", "the file breaks off behind it: an export ends with a line that says so"));
        }
        Ok(())
    }
}
