//! Who hears what happens to calls on their way.

use super::context::CallContext;
use crate::model::EngineEventKind;
use crate::policy::Measure;

/// Hears what happens to calls on their way. It is told in the middle of a call, so it must not wait.
pub trait Witness: Send + Sync + 'static {
    /// Something happened to a call that somebody may want to know of.
    fn tell(&self, about: &CallContext, what: EngineEventKind);

    /// Something of a model was counted or measured.
    fn count(&self, model: &str, what: &Measure);
}
