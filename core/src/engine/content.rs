//! What a person says, in any of the forms a caller has it in.

use tokio::io::AsyncReadExt as _;

use crate::base::{AttachmentId, Ids};
use crate::model::{Error, Media, MediaSource, NewMessage, Part, Result, Role};
use crate::wire::mime;

/// The longest file, picture or sound that goes along with a message.
pub const MAX_MEDIA_BYTES: u64 = 32 << 20;

/// What is said: text, parts, or for `ask` a whole list of messages.
#[derive(Clone, Debug, PartialEq)]
pub struct Content(pub(super) Said);

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Said {
    Parts(Vec<Part>),
    Messages(Vec<NewMessage>),
}

impl Content {
    /// What is said to a run, which keeps it as it is: words, and files by their address.
    ///
    /// # Errors
    /// `Invalid` (empty_message, nul_character); (unsupported) for a list of messages or a file in hand.
    pub(crate) fn for_run(mut self) -> Result<Vec<Part>> {
        let Said::Parts(parts) = &mut self.0 else {
            let detail = "a run is given one message; append the others to its conversation first";
            return Err(Error::invalid("unsupported", detail));
        };
        check(parts)?;
        let is_in_hand = |media: &Media| matches!(media.source, MediaSource::Path { .. } | MediaSource::Data { .. });
        if parts.iter_mut().flat_map(media_of).any(|media| is_in_hand(media)) {
            let detail =
                "a run is given words and files by URL; append a message with the file to its conversation first";
            return Err(Error::invalid("unsupported", detail));
        }
        Ok(std::mem::take(parts))
    }
}

impl<T: Into<Part>> From<T> for Content {
    fn from(part: T) -> Self {
        Self(Said::Parts(vec![part.into()]))
    }
}

impl From<Vec<Part>> for Content {
    fn from(parts: Vec<Part>) -> Self {
        Self(Said::Parts(parts))
    }
}

impl<const N: usize> From<[Part; N]> for Content {
    fn from(parts: [Part; N]) -> Self {
        Self(Said::Parts(parts.into()))
    }
}

impl From<Vec<NewMessage>> for Content {
    fn from(messages: Vec<NewMessage>) -> Self {
        Self(Said::Messages(messages))
    }
}

/// Refuses what cannot be a message: nothing at all, or text that not every store and provider can carry.
pub(super) fn check(parts: &[Part]) -> Result<()> {
    let mut says_something = false;
    for part in parts {
        match part {
            Part::Text { text, .. } | Part::Reasoning { text } | Part::Refusal { text } => {
                check_text(text)?;
                says_something |= !text.trim().is_empty();
            }
            _ => says_something = true,
        }
    }
    if says_something {
        return Ok(());
    }
    Err(Error::invalid("empty_message", "a message needs some text, a file or a tool result"))
}

/// Refuses NUL characters, which PostgreSQL and several providers refuse.
pub(super) fn check_text(text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::invalid("nul_character", "the text holds a NUL character; remove it before sending"));
    }
    Ok(())
}

/// The role a message of these parts speaks in: answers of tools are the tools'.
pub(super) fn role_of(parts: &[Part]) -> Role {
    if parts.iter().all(|part| matches!(part, Part::ToolResult { .. })) { Role::Tool } else { Role::User }
}

/// Bytes that are to be stored beside a message.
pub(super) struct Bytes {
    pub(super) id: AttachmentId,
    pub(super) part_index: i32,
    pub(super) mime_type: String,
    pub(super) name: Option<String>,
    pub(super) data: bytes::Bytes,
}

/// Reads files into bytes in hand, off the loop. Nothing else is changed.
pub(super) async fn load_files(parts: &mut [Part]) -> Result<()> {
    if parts.iter_mut().all(|part| media_of(part).is_empty()) {
        return Ok(());
    }
    // Boxed: what is words alone carries nothing of this with it.
    Box::pin(load(parts)).await
}

async fn load(parts: &mut [Part]) -> Result<()> {
    for media in parts.iter_mut().flat_map(media_of) {
        if let MediaSource::Path { path } = &media.source {
            let unreadable = |e: std::io::Error| {
                Error::invalid("unreadable_file", "a file of the message could not be read; see the source for why")
                    .with_source(e)
            };
            let about = tokio::fs::metadata(path).await.map_err(unreadable)?;
            if !about.is_file() {
                return Err(Error::invalid("unreadable_file", "a path of the message is no regular file"));
            }
            if about.len() > MAX_MEDIA_BYTES {
                return Err(too_large());
            }
            // Not all tell how long they are, and some grow: no more is read than is taken.
            let mut data = Vec::new();
            let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
            file.take(MAX_MEDIA_BYTES + 1).read_to_end(&mut data).await.map_err(unreadable)?;
            if media.name.is_none() {
                media.name = std::path::Path::new(path).file_name().map(|name| name.to_string_lossy().into_owned());
            }
            media.source = MediaSource::Data { data };
        }
        if let MediaSource::Data { data } = &media.source {
            if data.is_empty() {
                return Err(Error::invalid("empty_file", "a file of the message holds no bytes"));
            }
            if data.len() as u64 > MAX_MEDIA_BYTES {
                return Err(too_large());
            }
            media.size_bytes = i64::try_from(data.len()).ok();
            if media.mime_type.is_none() {
                media.mime_type = mime::guess(data).map(str::to_owned);
            }
        }
    }
    Ok(())
}

fn too_large() -> Error {
    Error::invalid("too_large", format!("a file of a message holds at most {MAX_MEDIA_BYTES} bytes"))
}

/// Takes bytes in hand out of the parts and leaves the ids of attachments in their place.
pub(super) fn detach_bytes(parts: &mut [Part], ids: &Ids) -> Vec<Bytes> {
    let mut all = Vec::new();
    for (index, part) in parts.iter_mut().enumerate() {
        for media in media_of(part) {
            if matches!(media.source, MediaSource::Data { .. }) {
                let id = ids.attachment();
                let MediaSource::Data { data } = std::mem::replace(&mut media.source, MediaSource::Attachment { id })
                else {
                    continue;
                };
                all.push(Bytes {
                    id,
                    part_index: i32::try_from(index).unwrap_or(i32::MAX),
                    mime_type: media.mime_type.clone().unwrap_or_else(|| "application/octet-stream".to_owned()),
                    name: media.name.clone(),
                    data: data.into(),
                });
            }
        }
    }
    all
}

/// Every picture, sound and file of a part.
pub(super) fn media_of(part: &mut Part) -> &mut [Media] {
    match part {
        Part::Image { media } | Part::Audio { media } | Part::File { media } => std::slice::from_mut(media),
        Part::ToolResult { result } => &mut result.media,
        _ => &mut [],
    }
}
