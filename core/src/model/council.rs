//! What a council comes to, and how much of it is missing.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::reply::Reply;
use super::usage::{Cost, Usage};
use crate::base::RunId;

/// What a council comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CouncilResult {
    /// The answer: the chairman's, or the best ranked one when there is no chairman's (`degraded` says so then).
    pub reply: Reply,
    /// What the members answered, in the order of the council. Who did not answer is not among them.
    pub answers: Vec<MemberAnswer>,
    /// The members that answered, the best first.
    pub ranking: Vec<Standing>,
    /// What each member cost with its answer and its review, in billionths of a US dollar; nothing = unknown, never 0.
    pub cost_by_member: HashMap<String, Option<i64>>,
    /// What is missing, and why. Empty: all members answered and judged, and the chairman wrote the answer.
    pub degraded: Vec<Degraded>,
    /// The run, whose events are everything behind this.
    pub run_id: RunId,
}

impl CouncilResult {
    /// All words of the answer.
    #[must_use]
    pub fn text(&self) -> String {
        self.reply.text()
    }

    /// True when nothing is missing.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.degraded.is_empty()
    }
}

/// What a member answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MemberAnswer {
    /// The member, by its name in the council.
    pub who: String,
    /// The words of the answer.
    pub text: String,
    /// What it took.
    pub usage: Usage,
    /// What it cost.
    pub cost: Cost,
    /// From the question to the end of the answer, in milliseconds.
    pub latency_ms: i64,
}

/// How a member came out in the judgement of the others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standing {
    /// The member, by its name in the council.
    pub who: String,
    /// From 0 to 1, by the council's rule; 0.5 for whom nobody judged.
    pub score: f64,
    /// How many judged it.
    pub judges: i32,
    /// True when another member has the same score, so that the lot of the council's seed has put them in order.
    pub by_lot: bool,
}

/// About what a council will cost, in billionths of a US dollar.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CouncilPreview {
    /// With short answers.
    pub low_nano_usd: i64,
    /// With answers of a usual length.
    pub likely_nano_usd: i64,
    /// With long answers, and where much has to be asked twice.
    pub high_nano_usd: i64,
    /// Models whose price nobody knows. What they cost is in none of the figures.
    pub unpriced: Vec<String>,
}

/// A part of a council.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum CouncilStage {
    /// The members answer.
    Answers,
    /// They judge the answers of the others.
    Reviews,
    /// The chairman writes the answer.
    Synthesis,
}

/// Something that is missing in a council's result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Degraded {
    /// Who failed: a member by its name in the council, or the chairman's model.
    pub who: String,
    /// In which part.
    pub stage: CouncilStage,
    /// Why: the reason word of an error.
    pub why: String,
    /// A sentence for developers.
    pub detail: String,
}
