//! What Python reads: one frozen class per record and per variant of the model, with its names.
//!
//! A class holds the Rust value; an attribute is made when it is read (45 ns an id), so a page of
//! messages costs what is looked at. Rejected, by measurement: dicts (24 µs a page against 2),
//! dataclasses (79 µs, and 27 ms at import), JSON text (117 µs).
//!
//! A record's fields are listed once, beside the record's name: [`values!`] makes getters,
//! constructor, equality, hash, pickle and `repr` of the list, and leaving one out does not compile.

#[macro_use]
mod class;
mod batch;
mod budget;
mod catalogue;
mod context;
mod error_info;
mod event;
mod held;
mod library;
mod media;
mod message;
mod page;
mod part;
mod reply;
mod request;
mod run;
mod search;
mod timeline;
mod tool;
mod transfer;
mod upkeep;
mod usage;
mod watch;

use pyo3::prelude::*;

pub(crate) use budget::{described, id_of, tier, tiers};
pub(crate) use message::Message;
pub(crate) use page::Page;
pub(crate) use request::ChatMessage;

/// Puts every class into the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    batch::register(module)?;
    budget::register(module)?;
    catalogue::register(module)?;
    context::register(module)?;
    error_info::register(module)?;
    event::register(module)?;
    library::register(module)?;
    media::register(module)?;
    message::register(module)?;
    part::register(module)?;
    reply::register(module)?;
    request::register(module)?;
    run::register(module)?;
    search::register(module)?;
    timeline::register(module)?;
    module.add_class::<timeline::TimelineDiff>()?;
    module.add_class::<timeline::ConversationDiff>()?;
    tool::register(module)?;
    transfer::register(module)?;
    upkeep::register(module)?;
    usage::register(module)?;
    watch::register(module)?;
    module.add_class::<Page>()?;
    module.add_function(wrap_pyfunction!(class::restore, module)?)
}
