//! What a message is made of.

use super::json;
use crate::base::Malformed;
use crate::model;

/// One piece of a message.
#[derive(Clone, Debug, PartialEq, uniffi::Enum)]
#[non_exhaustive]
pub enum Part {
    /// Words.
    Text {
        /// The words.
        text: String,
        /// Where they come from, as far as the provider said.
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
        /// Whose it is.
        provider: String,
        /// What the provider calls it.
        name: String,
        /// True when it belongs to the part before it.
        attached: bool,
        /// The provider's own object, as JSON.
        data: String,
    },
}

impl From<model::Part> for Part {
    fn from(part: model::Part) -> Self {
        match part {
            model::Part::Text { text, citations } => {
                Self::Text { text, citations: citations.into_iter().map(Citation::from).collect() }
            }
            model::Part::Reasoning { text } => Self::Reasoning { text },
            model::Part::Refusal { text } => Self::Refusal { text },
            model::Part::Image { media } => Self::Image { media: media.into() },
            model::Part::Audio { media } => Self::Audio { media: media.into() },
            model::Part::File { media } => Self::File { media: media.into() },
            model::Part::ToolCall { call } => Self::ToolCall { call: call.into() },
            model::Part::ToolResult { result } => Self::ToolResult { result: result.into() },
            model::Part::Opaque { provider, name, attached, data } => {
                Self::Opaque { provider, name, attached, data: json::text(&data) }
            }
        }
    }
}

impl TryFrom<Part> for model::Part {
    type Error = model::Error;

    fn try_from(part: Part) -> model::Result<Self> {
        Ok(match part {
            Part::Text { text, citations } => {
                Self::Text { text, citations: citations.into_iter().map(model::Citation::from).collect() }
            }
            Part::Reasoning { text } => Self::Reasoning { text },
            Part::Refusal { text } => Self::Refusal { text },
            Part::Image { media } => Self::Image { media: media.try_into()? },
            Part::Audio { media } => Self::Audio { media: media.try_into()? },
            Part::File { media } => Self::File { media: media.try_into()? },
            Part::ToolCall { call } => Self::ToolCall { call: call.try_into()? },
            Part::ToolResult { result } => Self::ToolResult { result: result.try_into()? },
            Part::Opaque { provider, name, attached, data } => {
                Self::Opaque { provider, name, attached, data: json::value("data", &data)? }
            }
        })
    }
}

/// All parts, as the other language sees them.
pub(super) fn all(parts: Vec<model::Part>) -> Vec<Part> {
    parts.into_iter().map(Part::from).collect()
}

/// All parts, as the engine takes them.
pub(super) fn taken(parts: Vec<Part>) -> model::Result<Vec<model::Part>> {
    parts.into_iter().map(model::Part::try_from).collect()
}

/// Where words come from.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Citation {
    /// First character of the words in the text, counted in characters from 0.
    pub start: i32,
    /// One past the last character.
    pub end: i32,
    /// The page that is cited.
    #[uniffi(default)]
    pub url: Option<String>,
    /// Its title.
    #[uniffi(default)]
    pub title: Option<String>,
    /// The words that are cited.
    #[uniffi(default)]
    pub quote: Option<String>,
}

impl From<model::Citation> for Citation {
    fn from(citation: model::Citation) -> Self {
        let model::Citation { start, end, url, title, quote } = citation;
        Self { start, end, url, title, quote }
    }
}

impl From<Citation> for model::Citation {
    fn from(citation: Citation) -> Self {
        let Citation { start, end, url, title, quote } = citation;
        Self { start, end, url, title, quote }
    }
}

/// Bytes that are no text: a picture, a sound, a document.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Media {
    /// Where the bytes are.
    pub source: MediaSource,
    /// What they are, for instance `image/png`. Left out: found out from the bytes.
    #[uniffi(default)]
    pub mime_type: Option<String>,
    /// A name to show.
    #[uniffi(default)]
    pub name: Option<String>,
    /// How many bytes, when known.
    #[uniffi(default)]
    pub size_bytes: Option<i64>,
}

impl From<model::Media> for Media {
    fn from(media: model::Media) -> Self {
        let model::Media { source, mime_type, name, size_bytes } = media;
        Self { source: source.into(), mime_type, name, size_bytes }
    }
}

