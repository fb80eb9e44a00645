//! Runs: work of several calls, told as events that outlive the process.

use serde::{Deserialize, Serialize};

use super::council::{CouncilStage, Degraded, MemberAnswer, Standing};
use super::error::ErrorInfo;
use super::part::Part;
use super::reply::FinishReason;
use super::tool::{ToolCall, ToolResult};
use super::usage::{Cost, Usage};
use crate::base::{ConversationId, Json, MessageId, RunId, Timestamp, TurnId};

/// Something that happened in a run. Those with a number are kept and can be read again from any process; those without
/// are words on their way, heard by who watches while they come, and whole in a later event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunEvent {
    /// Its number in the run, from 1 without a gap; 0 for words on their way.
    pub seq: i64,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub kind: RunEventKind,
}

/// What happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunEventKind {
    /// It began. The first event.
    Started {
        /// What runs: `agent`, `council`.
        program: String,
        /// The conversation it speaks in.
        conversation_id: ConversationId,
        /// What was said to it.
        input: Vec<Part>,
        /// What the conversation begins with, if it was not there yet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        beginning: Option<Json>,
        /// What it may cost in all, in billionths of a US dollar.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        max_cost_nano_usd: Option<i64>,
    },
    /// Somebody goes on with it after its process ended, or after it failed.
    PickedUp,
    /// A model is about to be asked.
    Asking {
        /// Which call of the run, from 0.
        step: i32,
    },
    /// Words of the answer, on their way.
    Text {
        /// The words.
        delta: String,
    },
    /// A model answered.
    Replied {
        /// Which call of the run.
        step: i32,
        /// The turn.
        turn_id: TurnId,
        /// The stored answer.
        message_id: MessageId,
        /// The model that answered, as `provider/model`.
        model: String,
        /// What it said in words.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        text: String,
        /// The tools it wants to be called.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        calls: Vec<ToolCall>,
        /// Why it stopped.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        finish_reason: Option<FinishReason>,
        /// What it took.
        usage: Usage,
        /// What it cost.
        cost: Cost,
    },
    /// A call of a tool waits for somebody's `approve` or `deny`.
    ApprovalNeeded {
        /// The call.
        call: ToolCall,
    },
    /// Somebody allowed a call.
    Approved {
        /// The call.
        call_id: String,
    },
    /// Somebody refused a call; the model is told so.
    Denied {
        /// The call.
        call_id: String,
        /// What the model is told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// A tool is about to be called.
    ToolStarted {
        /// The call.
        call_id: String,
        /// The tool.
        name: String,
    },
    /// A tool answered, or it is known that its answer is lost.
    ToolDone {
        /// The answer.
        result: ToolResult,
        /// How long it took, in milliseconds.
        duration_ms: i64,
    },
    /// A member of a council is about to be asked.
    MemberStarted {
        /// The member, by its name in the council.
        who: String,
    },
    /// Words of a member's answer, on their way.
    MemberText {
        /// The member.
        who: String,
        /// The words.
        delta: String,
    },
    /// A member answered.
    MemberDone {
        /// The answer.
        answer: MemberAnswer,
    },
    /// A member did not answer, or its judgement could not be had.
    MemberFailed {
        /// The member.
        who: String,
        /// In which part of the council.
        stage: CouncilStage,
        /// Why.
        error: ErrorInfo,
        /// What it cost nevertheless.
        cost: Cost,
    },
    /// A member judged the answers of the others.
    ReviewDone {
        /// The member.
        who: String,
        /// The others, the best first; those of one place are equal.
        places: Vec<Vec<String>>,
        /// What it wrote. Labels in it are those that it alone was shown.
        text: String,
        /// What it took.
        usage: Usage,
        /// What it cost.
        cost: Cost,
    },
    /// The reviews of a council have become one ranking.
    RankingReady {
        /// The members that answered, the best first.
        ranking: Vec<Standing>,
    },
    /// Words of the chairman's answer, on their way.
    SynthesisText {
        /// The words.
        delta: String,
    },
    /// Something will be missing in the result of a council.
    Degraded {
        /// What, and why.
        missing: Degraded,
    },
    /// It has its result. The last event.
    Done {
        /// The result.
        output: Json,
    },
    /// It stopped, and can be picked up. What follows is `PickedUp`, or nothing.
    Failed {
        /// Why.
        error: ErrorInfo,
    },
    /// Somebody stopped it. The last event.
    Cancelled,
    /// Something that this version has no word for: a newer one has written it. Such a run can be watched here, and not be
    /// picked up.
    Other {
        /// What happened, in the word of that version.
        name: String,
        /// What it says of it.
        data: Json,
    },
}

impl RunEventKind {
    /// True when it is words on their way, which are not kept.
    #[must_use]
    pub const fn is_passing(&self) -> bool {
        matches!(self, Self::Text { .. } | Self::MemberText { .. } | Self::SynthesisText { .. })
    }

    /// Where a run stands whose last word on that this is; nothing when it changes nothing.
    #[must_use]
    pub const fn status(&self) -> Option<RunStatus> {
        Some(match self {
            Self::Started { .. } | Self::PickedUp | Self::Approved { .. } | Self::Denied { .. } => RunStatus::Running,
            Self::ApprovalNeeded { .. } => RunStatus::Waiting,
            Self::Done { .. } => RunStatus::Done,
            Self::Failed { .. } => RunStatus::Failed,
            Self::Cancelled => RunStatus::Cancelled,
            _ => return None,
        })
    }
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RunStatus {
    /// Under way, or its process has ended and nobody has picked it up.
    Running,
    /// It waits for somebody to approve or deny a call.
    Waiting,
    /// It has its result.
    Done,
    /// It stopped, and can be picked up.
    Failed,
    /// Somebody stopped it.
    Cancelled,
}

impl RunStatus {
    /// True when nothing more will happen in it.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Cancelled)
    }
}

/// What a list shows of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunSummary {
    /// The run.
    pub id: RunId,
    /// What runs: `agent`, `council`.
    pub program: String,
    /// The conversation it speaks in.
    pub conversation_id: ConversationId,
    /// Where it stands.
    pub status: RunStatus,
    /// The number of its last event.
    pub last_seq: i64,
    /// When it began.
    pub created_at: Timestamp,
    /// When something happened in it last.
    pub updated_at: Timestamp,
    /// From this moment on it is not there.
    pub expires_at: Option<Timestamp>,
}

/// What an agent came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgentResult<T = String> {
    /// The answer: its words, or a value of the type that was asked for.
    pub output: T,
    /// The run.
    pub run_id: RunId,
    /// The stored message that holds the answer.
    pub message_id: MessageId,
    /// Why the model stopped; `Length` says that the answer was cut off.
    #[serde(default)]
    pub finish_reason: Option<FinishReason>,
    /// How often a model was asked.
    pub rounds: i32,
    /// How many calls of tools it asked for.
    pub calls: i32,
    /// What all of it took.
    pub usage: Usage,
    /// What all of it cost; nothing where a price is not known.
    pub cost: Cost,
}
