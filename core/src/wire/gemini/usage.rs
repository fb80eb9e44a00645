//! Token counts: cumulative, the last value of each field over all chunks.

use serde_json::Map;

use crate::base::Json;
use crate::model::{Usage, UsageSource};

/// The provider's usage objects, laid over each other: fields that do not change are left out of later ones.
#[derive(Debug, Default)]
pub(super) struct Counted(Map<String, Json>);

impl Counted {
    /// Takes in one object.
    pub(super) fn merge(&mut self, raw: &str) {
        // Counts that cannot be read are as good as none; they are no reason to lose the reply.
        let Ok(Json::Object(fields)) = serde_json::from_str(raw) else { return };
        for (name, value) in fields {
            if !value.is_null() || !self.0.contains_key(&name) {
                self.0.insert(name, value);
            }
        }
    }

    /// The counts in our words, or nothing when there were none. This API counts thoughts beside the answer, and
    /// what its own tools read beside the prompt; here they are parts of the two.
    pub(super) fn usage(&self) -> Option<Usage> {
        let count = |name: &str| self.0.get(name).and_then(Json::as_i64).map(|tokens| tokens.max(0));
        let (prompt, answer) = (count("promptTokenCount"), count("candidatesTokenCount"));
        let (thoughts, tools) = (count("thoughtsTokenCount"), count("toolUsePromptTokenCount"));
        prompt.or(answer).or(thoughts).or(tools)?;
        let or_none = |count: Option<i64>| count.unwrap_or(0);
        Some(Usage {
            input_tokens: or_none(prompt).saturating_add(or_none(tools)),
            output_tokens: or_none(answer).saturating_add(or_none(thoughts)),
            cache_read_input_tokens: or_none(count("cachedContentTokenCount")),
            cache_creation_input_tokens: 0,
            reasoning_output_tokens: or_none(thoughts),
            requests: 1,
            details: tools
                .filter(|tokens| *tokens > 0)
                .map(|tokens| ("toolUsePromptTokenCount".to_owned(), tokens))
                .into_iter()
                .chain(MODALITIES.iter().flat_map(|group| self.by_modality(group)))
                .collect(),
            source: UsageSource::Reported,
            raw: Some(Json::Object(self.0.clone()).into()),
        })
    }

    /// What was no text, as `promptTokensDetails.AUDIO`.
    fn by_modality(&self, group: &'static str) -> impl Iterator<Item = (String, i64)> {
        self.0.get(group).and_then(Json::as_array).into_iter().flatten().filter_map(move |entry| {
            let modality = entry["modality"].as_str().filter(|modality| *modality != "TEXT")?;
            Some((format!("{group}.{modality}"), entry["tokenCount"].as_i64().filter(|tokens| *tokens > 0)?))
        })
    }
}

const MODALITIES: [&str; 4] =
    ["promptTokensDetails", "candidatesTokensDetails", "cacheTokensDetails", "toolUsePromptTokensDetails"];
