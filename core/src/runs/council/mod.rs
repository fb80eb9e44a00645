//! A council: several models answer, judge each other's answers without knowing whose they are, and one sums up.

mod ballot;
mod labels;
mod lot;
mod prompts;
mod result;
mod settings;
mod stages;
mod tally;

#[cfg(test)]
mod tests;

pub use prompts::CouncilPrompts;
pub use result::{CouncilResult, CouncilStage, Degraded, MemberAnswer, Standing};
pub use settings::Council;
pub use tally::CouncilRule;
