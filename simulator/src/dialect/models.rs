//! The list of models: `GET /v1/models`, as OpenAI or Anthropic write it.

use serde_json::{Value, json};

use super::CREATED;

/// The body of the reply. `anthropic` is for callers that send an `anthropic-version`.
pub(crate) fn models(names: &[String], anthropic: bool) -> Vec<u8> {
    let reply = if anthropic {
        let data: Vec<Value> = names
            .iter()
            .map(
                |name| json!({"type": "model", "id": name, "display_name": name, "created_at": "2025-11-24T16:00:00Z"}),
            )
            .collect();
        json!({"data": data, "has_more": false, "first_id": names.first(), "last_id": names.last()})
    } else {
        let data: Vec<Value> = names
            .iter()
            .map(|name| json!({"id": name, "object": "model", "created": CREATED, "owned_by": "tertulia-simulator"}))
            .collect();
        json!({"object": "list", "data": data})
    };
    reply.to_string().into_bytes()
}
