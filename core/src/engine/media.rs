//! Which pictures, sounds and documents may go along: planned for the provider before anything is stored or sent.
//!
//! A file that the provider refuses would stand in the conversation and be refused again with every later message. So
//! a new message with such a file is refused before it is saved; and where an older message holds one, because the
//! conversation has moved to another model, a line says in its place that it was left out.

use std::sync::Arc;

use super::content::MAX_MEDIA_BYTES;
use crate::call::{CallTarget, MediaLimits};
use crate::model::{Capabilities, Error, Media, MediaSource, Part, Result};

/// The most that goes along in one request, in bytes, whatever the provider takes. The newest message's own always do.
const MAX_FILE_BYTES: u64 = 2 * MAX_MEDIA_BYTES;

/// What one model at one provider takes.
#[derive(Clone, Debug)]
pub(super) struct MediaPlan {
    limits: MediaLimits,
    can: Capabilities,
    model: Arc<str>,
}

/// What a medium is to a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MediaKind {
    Picture,
    Sound,
    Document,
}

impl MediaKind {
    /// What this is, by its type, or where nobody named one, by the part it stands in.
    pub(super) fn of(media: &Media, stands_in: Self) -> Self {
        match media.mime_type.as_deref() {
            Some(mime) if mime.starts_with("image/") => Self::Picture,
            Some(mime) if mime.starts_with("audio/") => Self::Sound,
            Some(_) => Self::Document,
            None => stands_in,
        }
    }

    /// What the media of this part are when nobody says so.
    pub(super) fn of_part(part: &Part) -> Self {
        match part {
            Part::Image { .. } => Self::Picture,
            Part::Audio { .. } => Self::Sound,
            _ => Self::Document,
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Picture => "pictures",
            Self::Sound => "sounds",
            Self::Document => "documents",
        }
    }
}

impl MediaPlan {
    /// What this target takes.
    pub(super) fn of(target: &CallTarget) -> Self {
        let can = target.info.as_ref().map(|info| info.capabilities.clone()).unwrap_or_default();
        Self { limits: target.entry.media, can, model: target.name().clone() }
    }

    /// A plan with room for so many bytes of files, a multiple of 3.
    #[cfg(test)]
    pub(super) fn with_room(bytes: u64) -> Self {
        let limits = MediaLimits { request_base64_bytes: Some(bytes / 3 * 4), ..MediaLimits::default() };
        Self { limits, can: Capabilities::default(), model: "a/b".into() }
    }

    /// Refuses media of one request that this target does not take.
    ///
    /// # Errors
    /// `Invalid` (unsupported) when the model is known not to take them, `Invalid` (too_large) when they are too many
    /// bytes for the provider.
    pub(super) fn check<'a>(&self, parts: impl IntoIterator<Item = &'a Part>) -> Result<()> {
        let mut together = 0_u64;
        for part in parts {
            for media in all(part) {
                let kind = MediaKind::of(media, MediaKind::of_part(part));
                if !self.takes(kind, media) {
                    let detail = format!(
                        "the model `{}` takes no {}: leave them out, or ask another model; if the catalogue is wrong, \
                         describe the model in a provider of your own",
                        self.model,
                        kind.plural()
                    );
                    return Err(Error::invalid("unsupported", detail));
                }
                let bytes = encoded(media);
                if let Some(limit) = self.limit(kind).filter(|limit| bytes > *limit) {
                    return Err(self.too_large(kind.plural(), "each", bytes, limit));
                }
                together = bytes.saturating_add(together);
            }
        }
        match self.limits.request_base64_bytes {
            Some(limit) if together > limit => Err(self.too_large("files", "in one request", together, limit)),
            _ => Ok(()),
        }
    }

    fn too_large(&self, what: &str, of: &str, bytes: u64, limit: u64) -> Error {
        let detail = format!(
            "the provider of `{}` takes {what} of at most {limit} bytes {of} as base64, these are {bytes}: make them \
             smaller, or give a URL",
            self.model
        );
        Error::invalid("too_large", detail)
    }

    /// The line that stands in the place of an older medium that this target does not take.
    pub(super) fn leaves_out(&self, kind: MediaKind, media: &Media) -> Option<&'static str> {
        if !self.takes(kind, media) {
            return Some(match kind {
                MediaKind::Picture => "[a picture was left out here: this model takes none]",
                MediaKind::Sound => "[a sound was left out here: this model takes none]",
                MediaKind::Document => "[a document was left out here: this model takes none]",
            });
        }
        let too_large = self.limit(kind).is_some_and(|limit| encoded(media) > limit);
        too_large.then_some("[a file was left out here: it is too large for this model]")
    }

    /// How many bytes of files, not yet in base64, go along in one request.
    pub(super) fn room(&self) -> usize {
        let bytes = self.limits.request_base64_bytes.map_or(u64::MAX, |limit| limit / 4 * 3).min(MAX_FILE_BYTES);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// False when the model is known not to take such media. Text is read by all.
    fn takes(&self, kind: MediaKind, media: &Media) -> bool {
        let is_text = media.mime_type.as_deref().is_some_and(|mime| mime.starts_with("text/"));
        let can = match kind {
            MediaKind::Picture => self.can.images,
            MediaKind::Sound => self.can.audio,
            MediaKind::Document => self.can.files,
        };
        is_text || can != Some(false)
    }

    fn limit(&self, kind: MediaKind) -> Option<u64> {
        match kind {
            MediaKind::Picture => self.limits.image_base64_bytes,
            MediaKind::Sound => self.limits.audio_base64_bytes,
            MediaKind::Document => self.limits.file_base64_bytes,
        }
    }
}

fn all(part: &Part) -> &[Media] {
    match part {
        Part::Image { media } | Part::Audio { media } | Part::File { media } => std::slice::from_ref(media),
        Part::ToolResult { result } => &result.media,
        _ => &[],
    }
}

/// How many bytes of a file that stands in the message itself go along, not yet in base64; nothing for one that is
/// kept apart, or that the provider fetches.
pub(super) fn in_hand(media: &Media) -> Option<usize> {
    match &media.source {
        MediaSource::Data { data } => Some(data.len()),
        MediaSource::Url { url } => Some(url.strip_prefix("data:")?.len() / 4 * 3),
        _ => None,
    }
}

/// How many bytes go along for it as base64: none for what the provider fetches itself.
fn encoded(media: &Media) -> u64 {
    let bytes = match &media.source {
        MediaSource::Data { data } => data.len() as u64,
        MediaSource::Attachment { .. } => media.size_bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0),
        MediaSource::Url { url } => return url.strip_prefix("data:").map_or(0, |data| data.len() as u64),
        _ => 0,
    };
    bytes.div_ceil(3) * 4
}
