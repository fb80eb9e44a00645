mod ballot;
mod labels;
mod preview;
mod prompts;
mod settings;
mod stages;
mod tally;
