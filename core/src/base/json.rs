//! JSON values as they cross the engine.

/// Any JSON value. Objects keep the order of their keys, so that a provider's own parts go back as they came.
pub type Json = serde_json::Value;

/// How deep JSON from outside may nest; deeper is refused by the parser.
pub const MAX_JSON_DEPTH: usize = 128;
