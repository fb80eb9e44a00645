//! What earlier lives of a council's run have finished, read from its events: none of it is asked again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::model::{Cost, CouncilStage, Degraded, MemberAnswer, RunEvent, RunEventKind};

/// A judgement, as the run keeps it.
#[derive(Clone, Debug)]
pub(super) struct Review {
    pub(super) places: Vec<Vec<String>>,
    pub(super) cost: Cost,
}

/// A failure, as the run keeps it.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) missing: Degraded,
    pub(super) cost: Cost,
}

/// What is finished.
#[derive(Debug, Default)]
pub(super) struct Past {
    pub(super) answers: HashMap<String, MemberAnswer>,
    pub(super) reviews: HashMap<String, Review>,
    pub(super) failures: HashMap<(String, CouncilStage), Failure>,
    pub(super) told: HashSet<(String, CouncilStage)>,
    pub(super) is_ranked: bool,
    /// True when the chairman's answer is in the events.
    pub(super) is_summed_up: bool,
}

impl Past {
    pub(super) fn of(events: &[Arc<RunEvent>]) -> Self {
        let mut past = Self::default();
        for event in events {
            match &event.kind {
                RunEventKind::MemberDone { answer } => {
                    past.answers.insert(answer.who.clone(), answer.clone());
                }
                RunEventKind::ReviewDone { who, places, cost, .. } => {
                    past.reviews.insert(who.clone(), Review { places: places.clone(), cost: cost.clone() });
                }
                RunEventKind::MemberFailed { who, stage, error, cost } => {
                    let (why, detail) = (error.reason.clone(), error.detail.clone());
                    let missing = Degraded { who: who.clone(), stage: *stage, why, detail };
                    past.failures.insert((who.clone(), *stage), Failure { missing, cost: cost.clone() });
                }
                RunEventKind::Degraded { missing } => {
                    past.told.insert((missing.who.clone(), missing.stage));
                    if missing.stage == CouncilStage::Synthesis {
                        let failure = Failure { missing: missing.clone(), cost: Cost::default() };
                        past.failures.insert((missing.who.clone(), missing.stage), failure);
                    }
                }
                RunEventKind::RankingReady { .. } => past.is_ranked = true,
                RunEventKind::Replied { .. } => past.is_summed_up = true,
                // The run as a whole failed: who picks it up wants those asked again who failed before.
                RunEventKind::Failed { .. } => {
                    past.failures.clear();
                    past.told.clear();
                    past.is_ranked = false;
                }
                _ => {}
            }
        }
        past
    }
}
