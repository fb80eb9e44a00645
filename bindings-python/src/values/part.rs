//! The parts of a message, a class each.

use pyo3::prelude::*;
use pyo3::types::PyString;
use tertulia::model::Part;

use super::class::Value;
use super::media::MediaValue;
use super::tool::{ToolCall, ToolResult};
use crate::convert::{Fields, FromPython, Place, ToPython, did_you_mean, invalid, text, wrong_type};

values! {
    /// Words.
    TextPart(part Part::Text, "text") { text, citations } matches(text) shows(text) hashes(text)

    /// What the model thought before it answered.
    ReasoningPart(part Part::Reasoning, "reasoning") { text } matches(text) shows(text) hashes(text)

    /// The words in which the model declined.
    RefusalPart(part Part::Refusal, "refusal") { text } matches(text) shows(text) hashes(text)

    /// A picture.
    ImagePart(part Part::Image, "image") { media } matches(media) shows(media) hashes()

    /// A sound.
    AudioPart(part Part::Audio, "audio") { media } matches(media) shows(media) hashes()

    /// A document.
    FilePart(part Part::File, "file") { media } matches(media) shows(media) hashes()

    /// The model wants a tool to be called.
    ToolCallPart(part Part::ToolCall, "tool_call") { call } matches(call) shows(call) hashes()

    /// What a tool answered.
    ToolResultPart(part Part::ToolResult, "tool_result") { result } matches(result) shows(result) hashes()

    /// A provider's own object, replayed to the same provider only.
    OpaquePart(part Part::Opaque, "opaque") { provider, name, attached, data }
    matches(provider, name) shows(provider, name) hashes(provider, name)
}

macro_rules! part_classes {
    ($($class:ident $variant:ident $tag:literal),*) => {
        impl ToPython for Part {
            fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                match self {
                    $(Self::$variant { .. } => Ok(Bound::new(py, $class::own(self.clone()))?.into_any()),)*
                    // A variant that this version has no class for: its plain form.
                    other => crate::convert::plain(py, other),
                }
            }
        }

        fn of_class(value: &Bound<'_, PyAny>) -> Option<Part> {
            $(if let Ok(part) = value.cast::<$class>() {
                return Some(part.get().0.get().clone());
            })*
            None
        }

        fn of_type(tag: &str, fields: &Fields<'_, '_>) -> PyResult<Option<Part>> {
            match tag {
                $($tag => {
                    let known: Vec<&str> = $class::FIELDS.iter().copied().chain(["type"]).collect();
                    fields.only(&known)?;
                    $class::build(fields).map(Some)
                })*
                _ => Ok(None),
            }
        }

        const TYPES: &[&str] = &[$($tag),*];
    };
}

part_classes!(
    TextPart Text "text", ReasoningPart Reasoning "reasoning", RefusalPart Refusal "refusal", ImagePart Image "image",
    AudioPart Audio "audio", FilePart File "file", ToolCallPart ToolCall "tool_call",
    ToolResultPart ToolResult "tool_result", OpaquePart Opaque "opaque"
);

impl crate::convert::OutItem for Part {}
impl crate::convert::InItem for Part {}

impl FromPython for Part {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        if let Ok(string) = value.cast::<PyString>() {
            return text(string, at).map(Self::text);
        }
        if let Some(part) = of_class(value) {
            return Ok(part);
        }
        if let Ok(result) = value.cast::<ToolResult>() {
            return Ok(Self::ToolResult { result: result.get().0.get().clone() });
        }
        if let Ok(call) = value.cast::<ToolCall>() {
            return Ok(Self::ToolCall { call: call.get().0.get().clone() });
        }
        if value.is_instance_of::<MediaValue>() {
            return Err(wrong_type(at, "image(…), audio(…) or file(…), which say what it is", value));
        }
        let fields = Fields::of_dict(value, *at, "a str, a part, a ToolResult or a dict")?;
        let tag: String = fields.take("type")?;
        of_type(&tag, &fields)?.ok_or_else(|| {
            let meant = did_you_mean(&tag, TYPES);
            invalid(value.py(), "unknown_word", format!("{at}.type must be one of {TYPES:?}{meant}"))
        })
    }
}
