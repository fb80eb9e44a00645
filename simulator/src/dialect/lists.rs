//! Lists of models as Gemini and Ollama write them.

use serde_json::{Value, json};

/// Google's list: `GET /v1beta/models`, in pages of two, so that reading it takes several.
pub(crate) fn gemini_models(names: &[String], query: &str) -> Vec<u8> {
    let field = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    let start: usize = field("pageToken").and_then(|token| token.strip_prefix("from")?.parse().ok()).unwrap_or(0);
    let page = names.iter().skip(start).take(2);
    let models: Vec<Value> = page
        .map(|name| {
            json!({
                "name": format!("models/{name}"), "displayName": name, "inputTokenLimit": 1_048_576,
                "outputTokenLimit": 65_536, "supportedGenerationMethods": ["generateContent"],
            })
        })
        .collect();
    let mut reply = json!({ "models": models });
    if start + 2 < names.len() {
        reply["nextPageToken"] = json!(format!("from{}", start + 2));
    }
    reply.to_string().into_bytes()
}

/// Ollama's list: `GET /api/tags`.
pub(crate) fn ollama_models(names: &[String]) -> Vec<u8> {
    let models: Vec<Value> =
        names.iter().map(|name| json!({"name": name, "model": name, "size": 4_096, "digest": "0"})).collect();
    json!({ "models": models }).to_string().into_bytes()
}
