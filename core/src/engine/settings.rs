//! Settings: plain values, one struct for each area, refused with a hint when a name is wrong.

use serde::{Deserialize, Serialize};

use super::window::ContextSettings;
use crate::base::Json;
use crate::call::LayerSettings;
use crate::model::{Error, Result, SentenceSettings};
use crate::net::NetworkSettings;
use crate::policy::{
    BreakerSettings, CacheSettings, FallbackSettings, LimitSettings, OutboxSettings, QueueSettings, RetrySettings,
};
use crate::store::{MAX_CONTENT_BYTES, MAX_OLD_VERSIONS};

/// All settings. Every field has a default; components (keys, providers, transports) go through the builder instead.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Limits of the network.
    pub network: NetworkSettings,
    /// How failed calls are tried again.
    pub retry: RetrySettings,
    /// When a provider's model is left alone because it is down.
    pub breaker: BreakerSettings,
    /// Whom calls go on to, and what becomes of replies that break off or are slow to begin.
    pub fallback: FallbackSettings,
    /// Which replies are kept for who asks the same.
    pub cache: CacheSettings,
    /// How fast and how many calls of a model may be under way.
    pub limits: LimitSettings,
    /// How many calls may wait for a model, and who goes first.
    pub queue: QueueSettings,
    /// How messages that could not be sent are sent later.
    pub outbox: OutboxSettings,
    /// How much of a conversation a model is shown.
    pub context: ContextSettings,
    /// How conversations are kept.
    pub store: StoreSettings,
    /// How long values of libraries are remembered, and how many versions are kept.
    pub library: LibrarySettings,
    /// How often a screen is told what changed, and how much it holds.
    pub timeline: TimelineSettings,
    /// What end users read when something went wrong.
    pub sentences: SentenceSettings,
}

/// How conversations are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoreSettings {
    /// Threads that read. 4.
    pub readers: usize,
    /// How long a write may wait for others to share its commit. 5 ms.
    pub group_commit_ms: u64,
    /// How many writes share a commit. 64.
    pub group_commit_rows: usize,
    /// How long to wait for another process that holds the database. 5 s.
    pub busy_timeout_ms: u64,
    /// How often the text of a running reply is written down. 500 ms.
    pub draft_flush_ms: u64,
    /// The same, by size. 4 KiB.
    pub draft_flush_bytes: usize,
    /// A statement that takes longer is logged. 50 ms.
    pub slow_query_ms: u64,
    /// Keep an index of what is said, so that it can be searched. True; read when the engine opens.
    pub search: bool,
    /// Keep the provider's own object in `reply.raw`; whole replies only.
    pub keep_raw: bool,
}

impl Default for StoreSettings {
    fn default() -> Self {
        Self {
            readers: 4,
            group_commit_ms: 5,
            group_commit_rows: 64,
            busy_timeout_ms: 5_000,
            draft_flush_ms: 500,
            draft_flush_bytes: 4_096,
            slow_query_ms: 50,
            search: true,
            keep_raw: false,
        }
    }
}

/// What libraries and users' preferences go by. Whoever changes a value, in whichever process, it is read anew with the next
/// question for it; the times say how long it is remembered where nobody changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LibrarySettings {
    /// Settings and values of the host's own kinds are read anew after so long. 5 minutes; 0 = they are not remembered.
    /// Prompts, personas and councils are remembered until they change.
    pub metadata_ttl_ms: u64,
    /// What users prefer is read anew after so long. 1 hour; 0 = it is not remembered.
    pub preferences_ttl_ms: u64,
    /// What is remembered takes no more memory than this. 8 MiB; 0 = nothing is remembered.
    pub max_bytes: u64,
    /// So many versions of a value are kept besides the newest. 100, at most 1,000.
    pub old_versions: usize,
    /// So many of the application's prompts, personas, councils and settings are read in the background when the engine
    /// opens. 0, at most 1,000.
    pub warm_up: usize,
}

impl Default for LibrarySettings {
    fn default() -> Self {
        Self {
            metadata_ttl_ms: 300_000,
            preferences_ttl_ms: 3_600_000,
            max_bytes: 8 << 20,
            old_versions: 100,
            warm_up: 0,
        }
    }
}

/// What timelines and live lists go by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimelineSettings {
    /// So long at least lies between two batches of changes; the first words and the end of an answer come at once. 33 ms,
    /// at most 10 s.
    pub min_interval_ms: u64,
    /// So many pages of 50 messages a timeline holds at most: what is farther away is dropped and read again when it is
    /// asked for. 3, at most 20.
    pub window_pages: usize,
}

impl Default for TimelineSettings {
    fn default() -> Self {
        Self { min_interval_ms: 33, window_pages: 3 }
    }
}

impl Settings {
    /// For services: the defaults.
    #[must_use]
    pub fn server() -> Self {
        Self::default()
    }

