//! What the events of one run tell, whatever program it is of.

use std::collections::{BTreeMap, BTreeSet};

use tertulia::RunEventKind;

/// What the events of one run tell.
#[derive(Default)]
pub struct Told {
    pub picked_up: u64,
    /// How many calls a pick-up may have had to make anew: those that were begun and not answered.
    pub may_be_asked_again: u64,
    /// Something that was finished was finished again.
    pub twice: bool,
    /// Calls of what must not be done twice, that were answered, and those of which nobody knows.
    pub done: Vec<String>,
    pub lost: Vec<String>,
    pub unknown: u64,
    /// What models answered: steps of an agent, answers and reviews of members.
    answered: BTreeSet<String>,
    /// Whom somebody began to ask.
    begun: BTreeSet<String>,
    tools: BTreeSet<String>,
    names: BTreeMap<String, String>,
}

impl Told {
    /// How many answers of models the run has kept.
    pub fn answers(&self) -> u64 {
        self.answered.len() as u64
    }

    fn answer(&mut self, what: String) {
        self.begun.remove(&what);
        self.twice |= !self.answered.insert(what);
    }

    pub fn take(&mut self, kind: &RunEventKind) {
        match kind {
            RunEventKind::PickedUp => {
                self.picked_up += 1;
                self.may_be_asked_again += self.begun.len() as u64;
            }
            RunEventKind::Asking { step } => {
                self.begun.insert(format!("step {step}"));
            }
            RunEventKind::Replied { step, calls, .. } => {
                self.answer(format!("step {step}"));
                self.names.extend(calls.iter().map(|call| (call.id.clone(), call.name.clone())));
            }
            RunEventKind::ToolDone { result, .. } => {
                self.twice |= !self.tools.insert(result.call_id.clone());
                self.unknown += u64::from(result.is_error);
                if self.names.get(&result.call_id).is_some_and(|name| name == "note") {
                    let calls = if result.is_error { &mut self.lost } else { &mut self.done };
                    calls.push(result.call_id.clone());
                }
            }
            RunEventKind::MemberStarted { who } => {
                self.begun.insert(format!("answer of {who}"));
            }
            RunEventKind::MemberDone { answer } => {
                self.answer(format!("answer of {}", answer.who));
                // Once all have answered they judge, and nothing says who begins.
                if self.begun.is_empty() {
                    let answered = self.answered.iter().filter_map(|what| what.strip_prefix("answer of "));
                    self.begun = answered.map(|who| format!("review of {who}")).collect();
                }
            }
            RunEventKind::ReviewDone { who, .. } => self.answer(format!("review of {who}")),
            RunEventKind::MemberFailed { .. } | RunEventKind::Degraded { .. } => self.twice = true,
            _ => {}
        }
    }
}
