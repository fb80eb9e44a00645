//! `reasoning_details` (OpenRouter): thoughts with what proves them to the provider that had them.
//!
//! A stream sends each entry in pieces; the provider takes back only whole ones, so pieces of the same type
//! and index are put together. Kept are the entries that carry a signature or encrypted data; the thoughts of
//! all others are told already.

use serde_json::Map;
use serde_json::value::RawValue;

use crate::base::Json;
use crate::model::Result;
use crate::wire::failure;

#[derive(Debug, Default)]
pub(super) struct Details {
    entries: Vec<Map<String, Json>>,
    bytes: usize,
}

/// Fields that come in pieces.
const GROWING: [&str; 3] = ["text", "summary", "data"];

impl Details {
    /// Takes in a list of entries and gives the thoughts in it.
    ///
    /// # Errors
    /// `OutputInvalid` (too_large) when all entries pass `limit` bytes.
    pub(super) fn take(&mut self, raw: &RawValue, limit: usize) -> Result<String> {
        let mut told = String::new();
        if raw.get().len() <= 2 {
            return Ok(told);
        }
        self.bytes += raw.get().len();
        if self.bytes > limit {
            return Err(failure::too_large("reasoning", limit));
        }
        let entries: Vec<Json> = serde_json::from_str(raw.get()).unwrap_or_default();
        for entry in entries {
            let Json::Object(entry) = entry else { continue };
            let thought = entry.get("text").or_else(|| entry.get("summary")).and_then(Json::as_str);
            told.push_str(thought.unwrap_or_default());
            let same = |known: &&mut Map<String, Json>| {
                entry.get("index").is_some()
                    && ["type", "index"].iter().all(|name| known.get(*name) == entry.get(*name))
            };
            // Pieces of one entry follow each other: looking at the last few is enough and keeps time linear.
            match self.entries.iter_mut().rev().take(8).find(same) {
                Some(known) => grow(known, entry),
                None => self.entries.push(entry),
            }
        }
        Ok(told)
    }

    /// The entries that must go back to the provider, or nothing.
    pub(super) fn finish(&mut self) -> Option<Json> {
        let filled =
            |entry: &Map<String, Json>, name| entry.get(name).and_then(Json::as_str).is_some_and(|s| !s.is_empty());
        let mut entries = std::mem::take(&mut self.entries);
        entries.retain(|entry| filled(entry, "signature") || filled(entry, "data"));
        (!entries.is_empty()).then(|| Json::Array(entries.into_iter().map(Json::Object).collect()))
    }
}

fn grow(known: &mut Map<String, Json>, piece: Map<String, Json>) {
    for (name, value) in piece {
        match (known.get_mut(&name), value) {
            (Some(Json::String(text)), Json::String(more)) if GROWING.contains(&name.as_str()) => text.push_str(&more),
            (Some(_), Json::Null) => {}
            (Some(_), Json::String(empty)) if empty.is_empty() => {}
            (_, value) => {
                known.insert(name, value);
            }
        }
    }
}
