//! The macro that makes a Python class of a record, and what all such classes share.

use std::collections::hash_map::DefaultHasher;
use std::hash::Hasher as _;

use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::types::{PyString, PyTuple, PyType};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::convert::Fields;

/// How long a text may be in a `repr`.
const SHOWN: usize = 48;

/// What a value class is made of.
pub(crate) trait Value: PyClass + Sized {
    /// The Rust value inside.
    type Inner: Serialize + DeserializeOwned + PartialEq + Clone;
    /// The names of the fields, in their order.
    const FIELDS: &'static [&'static str];
    /// The names of those that may be given and matched by position.
    const MATCHED: &'static [&'static str];

    /// The class around a value.
    fn own(inner: Self::Inner) -> Self;
    /// The value inside.
    fn inner(&self) -> &Self::Inner;
    /// A value from its fields.
    fn build(fields: &Fields<'_, '_>) -> PyResult<Self::Inner>;
}

/// A value from the arguments of its constructor: keywords by the names of the fields, the matched ones by position, too.
pub(crate) fn construct<V: Value>(fields: &Fields<'_, '_>) -> PyResult<V> {
    fields.only(V::FIELDS)?;
    let inner = V::build(fields)?;
    Ok(V::own(inner))
}

/// `Name(field='…', …)`, short, one line.
pub(crate) fn show(object: &Bound<'_, PyAny>, name: &str, shown: &[&str]) -> PyResult<String> {
    let mut out = format!("{name}(");
    for (i, field) in shown.iter().enumerate() {
        let value = object.getattr(*field)?;
        let comma = if i == 0 { "" } else { ", " };
        out.push_str(&format!("{comma}{field}={}", short(&value)?));
    }
    out.push(')');
    Ok(out)
}

fn short(value: &Bound<'_, PyAny>) -> PyResult<String> {
    if let Ok(text) = value.cast::<PyString>() {
        let text = text.to_string_lossy();
        let mut kept: String = text.chars().take(SHOWN).collect();
        if kept.len() < text.len() {
            kept.push('…');
        }
        return Ok(PyString::new(value.py(), &kept).repr()?.to_string());
    }
    if let Ok(tuple) = value.cast::<PyTuple>()
        && tuple.len() > 1
    {
        return Ok(format!("({}, … {} in all)", tuple.get_item(0)?.repr()?, tuple.len()));
    }
    Ok(value.repr()?.to_string())
}

/// A hash that goes with equality: of the fields named, which equal values share.
pub(crate) fn hash(feed: impl FnOnce(&mut DefaultHasher)) -> u64 {
    let mut hasher = DefaultHasher::new();
    feed(&mut hasher);
    hasher.finish()
}

/// What pickle writes down: how to make the value again, and of what.
pub(crate) type Reduced<'py> = (Bound<'py, PyAny>, (Bound<'py, PyType>, String));

/// The class and the JSON that `restore` makes the value of again.
pub(crate) fn reduce<'py, V: Value>(class: Bound<'py, PyType>, value: &V) -> PyResult<Reduced<'py>> {
    let json =
        serde_json::to_string(value.inner()).map_err(|e| pyo3::exceptions::PyValueError::new_err(e.to_string()))?;
    let restore = class.py().import("tertulia._native")?.getattr("_restore")?;
    Ok((restore, (class, json)))
}

/// A value from the JSON of `reduce`.
pub(crate) fn of_json<V: Value>(json: &str) -> PyResult<V::Inner> {
    serde_json::from_str(json).map_err(|_| pyo3::exceptions::PyValueError::new_err("not the JSON of this class"))
}

/// Makes a value of its class and JSON. For pickle.
#[pyfunction]
#[pyo3(name = "_restore")]
pub(crate) fn restore<'py>(class: &Bound<'py, PyType>, json: &str) -> PyResult<Bound<'py, PyAny>> {
    class.call_method1("_of_json", (json,))
}

