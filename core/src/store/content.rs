//! How the parts of a message become the bytes of a row, and back.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::model::{Detail, Error, MediaSource, Message, Part, Result, text_of};

/// The most that stands in a row; longer content goes into a blob.
pub const MAX_ROW_BYTES: usize = 64 * 1024;

/// The longest content of one message, attachments aside.
pub const MAX_CONTENT_BYTES: usize = 16 << 20;

const PREVIEW_CHARS: usize = 160;

/// The parts of a message, ready to be stored: JSON, its hash when it is too long for a row, and a preview.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// The parts as JSON.
    pub json: Bytes,
    /// SHA-256 of the JSON when it goes into a blob.
    pub spilled: Option<[u8; 32]>,
    /// The beginning of its words, at most 160 characters, on one line.
    pub preview: String,
}

impl Content {
    /// Makes parts ready to be stored. Bytes in hand must have become attachments before.
    ///
    /// # Errors
    /// `Invalid` (too_large) over 16 MiB; `Internal` when bytes in hand are among the parts.
    pub fn encode(parts: &[Part]) -> Result<Self> {
        if parts.iter().any(holds_data) {
            return Err(Error::internal("bytes in hand reached the store; they must become attachments first"));
        }
        let json = serde_json::to_vec(parts)
            .map_err(|e| Error::internal("a message could not be written as JSON").with_source(e))?;
        if json.len() > MAX_CONTENT_BYTES {
            return Err(Error::invalid(
                "too_large",
                format!("a message holds at most {MAX_CONTENT_BYTES} bytes of text; attach longer text as a file"),
            ));
        }
        let spilled = (json.len() > MAX_ROW_BYTES).then(|| hash(&json));
        Ok(Self { json: json.into(), spilled, preview: preview(&text_of(parts)) })
    }

    /// Reads stored parts.
    ///
    /// # Errors
    /// `Storage` (corrupt) when they cannot be read.
    pub fn decode(json: &[u8]) -> Result<Vec<Part>> {
        // Most messages are words alone. What a part is otherwise is known only when all of it is read, which takes long.
        if let Ok([Words { text, .. }]) = serde_json::from_slice::<[Words; 1]>(json) {
            return Ok(vec![Part::text(text)]);
        }
        // The parser's own error may quote the message, so it goes no further.
        serde_json::from_slice(json)
            .map_err(|_| Error::new(crate::base::ErrorKind::Storage, "corrupt", "a stored message could not be read"))
    }
}

/// A part that is words and nothing else.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Words {
    #[serde(rename = "type")]
    _kind: Text,
    text: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Text {
    Text,
}

/// SHA-256, the name of a blob.
#[must_use]
pub fn hash(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn holds_data(part: &Part) -> bool {
    let in_hand = |media: &crate::model::Media| matches!(media.source, MediaSource::Data { .. });
    match part {
        Part::Image { media } | Part::Audio { media } | Part::File { media } => in_hand(media),
        Part::ToolResult { result } => result.media.iter().any(in_hand),
        _ => false,
    }
}

/// As much of a message as is asked for.
pub(super) fn shown(message: Message, detail: Detail) -> Message {
    let parts = match detail {
        Detail::Full => return message,
        Detail::Ids => Vec::new(),
        Detail::Previews => {
            Some(preview(&message.text())).filter(|words| !words.is_empty()).map(Part::text).into_iter().collect()
        }
    };
    Message { parts, model: None, finish_reason: None, usage: None, cost: None, metadata: HashMap::new(), ..message }
}

/// The beginning of these words, at most 160 characters, on one line.
pub(crate) fn preview(text: &str) -> String {
    let mut out = String::new();
    for word in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
        if out.len() > 4 * PREVIEW_CHARS {
            break;
        }
    }
    out.chars().take(PREVIEW_CHARS).collect()
}
