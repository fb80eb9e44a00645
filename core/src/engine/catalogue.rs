//! The catalogue as an engine uses it: what was read, with what the engine was set up with on top; read again from a
//! file at run time.

use std::collections::HashMap;
use std::path::Path;

use tokio::io::AsyncReadExt as _;

use super::tertulia::Tertulia;
use crate::call::catalog::base_url_variable;
use crate::call::{Catalogue, OwnCode, ProviderSpec};
use crate::model::{Error, Result};

/// No catalogue is longer; the bundled one has a quarter of a mebibyte.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// What the engine was set up with, which stays on top of every catalogue.
pub(super) struct Setup {
    /// Other addresses, by the names of variables as `TERTULIA_OPENAI_BASE_URL`.
    pub(super) environment: std::sync::Arc<dyn crate::call::Environment>,
    pub(super) providers: Vec<ProviderSpec>,
    /// Providers that are the application's own code, by name.
    pub(super) own: HashMap<String, OwnCode>,
    pub(super) aliases: Vec<(String, String)>,
}

impl Setup {
    /// This catalogue with everything on top.
    pub(super) fn on(&self, catalogue: &Catalogue) -> Result<Catalogue> {
        let mut catalogue = catalogue.clone();
        for provider in catalogue.providers() {
            let variable = base_url_variable(&provider.name);
            if let Some(url) = self.environment.get(&variable).filter(|url| !url.is_empty()) {
                catalogue = catalogue.with_base_url(&provider.name, &url)?;
            }
        }
        for spec in &self.providers {
            catalogue = catalogue.with_provider(spec.clone())?;
        }
        for code in self.own.values() {
            catalogue = catalogue.with_entry(code.entry()?);
        }
        for (name, model) in &self.aliases {
            catalogue = catalogue.with_alias(name, model)?;
        }
        Ok(catalogue)
    }
}

/// The application's own code by its names, each of which stands for one provider.
pub(super) fn own_code(own: Vec<OwnCode>, described: &[ProviderSpec]) -> Result<HashMap<String, OwnCode>> {
    let mut by_name = HashMap::with_capacity(own.len());
    for code in own {
        let name = code.entry()?.name;
        if described.iter().any(|spec| spec.name() == name) || by_name.contains_key(&name) {
            let detail = format!("two providers of yours are called `{name}`; rename one");
            return Err(Error::invalid("bad_provider", detail));
        }
        by_name.insert(name, code);
    }
    Ok(by_name)
}

impl Tertulia {
    /// Reads a catalogue from a JSON file in the layout of the bundled one, at most 16 MiB, for all calls from now on;
    /// calls that are under way end as they began. What it holds is laid over what is known: a provider takes the
    /// place of one of the same name, whole, with all of its models, and so does an alias; everything else stays, and
    /// what the builder was given stays on top. A catalogue says where keys and conversations go: load none that you
    /// would not run as a program.
    ///
    /// # Errors
    /// `Invalid` (bad_catalogue, bad_provider, bad_url, …) that says what is wrong; then nothing has changed.
    /// `Closed`.
    pub async fn load_catalogue(&self, path: impl AsRef<Path>) -> Result<()> {
        let (engine, path) = (&self.0, path.as_ref().to_owned());
        let work = async move {
            engine.check_open()?;
            engine.targets.load(&read(&path).await?)?;
            let providers = engine.targets.catalogue().providers().len();
            tracing::info!(target: "tertulia::engine", operation = "load_catalogue", providers, "catalogue loaded");
            Ok(())
        };
        engine.tasks.on_runtime(work).await.map_err(|e: Error| e.during("load_catalogue"))
    }
}

async fn read(path: &Path) -> Result<String> {
    let unreadable = |e: std::io::Error| {
        let detail = format!("the catalogue `{}` cannot be read: {}", path.display(), e.kind());
        Error::invalid("bad_catalogue", detail).with_source(e)
    };
    let file = tokio::fs::File::open(path).await.map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes).await.map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::invalid("bad_catalogue", format!("the catalogue is longer than {MAX_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| Error::invalid("bad_catalogue", "the catalogue is no text in UTF-8"))
}
