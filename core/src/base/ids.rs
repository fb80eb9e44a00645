//! Identifiers: UUIDv7 (RFC 9562) newtypes, ordered by creation, made from injected time and randomness.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::clock::Clock;
use super::error::Malformed;
use super::random::Random;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $expected:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// The id with these sixteen bytes.
            #[must_use]
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }

            /// The sixteen bytes of the id.
            #[must_use]
            pub const fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = Malformed;

            fn from_str(text: &str) -> Result<Self, Malformed> {
                Uuid::parse_str(text).map(Self).map_err(|_| Malformed { expected: $expected })
            }
        }
    };
}

id!(
    /// Names a conversation.
    ConversationId,
    "a conversation id is a UUID as given by `conversation.id`"
);
id!(
    /// Names a run: an agent, a council at work.
    RunId,
    "a run id is a UUID as given by `run.id`"
);
id!(
    /// Names a message.
    MessageId,
    "a message id is a UUID as given by `message.id`"
);
id!(
    /// Names a turn: one message of the user and the reply to it.
    TurnId,
    "a turn id is a UUID as given by `reply.turn_id`"
);
id!(
    /// Names stored bytes that belong to a message: an image, a file, a sound.
    AttachmentId,
    "an attachment id is a UUID as given by a message's media"
);

id!(
    /// Names what a running request may cost at most, held back for it.
    ReservationId,
    "a reservation id is a UUID"
);
id!(
    /// Names a budget.
    BudgetId,
    "a budget id is a UUID as given by `budget.id()`"
);

id!(
    /// Names a stream of events.
    StreamId,
    "a stream id is a UUID"
);
id!(
    /// Names events that were appended together.
    AppendId,
    "an append id is a UUID"
);

impl BudgetId {
    /// The id that belongs to this text: same text, same id.
    pub(crate) fn derived(text: &str) -> Self {
        const NAMESPACE: Uuid = Uuid::from_u128(0x2f0e_91d7_5b3c_5d46_8c1e_40a9_d3b7_7c52);
        Self(Uuid::new_v5(&NAMESPACE, text.as_bytes()))
    }
}

impl ConversationId {
    /// The id that belongs to a key of your own, for one user: same user and key, same conversation.
    ///
    /// UUIDv5 (RFC 9562, section 5.5) over the user and the key, so it needs no table and no disk.
    #[must_use]
    pub fn derived(owner: &str, key: &str) -> Self {
        const NAMESPACE: Uuid = Uuid::from_u128(0x6b1f_64c4_8f0b_5b0e_9a57_7e27_6f0a_11d5);
        Self(Uuid::new_v5(&Uuid::new_v5(&NAMESPACE, owner.as_bytes()), key.as_bytes()))
    }
}

/// Ids of what came in a file: the same thing of the same file for the same user has the same id each time.
#[cfg(feature = "engine")]
mod imported {
    use super::{AttachmentId, ConversationId, MessageId, Uuid};

    const NAMESPACE: Uuid = Uuid::from_u128(0x9d3a_52c7_14ee_5f0b_b6a1_7c08_35d9_e24f);

    impl ConversationId {
        /// The id that a conversation has which is called so in a file.
        pub(crate) fn imported(owner: &str, name: &str) -> Self {
            Self(Uuid::new_v5(&Uuid::new_v5(&NAMESPACE, owner.as_bytes()), name.as_bytes()))
        }
    }

    impl MessageId {
        /// The id that a message of this conversation has which is called so in a file.
        pub(crate) fn imported(conversation: ConversationId, name: &[u8]) -> Self {
            Self(Uuid::new_v5(&conversation.0, name))
        }
    }

    impl AttachmentId {
        /// The id that a file of this conversation has which is called so.
        pub(crate) fn imported(conversation: ConversationId, name: &[u8]) -> Self {
            Self(Uuid::new_v5(&Uuid::new_v5(&conversation.0, b"files"), name))
        }
    }
}

/// Makes ids from the clock and the randomness it is given. Ids of one maker only ever grow.
#[derive(Clone)]
pub struct Ids {
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    last: Arc<Mutex<(u64, u16)>>,
}

impl Ids {
    /// A maker over this clock and this randomness.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { clock, random, last: Arc::default() }
    }

    fn next(&self) -> Uuid {
        let now = u64::try_from(self.clock.now().as_millis()).unwrap_or(0);
        let mut bytes = [0_u8; 16];
        self.random.fill(&mut bytes[8..]);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        // RFC 9562, 6.2 method 1: a 12-bit counter within the millisecond; on overflow or a clock
        // that went back, borrow from the future rather than lose the order.
        *last = match *last {
            (millis, counter) if now <= millis && counter < 0x0fff => (millis, counter + 1),
            (millis, _) if now <= millis => (millis + 1, 0),
            _ => (now, 0),
        };
        let (millis, counter) = *last;
        drop(last);
        bytes[..6].copy_from_slice(&millis.to_be_bytes()[2..]);
        bytes[6..8].copy_from_slice(&(0x7000 | counter).to_be_bytes());
        bytes[8] = (bytes[8] & 0x3f) | 0x80;
        Uuid::from_bytes(bytes)
    }

    /// A new conversation id.
    #[must_use]
    pub fn conversation(&self) -> ConversationId {
        ConversationId(self.next())
    }

    /// A new run id.
    #[must_use]
    pub fn run(&self) -> RunId {
        RunId(self.next())
    }

    /// A new message id.
    #[must_use]
    pub fn message(&self) -> MessageId {
        MessageId(self.next())
    }

    /// A new turn id.
    #[must_use]
    pub fn turn(&self) -> TurnId {
        TurnId(self.next())
    }

    /// A new reservation id.
    #[must_use]
    pub fn reservation(&self) -> ReservationId {
        ReservationId(self.next())
    }

    /// A new id of a stream of events.
    #[must_use]
    pub fn stream(&self) -> StreamId {
        StreamId(self.next())
    }

    /// A new id for events that are appended together.
    #[must_use]
    pub fn append(&self) -> AppendId {
        AppendId(self.next())
    }

    /// A new attachment id.
    #[must_use]
    pub fn attachment(&self) -> AttachmentId {
        AttachmentId(self.next())
    }
}
