//! How much the model thinks, in the words of its generation.
//!
//! Up to Claude 4.5 a caller names a budget of tokens; from 4.7 on budgets are refused and a word of effort
//! takes their place; 4.6 takes both. The wire says nothing of this and the model's name is all there is to go
//! by. Models by other makers behind this dialect copy the older form.

use super::request::Thinking;
use super::unsupported;
use crate::model::{ChatRequest, ReasoningEffort, Result};

/// What room an answer has when nobody said. The API asks for a figure and every model of the family grants this one.
const ANSWER_TOKENS: i64 = 4096;
/// The most that is asked for unasked: a model's own limit may be several times that, and rate limits count it.
const MOST_ANSWER_TOKENS: i64 = 32_000;
/// The smallest budget that the API takes.
const LEAST_BUDGET: i64 = 1024;

/// What goes into the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) thinking: Option<Thinking>,
    pub(super) effort: Option<&'static str>,
    pub(super) max_tokens: i64,
}

impl Plan {
    /// What the request asks for, as this model, which writes at most `limit` tokens, can be told.
    pub(super) fn of(request: &ChatRequest, limit: Option<i64>) -> Result<Self> {
        let asked = request.sampling.max_tokens;
        let answer = limit.map_or(ANSWER_TOKENS, |limit| limit.clamp(1, MOST_ANSWER_TOKENS));
        let plain = Self { thinking: None, effort: None, max_tokens: asked.unwrap_or(answer) };
        let generation = Generation::of(&request.model);
        match (request.reasoning_tokens, request.reasoning_effort) {
            (Some(0), _) | (None, Some(ReasoningEffort::Off)) => Ok(plain.without_thinking(generation, &request.model)),
            (None, None) => Ok(plain),
            (Some(_), _) if generation == Generation::Effort => Err(unsupported(
                "this model takes no token budget for thinking: leave `reasoning_tokens` out and say `reasoning_effort`",
            )),
            (Some(budget), _) => Self::with_budget(budget, asked),
            (None, Some(effort)) if generation == Generation::Budget => Self::with_budget_for(effort, asked),
            (None, Some(effort)) => Ok(Self {
                thinking: Some(Thinking::Adaptive { display: "summarized" }),
                effort: Some(match effort {
                    ReasoningEffort::High => "high",
                    ReasoningEffort::Medium => "medium",
                    _ => "low",
                }),
                // Thoughts count towards the limit and nobody knows how many there will be.
                max_tokens: asked.unwrap_or_else(|| answer.max(ANSWER_TOKENS + budget_of(effort))),
            }),
        }
    }

    fn without_thinking(self, generation: Generation, model: &str) -> Self {
        let always_thinks = ["fable", "mythos"].iter().any(|name| model.contains(name));
        match generation {
            Generation::Effort if always_thinks => Self { effort: Some("low"), ..self },
            Generation::Effort if version(model).is_some_and(|v| v >= (5, 0)) => {
                Self { thinking: Some(Thinking::Disabled), ..self }
            }
            _ => self,
        }
    }

    fn with_budget(budget: i64, asked: Option<i64>) -> Result<Self> {
        if budget < LEAST_BUDGET {
            return Err(unsupported("`reasoning_tokens` must be at least 1024, or 0 for no thinking"));
        }
        let max_tokens = asked.unwrap_or_else(|| budget.saturating_add(ANSWER_TOKENS));
        if max_tokens <= budget {
            return Err(unsupported("`max_tokens` holds thoughts and answer: it must be more than `reasoning_tokens`"));
        }
        Ok(Self { thinking: Some(Thinking::Enabled { budget_tokens: budget }), effort: None, max_tokens })
    }

    /// An effort leaves the figure to us: it is made to fit a given limit, of which the answer keeps a fifth.
    fn with_budget_for(effort: ReasoningEffort, asked: Option<i64>) -> Result<Self> {
        let wanted = budget_of(effort);
        let Some(limit) = asked else { return Self::with_budget(wanted, None) };
        if limit <= LEAST_BUDGET {
            return Err(unsupported("thinking takes at least 1024 tokens: raise `max_tokens` or turn reasoning off"));
        }
        Self::with_budget(wanted.min(limit / 5 * 4).max(LEAST_BUDGET), asked)
    }
}

