//! An agent: a model with instructions and tools, asked until it answers without asking for a tool.

mod bounds;
mod output;
mod progress;
mod rounds;
mod value;

pub use bounds::Bounds;
pub use value::Agent;
