//! What becomes of a conversation's own fields.

use std::collections::HashMap;
use std::time::Duration;

use crate::store;

/// Changes of a conversation. What is left out stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, uniffi::Record)]
pub struct ConversationChange {
    /// Its title.
    #[uniffi(default)]
    pub title: Option<TextChange>,
    /// Instructions that stand before its messages.
    #[uniffi(default)]
    pub system: Option<TextChange>,
    /// The model it speaks with, as `provider/model`.
    #[uniffi(default)]
    pub model: Option<TextChange>,
    /// What the host puts beside it, in place of what stood there; at most 8 KiB.
    #[uniffi(default)]
    pub metadata: Option<HashMap<String, String>>,
    /// Whether it stands before all others in lists.
    #[uniffi(default)]
    pub pinned: Option<bool>,
    /// Whether lists leave it out unless it is asked for.
    #[uniffi(default)]
    pub archived: Option<bool>,
    /// How long it stays from now on.
    #[uniffi(default)]
    pub expiry: Option<Expiry>,
    /// What it can be found by in a list, in place of what it was found by before: at most 32, each of 1 to 64 characters.
    #[uniffi(default)]
    pub tags: Option<Vec<String>>,
}

impl From<ConversationChange> for store::ConversationChange {
    fn from(change: ConversationChange) -> Self {
        let ConversationChange { title, system, model, metadata, pinned, archived, expiry, tags } = change;
        Self {
            title: title.map(TextChange::into),
            system: system.map(TextChange::into),
            model: model.map(TextChange::into),
            metadata,
            pinned,
            archived,
            expires_in: expiry.map(|expiry| match expiry {
                Expiry::In { ms } => Some(length(ms)),
                Expiry::Never => None,
            }),
            tags,
        }
    }
}

/// What becomes of a text that need not be there.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum TextChange {
    /// It is this from now on.
    Set {
        /// The text.
        text: String,
    },
    /// There is none any more.
    Clear,
}

impl From<TextChange> for Option<String> {
    fn from(change: TextChange) -> Self {
        match change {
            TextChange::Set { text } => Some(text),
            TextChange::Clear => None,
        }
    }
}

/// How long a conversation stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Expiry {
    /// From now on so long, whatever is said in it; then it is gone with everything in it.
    In {
        /// In milliseconds; at least 1.
        ms: i64,
    },
    /// Until it is deleted.
    Never,
}

/// A length of time. Below 0 is refused as 0 is.
pub(super) fn length(ms: i64) -> Duration {
    Duration::from_millis(u64::try_from(ms).unwrap_or(0))
}
