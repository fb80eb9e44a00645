//! The engine's handle.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use tertulia::{Content, NewMessage, ProviderSpec, Reconfiguration, Result, Settings, Window};

use super::events::{AsyncEngineEvents, EngineEvents};
use super::library::{AsyncLibrary, Library, LibraryCache, Shelf};
use super::options::{Key, options};
use super::provider::{AsyncProviderHandle, Gate, ProviderHandle};
use super::root::{Change, Config, Root, Way};
use super::spending::Query;
use super::upkeep::{AsyncStoreUpkeep, StoreUpkeep};
use super::user::{AsyncUserScope, Scope, UserScope};
use crate::bridge::{Awaitable, Done, done, wait};
use crate::content::parts;
use crate::convert::{Fields, FromPython, Place, ToPython as _, duration_ms, expected_of, invalid, json};
use crate::error::raise;
use crate::values::{described, id_of, tier, tiers};

const KEYWORDS: &[&str] =
    &["store", "model", "fallback", "keys", "providers", "settings", "tiers", "tier_of", "on_event"];

const SPEC: &[&str] = &[
    "name",
    "base_url",
    "title",
    "key_variable",
    "auth",
    "dialect",
    "quirks",
    "media",
    "local",
    "allow_http",
    "docs_url",
    "models",
];

impl FromPython for ProviderSpec {
    fn from_python(value: &Bound<'_, PyAny>, at: &Place<'_>) -> PyResult<Self> {
        let fields = Fields::of_dict(value, *at, "a dict that describes a provider")?;
        fields.only(SPEC)?;
        let _: String = fields.take("name")?;
        let _: String = fields.take("base_url")?;
        let spec: Self = serde_json::from_value(json(value, at)?).map_err(|e| {
            let detail = format!("{at} has a field of another kind than expected: {}", expected_of(&e));
            invalid(value.py(), "bad_provider", detail)
        })?;
        spec.clone().check().map_err(|e| raise(value.py(), &e))?;
        Ok(spec)
    }
}

/// The keys of several providers.
pub(super) fn keys(fields: &Fields<'_, '_>) -> PyResult<Vec<(String, tertulia::Secret)>> {
    let keys: HashMap<String, Key> = fields.take("keys")?;
    Ok(keys.into_iter().map(|(provider, Key(secret))| (provider, secret)).collect())
}

fn config(class: &str, args: &Bound<'_, PyTuple>, given: Option<&Bound<'_, PyDict>>) -> PyResult<Config> {
    let py = args.py();
    let fields = Fields::of_call(class, args, given, &["store"])?;
    fields.only(KEYWORDS)?;
    let store = match fields.raw("store")?.filter(|store| !store.is_none()) {
        Some(store) if store.is_instance_of::<PyString>() => Some(String::from_python(&store, &Place::named("store"))?),
        Some(store) => {
            let path = py.import("os")?.call_method1("fspath", (store,))?;
            Some(String::from_python(&path, &Place::named("store"))?)
        }
        None => None,
    };
    let settings = match fields.raw("settings")?.filter(|settings| !settings.is_none()) {
        Some(settings) => {
            Settings::from_json(&json(&settings, &Place::named("settings"))?).map_err(|e| raise(py, &e))?
        }
        None => Settings::default(),
    };
    let tiers = match fields.raw("tiers")?.filter(|tiers| !tiers.is_none()) {
        Some(given) => tiers(&given)?,
        None => Vec::new(),
    };
    let users: HashMap<String, String> = fields.take("tier_of")?;
    let on_event = match fields.raw("on_event")?.filter(|called| !called.is_none()) {
        Some(called) if called.is_callable() => Some(Arc::new(called.unbind())),
        Some(_) => return Err(invalid(py, "wrong_type", "on_event must be a function of an event")),
        None => None,
    };
    Ok(Config {
        tiers,
        users: users.into_iter().collect(),
        on_event,
        changes: Vec::new(),
        store,
        model: fields.take("model")?,
        fallback: fields.take("fallback")?,
        keys: keys(&fields)?,
        providers: fields.take("providers")?,
        settings,
    })
}

