//! What was expected against what came out, field by field.

use std::fmt;

use serde_json::{Value, json};
use tertulia::model::{FinishReason, Part, ReplyDraft, StreamEvent, StreamEventKind, ToolCall};

use crate::case::Case;
use crate::read::Reading;

/// One field that came out otherwise.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mismatch {
    pub(crate) field: String,
    pub(crate) expected: String,
    pub(crate) got: String,
}

impl Mismatch {
    pub(crate) fn new(field: impl Into<String>, expected: impl fmt::Display, got: impl fmt::Display) -> Self {
        Self { field: field.into(), expected: short(expected), got: short(got) }
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} expected {} got {}", self.field, self.expected, self.got)
    }
}

/// The longest value that stands in a line.
const SHOWN_CHARS: usize = 160;

fn short(value: impl fmt::Display) -> String {
    let value = value.to_string();
    match value.char_indices().nth(SHOWN_CHARS) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value,
    }
}

/// The first field of a case that came out otherwise.
pub(crate) fn first_mismatch(case: &Case, reading: &Reading) -> Option<Mismatch> {
    let mut check = Check { expected: &case.expected, wrong: Vec::new() };
    let parts = parts(&reading.events);
    check.outcome(case, reading);
    check.content(&parts);
    check.calls(case, &parts, &reading.events);
    check.closing(reading, &parts);
    check.counts(reading);
    check.embeddings(reading);
    check.wrong.into_iter().next()
}

/// The reply as its events fold together.
pub(crate) fn parts(events: &[StreamEvent]) -> Vec<Part> {
    let mut draft = ReplyDraft::new();
    events.iter().for_each(|event| draft.push(event));
    draft.into_parts()
}

struct Check<'a> {
    expected: &'a Value,
    wrong: Vec<Mismatch>,
}

