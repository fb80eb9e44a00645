//! The shapes of items on the wire: borrowed, and written without building JSON first.

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::names;
use crate::base::Json;
use crate::wire::openai_chat::shapes::{Address, Arguments, Base64, Output};

/// One item of the input.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Item<'a> {
    Written(Written<'a>),
    /// As the provider sent it.
    Kept(&'a Json),
    /// As the provider sent it, with the picture that was kept apart.
    Picture(Picture<'a>),
}

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Written<'a> {
    Message {
        role: &'static str,
        content: Content<'a>,
        #[serde(skip_serializing_if = "Option::is_none")]
        phase: Option<&'a str>,
    },
    FunctionCall {
        call_id: &'a str,
        name: &'a str,
        arguments: Arguments<'a>,
    },
    FunctionCallOutput {
        call_id: &'a str,
        output: Answer<'a>,
    },
    CustomToolCall {
        call_id: &'a str,
        name: &'a str,
        input: &'a str,
    },
    CustomToolCallOutput {
        call_id: &'a str,
        output: Answer<'a>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Content<'a> {
    Text(&'a str),
    Joined(String),
    Pieces(Vec<Piece<'a>>),
}

/// What a tool answered: a string, or words and media.
#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Answer<'a> {
    Words(Output<'a>),
    Pieces(Vec<Piece<'a>>),
}

#[derive(Serialize)]
#[serde(tag = "type")]
pub(super) enum Piece<'a> {
    #[serde(rename = "input_text")]
    Text { text: Words<'a> },
    #[serde(rename = "input_image")]
    Image {
        #[serde(skip_serializing_if = "Option::is_none")]
        image_url: Option<Address<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'a str>,
        detail: &'static str,
    },
    #[serde(rename = "input_audio")]
    Audio { input_audio: Sound<'a> },
    #[serde(rename = "input_file")]
    File {
        #[serde(skip_serializing_if = "Option::is_none")]
        filename: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_data: Option<Address<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_url: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        file_id: Option<&'a str>,
    },
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum Words<'a> {
    Text(&'a str),
    Answer(Output<'a>),
}

#[derive(Serialize)]
pub(super) struct Sound<'a> {
    pub(super) data: Base64<'a>,
    pub(super) format: &'static str,
}

/// A call that made a picture.
pub(super) struct Picture<'a> {
    pub(super) item: &'a Json,
    pub(super) bytes: &'a [u8],
}

impl Serialize for Picture<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in self.item.as_object().into_iter().flatten() {
            match name.as_str() {
                "result" => map.serialize_entry(name, &Base64(self.bytes))?,
                _ => map.serialize_entry(name, value)?,
            }
        }
        map.end()
    }
}

impl Item<'_> {
    /// True for thoughts, which the provider refuses when nothing of its own follows them.
    pub(super) fn is_reasoning(&self) -> bool {
        matches!(self, Self::Kept(item) if item.get("type").and_then(Json::as_str) == Some(names::REASONING))
    }

    /// About how many bytes it takes.
    pub(super) fn size_hint(&self) -> usize {
        let pieces = |pieces: &[Piece<'_>]| pieces.iter().map(Piece::size_hint).sum();
        128 + match self {
            Self::Written(Written::Message { content, .. }) => match content {
                Content::Text(text) => text.len(),
                Content::Joined(text) => text.len(),
                Content::Pieces(all) => pieces(all),
            },
            Self::Written(
                Written::FunctionCallOutput { output, .. } | Written::CustomToolCallOutput { output, .. },
            ) => match output {
                Answer::Words(output) => output.0.output.as_str().map_or(256, str::len),
                Answer::Pieces(all) => pieces(all),
            },
            Self::Written(Written::CustomToolCall { input, .. }) => input.len(),
            Self::Written(Written::FunctionCall { .. }) => 256,
            Self::Kept(_) => 2048,
            Self::Picture(picture) => picture.bytes.len() / 3 * 4,
        }
    }
}

impl Piece<'_> {
    fn size_hint(&self) -> usize {
        let address = |address: &Option<Address<'_>>| match address {
            Some(Address::Data { bytes, .. }) => bytes.len() / 3 * 4,
            _ => 128,
        };
        64 + match self {
            Self::Text { text: Words::Text(text) } => text.len(),
            Self::Text { .. } => 256,
            Self::Image { image_url, .. } => address(image_url),
            Self::Audio { input_audio } => input_audio.data.0.len() / 3 * 4,
            Self::File { file_data, .. } => address(file_data),
        }
    }
}
