//! A value of its own, or a place on a page.

use std::sync::Arc;

use tertulia::base::Page;

/// What a value class holds.
pub(crate) enum Held<T> {
    /// A value of its own.
    Own(T),
    /// An item of a page: reading it costs no copy of the record.
    Item(Arc<Page<T>>, usize),
}

impl<T> Held<T> {
    /// The value.
    pub(crate) fn get(&self) -> &T {
        match self {
            Self::Own(value) => value,
            // Pages never change, and the index was checked when the item was made.
            Self::Item(page, index) => &page.items[*index],
        }
    }
}
