//! The native half of the Python package `tertulia`.
//!
//! ```text
//! convert   Python values ↔ Rust values, with the place of what is wrong
//! values    one frozen class per record and variant of the model
//! content   what callers say: text, parts, pictures, messages
//! error     errors as exceptions
//! logs      the engine's log, on its way to `logging`
//! simulator a provider on loopback, for tests
//! engine    the five nouns: Tertulia, UserScope, Conversation, ReplyStream, and what goes with them
//! own       providers and tools that are Python code
//! bridge    threads, event loops, signals and forks
//! ```
//! Importing it makes classes and nothing else: no thread, no socket, no file.

mod bridge;
mod content;
mod convert;
mod engine;
mod error;
mod logs;
mod own;
mod probe;
mod simulator;
mod values;

use pyo3::prelude::*;

/// The native half of `tertulia`. Import the names from `tertulia` itself.
#[pymodule(gil_used = false)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    values::register(module)?;
    content::register(module)?;
    engine::register(module)?;
    simulator::register(module)?;
    module.add_class::<own::Sink>()?;
    module.add_class::<own::Answer>()?;
    module.add_class::<own::ToolContext>()?;
    module.add_function(wrap_pyfunction!(bridge::never_wait_here, module)?)?;
    module.add_function(wrap_pyfunction!(error::error_info, module)?)?;
    probe::register(module)?;
    module.add_function(wrap_pyfunction!(logs::forward_logs, module)?)?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(bridge::before_fork, module)?)?;
    module.add_function(wrap_pyfunction!(bridge::after_fork_in_parent, module)?)?;
    module.add_function(wrap_pyfunction!(bridge::after_fork, module)?)?;
    // The list of names is the stub's to keep; two would differ one day.
    module.delattr("__all__")
}
