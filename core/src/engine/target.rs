//! From the name of a model to everything needed to call it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use http::Uri;

use super::catalogue::Setup;
use crate::call::{CallTarget, Catalogue, HttpRoute, ProviderEntry, Route};
use crate::model::{Error, Result};
use crate::wire::{Anthropic, Dialect, Gemini, Ollama, OpenAiChat, OpenAiResponses};

/// Knows every provider, and the model that is asked when nobody names one.
pub(super) struct Targets {
    setup: Setup,
    known: RwLock<Known>,
    /// Held while a catalogue is loaded.
    loading: Mutex<()>,
    default_model: Option<String>,
    max_event_bytes: AtomicUsize,
    #[cfg(feature = "echo")]
    echo: tokio::sync::Mutex<Option<tertulia_simulator::Simulator>>,
}

/// The provider that is the bundled simulator.
const ECHO: &str = "echo";

/// The catalogue in two states. Calls that are under way keep what they began with.
struct Known {
    /// As it was read.
    read: Catalogue,
    /// With what the engine was set up with on top.
    used: Catalogue,
    /// What names were found to mean by it.
    found: Arc<Found>,
}

/// Targets by the names under which they were asked for.
type Found = Mutex<BTreeMap<String, Arc<CallTarget>>>;

/// So many names are remembered; with more of them, all are forgotten.
const MAX_FOUND: usize = 1_024;

/// A catalogue that was read and may become the known one. While it is there no other is read.
pub(super) struct Prepared<'a> {
    known: Known,
    _alone: MutexGuard<'a, ()>,
}

impl Targets {
    /// Targets of this catalogue.
    ///
    /// # Errors
    /// `Invalid` when what the engine is set up with does not fit it.
    pub(super) fn new(
        read: Catalogue,
        setup: Setup,
        default_model: Option<String>,
        max_event_bytes: usize,
    ) -> Result<Self> {
        let used = setup.on(&read)?;
        Ok(Self {
            setup,
            known: RwLock::new(Known { read, used, found: Arc::default() }),
            loading: Mutex::default(),
            default_model,
            max_event_bytes: AtomicUsize::new(max_event_bytes),
            #[cfg(feature = "echo")]
            echo: tokio::sync::Mutex::default(),
        })
    }

    pub(super) fn catalogue(&self) -> Catalogue {
        self.known.read().unwrap_or_else(PoisonError::into_inner).used.clone()
    }

    /// The longest event of a stream, for all calls from now on.
    pub(super) fn set_max_event_bytes(&self, bytes: usize) {
        self.max_event_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Lays a catalogue over the one that is known, for all calls from now on. An error leaves everything as it was.
    pub(super) fn load(&self, json: &str) -> Result<()> {
        self.take_over(self.prepare(json)?);
        Ok(())
    }

    /// Reads a catalogue that is to be laid over the one that is known. Nothing changes yet.
    pub(super) fn prepare(&self, json: &str) -> Result<Prepared<'_>> {
        // Two that are loaded at once are laid over each other. Calls do not wait while one is read, which takes a while,
        // and asks the application's own environment.
        let alone = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.known.read().unwrap_or_else(PoisonError::into_inner).read.clone();
        let read = before.with_json(json)?;
        let used = self.setup.on(&read)?;
        Ok(Prepared { known: Known { read, used, found: Arc::default() }, _alone: alone })
    }

    /// Makes a prepared catalogue the known one, for all calls from now on.
    pub(super) fn take_over(&self, prepared: Prepared<'_>) {
        *self.known.write().unwrap_or_else(PoisonError::into_inner) = prepared.known;
    }

    /// The target of a call: the call's model, else the conversation's, else the engine's.
    pub(super) async fn resolve(&self, call: Option<&str>, conversation: Option<&str>) -> Result<Arc<CallTarget>> {
        let name = call.or(conversation).or(self.default_model.as_deref()).ok_or_else(|| {
            Error::invalid(
                "model_missing",
                "no model is named: give one to the call, the conversation or the engine, as `provider/model`, or set \
                 TERTULIA_MODEL",
            )
        })?;
        let max_event_bytes = self.max_event_bytes.load(Ordering::Relaxed);
        let (catalogue, found) = {
            let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
            let before = lock(&known.found).get(name).cloned();
            if let Some(target) = before.filter(|target| target.max_event_bytes == max_event_bytes) {
                return Ok(target);
            }
            (known.used.clone(), known.found.clone())
        };
        // Boxed: whoever asks what is known carries nothing of this with it.
        Box::pin(self.find(name, max_event_bytes, &catalogue, &found)).await
    }

