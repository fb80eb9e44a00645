//! The shapes in which providers tell what went wrong.

use std::time::Duration;

use crate::base::Json;
use crate::wire::hints;

/// A provider's own account of a failure, in one shape.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Account {
    /// The type word: `invalid_request_error`, Google's `RESOURCE_EXHAUSTED`.
    pub(crate) kind: Option<String>,
    /// A word or a number.
    pub(crate) code: Option<Json>,
    /// The words, or those of several joined by `; `.
    pub(crate) message: String,
    pub(crate) param: Option<String>,
    pub(crate) request_id: Option<String>,
    /// The HTTP status that the payload names for itself (Groq's `status_code`, Google's `code`).
    pub(crate) status: Option<u16>,
    /// When to come back, as written in the body.
    pub(crate) retry_after: Option<String>,
    /// What the provider behind a router answered.
    pub(crate) upstream: Option<String>,
    /// Further words to classify by, which no user asks for: Google's and Anthropic's reasons in `details`,
    /// Azure's `innererror`, OpenRouter's `limit_source`.
    pub(super) marks: Vec<String>,
    /// The body was no JSON: a page of a proxy, plain text, nothing at all.
    pub(super) unreadable: bool,
    wait: Option<Duration>,
}

/// How much of a body that is no JSON is kept as the message.
const KEPT_TEXT_BYTES: usize = 4 << 10;

impl Account {
    /// Reads a body, unless it holds no JSON object.
    pub(crate) fn of_bytes(body: &[u8]) -> Option<Self> {
        Self::of_json(&serde_json::from_slice(body).ok()?)
    }

    /// The account of a body that is no JSON.
    pub(super) fn unreadable(body: &[u8]) -> Self {
        let text = String::from_utf8_lossy(&body[..body.len().min(KEPT_TEXT_BYTES)]);
        Self { message: text.trim().to_owned(), unreadable: true, ..Self::default() }
    }

    /// Reads a payload, unless it is no object. Never fails on what stands in it.
    pub(crate) fn of_json(payload: &Json) -> Option<Self> {
        // Google wraps its errors into an array when it was asked for a stream.
        let payload = payload.as_array().and_then(|all| all.first()).unwrap_or(payload);
        let outer = payload.as_object()?;
        let mut account = match outer.get("error") {
            Some(inner @ Json::Object(_)) => Self::of_object(inner),
            // xAI, Ollama, Venice: the words themselves, with what there is beside them.
            Some(Json::String(words)) => Self { message: words.clone(), ..Self::of_object(payload) },
            _ => Self::of_object(payload),
        };
        if account.request_id.is_none() {
            account.request_id = word(payload.get("request_id"));
        }
        Some(account)
    }

    /// How long the body says to wait.
    pub(super) fn wait(&self) -> Option<Duration> {
        self.wait
    }

    fn of_object(error: &Json) -> Self {
        let field = |name: &str| error.get(name).filter(|value| !value.is_null());
        let details = field("details");
        let google = word(field("status"));
        let number = |name: &str| field(name).and_then(status_number);
        let upstream = error.pointer("/metadata/raw").and_then(|raw| match raw {
            Json::String(text) => Some(text.clone()),
            Json::Null => None,
            other => Some(other.to_string()),
        });
        let message = [field("message"), field("detail"), field("msg"), field("error_description")]
            .into_iter()
            .flatten()
            .map(words)
            .find(|words| !words.is_empty())
            .unwrap_or_default();
        let retry_info = details.and_then(hints::retry_info);
        let told = [Some(message.as_str()), upstream.as_deref()].into_iter().flatten().find_map(hints::wait_in_text);
        Self {
            status: number("status_code").or_else(|| google.as_ref().and_then(|_| number("code"))),
            kind: word(field("type")).or(google),
            code: field("code").filter(|code| code.is_string() || code.is_number()).cloned(),
            param: word(field("param")),
            request_id: word(field("request_id")),
            retry_after: retry_info.map(|(_, written)| written.to_owned()),
            wait: retry_info.map(|(wait, _)| wait).or(told),
            marks: marks(error),
            message,
            upstream,
            unreadable: false,
        }
    }
}

fn word(value: Option<&Json>) -> Option<String> {
    value?.as_str().filter(|word| !word.is_empty()).map(str::to_owned)
}

/// A number, or a word of digits, that can be the status of an error.
pub(super) fn status_number(value: &Json) -> Option<u16> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    u16::try_from(number).ok().filter(|status| (400..600).contains(status))
}

/// The words of a message: itself, those of its list, or those of the list it holds (Mistral).
fn words(message: &Json) -> String {
    match message {
        Json::String(text) => text.clone(),
        Json::Array(all) => {
            let each: Vec<String> = all.iter().map(words).filter(|text| !text.is_empty()).collect();
            each.join("; ")
        }
        Json::Object(object) => ["msg", "message", "detail"]
            .iter()
            .filter_map(|name| object.get(*name))
            .map(words)
            .find(|text| !text.is_empty())
            .unwrap_or_default(),
        _ => String::new(),
    }
}

fn marks(error: &Json) -> Vec<String> {
    let places = ["/innererror/code", "/details/error_code", "/metadata/limit_source", "/metadata/error_type"];
    let listed = error.get("details").and_then(Json::as_array).into_iter().flatten().filter_map(|d| d.get("reason"));
    let mut marks: Vec<String> = places
        .iter()
        .filter_map(|place| error.pointer(place))
        .chain(listed)
        .filter_map(|mark| word(Some(mark)))
        .collect();
    if error.pointer("/metadata/reasons").is_some_and(|reasons| reasons.as_array().is_some_and(|all| !all.is_empty())) {
        // OpenRouter's moderation lists why the prompt was flagged.
        marks.push("content_filter".to_owned());
    }
    if error.get("details").and_then(Json::as_array).into_iter().flatten().any(exhausts_quota) {
        marks.push("quota_exhausted".to_owned());
    }
    marks
}

/// Google names the limits that were passed. One of the day lasts for hours and one of nothing for ever, whatever
/// delay of seconds stands beside them.
fn exhausts_quota(detail: &Json) -> bool {
    let passed = |limit: &Json, name: &str, value: &str| {
        limit[name].as_str().is_some_and(|name| name.contains("PerDay")) || limit[value] == "0"
    };
    let mut violations = detail["violations"].as_array().into_iter().flatten();
    violations.any(|limit| passed(limit, "quotaId", "quotaValue"))
        || passed(&detail["metadata"], "quota_limit", "quota_limit_value")
}
