//! Conversations of an export from ChatGPT: nodes by their ids, each with the one above it.
//!
//! What its own tools were asked and answered stands as text of the model, with the tool's name in the metadata: those
//! tools are not here, and no provider takes such calls of another. Pictures stand in other files of the export; a line says
//! so in their place.

use std::collections::HashMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{MapAccess, Visitor};

use super::forest::{Node, grow};
use super::items::At;
use super::source::foreign;
use super::steps::{Begun, Named, Step, Taker, Words, fitting};
use crate::base::{ConversationId, Json, Timestamp};
use crate::engine::conversation::MAX_TITLE_BYTES;
use crate::model::{FinishReason, MessageStatus, Part, Result, Role};
use crate::store::hash;

#[derive(Deserialize)]
struct Exported {
    mapping: Mapping,
    title: Option<String>,
    #[serde(default)]
    create_time: Json,
    #[serde(default)]
    update_time: Json,
    current_node: Option<String>,
    conversation_id: Option<String>,
    id: Option<String>,
    is_archived: Option<bool>,
    is_starred: Option<bool>,
}

/// The nodes, in the order of the file.
struct Mapping(Vec<(String, Mapped)>);

#[derive(Deserialize)]
struct Mapped {
    parent: Option<String>,
    #[serde(default)]
    children: Option<Vec<String>>,
    #[serde(default)]
    message: Json,
}

impl<'de> Deserialize<'de> for Mapping {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Nodes;
        impl<'de> Visitor<'de> for Nodes {
            type Value = Mapping;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of nodes")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Mapping, A::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = map.next_entry()? {
                    nodes.push(node);
                }
                Ok(Mapping(nodes))
            }
        }
        deserializer.deserialize_map(Nodes)
    }
}

pub(super) fn take(at: At, bytes: &[u8], owner: &str, each: &mut Taker<'_>) -> Result<()> {
    let Some(exported) = foreign::<Exported>(at, bytes, each)? else { return Ok(()) };
    let name = exported.conversation_id.or(exported.id).unwrap_or_else(|| format!("{:?}", hash(bytes)));
    let id = ConversationId::imported(owner, &format!("chatgpt {name}"));
    let title = exported.title.map(|title| fitting(title, MAX_TITLE_BYTES)).filter(|title| !title.is_empty());
    each(Step::Conversation(Box::new(Begun {
        at,
        id: Named::Here(id),
        title,
        pinned: exported.is_starred.unwrap_or(false),
        archived: exported.is_archived.unwrap_or(false),
        created_at: moment(&exported.create_time),
        updated_at: moment(&exported.update_time).or_else(|| moment(&exported.create_time)),
        ..Begun::default()
    })))?;
    let mut nodes = Vec::new();
    let mut lacks_files = false;
    for (name, node) in in_order(exported.mapping.0) {
        let words = match node.message {
            Json::Null => None,
            message => match words(&message, &mut lacks_files) {
                Ok(words) => words,
                Err(detail) => {
                    each(at.problem("bad_message", format!("{detail}; it was left out")).into())?;
                    None
                }
            },
        };
        nodes.push(Node { name, above: node.parent, words });
    }
    if lacks_files {
        let detail = "pictures and files of its messages stand elsewhere in the export; a line says so in their place";
        each(at.problem("file_missing", detail).into())?;
    }
    grow((at, id), nodes, exported.current_node.as_deref(), each)
}

/// The nodes so that those below one stand as that one lists them.
fn in_order(nodes: Vec<(String, Mapped)>) -> Vec<(String, Mapped)> {
    let mut places: HashMap<String, usize> = HashMap::new();
    for (_, node) in &nodes {
        for (place, child) in node.children.iter().flatten().enumerate() {
            places.entry(child.clone()).or_insert(place);
        }
    }
    let mut nodes = nodes;
    nodes.sort_by_key(|(name, _)| places.get(name).copied().unwrap_or(usize::MAX));
    nodes
}

/// A moment in seconds.
fn moment(seconds: &Json) -> Option<Timestamp> {
    let millis = seconds.as_f64()? * 1_000.0;
    #[expect(clippy::cast_possible_truncation, reason = "a conversion that saturates, and the range is looked at")]
    (millis.is_finite() && millis.abs() < 1e15).then(|| Timestamp::from_millis(millis as i64))
}

