//! Which models a provider offers right now, in the words of four families.
//!
//! ```text
//! ModelList of a dialect ──encode(page)──▶ http::Request ──▶ response body ──decode──▶ ListedPage { models, next }
//! ```
//!
//! Lists are long, come in pages and hold much that is no model for conversations; they are read leniently, and one
//! strange entry loses no other. What no name can be is left out.

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::header::ACCEPT;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};

use super::{Target, anthropic, failure, outgoing};
use crate::base::Json;
use crate::model::{Error, Result};

/// How a family of providers lists its models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelList {
    /// `GET /models`, whole.
    OpenAi,
    /// `GET /models`, in pages behind the last id.
    Anthropic,
    /// `GET /models`, in pages by token.
    Gemini,
    /// `GET /api/tags`, whole.
    Ollama,
}

/// A model as its provider lists it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedModel {
    /// Its name in requests.
    pub name: String,
    /// How many tokens fit, when the list says so.
    pub context_window: Option<i64>,
    /// How many tokens it writes at most, when the list says so.
    pub max_output_tokens: Option<i64>,
}

/// One page of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListedPage {
    /// The models, in the provider's order.
    pub models: Vec<ListedModel>,
    /// Where the next page begins; nothing on the last one.
    pub next: Option<String>,
}

impl ModelList {
    /// The list that goes with a dialect.
    #[must_use]
    pub fn of(dialect: &str) -> Option<Self> {
        match dialect {
            "openai_chat" | "openai_responses" => Some(Self::OpenAi),
            "anthropic" => Some(Self::Anthropic),
            "gemini" => Some(Self::Gemini),
            "ollama" => Some(Self::Ollama),
            _ => None,
        }
    }

    /// The request for a page: the first one, or the one that begins where another page said. Carries no key.
    ///
    /// # Errors
    /// `Invalid` (bad_url).
    pub fn encode(self, target: &Target<'_>, page: Option<&str>) -> Result<Request<Bytes>> {
        let next = |name: &str| page.map(|page| format!("&{name}={}", escaped(page))).unwrap_or_default();
        let path = match self {
            Self::OpenAi => "/models".to_owned(),
            Self::Anthropic => format!("/models?limit=1000{}", next("after_id")),
            Self::Gemini => format!("/models?pageSize=1000{}", next("pageToken")),
            Self::Ollama => "/api/tags".to_owned(),
        };
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = Method::GET;
        *request.uri_mut() = outgoing::uri(target, &path)?;
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        if self == Self::Anthropic {
            request.headers_mut().insert("anthropic-version", HeaderValue::from_static(anthropic::VERSION));
        }
        Ok(request)
    }

    /// Reads a reply with a 2xx status.
    ///
    /// # Errors
    /// What the body says went wrong, or `Unavailable` (bad_response) when it holds no list.
    pub fn decode(self, body: &[u8]) -> Result<ListedPage> {
        let Ok(reply) = serde_json::from_slice::<Json>(body) else {
            return Err(failure::bad_response("something that is no whole JSON"));
        };
        if reply.get("error").is_some_and(|error| !error.is_null()) {
            return Err(failure::inside_reply(&reply));
        }
        let list = match self {
            // Together sends the bare list.
            Self::OpenAi => reply.get("data").or(Some(&reply)),
            Self::Anthropic => reply.get("data"),
            // A page of Google's without models has no list at all.
            Self::Gemini if reply.get("models").is_none() && reply.is_object() => Some(&Json::Null),
            Self::Gemini | Self::Ollama => reply.get("models"),
        };
        let models = match list {
            Some(Json::Array(list)) => list.iter().filter_map(|entry| self.entry(entry)).collect(),
            Some(Json::Null) if self == Self::Gemini => Vec::new(),
            _ => return Err(failure::bad_response("JSON that holds no list of models")),
        };
        let text = |name: &str| reply.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
        let next = match self {
            Self::OpenAi | Self::Ollama => None,
            Self::Anthropic => text("last_id").filter(|_| reply.get("has_more").and_then(Json::as_bool) == Some(true)),
            Self::Gemini => text("nextPageToken"),
        };
        Ok(ListedPage { models, next: next.map(str::to_owned) })
    }

    /// Reads a reply with an error status. `body` may be cut off.
    #[must_use]
    pub fn classify(self, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
        failure::of_response(status, headers, body)
    }

    fn entry(self, entry: &Json) -> Option<ListedModel> {
        let names: &[&str] = match self {
            Self::OpenAi | Self::Anthropic => &["id"],
            Self::Gemini => &["name"],
            Self::Ollama => &["model", "name"],
        };
        let name = names.iter().find_map(|name| entry.get(name)?.as_str())?;
        let name = if self == Self::Gemini { name.strip_prefix("models/").unwrap_or(name) } else { name };
        let count = |places: &[&str]| places.iter().find_map(|place| entry.pointer(place)?.as_i64()).filter(|n| *n > 0);
        Some(ListedModel { name: name.to_owned(), context_window: count(WINDOWS), max_output_tokens: count(OUTPUTS) })
    }
}

/// Where lists say how much fits: Gemini, Anthropic, OpenRouter and Together, Groq, vLLM, Mistral.
const WINDOWS: &[&str] = &[
    "/inputTokenLimit",
    "/max_input_tokens",
    "/context_length",
    "/context_window",
    "/max_model_len",
    "/max_context_length",
];

/// Where lists say how much is written at most: Gemini, Groq, OpenRouter, Anthropic.
const OUTPUTS: &[&str] =
    &["/outputTokenLimit", "/max_completion_tokens", "/top_provider/max_completion_tokens", "/max_tokens"];

/// A text as it stands in a query.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}
