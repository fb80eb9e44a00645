//! From the engine's messages and parts to the dialect's.

use super::shapes::{Address, Call, Content, Message, Owner, Piece, Replayed};
use crate::base::Json;
use crate::model::{ChatRequest, Error, Media, MediaSource, NewMessage, Part, Result, Role};
use crate::wire::{Target, mime};

/// Fields of a message or call that the decoder keeps as opaque parts. Parts of other names come from another
/// dialect of the same provider and mean nothing here.
const REPLAYED_FIELDS: [&str; 2] = ["reasoning_details", "extra_content"];

/// The messages of a request.
///
/// # Errors
/// `Invalid` (unsupported) for media that chat completions do not take, `Internal` for media that nobody loaded.
pub(super) fn messages<'a>(request: &'a ChatRequest, target: &'a Target<'a>) -> Result<Vec<Message<'a>>> {
    let mut writer = Writer::new(target, request.messages.len() + 1);
    writer.instruct(request);
    for message in &request.messages {
        writer.message(message)?;
    }
    writer.flush_media()?;
    Ok(writer.messages)
}

/// What stands before the messages of a request.
pub(super) fn instructions<'a>(request: &'a ChatRequest, target: &'a Target<'a>) -> Vec<Message<'a>> {
    let mut writer = Writer::new(target, 1);
    writer.instruct(request);
    writer.messages
}

/// One message of words alone, which is written the same whatever stands around it: at most one message on the wire.
pub(super) fn words_of<'a>(message: &'a NewMessage, target: &'a Target<'a>) -> Result<Vec<Message<'a>>> {
    let mut writer = Writer::new(target, 1);
    writer.message(message)?;
    Ok(writer.messages)
}

/// What the writing of words depends on, besides the words.
pub(super) fn written_by(target: &Target<'_>) -> String {
    let field = target.quirks.replay_reasoning_field.as_deref().unwrap_or_default();
    ["openai_chat", field].join(" ")
}

struct Writer<'a> {
    target: &'a Target<'a>,
    instructing: &'static str,
    messages: Vec<Message<'a>>,
    /// Media that follow in a message of the user, because neither tools nor the assistant may carry any.
    media: Vec<(Owner<'a>, &'a Media)>,
}

impl<'a> Writer<'a> {
    fn new(target: &'a Target<'a>, messages: usize) -> Self {
        let instructing = if target.quirks.developer_role { "developer" } else { "system" };
        Self { target, instructing, messages: Vec::with_capacity(messages), media: Vec::new() }
    }

    fn instruct(&mut self, request: &'a ChatRequest) {
        let schema = request.output_schema.as_ref().filter(|_| self.target.quirks.json_object_only);
        match (request.system.as_deref().filter(|system| !system.is_empty()), schema) {
            (system, Some(schema)) => {
                let content = Content::Schema { system: system.unwrap_or_default(), schema: &schema.schema };
                self.push(self.instructing, content);
            }
            (Some(system), None) => self.push(self.instructing, Content::Text(system)),
            (None, None) => {}
        }
    }

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
        if let [Part::Text { text, .. }] = message.parts.as_slice() {
            self.flush_media()?;
            self.push("user", Content::Text(text));
            return Ok(());
        }
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
                Part::ToolCall { call } => {
                    let custom = self.target.quirks.custom_tools;
                    tool_calls.push(Call { call, custom, replayed: Vec::new() });
                }
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
