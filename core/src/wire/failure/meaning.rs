//! What a failure means: the table.

use std::time::Duration;

use super::account::{Account, status_number};
use crate::base::{ErrorKind, Retry};

/// What a caller should do about a failure.
#[derive(Debug, PartialEq)]
pub(super) struct Meaning {
    pub(super) kind: ErrorKind,
    pub(super) reason: &'static str,
    pub(super) detail: String,
    /// `Safe` where repeating may help; how long to wait is not the table's to say.
    pub(super) retry: Retry,
    /// How many tokens fit and how many there were, where the provider says so.
    pub(super) tokens: Option<(Option<i64>, Option<i64>)>,
}

/// Codes and type words of an empty purse. Waiting does not fill it.
const QUOTA: &[&str] = &[
    "insufficient_quota",
    "credit_balance_exhausted",
    "billing_hard_limit_reached",
    "billing_not_active",
    "billing_error",
    "enforced_spend_limit_reached",
    "insufficient_balance",
    "insufficient_credits",
    "insufficient_funds",
    "quota_exhausted",
    "access_terminated",
];
const QUOTA_PHRASES: &[&str] = &[
    "credit balance is too low",
    "insufficient balance",
    "insufficient credit",
    "insufficient funds",
    "out of credits",
    "requires more credits",
    "billing hard limit",
    "specified api usage limits",
    "spending limit",
    "spend limit",
];

const CONTEXT: &[&str] = &[
    "context_length_exceeded",
    "context_window_exceeded",
    "model_context_window_exceeded",
    "exceed_context_size_error",
    "model_max_prompt_tokens_exceeded",
    "context_length_error",
];
const CONTEXT_PHRASES: &[&str] = &[
    "maximum context length",
    "context length",
    "context window",
    "context limit",
    "context size",
    "prompt is too long",
    "input is too long",
    "maximum prompt length",
    "input token count",
    "maximum number of tokens",
    "too many tokens",
    "tokens must be reduced",
    "reduce the length of the messages",
];

const FILTERED: &[&str] = &[
    "content_filter",
    "content_policy_violation",
    "responsibleaipolicyviolation",
    "content_moderation",
    "moderation_blocked",
    "data_inspection_failed",
    "invalid_prompt",
    "bio_policy",
    "cyber_policy",
    "image_content_policy_violation",
    "prohibited_content",
    "safety",
];
const FILTERED_PHRASES: &[&str] = &[
    "content management policy",
    "content filtering policy",
    "violating our usage policy",
    "input was flagged",
    "responsible ai practices",
];

const KEY: &[&str] = &["invalid_api_key", "api_key_invalid", "incorrect_api_key", "account_deactivated"];
const KEY_PHRASES: &[&str] = &["incorrect api key", "invalid api key", "api key not valid", "no api key"];

const UNKNOWN_MODEL: &[&str] =
    &["model_not_found", "unknown_model", "invalid_model", "model_not_available", "deploymentnotfound"];
const UNKNOWN_MODEL_PHRASES: &[&str] =
    &["is not a valid model", "model does not exist", "unknown model", "invalid model"];

/// The model, not the caller, wrote what the provider would not take (Groq).
const MALFORMED: &[&str] = &["tool_use_failed", "json_validate_failed"];
/// llama.cpp, under status 500: half a letter of UTF-8 inside a string that a schema asked for.
const MALFORMED_PHRASES: &[&str] = &["model produced output that does not match"];

/// The whole of what a server says that has nothing at this path (llama.cpp; whatever is made with FastAPI; Azure).
const NOTHING_HERE: &[&str] = &["file not found", "not found", "resource not found"];

/// Words that stand for a status where there is none: errors inside a reply.
const STATUS_WORDS: &[(&str, u16)] = &[
    ("invalid_request_error", 400),
    ("invalid_request", 400),
    ("invalid_argument", 400),
    ("failed_precondition", 400),
    ("badrequesterror", 400),
    ("authentication_error", 401),
    ("unauthenticated", 401),
    ("billing_error", 402),
    ("permission_error", 403),
    ("permission_denied", 403),
    ("not_found_error", 404),
    ("not_found", 404),
    ("conflict_error", 409),
    ("request_too_large", 413),
    ("rate_limit_error", 429),
    ("rate_limit_exceeded", 429),
    ("ratelimitreached", 429),
    ("too_many_requests", 429),
    ("resource_exhausted", 429),
    ("tokens", 429),
    ("requests", 429),
    ("slow_down", 429),
    ("cancelled", 499),
    ("api_error", 500),
    ("server_error", 500),
    ("internal_server_error", 500),
    ("internal", 500),
    ("server_is_overloaded", 503),
    ("engine_overloaded", 503),
    ("unavailable", 503),
    ("service_unavailable", 503),
    ("timeout_error", 504),
    ("deadline_exceeded", 504),
    ("overloaded_error", 529),
    ("overloaded", 529),
];

