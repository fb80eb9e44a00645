//! What a decoder made of a reply, and where that differs from what is expected.

use std::fmt::Debug;

use serde_json::Value;
use tertulia::model::{Error, FinishReason, Part, ReplyDraft, Result, StreamEvent};
use tertulia::wire::{Closing, Counts, Dialect, Target};

use crate::case::{Case, Expected, ExpectedError, ExpectedUsage};

/// What a decoder made of a reply.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The parts.
    pub parts: Vec<Part>,
    /// What else is known.
    pub closing: Closing,
    /// What was met on the way; nothing for a whole reply.
    pub counts: Option<Counts>,
    /// What went wrong.
    pub error: Option<Error>,
}

impl Seen {
    /// Reads a whole reply, or its error.
    #[must_use]
    pub fn whole(case: &Case, dialect: &dyn Dialect, target: &Target<'_>) -> Self {
        let read = if case.status.is_success() {
            dialect.decode(&case.body, target)
        } else {
            Err(dialect.classify(case.status, &case.headers, &case.body))
        };
        match read {
            Ok((events, closing)) => Self { parts: fold(&events), closing, counts: None, error: None },
            Err(error) => Self { parts: Vec::new(), closing: Closing::default(), counts: None, error: Some(error) },
        }
    }

    /// Reads a stream from these pieces, to its end.
    #[must_use]
    pub fn streamed<'a>(
        pieces: impl IntoIterator<Item = &'a [u8]>,
        dialect: &dyn Dialect,
        target: &Target<'_>,
    ) -> Self {
        let mut decoder = dialect.decoder(target);
        let mut events = Vec::new();
        let read: Result<()> = pieces.into_iter().try_for_each(|piece| decoder.feed(piece, &mut events));
        let error = read.and_then(|()| decoder.finish(&mut events)).err();
        let (closing, counts) = (decoder.closing().clone(), Some(decoder.counts()));
        Self { parts: fold(&events), closing, counts, error }
    }

    /// All words.
    #[must_use]
    pub fn text(&self) -> String {
        words(&self.parts, |part| if let Part::Text { text, .. } = part { Some(text) } else { None })
    }

    /// All thoughts.
    #[must_use]
    pub fn reasoning(&self) -> String {
        words(&self.parts, |part| if let Part::Reasoning { text } = part { Some(text) } else { None })
    }

    /// The words of a refusal.
    #[must_use]
    pub fn refusal(&self) -> String {
        words(&self.parts, |part| if let Part::Refusal { text } = part { Some(text) } else { None })
    }

    /// Where this is not what is expected, one line each.
    #[must_use]
    pub fn differences(&self, expected: &Expected) -> Vec<String> {
        let mut found = Differences::default();
        found.compare("text", &self.text(), &expected.text);
        found.compare("reasoning", &self.reasoning(), &expected.reasoning);
        found.compare("refusal", &self.refusal(), &expected.refusal.clone().unwrap_or_default());
        found.compare("id", &self.closing.id, &expected.id);
        found.compare("model", &self.closing.model, &expected.model);
        let finish = self.error.as_ref().map_or_else(|| self.closing.finish_reason.map(finish_word), |_| Some("error"));
        found.compare("finish_reason", &finish, &expected.finish_reason.as_deref());
        if self.error.is_none() {
            let raw = self.closing.finish_reason_raw.as_deref();
            found.compare("finish_reason_raw", &raw, &expected.finish_reason_raw.as_deref());
        }
        self.compare_usage(expected.usage.as_ref(), &mut found);
        self.compare_calls(expected, &mut found);
        match (&self.error, &expected.error) {
            (Some(error), Some(expected)) => compare_error(error, expected, &mut found),
            (None, None) => self.compare_counts(expected, &mut found),
            (error, expected) => found.0.push(format!("error: {error:?}, expected {expected:?}")),
        }
        found.0
    }

    fn compare_usage(&self, expected: Option<&ExpectedUsage>, found: &mut Differences) {
        let (Some(usage), Some(expected)) = (&self.closing.usage, expected) else {
            found.compare("usage is there", &self.closing.usage.is_some(), &expected.is_some());
            return;
        };
        for (name, count, expected) in [
            ("input", usage.input_tokens, expected.input),
            ("output", usage.output_tokens, expected.output),
            ("cached_input", usage.cache_read_input_tokens, expected.cached_input),
            ("cache_write", usage.cache_creation_input_tokens, expected.cache_write),
            ("reasoning", usage.reasoning_output_tokens, expected.reasoning),
        ] {
            found.compare(name, &count, &expected.unwrap_or(0));
        }
    }

    /// A stream that broke off holds the pieces of its calls, but no call.
    fn compare_calls(&self, expected: &Expected, found: &mut Differences) {
        let calls = self.parts.iter().filter_map(|part| match part {
            Part::ToolCall { call } if !call.provider_executed => Some(call),
            _ => None,
        });
        let calls: Vec<_> = calls.collect();
        found.compare("number of calls", &calls.len(), &expected.tool_calls.len());
        for (call, expected) in calls.iter().zip(&expected.tool_calls) {
            found.compare("call id", &call.id.as_str(), &expected.id.as_deref().unwrap_or_default());
            found.compare("call name", &call.name, &expected.name);
            let arguments = match (&expected.arguments, &expected.arguments_raw) {
                (Value::Null, Some(raw)) => Value::String(raw.clone()),
                (arguments, _) => arguments.clone(),
            };
            found.compare("call arguments", &call.arguments, &arguments);
        }
    }

    fn compare_counts(&self, expected: &Expected, found: &mut Differences) {
        let Some(counts) = self.counts else { return };
        found.compare("n_events", &counts.frames, &expected.n_events.unwrap_or(counts.frames));
        found.compare("n_json_events", &counts.json_frames, &expected.n_json_events.unwrap_or(counts.json_frames));
        found.compare("pings", &counts.pings, &expected.pings.unwrap_or(0));
        found.compare("done", &counts.done_sentinel, &expected.done_sentinel.unwrap_or(false));
        if let Some(framing) = &expected.sse {
            found.compare("comments", &counts.comments, &framing.comments);
            found.compare("stray lines", &counts.stray_lines, &framing.stray_lines);
            found.compare("unterminated", &counts.unterminated_last_event, &framing.unterminated_last_event);
        }
    }
}

