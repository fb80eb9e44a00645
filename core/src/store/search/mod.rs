//! Full-text search, as far as it is the same for every backend: what a word is, what a query asks for, where a message
//! says it, and how well it fits.

mod query;
mod rank;
mod snippet;
mod words;

#[cfg(test)]
mod tests;

#[cfg(feature = "sqlite")]
pub(super) use query::Phrase;
pub(super) use query::Query;
pub(super) use rank::{Has, Rank};
pub(super) use snippet::snippet;
#[cfg(feature = "sqlite")]
pub(super) use words::GAP;
pub(super) use words::cut;

use crate::model::{MessageStatus, Part, Role};

/// So many of the newest messages found are ranked.
pub(super) const MAX_RANKED: usize = 2_000;

/// So many bytes of a message's words can be found.
const MAX_TEXT_BYTES: usize = 1 << 20;

/// True when a message like this can be found: what tools answered, what is being written and what was deleted cannot.
pub(super) const fn is_found(role: Role, status: MessageStatus) -> bool {
    !matches!(role, Role::Tool) && !matches!(status, MessageStatus::Streaming | MessageStatus::Deleted)
}

/// What of a message can be found: its words and refusals, the first mebibyte of them. Neither thoughts nor tools.
pub(super) fn searchable(parts: &[Part]) -> String {
    let mut all = String::new();
    for part in parts {
        if let Part::Text { text, .. } | Part::Refusal { text } = part {
            if !all.is_empty() {
                all.push('\n');
            }
            all.push_str(text);
        }
        if all.len() > MAX_TEXT_BYTES {
            let end = (0..=MAX_TEXT_BYTES).rev().find(|at| all.is_char_boundary(*at));
            all.truncate(end.unwrap_or_default());
            break;
        }
    }
    all
}
