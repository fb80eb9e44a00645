//! When the breaker of a target opens, and for how long.

use serde::{Deserialize, Serialize};

/// When a provider's model is left alone because it is down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BreakerSettings {
    /// False leaves no target alone, however often it fails. True.
    pub enabled: bool,
    /// So many failures in a row open the breaker, unless something succeeded within the last 3 s. 10.
    pub consecutive_failures: u32,
    /// A larger share of failures within the window than this opens it, too; 1 switches this rule off. 0.8.
    pub failure_rate: f64,
    /// With fewer tries than this within the window their share means nothing. 20.
    pub min_attempts: u32,
    /// Over how long the share is taken. 60 s.
    pub window_ms: u64,
    /// How long nothing is sent the first time; then one call tries. Twice as long after each try that fails, and spread
    /// by a fifth to both sides. 5 s.
    pub open_ms: u64,
    /// It is never longer, unless the server asks for more. 60 s.
    pub max_open_ms: u64,
    /// A key that the provider has refused, or whose account is empty, is not tried again until it changes, but for one
    /// call each so long. 10 min.
    pub latched_probe_ms: u64,
}

impl Default for BreakerSettings {
    fn default() -> Self {
        Self {
            enabled: true,
            consecutive_failures: 10,
            failure_rate: 0.8,
            min_attempts: 20,
            window_ms: 60_000,
            open_ms: 5_000,
            max_open_ms: 60_000,
            latched_probe_ms: 600_000,
        }
    }
}
