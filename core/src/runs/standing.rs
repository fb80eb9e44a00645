//! Where a run stands: what its events make together, kept beside them so that a list need not read them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::{ConversationId, RunId};
use crate::model::{RunEventKind, RunStatus, RunSummary};
use crate::store::StreamRecord;

/// Where a run stands. Changed only by events that say so, each of which is written with the standing behind it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Standing {
    pub(super) program: String,
    pub(super) conversation_id: ConversationId,
    status: RunStatus,
    /// Calls that wait to be approved or denied.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    waiting: BTreeSet<String>,
}

impl Standing {
    /// A run that is about to begin.
    pub(super) fn new(program: &str, conversation_id: ConversationId) -> Self {
        let (program, waiting) = (program.to_owned(), BTreeSet::new());
        Self { program, conversation_id, status: RunStatus::Running, waiting }
    }

    /// Takes in what happened. True when it changes where the run stands.
    pub(super) fn take(&mut self, kind: &RunEventKind) -> bool {
        match kind {
            RunEventKind::ApprovalNeeded { call } => self.waiting.insert(call.id.clone()),
            RunEventKind::Approved { call_id } | RunEventKind::Denied { call_id, .. } => self.waiting.remove(call_id),
            RunEventKind::Started { .. } | RunEventKind::PickedUp => {
                self.status = RunStatus::Running;
                true
            }
            RunEventKind::Done { .. } => self.end(RunStatus::Done),
            RunEventKind::Failed { .. } => self.end(RunStatus::Failed),
            RunEventKind::Cancelled => self.end(RunStatus::Cancelled),
            _ => false,
        }
    }

    fn end(&mut self, status: RunStatus) -> bool {
        self.status = status;
        true
    }

    pub(super) fn status(&self) -> RunStatus {
        match self.status {
            RunStatus::Running if !self.waiting.is_empty() => RunStatus::Waiting,
            status => status,
        }
    }

    /// True when this call waits to be approved or denied.
    pub(super) fn waits_for(&self, call_id: &str) -> bool {
        self.waiting.contains(call_id)
    }

    /// What a list shows.
    pub(super) fn summary(self, id: RunId, record: &StreamRecord) -> RunSummary {
        RunSummary {
            id,
            status: self.status(),
            program: self.program,
            conversation_id: self.conversation_id,
            last_seq: record.version,
            created_at: record.created_at,
            updated_at: record.updated_at,
            expires_at: record.expires_at,
        }
    }
}