impl TryFrom<Media> for model::Media {
    type Error = model::Error;

    fn try_from(media: Media) -> model::Result<Self> {
        let Media { source, mime_type, name, size_bytes } = media;
        Ok(Self { source: source.try_into()?, mime_type, name, size_bytes })
    }
}

/// Where bytes are.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum MediaSource {
    /// A file on this machine, read when the message is sent.
    Path {
        /// Its path.
        path: String,
    },
    /// Bytes in hand.
    Data {
        /// The bytes.
        data: Vec<u8>,
    },
    /// A URL that the provider fetches; the engine never does.
    Url {
        /// The URL.
        url: String,
    },
    /// Bytes that the store holds.
    Attachment {
        /// Their id.
        id: String,
    },
    /// A file that was handed to the provider before.
    ProviderFile {
        /// Whose it is.
        provider: String,
        /// The provider's id for it.
        id: String,
    },
}

impl From<model::MediaSource> for MediaSource {
    fn from(source: model::MediaSource) -> Self {
        match source {
            model::MediaSource::Path { path } => Self::Path { path },
            model::MediaSource::Data { data } => Self::Data { data },
            model::MediaSource::Url { url } => Self::Url { url },
            model::MediaSource::Attachment { id } => Self::Attachment { id: id.to_string() },
            model::MediaSource::ProviderFile { provider, id } => Self::ProviderFile { provider, id },
        }
    }
}

impl TryFrom<MediaSource> for model::MediaSource {
    type Error = model::Error;

    fn try_from(source: MediaSource) -> model::Result<Self> {
        Ok(match source {
            MediaSource::Path { path } => Self::Path { path },
            MediaSource::Data { data } => Self::Data { data },
            MediaSource::Url { url } => Self::Url { url },
            MediaSource::Attachment { id } => {
                Self::Attachment { id: id.parse().map_err(|e: Malformed| e.into_error("bad_id"))? }
            }
            MediaSource::ProviderFile { provider, id } => Self::ProviderFile { provider, id },
        })
    }
}

/// The model wants a tool to be called.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ToolCall {
    /// Names the call; the answer carries it.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments, as JSON: an object. Text that was no JSON stands here as a JSON string.
    pub arguments: String,
    /// True when the provider runs the tool itself.
    #[uniffi(default)]
    pub provider_executed: bool,
    /// True for a tool of free text: its arguments are that text, as a JSON string.
    #[uniffi(default)]
    pub free_text: bool,
}

impl From<model::ToolCall> for ToolCall {
    fn from(call: model::ToolCall) -> Self {
        let model::ToolCall { id, name, arguments, provider_executed, free_text } = call;
        Self { id, name, arguments: json::text(&arguments), provider_executed, free_text }
    }
}

impl TryFrom<ToolCall> for model::ToolCall {
    type Error = model::Error;

    fn try_from(call: ToolCall) -> model::Result<Self> {
        let ToolCall { id, name, arguments, provider_executed, free_text } = call;
        Ok(Self { id, name, arguments: json::value("arguments", &arguments)?, provider_executed, free_text })
    }
}

/// What a tool answered.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct ToolResult {
    /// The call it answers.
    pub call_id: String,
    /// The answer, as JSON.
    pub output: String,
    /// True when the tool failed; the model then reads the output as the reason.
    #[uniffi(default)]
    pub is_error: bool,
    /// Pictures and documents that belong to the answer.
    #[uniffi(default)]
    pub media: Vec<Media>,
}

impl From<model::ToolResult> for ToolResult {
    fn from(result: model::ToolResult) -> Self {
        let model::ToolResult { call_id, output, is_error, media } = result;
        Self { call_id, output: json::text(&output), is_error, media: media.into_iter().map(Media::from).collect() }
    }
}

impl TryFrom<ToolResult> for model::ToolResult {
    type Error = model::Error;

    fn try_from(result: ToolResult) -> model::Result<Self> {
        let ToolResult { call_id, output, is_error, media } = result;
        let media = media.into_iter().map(model::Media::try_from).collect::<model::Result<_>>()?;
        Ok(Self { call_id, output: json::value("output", &output)?, is_error, media })
    }
}
