//! Google's generateContent: `POST /v1beta/models/{model}:generateContent` and `:streamGenerateContent`.
//!
//! Model and manner stand in the path. A stream is server-sent events with `?alt=sse`, else one JSON array that grows.

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::{Dialect, Failure, Frame, FrameKind, data};
use crate::answer::{Answer, Ask, Finish, Talk, Tokens};
use crate::plan::MARK;
use crate::script::ErrorClass;

pub(crate) struct Gemini {
    model: String,
    manner: Manner,
}

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Whole,
    Events,
    Array,
}

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow)]
    contents: &'a RawValue,
}

impl Gemini {
    /// The call that this path (with its query) names, when it is one.
    pub(crate) fn at(target: &str) -> Option<Self> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let (model, call) = path.rsplit_once(':')?;
        let manner = match call {
            "generateContent" => Manner::Whole,
            "streamGenerateContent" if query.split('&').any(|pair| pair == "alt=sse") => Manner::Events,
            "streamGenerateContent" => Manner::Array,
            _ => return None,
        };
        let model = match model.rsplit_once("/models/") {
            Some((_, model)) => model,
            // Tuned models and endpoints have collections of their own.
            None => model.rsplit('/').next()?,
        };
        Some(Self { model: unescaped(model), manner })
    }

    /// What is wrapped around an element of the stream.
    fn wrapped(&self, value: &Value, first: bool) -> Vec<u8> {
        match self.manner {
            Manner::Array => format!("{}{value:#}\n", if first { "[" } else { ",\n" }).into_bytes(),
            _ => data(value),
        }
    }
}

