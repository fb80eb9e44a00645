//! The named values of a call, a constructor or a dict, each of which must be known.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use tertulia::base::nearest;

use super::from_python::{FromPython, Place, invalid, text, wrong_type};

/// The named values of a record.
pub(crate) struct Fields<'a, 'py> {
    given: Bound<'py, PyDict>,
    at: Place<'a>,
    /// Keywords of a call rather than keys of a dict: what is wrong with their names is a `TypeError`.
    keywords: bool,
}

impl<'a, 'py> Fields<'a, 'py> {
    /// The arguments of a constructor; `matched` are the names of the positional ones.
    pub(crate) fn of_call(
        name: &'a str,
        args: &Bound<'py, PyTuple>,
        keywords: Option<&Bound<'py, PyDict>>,
        matched: &[&str],
    ) -> PyResult<Self> {
        let given = keywords.map_or_else(|| Ok(PyDict::new(args.py())), |given| given.copy())?;
        if args.len() > matched.len() {
            let (most, count) = (matched.len(), args.len());
            return Err(PyTypeError::new_err(format!(
                "{name}() takes at most {most} positional arguments, not {count}"
            )));
        }
        for (value, name_of) in args.iter().zip(matched) {
            if given.contains(name_of)? {
                return Err(PyTypeError::new_err(format!("{name}() got two values for {name_of}")));
            }
            given.set_item(name_of, value)?;
        }
        Ok(Self { given, at: Place::named(name), keywords: true })
    }

    /// The keywords of a call.
    pub(crate) fn of_keywords(name: &'a str, py: Python<'py>, keywords: Option<&Bound<'py, PyDict>>) -> Self {
        let given = keywords.map_or_else(|| PyDict::new(py), Clone::clone);
        Self { given, at: Place::named(name), keywords: true }
    }

    /// The entries of a dict.
    pub(crate) fn of_dict(value: &Bound<'py, PyAny>, at: Place<'a>, expected: &str) -> PyResult<Self> {
        let given = value.cast::<PyDict>().map_err(|_| wrong_type(&at, expected, value))?.clone();
        Ok(Self { given, at, keywords: false })
    }

    /// The value as it was given.
    pub(crate) fn raw(&self, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.given.get_item(name)
    }

    /// The value of this name, or what stands for a missing one.
    pub(crate) fn take<T: FromPython>(&self, name: &str) -> PyResult<T> {
        let place = if self.keywords { Place::named(name) } else { self.at.field(name) };
        match self.raw(name)? {
            Some(value) => T::from_python(&value, &place),
            None => T::absent().ok_or_else(|| {
                if self.keywords {
                    PyTypeError::new_err(format!("{}() needs {name}", self.at))
                } else {
                    invalid(self.given.py(), "missing", format!("{} needs '{name}'", self.at))
                }
            }),
        }
    }

    /// The value of this name, or this one.
    pub(crate) fn take_or<T: FromPython>(&self, name: &str, default: T) -> PyResult<T> {
        if self.given.contains(name)? { self.take(name) } else { Ok(default) }
    }

    /// Refuses every name that is not among these, and says which one was meant.
    pub(crate) fn only(&self, known: &[&str]) -> PyResult<()> {
        for key in self.given.keys() {
            let key = key.cast::<PyString>().map_err(|_| wrong_type(&self.at, "a dict with str keys", &key))?;
            let key = text(key, &self.at)?;
            if known.contains(&key) {
                continue;
            }
            let meant = did_you_mean(key, known);
            return Err(if self.keywords {
                PyTypeError::new_err(format!("{}() does not know the keyword '{key}'{meant}", self.at))
            } else {
                invalid(self.given.py(), "unknown_name", format!("{} does not know '{key}'{meant}", self.at))
            });
        }
        Ok(())
    }
}

/// `; did you mean '…'?` with the known name that looks most like this one, or nothing.
pub(crate) fn did_you_mean(name: &str, known: &[&str]) -> String {
    nearest(name, known.iter().copied()).map_or_else(String::new, |name| format!("; did you mean '{name}'?"))
}
