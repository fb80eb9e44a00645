//! Recorded replies that ask for tools, in the loop of a real agent: each call is made once, with the arguments of the recording,
//! and its answer goes back to the provider; then a recorded reply in words ends the run.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde_json::{Value, json};
use tertulia::net::{Body, Transport, TransportFuture};
use tertulia::{Agent, Capabilities, ModelInfo, ProviderSpec, Tertulia, TextFormat, Tool, ToolSpec};

use crate::Summary;
use crate::case::{self, Case};

/// Plays the loops of a folder whose cases begin with the prefix, and writes a line for each and a last one with the sums.
///
/// # Errors
/// The folder cannot be listed, or `out` cannot be written to.
pub async fn run(folder: &Path, prefix: &str, out: &mut (dyn Write + Send)) -> io::Result<Summary> {
    let cases: Vec<Case> = case::load(folder, "")?.into_iter().filter_map(|(_, case)| case.ok()).collect();
    let asks = |case: &&Case| !calls(case).is_empty() && case.name.starts_with(prefix);
    let mut summary = Summary::default();
    for case in cases.iter().filter(asks) {
        let said = cases.iter().find(|other| ends(other) && (&other.api, other.stream) == (&case.api, case.stream));
        let played = match said {
            Some(said) => play(case, said).await,
            None => Err("no recorded reply in words has the same form".to_owned()),
        };
        match played {
            Ok(()) => {
                summary.passed += 1;
                writeln!(out, "ok {}", case.name)?;
            }
            Err(why) => {
                summary.failed += 1;
                writeln!(out, "not ok {}: {}", case.name, why.replace(['\r', '\n'], " "))?;
            }
        }
    }
    writeln!(out, "{} passed, {} failed", summary.passed, summary.failed)?;
    Ok(summary)
}

fn calls(case: &Case) -> &[Value] {
    let asked = case.expected["finish_reason"] == "tool_calls" && case.status == 200;
    case.expected["tool_calls"].as_array().filter(|_| asked).map_or(&[], Vec::as_slice)
}

/// True for a reply in words that ends by itself.
fn ends(case: &Case) -> bool {
    let word = |name: &str| case.expected[name].as_str().unwrap_or_default();
    case.status == 200 && word("finish_reason") == "stop" && !word("text").is_empty() && calls(case).is_empty()
}

/// Answers by recordings, one after the other, and keeps what it was sent.
#[derive(Default)]
struct Recorded {
    left: Mutex<VecDeque<Case>>,
    sent: Mutex<Vec<Bytes>>,
}

impl Transport for Recorded {
    fn send(&self, request: http::Request<Bytes>) -> TransportFuture<'_> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(request.into_body());
        let next = self.left.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        Box::pin(async move {
            let case = next.ok_or_else(|| tertulia::Error::internal("more was asked than was recorded"))?;
            let mut answer = http::Response::builder().status(case.status);
            for (name, value) in &case.headers {
                answer = answer.header(name, value);
            }
            answer.body(Body::whole(case.body)).map_err(|_| tertulia::Error::internal("a recording has a bad header"))
        })
    }
}

async fn play(case: &Case, said: &Case) -> Result<(), String> {
    let recorded = Arc::new(Recorded { left: Mutex::new([case.clone(), said.clone()].into()), ..Recorded::default() });
    let tertulia = engine(case, recorded.clone()).await.map_err(|e| format!("no engine: {e:?}"))?;
    let made = Arc::new(Mutex::new(Vec::new()));
    let mut agent = Agent::new("").model("recorded/m");
    let mut names = Vec::new();
    for call in calls(case) {
        let name = call["name"].as_str().unwrap_or_default();
        if !names.contains(&name) {
            names.push(name);
            agent = agent.tool(answering(name, call["arguments"].is_string(), made.clone()));
        }
    }
    let chat = tertulia.user("ana").new_conversation();
    let result = chat.run(&agent, "?").await.map_err(|e| format!("the run failed: {e:?}"))?;
    let made = std::mem::take(&mut *made.lock().unwrap_or_else(PoisonError::into_inner));
    let (mut expected, mut got): (Vec<_>, Vec<_>) = (
        calls(case).iter().map(|call| (call["name"].to_string(), call["arguments"].to_string())).collect(),
        made.iter().map(|(name, arguments)| (json!(name).to_string(), arguments.to_string())).collect(),
    );
    expected.sort();
    got.sort();
    if expected != got {
        return Err(format!("expected the calls {expected:?} got {got:?}"));
    }
    if said.expected["text"] != json!(result.output) {
        return Err(format!("expected the answer {} got {:?}", said.expected["text"], result.output));
    }
    let sent = recorded.sent.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let back = String::from_utf8_lossy(sent.get(1).map_or(&[][..], |body| body)).into_owned();
    let told = back.matches("told by the tool").count();
    if sent.len() != 2 || told != expected.len() {
        return Err(format!(
            "expected {} answers in the second of 2 requests got {told} in {}",
            expected.len(),
            sent.len()
        ));
    }
    tertulia.close().await.map_err(|e| format!("it does not close: {e:?}"))
}

/// A tool that keeps what it is called with.
fn answering(name: &str, takes_text: bool, made: Arc<Mutex<Vec<(String, Value)>>>) -> Tool {
    let spec = match takes_text {
        true => ToolSpec::free_text(name, "", TextFormat::Text),
        false => ToolSpec::new(name, "", json!({"type": "object", "properties": {}})),
    };
    let name = name.to_owned();
    Tool::of(spec, move |arguments, _| {
        made.lock().unwrap_or_else(PoisonError::into_inner).push((name.clone(), arguments));
        Box::pin(async { Ok(json!("told by the tool")) })
    })
}

async fn engine(case: &Case, transport: Arc<Recorded>) -> tertulia::Result<Tertulia> {
    let url = "http://127.0.0.1:9/v1";
    let spec = match &*case.api {
        "messages" => ProviderSpec::anthropic("recorded", url),
        "responses" => ProviderSpec::openai_responses("recorded", url),
        "gemini" => ProviderSpec::gemini("recorded", url),
        "ollama_chat" | "ollama_generate" => ProviderSpec::ollama("recorded", "http://127.0.0.1:9"),
        _ => ProviderSpec::openai_chat("recorded", url),
    };
    let capabilities = Capabilities { streaming: Some(case.stream), ..Capabilities::default() };
    Tertulia::builder()
        .with_environment(Arc::new(|_: &str| None))
        .provider(spec.model("m", ModelInfo { capabilities, ..ModelInfo::default() }))
        .with_transport(transport)
        .store("memory:")
        .open()
        .await
}
