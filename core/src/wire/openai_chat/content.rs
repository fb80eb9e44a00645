//! Messages and their parts, in the shapes of the dialect, borrowed from the request.

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::base::Json;
use crate::model::{ChatRequest, Error, Media, MediaSource, NewMessage, Part, Result, Role, ToolCall, ToolResult};
use crate::wire::{Target, mime};

/// One message on the wire.
#[derive(Debug)]
pub(super) struct Message<'a> {
    role: &'static str,
    content: Content<'a>,
    tool_call_id: Option<&'a str>,
    tool_calls: Vec<Call<'a>>,
    /// Reasoning that goes back, and what the provider wants back as it came: names of fields and their values.
    replayed: Vec<(&'a str, Replayed<'a>)>,
}

#[derive(Debug)]
enum Content<'a> {
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
struct Call<'a> {
    call: &'a ToolCall,
    replayed: Vec<(&'a str, &'a Json)>,
}

#[derive(Debug)]
enum Replayed<'a> {
    Words(Vec<&'a str>),
    Json(&'a Json),
    /// Lists of the same name, as one list.
    Lists(Vec<&'a [Json]>),
}

#[derive(Debug)]
enum Piece<'a> {
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
enum Address<'a> {
    Url(&'a str),
    Data { mime: &'a str, bytes: &'a [u8] },
}

/// Fields of a message or call that the decoder keeps as opaque parts. Parts of other names come from another
/// dialect of the same provider and mean nothing here.
const REPLAYED_FIELDS: [&str; 2] = ["reasoning_details", "extra_content"];

/// The messages of a request.
///
/// # Errors
/// `Invalid` (unsupported) for media that chat completions do not take, `Internal` for media that nobody loaded.
pub(super) fn messages<'a>(request: &'a ChatRequest, target: &'a Target<'a>) -> Result<Vec<Message<'a>>> {
    let instructing = if target.quirks.developer_role { "developer" } else { "system" };
    let messages = Vec::with_capacity(request.messages.len() + 1);
    let mut writer = Writer { target, instructing, messages, media: Vec::new() };
    let schema = request.output_schema.as_ref().filter(|_| target.quirks.json_object_only);
    match (request.system.as_deref().filter(|system| !system.is_empty()), schema) {
        (system, Some(schema)) => {
            let content = Content::Schema { system: system.unwrap_or_default(), schema: &schema.schema };
            writer.push(instructing, content);
        }
        (Some(system), None) => writer.push(instructing, Content::Text(system)),
        (None, None) => {}
    }
    for message in &request.messages {
        writer.message(message)?;
    }
    writer.flush_media()?;
    Ok(writer.messages)
}

struct Writer<'a> {
    target: &'a Target<'a>,
    instructing: &'static str,
    messages: Vec<Message<'a>>,
    /// Media that follow in a message of the user, because neither tools nor the assistant may carry any.
    media: Vec<(Owner<'a>, &'a Media)>,
}

/// Whose media follow: the answer to the call of this id, or the assistant's message.
type Owner<'a> = Option<&'a str>;

impl<'a> Writer<'a> {
    fn push(&mut self, role: &'static str, content: Content<'a>) {
        let (tool_calls, replayed) = (Vec::new(), Vec::new());
        self.messages.push(Message { role, content, tool_call_id: None, tool_calls, replayed });
    }

    fn message(&mut self, message: &'a NewMessage) -> Result<()> {
        match message.role {
            Role::System => {
                self.flush_media()?;
                let words = message.parts.iter().filter_map(words).collect();
                self.push(self.instructing, joined(words));
                Ok(())
            }
            Role::User | Role::Tool => self.user(message),
            Role::Assistant => self.assistant(message),
        }
    }

