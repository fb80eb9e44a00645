//! What an estimate of tokens is off by, learnt for each model from what its provider reports.

use std::collections::HashMap;

/// So many models are remembered; then the one that was heard of longest ago is forgotten.
const MAX_MODELS: usize = 512;

/// Less than this says nothing: what stands around the words weighs more than the words.
const FEW_TOKENS: u64 = 32;

/// No model cuts text so differently; what lies outside is about something else than the text.
const FACTORS: std::ops::RangeInclusive<f64> = 0.25..=4.0;

/// How much a new report weighs once there are many.
const WEIGHT: f64 = 0.1;

/// The first reports are all heard, later ones now and then: a model does not change how it cuts.
const ALL_OF_THE_FIRST: u64 = 8;

/// Every so many later ones.
const NOW_AND_THEN: u64 = 16;

/// What an estimate must be multiplied with, by model. Nothing is known at first: then an estimate stands as it is.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    models: HashMap<String, Factor>,
    /// Counts reports, to know which model was heard of longest ago.
    reports: u64,
}

#[derive(Clone, Copy, Debug)]
struct Factor {
    /// An exponentially weighted mean of logarithms, so that twice and half are equally far.
    log: f64,
    /// How many reports came, whether they were heard or not.
    offered: u64,
    heard: u32,
    last: u64,
}

impl Calibration {
    /// Nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// True when a report about this model is worth an estimate to compare it with. Asking counts as a report.
    pub fn is_due(&mut self, model: &str) -> bool {
        let Some(factor) = self.models.get_mut(model) else { return true };
        factor.offered += 1;
        factor.offered <= ALL_OF_THE_FIRST || factor.offered.is_multiple_of(NOW_AND_THEN)
    }

    /// Takes in that what was estimated at so many tokens were so many.
    pub fn learn(&mut self, model: &str, estimated: u64, reported: i64) {
        let Ok(reported) = u64::try_from(reported) else { return };
        self.reports += 1;
        if self.models.len() >= MAX_MODELS && !self.models.contains_key(model) {
            let oldest = self.models.iter().min_by_key(|(_, factor)| factor.last).map(|(model, _)| model.clone());
            oldest.map(|model| self.models.remove(&model));
        }
        let last = self.reports;
        // That nothing is off counts as one report that came before.
        let factor = self.models.entry(model.to_owned()).or_insert(Factor { log: 0.0, offered: 1, heard: 0, last });
        // That it came counts all the same, or every short call would be estimated for nothing.
        if estimated < FEW_TOKENS || reported < FEW_TOKENS {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "no call has so many tokens")]
        let seen = (reported as f64 / estimated as f64).clamp(*FACTORS.start(), *FACTORS.end()).ln();
        factor.heard = factor.heard.saturating_add(1);
        factor.log += (seen - factor.log) * (1.0 / (f64::from(factor.heard) + 1.0)).max(WEIGHT);
        factor.last = last;
    }

    /// What an estimate for this model must be multiplied with; 1 while nothing is known.
    #[must_use]
    pub fn factor(&self, model: &str) -> f64 {
        self.models.get(model).map_or(1.0, |factor| factor.log.exp())
    }

    /// An estimate as it would be for this model, rounded up.
    #[must_use]
    pub fn tokens(&self, model: &str, estimated: u64) -> i64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            reason = "saturates; no call has so many"
        )]
        let tokens = (estimated as f64 * self.factor(model)).ceil() as i64;
        tokens
    }

    /// How many models are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.models.len()
    }

    /// True while nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.models.is_empty()
    }
}