impl Check<'_> {
    /// Compares a field that is stated; one that is not says nothing.
    fn field(&mut self, name: &str, got: Value) {
        if let Some(expected) = self.expected.get(name) {
            self.same(name, &expected.clone(), &got);
        }
    }

    fn same(&mut self, name: &str, expected: &Value, got: &Value) {
        if !equal(expected, got) {
            self.wrong.push(Mismatch::new(name, expected, got));
        }
    }

    fn outcome(&mut self, case: &Case, reading: &Reading) {
        let in_headers = |id: &Value| case.headers.iter().any(|(_, value)| Some(value.trim()) == id.as_str());
        let expected = &self.expected["error"];
        let error = match &reading.outcome {
            Ok(()) if expected.is_null() => return,
            Ok(()) => return self.wrong.push(Mismatch::new("error", expected, "a reply")),
            Err(error) if expected.is_null() => {
                return self.wrong.push(Mismatch::new("error", "a reply", error));
            }
            Err(error) => error,
        };
        let expected = expected.clone();
        let said = error.provider_error().cloned().unwrap_or_default();
        let got = json!({
            "status": said.status,
            "type": said.kind,
            "code": said.code,
            "message": said.message(),
            "param": said.param,
            "retry_after": said.retry_after,
            "request_id": error.request_id(),
            "upstream_raw": said.upstream,
            // Ours: what a caller should do about it.
            "kind": error.kind().as_str(),
            "reason": error.reason(),
            "retries": error.retry() != tertulia::base::Retry::Never,
        });
        for (name, got) in got.as_object().into_iter().flatten() {
            let Some(expected) = expected.get(name) else { continue };
            let same = match name.as_str() {
                // No message is an empty one; a delay is compared as it was written, be it a number or a word.
                "message" => expected.as_str().unwrap_or_default() == got,
                // None in the body: one from the headers is as good.
                "request_id" if expected.is_null() => got.is_null() || in_headers(got),
                "retry_after" => written(expected) == written(got),
                _ => equal(expected, got),
            };
            if !same {
                self.wrong.push(Mismatch::new(format!("error.{name}"), expected, got));
            }
        }
    }

    fn content(&mut self, parts: &[Part]) {
        let texts: Vec<&str> =
            parts.iter().filter_map(|p| if let Part::Text { text, .. } = p { Some(&**text) } else { None }).collect();
        let thoughts: Vec<&str> =
            parts.iter().filter_map(|p| if let Part::Reasoning { text } = p { Some(&**text) } else { None }).collect();
        let refusal: String =
            parts.iter().filter_map(|p| if let Part::Refusal { text } = p { Some(&**text) } else { None }).collect();
        self.field("text", texts.concat().into());
        self.field("text_parts", texts.iter().filter(|text| !text.is_empty()).copied().collect());
        self.field("reasoning", thoughts.concat().into());
        self.field("reasoning_parts", thoughts.iter().filter(|text| !text.is_empty()).copied().collect());
        // No refusal and an empty one are the same.
        let expected = self.expected["refusal"].as_str().unwrap_or_default().to_owned();
        self.same("refusal", &expected.into(), &refusal.into());

        let opaque = || {
            parts.iter().filter_map(|p| {
                if let Part::Opaque { name, attached, data, .. } = p {
                    Some((name.as_str(), *attached, data))
                } else {
                    None
                }
            })
        };
        // An item of the provider's own names its type; thoughts do, too, but they are no items.
        let is_item = |name: &str, data: &Value| {
            data["type"] == name && !["thinking", "redacted_thinking", "reasoning"].contains(&name)
        };
        let items: Value =
            opaque().filter(|(name, attached, data)| !attached && is_item(name, data)).map(|(name, ..)| name).collect();
        let stated = self.expected.get("server_items").cloned().unwrap_or_else(|| json!([]));
        self.same("server_items", &stated, &items);
        let signed = opaque().any(|(name, _, data)| {
            name.contains("signature") || data.get("signature").is_some() || data["encrypted_content"].is_string()
        });
        self.field("has_signature", signed.into());
        self.field(
            "redacted_thinking_blocks",
            opaque().filter(|(name, ..)| *name == "redacted_thinking").count().into(),
        );
    }

    fn calls(&mut self, case: &Case, parts: &[Part], events: &[StreamEvent]) {
        let Some(expected) = self.expected.get("tool_calls").and_then(Value::as_array).cloned() else { return };
        let got: Vec<&ToolCall> = parts
            .iter()
            .filter_map(|p| match p {
                Part::ToolCall { call } if !call.provider_executed => Some(call),
                _ => None,
            })
            .collect();
        let names: Value = got.iter().map(|call| call.name.as_str()).collect();
        self.same("tool_calls.name", &expected.iter().map(|call| call["name"].clone()).collect(), &names);
        if expected.len() != got.len() {
            return;
        }
        let written = written_arguments(events);
        for (place, (expected, call)) in expected.iter().zip(got).enumerate() {
            let name = |field: &str| format!("tool_calls[{place}].{field}");
            // The wire has none: whoever reads it makes one.
            if !expected["id"].is_null() {
                self.same(&name("id"), &expected["id"], &call.id.as_str().into());
            }
            // Calls of free text are marked in the cases, all others are not.
            self.same(&name("custom"), &json!(expected["custom"] == true), &call.free_text.into());
            let raw = expected["arguments_raw"].as_str();
            match (&expected["arguments"], raw) {
                // No JSON: cut off by a limit. It is kept as the text it is.
                (Value::Null, Some(raw)) => self.same(&name("arguments"), &raw.into(), &call.arguments),
                (arguments, _) => self.same(&name("arguments"), arguments, &call.arguments),
            }
            if let (true, Some(raw), Some(written)) = (case.stream, raw, written.get(place)) {
                self.same(&name("arguments_raw"), &raw.into(), &written.as_str().into());
            }
        }
    }

    fn closing(&mut self, reading: &Reading, parts: &[Part]) {
        let closing = &reading.closing;
        let finish = match (&reading.outcome, closing.finish_reason) {
            (Err(_), _) => "error".into(),
            (Ok(()), None) => Value::Null,
            (Ok(()), Some(reason)) => word(reason, parts).into(),
        };
        self.field("finish_reason", finish);
        self.field("finish_reason_raw", json!(closing.finish_reason_raw));
        self.field("id", json!(closing.id));
        self.field("model", json!(closing.model));
        if let Some(raw) = &closing.raw {
            // A stream's closing has no place for it.
            self.field("stop_sequence", raw["stop_sequence"].clone());
        }
        let usage = closing.usage.as_ref();
        match (self.expected.get("usage").cloned(), usage) {
            (None, _) | (Some(Value::Null), None) => {}
            (Some(Value::Null), Some(usage)) => {
                self.wrong.push(Mismatch::new("usage", "none", json!([usage.input_tokens, usage.output_tokens])));
            }
            (Some(expected), usage) => {
                let usage = usage.cloned().unwrap_or_default();
                for (name, got) in [
                    ("input", usage.input_tokens),
                    ("output", usage.output_tokens),
                    ("cached_input", usage.cache_read_input_tokens),
                    ("cache_write", usage.cache_creation_input_tokens),
                    ("reasoning", usage.reasoning_output_tokens),
                ] {
                    // What is not on the wire may be said as 0.
                    let expected = expected[name].as_i64().unwrap_or(0);
                    self.same(&format!("usage.{name}"), &expected.into(), &got.into());
                }
            }
        }
        // An object that counts nothing is no usage, and then there is no place for it.
        let counts_nothing = usage.is_none() && self.expected.get("usage").is_some_and(Value::is_null);
        if !counts_nothing {
            self.field("usage_wire", usage.and_then(|usage| usage.raw.as_deref().cloned()).unwrap_or_default());
        }
    }

    fn counts(&mut self, reading: &Reading) {
        let Some(counts) = reading.counts else { return };
        if reading.outcome.is_err() {
            // Reading ends at the error; what comes behind it is not met any more.
            let met = counts.frames > self.expected["n_events"].as_u64().unwrap_or(u64::MAX);
            if met {
                self.wrong.push(Mismatch::new("n_events", &self.expected["n_events"], counts.frames));
            }
            return;
        }
        self.field("n_events", counts.frames.into());
        self.field("n_json_events", counts.json_frames.into());
        self.field("pings", counts.pings.into());
        self.field("done_sentinel", counts.done_sentinel.into());
        let sse = self.expected.get("sse").cloned().unwrap_or_default();
        for (name, got) in [
            ("comments", Value::from(counts.comments)),
            ("stray_lines", counts.stray_lines.into()),
            ("unterminated_last_event", counts.unterminated_last_event.into()),
        ] {
            if let Some(expected) = sse.get(name) {
                self.same(&format!("sse.{name}"), expected, &got);
            }
        }
    }
}

