//! Ollama's own language: `POST /api/chat` and `POST /api/generate`.
//!
//! A stream is one JSON object a line, and it is what comes unless the request says `stream: false`.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Dialect, Failure, Frame, FrameKind};
use crate::answer::{Answer, Ask, Finish, Talk, Tokens};
use crate::script::ErrorClass;

/// Its two calls say the same in fields of other names.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Ollama {
    Chat,
    Generate,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(default)]
    model: String,
    #[serde(borrow, default)]
    messages: Option<&'a RawValue>,
    #[serde(borrow, default)]
    prompt: Option<&'a RawValue>,
    #[serde(default)]
    stream: Option<bool>,
}

const CREATED_AT: &str = "2025-11-24T16:00:00.000000001Z";

impl Dialect for Ollama {
    fn ask(&self, body: &[u8]) -> Result<Ask, Failure> {
        let refuse = |message: &str| self.failure(ErrorClass::Invalid, Some(message), "", None);
        let request: Request<'_> = serde_json::from_slice(body).map_err(|error| refuse(&error.to_string()))?;
        if request.model.is_empty() {
            return Err(refuse("model is required"));
        }
        let said = if *self == Self::Chat { request.messages } else { request.prompt };
        Ok(Ask {
            model: request.model,
            stream: request.stream.unwrap_or(true),
            include_usage: true,
            prompt_bytes: said.map_or(0, |said| said.get().len()),
        })
    }

    fn talk(&self, body: &[u8]) -> Talk {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let images = |of: &Value| of["images"].as_array().map_or(0, Vec::len);
        let text = |of: &Value| of.as_str().unwrap_or_default().to_owned();
        if *self == Self::Generate {
            return Talk { last: text(&body["prompt"]), messages: 1, attachments: images(&body), results: None };
        }
        let mut talk = Talk::default();
        for message in body["messages"].as_array().into_iter().flatten() {
            match message["role"].as_str() {
                Some("system") => continue,
                Some("user") => {
                    (talk.last, talk.attachments, talk.results) = (text(&message["content"]), images(message), None);
                }
                Some("tool") => {
                    let before = talk.results.take().map(|before| before + ", ").unwrap_or_default();
                    talk.results = Some(before + &text(&message["content"]));
                }
                _ => talk.results = None,
            }
            talk.messages += 1;
        }
        talk
    }

    fn whole(&self, answer: &Answer) -> Vec<u8> {
        let calls: Vec<Value> = calls(answer).collect();
        let text = answer.text.concat() + &answer.refusal.concat();
        self.last(answer, self.said(answer, &text, &answer.reasoning.concat(), &calls)).to_string().into_bytes()
    }

    fn frames(&self, answer: &Answer, _ask: &Ask) -> Vec<Frame> {
        let thoughts = answer.reasoning.iter().map(|piece| self.said(answer, "", piece, &[]));
        let words = answer.text.iter().chain(&answer.refusal).map(|piece| self.said(answer, piece, "", &[]));
        let calls = calls(answer).map(|call| self.said(answer, "", "", &[call]));
        let mut frames: Vec<Frame> = thoughts
            .chain(words)
            .chain(calls)
            .map(|mut piece| {
                piece["done"] = false.into();
                Frame { bytes: line(&piece), kind: FrameKind::Piece }
            })
            .collect();
        let end = self.last(answer, self.said(answer, "", "", &[]));
        frames.push(Frame { bytes: line(&end), kind: FrameKind::Closing });
        frames
    }