impl Meaning {
    pub(super) fn of(status: Option<u16>, account: &Account, header_wait: Option<Duration>) -> Self {
        let words = Words::of(account);
        let status = status.filter(|status| *status >= 400).or(account.status).or_else(|| words.status());
        let wait = header_wait.or(account.wait());
        match status {
            Some(401 | 403) if !words.say(FILTERED, &[]) && !words.say(QUOTA, QUOTA_PHRASES) => {
                return Self::unauthorized(status, &words);
            }
            // OpenRouter's own limit on money in flight; it goes by itself.
            Some(402) if words.say(&["openrouter_in_flight_budget"], &[]) && wait.is_some() => {
                return Self::rate_limited(status);
            }
            Some(402) => return Self::quota(status),
            _ => {}
        }
        // Sentences are believed only where the status leaves it open what they are about.
        let blames_request = status.is_none_or(|status| status < 500);
        let phrases = |all: &'static [&'static str]| if blames_request { all } else { &[] };
        if words.say(MALFORMED, MALFORMED_PHRASES) {
            return Self::new(
                ErrorKind::OutputInvalid,
                "malformed_output",
                "the model wrote a tool call or JSON that the provider refused; try again, or use another model",
                Retry::Safe,
            );
        }
        if words.say(QUOTA, phrases(QUOTA_PHRASES))
            || (status == Some(429)
                && (wait.is_none() || words.text.contains("quota exceeded"))
                && words.nothing_allowed())
        {
            return Self::quota(status);
        }
        if words.say(FILTERED, phrases(FILTERED_PHRASES)) {
            return Self::new(
                ErrorKind::ContentFiltered,
                "prompt",
                "the provider's filter refused the request; rephrase it",
                Retry::Never,
            );
        }
        // A limit per minute (429) speaks of tokens too; only what can never fit is about the length.
        let too_long = if status == Some(429) { &["tokens must be reduced"] } else { phrases(CONTEXT_PHRASES) };
        if words.say(CONTEXT, too_long) || (status == Some(413) && words.text.contains("tokens")) {
            return Self::too_long(&words);
        }
        if words.say(KEY, phrases(KEY_PHRASES)) {
            return Self::unauthorized(Some(401), &words);
        }
        if words.say(UNKNOWN_MODEL, phrases(UNKNOWN_MODEL_PHRASES)) {
            return Self::unknown_model(status);
        }
        Self::by_status(status, account, &words)
    }

    fn by_status(status: Option<u16>, account: &Account, words: &Words) -> Self {
        let told = Status(status);
        match status {
            Some(404)
                if account.unreadable
                    || words.text.contains("invalid url")
                    || NOTHING_HERE.contains(&words.text.trim()) =>
            {
                Self::new(
                    ErrorKind::Invalid,
                    "bad_url",
                    format!("the provider {told}: there is nothing at this URL; check base_url"),
                    Retry::Never,
                )
            }
            Some(404) if words.text.contains("model") => Self::unknown_model(status),
            Some(404) => Self::new(
                ErrorKind::NotFound,
                "provider_object",
                format!("the provider {told}: it does not know something that the request names"),
                Retry::Never,
            ),
            Some(408) => Self::new(
                ErrorKind::TimedOut,
                "provider",
                format!("the provider {told}: it gave up waiting; try again"),
                Retry::Safe,
            ),
            Some(413) => Self::new(
                ErrorKind::Invalid,
                "too_large",
                format!(
                    "the provider {told}: the request has too many bytes; send fewer or smaller pictures and files"
                ),
                Retry::Never,
            ),
            Some(429) => Self::rate_limited(status),
            Some(407) => Self::new(
                ErrorKind::Unavailable,
                "proxy",
                "the proxy asks for credentials (407); set them in its URL",
                Retry::Never,
            ),
            // A conflict is the provider's own, with another request; its official clients repeat.
            Some(409 | 425 | 499) => Self::new(
                ErrorKind::Unavailable,
                "provider_error",
                format!("the provider {told}; try again"),
                Retry::Safe,
            ),
            Some(503 | 529) => Self::new(
                ErrorKind::Unavailable,
                "overloaded",
                format!("the provider {told}: it is overloaded or down; try later or elsewhere"),
                Retry::Safe,
            ),
            Some(400..=499) => Self::new(
                ErrorKind::Invalid,
                "bad_request",
                format!("the provider {told}: it refuses the request as written; see provider_error for its words"),
                Retry::Never,
            ),
            _ => Self::new(
                ErrorKind::Unavailable,
                "provider_error",
                format!("the provider {told}: it failed; try later or elsewhere"),
                Retry::Safe,
            ),
        }
    }

    fn new(kind: ErrorKind, reason: &'static str, detail: impl Into<String>, retry: Retry) -> Self {
        Self { kind, reason, detail: detail.into(), retry, tokens: None }
    }

    fn unauthorized(status: Option<u16>, words: &Words) -> Self {
        let told = Status(status);
        if status == Some(401) || words.say(KEY, KEY_PHRASES) {
            let detail = format!(
                "the provider {told}: it does not know the key; check it, and that it belongs to this provider"
            );
            return Self::new(ErrorKind::Unauthorized, "key_rejected", detail, Retry::Never);
        }
        let detail = format!("the provider {told}: the key may not do this; use another model, or ask for access");
        Self::new(ErrorKind::Unauthorized, "not_allowed", detail, Retry::Never)
    }

    fn quota(status: Option<u16>) -> Self {
        let detail =
            format!("the provider {}: the account is out of credit, or at its spending limit or quota", Status(status));
        Self::new(ErrorKind::QuotaExhausted, "account", detail, Retry::Never)
    }

    fn rate_limited(status: Option<u16>) -> Self {
        let detail = format!("the provider {}: too many requests or tokens in a short time", Status(status));
        Self::new(ErrorKind::RateLimited, "provider_limit", detail, Retry::Safe)
    }

    fn unknown_model(status: Option<u16>) -> Self {
        let detail = format!(
            "the provider {}: it has no model of this name; check the part after the first `/`",
            Status(status)
        );
        Self::new(ErrorKind::Invalid, "unknown_model", detail, Retry::Never)
    }

    fn too_long(words: &Words) -> Self {
        let detail =
            "the request has more tokens than the model takes; shorten it, or use a model with a larger window";
        Self { tokens: words.tokens(), ..Self::new(ErrorKind::ContextTooLong, "provider", detail, Retry::Never) }
    }
}

