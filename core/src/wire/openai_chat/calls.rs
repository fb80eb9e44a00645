//! Puts the calls of tools together from their pieces.
//!
//! Which call a piece belongs to is said by index and id, and both are missing, empty or repeated somewhere:
//! servers send every call with index 0, or no index, or `id: ""`. So: a new id opens a new call; the same
//! index goes on with it; a piece with a name and no id opens a new call when the one before came whole.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::chunk::{Custom, Function, ToolDelta};
use crate::base::Json;
use crate::model::{Error, StreamEvent, StreamEventKind, ToolCall};
use crate::wire::{failure, json};

/// The index of the one call that the old `function_call` field can hold.
const LEGACY_INDEX: i64 = i64::MIN;

#[derive(Debug, Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
}

#[derive(Debug)]
struct Call {
    index: Option<i64>,
    part_index: i32,
    id: String,
    name: String,
    arguments: String,
    /// Arguments are text, not JSON.
    custom: bool,
    /// How many pieces carried arguments, and, once asked, whether the only one was JSON.
    pieces: u32,
    whole: Option<bool>,
    extra: Option<Json>,
}

/// A finished call and what the provider hung on it.
pub(super) struct Finished {
    pub(super) part_index: i32,
    pub(super) call: ToolCall,
    pub(super) extra: Option<Json>,
}

impl Calls {
    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Takes in the field that calls had before tools.
    pub(super) fn take_legacy(
        &mut self,
        function: Function<'_>,
        next_part: &mut i32,
        limit: usize,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Error> {
        let delta = ToolDelta { index: Some(LEGACY_INDEX), function: Some(function), ..ToolDelta::default() };
        self.take(delta, next_part, limit, events)
    }

    /// Takes in a piece.
    ///
    /// # Errors
    /// `OutputInvalid` (too_large) when the arguments of a call pass `limit` bytes.
    pub(super) fn take(
        &mut self,
        delta: ToolDelta<'_>,
        next_part: &mut i32,
        limit: usize,
        events: &mut Vec<StreamEvent>,
    ) -> Result<(), Error> {
        let custom = delta.custom.is_some();
        let (name, arguments) = match (delta.function, delta.custom) {
            (_, Some(Custom { name, input })) => (name, input.0),
            (Some(Function { name, arguments }), None) => (name, arguments.map(written).unwrap_or_default()),
            (None, None) => Default::default(),
        };
        let at = self.find(delta.index, &delta.id, &name);
        let opened = at.is_none();
        let at = at.unwrap_or_else(|| {
            self.calls.push(Call {
                index: delta.index,
                part_index: *next_part,
                id: String::new(),
                name: String::new(),
                arguments: String::new(),
                custom,
                pieces: 0,
                whole: None,
                extra: None,
            });
            *next_part += 1;
            self.calls.len() - 1
        });
        let call = &mut self.calls[at];
        if call.id.is_empty() {
            call.id.push_str(&delta.id);
        }
        // Some servers say the name again with every piece, none sends it in pieces.
        if call.name.is_empty() {
            call.name.push_str(&name);
        }
        if let Some(extra) = delta.extra_content.and_then(|raw| serde_json::from_str(raw.get()).ok()) {
            call.extra = Some(extra);
        }
        if call.arguments.len() + arguments.len() > limit {
            return Err(failure::too_large("arguments of a tool", limit));
        }
        if !arguments.is_empty() {
            call.pieces += 1;
            call.arguments.push_str(&arguments);
        }
        if opened || !arguments.is_empty() {
            let (call_id, name) = (call.id.clone(), call.name.clone());
            let kind = StreamEventKind::ToolCallDelta { call_id, name, arguments_delta: arguments.into_owned() };
            events.push(StreamEvent::unnumbered(call.part_index, kind));
        }
        Ok(())
    }

    fn find(&mut self, index: Option<i64>, id: &str, name: &str) -> Option<usize> {
        let at = match index {
            Some(_) => self.calls.iter().rposition(|call| call.index == index)?,
            None if id.is_empty() => self.calls.len().checked_sub(1)?,
            None => return self.calls.iter().rposition(|call| call.id == id),
        };
        let call = &mut self.calls[at];
        let other_id = !id.is_empty() && !call.id.is_empty() && call.id != id;
        let named_anew = id.is_empty() && !name.is_empty() && !call.name.is_empty();
        let another = named_anew && (call.name != name || call.came_whole());
        (!other_id && !another).then_some(at)
    }

    /// The calls, whole, with their arguments read.
    pub(super) fn finish(&mut self) -> impl Iterator<Item = Finished> {
        std::mem::take(&mut self.calls).into_iter().map(|call| {
            let arguments = if call.custom { Json::String(call.arguments) } else { json::arguments(call.arguments) };
            Finished {
                part_index: call.part_index,
                call: ToolCall {
                    id: call.id,
                    name: call.name,
                    arguments,
                    provider_executed: false,
                    free_text: call.custom,
                },
                extra: call.extra,
            }
        })
    }
}

impl Call {
    /// Its arguments came in one piece and are JSON. Read once at most, so that no order of pieces is quadratic.
    fn came_whole(&mut self) -> bool {
        let Self { whole, arguments, .. } = self;
        self.pieces == 1
            && *whole.get_or_insert_with(|| serde_json::from_str::<serde::de::IgnoredAny>(arguments).is_ok())
    }
}

/// The arguments as JSON text.
fn written(raw: &RawValue) -> Cow<'_, str> {
    let raw = raw.get();
    if !raw.starts_with('"') {
        return if raw == "null" { Cow::Borrowed("") } else { Cow::Borrowed(raw) };
    }
    let text: Option<super::chunk::Text<'_>> = serde_json::from_str(raw).ok();
    match text {
        Some(text) => text.0,
        None => json::mended(raw).and_then(|raw| serde_json::from_str(&raw).ok()).map(Cow::Owned).unwrap_or_default(),
    }
}
