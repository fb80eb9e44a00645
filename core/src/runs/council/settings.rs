//! A council as a value: who answers, who sums up, by which rule and in what time.

use std::collections::HashSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::prompts::CouncilPrompts;
use super::tally::CouncilRule;
use crate::call::ModelRef;
use crate::model::{Error, Result};

/// More members than this make every review too long to be worth anything.
const MAX_MEMBERS: usize = 26;

/// A run that takes longer is no conversation any more.
const MAX_TIMEOUT_MS: i64 = 24 * 60 * 60 * 1_000;

/// A council: members answer, judge each other's answers without knowing whose they are, and a chairman writes the answer.
///
/// A model may be a member several times: it seldom says the same twice, and who has one model only can hold a council,
/// too. Each time it is a member of its own; from the second on its name ends in `#2`, `#3` and so on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Council {
    /// The models that answer and judge, each as `provider/model`. At least 1, at most 26.
    pub members: Vec<String>,
    /// The model that writes the answer. The first member unless set.
    pub chairman: Option<String>,
    /// The model that writes it when the chairman fails. Nobody unless set; then the best ranked answer is the answer.
    pub fallback_chairman: Option<String>,
    /// So many members have to answer. 1.
    pub quorum: usize,
    /// For all of it, in milliseconds; at least 1, at most a day. 120 s.
    pub timeout_ms: i64,
    /// The share of the time that is kept for the chairman, however long the members take, from 0.1 to 0.8. 0.3.
    pub chairman_share: f64,
    /// So many calls to members at once; 0 = all of them. 0.
    pub max_parallel: usize,
    /// How reviews become a ranking. Borda.
    pub rule: CouncilRule,
    /// What the order of the answers before each reviewer and of members with the same score is drawn from. Drawn anew for
    /// each run unless set.
    pub seed: Option<u64>,
    /// Instructions for members while they answer, instead of the conversation's.
    pub member_instructions: Option<String>,
    /// What reviewers and chairman are told.
    pub prompts: CouncilPrompts,
}

impl Default for Council {
    fn default() -> Self {
        Self {
            members: Vec::new(),
            chairman: None,
            fallback_chairman: None,
            quorum: 1,
            timeout_ms: 120_000,
            chairman_share: 0.3,
            max_parallel: 0,
            rule: CouncilRule::default(),
            seed: None,
            member_instructions: None,
            prompts: CouncilPrompts::default(),
        }
    }
}

impl Council {
    /// A council of these models, each as `provider/model`. The first of them is the chairman unless another one is named.
    #[must_use]
    pub fn new<M: Into<String>>(members: impl IntoIterator<Item = M>) -> Self {
        Self { members: members.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// The model that writes the answer. The first member unless set.
    #[must_use]
    pub fn chairman(mut self, model: impl Into<String>) -> Self {
        self.chairman = Some(model.into());
        self
    }

    /// The model that writes the answer when the chairman fails.
    #[must_use]
    pub fn fallback_chairman(mut self, model: impl Into<String>) -> Self {
        self.fallback_chairman = Some(model.into());
        self
    }

    /// So many members have to answer, or the run fails. 1 unless set.
    #[must_use]
    pub fn quorum(mut self, members: usize) -> Self {
        self.quorum = members;
        self
    }

    /// For all of it. 120 s unless set.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout_ms = i64::try_from(timeout.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
        self
    }

    /// The share of the time that is kept for the chairman, from 0.1 to 0.8. 0.3 unless set.
    #[must_use]
    pub fn chairman_share(mut self, share: f64) -> Self {
        self.chairman_share = share;
        self
    }

    /// So many calls to members at once; 0 = all of them, which is so unless set.
    #[must_use]
    pub fn max_parallel(mut self, calls: usize) -> Self {
        self.max_parallel = calls;
        self
    }

    /// How reviews become a ranking. Borda unless set.
    #[must_use]
    pub fn rule(mut self, rule: CouncilRule) -> Self {
        self.rule = rule;
        self
    }

    /// Draws all lots from this seed, so that equal reviews lead to equal rankings.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Instructions for members while they answer, instead of the conversation's.
    #[must_use]
    pub fn member_instructions(mut self, instructions: impl Into<String>) -> Self {
        self.member_instructions = Some(instructions.into());
        self
    }

    /// What reviewers and chairman are told.
    #[must_use]
    pub fn prompts(mut self, prompts: CouncilPrompts) -> Self {
        self.prompts = prompts;
        self
    }

    /// Looks whether a council can be held so. A run does that before anything is asked.
    ///
    /// # Errors
    /// `Invalid` (bad_council) that names the field, or (unknown_model) for a name that is no `provider/model`.
    pub fn check(&self) -> Result<()> {
        let bad = |detail: String| Err(Error::invalid("bad_council", detail));
        if self.members.is_empty() {
            return bad("a council needs at least one member, as `provider/model`".to_owned());
        }
        if self.members.len() > MAX_MEMBERS {
            return bad(format!("a council has at most {MAX_MEMBERS} members, not {}", self.members.len()));
        }
        for model in self.members.iter().chain(&self.chairman).chain(&self.fallback_chairman) {
            model.parse::<ModelRef>()?;
        }
        if self.quorum == 0 || self.quorum > self.members.len() {
            let members = self.members.len();
            return bad(format!("council.quorum is from 1 to the number of members, {members}, not {}", self.quorum));
        }
        if !(1..=MAX_TIMEOUT_MS).contains(&self.timeout_ms) {
            return bad(format!("council.timeout_ms is from 1 to {MAX_TIMEOUT_MS}, not {}", self.timeout_ms));
        }
        if !(0.1..=0.8).contains(&self.chairman_share) {
            return bad(format!("council.chairman_share is from 0.1 to 0.8, not {}", self.chairman_share));
        }
        self.prompts.check()
    }

    /// What the members are called in events and results: their models, each name once.
    pub(super) fn names(&self) -> Vec<String> {
        let mut taken: HashSet<String> = self.members.iter().cloned().collect();
        let mut seen = HashSet::new();
        let name = |model: &String| {
            if seen.insert(model.clone()) {
                return model.clone();
            }
            let numbered = (2..).map(|number| format!("{model}#{number}"));
            numbered.into_iter().find(|name| taken.insert(name.clone())).unwrap_or_default()
        };
        self.members.iter().map(name).collect()
    }

    /// Who writes the answer, one after the other until one does.
    pub(super) fn chairmen(&self) -> Vec<&str> {
        let first = self.chairman.as_ref().or(self.members.first());
        let mut chairmen: Vec<&str> = first.into_iter().chain(&self.fallback_chairman).map(String::as_str).collect();
        // The same model again would be asked in vain.
        chairmen.dedup();
        chairmen
    }
}
