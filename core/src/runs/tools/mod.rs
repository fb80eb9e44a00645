//! Tools: your functions, called when a model asks for them.

mod call;
mod tool;

pub use tool::{Tool, ToolContext, ToolFailure};

pub(super) use call::{answer, failed};
pub(super) use tool::schema_of;
