//! Which replies are kept for the next who asks the same, and for how long.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::{FinishReason, Part, Reply, ReplyStatus};

/// The cache of replies. Off unless switched on here or by a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CacheSettings {
    /// True when calls that say nothing use it. False.
    pub enabled: bool,
    /// How long a reply is good, in milliseconds. An hour.
    pub ttl_ms: u64,
    /// What all replies together may take in memory, those under way that several wait for included, in bytes. 64 MiB.
    pub max_bytes: u64,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self { enabled: false, ttl_ms: 3_600_000, max_bytes: 64 * 1024 * 1024 }
    }
}

impl CacheSettings {
    /// What a call does that says this.
    #[must_use]
    pub fn mode(&self, call: Option<CacheMode>) -> CacheMode {
        call.unwrap_or(if self.enabled { CacheMode::Use } else { CacheMode::Bypass })
    }

    /// True while a reply that came at this moment of the clock is good.
    #[must_use]
    pub fn is_fresh(&self, came: Duration, now: Duration) -> bool {
        now.saturating_sub(came) < Duration::from_millis(self.ttl_ms)
    }
}

/// What a call does with the cache of replies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheMode {
    /// Takes a reply that is there, or waits for one that is on its way; else asks and leaves the reply for others.
    Use,
    /// Asks, and neither reads nor leaves anything.
    Bypass,
    /// Asks in any case, and leaves the reply in the place of the old one.
    Refresh,
}

/// True for a reply that another caller may have: whole, ended by the model itself, in words and not in calls of tools.
#[must_use]
pub fn is_keepable(reply: &Reply) -> bool {
    reply.status == ReplyStatus::Done
        && reply.finish_reason == Some(FinishReason::Stop)
        && reply.error.is_none()
        && !reply.parts.is_empty()
        && !reply.parts.iter().any(|part| matches!(part, Part::ToolCall { .. } | Part::Refusal { .. }))
}
