//! Floor 0: what everything else is made of. No I/O happens here; time and randomness are handed in.

mod clock;
mod error;
mod ids;
mod json;
mod nearest;
mod page;
mod random;
mod secret;

#[cfg(test)]
mod tests;

#[cfg(feature = "engine")]
pub use clock::SystemClock;
pub use clock::{Clock, ManualClock, Sleep, Timestamp};
pub(crate) use clock::{civil_from_days, days_from_civil};
pub use error::{Attempt, ErrorKind, Malformed, Retry};
pub use ids::{
    AppendId, AttachmentId, BudgetId, ConversationId, Ids, MessageId, ReservationId, RunId, StreamId, TurnId,
};
pub use json::{Json, MAX_JSON_DEPTH, UnreadJson};
pub use nearest::nearest;
pub use page::{Cursor, CursorKind, Page};
#[cfg(feature = "engine")]
pub use random::SystemRandom;
pub use random::{Random, SeededRandom};
pub use secret::Secret;
