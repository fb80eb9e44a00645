//! The events of a draft as they stand in its pieces, and the way from the pieces to a message.

use serde::{Deserialize, Serialize};

use super::content::{Content, MAX_CONTENT_BYTES};
use crate::model::{Error, ReplyDraft, Result, StreamEventKind};

/// One event in a piece of a draft: `{"part_index":0,"type":"text","delta":"…"}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DraftEvent {
    /// The part of the answer it belongs to, from 0.
    pub part_index: i32,
    /// What happened.
    #[serde(flatten)]
    pub kind: StreamEventKind,
}

impl DraftEvent {
    /// Writes events as the data of a [`DraftChunk`](super::DraftChunk).
    ///
    /// # Errors
    /// `Internal` when they cannot be written as JSON.
    pub fn encode(events: &[Self]) -> Result<bytes::Bytes> {
        serde_json::to_vec(events)
            .map(Into::into)
            .map_err(|_| Error::internal("the events of a draft could not be written as JSON"))
    }
}

/// So far the numbers of a turn leap when its process is gone. Readers may have heard events behind the last draft, whose
/// numbers nobody wrote down; what comes after is numbered behind all of them, so that no number ever names two events. A
/// reply has fewer events than this.
pub(super) const UNHEARD_OF: i64 = 1 << 32;

/// Folds the pieces of a draft, in their order, into what a message can hold.
///
/// Recovery must end whatever it finds, so what cannot be kept is left out: a piece that cannot be read, all after
/// the greatest length of a message, bytes that did not become attachments before their process died.
pub(super) fn fold<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Content> {
    let mut draft = ReplyDraft::new();
    let mut length = 0;
    for chunk in chunks {
        // A part is never longer than the events it is folded from.
        length += chunk.len();
        if length > MAX_CONTENT_BYTES {
            tracing::warn!(target: "tertulia::store", operation = "recover", "a draft was too long for a message; its end is lost");
            break;
        }
        match serde_json::from_slice::<Vec<DraftEvent>>(chunk) {
            Ok(events) => events.iter().for_each(|event| draft.push_kind(event.part_index, &event.kind)),
            Err(_) => {
                tracing::warn!(target: "tertulia::store", operation = "recover", "a piece of a draft could not be read and is lost")
            }
        }
    }
    let mut parts = draft.into_parts();
    Content::encode(&parts).or_else(|_| {
        parts.retain(|part| Content::encode(std::slice::from_ref(part)).is_ok());
        Content::encode(&parts)
    })
}