/// Makes the classes of a file.
///
/// ```text
/// values! {
///     /// What it is.
///     Class(kind path) { field, field } matches(field) shows(field) hashes(field) + { methods }
/// }
/// ```
/// `kind` says how the fields are reached: `record` by name, `variant Enum::Variant`, `event Kind::Variant`, `run_event Kind::Variant`.
/// `also` names a field of the variant that stands in the event's header in Python.
/// `matches`: positional in the constructor and in `match`. `shows`: in `repr`. `hashes`: in `hash`.
macro_rules! values {
    ($(
        $(#[$doc:meta])*
        $class:ident($kind:ident $($path:ident)::+ $(, $tag:literal $(, also $also:ident)?)?) { $($field:ident),* $(,)? }
        matches($($matched:ident),*) shows($($shown:ident),*) hashes($($hashed:ident),*)
        $(+ { $($more:tt)* })?
    )*) => {
        $(
            $(#[$doc])*
            #[pyo3::pyclass(frozen, module = "tertulia")]
            pub(crate) struct $class(pub(crate) $crate::values::held::Held<values!(@inner $kind [$($path)::+])>);

            impl $crate::values::class::Value for $class {
                type Inner = values!(@inner $kind [$($path)::+]);
                const FIELDS: &'static [&'static str] = values!(@names $kind $(stringify!($field)),*);
                const MATCHED: &'static [&'static str] = &[$(stringify!($matched)),*];

                fn own(inner: Self::Inner) -> Self {
                    Self($crate::values::held::Held::Own(inner))
                }

                fn inner(&self) -> &Self::Inner {
                    self.0.get()
                }

                fn build(fields: &$crate::convert::Fields<'_, '_>) -> pyo3::PyResult<Self::Inner> {
                    values!(@build $kind [$($path)::+], fields, $($field,)* $($($also)?)?)
                }
            }

            values!(@methods $kind [$($path)::+], $class, [$($tag)?], [$($field),*], [$($shown),*], [$($hashed),*], { $($($more)*)? });
        )*

        /// Puts the classes of this file into the module.
        pub(super) fn register(module: &pyo3::Bound<'_, pyo3::types::PyModule>) -> pyo3::PyResult<()> {
            use pyo3::types::PyModuleMethods as _;
            $(module.add_class::<$class>()?;)*
            Ok(())
        }
    };

    (@inner record [$($path:ident)::+]) => { $($path)::+ };
    (@inner part [$($path:ident)::+]) => { tertulia::model::Part };
    (@inner source [$($path:ident)::+]) => { tertulia::model::MediaSource };
    (@inner event [$($path:ident)::+]) => { tertulia::model::StreamEvent };
    (@inner run_event [$($path:ident)::+]) => { tertulia::model::RunEvent };

    (@names event $($name:expr),*) => { &[$($name,)* "seq", "turn_id", "part_index"] };
    (@names run_event $($name:expr),*) => { &[$($name,)* "seq", "at"] };
    (@names $kind:ident $($name:expr),*) => { &[$($name),*] };

    (@build event [$($path:ident)::+], $fields:ident, $($field:ident),* $(,)?) => {
        $crate::values::event::build($fields, $($path)::+ { $($field: $fields.take(stringify!($field))?),* })
    };
    (@build run_event [$($path:ident)::+], $fields:ident, $($field:ident),* $(,)?) => {
        $crate::values::run::build($fields, $($path)::+ { $($field: $fields.take(stringify!($field))?),* })
    };
    // The engine lends requests something of its own.
    (@build record [RequestRecord], $fields:ident, $($field:ident),* $(,)?) => {
        Ok(RequestRecord { $($field: $fields.take(stringify!($field))?,)* ..RequestRecord::default() })
    };
    (@build $kind:ident [$($path:ident)::+], $fields:ident, $($field:ident),* $(,)?) => {
        Ok($($path)::+ { $($field: $fields.take(stringify!($field))?),* })
    };

    (@get record [$($path:ident)::+], $inner:expr, $field:ident, $py:ident) => {
        $crate::convert::ToPython::to_python(&$inner.$field, $py)
    };
    (@get event [$($path:ident)::+], $inner:expr, $field:ident, $py:ident) => {
        match &$inner.kind {
            $($path)::+ { $field, .. } => $crate::convert::ToPython::to_python($field, $py),
            _ => Err($crate::error::raise($py, &$crate::error::panicked())),
        }
    };
    (@get run_event [$($path:ident)::+], $inner:expr, $field:ident, $py:ident) => {
        match &$inner.kind {
            $($path)::+ { $field, .. } => $crate::convert::ToPython::to_python($field, $py),
            _ => Err($crate::error::raise($py, &$crate::error::panicked())),
        }
    };
    (@get $kind:ident [$($path:ident)::+], $inner:expr, $field:ident, $py:ident) => {
        match $inner {
            $($path)::+ { $field, .. } => $crate::convert::ToPython::to_python($field, $py),
            _ => Err($crate::error::raise($py, &$crate::error::panicked())),
        }
    };

    (@restored event $inner:ident) => { $crate::values::event::restored($inner) };
    (@restored $kind:ident $inner:ident) => { $inner };

    (@hash record [$($path:ident)::+], $inner:expr, $hasher:ident, $($field:ident),*) => {
        $(std::hash::Hash::hash(&$inner.$field, $hasher);)*
    };
    (@hash event [$($path:ident)::+], $inner:expr, $hasher:ident, $($field:ident),*) => {
        std::hash::Hash::hash(&$inner.seq, $hasher);
        if let $($path)::+ { $($field,)* .. } = &$inner.kind {
            $(std::hash::Hash::hash($field, $hasher);)*
        }
    };
    (@hash run_event [$($path:ident)::+], $inner:expr, $hasher:ident, $($field:ident),*) => {
        std::hash::Hash::hash(&$inner.seq, $hasher);
        if let $($path)::+ { $($field,)* .. } = &$inner.kind {
            $(std::hash::Hash::hash($field, $hasher);)*
        }
    };
    (@hash $kind:ident [$($path:ident)::+], $inner:expr, $hasher:ident, $($field:ident),*) => {
        if let $($path)::+ { $($field,)* .. } = $inner {
            $(std::hash::Hash::hash($field, $hasher);)*
        }
    };

    (@methods event $path:tt, $class:ident, [$tag:literal], [$($field:ident),*], $shown:tt, $hashed:tt, { $($more:tt)* }) => {
        values!(@all event $path, $class, [$($field),*], $shown, $hashed, {
            /// What happened.
            #[getter]
            fn r#type<'py>(&self, py: pyo3::Python<'py>) -> pyo3::Bound<'py, pyo3::types::PyString> {
                pyo3::types::PyString::intern(py, $tag)
            }

            /// Its number in the turn.
            #[getter]
            fn seq(&self) -> i64 {
                self.0.get().seq
            }

            /// The turn.
            #[getter]
            fn turn_id<'py>(&self, py: pyo3::Python<'py>) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                $crate::convert::ToPython::to_python(&self.0.get().turn_id, py)
            }

            /// The part of the answer.
            #[getter]
            fn part_index(&self) -> i32 {
                self.0.get().part_index
            }

            $($more)*
        });
    };
    (@methods run_event $path:tt, $class:ident, [$tag:literal], [$($field:ident),*], $shown:tt, $hashed:tt, { $($more:tt)* }) => {
        values!(@all run_event $path, $class, [$($field),*], $shown, $hashed, {
            /// What happened.
            #[getter]
            fn r#type<'py>(&self, py: pyo3::Python<'py>) -> pyo3::Bound<'py, pyo3::types::PyString> {
                pyo3::types::PyString::intern(py, $tag)
            }

            /// Its number in the run; 0 for words on their way.
            #[getter]
            fn seq(&self) -> i64 {
                self.0.get().seq
            }

            /// When it happened.
            #[getter]
            fn at<'py>(&self, py: pyo3::Python<'py>) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                $crate::convert::ToPython::to_python(&self.0.get().at, py)
            }

            $($more)*
        });
    };
    (@methods $kind:ident $path:tt, $class:ident, [$tag:literal], [$($field:ident),*], $shown:tt, $hashed:tt, { $($more:tt)* }) => {
        values!(@all $kind $path, $class, [$($field),*], $shown, $hashed, {
            /// Which variant it is.
            #[getter]
            fn r#type<'py>(&self, py: pyo3::Python<'py>) -> pyo3::Bound<'py, pyo3::types::PyString> {
                pyo3::types::PyString::intern(py, $tag)
            }

            $($more)*
        });
    };
    (@methods $kind:ident $path:tt, $class:ident, [], $fields:tt, $shown:tt, $hashed:tt, $more:tt) => {
        values!(@all $kind $path, $class, $fields, $shown, $hashed, $more);
    };

    (@all $kind:ident $path:tt, $class:ident, [$($field:ident),*], [$($shown:ident),*], [$($hashed:ident),*], { $($more:tt)* }) => {
        #[pyo3::pymethods]
        impl $class {
            #[new]
            #[pyo3(signature = (*args, **fields))]
            fn new(
                args: &pyo3::Bound<'_, pyo3::types::PyTuple>,
                fields: Option<&pyo3::Bound<'_, pyo3::types::PyDict>>,
            ) -> pyo3::PyResult<Self> {
                use $crate::values::class::Value as _;
                let fields = $crate::convert::Fields::of_call(stringify!($class), args, fields, Self::MATCHED)?;
                $crate::values::class::construct(&fields)
            }

            #[classattr]
            fn __match_args__(py: pyo3::Python<'_>) -> pyo3::PyResult<pyo3::Py<pyo3::types::PyTuple>> {
                use $crate::values::class::Value as _;
                Ok(pyo3::types::PyTuple::new(py, Self::MATCHED)?.unbind())
            }

            $(
                #[getter]
                fn $field<'py>(slf: &pyo3::Bound<'py, Self>) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                    let py = slf.py();
                    values!(@get $kind $path, slf.get().0.get(), $field, py)
                }
            )*

            /// The plain form: dicts, lists, texts and numbers, as `json.dumps` takes them.
            fn to_dict<'py>(&self, py: pyo3::Python<'py>) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                $crate::convert::plain(py, self.0.get())
            }

            fn __eq__(&self, other: &pyo3::Bound<'_, pyo3::PyAny>) -> Option<bool> {
                let other = other.cast::<Self>().ok()?;
                Some(self.0.get() == other.get().0.get())
            }

            fn __hash__(&self) -> u64 {
                $crate::values::class::hash(|hasher| {
                    std::hash::Hash::hash(stringify!($class), hasher);
                    values!(@hash $kind $path, self.0.get(), hasher, $($hashed),*);
                })
            }

            fn __repr__(slf: &pyo3::Bound<'_, Self>) -> pyo3::PyResult<String> {
                $crate::values::class::show(slf.as_any(), stringify!($class), &[$(stringify!($shown)),*])
            }

            fn __reduce__<'py>(
                slf: &pyo3::Bound<'py, Self>,
            ) -> pyo3::PyResult<$crate::values::class::Reduced<'py>> {
                $crate::values::class::reduce(pyo3::types::PyAnyMethods::get_type(slf.as_any()), slf.get())
            }

            #[staticmethod]
            fn _of_json(json: &str) -> pyo3::PyResult<Self> {
                use $crate::values::class::Value as _;
                let inner = $crate::values::class::of_json::<Self>(json)?;
                Ok(Self::own(values!(@restored $kind inner)))
            }

            fn __copy__(slf: pyo3::Bound<'_, Self>) -> pyo3::Bound<'_, Self> {
                slf
            }

            fn __deepcopy__<'py>(slf: pyo3::Bound<'py, Self>, _memo: &pyo3::Bound<'py, pyo3::PyAny>) -> pyo3::Bound<'py, Self> {
                slf
            }

            /// Lets pydantic and FastAPI take the class as a field, without depending on them.
            #[classmethod]
            fn __get_pydantic_core_schema__<'py>(
                class: &pyo3::Bound<'py, pyo3::types::PyType>,
                _source: &pyo3::Bound<'py, pyo3::PyAny>,
                _handler: &pyo3::Bound<'py, pyo3::PyAny>,
            ) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                $crate::values::class::pydantic_schema(class)
            }

            $($more)*
        }
    };
}

