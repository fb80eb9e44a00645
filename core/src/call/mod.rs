//! Floor 3: the way of one call to a provider and back.

pub mod catalog;
pub mod credentials;