impl Dialect for Gemini {
    fn ask(&self, body: &[u8]) -> Result<Ask, Failure> {
        let request: Request<'_> = serde_json::from_slice(body).map_err(|error| {
            let message = if error.is_data() {
                "* GenerateContentRequest.contents: contents is not specified\n".to_owned()
            } else {
                format!("Invalid JSON payload received. {error}")
            };
            self.failure(ErrorClass::Invalid, Some(&message), "", None)
        })?;
        Ok(Ask {
            model: self.model.clone(),
            stream: self.manner != Manner::Whole,
            include_usage: true,
            prompt_bytes: request.contents.get().len(),
        })
    }

    fn talk(&self, body: &[u8]) -> Talk {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let contents = body["contents"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut talk = Talk { messages: contents.len(), ..Talk::default() };
        for content in contents {
            talk.results = None;
            if content["role"] != "model" {
                read(&content["parts"], &mut talk);
            }
        }
        talk
    }

    fn whole(&self, answer: &Answer) -> Vec<u8> {
        let mut parts = Vec::new();
        if !answer.reasoning.is_empty() {
            parts.push(json!({"text": answer.reasoning.concat(), "thought": true}));
        }
        if !answer.text.is_empty() {
            parts.push(json!({"text": answer.text.concat()}));
        }
        parts.extend(calls(answer));
        let mut reply = chunk(answer, &parts, Some(&answer.finish));
        if let Some(tokens) = answer.tokens {
            reply["usageMetadata"] = usage(tokens);
        }
        format!("{reply:#}\n").into_bytes()
    }

    fn frames(&self, answer: &Answer, _ask: &Ask) -> Vec<Frame> {
        let mut frames = Vec::new();
        let mut push = |kind, value: &Value| {
            let bytes = self.wrapped(value, frames.is_empty());
            frames.push(Frame { bytes, kind });
        };
        // What was sent in is known from the start, and told with every chunk.
        let early = answer.tokens.map(|tokens| {
            json!({"promptTokenCount": tokens.input, "totalTokenCount": tokens.input, "promptTokensDetails": text(tokens.input)})
        });
        let thoughts = answer.reasoning.iter().map(|piece| json!({"text": piece, "thought": true}));
        let words = answer.text.iter().map(|piece| json!({"text": piece}));
        for part in thoughts.chain(words).chain(calls(answer)) {
            let mut piece = chunk(answer, &[part], None);
            if let Some(early) = &early {
                piece["usageMetadata"] = early.clone();
            }
            push(FrameKind::Piece, &piece);
        }
        let mut end = chunk(answer, &[json!({"text": ""})], Some(&answer.finish));
        if let Some(tokens) = answer.tokens {
            end["usageMetadata"] = usage(tokens);
        }
        push(FrameKind::Closing, &end);
        if self.manner == Manner::Array {
            frames.push(Frame { bytes: b"]".to_vec(), kind: FrameKind::Closing });
        }
        frames
    }

    fn failure(&self, class: ErrorClass, message: Option<&str>, model: &str, after: Option<&str>) -> Failure {
        let (status, word, words) = match class {
            ErrorClass::Invalid => (400, "INVALID_ARGUMENT", "Request contains an invalid argument.".to_owned()),
            // A wrong key is no 401 here.
            ErrorClass::Auth => (400, "INVALID_ARGUMENT", "API key not valid. Please pass a valid API key.".to_owned()),
            ErrorClass::Billing => (
                403,
                "PERMISSION_DENIED",
                "This API method requires billing to be enabled. Please enable billing on project #1 and try again."
                    .to_owned(),
            ),
            ErrorClass::Permission => (403, "PERMISSION_DENIED", "The caller does not have permission".to_owned()),
            ErrorClass::NotFound => (
                404,
                "NOT_FOUND",
                format!(
                    "models/{model} is not found for API version v1beta, or is not supported for generateContent. Call \
                     ListModels to see the list of available models and their supported methods."
                ),
            ),
            ErrorClass::Conflict => (409, "ABORTED", "The operation was aborted.".to_owned()),
            ErrorClass::TooLarge => {
                (400, "INVALID_ARGUMENT", "Request payload size exceeds the limit: 20971520 bytes.".to_owned())
            }
            ErrorClass::Context => (
                400,
                "INVALID_ARGUMENT",
                "The input token count (1200000) exceeds the maximum number of tokens allowed (1048576).".to_owned(),
            ),
            ErrorClass::Filtered => (
                400,
                "INVALID_ARGUMENT",
                "The prompt could not be submitted. This prompt contains sensitive words that violate Google's \
                 Responsible AI practices."
                    .to_owned(),
            ),
            ErrorClass::RateLimit | ErrorClass::Quota => (
                429,
                "RESOURCE_EXHAUSTED",
                "You exceeded your current quota, please check your plan and billing details.".to_owned(),
            ),
            ErrorClass::Server => (500, "INTERNAL", "An internal error has occurred. Please retry.".to_owned()),
            ErrorClass::Overloaded => {
                (503, "UNAVAILABLE", "The model is overloaded. Please try again later.".to_owned())
            }
            ErrorClass::Timeout => {
                (504, "DEADLINE_EXCEEDED", "Deadline expired before operation could complete.".to_owned())
            }
        };
        let mut error = json!({"code": status, "message": message.unwrap_or(&words), "status": word});
        let details = details(class, after);
        if !details.is_empty() {
            error["details"] = details.into();
        }
        let body = json!({"error": error});
        // Who asked for a growing array gets an array.
        let body = if self.manner == Manner::Array { json!([body]) } else { body };
        Failure { status, body: format!("{body:#}\n").into_bytes() }
    }

    /// It comes bare, without `data:`.
    fn error_event(&self, failure: &Failure) -> Vec<u8> {
        if self.manner != Manner::Array {
            return failure.body.clone();
        }
        let body: Value = serde_json::from_slice(&failure.body).unwrap_or_default();
        format!(",\n{:#}\n]", body[0]).into_bytes()
    }

    /// Google sends none; proxies in front of it send comments. In an array only blanks mean nothing.
    fn heartbeat(&self) -> Vec<u8> {
        if self.manner == Manner::Array { b"\n".to_vec() } else { b": keep-alive\n\n".to_vec() }
    }

    fn request_id_header(&self) -> Option<&'static str> {
        None
    }

    fn body_type(&self) -> &'static str {
        "application/json; charset=UTF-8"
    }

    fn stream_type(&self) -> &'static str {
        if self.manner == Manner::Array { self.body_type() } else { "text/event-stream" }
    }

    fn ends_lines_with_crlf(&self) -> bool {
        self.manner == Manner::Events
    }
}

