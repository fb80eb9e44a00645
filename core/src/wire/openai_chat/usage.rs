//! What a reply took, out of the many ways of saying so.
//!
//! Most say it in plain counts, which are read as they stand. Everything else is read as JSON first, with the same result.

use std::collections::HashMap;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, Visitor};

use super::chunk::Text;
use crate::base::{Json, UnreadJson};
use crate::model::{Usage, UsageSource};

/// Reads the text of a usage object: what it counts, and the cost that it names, in nano-USD. Counts that cannot be read
/// are as good as none.
///
/// Input and output are the totals with their parts in them. Whether a provider left the reasoning tokens out
/// of its output is told by its own sum where it gives one, and by the quirk where it does not.
pub(super) fn read(text: &str, output_excludes_reasoning: bool) -> (Option<Usage>, Option<i64>) {
    if let Ok(said) = serde_json::from_str::<Said>(text) {
        return (said.usage(output_excludes_reasoning, || UnreadJson::new(text)), None);
    }
    let Ok(wire) = serde_json::from_str::<Json>(text) else { return (None, None) };
    let (said, cost) = (Said::of(&wire), cost_nano_usd(&wire));
    (said.usage(output_excludes_reasoning, || wire.into()), cost)
}

/// The counts of a usage object. Each field is looked at once: looking each name up takes longer than reading it.
#[derive(Debug, Default, PartialEq)]
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

/// Objects of counts within the object.
const GROUPS: [&str; 2] = ["prompt_tokens_details", "completion_tokens_details"];

impl Said {
    fn of(wire: &Json) -> Self {
        let mut said = Self::default();
        for (name, value) in wire.as_object().into_iter().flatten() {
            if !GROUPS.contains(&name.as_str()) {
                said.take(name, tokens(value));
                continue;
            }
            for (detail, value) in value.as_object().into_iter().flatten() {
                said.take_detail(name, detail, tokens(value));
            }
        }
        said
    }

    fn take(&mut self, name: &str, count: Option<i64>) {
        match name {
            "prompt_tokens" => self.input = count,
            "completion_tokens" => self.output = count,
            "total_tokens" => self.total = count,
            "prompt_cache_hit_tokens" => self.cached[1] = count,
            "cached_tokens" => self.cached[2] = count,
            _ => {}
        }
    }

    fn take_detail(&mut self, group: &str, name: &str, count: Option<i64>) {
        match (group, name, count) {
            ("prompt_tokens_details", "cached_tokens", count) => self.cached[0] = count,
            ("prompt_tokens_details", "cache_write_tokens", count) => self.cache_write = count.unwrap_or(0),
            ("completion_tokens_details", "reasoning_tokens", count) => self.reasoning = count.unwrap_or(0),
            // The same names in the other group mean nothing.
            (_, "cached_tokens" | "cache_write_tokens" | "reasoning_tokens", _) => {}
            (_, name, Some(count)) if count > 0 => drop(self.details.insert(format!("{group}.{name}"), count)),
            // Of a name that stands twice the last counts.
            (_, name, _) if !self.details.is_empty() => drop(self.details.remove(&format!("{group}.{name}"))),
            _ => {}
        }
    }

    /// Nothing when it counts nothing.
    fn usage(self, output_excludes_reasoning: bool, raw: impl FnOnce() -> UnreadJson) -> Option<Usage> {
        if self.input.is_none() && self.output.is_none() {
            return None;
        }
        let (input, output, reasoning) = (self.input.unwrap_or(0), self.output.unwrap_or(0), self.reasoning);
        let left_out = reasoning > 0
            && match self.total {
                Some(total) => total == input.saturating_add(output).saturating_add(reasoning),
                None => output_excludes_reasoning,
            };
        Some(Usage {
            input_tokens: input,
            output_tokens: if left_out { output.saturating_add(reasoning) } else { output },
            cache_read_input_tokens: self.cached.into_iter().flatten().next().unwrap_or(0),
            cache_creation_input_tokens: self.cache_write,
            reasoning_output_tokens: reasoning,
            requests: 1,
            details: self.details,
            source: UsageSource::Reported,
            raw: Some(raw()),
        })
    }
}

/// Plain counts: an object of values and of the groups, each of them once, that names no cost. Anything else is an error
/// here and no error at all.
impl<'de> Deserialize<'de> for Said {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Counts;

        impl<'de> Visitor<'de> for Counts {
            type Value = Said;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("plain counts")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Said, A::Error> {
                let (mut said, mut seen) = (Said::default(), [false; GROUPS.len()]);
                while let Some(name) = map.next_key::<Text<'de>>()? {
                    if let Some(at) = GROUPS.iter().position(|group| **group == *name) {
                        if std::mem::replace(&mut seen[at], true) {
                            return Err(A::Error::custom("twice"));
                        }
                        map.next_value_seed(Group { name: GROUPS[at], said: &mut said })?;
                    } else if name.starts_with("cost") {
                        return Err(A::Error::custom("a cost"));
                    } else {
                        let Count(count) = map.next_value()?;
                        said.take(&name, count);
                    }
                }
                Ok(said)
            }
        }

        deserializer.deserialize_map(Counts)
    }
}

