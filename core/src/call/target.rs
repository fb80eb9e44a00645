//! One call and whom it is for: a provider behind HTTP, or code of the application's own.

use std::sync::Arc;

use http::Uri;

use super::catalog::{ModelRef, ProviderEntry};
use super::context::CallContext;
use super::own::OwnCode;
use crate::model::{ChatRequest, ModelInfo, Result, StreamEvent};
use crate::wire::{Dialect, Target};

/// One call: what is asked, of whom, and what it carries with it.
#[derive(Clone)]
pub struct Call {
    /// What is asked.
    pub request: Arc<ChatRequest>,
    /// Of whom.
    pub target: Arc<CallTarget>,
    /// What it carries with it.
    pub context: CallContext,
}

/// Whom a call is for, with everything needed to speak to them.
pub struct CallTarget {
    /// The model as `provider/model`.
    pub model: ModelRef,
    /// The provider's entry.
    pub entry: Arc<ProviderEntry>,
    /// The way to it.
    pub route: Route,
    /// What is known of the model.
    pub info: Option<ModelInfo>,
    /// The longest event of a stream, in bytes.
    pub max_event_bytes: usize,
    name: Arc<str>,
    place: Arc<str>,
}

/// The way to a provider.
#[derive(Clone)]
pub enum Route {
    /// Over HTTP, in a dialect.
    Http(HttpRoute),
    /// A call of the application's own code.
    Own(OwnCode),
}

/// Where a provider is and what it speaks.
#[derive(Clone)]
pub struct HttpRoute {
    /// Where it is.
    pub base_url: Uri,
    /// What it speaks.
    pub dialect: Arc<dyn Dialect>,
}

impl CallTarget {
    /// This model of this provider, asked by this way, with what is known of it.
    #[must_use]
    pub fn new(
        model: ModelRef,
        entry: Arc<ProviderEntry>,
        route: Route,
        info: Option<ModelInfo>,
        max_event_bytes: usize,
    ) -> Self {
        let name: Arc<str> = model.to_string().into();
        let place = match &route {
            Route::Http(http) => format!("{name} {}", http.base_url).into(),
            Route::Own(_) => name.clone(),
        };
        Self { model, entry, route, info, max_event_bytes, name, place }
    }

    /// The model as `provider/model`, under which it is counted.
    #[must_use]
    pub const fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The model and where it is: what has a queue and a breaker of its own.
    pub(super) const fn place(&self) -> &Arc<str> {
        &self.place
    }

    /// The target in the words of its dialect.
    pub(crate) fn wire<'a>(&'a self, route: &'a HttpRoute, stream: bool) -> Target<'a> {
        let max_output_tokens = self.info.as_ref().and_then(|info| info.max_output_tokens);
        let (provider, quirks) = (&*self.entry.name, &self.entry.quirks);
        let (base_url, max_event_bytes) = (&route.base_url, self.max_event_bytes);
        Target { provider, base_url, quirks, stream, max_output_tokens, max_event_bytes }
    }

    /// The way over HTTP, or nothing for code of the application's own.
    #[must_use]
    pub fn http(&self) -> Option<&HttpRoute> {
        if let Route::Http(route) = &self.route { Some(route) } else { None }
    }

    /// False only when the catalogue says that the model answers in one piece.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.info.as_ref().and_then(|info| info.capabilities.streaming) != Some(false)
    }

    /// True when the first byte may take long: the model thinks first, or is loaded first.
    pub(super) fn slow_start(&self) -> bool {
        self.entry.local || self.info.as_ref().and_then(|info| info.capabilities.reasoning) == Some(true)
    }
}

/// The events of one reply. The last one is `Done`; an error ends it.
pub type ReplyEvents = std::pin::Pin<Box<dyn futures::Stream<Item = Result<StreamEvent>> + Send>>;
