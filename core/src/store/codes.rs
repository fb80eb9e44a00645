//! The numbers that stand in tables for the words of the model. Frozen: a number, once given, keeps its meaning for
//! ever; new words get new numbers. 0 is given to none of them.

use super::batch::StepKind;
use crate::model::{BudgetScope, FinishReason, MessageStatus, Role, TurnState, Window};

/// A word that stands in a table as a number.
pub(super) trait Code: Sized {
    /// Its number.
    fn code(self) -> i64;

    /// The word with this number, or nothing.
    fn from_code(code: i64) -> Option<Self>;
}

macro_rules! codes {
    ($name:ty { $($word:ident = $number:literal),+ $(,)? }) => {
        impl Code for $name {
            fn code(self) -> i64 {
                match self { $(Self::$word => $number),+ }
            }

            fn from_code(code: i64) -> Option<Self> {
                match code { $($number => Some(Self::$word),)+ _ => None }
            }
        }
    };
}

codes!(Role { System = 1, User = 2, Assistant = 3, Tool = 4 });

codes!(MessageStatus { Pending = 1, Streaming = 2, Complete = 3, Interrupted = 4, Cancelled = 5, Deleted = 6 });

codes!(TurnState {
    Saved = 1,
    Sending = 2,
    Streaming = 3,
    Waiting = 4,
    Done = 5,
    Interrupted = 6,
    Parked = 7,
    Cancelled = 8,
});

codes!(FinishReason {
    Stop = 1,
    Length = 2,
    ToolCalls = 3,
    ContentFilter = 4,
    Refusal = 5,
    Pause = 6,
    Error = 7,
    Other = 8,
});

codes!(StepKind { Attempt = 1, Tool = 2 });

codes!(BudgetScope { Application = 1, User = 2, Conversation = 3, Run = 4 });

codes!(Window { Minute = 1, Hour = 2, Day = 3, Week = 4, Month = 5, Total = 6 });

#[cfg(test)]
mod tests {
    use super::*;

    fn pinned<T: Code + Copy + PartialEq + std::fmt::Debug>(words: &[(T, i64)]) {
        for (word, number) in words {
            assert_eq!(word.code(), *number, "{word:?}");
            assert_eq!(T::from_code(*number), Some(*word));
        }
        let last = i64::try_from(words.len()).unwrap();
        assert_eq!(T::from_code(0), None);
        assert_eq!(T::from_code(last + 1), None, "a word of {:?} is not pinned", words[0].0);
    }

    #[test]
    fn the_numbers_in_the_tables_never_change() {
        pinned(&[(Role::System, 1), (Role::User, 2), (Role::Assistant, 3), (Role::Tool, 4)]);
        pinned(&[
            (MessageStatus::Pending, 1),
            (MessageStatus::Streaming, 2),
            (MessageStatus::Complete, 3),
            (MessageStatus::Interrupted, 4),
            (MessageStatus::Cancelled, 5),
            (MessageStatus::Deleted, 6),
        ]);
        pinned(&[
            (TurnState::Saved, 1),
            (TurnState::Sending, 2),
            (TurnState::Streaming, 3),
            (TurnState::Waiting, 4),
            (TurnState::Done, 5),
            (TurnState::Interrupted, 6),
            (TurnState::Parked, 7),
            (TurnState::Cancelled, 8),
        ]);
        pinned(&[
            (FinishReason::Stop, 1),
            (FinishReason::Length, 2),
            (FinishReason::ToolCalls, 3),
            (FinishReason::ContentFilter, 4),
            (FinishReason::Refusal, 5),
            (FinishReason::Pause, 6),
            (FinishReason::Error, 7),
            (FinishReason::Other, 8),
        ]);
        pinned(&[(StepKind::Attempt, 1), (StepKind::Tool, 2)]);
        pinned(&[
            (BudgetScope::Application, 1),
            (BudgetScope::User, 2),
            (BudgetScope::Conversation, 3),
            (BudgetScope::Run, 4),
        ]);
        pinned(&[
            (Window::Minute, 1),
            (Window::Hour, 2),
            (Window::Day, 3),
            (Window::Week, 4),
            (Window::Month, 5),
            (Window::Total, 6),
        ]);
    }
}