/// What a node says; nothing when it is none that anybody sees.
fn words(message: &Json, lacks_files: &mut bool) -> std::result::Result<Option<Words>, &'static str> {
    let author = message.get("author").unwrap_or(&Json::Null);
    let text = |value: &Json, name: &str| value.get(name).and_then(Json::as_str).map(str::to_owned);
    let mut metadata = HashMap::new();
    let role = match author.get("role").and_then(Json::as_str) {
        Some("user") => Role::User,
        Some("assistant") => Role::Assistant,
        Some("system") => Role::System,
        Some("tool") => {
            metadata.insert("tool".to_owned(), fitting(text(author, "name").unwrap_or_default(), 256));
            Role::Assistant
        }
        _ => return Err("the author of a message has no role that is known"),
    };
    if let Some(recipient) = text(message, "recipient").filter(|recipient| recipient != "all") {
        metadata.insert("recipient".to_owned(), fitting(recipient, 256));
    }
    let content = message.get("content").ok_or("a message has no content")?;
    let mut parts = parts(content, lacks_files)?;
    parts.retain(|part| !matches!(part, Part::Text { text, .. } | Part::Reasoning { text } if text.trim().is_empty()));
    if parts.is_empty() {
        return Ok(None);
    }
    let about = message.get("metadata").unwrap_or(&Json::Null);
    if about.get("is_visually_hidden_from_conversation").and_then(Json::as_bool) == Some(true) {
        metadata.insert("hidden".to_owned(), "true".to_owned());
    }
    let ending = about.get("finish_details").and_then(|details| details.get("type")).and_then(Json::as_str);
    let is_whole = text(message, "status").is_none_or(|status| status != "in_progress");
    let mut words = Words::new(role, parts);
    words.created_at = message.get("create_time").and_then(moment);
    words.status = match ending {
        Some("interrupted") => MessageStatus::Cancelled,
        _ if is_whole => MessageStatus::Complete,
        _ => MessageStatus::Interrupted,
    };
    words.finish_reason = match ending {
        Some("stop") => Some(FinishReason::Stop),
        Some("max_tokens") => Some(FinishReason::Length),
        _ => None,
    };
    if role == Role::Assistant {
        words.model = text(about, "model_slug").map(|slug| format!("openai/{}", fitting(slug, 256)));
    }
    words.metadata = metadata;
    Ok(Some(words))
}

fn parts(content: &Json, lacks_files: &mut bool) -> std::result::Result<Vec<Part>, &'static str> {
    let text = |name: &str| content.get(name).and_then(Json::as_str).unwrap_or_default();
    let one = |text: &str| Ok(vec![Part::text(text)]);
    match content.get("content_type").and_then(Json::as_str) {
        Some("code" | "execution_output" | "system_error") => one(text("text")),
        Some("tether_quote") => one(text("text")),
        Some("tether_browsing_display") => one(text("result")),
        Some("user_editable_context") => {
            let said = [text("user_profile"), text("user_instructions")];
            Ok(said.into_iter().map(Part::text).collect())
        }
        Some("model_editable_context") => one(text("model_set_context")),
        Some("reasoning_recap") => Ok(vec![Part::Reasoning { text: text("content").to_owned() }]),
        Some("thoughts") => {
            let thoughts = content.get("thoughts").and_then(Json::as_array).into_iter().flatten();
            let said =
                thoughts.filter_map(|thought| thought.get("content").or_else(|| thought.get("summary"))?.as_str());
            Ok(said.map(|text| Part::Reasoning { text: text.to_owned() }).collect())
        }
        _ => {
            let Some(parts) = content.get("parts").and_then(Json::as_array) else {
                return match content.get("text").and_then(Json::as_str) {
                    Some(text) => one(text),
                    None => Err("the content of a message is of a kind that is not known"),
                };
            };
            Ok(parts.iter().map(|part| spoken(part, lacks_files)).collect())
        }
    }
}

fn spoken(part: &Json, lacks_files: &mut bool) -> Part {
    let text = part.as_str().or_else(|| part.get("text")?.as_str());
    if let Some(text) = text {
        return Part::text(text);
    }
    *lacks_files = true;
    Part::text("[a file that was not exported with the conversation]")
}