    /// Answers of tools first: they must follow the calls at once.
    fn user(&mut self, message: &'a NewMessage) -> Result<()> {
        for part in &message.parts {
            if let Part::ToolResult { result } = part {
                self.push("tool", Content::Output(result));
                if let Some(message) = self.messages.last_mut() {
                    message.tool_call_id = Some(&result.call_id);
                }
                self.media.extend(result.media.iter().map(|media| (Some(result.call_id.as_str()), media)));
            }
        }
        let mut pieces = Vec::new();
        for part in &message.parts {
            match part {
                Part::Text { text, .. } | Part::Refusal { text } => pieces.push(Piece::Text(text)),
                Part::Image { media } => pieces.push(self.image(media)?),
                Part::Audio { media } => pieces.push(self.audio(media)?),
                Part::File { media } => pieces.push(self.file(media)?),
                Part::ToolCall { .. } => {
                    return Err(Error::invalid(
                        "bad_request",
                        "a call of a tool belongs into a message of the assistant",
                    ));
                }
                Part::ToolResult { .. } | Part::Reasoning { .. } | Part::Opaque { .. } => {}
            }
        }
        if pieces.is_empty() {
            return Ok(());
        }
        self.flush_media()?;
        let content = match pieces.as_slice() {
            [Piece::Text(text)] => Content::Text(text),
            _ => Content::Pieces(pieces),
        };
        self.push("user", content);
        Ok(())
    }

    fn assistant(&mut self, message: &'a NewMessage) -> Result<()> {
        self.flush_media()?;
        let mut said = Vec::new();
        let mut thought = Vec::new();
        let mut tool_calls: Vec<Call<'a>> = Vec::new();
        let mut replayed: Vec<(&'a str, Replayed<'a>)> = Vec::new();
        let mut behind_call = false;
        for part in &message.parts {
            match part {
                Part::Text { text, .. } | Part::Refusal { text } => said.push(text.as_str()),
                Part::Reasoning { text } => thought.push(text.as_str()),
                Part::ToolCall { call } if call.provider_executed => {}
                Part::ToolCall { call } => tool_calls.push(Call { call, replayed: Vec::new() }),
                Part::Image { media } | Part::File { media } => self.media.push((None, media)),
                Part::Opaque { provider, name, attached, data } => {
                    if provider != self.target.provider || !REPLAYED_FIELDS.contains(&name.as_str()) {
                        continue;
                    }
                    match tool_calls.last_mut().filter(|_| *attached && behind_call) {
                        Some(call) => call.replayed.push((name, data)),
                        None => replay(&mut replayed, name, data),
                    }
                    continue;
                }
                // The words of a sound stand beside it; what the provider's own tools answered is its own.
                Part::Audio { .. } | Part::ToolResult { .. } => {}
            }
            behind_call = matches!(part, Part::ToolCall { call } if !call.provider_executed);
        }
        if let Some(field) = self.target.quirks.replay_reasoning_field.as_deref().filter(|_| !thought.is_empty()) {
            replayed.push((field, Replayed::Words(thought)));
        }
        if said.is_empty() && tool_calls.is_empty() && replayed.is_empty() {
            return Ok(());
        }
        let content = if said.is_empty() && !tool_calls.is_empty() { Content::Null } else { joined(said) };
        self.messages.push(Message { role: "assistant", content, tool_call_id: None, tool_calls, replayed });
        Ok(())
    }

    fn flush_media(&mut self) -> Result<()> {
        if self.media.is_empty() {
            return Ok(());
        }
        let mut pieces = Vec::with_capacity(self.media.len() + 1);
        let mut last = None;
        for (owner, media) in std::mem::take(&mut self.media) {
            if last != Some(owner) {
                pieces.push(Piece::BelongsTo(owner));
                last = Some(owner);
            }
            let mime = mime_of(media).unwrap_or("image/");
            pieces.push(match mime {
                _ if mime.starts_with("image/") => self.image(media)?,
                _ if mime.starts_with("audio/") => self.audio(media)?,
                _ => self.file(media)?,
            });
        }
        self.push("user", Content::Pieces(pieces));
        Ok(())
    }

