//! What pictures, sounds and documents come to at most, by the providers' own rules.

use crate::model::{Media, MediaSource};

/// A picture for Claude: at most 4,784 tokens, whatever its size.
const CLAUDE_IMAGE: i64 = 5_000;
/// A picture for Gemini: 16 tiles of 258 tokens, or 2,240 at the finest setting.
const GEMINI_IMAGE: i64 = 5_000;
/// A picture for `gpt-4o-mini`: 2,833 tokens and 5,667 for each of at most 8 tiles.
const GPT_4O_MINI_IMAGE: i64 = 50_000;
/// A picture for anybody else: 10,000 patches at the finest setting of OpenAI, 16,384 tokens of Qwen.
const IMAGE: i64 = 20_000;
/// A page of a document: its words, at most 3,000 tokens, and its picture.
const PAGE_TEXT: i64 = 3_000;
/// No provider takes more pages.
const MAX_PAGES: i64 = 1_000;
/// A page that cannot be counted has at least this many bytes of its file.
const PAGE_BYTES: i64 = 2_048;
/// Sound: Gemini counts 32 tokens a second, and the thinnest recording has 600 bytes a second.
const AUDIO_BYTES_A_TOKEN: i64 = 16;
/// Moving pictures: 300 tokens a second, and no picture moves in fewer than 1,000 bytes a second.
const VIDEO_BYTES_A_TOKEN: i64 = 3;
/// What nobody here has seen: its bytes are elsewhere.
const UNSEEN: i64 = 200_000;
/// A sound or film has at least this many.
const LEAST: i64 = 1_024;

/// A picture.
pub(super) fn image(model: &str, media: &Media) -> i64 {
    if is(media, "video/") { file(model, media) } else { picture(model) }
}

fn picture(model: &str) -> i64 {
    let model = model.to_ascii_lowercase();
    if model.contains("claude") {
        CLAUDE_IMAGE
    } else if model.contains("gemini") {
        GEMINI_IMAGE
    } else if model.contains("gpt-4o-mini") {
        GPT_4O_MINI_IMAGE
    } else {
        IMAGE
    }
}

/// A sound.
pub(super) fn audio(media: &Media) -> i64 {
    bytes(media).map_or(UNSEEN, |bytes| LEAST + bytes / AUDIO_BYTES_A_TOKEN)
}

/// A document, or whatever else is sent as a file.
pub(super) fn file(model: &str, media: &Media) -> i64 {
    if is(media, "image/") {
        return image(model, media);
    }
    if is(media, "audio/") {
        return audio(media);
    }
    let Some(size) = bytes(media) else { return UNSEEN };
    if is(media, "video/") {
        return LEAST + size / VIDEO_BYTES_A_TOKEN;
    }
    match &media.source {
        MediaSource::Data { data } if data.starts_with(b"%PDF") => {
            let pages = pages(data).unwrap_or(size / PAGE_BYTES + 1).min(MAX_PAGES);
            pages.saturating_mul(PAGE_TEXT + picture(model))
        }
        // Plain text is its bytes; what is packed may be twice as long.
        _ if is(media, "text/") || is(media, "application/json") => LEAST.saturating_add(size),
        _ => LEAST.saturating_add(size.saturating_mul(2)),
    }
}

fn is(media: &Media, kind: &str) -> bool {
    media.mime_type.as_deref().is_some_and(|mime| mime.to_ascii_lowercase().starts_with(kind))
}

/// How many bytes it has, when they are in hand or were counted.
fn bytes(media: &Media) -> Option<i64> {
    match &media.source {
        MediaSource::Data { data } => i64::try_from(data.len()).ok(),
        // The bytes are beside their name in base64, or in percent signs.
        MediaSource::Url { url } if url.starts_with("data:") => i64::try_from(url.len()).ok(),
        MediaSource::Url { .. } | MediaSource::ProviderFile { .. } => None,
        MediaSource::Path { .. } | MediaSource::Attachment { .. } => media.size_bytes.filter(|size| *size >= 0),
    }
}

/// The pages of a PDF; nothing when they are packed away and cannot be counted.
fn pages(pdf: &[u8]) -> Option<i64> {
    let is_packed = pdf.windows(7).any(|at| at == b"/ObjStm");
    if is_packed {
        return None;
    }
    // `/Type /Page`, with any white space between, but not `/Type /Pages`.
    let mut count = 0;
    for at in pdf.windows(5).enumerate().filter(|(_, word)| *word == b"/Type").map(|(at, _)| at + 5) {
        let rest = pdf.get(at..).unwrap_or_default().trim_ascii_start();
        let ends = |next: Option<&u8>| next.is_none_or(|byte| !byte.is_ascii_alphanumeric());
        if rest.strip_prefix(b"/Page").is_some_and(|after| ends(after.first())) {
            count += 1;
        }
    }
    (count > 0).then_some(count)
}
