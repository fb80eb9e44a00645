//! Whom a call goes on to when its target fails, and how it is asked there.

use std::fmt;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::credentials::CallKey;
use super::target::CallTarget;
use crate::model::{ChatRequest, Result};
use crate::policy::MidStream;

/// Makes the request of a target: what it is shown and how depends on its window, its media and its provider.
pub type MakeRequest = Arc<dyn Fn(Arc<CallTarget>) -> BoxFuture<'static, Result<Arc<ChatRequest>>> + Send + Sync>;

/// Whom a call may ask besides its own target, and what becomes of a reply that breaks off.
pub struct Alternatives {
    /// The targets, in the order they are asked.
    pub targets: Vec<Alternative>,
    /// Makes the request of one of them once it is needed.
    pub make: MakeRequest,
    /// What becomes of a reply that breaks off after its first content.
    pub mid_stream: MidStream,
}

/// One of them.
#[derive(Clone)]
pub struct Alternative {
    /// Who.
    pub target: Arc<CallTarget>,
    /// A key for this call alone.
    pub key: Option<CallKey>,
}

impl fmt::Debug for Alternatives {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let targets: Vec<_> = self.targets.iter().map(|other| other.target.model.to_string()).collect();
        f.debug_struct("Alternatives")
            .field("targets", &targets)
            .field("mid_stream", &self.mid_stream)
            .finish_non_exhaustive()
    }
}