    fn image(&self, media: &'a Media) -> Result<Piece<'a>> {
        match &media.source {
            MediaSource::Url { url } => Ok(Piece::Image(Address::Url(url))),
            MediaSource::Data { data } => match mime_of(media) {
                Some(mime) => Ok(Piece::Image(Address::Data { mime, bytes: data })),
                None => Err(unsupported("a picture of unknown type; set its mime_type, as image/png")),
            },
            other => self.known_file(other),
        }
    }

    fn audio(&self, media: &'a Media) -> Result<Piece<'a>> {
        let MediaSource::Data { data } = &media.source else {
            return match &media.source {
                MediaSource::Url { .. } => Err(unsupported("a sound by URL; send its bytes")),
                other => self.known_file(other),
            };
        };
        let format = match mime_of(media) {
            Some("audio/wav" | "audio/x-wav" | "audio/wave" | "audio/vnd.wave") => "wav",
            Some("audio/mpeg" | "audio/mp3") => "mp3",
            _ => return Err(unsupported("a sound that is neither WAV nor MP3; convert it, or use another provider")),
        };
        Ok(Piece::Audio { data, format })
    }

    fn file(&self, media: &'a Media) -> Result<Piece<'a>> {
        let mime = mime_of(media).unwrap_or("application/octet-stream");
        // The dialect asks for a name with every document.
        let name = media.name.as_deref().or((mime == "application/pdf").then_some("document.pdf"));
        let name = name.unwrap_or("document");
        match &media.source {
            MediaSource::Data { data } => Ok(Piece::File { name, data: Address::Data { mime, bytes: data } }),
            MediaSource::Url { url } => Ok(Piece::File { name, data: Address::Url(url) }),
            other => self.known_file(other),
        }
    }

    fn known_file(&self, source: &'a MediaSource) -> Result<Piece<'a>> {
        match source {
            MediaSource::ProviderFile { provider, id } if provider == self.target.provider => {
                Ok(Piece::KnownFile { id })
            }
            MediaSource::ProviderFile { .. } => {
                Err(unsupported("a file that was handed to another provider; send its bytes"))
            }
            _ => Err(Error::internal("media reached the dialect before their bytes were loaded")),
        }
    }
}

fn unsupported(what: &str) -> Error {
    Error::invalid("unsupported", format!("chat completions do not take {what}"))
}

fn words(part: &Part) -> Option<&str> {
    match part {
        Part::Text { text, .. } => Some(text),
        _ => None,
    }
}

fn joined(words: Vec<&str>) -> Content<'_> {
    match words.as_slice() {
        [] => Content::Text(""),
        [text] => Content::Text(text),
        _ => Content::Joined(words),
    }
}

fn replay<'a>(replayed: &mut Vec<(&'a str, Replayed<'a>)>, name: &'a str, data: &'a Json) {
    let known = replayed.iter_mut().find(|(known, _)| *known == name);
    match (known, data) {
        (Some((_, Replayed::Lists(lists))), Json::Array(list)) => lists.push(list),
        (None, Json::Array(list)) => replayed.push((name, Replayed::Lists(vec![list]))),
        (None, data) => replayed.push((name, Replayed::Json(data))),
        (Some((_, known)), data) => *known = Replayed::Json(data),
    }
}

/// The type as given, or as the bytes tell.
fn mime_of(media: &Media) -> Option<&str> {
    media.mime_type.as_deref().filter(|mime| !mime.is_empty()).or_else(|| match &media.source {
        MediaSource::Data { data } => mime::guess(data),
        _ => None,
    })
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
            Self::Output(result) => match (&result.output, result.is_error) {
                (Json::String(text), false) => serializer.serialize_str(text),
                (Json::String(text), true) => serializer.collect_str(&format_args!("Error: {text}")),
                (output, false) => serializer.collect_str(output),
                (output, true) => serializer.collect_str(&format_args!("Error: {output}")),
            },
            Self::Schema { system, schema } => {
                let gap = if system.is_empty() { "" } else { "\n\n" };
                let told = "Answer with a JSON object that fits this JSON schema, and with nothing else:";
                serializer.collect_str(&format_args!("{system}{gap}{told}\n{schema}"))
            }
            Self::Pieces(pieces) => pieces.serialize(serializer),
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
        map.serialize_entry("id", &self.call.id)?;
        map.serialize_entry("type", "function")?;
        let function = Function { name: &self.call.name, arguments: Arguments(&self.call.arguments) };
        map.serialize_entry("function", &function)?;
        for (name, value) in &self.replayed {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

/// Arguments as JSON in a string. Those that were no JSON go wrapped: many servers parse what comes back to
/// them, and one broken call would make them refuse the conversation for ever.
struct Arguments<'a>(&'a Json);

impl Serialize for Arguments<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Json::String(_) => serializer.collect_str(&Json::from_iter([("invalid_json", self.0.clone())])),
            arguments => serializer.collect_str(arguments),
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

struct Base64<'a>(&'a [u8]);

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
