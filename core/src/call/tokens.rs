//! How many tokens are sent and written, where nobody says: the estimate, corrected by what the model's provider has
//! reported of other calls.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::catalog::ModelRef;
use super::target::Call;
use crate::model::{ChatRequest, NewMessage, Part, Usage, UsageSource};
use crate::policy::{Calibration, tokens_of_parts, tokens_of_request};

/// Estimates tokens for the models that it has heard of. Cheap to clone; clones learn together.
#[derive(Clone, Default)]
pub struct TokenCounts(Arc<Mutex<Known>>);

/// What is sent goes through a template of the provider; what is written does not.
#[derive(Default)]
struct Known {
    sent: Calibration,
    written: Calibration,
}

impl TokenCounts {
    /// Nothing is known yet: every estimate stands as it is.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// About how many tokens this model is sent with this request.
    #[must_use]
    pub fn sent(&self, model: &ModelRef, request: &ChatRequest) -> i64 {
        self.corrected(model, tokens_of_request(request))
    }

    /// How many tokens this model is sent with what was estimated at so many.
    #[must_use]
    pub fn corrected(&self, model: &ModelRef, estimated: u64) -> i64 {
        self.known().sent.tokens(&model.to_string(), estimated)
    }

    /// About how many tokens this model wrote with these parts.
    #[must_use]
    pub fn written(&self, model: &ModelRef, parts: &[Part]) -> i64 {
        let estimated = tokens_of_parts(parts);
        self.known().written.tokens(&model.to_string(), estimated)
    }

    /// Takes in what a provider reports of a whole reply, as far as all of it could be seen: pictures, and thoughts that
    /// are not shown, say nothing about text.
    pub(super) fn learn(&self, call: &Call, parts: &[Part], usage: &Usage) {
        if usage.source != UsageSource::Reported {
            return;
        }
        let model = &**call.target.name();
        let (sent, written) = {
            let mut known = self.known();
            (known.sent.is_due(model), known.written.is_due(model))
        };
        // Looked through and counted without the lock: a long conversation takes its time.
        let is_seen = |message: &NewMessage| message.parts.iter().all(is_text);
        let sent = (sent && call.request.messages.iter().all(is_seen)).then(|| tokens_of_request(&call.request));
        let written = (written && parts.iter().all(is_text)).then(|| tokens_of_parts(parts));
        let mut known = self.known();
        if let Some(estimated) = sent {
            known.sent.learn(model, estimated, usage.input_tokens);
        }
        if let Some(estimated) = written {
            known.written.learn(model, estimated, usage.output_tokens - usage.reasoning_output_tokens);
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const fn is_text(part: &Part) -> bool {
    matches!(part, Part::Text { .. } | Part::Refusal { .. })
}
