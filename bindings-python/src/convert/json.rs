//! Python's own objects as JSON.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple};
use tertulia::Json;
use tertulia::base::MAX_JSON_DEPTH;

use super::from_python::{Place, invalid, kind_of, text};

/// The JSON of a Python object: `None`, bool, int, float, str, list, tuple, dict with text keys.
///
/// Refused with the place of what is wrong: other types, numbers that JSON has no word for, depth
/// beyond the limit (which is also what a list that holds itself comes to).
pub(crate) fn json(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Json> {
    nested(value, at, MAX_JSON_DEPTH)
}

fn nested(value: &Bound<'_, PyAny>, at: &Place<'_>, depth: usize) -> PyResult<Json> {
    let Some(depth) = depth.checked_sub(1) else {
        return Err(invalid(value.py(), "too_deep", format!("{at} is nested deeper than {MAX_JSON_DEPTH} levels")));
    };
    if value.is_none() {
        Ok(Json::Null)
    } else if let Ok(string) = value.cast::<PyString>() {
        text(string, at).map(|t| Json::String(t.to_owned()))
    } else if value.is_instance_of::<PyBool>() {
        value.is_truthy().map(Json::Bool)
    } else if value.is_instance_of::<PyInt>() {
        value
            .extract::<i64>()
            .map(Json::from)
            .or_else(|_| value.extract::<u64>().map(Json::from))
            .map_err(|_| invalid(value.py(), "bad_number", format!("{at} is an integer beyond 64 bits")))
    } else if value.is_instance_of::<PyFloat>() {
        serde_json::Number::from_f64(value.extract()?)
            .map(Json::Number)
            .ok_or_else(|| invalid(value.py(), "bad_number", format!("{at} is no number that JSON can say")))
    } else if let Ok(list) = value.cast::<PyList>() {
        list.iter().enumerate().map(|(i, item)| nested(&item, &at.item(i), depth)).collect()
    } else if let Ok(tuple) = value.cast::<PyTuple>() {
        tuple.iter().enumerate().map(|(i, item)| nested(&item, &at.item(i), depth)).collect()
    } else if let Ok(dict) = value.cast::<PyDict>() {
        let mut object = serde_json::Map::with_capacity(dict.len());
        for (key, value) in dict {
            let key = key
                .cast::<PyString>()
                .map_err(|_| PyTypeError::new_err(format!("{at} has a key that is no str")))
                .and_then(|key| text(key, at).map(str::to_owned))?;
            let value = nested(&value, &at.field(&key), depth)?;
            object.insert(key, value);
        }
        Ok(Json::Object(object))
    } else {
        Err(PyTypeError::new_err(format!(
            "{at} must be JSON (None, bool, int, float, str, list, dict), not {}",
            kind_of(value)
        )))
    }
}