/// A group of counts, or null.
struct Group<'a> {
    name: &'static str,
    said: &'a mut Said,
}

impl<'de> DeserializeSeed<'de> for Group<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Group<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("counts or null")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some((detail, Count(count))) = map.next_entry::<Text<'de>, Count>()? {
            self.said.take_detail(self.name, &detail, count);
        }
        Ok(())
    }
}

/// A count as [`tokens`] reads it, of a value that is neither list nor object.
struct Count(Option<i64>);

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;

        impl Visitor<'_> for One {
            type Value = Count;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a count")
            }

            fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
                Ok(Count(Some(i64::try_from(count).unwrap_or(i64::MAX))))
            }

            fn visit_i64<E>(self, count: i64) -> Result<Count, E> {
                Ok(Count(Some(count.max(0))))
            }

            fn visit_f64<E>(self, count: f64) -> Result<Count, E> {
                Ok(Count(Some(whole(count).max(0))))
            }

            fn visit_unit<E>(self) -> Result<Count, E> {
                Ok(Count(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Count, E> {
                Ok(Count(None))
            }

            fn visit_str<E>(self, _: &str) -> Result<Count, E> {
                Ok(Count(None))
            }
        }

        deserializer.deserialize_any(One)
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
    value.as_i64().or_else(|| value.as_f64().map(whole)).map(|count| count.max(0))
}

#[expect(clippy::cast_possible_truncation, reason = "a cast from a double saturates, which is what is wanted here")]
const fn whole(count: f64) -> i64 {
    count as i64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What [`read`] says to every text, by way of JSON.
    fn read_as_json(text: &str, excludes: bool) -> (Option<Usage>, Option<i64>) {
        let Ok(wire) = serde_json::from_str::<Json>(text) else { return (None, None) };
        (Said::of(&wire).usage(excludes, || wire.clone().into()), cost_nano_usd(&wire))
    }

    /// Names that mean something, also where they do not belong, some that mean nothing, and escapes.
    fn name() -> impl Strategy<Value = String> {
        let known = [
            "prompt_tokens",
            "completion_tokens",
            "total_tokens",
            "prompt_cache_hit_tokens",
            "cached_tokens",
            "cache_write_tokens",
            "reasoning_tokens",
            "audio_tokens",
            "cost",
            "cost_in_usd_ticks",
            "is_byok",
            "prompt_tokens_details",
            "completion_tokens_details",
            "prompt\\u005ftokens",
            "\\n\\ud83d\\ude00",
            "\\ud83d",
            "",
        ];
        prop::sample::select(known.to_vec()).prop_map(str::to_owned)
    }

    fn value() -> impl Strategy<Value = String> {
        let odd = [
            "null",
            "true",
            "\"7\"",
            "\"\\u00e9\"",
            "-5",
            "-0",
            "16.0",
            "2.9",
            "-1.5",
            "1e3",
            "1e400",
            "0.5e-9",
            "9223372036854775807",
            "9223372036854775808",
            "18446744073709551616",
            "-9223372036854775809",
            "01",
            "{",
            "",
        ];
        prop_oneof![
            4 => (0..50_i64).prop_map(|count| count.to_string()),
            2 => prop::sample::select(odd.to_vec()).prop_map(str::to_owned),
        ]
    }

    fn object(value: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
        prop::collection::vec((name(), value), 0..7).prop_map(|fields| {
            let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\": {value}")).collect();
            format!("{{ {} }}", fields.join(", "))
        })
    }

    /// Objects of values, groups and whatever else may stand in their place, each name as often as it comes.
    fn usage() -> impl Strategy<Value = String> {
        let inner = prop_oneof![3 => value(), 2 => object(value()), 1 => object(object(value())).boxed()];
        prop_oneof![9 => object(inner), 1 => value()]
    }

    proptest! {
        #[test]
        fn plain_counts_say_the_same_as_their_json(text in usage(), excludes in any::<bool>()) {
            prop_assert_eq!(read(&text, excludes), read_as_json(&text, excludes), "{}", text);
        }
    }

    #[test]
    fn what_most_providers_send_is_read_as_it_stands() {
        for plain in [
            r#"{"prompt_tokens": 9, "completion_tokens": 1, "total_tokens": 10}"#,
            r#"{"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": null, "service_tier": "default"}"#,
            r#"{"prompt_tokens": 9, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 4, "audio_tokens": 2},
                "completion_tokens_details": {"reasoning_tokens": 1, "audio_tokens": 0}, "queue_time": 0.25}"#,
        ] {
            assert!(serde_json::from_str::<Said>(plain).is_ok(), "{plain}");
        }
    }
}
