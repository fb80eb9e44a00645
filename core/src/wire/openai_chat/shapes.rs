//! The shapes of messages on the wire: borrowed, and written without building JSON first.

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::base::Json;
use crate::model::{ToolCall, ToolResult};
use crate::wire::{json, tools};

/// Whose media follow: the answer to the call of this id, or the assistant's message.
pub(super) type Owner<'a> = Option<&'a str>;

/// One message on the wire.
#[derive(Debug)]
pub(super) struct Message<'a> {
    pub(super) role: &'static str,
    pub(super) content: Content<'a>,
    pub(super) tool_call_id: Option<&'a str>,
    pub(super) tool_calls: Vec<Call<'a>>,
    /// Reasoning that goes back, and what the provider wants back as it came: names of fields and their values.
    pub(super) replayed: Vec<(&'a str, Replayed<'a>)>,
}

#[derive(Debug)]
pub(super) enum Content<'a> {
    /// A call of tools without words.
    Null,
    Text(&'a str),
    /// Several pieces as one string.
    Joined(Vec<&'a str>),
    Output(&'a ToolResult),
    Schema {
        system: &'a str,
        schema: &'a Json,
    },
    Pieces(Vec<Piece<'a>>),
}

#[derive(Debug)]
pub(super) struct Call<'a> {
    pub(super) call: &'a ToolCall,
    /// The provider knows calls of free text.
    pub(super) custom: bool,
    pub(super) replayed: Vec<(&'a str, &'a Json)>,
}

#[derive(Debug)]
pub(super) enum Replayed<'a> {
    Words(Vec<&'a str>),
    Json(&'a Json),
    /// Lists of the same name, as one list.
    Lists(Vec<&'a [Json]>),
}

#[derive(Debug)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// Says whose the media behind it are, which the dialect cannot put where they belong.
    BelongsTo(Owner<'a>),
    Image(Address<'a>),
    Audio {
        data: &'a [u8],
        format: &'static str,
    },
    File {
        name: &'a str,
        data: Address<'a>,
    },
    KnownFile {
        id: &'a str,
    },
}

#[derive(Debug)]
pub(in crate::wire) enum Address<'a> {
    Url(&'a str),
    Data { mime: &'a str, bytes: &'a [u8] },
}

impl Message<'_> {
    /// About how many bytes it takes.
    pub(super) fn size_hint(&self) -> usize {
        let content = match &self.content {
            Content::Null => 0,
            Content::Text(text) => text.len(),
            Content::Joined(words) => words.iter().map(|text| text.len()).sum(),
            Content::Output(result) => result.output.as_str().map_or(256, str::len),
            Content::Schema { system, .. } => system.len() + 1024,
            Content::Pieces(pieces) => pieces.iter().map(Piece::size_hint).sum(),
        };
        64 + content + content / 16 + 256 * (self.tool_calls.len() + self.replayed.len())
    }

    /// Adds it as JSON. Words alone, as most messages are, go the short way.
    pub(super) fn write(&self, out: &mut Vec<u8>) -> serde_json::Result<()> {
        match self {
            Self { role, content: Content::Text(text), tool_call_id: None, tool_calls, replayed }
                if tool_calls.is_empty() && replayed.is_empty() =>
            {
                out.extend_from_slice(b"{\"role\":\"");
                out.extend_from_slice(role.as_bytes());
                out.extend_from_slice(b"\",\"content\":");
                json::write_string(out, text);
                out.push(b'}');
                Ok(())
            }
            other => serde_json::to_writer(out, other),
        }
    }
}

impl Piece<'_> {
    fn size_hint(&self) -> usize {
        let base64 = |bytes: &[u8]| bytes.len() / 3 * 4;
        64 + match self {
            Self::Text(text) | Self::KnownFile { id: text } => text.len(),
            Self::BelongsTo(_) => 64,
            Self::Audio { data, .. } => base64(data),
            Self::Image(Address::Url(url)) | Self::File { data: Address::Url(url), .. } => url.len(),
            Self::Image(Address::Data { bytes, .. }) | Self::File { data: Address::Data { bytes, .. }, .. } => {
                base64(bytes)
            }
        }
    }
}

impl Serialize for Message<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("role", self.role)?;
        if let Some(id) = self.tool_call_id {
            map.serialize_entry("tool_call_id", id)?;
        }
        map.serialize_entry("content", &self.content)?;
        if !self.tool_calls.is_empty() {
            map.serialize_entry("tool_calls", &self.tool_calls)?;
        }
        for (name, value) in &self.replayed {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl Serialize for Content<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_none(),
            Self::Text(text) => serializer.serialize_str(text),
            Self::Joined(words) => serializer.collect_str(&Words(words)),
            Self::Output(result) => Output(result).serialize(serializer),
            Self::Schema { system, schema } => {
                let gap = if system.is_empty() { "" } else { "\n\n" };
                let told = "Answer with a JSON object that fits this JSON schema, and with nothing else:";
                serializer.collect_str(&format_args!("{system}{gap}{told}\n{schema}"))
            }
            Self::Pieces(pieces) => pieces.serialize(serializer),
        }
    }
}

/// What a tool answered, as a string. The dialect has no field for failure, so that the words say it.
pub(in crate::wire) struct Output<'a>(pub(in crate::wire) &'a ToolResult);

