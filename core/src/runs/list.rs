//! The runs of a user.
