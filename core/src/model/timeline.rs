//! A conversation as a screen shows it, and what changes on it.

use serde::{Deserialize, Serialize};

use super::error::ErrorInfo;
use super::message::{ConversationSummary, Message};
use super::part::Part;
use super::turn::Delivery;
use crate::base::{MessageId, TurnId};

/// One row of a timeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TimelineItem {
    /// Names the row as long as it is there, whatever becomes of it: what is sent has one id from the moment it is said, an
    /// answer from before its first word. That of a message is the message's.
    pub id: String,
    /// What the row shows.
    #[serde(flatten)]
    pub kind: TimelineItemKind,
}

/// What a row of a timeline shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimelineItemKind {
    /// A message. Its status is `pending` as long as it is not saved, and `streaming` while it is being written.
    Message {
        /// The message.
        message: Box<Message>,
        /// How far it got, for what a user sent; nothing for everything else.
        delivery: Option<Delivery>,
        /// Why it was not saved, or why its turn rests without an answer.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        error: Option<Box<ErrorInfo>>,
    },
    /// Another day begins.
    DayDivider {
        /// The day, as `2026-11-22`.
        day: String,
    },
    /// What follows was not read yet.
    UnreadMarker,
    /// An answer is on its way, and no word of it is there. The row becomes that answer.
    Typing {
        /// The turn that is answered.
        turn_id: TurnId,
    },
    /// Messages follow that are not loaded.
    Gap,
}

/// Which part of a conversation a timeline shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimelineFocus {
    /// The newest messages, and what is said from now on.
    #[default]
    Live,
    /// This message, which must be on the branch that is shown, and those about it.
    Message {
        /// The message.
        id: MessageId,
    },
    /// The newest messages of the branch that ends with this one, whichever branch is shown. What follows it is not shown.
    Branch {
        /// The last message.
        head: MessageId,
    },
}

/// One change of a list of rows. Those of a batch are applied one after the other; each counts its places (from 0) in the
/// list as the one before it has left it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimelineDiff<T = TimelineItem> {
    /// These rows come at the end.
    Append {
        /// The rows.
        items: Vec<T>,
    },
    /// All rows go.
    Clear,
    /// This row comes before all others.
    PushFront {
        /// The row.
        item: T,
    },
    /// This row comes behind all others.
    PushBack {
        /// The row.
        item: T,
    },
    /// The first row goes.
    PopFront,
    /// The last row goes.
    PopBack,
    /// This row comes to this place; those from there on move by one.
    Insert {
        /// The place.
        index: usize,
        /// The row.
        item: T,
    },
    /// This row takes the place of the one that stands there.
    Set {
        /// The place.
        index: usize,
        /// The row.
        item: T,
    },
    /// The row at this place goes.
    Remove {
        /// The place.
        index: usize,
    },
    /// Only so many rows stay, from the first on.
    Truncate {
        /// How many.
        length: usize,
    },
    /// These are the rows, whatever there was.
    Reset {
        /// The rows.
        items: Vec<T>,
    },
    /// Words come behind those of one part of a message. Lengths count characters (Unicode scalar values).
    AppendText {
        /// The place of the row.
        index: usize,
        /// The part of the message: words, thoughts or a refusal.
        part_index: usize,
        /// How long the part was before.
        from: usize,
        /// The words that come.
        text: String,
        /// So much of the part, counted with these words, is whole Markdown blocks that nothing will change which follows:
        /// only what stands behind has to be read anew. Links whose address is given further down are the exception.
        stable_prefix: usize,
    },
}

impl<T> TimelineDiff<T> {
    /// The same change of a list whose rows are made of these.
    pub(crate) fn map<'a, U>(&'a self, mut row: impl FnMut(&'a T) -> U) -> TimelineDiff<U> {
        match *self {
            Self::Append { ref items } => TimelineDiff::Append { items: items.iter().map(row).collect() },
            Self::Clear => TimelineDiff::Clear,
            Self::PushFront { ref item } => TimelineDiff::PushFront { item: row(item) },
            Self::PushBack { ref item } => TimelineDiff::PushBack { item: row(item) },
            Self::PopFront => TimelineDiff::PopFront,
            Self::PopBack => TimelineDiff::PopBack,
            Self::Insert { index, ref item } => TimelineDiff::Insert { index, item: row(item) },
            Self::Set { index, ref item } => TimelineDiff::Set { index, item: row(item) },
            Self::Remove { index } => TimelineDiff::Remove { index },
            Self::Truncate { length } => TimelineDiff::Truncate { length },
            Self::Reset { ref items } => TimelineDiff::Reset { items: items.iter().map(row).collect() },
            Self::AppendText { index, part_index, from, ref text, stable_prefix } => {
                TimelineDiff::AppendText { index, part_index, from, text: text.clone(), stable_prefix }
            }
        }
    }

    /// Makes the change in a list of rows; `grow` gives one of them words.
    pub(crate) fn lay(self, rows: &mut Vec<T>, grow: impl FnOnce(&mut T, usize, &str)) {
        match self {
            Self::Append { items } => rows.extend(items),
            Self::Clear => rows.clear(),
            Self::PushFront { item } => rows.insert(0, item),
            Self::PushBack { item } => rows.push(item),
            Self::PopFront => drop(rows.remove(0)),
            Self::PopBack => drop(rows.pop()),
            Self::Insert { index, item } => rows.insert(index, item),
            Self::Set { index, item } => rows[index] = item,
            Self::Remove { index } => drop(rows.remove(index)),
            Self::Truncate { length } => rows.truncate(length),
            Self::Reset { items } => *rows = items,
            Self::AppendText { index, part_index, text, .. } => grow(&mut rows[index], part_index, &text),
        }
    }
}

impl TimelineDiff<TimelineItem> {
    /// Makes the change in a list of rows, which must be as the changes before have left it; panics for a place that it
    /// does not have.
    pub fn apply(self, rows: &mut Vec<TimelineItem>) {
        self.lay(rows, |row, part, text| {
            if let TimelineItemKind::Message { message, .. } = &mut row.kind
                && let Some(words) = message.parts.get_mut(part).and_then(Part::words_mut)
            {
                words.push_str(text);
            }
        });
    }
}

impl TimelineDiff<ConversationSummary> {
    /// Makes the change in a list of conversations, which must be as the changes before have left it; panics for a place
    /// that it does not have.
    pub fn apply(self, rows: &mut Vec<ConversationSummary>) {
        self.lay(rows, |_, _, _| {});
    }
}
