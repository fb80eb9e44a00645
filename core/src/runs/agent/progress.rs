//! How far a run of an agent has come, read from its events.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::base::{MessageId, TurnId};
use crate::model::{Cost, FinishReason, RunEvent, RunEventKind, ToolCall, ToolResult, Usage};

/// A model's answer, as the run keeps it.
#[derive(Clone)]
pub(super) struct Replied {
    pub(super) turn_id: TurnId,
    pub(super) message_id: MessageId,
    pub(super) model: String,
    pub(super) text: String,
    pub(super) calls: Vec<ToolCall>,
    pub(super) finish_reason: Option<FinishReason>,
    pub(super) usage: Usage,
    pub(super) cost: Cost,
}

impl Replied {
    pub(super) fn event(&self, step: i32) -> RunEventKind {
        let Self { turn_id, message_id, model, text, calls, finish_reason, usage, cost } = self.clone();
        RunEventKind::Replied { step, turn_id, message_id, model, text, calls, finish_reason, usage, cost }
    }
}

/// What an earlier life of the run has done. Calls are those of the step in which they were asked for: some providers
/// count theirs anew in every answer.
#[derive(Default)]
pub(super) struct Progress {
    replied: HashMap<i32, Replied>,
    asked: HashSet<i32>,
    needed: HashSet<(i32, String)>,
    started: HashSet<(i32, String)>,
    done: HashMap<(i32, String), ToolResult>,
}

impl Progress {
    pub(super) fn of(past: &[Arc<RunEvent>]) -> Self {
        let mut progress = Self::default();
        let mut now = 0;
        for event in past {
            match &event.kind {
                RunEventKind::Asking { step } => {
                    progress.asked.insert(*step);
                }
                RunEventKind::Replied { step, turn_id, message_id, model, text, calls, finish_reason, usage, cost } => {
                    now = *step;
                    let replied = Replied {
                        turn_id: *turn_id,
                        message_id: *message_id,
                        model: model.clone(),
                        text: text.clone(),
                        calls: calls.clone(),
                        finish_reason: *finish_reason,
                        usage: usage.clone(),
                        cost: cost.clone(),
                    };
                    progress.replied.insert(now, replied);
                }
                RunEventKind::ApprovalNeeded { call } => {
                    progress.needed.insert((now, call.id.clone()));
                }
                RunEventKind::ToolStarted { call_id, .. } => {
                    progress.started.insert((now, call_id.clone()));
                }
                RunEventKind::ToolDone { result, .. } => {
                    progress.done.insert((now, result.call_id.clone()), result.clone());
                }
                _ => {}
            }
        }
        progress
    }

    pub(super) fn replied(&self, step: i32) -> Option<&Replied> {
        self.replied.get(&step)
    }

    pub(super) fn was_asked(&self, step: i32) -> bool {
        self.asked.contains(&step)
    }

    pub(super) fn is_needed(&self, step: i32, call: &ToolCall) -> bool {
        self.needed.contains(&(step, call.id.clone()))
    }

    pub(super) fn was_started(&self, step: i32, call: &ToolCall) -> bool {
        self.started.contains(&(step, call.id.clone()))
    }

    pub(super) fn done(&self, step: i32, call: &ToolCall) -> Option<&ToolResult> {
        self.done.get(&(step, call.id.clone()))
    }
}

/// What somebody has said to a call that waits: allowed, or refused with these words. The last time that it was asked for
/// counts.
pub(super) fn decision(past: &[Arc<RunEvent>], call: &ToolCall) -> Option<Result<(), Option<String>>> {
    past.iter().rev().find_map(|event| match &event.kind {
        RunEventKind::Approved { call_id } if *call_id == call.id => Some(Some(Ok(()))),
        RunEventKind::Denied { call_id, why } if *call_id == call.id => Some(Some(Err(why.clone()))),
        RunEventKind::ApprovalNeeded { call: needed } if needed.id == call.id => Some(None),
        _ => None,
    })?
}
