//! Pictures, sounds and documents, and where their bytes are.

use pyo3::prelude::*;
use tertulia::model::{Citation as CitationRecord, Media as MediaRecord, MediaSource};

use super::class::Value;
use crate::convert::{Fields, FromPython, InItem, OutItem, Place, ToPython, invalid};

values! {
    /// Bytes that are no text.
    Media(record MediaRecord) { source, mime_type, name, size_bytes }
    matches(source, mime_type) shows(source, mime_type) hashes(mime_type, name, size_bytes)

    /// Where words come from.
    Citation(record CitationRecord) { start, end, url, title, quote }
    matches(start, end, url) shows(start, end, url) hashes(start, end, url)

    /// A file on this machine.
    PathSource(source MediaSource::Path, "path") { path } matches(path) shows(path) hashes(path)

    /// Bytes in hand.
    DataSource(source MediaSource::Data, "data") { data } matches(data) shows(size_bytes) hashes(data)
    + {
        /// How many bytes.
        #[getter]
        fn size_bytes(&self) -> usize {
            if let MediaSource::Data { data } = self.0.get() { data.len() } else { 0 }
        }
    }

    /// A URL that the provider fetches.
    UrlSource(source MediaSource::Url, "url") { url } matches(url) shows(url) hashes(url)

    /// Bytes that the store holds.
    AttachmentSource(source MediaSource::Attachment, "attachment") { id } matches(id) shows(id) hashes(id)

    /// A file that was handed to the provider before.
    ProviderFileSource(source MediaSource::ProviderFile, "provider_file") { provider, id }
    matches(provider, id) shows(provider, id) hashes(provider, id)
}

/// The class, for who tells it from parts.
pub(super) use Media as MediaValue;

records!(Media = MediaRecord, Citation = CitationRecord);

impl OutItem for MediaRecord {}
impl InItem for MediaRecord {}
impl OutItem for CitationRecord {}
impl InItem for CitationRecord {}

macro_rules! sources {
    ($($class:ident $variant:ident $tag:literal),*) => {
        impl ToPython for MediaSource {
            fn to_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
                match self {
                    $(Self::$variant { .. } => Ok(Bound::new(py, $class::own(self.clone()))?.into_any()),)*
                    other => crate::convert::plain(py, other),
                }
            }
        }

        impl FromPython for MediaSource {
            fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
                $(if let Ok(source) = value.cast::<$class>() {
                    return Ok(source.get().0.get().clone());
                })*
                let fields = Fields::of_dict(value, *at, "a source or a dict")?;
                let tag: String = fields.take("type")?;
                match tag.as_str() {
                    $($tag => {
                        let known: Vec<&str> = $class::FIELDS.iter().copied().chain(["type"]).collect();
                        fields.only(&known)?;
                        $class::build(&fields)
                    })*
                    _ => Err(invalid(value.py(), "unknown_word", format!("{at}.type must be one of {:?}", [$($tag),*]))),
                }
            }
        }
    };
}

sources!(
    PathSource Path "path", DataSource Data "data", UrlSource Url "url", AttachmentSource Attachment "attachment",
    ProviderFileSource ProviderFile "provider_file"
);