/// Every call comes whole and, as mostly, without an id.
fn calls(answer: &Answer) -> impl Iterator<Item = Value> {
    answer.tools.iter().map(|tool| {
        // What is not JSON cannot stand here.
        let arguments = serde_json::from_str(&tool.arguments).unwrap_or_else(|_| json!({}));
        json!({"functionCall": {"name": tool.name, "args": arguments}})
    })
}

fn chunk(answer: &Answer, parts: &[Value], finish: Option<&Finish>) -> Value {
    let mut candidate = json!({"content": {"parts": parts, "role": "model"}, "index": 0});
    if let Some(finish) = finish {
        candidate["finishReason"] = match finish {
            // Calls have no word of their own.
            Finish::Stop | Finish::ToolCalls => "STOP",
            Finish::Refusal => "SAFETY",
            Finish::Word(word) => word,
        }
        .into();
        if *finish == Finish::Refusal {
            // What is filtered has no content, only words about it.
            candidate["content"] = json!({});
            candidate["finishMessage"] = answer.refusal.concat().into();
        }
    }
    json!({
        "candidates": [candidate],
        "modelVersion": answer.model,
        "responseId": format!("resp-{MARK}"),
    })
}

fn usage(tokens: Tokens) -> Value {
    let mut usage = json!({
        "promptTokenCount": tokens.input,
        "candidatesTokenCount": tokens.output - tokens.reasoning,
        "totalTokenCount": tokens.input + tokens.output,
        "promptTokensDetails": text(tokens.input),
    });
    if tokens.cached > 0 {
        usage["cachedContentTokenCount"] = tokens.cached.into();
        usage["cacheTokensDetails"] = text(tokens.cached);
    }
    if tokens.reasoning > 0 {
        usage["thoughtsTokenCount"] = tokens.reasoning.into();
    }
    usage
}

fn text(tokens: u64) -> Value {
    json!([{"modality": "TEXT", "tokenCount": tokens}])
}

/// What stands beside the words of an error. The time to wait is here, and in no header.
fn details(class: ErrorClass, after: Option<&str>) -> Vec<Value> {
    let kind = |name: &str| format!("type.googleapis.com/google.rpc.{name}");
    let because = |reason: &str| json!({"@type": kind("ErrorInfo"), "reason": reason, "domain": "googleapis.com"});
    let passed = |id: &str, value: &str| {
        json!({"@type": kind("QuotaFailure"), "violations": [{
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_free_tier_requests",
            "quotaId": id,
            "quotaValue": value,
        }]})
    };
    match class {
        ErrorClass::Auth => vec![because("API_KEY_INVALID")],
        ErrorClass::Billing => vec![because("BILLING_DISABLED")],
        ErrorClass::RateLimit => vec![
            passed("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "10"),
            json!({"@type": kind("RetryInfo"), "retryDelay": format!("{}s", after.unwrap_or("20"))}),
        ],
        ErrorClass::Quota => vec![passed("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "250")],
        _ => Vec::new(),
    }
}

/// Takes up what a user's content says: its words, or the results of tools.
fn read(parts: &Value, talk: &mut Talk) {
    let (mut texts, mut results, mut attachments) = (Vec::new(), Vec::new(), 0);
    for part in parts.as_array().into_iter().flatten() {
        if let Some(text) = part["text"].as_str() {
            texts.push(text);
        } else if let Some(response) = part["functionResponse"].get("response") {
            // An object by rule; clients put a plain answer into its one field.
            results.push(match response.as_object().map(|fields| fields.values().collect::<Vec<_>>()).as_deref() {
                Some([Value::String(answer)]) => answer.clone(),
                _ => response.to_string(),
            });
        } else {
            attachments += 1;
        }
    }
    if results.is_empty() {
        (talk.last, talk.attachments) = (texts.join("\n"), attachments);
    } else {
        talk.results = Some(results.join(", "));
    }
}

/// A part of a path as it is meant.
fn unescaped(text: &str) -> String {
    crate::script::decode(text).unwrap_or_else(|| text.to_owned())
}
