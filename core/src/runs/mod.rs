//! Floor 5: runs. What takes several calls: agents with tools, councils, as streams of events that outlive the process.
//!
//! A run appends what happens in it, each time in sight of everything before; a step that is there is never done again.
//! Whoever picks a run up after a crash goes on behind its last finished step.

mod agent;
mod council;
mod journal;
mod list;
mod program;
mod run;
mod standing;
mod start;
mod task;
mod tools;
mod turn;
mod watch;

pub use agent::{Agent, Bounds};
pub use council::{Council, CouncilPrompts, CouncilRule};
pub use list::RunsCall;
pub use program::Program;
pub use run::Run;
pub use start::{PickUpOf, RunOf};
pub use tools::{Tool, ToolContext, ToolFailure};
