//! Python values, read into Rust ones.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDateTime, PyDelta, PyDict, PyFloat, PyInt, PyList, PyMapping, PyString, PyTuple,
};
use serde::Deserialize;
use serde::de::IntoDeserializer as _;
use tertulia::base::{
    AttachmentId, BudgetId, ConversationId, Cursor, Malformed, MessageId, Retry, RunId, Timestamp, TurnId,
};
use tertulia::model::{
    BatchPhase, BatchState, BatchVerb, BreakerState, BudgetScope, CostSource, Delivery, Detail, FinishReason,
    HealthState, ImportFormat, MessageStatus, Priority, ReasoningEffort, ReplyStatus, RetryAfterSource, Role,
    RunStatus, SearchSort, StoreProblemKind, TurnState, UsageBy, UsageSource, Window,
};
use tertulia::{CacheMode, Error, ErrorKind, Json, MidStream, UnreadJson};

use super::json::json;
use super::to_python::epoch;
use crate::error::raise;

/// Where in the arguments of a call a value stands.
#[derive(Clone, Copy)]
pub(crate) struct Place<'a> {
    outer: Option<&'a Place<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Name(&'a str),
    Item(usize),
}

impl<'a> Place<'a> {
    /// An argument, or a value by its own name.
    pub(crate) const fn named(name: &'a str) -> Self {
        Self { outer: None, step: Step::Name(name) }
    }

    /// A field of the value that stands here.
    pub(crate) const fn field(&'a self, name: &'a str) -> Self {
        Self { outer: Some(self), step: Step::Name(name) }
    }

    /// An item of the list that stands here.
    pub(crate) const fn item(&'a self, index: usize) -> Self {
        Self { outer: Some(self), step: Step::Item(index) }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(outer) = self.outer {
            outer.fmt(f)?;
        }
        match self.step {
            Step::Name(name) if self.outer.is_some() => write!(f, ".{name}"),
            Step::Name(name) => f.write_str(name),
            Step::Item(index) => write!(f, "[{index}]"),
        }
    }
}

/// A value that cannot work.
pub(crate) fn invalid(py: Python<'_>, reason: &'static str, detail: impl Into<String>) -> PyErr {
    raise(py, &Error::invalid(reason, detail))
}

/// A value of a type that cannot work.
pub(crate) fn wrong_type(at: &Place<'_>, expected: &str, value: &Bound<'_, PyAny>) -> PyErr {
    PyTypeError::new_err(format!("{at} must be {expected}, not {}", kind_of(value)))
}

/// The name of a value's type.
pub(crate) fn kind_of(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "something else".to_owned(), |name| name.to_string())
}

/// The text of a str. Halves of surrogate pairs, which no wire can carry, are refused.
pub(crate) fn text<'a>(value: &'a Bound<'_, PyString>, at: &Place<'_>) -> PyResult<&'a str> {
    value.to_str().map_err(|_| {
        let detail = format!("{at} holds half of a surrogate pair; decode it properly, or use errors='replace'");
        invalid(value.py(), "bad_text", detail)
    })
}

/// A span of time in milliseconds: seconds as a number, as in asyncio, or a `timedelta`.
pub(crate) fn duration_ms(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<i64> {
    let seconds: f64 = if value.is_instance_of::<PyDelta>() {
        value.call_method0("total_seconds")?.extract()?
    } else {
        f64::from_python(value, at)?
    };
    let millis = seconds * 1_000.0;
    if !(0.0..=1e15).contains(&millis) {
        return Err(invalid(value.py(), "bad_duration", format!("{at} must be a span of time of 0 seconds or more")));
    }
    #[expect(clippy::cast_possible_truncation, reason = "checked just before")]
    let millis = millis.round() as i64;
    Ok(millis)
}

/// A Rust value read from a Python one.
pub(crate) trait FromPython: Sized {
    /// Reads it. `TypeError` for another type, `InvalidError` for a value that cannot be.
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self>;

    /// What stands for a value that was not given; nothing = it must be given.
    fn absent() -> Option<Self> {
        None
    }
}

impl FromPython for bool {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        value.cast::<PyBool>().map(|b| b.is_true()).map_err(|_| wrong_type(at, "a bool", value))
    }

    fn absent() -> Option<Self> {
        Some(false)
    }
}

