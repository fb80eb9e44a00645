//! Rows of a timeline, and what changes in a list of rows.

use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use tertulia::model::{
    ConversationSummary, Delivery, ErrorInfo, TimelineDiff as Diff, TimelineItem as ItemRecord, TimelineItemKind,
};

use super::message::ConversationInfo;
use crate::convert::{FromPython, OutItem, Place, ToPython, invalid, json, plain};

values! {
    /// One row of a timeline.
    TimelineItem(record ItemRecord) { id, kind }
    matches(id) shows(id) hashes(id)
    + {
        /// What the row shows, in a word.
        #[getter]
        fn r#type<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
            PyString::intern(py, match &self.0.get().kind {
                TimelineItemKind::Message { .. } => "message",
                TimelineItemKind::DayDivider { .. } => "day_divider",
                TimelineItemKind::UnreadMarker => "unread_marker",
                TimelineItemKind::Typing { .. } => "typing",
                TimelineItemKind::Gap => "gap",
                _ => "other",
            })
        }

        /// The message.
        #[getter]
        fn message<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            match &self.0.get().kind {
                TimelineItemKind::Message { message, .. } => message.to_python(py),
                _ => ().to_python(py),
            }
        }

        /// How far it got.
        #[getter]
        fn delivery<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            let delivery: Option<Delivery> =
                if let TimelineItemKind::Message { delivery, .. } = &self.0.get().kind { *delivery } else { None };
            delivery.to_python(py)
        }

        /// Why it was not saved, or why its turn rests without an answer.
        #[getter]
        fn error<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            let error: Option<&ErrorInfo> =
                if let TimelineItemKind::Message { error, .. } = &self.0.get().kind { error.as_deref() } else { None };
            error.cloned().into_python(py)
        }

        /// The day that begins.
        #[getter]
        fn day(&self) -> Option<&str> {
            if let TimelineItemKind::DayDivider { day } = &self.0.get().kind { Some(day) } else { None }
        }

        /// The turn that is answered.
        #[getter]
        fn turn_id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            let turn = match &self.0.get().kind {
                TimelineItemKind::Typing { turn_id } => Some(*turn_id),
                TimelineItemKind::Message { message, .. } => message.turn_id,
                _ => None,
            };
            turn.to_python(py)
        }
    }
}

records!(TimelineItem = ItemRecord);

impl ToPython for TimelineItemKind {
    fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        plain(py, self)
    }
}

impl FromPython for TimelineItemKind {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        let bad = |_| invalid(value.py(), "unknown_word", format!("{at} must be a dict as `item.kind` gives it"));
        serde_json::from_value(json(value, at)?).map_err(bad)
    }
}

/// A row whose words have grown.
trait Grows: Clone {
    fn grown(&self, part_index: usize, text: &str) -> Self;
}

impl Grows for ItemRecord {
    fn grown(&self, part_index: usize, text: &str) -> Self {
        let mut row = vec![self.clone()];
        let (text, from, stable_prefix) = (text.to_owned(), 0, 0);
        Diff::<Self>::AppendText { index: 0, part_index, from, text, stable_prefix }.apply(&mut row);
        row.swap_remove(0)
    }
}

impl Grows for ConversationSummary {
    fn grown(&self, _part_index: usize, _text: &str) -> Self {
        self.clone()
    }
}

