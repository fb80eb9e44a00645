//! How urgent a call is.

use serde::{Deserialize, Serialize};

/// How urgent a call is while others wait for the same model. Who has waited long counts as more urgent
/// (`queue.aging_ms`), so that nobody waits for ever. It is never sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Priority {
    /// Somebody looks at the screen and waits. Left out, it is this.
    #[default]
    Interactive,
    /// Somebody waits for the result, but not at a screen.
    Normal,
    /// Nobody waits: summaries, evaluations, batches.
    Background,
}
