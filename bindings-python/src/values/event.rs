//! The events of a stream, a class each.

use pyo3::prelude::*;
use tertulia::model::{Progress, StreamEvent, StreamEventKind};
use tertulia::{ErrorKind, Json};

use super::class::Value;
use crate::convert::{Fields, FromPython, OutItem, Place, ToPython, invalid, json, plain, wrong_type};

values! {
    /// The message is on disk and the call begins.
    StartedEvent(event StreamEventKind::Started, "started", also turn_id) { message_id, model }
    matches(model) shows(model, turn_id) hashes(model)

    /// Words of the answer.
    TextEvent(event StreamEventKind::Text, "text") { delta } matches(delta) shows(delta) hashes(delta)

    /// Thoughts of the model.
    ReasoningEvent(event StreamEventKind::Reasoning, "reasoning") { delta }
    matches(delta) shows(delta) hashes(delta)

    /// The model declines.
    RefusalEvent(event StreamEventKind::Refusal, "refusal") { delta } matches(delta) shows(delta) hashes(delta)

    /// A source of the words so far.
    CitationEvent(event StreamEventKind::Citation, "citation") { citation }
    matches(citation) shows(citation) hashes()

    /// A call of a tool, as it is written.
    ToolCallDeltaEvent(event StreamEventKind::ToolCallDelta, "tool_call_delta") { call_id, name, arguments_delta }
    matches(call_id, name, arguments_delta) shows(name, arguments_delta) hashes(call_id, arguments_delta)

    /// A call of a tool, whole.
    ToolCallEvent(event StreamEventKind::ToolCall, "tool_call") { call } matches(call) shows(call) hashes()

    /// What a tool answered.
    ToolResultEvent(event StreamEventKind::ToolResult, "tool_result") { result }
    matches(result) shows(result) hashes()

    /// A whole part that is no text.
    PartEvent(event StreamEventKind::Part, "part") { part } matches(part) shows(part) hashes()

    /// Something on the way: `step` says what; what belongs to the other steps is nothing.
    ProgressEvent(event StreamEventKind::Progress, "progress") { progress } matches(progress) shows(progress) hashes()
    + {
        /// What happens: queued, waiting, retrying, fell_back, heartbeat.
        #[getter]
        fn step<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
            Self::progress(slf)?.get_item("step")
        }

        /// How many calls are before this one (queued).
        #[getter]
        fn position(&self) -> Option<i32> {
            if let Some(Progress::Queued { position, .. }) = self.step_of() { Some(*position) } else { None }
        }

        /// The likely wait in milliseconds (queued, waiting), or the wait before the next try (retrying).
        #[getter]
        fn wait_ms(&self) -> Option<i64> {
            match self.step_of()? {
                Progress::Queued { wait_ms, .. } | Progress::Waiting { wait_ms, .. } => Some(*wait_ms),
                Progress::Retrying { delay_ms, .. } => Some(*delay_ms),
                _ => None,
            }
        }

        /// What is waited for (waiting).
        #[getter]
        fn reason(&self) -> Option<&str> {
            if let Some(Progress::Waiting { reason, .. }) = self.step_of() { Some(reason) } else { None }
        }

        /// The number of the try that comes (retrying).
        #[getter]
        fn attempt(&self) -> Option<i32> {
            if let Some(Progress::Retrying { attempt, .. }) = self.step_of() { Some(*attempt) } else { None }
        }

        /// How the last try failed (retrying).
        #[getter]
        fn kind<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            let kind: Option<ErrorKind> =
                if let Some(Progress::Retrying { kind, .. }) = self.step_of() { Some(*kind) } else { None };
            kind.to_python(py)
        }

        /// The model that failed (fell_back).
        #[getter(from_model)]
        fn model_before(&self) -> Option<&str> {
            if let Some(Progress::FellBack { from_model, .. }) = self.step_of() { Some(from_model) } else { None }
        }

        /// The model that is asked now (fell_back).
        #[getter]
        fn to_model(&self) -> Option<&str> {
            if let Some(Progress::FellBack { to_model, .. }) = self.step_of() { Some(to_model) } else { None }
        }

        /// Since the last event, in milliseconds (heartbeat).
        #[getter]
        fn idle_ms(&self) -> Option<i64> {
            if let Some(Progress::Heartbeat { idle_ms }) = self.step_of() { Some(*idle_ms) } else { None }
        }
    }

    /// What it took so far. Only providers of your own say so on the way; what others report stands in the last event.
    UsageEvent(event StreamEventKind::Usage, "usage") { usage, cost }
    matches(usage, cost) shows(usage, cost) hashes()

    /// The answer is whole.
    DoneEvent(event StreamEventKind::Done, "done") { reply } matches(reply) shows(reply) hashes()

    /// Something that this version does not know.
    OtherEvent(event StreamEventKind::Other, "other") { name, data } matches(name, data) shows(name) hashes(name)
}

/// An event of this kind with the header that the fields give.
pub(super) fn build(fields: &Fields<'_, '_>, kind: StreamEventKind) -> PyResult<StreamEvent> {
    Ok(StreamEvent {
        seq: fields.take_or("seq", 0)?,
        turn_id: fields.take("turn_id")?,
        part_index: fields.take_or("part_index", 0)?,
        kind,
    })
}

/// An event as it was before its JSON, in which the turn stands once.
pub(super) fn restored(mut event: StreamEvent) -> StreamEvent {
    if let StreamEventKind::Started { turn_id, .. } = &mut event.kind {
        *turn_id = event.turn_id;
    }
    event
}

impl ProgressEvent {
    fn step_of(&self) -> Option<&Progress> {
        if let StreamEventKind::Progress { progress } = &self.0.get().kind { Some(progress) } else { None }
    }
}

impl ToPython for Progress {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, self)
    }
}

impl FromPython for Progress {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        let bad = |_| invalid(value.py(), "unknown_word", format!("{at} must be a step as `event.progress` gives it"));
        serde_json::from_value(json(value, at)?).map_err(bad)
    }
}

macro_rules! event_classes {
    ($($class:ident $variant:ident),*) => {
        impl ToPython for StreamEvent {
            fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                self.clone().into_python(py)
            }

            fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                match &self.kind {
                    $(StreamEventKind::$variant { .. } => Ok(Bound::new(py, $class::own(self))?.into_any()),)*
                    // A variant that this version has no class for.
                    kind => {
                        let data = serde_json::to_value(kind).unwrap_or_default();
                        let name = data.get("type").and_then(Json::as_str).unwrap_or_default().to_owned();
                        let kind = StreamEventKind::Other { name, data };
                        Ok(Bound::new(py, OtherEvent::own(Self { kind, ..self }))?.into_any())
                    }
                }
            }
        }

        /// The event of a class of events.
        impl FromPython for StreamEvent {
            fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
                $(if let Ok(event) = value.cast::<$class>() {
                    return Ok(event.get().0.get().clone());
                })*
                Err(wrong_type(at, "an event", value))
            }
        }
    };
}

event_classes!(
    StartedEvent Started, TextEvent Text, ReasoningEvent Reasoning, RefusalEvent Refusal, CitationEvent Citation,
    ToolCallDeltaEvent ToolCallDelta, ToolCallEvent ToolCall, ToolResultEvent ToolResult, PartEvent Part,
    ProgressEvent Progress, UsageEvent Usage, DoneEvent Done, OtherEvent Other
);

impl OutItem for StreamEvent {}