    /// For programs on a desk: the defaults.
    #[must_use]
    pub fn desktop() -> Self {
        Self::default()
    }

    /// For apps: fewer connections and readers, and replies instead of errors once a message is saved.
    #[must_use]
    pub fn mobile() -> Self {
        let mut settings = Self::default();
        settings.network.max_connections = 8;
        settings.network.max_idle_connections = 2;
        settings.store.readers = 2;
        settings.retry.budget_capacity = 20;
        settings.limits.max_concurrent = 4;
        settings.outbox.degrade = true;
        settings
    }

    /// Settings from JSON: a `profile` (`server`, `desktop`, `mobile`) and areas with the fields that differ from it.
    ///
    /// # Errors
    /// `Invalid` (bad_settings) that names the field and, for a wrong name, the nearest right one.
    pub fn from_json(json: &Json) -> Result<Self> {
        Self::server().with_json(json)
    }

    /// These settings with what JSON says on top: areas with the fields that differ. A `profile` takes the place of all
    /// that it does not name.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    pub fn with_json(&self, json: &Json) -> Result<Self> {
        let bad = |detail: String| Error::invalid("bad_settings", detail);
        let Some(given) = json.as_object() else { return Err(bad("settings are an object of areas".to_owned())) };
        let base = match given.get("profile").map(|p| p.as_str().unwrap_or_default()) {
            None => self.clone(),
            Some("server") => Self::server(),
            Some("desktop") => Self::desktop(),
            Some("mobile") => Self::mobile(),
            Some(_) => return Err(bad("settings.profile is one of server, desktop, mobile".to_owned())),
        };
        let mut whole = serde_json::to_value(&base)
            .map_err(|e| Error::internal("settings could not be written as JSON").with_source(e))?;
        for (area, fields) in given.iter().filter(|(name, _)| *name != "profile") {
            let areas = whole.as_object().ok_or_else(|| Error::internal("settings are no object"))?;
            if !areas.contains_key(area) {
                let names: Vec<&str> = areas.keys().map(String::as_str).collect();
                return Err(bad(format!("settings has no area `{}`{}", shown(area), did_you_mean(area, &names))));
            }
            let Some(fields) = fields.as_object() else {
                return Err(bad(format!("settings.{area} is an object of fields")));
            };
            for (name, value) in fields {
                let known = whole
                    .get_mut(area)
                    .and_then(Json::as_object_mut)
                    .ok_or_else(|| Error::internal("an area is no object"))?;
                let Some(standard) = known.get(name).map(|standard| expected(name, standard)) else {
                    let names: Vec<&str> = known.keys().map(String::as_str).collect();
                    let hint = did_you_mean(name, &names);
                    return Err(bad(format!("settings.{area} has no field `{}`{hint}", shown(name))));
                };
                known.insert(name.clone(), value.clone());
                // Serde's own words would quote the value, which may be a password in the wrong place.
                if Self::deserialize(&whole).is_err() {
                    return Err(bad(format!("settings.{area}.{name} must be {standard}")));
                }
            }
        }
        let mut settings = Self::deserialize(&whole).map_err(|_| Error::internal("checked settings cannot be read"))?;
        // Secrets are not written out, so they are carried over.
        if given.get("network").and_then(|network| network.get("proxy")).is_none() {
            settings.network.proxy = base.network.proxy;
        }
        settings.network.client_certificate = base.network.client_certificate;
        settings.check()?;
        Ok(settings)
    }

    /// What the layers of a call go by.
    pub(super) fn layers(&self) -> LayerSettings {
        let (cache, fallback, mut limits) = (self.cache, self.fallback.clone(), self.limits.clone());
        // Beyond the connections calls would wait for one, in no order.
        let connections = u32::try_from(self.network.max_connections).unwrap_or(u32::MAX);
        limits.max_concurrent = limits.max_concurrent.min(connections);
        LayerSettings { cache, fallback, retry: self.retry, breaker: self.breaker, limits, queue: self.queue }
    }

    /// Refuses values with which nothing could work.
    pub(super) fn check(&self) -> Result<()> {
        let zero = [
            ("network.max_connections", self.network.max_connections == 0),
            ("network.total_timeout_ms", self.network.total_timeout_ms == 0),
            ("network.first_byte_timeout_ms", self.network.first_byte_timeout_ms == 0),
            ("network.slow_first_byte_timeout_ms", self.network.slow_first_byte_timeout_ms == 0),
            ("network.connect_timeout_ms", self.network.connect_timeout_ms == 0),
            ("network.idle_timeout_ms", self.network.idle_timeout_ms == 0),
            ("network.progress_timeout_ms", self.network.progress_timeout_ms == 0),
            ("network.max_event_bytes", self.network.max_event_bytes == 0),
            ("network.max_text_bytes", self.network.max_text_bytes == 0),
            ("network.max_response_bytes", self.network.max_response_bytes == 0),
            ("retry.max_attempts", self.retry.max_attempts == 0),
            ("retry.max_attempts_per_target", self.retry.max_attempts_per_target == 0),
            ("breaker.consecutive_failures", self.breaker.consecutive_failures == 0),
            ("breaker.min_attempts", self.breaker.min_attempts == 0),
            ("breaker.window_ms", self.breaker.window_ms == 0),
            ("breaker.open_ms", self.breaker.open_ms == 0),
            ("cache.ttl_ms", self.cache.ttl_ms == 0),
            ("breaker.latched_probe_ms", self.breaker.latched_probe_ms == 0),
            ("queue.aging_ms", self.queue.aging_ms == 0),
            ("limits.max_concurrent", self.limits.max_concurrent == 0),
            ("limits.requests_per_minute", self.limits.requests_per_minute == Some(0)),
            ("limits.tokens_per_minute", self.limits.tokens_per_minute == Some(0)),
            ("outbox.max_delay_ms", self.outbox.max_delay_ms == 0),
            ("outbox.expires_after_ms", self.outbox.expires_after_ms == 0),
            ("outbox.crash_attempts", self.outbox.crash_attempts == 0),
            ("context.max_turns", self.context.max_turns == Some(0)),
            ("context.max_tokens", self.context.max_tokens == Some(0)),
            ("store.readers", self.store.readers == 0),
            ("store.group_commit_rows", self.store.group_commit_rows == 0),
            ("timeline.window_pages", self.timeline.window_pages == 0),
        ];
        let bad = |detail: String| Err(Error::invalid("bad_settings", detail));
        if let Some((name, _)) = zero.iter().find(|(_, is_zero)| *is_zero) {
            return bad(format!("settings.{name} must be at least 1"));
        }
        for (target, other) in &self.limits.overrides {
            let is_zero = other.max_concurrent == Some(0)
                || other.requests_per_minute == Some(0)
                || other.tokens_per_minute == Some(0);
            if is_zero {
                return bad(format!("settings.limits.overrides of `{}` must be at least 1", shown(target)));
            }
        }
        if !(0.0..=1_000.0).contains(&self.retry.budget_refund) {
            return bad("settings.retry.budget_refund must be a number from 0 to 1000".to_owned());
        }
        if !(0.0..=1.0).contains(&self.breaker.failure_rate) {
            return bad("settings.breaker.failure_rate must be a number from 0 to 1".to_owned());
        }
        if !(0.0..=1.0).contains(&self.fallback.hedge_share) {
            return bad("settings.fallback.hedge_share must be a number from 0 to 1".to_owned());
        }
        if self.breaker.max_open_ms < self.breaker.open_ms {
            return bad("settings.breaker.max_open_ms must be at least settings.breaker.open_ms".to_owned());
        }
        if self.outbox.max_delay_ms < self.outbox.first_delay_ms {
            return bad("settings.outbox.max_delay_ms must be at least settings.outbox.first_delay_ms".to_owned());
        }
        if self.library.old_versions > MAX_OLD_VERSIONS {
            return bad(format!("settings.library.old_versions must be at most {MAX_OLD_VERSIONS}"));
        }
        if self.library.warm_up > 1_000 {
            return bad("settings.library.warm_up must be at most 1000".to_owned());
        }
        if self.timeline.window_pages > 20 {
            return bad("settings.timeline.window_pages must be at most 20".to_owned());
        }
        if self.timeline.min_interval_ms > 10_000 {
            return bad("settings.timeline.min_interval_ms must be at most 10000".to_owned());
        }
        self.context.summary.check()?;
        self.sentences.check()?;
        if self.network.max_text_bytes > MAX_CONTENT_BYTES {
            return bad(format!(
                "settings.network.max_text_bytes must be at most {MAX_CONTENT_BYTES}, what a message holds"
            ));
        }
        Ok(())
    }
}

/// What a field with this standard value holds, in words.
fn expected(name: &str, standard: &Json) -> &'static str {
    match standard {
        Json::Null if name.ends_with("_per_minute") || name.starts_with("max_") => "a whole number from 1 up, or null",
        Json::Object(_) if name == "summary" => "an object of fields, as they stand in the settings",
        Json::Object(_) if name == "own" => "an object of texts",
        Json::Object(_) => "an object of objects, each with the fields that differ",
        Json::Bool(_) => "true or false",
        Json::Array(_) => "a list of texts",
        Json::String(word) if word == "surface" => "one of surface, restart, continue",
        Json::Number(number) if number.is_f64() => "a number from 0 up",
        Json::Number(_) => "a whole number from 0 up, of a sensible size",
        _ => "text",
    }
}

/// A name from outside, cut to what fits an error.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(64).collect()
}

/// ` — did you mean …?` with the nearest of the known names, or nothing when none is near.
pub fn did_you_mean(name: &str, known: &[&str]) -> String {
    crate::base::nearest(name, known.iter().copied())
        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"))
}
