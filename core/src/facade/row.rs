//! The rows of lists that change by themselves, and their changes.

use super::conversation_summary::ConversationSummary;
use super::error::ErrorInfo;
use super::id::id;
use super::message::Message;
use super::words::Delivery;
use crate::model;

/// One row of a timeline.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct TimelineItem {
    /// Names the row as long as it is there, whatever becomes of it: what is sent has one id from the moment it is said, an
    /// answer from before its first word. That of a message is the message's.
    pub id: String,
    /// What the row shows.
    pub kind: TimelineItemKind,
}

impl From<model::TimelineItem> for TimelineItem {
    fn from(item: model::TimelineItem) -> Self {
        let model::TimelineItem { id, kind } = item;
        Self { id, kind: kind.into() }
    }
}

/// What a row of a timeline shows.
#[derive(Clone, Debug, PartialEq, uniffi::Enum)]
#[expect(clippy::large_enum_variant, reason = "a border has no boxes, and nearly every row is a message")]
#[non_exhaustive]
pub enum TimelineItemKind {
    /// A message. Its status is `Pending` as long as it is not saved, and `Streaming` while it is being written.
    Message {
        /// The message.
        message: Message,
        /// How far it got, for what a user sent; nothing for everything else.
        delivery: Option<Delivery>,
        /// Why it was not saved, or why its turn rests without an answer.
        error: Option<ErrorInfo>,
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
        turn_id: String,
    },
    /// Messages follow that are not loaded.
    Gap,
}

impl From<model::TimelineItemKind> for TimelineItemKind {
    fn from(kind: model::TimelineItemKind) -> Self {
        match kind {
            model::TimelineItemKind::Message { message, delivery, error } => Self::Message {
                message: (*message).into(),
                delivery: delivery.map(Delivery::from),
                error: error.map(|error| (*error).into()),
            },
            model::TimelineItemKind::DayDivider { day } => Self::DayDivider { day },
            model::TimelineItemKind::UnreadMarker => Self::UnreadMarker,
            model::TimelineItemKind::Typing { turn_id } => Self::Typing { turn_id: turn_id.to_string() },
            model::TimelineItemKind::Gap => Self::Gap,
        }
    }
}

/// Which part of a conversation a timeline shows.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
#[non_exhaustive]
pub enum TimelineFocus {
    /// The newest messages, and what is said from now on.
    Live,
    /// This message, which must be on the branch that is shown, and those about it.
    Message {
        /// The message.
        id: String,
    },
    /// The newest messages of the branch that ends with this one, whichever branch is shown. What follows it is not shown.
    Branch {
        /// The last message.
        head: String,
    },
}

impl TimelineFocus {
    pub(super) fn taken(self, operation: &'static str) -> model::Result<model::TimelineFocus> {
        Ok(match self {
            Self::Live => model::TimelineFocus::Live,
            Self::Message { id: message } => model::TimelineFocus::Message { id: id(&message, operation)? },
            Self::Branch { head } => model::TimelineFocus::Branch { head: id(&head, operation)? },
        })
    }
}

/// The changes of a list, for a border without generics.
macro_rules! diffs {
    ($(#[$doc:meta])* $name:ident of $row:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, uniffi::Enum)]
        #[non_exhaustive]
        pub enum $name {
            /// These rows come at the end.
            Append {
                /// The rows.
                items: Vec<$row>,
            },
            /// All rows go.
            Clear,
            /// This row comes before all others.
            PushFront {
                /// The row.
                item: $row,
            },
            /// This row comes behind all others.
            PushBack {
                /// The row.
                item: $row,
            },
            /// The first row goes.
            PopFront,
            /// The last row goes.
            PopBack,
            /// This row comes to this place; those from there on move by one.
            Insert {
                /// The place.
                index: i32,
                /// The row.
                item: $row,
            },
            /// This row takes the place of the one that stands there.
            Set {
                /// The place.
                index: i32,
                /// The row.
                item: $row,
            },
            /// The row at this place goes.
            Remove {
                /// The place.
                index: i32,
            },
            /// Only so many rows stay, from the first on.
            Truncate {
                /// How many.
                length: i32,
            },
            /// These are the rows, whatever there was.
            Reset {
                /// The rows.
                items: Vec<$row>,
            },
            /// Words come behind those of one part of a message. Lengths count characters (Unicode scalar values). No row
            /// but one of a timeline's messages has words that grow.
            AppendText {
                /// The place of the row.
                index: i32,
                /// The part of the message: words, thoughts or a refusal.
                part_index: i32,
                /// How long the part was before.
                from: i32,
                /// The words that come.
                text: String,
                /// So much of the part, counted with these words, is whole Markdown blocks that nothing will change which
                /// follows: only what stands behind has to be read anew. Links whose address is given further down are the
                /// exception.
                stable_prefix: i32,
            },
        }

        impl From<model::TimelineDiff<model::$row>> for $name {
            fn from(diff: model::TimelineDiff<model::$row>) -> Self {
                use model::TimelineDiff as Inner;
                let rows = |items: Vec<model::$row>| items.into_iter().map($row::from).collect();
                match diff {
                    Inner::Append { items } => Self::Append { items: rows(items) },
                    Inner::Clear => Self::Clear,
                    Inner::PushFront { item } => Self::PushFront { item: item.into() },
                    Inner::PushBack { item } => Self::PushBack { item: item.into() },
                    Inner::PopFront => Self::PopFront,
                    Inner::PopBack => Self::PopBack,
                    Inner::Insert { index, item } => Self::Insert { index: number(index), item: item.into() },
                    Inner::Set { index, item } => Self::Set { index: number(index), item: item.into() },
                    Inner::Remove { index } => Self::Remove { index: number(index) },
                    Inner::Truncate { length } => Self::Truncate { length: number(length) },
                    Inner::Reset { items } => Self::Reset { items: rows(items) },
                    Inner::AppendText { index, part_index, from, text, stable_prefix } => Self::AppendText {
                        index: number(index),
                        part_index: number(part_index),
                        from: number(from),
                        text,
                        stable_prefix: number(stable_prefix),
                    },
                }
            }
        }
    };
}

diffs! {
    /// One change of a timeline. Those of a batch are applied one after the other; each counts its places (from 0) in the
    /// list as the one before it has left it.
    TimelineDiff of TimelineItem
}

diffs! {
    /// One change of a list of conversations, as of a timeline.
    ConversationDiff of ConversationSummary
}

/// A place or a length; none is as large as what does not fit.
fn number(of: usize) -> i32 {
    i32::try_from(of).unwrap_or(i32::MAX)
}