macro_rules! integers {
    ($($type:ty),*) => {
        $(impl FromPython for $type {
            fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
                // A bool is an int in Python, but never what was meant.
                if !value.is_instance_of::<PyInt>() || value.is_instance_of::<PyBool>() {
                    return Err(wrong_type(at, "an int", value));
                }
                let beyond = |_| invalid(value.py(), "out_of_range", format!("{at} is too large or too small"));
                value.extract().map_err(beyond)
            }

            fn absent() -> Option<Self> {
                Some(0)
            }
        })*
    };
}

integers!(i32, i64, usize);

impl FromPython for f64 {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        let number = value.is_instance_of::<PyFloat>() || value.is_instance_of::<PyInt>();
        if !number || value.is_instance_of::<PyBool>() {
            return Err(wrong_type(at, "a number", value));
        }
        let number: Self = value.extract()?;
        if number.is_finite() {
            Ok(number)
        } else {
            Err(invalid(value.py(), "out_of_range", format!("{at} must be a finite number")))
        }
    }
}

impl FromPython for String {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        let string = value.cast::<PyString>().map_err(|_| wrong_type(at, "a str", value))?;
        text(string, at).map(str::to_owned)
    }
}

impl FromPython for Vec<u8> {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        if let Ok(bytes) = value.cast::<PyBytes>() {
            return Ok(bytes.as_bytes().to_vec());
        }
        if let Ok(bytes) = value.cast::<PyByteArray>() {
            return Ok(bytes.to_vec());
        }
        // As `to_dict` writes them: base64.
        let string = value.cast::<PyString>().map_err(|_| wrong_type(at, "bytes", value))?;
        let binascii = value.py().import("binascii")?;
        let bytes = binascii.call_method1("a2b_base64", (text(string, at)?,));
        let bad = |_| invalid(value.py(), "bad_base64", format!("{at} must be bytes, or their base64"));
        bytes.map_err(bad)?.extract()
    }
}

impl FromPython for Json {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        json(value, at)
    }
}

impl FromPython for UnreadJson {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        json(value, at).map(Self::from)
    }
}

impl<T: FromPython> FromPython for Option<T> {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        if value.is_none() { Ok(None) } else { T::from_python(value, at).map(Some) }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: FromPython> FromPython for Box<T> {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        T::from_python(value, at).map(Self::new)
    }
}

/// Values that a list may hold. Bytes are no list of numbers here.
pub(crate) trait Item: FromPython {}

impl Item for String {}
impl Item for MessageId {}
impl Item for i32 {}
impl Item for f64 {}

impl<T: Item> FromPython for Vec<T> {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        // Not any iterable: a str is one, too, and would fall apart into letters.
        if !value.is_instance_of::<PyList>() && !value.is_instance_of::<PyTuple>() {
            return Err(wrong_type(at, "a list or tuple", value));
        }
        value.try_iter()?.enumerate().map(|(i, item)| T::from_python(&item?, &at.item(i))).collect()
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

impl<T: FromPython> FromPython for HashMap<String, T> {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        if !value.is_instance_of::<PyDict>() && !value.is_instance_of::<PyMapping>() {
            return Err(wrong_type(at, "a dict", value));
        }
        let mut map = Self::new();
        for pair in value.cast::<PyMapping>()?.items()? {
            let (key, value): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
            let key = String::from_python(&key, &at.field("key"))?;
            let value = T::from_python(&value, &at.field(&key))?;
            map.insert(key, value);
        }
        Ok(map)
    }

    fn absent() -> Option<Self> {
        Some(Self::new())
    }
}

