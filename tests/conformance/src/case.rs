//! A recording and what is expected of it.

use std::path::{Path, PathBuf};

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde::Deserialize;
use serde_json::Value;

/// One recorded reply.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name of its folder.
    pub name: String,
    /// The bytes after content encoding.
    pub body: Vec<u8>,
    /// The status it came with.
    pub status: StatusCode,
    /// The headers that were kept.
    pub headers: HeaderMap,
    /// What a decoder must make of it.
    pub expected: Expected,
}

/// What a decoder must make of a recording, in no provider's words.
#[derive(Clone, Debug, Deserialize)]
pub struct Expected {
    /// The dialect: `chat`, `responses`, `messages`, `gemini`, `ollama_chat`, …
    pub api: String,
    /// Who answered.
    pub provider: String,
    /// True when the reply came piece by piece.
    pub stream: bool,
    /// The provider's id of the reply.
    pub id: Option<String>,
    /// The model that answered.
    pub model: Option<String>,
    /// All words.
    #[serde(default)]
    pub text: String,
    /// All thoughts.
    #[serde(default)]
    pub reasoning: String,
    /// The words of a refusal.
    pub refusal: Option<String>,
    /// The calls of tools, those of the provider's own left out.
    #[serde(default)]
    pub tool_calls: Vec<ExpectedCall>,
    /// stop, length, tool_calls, content_filter, error or other.
    pub finish_reason: Option<String>,
    /// The same without the rules about calls and errors: nothing when the provider said none.
    pub finish_reason_wire_only: Option<String>,
    /// The provider's own word.
    pub finish_reason_raw: Option<String>,
    /// What it took; nothing when the provider did not say.
    pub usage: Option<ExpectedUsage>,
    /// What went wrong.
    pub error: Option<ExpectedError>,
    /// Events of the framing.
    pub n_events: Option<u64>,
    /// Those among them that are JSON.
    pub n_json_events: Option<u64>,
    /// Pings of the dialect.
    pub pings: Option<u64>,
    /// `[DONE]` was there.
    pub done_sentinel: Option<bool>,
    /// What else the framing held.
    pub sse: Option<Framing>,
}

/// One call of a tool.
#[derive(Clone, Debug, Deserialize)]
pub struct ExpectedCall {
    /// Nothing when the provider gave none.
    pub id: Option<String>,
    /// The tool.
    pub name: String,
    /// The arguments; null when they were no JSON.
    #[serde(default)]
    pub arguments: Value,
    /// The arguments as text.
    pub arguments_raw: Option<String>,
}

/// Tokens; nothing where the provider was silent.
#[derive(Clone, Debug, Deserialize)]
pub struct ExpectedUsage {
    /// Everything sent in.
    pub input: Option<i64>,
    /// Everything written.
    pub output: Option<i64>,
    /// How much of the input came from the cache.
    pub cached_input: Option<i64>,
    /// How much of the input went into the cache.
    pub cache_write: Option<i64>,
    /// How much of the output was reasoning.
    pub reasoning: Option<i64>,
}

/// A provider's account of a failure.
#[derive(Clone, Debug, Deserialize)]
pub struct ExpectedError {
    /// The HTTP status, or the one that the payload names.
    pub status: Option<i32>,
    /// The type word.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// A word or a number.
    pub code: Option<Value>,
    /// The provider's words.
    pub message: Option<String>,
    /// What is at fault.
    pub param: Option<String>,
    /// The hint of when to come back, as written.
    pub retry_after: Option<String>,
    /// The provider's id of the request.
    pub request_id: Option<String>,
}

/// What else an event stream held.
#[derive(Clone, Debug, Deserialize)]
pub struct Framing {
    /// Comments.
    pub comments: u64,
    /// Lines that belong to no field.
    pub stray_lines: u64,
    /// The last event came without its blank line.
    pub unterminated_last_event: bool,
}

/// All cases of these dialects, or nothing when the folder of recordings is not there.
///
/// # Panics
/// When a case cannot be read: a broken case must not pass as no case.
#[must_use]
pub fn load(apis: &[&str]) -> Option<Vec<Case>> {
    let folder = folder()?;
    let mut names: Vec<PathBuf> = read_dir(&folder).filter(|path| path.join("expected.json").is_file()).collect();
    names.sort();
    Some(names.iter().map(|path| read(path)).filter(|case| apis.contains(&case.expected.api.as_str())).collect())
}

fn folder() -> Option<PathBuf> {
    let named = std::env::var_os("TERTULIA_WIRE_CASES").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/wire");
    match named {
        Some(folder) => {
            assert!(folder.is_dir(), "TERTULIA_WIRE_CASES names no folder");
            Some(folder)
        }
        None => beside.is_dir().then_some(beside),
    }
}

fn read_dir(folder: &Path) -> impl Iterator<Item = PathBuf> {
    std::fs::read_dir(folder).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

fn read(path: &Path) -> Case {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let bytes = |file: &str| std::fs::read(path.join(file)).unwrap_or_else(|error| panic!("{name}/{file}: {error}"));
    let meta: Value = serde_json::from_slice(&bytes("response.meta.json")).unwrap_or_else(|e| panic!("{name}: {e}"));
    let expected = serde_json::from_slice(&bytes("expected.json")).unwrap_or_else(|e| panic!("{name}: {e}"));
    let status = meta["status"].as_u64().and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    let headers = meta["headers"].as_object().into_iter().flatten().filter_map(|(name, value)| {
        Some((HeaderName::try_from(name).ok()?, HeaderValue::from_str(value.as_str()?).ok()?))
    });
    let (body, headers) = (bytes("response.body"), headers.collect());
    Case { status: status.unwrap_or(StatusCode::OK), headers, body, expected, name }
}
