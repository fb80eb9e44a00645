//! What the answer must be: words, or a value of a type.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::Json;
use crate::model::OutputSchema;
use crate::runs::tools::schema_of;

/// What the answer must be.
#[derive(Clone)]
pub(super) enum Shape {
    /// Anything.
    Words,
    /// A value that is read like this.
    Value { schema: OutputSchema, read: Arc<Read> },
}

/// Reads an answer as it is kept, or says why it is none, for the model to read.
pub(super) type Read = dyn Fn(&str) -> Result<Json, String> + Send + Sync;

impl Shape {
    /// A value of this type.
    pub(super) fn of<T: DeserializeOwned + Serialize + JsonSchema + 'static>() -> Self {
        let schema = OutputSchema { name: "answer".to_owned(), schema: schema_of::<T>(), strict: false };
        Self::Value { schema, read: Arc::new(read::<T>) }
    }

    pub(super) const fn schema(&self) -> Option<&OutputSchema> {
        match self {
            Self::Words => None,
            Self::Value { schema, .. } => Some(schema),
        }
    }

    /// The answer as it is kept, or why it is none, for the model to read.
    pub(super) fn read(&self, text: &str) -> Result<Json, String> {
        match self {
            Self::Words => Ok(Json::String(text.to_owned())),
            Self::Value { read, .. } => read(unfenced(text)),
        }
    }
}

fn read<T: DeserializeOwned + Serialize>(text: &str) -> Result<Json, String> {
    let value: T = serde_json::from_str(text).map_err(|e| e.to_string())?;
    serde_json::to_value(value).map_err(|e| e.to_string())
}

/// The JSON in an answer that puts it between fences, or words around it.
fn unfenced(text: &str) -> &str {
    let text = text.trim();
    let inside = text.split_once("```").and_then(|(_, rest)| {
        let (_, rest) = rest.split_once('\n')?;
        rest.split_once("```").map(|(inside, _)| inside.trim())
    });
    match inside {
        Some(inside) if !text.starts_with(['{', '[']) => inside,
        _ => text,
    }
}