fn compare_error(error: &Error, expected: &ExpectedError, found: &mut Differences) {
    let Some(account) = error.provider_error() else {
        found.0.push(format!("the error has no account of the provider: {error:?}"));
        return;
    };
    found.compare("error status", &account.status, &expected.status);
    found.compare("error type", &account.kind, &expected.kind);
    found.compare("error code", &account.code, &expected.code);
    found.compare("error message", &Some(account.message()), &Some(expected.message.as_deref().unwrap_or_default()));
    found.compare("error param", &account.param, &expected.param);
    found.compare("error retry_after", &account.retry_after, &expected.retry_after);
    if expected.request_id.is_some() {
        found.compare("error request_id", &account.request_id, &expected.request_id);
    }
}

#[derive(Default)]
struct Differences(Vec<String>);

impl Differences {
    fn compare<T: PartialEq + Debug>(&mut self, what: &str, seen: &T, expected: &T) {
        if seen != expected {
            self.0.push(format!("{what}: {seen:?}, expected {expected:?}"));
        }
    }
}

/// The words that the expectations have for it.
fn finish_word(reason: FinishReason) -> &'static str {
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        FinishReason::ContentFilter | FinishReason::Refusal => "content_filter",
        FinishReason::Error => "error",
        _ => "other",
    }
}

fn fold(events: &[StreamEvent]) -> Vec<Part> {
    let mut draft = ReplyDraft::new();
    events.iter().for_each(|event| draft.push(event));
    draft.into_parts()
}

fn words<'a>(parts: &'a [Part], of: impl Fn(&'a Part) -> Option<&'a String>) -> String {
    parts.iter().filter_map(of).map(String::as_str).collect()
}
