//! How much the model thinks, in the words of its generation.
//!
//! Gemini 2.5 takes a budget of tokens. From Gemini 3 on a word stands for it; a budget is still understood, but not
//! beside the word. The wire says nothing of this and the model's name is all there is to go by.

use super::request::Thinking;
use super::unsupported;
use crate::model::{ChatRequest, ReasoningEffort, Result};

/// The least that a model of 2.5 which always thinks can be told.
const LEAST_BUDGET: i32 = 128;

/// How a model is told to think, and whether its thoughts are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Generation {
    /// It takes a number of tokens.
    Budget,
    /// It takes a word, and refuses its own calls without their signatures.
    Level,
}

impl Generation {
    /// A name without a version (`gemini-flash-latest`) is one of the newest.
    pub(super) fn of(model: &str) -> Self {
        match version(model) {
            Some(version) if version < (3, 0) => Self::Budget,
            _ => Self::Level,
        }
    }
}

/// What the request asks for, as this model can be told. Nothing where nothing is asked.
pub(super) fn thinking(request: &ChatRequest) -> Result<Option<Thinking>> {
    let model = request.model.as_str();
    if let Some(tokens) = request.reasoning_tokens {
        let budget = i32::try_from(tokens).ok().filter(|budget| *budget >= 0).ok_or_else(|| {
            unsupported("`reasoning_tokens` is a number of tokens from 0 (no thinking) up to 2147483647")
        })?;
        return Ok(Some(Thinking {
            include_thoughts: budget > 0,
            thinking_budget: Some(budget),
            thinking_level: None,
        }));
    }
    let Some(effort) = request.reasoning_effort else { return Ok(None) };
    let is_off = effort == ReasoningEffort::Off;
    let always_thinks = model.contains("pro");
    Ok(match Generation::of(model) {
        // Before 2.5 no model thought at all.
        Generation::Budget if is_off && version(model).is_some_and(|v| v < (2, 5)) => None,
        Generation::Budget => Some(Thinking {
            include_thoughts: !is_off,
            thinking_budget: Some(match effort {
                ReasoningEffort::Off if always_thinks => LEAST_BUDGET,
                ReasoningEffort::Off => 0,
                ReasoningEffort::Minimal => 512,
                ReasoningEffort::Low => 2048,
                ReasoningEffort::Medium => 8192,
                ReasoningEffort::High => 24_576,
            }),
            thinking_level: None,
        }),
        Generation::Level => Some(Thinking {
            include_thoughts: !is_off,
            thinking_budget: None,
            thinking_level: Some(match effort {
                ReasoningEffort::Off | ReasoningEffort::Minimal if !always_thinks => "MINIMAL",
                ReasoningEffort::Medium => "MEDIUM",
                ReasoningEffort::High => "HIGH",
                _ => "LOW",
            }),
        }),
    })
}

/// The version in a model's name: 2.5 of `gemini-2.5-flash-lite`, 3.0 of `gemini-3-pro-preview`.
fn version(model: &str) -> Option<(u32, u32)> {
    let after = &model[model.find("gemini-")? + "gemini-".len()..];
    let number = after.split('-').next()?;
    let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(model: &str, effort: ReasoningEffort) -> Option<(bool, Option<i32>, Option<&'static str>)> {
        let request = ChatRequest { model: model.to_owned(), reasoning_effort: Some(effort), ..ChatRequest::default() };
        thinking(&request).unwrap().map(|t| (t.include_thoughts, t.thinking_budget, t.thinking_level))
    }

    #[test]
    fn the_version_is_read_from_every_way_a_model_is_named() {
        for (name, expected) in [
            ("gemini-2.5-flash-lite", Some((2, 5))),
            ("gemini-3-pro-preview", Some((3, 0))),
            ("models/gemini-3.1-pro-preview", Some((3, 1))),
            ("gemini-4-argon", Some((4, 0))),
            ("gemini-flash-latest", None),
            ("gemma-3-27b-it", None),
        ] {
            assert_eq!(version(name), expected, "{name}");
        }
    }

    #[test]
    fn each_generation_is_told_in_its_own_words() {
        use ReasoningEffort::{High, Low, Medium, Minimal, Off};
        for (name, effort, expected) in [
            ("gemini-2.5-flash", Off, Some((false, Some(0), None))),
            ("gemini-2.5-pro", Off, Some((false, Some(128), None))),
            ("gemini-2.5-flash", High, Some((true, Some(24_576), None))),
            ("gemini-2.0-flash", Off, None),
            ("gemini-3-flash-preview", Off, Some((false, None, Some("MINIMAL")))),
            ("gemini-3.1-pro-preview", Off, Some((false, None, Some("LOW")))),
            ("gemini-3.1-pro-preview", Minimal, Some((true, None, Some("LOW")))),
            ("gemini-3.8-flash", Minimal, Some((true, None, Some("MINIMAL")))),
            ("gemini-3.8-flash", Low, Some((true, None, Some("LOW")))),
            ("gemini-3.8-flash", Medium, Some((true, None, Some("MEDIUM")))),
            ("gemini-flash-latest", High, Some((true, None, Some("HIGH")))),
        ] {
            assert_eq!(told(name, effort), expected, "{name} {effort:?}");
        }
    }

    #[test]
    fn a_number_of_tokens_goes_before_a_word_and_never_beside_it() {
        let ask = |tokens| {
            thinking(&ChatRequest {
                model: "gemini-3-flash-preview".to_owned(),
                reasoning_tokens: Some(tokens),
                reasoning_effort: Some(ReasoningEffort::High),
                ..ChatRequest::default()
            })
        };
        let told = ask(4096).unwrap().unwrap();
        assert_eq!((told.include_thoughts, told.thinking_budget, told.thinking_level), (true, Some(4096), None));
        assert!(!ask(0).unwrap().unwrap().include_thoughts);
        assert_eq!(ask(-1).unwrap_err().reason(), "unsupported");
        assert_eq!(ask(i64::MAX).unwrap_err().reason(), "unsupported");
    }
}
