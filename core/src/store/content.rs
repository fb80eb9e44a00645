//! How the parts of a message become the bytes of a row, and back.

use bytes::Bytes;
use memchr::memchr2;
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
    /// The parts as JSON: a text alone as a string, all else as an array.
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
        // Most messages are words alone; that they are a text need not be said in each.
        let json = match words_of(parts) {
            Some(text) => serde_json::to_vec(text),
            None => serde_json::to_vec(parts),
        };
        let json = json.map_err(|e| Error::internal("a message could not be written as JSON").with_source(e))?;
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
        if let Some(text) = words_alone(json) {
            return Ok(vec![Part::text(text)]);
        }
        let parts = match json {
            [b'"', ..] => serde_json::from_slice(json).map(|text: String| vec![Part::text(text)]),
            _ => serde_json::from_slice(json),
        };
        // The parser's own error may quote the message, so it goes no further.
        parts.map_err(|_| Error::new(crate::base::ErrorKind::Storage, "corrupt", "a stored message could not be read"))
    }
}

/// The text of a message that is one part with words and nothing else.
fn words_of(parts: &[Part]) -> Option<&str> {
    match parts {
        [Part::Text { text, citations }] if citations.is_empty() => Some(text),
        _ => None,
    }
}

/// The text of such a message, as `encode` writes it or wrote it in earlier versions; nothing of any other, and of a text with
/// escapes that are seldom.
fn words_alone(json: &[u8]) -> Option<String> {
    let written = match json {
        [b'"', inner @ .., b'"'] => inner,
        _ => json.strip_prefix(br#"[{"type":"text","text":""#)?.strip_suffix(br#""}]"#)?,
    };
    if written.iter().fold(false, |found, byte| found | byte.is_ascii_control()) {
        return None;
    }
    let mut rest = std::str::from_utf8(written).ok()?;
    let mut text = String::with_capacity(rest.len());
    while let Some(at) = memchr2(b'"', b'\\', rest.as_bytes()) {
        let (plain, special) = rest.split_at(at);
        let sign = match special.as_bytes() {
            [b'\\', sign @ (b'"' | b'\\'), ..] => char::from(*sign),
            [b'\\', b'n', ..] => '\n',
            [b'\\', b't', ..] => '\t',
            _ => return None,
        };
        text.push_str(plain);
        text.push(sign);
        rest = special.get(2..)?;
    }
    text.push_str(rest);
    Some(text)
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

/// Leaves as much of a message as is asked for.
pub(super) fn show(message: &mut Message, detail: Detail) {
    message.parts = match detail {
        Detail::Full => return,
        Detail::Ids => Vec::new(),
        Detail::Previews => {
            Some(preview(&message.text())).filter(|words| !words.is_empty()).map(Part::text).into_iter().collect()
        }
    };
    (message.model, message.finish_reason, message.usage, message.cost) = (None, None, None, None);
    message.metadata.clear();
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::Citation;

    fn read_again(parts: &[Part]) -> Vec<Part> {
        Content::decode(&Content::encode(parts).unwrap().json).unwrap()
    }

    #[test]
    fn what_looks_like_words_alone_is_read_as_what_it_is() {
        let citation = Citation { title: Some("a\"b".to_owned()), ..Citation::default() };
        for parts in [
            vec![],
            vec![Part::text("a"), Part::text("b")],
            vec![Part::Text { text: "a".to_owned(), citations: vec![citation] }],
            vec![Part::Reasoning { text: "a".to_owned() }],
            vec![Part::text("\"},{\"type\":\"text\",\"text\":\"")],
        ] {
            assert_eq!(read_again(&parts), parts);
        }
    }

    #[test]
    fn words_that_are_no_json_are_refused() {
        for inner in [&b"a\"b"[..], b"a\\", b"a\nb", b"a\\xb", b"\\ud800", b"\xff"] {
            for json in [[br#"[{"type":"text","text":""#, inner, br#""}]"#].concat(), [b"\"", inner, b"\""].concat()] {
                assert_eq!(Content::decode(&json).unwrap_err().reason(), "corrupt", "{inner:?}");
            }
        }
        for json in [&b"\""[..], b"", b"\"a", b"a\"", b"\"a\"]"] {
            assert_eq!(Content::decode(json).unwrap_err().reason(), "corrupt", "{json:?}");
        }
    }

    #[test]
    fn a_text_alone_is_a_string_and_stands_in_older_rows_as_a_part() {
        assert_eq!(&Content::encode(&[Part::text("a \"b\"\n")]).unwrap().json[..], br#""a \"b\"\n""#);
        for text in ["", "a", "a \"b\"\n\t\\", "\u{1}\r"] {
            let older = serde_json::to_vec(&[Part::text(text)]).unwrap();
            assert_eq!(Content::decode(&older).unwrap(), [Part::text(text)]);
        }
    }

    proptest! {
        #[test]
        fn any_words_are_read_as_they_were_written(text in any::<String>(), seldom in "[\"\\\\\n\t\r\u{1}\u{7f}a]{0,8}") {
            let parts = vec![Part::text(format!("{seldom}{text}{seldom}"))];
            prop_assert_eq!(read_again(&parts), parts);
        }
    }
}
