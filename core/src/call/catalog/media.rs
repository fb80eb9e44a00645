//! How much of pictures, sounds and documents a provider takes.

use serde::{Deserialize, Serialize};

/// How much of pictures, sounds and documents a provider takes in one request, as its documentation says. Bytes are
/// counted as they travel, which is in base64: four for every three of the file. What is left out is not known, and
/// not limited here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MediaLimits {
    /// One picture.
    pub image_base64_bytes: Option<u64>,
    /// One sound.
    pub audio_base64_bytes: Option<u64>,
    /// One document.
    pub file_base64_bytes: Option<u64>,
    /// All of them together.
    pub request_base64_bytes: Option<u64>,
}
