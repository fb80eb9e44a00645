//! How much of a conversation a model is shown: what the settings and the call allow, as far as the model has room.

use serde::{Deserialize, Serialize};

use super::context::{begins_turn, weight_of_words};
use super::summary::SummarySettings;
use super::tertulia::Inner;
use crate::call::CallTarget;
use crate::model::{ChatRequest, Error, NewMessage, Result, Written};
use crate::policy::{tokens_of_message, tokens_of_request};

/// The window that is taken for a model's when it is not known, in tokens.
const USUAL_WINDOW: i64 = 128_000;

/// What is estimated at so many tokens shows by what a model's estimates are to be corrected.
const SAMPLE: u64 = 1_000_000;

/// How much of a conversation a model is shown, where a call says nothing else. What is left out is left out from the
/// oldest on, never in the middle of a tool call and its answer; nothing is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContextSettings {
    /// At most so many turns, the newest ones: what a user says and all that answers it is one, and what is asked now is
    /// among them. As many as have room unless set.
    pub max_turns: Option<u32>,
    /// At most so many tokens in all that is sent, by estimate. What the model has room for beside its answer unless set,
    /// and never more than that.
    pub max_tokens: Option<u32>,
    /// What becomes of that which is left out: whether it is summed up, by whom, and how.
    pub summary: SummarySettings,
}

/// How much of a conversation the model of one call is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ContextOptions {
    /// At most so many turns, the newest ones; at least 1. What `settings.context.max_turns` says unless set.
    pub turns: Option<i64>,
    /// At most so many tokens in all that is sent, by estimate; at least 1. What `settings.context.max_tokens` says unless
    /// set.
    pub tokens: Option<i64>,
    /// Whether a summary stands for what is left out, and is written where it is not there yet. What
    /// `settings.context.summary.enabled` says unless set.
    pub summary: Option<bool>,
}

impl ContextOptions {
    /// The newest turns, so many.
    #[must_use]
    pub const fn turns(turns: i64) -> Self {
        Self { turns: Some(turns), tokens: None, summary: None }
    }

    /// What so many tokens hold.
    #[must_use]
    pub const fn tokens(tokens: i64) -> Self {
        Self { turns: None, tokens: Some(tokens), summary: None }
    }

    /// # Errors
    /// `Invalid` (bad_context) for a number below 1.
    pub(super) fn check(self) -> Result<()> {
        if self.turns.is_some_and(|turns| turns < 1) || self.tokens.is_some_and(|tokens| tokens < 1) {
            return Err(Error::invalid("bad_context", "context.turns and context.tokens are whole numbers from 1 up"));
        }
        Ok(())
    }
}

/// How much room the messages of one request have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    /// In tokens as they are estimated.
    tokens: u64,
    turns: Option<usize>,
    limit: i64,
    sums_up: bool,
}

impl Window {
    /// What this target's window leaves for the messages of this request, beside instructions, tools and the shape of the
    /// answer, and as far as the call and the settings allow. A tenth is kept back, for all of this is an estimate.
    pub(super) fn of(engine: &Inner, target: &CallTarget, request: &ChatRequest, options: ContextOptions) -> Self {
        let current = engine.current();
        let settings = &current.settings.context;
        let room = target.info.as_ref().and_then(|info| {
            let kept = request.sampling.max_tokens.or(info.max_output_tokens).unwrap_or(0);
            info.context_window.map(|window| (window - kept.min(window / 2)).max(1))
        });
        let allowed = options.tokens.or(settings.max_tokens.map(i64::from)).unwrap_or(i64::MAX);
        let limit = room.unwrap_or(USUAL_WINDOW).min(allowed);
        let turns = options.turns.or(settings.max_turns.map(i64::from));
        let counted = current.tokens().corrected(&target.model, SAMPLE);
        let whole = u64::try_from(limit).unwrap_or(0);
        let counted = u64::try_from(counted).unwrap_or(SAMPLE).max(1);
        let estimated = u128::from(whole - whole / 10) * u128::from(SAMPLE) / u128::from(counted);
        let estimated = u64::try_from(estimated).unwrap_or(u64::MAX);
        Self {
            tokens: estimated.saturating_sub(tokens_of_request(request)),
            turns: turns.map(|turns| usize::try_from(turns).unwrap_or(usize::MAX)),
            limit,
            sums_up: options.summary.unwrap_or(settings.summary.enabled),
        }
    }

    /// Room for so many tokens as they are estimated.
    #[cfg(test)]
    pub(super) const fn of_tokens(tokens: u64) -> Self {
        Self { tokens, turns: None, limit: i64::MAX, sums_up: false }
    }

    /// Room for so many tokens as they are estimated.
    pub(super) const fn tokens(self) -> u64 {
        self.tokens
    }

    /// The same with so many tokens less, for what stands in front.
    pub(super) const fn less(self, tokens: u64) -> Self {
        Self { tokens: self.tokens.saturating_sub(tokens), ..self }
    }

    /// True when a summary stands for what has no room.
    pub(super) const fn sums_up(self) -> bool {
        self.sums_up
    }

    /// Room for so many turns; nothing where they are not limited.
    pub(super) const fn turns(self) -> Option<usize> {
        self.turns
    }

    /// How many tokens there is room for, as the model counts them.
    pub(super) const fn limit(self) -> i64 {
        self.limit
    }

    /// True when these messages, made of words alone, have room. Each is counted once, as long as what was written of them
    /// goes along.
    pub(super) fn holds(self, messages: &[NewMessage], written: &Written) -> bool {
        // No text has more tokens than bytes: most conversations need not be gone through.
        let has_room = written.weight(messages, weight_of_words).is_some_and(|bytes| bytes <= self.tokens)
            || written.tokens(messages, tokens_of_message) <= self.tokens;
        has_room
            && self.turns.is_none_or(|turns| {
                messages.len() <= turns || messages.iter().filter(|message| begins_turn(message)).count() <= turns
            })
    }
}
