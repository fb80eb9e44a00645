//! What a provider says about its own limits beside a reply.

use std::time::Duration;

/// What a response tells of the provider's limits, as far as it makes sense. All of it is measured from the moment the
/// response was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quota {
    /// Requests.
    pub requests: Option<Allowance>,
    /// Tokens, in and out together.
    pub tokens: Option<Allowance>,
    /// Tokens that are sent in.
    pub input_tokens: Option<Allowance>,
    /// Tokens that are written.
    pub output_tokens: Option<Allowance>,
    /// The account is shut for this long, whatever the counts say.
    pub shut_for: Option<Duration>,
}

/// One limit: how much there is at most, how much is left, when all of it is back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// How much there is at most; at least 1.
    pub limit: u64,
    /// How much is left; at most `limit`.
    pub remaining: u64,
    /// After how long all of it is there again, when that is known.
    pub resets_in: Option<Duration>,
}

impl Quota {
    /// True when nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}
