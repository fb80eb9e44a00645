mod ballot;
mod labels;
mod prompts;
mod settings;
mod stages;
mod tally;
