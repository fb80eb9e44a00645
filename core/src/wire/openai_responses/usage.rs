//! What a reply took.

use crate::base::Json;
use crate::model::{Usage, UsageSource};
use crate::wire::openai_chat::usage::tokens;

/// Reads a usage object. Nothing when it counts nothing. Input and output are totals with their parts in them;
/// `output_excludes_reasoning` says that the provider leaves reasoning out of its output, unless its sum tells.
pub(super) fn read(wire: &Json, output_excludes_reasoning: bool) -> Option<Usage> {
    let count = |place: &str| wire.pointer(place).and_then(tokens);
    let (input, output) = (count("/input_tokens"), count("/output_tokens"));
    if input.is_none() && output.is_none() {
        return None;
    }
    let (input, output) = (input.unwrap_or(0), output.unwrap_or(0));
    let reasoning = count("/output_tokens_details/reasoning_tokens").unwrap_or(0);
    let left_out = reasoning > 0
        && match count("/total_tokens") {
            Some(total) => total == input.saturating_add(output).saturating_add(reasoning),
            None => output_excludes_reasoning,
        };
    Some(Usage {
        input_tokens: input,
        output_tokens: if left_out { output.saturating_add(reasoning) } else { output },
        cache_read_input_tokens: count("/input_tokens_details/cached_tokens").unwrap_or(0),
        cache_creation_input_tokens: count("/input_tokens_details/cache_write_tokens").unwrap_or(0),
        reasoning_output_tokens: reasoning,
        requests: 1,
        details: ["input_tokens_details", "output_tokens_details"]
            .iter()
            .filter_map(|group| Some((group, wire.get(group)?.as_object()?)))
            .flat_map(|(group, counts)| counts.iter().map(move |(name, value)| (group, name, value)))
            .filter(|(_, name, _)| {
                !matches!(name.as_str(), "cached_tokens" | "cache_write_tokens" | "reasoning_tokens")
            })
            .filter_map(|(group, name, value)| Some((format!("{group}.{name}"), tokens(value).filter(|n| *n > 0)?)))
            .collect(),
        source: UsageSource::Reported,
        raw: Some(wire.clone().into()),
    })
}
