//! Whom a call may go on to, and how it is asked there.

use std::sync::Arc;

use super::options::CallOptions;
use super::tertulia::Inner;
use super::user::UserScope;
use crate::call::{Alternative, Alternatives, CallKey, CallTarget, MakeRequest, Plan};
use crate::model::{ChatRequest, Error, Result};
use crate::policy::MidStream;

/// More targets than these share no call.
const MAX_TARGETS: usize = 16;

/// The targets that a call names besides its own, or else the settings; each once.
///
/// # Errors
/// `Invalid` (bad_fallback, unknown_model, …): a target that nobody could ask is found out before it is needed.
/// `Unauthorized` (not_allowed) when the user's tier may not ask a model that the call names.
pub(super) async fn others(
    engine: &Inner,
    options: &CallOptions,
    own: &CallTarget,
    plan: Option<&Plan>,
) -> Result<Vec<Arc<CallTarget>>> {
    if let Some(plan) = plan {
        plan.check_model(own.name())?;
    }
    let current = engine.current();
    let names = options.fallback.as_ref().unwrap_or(&current.settings.fallback.targets);
    if names.len() > MAX_TARGETS {
        return Err(Error::invalid("bad_fallback", format!("a call goes on to at most {MAX_TARGETS} other models")));
    }
    let mut others: Vec<Arc<CallTarget>> = Vec::with_capacity(names.len());
    for name in names {
        let target = engine.targets.resolve(Some(name), None).await?;
        match plan.map(|plan| plan.check_model(target.name())) {
            Some(Err(refusal)) if options.fallback.is_some() => return Err(refusal),
            // What the settings name for everybody is left out for whom it is not.
            Some(Err(_)) => continue,
            _ => {}
        }
        if target.model != own.model && others.iter().all(|other| other.model != target.model) {
            others.push(target);
        }
    }
    Ok(others)
}

/// The key for a call to this target: what the options hold is for the provider of the call's own target alone.
pub(super) fn key_of(
    user: Option<&UserScope>,
    options: &CallOptions,
    own: &CallTarget,
    target: &CallTarget,
) -> Option<CallKey> {
    let provider = &target.entry.name;
    let of_call = options.key.as_ref().filter(|_| *provider == own.entry.name);
    match user {
        Some(user) => user.key_for(of_call, provider),
        None => of_call.map(|key| CallKey { provider: provider.clone(), key: key.clone() }),
    }
}

/// What the call carries with it of all this; nothing when it has nobody to go on to and nothing to continue.
pub(super) fn alternatives(
    engine: &Inner,
    user: Option<&UserScope>,
    options: &CallOptions,
    own: &CallTarget,
    others: Vec<Arc<CallTarget>>,
    make: impl FnOnce() -> MakeRequest,
) -> Option<Arc<Alternatives>> {
    let mid_stream = options.mid_stream.unwrap_or(engine.current().settings.fallback.mid_stream);
    if others.is_empty() && mid_stream != MidStream::Continue {
        return None;
    }
    let with_key = |target: Arc<CallTarget>| Alternative { key: key_of(user, options, own, &target), target };
    Some(Arc::new(Alternatives { targets: others.into_iter().map(with_key).collect(), make: make(), mid_stream }))
}

/// The request that the options make of a target that is not the call's own, without messages. What they hold for one
/// provider is not for another, and marks in the history fit the history of the call's own target alone.
pub(super) fn request_elsewhere(options: &CallOptions, own: &CallTarget, target: &CallTarget) -> ChatRequest {
    let mut request = options.request(&target.model.model);
    if target.entry.name != own.entry.name {
        request.extra_body = None;
        request.extra_headers.clear();
    }
    if let Some(cache) = &mut request.prompt_cache {
        cache.messages.clear();
    }
    request
}
