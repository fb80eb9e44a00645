//! Token counts: the last value of each field, over the beginning and the end of a message.

use serde_json::Map;

use crate::base::Json;
use crate::model::{Usage, UsageSource};

/// The provider's usage objects, laid over each other.
#[derive(Debug, Default)]
pub(super) struct Counted(Map<String, Json>);

impl Counted {
    /// Takes in one object. Its figures are cumulative; a field it leaves empty keeps what stood there.
    pub(super) fn merge(&mut self, raw: &str) {
        let Ok(Json::Object(fields)) = serde_json::from_str(raw) else { return };
        for (name, value) in fields {
            if !value.is_null() || !self.0.contains_key(&name) {
                self.0.insert(name, value);
            }
        }
    }

    /// The counts in our words, or nothing when there were none. This API counts what came from its cache or went
    /// into it beside the input; here they are parts of it.
    pub(super) fn usage(&self) -> Option<Usage> {
        let count = |name: &str| self.0.get(name).and_then(Json::as_i64).map(|n| n.max(0));
        let within = |object: &str, name: &str| {
            self.0.get(object).and_then(|o| o.get(name)).and_then(Json::as_i64).map(|n| n.max(0))
        };
        let (input, output) = (count("input_tokens"), count("output_tokens"));
        if input.is_none() && output.is_none() {
            return None;
        }
        let read = count("cache_read_input_tokens").unwrap_or(0);
        let creation = count("cache_creation_input_tokens").unwrap_or(0);
        let details = [
            ("cache_creation", "ephemeral_5m_input_tokens"),
            ("cache_creation", "ephemeral_1h_input_tokens"),
            ("server_tool_use", "web_search_requests"),
            ("server_tool_use", "web_fetch_requests"),
        ];
        Some(Usage {
            input_tokens: input.unwrap_or(0).saturating_add(read).saturating_add(creation),
            output_tokens: output.unwrap_or(0),
            cache_read_input_tokens: read,
            cache_creation_input_tokens: creation,
            reasoning_output_tokens: within("output_tokens_details", "thinking_tokens").unwrap_or(0),
            requests: 1,
            details: details
                .into_iter()
                .filter_map(|(object, name)| Some((name.to_owned(), within(object, name).filter(|n| *n > 0)?)))
                .collect(),
            source: UsageSource::Reported,
            raw: Some(Json::Object(self.0.clone()).into()),
        })
    }
}