fn parsed<T: FromStr<Err = Malformed>>(value: &Bound<'_, PyAny>, at: &Place<'_>, reason: &'static str) -> PyResult<T> {
    let string = value.cast::<PyString>().map_err(|_| wrong_type(at, "a str", value))?;
    text(string, at)?.parse().map_err(|e: Malformed| raise(value.py(), &e.into_error(reason)))
}

macro_rules! ids {
    ($($type:ty),*) => {
        $(impl FromPython for $type {
            fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
                parsed(value, at, "bad_id")
            }
        })*
    };
}

ids!(BudgetId, ConversationId, MessageId, RunId, TurnId, AttachmentId);

impl FromPython for Cursor {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        parsed(value, at, "bad_cursor")
    }
}

impl FromPython for Timestamp {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        if value.is_instance_of::<PyInt>() {
            return i64::from_python(value, at).map(Self::from_millis); // the plain form: milliseconds
        }
        if !value.is_instance_of::<PyDateTime>() || value.call_method0("utcoffset")?.is_none() {
            return Err(wrong_type(at, "an aware datetime", value));
        }
        let since = value.sub(epoch(value.py())?)?;
        let of = |name| since.getattr(name)?.extract::<i64>();
        let seconds = of("days")? * 86_400 + of("seconds")?;
        Ok(Self::from_millis(seconds * 1_000 + of("microseconds")? / 1_000))
    }
}

/// A word of a list of words, by serde's names.
fn word<T: for<'de> Deserialize<'de>>(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<T> {
    let string = value.cast::<PyString>().map_err(|_| wrong_type(at, "a str", value))?;
    let string = text(string, at)?;
    let given: serde::de::value::StrDeserializer<'_, serde::de::value::Error> = string.into_deserializer();
    T::deserialize(given).map_err(|e| invalid(value.py(), "unknown_word", format!("{at} must be {}", expected_of(&e))))
}

/// What serde says was expected, without what was given: that may be anything.
pub(crate) fn expected_of(error: &impl std::error::Error) -> String {
    let words = error.to_string();
    words.find("expected ").map_or("something else", |i| &words[i + "expected ".len()..]).replace('`', "'")
}

macro_rules! words {
    ($($type:ty),*) => {
        $(impl FromPython for $type {
            fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
                word(value, at)
            }
        })*
    };
    ($($type:ty = $absent:expr),*) => {
        $(impl FromPython for $type {
            fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
                word(value, at)
            }

            fn absent() -> Option<Self> {
                Some($absent)
            }
        })*
    };
}

words!(BudgetScope, UsageBy, Window, CacheMode, Role, FinishReason, TurnState, ReasoningEffort, MidStream, ErrorKind);
words!(ImportFormat = ImportFormat::default(), BatchState = BatchState::default(), BatchPhase = BatchPhase::default());
words!(BatchVerb, RunStatus);
words!(BreakerState, Delivery, Detail, HealthState, Priority, RetryAfterSource, SearchSort, StoreProblemKind);
words!(
    MessageStatus = MessageStatus::Complete,
    ReplyStatus = ReplyStatus::Done,
    UsageSource = UsageSource::default(),
    CostSource = CostSource::default()
);

impl FromPython for Retry {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        if value.is_instance_of::<PyDict>() {
            // The plain form, with its milliseconds.
            let detail = format!("{at} must be a word, or {{'after': {{'after_ms': …}}}}");
            return serde_json::from_value(json(value, at)?).map_err(|_| invalid(value.py(), "unknown_word", detail));
        }
        match String::from_python(value, at)?.as_str() {
            "never" => Ok(Self::Never),
            "safe" => Ok(Self::Safe),
            "exhausted" => Ok(Self::Exhausted),
            // How long stands in `retry_after_ms` beside it.
            "after" => Ok(Self::After { after_ms: 0 }),
            _ => {
                let detail = format!("{at} must be one of 'never', 'safe', 'after', 'exhausted'");
                Err(invalid(value.py(), "unknown_word", detail))
            }
        }
    }

    fn absent() -> Option<Self> {
        Some(Self::Never)
    }
}