    /// Reads the catalogue for what is not known yet.
    async fn find(
        &self,
        name: &str,
        max_event_bytes: usize,
        catalogue: &Catalogue,
        found: &Found,
    ) -> Result<Arc<CallTarget>> {
        let model = catalogue.resolve(name)?;
        let entry = catalogue.require_provider(&model.provider)?.clone();
        let route = match self.setup.own.get(&entry.name) {
            Some(code) => Route::Own(code.clone()),
            None => Route::Http(HttpRoute { base_url: self.base_url(&entry).await?, dialect: dialect(&entry)? }),
        };
        let info = entry.model(&model.model);
        // Where the environment has a say it is asked each time, and so is a simulator that may not run yet.
        let is_fixed = entry.is_own() || (entry.base_url.fixed().is_some() && entry.name != ECHO);
        let target = Arc::new(CallTarget::new(model, entry, route, info, max_event_bytes));
        if is_fixed {
            let mut found = lock(found);
            if found.len() >= MAX_FOUND {
                found.clear();
            }
            found.insert(name.to_owned(), target.clone());
        }
        Ok(target)
    }

    /// The entry of a provider.
    pub(super) fn provider(&self, name: &str) -> Result<Arc<ProviderEntry>> {
        self.catalogue().require_provider(name).cloned()
    }

    /// Where a provider is now: the variables of its address are read at each call, as its key is.
    ///
    /// # Errors
    /// `Invalid` (unsupported) for code of the application's own, which is nowhere; `Invalid` (address_missing, bad_url).
    #[cfg_attr(not(feature = "echo"), expect(clippy::unused_async, reason = "only the simulator has to be started"))]
    pub(super) async fn base_url(&self, entry: &ProviderEntry) -> Result<Uri> {
        #[cfg(feature = "echo")]
        if entry.name == ECHO && !entry.is_own() {
            let mut echo = self.echo.lock().await;
            let simulator = match &mut *echo {
                Some(simulator) => simulator,
                none => {
                    let started = tertulia_simulator::Simulator::start().await.map_err(|e| {
                        Error::internal("the bundled simulator could not listen on loopback").with_source(e)
                    })?;
                    started.set_recording(false);
                    none.insert(started)
                }
            };
            return format!("{}/v1", simulator.url())
                .parse()
                .map_err(|e| Error::internal("a bad simulator URL").with_source(e));
        }
        if entry.is_own() {
            let detail =
                format!("provider `{}` is code of your own and has no address to send a request to", entry.name);
            return Err(Error::invalid("unsupported", detail));
        }
        entry.address(|variable| self.setup.environment.get(variable))
    }

    #[cfg_attr(not(feature = "echo"), expect(clippy::unused_async, reason = "only the simulator has to be stopped"))]
    pub(super) async fn close(&self) {
        #[cfg(feature = "echo")]
        if let Some(simulator) = self.echo.lock().await.take() {
            simulator.shutdown().await;
        }
    }
}

fn lock(found: &Found) -> MutexGuard<'_, BTreeMap<String, Arc<CallTarget>>> {
    found.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The dialect of a provider.
fn dialect(entry: &ProviderEntry) -> Result<Arc<dyn Dialect>> {
    match entry.dialect.as_str() {
        "openai_chat" => Ok(Arc::new(OpenAiChat)),
        "openai_responses" => Ok(Arc::new(OpenAiResponses)),
        "anthropic" => Ok(Arc::new(Anthropic)),
        "ollama" => Ok(Arc::new(Ollama)),
        "gemini" => Ok(Arc::new(Gemini)),
        _ => Err(Error::invalid(
            "unsupported",
            format!("provider `{}` names a dialect that this version does not speak", entry.name),
        )),
    }
}
