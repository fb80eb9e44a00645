//! What may change while an engine is open, and the change.
//!
//! A call takes what is current when it begins and keeps it to its end, so no reply that is under way is cut. What is
//! known of providers (breakers, limits, budgets of retries, tokens) goes on; breakers and limits are those of a key, so
//! another key begins anew.

use std::sync::{Arc, PoisonError};

use super::settings::{LibrarySettings, Settings, StoreSettings};
use super::tertulia::{Inner, Tertulia};
use crate::base::{Random, Secret};
use crate::call::{ChatService, Credentials, Layers, ProviderService, TokenCounts, stack};
use crate::model::{Error, Result};
use crate::policy::OutboxSettings;

/// What calls begin with.
pub(super) struct Current {
    pub(super) settings: Settings,
    pub(super) credentials: Arc<Credentials>,
    pub(super) service: ChatService,
    provider: ProviderService,
    pub(super) layers: Layers,
}

impl Current {
    pub(super) fn new(
        settings: Settings,
        credentials: Arc<Credentials>,
        provider: ProviderService,
        layers: Layers,
    ) -> Self {
        Self { service: stack(provider.clone(), &layers), settings, credentials, provider, layers }
    }

    /// What is learnt of how models count tokens.
    pub(super) fn tokens(&self) -> TokenCounts {
        self.provider.tokens()
    }

    /// The same with other settings and keys.
    fn changed(&self, settings: Settings, credentials: Arc<Credentials>, random: &dyn Random) -> Self {
        let provider = self.provider.reconfigured(credentials.clone(), Arc::new(settings.network.clone()));
        // What one key was answered is not for another.
        let keeps_replies = settings.cache == self.settings.cache && Arc::ptr_eq(&credentials, &self.credentials);
        let layers = self.layers.reconfigured(settings.layers(), keeps_replies, random);
        Self::new(settings, credentials, provider, layers)
    }
}

/// What shall be otherwise from now on. What is left out stays.
#[derive(Clone, Debug, Default)]
pub struct Reconfiguration {
    settings: Option<Settings>,
    keys: Vec<(String, Secret)>,
    catalogue: Option<String>,
}

impl Reconfiguration {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All settings: [`Tertulia::settings`] gives those to begin with.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = Some(settings);
        self
    }

    /// The application's key for a provider, instead of the one it had.
    #[must_use]
    pub fn key(mut self, provider: impl Into<String>, key: impl Into<Secret>) -> Self {
        self.keys.push((provider.into(), key.into()));
        self
    }

    /// Providers, models and prices, as JSON in the layout of the bundled catalogue, laid over what is known as
    /// [`Tertulia::load_catalogue`] does it.
    #[must_use]
    pub fn catalogue(mut self, json: impl Into<String>) -> Self {
        self.catalogue = Some(json.into());
        self
    }
}

impl From<Settings> for Reconfiguration {
    fn from(settings: Settings) -> Self {
        Self::new().settings(settings)
    }
}

impl Tertulia {
    /// The settings that calls begin with now.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.0.current().settings.clone()
    }

    /// Changes limits, timeouts, retries, breakers, keys and prices, all of it or nothing. Calls that begin from now on
    /// see the new values; those under way end as they began. Who is left alone stays so, and what was used of a budget
    /// stays used. With another key a provider's models begin anew: nobody is left alone, nothing has to wait for what the
    /// old key was told, and no reply is taken from the cache that it brought. The same key changes nothing.
    ///
    /// # Errors
    /// `Invalid` (bad_settings, cannot_change, unknown_provider, bad_catalogue, …): then nothing has changed. How the
    /// store is opened (`store.readers`, `store.group_commit_ms`, `store.group_commit_rows`, `store.busy_timeout_ms`,
    /// `store.slow_query_ms`, `store.search`), the outbox but for `outbox.degrade`, the library but for
    /// `library.old_versions`, `sentences`, `breaker.latched_probe_ms` and whom the network trusts (`network.proxy`, `network.ca_certificates`,
    /// `network.client_certificate`) cannot change. `Closed`.
    pub fn reconfigure(&self, change: impl Into<Reconfiguration>) -> Result<()> {
        self.0.reconfigure(change.into()).map_err(|e| e.during("reconfigure"))
    }
}

impl Inner {
    fn reconfigure(&self, change: Reconfiguration) -> Result<()> {
        self.check_open()?;
        // Held to the end, so that of two changes at once neither is lost.
        let _alone = self.reconfiguring.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current();
        let Reconfiguration { settings, keys, catalogue } = change;
        let settings = settings.unwrap_or_else(|| current.settings.clone());
        settings.check()?;
        check_fixed(&current.settings.store, &settings.store)?;
        check_kept(&current.settings, &settings)?;
        let known = self.targets.catalogue();
        let mut credentials = current.credentials.clone();
        for (provider, key) in keys {
            known.require_provider(&provider)?;
            // The same key is no news.
            if !credentials.has_key(&provider, &key) {
                credentials = Arc::new((*credentials).clone().with_key(provider, key));
            }
        }
        let catalogue = catalogue.map(|json| self.targets.prepare(&json)).transpose()?;
        self.transport.reconfigure(&settings.network)?;
        // From here on nothing can fail.
        if let Some(catalogue) = catalogue {
            self.targets.take_over(catalogue);
        }
        self.targets.set_max_event_bytes(settings.network.max_event_bytes);
        let changed = Arc::new(current.changed(settings, credentials, &*self.random));
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = changed;
        tracing::info!(target: "tertulia::engine", operation = "reconfigure", "reconfigured");
        Ok(())
    }
}

/// Refuses another value of what was taken over at the opening.
fn check_kept(before: &Settings, after: &Settings) -> Result<()> {
    let outbox = OutboxSettings { degrade: before.outbox.degrade, ..after.outbox };
    let library = LibrarySettings { old_versions: before.library.old_versions, ..after.library };
    let kept = [
        ("library (but for old_versions)", library == before.library),
        ("outbox (but for degrade)", outbox == before.outbox),
        ("sentences", after.sentences == before.sentences),
        ("breaker.latched_probe_ms", after.breaker.latched_probe_ms == before.breaker.latched_probe_ms),
    ];
    match kept.iter().find(|(_, same)| !same) {
        None => Ok(()),
        Some((name, _)) => Err(Error::invalid(
            "cannot_change",
            format!("settings.{name} cannot change while the engine is open; close the engine and open another one"),
        )),
    }
}

/// Refuses another value of what the store was opened with.
fn check_fixed(before: &StoreSettings, after: &StoreSettings) -> Result<()> {
    let fixed = [
        ("readers", before.readers == after.readers),
        ("group_commit_ms", before.group_commit_ms == after.group_commit_ms),
        ("group_commit_rows", before.group_commit_rows == after.group_commit_rows),
        ("busy_timeout_ms", before.busy_timeout_ms == after.busy_timeout_ms),
        ("slow_query_ms", before.slow_query_ms == after.slow_query_ms),
        ("search", before.search == after.search),
    ];
    match fixed.iter().find(|(_, same)| !same) {
        None => Ok(()),
        Some((name, _)) => Err(Error::invalid(
            "cannot_change",
            format!(
                "settings.store.{name} cannot change while the store is open; close the engine and open another one"
            ),
        )),
    }
}
