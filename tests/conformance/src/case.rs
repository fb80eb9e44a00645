//! A folder of cases, as it lies on disk. Fields that are unknown are read over, those that are missing are guessed.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use serde_json::Value;

/// One recorded reply and what it holds.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name of its folder.
    pub name: String,
    /// Which API it is of, as `chat`.
    pub api: String,
    /// Who answered.
    pub provider: String,
    /// Where, when the recording says so.
    pub host: Option<String>,
    /// True when the reply came piece by piece.
    pub stream: bool,
    /// The HTTP status.
    pub status: u16,
    /// The headers as recorded, without those of the connection.
    pub headers: Vec<(String, String)>,
    /// The body, decoded.
    pub body: Bytes,
    /// What it holds.
    pub expected: Value,
}

/// Headers that speak of the recorded connection and not of the body as it is kept.
const OF_THE_CONNECTION: [&str; 7] =
    ["connection", "content-encoding", "content-length", "keep-alive", "trailer", "transfer-encoding", "upgrade"];

/// The cases of a folder by name, or the folder itself when it is one. A case that cannot be read comes with the
/// reason.
///
/// # Errors
/// The folder cannot be listed.
pub fn load(folder: &Path, prefix: &str) -> io::Result<Vec<(String, Result<Case, String>)>> {
    let mut folders: Vec<PathBuf> = if folder.join("expected.json").is_file() {
        vec![folder.to_owned()]
    } else {
        let entries = std::fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
        entries.into_iter().map(|entry| entry.path()).filter(|path| path.join("response.body").is_file()).collect()
    };
    folders.sort();
    let name = |path: &Path| path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    Ok(folders
        .iter()
        .map(|path| (name(path), path))
        .filter(|(name, _)| name.starts_with(prefix))
        .map(|(name, path)| (name.clone(), read(name, path)))
        .collect())
}

fn read(name: String, folder: &Path) -> Result<Case, String> {
    let expected = json(folder, "expected.json")?.ok_or("there is no expected.json")?;
    let request = json(folder, "request.json")?.unwrap_or_default();
    let meta = json(folder, "response.meta.json")?.unwrap_or_default();
    let body = std::fs::read(folder.join("response.body")).map_err(|error| format!("response.body: {error}"))?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let status = [&meta["status"], &expected["http_status"]].into_iter().find_map(Value::as_u64).unwrap_or(200);
    let headers = meta["headers"].as_object().into_iter().flatten();
    Ok(Case {
        name,
        api: word(&expected["api"]),
        provider: word(&expected["provider"]),
        host: request["host"].as_str().map(str::to_owned),
        stream: expected["stream"].as_bool().or_else(|| request["body"]["stream"].as_bool()).unwrap_or(false),
        status: u16::try_from(status).map_err(|_| "response.meta.json: the status is no HTTP status")?,
        headers: headers
            .filter(|(name, _)| !OF_THE_CONNECTION.contains(&name.to_ascii_lowercase().as_str()))
            .flat_map(|(name, value)| values(value).map(move |value| (name.clone(), value)))
            .collect(),
        body: body.into(),
        expected,
    })
}

/// A header's value, or all of them where it came more than once.
fn values(value: &Value) -> impl Iterator<Item = String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().into_iter(),
        one => vec![text(one)].into_iter(),
    }
}

fn json(folder: &Path, file: &str) -> Result<Option<Value>, String> {
    match std::fs::read(folder.join(file)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| format!("{file}: {error}")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{file}: {error}")),
    }
}
