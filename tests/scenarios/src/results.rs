//! What verbs give, as JSON in the words of the API.

use serde::Serialize;
use serde_json::{Value, json};
use tertulia::{Error, Message, Part, RawResponse, Reply, ReplyStream, SseStream, StreamEventKind};

use crate::words::{Played, Words, wrong};

/// A record as it is.
pub(crate) fn plain(record: impl Serialize) -> Played {
    serde_json::to_value(record).or_else(|error| wrong(format!("the result is no JSON: {error}")))
}

fn with_text(record: &impl Serialize, text: &str) -> Played {
    let mut json = plain(record)?;
    json["text"] = text.into();
    Ok(json)
}

pub(crate) fn reply(reply: &Reply) -> Played {
    let mut json = with_text(reply, &reply.text())?;
    json["notice"] = reply.notice().into();
    Ok(json)
}

pub(crate) fn message(message: &Message) -> Played {
    with_text(message, &message.text())
}

/// A page of messages.
pub(crate) fn messages(page: &tertulia::Page<Message>) -> Played {
    let mut json = plain(page)?;
    json["items"] = page.items.iter().map(message).collect::<Played<Vec<Value>>>()?.into();
    Ok(json)
}

pub(crate) fn error(error: &Error) -> Played {
    let words = error.partial().iter().filter_map(|part| match part {
        Part::Text { text, .. } => Some(text.as_str()),
        _ => None,
    });
    with_text(&error.info(), &words.collect::<String>())
}

pub(crate) fn response(response: &RawResponse) -> Value {
    json!({"status": response.status, "body": response.json().unwrap_or_default()})
}

/// Kinds of events in their order, a run of one kind once.
#[derive(Default)]
struct Kinds(Vec<Value>);

impl Kinds {
    fn add(&mut self, kind: &str) {
        if self.0.last().is_none_or(|last| last != kind) {
            self.0.push(kind.into());
        }
    }
}

/// A stream, read in the way the step says: to its end, or as far as it says.
pub(crate) async fn streamed(mut stream: ReplyStream, step: &Words<'_>) -> Played {
    let cancel_after: Option<usize> = step.get("cancel_after")?;
    let detach_after: Option<usize> = step.get("detach_after")?;
    let limit = cancel_after.or(detach_after);
    let read: Option<String> = step.get("read")?;
    let (mut kinds, mut words, mut seq) = (Kinds::default(), String::new(), 0);
    let enough = |words: &str| limit.is_some_and(|limit| words.chars().count() >= limit);
    match read.as_deref() {
        Some("text") => {
            while !enough(&words) {
                let Some(text) = stream.next_text().await? else { break };
                words.push_str(&text);
            }
        }
        Some("sse") => return sse(stream.sse()).await,
        None | Some("events" | "batches") => {
            let most = if read.as_deref() == Some("batches") { 64 } else { 1 };
            while !enough(&words) {
                let batch = if most == 1 {
                    stream.next_event().await?.into_iter().collect()
                } else {
                    stream.next_batch(most).await?
                };
                if batch.is_empty() {
                    break;
                }
                for event in batch {
                    seq = event.seq;
                    let json = plain(&event)?;
                    if json["progress"]["step"] != "heartbeat" {
                        kinds.add(json["type"].as_str().unwrap_or_default());
                    }
                    if let StreamEventKind::Text { delta } = event.kind {
                        words.push_str(&delta);
                    }
                }
            }
        }
        Some(other) => return wrong(format!("the way to read `{other}` is unknown")),
    }
    let mut result = json!({"turn_id": stream.turn_id()});
    if detach_after.is_some() {
        stream.detach();
    } else {
        if cancel_after.is_some() && enough(&words) {
            stream.cancel();
        }
        result = reply(&stream.reply().await?)?;
    }
    result["events"] = kinds.0.into();
    result["streamed"] = words.into();
    result["seq"] = seq.into();
    Ok(result)
}

/// What a page would be told of a reply: the types of its events and the words of the answer.
async fn sse(mut stream: SseStream) -> Played {
    let mut told = Vec::new();
    while let Some(piece) = stream.next().await {
        told.extend_from_slice(&piece);
    }
    let told = String::from_utf8_lossy(&told);
    let (mut kinds, mut words) = (Kinds::default(), String::new());
    for line in told.lines() {
        let Some(json) = line.strip_prefix("data: ") else { continue };
        let event: Value = serde_json::from_str(json).or_else(|error| wrong(format!("`{line}`: {error}")))?;
        kinds.add(event["type"].as_str().unwrap_or_default());
        if event["type"] == "text" {
            words.push_str(event["delta"].as_str().unwrap_or_default());
        }
    }
    Ok(json!({"events": kinds.0, "streamed": words}))
}
