//! Runs: a class for each event, and what a list shows of one.

use pyo3::prelude::*;
use tertulia::Json;
use tertulia::model::{RunEvent, RunEventKind, RunSummary as SummaryRecord};

use super::class::Value;
use crate::convert::{Fields, ToPython};

values! {
    /// A run began. The first event.
    StartedRunEvent(run_event RunEventKind::Started, "started") {
        program, conversation_id, input, beginning, max_cost_nano_usd,
    }
    matches(program, conversation_id) shows(seq, program) hashes(program, conversation_id)

    /// Somebody goes on with a run after its process ended, or after it failed.
    PickedUpRunEvent(run_event RunEventKind::PickedUp, "picked_up") {} matches() shows(seq) hashes()

    /// A model is about to be asked.
    AskingRunEvent(run_event RunEventKind::Asking, "asking") { step } matches(step) shows(seq, step) hashes(step)

    /// Words of the answer, on their way.
    TextRunEvent(run_event RunEventKind::Text, "text") { delta } matches(delta) shows(delta) hashes(delta)

    /// A model answered.
    RepliedRunEvent(run_event RunEventKind::Replied, "replied") {
        step, turn_id, message_id, model, text, calls, finish_reason, usage, cost,
    }
    matches(step, text, calls) shows(seq, step, model, text, calls) hashes(step, turn_id, message_id)

    /// A call of a tool waits for somebody's `approve` or `deny`.
    ApprovalNeededRunEvent(run_event RunEventKind::ApprovalNeeded, "approval_needed") { call }
    matches(call) shows(seq, call) hashes()

    /// Somebody allowed a call.
    ApprovedRunEvent(run_event RunEventKind::Approved, "approved") { call_id }
    matches(call_id) shows(seq, call_id) hashes(call_id)

    /// Somebody refused a call.
    DeniedRunEvent(run_event RunEventKind::Denied, "denied") { call_id, why }
    matches(call_id, why) shows(seq, call_id) hashes(call_id)

    /// A tool is about to be called.
    ToolStartedRunEvent(run_event RunEventKind::ToolStarted, "tool_started") { call_id, name }
    matches(call_id, name) shows(seq, call_id, name) hashes(call_id, name)

    /// A tool answered, or it is known that its answer is lost.
    ToolDoneRunEvent(run_event RunEventKind::ToolDone, "tool_done") { result, duration_ms }
    matches(result, duration_ms) shows(seq, result, duration_ms) hashes(duration_ms)

    /// A run has its result. The last event.
    DoneRunEvent(run_event RunEventKind::Done, "done") { output } matches(output) shows(seq) hashes()

    /// A run stopped, and can be picked up.
    FailedRunEvent(run_event RunEventKind::Failed, "failed") { error } matches(error) shows(seq, error) hashes()

    /// Somebody stopped a run. The last event.
    CancelledRunEvent(run_event RunEventKind::Cancelled, "cancelled") {} matches() shows(seq) hashes()

    /// Something that has no class here: a newer version has written it, or a program that Python does not run yet.
    OtherRunEvent(run_event RunEventKind::Other, "other") { name, data } matches(name, data) shows(seq, name) hashes(name)

    /// What a list shows of a run.
    RunSummary(record SummaryRecord) {
        id, program, conversation_id, status, last_seq, created_at, updated_at, expires_at,
    }
    matches(id, program) shows(id, program, status, last_seq) hashes(id, last_seq)
}

records!(RunSummary = SummaryRecord);

/// An event of this kind with the header that the fields give.
pub(super) fn build(fields: &Fields<'_, '_>, kind: RunEventKind) -> PyResult<RunEvent> {
    Ok(RunEvent { seq: fields.take_or("seq", 0)?, at: fields.take("at")?, kind })
}

/// What has no class, by its name.
fn other(event: RunEvent) -> RunEvent {
    let mut data = serde_json::to_value(&event.kind).unwrap_or_default();
    let name = data.as_object_mut().and_then(|fields| fields.remove("type"));
    let name = name.as_ref().and_then(Json::as_str).unwrap_or_default().to_owned();
    RunEvent { kind: RunEventKind::Other { name, data }, ..event }
}

macro_rules! event_classes {
    ($($class:ident $variant:ident),* $(,)?) => {
        impl ToPython for RunEvent {
            fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                self.clone().into_python(py)
            }

            fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                match &self.kind {
                    $(RunEventKind::$variant { .. } => Ok(Bound::new(py, $class::own(self))?.into_any()),)*
                    _ => Ok(Bound::new(py, OtherRunEvent::own(other(self)))?.into_any()),
                }
            }
        }
    };
}

event_classes!(
    StartedRunEvent Started,
    PickedUpRunEvent PickedUp,
    AskingRunEvent Asking,
    TextRunEvent Text,
    RepliedRunEvent Replied,
    ApprovalNeededRunEvent ApprovalNeeded,
    ApprovedRunEvent Approved,
    DeniedRunEvent Denied,
    ToolStartedRunEvent ToolStarted,
    ToolDoneRunEvent ToolDone,
    DoneRunEvent Done,
    FailedRunEvent Failed,
    CancelledRunEvent Cancelled,
    OtherRunEvent Other,
);
