//! What was recorded, told over HTTP: for tests in languages that start the simulator as a program.
//!
//! Asking is no request: it is neither counted nor kept, and its connection leaves nothing but its own opening and end.

use serde_json::{Value, json};

use crate::plan::{self, Plan};
use crate::record::{EventKind, Record, RecordedRequest};

/// What stands before every question, which no provider's path begins with.
const PREFIX: &str = "/_simulator/";

/// A question about what was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    Requests,
    /// The first hang-up behind this event.
    HungUp {
        after: u64,
    },
    Unknown,
}

impl Question {
    /// The question that this path and query ask; nothing when they ask a provider.
    pub(crate) fn of(method: &str, path: &str) -> Option<Self> {
        let what = path.strip_prefix(PREFIX)?;
        let (what, after) = what.split_once("?after=").unwrap_or((what, "0"));
        Some(match (method, what, after.parse()) {
            ("GET", "requests", Ok(0)) => Self::Requests,
            ("GET", "hung_up", Ok(after)) => Self::HungUp { after },
            _ => Self::Unknown,
        })
    }

    /// The answer; for what has not happened yet, once it has.
    pub(crate) async fn answer(self, record: &Record) -> Plan {
        if !record.is_on() {
            return refused("nothing is recorded: start the simulator with --record");
        }
        match self {
            Self::Requests => told(&record.requests().iter().map(request).collect()),
            Self::HungUp { after } => {
                let event = record
                    .wait_for(|event| {
                        event.seq > after && event.kind == EventKind::ClosedByPeer && event.request.is_some()
                    })
                    .await;
                told(&json!({"seq": event.seq, "connection": event.connection, "request": event.request}))
            }
            Self::Unknown => refused(
                "GET /_simulator/requests and GET /_simulator/hung_up (behind an event: ?after=SEQ) are what can be asked",
            ),
        }
    }
}

fn request(request: &RecordedRequest) -> Value {
    let headers: serde_json::Map<_, _> =
        request.headers.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
    json!({
        "request": request.request,
        "connection": request.connection,
        "method": request.method,
        "path": request.path,
        "headers": headers,
        "body": request.json(),
    })
}

fn told(answer: &Value) -> Plan {
    plan::plain(200, "application/json", answer.to_string().as_bytes())
}

fn refused(why: &str) -> Plan {
    plan::plain(404, "application/json", json!({"error": why}).to_string().as_bytes())
}
