//! What a caller says: text, parts, pictures, messages, in Python's own shapes.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyString, PyTuple};
use tertulia::Json;
use tertulia::model::{Media, NewMessage, OutputSchema, Part, PromptCache, Role, ToolChoice};

use crate::convert::{Fields, FromPython, InItem, Place, ToPython, invalid, json, text, wrong_type};

/// The parts of a message: a str, a part, or a list of both.
pub(crate) fn parts(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Vec<Part>> {
    if value.is_instance_of::<PyList>() || value.is_instance_of::<PyTuple>() {
        Vec::from_python(value, at)
    } else {
        Ok(vec![Part::from_python(value, at)?])
    }
}

impl InItem for NewMessage {}

/// `{"role": …, "content": …}` as everybody writes it, or with `parts` as `to_dict` does, or a stored message.
impl FromPython for NewMessage {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        if let Ok(message) = value.cast::<crate::values::Message>() {
            let message = message.get().0.get();
            return Ok(Self { role: message.role, parts: message.parts.clone(), metadata: message.metadata.clone() });
        }
        if let Ok(message) = value.cast::<crate::values::ChatMessage>() {
            return Ok(message.get().0.get().clone());
        }
        let fields = Fields::of_dict(value, *at, "a dict with 'role' and 'content', or a Message")?;
        fields.only(&["role", "content", "parts", "metadata"])?;
        let role: Role = fields.take("role")?;
        let place = at.field("content");
        let parts = match (fields.raw("content")?, fields.raw("parts")?) {
            (Some(content), None) => parts(&content, &place)?,
            (None, Some(_)) => fields.take("parts")?,
            _ => return Err(invalid(value.py(), "missing", format!("{at} needs 'content'"))),
        };
        Ok(Self { role, parts, metadata: fields.take("metadata")? })
    }
}

/// `"auto"`, `"never"`, `"required"`, or the name of a tool as `{"name": …}`.
impl FromPython for ToolChoice {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        let Ok(word) = value.cast::<PyString>() else {
            let fields = Fields::of_dict(value, *at, "'auto', 'never', 'required' or {'name': …}")?;
            if let Some(named) = fields.raw("tool")? {
                return Self::from_python(&named, at); // the plain form
            }
            fields.only(&["name"])?;
            return Ok(Self::Tool { name: fields.take("name")? });
        };
        match text(word, at)? {
            "auto" => Ok(Self::Auto),
            "never" => Ok(Self::Never),
            "required" => Ok(Self::Required),
            _ => {
                let detail = format!("{at} must be one of 'auto', 'never', 'required', or {{'name': …}} for one tool");
                Err(invalid(value.py(), "unknown_word", detail))
            }
        }
    }
}

/// A JSON schema, or `{"name", "schema", "strict"}`.
impl FromPython for OutputSchema {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        let fields = Fields::of_dict(value, *at, "a JSON schema as a dict")?;
        if fields.raw("schema")?.is_none() {
            return Ok(Self { name: "output".to_owned(), schema: json(value, at)?, strict: true });
        }
        fields.only(&["name", "schema", "strict"])?;
        Ok(Self {
            name: fields.take_or("name", "output".to_owned())?,
            schema: fields.take::<Json>("schema")?,
            strict: fields.take_or("strict", true)?,
        })
    }
}

/// `True`: instructions and tools; or a dict.
impl FromPython for PromptCache {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        if let Ok(system) = bool::from_python(value, at) {
            return Ok(Self { system, messages: Vec::new(), one_hour: false, key: None });
        }
        let fields = Fields::of_dict(value, *at, "a bool or a dict")?;
        fields.only(&["system", "messages", "one_hour", "key"])?;
        Ok(Self {
            system: fields.take_or("system", true)?,
            messages: fields.take("messages")?,
            one_hour: fields.take("one_hour")?,
            key: fields.take("key")?,
        })
    }
}

fn media(
    name: &str,
    path: Option<&Bound<'_, PyAny>>,
    data: Option<&Bound<'_, PyAny>>,
    url: Option<&Bound<'_, PyAny>>,
    mime_type: Option<String>,
    shown_name: Option<String>,
) -> PyResult<Media> {
    let mut media = match (path, data, url) {
        (Some(path), None, None) => {
            // `os.PathLike`, too.
            let path = path.py().import("os")?.call_method1("fspath", (path,))?;
            Media::path(String::from_python(&path, &Place::named("path"))?)
        }
        (None, Some(data), None) => {
            if data.is_instance_of::<PyString>() {
                return Err(wrong_type(&Place::named("data"), "bytes", data));
            }
            let data = Vec::from_python(data, &Place::named("data"))?;
            let Some(mime_type) = mime_type.clone() else {
                return Err(PyTypeError::new_err(format!("{name}(data=…) needs mime_type, for instance 'image/png'")));
            };
            let size = i64::try_from(data.len()).ok();
            Media { size_bytes: size, ..Media::data(data, mime_type) }
        }
        (None, None, Some(url)) => {
            if !url.is_instance_of::<PyString>() {
                return Err(wrong_type(&Place::named("url"), "a str", url));
            }
            Media::url(String::from_python(url, &Place::named("url"))?)
        }
        _ => return Err(PyTypeError::new_err(format!("{name}() takes exactly one of path, data and url"))),
    };
    media.mime_type = mime_type.or(media.mime_type);
    media.name = shown_name;
    Ok(media)
}

macro_rules! helpers {
    ($($(#[$doc:meta])* $name:ident),*) => {
        $(
            $(#[$doc])*
            #[pyfunction]
            #[pyo3(signature = (*, path=None, data=None, url=None, mime_type=None, name=None))]
            fn $name<'py>(
                py: Python<'py>,
                path: Option<&Bound<'py, PyAny>>,
                data: Option<&Bound<'py, PyAny>>,
                url: Option<&Bound<'py, PyAny>>,
                mime_type: Option<String>,
                name: Option<String>,
            ) -> PyResult<Bound<'py, PyAny>> {
                Part::$name(media(stringify!($name), path, data, url, mime_type, name)?).to_python(py)
            }
        )*

        /// Puts the helpers into the module.
        pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
            $(module.add_function(wrap_pyfunction!($name, module)?)?;)*
            Ok(())
        }
    };
}

helpers!(
    /// A picture: from a file, from bytes, or from a URL that the provider fetches.
    image,
    /// A sound: from a file, from bytes, or from a URL that the provider fetches.
    audio,
    /// A document: from a file, from bytes, or from a URL that the provider fetches.
    file
);
