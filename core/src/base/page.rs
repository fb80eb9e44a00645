//! One page of a longer list, and the opaque cursor that leads to the next.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::error::Malformed;

/// One page of a longer list, always in reading order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Page<T> {
    /// What is on the page.
    pub items: Vec<T>,
    /// Leads to older items; nothing when there are none.
    pub before: Option<Cursor>,
    /// Leads to newer items. Also there at the end, so that it can be used for polling.
    pub after: Option<Cursor>,
    /// True when the page holds the first item there is.
    pub reached_start: bool,
    /// True when the page holds the last item there is.
    pub reached_end: bool,
    /// Changes whenever the list does.
    pub version: i64,
}

/// What a cursor belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CursorKind {
    /// The messages of one conversation.
    Messages,
    /// The conversations of one user.
    Conversations,
    /// The messages in one place of a conversation.
    Siblings,
    /// The branches of one conversation.
    Branches,
    /// What a search has found.
    Search,
}

/// A place in a list. Opaque text, bound to the user and the list it came from.
///
/// Version 1, base64url without padding over 38 bytes: version, kind, check of the owner (4 bytes),
/// anchor (16), position (8), as of (8). What does not fit is refused, never guessed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cursor {
    kind: u8,
    owner: u32,
    anchor: [u8; 16],
    position: i64,
    as_of: i64,
}

const VERSION: u8 = 1;
const LENGTH: usize = 38;

const fn kind_code(kind: CursorKind) -> u8 {
    match kind {
        CursorKind::Messages => 1,
        CursorKind::Conversations => 2,
        CursorKind::Siblings => 3,
        CursorKind::Branches => 4,
        CursorKind::Search => 5,
    }
}

/// FNV-1a over the owner, so that a cursor of one user is refused to another. A check against
/// mistakes, not a lock: what is read is bounded by the owner's handle in any case.
fn owner_check(owner: &str) -> u32 {
    owner.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Cursor {
    /// A cursor into a list of this owner. `anchor` is the list's item or scope, `position` its sorting key.
    #[must_use]
    pub fn new(kind: CursorKind, owner: &str, anchor: [u8; 16], position: i64, as_of: i64) -> Self {
        Self { kind: kind_code(kind), owner: owner_check(owner), anchor, position, as_of }
    }

    /// Anchor, position and as-of, when the cursor belongs to this kind of list of this owner.
    ///
    /// # Errors
    /// When it belongs to another kind of list or to another owner.
    pub fn open(&self, kind: CursorKind, owner: &str) -> Result<([u8; 16], i64, i64), Malformed> {
        if self.kind != kind_code(kind) {
            return Err(Malformed { expected: "this cursor belongs to another kind of list" });
        }
        if self.owner != owner_check(owner) {
            return Err(Malformed { expected: "this cursor belongs to another user" });
        }
        Ok((self.anchor, self.position, self.as_of))
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0_u8; LENGTH];
        bytes[0] = VERSION;
        bytes[1] = self.kind;
        bytes[2..6].copy_from_slice(&self.owner.to_be_bytes());
        bytes[6..22].copy_from_slice(&self.anchor);
        bytes[22..30].copy_from_slice(&self.position.to_be_bytes());
        bytes[30..38].copy_from_slice(&self.as_of.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cursor({self})")
    }
}

impl FromStr for Cursor {
    type Err = Malformed;

    fn from_str(text: &str) -> Result<Self, Malformed> {
        const EXPECTED: Malformed =
            Malformed { expected: "a cursor is the text that a page gave as `before` or `after`" };
        let mut bytes = [0_u8; LENGTH];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).map_err(|_| EXPECTED)?;
        if length != LENGTH {
            return Err(EXPECTED);
        }
        if bytes[0] != VERSION {
            return Err(Malformed {
                expected: "this cursor was made by another version of the library; load the page anew",
            });
        }
        let four = |at: usize| [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
        let eight =
            |at: usize| i64::from(u32::from_be_bytes(four(at))) << 32 | i64::from(u32::from_be_bytes(four(at + 4)));
        let mut anchor = [0_u8; 16];
        anchor.copy_from_slice(&bytes[6..22]);
        Ok(Self { kind: bytes[1], owner: u32::from_be_bytes(four(2)), anchor, position: eight(22), as_of: eight(30) })
    }
}

impl Serialize for Cursor {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