/// Reads a record from its class or from a dict, for [`FromPython`](crate::convert::FromPython).
macro_rules! records {
    ($($class:ident = $inner:ty),* $(,)?) => {
        $(
            impl $crate::convert::ToPython for $inner {
                fn to_python<'py>(&self, py: pyo3::Python<'py>) -> pyo3::PyResult<pyo3::Bound<'py, pyo3::PyAny>> {
                    self.clone().into_python(py)
                }

                fn into_python(self, py: pyo3::Python<'_>) -> pyo3::PyResult<pyo3::Bound<'_, pyo3::PyAny>> {
                    use $crate::values::class::Value as _;
                    Ok(pyo3::Bound::new(py, $class::own(self))?.into_any())
                }
            }

            impl $crate::convert::FromPython for $inner {
                fn from_python(
                    value: &pyo3::Bound<'_, pyo3::PyAny>,
                    at: &$crate::convert::Place<'_>,
                ) -> pyo3::PyResult<Self> {
                    use $crate::values::class::Value as _;
                    if let Ok(class) = value.cast::<$class>() {
                        return Ok(class.get().0.get().clone());
                    }
                    let fields = $crate::convert::Fields::of_dict(value, *at, concat!("a ", stringify!($class), " or a dict"))?;
                    fields.only($class::FIELDS)?;
                    $class::build(&fields)
                }
            }
        )*
    };
}

/// Pydantic's schema of a value class: an instance, or its plain form; written as its plain form.
pub(crate) fn pydantic_schema<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    class.py().import("tertulia._pydantic")?.call_method1("schema", (class,))
}