impl Serialize for Output<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match (&self.0.output, self.0.is_error) {
            (Json::String(text), false) => serializer.serialize_str(text),
            (Json::String(text), true) => serializer.collect_str(&format_args!("Error: {text}")),
            (output, false) => serializer.collect_str(output),
            (output, true) => serializer.collect_str(&format_args!("Error: {output}")),
        }
    }
}

impl Serialize for Call<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Function<'a> {
            name: &'a str,
            arguments: Arguments<'a>,
        }
        let mut map = serializer.serialize_map(None)?;
        #[derive(serde::Serialize)]
        struct Custom<'a> {
            name: &'a str,
            input: &'a str,
        }
        let ToolCall { id, name, arguments, free_text, .. } = self.call;
        map.serialize_entry("id", id)?;
        match arguments.as_str().filter(|_| *free_text && self.custom) {
            Some(input) => {
                map.serialize_entry("type", "custom")?;
                map.serialize_entry("custom", &Custom { name, input })?;
            }
            None => {
                map.serialize_entry("type", "function")?;
                map.serialize_entry("function", &Function { name, arguments: Arguments(self.call) })?;
            }
        }
        for (name, value) in &self.replayed {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Arguments as JSON in a string. Those that were no JSON go wrapped: many servers parse what comes back to
/// them, and one broken call would make them refuse the conversation for ever.
pub(in crate::wire) struct Arguments<'a>(pub(in crate::wire) &'a ToolCall);

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let arguments = &self.0.arguments;
        match (tools::text_arguments(self.0), arguments) {
            (Some(wrapped), _) => serializer.collect_str(&wrapped),
            (None, Json::String(_)) => serializer.collect_str(&Json::from_iter([("invalid_json", arguments.clone())])),
            (None, arguments) => serializer.collect_str(arguments),
        }
    }
}

impl Serialize for Replayed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Words(words) => serializer.collect_str(&Words(words)),
            Self::Json(data) => data.serialize(serializer),
            Self::Lists(lists) => serializer.collect_seq(lists.iter().copied().flatten()),
        }
    }
}

impl Serialize for Piece<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct ImageUrl<'a> {
            url: &'a Address<'a>,
        }
        #[derive(serde::Serialize)]
        struct InputAudio<'a> {
            data: Base64<'a>,
            format: &'a str,
        }
        #[derive(serde::Serialize)]
        struct File<'a> {
            filename: &'a str,
            file_data: &'a Address<'a>,
        }
        #[derive(serde::Serialize)]
        struct KnownFile<'a> {
            file_id: &'a str,
        }
        let mut map = serializer.serialize_map(Some(2))?;
        match self {
            Self::Text(text) => {
                map.serialize_entry("type", "text")?;
                map.serialize_entry("text", text)?;
            }
            Self::BelongsTo(owner) => {
                map.serialize_entry("type", "text")?;
                match owner {
                    Some(id) => {
                        map.serialize_entry("text", &format_args!("Belongs to the answer of tool call {id}:"))?
                    }
                    None => map.serialize_entry("text", "Belongs to the assistant's message above:")?,
                }
            }
            Self::Image(url) => {
                map.serialize_entry("type", "image_url")?;
                map.serialize_entry("image_url", &ImageUrl { url })?;
            }
            Self::Audio { data, format } => {
                map.serialize_entry("type", "input_audio")?;
                map.serialize_entry("input_audio", &InputAudio { data: Base64(data), format })?;
            }
            Self::File { name, data } => {
                map.serialize_entry("type", "file")?;
                map.serialize_entry("file", &File { filename: name, file_data: data })?;
            }
            Self::KnownFile { id } => {
                map.serialize_entry("type", "file")?;
                map.serialize_entry("file", &KnownFile { file_id: id })?;
            }
        }
        map.end()
    }
}

impl Serialize for Address<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Url(url) => serializer.serialize_str(url),
            Self::Data { mime, bytes } => {
                serializer.collect_str(&format_args!("data:{mime};base64,{}", Base64Display::new(bytes, &STANDARD)))
            }
        }
    }
}

pub(in crate::wire) struct Base64<'a>(pub(in crate::wire) &'a [u8]);

impl Serialize for Base64<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&Base64Display::new(self.0, &STANDARD))
    }
}

struct Words<'a>(&'a [&'a str]);

impl std::fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|text| f.write_str(text))
    }
}