/// How far a number of a vector may be from the one that was found.
const VECTOR_TOLERANCE: f64 = 1e-6;

impl Check<'_> {
    /// Compares how many vectors there are, how long they are and how each begins.
    fn embeddings(&mut self, reading: &Reading) {
        let Some(expected) = self.expected.get("embeddings").cloned() else { return };
        if reading.outcome.is_err() {
            return;
        }
        let got = reading.closing.raw.clone().unwrap_or_default();
        for name in ["count", "dims"] {
            if let Some(expected) = expected.get(name) {
                self.same(&format!("embeddings.{name}"), expected, &got[name]);
            }
        }
        if let Some(expected) = expected.get("head")
            && !near(expected, &got["head"])
        {
            self.wrong.push(Mismatch::new("embeddings.head", expected, &got["head"]));
        }
        if let Some(expected) = expected.get("model") {
            self.same("embeddings.model", expected, &json!(reading.closing.model));
        }
        if let Some(expected) = expected.get("usage") {
            let input = reading.closing.usage.as_ref().map(|usage| usage.input_tokens);
            self.same("embeddings.usage.input", &expected["input"], &json!(input));
        }
    }
}

/// Equal lists of lists of numbers, but for rounding.
fn near(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| near(a, b)),
        (a, b) => a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| (a - b).abs() <= VECTOR_TOLERANCE),
    }
}

/// The arguments of each call as they were written, in the order of the calls.
fn written_arguments(events: &[StreamEvent]) -> Vec<String> {
    let mut written: Vec<(i32, String, bool)> = Vec::new();
    for event in events {
        match &event.kind {
            StreamEventKind::ToolCallDelta { arguments_delta, .. } => {
                match written.iter_mut().find(|(index, _, whole)| *index == event.part_index && !whole) {
                    Some((_, text, _)) => text.push_str(arguments_delta),
                    None => written.push((event.part_index, arguments_delta.clone(), false)),
                }
            }
            StreamEventKind::ToolCall { call } if !call.provider_executed => {
                match written.iter_mut().find(|(index, _, whole)| *index == event.part_index && !whole) {
                    Some((_, _, whole)) => *whole = true,
                    None => written.push((event.part_index, String::new(), true)),
                }
            }
            _ => {}
        }
    }
    written.sort_by_key(|(index, ..)| *index);
    written.into_iter().map(|(_, text, _)| text).collect()
}

/// The word of the cases for our reason.
fn word(reason: FinishReason, parts: &[Part]) -> &'static str {
    let refused = parts.iter().any(|part| matches!(part, Part::Refusal { .. }));
    match reason {
        FinishReason::Stop => "stop",
        FinishReason::Length => "length",
        FinishReason::ToolCalls => "tool_calls",
        // A refusal in words is a stop on the wire, one without is the provider's.
        FinishReason::Refusal if refused => "stop",
        FinishReason::ContentFilter | FinishReason::Refusal => "content_filter",
        FinishReason::Error => "error",
        _ => "other",
    }
}

fn written(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// Equal as JSON; 1 and 1.0 are one number.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| equal(a, b)))
        }
        _ => a == b,
    }
}
