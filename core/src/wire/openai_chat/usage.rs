//! What a reply took, out of the many ways of saying so.

use crate::base::Json;
use crate::model::{Usage, UsageSource};

/// Reads a usage object. Nothing when it counts nothing.
///
/// Input and output are the totals with their parts in them. Whether a provider left the reasoning tokens out
/// of its output is told by its own sum where it gives one, and by the quirk where it does not.
pub(super) fn read(wire: Json, output_excludes_reasoning: bool) -> Option<Usage> {
    let count = |place: &str| at(&wire, place).and_then(tokens);
    let (input, output) = (count("/prompt_tokens"), count("/completion_tokens"));
    if input.is_none() && output.is_none() {
        return None;
    }
    let (input, output) = (input.unwrap_or(0), output.unwrap_or(0));
    let reasoning = count("/completion_tokens_details/reasoning_tokens").unwrap_or(0);
    let left_out = reasoning > 0
        && match count("/total_tokens") {
            Some(total) => total == input.saturating_add(output).saturating_add(reasoning),
            None => output_excludes_reasoning,
        };
    let cached = ["/prompt_tokens_details/cached_tokens", "/prompt_cache_hit_tokens", "/cached_tokens"];
    Some(Usage {
        input_tokens: input,
        output_tokens: if left_out { output.saturating_add(reasoning) } else { output },
        cache_read_input_tokens: cached.iter().find_map(|place| count(place)).unwrap_or(0),
        cache_creation_input_tokens: count("/prompt_tokens_details/cache_write_tokens").unwrap_or(0),
        reasoning_output_tokens: reasoning,
        requests: 1,
        details: ["prompt_tokens_details", "completion_tokens_details"]
            .iter()
            .filter_map(|group| Some((group, wire.get(group)?.as_object()?)))
            .flat_map(|(group, counts)| counts.iter().map(move |(name, value)| (group, name, value)))
            .filter(|(_, name, _)| {
                !matches!(name.as_str(), "cached_tokens" | "cache_write_tokens" | "reasoning_tokens")
            })
            .filter_map(|(group, name, value)| Some((format!("{group}.{name}"), tokens(value).filter(|n| *n > 0)?)))
            .collect(),
        source: UsageSource::Reported,
        raw: Some(wire),
    })
}

/// What stands at this place, as `/cost/total_cost`. As a JSON pointer without its escapes, which cost two copies of
/// every name.
fn at<'a>(wire: &'a Json, place: &str) -> Option<&'a Json> {
    place.split('/').skip(1).try_fold(wire, |value, name| value.get(name))
}

/// The cost that the provider names itself, in nano-USD: OpenRouter's `cost`, Perplexity's `cost.total_cost`
/// (both in US dollars) and xAI's `cost_in_usd_ticks` (ten to a nano-USD).
pub(in crate::wire) fn cost_nano_usd(wire: &Json) -> Option<i64> {
    let dollars = |place: &str| at(wire, place).and_then(Json::as_f64);
    if let Some(ticks) = wire.get("cost_in_usd_ticks").and_then(Json::as_i64) {
        return Some(ticks / 10).filter(|nano| *nano >= 0);
    }
    let mut cost = dollars("/cost").or_else(|| dollars("/cost/total_cost"))?;
    // With a key of one's own the provider behind the router sends a bill of its own.
    if wire.get("is_byok").and_then(Json::as_bool) == Some(true) {
        cost += dollars("/cost_details/upstream_inference_cost").unwrap_or(0.0);
    }
    // Nine quadrillion nano-USD, beyond which a double counts no single ones, are nine million dollars.
    #[expect(clippy::cast_possible_truncation, reason = "bounded on the line before")]
    let nano = (0.0..=9.0e6).contains(&cost).then(|| (cost * 1e9).round() as i64);
    nano
}

/// A count, also when written as 16.0; less than nothing is nothing.
pub(in crate::wire) fn tokens(value: &Json) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "a cast from a double saturates, which is what is wanted here")]
    value.as_i64().or_else(|| value.as_f64().map(|count| count as i64)).map(|count| count.max(0))
}
