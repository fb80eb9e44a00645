//! Which keys are not worth trying: one latch for each key at each model, by a print of the key that does not tell it.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::target::{Call, HttpRoute};
use crate::base::{Clock, ErrorKind, Retry, Secret};
use crate::model::{Error, Result};
use crate::policy::Latch;

/// So many keys are remembered; with more of them, all are forgotten.
const MAX_KEYS: usize = 1_024;

type Print = [u8; 32];

/// The keys that were refused. Cheap to clone.
#[derive(Clone)]
pub(super) struct Latches {
    pause: Duration,
    clock: Arc<dyn Clock>,
    shut: Arc<Mutex<HashMap<Print, Refused>>>,
}

struct Refused {
    latch: Latch,
    kind: ErrorKind,
    reason: Cow<'static, str>,
}

impl Latches {
    /// Lets one call try a refused key again each `pause`.
    pub(super) fn new(pause: Duration, clock: Arc<dyn Clock>) -> Self {
        Self { pause, clock, shut: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Print, Refused>> {
        self.shut.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for leave to use a key.
    ///
    /// # Errors
    /// What the provider said of it, of the same kind and reason; nothing was sent.
    pub(super) fn ask(&self, call: &Call, route: &HttpRoute, key: Option<&Secret>) -> Result<()> {
        let mut shut = self.lock();
        if shut.is_empty() {
            return Ok(());
        }
        let Some(refused) = shut.get_mut(&print(call, route, key)) else { return Ok(()) };
        refused.latch.ask(self.pause, self.clock.monotonic()).map_err(|wait| {
            let detail = format!(
                "the provider has refused this key, or its account is empty; nothing was sent. Give another key, or \
                 settle the account: it is tried again in {} s",
                wait.as_secs() + 1
            );
            Error::new(refused.kind, refused.reason.clone(), detail).unsent()
        })
    }

    /// Takes in how the provider answered to a key.
    pub(super) fn heard(&self, call: &Call, route: &HttpRoute, key: Option<&Secret>, failure: Option<&Error>) {
        let refused = failure.filter(|error| {
            matches!(error.kind(), ErrorKind::Unauthorized | ErrorKind::QuotaExhausted)
                && error.retry() == Retry::Never
                && error.provider_error().is_some()
        });
        let mut shut = self.lock();
        match (refused, failure) {
            (Some(error), _) => {
                if shut.len() >= MAX_KEYS {
                    shut.clear();
                }
                let refused = shut.entry(print(call, route, key)).or_insert_with(|| Refused {
                    latch: Latch::default(),
                    kind: error.kind(),
                    reason: Cow::Owned(error.reason().to_owned()),
                });
                refused.latch.refused(self.pause, self.clock.monotonic());
            }
            (None, None) if !shut.is_empty() => drop(shut.remove(&print(call, route, key))),
            (None, _) => {}
        }
    }
}

fn print(call: &Call, route: &HttpRoute, key: Option<&Secret>) -> Print {
    let mut hash = Sha256::new();
    let (model, address) = (call.target.model.to_string(), route.base_url.to_string());
    for text in [&*model, &*address, key.map_or("", Secret::expose)] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    hash.finalize().into()
}