/// Makes the class of the changes of one kind of list.
macro_rules! diffs {
    ($(#[$doc:meta])* $class:ident of $row:ident ($record:ty)) => {
        $(#[$doc])*
        #[pyclass(frozen, module = "tertulia")]
        pub(crate) struct $class(Diff<$record>);

        #[pymethods]
        impl $class {
            /// What changes, in a word.
            #[getter]
            fn r#type<'py>(&self, py: Python<'py>) -> Bound<'py, PyString> {
                PyString::intern(py, match &self.0 {
                    Diff::Append { .. } => "append",
                    Diff::Clear => "clear",
                    Diff::PushFront { .. } => "push_front",
                    Diff::PushBack { .. } => "push_back",
                    Diff::PopFront => "pop_front",
                    Diff::PopBack => "pop_back",
                    Diff::Insert { .. } => "insert",
                    Diff::Set { .. } => "set",
                    Diff::Remove { .. } => "remove",
                    Diff::Truncate { .. } => "truncate",
                    Diff::Reset { .. } => "reset",
                    Diff::AppendText { .. } => "append_text",
                    _ => "other",
                })
            }

            /// The place in the list.
            #[getter]
            const fn index(&self) -> Option<usize> {
                match &self.0 {
                    Diff::Insert { index, .. } | Diff::Set { index, .. } | Diff::Remove { index }
                    | Diff::AppendText { index, .. } => Some(*index),
                    _ => None,
                }
            }

            /// The row that comes.
            #[getter]
            fn item<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                match &self.0 {
                    Diff::PushFront { item } | Diff::PushBack { item } | Diff::Insert { item, .. }
                    | Diff::Set { item, .. } => item.to_python(py),
                    _ => ().to_python(py),
                }
            }

            /// The rows that come.
            #[getter]
            fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                match &self.0 {
                    Diff::Append { items } | Diff::Reset { items } => items.to_python(py),
                    _ => ().to_python(py),
                }
            }

            /// How many rows stay.
            #[getter]
            const fn length(&self) -> Option<usize> {
                if let Diff::Truncate { length } = &self.0 { Some(*length) } else { None }
            }

            /// The part of the message that grows.
            #[getter]
            const fn part_index(&self) -> Option<usize> {
                if let Diff::AppendText { part_index, .. } = &self.0 { Some(*part_index) } else { None }
            }

            /// How long the part was before.
            #[getter(from_)]
            const fn begins(&self) -> Option<usize> {
                if let Diff::AppendText { from, .. } = &self.0 { Some(*from) } else { None }
            }

            /// The words that come.
            #[getter]
            fn text(&self) -> Option<&str> {
                if let Diff::AppendText { text, .. } = &self.0 { Some(text) } else { None }
            }

            /// So much of the part nothing will change.
            #[getter]
            const fn stable_prefix(&self) -> Option<usize> {
                if let Diff::AppendText { stable_prefix, .. } = &self.0 { Some(*stable_prefix) } else { None }
            }

            /// Makes the change in a list of rows.
            fn apply(&self, py: Python<'_>, rows: &Bound<'_, PyList>) -> PyResult<()> {
                match &self.0 {
                    Diff::Append { items } => {
                        items.iter().try_for_each(|item| rows.append(item.to_python(py)?))
                    }
                    Diff::Clear => rows.call_method0("clear").map(drop),
                    Diff::PushFront { item } => rows.insert(0, item.to_python(py)?),
                    Diff::PushBack { item } => rows.append(item.to_python(py)?),
                    Diff::PopFront => rows.call_method1("pop", (0,)).map(drop),
                    Diff::PopBack => rows.call_method0("pop").map(drop),
                    Diff::Insert { index, item } => rows.insert(*index, item.to_python(py)?),
                    Diff::Set { index, item } => rows.set_item(*index, item.to_python(py)?),
                    Diff::Remove { index } => rows.call_method1("pop", (*index,)).map(drop),
                    Diff::Truncate { length } => rows.del_slice(*length, rows.len()),
                    Diff::Reset { items } => {
                        rows.call_method0("clear")?;
                        items.iter().try_for_each(|item| rows.append(item.to_python(py)?))
                    }
                    Diff::AppendText { index, part_index, text, .. } => {
                        let row = rows.get_item(*index)?;
                        let row = row.cast::<$row>()?.get().0.get().grown(*part_index, text);
                        rows.set_item(*index, row.into_python(py)?)
                    }
                    _ => Ok(()),
                }
            }

            /// The plain form: dicts, lists, texts and numbers, as `json.dumps` takes them.
            fn to_dict<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                plain(py, &self.0)
            }

            fn __eq__(&self, other: &Bound<'_, PyAny>) -> Option<bool> {
                Some(self.0 == other.cast::<Self>().ok()?.get().0)
            }

            fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
                let place = self.index().map_or(String::new(), |index| format!(", index={index}"));
                Ok(format!("{}(type={}{place})", stringify!($class), self.r#type(py).repr()?))
            }
        }

        impl ToPython for Diff<$record> {
            fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                self.clone().into_python(py)
            }

            fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                Ok(Bound::new(py, $class(self))?.into_any())
            }
        }

        impl OutItem for Diff<$record> {}
    };
}

diffs! {
    /// One change of a timeline.
    TimelineDiff of TimelineItem (ItemRecord)
}

diffs! {
    /// One change of the list of conversations.
    ConversationDiff of ConversationInfo (ConversationSummary)
}

impl OutItem for ItemRecord {}
impl OutItem for ConversationSummary {}
