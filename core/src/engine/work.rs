//! What the floor above builds on: the store, time and tasks of one user, and what works on streams of events here.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use super::conversation::{Conversation, ConversationOptions};
use super::tasks::Tasks;
use super::tertulia::Inner;
use super::user::UserScope;
use crate::base::{Clock, ConversationId, Ids, Json, RunId};
use crate::call::{CostLimit, ModelRef};
use crate::model::{Cost, Error, ModelInfo, Result, RunEvent};
use crate::store::Store;

/// The run that calls of a handle belong to.
#[derive(Clone)]
pub(crate) struct InRun {
    pub(crate) id: Arc<str>,
    /// What all calls of the run may cost together.
    pub(crate) cost_limit: Option<CostLimit>,
}

/// A run that is at work here.
#[derive(Clone)]
pub(crate) struct Working {
    /// Whose it is, and the conversation it speaks in.
    pub(crate) owner: Arc<str>,
    pub(crate) conversation: ConversationId,
    /// Ends it.
    pub(crate) stopper: CancellationToken,
    /// Words on their way.
    pub(crate) said: broadcast::Sender<Said>,
}

/// Words on their way, and the number of the last event before them.
pub(crate) type Said = (i64, RunEvent);

/// The runs that are at work in this engine.
pub(super) type Workshop = Mutex<HashMap<RunId, Working>>;

/// What a run stands on.
#[derive(Clone)]
pub(crate) struct Ground {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Ids,
    pub(crate) tasks: Tasks,
    pub(crate) owner: Arc<str>,
    engine: Arc<Inner>,
}

impl Inner {
    /// Stops the runs of this owner, or those of one of his conversations.
    pub(super) fn stop_runs(&self, owner: &str, conversation: Option<ConversationId>) {
        let workshop = self.workshop.lock().unwrap_or_else(PoisonError::into_inner);
        let of_this = |working: &&Working| {
            *working.owner == *owner && conversation.is_none_or(|conversation| working.conversation == conversation)
        };
        workshop.values().filter(of_this).for_each(|working| working.stopper.cancel());
    }
}

impl Ground {
    /// The error as users get it.
    pub(crate) fn failed(&self, error: Error, operation: &'static str) -> Error {
        self.engine.failed(error, operation)
    }

    /// What the catalogue knows of a model.
    pub(crate) fn model(&self, model: &ModelRef) -> Option<ModelInfo> {
        self.engine.targets.catalogue().model(model)
    }

    /// What is at work here.
    pub(crate) fn workshop(&self) -> MutexGuard<'_, HashMap<RunId, Working>> {
        self.engine.workshop.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UserScope {
    /// What a run of this user stands on.
    ///
    /// # Errors
    /// `Closed`; `Invalid` (bad_user).
    pub(crate) fn ground(&self) -> Result<Ground> {
        self.check()?;
        let engine = self.engine.clone();
        Ok(Ground {
            store: engine.store.clone(),
            clock: engine.clock.clone(),
            ids: engine.ids.clone(),
            tasks: engine.tasks.clone(),
            owner: self.owner.clone(),
            engine,
        })
    }
}

impl Conversation {
    /// Whose it is.
    pub(crate) const fn user(&self) -> &UserScope {
        &self.user
    }

    /// What it begins with if it is not there yet, for whoever goes on with it in another process.
    pub(crate) fn beginning(&self) -> Option<Json> {
        self.fresh.as_ref().and_then(|fresh| serde_json::to_value(&**fresh).ok())
    }

    /// The same conversation, which begins with this if it is not there yet.
    ///
    /// # Errors
    /// `Internal` when this is no beginning.
    pub(crate) fn beginning_with(mut self, beginning: Option<Json>) -> Result<Self> {
        if let (None, Some(beginning)) = (&self.fresh, beginning) {
            let fresh: ConversationOptions = serde_json::from_value(beginning)
                .map_err(|_| Error::internal("what a conversation begins with could not be read"))?;
            self.fresh = Some(Arc::new(fresh));
        }
        Ok(self)
    }

    /// Notes what the run has paid before, in another process.
    pub(crate) fn has_paid(&self, cost: &Cost) {
        let limit = self.user.run.as_ref().and_then(|run| run.cost_limit.as_ref());
        if let (Some(limit), Some(nano_usd)) = (limit, cost.nano_usd) {
            limit.spend(nano_usd);
        }
    }

    /// The same conversation, whose calls count on a run.
    pub(crate) fn within(&self, run: InRun) -> Self {
        let user = UserScope { run: Some(run), ..self.user.clone() };
        Self { user, ..self.clone() }
    }
}
