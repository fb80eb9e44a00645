//! What a provider says when it fails: one reading of all the shapes, one table of what they mean.
//!
//! ```text
//! body ──read──▶ Account { type word, code, message, … } ──classify(status, hints)──▶ Error
//! ```
//!
//! Shared by all dialects, because gateways mix them: an Anthropic-style endpoint answers with OpenAI's
//! envelope, OpenRouter hands on whatever the provider behind it wrote. What is known by a word or a code
//! goes before what is known by a status, since an error inside a 200 has no other. The provider's own
//! sentences reach [`ProviderError`] and never the error's `detail`: they may quote the prompt.

mod account;
mod meaning;

#[cfg(test)]
mod tests;

pub(crate) use account::Account;

use http::{HeaderMap, StatusCode};

use super::hints::{self, Hints};
use crate::base::{ErrorKind, Json, Retry};
use crate::model::{Error, ProviderError};
use meaning::Meaning;

/// Reads a reply with an error status, whatever its body is.
pub(crate) fn of_response(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    let account = Account::of_bytes(body).unwrap_or_else(|| Account::unreadable(body));
    account.into_error(Some(status.as_u16()), hints::read(headers, None))
}

/// Reads an error that came inside a reply with status 200, whole or streamed.
pub(crate) fn inside_reply(payload: &Json) -> Error {
    Account::of_json(payload).unwrap_or_default().into_error(None, Hints::default())
}

/// The reply has a good status and makes no sense: a login page of a hotel, an empty body, half a document.
pub(crate) fn bad_response(what: &str) -> Error {
    let detail =
        format!("the provider answered with {what}; check base_url and proxies, or try again later or elsewhere");
    Error::new(ErrorKind::Unavailable, "bad_response", detail).with_retry(Retry::Safe)
}

/// The stream makes no sense any more.
pub(crate) fn malformed() -> Error {
    let detail = "the provider sent an event that is no valid JSON of its dialect; ask again, or use another target";
    Error::new(ErrorKind::Truncated, "malformed", detail).with_retry(Retry::Safe)
}

/// The stream ended before the provider said that the reply was whole.
pub(crate) fn cut() -> Error {
    let detail = "the stream ended before the provider said that the reply was whole; ask again";
    Error::new(ErrorKind::Truncated, "cut", detail).with_retry(Retry::Safe)
}

/// The model wrote more than is held in memory.
pub(crate) fn too_large(what: &str, limit_bytes: usize) -> Error {
    let detail = format!("the model wrote {what} of more than {limit_bytes} bytes; ask for less");
    Error::new(ErrorKind::OutputInvalid, "too_large", detail)
}

/// The status that stands in a [`ProviderError`] for an error inside a 200 that names none itself.
const INSIDE_REPLY: u16 = 200;

impl Account {
    fn into_error(self, status: Option<u16>, hints: Hints) -> Error {
        let meaning = Meaning::of(status, &self, hints.retry_after);
        let retry = match meaning.retry {
            Retry::Never => Retry::Never,
            _ if hints.should_retry == Some(false) => Retry::Never,
            _ => match hints.retry_after.or(self.wait()) {
                Some(wait) => {
                    Retry::After { after_ms: i64::try_from(wait.as_micros().div_ceil(1_000)).unwrap_or(i64::MAX) }
                }
                None => Retry::Safe,
            },
        };
        let mut error = Error::new(meaning.kind, meaning.reason, meaning.detail).with_retry(retry);
        if let Some((limit, estimated)) = meaning.tokens {
            error = error.with_tokens(limit, estimated);
        }
        if let Some(status) = status.or(self.status) {
            error = error.with_status(status);
        }
        let mut account = ProviderError::new(self.message);
        account.status = Some(i32::from(self.status.or(status).unwrap_or(INSIDE_REPLY)));
        account.kind = self.kind;
        account.code = self.code;
        account.param = self.param;
        // The body's first: some proxies put an id of their own into the header.
        account.request_id = self.request_id.or(hints.request_id);
        account.retry_after = hints.retry_after_written.or(self.retry_after);
        account.upstream = self.upstream;
        error.with_provider_error(account)
    }
}