fn budget_of(effort: ReasoningEffort) -> i64 {
    match effort {
        ReasoningEffort::Off | ReasoningEffort::Minimal => LEAST_BUDGET,
        ReasoningEffort::Low => 2048,
        ReasoningEffort::Medium => 8192,
        ReasoningEffort::High => 16_384,
    }
}

/// How a model is told to think.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Generation {
    Budget,
    Both,
    Effort,
}

impl Generation {
    fn of(model: &str) -> Self {
        if !model.contains("claude") {
            return Self::Budget;
        }
        match version(model) {
            Some(version) if version < (4, 6) => Self::Budget,
            Some((4, 6)) => Self::Both,
            _ => Self::Effort,
        }
    }
}

/// Which of `temperature` and `top_p` a model takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SamplingKind {
    Both,
    /// One of them at a time: from Claude 4.1 on.
    Either,
    /// None: from Claude 4.7 on, together with budgets.
    Neither,
}

/// What this model is known to take. A name without a version may be anything, and a router (`anthropic/claude-…`)
/// leaves out by itself what its model does not take: there the provider answers, which knows better.
pub(super) fn sampling_of(model: &str) -> SamplingKind {
    match version(model).filter(|_| !model.contains('/')) {
        Some(version) if version >= (4, 7) => SamplingKind::Neither,
        Some(version) if version >= (4, 1) => SamplingKind::Either,
        _ => SamplingKind::Both,
    }
}

/// The version in a model's name: 3.7 of `claude-3-7-sonnet-20250219`, 5.0 of `claude-opus-5`.
fn version(model: &str) -> Option<(u32, u32)> {
    let after = &model[model.find("claude")?..];
    let mut words = after.split(['-', '.', '_', '@', ':', '/']);
    let number = |word: &str| word.parse::<u32>().ok().filter(|_| word.len() <= 2);
    let major = words.find_map(number)?;
    Some((major, words.next().and_then(number).unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_every_way_a_model_is_named() {
        for (name, expected) in [
            ("claude-3-7-sonnet-20250219", Some((3, 7))),
            ("claude-3-opus-20240229", Some((3, 0))),
            ("claude-opus-4-20250514", Some((4, 0))),
            ("claude-sonnet-4-5-20250929", Some((4, 5))),
            ("claude-sonnet-4-5@20250929", Some((4, 5))),
            ("anthropic.claude-opus-4-6-v1:0", Some((4, 6))),
            ("anthropic/claude-4.6-opus", Some((4, 6))),
            ("claude-fable-5", Some((5, 0))),
            ("claude-mythos-preview", None),
            ("glm-4.6", None),
        ] {
            assert_eq!(version(name), expected, "{name}");
        }
    }

    #[test]
    fn how_words_are_chosen_is_told_to_old_models_only() {
        for (name, expected) in [
            ("claude-3-5-haiku-latest", SamplingKind::Both),
            ("claude-sonnet-4-20250514", SamplingKind::Both),
            ("kimi-k2", SamplingKind::Both),
            ("claude-opus-4-1", SamplingKind::Either),
            ("claude-sonnet-4-6", SamplingKind::Either),
            ("claude-opus-4-7", SamplingKind::Neither),
            ("claude-haiku-5-5", SamplingKind::Neither),
            ("us.anthropic.claude-opus-4-7-v1:0", SamplingKind::Neither),
            ("claude-mythos-preview", SamplingKind::Both),
            ("our-claude", SamplingKind::Both),
            ("anthropic/claude-4.7-opus", SamplingKind::Both),
        ] {
            assert_eq!(sampling_of(name), expected, "{name}");
        }
    }

    #[test]
    fn each_generation_is_told_in_its_own_words() {
        for (name, expected) in [
            ("claude-haiku-4-5-20251001", Generation::Budget),
            ("claude-sonnet-4-6", Generation::Both),
            ("claude-opus-4-7", Generation::Effort),
            ("claude-mythos-preview", Generation::Effort),
            ("kimi-k2", Generation::Budget),
        ] {
            assert_eq!(Generation::of(name), expected, "{name}");
        }
    }
}
