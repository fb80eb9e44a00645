//! The way to the engine: opened by the first verb, in the process that uses it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use tertulia::base::{Ids, SystemClock, SystemRandom};
use tertulia::call::OwnCode;
use tertulia::model::{ModelInfo, ProviderInfo};
use tertulia::{Catalogue, Error, ErrorKind, Json, Reconfiguration, Result, Secret, Settings, Tertulia, Tier};
use tokio::sync::OnceCell;

use super::listener::listener;
use crate::bridge::generation;
use crate::error::raise;
use crate::own::Given;

/// What an engine is opened with.
#[derive(Clone, Default)]
pub(super) struct Config {
    pub(super) store: Option<String>,
    pub(super) model: Option<String>,
    pub(super) fallback: Option<Vec<String>>,
    pub(super) keys: Vec<(String, Secret)>,
    pub(super) providers: Vec<Given>,
    pub(super) settings: Settings,
    pub(super) tiers: Vec<(String, Tier)>,
    pub(super) users: Vec<(String, String)>,
    /// Called with every event.
    pub(super) on_event: Option<Arc<Py<PyAny>>>,
    /// What `reconfigure` has changed in a process before this one, in its order.
    pub(super) changes: Vec<Change>,
}

/// So many changes are remembered for the children of a fork; of more than these the oldest are taken together, but for
/// their catalogues.
const MAX_CHANGES: usize = 16;

/// What one `reconfigure` changes.
#[derive(Clone, Default)]
pub(super) struct Change {
    pub(super) settings: Option<Json>,
    pub(super) keys: Vec<(String, Secret)>,
    pub(super) catalogue: Option<String>,
    /// True once it took hold.
    pub(super) holds: Arc<AtomicBool>,
}

impl Change {
    /// Takes in what a later one changes.
    fn and_then(&mut self, later: Self) {
        match (&mut self.settings, later.settings) {
            // A profile takes the place of all that it does not name.
            (Some(settings), Some(later)) if later.get("profile").is_none() => lay_over(settings, later),
            (settings, Some(later)) => *settings = Some(later),
            (_, None) => {}
        }
        self.keys.retain(|(provider, _)| later.keys.iter().all(|(other, _)| provider != other));
        self.keys.extend(later.keys);
        self.catalogue = later.catalogue.or(self.catalogue.take());
    }
}

fn lay_over(below: &mut Json, above: Json) {
    match (below, above) {
        (Json::Object(below), Json::Object(above)) => {
            for (name, value) in above {
                lay_over(below.entry(name).or_insert(Json::Null), value);
            }
        }
        (below, above) => *below = above,
    }
}

impl Config {
    async fn open(&self) -> Result<Tertulia> {
        let mut settings = self.settings.clone();
        for json in self.changes.iter().filter_map(|change| change.settings.as_ref()) {
            settings = settings.with_json(json)?;
        }
        let mut builder = Tertulia::builder().settings(settings);
        if let Some(store) = &self.store {
            builder = builder.store(store);
        }
        if let Some(model) = &self.model {
            builder = builder.model(model);
        }
        if let Some(models) = &self.fallback {
            builder = builder.fallback(models);
        }
        for (provider, key) in self.keys.iter().chain(self.changes.iter().flat_map(|change| &change.keys)) {
            builder = builder.key(provider, key.clone());
        }
        for (name, tier) in &self.tiers {
            builder = builder.tier(name, tier.clone());
        }
        for (user, tier) in &self.users {
            builder = builder.assign_tier(user, tier);
        }
        if let Some(called) = &self.on_event {
            builder = builder.on_event(listener(called.clone())?);
        }
        for provider in &self.providers {
            builder = match provider.clone() {
                Given::Described(spec) => builder.provider(*spec),
                Given::Code(code) => builder.with_provider(code),
            };
        }
        let tertulia = builder.open().await?;
        for catalogue in self.changes.iter().filter_map(|change| change.catalogue.as_ref()) {
            tertulia.reconfigure(Reconfiguration::new().catalogue(catalogue.clone()))?;
        }
        Ok(tertulia)
    }

    /// Every provider and model that the engine will know. Asks no engine, so it needs none.
    pub(super) fn catalogue(&self) -> Result<Catalogue> {
        let mut catalogue = Catalogue::bundled()?;
        for provider in &self.providers {
            catalogue = match provider.clone() {
                Given::Described(spec) => catalogue.with_provider(*spec)?,
                Given::Code(code) => catalogue.with_entry(OwnCode::new(code).entry()?),
            };
        }
        Ok(catalogue)
    }

    fn lives_in_memory(&self) -> bool {
        self.store.as_deref() == Some("memory:")
    }
}

/// An engine, open or not.
pub(super) struct Root {
    pub(super) config: Arc<Config>,
    /// Ids are handed out before the engine is open.
    ids: Ids,
    /// Touched with the interpreter held and never across a wait, so that a fork cannot leave it locked.
    state: Mutex<State>,
}