/// Words and sentences of an account, in lower case.
struct Words {
    exact: Vec<String>,
    text: String,
    code_status: Option<u16>,
}

impl Words {
    fn of(account: &Account) -> Self {
        let code = account.code.as_ref();
        let exact = account.kind.iter().map(String::as_str).chain(code.and_then(|code| code.as_str()));
        let exact = exact.chain(account.marks.iter().map(String::as_str)).map(str::to_lowercase).collect();
        let mut text = account.message.to_lowercase();
        if let Some(upstream) = &account.upstream {
            text.push('\n');
            text.push_str(&upstream.to_lowercase());
        }
        Self { exact, text, code_status: code.and_then(status_number) }
    }

    fn say(&self, words: &[&str], phrases: &[&str]) -> bool {
        self.exact.iter().any(|word| words.contains(&word.as_str()))
            || phrases.iter().any(|phrase| self.text.contains(phrase))
    }

    fn status(&self) -> Option<u16> {
        let word = |word: &String| STATUS_WORDS.iter().find(|(name, _)| name == word).map(|(_, status)| *status);
        // The code says it more closely than the type: `server_is_overloaded` of type `server_error`.
        self.code_status.or_else(|| self.exact.iter().rev().find_map(word))
    }

    /// Google's "limit: 0": this key may not use this model at all.
    fn nothing_allowed(&self) -> bool {
        self.text.match_indices("limit: 0").any(|(at, found)| {
            !self.text[at + found.len()..].starts_with(|next: char| next.is_ascii_digit() || next == '.')
        })
    }

    /// How many tokens fit and how many there were.
    fn tokens(&self) -> Option<(Option<i64>, Option<i64>)> {
        let after = |phrases: &[&str]| {
            phrases.iter().find_map(|phrase| first_number(&self.text[self.text.find(phrase)? + phrase.len()..]))
        };
        let limit = after(&[
            "tokens > ",
            "context length is ",
            "context length of ",
            "context size (",
            "prompt length is ",
            "tokens allowed (",
            "limit ",
        ]);
        let estimated = after(&[
            "too long: ",
            "resulted in ",
            "you requested about ",
            "you requested ",
            "contains ",
            "requested ",
            "request (",
            "token count (",
        ]);
        (limit.is_some() || estimated.is_some()).then_some((limit, estimated))
    }
}

fn first_number(text: &str) -> Option<i64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text[..digits].parse().ok()
}

/// How the provider answered, for a sentence.
struct Status(Option<u16>);

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(status) => write!(f, "answered {status}"),
            None => f.write_str("failed inside its reply"),
        }
    }
}
