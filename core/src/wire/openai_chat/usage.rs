//! What a reply took, out of the many ways of saying so.

use std::collections::HashMap;

use crate::base::Json;
use crate::model::{Usage, UsageSource};

/// Reads a usage object. Nothing when it counts nothing.
///
/// Input and output are the totals with their parts in them. Whether a provider left the reasoning tokens out
/// of its output is told by its own sum where it gives one, and by the quirk where it does not.
pub(super) fn read(wire: Json, output_excludes_reasoning: bool) -> Option<Usage> {
    let said = Said::of(&wire);
    if said.input.is_none() && said.output.is_none() {
        return None;
    }
    let (input, output, reasoning) = (said.input.unwrap_or(0), said.output.unwrap_or(0), said.reasoning);
    let left_out = reasoning > 0
        && match said.total {
            Some(total) => total == input.saturating_add(output).saturating_add(reasoning),
            None => output_excludes_reasoning,
        };
    Some(Usage {
        input_tokens: input,
        output_tokens: if left_out { output.saturating_add(reasoning) } else { output },
        cache_read_input_tokens: said.cached.into_iter().flatten().next().unwrap_or(0),
        cache_creation_input_tokens: said.cache_write,
        reasoning_output_tokens: reasoning,
        requests: 1,
        details: said.details,
        source: UsageSource::Reported,
        raw: Some(wire),
    })
}

/// The counts of a usage object. Each field is looked at once: looking each name up takes longer than reading it.
#[derive(Default)]
struct Said {
    input: Option<i64>,
    output: Option<i64>,
    total: Option<i64>,
    /// Under the names that there are for it, the best first.
    cached: [Option<i64>; 3],
    cache_write: i64,
    reasoning: i64,
    details: HashMap<String, i64>,
}

impl Said {
    fn of(wire: &Json) -> Self {
        let mut said = Self::default();
        for (name, value) in wire.as_object().into_iter().flatten() {
            match name.as_str() {
                "prompt_tokens" => said.input = tokens(value),
                "completion_tokens" => said.output = tokens(value),
                "total_tokens" => said.total = tokens(value),
                "prompt_cache_hit_tokens" => said.cached[1] = tokens(value),
                "cached_tokens" => said.cached[2] = tokens(value),
                "prompt_tokens_details" | "completion_tokens_details" => said.take_details(name, value),
                _ => {}
            }
        }
        said
    }

    fn take_details(&mut self, group: &str, counts: &Json) {
        for (name, value) in counts.as_object().into_iter().flatten() {
            match (group, name.as_str(), tokens(value)) {
                ("prompt_tokens_details", "cached_tokens", count) => self.cached[0] = count,
                ("prompt_tokens_details", "cache_write_tokens", count) => self.cache_write = count.unwrap_or(0),
                ("completion_tokens_details", "reasoning_tokens", count) => self.reasoning = count.unwrap_or(0),
                // The same names in the other group mean nothing.
                (_, "cached_tokens" | "cache_write_tokens" | "reasoning_tokens", _) => {}
                (_, name, Some(count)) if count > 0 => drop(self.details.insert(format!("{group}.{name}"), count)),
                _ => {}
            }
        }
    }
}

/// What stands at this place, as `/cost/total_cost`. As a JSON pointer without its escapes, which cost two copies of
/// every name.
fn at<'a>(wire: &'a Json, place: &str) -> Option<&'a Json> {
    place.split('/').skip(1).try_fold(wire, |value, name| value.get(name))
}

/// The cost that the provider names itself, in nano-USD: OpenRouter's `cost`, Perplexity's `cost.total_cost`
/// (both in US dollars) and xAI's `cost_in_usd_ticks` (ten to a nano-USD).
pub(in crate::wire) fn cost_nano_usd(wire: &Json) -> Option<i64> {
    // Most name none, and looking at every name is faster than looking one up.
    if !wire.as_object()?.keys().any(|name| name.starts_with("cost")) {
        return None;
    }
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