struct State {
    generation: u64,
    engine: Arc<Engine>,
    /// What the engine is opened with in this process.
    config: Arc<Config>,
    /// What `reconfigure` has changed here.
    changes: Vec<Change>,
}

#[derive(Default)]
struct Engine {
    cell: OnceCell<Tertulia>,
    closed: AtomicBool,
}

/// The way to the engine, without the interpreter.
#[derive(Clone)]
pub(super) struct Way {
    engine: Arc<Engine>,
    config: Arc<Config>,
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "closed", "this engine was closed; open another one")
}

impl Way {
    /// The engine, opened by whoever comes first.
    pub(super) async fn open(&self) -> Result<Tertulia> {
        if self.engine.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        let tertulia = self.engine.cell.get_or_try_init(|| self.config.open()).await?;
        if self.engine.closed.load(Ordering::Acquire) {
            tertulia.close().await?; // closed while it was opening
            return Err(closed());
        }
        Ok(tertulia.clone())
    }

    /// The engine, if it was opened.
    pub(super) fn opened(&self) -> Option<&Tertulia> {
        self.engine.cell.get()
    }

    /// The engine as far as it can be asked without a wait.
    pub(super) fn open_already(&self) -> Result<&Tertulia> {
        self.opened().ok_or_else(|| {
            let detail = "nothing is known of an engine before it was opened: use `with`, `open()` or any verb first";
            Error::invalid("not_open", detail)
        })
    }

    /// What the open engine knows, or what it will know once it is opened.
    pub(super) fn models(&self, pattern: &str) -> Result<Vec<ModelInfo>> {
        match self.engine.cell.get() {
            Some(tertulia) => Ok(tertulia.models(pattern)),
            None => Ok(self.config.catalogue()?.models(pattern)),
        }
    }

    /// The providers that the open engine knows, or that it will know once it is opened.
    pub(super) fn providers(&self) -> Result<Vec<ProviderInfo>> {
        match self.engine.cell.get() {
            Some(tertulia) => Ok(tertulia.providers()),
            None => Ok(self.config.catalogue()?.providers()),
        }
    }

    /// Closes the engine, if it is open.
    pub(super) async fn close(self) -> Result<()> {
        self.engine.closed.store(true, Ordering::Release);
        match self.engine.cell.get() {
            Some(tertulia) => tertulia.close().await,
            None => Ok(()),
        }
    }
}

impl Root {
    pub(super) fn new(config: Config) -> Self {
        let config = Arc::new(config);
        Self {
            state: Mutex::new(State {
                generation: generation(),
                engine: Arc::default(),
                config: Arc::clone(&config),
                changes: Vec::new(),
            }),
            config,
            ids: Ids::new(Arc::new(SystemClock::default()), Arc::new(SystemRandom)),
        }
    }

    pub(super) const fn ids(&self) -> &Ids {
        &self.ids
    }

    /// The way to this process's engine.
    pub(super) fn way(&self, py: Python<'_>) -> PyResult<Way> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.generation != generation() {
            let was_open = state.engine.cell.initialized();
            if was_open && self.config.lives_in_memory() {
                let detail = "an engine in memory lives in the process that opened it; fork before, or use a file";
                return Err(raise(py, &Error::new(ErrorKind::Closed, "forked", detail)));
            }
            let closed = state.engine.closed.load(Ordering::Acquire);
            // As it is in the parent by now, not as it was made.
            let mut config = (*state.config).clone();
            let holds = |change: &&Change| change.holds.load(Ordering::Acquire);
            config.changes.extend(state.changes.iter().filter(holds).cloned());
            let engine = Arc::default();
            let fresh = State { generation: generation(), engine, config: Arc::new(config), changes: Vec::new() };
            fresh.engine.closed.store(closed, Ordering::Release);
            // The parent's: its threads do not exist here, and dropping it would wait for them.
            std::mem::forget(std::mem::replace(&mut *state, fresh));
        }
        let way = Way { engine: Arc::clone(&state.engine), config: Arc::clone(&state.config) };
        drop(state);
        if !way.engine.cell.initialized() {
            crate::logs::refresh(py)?;
        }
        Ok(way)
    }
}

impl Root {
    /// Remembers a change for the children of a fork. Whoever makes it says when it has taken hold.
    pub(super) fn note(&self, change: Change) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.changes.len() >= MAX_CHANGES {
            state.changes.retain(|change| change.holds.load(Ordering::Acquire));
        }
        if state.changes.len() >= MAX_CHANGES {
            let second = state.changes.remove(1);
            state.changes[0].and_then(second);
        }
        state.changes.push(change);
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.generation != generation() {
            std::mem::forget(Arc::clone(&state.engine));
        }
    }
}