/// What `ask` is about: its content, or a list of messages.
pub(super) fn said(
    py: Python<'_>,
    content: Option<&Bound<'_, PyAny>>,
    messages: Option<&Bound<'_, PyAny>>,
) -> PyResult<Content> {
    match (content, messages) {
        (Some(content), None) => parts(content, &Place::named("content")).map(Content::from),
        (None, Some(messages)) => {
            Vec::<NewMessage>::from_python(messages, &Place::named("messages")).map(Content::from)
        }
        _ => Err(invalid(py, "empty_message", "ask() takes content or messages, one of the two")),
    }
}

/// What both handles of an engine hold.
#[derive(Clone)]
pub(super) struct Handle(pub(super) Arc<Root>);

impl Handle {
    fn scope(
        &self,
        py: Python<'_>,
        id: Option<&Bound<'_, PyAny>>,
        given: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Scope> {
        let fields = Fields::of_keywords("user", py, given);
        fields.only(&["keys"])?;
        let id = match id {
            Some(id) => String::from_python(id, &Place::named("id"))?,
            None => "local".to_owned(), // the one user of this device
        };
        Ok(Scope { root: Arc::clone(&self.0), id: id.into(), keys: keys(&fields)?.into() })
    }

    fn show(&self, class: &str) -> String {
        let config = &self.0.config;
        let store = config.store.as_deref().map_or_else(String::new, |store| format!("{store:?}"));
        let model = config.model.as_deref().map_or_else(String::new, |model| format!("model={model:?}"));
        let comma = if store.is_empty() || model.is_empty() { "" } else { ", " };
        format!("{class}({store}{comma}{model})")
    }
}

async fn opened(way: Way) -> Result<()> {
    way.open().await.map(drop).map_err(|error| error.during("open"))
}

twins! {
    /// The conversation engine. Making it opens nothing; `with`, `open()` or the first verb does.
    Tertulia / AsyncTertulia (Handle), "";
    verbs {
        /// Asks once and stores nothing.
        #[pyo3(signature = (content = None, *, messages = None, **options))]
        fn ask(
            &self,
            py,
            content: Option<&Bound<'_, PyAny>>,
            messages: Option<&Bound<'_, PyAny>>,
            options: Option<&Bound<'_, PyDict>>,
        ) {
            let (said, options) = (said(py, content, messages)?, self::options("ask", py, options)?);
            let way = self.0.0.way(py)?;
            async move { way.open().await?.ask(said).with(options).await }
        }

        /// Changes limits, timeouts, retries, breakers, keys and prices, all of it or nothing.
        #[pyo3(signature = (settings = None, *, keys = None, catalogue = None))]
        fn reconfigure(
            &self,
            py,
            settings: Option<&Bound<'_, PyAny>>,
            keys: Option<&Bound<'_, PyAny>>,
            catalogue: Option<&Bound<'_, PyAny>>,
        ) {
            let of = |value: Option<&Bound<'_, PyAny>>, name| {
                value.filter(|value| !value.is_none()).map(|value| json(value, &Place::named(name))).transpose()
            };
            let (settings, catalogue) = (of(settings, "settings")?, of(catalogue, "catalogue")?);
            let keys: Option<HashMap<String, Key>> = match keys {
                Some(keys) => FromPython::from_python(keys, &Place::named("keys"))?,
                None => None,
            };
            let way = self.0.0.way(py)?;
            let named = keys.iter().flatten().map(|(provider, Key(key))| (provider.clone(), key.clone())).collect();
            let holds = Arc::new(AtomicBool::new(false));
            let laid_over = catalogue.as_ref().map(ToString::to_string);
            let noted = Change { settings: settings.clone(), keys: named, catalogue: laid_over, holds: holds.clone() };
            self.0.0.note(noted);
            async move {
                let tertulia = way.open().await?;
                let mut change = Reconfiguration::new();
                if let Some(json) = &settings {
                    change = change.settings(tertulia.settings().with_json(json)?);
                }
                for (provider, Key(key)) in keys.unwrap_or_default() {
                    change = change.key(provider, key);
                }
                if let Some(json) = &catalogue {
                    change = change.catalogue(json.to_string());
                }
                tertulia.reconfigure(change)?;
                holds.store(true, Ordering::Release);
                Ok(())
            }
        }

        /// Opens connections to the providers of these models ahead of the first call.
        #[pyo3(signature = (*models))]
        fn warm_up(&self, py, models: &Bound<'_, PyTuple>) {
            let models: Vec<String> = FromPython::from_python(models, &Place::named("models"))?;
            let way = self.0.0.way(py)?;
            async move { way.open().await?.warm_up(models).await }
        }

        /// Lays a catalogue from a JSON file over the one that is known, for all calls from now on.
        fn load_catalogue(&self, py, path: &Bound<'_, PyAny>) {
            let path = py.import("os")?.call_method1("fspath", (path,))?;
            let path = String::from_python(&path, &Place::named("path"))?;
            let way = self.0.0.way(py)?;
            async move { way.open().await?.load_catalogue(path).await }
        }

        /// Sets a budget, in place of one with the same scope, key, window and unit.
        #[pyo3(signature = (**budget))]
        fn set_budget(&self, py, budget: Option<&Bound<'_, PyDict>>) {
            let budget = described(py, budget)?;
            let way = self.0.0.way(py)?;
            async move { way.open().await?.set_budget(budget.clone()).await.map(|()| budget) }
        }

        /// Takes a budget away: the budget, or its id.
        fn remove_budget(&self, py, budget: &Bound<'_, PyAny>) {
            let id = id_of(budget)?;
            let way = self.0.0.way(py)?;
            async move { way.open().await?.remove_budget(id).await }
        }

        /// Every budget that is set.
        fn list_budgets(&self, py) {
            let way = self.0.0.way(py)?;
            async move { way.open().await?.list_budgets().await }
        }

        /// Where the budgets of the application stand.
        fn budgets(&self, py) {
            let way = self.0.0.way(py)?;
            async move { way.open().await?.budgets().await }
        }

        /// Says what users of this tier may do, for all of their calls from now on.
        #[pyo3(signature = (name, **tier))]
        fn set_tier(&self, py, name: String, tier: Option<&Bound<'_, PyDict>>) {
            let tier = self::tier(py, tier)?;
            let way = self.0.0.way(py)?;
            async move { way.open().await?.set_tier(name, tier) }
        }

        /// Takes a tier away.
        fn remove_tier(&self, py, name: String) {
            let way = self.0.0.way(py)?;
            async move { way.open().await.map(|engine| engine.remove_tier(&name)) }
        }

        /// The tiers that are set, by name.
        fn tiers(&self, py) {
            let way = self.0.0.way(py)?;
            async move { way.open().await.map(|engine| engine.tiers().into_iter().collect::<HashMap<_, _>>()) }
        }

        /// Says that a user belongs to a tier, or to none.
        fn assign_tier(&self, py, user: String, tier: Option<String>) {
            let way = self.0.0.way(py)?;
            async move { way.open().await?.assign_tier(user, tier.as_deref()) }
        }

        /// What everybody has spent, summed up.
        #[pyo3(signature = (*, by = None, since = None, until = None, after = None, limit = 50))]
        fn usage(
            &self,
            py,
            by: Option<&Bound<'_, PyAny>>,
            since: Option<&Bound<'_, PyAny>>,
            until: Option<&Bound<'_, PyAny>>,
            after: Option<String>,
            limit: usize,
        ) {
            let query = Query::read(by, since, until, after, limit)?;
            let way = self.0.0.way(py)?;
            async move { query.ask(way.open().await?.usage()).await }
        }

        /// What everybody will have spent in this window at its end.
        fn forecast(&self, py, window: &Bound<'_, PyAny>) {
            let window = Window::from_python(window, &Place::named("window"))?;
            let way = self.0.0.way(py)?;
            async move { way.open().await?.forecast(window).await }
        }

        /// Tells that the machine is on another network, or on one again.
        fn network_changed(&self, py) {
            let way = self.0.0.way(py)?;
            async move {
                way.open().await?.network_changed();
                Ok(())
            }
        }

        /// Tells that the machine saves power, or no longer does.
        fn set_low_power(&self, py, low: bool) {
            let way = self.0.0.way(py)?;
            async move {
                way.open().await?.set_low_power(low);
                Ok(())
            }
        }

        /// Gives up every file and lock of the store, so that the system may suspend the program.
        fn suspend(&self, py) {
            let way = self.0.0.way(py)?;
            async move { way.open().await?.suspend().await }
        }

        /// Opens the store again and drains the outbox.
        fn resume(&self, py) {
            let way = self.0.0.way(py)?;
            async move { way.open().await?.resume().await }
        }

        /// Ends what is under way, waiting up to 5 s, and frees every thread, socket and file.
        fn close(&self, py) {
            let way = self.0.0.way(py)?;
            way.close()
        }
    }
    both {
        /// Every provider that the engine knows.
        fn providers<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            self.0.0.way(py)?.providers().map_err(|e| raise(py, &e))?.to_python(py)
        }