    fn failure(&self, class: ErrorClass, message: Option<&str>, model: &str, _after: Option<&str>) -> Failure {
        let (status, words) = match class {
            ErrorClass::Invalid => (400, "invalid options".to_owned()),
            ErrorClass::Auth => (401, "unauthorized".to_owned()),
            ErrorClass::Billing => (402, "this model requires a subscription, upgrade for access".to_owned()),
            ErrorClass::Permission => (403, "forbidden".to_owned()),
            ErrorClass::NotFound => (404, format!("model '{model}' not found")),
            ErrorClass::Conflict => (409, "the request conflicts with another one".to_owned()),
            ErrorClass::TooLarge => (413, "http: request body too large".to_owned()),
            ErrorClass::Context => (400, "the input length exceeds the context length".to_owned()),
            // It has no filter of its own; a gateway in front of it may.
            ErrorClass::Filtered => (400, "blocked by the content filtering policy".to_owned()),
            ErrorClass::RateLimit => (429, "too many concurrent requests".to_owned()),
            ErrorClass::Quota => (429, "you have reached your spending limit".to_owned()),
            ErrorClass::Server => (500, "llama runner process has terminated: exit status 2".to_owned()),
            ErrorClass::Overloaded => {
                (503, "server busy, please try again.  maximum pending requests exceeded".to_owned())
            }
            ErrorClass::Timeout => (504, "timed out waiting for llama runner to start".to_owned()),
        };
        let body = json!({"error": message.unwrap_or(&words)});
        Failure { status, body: body.to_string().into_bytes() }
    }

    fn error_event(&self, failure: &Failure) -> Vec<u8> {
        [&failure.body[..], b"\n"].concat()
    }

    /// Ollama sends none. An empty line means nothing.
    fn heartbeat(&self) -> Vec<u8> {
        b"\n".to_vec()
    }

    fn request_id_header(&self) -> Option<&'static str> {
        None
    }

    fn body_type(&self) -> &'static str {
        "application/json; charset=utf-8"
    }

    fn stream_type(&self) -> &'static str {
        "application/x-ndjson"
    }
}

impl Ollama {
    /// A line that says this, without its end.
    fn said(self, answer: &Answer, text: &str, thoughts: &str, calls: &[Value]) -> Value {
        let mut line = json!({"model": answer.model, "created_at": CREATED_AT});
        let mut said = match self {
            Self::Chat => json!({"role": "assistant", "content": text}),
            Self::Generate => json!({"response": text}),
        };
        if !thoughts.is_empty() {
            said["thinking"] = thoughts.into();
        }
        if !calls.is_empty() {
            said["tool_calls"] = calls.into();
        }
        match (self, said) {
            (Self::Generate, Value::Object(fields)) => {
                for (name, value) in fields {
                    line[name] = value;
                }
            }
            (_, said) => line["message"] = said,
        }
        line
    }

    /// The same as the last line, which says why and what it took.
    fn last(self, answer: &Answer, mut line: Value) -> Value {
        line["done"] = true.into();
        line["done_reason"] = match &answer.finish {
            // Neither calls nor refusals have a word of their own.
            Finish::Stop | Finish::ToolCalls | Finish::Refusal => "stop",
            Finish::Word(word) => word,
        }
        .into();
        if self == Self::Generate {
            line["context"] = json!([1, 2, 3]);
        }
        if let Some(tokens) = answer.tokens {
            count(&mut line, tokens);
        }
        line
    }
}

/// Counts, and times in nanoseconds: always the same, so that replies are too. What is 0 is left out.
fn count(line: &mut Value, tokens: Tokens) {
    line["total_duration"] = 98_000_000.into();
    line["load_duration"] = 8_000_000.into();
    for (name, count) in [("prompt_eval", tokens.input), ("eval", tokens.output)] {
        if count > 0 {
            line[format!("{name}_count")] = count.into();
        }
        line[format!("{name}_duration")] = 45_000_000.into();
    }
}

/// Every call comes whole, its arguments an object, and mostly without an id.
fn calls(answer: &Answer) -> impl Iterator<Item = Value> {
    answer.tools.iter().map(|tool| {
        // What is not JSON cannot stand here.
        let arguments = serde_json::from_str(&tool.arguments).unwrap_or_else(|_| json!({}));
        json!({"function": {"name": tool.name, "arguments": arguments}})
    })
}

fn line(value: &Value) -> Vec<u8> {
    format!("{value}\n").into_bytes()
}
