//! The models that a provider offers right now.

use std::collections::HashSet;

use super::raw::ProviderHandle;
use crate::base::ErrorKind;
use crate::call::ModelRef;
use crate::model::{Error, ModelInfo, Result};
use crate::wire::{ModelList, Target};

/// No provider has more pages of up to a thousand models.
const MAX_PAGES: usize = 50;

impl ProviderHandle {
    /// Asks the provider which models it offers right now, in its own order. What the list says of a model's window and
    /// output goes first; the rest is what the catalogue knows, so that a model it does not know has no price.
    ///
    /// # Errors
    /// `Invalid` (unknown_provider), `Unauthorized` (key_missing, key_rejected), `Unavailable` (bad_response, …),
    /// `TimedOut`.
    pub async fn models(&self) -> Result<Vec<ModelInfo>> {
        let work = self.in_time(self.listed());
        self.engine.tasks.on_runtime(work).await.map_err(|e| e.during("provider.models"))
    }

    async fn listed(&self) -> Result<Vec<ModelInfo>> {
        let engine = &self.engine;
        engine.check_open()?;
        let entry = engine.targets.provider(&self.name)?;
        let base_url = engine.targets.base_url(&entry).await?;
        let list = ModelList::of(&entry.dialect).ok_or_else(|| {
            Error::invalid("unsupported", format!("`{}` speaks a dialect that lists no models", entry.name))
        })?;
        let target = Target {
            provider: &entry.name,
            base_url: &base_url,
            quirks: &entry.quirks,
            stream: false,
            max_output_tokens: None,
            max_event_bytes: engine.current().settings.network.max_event_bytes,
        };
        let (mut models, mut seen, mut page) = (Vec::new(), HashSet::new(), None);
        for _ in 0..MAX_PAGES {
            let request = list.encode(&target, page.as_deref())?;
            let (head, body) = self.exchange(&entry, &base_url, request).await?;
            if !head.status.is_success() {
                let error = list.classify(head.status, &head.headers, &body);
                return Err(error.with_status(head.status.as_u16()));
            }
            let found = list.decode(&body)?;
            for listed in found.models {
                let id = format!("{}/{}", entry.name, listed.name);
                if id.parse::<ModelRef>().is_err() || !seen.insert(listed.name.clone()) {
                    continue;
                }
                let known = entry.model(&listed.name).unwrap_or_else(|| ModelInfo { id, ..ModelInfo::default() });
                models.push(ModelInfo {
                    context_window: listed.context_window.or(known.context_window),
                    max_output_tokens: listed.max_output_tokens.or(known.max_output_tokens),
                    ..known
                });
            }
            if found.next.is_none() {
                return Ok(models);
            }
            if found.next == page {
                break;
            }
            page = found.next;
        }
        let detail = "the provider's list of models does not end; ask it with `request` and read what you need";
        Err(Error::new(ErrorKind::Unavailable, "bad_response", detail))
    }
}
