//! What an estimate of tokens is off by, learnt for each model from what its provider reports.

use std::collections::BTreeMap;

/// So many models are remembered; then the one that was heard of longest ago is forgotten.
const MAX_MODELS: usize = 512;

/// What is believed before the first report: that so many tokens were estimated right. A few short replies, in which what
/// stands around the words weighs more than the words, change little.
const BELIEVED: f64 = 1_000.0;

/// So many tokens are remembered; older reports fade as newer ones come.
const REMEMBERED: f64 = 20_000.0;

/// No single report counts for more tokens than these.
const MOST: f64 = 2_000.0;

/// No model cuts text so differently; what lies outside is about something else than the text.
const FACTORS: std::ops::RangeInclusive<f64> = 0.25..=4.0;

/// The first reports are all heard, later ones now and then: a model does not change how it cuts.
const ALL_OF_THE_FIRST: u64 = 8;

/// Every so many later ones.
const NOW_AND_THEN: u64 = 16;

/// What an estimate must be multiplied with, by model. Nothing is known at first: then an estimate stands as it is.
#[derive(Clone, Debug, Default)]
pub struct Calibration {
    models: BTreeMap<String, Factor>,
    /// Counts reports, to know which model was heard of longest ago.
    reports: u64,
}

#[derive(Clone, Copy, Debug)]
struct Factor {
    /// How many tokens were estimated in all that is remembered.
    estimated: f64,
    /// How many they were.
    reported: f64,
    /// How many reports came, whether they were heard or not.
    offered: u64,
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
        if estimated == 0 || reported == 0 {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "no call has so many tokens")]
        let (estimated, reported) = (estimated as f64, reported as f64);
        let seen = (reported / estimated).clamp(*FACTORS.start(), *FACTORS.end());
        let weight = estimated.min(MOST);
        self.reports += 1;
        if self.models.len() >= MAX_MODELS && !self.models.contains_key(model) {
            let oldest = self.models.iter().min_by_key(|(_, factor)| factor.last).map(|(model, _)| model.clone());
            oldest.map(|model| self.models.remove(&model));
        }
        let last = self.reports;
        let unknown = Factor { estimated: 0.0, reported: 0.0, offered: 1, last };
        let factor = self.models.entry(model.to_owned()).or_insert(unknown);
        let (estimated, reported) = (factor.estimated + weight, factor.reported + weight * seen);
        let kept = (REMEMBERED / estimated).min(1.0);
        (factor.estimated, factor.reported) = (estimated * kept, reported * kept);
        factor.last = last;
    }

    /// What an estimate for this model must be multiplied with; 1 while nothing is known.
    #[must_use]
    pub fn factor(&self, model: &str) -> f64 {
        self.models.get(model).map_or(1.0, |known| (known.reported + BELIEVED) / (known.estimated + BELIEVED))
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
