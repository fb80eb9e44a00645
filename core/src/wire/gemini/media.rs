//! Pictures, sounds and documents: bytes go along in base64, everything else by its address.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::request::{Blob, Data, FileData};
use super::unsupported;
use crate::model::{Error, Media, MediaSource, Result};
use crate::wire::{Target, mime};

/// The media as the API takes it.
pub(super) fn data<'a>(media: &'a Media, target: &Target<'_>) -> Result<Data<'a>> {
    let named = media.mime_type.as_deref();
    match &media.source {
        MediaSource::Data { data } => {
            let mime_type = named.or_else(|| mime::guess(data)).ok_or_else(|| {
                unsupported("this provider wants to be told what media are: give the `mime_type`, as `image/png`")
            })?;
            Ok(Data::Inline(Blob { mime_type: usual(mime_type), data: Cow::Owned(STANDARD.encode(data)) }))
        }
        MediaSource::Url { url } => match url.strip_prefix("data:") {
            Some(rest) => of_data_url(rest),
            None if ["https://", "gs://"].iter().any(|scheme| url.starts_with(scheme)) => {
                let mime_type = named.or_else(|| of_ending(url)).map(usual);
                Ok(Data::File(FileData { mime_type, file_uri: Cow::Borrowed(url) }))
            }
            None => Err(unsupported("this provider fetches `https://` and `gs://` URLs only: send the bytes")),
        },
        MediaSource::ProviderFile { provider, id } if provider == target.provider => {
            // A file goes by its address; its name is the end of it.
            let file_uri = match id.starts_with("files/") {
                true => Cow::Owned(format!("{}/{id}", target.base_url.to_string().trim_end_matches('/'))),
                false => Cow::Borrowed(id.as_str()),
            };
            Ok(Data::File(FileData { mime_type: named.map(usual), file_uri }))
        }
        MediaSource::ProviderFile { .. } => {
            Err(unsupported("the file was handed to another provider: send its bytes or a URL"))
        }
        _ => Err(Error::internal("media reached the wire before its bytes were read")),
    }
}

/// `data:` URLs: nobody can fetch them, so what they hold goes along.
fn of_data_url(rest: &str) -> Result<Data<'_>> {
    let (head, data) = rest.split_once(',').ok_or_else(|| unsupported("a `data:` URL without data"))?;
    let mime_type = head.strip_suffix(";base64").ok_or_else(|| unsupported("`data:` URLs must be in base64"))?;
    Ok(Data::Inline(Blob { mime_type: usual(mime_type), data: Cow::Borrowed(data) }))
}

fn usual(mime: &str) -> Cow<'_, str> {
    Cow::Borrowed(if mime.eq_ignore_ascii_case("image/jpg") { "image/jpeg" } else { mime })
}

/// What the last letters of an address say it is: the provider does not look for itself.
fn of_ending(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    let ending = path.rsplit('/').next()?.rsplit_once('.')?.1.to_ascii_lowercase();
    Some(match ending.as_str() {
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "webp" => "image/webp",
        "gif" => "image/gif",
        "heic" => "image/heic",
        "pdf" => "application/pdf",
        "txt" => "text/plain",
        "mp3" => "audio/mpeg",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        _ => return None,
    })
}
