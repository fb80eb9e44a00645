//! A council: several models answer, judge each other's answers without knowing whose they are, and one sums up.

mod asking;
mod ballot;
mod labels;
mod lot;
mod past;
mod preview;
mod program;
mod prompts;
mod session;
mod settings;
mod stages;
mod synthesis;
mod tally;

#[cfg(test)]
mod tests;

pub use prompts::CouncilPrompts;
pub use settings::Council;
pub use tally::CouncilRule;
