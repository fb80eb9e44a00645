//! What a message is made of.

use serde::{Deserialize, Serialize};

use super::tool::{ToolCall, ToolResult};
use crate::base::{AttachmentId, Json};

/// One piece of a message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Part {
    /// Words.
    Text {
        /// The words.
        text: String,
        /// Where they come from, as far as the provider said.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        citations: Vec<Citation>,
    },
    /// What the model thought before it answered, as far as the provider shows it.
    Reasoning {
        /// The thoughts.
        text: String,
    },
    /// The model declined, in words of its own.
    Refusal {
        /// The words.
        text: String,
    },
    /// A picture.
    Image {
        /// The picture.
        media: Media,
    },
    /// A sound.
    Audio {
        /// The sound.
        media: Media,
    },
    /// A document, for instance a PDF.
    File {
        /// The document.
        media: Media,
    },
    /// The model wants a tool to be called.
    ToolCall {
        /// The call.
        call: ToolCall,
    },
    /// What a tool answered.
    ToolResult {
        /// The answer.
        result: ToolResult,
    },
    /// Signatures, encrypted reasoning, server items: kept byte for byte and replayed to the same provider only.
    Opaque {
        /// Whose it is. Empty: the application's own, kept with the message and shown to no model.
        provider: String,
        /// What the provider calls it.
        name: String,
        /// True when it belongs to the part before it.
        attached: bool,
        /// The provider's own object.
        data: Json,
    },
}

impl Part {
    /// Words.
    #[must_use]
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text { text: text.into(), citations: Vec::new() }
    }

    /// A picture.
    #[must_use]
    pub const fn image(media: Media) -> Self {
        Self::Image { media }
    }

    /// A sound.
    #[must_use]
    pub const fn audio(media: Media) -> Self {
        Self::Audio { media }
    }

    /// A document.
    #[must_use]
    pub const fn file(media: Media) -> Self {
        Self::File { media }
    }

    /// The words of it, where it is made of words.
    pub(crate) const fn words_mut(&mut self) -> Option<&mut String> {
        match self {
            Self::Text { text, .. } | Self::Reasoning { text } | Self::Refusal { text } => Some(text),
            _ => None,
        }
    }

    /// The same, to be read.
    #[cfg(feature = "engine")]
    pub(crate) const fn words(&self) -> Option<&str> {
        match self {
            Self::Text { text, .. } | Self::Reasoning { text } | Self::Refusal { text } => Some(text.as_str()),
            _ => None,
        }
    }

    /// What a tool answered.
    #[must_use]
    pub const fn tool_result(result: ToolResult) -> Self {
        Self::ToolResult { result }
    }

    /// True for what the application keeps for itself: no model is shown it.
    #[cfg(feature = "engine")]
    pub(crate) const fn is_of_application(&self) -> bool {
        matches!(self, Self::Opaque { provider, .. } if provider.is_empty())
    }
}

impl From<&str> for Part {
    fn from(text: &str) -> Self {
        Self::text(text)
    }
}

impl From<String> for Part {
    fn from(text: String) -> Self {
        Self::text(text)
    }
}

impl From<ToolResult> for Part {
    fn from(result: ToolResult) -> Self {
        Self::ToolResult { result }
    }
}

/// All words of these parts, one after the other; reasoning and refusals are not among them.
#[must_use]
pub fn text_of(parts: &[Part]) -> String {
    let mut all = String::new();
    for part in parts {
        if let Part::Text { text, .. } = part {
            all.push_str(text);
        }
    }
    all
}

/// Where words come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Citation {
    /// First character of the words in the text, counted in characters from 0.
    pub start: i32,
    /// One past the last character.
    pub end: i32,
    /// The page that is cited.
    pub url: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// The words that are cited.
    pub quote: Option<String>,
}

/// Bytes that are no text: a picture, a sound, a document.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Where the bytes are.
    pub source: MediaSource,
    /// What they are, for instance `image/png`. Left out: found out from the bytes.
    pub mime_type: Option<String>,
    /// A name to show.
    pub name: Option<String>,
    /// How many bytes, when known.
    pub size_bytes: Option<i64>,
}

impl Media {
    fn of(source: MediaSource) -> Self {
        Self { source, mime_type: None, name: None, size_bytes: None }
    }

    /// A file on this machine, read when the message is sent.
    #[must_use]
    pub fn path(path: impl Into<String>) -> Self {
        Self::of(MediaSource::Path { path: path.into() })
    }

    /// Bytes in hand.
    #[must_use]
    pub fn data(data: impl Into<Vec<u8>>, mime_type: impl Into<String>) -> Self {
        Self { mime_type: Some(mime_type.into()), ..Self::of(MediaSource::Data { data: data.into() }) }
    }

    /// A URL that the provider fetches; the engine never does.
    #[must_use]
    pub fn url(url: impl Into<String>) -> Self {
        Self::of(MediaSource::Url { url: url.into() })
    }
}

/// Where the bytes of a [`Media`] are.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum MediaSource {
    /// A file on this machine.
    Path {
        /// Its path.
        path: String,
    },
    /// Bytes in hand; base64 in JSON.
    Data {
        /// The bytes.
        #[serde(with = "base64_bytes")]
        data: Vec<u8>,
    },
    /// A URL that the provider fetches.
    Url {
        /// The URL.
        url: String,
    },
    /// Bytes that the store holds.
    Attachment {
        /// Their id.
        id: AttachmentId,
    },
    /// A file that was handed to the provider before.
    ProviderFile {
        /// Whose it is.
        provider: String,
        /// The provider's id for it.
        id: String,
    },
}

impl std::fmt::Debug for MediaSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path { path } => write!(f, "Path({path})"),
            Self::Data { data } => write!(f, "Data({} bytes)", data.len()),
            Self::Url { url } if url.starts_with("data:") => write!(f, "Url(data:, {} bytes)", url.len()),
            Self::Url { url } => write!(f, "Url({url})"),
            Self::Attachment { id } => write!(f, "Attachment({id})"),
            Self::ProviderFile { provider, id } => write!(f, "ProviderFile({provider}, {id})"),
        }
    }
}

mod base64_bytes {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        STANDARD.decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