        /// The figures of the last seconds, for each model and in all.
        #[pyo3(signature = (window = None))]
        fn stats<'py>(&self, py: Python<'py>, window: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
            let window_ms = match window {
                Some(window) => duration_ms(window, &Place::named("window"))?,
                None => 60_000,
            };
            let window = std::time::Duration::from_millis(u64::try_from(window_ms).unwrap_or(0));
            let way = self.0.0.way(py)?;
            way.open_already().map_err(|e| raise(py, &e.during("stats")))?.stats(window).into_python(py)
        }

        /// How the engine is now.
        fn health<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
            let way = self.0.0.way(py)?;
            way.open_already().map_err(|e| raise(py, &e.during("health")))?.health().into_python(py)
        }

        /// What is remembered of libraries and of users' preferences.
        fn library_cache(&self) -> LibraryCache {
            LibraryCache(Arc::clone(&self.0.0))
        }

        /// Every known model that fits the pattern: `*`, `anthropic/*`, or a name.
        #[pyo3(signature = (pattern = "*"))]
        fn models<'py>(&self, py: Python<'py>, pattern: &str) -> PyResult<Bound<'py, PyAny>> {
            self.0.0.way(py)?.models(pattern).map_err(|e| raise(py, &e))?.to_python(py)
        }
    }
    sync {
        #[new]
        #[pyo3(signature = (*args, **options))]
        fn new(args: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
            Ok(Self(Handle(Arc::new(Root::new(config("Tertulia", args, options)?)))))
        }

        /// The conversations of one user.
        #[pyo3(signature = (id = None, **options))]
        fn user(
            &self,
            py: Python<'_>,
            id: Option<&Bound<'_, PyAny>>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<UserScope> {
            self.0.scope(py, id, options).map(UserScope)
        }

        /// The application's prompts, which all its users see.
        fn prompts(&self) -> Library {
            Library(Shelf::of_all(&self.0.0, "prompt"))
        }

        /// The application's personas, which all its users see.
        fn personas(&self) -> Library {
            Library(Shelf::of_all(&self.0.0, "persona"))
        }

        /// The application's councils, which all its users see.
        fn councils(&self) -> Library {
            Library(Shelf::of_all(&self.0.0, "council"))
        }

        /// The application's values of a kind.
        fn library(&self, kind: &str) -> Library {
            Library(Shelf::of_all(&self.0.0, kind))
        }

        /// The store's upkeep.
        fn store(&self) -> StoreUpkeep {
            StoreUpkeep(Arc::clone(&self.0.0))
        }

        /// One provider, for requests of your own.
        fn provider(&self, name: String) -> ProviderHandle {
            ProviderHandle(Gate { root: Arc::clone(&self.0.0), name })
        }

        /// What happens in the engine from now on.
        fn events(&self, py: Python<'_>) -> PyResult<EngineEvents> {
            Ok(EngineEvents::new(self.0.0.way(py)?))
        }

        /// Opens the engine, unless it is open.
        fn open<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
            wait(slf.py(), opened(slf.get().0.0.way(slf.py())?))?;
            Ok(slf)
        }

        fn __enter__<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
            Self::open(slf)
        }

        #[pyo3(signature = (*_why))]
        fn __exit__(&self, py: Python<'_>, _why: &Bound<'_, PyTuple>) -> PyResult<()> {
            wait(py, self.0.0.way(py)?.close())
        }

        fn __repr__(&self) -> String {
            self.0.show("Tertulia")
        }
    }
    async {
        #[new]
        #[pyo3(signature = (*args, **options))]
        fn new(args: &Bound<'_, PyTuple>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
            Ok(Self(Handle(Arc::new(Root::new(config("AsyncTertulia", args, options)?)))))
        }

        /// The conversations of one user.
        #[pyo3(signature = (id = None, **options))]
        fn user(
            &self,
            py: Python<'_>,
            id: Option<&Bound<'_, PyAny>>,
            options: Option<&Bound<'_, PyDict>>,
        ) -> PyResult<AsyncUserScope> {
            self.0.scope(py, id, options).map(AsyncUserScope)
        }

        /// The application's prompts, which all its users see.
        fn prompts(&self) -> AsyncLibrary {
            AsyncLibrary(Shelf::of_all(&self.0.0, "prompt"))
        }

        /// The application's personas, which all its users see.
        fn personas(&self) -> AsyncLibrary {
            AsyncLibrary(Shelf::of_all(&self.0.0, "persona"))
        }

        /// The application's councils, which all its users see.
        fn councils(&self) -> AsyncLibrary {
            AsyncLibrary(Shelf::of_all(&self.0.0, "council"))
        }

        /// The application's values of a kind.
        fn library(&self, kind: &str) -> AsyncLibrary {
            AsyncLibrary(Shelf::of_all(&self.0.0, kind))
        }

        /// The store's upkeep.
        fn store(&self) -> AsyncStoreUpkeep {
            AsyncStoreUpkeep(Arc::clone(&self.0.0))
        }

        /// One provider, for requests of your own.
        fn provider(&self, name: String) -> AsyncProviderHandle {
            AsyncProviderHandle(Gate { root: Arc::clone(&self.0.0), name })
        }

        /// What happens in the engine from now on.
        fn events(&self, py: Python<'_>) -> PyResult<AsyncEngineEvents> {
            Ok(AsyncEngineEvents::new(self.0.0.way(py)?))
        }

        /// Opens the engine, unless it is open.
        fn open(slf: Bound<'_, Self>) -> PyResult<Awaitable> {
            let way = slf.get().0.0.way(slf.py())?;
            let slf = slf.into_any().unbind();
            Ok(Awaitable::spawned(async move {
                opened(way).await?;
                let done: Done = Box::new(move |_| Ok(slf));
                Ok(done)
            }))
        }

        fn __aenter__(slf: Bound<'_, Self>) -> PyResult<Awaitable> {
            Self::open(slf)
        }

        #[pyo3(signature = (*_why))]
        fn __aexit__(&self, py: Python<'_>, _why: &Bound<'_, PyTuple>) -> PyResult<Awaitable> {
            let way = self.0.0.way(py)?;
            Ok(Awaitable::spawned(async move { way.close().await.map(done) }))
        }

        fn __repr__(&self) -> String {
            self.0.show("AsyncTertulia")
        }
    }
}
