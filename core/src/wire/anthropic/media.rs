//! Pictures and documents as sources of blocks.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::request::{BlockKind, ResultBlock, Source};
use super::unsupported;
use crate::model::{Error, Media, MediaSource, Result};
use crate::wire::mime;

const PICTURES: [&str; 4] = ["image/jpeg", "image/png", "image/gif", "image/webp"];
const PDF: &str = "application/pdf";

/// A picture or a document, not yet in the shape of its place.
pub(super) struct MediaBlock<'a> {
    is_picture: bool,
    source: Source<'a>,
    title: Option<&'a str>,
}

impl<'a> MediaBlock<'a> {
    pub(super) fn is_provider_file(&self) -> bool {
        matches!(self.source, Source::File { .. })
    }

    pub(super) fn into_kind(self) -> BlockKind<'a> {
        match self.is_picture {
            true => BlockKind::Image { source: self.source },
            false => BlockKind::Document { source: self.source, title: self.title },
        }
    }

    pub(super) fn into_result(self) -> ResultBlock<'a> {
        match self.is_picture {
            true => ResultBlock::Image { source: self.source },
            false => ResultBlock::Document { source: self.source, title: self.title },
        }
    }
}

/// The picture or document as the API takes it. `is_picture` says what it is where nothing else does.
pub(super) fn block<'a>(media: &'a Media, is_picture: bool, provider: &str) -> Result<MediaBlock<'a>> {
    let mime = media.mime_type.as_deref();
    let (is_picture, source) = match &media.source {
        MediaSource::Data { data } => of_bytes(&mime_of(media, data), data)?,
        MediaSource::Url { url } => match url.strip_prefix("data:") {
            Some(rest) => of_data_url(rest)?,
            None => of_url(url, mime, is_picture)?,
        },
        MediaSource::ProviderFile { provider: owner, id } if owner == provider => {
            (mime.map_or(is_picture, |mime| mime.starts_with("image/")), Source::File { file_id: id })
        }
        MediaSource::ProviderFile { .. } => {
            return Err(unsupported("the file was handed to another provider: send its bytes or a URL"));
        }
        _ => return Err(Error::internal("media reached the wire before its bytes were read")),
    };
    Ok(MediaBlock { is_picture, source, title: media.name.as_deref() })
}

fn of_bytes<'a>(mime: &str, data: &'a [u8]) -> Result<(bool, Source<'a>)> {
    if is_text(mime) {
        return match std::str::from_utf8(data) {
            Ok(data) => Ok((false, Source::Text { media_type: "text/plain", data })),
            Err(_) => Err(unsupported("a text document must be UTF-8")),
        };
    }
    let (is_picture, media_type) = encodable(mime)?;
    let data = Cow::Owned(STANDARD.encode(data));
    Ok((is_picture, Source::Base64 { media_type: Cow::Borrowed(media_type), data }))
}

/// `data:` URLs: nobody can fetch them, so what they hold goes along.
fn of_data_url(rest: &str) -> Result<(bool, Source<'_>)> {
    let (head, data) = rest.split_once(',').ok_or_else(|| unsupported("a `data:` URL without data"))?;
    let mime = head.strip_suffix(";base64").ok_or_else(|| unsupported("`data:` URLs must be in base64"))?;
    let (is_picture, media_type) = encodable(&bare(mime))?;
    Ok((is_picture, Source::Base64 { media_type: Cow::Borrowed(media_type), data: Cow::Borrowed(data) }))
}

fn of_url<'a>(url: &'a str, mime: Option<&str>, is_picture: bool) -> Result<(bool, Source<'a>)> {
    if !url.starts_with("https://") {
        return Err(unsupported("this provider fetches `https://` URLs only: send the bytes"));
    }
    let is_picture = match mime.map(bare).as_deref() {
        None => is_picture,
        Some(PDF) => false,
        Some(mime) if mime.starts_with("image/") => true,
        Some(_) => return Err(unsupported("this provider fetches pictures and PDF only: send the bytes")),
    };
    Ok((is_picture, Source::Url { url }))
}

/// What may go along in base64: whether it is a picture, and its type in the API's words.
fn encodable(mime: &str) -> Result<(bool, &'static str)> {
    if mime == PDF {
        return Ok((false, PDF));
    }
    let mime = if mime == "image/jpg" { "image/jpeg" } else { mime };
    PICTURES
        .into_iter()
        .find(|picture| *picture == mime)
        .map(|picture| (true, picture))
        .ok_or_else(|| unsupported("this provider reads JPEG, PNG, GIF, WebP, PDF and text: convert the file"))
}

fn is_text(mime: &str) -> bool {
    mime.starts_with("text/")
        || ["application/json", "application/xml", "application/yaml", "application/x-yaml"].contains(&mime)
}

/// The type without its parameters.
fn bare(mime: &str) -> String {
    mime.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// What the caller says it is, or else what its first bytes tell.
fn mime_of(media: &Media, data: &[u8]) -> String {
    media.mime_type.as_deref().or_else(|| mime::guess(data)).map(bare).unwrap_or_default()
}
